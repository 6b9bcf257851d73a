//! Encrypting and decrypting with a password of one's own.
//!
//! Sources: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/vault_filter.html>,
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/unvault_filter.html>

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::value::{string, type_name};
use crate::vault::{Keyring, Named, Secret, VaultError, conceal, is_encrypted};

pub(super) const FILTERS: &[Entry] = &[on("unvault", unvault), on("vault", vault)];

/// The vault id of what the filters encrypt.
const LABEL: &str = "filter_default";

/// The password that was given: it is no more shown than one of a file.
fn password(args: &mut Args) -> Result<Secret, Error> {
    let secret = args.value("secret")?;
    if !matches!(secret.kind(), ValueKind::String | ValueKind::Bytes) {
        return Err(args.wrong(format!("`secret` must be a text, not {}", type_name(&secret))));
    }
    let secret = string(&secret)?;
    conceal(&secret);
    Ok(Secret::from(secret.into_bytes()))
}

fn label(args: &mut Args) -> Result<String, Error> {
    let label = args.text_or("vault_id", LABEL)?;
    let old = args.opt_text("vaultid")?;
    Ok(old.filter(|_| label == LABEL).unwrap_or(label))
}

fn input(value: &Value, args: &Args) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => string(value),
        _ => Err(args.wrong(format!("only texts can be encrypted and decrypted, not {}", type_name(value)))),
    }
}

fn failure(args: &Args, doing: &str, reason: &VaultError) -> Error {
    args.wrong(format!("cannot {doing} it: {reason}"))
}

fn vault(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let secret = password(args)?;
    let salt = args.opt_text("salt")?;
    let label = label(args)?;
    // The object it would wrap the text in is one of Python's: here it is the text itself.
    args.flag("wrap_object", false)?;
    let text = input(value, args)?;
    if salt.as_ref().is_some_and(String::is_empty) {
        return Err(args.wrong("`salt` is empty"));
    }
    let sealed = Keyring::default().with_salt(salt).seal(text.as_bytes(), &secret, Some(&label));
    conceal(&text);
    sealed.map(Value::from).map_err(|reason| failure(args, "encrypt", &reason))
}

fn unvault(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let secret = password(args)?;
    let id = label(args)?;
    let text = input(value, args)?;
    if !is_encrypted(text.as_bytes()) {
        return Ok(Value::from(text));
    }
    let opened = Keyring::new(vec![Named { id, secret }]).open(text.as_bytes());
    let opened = opened.map_err(|reason| failure(args, "decrypt", &reason))?;
    let text = std::str::from_utf8(&opened.text).map_err(|_| args.wrong("what was encrypted is not UTF-8 text"))?;
    conceal(text);
    Ok(Value::from(text))
}

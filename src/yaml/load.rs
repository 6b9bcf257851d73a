//! From a file to its tree.

use std::{fs, io, path::Path, sync::Arc};

use serde_json::Value as Json;

use super::{Node, Source, Span, Value, YamlError, build, secret};
use crate::vault;

/// What a text may hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether a key may stand twice in a mapping; the last one counts then.
    pub duplicate_keys: bool,
    /// Whether there may be several documents.
    pub many: bool,
}

/// Reads the one document of a file; an empty file is null.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn load(path: &Path) -> Result<Node, YamlError> {
    load_with(path, Options::default())
}

/// Reads the one document of a file with options.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn load_with(path: &Path, options: Options) -> Result<Node, YamlError> {
    one(&read_source(path)?, Options { many: false, ..options })
}

/// Reads the one document of a text; `name` is what messages call it.
///
/// # Errors
/// When the text is not YAML.
pub fn load_str(name: &str, text: &str) -> Result<Node, YamlError> {
    one(&named(name, text), Options::default())
}

/// Reads the one document of bytes that came from elsewhere than a file.
///
/// # Errors
/// When the bytes are not UTF-8 or not YAML.
pub fn load_bytes(name: &str, bytes: Vec<u8>) -> Result<Node, YamlError> {
    one(&decode(Path::new(name), bytes)?, Options::default())
}

/// Reads the one document of a text that was read before.
///
/// # Errors
/// When the text is not YAML.
pub fn load_source(source: &Arc<Source>) -> Result<Node, YamlError> {
    one(source, Options::default())
}

/// Reads all documents of a file.
///
/// # Errors
/// When the file cannot be read or is not YAML.
pub fn load_all(path: &Path) -> Result<Vec<Node>, YamlError> {
    let source = read_source(path)?;
    all(&source, Options { many: true, ..Options::default() })
}

/// Reads all documents of a text; `name` is what messages call it.
///
/// # Errors
/// When the text is not YAML.
pub fn load_all_str(name: &str, text: &str) -> Result<Vec<Node>, YamlError> {
    all(&named(name, text), Options { many: true, ..Options::default() })
}

/// Reads a file as text, without a byte order mark. An encrypted one is decrypted, unless there is no password at all or a
/// task of this run wrote it: then it is read as it stands, and its one document is [`Value::Vault`].
///
/// # Errors
/// When the file cannot be read, decrypted, or is not UTF-8.
pub fn read_source(path: &Path) -> Result<Arc<Source>, YamlError> {
    let bytes = fs::read(path).map_err(|reason| {
        let help = match reason.kind() {
            io::ErrorKind::NotFound => Some("check the path".into()),
            io::ErrorKind::PermissionDenied => Some("make it readable for the user who runs bringup".into()),
            io::ErrorKind::IsADirectory => Some("name a file, not a folder".into()),
            _ => None,
        };
        YamlError::Read { path: path.to_owned(), reason, help }
    })?;
    // What a host sent is not decrypted for it.
    if !vault::is_encrypted(&bytes) || !vault::is_unlocked() || super::origin::was_written(path) {
        return decode(path, bytes);
    }
    let (text, _) = vault::open_file(&path.display().to_string(), bytes).map_err(|reason| {
        let help = miette::Diagnostic::help(&reason).map(|help| help.to_string());
        YamlError::Vault { path: path.to_owned(), reason, help }
    })?;
    decode(path, text.to_vec())
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<Arc<Source>, YamlError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(named(&path.display().to_string(), &text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
            Err(YamlError::NotUtf8 { path: path.to_owned(), line, byte: bytes.get(at).copied().unwrap_or_default() })
        }
    }
}

fn named(name: &str, text: &str) -> Arc<Source> {
    Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn one(source: &Arc<Source>, options: Options) -> Result<Node, YamlError> {
    let first = all(source, options)?.into_iter().next();
    Ok(first.unwrap_or_else(|| Node::new(Value::Null, Span::new(source, 0, 0))))
}

fn all(source: &Arc<Source>, options: Options) -> Result<Vec<Node>, YamlError> {
    if vault::is_encrypted(source.text.as_bytes()) {
        return Ok(vec![Node::new(Value::Vault(source.text.clone()), Span::whole(source))]);
    }
    if vault::is_hidden_source(&source.name) {
        return secret::keep(documents(source, options), source);
    }
    documents(source, options)
}

fn documents(source: &Arc<Source>, options: Options) -> Result<Vec<Node>, YamlError> {
    match json(&source.text) {
        None => build::documents(source, options, false).map_err(|error| no_json(error, source)),
        // JSON has escapes that YAML lacks (surrogate pairs): its values then come without places.
        Some(json) => build::documents(source, options, true).or_else(|error| match error {
            YamlError::Syntax { .. } => Ok(vec![Node::from_json(&json, &Span::whole(source))]),
            other => Err(other),
        }),
    }
}

/// Adds why the text of a file that is called JSON is none.
fn no_json(mut error: YamlError, source: &Source) -> YamlError {
    if let YamlError::Syntax { help, .. } = &mut error
        && source.name.ends_with(".json")
        && let Err(reason) = serde_json::from_str::<Json>(&source.text)
    {
        let told = help.take().map(|help| format!("{help}\n")).unwrap_or_default();
        *help = Some(format!("{told}as JSON: {reason}"));
    }
    error
}

/// The value of a text that is JSON: Ansible tries that first.
fn json(text: &str) -> Option<Json> {
    text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text).ok())?
}

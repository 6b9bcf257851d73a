//! Lookups that read this machine.

use std::path::Path;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::call::{Call, Lookup, spread};
use crate::python::encoding::{self, Encoding};
use crate::python::random::{Random, Seed};
use crate::template::error::{Kind, TemplateError, carry};
use crate::template::file::FileOptions;
use crate::template::filter::{self, parse_yaml};
use crate::template::value::{from_json, items, pairs, string};
use crate::vault;
use crate::yaml::origin;

/// Their names.
pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("env", env),
    ("file", file),
    ("fileglob", fileglob),
    ("first_found", first_found),
    ("lines", lines),
    ("password", password),
    ("pipe", pipe),
    ("template", template),
    ("unvault", unvault),
];

/// Finds and reads a text file of the role's or playbook's; an encrypted one is decrypted.
pub(super) fn read(call: &Call<'_>, kind: &str, name: &str) -> Result<(String, String), Error> {
    read_as(call, kind, name, "utf-8")
}

/// The same, by the name of its encoding.
pub(super) fn read_as(call: &Call<'_>, kind: &str, name: &str, encoding: &str) -> Result<(String, String), Error> {
    let known = Encoding::named(encoding);
    let known =
        known.ok_or_else(|| call.wrong(format!("the encoding `{encoding}` is not supported: {}", encoding::NAMES)))?;
    let path = call.local.find(kind, name).ok_or_else(|| {
        let message = format!("lookup `{}`: there is no file `{name}`", call.name);
        let help = format!("it is looked for in the `{kind}` folders of the role and the playbook, then beside them");
        carry(TemplateError::new(Kind::Failed(message), None).with_help(help))
    })?;
    let bytes = call.local.read(&path).map_err(|error| call.wrong(format!("cannot read `{path}`: {error}")))?;
    // What a host sent is not decrypted for it.
    let opened = match vault::is_encrypted(&bytes) && !origin::was_written(Path::new(&path)) {
        true => vault::open_file(&path, bytes),
        false => Ok((bytes.into(), false)),
    };
    let (bytes, secret) = opened.map_err(|reason| {
        let message = format!("lookup `{}`: failed to decrypt `{path}`: {reason}", call.name);
        let help = miette::Diagnostic::help(&reason).map(|help| help.to_string()).unwrap_or_default();
        carry(TemplateError::new(Kind::Failed(message), None).with_help(help))
    })?;
    let text = known.decode(&bytes).ok_or_else(|| call.wrong(format!("`{path}` is not text in {encoding}")))?;
    if secret {
        vault::conceal_content(&text);
    }
    Ok((path, text))
}

/// What a lookup took out of a file: as secret as the file is.
pub(super) fn taken(path: &str, text: String) -> Value {
    if vault::is_hidden_source(path) {
        vault::conceal(&text);
    }
    Value::from(text)
}

/// The content of files, encrypted or not, with the white space at their ends.
fn unvault(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let names = call.texts()?;
    names.iter().map(|name| read(call, "files", name).map(|(_, text)| Value::from(text))).collect()
}

fn file(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let (lstrip, rstrip) = (call.flag("lstrip", false), call.flag("rstrip", true));
    let mut out = Vec::new();
    for name in call.texts()? {
        let (_, text) = read(call, "files", &name)?;
        let text = if lstrip { text.trim_start() } else { &text };
        out.push(Value::from(if rstrip { text.trim_end() } else { text }));
    }
    Ok(out)
}

fn env(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let default = call.option("default").unwrap_or_else(|| Value::from(""));
    Ok(call.texts()?.iter().map(|name| call.local.env(name).map_or_else(|| default.clone(), Value::from)).collect())
}

fn fileglob(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for pattern in call.texts()? {
        let (folder, name) = pattern.rsplit_once('/').map_or(("", pattern.as_str()), |(f, n)| (f, n));
        let bases = match folder {
            _ if pattern.starts_with('/') => vec![folder.to_owned()],
            "" => call.local.folders("files"),
            folder => call.local.find("files", folder).into_iter().collect(),
        };
        // The first folder that has any.
        let mut found = bases.iter().map(|base| call.local.glob(&format!("{}/{name}", base.trim_end_matches("/."))));
        out.extend(found.find(|paths| !paths.is_empty()).unwrap_or_default().into_iter().map(Value::from));
    }
    Ok(out)
}

/// The output of a command, its last newline dropped.
fn output(call: &Call<'_>, command: &str) -> Result<String, Error> {
    let trouble = |error| call.wrong(format!("`{command}` could not be run: {error}"));
    let (status, out, err) = call.local.run(command).map_err(trouble)?;
    if status != Some(0) {
        let status = status.map_or_else(|| "was killed".to_owned(), |s| format!("ended with status {s}"));
        let err = String::from_utf8_lossy(&err);
        return Err(call.wrong(format!("`{command}` {status}: {}", err.trim())));
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn pipe(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let commands = call.texts()?;
    commands.iter().map(|command| output(call, command).map(|text| Value::from(text.trim_end()))).collect()
}

fn lines(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for command in call.texts()? {
        out.extend(output(call, &command)?.lines().map(Value::from));
    }
    Ok(out)
}

/// Files and folders to try, from terms that are names, lists or mappings with `files` and `paths`.
fn candidates(call: &mut Call<'_>) -> Result<(Vec<String>, bool), Error> {
    let mut skip = call.flag("skip", false);
    let texts = |value: &Value| -> Result<Vec<String>, Error> {
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => items(value)?.iter().map(string).collect(),
            _ => Ok(string(value)?
                .split([',', ';', ':'])
                .map(|p| p.trim().to_owned())
                .filter(|p| !p.is_empty())
                .collect()),
        }
    };
    let (named_files, named_paths) = (call.option("files"), call.option("paths"));
    let mut out = Vec::new();
    let mut add = |files: Option<Value>, paths: Option<Value>| -> Result<(), Error> {
        let files = files.as_ref().map(texts).transpose()?.unwrap_or_default();
        let paths = paths.as_ref().map(texts).transpose()?.unwrap_or_default();
        if paths.is_empty() {
            out.extend(files);
        } else if files.is_empty() {
            out.extend(paths);
        } else {
            out.extend(
                paths.iter().flat_map(|p| files.iter().map(move |f| format!("{}/{f}", p.trim_end_matches('/')))),
            );
        }
        Ok(())
    };
    for term in spread(&call.terms)? {
        if term.kind() == ValueKind::Map {
            let part = |name: &str| term.get_attr(name).ok().filter(|v| !v.is_undefined());
            skip |= part("skip").is_some_and(|v| v.is_true());
            if let Some((key, _)) =
                pairs(&term)?.iter().find(|(k, _)| !matches!(k.as_str(), Some("files" | "paths" | "skip")))
            {
                return Err(call.wrong(format!("there is no option `{key}`: files, paths or skip")));
            }
            add(part("files"), part("paths"))?;
        } else {
            add(Some(Value::from(vec![term])), None)?;
        }
    }
    add(named_files, named_paths)?;
    Ok((out, skip))
}

fn first_found(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let (files, skip) = candidates(call)?;
    for name in &files {
        // A role's own files go before those of the role that it is needed by, whatever folder they are in.
        if let Some(path) = call.local.find_nearest(&["vars", "files", "templates", "tasks"], name) {
            return Ok(vec![Value::from(path)]);
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    let message = format!("lookup `first_found`: none of these files exists: {}", files.join(", "));
    Err(carry(
        TemplateError::new(Kind::Failed(message), None).with_help("add a file that always exists, or `skip: true`"),
    ))
}

/// What `password` can be told.
const PASSWORD_OPTIONS: &[&str] = &["length", "chars", "seed", "encrypt", "ident"];

/// A password that is made once and kept in a file.
fn password(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    let named: Vec<(String, String)> = PASSWORD_OPTIONS
        .iter()
        .filter_map(|name| call.option(name).filter(|v| !v.is_none()).map(|v| (name, v)))
        .map(|(name, v)| {
            let joined = items(&v).ok().filter(|_| v.kind() == ValueKind::Seq);
            (
                (*name).to_owned(),
                joined
                    .map_or_else(|| v.to_string(), |l| l.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            )
        })
        .collect();
    for term in call.texts()? {
        let mut words = term.split_whitespace();
        let path = words.next().unwrap_or_default().to_owned();
        let mut options = named.clone();
        for word in words {
            match word.split_once('=') {
                Some((name, value)) if PASSWORD_OPTIONS.contains(&name) => {
                    options.push((name.to_owned(), value.to_owned()))
                }
                _ => {
                    let known = PASSWORD_OPTIONS.join(", ");
                    return Err(call.wrong(format!("`{word}` is not an option: {known}")));
                }
            }
        }
        out.push(Value::from(kept_password(call, &path, &options)?));
    }
    Ok(out)
}

fn kept_password(call: &Call<'_>, path: &str, options: &[(String, String)]) -> Result<String, Error> {
    let find = |name: &str| options.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let kept = call.local.read(path).ok().filter(|_| path != "/dev/null").map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let line = text.lines().next().unwrap_or_default();
        let (password, rest) = line.rsplit_once(" salt=").map_or((line, None), |(p, rest)| (p, Some(rest)));
        let salt = rest.map(|rest| rest.rsplit_once(" ident=").map_or(rest, |(salt, _)| salt).to_owned());
        (password.to_owned(), salt)
    });
    let is_kept = kept.is_some();
    let (password, salt) = match kept {
        Some(kept) => kept,
        None => (made_password(call, options)?, None),
    };
    let encrypt = find("encrypt").filter(|kind| !kind.is_empty());
    let new_salt = salt.is_none() && encrypt.is_some();
    // The salt is kept with the password, so that the hash is the same in each run.
    let salt = salt.or_else(|| encrypt.map(|kind| filter::random_salt(kind, None)));
    if path != "/dev/null" && (!is_kept || new_salt) {
        let salted = salt.as_ref().map(|salt| format!(" salt={salt}")).unwrap_or_default();
        let trouble = |error| call.wrong(format!("cannot write `{path}`: {error}"));
        call.local.write_private(path, format!("{password}{salted}\n").as_bytes()).map_err(trouble)?;
    }
    match encrypt {
        Some(kind) => filter::crypted(kind, &password, &salt.unwrap_or_default(), None),
        None => Ok(password),
    }
}

fn made_password(call: &Call<'_>, options: &[(String, String)]) -> Result<String, Error> {
    let find = |name: &str| options.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let length: usize = match find("length") {
        Some(text) => text.parse().map_err(|_| call.wrong(format!("`length` must be a whole number, not `{text}`")))?,
        None => 20,
    };
    let alphabet: Vec<char> = letters(find("chars").unwrap_or("ascii_letters,digits,.,,,:,-,_"));
    if alphabet.is_empty() || length > 100_000 {
        return Err(call.wrong("no password can be made of these `chars` and this `length`"));
    }
    let mut chance = Random::new(find("seed").map(|seed| Seed::Text(seed.to_owned())).as_ref());
    Ok((0..length).filter_map(|_| alphabet.get(chance.position(alphabet.len()))).collect())
}

/// The characters of Python's names for sets of them, or the characters themselves.
fn letters(sets: &str) -> Vec<char> {
    let mut out: Vec<char> = Vec::new();
    let sets = sets.replace(",,", ",\u{0},");
    for set in sets.split(',') {
        match set {
            "ascii_letters" => out.extend(('a'..='z').chain('A'..='Z')),
            "ascii_lowercase" => out.extend('a'..='z'),
            "ascii_uppercase" => out.extend('A'..='Z'),
            "digits" => out.extend('0'..='9'),
            "hexdigits" => out.extend("0123456789abcdefABCDEF".chars()),
            "octdigits" => out.extend('0'..='7'),
            "punctuation" => out.extend("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".chars()),
            "\u{0}" => out.push(','),
            other => out.extend(other.chars()),
        }
    }
    out.retain(|c| !matches!(c, '"' | '\''));
    out
}

/// Refuses a template that a task of this run wrote.
fn refuse_written(path: &str) -> Result<(), Error> {
    if !origin::was_written(std::path::Path::new(path)) {
        return Ok(());
    }
    let message = format!("lookup `template`: `{path}`: {}", origin::REFUSED);
    Err(carry(TemplateError::new(Kind::Failed(message), None).with_help(origin::REFUSED_HELP)))
}

/// How a template is read, by the options of the call.
fn file_options(call: &mut Call<'_>) -> Result<FileOptions, Error> {
    let mut options = FileOptions {
        trim_blocks: call.flag("trim_blocks", true),
        lstrip_blocks: call.flag("lstrip_blocks", false),
        ..FileOptions::default()
    };
    for (name, mark) in [
        ("variable_start_string", &mut options.variable_start_string),
        ("variable_end_string", &mut options.variable_end_string),
        ("block_start_string", &mut options.block_start_string),
        ("block_end_string", &mut options.block_end_string),
        ("comment_start_string", &mut options.comment_start_string),
        ("comment_end_string", &mut options.comment_end_string),
    ] {
        if let Some(given) = call.option(name).filter(|given| !given.is_none()) {
            *mark = string(&given)?;
        }
    }
    Ok(options)
}

fn template(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let Some(inner) = call.context.clone() else { return Err(call.wrong("there are no variables here")) };
    let convert = call.flag("convert_data", true);
    let extra = call.option("template_vars");
    let options = file_options(call)?;
    let mut context = crate::template::context::Context::new(&inner.engine, inner.vars.clone(), inner.local.clone());
    if let Some(extra) = extra {
        let mut top = indexmap::IndexMap::new();
        for (key, value) in pairs(&extra)? {
            top.insert(key.to_string(), crate::template::Var::object(value));
        }
        context = context.with(top);
    }
    let mut out = Vec::new();
    for name in call.texts()? {
        let (path, text) = read(call, "templates", &name)?;
        refuse_written(&path)?;
        let source = std::sync::Arc::new(crate::yaml::Source { name: path.clone(), text });
        let local = inner.local.clone();
        let load: crate::template::Loader = std::sync::Arc::new(move |name: &str| {
            let path = local.find("templates", name)?;
            refuse_written(&path).ok()?;
            let text = String::from_utf8(local.read(&path).ok()?).ok()?;
            Some(std::sync::Arc::new(crate::yaml::Source { name: path, text }))
        });
        let shown = inner.engine.render_file(&source, &options, &load, &context).map_err(carry)?;
        let data = shown.trim_start().starts_with(['[', '{']);
        out.push(match parse_yaml(&shown).ok().filter(|_| convert && data) {
            Some(parsed) => from_json(&parsed),
            None => Value::from(shown),
        });
    }
    Ok(out)
}

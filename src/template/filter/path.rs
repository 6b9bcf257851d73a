//! Paths, as texts and on this machine.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::function::local_of;
use crate::template::value::{items, string};

pub(super) const FILTERS: &[Entry] = &[
    on("basename", |_, v, _| Ok(Value::from(split(&string(v)?).1))),
    on("commonpath", commonpath),
    on("dirname", |_, v, _| Ok(Value::from(split(&string(v)?).0))),
    on("expanduser", expanduser),
    on("expandvars", expandvars),
    on("fileglob", fileglob),
    on("normpath", |_, v, _| Ok(Value::from(normalized(&string(v)?)))),
    on("path_join", path_join),
    on("realpath", realpath),
    on("relpath", relpath),
    on("splitext", splitext),
    on("win_basename", win_basename),
    on("win_dirname", win_dirname),
    on("win_splitdrive", win_splitdrive),
];

/// Python's `os.path.split`.
fn split(path: &str) -> (String, String) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head.trim_end_matches('/');
    let head = if trimmed.is_empty() { head } else { trimmed };
    (head.to_owned(), tail.to_owned())
}

/// Python's `os.path.normpath`.
pub(crate) fn normalized(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

fn path_join(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let parts = match value.kind() {
        ValueKind::String => vec![value.clone()],
        _ => items(value)?,
    };
    let mut out = String::new();
    for part in &parts {
        let part = string(part)?;
        if part.starts_with('/') {
            out = part;
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out.push_str(&part);
        }
    }
    Ok(Value::from(out))
}

fn splitext(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = string(value)?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let first = path[name..].find(|c| c != '.').map_or(path.len(), |at| name + at);
    let (root, ext) = match path.rfind('.').filter(|at| *at > first) {
        Some(at) => path.split_at(at),
        None => (path.as_str(), ""),
    };
    Ok([root, ext].into_iter().collect())
}

fn commonpath(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let paths: Vec<String> = items(value)?.iter().map(string).collect::<Result<_, _>>()?;
    if paths.is_empty() || paths.iter().any(|p| p.starts_with('/') != paths[0].starts_with('/')) {
        return Err(args.wrong("needs paths that are all absolute or all relative"));
    }
    let parts: Vec<Vec<&str>> =
        paths.iter().map(|p| p.split('/').filter(|x| !x.is_empty() && *x != ".").collect()).collect();
    let len = (0..parts[0].len()).take_while(|i| parts.iter().all(|p| p.get(*i) == parts[0].get(*i))).count();
    let root = if paths[0].starts_with('/') { "/" } else { "" };
    Ok(Value::from(format!("{root}{}", parts[0].get(..len).unwrap_or_default().join("/"))))
}

fn absolute(state: &State, path: &str) -> String {
    let path =
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", local_of(state).current_dir()) };
    normalized(&path)
}

fn relpath(state: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let start = args.text_or("start", ".")?;
    let (path, start) = (absolute(state, &string(value)?), absolute(state, &start));
    let split = |p: &str| p.split('/').filter(|x| !x.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (split(&path), split(&start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), start.len() - same);
    let parts: Vec<String> = up.chain(path.into_iter().skip(same)).collect();
    Ok(Value::from(if parts.is_empty() { ".".to_owned() } else { parts.join("/") }))
}

fn realpath(state: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = absolute(state, &string(value)?);
    Ok(Value::from(local_of(state).real_path(&path).unwrap_or(path)))
}

fn expanduser(state: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = string(value)?;
    let rest = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let home = local_of(state).env("HOME");
    Ok(Value::from(match (rest, home) {
        (Some(rest), Some(home)) => format!("{}{rest}", home.trim_end_matches('/')),
        _ => path,
    }))
}

fn expandvars(state: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let text = string(value)?;
    let local = local_of(state);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|t| t.split_once('}'));
        let plain = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, tail) = braced.unwrap_or_else(|| after.split_at(plain));
        match local.env(name).filter(|_| !name.is_empty()) {
            Some(found) => out.push_str(&found),
            None => out.push_str(&rest[at..rest.len() - tail.len()]),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn fileglob(state: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(local_of(state).glob(&string(value)?).into_iter().map(Value::from).collect())
}

/// What stands between the parts of a path on Windows.
const SEPARATORS: [char; 2] = ['\\', '/'];

/// The drive or the share that a path of Windows begins with, and the rest: Python's `ntpath.splitdrive`.
fn drive(path: &str) -> (&str, &str) {
    if !path.starts_with([SEPARATORS[0], SEPARATORS[1]]) || !path.get(1..).is_some_and(|p| p.starts_with(SEPARATORS)) {
        let has_drive = path.chars().nth(1) == Some(':');
        let end = if has_drive { path.char_indices().nth(2).map_or(path.len(), |(at, _)| at) } else { 0 };
        return path.split_at(end);
    }
    let is_long = path.get(..8).is_some_and(|start| start.replace('/', "\\").eq_ignore_ascii_case("\\\\?\\UNC\\"));
    let next = |from: usize| path.get(from..)?.find(SEPARATORS).map(|at| from + at);
    let end = next(if is_long { 8 } else { 2 }).and_then(|server| next(server + 1));
    path.split_at(end.unwrap_or(path.len()))
}

fn win_basename(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = string(value)?;
    let (_, rest) = drive(&path);
    Ok(Value::from(rest.rsplit(SEPARATORS).next().unwrap_or_default()))
}

fn win_dirname(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = string(value)?;
    let (drive, rest) = drive(&path);
    let head = rest.rfind(SEPARATORS).and_then(|at| rest.get(..=at)).unwrap_or_default();
    let bare = head.trim_end_matches(SEPARATORS);
    Ok(Value::from(format!("{drive}{}", if bare.is_empty() { head } else { bare })))
}

fn win_splitdrive(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let path = string(value)?;
    let (drive, rest) = drive(&path);
    Ok([drive, rest].into_iter().collect())
}

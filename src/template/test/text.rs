//! Texts: patterns, addresses.

use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::regex::Place;
use crate::template::args::Args;
use crate::template::filter::{compile, trouble};
use crate::template::function::local_of;
use crate::template::value::string;
use crate::vault;

pub(super) const TESTS: &[Entry] = &[
    on("endingwith", |_, v, a| Ok(string(v)?.ends_with(&a.text("suffix")?))),
    on("match", |_, v, a| matches(v, a, "match")),
    on("regex", |_, v, a| matches(v, a, "search")),
    on("search", |_, v, a| matches(v, a, "search")),
    on("startingwith", |_, v, a| Ok(string(v)?.starts_with(&a.text("prefix")?))),
    on("uri", uri),
    on("url", url),
    on("urn", |_, v, _| Ok(string(v)?.to_ascii_lowercase().starts_with("urn:"))),
    // Whether a value was written as `!vault`.
    on("vault_encrypted", |_, v, _| Ok(v.as_str().is_some_and(vault::is_value))),
    on("vaulted_file", vaulted_file),
];

fn matches(value: &Value, args: &mut Args, default: &str) -> Result<bool, Error> {
    let pattern = args.text("pattern")?;
    let ignorecase = args.flag("ignorecase", false)?;
    let multiline = args.flag("multiline", false)?;
    let kind = args.text_or("match_type", default)?;
    let place = match kind.as_str() {
        "search" => Place::Anywhere,
        "match" => Place::Start,
        "fullmatch" => Place::Whole,
        other => return Err(args.wrong(format!("`{other}` is not a way to match: search, match or fullmatch"))),
    };
    compile(&pattern, ignorecase, multiline, place)?.is_match(&string(value)?).map_err(|fault| trouble(&fault))
}

/// Whether a file of this machine is encrypted as a whole.
fn vaulted_file(state: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let path = string(value)?;
    let content = local_of(state).read(&path);
    content.map(|bytes| vault::is_encrypted(&bytes)).map_err(|e| args.wrong(format!("cannot read `{path}`: {e}")))
}

/// The scheme of an address, and what stands between `//` and the next part, as Python's `urlparse` takes it apart.
fn parts(text: &str) -> (String, &str) {
    let named = |scheme: &&str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let split = text.split_once(':').filter(|(scheme, _)| named(scheme));
    let (scheme, rest) = split.map_or((String::new(), text), |(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let place = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
    (scheme, place.unwrap_or_default())
}

/// Any text may be a URI; of a scheme that is asked for only those that have it.
fn uri(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let schemes = args.some("schemes").map(|s| crate::template::value::items(&s)).transpose()?;
    let Some(text) = value.as_str() else { return Ok(false) };
    let (scheme, _) = parts(text);
    Ok(schemes.is_none_or(|list| list.is_empty() || list.iter().any(|s| s.as_str() == Some(scheme.as_str()))))
}

/// A URL says where something is.
fn url(state: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    if !uri(state, value, args)? {
        return Ok(false);
    }
    let text = value.as_str().unwrap_or_default();
    let (scheme, place) = parts(text);
    Ok(!place.is_empty() || scheme == "file")
}

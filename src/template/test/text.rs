//! Texts: patterns, addresses.

use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::filter::compile;
use crate::template::value::string;

pub(super) const TESTS: &[Entry] = &[
    on("endingwith", |_, v, a| Ok(string(v)?.ends_with(&a.text("suffix")?))),
    on("match", |_, v, a| matches(v, a, "match")),
    on("regex", |_, v, a| matches(v, a, "search")),
    on("search", |_, v, a| matches(v, a, "search")),
    on("startingwith", |_, v, a| Ok(string(v)?.starts_with(&a.text("prefix")?))),
    on("uri", uri),
    on("url", |_, v, a| uri_of(v, a, &["://"])),
    on("urn", |_, v, _| Ok(string(v)?.to_ascii_lowercase().starts_with("urn:"))),
    on("vault_encrypted", |_, v, _| Ok(string(v)?.starts_with("$ANSIBLE_VAULT;"))),
];

fn matches(value: &Value, args: &mut Args, default: &str) -> Result<bool, Error> {
    let pattern = args.text("pattern")?;
    let ignorecase = args.flag("ignorecase", false)?;
    let multiline = args.flag("multiline", false)?;
    let kind = args.text_or("match_type", default)?;
    let regex = compile(&pattern, ignorecase, multiline)?;
    let text = string(value)?;
    let trouble = |error: fancy_regex::Error| failed(format!("the regular expression could not be applied: {error}"));
    match kind.as_str() {
        "search" => regex.is_match(&text).map_err(trouble),
        "match" => Ok(regex.find(&text).map_err(trouble)?.is_some_and(|found| found.start() == 0)),
        "fullmatch" => {
            let whole = compile(&format!("^(?:{pattern})\\z"), ignorecase, false)?;
            whole.is_match(&text).map_err(trouble)
        }
        other => Err(args.wrong(format!("`{other}` is not a way to match: search, match or fullmatch"))),
    }
}

fn uri(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    uri_of(value, args, &[":"])
}

fn uri_of(value: &Value, args: &mut Args, marks: &[&str]) -> Result<bool, Error> {
    let schemes = args.some("schemes").map(|s| crate::template::value::items(&s)).transpose()?;
    let text = string(value)?;
    let Some((scheme, rest)) = marks.iter().find_map(|mark| text.split_once(mark)) else { return Ok(false) };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let wanted = schemes.is_none_or(|list| list.iter().any(|s| s.as_str() == Some(scheme)));
    Ok(named && !rest.is_empty() && wanted)
}

//! Regular expressions as Python writes them.

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::failed;
use crate::template::value::{items, string};

/// How long a regular expression may be: what is made of it takes far more.
const MAX_PATTERN: usize = 50_000;

pub(super) const FILTERS: &[Entry] = &[
    on("regex_escape", regex_escape),
    on("regex_findall", regex_findall),
    on("regex_replace", regex_replace),
    on("regex_search", regex_search),
];

/// Compiles a pattern of Python's.
pub(crate) fn compile(pattern: &str, ignorecase: bool, multiline: bool) -> Result<Regex, Error> {
    if pattern.len() > MAX_PATTERN {
        return Err(failed(format!("a regular expression may be no longer than {MAX_PATTERN} characters")));
    }
    RegexBuilder::new(&python_pattern(pattern))
        .case_insensitive(ignorecase)
        .multi_line(multiline)
        .backtrack_limit(5_000_000)
        .build()
        .map_err(|error| failed(format!("`{pattern}` is not a regular expression: {error}")))
}

/// What Python writes in another way: `\Z` is the very end, a quantifier's braces may be plain text.
fn python_pattern(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some('Z') => out.push_str("\\z"),
                Some(
                    next @ ('/' | '"' | '\'' | '@' | '%' | '!' | ',' | ';' | ':' | '=' | '`' | '<' | '>' | '_' | ' '),
                ) => {
                    out.push(next);
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            }
            continue;
        }
        if c == '{' {
            // A brace that starts no repetition stands for itself.
            let rest: String = chars.clone().take_while(|c| *c != '}').collect();
            let counted = !rest.is_empty()
                && rest.chars().all(|c| c.is_ascii_digit() || c == ',')
                && rest.chars().next().is_some_and(|c| c.is_ascii_digit() || rest.len() > 1)
                && chars.clone().any(|c| c == '}');
            out.push_str(if counted { "{" } else { "\\{" });
            continue;
        }
        out.push(c);
    }
    out
}

fn trouble(error: &fancy_regex::Error) -> Error {
    failed(format!("the regular expression could not be applied: {error}"))
}

/// Replaces `\1` and `\g<name>` in a replacement of Python's.
fn expand(replacement: &str, found: &Captures<'_, str>, out: &mut String) -> Result<(), Error> {
    let group = |name: &str| -> Result<String, Error> {
        let text = match name.parse::<usize>() {
            Ok(number) if number < found.len() => found.get(number),
            Err(_) if found.name(name).is_some() => found.name(name),
            Err(_) => None,
            Ok(number) => return Err(failed(format!("the regular expression has no group {number}"))),
        };
        Ok(text.map_or_else(String::new, |m| m.as_str().to_owned()))
    };
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('g') if chars.peek() == Some(&'<') => {
                let name: String = chars.by_ref().skip(1).take_while(|c| *c != '>').collect();
                out.push_str(&group(&name)?);
            }
            Some(digit @ '1'..='9') => {
                let mut number = digit.to_string();
                if let Some(second) = chars.next_if(char::is_ascii_digit) {
                    number.push(second);
                }
                out.push_str(&group(&number)?);
            }
            Some('0') => out.push('\0'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    Ok(())
}

fn regex_replace(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let (pattern, replacement) = (args.text_or("pattern", "")?, args.text_or("replacement", "")?);
    let (ignorecase, multiline) = (args.flag("ignorecase", false)?, args.flag("multiline", false)?);
    let count = args.count("count", 0)?;
    let mandatory = args.count("mandatory_count", 0)?;
    let regex = compile(&pattern, ignorecase, multiline)?;
    let text = string(value)?;
    let mut out = String::with_capacity(text.len());
    let (mut at, mut done) = (0, 0);
    for found in regex.captures_iter(text.as_str()) {
        let found = found.map_err(|e| trouble(&e))?;
        if count > 0 && done == count {
            break;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(at..whole.start()).unwrap_or_default());
        expand(&replacement, &found, &mut out)?;
        bound::bytes("regex_replace", Some(out.len()))?;
        at = whole.end();
        done += 1;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    if mandatory > 0 && done != mandatory {
        return Err(args.wrong(format!("`{pattern}` matched {done} times instead of {mandatory}")));
    }
    Ok(Value::from(out))
}

/// The text of a group, by number or name.
pub(crate) fn groups(found: &Captures<'_, str>, wanted: &[String]) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for name in wanted {
        let group = match name.parse::<usize>() {
            Ok(number) if number < found.len() => found.get(number),
            Ok(number) => return Err(failed(format!("the regular expression has no group {number}"))),
            Err(_) => found.name(name),
        };
        out.push(group.map_or_else(|| Value::from(()), |m| Value::from(m.as_str())));
    }
    Ok(out)
}

fn regex_search(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.text("regex")?;
    let flag = |args: &mut Args, name: &str| args.named(name).is_some_and(|v| v.is_true());
    let (ignorecase, multiline) = (flag(args, "ignorecase"), flag(args, "multiline"));
    let mut wanted = Vec::new();
    for group in args.rest() {
        let group = string(&group)?;
        let name = group
            .strip_prefix("\\g<")
            .and_then(|g| g.strip_suffix('>'))
            .or_else(|| group.strip_prefix('\\').filter(|g| g.chars().all(|c| c.is_ascii_digit())));
        wanted.push(
            name.ok_or_else(|| args.wrong(format!("`{group}` is not a group: `\\1` or `\\g<name>`")))?.to_owned(),
        );
    }
    let text = string(value)?;
    let Some(found) = compile(&pattern, ignorecase, multiline)?.captures(text.as_str()).map_err(|e| trouble(&e))?
    else {
        return Ok(Value::from(()));
    };
    if wanted.is_empty() {
        return Ok(found.get(0).map_or_else(|| Value::from(()), |m| Value::from(m.as_str())));
    }
    groups(&found, &wanted).map(Value::from)
}

fn regex_findall(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.text("regex")?;
    let multiline = args.flag("multiline", false)?;
    let ignorecase = args.flag("ignorecase", false)?;
    let regex = compile(&pattern, ignorecase, multiline)?;
    let text = string(value)?;
    let mut out = Vec::new();
    for found in regex.captures_iter(text.as_str()) {
        let found = found.map_err(|e| trouble(&e))?;
        let part = |i: usize| Value::from(found.get(i).map_or("", |m| m.as_str()));
        out.push(match found.len() {
            1 => part(0),
            2 => part(1),
            n => Value::from((1..n).map(part).collect::<Vec<_>>()),
        });
    }
    Ok(Value::from(out))
}

fn regex_escape(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let kind = args.text_or("re_type", "python")?;
    let special = match kind.as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        "posix_basic" => "[]^.*$\\",
        other => return Err(args.wrong(format!("`{other}` is not a kind of expression: python or posix_basic"))),
    };
    let escaped = |text: &str| -> String {
        text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
    };
    if value.kind() == ValueKind::Seq {
        return items(value)?
            .iter()
            .map(|i| string(i).map(|t| Value::from(escaped(&t))))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from);
    }
    Ok(Value::from(escaped(&string(value)?)))
}

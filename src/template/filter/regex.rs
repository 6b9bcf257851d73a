//! Regular expressions as Python writes them.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::regex::{Captures, Fault, Flags, Place, Regex, Replacement};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::failed;
use crate::template::value::{items, string};

pub(super) const FILTERS: &[Entry] = &[
    on("regex_escape", regex_escape),
    on("regex_findall", regex_findall),
    on("regex_replace", regex_replace),
    on("regex_search", regex_search),
];

/// Compiles a pattern of Python's.
pub(crate) fn compile(pattern: &str, ignorecase: bool, multiline: bool, place: Place) -> Result<Regex, Error> {
    let flags = Flags { ignorecase, multiline, ..Flags::default() };
    Regex::at(pattern, flags, place)
        .map_err(|fault| failed(format!("`{pattern}` is not a regular expression: {fault}")))
}

/// Why an expression could not be applied.
pub(crate) fn trouble(fault: &Fault) -> Error {
    failed(format!("the regular expression could not be applied: {fault}"))
}

fn regex_replace(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let (pattern, replacement) = (args.text_or("pattern", "")?, args.text_or("replacement", "")?);
    let (ignorecase, multiline) = (args.flag("ignorecase", false)?, args.flag("multiline", false)?);
    let count = args.count("count", 0)?;
    let mandatory = args.count("mandatory_count", 0)?;
    let regex = compile(&pattern, ignorecase, multiline, Place::Anywhere)?;
    let replacement = Replacement::new(&replacement, &regex)
        .map_err(|fault| failed(format!("`{replacement}` is no replacement for `{pattern}`: {fault}")))?;
    let replaced = regex.replace(&string(value)?, &replacement, count, bound::MAX_BYTES);
    let (out, done) = replaced.map_err(|fault| match fault {
        Fault::TooLarge => bound::too_large("regex_replace"),
        other => trouble(&other),
    })?;
    if mandatory > 0 && done != mandatory {
        return Err(args.wrong(format!("`{pattern}` matched {done} times instead of {mandatory}")));
    }
    Ok(Value::from(out))
}

fn part(found: &Captures<'_>, group: usize) -> Value {
    found.get(group).map_or_else(|| Value::from(()), Value::from)
}

/// The text of a group, by number or name.
fn groups(regex: &Regex, found: &Captures<'_>, wanted: &[String]) -> Result<Vec<Value>, Error> {
    let number = |name: &String| match name.parse::<usize>() {
        Ok(number) => Some(number).filter(|number| *number < regex.groups()),
        Err(_) => regex.group(name),
    };
    let unknown = |name: &String| failed(format!("the regular expression has no group {name}"));
    wanted.iter().map(|name| number(name).map(|n| part(found, n)).ok_or_else(|| unknown(name))).collect()
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
    let regex = compile(&pattern, ignorecase, multiline, Place::Anywhere)?;
    let Some(found) = regex.captures(&text).map_err(|e| trouble(&e))? else {
        return Ok(Value::from(()));
    };
    if wanted.is_empty() {
        return Ok(part(&found, 0));
    }
    groups(&regex, &found, &wanted).map(Value::from)
}

fn regex_findall(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.text("regex")?;
    let multiline = args.flag("multiline", false)?;
    let ignorecase = args.flag("ignorecase", false)?;
    let regex = compile(&pattern, ignorecase, multiline, Place::Anywhere)?;
    let text = string(value)?;
    let mut out = Vec::new();
    for found in regex.each(&text) {
        let found = found.map_err(|e| trouble(&e))?;
        let part = |i: usize| Value::from(found.get(i).unwrap_or_default());
        out.push(match regex.groups() {
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

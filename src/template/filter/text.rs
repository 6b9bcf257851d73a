//! Texts.

use minijinja::formatting::{self, FormatStyle};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::{character, text, textwrap};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::value::{check, describe, items, pairs, string};

pub(super) const FILTERS: &[Entry] = &[
    on("capitalize", |_, v, _| Ok(Value::from(text::capitalize(&string(v)?)))),
    on("center", center),
    on("format", format),
    on("indent", indent),
    on("lower", |_, v, _| Ok(Value::from(string(v)?.to_lowercase()))),
    on("replace", replace),
    on("split", split),
    on("splitlines", |_, v, _| Ok(text::splitlines(&string(v)?, false).into_iter().map(Value::from).collect())),
    on("striptags", striptags),
    on("title", |_, v, _| Ok(Value::from(title(&string(v)?)))),
    on("trim", trim),
    on("truncate", truncate),
    on("upper", |_, v, _| Ok(Value::from(string(v)?.to_uppercase()))),
    on("wordcount", |_, v, _| Ok(Value::from(wordcount(&string(v)?)))),
    on("wordwrap", wordwrap),
    on("xmlattr", xmlattr),
];

pub(super) const GENERAL: &[Entry] = &[on("unicode_normalize", unicode_normalize)];

/// One way to write what Unicode can write in several.
fn unicode_normalize(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    use unicode_normalization::UnicodeNormalization as _;
    let form = args.text_or("form", "NFC")?;
    let Some(text) = value.as_str() else {
        return Err(args.wrong(format!("{} is not a valid input type: it takes a text", describe(value))));
    };
    let normal: String = match form.as_str() {
        "NFC" => text.nfc().collect(),
        "NFD" => text.nfd().collect(),
        "NFKC" => text.nfkc().collect(),
        "NFKD" => text.nfkd().collect(),
        other => return Err(args.wrong(format!("{other} is not a valid form: NFC, NFD, NFKC or NFKD"))),
    };
    Ok(Value::from(normal))
}

/// Jinja's `title`, which knows words by what stands before them; Python's method is another (`python/text.rs`).
fn title(text: &str) -> String {
    let mut out = String::new();
    let mut start = true;
    for c in text.chars() {
        if character::is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<') {
            out.push(c);
            start = true;
        } else if std::mem::take(&mut start) {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

fn wordcount(text: &str) -> usize {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).count()
}

/// Centers a text in a line of some width.
pub(crate) fn centered(text: &str, width: usize) -> Result<String, Error> {
    let space = bound::bytes("center", Some(width))?.saturating_sub(text.chars().count());
    let left = space / 2 + (space & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(space - left)))
}

fn center(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let width = args.count("width", 80)?;
    Ok(Value::from(centered(&string(value)?, width)?))
}

fn format(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let named = args.rest_named();
    let mut values = args.rest();
    if !named.is_empty() {
        values.push(Value::from_pairs(named));
    }
    formatted_text(FormatStyle::Printf, &string(value)?, &values)
}

/// `text % values` as Python formats it.
pub(crate) fn percent(text: &str, values: &Value) -> Result<Value, Error> {
    check(values)?;
    let list = if values.is_tuple() { items(values)? } else { vec![values.clone()] };
    formatted_text(FormatStyle::Printf, text, &list)
}

/// Formats a text whose widths are within bounds.
pub(crate) fn formatted_text(style: FormatStyle, text: &str, values: &[Value]) -> Result<Value, Error> {
    bound::bytes("format", widths(style, text, values))?;
    formatting::format(style, text, values).map(Value::from).and_then(|made| bound::checked("format", made))
}

/// How long all widths and precisions of a format make a text at most; none if that is no number.
fn widths(style: FormatStyle, text: &str, values: &[Value]) -> Option<usize> {
    let mut sum = 0usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let inside: String = match (style, c) {
            (FormatStyle::Printf, '%') => {
                if chars.next_if_eq(&'(').is_some() {
                    chars.by_ref().find(|c| *c == ')');
                }
                let part = |c: &char| c.is_ascii_digit() || "-+ #.*".contains(*c);
                std::iter::from_fn(|| chars.next_if(part)).collect()
            }
            (FormatStyle::StrFormat, ':') => std::iter::from_fn(|| chars.next_if(|c| *c != '}')).collect(),
            _ => continue,
        };
        for digits in inside.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()) {
            sum = sum.checked_add(digits.parse().ok()?)?;
        }
        // A width may be one of the values.
        if inside.contains(['*', '{']) {
            for number in values.iter().filter_map(Value::as_i64) {
                sum = sum.checked_add(usize::try_from(number.unsigned_abs()).ok()?)?;
            }
        }
    }
    Some(sum)
}

fn indent(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let width = args.next("width");
    let first = args.flag("first", false)?;
    let blank = args.flag("blank", false)?;
    let pad = match width {
        None => "    ".to_owned(),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => bound::repeat("indent", " ", width.as_usize().unwrap_or(4))?,
        },
    };
    let text = string(value)?;
    let mut out = String::new();
    let lines = text.matches('\n').count() + 1;
    bound::bytes("indent", lines.checked_mul(pad.len()).and_then(|more| more.checked_add(text.len())))?;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let wanted = if number == 0 { first } else { blank || !line.trim().is_empty() };
        if wanted {
            out.push_str(&pad);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn replace(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let (old, new) = (args.text("old")?, args.text("new")?);
    let count = args.opt_int("count")?.and_then(|c| usize::try_from(c).ok());
    let text = string(value)?;
    bound::replace("replace", &text, &old, &new, count).map(Value::from)
}

fn split(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let between = args.opt_text("sep")?;
    let max = args.opt_int("maxsplit")?.and_then(|m| usize::try_from(m).ok());
    split_text(&string(value)?, between.as_deref(), max)
}

/// Splits as Python does: by blanks if no separator is given.
pub(crate) fn split_text(text: &str, between: Option<&str>, max: Option<usize>) -> Result<Value, Error> {
    let parts: Vec<&str> = match (between, max) {
        (Some(""), _) => return Err(crate::template::error::failed("split: the separator is empty")),
        (Some(sep), None) => text.split(sep).collect(),
        (Some(sep), Some(max)) => text.splitn(max.saturating_add(1), sep).collect(),
        (None, max) => text::split(text, max),
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

fn striptags(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let mut out = String::new();
    let mut inside = false;
    for c in string(value)?.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    Ok(Value::from(out.split_whitespace().collect::<Vec<_>>().join(" ")))
}

fn trim(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let chars = args.opt_text("chars")?;
    let text = string(value)?;
    Ok(Value::from(match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        None => text::strip(&text).to_owned(),
    }))
}

fn truncate(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let length = args.count("length", 255)?;
    let killwords = args.flag("killwords", false)?;
    let end = args.text_or("end", "...")?;
    let leeway = args.count("leeway", 5)?;
    let text = string(value)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if killwords { kept.as_str() } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(head, _)| head) };
    Ok(Value::from(format!("{kept}{end}")))
}

fn wordwrap(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let width = args.count("width", 79)?;
    if width == 0 {
        return Err(args.wrong("`width` must be more than 0"));
    }
    let break_long = args.flag("break_long_words", true)?;
    let wrap = args.text_or("wrapstring", "\n")?;
    let hyphens = args.flag("break_on_hyphens", true)?;
    let text = string(value)?;
    // A line may be broken behind every character.
    bound::bytes("wordwrap", text.len().checked_mul(wrap.len().div_ceil(width) + 1))?;
    let mut lines = Vec::new();
    for line in text::splitlines(&text, false) {
        let wrapped = textwrap::wrap(line, width, break_long, hyphens).map_err(|fault| args.wrong(fault))?;
        lines.push(wrapped.join(&wrap));
    }
    Ok(Value::from(lines.join(&wrap)))
}

fn xmlattr(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let space = args.flag("autospace", true)?;
    let mut parts = Vec::new();
    for (key, item) in pairs(value)? {
        if !matches!(item.kind(), ValueKind::None | ValueKind::Undefined) {
            let name = key.to_string();
            if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
                return Err(args.wrong(format!("`{name}` cannot be the name of an attribute")));
            }
            let escaped = string(&item)?.replace('&', "&amp;").replace('"', "&#34;").replace('\'', "&#39;");
            let escaped = escaped.replace('<', "&lt;").replace('>', "&gt;");
            parts.push(format!("{key}=\"{escaped}\""));
        }
    }
    let joined = parts.join(" ");
    Ok(Value::from(if space && !joined.is_empty() { format!(" {joined}") } else { joined }))
}

//! JSON, base64 and addresses of the web.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use serde_json::Value as Json;

use super::base::json;
use super::{Entry, on};
use crate::python::encoding::{self, Encoding};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::{failed, unsupported};
use crate::template::value::{from_json, items, pairs, string};

pub(super) const FILTERS: &[Entry] = &[
    on("b64decode", b64decode),
    on("b64encode", b64encode),
    on("from_json", parse_json),
    on("json_query", json_query),
    on("to_json", to_json),
    on("to_nice_json", to_nice_json),
    on("tojson", tojson),
    on("urldecode", urldecode),
    on("urlencode", urlencode),
    on("urlsplit", urlsplit),
];

/// Writes JSON in Python's layout.
pub(super) struct Writer {
    indent: Option<usize>,
    item: String,
    key: String,
    sort: bool,
    ascii: bool,
}

impl Writer {
    fn write(&self, value: &Json, depth: usize, out: &mut String) {
        match value {
            Json::Array(items) if items.is_empty() => out.push_str("[]"),
            Json::Object(map) if map.is_empty() => out.push_str("{}"),
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if out.len() > bound::MAX_BYTES {
                        return;
                    }
                    self.separate(index, depth + 1, out);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(']');
            }
            Json::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                if self.sort {
                    entries.sort_by_key(|(k, _)| *k);
                }
                out.push('{');
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    if out.len() > bound::MAX_BYTES {
                        return;
                    }
                    self.separate(index, depth + 1, out);
                    self.string(key, out);
                    out.push_str(&self.key);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push('}');
            }
            Json::String(text) => self.string(text, out),
            Json::Number(n) if !n.is_i64() && !n.is_u64() => {
                out.push_str(&crate::template::value::float_repr(n.as_f64().unwrap_or(0.0)));
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn separate(&self, index: usize, depth: usize, out: &mut String) {
        if index > 0 {
            out.push_str(&self.item);
        }
        self.line(depth, out);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent.min(64) * depth));
        }
    }

    fn string(&self, text: &str, out: &mut String) {
        let quoted = Json::from(text).to_string();
        if !self.ascii || quoted.is_ascii() {
            out.push_str(&quoted);
            return;
        }
        let mut units = [0; 2];
        for c in quoted.chars() {
            if c.is_ascii() {
                out.push(c);
            } else {
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
}

/// JSON as Python writes it with no more blanks than it needs, in the order in which it stands.
pub(super) fn compact(json: &Json) -> String {
    let mut out = String::new();
    let (item, key) = (",".to_owned(), ":".to_owned());
    Writer { indent: None, item, key, sort: false, ascii: true }.write(json, 0, &mut out);
    out
}

/// JSON as `to_nice_json` writes it, in the order in which it stands.
pub(super) fn nice(json: &Json, indent: usize) -> String {
    let mut out = String::new();
    let (item, key) = (",".to_owned(), ": ".to_owned());
    Writer { indent: Some(indent), item, key, sort: false, ascii: true }.write(json, 0, &mut out);
    out
}

fn written(value: &Value, args: &mut Args, indent: Option<usize>, sort: bool) -> Result<Value, Error> {
    let indent = match args.named("indent") {
        Some(v) => v.as_usize(),
        None => indent,
    };
    // What has grown too large is left off there, and refused with the filter's result.
    let sort = args.named("sort_keys").map_or(sort, |v| v.is_true());
    let ascii = args.named("ensure_ascii").is_none_or(|v| v.is_true());
    let mut separators = match args.named("separators") {
        Some(pair) => crate::template::value::items(&pair)?.iter().map(ToString::to_string).collect(),
        None => vec![if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()],
    };
    for ignored in ["vault_to_text", "preprocess_unsafe", "skipkeys", "allow_nan", "check_circular"] {
        args.named(ignored);
    }
    let key = separators.pop().unwrap_or_default();
    let item = separators.pop().unwrap_or_default();
    let mut out = String::new();
    Writer { indent, item, key, sort, ascii }.write(&json(value)?, 0, &mut out);
    Ok(Value::from(out))
}

fn to_json(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    written(value, args, None, false)
}

fn to_nice_json(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let indent = args.rest().first().and_then(Value::as_usize).unwrap_or(4);
    written(value, args, Some(indent), true)
}

/// Jinja's own filter: safe inside HTML.
fn tojson(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let indent = args.rest().first().and_then(Value::as_usize);
    let text = string(&written(value, args, indent, true)?)?;
    Ok(Value::from(
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027"),
    ))
}

fn parse_json(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    args.named("profile");
    let text = string(value)?;
    let parsed: Json = serde_json::from_str(&text).map_err(|error| {
        failed(format!("from_json: {} is not JSON: {error}", crate::template::value::describe(value)))
    })?;
    Ok(from_json(&parsed))
}

fn json_query(_: &mut State, _: &Value, _: &mut Args) -> Result<Value, Error> {
    Err(unsupported(
        "the filter `json_query` is not supported",
        "use `selectattr`, `map(attribute=…)` and `dict2items` instead",
    ))
}

/// The encoding of a name.
fn encoding(args: &mut Args) -> Result<Encoding, Error> {
    let name = args.text_or("encoding", "utf-8")?;
    let unknown = || args.wrong(format!("the encoding `{name}` is not supported: {}", encoding::NAMES));
    Encoding::named(&name).ok_or_else(unknown)
}

fn b64encode(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let encoding = encoding(args)?;
    let url = args.flag("urlsafe", false)?;
    let bytes = match value.kind() {
        ValueKind::Bytes => value.as_bytes().unwrap_or_default().to_vec(),
        _ => encoding
            .encode(&string(value)?)
            .map_err(|c| args.wrong(format!("`{c}` does not exist in this encoding")))?,
    };
    Ok(Value::from(if url { URL_SAFE.encode(bytes) } else { STANDARD.encode(bytes) }))
}

fn b64decode(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let encoding = encoding(args)?;
    let url = args.flag("urlsafe", false)?;
    let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '=' || if url { "-_" } else { "+/" }.contains(c);
    // Python skips what is not in the alphabet.
    let text: String = string(value)?.chars().filter(|c| alphabet(*c)).collect();
    let bytes = if url { URL_SAFE.decode(&text) } else { STANDARD.decode(&text) };
    let bytes = bytes.map_err(|error| args.wrong(format!("not base64: {error}")))?;
    let decoded = encoding.decode(&bytes);
    decoded.map(Value::from).ok_or_else(|| args.wrong("the decoded bytes are not text in this encoding"))
}

fn percent_encoded(text: &str, keep: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "_.-~".contains(c) || keep.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn urlencode(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let pairs = match value.kind() {
        ValueKind::Map => pairs(value)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let both = |pair: &Value| match items(pair)?.as_slice() {
                [key, item] => Ok((key.clone(), item.clone())),
                _ => Err(failed("urlencode: every item must be a pair")),
            };
            items(value)?.iter().map(both).collect::<Result<_, Error>>()?
        }
        _ => return Ok(Value::from(percent_encoded(&string(value)?, "/"))),
    };
    let plus = |text: String| percent_encoded(&text, "").replace("%20", "+");
    let mut parts = Vec::new();
    for (key, item) in pairs {
        parts.push(format!("{}={}", plus(string(&key)?), plus(string(&item)?)));
    }
    Ok(Value::from(parts.join("&")))
}

fn urldecode(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let text = string(value)?.replace('+', " ");
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok()).filter(|_| *byte == b'%');
        out.push(hex.unwrap_or(*byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

fn urlsplit(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.text_or("query", "")?;
    // What no address can have Python's `urlsplit` takes out of it.
    let url = string(value)?.replace(['\t', '\r', '\n'], "");
    let url = url.trim_start_matches(|c: char| c <= ' ');
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, search) = rest.split_once('?').unwrap_or((rest, ""));
    let named = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, tail)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(named) => {
            (scheme.to_ascii_lowercase(), tail)
        }
        _ => (String::new(), rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(tail) => tail.split_at(tail.find('/').unwrap_or(tail.len())),
        None => ("", rest),
    };
    let (user, host) = netloc.rsplit_once('@').map_or((None, netloc), |(u, h)| (Some(u), h));
    let (username, password) =
        user.map_or((None, None), |u| u.split_once(':').map_or((Some(u), None), |(n, p)| (Some(n), Some(p))));
    let closing = host.rfind(']');
    let (hostname, port) = match host.rsplit_once(':').filter(|_| host.rfind(':') > closing) {
        Some((name, port)) => (name, port.parse::<u16>().ok()),
        None => (host, None),
    };
    let hostname = hostname.trim_matches(['[', ']']).to_ascii_lowercase();
    let text = |v: Option<&str>| v.map_or_else(|| Value::from(()), Value::from);
    let parts = [
        ("fragment", Value::from(fragment)),
        ("hostname", if hostname.is_empty() { Value::from(()) } else { Value::from(hostname) }),
        ("netloc", Value::from(netloc)),
        ("password", text(password)),
        ("path", Value::from(path)),
        ("port", port.map_or_else(|| Value::from(()), Value::from)),
        ("query", Value::from(search)),
        ("scheme", Value::from(scheme)),
        ("username", text(username)),
    ];
    if query.is_empty() {
        return Ok(Value::from_pairs(parts));
    }
    parts
        .into_iter()
        .find(|(name, _)| *name == query)
        .map(|(_, part)| part)
        .ok_or_else(|| args.wrong(format!("unknown URL component `{query}`")))
}

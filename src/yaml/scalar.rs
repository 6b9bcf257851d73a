//! What a plain scalar means: YAML 1.1 as PyYAML's resolver reads it.
//!
//! Source: <https://yaml.org/type/> and PyYAML's `resolver.py`.

use super::Value;

/// Gives an untagged plain scalar its value.
pub(super) fn resolve(text: &str) -> Value {
    null(text)
        .then_some(Value::Null)
        .or_else(|| boolean(text).map(Value::Bool))
        .or_else(|| integer(text))
        .or_else(|| float(text).map(Value::Float))
        .unwrap_or_else(|| string(text))
}

/// Gives a plain scalar of a JSON text its value: numbers are JSON's.
pub(super) fn resolve_json(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::Int(number),
            (_, Ok(number)) => Value::Float(number),
            _ => string(text),
        },
    }
}

/// A text that may be templated.
pub(super) fn string(text: &str) -> Value {
    Value::String { text: text.to_owned(), unsafe_text: false }
}

/// Whether the text means nothing.
pub(super) fn null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The truth value of the texts YAML 1.1 calls boolean; `y` and `n` are none of them. What Ansible reads as true where a truth value is
/// wanted is another rule (`python/truth.rs`): this one decides what a value is, before anybody knows what is wanted.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    }
}

/// A whole number: decimal, `0b1`, `0x1f`, `017`, `0o17`, `1_000` and `1:30` (base sixty). One too large for 64 bits stays a
/// text, so that no digit is lost.
pub(super) fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = split_sign(text);
    let first = digits.bytes().next()?;
    if !first.is_ascii_digit() {
        return None;
    }
    let radix = |digits: &str, radix: u32| -> Option<Option<i64>> {
        let plain: String = digits.chars().filter(|c| *c != '_').collect();
        let fits = !plain.is_empty() && plain.chars().all(|c| c.is_digit(radix));
        fits.then(|| {
            let signed = if negative { format!("-{plain}") } else { plain };
            i64::from_str_radix(&signed, radix).ok()
        })
    };
    let number = if let Some(rest) = digits.strip_prefix("0b") {
        radix(rest, 2)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        radix(rest, 16)
    } else if let Some(rest) = digits.strip_prefix("0o") {
        radix(rest, 8)
    } else if digits == "0" {
        Some(Some(0))
    } else if first == b'0' {
        radix(digits.get(1..)?, 8)
    } else if digits.contains(':') {
        sexagesimal(digits).map(|n| Some(if negative { -n } else { n }))
    } else {
        radix(digits, 10)
    };
    number.map(|fitting| fitting.map_or_else(|| string(text), Value::Int))
}

fn sexagesimal(digits: &str) -> Option<i64> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if !first.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return None;
    }
    let mut total: i64 = first.replace('_', "").parse().ok()?;
    for part in parts {
        total = total.checked_mul(60)?.checked_add(base_sixty_digit(part)?)?;
    }
    Some(total)
}

fn base_sixty_digit(part: &str) -> Option<i64> {
    let short = matches!(part.len(), 1 | 2) && part.chars().all(|c| c.is_ascii_digit());
    let number: i64 = part.parse().ok()?;
    (short && number < 60).then_some(number)
}

/// A number with a point: `1.5`, `.5`, `1.`, `1.5e+3`, `.inf`, `.nan`, `1:30.5`. Without a point or without the sign of the
/// exponent it is a text, as in YAML 1.1.
pub(super) fn float(text: &str) -> Option<f64> {
    let (negative, body) = split_sign(text);
    let signed = text.len() != body.len();
    let sign = |number: f64| if negative { -number } else { number };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if !signed => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at)?, Some(body.get(at + 1..)?)),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    if !digits(fraction) {
        return None;
    }
    if whole.contains(':') {
        let seconds = format!("0.{}", fraction.replace('_', "")).parse::<f64>().unwrap_or(0.0);
        #[allow(clippy::cast_precision_loss)]
        return exponent.is_none().then(|| sexagesimal(whole).map(|n| sign(n as f64 + seconds)))?;
    }
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let well_formed = if whole.is_empty() { starts(fraction) && !signed } else { starts(whole) && digits(whole) };
    let exponent_fits = exponent.is_none_or(|e| {
        e.strip_prefix(['+', '-']).is_some_and(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_digit()))
    });
    (well_formed && exponent_fits).then(|| text.replace('_', "").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_pyyaml_reads_them() {
        let int = |i| Value::Int(i);
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("oN", string("oN")),
            ("y", string("y")),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("nULL", string("nULL")),
            ("0", int(0)),
            ("-0", int(0)),
            ("0644", int(0o644)),
            ("0o644", int(0o644)),
            ("0_7", int(7)),
            ("08", string("08")),
            ("0x1F", int(31)),
            ("-0x1f", int(-31)),
            ("0b1_01", int(5)),
            ("1_000", int(1000)),
            ("+12", int(12)),
            ("1:30", int(90)),
            ("1:30:00", int(5400)),
            ("-1:30", int(-90)),
            ("1:60", string("1:60")),
            ("01:30", string("01:30")),
            ("22:22", int(1342)),
            ("1:2:3:4:5:6", int(804_182_706)),
            ("9223372036854775807", int(i64::MAX)),
            ("-9223372036854775808", int(i64::MIN)),
            ("9223372036854775808", string("9223372036854775808")),
            ("1.5", Value::Float(1.5)),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("-.5", string("-.5")),
            ("1e3", string("1e3")),
            ("1.0e3", string("1.0e3")),
            ("1.0e+3", Value::Float(1000.0)),
            ("1.5E-1", Value::Float(0.15)),
            (".inf", Value::Float(f64::INFINITY)),
            ("-.INF", Value::Float(f64::NEG_INFINITY)),
            ("1_0.5", Value::Float(10.5)),
            ("1:30.5", Value::Float(90.5)),
            ("1.2.3", string("1.2.3")),
            ("10.0.0.1", string("10.0.0.1")),
            ("2024-01-02", string("2024-01-02")),
            ("1__0", int(10)),
            ("_1", string("_1")),
            ("0x", string("0x")),
            ("0x_", string("0x_")),
            ("--1", string("--1")),
            ("", Value::Null),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
        assert!(matches!(resolve(".NaN"), Value::Float(f) if f.is_nan()));
    }

    #[test]
    fn numbers_of_json_texts_are_those_of_json() {
        assert_eq!(resolve_json("1e3"), Value::Float(1000.0));
        assert_eq!(resolve_json("-12"), Value::Int(-12));
        assert_eq!(resolve_json("true"), Value::Bool(true));
    }
}

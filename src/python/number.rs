//! Numbers: Python's `repr()` of a float, `int()` and `float()` of a text.

use super::text::with_ascii_digits;

/// Python's notation of a float.
pub fn repr(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = float.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `int(text, base)`; none where Python refuses, and for numbers beyond 128 bits. Unlike for `strip`, the separators of ASCII are no
/// blanks here.
pub fn int(text: &str, base: u32) -> Option<i128> {
    let text = with_ascii_digits(text.trim()).to_ascii_lowercase();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefixes = [("0b", 2), ("0o", 8), ("0x", 16)];
    let prefix = prefixes.into_iter().find(|(p, radix)| (base == *radix || base == 0) && digits.starts_with(p));
    let (digits, radix) = match prefix {
        // One underscore may stand behind the prefix.
        Some((prefix, radix)) => {
            let rest = digits.strip_prefix(prefix)?;
            (rest.strip_prefix('_').unwrap_or(rest), radix)
        }
        None if base == 0 && digits.starts_with('0') && digits.contains(|c| !matches!(c, '0' | '_')) => return None,
        None => (digits, if base == 0 { 10 } else { base }),
    };
    let digits = ungrouped(digits, |c| c.is_ascii_alphanumeric())?;
    if !(2..=36).contains(&radix) || digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(&digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

/// `float(text)`; none where Python refuses.
pub fn float(text: &str) -> Option<f64> {
    ungrouped(&with_ascii_digits(text.trim()), |c| c.is_ascii_digit())?.parse().ok()
}

/// A number without the underscores, which may stand between digits alone.
fn ungrouped(text: &str, digit: impl Fn(char) -> bool) -> Option<String> {
    let digit = |c: Option<char>| c.is_some_and(&digit);
    let mut before = None;
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '_' {
            if !digit(before) || !digit(rest.clone().next()) {
                return None;
            }
        } else {
            out.push(c);
        }
        before = Some(c);
    }
    Some(out)
}

//! MAC addresses.

use minijinja::{Error, State, Value};

use crate::template::args::Args;
use crate::template::value::string;

/// Reads a MAC address in any of its usual notations.
pub(super) fn parse(text: &str) -> Option<[u8; 6]> {
    let text = text.trim();
    let digits: String = if text.contains([':', '-']) && text.split([':', '-']).count() == 6 {
        text.split([':', '-']).map(|part| format!("{part:0>2}")).collect()
    } else {
        text.chars().filter(|c| !":-.".contains(*c)).collect()
    };
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(&digits, 16).ok()?;
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    Some([a, b, c, d, e, f])
}

pub(super) fn hwaddr(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let query = args.text_or("query", "")?;
    args.some("alias");
    let text = string(value)?;
    let Some(bytes) = parse(&text) else {
        return if matches!(query.as_str(), "" | "bool") {
            Ok(Value::from(()))
        } else {
            Err(args.wrong(format!("`{text}` is not a MAC address")))
        };
    };
    let joined = |separator: &str, upper: bool| {
        let parts = bytes.map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") });
        parts.join(separator)
    };
    let pairs = |separator: &str| {
        let all = joined("", false);
        format!("{}{separator}{}{separator}{}", &all[..4], &all[4..8], &all[8..])
    };
    Ok(match query.as_str() {
        "" => Value::from(text),
        "bool" => Value::from(true),
        "bare" => Value::from(joined("", true)),
        "cisco" => Value::from(pairs(".")),
        "eui48" | "win" => Value::from(joined("-", true)),
        "linux" => Value::from(joined(":", false)),
        "unix" => Value::from(bytes.map(|b| format!("{b:x}")).join(":")),
        "pgsql" | "postgresql" | "psql" => {
            let all = joined("", false);
            Value::from(format!("{}:{}", &all[..6], &all[6..]))
        }
        "int" => Value::from(bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b))),
        other => return Err(args.wrong(format!("there is no query `{other}`"))),
    })
}

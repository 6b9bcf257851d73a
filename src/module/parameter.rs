//! Parameter types that accept what Ansible accepts: `yes` for true, `"5"` for 5, one item for a list.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value as Json;

use crate::python::{number, truth::boolean};

/// A truth value, also written `yes`, `on`, `1`, `"true"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Flag {
    /// The default of a parameter that is true where nothing is said.
    pub fn yes() -> Flag {
        Flag(true)
    }
}

/// A text; a number or truth value becomes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(pub String);

/// A whole number, also as a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole(pub i64);

/// A list; one item alone is a list of one, a text is split at commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

/// File permissions: octal (`"0644"`, `0644`), symbolic (`u=rw,g=r`), or `preserve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Permission bits.
    Bits(u32),
    /// Symbolic clauses, to be applied to the present mode.
    Symbolic(String),
    /// The mode of the source file.
    Preserve,
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(from)?;
        boolean(&value).map(Flag).ok_or_else(|| D::Error::custom(format!("{value} is neither true nor false")))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Json::deserialize(from)? {
            Json::String(s) => Ok(Text(s)),
            Json::Number(n) => Ok(Text(n.to_string())),
            // Python's spelling: that is what Ansible's modules get.
            Json::Bool(b) => Ok(Text(if b { "True" } else { "False" }.to_owned())),
            Json::Null => Err(D::Error::custom("a text is needed, there is nothing")),
            other => Err(D::Error::custom(format!("a text is needed, this is {}", described(&other)))),
        }
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(from)?;
        let number = match &value {
            Json::Number(n) => {
                n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15).map(|f| f as i64))
            }
            Json::String(s) => number::int(s, 10).and_then(|n| i64::try_from(n).ok()),
            _ => None,
        };
        number.map(Whole).ok_or_else(|| D::Error::custom(format!("{value} is no whole number")))
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = match Json::deserialize(from)? {
            Json::Array(items) => items,
            Json::String(s) if s.trim().is_empty() => Vec::new(),
            Json::String(s) => s.split(',').map(|i| Json::String(i.trim().to_owned())).collect(),
            Json::Null => Vec::new(),
            one => vec![one],
        };
        items.into_iter().map(T::deserialize).collect::<Result<_, _>>().map(List).map_err(D::Error::custom)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Json::deserialize(from)? {
            // YAML has read an untyped 0644 as octal already; 644 is most likely meant so, and would be wrong.
            Json::Number(n) => {
                n.as_u64().filter(|n| *n <= 0o7777 && !looks_octal(*n)).map(|n| Mode::Bits(n as u32)).ok_or_else(|| {
                    D::Error::custom(format!("{n} is a decimal number: write the mode in quotes, as '0{n}'"))
                })
            }
            Json::String(s) => Mode::parse(&s).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("a mode is needed, this is {}", described(&other)))),
        }
    }
}

/// Whether a decimal number reads like an octal mode whose leading zero was forgotten: 644, 755, 1777.
///
/// Numbers that YAML made of octal ones (`0777` is 511) do not: read so, their owner could not read and write.
fn looks_octal(number: u64) -> bool {
    let digits = number.to_string();
    let owner = digits.len().checked_sub(3).and_then(|at| digits.as_bytes().get(at));
    digits.bytes().all(|d| d < b'8') && owner.is_some_and(|owner| matches!(owner, b'6' | b'7'))
}

impl Mode {
    /// Parses a written mode.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Mode, String> {
        let text = text.trim();
        if text == "preserve" {
            return Ok(Mode::Preserve);
        }
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            return u32::from_str_radix(digits, 8)
                .ok()
                .filter(|m| *m <= 0o7777)
                .map(Mode::Bits)
                .ok_or_else(|| format!("'{text}' is no octal mode"));
        }
        let mode = Mode::Symbolic(text.to_owned());
        mode.bits(0, false).map(|_| mode).ok_or_else(|| format!("'{text}' is no mode: write '0644' or 'u=rw,g=r,o=r'"))
    }

    /// The permission bits it stands for, given those present; `None` when it is `preserve` or not understood.
    pub fn bits(&self, present: u32, directory: bool) -> Option<u32> {
        match self {
            Mode::Bits(bits) => Some(*bits),
            Mode::Preserve => None,
            Mode::Symbolic(text) => {
                text.split(',').try_fold(present, |mode, clause| apply_clause(mode, clause.trim(), directory))
            }
        }
    }
}

/// Applies one clause of chmod(1)'s symbolic mode.
fn apply_clause(mode: u32, clause: &str, directory: bool) -> Option<u32> {
    let at = clause.find(['+', '-', '='])?;
    let (who, mut rest) = clause.split_at(at);
    let mut mask = 0;
    for w in who.chars() {
        mask |= match w {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    if who.is_empty() {
        mask = 0o7777;
    }
    let mut mode = mode;
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |p| p + 1);
        let bits = permission_bits(&rest[1..end], mode, directory)? & mask;
        mode = match operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            // Set-id bits of a directory stay unless named, as chmod(1) has it.
            '=' => (mode & !(mask & if directory { 0o1777 } else { 0o7777 })) | bits,
            _ => return None,
        };
        rest = &rest[end..];
    }
    Some(mode)
}

fn permission_bits(letters: &str, mode: u32, directory: bool) -> Option<u32> {
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if directory || mode & 0o111 != 0 => 0o111,
            'X' => 0,
            's' => 0o6000,
            't' => 0o1000,
            'u' => ((mode >> 6) & 7) * 0o111,
            'g' => ((mode >> 3) & 7) * 0o111,
            'o' => (mode & 7) * 0o111,
            _ => return None,
        };
    }
    Some(bits)
}

/// What a JSON value is, in words.
pub(crate) fn described(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    }
}

macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Flag, "bool", { "type": ["boolean", "string"] });
schema!(Text, "text", { "type": ["string", "number", "boolean"] });
schema!(Whole, "integer", { "type": ["integer", "string"] });
schema!(Mode, "mode", { "type": ["string", "integer"] });

impl<T: JsonSchema> JsonSchema for List<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("list of {}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "array", "items": items }, items] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        let cases = [
            ("0644", 0, false, 0o644),
            ("755", 0, false, 0o755),
            ("u=rwx,g=rx,o=", 0o777, false, 0o750),
            ("u+x", 0o644, false, 0o744),
            ("a+rX", 0o600, false, 0o644),
            ("a+rX", 0o700, true, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("g=u", 0o640, false, 0o660),
            ("+t", 0o755, true, 0o1755),
            ("u+s", 0o755, false, 0o4755),
        ];
        for (text, present, directory, expected) in cases {
            let mode = Mode::parse(text).unwrap();
            assert_eq!(mode.bits(present, directory), Some(expected), "{text}");
        }
        for bad in ["", "rw", "u~x", "99", "u+q", "77777"] {
            assert!(Mode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_decimal_mode_is_refused_with_advice() {
        assert_eq!(serde_json::from_value::<Mode>(json!(0o644)).unwrap(), Mode::Bits(0o644));
        let error = serde_json::from_value::<Mode>(json!(644)).unwrap_err().to_string();
        assert!(error.contains("'0644'"), "{error}");
    }

    #[test]
    fn values_are_coerced_as_ansible_does() {
        assert_eq!(serde_json::from_value::<Flag>(json!("yes")).unwrap(), Flag(true));
        assert!(serde_json::from_value::<Flag>(json!("maybe")).is_err());
        assert_eq!(serde_json::from_value::<Text>(json!(5)).unwrap(), Text("5".into()));
        assert_eq!(serde_json::from_value::<Whole>(json!("80")).unwrap(), Whole(80));
        let list: List<Text> = serde_json::from_value(json!("a, b")).unwrap();
        assert_eq!(list.0, [Text("a".into()), Text("b".into())]);
    }
}

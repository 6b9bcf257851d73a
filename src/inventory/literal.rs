//! Values of INI inventories: Python literals, as Ansible reads them; anything else is a text.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html>

use crate::yaml::{Node, Span, Value};

/// How deep lists may be nested.
const MAX_DEPTH: usize = 50;

/// Reads a value; `span` is its place.
pub(super) fn value(text: &str, span: &Span) -> Node {
    let mut reader = Reader { text: text.as_bytes(), source: text, at: 0, depth: 0, span };
    let literal = reader.top().unwrap_or_else(|| plain(text));
    Node::new(literal, span.clone())
}

fn plain(text: &str) -> Value {
    Value::String { text: text.to_owned(), unsafe_text: false }
}

struct Reader<'t> {
    text: &'t [u8],
    source: &'t str,
    at: usize,
    depth: usize,
    span: &'t Span,
}

impl Reader<'_> {
    /// A whole value: commas make a list even without brackets, a comment may follow.
    fn top(&mut self) -> Option<Value> {
        let first = self.item()?;
        let value = if self.skip(b',') { self.rest_of_list(first, None)? } else { first };
        self.blanks();
        matches!(self.text.get(self.at), None | Some(b'#')).then_some(value)
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\x0c')) {
            self.at += 1;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn node(&self, value: Value) -> Node {
        Node::new(value, self.span.clone())
    }

    fn item(&mut self) -> Option<Value> {
        self.blanks();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.text.get(self.at)? {
            b'[' => self.list(b']'),
            b'(' => self.parenthesis(),
            b'{' => self.braces(),
            b'"' | b'\'' => self.texts(),
            b'0'..=b'9' | b'.' | b'+' | b'-' => self.number(),
            _ => self.word(),
        };
        self.depth -= 1;
        value
    }

    fn list(&mut self, close: u8) -> Option<Value> {
        self.at += 1;
        if self.skip(close) {
            return Some(Value::Seq(Vec::new()));
        }
        let first = self.item()?;
        if self.skip(b',') {
            return self.rest_of_list(first, Some(close));
        }
        self.skip(close).then(|| Value::Seq(vec![self.node(first)]))
    }

    /// Items behind the first comma, up to `close` or to the end of the value.
    fn rest_of_list(&mut self, first: Value, close: Option<u8>) -> Option<Value> {
        let mut items = vec![self.node(first)];
        loop {
            self.blanks();
            let ended = match close {
                Some(close) => self.skip(close),
                None => matches!(self.text.get(self.at), None | Some(b'#')),
            };
            if ended {
                return Some(Value::Seq(items));
            }
            let item = self.item()?;
            items.push(self.node(item));
            if !self.skip(b',') {
                let closed = close.is_none_or(|close| self.skip(close));
                return closed.then_some(Value::Seq(items));
            }
        }
    }

    /// `()`, `(1)`, `(1,)`: only a comma makes a list.
    fn parenthesis(&mut self) -> Option<Value> {
        self.at += 1;
        if self.skip(b')') {
            return Some(Value::Seq(Vec::new()));
        }
        let first = self.item()?;
        if self.skip(b',') {
            return self.rest_of_list(first, Some(b')'));
        }
        self.skip(b')').then_some(first)
    }

    /// A dictionary, or a set, which becomes a list.
    fn braces(&mut self) -> Option<Value> {
        self.at += 1;
        if self.skip(b'}') {
            return Some(Value::Map(Vec::new()));
        }
        let first = self.item()?;
        if !self.skip(b':') {
            if self.skip(b',') {
                return self.rest_of_list(first, Some(b'}'));
            }
            return self.skip(b'}').then(|| Value::Seq(vec![self.node(first)]));
        }
        let value = self.item()?;
        let mut entries: Vec<(Node, Node)> = vec![(self.node(first), self.node(value))];
        while self.skip(b',') {
            if self.skip(b'}') {
                return Some(Value::Map(entries));
            }
            let key = self.item()?;
            if !self.skip(b':') {
                return None;
            }
            let (key, value) = (self.node(key), self.item()?);
            let value = self.node(value);
            match entries.iter_mut().find(|(k, _)| *k == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        self.skip(b'}').then_some(Value::Map(entries))
    }

    /// `'a' "b"`: neighbours are joined.
    fn texts(&mut self) -> Option<Value> {
        let mut joined = String::new();
        loop {
            joined.push_str(&self.text(false)?);
            self.blanks();
            if !matches!(self.text.get(self.at), Some(b'"' | b'\'')) {
                return Some(plain(&joined));
            }
        }
    }

    fn text(&mut self, raw: bool) -> Option<String> {
        let quote = *self.text.get(self.at)?;
        let triple = self.text.get(self.at..self.at + 3).is_some_and(|t| t.iter().all(|b| *b == quote));
        let length = if triple { 3 } else { 1 };
        self.at += length;
        let mut out = String::new();
        loop {
            let rest = self.source.get(self.at..)?;
            let character = rest.chars().next()?;
            if character == char::from(quote) && (!triple || rest.as_bytes().get(..3)?.iter().all(|b| *b == quote)) {
                self.at += length;
                return Some(out);
            }
            self.at += character.len_utf8();
            if character == '\\' {
                self.escape(raw, &mut out)?;
            } else {
                out.push(character);
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self, raw: bool, out: &mut String) -> Option<()> {
        let character = self.source.get(self.at..)?.chars().next()?;
        self.at += character.len_utf8();
        let hex = |reader: &mut Self, digits: usize| {
            let code = u32::from_str_radix(reader.source.get(reader.at..reader.at + digits)?, 16).ok()?;
            reader.at += digits;
            char::from_u32(code)
        };
        let plain = match character {
            _ if raw => None,
            '\\' | '\'' | '"' => Some(character),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            'x' => Some(hex(self, 2)?),
            'u' => Some(hex(self, 4)?),
            'U' => Some(hex(self, 8)?),
            '0'..='7' => {
                self.at -= 1;
                let rest = self.text.get(self.at..)?;
                let digits = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let code = u32::from_str_radix(self.source.get(self.at..self.at + digits)?, 8).ok()?;
                self.at += digits;
                Some(char::from_u32(code)?)
            }
            // Python knows characters by name; a text with `\N{…}` stays as it is.
            'N' => return None,
            _ => None,
        };
        match plain {
            Some(plain) => out.push(plain),
            None => out.extend(['\\', character]),
        }
        Some(())
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let negative = self.text.get(self.at) == Some(&b'-');
        if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
            self.at += 1;
            self.blanks();
        }
        let digits_at = self.at;
        while let Some(byte) = self.text.get(self.at) {
            let exponent = matches!(self.text.get(self.at.wrapping_sub(1)), Some(b'e' | b'E'))
                && matches!(byte, b'+' | b'-')
                && !self.source.get(digits_at..).is_some_and(|t| t.starts_with("0x") || t.starts_with("0X"));
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent) {
                break;
            }
            self.at += 1;
        }
        let body = self.source.get(digits_at..self.at)?;
        if body == "..." && digits_at == start {
            return Some(plain("..."));
        }
        python_number(body, negative)
    }

    fn word(&mut self) -> Option<Value> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            self.at += 1;
        }
        let word = self.source.get(start..self.at)?;
        let quoted = matches!(self.text.get(self.at), Some(b'"' | b'\''));
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            "set" if self.skip(b'(') && self.skip(b')') => Some(Value::Seq(Vec::new())),
            "u" | "U" | "b" | "B" if quoted => self.text(false).map(|t| plain(&t)),
            "r" | "R" | "br" | "rb" | "Br" | "bR" | "BR" | "Rb" | "rB" | "RB" if quoted => {
                self.text(true).map(|t| plain(&t))
            }
            _ => None,
        }
    }
}

/// A number as Python writes it: no leading zeros, single underscores between digits.
fn python_number(body: &str, negative: bool) -> Option<Value> {
    if body.starts_with('_') || body.ends_with('_') || body.contains("__") {
        return None;
    }
    let lower = body.replace('_', "").to_ascii_lowercase();
    let signed = |digits: &str| if negative { format!("-{digits}") } else { digits.to_owned() };
    let whole = |digits: &str, radix: u32| -> Option<Value> {
        let fits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        // More than 64 bits: a text keeps every digit.
        let number = || i64::from_str_radix(&signed(digits), radix).map_or_else(|_| plain(&signed(body)), Value::Int);
        fits.then(number)
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            return whole(digits, radix);
        }
    }
    if lower.bytes().all(|b| b.is_ascii_digit()) {
        let zeros = lower.bytes().all(|b| b == b'0');
        return if zeros || !lower.starts_with('0') { whole(&lower, 10) } else { None };
    }
    let shaped = lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    let number: f64 = lower.parse().ok()?;
    shaped.then(|| Value::Float(if negative { -number } else { number }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Source;
    use serde_json::{Value as Json, json};

    fn read(text: &str) -> Json {
        value(text, &Span::whole(&Source::new("hosts", text))).to_json()
    }

    #[test]
    fn values_are_those_of_literal_eval() {
        for (text, expected) in [
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("+ 5", json!(5)),
            ("0644", json!("0644")),
            ("00", json!(0)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("1__0", json!("1__0")),
            ("1e3", json!(1000.0)),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5e-1", json!(0.05)),
            ("1.2.3.4", json!("1.2.3.4")),
            ("10.0.0.1", json!("10.0.0.1")),
            ("--1", json!("--1")),
            ("True", json!(true)),
            ("true", json!("true")),
            ("yes", json!("yes")),
            ("None", json!(null)),
            ("'a b'", json!("a b")),
            ("'a' \"b\"", json!("ab")),
            ("'a\\tb'", json!("a\tb")),
            ("r'a\\tb'", json!("a\\tb")),
            ("u'x'", json!("x")),
            ("\"\"\"a\"b\"\"\"", json!("a\"b")),
            ("'it", json!("'it")),
            ("[1, 'a', [True]]", json!([1, "a", [true]])),
            ("[1, 2,]", json!([1, 2])),
            ("[a, b]", json!("[a, b]")),
            ("80,443", json!([80, 443])),
            ("80,", json!([80])),
            ("(1)", json!(1)),
            ("(1,)", json!([1])),
            ("()", json!([])),
            ("{'a': 1, 'b': [2]}", json!({"a": 1, "b": [2]})),
            ("{1, 2}", json!([1, 2])),
            ("{}", json!({})),
            ("set()", json!([])),
            ("5 # five", json!(5)),
            ("'x' # y", json!("x")),
            ("foo # bar", json!("foo # bar")),
            ("foo", json!("foo")),
            ("", json!("")),
            ("{{ x }}", json!("{{ x }}")),
            ("1 2", json!("1 2")),
            ("...", json!("...")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("inf", json!("inf")),
            ("'\\x41\\101'", json!("AA")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\](){}'\"\\\\a-cuxNr0-9,.:#+_ é-]{0,40}") {
            read(&text);
        }
    }
}

//! The one-line form of arguments: `module: key=value other="two words"`.
//!
//! Words end at blanks outside of quotes and outside of Jinja blocks. What is no `key=value` is the free-form text.
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/YAMLSyntax.html> and Ansible's `parse_kv`.

use super::{Node, Span, Value, YamlError};

/// The name under which Ansible keeps the free-form text.
const RAW: &str = "_raw_params";

/// What the free-form modules (`command`, `shell`, `script`, `raw`) take as arguments; any other `a=b` is part of the text.
const FREE_FORM_KEYS: &[&str] =
    &["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];

/// Splits `key=value` words; free-form text is the last entry, under `_raw_params`.
///
/// # Errors
/// When the node is not a text, a quote or a Jinja block is not closed, or an argument stands twice.
pub fn parse_kv(node: &Node) -> Result<Vec<(Node, Node)>, YamlError> {
    parse(node, |_| true)
}

/// Splits the text of a free-form module: only the arguments such modules have are taken out of the text.
///
/// # Errors
/// When the node is not a text, a quote or a Jinja block is not closed, or an argument stands twice.
pub fn parse_kv_free_form(node: &Node) -> Result<Vec<(Node, Node)>, YamlError> {
    parse(node, |key| FREE_FORM_KEYS.contains(&key))
}

fn parse(node: &Node, is_argument: impl Fn(&str) -> bool) -> Result<Vec<(Node, Node)>, YamlError> {
    let text = node.expect_str()?;
    let unsafe_text = matches!(node.value, Value::String { unsafe_text: true, .. });
    let mut place = Place { span: &node.span, cursor: 0 };
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    let mut raw = Raw::new(text);
    for (start, end) in words(text).map_err(|open| place.unclosed(text, open))? {
        let word = text.get(start..end).unwrap_or_default();
        let Some((key, value)) = split(word).filter(|(key, _)| is_argument(key)) else {
            raw.push(start, end);
            continue;
        };
        let (key_span, value_span) = place.pair(text, start, end, key.len());
        if let Some((first, _)) = pairs.iter().find(|(k, _)| k.as_str() == Some(key)) {
            let first = first.span.clone();
            return Err(YamlError::DuplicateArgument { key: key.into(), first, second: key_span });
        }
        let value = Value::String { text: unquote(&unescape(value)), unsafe_text };
        pairs.push((Node::text(key, key_span), Node::new(value, value_span)));
        raw.cut();
    }
    let words = raw.words;
    if let Some(rest) = raw.finish() {
        let value = Value::String { text: rest, unsafe_text };
        let span = words.and_then(|words| place.stretch(text, words)).unwrap_or_else(|| node.span.clone());
        pairs.push((Node::text(RAW, span.clone()), Node::new(value, span)));
    }
    Ok(pairs)
}

/// Key and value of a word, when it is one; `\=` is no separator. A key may hold templates, or be one: `{{ item }}=set`.
fn split(word: &str) -> Option<(&str, &str)> {
    let mut rest = word;
    while let Some(at) = rest.find(['=', '{', '\\']) {
        let tail = &rest[at..];
        let length = match (tail.strip_prefix("{{"), tail.as_bytes()[0]) {
            // What is within a template separates nothing; one that does not end is no key.
            (Some(inner), _) => inner.find("}}")? + 4,
            (None, b'\\') => 1 + tail[1..].chars().next().map_or(0, char::len_utf8),
            (None, b'{') => 1,
            _ => {
                let key = &word[..word.len() - tail.len()];
                return is_key(key).then_some((key, &tail[1..]));
            }
        };
        rest = &tail[length..];
    }
    None
}

/// Whether it can be the name of an argument, whatever templates in it come to.
fn is_key(key: &str) -> bool {
    let (mut plain, mut rest) = (String::new(), key);
    while let Some((before, template)) = rest.split_once("{{") {
        plain.push_str(before);
        plain.push('_');
        rest = template.split_once("}}").map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && plain.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// Takes the quotes off a text that is quoted as a whole.
fn unquote(text: &str) -> String {
    let quoted = ['"', '\''].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
    match quoted {
        Some(inner) if !inner.ends_with('\\') => inner.to_owned(),
        _ => text.to_owned(),
    }
}

/// Replaces the escapes Ansible knows; any other backslash stays.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (replaced, used) = escape(tail).unwrap_or(('\\', 0));
        out.push(replaced);
        rest = &tail[used..];
    }
    out.push_str(rest);
    out
}

/// The character an escape stands for and the length of the escape behind its backslash.
fn escape(tail: &str) -> Option<(char, usize)> {
    let hex = |digits: usize| {
        let code = u32::from_str_radix(tail.get(1..=digits)?, 16).ok()?;
        char::from_u32(code).map(|c| (c, digits + 1))
    };
    match tail.chars().next()? {
        c @ ('\\' | '\'' | '"') => Some((c, 1)),
        'a' => Some(('\u{7}', 1)),
        'b' => Some(('\u{8}', 1)),
        'f' => Some(('\u{c}', 1)),
        'n' => Some(('\n', 1)),
        'r' => Some(('\r', 1)),
        't' => Some(('\t', 1)),
        'v' => Some(('\u{b}', 1)),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => None,
    }
}

/// What is still open at the end of a text.
struct Open {
    what: &'static str,
    at: usize,
}

/// Splits a text into words, as byte ranges: Ansible's own `split_args`, which keeps quotes and templates together, not `shlex`.
fn words(text: &str) -> Result<Vec<(usize, usize)>, Open> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut start = None;
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if open.is_empty() && matches!(byte, b' ' | b'\n' | b'\r') {
            if let Some(start) = start.take() {
                words.push((start, at));
            }
            at += 1;
            continue;
        }
        // A lone backslash at the end of a line continues it.
        if open.is_empty() && start.is_none() && rest.starts_with(b"\\\n") {
            at += 2;
            continue;
        }
        start.get_or_insert(at);
        at += step(rest, at, &mut open);
    }
    if let Some(open) = open.pop() {
        return Err(open);
    }
    words.extend(start.map(|start| (start, bytes.len())));
    Ok(words)
}

/// Goes one character (or pair) on and keeps the stack of open quotes and blocks.
fn step(rest: &[u8], at: usize, open: &mut Vec<Open>) -> usize {
    const BLOCKS: [(&str, &str, &str); 3] =
        [("{{", "}}", "a `{{` block"), ("{%", "%}", "a `{%` block"), ("{#", "#}", "a `{#` comment")];
    let innermost = open.last().map(|o| o.what);
    let quote = |what| match what {
        Some("a double quote") => Some(b'"'),
        Some("a single quote") => Some(b'\''),
        _ => None,
    };
    if rest.first() == Some(&b'\\') && rest.len() > 1 {
        return 2;
    }
    if let Some(block) = BLOCKS.iter().find(|b| Some(b.2) == innermost) {
        if rest.starts_with(block.1.as_bytes()) {
            open.pop();
            return 2;
        }
    } else if let Some(block) = BLOCKS.iter().find(|b| rest.starts_with(b.0.as_bytes())) {
        // Not in a quote that stands inside of a block: there it is a plain text.
        let quoted_in_block = quote(innermost).is_some() && open.len() > 1;
        if !quoted_in_block {
            open.push(Open { what: block.2, at });
            return 2;
        }
    }
    match (rest.first(), quote(innermost)) {
        (Some(byte), Some(closing)) if *byte == closing => {
            open.pop();
        }
        (Some(b'"'), None) => open.push(Open { what: "a double quote", at }),
        (Some(b'\''), None) if innermost != Some("a `{#` comment") => open.push(Open { what: "a single quote", at }),
        _ => {}
    }
    1
}

/// Collects the free-form text; what lies between its words stays as it is.
struct Raw<'t> {
    text: &'t str,
    out: String,
    end: Option<usize>,
    cut: bool,
    /// The first and the last of its words.
    words: Option<(Word, Word)>,
}

/// A word as byte offsets.
type Word = (usize, usize);

impl<'t> Raw<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, out: String::new(), end: None, cut: false, words: None }
    }

    fn push(&mut self, start: usize, end: usize) {
        if let Some(before) = self.end {
            let gap = self.text.get(before..start).unwrap_or_default();
            self.out.push_str(match (self.cut || gap.contains('\\'), gap.contains('\n') && !gap.contains('\\')) {
                (true, true) => "\n",
                (true, false) => " ",
                (false, _) => gap,
            });
        }
        self.out.push_str(&self.text.get(start..end).unwrap_or_default().replace("\\=", "="));
        self.words = Some((self.words.map_or((start, end), |(first, _)| first), (start, end)));
        self.end = Some(end);
        self.cut = false;
    }

    /// Notes that an argument stood here.
    fn cut(&mut self) {
        self.cut = true;
    }

    fn finish(mut self) -> Option<String> {
        let end = self.end?;
        if !self.cut {
            self.out.push_str(self.text.get(end..).unwrap_or_default());
        }
        Some(self.out)
    }
}

/// Finds words of the text in the file: directly when the scalar is written there as it is, else by searching on.
struct Place<'n> {
    span: &'n Span,
    cursor: usize,
}

impl Place<'_> {
    fn pair(&mut self, text: &str, start: usize, end: usize, key: usize) -> (Span, Span) {
        let word = text.get(start..end).unwrap_or_default();
        match self.locate(text, start, word) {
            Some(at) => {
                self.cursor = at + word.len();
                (self.span.part(at, at + key), self.span.part(at + key + 1, at + word.len()))
            }
            None => (self.span.clone(), self.span.clone()),
        }
    }

    /// The place from one word to another.
    fn stretch(&self, text: &str, (first, last): (Word, Word)) -> Option<Span> {
        let find = |(start, end): Word| {
            let word = text.get(start..end)?;
            let written = self.span.text();
            let at = if written == text { start } else { written.find(word)? };
            Some((at, at + word.len()))
        };
        let (start, end) = (find(first)?.0, find(last)?.1);
        (start < end).then(|| self.span.part(start, end))
    }

    fn locate(&self, text: &str, start: usize, word: &str) -> Option<usize> {
        let written = self.span.text();
        if written == text {
            return Some(start);
        }
        written.get(self.cursor..)?.find(word).map(|at| self.cursor + at)
    }

    fn unclosed(&self, text: &str, open: Open) -> YamlError {
        let written = self.span.text();
        let at = if written == text {
            Some(open.at)
        } else {
            // In a quoted or folded scalar the offsets differ: look for the same count of that character.
            let opener = text.get(open.at..=open.at).unwrap_or_default();
            let nth = text.get(..open.at).map_or(0, |t| t.matches(opener).count());
            let content = usize::from(written.starts_with(['"', '\'']));
            written.get(content..).and_then(|w| w.match_indices(opener).nth(nth)).map(|(at, _)| at + content)
        };
        let span = at.map_or_else(|| self.span.clone(), |at| self.span.part(at, at + 1));
        YamlError::Unclosed { what: open.what, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::load_str;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let node = Node::text(text, Span::whole(&crate::yaml::Source::new("x.yml", text)));
        strings(parse_kv(&node).unwrap())
    }

    fn free(text: &str) -> Vec<(String, String)> {
        let node = Node::text(text, Span::whole(&crate::yaml::Source::new("x.yml", text)));
        strings(parse_kv_free_form(&node).unwrap())
    }

    fn strings(pairs: Vec<(Node, Node)>) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| (k.key_text(), v.key_text())).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn words_are_split_as_ansible_splits_them() {
        for (text, expected) in [
            ("a=b c=\"d e\" f='{{ x }}'", vec![("a", "b"), ("c", "d e"), ("f", "{{ x }}")]),
            ("path={{ base }}/{{ 'a b' }} mode=0644", vec![("path", "{{ base }}/{{ 'a b' }}"), ("mode", "0644")]),
            ("msg=\"{{ x | default(\"a b\") }}\"", vec![("msg", "{{ x | default(\"a b\") }}")]),
            ("a={% if x %}b c{% endif %}", vec![("a", "{% if x %}b"), ("_raw_params", "c{% endif %}")]),
            ("a=b=c", vec![("a", "b=c")]),
            ("a= b", vec![("a", ""), ("_raw_params", "b")]),
            ("x='it''s' y=1", vec![("x", "it''s"), ("y", "1")]),
            ("line='a\\tb' re=\\d+", vec![("line", "a\tb"), ("re", "\\d+")]),
            ("hello world", vec![("_raw_params", "hello world")]),
            ("", vec![]),
            ("=x", vec![("_raw_params", "=x")]),
            ("a\\=b", vec![("_raw_params", "a=b")]),
            ("name=a\nstate=b\n", vec![("name", "a"), ("state", "b")]),
            ("{{ item }}=set", vec![("{{ item }}", "set")]),
            ("x_{{ item.0 + '=' }}_y={{ a }} b=c", vec![("x_{{ item.0 + '=' }}_y", "{{ a }}"), ("b", "c")]),
            ("{{ a }}/{{ b }}=c", vec![("_raw_params", "{{ a }}/{{ b }}=c")]),
            ("{{ a }}", vec![("_raw_params", "{{ a }}")]),
        ] {
            assert_eq!(pairs(text), owned(&expected), "{text}");
        }
    }

    #[test]
    fn free_form_modules_keep_their_text() {
        for (text, expected) in [
            ("FOO=1 run  --x=y", vec![("_raw_params", "FOO=1 run  --x=y")]),
            ("touch /a creates=/a", vec![("creates", "/a"), ("_raw_params", "touch /a")]),
            ("ls chdir=/tmp -l", vec![("chdir", "/tmp"), ("_raw_params", "ls -l")]),
            ("a\n  b\n", vec![("_raw_params", "a\n  b\n")]),
            ("a \\\n  b", vec![("_raw_params", "a b")]),
            ("echo 'creates=x y'", vec![("_raw_params", "echo 'creates=x y'")]),
        ] {
            assert_eq!(free(text), owned(&expected), "{text}");
        }
    }

    #[test]
    fn every_word_has_its_place() {
        for yaml in ["copy: src=a dest=\"b c\"", "copy: >\n  src=a\n  dest=\"b c\"", "copy: 'src=a dest=\"b c\"'"] {
            let node = load_str("x.yml", yaml).unwrap();
            let pairs = parse_kv(node.get("copy").unwrap()).unwrap();
            let texts: Vec<_> = pairs.iter().map(|(k, v)| (k.span.text(), v.span.text())).collect();
            assert_eq!(texts, [("src", "a"), ("dest", "\"b c\"")], "{yaml}");
        }
    }

    #[test]
    fn what_is_not_closed_is_refused_at_its_place() {
        for (yaml, what, column) in [
            ("m: a='b c", "a single quote", 6),
            ("m: a={{ b", "a `{{` block", 6),
            ("m: 'a=\"b c'", "a double quote", 7),
        ] {
            let node = load_str("x.yml", yaml).unwrap();
            match parse_kv(node.get("m").unwrap()).unwrap_err() {
                YamlError::Unclosed { what: open, span } => {
                    assert_eq!((open, span.line_column().1), (what, column), "{yaml}");
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn an_argument_given_twice_is_refused() {
        let node = load_str("x.yml", "m: a=1 b=2 a=3").unwrap();
        let error = parse_kv(node.get("m").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the argument `a` is given twice");
    }
}

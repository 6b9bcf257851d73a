//! Texts in quotes and brackets whose later lines are indented too little.
//!
//! YAML 1.2 forbids them, PyYAML reads them, and playbooks are full of them. Blanks at the start of such lines mean nothing,
//! so more of them are put there before the text is parsed; all places stay those of the original.

use std::collections::BTreeMap;

/// So many quotes and brackets are repaired; each costs one more parse.
const MAX_REPAIRS: usize = 50;

/// A text with more blanks at the start of some lines.
pub(super) struct Repairs<'t> {
    original: &'t str,
    /// Blanks put at an offset of the original.
    inserted: BTreeMap<usize, usize>,
    count: usize,
}

impl<'t> Repairs<'t> {
    pub(super) fn new(original: &'t str) -> Self {
        Self { original, inserted: BTreeMap::new(), count: 0 }
    }

    /// The text to parse.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.original.len());
        let mut from = 0;
        for (at, blanks) in &self.inserted {
            text.push_str(self.original.get(from..*at).unwrap_or_default());
            text.extend(std::iter::repeat_n(' ', *blanks));
            from = *at;
        }
        text.push_str(self.original.get(from..).unwrap_or_default());
        text
    }

    /// Where the bytes of [`Repairs::text`] stand in the original.
    pub(super) fn places(&self) -> Places {
        let mut before = 0;
        let inserted = self.inserted.iter().map(|(at, blanks)| {
            let piece = Piece { start: at + before, blanks: *blanks, original: *at };
            before += blanks;
            piece
        });
        Places { inserted: inserted.collect() }
    }

    /// Indents what a complaint of the parser at byte `at` of the original is about; says whether there is something new to try.
    pub(super) fn repair(&mut self, info: &str, at: usize, bracket: Option<usize>) -> bool {
        self.count += 1;
        let end = match (info, bracket) {
            _ if self.count > MAX_REPAIRS => None,
            ("invalid indentation in quoted scalar", _) => quote_end(self.original, at).map(|end| (at, end)),
            ("invalid indentation" | "invalid indentation in flow construct", Some(open)) => {
                Some((open, bracket_end(self.original, open)))
            }
            _ => None,
        };
        end.is_some_and(|(start, end)| self.indent(start, end))
    }

    /// Indents the lines between two offsets further than the first of them.
    fn indent(&mut self, start: usize, end: usize) -> bool {
        let line_start = self.original.get(..start).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
        let column = start - line_start + 1;
        let mut changed = false;
        let mut line = start;
        while let Some(next) = self.original.get(line..end).and_then(|t| t.find('\n')) {
            line += next + 1;
            let rest = self.original.get(line..).unwrap_or_default();
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            let empty = rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
            if !empty && blanks < column && line < end {
                changed |= self.inserted.insert(line, column - blanks).is_none();
            }
        }
        changed
    }
}

/// Blanks that were put into a text.
struct Piece {
    start: usize,
    blanks: usize,
    original: usize,
}

/// Where the bytes of a repaired text stand in the original.
pub(super) struct Places {
    inserted: Vec<Piece>,
}

impl Places {
    /// Where a byte of the repaired text stands in the original.
    pub(super) fn original(&self, repaired: usize) -> usize {
        let before = self.inserted.partition_point(|piece| piece.start < repaired);
        match before.checked_sub(1).and_then(|last| self.inserted.get(last)) {
            None => repaired,
            Some(piece) => piece.original + repaired.saturating_sub(piece.start + piece.blanks),
        }
    }
}

/// Behind the quote that closes the one at `at`.
fn quote_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?.as_bytes();
    let quote = *rest.first()?;
    let mut next = 1;
    loop {
        match *rest.get(next)? {
            b'\\' if quote == b'"' => next += 2,
            b'\'' if quote == b'\'' && rest.get(next + 1) == Some(&b'\'') => next += 2,
            byte if byte == quote => return Some(at + next + 1),
            _ => next += 1,
        }
    }
}

/// Behind the bracket that closes the one at `open`, or the end of the text.
fn bracket_end(text: &str, open: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = open;
    // A quote opens a text only where a value may start.
    let mut value_may_start = true;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' | b'\'' if value_may_start => at = quote_end(text, at).unwrap_or(bytes.len()) - 1,
            b'#' if at > 0 && bytes[at - 1].is_ascii_whitespace() => {
                at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at);
            }
            _ => {}
        }
        if depth == 0 {
            return (at + 1).min(bytes.len());
        }
        if !byte.is_ascii_whitespace() {
            value_may_start = matches!(byte, b'[' | b'{' | b',' | b':');
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use crate::yaml::load_str;
    use serde_json::json;

    #[test]
    fn what_pyyaml_reads_is_read() {
        for (text, expected) in [
            ("a:\n  b: \"x\ny\"\n  c: 1\n", json!({"a": {"b": "x y", "c": 1}})),
            ("a:\n  b: 'it''s\n\ny'\n  c: 1\n", json!({"a": {"b": "it's\ny", "c": 1}})),
            ("a:\n  - b: \"x \\\ny\"\n  - é: 'x\n y'\n", json!({"a": [{"b": "x y"}, {"é": "x y"}]})),
            ("a:\n  b: [\n  x, # ]\n  'y\nz'\n  ]\n  c: 1\n", json!({"a": {"b": ["x", "y z"], "c": 1}})),
            ("- a:\n    b: {\n  c: [1,\n2],\n}\n- d\n", json!([{"a": {"b": {"c": [1, 2]}}}, "d"])),
        ] {
            assert_eq!(load_str("x.yml", text).unwrap().to_json(), expected, "{text}");
        }
    }

    #[test]
    fn places_stay_those_of_the_original() {
        let node = load_str("x.yml", "a:\n  b: \"é\ny\"\n  c: 1\n").unwrap();
        let c = node.get("a").unwrap().get("c").unwrap();
        assert_eq!((c.span.text(), c.span.line_column()), ("1", (4, 6)));
        let b = node.get("a").unwrap().get("b").unwrap();
        assert_eq!((b.span.text(), b.span.line_column()), ("\"é\ny\"", (2, 6)));
    }

    #[test]
    fn what_stays_wrong_shows_the_first_error() {
        let error = load_str("x.yml", "a:\n  b: \"x\n  c: \"y\"\n").unwrap_err();
        assert_eq!(error.to_string(), "a text in quotes does not end in its line");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ a\\[\\]{}'\",:#é\n\\\\-]{0,60}") {
            let _ = load_str("x.yml", &text);
        }
    }
}

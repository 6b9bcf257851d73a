//! Writes YAML in PyYAML's layout, so that files rendered here and by Ansible are the same.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::value::float_repr;

/// Which collections are written on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// None but empty ones.
    Never,
    /// Those that hold nothing but scalars.
    Leaves,
    /// All.
    Always,
}

/// One document being written.
pub(crate) struct Emitter {
    flow: Flow,
    step: usize,
    width: usize,
    sort: bool,
    unicode: bool,
    out: String,
    column: usize,
    /// Nothing but blanks since the last word.
    whitespace: bool,
    /// Nothing but indentation and `-`, `:` since the line began.
    indention: bool,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Sequence,
    Mapping,
}

/// What a text allows.
struct Analysis {
    multiline: bool,
    flow_plain: bool,
    block_plain: bool,
    single_quoted: bool,
}

impl Emitter {
    pub(crate) fn new(flow: Flow, step: usize, width: usize, sort: bool, unicode: bool) -> Self {
        let out = String::new();
        Emitter { flow, step, width, sort, unicode, out, column: 0, whitespace: true, indention: true }
    }

    /// Writes a whole document.
    pub(crate) fn document(mut self, value: &Json) -> String {
        self.node(value, None, false, Place::Root, false);
        self.out.push('\n');
        self.out
    }

    /// Writes a node; says whether it was a plain scalar.
    fn node(&mut self, value: &Json, indent: Option<usize>, in_flow: bool, place: Place, key: bool) -> bool {
        match value {
            Json::Array(items) => {
                if in_flow || items.is_empty() || self.on_one_line(value) {
                    self.flow_sequence(items, indent);
                } else {
                    self.block_sequence(items, indent, place);
                }
                false
            }
            Json::Object(map) => {
                if in_flow || map.is_empty() || self.on_one_line(value) {
                    self.flow_mapping(map, indent);
                } else {
                    self.block_mapping(map, indent);
                }
                false
            }
            Json::String(text) => {
                // A scalar of the root or of a collection is folded one step deeper than what it stands in.
                let inner = indent.map_or(self.step, |i| i + self.step);
                self.scalar(text, inner, in_flow, key)
            }
            other => {
                self.word(&plain_scalar(other));
                true
            }
        }
    }

    fn on_one_line(&self, value: &Json) -> bool {
        let scalar = |v: &Json| !v.is_array() && !v.is_object();
        match self.flow {
            Flow::Never => false,
            Flow::Always => true,
            Flow::Leaves => match value {
                Json::Array(items) => items.iter().all(scalar),
                Json::Object(map) => map.values().all(scalar),
                _ => false,
            },
        }
    }

    fn entries<'a>(&self, map: &'a serde_json::Map<String, Json>) -> Vec<(&'a String, &'a Json)> {
        let mut entries: Vec<_> = map.iter().collect();
        if self.sort {
            entries.sort_by_key(|(key, _)| *key);
        }
        entries
    }

    fn block_sequence(&mut self, items: &[Json], indent: Option<usize>, place: Place) {
        // A list under a key stands at the key's own indentation.
        let indentless = place == Place::Mapping && !self.indention;
        let inner = match indent {
            None => 0,
            Some(i) if indentless => i,
            Some(i) => i + self.step,
        };
        for item in items {
            self.indent_to(inner);
            self.indicator("-", true, false, true);
            self.node(item, Some(inner), false, Place::Sequence, false);
        }
    }

    fn block_mapping(&mut self, map: &serde_json::Map<String, Json>, indent: Option<usize>) {
        let inner = indent.map_or(0, |i| i + self.step);
        for (key, item) in self.entries(map) {
            self.indent_to(inner);
            let text = Json::String(key.clone());
            if simple_key(key) {
                self.node(&text, Some(inner), false, Place::Mapping, true);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, true);
                self.node(&text, Some(inner), false, Place::Mapping, false);
                self.indent_to(inner);
                self.indicator(":", true, false, true);
            }
            self.node(item, Some(inner), false, Place::Mapping, false);
        }
    }

    fn flow_sequence(&mut self, items: &[Json], indent: Option<usize>) {
        self.indicator("[", true, true, false);
        let inner = indent.map_or(self.step, |i| i + self.step);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.width {
                self.indent_to(inner);
            }
            self.node(item, Some(inner), true, Place::Sequence, false);
        }
        self.indicator("]", false, false, false);
    }

    fn flow_mapping(&mut self, map: &serde_json::Map<String, Json>, indent: Option<usize>) {
        self.indicator("{", true, true, false);
        let inner = indent.map_or(self.step, |i| i + self.step);
        for (index, (key, item)) in self.entries(map).into_iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.width {
                self.indent_to(inner);
            }
            let text = Json::String(key.clone());
            if simple_key(key) {
                self.node(&text, Some(inner), true, Place::Mapping, true);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, false);
                self.node(&text, Some(inner), true, Place::Mapping, false);
                if self.column > self.width {
                    self.indent_to(inner);
                }
                self.indicator(":", true, false, false);
            }
            self.node(item, Some(inner), true, Place::Mapping, false);
        }
        self.indicator("}", false, false, false);
    }

    /// Writes a punctuation mark; `before` puts a blank in front of it.
    fn indicator(&mut self, mark: &str, before: bool, whitespace: bool, indention: bool) {
        if before && !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
        self.raw(mark);
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn word(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = false;
        self.indention = false;
        self.raw(text);
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.whitespace = true;
        self.indention = true;
    }

    fn indent_to(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.whitespace = true;
            self.raw(&" ".repeat(indent - self.column));
        }
    }

    /// Writes a text in the simplest style it allows.
    fn scalar(&mut self, text: &str, indent: usize, in_flow: bool, key: bool) -> bool {
        let analysis = analyze(text, self.unicode);
        let plain_allowed = if in_flow { analysis.flow_plain } else { analysis.block_plain };
        let plain = resolves_to_text(text) && !(key && (text.is_empty() || analysis.multiline)) && plain_allowed;
        if plain && !text.is_empty() {
            self.plain(text, indent, !key);
            return true;
        }
        if analysis.single_quoted && !(key && analysis.multiline) {
            self.single_quoted(text, indent, !key);
        } else {
            self.double_quoted(text, indent, !key);
        }
        false
    }

    fn plain(&mut self, text: &str, indent: usize, split: bool) {
        if !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = false;
        self.indention = false;
        for (run, blank) in runs(text, ' ') {
            // Only a single blank may become a line break.
            if blank && run.len() == 1 && self.column > self.width && split {
                self.indent_to(indent);
                self.whitespace = false;
                self.indention = false;
            } else {
                self.raw(run);
            }
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.indicator("'", true, false, false);
        let mut seen = 0;
        let total = text.len();
        for (piece, newline) in runs(text, '\n') {
            if newline {
                if piece.len() == text.len() || text.starts_with('\n') && seen == 0 {
                    self.out.push('\n');
                } else {
                    self.line_break();
                }
                for _ in 0..piece.len() {
                    self.line_break();
                }
                self.indent_to(indent);
                seen += piece.len();
                continue;
            }
            for (run, blank) in runs(piece, ' ') {
                let inside = seen > 0 && seen + run.len() < total;
                if blank && run.len() == 1 && self.column > self.width && split && inside {
                    self.indent_to(indent);
                } else {
                    self.raw(&run.replace('\'', "''"));
                    self.whitespace = false;
                    self.indention = false;
                }
                seen += run.len();
            }
        }
        self.indicator("'", false, false, false);
    }

    fn double_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (index, c) in chars.iter().copied().enumerate() {
            let plain = (' '..='~').contains(&c) || self.unicode && printable(c) && !c.is_ascii();
            if "\"\\\u{85}\u{2028}\u{2029}\u{feff}".contains(c) || !plain {
                self.raw(&escape(c));
                after_space = false;
            } else if c == ' ' {
                let inside = index > 0 && index + 1 < chars.len();
                if split && !after_space && self.column > self.width && inside {
                    self.indention = false;
                    self.indent_to(indent);
                    if chars.get(index + 1) == Some(&' ') {
                        self.raw("\\");
                    }
                } else {
                    self.raw(" ");
                }
                after_space = true;
            } else {
                self.raw(c.encode_utf8(&mut [0; 4]));
                after_space = false;
            }
        }
        self.indicator("\"", false, false, false);
    }
}

/// Splits a text into runs of a character and runs of anything else.
fn runs(text: &str, of: char) -> Vec<(&str, bool)> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = first == of;
        let end = rest.find(|c| (c == of) != same).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        out.push((run, same));
        rest = tail;
    }
    out
}

fn plain_scalar(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Number(n) if !n.is_i64() && !n.is_u64() => {
            let float = n.as_f64().unwrap_or(0.0);
            let shown = float_repr(float);
            if shown.contains('e') && !shown.contains('.') { shown.replacen('e', ".0e", 1) } else { shown }
        }
        other => other.to_string(),
    }
}

fn simple_key(key: &str) -> bool {
    key.chars().count() < 128 && !key.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// What libyaml writes as it is; it escapes what is beyond the basic plane.
fn printable(c: char) -> bool {
    c == '\u{85}' || ('\u{a0}'..='\u{fffd}').contains(&c) && c != '\u{feff}'
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let mut out = String::new();
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
            return out;
        }
    };
    format!("\\{short}")
}

/// Whether an unquoted text would be read as a text again, by the rules of YAML 1.1.
fn resolves_to_text(text: &str) -> bool {
    use std::sync::LazyLock;
    static OTHER: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(concat!(
            r"^(?:",
            r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|",
            r"[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|",
            r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|",
            r"[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+|",
            r"<<|=|~|null|Null|NULL|",
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}|",
            r"[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?",
            r"(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?",
            r")$"
        ))
        .ok()
    });
    !text.is_empty() && OTHER.as_ref().is_none_or(|other| !other.is_match(text))
}

/// What styles a text allows, after PyYAML's `analyze_scalar`.
fn analyze(text: &str, unicode: bool) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, flow_plain: false, block_plain: true, single_quoted: true };
    }
    let chars: Vec<char> = text.chars().collect();
    let blank = |c: Option<&char>| c.is_none_or(|c| "\0 \t\r\n\u{85}\u{2028}\u{2029}".contains(*c));
    let is_break = |c: char| "\n\u{85}\u{2028}\u{2029}".contains(c);
    let marker = text.starts_with("---") || text.starts_with("...");
    let (mut block, mut flow) = (marker, marker);
    let (mut breaks, mut special) = (false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut preceded = true;
    for (index, c) in chars.iter().copied().enumerate() {
        let followed = blank(chars.get(index + 1));
        if index == 0 {
            if "#,[]{}&*!|>'\"%@`".contains(c) || (c == '-' && followed) {
                (flow, block) = (true, true);
            }
            if "?:".contains(c) {
                flow = true;
                block |= followed;
            }
        } else {
            flow |= ",?[]{}:".contains(c);
            block |= c == ':' && followed;
            if c == '#' && preceded {
                (flow, block) = (true, true);
            }
        }
        breaks |= is_break(c);
        if !(c == '\n' || (' '..='~').contains(&c)) {
            special |= !(printable(c) && unicode);
        }
        if c == ' ' {
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        preceded = blank(Some(&c));
    }
    let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
    let no_plain = edge(chars.first()) || edge(chars.last()) || break_space || space_break || special || breaks;
    Analysis {
        multiline: breaks,
        flow_plain: !no_plain && !flow,
        block_plain: !no_plain && !block,
        single_quoted: !(break_space || space_break || special),
    }
}

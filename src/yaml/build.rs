//! From the parser's events to the tree.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};

use super::{
    Node, Options, Source, Span, Value, YamlError, duplicate, hint,
    merge::merge,
    repair::{Places, Repairs},
    scalar,
};

/// How deep lists and mappings may be nested.
const MAX_DEPTH: usize = 100;
/// How many values (long texts count more) all aliases of a file may unfold into.
const MAX_ALIASED: usize = 100_000;

/// Reads all documents of a text.
pub(super) fn documents(source: &Arc<Source>, options: Options, json: bool) -> Result<Vec<Node>, YamlError> {
    hint::refuse_control_characters(source)?;
    let mut repairs = Repairs::new(&source.text);
    let mut first = None;
    loop {
        match attempt(source, options, json, &repairs) {
            Ok(documents) => return Ok(documents),
            Err(Failure::Final(error)) => return Err(first.unwrap_or(error)),
            Err(Failure::Syntax { at, info, bracket }) => {
                let again = repairs.repair(&info, at, bracket);
                let error = first.unwrap_or_else(|| hint::syntax(source, at, &info, bracket));
                if !again {
                    return Err(error);
                }
                first = Some(error);
            }
        }
    }
}

/// Why a text could not be read.
enum Failure {
    Final(YamlError),
    /// What the parser complained of, where, and the bracket that was open there.
    Syntax {
        at: usize,
        info: String,
        bracket: Option<usize>,
    },
}

fn attempt(source: &Arc<Source>, options: Options, json: bool, repairs: &Repairs<'_>) -> Result<Vec<Node>, Failure> {
    let text = repairs.text();
    let mut builder = Builder {
        source,
        options,
        json,
        offsets: Offsets::new(&text, repairs.places()),
        stack: Vec::new(),
        anchors: HashMap::new(),
        aliased: 0,
        unsafe_depth: 0,
        documents: Vec::new(),
    };
    let mut parser = Parser::new_from_str(&text);
    while let Some(event) = parser.next_event() {
        let (event, marks) = event.map_err(|error| {
            let at = builder.offsets.byte(error.marker().index());
            Failure::Syntax { at, info: error.info().to_owned(), bracket: builder.open_bracket() }
        })?;
        builder.event(event, marks).map_err(Failure::Final)?;
    }
    Ok(builder.documents)
}

/// Turns the parser's character counts into byte offsets of the original text.
struct Offsets {
    /// Empty for a text of ASCII alone, where both are the same.
    bytes: Vec<usize>,
    length: usize,
    places: Places,
}

impl Offsets {
    fn new(text: &str, places: Places) -> Self {
        let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { bytes, length: text.len(), places }
    }

    fn byte(&self, character: usize) -> usize {
        let at = if self.bytes.is_empty() {
            character.min(self.length)
        } else {
            self.bytes.get(character).copied().unwrap_or(self.length)
        };
        self.places.original(at)
    }
}

/// A list or mapping that is still open.
struct Frame {
    start: usize,
    /// Where the last child ended.
    end: usize,
    anchor: usize,
    tag: Option<Kind>,
    content: Content,
}

enum Content {
    Seq(Vec<Node>),
    Map {
        entries: Vec<(Node, Node)>,
        merges: Vec<(Node, Node)>,
        key: Option<Key>,
        seen: HashMap<String, usize>,
        /// Whether a key stands twice.
        twice: bool,
    },
}

/// A key that waits for its value.
enum Key {
    Plain(Node),
    Merge(Node),
}

/// What a tag asks for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Str,
    Int,
    Float,
    Bool,
    Null,
    Seq,
    Map,
    Unsafe,
    Vault,
}

enum Anchor {
    Open,
    Done(Node, usize),
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    options: Options,
    json: bool,
    offsets: Offsets,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    aliased: usize,
    unsafe_depth: usize,
    documents: Vec<Node>,
}

impl Builder<'_> {
    /// The innermost bracket that is still open.
    fn open_bracket(&self) -> Option<usize> {
        self.stack.iter().rev().map(|frame| frame.start).find(|start| is_bracket(&self.source.text, *start))
    }

    fn event(&mut self, event: Event<'_>, marks: Marks) -> Result<(), YamlError> {
        let span = self.span(marks);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let start = self.behind_properties(span.start, anchor > 0 || tag.is_some()).min(span.end);
                let span = Span { start, ..span };
                let text = self.without_invented_break(&text, style, marks);
                let (node, merge) = self.scalar(text, style, tag.as_deref(), span)?;
                self.remember(anchor, &node);
                self.push(node, merge)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(span.start, anchor, tag.as_deref(), &span, Content::Seq(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, merges, seen) = (Vec::new(), Vec::new(), HashMap::new());
                let content = Content::Map { entries, merges, key: None, seen, twice: false };
                self.open(span.start, anchor, tag.as_deref(), &span, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) => {
                if !self.documents.is_empty() && !self.options.many {
                    return Err(YamlError::Documents { span });
                }
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.offsets.byte(marks.start.index());
        let end = self.offsets.byte(marks.end.index()).max(start);
        // The end of a plain scalar may lie behind the blanks that follow it.
        let text = self.source.text.get(start..end).unwrap_or_default();
        Span::new(self.source, start, start + text.trim_end().len())
    }

    /// The parser ends a block text at the end of the file with a line break even where the file has none.
    fn without_invented_break<'t>(&self, text: &'t str, style: ScalarStyle, marks: Marks) -> &'t str {
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let file = &self.source.text;
        let at_end = || self.offsets.byte(marks.end.index()) >= file.len() && !file.ends_with(['\n', '\r']);
        if block && at_end() { text.strip_suffix('\n').unwrap_or(text) } else { text }
    }

    /// Where a value itself starts: behind its tag and its anchor.
    fn behind_properties(&self, start: usize, has_some: bool) -> usize {
        let mut rest = self.source.text.get(start..).unwrap_or_default();
        while has_some && rest.starts_with(['!', '&']) {
            rest = rest.find(char::is_whitespace).map_or("", |at| &rest[at..]).trim_start();
        }
        self.source.text.len() - rest.len()
    }

    fn open(
        &mut self,
        start: usize,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
        content: Content,
    ) -> Result<(), YamlError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(YamlError::TooDeep { limit: MAX_DEPTH, span: span.clone() });
        }
        let tag = self.kind(tag, span)?;
        let found = if matches!(content, Content::Seq(_)) { Kind::Seq } else { Kind::Map };
        match tag {
            Some(Kind::Unsafe) => self.unsafe_depth += 1,
            Some(kind) if kind != found => {
                let found = if found == Kind::Seq { "a list" } else { "a mapping" };
                return Err(tagged(kind, found, span.clone()));
            }
            _ => {}
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Anchor::Open);
        }
        let start = self.behind_properties(start, anchor > 0 || tag.is_some());
        self.stack.push(Frame { start, end: span.end, anchor, tag, content });
        Ok(())
    }

    fn close(&mut self, end: &Span) -> Result<(), YamlError> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        if frame.tag == Some(Kind::Unsafe) {
            self.unsafe_depth -= 1;
        }
        let flow = is_bracket(&self.source.text, frame.start);
        let end = if flow { end.end.max(frame.end) } else { frame.end };
        let span = Span::new(self.source, frame.start, end);
        let value = match frame.content {
            Content::Seq(items) => Value::Seq(items),
            Content::Map { entries, merges, .. } => match self.json.then(|| sealed(&entries)).flatten() {
                Some(text) => Value::Vault(text),
                None => Value::Map(merge(entries, merges)?),
            },
        };
        let node = Node::new(value, span);
        self.remember(frame.anchor, &node);
        self.push(node, false)
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, Anchor::Done(node.clone(), weight(node)));
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), YamlError> {
        let mut node = match self.anchors.get(&anchor) {
            Some(Anchor::Done(node, weight)) => {
                self.aliased = self.aliased.saturating_add(*weight);
                if self.aliased > MAX_ALIASED || self.stack.len() + depth(node) > MAX_DEPTH {
                    return Err(YamlError::TooManyAliases { limit: MAX_ALIASED, span });
                }
                node.clone()
            }
            _ => return Err(YamlError::AliasOfItself { span }),
        };
        if self.unsafe_depth > 0 {
            mark_unsafe(&mut node);
        }
        self.push_ending(node, false, span.end)
    }

    fn push(&mut self, node: Node, merge: bool) -> Result<(), YamlError> {
        let end = node.span.end;
        self.push_ending(node, merge, end)
    }

    /// Hands a finished node to whatever is open around it.
    fn push_ending(&mut self, node: Node, merge: bool, end: usize) -> Result<(), YamlError> {
        let Some(frame) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        frame.end = frame.end.max(end);
        match &mut frame.content {
            Content::Seq(items) => items.push(node),
            Content::Map { entries, merges, key, seen, twice } => match key.take() {
                None if merge => *key = Some(Key::Merge(node)),
                None => {
                    if matches!(node.value, Value::Seq(_) | Value::Map(_) | Value::Vault(_)) {
                        return Err(hint::key(&node));
                    }
                    if !self.options.duplicate_keys {
                        *twice |= duplicate::again(&node, entries, seen)?;
                    }
                    *key = Some(Key::Plain(node));
                }
                Some(Key::Plain(name)) => {
                    let looked = self.options.duplicate_keys || *twice;
                    let again = if looked { position(entries, &name) } else { None };
                    match again {
                        Some(at) => entries[at].1 = node,
                        None => entries.push((name, node)),
                    }
                }
                Some(Key::Merge(name)) => merges.push((name, node)),
            },
        }
        Ok(())
    }

    /// Reads a scalar; says too whether it is the merge key.
    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<(Node, bool), YamlError> {
        let plain = style == ScalarStyle::Plain;
        let kind = self.kind(tag, &span)?;
        let wrong = |kind| tagged(kind, &format!("`{text}`"), span.clone());
        let resolved = || match (plain, self.json) {
            (true, false) => scalar::resolve(text),
            (true, true) => scalar::resolve_json(text),
            (false, _) => scalar::string(text),
        };
        let value = match kind {
            None => resolved(),
            Some(Kind::Unsafe) => match resolved() {
                Value::String { text, .. } => Value::String { text, unsafe_text: true },
                other => other,
            },
            Some(Kind::Str) => scalar::string(text),
            Some(Kind::Null) => Value::Null,
            Some(Kind::Bool) => scalar::boolean(text).map(Value::Bool).ok_or_else(|| wrong(Kind::Bool))?,
            Some(Kind::Int) => {
                scalar::integer(text).filter(|v| matches!(v, Value::Int(_))).ok_or_else(|| wrong(Kind::Int))?
            }
            Some(Kind::Float) => match (scalar::float(text), text.parse::<f64>()) {
                (Some(number), _) | (None, Ok(number)) => Value::Float(number),
                _ => return Err(wrong(Kind::Float)),
            },
            Some(Kind::Vault) if text.trim_start().starts_with("$ANSIBLE_VAULT;") => Value::Vault(text.to_owned()),
            Some(Kind::Vault) => return Err(not_encrypted(&span)),
            Some(other) => return Err(wrong(other)),
        };
        let value = match value {
            Value::String { text, .. } if self.unsafe_depth > 0 => Value::String { text, unsafe_text: true },
            other => other,
        };
        Ok((Node::new(value, span), plain && kind.is_none() && text == "<<"))
    }

    fn kind(&self, tag: Option<&Tag>, span: &Span) -> Result<Option<Kind>, YamlError> {
        let Some(tag) = tag else { return Ok(None) };
        let kind = match (tag.handle.as_str(), tag.suffix.as_str()) {
            ("!", "unsafe") => Kind::Unsafe,
            ("!", "vault" | "vault-encrypted") => Kind::Vault,
            ("" | "!", "" | "!") => return Ok(None),
            ("tag:yaml.org,2002:", core) | ("", core) => {
                match core.strip_prefix("tag:yaml.org,2002:").unwrap_or(core) {
                    "str" | "timestamp" => Kind::Str,
                    "int" => Kind::Int,
                    "float" => Kind::Float,
                    "bool" => Kind::Bool,
                    "null" => Kind::Null,
                    "seq" => Kind::Seq,
                    "map" => Kind::Map,
                    _ => return Err(self.unknown_tag(tag, span)),
                }
            }
            _ => return Err(self.unknown_tag(tag, span)),
        };
        Ok(Some(kind))
    }

    /// The error for a tag; it stands before the value, on the same line or above.
    fn unknown_tag(&self, tag: &Tag, span: &Span) -> YamlError {
        let core = tag.is_yaml_core_schema();
        let written = if core { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) };
        let before = self.source.text.get(..span.end).unwrap_or_default();
        let span = match before.rfind(&written) {
            Some(start) => Span::new(self.source, start, start + written.len()),
            None => span.clone(),
        };
        YamlError::Tag { tag: written, span }
    }
}

fn is_bracket(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(|t| t.starts_with(['{', '[']))
}

/// An encrypted text as JSON has it: `{"__ansible_vault": TEXT}`, which inventory scripts print.
fn sealed(entries: &[(Node, Node)]) -> Option<String> {
    let [(key, value)] = entries else { return None };
    let text = value.as_str().filter(|text| crate::vault::is_encrypted(text.trim_start().as_bytes()))?;
    (key.as_str() == Some("__ansible_vault")).then(|| text.to_owned())
}

/// The error for a text that `!vault` says is encrypted and is not: it may be a secret, so the message shows stars.
fn not_encrypted(span: &Span) -> YamlError {
    let hidden: String = span.text().chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect();
    let text = &span.source.text;
    let (before, after) = (text.get(..span.start), text.get(span.end..));
    let shown = Source::new(
        span.source.name.as_str(),
        format!("{}{hidden}{}", before.unwrap_or_default(), after.unwrap_or_default()),
    );
    tagged(Kind::Vault, "another text", Span::new(&shown, span.start, span.start + hidden.len()))
}

fn tagged(kind: Kind, found: &str, span: Span) -> YamlError {
    let (tag, expected) = match kind {
        Kind::Str => ("!!str", "a text"),
        Kind::Int => ("!!int", "a whole number"),
        Kind::Float => ("!!float", "a number"),
        Kind::Bool => ("!!bool", "`true` or `false`"),
        Kind::Null => ("!!null", "nothing"),
        Kind::Seq => ("!!seq", "a list"),
        Kind::Map => ("!!map", "a mapping"),
        Kind::Unsafe => ("!unsafe", "a value"),
        Kind::Vault => ("!vault", "a text that begins with `$ANSIBLE_VAULT;`"),
    };
    YamlError::TaggedValue { tag: tag.into(), expected, found: found.into(), span }
}

fn position(entries: &[(Node, Node)], key: &Node) -> Option<usize> {
    entries.iter().position(|(k, _)| k == key)
}

/// What repeating a node costs.
fn weight(node: &Node) -> usize {
    match &node.value {
        Value::String { text, .. } | Value::Vault(text) => 1 + text.len() / 256,
        Value::Seq(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(k, v)| weight(k) + weight(v)).sum::<usize>(),
        _ => 1,
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

fn mark_unsafe(node: &mut Node) {
    match &mut node.value {
        Value::String { unsafe_text, .. } => *unsafe_text = true,
        Value::Seq(items) => items.iter_mut().for_each(mark_unsafe),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, v)| mark_unsafe(v)),
        _ => {}
    }
}

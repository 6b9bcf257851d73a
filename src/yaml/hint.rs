//! What to do about a text that is not YAML: the slips people make, recognised.

use std::sync::Arc;

use super::{Node, Source, Span, Value, YamlError, plain_words::plain_words};

/// Turns the parser's complaint at byte `at` into an error that says what to do.
pub(super) fn syntax(source: &Arc<Source>, at: usize, info: &str, bracket: Option<usize>) -> YamlError {
    let place = Place::new(&source.text, at);
    for recognise in [document_start, tab, template, behind_bracket, colon, special_start, unclosed, misaligned] {
        if let Some((message, span, help)) = recognise(&place, info) {
            return YamlError::Syntax { message, span: Span::new(source, span.0, span.1), help: Some(help) };
        }
    }
    if let Some(error) = bracket.and_then(|open| in_brackets(source, at, info, open)) {
        return error;
    }
    let (message, help) = plain_words(info);
    let end = source.text.get(at..).and_then(|t| t.chars().next()).map_or(at, |c| at + c.len_utf8());
    // A misplaced `key:` is shown whole, not by its colon.
    let start = if info.contains("mapping values") { place.start + indent(place.line) } else { at };
    YamlError::Syntax { message, span: Span::new(source, start.min(at), end), help: help.map(str::to_owned) }
}

/// Refuses characters that no editor shows and YAML forbids.
pub(super) fn refuse_control_characters(source: &Arc<Source>) -> Result<(), YamlError> {
    // NEL, U+0085, is a line break.
    let forbidden = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let Some((at, c)) = source.text.char_indices().find(|(_, c)| forbidden(*c)) else { return Ok(()) };
    let number = u32::from(c);
    let written = if number < 0x100 { format!("\\x{number:02x}") } else { format!("\\u{number:04x}") };
    Err(YamlError::Syntax {
        message: format!("the control character 0x{number:02x} cannot stand in YAML"),
        span: Span::new(source, at, at + c.len_utf8()),
        help: Some(format!("remove it, or write \"{written}\" in double quotes")),
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// An error between brackets: says where they were opened, and shows that place when the file ends there.
fn in_brackets(source: &Arc<Source>, at: usize, info: &str, open: usize) -> Option<YamlError> {
    let about =
        ["did not find expected ','", "expected ',' or ']'", "illegal placement", "unexpected eof", "flow construct"];
    about.iter().find(|part| info.contains(**part))?;
    let bracket = source.text.get(open..)?.chars().next()?;
    let close = if bracket == '[' { ']' } else { '}' };
    let opened = Span::new(source, open, open + 1);
    let help = Some(format!("add the missing `,` or `{close}`"));
    let rest = source.text.get(at..).unwrap_or_default();
    let (message, span) = if rest.trim().is_empty() {
        (format!("`{bracket}` is opened here and not closed"), opened)
    } else {
        let end = at + rest.chars().next().map_or(0, char::len_utf8);
        let line = opened.line_column().0;
        (
            format!("this does not fit between `{bracket}` (opened in line {line}) and `{close}`"),
            Span::new(source, at, end),
        )
    };
    Some(YamlError::Syntax { message, span, help })
}

/// The error for a key that is a list or a mapping: mostly a template without quotes.
pub(super) fn key(node: &Node) -> YamlError {
    let source = &node.span.source;
    let before = source.text.get(..node.span.start).unwrap_or_default();
    let opened = source.text.get(node.span.start..).unwrap_or_default();
    let brace = before.trim_end_matches(' ');
    if matches!(node.value, Value::Map(_)) && opened.starts_with('{') && brace.ends_with('{') {
        let start = brace.len() - 1;
        let line = source.text.get(start..).and_then(|t| t.lines().next()).unwrap_or_default();
        let value = template_text(line);
        return YamlError::Syntax {
            message: "a value that starts with `{{` needs quotes".into(),
            span: Span::new(source, start, start + value.len()),
            help: Some(format!("write {}", quoted(value))),
        };
    }
    let help = Some("write a text as the key, and put lists and mappings behind the colon".into());
    YamlError::Key { found: node.value.kind(), span: node.span.clone(), help }
}

/// What needs quotes of a line that starts with `{{`: all of it, or up to what belongs to a list or key around it.
fn template_text(line: &str) -> &str {
    let line = line.trim_end();
    let close = line.find("}}").map_or(line.len(), |at| at + 2);
    let behind = line.get(close..).unwrap_or_default();
    let ends = behind.starts_with([',', ']', '}']) || behind == ":" || behind.starts_with(": ");
    if ends { line.get(..close).unwrap_or(line) } else { line }
}

/// A template in the quotes that suit it.
fn quoted(value: &str) -> String {
    if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") }
}

/// The line the parser stumbled over, and those before it.
struct Place<'t> {
    text: &'t str,
    at: usize,
    start: usize,
    line: &'t str,
}

type Found = Option<(String, (usize, usize), String)>;

impl<'t> Place<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        let at = at.min(text.len());
        let start = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |p| p + 1);
        let line = text.get(start..).and_then(|t| t.lines().next()).unwrap_or_default();
        Self { text, at, start, line }
    }

    /// This line and the one with text before it, with their offsets.
    fn recent(&self) -> Vec<(usize, &'t str)> {
        let mut lines = vec![(self.start, self.line)];
        let mut end = self.start;
        while let Some(before) = end.checked_sub(1).and_then(|e| self.text.get(..e)) {
            let start = before.rfind('\n').map_or(0, |p| p + 1);
            let line = before.get(start..).unwrap_or_default();
            if !line.trim().is_empty() {
                lines.push((start, line.trim_end_matches('\r')));
                break;
            }
            end = start;
        }
        lines
    }
}

fn tab(place: &Place<'_>, info: &str) -> Found {
    let next = place.start + place.line.len() + 1;
    let following = place.text.get(next..).and_then(|t| t.lines().next()).map(|line| (next, line));
    for (start, line) in place.recent().into_iter().chain(following.filter(|_| info.contains("tab"))) {
        let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
        if let Some(tab) = indent.find('\t') {
            return Some((
                "a tab indents this line; YAML allows spaces alone".into(),
                (start + tab, start + tab + 1),
                "replace each tab by spaces".into(),
            ));
        }
    }
    info.contains("tab").then(|| {
        let message = "a tab stands where YAML allows spaces alone".to_owned();
        (message, (place.at, place.at + 1), "replace the tab by a space".into())
    })
}

/// `key: {{ x }}/more`: the braces open a mapping, and what follows does not fit.
fn template(place: &Place<'_>, _: &str) -> Found {
    for (start, line) in place.recent() {
        let Some(open) = line.find("{{") else { continue };
        let before = line.get(..open).unwrap_or_default().trim_end();
        if before.is_empty() || before.ends_with([':', '-']) {
            let value = template_text(line.get(open..).unwrap_or_default());
            return Some((
                "a value that starts with `{{` needs quotes".into(),
                (start + open, start + open + value.len()),
                format!("write {}", quoted(value)),
            ));
        }
    }
    None
}

fn colon(place: &Place<'_>, info: &str) -> Found {
    let confused = ["mapping values", "simple key", "mapping keys", "did not find expected key", "illegal placement"];
    if !confused.iter().any(|c| info.contains(c)) {
        return None;
    }
    for (start, line) in place.recent() {
        if let Some(found) = missing_space(start, line).or_else(|| second_colon(start, line)) {
            return Some(found);
        }
    }
    None
}

/// `key:value`: no space behind the colon.
fn missing_space(start: usize, line: &str) -> Found {
    let body = line.trim_start().trim_start_matches("- ").trim_start();
    let (key, rest) = body.split_once(':')?;
    let bare = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    if !bare || rest.is_empty() || rest.starts_with([' ', '/', ':']) {
        return None;
    }
    let at = start + (line.len() - body.len());
    Some((
        "a space is missing behind the colon".into(),
        (at, at + key.len() + 1),
        format!("write `{key}: {}`", rest.trim_end()),
    ))
}

/// `key: some text: more`: a colon and a space inside of a text without quotes.
fn second_colon(start: usize, line: &str) -> Found {
    let first = line.find(": ")?;
    let value_at = first + 2;
    let value = line.get(value_at..)?.trim_end();
    let body = value.trim_start();
    if body.starts_with(['"', '\'', '{', '[', '|', '>']) {
        return None;
    }
    let second = value.find(": ").or_else(|| value.ends_with(':').then(|| value.len() - 1))?;
    Some((
        "a colon followed by a space ends a text without quotes".into(),
        (start + value_at + second, start + value_at + second + 1),
        format!("put quotes around the text: {}", quoted(body)),
    ))
}

/// A text that begins with a character YAML keeps for itself.
fn special_start(place: &Place<'_>, info: &str) -> Found {
    let rest = place.text.get(place.at..)?;
    let character = rest.chars().next()?;
    let reserved = info.contains("unexpected character") || info.contains("unknown anchor");
    let anchor = info.contains("anchor or alias") || info.contains("unknown anchor");
    if !reserved && !anchor {
        return None;
    }
    // For `*` the parser points behind it or at it.
    let line = place.line.trim_end();
    let value_at = match line.find([':', '-']).and_then(|_| line.find(['*', '&', '@', '`', '%'])) {
        Some(at) => at,
        None => place.at - place.start,
    };
    let value = line.get(value_at..)?;
    let first = value.chars().next().unwrap_or(character);
    let message = match first {
        '*' => format!("`{value}` repeats a value by name, and nothing has that name"),
        '&' => "`&` gives a value a name, and the name is missing".into(),
        '`' => "a text cannot start with a backtick".into(),
        other => format!("a text cannot start with `{other}`"),
    };
    let at = place.start + value_at;
    Some((message, (at, at + value.len()), format!("put quotes around it: {}", quoted(value))))
}

/// A quote or bracket that nobody closes: the parser notices at the end of the file.
fn unclosed(place: &Place<'_>, info: &str) -> Found {
    if info.contains("indentation in quoted scalar") {
        return Some((
            "a text in quotes does not end in its line".into(),
            (place.at, place.start + place.line.trim_end().len()),
            "add the closing quote, or indent the lines that continue the text".into(),
        ));
    }
    let quote =
        info.contains("quoted scalar") && (info.contains("end of stream") || info.contains("document indicator"));
    let after_quote =
        info.contains("trailing content after double-quoted") || info.contains("invalid trailing content");
    if quote {
        return Some((
            "a text in quotes has no closing quote".into(),
            (place.at, place.at),
            "add the closing quote; inside of '…' a quote is written '', inside of \"…\" it is \\\"".into(),
        ));
    }
    after_quote.then(|| {
        let end = place.start + place.line.trim_end().len();
        (
            "text follows behind a closing quote".into(),
            (place.at, end.max(place.at)),
            "put the whole value in quotes: '\"a\" b', or use the other kind of quote outside".into(),
        )
    })
}

/// `key: [a] b`: what starts with a bracket is a list or mapping, and ends with it.
fn behind_bracket(place: &Place<'_>, info: &str) -> Found {
    let body = place.line.trim_end();
    let value_at = body.find(": ").map_or_else(|| body.find("- ").map(|at| at + 2), |at| Some(at + 2))?;
    let value = body.get(value_at..)?;
    let column = place.at - place.start;
    let ended = info.contains("did not find expected key") || info.contains("did not find expected '-'");
    if !ended || column <= value_at || !value.starts_with(['[', '{']) {
        return None;
    }
    Some((
        "text follows behind a closing bracket".into(),
        (place.at, place.start + body.len()),
        format!("put quotes around the whole value: {}", quoted(value)),
    ))
}

/// A first line of dashes that is no `---`.
fn document_start(place: &Place<'_>, _: &str) -> Found {
    let mut start = 0;
    for line in place.text.split_inclusive('\n') {
        let dashes = line.trim_end();
        if dashes.len() > 1 && dashes != "---" && dashes.bytes().all(|b| b == b'-') {
            let span = (start, start + dashes.len());
            return Some(("this is no beginning of a document".into(), span, "write `---`, or leave it out".into()));
        }
        if !dashes.is_empty() && !dashes.starts_with('#') {
            return None;
        }
        start += line.len();
    }
    None
}

/// A line that lines up with nothing above it.
fn misaligned(place: &Place<'_>, info: &str) -> Found {
    let at = place.start + indent(place.line);
    let span = (at, place.start + place.line.trim_end().len());
    let item = place.line.trim_start().starts_with("- ");
    let (message, help) = match (info, item) {
        (i, true) if i.contains("did not find expected key") => {
            ("this list item lines up with no list above it", "start it in the column of the other items")
        }
        (i, false) if i.contains("did not find expected '-'") => (
            "this line belongs neither to the list above it nor to one of its items",
            "indent it like the keys of the item above, or like the key that the list belongs to",
        ),
        (i, false) if i.contains("mapping values") => {
            let (start, above) = place.recent().into_iter().nth(1)?;
            let no_key = !above.contains(':') && indent(above) == indent(place.line) && !above.trim().starts_with("- ");
            no_key.then_some(())?;
            let word = above.trim();
            let message = "this line is no `key: value`, and the next one is".into();
            let span = (start + indent(above), start + above.trim_end().len());
            return Some((message, span, format!("write `{word}:`, or put quotes around a text over several lines")));
        }
        _ => return None,
    };
    Some((message.into(), span, help.into()))
}

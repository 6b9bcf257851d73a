//! What Ansible's Jinja can and the engine cannot, said in the engine's words before it reads a template.
//!
//! - Backslashes in texts inside `{{ }}` of a playbook mean themselves: YAML has already had its turn. In conditions they are Python's.
//! - `a.b.c | default(x)` and `a.b.c is defined` hold for a missing `a` too: the steps become a filter that passes nothing on.
//! - `%` formats texts.
//! - Lists and mappings written in a template that calls `append`, `update` and the like can be changed.
//! - Differences of times.
//! - Slices with a step: the engine fails on empty values, and takes an end of nought as none, where the step goes backwards.
//! - The newline behind `{% raw %}` stays.
//! - Macros that read `varargs` and `kwargs`.
//! - Texts in a list of a playbook's are its own words.
//! - Filters and tests that are somebody else's plugins are called through one of their own.
//! - `~` and `+` where they may be repeated: no text or list grows beyond the bound.

use std::borrow::Cow;
use std::ops::Range;

use minijinja::machinery::{self, Span, Token, ast};
use minijinja::syntax::SyntaxConfig;

use super::plugin;
use super::walk::{self, Visitor};

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A text of a playbook or a variable.
    Inline,
    /// A condition or another expression without braces.
    Expression,
    /// A template file.
    File,
}

/// Replacements in a text, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<Edit>);

/// What stands at a place, and what takes its place.
type Edit = (Range<usize>, Cow<'static, str>);

impl Edits {
    /// Applies the replacements.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + self.0.len() * 8);
        let mut at = 0;
        for (range, with) in &self.0 {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// The place in the original text of a place in the changed one.
    pub(crate) fn original(&self, changed: usize) -> usize {
        let mut grown = 0isize;
        for (range, with) in &self.0 {
            let start = range.start.cast_signed() + grown;
            if changed.cast_signed() < start {
                break;
            }
            if changed.cast_signed() < start + with.len().cast_signed() {
                return range.start;
            }
            grown += with.len().cast_signed() - (range.end - range.start).cast_signed();
        }
        usize::try_from(changed.cast_signed() - grown).unwrap_or(0)
    }
}

/// Finds what has to be said differently. A text that is not Jinja has no edits: the engine explains it.
pub(crate) fn edits(text: &str, mode: Mode, syntax: &SyntaxConfig) -> Edits {
    let (mutable, times, grows) = (mutates(text), mentions_times(text), grows(text));
    let inline = mode == Mode::Inline;
    let mut finder = Finder { text, edits: Vec::new(), inline, mutable, times, grows };
    if mode != Mode::File && text.contains('\\') {
        escapes(text, mode, syntax, &mut finder.edits);
    }
    match mode {
        Mode::Expression => {
            if let Ok(expr) = machinery::parse_expr(text) {
                walk::expr(&expr, &mut finder);
            }
        }
        Mode::Inline | Mode::File => {
            if let Ok(stmt) = machinery::parse(text, "", syntax.clone()) {
                walk::stmt(&stmt, &mut finder);
            }
        }
    }
    let mut edits = finder.edits;
    if mode != Mode::Expression && text.contains("raw") && trims_raw(syntax) {
        edits.extend(newlines_of_raw(text).map(|at| (at..at, "\n".into())));
    }
    // What is put in goes before what stands there, which may give way to something else.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    Edits(edits)
}

/// Whether the engine drops the newline behind `{% raw %}` here, as Jinja does behind other blocks and not behind that one.
fn trims_raw(syntax: &SyntaxConfig) -> bool {
    let mut tokens = machinery::tokenize("{% raw %}\nx{% endraw %}", false, syntax.clone());
    matches!(tokens.next(), Some(Ok((Token::TemplateData("x"), _))))
}

/// Where newlines stand right behind a `{% raw %}`.
fn newlines_of_raw(text: &str) -> impl Iterator<Item = usize> {
    let mut found = Vec::new();
    let mut at = 0;
    let word = |from: usize, word: &str| {
        let rest = text.get(from..)?.strip_prefix("{%")?.trim_start_matches(['-', '+']).trim_start();
        let end = rest.strip_prefix(word)?.trim_start().strip_prefix("%}")?;
        Some(text.len() - end.len())
    };
    while let Some(next) = text.get(at..).and_then(|rest| rest.find("{%")) {
        at += next;
        let Some(behind) = word(at, "raw") else {
            at += 2;
            continue;
        };
        if text.as_bytes().get(behind) == Some(&b'\n') {
            found.push(behind);
        }
        // What stands inside is text.
        at = behind;
        while let Some(next) = text.get(at..).and_then(|rest| rest.find("{%")) {
            at += next;
            let inner = text.get(at + 2..).unwrap_or_default().trim_start_matches(['-', '+']).trim_start();
            at += 2;
            if inner.starts_with("endraw") {
                break;
            }
        }
    }
    found.into_iter()
}

/// How many operators, steps and brackets one expression may have: the engine takes each a call deeper.
const MAX_OPERATORS: usize = 300;

/// Where a text has an expression too long for the engine, if it has one.
pub(crate) fn too_long(text: &str, mode: Mode, syntax: &SyntaxConfig) -> Option<Range<usize>> {
    // Most texts are too short for it altogether.
    if text.len() < 2 * MAX_OPERATORS {
        return None;
    }
    // Each `elif` is a block within the one before it.
    let (mut operators, mut open, mut elifs) = (0usize, 0usize, 0usize);
    for token in machinery::tokenize(text, mode == Mode::Expression, syntax.clone()) {
        let Ok((token, span)) = token else { return None };
        match token {
            Token::VariableStart => operators = 0,
            Token::BlockStart => {
                operators = 0;
                open += 1;
            }
            // Blocks within blocks are calls within calls too; ends are not told from begins here.
            Token::Ident("endif") => (open, elifs) = (open.saturating_sub(2), 0),
            Token::Ident(name) if name.starts_with("end") => open = open.saturating_sub(2),
            Token::Ident("elif") => (open, elifs) = (open.saturating_sub(1), elifs + 1),
            Token::Ident("if" | "not" | "and" | "or" | "in" | "is") => operators += 1,
            Token::Ident("else") => {
                operators += 1;
                open = open.saturating_sub(1);
            }
            Token::Ident("set" | "do" | "include" | "import" | "from" | "extends" | "break" | "continue") => {
                open = open.saturating_sub(1);
            }
            Token::TemplateData(_)
            | Token::Ident(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Float(_) => {}
            Token::Comma | Token::Colon | Token::Assign | Token::VariableEnd | Token::BlockEnd => {}
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {}
            _ => operators += 1,
        }
        if operators > MAX_OPERATORS || open > MAX_OPERATORS || elifs > MAX_OPERATORS {
            return Some(range(span));
        }
    }
    None
}

/// Whether a template has an `autoescape` block: it would give texts the mark that means trust here.
pub(crate) fn escapes_output(text: &str, mode: Mode, syntax: &SyntaxConfig) -> bool {
    struct Found(bool);
    impl<'a> Visitor<'a> for Found {
        fn expr(&mut self, _: &ast::Expr<'a>) {}
        fn stmt(&mut self, stmt: &ast::Stmt<'a>) {
            self.0 |= matches!(stmt, ast::Stmt::AutoEscape(_));
        }
    }
    let mut found = Found(false);
    if let (true, Ok(stmt)) = (mode != Mode::Expression, machinery::parse(text, "", syntax.clone())) {
        walk::stmt(&stmt, &mut found);
    }
    found.0
}

fn mutates(text: &str) -> bool {
    [".append(", ".extend(", ".update(", ".insert(", ".pop(", ".remove(", ".setdefault(", ".clear(", ".sort(", ".add("]
        .iter()
        .any(|method| text.contains(method))
}

/// Whether texts and lists may be made longer again and again: then each step is measured.
fn grows(text: &str) -> bool {
    (text.contains('~') || text.contains('+')) && (text.contains("{%") || text.matches(['~', '+']).count() > 8)
}

fn mentions_times(text: &str) -> bool {
    text.contains("to_datetime") || text.contains("now(")
}

/// Doubles the backslashes of texts between braces. In conditions they mean what they mean in Python, as with Ansible: there those are
/// doubled that begin no escape.
fn escapes(text: &str, mode: Mode, syntax: &SyntaxConfig, out: &mut Vec<Edit>) {
    let mut inside = mode == Mode::Expression;
    for token in machinery::tokenize(text, mode == Mode::Expression, syntax.clone()) {
        match token {
            Ok((Token::VariableStart, _)) => inside = true,
            Ok((Token::VariableEnd, _)) => inside = false,
            Ok((Token::String(_), span)) if inside => {
                let range = range(span);
                let Some(quoted) = text.get(range.clone()) else { continue };
                let mut chars = quoted.char_indices();
                while let Some((at, c)) = chars.next() {
                    if c == '\\' {
                        let at = range.start + at;
                        let next = chars.next();
                        if mode == Mode::Expression {
                            out.extend(meant(text, at, next.map(|(_, c)| c)));
                            continue;
                        }
                        // A backslash before a quote keeps guarding it; before another backslash both are doubled.
                        match next {
                            Some((_, '\\')) => out.push((at..at + 2, "\\\\\\\\".into())),
                            Some((_, '\'' | '"')) => out.push((at..at + 1, "\\\\\\".into())),
                            _ => out.push((at..at + 1, "\\\\".into())),
                        }
                    }
                }
            }
            Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// What stands for a backslash in a condition, if anything else has to: `at` is its place, `next` what follows.
fn meant(text: &str, at: usize, next: Option<char>) -> Option<Edit> {
    let digits = |count: usize, base: u32| {
        let all = text.get(at + 2..at + 2 + count)?;
        u32::from_str_radix(all, base).ok().filter(|_| all.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let is_character = |code: u32| char::from_u32(code).is_some_and(|c| c != '\0');
    match next {
        Some('\\' | '\'' | '"' | 'n' | 'r' | 't' | 'b' | 'f') => None,
        Some('u') if digits(4, 16).is_some_and(is_character) => None,
        Some('x') => match digits(2, 16) {
            Some(code) => Some((at..at + 4, character(code))),
            None => Some((at..at + 1, "\\\\".into())),
        },
        Some('0'..='7') => {
            let octal: String = text.get(at + 1..)?.chars().take(3).take_while(|c| matches!(c, '0'..='7')).collect();
            let code = u32::from_str_radix(&octal, 8).ok()?;
            Some((at..at + 1 + octal.len(), character(code)))
        }
        _ => Some((at..at + 1, "\\\\".into())),
    }
}

/// A character of the first 512, as the engine reads it in a text.
fn character(code: u32) -> Cow<'static, str> {
    match code {
        // It knows no way to write this one, and takes it as it is.
        0 => "\0".into(),
        code => format!("\\u{code:04x}").into(),
    }
}

pub(crate) fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

struct Finder<'t> {
    /// Whether it is a text of a playbook.
    inline: bool,
    text: &'t str,
    edits: Vec<Edit>,
    mutable: bool,
    times: bool,
    grows: bool,
}

impl Finder<'_> {
    fn wrap(&mut self, span: Span, before: &'static str) {
        let range = range(span);
        self.edits.push((range.start..range.start, before.into()));
        self.edits.push((range.end..range.end, ")".into()));
    }

    /// Turns `value[start:stop:step]` into the call of a method.
    fn slice(&mut self, slice: &ast::Slice<'_>) {
        let mut edits: Vec<Edit> = Vec::new();
        let mut at = range(slice.expr.span()).end;
        let parts = [None, slice.start.as_ref(), slice.stop.as_ref(), slice.step.as_ref()];
        for (part, (sign, with)) in parts.into_iter().zip([('[', ".__slice("), (':', ","), (':', ","), (']', ")")]) {
            // Between the parts stand nothing but parentheses, blanks and the sign.
            at = part.map_or(at, |part| range(part.span()).end);
            let Some(gap) = self.text.get(at..) else { return };
            let Some(found) = gap.find(|c: char| c != ')' && !c.is_whitespace()) else { return };
            if !gap.get(found..).is_some_and(|rest| rest.starts_with(sign)) {
                return;
            }
            let none = if part.is_none() && sign == ':' { "none" } else { "" };
            edits.push((at + found..at + found + 1, format!("{none}{with}").into()));
            at += found + 1;
        }
        self.edits.extend(edits);
    }

    /// Turns the use of somebody else's filter or test into one of ours, which is told the name: `x | name(1)` is `x | __plugin('name', 1)`.
    fn plugin(&mut self, name: &str, bare: bool, end: usize) {
        let start = (name.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let Some(behind) = self.text.get(start + name.len()..) else { return };
        let gap = behind.len() - behind.trim_start().len();
        let own = format!("__plugin('{}'", compact(name));
        let mut at = start + name.len();
        let open = behind.get(gap..).is_some_and(|rest| rest.starts_with('('));
        if bare && !open {
            self.edits.push((start..at, format!("{own})").into()));
            return;
        }
        if open {
            at += gap + 1;
        } else {
            // A test takes one argument without parentheses.
            self.edits.push((end..end, ")".into()));
        }
        let comma = if bare { "" } else { ", " };
        self.edits.push((start..at, format!("{own}{comma}").into()));
    }

    /// Turns `left OP right` into a call, if the operator is where it should be.
    fn call(&mut self, span: Span, left: Span, operator: char, function: &'static str) {
        let whole = range(span);
        let from = range(left).end;
        let Some(gap) = self.text.get(from..whole.end) else { return };
        let Some(at) = gap.find(operator) else { return };
        // Between the operands stand nothing but parentheses, blanks and the operator.
        if !gap.get(..at).unwrap_or("?").chars().all(|c| c == ')' || c.is_whitespace()) {
            return;
        }
        self.edits.push((whole.start..whole.start, function.into()));
        self.edits.push((from + at..from + at + operator.len_utf8(), ",".into()));
        self.edits.push((whole.end..whole.end, ")".into()));
    }

    /// What goes into a list, a mapping, a variable or a call may be missing until it is used.
    fn pass_on(&mut self, expr: &ast::Expr<'_>) {
        let of = match expr {
            ast::Expr::GetAttr(attr) => &attr.expr,
            ast::Expr::GetItem(item) => &item.expr,
            _ => return,
        };
        // The last of a chain may be missing anyhow.
        if !matches!(of, ast::Expr::Var(var) if var.id == "loop" || var.id == "self") {
            self.forgive_once(expr);
        }
    }

    fn pass_on_all(&mut self, args: &[ast::CallArg<'_>]) {
        for arg in args {
            if let ast::CallArg::Pos(value) | ast::CallArg::Kwarg(_, value) = arg {
                self.pass_on(value);
            }
        }
    }

    /// Lets a chain of attributes and items pass what is missing on.
    fn forgive(&mut self, expr: &ast::Expr<'_>) {
        match expr {
            ast::Expr::Filter(filter) => {
                if let Some(inner) = &filter.expr {
                    self.forgive(inner);
                }
            }
            ast::Expr::GetAttr(attr) => {
                self.forgive(&attr.expr);
                let start = attr.name.as_ptr() as usize - self.text.as_ptr() as usize;
                let Some(dot) = self.text.get(..start).and_then(|before| before.rfind('.')) else { return };
                self.edits.push((dot..start, "|__get('".into()));
                self.edits.push((start + attr.name.len()..start + attr.name.len(), "')".into()));
            }
            ast::Expr::GetItem(item) => {
                self.forgive(&item.expr);
                let end = range(item.span()).end;
                let inner = range(item.subscript_expr.span());
                if self.text.as_bytes().get(end.wrapping_sub(1)) == Some(&b']') {
                    let from = range(item.expr.span()).end;
                    let Some(open) = self.text.get(from..inner.end).and_then(|gap| gap.find('[')) else { return };
                    self.edits.push((from + open..from + open + 1, "|__get(".into()));
                    self.edits.push((end - 1..end, ")".into()));
                } else if let Some(dot) = self.text.get(..inner.start).and_then(|before| before.rfind('.')) {
                    self.edits.push((dot..inner.start, "|__get(".into()));
                    self.edits.push((inner.end..inner.end, ")".into()));
                }
            }
            ast::Expr::IfExpr(choice) => {
                self.forgive(&choice.true_expr);
                choice.false_expr.iter().for_each(|other| self.forgive(other));
            }
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Finder<'a> {
    fn expr(&mut self, expr: &ast::Expr<'a>) {
        match expr {
            ast::Expr::Filter(filter) => {
                let name = filter.name.rsplit('.').next().unwrap_or_default();
                if let (true, Some(inner)) = (matches!(name, "default" | "d"), &filter.expr) {
                    self.forgive_once(inner);
                    self.pass_on_all(&filter.args);
                }
                if plugin::may_be_filter(&compact(filter.name)) {
                    self.plugin(filter.name, filter.args.is_empty(), range(filter.span()).end);
                }
            }
            ast::Expr::Test(test) => {
                let name = test.name.rsplit('.').next().unwrap_or_default();
                if matches!(name, "defined" | "undefined") {
                    self.forgive_once(&test.expr);
                }
                if plugin::may_be_test(&compact(test.name)) {
                    self.plugin(test.name, test.args.is_empty(), range(test.span()).end);
                }
            }
            ast::Expr::BinOp(op) => match op.op {
                ast::BinOpKind::Rem if !is_number(&op.left) => self.call(op.span(), op.left.span(), '%', "__percent("),
                ast::BinOpKind::Concat | ast::BinOpKind::Add if self.grows => self.wrap(op.span(), "__fits("),
                ast::BinOpKind::Sub if self.times => self.call(op.span(), op.left.span(), '-', "__minus("),
                _ => {}
            },
            ast::Expr::List(list) => {
                list.items.iter().for_each(|item| self.pass_on(item));
                // Texts that a playbook lists are its own words, wherever the list goes.
                let texts = list.items.iter().filter(|item| self.inline && is_text(item));
                let spans: Vec<Span> = texts.map(ast::Expr::span).collect();
                spans.into_iter().for_each(|span| self.wrap(span, "__own("));
                if self.mutable {
                    self.wrap(list.span(), "__list(");
                }
            }
            ast::Expr::Slice(slice) if slice.step.is_some() => self.slice(slice),
            ast::Expr::Map(map) => {
                map.values.iter().for_each(|value| self.pass_on(value));
                if self.mutable {
                    self.wrap(map.span(), "__dict(");
                }
            }
            ast::Expr::Call(call) => self.pass_on_all(&call.args),
            _ => {}
        }
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'a>) {
        match stmt {
            ast::Stmt::Macro(definition) => self.open_macro(definition, range(definition.span()).end),
            ast::Stmt::Set(set) => self.pass_on(&set.expr),
            _ => {}
        }
    }
}

impl Finder<'_> {
    /// Lets a macro that reads `varargs` or `kwargs` have them: as arguments, which a function in front of it fills.
    fn open_macro(&mut self, definition: &ast::Macro<'_>, end: usize) {
        let start = (definition.name.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let Some(whole) = self.text.get(start..end) else { return };
        let used: Vec<&str> = ["varargs", "kwargs"].into_iter().filter(|name| whole.contains(name)).collect();
        let Some(closed) = closing(whole).filter(|_| !used.is_empty()) else { return };
        // Behind the block's end, which the span does not hold, and with the same care for the blanks behind it.
        let Some(tail) = self.text.get(end..) else { return };
        let mark = tail.trim_start();
        let behind = end + (tail.len() - mark.len());
        let Some(close) = ["-%}", "+%}", "%}"].into_iter().find(|close| mark.starts_with(close)) else { return };
        let more: Vec<String> = used
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let comma = if index > 0 || !definition.args.is_empty() { ", " } else { "" };
                format!("{comma}{name}={}", if *name == "varargs" { "[]" } else { "{}" })
            })
            .collect();
        self.edits.push((start + closed..start + closed, more.concat().into()));
        let names: Vec<&str> = definition
            .args
            .iter()
            .filter_map(|arg| match arg {
                ast::Expr::Var(var) => Some(var.id),
                _ => None,
            })
            .collect();
        let name = definition.name;
        let set = format!("{{% set {name} = __macro({name}, '{}', '{}') {close}", names.join(","), used.join(","));
        self.edits.push((behind + close.len()..behind + close.len(), set.into()));
    }

    /// A chain under two filters (`a.b | default(x) | default(y)`) is changed once.
    fn forgive_once(&mut self, expr: &ast::Expr<'_>) {
        let before = self.edits.len();
        self.forgive(expr);
        let (old, new) = self.edits.split_at(before);
        if new.iter().any(|edit| old.contains(edit)) {
            self.edits.truncate(before);
        }
    }
}

/// Where the bracket closes that a macro's arguments stand in.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')') if depth == 1 => return Some(at),
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Filter and test names may be written with blanks around their dots.
pub(crate) fn compact(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect()
}

fn is_text(expr: &ast::Expr<'_>) -> bool {
    matches!(expr, ast::Expr::Const(c) if c.value.as_str().is_some())
}

fn is_number(expr: &ast::Expr<'_>) -> bool {
    matches!(expr, ast::Expr::Const(c) if c.value.is_number())
}

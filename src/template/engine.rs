//! The engine: renders texts, trees and conditions.

use std::sync::Arc;

use minijinja::machinery::{self, ast};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, Value};
use serde_json::Value as Json;

use crate::yaml::{self, Node, Span};

use super::bound;
use super::context::{Context, Inner, Root};
use super::error::{Kind, TemplateError, decrypted};
use super::explain::explain;
use super::raw::is_template;
use super::rewrite::{self, Edits, Mode};
use super::trust::{Trust, is_trusted, trusted};
use super::value::{boolean_text, check, is_omit_value, text, to_json, to_json_noting, write_text};
use super::verdict::Verdict;
use super::{filter, function, method, plugin, test};

/// How many steps one template may take: far more than any real one, few enough to end within seconds.
pub(crate) const FUEL: u64 = 20_000_000;

/// Renders templates as Ansible does. Cloning is cheap; filters, tests and functions are registered once.
#[derive(Clone)]
pub struct Engine {
    pub(crate) env: Arc<Environment<'static>>,
    pub(crate) syntax: SyntaxConfig,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Default for Engine {
    fn default() -> Self {
        Engine::new()
    }
}

/// One text on its way through the engine: enough to say where an error is.
pub(crate) struct Unit<'a> {
    pub text: &'a str,
    pub span: Option<&'a Span>,
    pub edits: Edits,
    /// Where the compiled text begins within the changed text.
    pub skipped: isize,
    /// Where the changed text begins within the original.
    pub header: usize,
    /// Whether places are known by line alone.
    pub by_line: bool,
    /// Name and place of other template files that took part.
    pub files: Option<&'a super::file::Loaded>,
}

impl<'a> Unit<'a> {
    pub(crate) fn plain(text: &'a str, span: Option<&'a Span>) -> Self {
        Unit { text, span, edits: Edits::default(), skipped: 0, header: 0, by_line: false, files: None }
    }
}

impl Unit<'_> {
    /// Refuses what the engine could not take without running out of stack, and what would mark texts as trusted.
    pub(crate) fn guard(&self, text: &str, mode: Mode, syntax: &SyntaxConfig) -> Result<(), TemplateError> {
        if text.contains("autoescape") && rewrite::escapes_output(text, mode, syntax) {
            let kind = Kind::Unsupported("the block `autoescape` is not supported".to_owned());
            return Err(
                TemplateError::new(kind, self.whole()).with_help("escape where it is needed: `{{ x | escape }}`")
            );
        }
        let Some(range) = rewrite::too_long(text, mode, syntax) else { return Ok(()) };
        let start = (range.start + self.header).min(self.text.len());
        let span = self.locate(start..(range.end + self.header).clamp(start, self.text.len()));
        let message = "the expression is too long or its blocks are nested too deeply";
        let help = "split it: put parts into variables with `set` or `vars`";
        Err(TemplateError::new(Kind::Syntax(message.to_owned()), Some(span)).with_help(help))
    }
}

/// What a template put out: decides whether a text of a playbook keeps the type of its only value.
#[derive(Default)]
struct Emitted {
    /// How many values it put out, and how many of them show something.
    parts: usize,
    count: usize,
    value: Value,
    /// Whether anything in it is data.
    data: bool,
    /// How long all of it is, what blocks kept for themselves included.
    bytes: usize,
}

/// What a template puts out, up to the bound.
#[derive(Default)]
pub(crate) struct Sheet(Vec<u8>);

impl Sheet {
    /// The text, which the engine writes in whole characters.
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl std::io::Write for Sheet {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + more.len() > bound::MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes values as Ansible does and notes them.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let mut shown = String::new();
    // The engine has refused undefined values by now; what is left is an inline `if` without `else`.
    if !value.is_undefined() && !is_omit_value(value) {
        write_text(&mut shown, value)?;
    }
    let emitted = state.get_or_insert_extension(Emitted::default());
    emitted.data = emitted.data || !is_trusted(value);
    emitted.parts += 1;
    emitted.bytes = bound::bytes("the text", emitted.bytes.checked_add(shown.len()))?;
    // What prints nothing does not hide the one value beside it.
    if !value.is_none() || emitted.count == 0 {
        emitted.count += usize::from(!value.is_none());
        emitted.value = value.clone();
    }
    out.write_str(&shown).map_err(Error::from)
}

impl Engine {
    /// Creates an engine with everything registered.
    pub fn new() -> Engine {
        let syntax = SyntaxConfig::builder().trim_blocks(true).build().unwrap_or_default();
        let mut env = Environment::empty();
        env.set_syntax(syntax.clone());
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_debug(true);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(120);
        env.set_formatter(format);
        env.set_unknown_method_callback(method::call);
        filter::register(&mut env);
        test::register(&mut env);
        function::register(&mut env);
        plugin::register(&mut env);
        Engine { env: Arc::new(env), syntax }
    }

    /// Renders one text: a whole `{{ expression }}` keeps its type, anything else becomes text.
    ///
    /// [`super::is_omit`] tells whether the value is `omit`.
    pub fn render(&self, text: &str, vars: &Context) -> Result<Json, TemplateError> {
        self.render_at(text, None, vars)
    }

    /// Renders one text that stands at a place.
    pub fn render_at(&self, text: &str, span: Option<&Span>, vars: &Context) -> Result<Json, TemplateError> {
        let value = self.render_value(text, span, &vars.inner)?;
        self.json(&value, text, span, &vars.inner)
    }

    /// Renders a whole tree. `omit` drops the entry it is the value of; as the whole value it stays a marker.
    pub fn render_tree(&self, node: &Node, vars: &Context) -> Result<Json, TemplateError> {
        self.tree(node, vars, &mut None)
    }

    /// The same, for what is evaluated again: notes whose words the texts are.
    pub fn render_tree_noting(&self, node: &Node, vars: &Context, trust: &mut Trust) -> Result<Json, TemplateError> {
        self.tree(node, vars, &mut Some(trust))
    }

    fn tree(&self, node: &Node, vars: &Context, trust: &mut Option<&mut Trust>) -> Result<Json, TemplateError> {
        if let Some(trust) = trust {
            trust.at(&node.span);
        }
        match &node.value {
            yaml::Value::String { text, unsafe_text: false } => {
                let value = self.render_value(text, Some(&node.span), &vars.inner)?;
                let noted = to_json_noting(&value, trust.as_deref_mut());
                if let (Some(trust), Some(shown)) = (trust, value.as_str())
                    && self.quotes_data(text, &value, &vars.inner)
                {
                    trust.note_quoted(shown);
                }
                noted.map_err(|error| explain(&error, &Unit::plain(text, Some(&node.span)), &vars.inner))
            }
            yaml::Value::String { text, unsafe_text: true } => {
                if let Some(trust) = trust {
                    trust.note(text, false);
                }
                Ok(Json::String(text.clone()))
            }
            yaml::Value::Vault(text) => {
                let text = decrypted(text, "this parameter", &node.span)?;
                if let Some(trust) = trust {
                    trust.note(&text, false);
                }
                Ok(Json::String(text))
            }
            yaml::Value::Seq(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.tree(item, vars, trust)?;
                    if !super::is_omit(&value) {
                        out.push(value);
                    }
                }
                Ok(Json::Array(out))
            }
            yaml::Value::Map(entries) => {
                let mut out = serde_json::Map::new();
                for (key, item) in entries {
                    let value = self.tree(item, vars, trust)?;
                    if !super::is_omit(&value) {
                        out.insert(self.render_key(key, vars)?, value);
                    }
                }
                Ok(Json::Object(out))
            }
            _ => Ok(node.to_json()),
        }
    }

    fn render_key(&self, key: &Node, vars: &Context) -> Result<String, TemplateError> {
        match &key.value {
            yaml::Value::String { text, unsafe_text: false } if is_template(text) => {
                let value = self.render_value(text, Some(&key.span), &vars.inner)?;
                let unit = Unit::plain(text, Some(&key.span));
                super::value::text(&value).map_err(|e| explain(&e, &unit, &vars.inner))
            }
            _ => Ok(key.key_text()),
        }
    }

    /// Decides a condition (`when`, `changed_when`, `until`, …): an expression without braces, a truth value or a list of them.
    pub fn condition(&self, node: &Node, vars: &Context) -> Result<Verdict, TemplateError> {
        match &node.value {
            yaml::Value::Bool(b) => Ok((*b).into()),
            yaml::Value::Null => Ok(true.into()),
            yaml::Value::Int(i) => Ok((*i != 0).into()),
            yaml::Value::String { text, unsafe_text: true } => Err(Trust::refuse(text, Some(&node.span))),
            yaml::Value::String { text, .. } => self.condition_at(text, Some(&node.span), vars),
            yaml::Value::Seq(items) => {
                let mut doubt = None;
                for item in items {
                    let verdict = self.condition(item, vars)?;
                    doubt = doubt.or(verdict.doubt);
                    if !verdict.holds {
                        return Ok(Verdict { holds: false, doubt });
                    }
                }
                Ok(Verdict { holds: true, doubt })
            }
            _ => Err(TemplateError::new(
                Kind::NotBoolean("a condition must be an expression or true or false".to_owned()),
                Some(node.span.clone()),
            )),
        }
    }

    /// Decides a condition given as text. What a condition in braces gives is a condition itself, if it is a text.
    pub fn condition_at(&self, expr: &str, span: Option<&Span>, vars: &Context) -> Result<Verdict, TemplateError> {
        let inner = super::bare(expr);
        if inner.trim().is_empty() {
            return Ok(true.into());
        }
        if is_template(inner) || (is_template(expr) && inner.len() == expr.len()) {
            return self.condition_in_words(expr, span, vars);
        }
        let mut unit = Unit::plain(inner, span);
        let value = self.evaluate(&mut unit, Mode::Expression, &vars.inner)?;
        check(&value).map_err(|e| explain(&e, &unit, &vars.inner))?;
        if let (Some(text), true) = (value.as_str(), inner.len() < expr.len()) {
            if text.is_empty() {
                return Ok(false.into());
            }
            if is_trusted(&value) {
                let mut again = Unit::plain(text, span);
                let value = self.evaluate(&mut again, Mode::Expression, &vars.inner)?;
                return Ok(Verdict::of(&value, &again, &vars.inner));
            }
            if boolean_text(text).is_none() {
                return Err(Trust::refuse(text, unit.whole().as_ref()));
            }
        }
        Ok(Verdict::of(&value, &unit, &vars.inner))
    }

    /// Decides a condition that has templates in it: rendered first, and what comes out is the condition. Blocks make texts whose words
    /// are nobody's; a constant among them is harmless whoever wrote it.
    fn condition_in_words(&self, expr: &str, span: Option<&Span>, vars: &Context) -> Result<Verdict, TemplateError> {
        let value = self.render_value(expr, span, &vars.inner)?;
        let unit = Unit::plain(expr, span);
        check(&value).map_err(|e| explain(&e, &unit, &vars.inner))?;
        let Some(text) = value.as_str() else { return Ok(Verdict::of(&value, &unit, &vars.inner)) };
        let text = text.trim();
        if text.is_empty() {
            return Ok(false.into());
        }
        let constant = matches!(text, "true" | "True" | "false" | "False") || text.bytes().all(|b| b.is_ascii_digit());
        if !constant && !is_trusted(&value) && !self.quotes_data(expr, &value, &vars.inner) {
            return Err(Trust::refuse(text, span));
        }
        let mut again = Unit::plain(text, span);
        let value = self.evaluate(&mut again, Mode::Expression, &vars.inner)?;
        Ok(Verdict::of(&value, &again, &vars.inner))
    }

    /// Whether all data that a template with `'{{ … }}'` in it puts out stands between quotes of the user's and cannot end them.
    ///
    /// What reads this machine is not looked at twice.
    fn quotes_data(&self, source: &str, value: &Value, inner: &Arc<Inner>) -> bool {
        let Some(shown) = value.as_str().filter(|_| !value.is_safe()) else { return false };
        if !source.contains(['\'', '"']) || source.contains("{%") || source.contains("{#") {
            return false;
        }
        let (mut built, mut quote, mut rest) = (String::new(), None::<char>, source);
        let scan = |quote: &mut Option<char>, text: &str| {
            for c in text.chars() {
                match quote {
                    Some(open) if *open == c => *quote = None,
                    None if matches!(c, '\'' | '"') => *quote = Some(c),
                    _ => {}
                }
            }
        };
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((inside, after)) = behind.split_once("}}") else { return false };
            let calls = ["lookup", "query", "q("].iter().any(|word| inside.contains(word));
            if calls || inside.starts_with(['-', '+']) || inside.ends_with(['-', '+']) || before.contains('\\') {
                return false;
            }
            scan(&mut quote, before);
            built.push_str(before);
            let Ok(part) = self.render_value(&format!("{{{{{inside}}}}}"), None, inner) else { return false };
            let Ok(words) = text(&part) else { return false };
            if words.contains('\\') {
                // Before the closing quote it would let what follows out of its own quotes.
                return false;
            }
            if is_trusted(&part) {
                scan(&mut quote, &words);
            } else if quote.is_none() || words.contains(['\'', '"', '\\', '{', '}', '\n', '\r', '\0']) {
                return false;
            }
            built.push_str(&words);
            rest = after;
        }
        scan(&mut quote, rest);
        built.push_str(rest);
        quote.is_none() && built == shown && !rest.contains('\\')
    }

    /// Decides a condition that was rendered: only the user's own words are evaluated.
    pub fn condition_of(&self, text: &str, trust: &Trust, vars: &Context) -> Result<Verdict, TemplateError> {
        let span = trust.place(text);
        if trust.reads(text) { self.condition_at(text, span, vars) } else { Err(Trust::refuse(text, span)) }
    }

    /// Evaluates an expression without braces and keeps its type.
    pub fn expression(&self, expr: &str, span: Option<&Span>, vars: &Context) -> Result<Json, TemplateError> {
        self.expression_noting(expr, span, vars, &mut Trust::default())
    }

    /// The same; notes whose words the texts of its value are.
    pub fn expression_noting(
        &self,
        expr: &str,
        span: Option<&Span>,
        vars: &Context,
        trust: &mut Trust,
    ) -> Result<Json, TemplateError> {
        let mut unit = Unit::plain(super::bare(expr), span);
        let value = self.evaluate(&mut unit, Mode::Expression, &vars.inner)?;
        to_json_noting(&value, Some(trust)).map_err(|e| explain(&e, &unit, &vars.inner))
    }

    /// Evaluates an expression that was rendered: only the user's own words are.
    pub fn expression_of(&self, text: &str, trust: &Trust, vars: &Context) -> Result<Json, TemplateError> {
        let span = trust.place(text);
        if trust.holds(text) { self.expression(text, span, vars) } else { Err(Trust::refuse(text, span)) }
    }

    /// Runs a lookup on terms already rendered, as `with_NAME` does.
    pub fn lookup(
        &self,
        name: &str,
        terms: &Json,
        span: Option<&Span>,
        vars: &Context,
    ) -> Result<Vec<Json>, TemplateError> {
        let list = if terms.is_array() { terms.clone() } else { Json::Array(vec![terms.clone()]) };
        let top = [("__name", Json::from(name)), ("__terms", list)];
        let vars = vars.with(top.into_iter().map(|(k, v)| (k.to_owned(), super::Var::data(&v))).collect());
        let unit = Unit::plain(name, span);
        let value = self.compute("query(__name, *__terms)", &unit, &vars.inner).map_err(|error| error.placed(span))?;
        match to_json(&value).map_err(|e| explain(&e, &unit, &vars.inner))? {
            Json::Array(found) => Ok(found),
            other => Ok(vec![other]),
        }
    }

    fn json(&self, value: &Value, text: &str, span: Option<&Span>, inner: &Arc<Inner>) -> Result<Json, TemplateError> {
        to_json(value).map_err(|error| explain(&error, &Unit::plain(text, span), inner))
    }

    /// Renders one text to an engine value.
    pub(crate) fn render_value(
        &self,
        source: &str,
        span: Option<&Span>,
        inner: &Arc<Inner>,
    ) -> Result<Value, TemplateError> {
        if !is_template(source) {
            return Ok(trusted(source));
        }
        let mut unit = Unit::plain(source, span);
        unit.guard(source, Mode::Inline, &self.syntax)?;
        unit.edits = rewrite::edits(source, Mode::Inline, &self.syntax);
        let changed = unit.edits.apply(source);
        let result = match only_expression(&changed, &self.syntax) {
            Some(range) => {
                unit.skipped = range.start.cast_signed();
                let expr = changed.get(range).unwrap_or_default();
                let value = self.compute(expr, &unit, inner)?;
                if value.is_undefined() {
                    unit.skipped = 0;
                    self.produce(&changed, &unit, inner)?;
                    let message = "the inline `if` is false and has no `else`";
                    return Err(TemplateError::new(Kind::Failed(message.to_owned()), unit.whole()));
                }
                // With a newline behind it, all but a variable's own value is a text: lists and mappings are read from it again.
                let named = expr.trim().chars().all(|c| c.is_alphanumeric() || c == '_');
                match source.ends_with('\n') && value.is_number() && !named {
                    true => Value::from(text(&value).map_err(|error| explain(&error, &unit, inner))?),
                    false => value,
                }
            }
            None => self.produce(&changed, &unit, inner)?,
        };
        Ok(with_newlines(source, result))
    }

    /// Evaluates the expression of a unit.
    fn evaluate(&self, unit: &mut Unit<'_>, mode: Mode, inner: &Arc<Inner>) -> Result<Value, TemplateError> {
        unit.guard(unit.text, mode, &self.syntax)?;
        unit.edits = rewrite::edits(unit.text, mode, &self.syntax);
        let changed = unit.edits.apply(unit.text).into_owned();
        let value = self.compute(&changed, unit, inner)?;
        if value.is_undefined() {
            // As the only thing in a text, the engine can tell what is undefined.
            let shown = format!("{{{{{changed}\n}}}}");
            let result = self.env.render_named_str("<expression>", &shown, Value::from_object(Root(inner.clone())));
            if let Err(error) = result {
                unit.skipped = -2;
                return Err(explain(&error, unit, inner));
            }
        }
        Ok(value)
    }

    fn compute(&self, changed: &str, unit: &Unit<'_>, inner: &Arc<Inner>) -> Result<Value, TemplateError> {
        self.env
            .compile_expression(changed)
            .and_then(|compiled| compiled.eval(Value::from_object(Root(inner.clone()))))
            .map_err(|error| explain(&error, unit, inner))
    }

    /// Renders a text with statements or several parts.
    fn produce(&self, changed: &str, unit: &Unit<'_>, inner: &Arc<Inner>) -> Result<Value, TemplateError> {
        let root = Value::from_object(Root(inner.clone()));
        let mut sheet = Sheet::default();
        self.env
            .template_from_named_str("<template>", changed)
            .and_then(|template| template.render_captured_to(root, &mut sheet))
            .and_then(|captured| sole_value(&captured, sheet.text(), changed.contains("{%")))
            .map_err(|error| explain(&error, unit, inner))
    }
}

/// The value of a template that put out nothing but one value, else its text.
///
/// Where all it put out was the user's own words, so is the text; what blocks do is not followed.
fn sole_value(captured: &minijinja::Captured<'_>, output: String, blocks: bool) -> Result<Value, Error> {
    if let Some(emitted) = captured.state().get_extension::<Emitted>()
        && emitted.count <= 1
        // A number beside nothing is a text already; lists and mappings of texts become what they show, as with Ansible.
        && (emitted.parts == 1 || !emitted.value.is_number())
        && !emitted.value.is_undefined()
        && !is_omit_value(&emitted.value)
        && text(&emitted.value)? == output
    {
        return Ok(emitted.value.clone());
    }
    let data = blocks || captured.state().get_extension::<Emitted>().is_none_or(|emitted| emitted.data);
    Ok(if data { Value::from(output) } else { trusted(&output) })
}

/// The engine drops one newline at the end of a text; Ansible brings back as many as there were.
pub(crate) fn with_newlines(source: &str, result: Value) -> Value {
    let Some(shown) = result.as_str().filter(|_| source.ends_with('\n')) else { return result };
    let count = |s: &str| s.len() - s.trim_end_matches('\n').len();
    let missing = count(source).saturating_sub(count(shown));
    if missing == 0 {
        return result;
    }
    let whole = format!("{shown}{}", "\n".repeat(missing));
    if is_trusted(&result) { trusted(&whole) } else { Value::from(whole) }
}

/// Where the expression stands in a text that is nothing but `{{ expression }}`.
fn only_expression(text: &str, syntax: &SyntaxConfig) -> Option<std::ops::Range<usize>> {
    let trimmed = text.strip_suffix('\n').unwrap_or(text);
    if !trimmed.starts_with("{{") || !trimmed.ends_with("}}") {
        return None;
    }
    let ast::Stmt::Template(template) = machinery::parse(text, "", syntax.clone()).ok()? else { return None };
    let [ast::Stmt::EmitExpr(_)] = template.children.as_slice() else { return None };
    let marks = |c: Option<&u8>| usize::from(matches!(c, Some(b'-' | b'+')));
    let bytes = trimmed.as_bytes();
    let start = 2 + marks(bytes.get(2));
    let end = bytes.len() - 2;
    let end = end - marks(end.checked_sub(1).and_then(|i| bytes.get(i)));
    (start <= end).then_some(start..end)
}

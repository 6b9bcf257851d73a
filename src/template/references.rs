//! What a template reads and calls, found without rendering it.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::machinery::{self, ast};
use minijinja::syntax::SyntaxConfig;

use crate::yaml::{self, Node, Span};

use super::context::{Context, Inner};
use super::engine::{Engine, Unit};
use super::error::{Kind, TemplateError};
use super::explain::{explain, suggestion};
use super::function::lookup;
use super::plugin::{self, PluginKind};
use super::raw::{Raw, is_template};
use super::rewrite::{self, Mode, compact, range};
use super::walk::{self, Visitor};
use super::{filter, function, test};

/// What a template reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Names it reads that it does not define itself.
    pub names: BTreeSet<String>,
    /// Whether it reads other hosts' variables, or which of them still take part.
    pub hostvars: bool,
    /// Whether its value can differ from one rendering to the next with the same variables: lookups, times, chance.
    pub impure: bool,
    /// Whether rendering it does something: runs a command, makes a password, asks a server. Once is enough then.
    pub acts: bool,
    /// Whether it reads variables by names that are themselves computed: it may read any.
    pub any: bool,
}

impl References {
    /// Adds what another template reads.
    pub fn extend(&mut self, other: References) {
        self.names.extend(other.names);
        self.hostvars |= other.hostvars;
        self.impure |= other.impure;
        self.acts |= other.acts;
        self.any |= other.any;
    }
}

/// Names that Jinja itself gives a value.
pub(super) const SPECIAL: &[&str] = &["omit", "loop", "self", "super", "caller", "varargs", "kwargs"];

const IMPURE: &[&str] = &["lookup", "query", "q", "now"];
/// Lookups that do more than read a file.
const ACTING: &[&str] = &["pipe", "password", "url", "lines"];
const IMPURE_FILTERS: &[&str] = &[
    "random",
    "shuffle",
    "random_mac",
    "password_hash",
    "fileglob",
    "realpath",
    "strftime",
    "expandvars",
    "expanduser",
];

/// Collects calls and names of a parsed template.
#[derive(Default)]
struct Found<'a> {
    filters: Vec<(String, machinery::Span)>,
    tests: Vec<(String, machinery::Span)>,
    functions: Vec<(&'a str, machinery::Span)>,
    lookups: Vec<(String, machinery::Span)>,
    literal_names: Vec<String>,
    defined: BTreeSet<&'a str>,
    /// Every name that is read, whether the template defines it or not.
    read: std::collections::BTreeMap<&'a str, usize>,
    dynamic: bool,
}

fn literal(expr: &ast::Expr<'_>) -> Option<String> {
    match expr {
        ast::Expr::Const(c) => c.value.as_str().map(str::to_owned),
        _ => None,
    }
}

fn positional<'e, 'a>(args: &'e [ast::CallArg<'a>]) -> impl Iterator<Item = &'e ast::Expr<'a>> {
    args.iter().filter_map(|arg| match arg {
        ast::CallArg::Pos(expr) => Some(expr),
        _ => None,
    })
}

impl<'a> Found<'a> {
    /// All filters, tests and lookups that are not here.
    fn plugins(&self) -> impl Iterator<Item = (PluginKind, &str, machinery::Span)> {
        let filters = self.filters.iter().map(|one| (PluginKind::Filter, one));
        let tests = self.tests.iter().map(|one| (PluginKind::Test, one));
        let lookups = self.lookups.iter().map(|one| (PluginKind::Lookup, one));
        let all = filters.chain(tests).chain(lookups).map(|(kind, (name, place))| (kind, name.as_str(), *place));
        all.filter(|(kind, name, _)| match kind {
            PluginKind::Filter => !filter::exists(name),
            PluginKind::Test => !test::exists(name),
            PluginKind::Lookup => !lookup::is_here(name),
        })
    }

    /// Whether a name is read as a variable, not only called as the function of that name.
    fn is_variable(&self, name: &str) -> bool {
        if SPECIAL.contains(&name) {
            return false;
        }
        let calls = self.functions.iter().filter(|(function, _)| *function == name).count();
        !function::names().contains(&name) || self.read.get(name).is_some_and(|reads| *reads > calls)
    }

    fn call(&mut self, name: &'a str, call: &ast::Call<'a>, span: machinery::Span) {
        self.functions.push((name, span));
        if !matches!(name, "lookup" | "query" | "q") {
            return;
        }
        let mut args = positional(&call.args);
        match args.next().map(literal) {
            Some(Some(plugin)) => {
                let bare = plugin.strip_prefix("ansible.builtin.").unwrap_or(&plugin).to_owned();
                if matches!(bare.as_str(), "vars" | "varnames") {
                    for term in args {
                        match literal(term).filter(|_| bare == "vars") {
                            Some(name) => self.literal_names.push(name),
                            None => self.dynamic = true,
                        }
                    }
                }
                // These read a file that is itself a template, or compute what to read.
                self.dynamic |= bare == "template";
                self.lookups.push((plugin, span));
            }
            _ => self.dynamic = true,
        }
    }
}

impl<'a> Visitor<'a> for Found<'a> {
    fn expr(&mut self, expr: &ast::Expr<'a>) {
        match expr {
            ast::Expr::Var(var) => {
                *self.read.entry(var.id).or_default() += 1;
            }
            ast::Expr::Filter(filter) => {
                self.filters.push((compact(filter.name), filter.span()));
                if filter.name == "map" {
                    let used = positional(&filter.args).next().and_then(literal);
                    self.filters.extend(used.map(|name| (name, filter.span())));
                }
                let tests = match filter.name {
                    "select" | "reject" => positional(&filter.args).next(),
                    "selectattr" | "rejectattr" => positional(&filter.args).nth(1),
                    _ => None,
                };
                self.tests.extend(tests.and_then(literal).map(|name| (name, filter.span())));
            }
            ast::Expr::Test(test) => self.tests.push((compact(test.name), test.span())),
            ast::Expr::Call(call) => {
                if let ast::Expr::Var(var) = &call.expr {
                    self.call(var.id, call, expr.span());
                }
            }
            ast::Expr::GetItem(item) => {
                if let ast::Expr::Var(var) = &item.expr
                    && var.id == "vars"
                {
                    match literal(&item.subscript_expr) {
                        Some(name) => self.literal_names.push(name),
                        None => self.dynamic = true,
                    }
                }
            }
            ast::Expr::GetAttr(attr) => {
                if let ast::Expr::Var(var) = &attr.expr
                    && var.id == "vars"
                {
                    self.literal_names.push(attr.name.to_owned());
                }
            }
            _ => {}
        }
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'a>) {
        match stmt {
            ast::Stmt::Macro(m) => {
                self.defined.insert(m.name);
                self.defined.extend(m.args.iter().filter_map(target));
            }
            ast::Stmt::Set(s) => {
                // `set x = x + 1` reads the outer `x` first.
                let mut own = Found::default();
                walk::expr(&s.expr, &mut own);
                let all = targets(&s.target);
                let again = all.iter().filter(|name| own.read.contains_key(*name));
                self.literal_names.extend(again.map(|name| (*name).to_owned()));
                self.defined.extend(all);
            }
            ast::Stmt::Import(i) => self.defined.extend(target(&i.name)),
            ast::Stmt::FromImport(i) => {
                self.defined.extend(i.names.iter().filter_map(|(name, alias)| target(alias.as_ref().unwrap_or(name))));
            }
            ast::Stmt::ForLoop(l) => self.defined.extend(targets(&l.target)),
            ast::Stmt::WithBlock(w) => self.defined.extend(w.assignments.iter().flat_map(|(t, _)| targets(t))),
            ast::Stmt::SetBlock(s) => self.defined.extend(target(&s.target)),
            ast::Stmt::CallBlock(c) => {
                if let ast::Expr::Var(var) = &c.call.expr {
                    self.functions.push((var.id, c.call.span()));
                }
            }
            ast::Stmt::Do(d) => {
                if let ast::Expr::Var(var) = &d.call.expr {
                    self.functions.push((var.id, d.call.span()));
                }
            }
            // What another file reads is not known here.
            ast::Stmt::Include(_) | ast::Stmt::Extends(_) => self.dynamic = true,
            _ => {}
        }
    }
}

fn target<'a>(expr: &ast::Expr<'a>) -> Option<&'a str> {
    match expr {
        ast::Expr::Var(var) => Some(var.id),
        _ => None,
    }
}

/// All names that an assignment gives a value.
fn targets<'a>(expr: &ast::Expr<'a>) -> Vec<&'a str> {
    match expr {
        ast::Expr::List(list) => list.items.iter().flat_map(targets).collect(),
        ast::Expr::Tuple(tuple) => tuple.items.iter().flat_map(targets).collect(),
        other => target(other).into_iter().collect(),
    }
}

impl Engine {
    /// Tells what a text reads. A text that is not Jinja reads nothing: rendering it says why.
    pub fn references(&self, text: &str) -> References {
        if is_template(text) { self.found(text, Mode::Inline) } else { References::default() }
    }

    /// Tells what a condition or another expression without braces reads.
    pub fn expression_references(&self, expr: &str) -> References {
        self.found(super::bare(expr), Mode::Expression)
    }

    /// Tells what all texts of a tree read, keys included.
    pub fn tree_references(&self, node: &Node) -> References {
        let mut all = References::default();
        each_text(node, &mut |text, _| all.extend(self.references(text)));
        all
    }

    /// Tells what a template file reads.
    pub fn file_references(&self, text: &str) -> References {
        let (skip, syntax) = super::file::preamble(text);
        self.found_with(
            text.get(skip..).unwrap_or_default(),
            Mode::File,
            &syntax.unwrap_or_else(|| self.syntax.clone()),
        )
    }

    /// Adds everything that the variables named lead to.
    pub fn all_references(&self, first: &References, vars: &Context) -> References {
        let mut all = first.clone();
        let mut todo: Vec<String> = first.names.iter().cloned().collect();
        while let Some(name) = todo.pop() {
            for next in self.variable_references(&name, &vars.inner) {
                todo.extend(next.names.iter().filter(|n| !all.names.contains(*n)).cloned());
                all.extend(next);
            }
        }
        all
    }

    /// The templates in a variable, as they are written.
    pub fn templates(&self, name: &str, vars: &Context) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(super::raw::Var(raw)) = vars.inner.vars.get(name) {
            Raw::templates(&raw, &mut |piece| found.push(piece.text.to_string()));
        }
        found
    }

    fn variable_references(&self, name: &str, inner: &Arc<Inner>) -> Vec<References> {
        let mut found = Vec::new();
        if let Some(super::raw::Var(raw)) = inner.vars.get(name) {
            Raw::templates(&raw, &mut |piece| found.push(self.references(&piece.text)));
        }
        found
    }

    fn found(&self, text: &str, mode: Mode) -> References {
        self.found_with(text, mode, &self.syntax)
    }

    fn found_with(&self, text: &str, mode: Mode, syntax: &SyntaxConfig) -> References {
        // A template file that is not understood may read anything.
        let unknown = || References { any: mode == Mode::File, ..References::default() };
        if rewrite::too_long(text, mode, syntax).is_some() {
            return References { any: true, ..References::default() };
        }
        let mut found = Found::default();
        let names = match mode {
            Mode::Expression => {
                let Ok(expr) = machinery::parse_expr(text) else { return unknown() };
                walk::expr(&expr, &mut found);
                self.env.compile_expression(text).map(|e| e.undeclared_variables(false)).unwrap_or_default()
            }
            Mode::Inline | Mode::File => {
                let Ok(stmt) = machinery::parse(text, "", syntax.clone()) else { return unknown() };
                walk::stmt(&stmt, &mut found);
                let mut env = minijinja::Environment::empty();
                env.set_syntax(syntax.clone());
                env.template_from_str(text).map(|t| t.undeclared_variables(false)).unwrap_or_default()
            }
        };
        let mut refs = References { any: found.dynamic, ..References::default() };
        refs.impure = found.functions.iter().any(|(name, _)| IMPURE.contains(name))
            || found
                .filters
                .iter()
                .any(|(name, _)| IMPURE_FILTERS.contains(&name.rsplit('.').next().unwrap_or_default()));
        let bare = |plugin: &str| plugin.rsplit('.').next().is_some_and(|p| ACTING.contains(&p));
        refs.acts = found.lookups.iter().any(|(plugin, _)| bare(plugin));
        if plugin::any() {
            for (kind, name, _) in found.plugins() {
                // What somebody else's plugin does nobody knows.
                refs.impure = true;
                refs.acts |= kind == PluginKind::Lookup;
                refs.any |= plugin::find(kind, name).ok().flatten().is_none_or(|about| about.reads_variables);
            }
        }
        // The engine knows scopes but overlooks what is sliced; together they miss nothing.
        let outside = found.read.keys().filter(|name| !found.defined.contains(*name)).map(|name| (*name).to_owned());
        refs.names = names.into_iter().chain(outside).filter(|name| found.is_variable(name)).collect();
        refs.names.extend(found.literal_names);
        // Who takes part is known once the others have come as far, too.
        const OTHERS: &[&str] = &["hostvars", "ansible_play_hosts", "ansible_play_batch", "play_hosts"];
        refs.hostvars = OTHERS.iter().any(|name| refs.names.contains(*name));
        refs
    }

    /// Checks a text without rendering it: its syntax, and that all filters, tests, functions and lookups exist.
    pub fn check(&self, text: &str, span: Option<&Span>) -> Vec<TemplateError> {
        if is_template(text) { self.checked(text, span, Mode::Inline) } else { Vec::new() }
    }

    /// Checks a condition or another expression without braces.
    pub fn check_expression(&self, expr: &str, span: Option<&Span>) -> Vec<TemplateError> {
        let inner = super::bare(expr);
        if inner.trim().is_empty() { Vec::new() } else { self.checked(inner, span, Mode::Expression) }
    }

    /// Checks all texts of a tree.
    pub fn check_tree(&self, node: &Node) -> Vec<TemplateError> {
        let mut all = Vec::new();
        each_text(node, &mut |text, span| all.extend(self.check(text, Some(span))));
        all
    }

    /// Checks a template file.
    pub fn check_file(&self, source: &Arc<yaml::Source>) -> Vec<TemplateError> {
        let span = Span { source: source.clone(), start: 0, end: source.text.len() };
        self.checked(&source.text, Some(&span), Mode::File)
    }

    fn checked(&self, text: &str, span: Option<&Span>, mode: Mode) -> Vec<TemplateError> {
        let unit = Unit::plain(text, span);
        let nothing: indexmap::IndexMap<String, super::raw::Var> = indexmap::IndexMap::new();
        let context = Context::new(self, Arc::new(nothing), Arc::new(function::local::NoLocal));
        if let Err(error) = unit.guard(text, mode, &self.syntax) {
            return vec![error];
        }
        let mut found = Found::default();
        let parsed = match mode {
            Mode::Expression => machinery::parse_expr(text).map(|expr| walk::expr(&expr, &mut found)),
            Mode::Inline | Mode::File => {
                machinery::parse(text, "<template>", self.syntax.clone()).map(|stmt| walk::stmt(&stmt, &mut found))
            }
        };
        if let Err(error) = parsed {
            return vec![explain(&error, &unit, &context.inner)];
        }
        let at = |span: machinery::Span| Some(unit.locate(range(span)));
        let mut errors = Vec::new();
        let mut unknown = |kind: Kind, place: machinery::Span, help: Option<String>| {
            let error = TemplateError::new(kind, at(place));
            errors.push(match help {
                Some(help) => error.with_help(help),
                None => error,
            });
        };
        for (kind, name, place) in found.plugins() {
            if let Some((wrong, help)) = plugin::missing(kind, name) {
                unknown(wrong, place, help);
            }
        }
        for (name, place) in &found.functions {
            if !function::names().contains(name) && !name.starts_with("__") && !found.defined.contains(name) {
                unknown(Kind::UnknownFunction((*name).to_owned()), *place, suggestion(name, function::names()));
            }
        }
        errors
    }
}

/// Calls `f` with every text of a tree that may be a template.
fn each_text(node: &Node, f: &mut dyn FnMut(&str, &Span)) {
    match &node.value {
        yaml::Value::String { text, unsafe_text: false } => f(text, &node.span),
        yaml::Value::Seq(items) => items.iter().for_each(|item| each_text(item, f)),
        yaml::Value::Map(entries) => entries.iter().for_each(|(key, item)| {
            each_text(key, f);
            each_text(item, f);
        }),
        _ => {}
    }
}

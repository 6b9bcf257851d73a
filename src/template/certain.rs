//! Which variables a template needs whatever their values are.
//!
//! [`references`](super::references) lists all that a template may read. Here only those count that are read each time the
//! template is rendered: not behind `or`, `and`, `if … else`, a loop, `default` or `is defined`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{self, ast};

use super::engine::{Engine, Unit};
use super::error::{Kind, TemplateError};
use super::function;
use super::raw::is_template;
use super::references::SPECIAL;
use super::rewrite::{Mode, range};
use crate::yaml::{Source, Span};

/// Tests and filters that take a name without a value.
const FORGIVING_TESTS: &[&str] = &["defined", "undefined"];
const FORGIVING_FILTERS: &[&str] = &["default", "d"];

/// A name that a template cannot do without.
#[derive(Clone, Debug)]
pub struct Needed {
    /// The name.
    pub name: String,
    /// The error that rendering ends with where the name has no value.
    pub error: TemplateError,
}

impl Engine {
    /// Lists what a text needs; a text that is no template, or that is not understood, needs nothing.
    pub fn needs(&self, text: &str, span: Option<&Span>) -> Vec<Needed> {
        if !is_template(text) {
            return Vec::new();
        }
        let Some(template) = self.parsed(text) else { return Vec::new() };
        let mut needed = Vec::new();
        for stmt in &template.children {
            match stmt {
                ast::Stmt::EmitExpr(emit) => read(&emit.expr, &mut needed),
                ast::Stmt::EmitRaw(_) => {}
                // What is set, looped or branched over changes the meaning of names.
                _ => return Vec::new(),
            }
        }
        self.with_errors(text, span, needed)
    }

    /// Lists what a condition or another expression without braces needs.
    pub fn expression_needs(&self, text: &str, span: Option<&Span>) -> Vec<Needed> {
        let inner = super::bare(text);
        let Ok(expr) = machinery::parse_expr(inner) else { return Vec::new() };
        let mut needed = Vec::new();
        read(&expr, &mut needed);
        self.with_errors(inner, span, needed)
    }

    /// Lists what a template file needs, up to the first part that may change what names mean: an `include`, a `macro`, a block.
    pub fn file_needs(&self, source: &Arc<Source>) -> Vec<Needed> {
        let text = &source.text;
        // A file with delimiters of its own is read another way.
        if super::file::preamble(text).0 > 0 {
            return Vec::new();
        }
        let Some(template) = self.parsed(text) else { return Vec::new() };
        let mut needed = Vec::new();
        for stmt in &template.children {
            match stmt {
                ast::Stmt::EmitRaw(_) | ast::Stmt::Set(_) => {}
                ast::Stmt::EmitExpr(emit) => read(&emit.expr, &mut needed),
                // What is imported, extended or defined in a branch may hold behind it.
                ast::Stmt::IfCond(branch) if plain(&branch.true_body) && plain(&branch.false_body) => {
                    read(&branch.expr, &mut needed);
                }
                ast::Stmt::ForLoop(each) => read(&each.iter, &mut needed),
                _ => break,
            }
        }
        // What the template sets somewhere is its own; `template_path` and kin come from the module.
        let free = self.file_references(text).names;
        let mut own = BTreeSet::new();
        sets(&template.children, &mut own);
        needed.retain(|(name, _)| free.contains(*name) && !own.contains(name) && !name.starts_with("template_"));
        self.with_errors(text, Some(&Span::whole(source)), needed)
    }

    /// A template as the engine reads it; nothing where it is not understood.
    fn parsed<'t>(&self, text: &'t str) -> Option<ast::Spanned<ast::Template<'t>>> {
        match machinery::parse(text, "", self.syntax.clone()) {
            Ok(ast::Stmt::Template(template)) => Some(template),
            _ => None,
        }
    }

    fn with_errors(&self, text: &str, span: Option<&Span>, needed: Vec<(&str, Range<usize>)>) -> Vec<Needed> {
        let unit = Unit::plain(text, span);
        if unit.guard(text, Mode::Inline, &self.syntax).is_err() {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let names = needed
            .into_iter()
            .filter(|(name, _)| !function::names().contains(name) && !SPECIAL.contains(name) && seen.insert(*name));
        names
            .map(|(name, place)| Needed {
                name: name.to_owned(),
                error: TemplateError::new(Kind::Undefined { name: name.to_owned() }, Some(unit.locate(place))),
            })
            .collect()
    }
}

/// Whether statements only print, set and branch.
fn plain(stmts: &[ast::Stmt<'_>]) -> bool {
    stmts.iter().all(|stmt| match stmt {
        ast::Stmt::EmitRaw(_) | ast::Stmt::EmitExpr(_) | ast::Stmt::Set(_) | ast::Stmt::SetBlock(_) => true,
        ast::Stmt::IfCond(branch) => plain(&branch.true_body) && plain(&branch.false_body),
        ast::Stmt::ForLoop(each) => plain(&each.body) && plain(&each.else_body),
        _ => false,
    })
}

/// Collects what statements may give a value that holds behind them: a branch may be taken, a loop keeps its own to itself.
fn sets<'a>(stmts: &[ast::Stmt<'a>], own: &mut BTreeSet<&'a str>) {
    for stmt in stmts {
        match stmt {
            ast::Stmt::Set(set) => targets(&set.target, own),
            ast::Stmt::SetBlock(set) => targets(&set.target, own),
            ast::Stmt::IfCond(branch) => {
                sets(&branch.true_body, own);
                sets(&branch.false_body, own);
            }
            _ => {}
        }
    }
}

fn targets<'a>(target: &ast::Expr<'a>, own: &mut BTreeSet<&'a str>) {
    match target {
        ast::Expr::Var(var) => drop(own.insert(var.id)),
        ast::Expr::List(list) => list.items.iter().for_each(|item| targets(item, own)),
        ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| targets(item, own)),
        _ => {}
    }
}

/// Collects the names that evaluating an expression reads in any case, in order.
fn read<'a>(expr: &ast::Expr<'a>, needed: &mut Vec<(&'a str, Range<usize>)>) {
    match expr {
        ast::Expr::Var(var) => needed.push((var.id, range(expr.span()))),
        ast::Expr::Const(_) => {}
        ast::Expr::UnaryOp(e) => read(&e.expr, needed),
        ast::Expr::BinOp(e) => {
            read(&e.left, needed);
            if !matches!(e.op, ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr) {
                read(&e.right, needed);
            }
        }
        ast::Expr::Compare(e) => {
            read(&e.expr, needed);
            // A chain of comparisons ends with the first that does not hold.
            e.ops.iter().take(1).for_each(|op| read(&op.expr, needed));
        }
        ast::Expr::IfExpr(e) => read(&e.test_expr, needed),
        ast::Expr::Filter(e) => {
            let forgiven = FORGIVING_FILTERS.contains(&e.name);
            if let Some(inner) = e.expr.as_ref().filter(|_| !forgiven) {
                read(inner, needed);
            }
        }
        ast::Expr::Test(e) => {
            if !FORGIVING_TESTS.contains(&e.name) {
                read(&e.expr, needed);
            }
        }
        ast::Expr::GetAttr(e) => read(&e.expr, needed),
        ast::Expr::GetItem(e) => {
            read(&e.expr, needed);
            read(&e.subscript_expr, needed);
        }
        ast::Expr::Slice(e) => read(&e.expr, needed),
        // What a function does with its arguments is its own affair, and so is what becomes of the parts of a list: `select('defined')`.
        ast::Expr::List(_) | ast::Expr::Tuple(_) | ast::Expr::Map(_) | ast::Expr::Call(_) => {}
    }
}

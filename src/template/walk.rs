//! Walks over a parsed template.

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

/// What is called for each part of a template, outer parts first.
pub(crate) trait Visitor<'a> {
    fn expr(&mut self, expr: &Expr<'a>);

    fn stmt(&mut self, stmt: &Stmt<'a>) {
        let _ = stmt;
    }
}

pub(crate) fn stmt<'a>(node: &Stmt<'a>, v: &mut impl Visitor<'a>) {
    v.stmt(node);
    match node {
        Stmt::Template(s) => all(&s.children, v),
        Stmt::EmitExpr(s) => expr(&s.expr, v),
        Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        Stmt::ForLoop(s) => {
            expr(&s.iter, v);
            optional(s.filter_expr.as_ref(), v);
            all(&s.body, v);
            all(&s.else_body, v);
        }
        Stmt::IfCond(s) => {
            expr(&s.expr, v);
            all(&s.true_body, v);
            all(&s.false_body, v);
        }
        Stmt::WithBlock(s) => {
            s.assignments.iter().for_each(|(_, value)| expr(value, v));
            all(&s.body, v);
        }
        Stmt::Set(s) => expr(&s.expr, v),
        Stmt::SetBlock(s) => {
            optional(s.filter.as_ref(), v);
            all(&s.body, v);
        }
        Stmt::AutoEscape(s) => {
            expr(&s.enabled, v);
            all(&s.body, v);
        }
        Stmt::FilterBlock(s) => {
            expr(&s.filter, v);
            all(&s.body, v);
        }
        Stmt::Block(s) => all(&s.body, v),
        Stmt::Import(s) => expr(&s.expr, v),
        Stmt::FromImport(s) => expr(&s.expr, v),
        Stmt::Extends(s) => expr(&s.name, v),
        Stmt::Include(s) => expr(&s.name, v),
        Stmt::Macro(s) => {
            s.defaults.iter().for_each(|d| expr(d, v));
            all(&s.body, v);
        }
        Stmt::CallBlock(s) => {
            expr(&s.call.expr, v);
            args(&s.call.args, v);
            s.macro_decl.defaults.iter().for_each(|d| expr(d, v));
            all(&s.macro_decl.body, v);
        }
        Stmt::Do(s) => {
            expr(&s.call.expr, v);
            args(&s.call.args, v);
        }
    }
}

fn all<'a>(stmts: &[Stmt<'a>], v: &mut impl Visitor<'a>) {
    stmts.iter().for_each(|s| stmt(s, v));
}

fn optional<'a>(node: Option<&Expr<'a>>, v: &mut impl Visitor<'a>) {
    if let Some(node) = node {
        expr(node, v);
    }
}

fn args<'a>(list: &[CallArg<'a>], v: &mut impl Visitor<'a>) {
    for arg in list {
        let (CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e)) = arg;
        expr(e, v);
    }
}

pub(crate) fn expr<'a>(node: &Expr<'a>, v: &mut impl Visitor<'a>) {
    v.expr(node);
    match node {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(e) => {
            expr(&e.expr, v);
            optional(e.start.as_ref(), v);
            optional(e.stop.as_ref(), v);
            optional(e.step.as_ref(), v);
        }
        Expr::UnaryOp(e) => expr(&e.expr, v),
        Expr::BinOp(e) => {
            expr(&e.left, v);
            expr(&e.right, v);
        }
        Expr::Compare(e) => {
            expr(&e.expr, v);
            e.ops.iter().for_each(|op| expr(&op.expr, v));
        }
        Expr::IfExpr(e) => {
            expr(&e.test_expr, v);
            expr(&e.true_expr, v);
            optional(e.false_expr.as_ref(), v);
        }
        Expr::Filter(e) => {
            optional(e.expr.as_ref(), v);
            args(&e.args, v);
        }
        Expr::Test(e) => {
            expr(&e.expr, v);
            args(&e.args, v);
        }
        Expr::GetAttr(e) => expr(&e.expr, v),
        Expr::GetItem(e) => {
            expr(&e.expr, v);
            expr(&e.subscript_expr, v);
        }
        Expr::Call(e) => {
            expr(&e.expr, v);
            args(&e.args, v);
        }
        Expr::List(e) => e.items.iter().for_each(|i| expr(i, v)),
        Expr::Tuple(e) => e.items.iter().for_each(|i| expr(i, v)),
        Expr::Map(e) => {
            e.keys.iter().for_each(|k| expr(k, v));
            e.values.iter().for_each(|i| expr(i, v));
        }
    }
}

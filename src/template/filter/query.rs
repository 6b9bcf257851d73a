//! `json_query`: JMESPath, as Python's library evaluates it.
//!
//! Sources: <https://docs.ansible.com/ansible/latest/collections/community/general/json_query_filter.html>, <https://jmespath.org/specification.html>.
//! The expressions are taken apart by `jmespath`; its own evaluation puts the entries of mappings in the order of their names, so it is not used.

mod function;

use std::cmp::Ordering;

use jmespath::ast::{Ast, Comparator};
use minijinja::{Error, State, Value};
use serde_json::{Map, Value as Json, json};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::value::{from_json, to_json};

pub(super) const GENERAL: &[Entry] = &[on("json_query", json_query)];

/// How deep the brackets of an expression may be nested: each takes of the stack.
const DEEPEST: usize = 60;

fn json_query(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let expression = args.text("expr")?;
    let mut depth = 0usize;
    for c in expression.chars() {
        match c {
            '(' | '[' | '{' | '!' | '&' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(args.wrong("the expression is nested too deeply"));
        }
    }
    let query = jmespath::compile(&expression).map_err(|error| args.wrong(format!("`{expression}`: {error}")))?;
    let found = evaluate(query.as_ast(), &to_json(value)?);
    let found = found.map_err(|reason| args.wrong(format!("`{expression}`: {reason}")))?;
    Ok(from_json(&found))
}

/// What a node comes to for a value.
fn evaluate(node: &Ast, value: &Json) -> Result<Json, String> {
    Ok(match node {
        Ast::Identity { .. } => value.clone(),
        Ast::Field { name, .. } => value.get(name.as_str()).cloned().unwrap_or_default(),
        Ast::Index { idx, .. } => indexed(value, *idx),
        Ast::Literal { value, .. } => serde_json::to_value(&**value).map_err(|error| error.to_string())?,
        Ast::Subexpr { lhs, rhs, .. } => evaluate(rhs, &evaluate(lhs, value)?)?,
        Ast::Or { lhs, rhs, .. } => {
            let left = evaluate(lhs, value)?;
            if holds(&left) { left } else { evaluate(rhs, value)? }
        }
        Ast::And { lhs, rhs, .. } => {
            let left = evaluate(lhs, value)?;
            if holds(&left) { evaluate(rhs, value)? } else { left }
        }
        Ast::Not { node, .. } => Json::Bool(!holds(&evaluate(node, value)?)),
        Ast::Condition { predicate, then, .. } => match holds(&evaluate(predicate, value)?) {
            true => evaluate(then, value)?,
            false => Json::Null,
        },
        Ast::Comparison { comparator, lhs, rhs, .. } => {
            compared(comparator, &evaluate(lhs, value)?, &evaluate(rhs, value)?)?
        }
        Ast::Flatten { node, .. } => match evaluate(node, value)? {
            Json::Array(items) => items.into_iter().flat_map(spread).collect(),
            _ => Json::Null,
        },
        Ast::ObjectValues { node, .. } => match evaluate(node, value)? {
            Json::Object(entries) => entries.into_iter().map(|(_, entry)| entry).collect(),
            _ => Json::Null,
        },
        Ast::Projection { lhs, rhs, .. } => projected(evaluate(lhs, value)?, rhs)?,
        Ast::MultiList { .. } | Ast::MultiHash { .. } if value.is_null() => Json::Null,
        Ast::MultiList { elements, .. } => {
            elements.iter().map(|element| evaluate(element, value)).collect::<Result<_, _>>()?
        }
        Ast::MultiHash { elements, .. } => {
            let entry = |pair: &jmespath::ast::KeyValuePair| Ok((pair.key.clone(), evaluate(&pair.value, value)?));
            Json::Object(elements.iter().map(entry).collect::<Result<Map<_, _>, String>>()?)
        }
        Ast::Slice { start, stop, step, .. } => sliced(value, *start, *stop, *step)?,
        Ast::Function { name, args, .. } => function::call(name, args, value)?,
        Ast::Expref { .. } => return Err("an expression with `&` is for a function alone".to_owned()),
    })
}

fn spread(item: Json) -> Vec<Json> {
    match item {
        Json::Array(inner) => inner,
        other => vec![other],
    }
}

fn projected(items: Json, then: &Ast) -> Result<Json, String> {
    let Json::Array(items) = items else { return Ok(Json::Null) };
    let mut out = Vec::new();
    for item in items {
        let found = evaluate(then, &item)?;
        if !found.is_null() {
            out.push(found);
        }
    }
    Ok(Json::Array(out))
}

fn indexed(value: &Json, index: i32) -> Json {
    let Json::Array(items) = value else { return Json::Null };
    let at = match usize::try_from(index) {
        Ok(at) => Some(at),
        Err(_) => usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back)),
    };
    at.and_then(|at| items.get(at)).cloned().unwrap_or_default()
}

fn sliced(value: &Json, start: Option<i32>, stop: Option<i32>, step: i32) -> Result<Json, String> {
    let Json::Array(items) = value else { return Ok(Json::Null) };
    if step == 0 {
        return Err("the step of a slice cannot be zero".to_owned());
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |given: Option<i32>, otherwise: i64| match given.map(i64::from) {
        None => otherwise,
        Some(at) => (if at < 0 { at + length } else { at }).clamp(low, high),
    };
    let (mut at, end) =
        if step > 0 { (bound(start, low), bound(stop, high)) } else { (bound(start, high), bound(stop, low)) };
    let mut out = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)).cloned());
        at += i64::from(step);
    }
    Ok(Json::Array(out))
}

/// What is not empty, not null and not false: zero is true.
fn holds(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
        _ => true,
    }
}

/// The same as Python's `==`, but that a truth value is no number.
fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => left == right,
    }
}

/// The order of two numbers or two texts.
fn order(left: &Json, right: &Json) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn compared(comparator: &Comparator, left: &Json, right: &Json) -> Result<Json, String> {
    let fits: fn(Ordering) -> bool = match comparator {
        Comparator::Equal => return Ok(json!(equal(left, right))),
        Comparator::NotEqual => return Ok(json!(!equal(left, right))),
        Comparator::LessThan => Ordering::is_lt,
        Comparator::LessThanEqual => Ordering::is_le,
        Comparator::GreaterThan => Ordering::is_gt,
        Comparator::GreaterThanEqual => Ordering::is_ge,
    };
    let comparable = |value: &Json| value.is_number() || value.is_string();
    if !comparable(left) || !comparable(right) {
        return Ok(Json::Null);
    }
    let order =
        order(left, right).ok_or_else(|| format!("a text cannot be compared with a number: {left}, {right}"))?;
    Ok(json!(fits(order)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_come_to_what_python_says() {
        let data = json!({
            "m": {"z": {"n": 1}, "a": {"n": 2}, "k": 3},
            "l": [{"name": "b", "n": 2}, {"name": "a", "n": 1}, {"name": "c"}],
            "nested": [[1, 2], [3, [4]], 5],
            "texts": ["b", "a"],
            "numbers": [3, 1.5, 2],
            "null": null,
        });
        for (expression, expected) in [
            ("m.*", json!([{"n": 1}, {"n": 2}, 3])),
            ("m.*.n", json!([1, 2])),
            ("keys(m)", json!(["z", "a", "k"])),
            ("values(m)", json!([{"n": 1}, {"n": 2}, 3])),
            ("l[*].name", json!(["b", "a", "c"])),
            ("l[?n > `1`].name", json!(["b"])),
            ("l[?n].{q: name, p: n} | [0]", json!({"q": "b", "p": 2})),
            ("l[].[name, n]", json!([["b", 2], ["a", 1], ["c", null]])),
            ("nested[]", json!([1, 2, 3, [4], 5])),
            ("nested[][]", json!([1, 2, 3, 4, 5])),
            ("l[-1].name", json!("c")),
            ("l[::-1].name", json!(["c", "a", "b"])),
            ("l[1:].name", json!(["a", "c"])),
            ("l[-2:-1].name", json!(["a"])),
            ("!null && texts", json!(["b", "a"])),
            ("null || m.k", json!(3)),
            ("sort(texts)", json!(["a", "b"])),
            ("sort(numbers)", json!([1.5, 2, 3])),
            ("sort_by(l[?n], &n)[*].name", json!(["a", "b"])),
            ("max_by(l, &name).name", json!("c")),
            ("min_by(l, &name)", json!({"name": "a", "n": 1})),
            ("map(&n, l)", json!([2, 1, null])),
            ("merge(m, `{\"k\": 4}`)", json!({"z": {"n": 1}, "a": {"n": 2}, "k": 4})),
            ("sum(numbers)", json!(6.5)),
            ("avg(`[2, 4]`)", json!(3.0)),
            ("ceil(`1.2`)", json!(2)),
            ("to_string(m)", json!("{\"z\":{\"n\":1},\"a\":{\"n\":2},\"k\":3}")),
            ("to_number('1.5')", json!(1.5)),
            ("to_number('x')", json!(null)),
            ("join('-', texts)", json!("b-a")),
            ("contains(texts, 'a')", json!(true)),
            ("length('äb')", json!(2)),
            ("reverse('ab')", json!("ba")),
            ("not_null(null, m.k)", json!(3)),
            ("type(`1`)", json!("number")),
            ("`1` == `1.0`", json!(true)),
            ("`true` == `1`", json!(false)),
            ("nope[*].x", json!(null)),
        ] {
            let query = jmespath::compile(expression).unwrap();
            assert_eq!(evaluate(query.as_ast(), &data), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn expressions_that_mean_nothing_are_refused() {
        let data = json!({"texts": ["b", "a"], "l": [{"n": 2}, {"name": "c"}]});
        for (expression, part) in [
            ("sum(texts)", "In function sum(), invalid type for value: \"b\""),
            ("nofunc(@)", "Unknown function: nofunc()"),
            ("abs(@, @)", "Expected 1 argument for function abs(), received 2"),
            ("l[::0]", "step"),
            ("sort_by(l, &n)", "In function sort_by(), invalid type for value: null"),
        ] {
            let query = jmespath::compile(expression);
            let error = match query {
                Ok(query) => evaluate(query.as_ast(), &data).unwrap_err(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(part), "{expression}: {error}");
        }
    }
}

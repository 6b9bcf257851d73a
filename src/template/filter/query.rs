//! `json_query`: JMESPath.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/community/general/json_query_filter.html>. A mapping's values come in the
//! order of their names, where Python's library keeps the order in which they were written.

use minijinja::{Error, State, Value};

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
    let found = query.search(to_json(value)?).map_err(|error| args.wrong(format!("`{expression}`: {error}")))?;
    let json = serde_json::to_value(&*found).map_err(|error| args.wrong(error))?;
    Ok(from_json(&json))
}

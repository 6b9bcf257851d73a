//! What is typed to the task debugger and how it answers: lines, assignments, and values as Python's `pprint` shows them.

use serde_json::Value as Json;

use crate::{python, template::repr};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order<'l> {
    /// An empty line.
    Nothing,
    /// The list of commands.
    Help,
    /// The task is done again.
    Redo,
    /// The result stands.
    Continue,
    /// The run ends.
    Quit,
    /// The task's arguments are as written again.
    Update,
    /// The value of an expression.
    Show(&'l str),
    /// `task.args[KEY] = VALUE`, both expressions.
    Argument(&'l str, &'l str),
    /// `task_vars[KEY] = VALUE`.
    Variable(&'l str, &'l str),
}

/// What `h` shows.
pub const HELP: &str = "\
p EXPRESSION                    show a value: task, task.args, task_vars, task_vars['NAME'], host, result._result
task.args['NAME'] = VALUE       give the module another argument
task_vars['NAME'] = VALUE       give a variable another value
u (update_task)                 take the arguments as they are written, with the variables as they are now
r (redo)                        do the task again
c (continue)                    let the result stand
q (quit)                        end the run";

/// Reads a line.
pub fn read(line: &str) -> Order<'_> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match (word, rest.trim()) {
        ("", _) => Order::Nothing,
        ("h" | "help" | "?", _) => Order::Help,
        ("r" | "redo", "") => Order::Redo,
        ("c" | "continue", "") => Order::Continue,
        ("q" | "quit", "") => Order::Quit,
        ("u" | "update_task", "") => Order::Update,
        ("p" | "pprint", expression) if !expression.is_empty() => Order::Show(expression),
        _ => {
            let given = assignment(line, "task.args").map(|(key, value)| Order::Argument(key, value));
            let given = given.or_else(|| assignment(line, "task_vars").map(|(key, value)| Order::Variable(key, value)));
            given.unwrap_or(Order::Show(line))
        }
    }
}

/// The key and the value of `NAME[KEY] = VALUE`.
fn assignment<'l>(line: &'l str, name: &str) -> Option<(&'l str, &'l str)> {
    let rest = line.strip_prefix(name)?.trim_start().strip_prefix('[')?;
    // A bracket between quotes belongs to the key.
    let mut quote = None;
    let end = rest.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        None
    })?;
    let value = rest[end + 1..].trim_start().strip_prefix('=').filter(|value| !value.starts_with('='))?;
    Some((rest[..end].trim(), value.trim()))
}

/// How wide a value may be before it is written on several lines.
const WIDTH: usize = 80;

/// A value on as few lines as it fits on, keys in order, as Python's `pprint` does.
pub fn pretty(value: &Json) -> String {
    let mut out = String::new();
    lay_out(&mut out, &sorted(value), 0);
    out
}

fn lay_out(out: &mut String, value: &Json, indent: usize) {
    let whole = repr(value);
    if whole.chars().count() + indent <= WIDTH {
        out.push_str(&whole);
        return;
    }
    let separator = format!(",\n{}", " ".repeat(indent + 1));
    match value {
        Json::Object(map) => {
            out.push('{');
            for (number, (name, item)) in map.iter().enumerate() {
                if number > 0 {
                    out.push_str(&separator);
                }
                let name = python::text::repr(name);
                out.push_str(&name);
                out.push_str(": ");
                lay_out(out, item, indent + name.chars().count() + 3);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push_str(&separator);
                }
                lay_out(out, item, indent + 1);
            }
            out.push(']');
        }
        _ => out.push_str(&whole),
    }
}

/// The same with all keys in order.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().map(|(name, item)| (name.clone(), sorted(item))).collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_orders() {
        for (line, order) in [
            ("", Order::Nothing),
            ("  r ", Order::Redo),
            ("redo", Order::Redo),
            ("c", Order::Continue),
            ("q", Order::Quit),
            ("u", Order::Update),
            ("?", Order::Help),
            ("p task.args", Order::Show("task.args")),
            ("pprint  host", Order::Show("host")),
            ("result._result", Order::Show("result._result")),
            ("r + 1", Order::Show("r + 1")),
            ("task.args['a'] = 'b'", Order::Argument("'a'", "'b'")),
            ("task.args[\"a]\"]='b = c'", Order::Argument("\"a]\"", "'b = c'")),
            ("task_vars['v'] = [1, 2]", Order::Variable("'v'", "[1, 2]")),
            ("task.args['a'] == 'b'", Order::Show("task.args['a'] == 'b'")),
            ("task.args['a'", Order::Show("task.args['a'")),
        ] {
            assert_eq!(read(line), order, "{line}");
        }
    }

    #[test]
    fn values_are_laid_out_as_pprint_does() {
        for (value, shown) in [
            (json!({"b": 1, "a": [true, null, 1.5]}), "{'a': [True, None, 1.5], 'b': 1}".to_owned()),
            (json!("it's"), "\"it's\"".to_owned()),
            (
                json!({"msg": "x".repeat(70), "failed": true, "list": ["y".repeat(50), "z".repeat(40)]}),
                format!(
                    "{{'failed': True,\n 'list': ['{}',\n          '{}'],\n 'msg': '{}'}}",
                    "y".repeat(50),
                    "z".repeat(40),
                    "x".repeat(70)
                ),
            ),
        ] {
            assert_eq!(pretty(&value), shown);
        }
    }
}

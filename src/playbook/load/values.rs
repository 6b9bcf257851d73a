//! Checks of values that need no variables.

use crate::playbook::error::Diagnostic;
use crate::playbook::keyword::Kind;
use crate::python::{
    number,
    truth::{boolean, boolean_text},
};
use crate::yaml::{Node, Value};

/// Whether the node is a text with a template in it: then nothing more is known of it.
pub(crate) fn is_template(node: &Node) -> bool {
    matches!(&node.value, Value::String { text, unsafe_text: false } if has_template(text))
}

/// Whether a text holds a template.
pub(crate) fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Whether the whole text is one `{{ … }}`.
pub(crate) fn is_whole_template(text: &str) -> bool {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    inner.is_some_and(|i| !i.contains("{{") && !i.contains("}}"))
}

/// Reads a truth value the way Ansible does.
pub(crate) fn truth(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(b) => Some(*b),
        Value::String { text, .. } => boolean_text(text),
        _ => boolean(&node.to_json()),
    }
}

fn whole(node: &Node) -> bool {
    match &node.value {
        Value::Int(_) => true,
        Value::String { text, .. } => number::int(text, 10).is_some(),
        _ => false,
    }
}

fn number(node: &Node) -> bool {
    match &node.value {
        Value::Int(_) | Value::Float(_) => true,
        Value::String { text, .. } => number::float(text).is_some(),
        _ => false,
    }
}

fn percent(node: &Node) -> bool {
    match &node.value {
        Value::Int(n) => (0..=100).contains(n),
        Value::Float(f) => (0.0..=100.0).contains(f),
        Value::String { text, .. } => {
            let text = text.trim().trim_end_matches('%');
            number::float(text).is_some_and(|f| (0.0..=100.0).contains(&f))
        }
        _ => false,
    }
}

fn scalar(node: &Node) -> bool {
    !matches!(node.value, Value::Seq(_) | Value::Map(_) | Value::Null)
}

fn all(node: &Node, check: impl Fn(&Node) -> bool) -> bool {
    match &node.value {
        Value::Seq(items) => items.iter().all(|i| check(i) || is_template(i)),
        _ => check(node),
    }
}

/// What is wrong where tasks or roles are no list.
fn no_list(name: &str, node: &Node) -> Diagnostic {
    let message = match name {
        "roles" => "A malformed role declaration was encountered.".to_owned(),
        "block" => "A malformed block was encountered while loading a block".to_owned(),
        name => format!("A malformed block was encountered while loading {name}"),
    };
    // A whole tree is not shown.
    let shown = match scalar(node) {
        true => format!(": {} should be a list or None", node.key_text()),
        false => format!(": `{name}` takes a list, not {}", node.value.kind()),
    };
    let help = match &node.value {
        Value::Map(_) => "start each entry with `- `".to_owned(),
        _ => format!("`{name}` takes a list, not {}", node.describe()),
    };
    Diagnostic::error(&node.span, format!("{message}{shown}")).label("expected a list").help(help)
}

/// Checks that a value is of the kind its keyword takes; says what it takes otherwise.
pub(super) fn check(name: &str, node: &Node, kind: Kind) -> Result<(), Diagnostic> {
    if is_template(node) && kind != Kind::Vars && kind != Kind::Items {
        return Ok(());
    }
    let mapping = |n: &Node| matches!(n.value, Value::Map(_));
    let (fits, wanted) = match kind {
        Kind::Any => (true, ""),
        // As with Ansible one that is left empty is not given.
        Kind::Text => (scalar(node) || node.is_null(), "a text"),
        Kind::Bool => (truth(node).is_some(), "`true` or `false`"),
        Kind::Int => (whole(node), "a whole number"),
        Kind::Number => (number(node), "a number"),
        Kind::Percent => (percent(node), "a percentage between 0 and 100"),
        Kind::Conditions => (all(node, scalar), "a condition or a list of conditions"),
        Kind::Tags => (all(node, scalar), "a tag or a list of tags"),
        Kind::List => (all(node, scalar), "a text or a list of texts"),
        Kind::Vars => (mapping(node) || node.is_null(), "a mapping of variables"),
        Kind::Environment | Kind::Maps => (all(node, mapping) || node.is_null(), "a mapping"),
        Kind::Map => (mapping(node) || node.is_null(), "a mapping"),
        Kind::Items => (matches!(node.value, Value::Seq(_) | Value::Null), "a list"),
    };
    if fits {
        return Ok(());
    }
    if let (Kind::List | Kind::Conditions | Kind::Tags, Value::Seq(items)) = (kind, &node.value)
        && let Some(item) = items.iter().find(|i| !scalar(i) && !is_template(i))
    {
        let help = match item.as_map() {
            Some([(key, value)]) if scalar(value) => {
                Some(format!("put quotes around it: \"{} : {}\"", key.key_text(), value.key_text()))
            }
            _ => None,
        };
        let message = format!("an entry of `{name}` must be a text, not {}", item.describe());
        return Err(Diagnostic::error(&item.span, message).label("expected a text").maybe_help(help));
    }
    let found = node.describe();
    if kind == Kind::Items {
        return Err(no_list(name, node));
    }
    let help = match (kind, &node.value) {
        (Kind::Map, Value::String { .. }) => Some("write one `NAME: VALUE` on each line below it".to_owned()),
        (Kind::Bool, _) if node.is_null() => Some(format!("write `{name}: true` or `{name}: false`, or leave it out")),
        _ => None,
    };
    Err(Diagnostic::error(&node.span, format!("`{name}` takes {wanted}, not {found}"))
        .label(format!("expected {wanted}"))
        .maybe_help(help))
}

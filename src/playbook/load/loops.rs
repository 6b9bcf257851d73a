//! `loop`, `with_…` and `loop_control`.

use super::reader::Reader;
use super::values::is_template;
use crate::playbook::{Diagnostic, Loop, LoopControl, LoopKind};
use crate::suggest::near;
use crate::template::lookup_name;
use crate::yaml::{Node, Value};

const CONTROL_KEYS: &[&str] =
    &["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];

/// The lookups that `with_…` can name.
const KINDS: &[(&str, LoopKind)] = &[
    ("items", LoopKind::WithItems),
    ("list", LoopKind::WithList),
    ("flattened", LoopKind::WithFlattened),
    ("dict", LoopKind::WithDict),
    ("fileglob", LoopKind::WithFileglob),
    ("filetree", LoopKind::WithFiletree),
    ("file", LoopKind::WithFile),
    ("first_found", LoopKind::WithFirstFound),
    ("subelements", LoopKind::WithSubelements),
    ("together", LoopKind::WithTogether),
    ("sequence", LoopKind::WithSequence),
    ("nested", LoopKind::WithNested),
    ("cartesian", LoopKind::WithNested),
    ("indexed_items", LoopKind::WithIndexedItems),
    ("random_choice", LoopKind::WithRandomChoice),
    ("lines", LoopKind::WithLines),
    ("inventory_hostnames", LoopKind::WithInventoryHostnames),
    ("vars", LoopKind::WithVars),
    ("varnames", LoopKind::WithVarnames),
    ("env", LoopKind::WithEnv),
    ("template", LoopKind::WithTemplate),
];

/// A value or the items of a list.
pub(super) fn list(node: &Node) -> Vec<Node> {
    match &node.value {
        Value::Seq(items) => items.clone(),
        Value::Null => Vec::new(),
        _ => vec![node.clone()],
    }
}

impl Reader<'_> {
    /// Reads the loop of a task.
    pub(super) fn task_loop(&mut self, node: &Node, entries: &[(Node, Node)]) -> Option<Loop> {
        let is_loop = |k: &Node| k.as_str().is_some_and(|k| k == "loop" || k.starts_with("with_"));
        let mut loops = entries.iter().filter(|(k, _)| is_loop(k));
        let Some((key, over)) = loops.next() else {
            if let Some((key, _)) = node.get_entry("loop_control") {
                let problem = Diagnostic::warning(&key.span, "`loop_control` without a loop has no effect");
                self.report(problem.help("add `loop:`, or remove it"));
            }
            return None;
        };
        if let Some((second, _)) = loops.next() {
            let message = format!("a task with two loops: `{}` and `{}`", key.key_text(), second.key_text());
            let problem = Diagnostic::error(&second.span, message).label("the second one");
            self.report(problem.help("keep one; to loop over pairs use `loop: \"{{ a | product(b) }}\"`"));
        }
        let name = key.key_text();
        let kind = self.loop_kind(key, &name)?;
        if over.is_null() {
            let problem = Diagnostic::error(&key.span, format!("`{name}` has no value"));
            self.report(problem.help("give it a list, or a template that makes one"));
            return None;
        }
        if kind == LoopKind::Loop && over.as_seq().is_none() && !is_template(over) {
            let message = format!("`loop` takes a list, not {}", over.describe());
            let help = match over.as_str() {
                Some(text) => format!("if `{text}` is a variable, write `loop: \"{{{{ {text} }}}}\"`"),
                None if over.as_map().is_some() => "write `loop: \"{{ … | dict2items }}\"`, or `with_dict`".to_owned(),
                None => "for a number of rounds write `loop: \"{{ range(N) }}\"`".to_owned(),
            };
            self.report(Diagnostic::error(&over.span, message).label("expected a list").help(help));
        }
        self.templates(over);
        let control = node.get("loop_control").map_or_else(LoopControl::default, |c| self.loop_control(c));
        Some(Loop { kind, over: over.clone(), control, span: key.span.clone() })
    }

    fn loop_kind(&mut self, key: &Node, name: &str) -> Option<LoopKind> {
        let Some(lookup) = name.strip_prefix("with_") else { return Some(LoopKind::Loop) };
        let short = lookup.rsplit('.').next().unwrap_or(lookup);
        let kind = KINDS.iter().find(|(n, _)| *n == short).map(|(_, k)| *k);
        let kind = kind.or_else(|| lookup_name(lookup).map(LoopKind::WithLookup));
        if kind.is_none() {
            let near = near(short, KINDS.iter().map(|(n, _)| *n));
            let help = near.map_or_else(
                || {
                    "use `loop: \"{{ lookup(…) }}\"` or one of with_items, with_dict, with_nested, with_fileglob"
                        .to_owned()
                },
                |n| format!("did you mean `with_{n}`?"),
            );
            let problem = Diagnostic::error(&key.span, format!("there is no loop `{name}`")).label("unknown loop");
            self.report(problem.help(help).unsupported());
        }
        kind
    }

    fn loop_control(&mut self, node: &Node) -> LoopControl {
        if is_template(node) {
            let problem = Diagnostic::error(&node.span, "`loop_control` cannot be a template as a whole");
            self.report(problem.help("write a mapping; its values may be templates"));
            return LoopControl::default();
        }
        if !node.is_null() && node.as_map().is_some() {
            self.allowed_keys("`loop_control`", node, CONTROL_KEYS);
        }
        let mut get = |name: &str| {
            let value = node.get(name).filter(|n| !n.is_null()).cloned();
            value.inspect(|v| self.templates(v))
        };
        let mut control = LoopControl {
            loop_var: get("loop_var"),
            index_var: get("index_var"),
            label: get("label"),
            pause: get("pause"),
            extended: get("extended"),
            extended_allitems: get("extended_allitems"),
            break_when: Vec::new(),
        };
        for (of, variable) in [("loop_var", &control.loop_var), ("index_var", &control.index_var)] {
            if let Some(variable) = variable.as_ref().filter(|variable| !is_template(variable)) {
                self.variable_name(of, &variable.key_text(), &variable.span);
            }
        }
        if let Some(conditions) = node.get("break_when") {
            control.break_when = self.conditions("break_when", conditions);
        }
        control
    }
}

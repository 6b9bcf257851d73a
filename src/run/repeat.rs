//! `loop` and the `with_…` that take its place.

use serde_json::{Value as Json, json};

use super::{Run, keyword, task_error::TaskError};
use crate::{
    playbook::{Loop, LoopKind, is_variable_name},
    template::{Context, Trust, Var},
    yaml::{Node, Value},
};

/// How many values the rows of `with_nested` may hold.
const MAX_CELLS: usize = 1_000_000;

/// What a task is repeated over.
#[derive(Debug, Default)]
pub struct Items {
    list: Vec<Json>,
    /// The name of the variable that holds the item.
    pub name: String,
    /// Whose words their texts are.
    pub trust: Trust,
}

impl std::ops::Deref for Items {
    type Target = [Json];

    fn deref(&self) -> &[Json] {
        &self.list
    }
}

/// The items a task is repeated over.
pub fn items(run: &Run, over: &Loop, vars: &Context) -> Result<Items, TaskError> {
    let mut trust = Trust::default();
    let list = listed(run, over, vars, &mut trust)?;
    Ok(Items { list, name: name(run, over, vars)?, trust })
}

/// The name of the item, which may be a template.
fn name(run: &Run, over: &Loop, vars: &Context) -> Result<String, TaskError> {
    let Some(node) = over.control.loop_var.as_ref().filter(|node| node.key_text().contains("{{")) else {
        return Ok(over.control.item_name().to_owned());
    };
    let rendered = run.engine.render_tree(node, vars).map_err(TaskError::from)?;
    match keyword::as_text(&rendered).filter(|name| is_variable_name(name)) {
        Some(name) => Ok(name),
        None => Err(TaskError::new(format!("Invalid variable name in `loop_var`: `{rendered}`")).at(&node.span)),
    }
}

#[allow(clippy::too_many_lines, reason = "one arm for each kind of loop")]
fn listed(run: &Run, over: &Loop, vars: &Context, trust: &mut Trust) -> Result<Vec<Json>, TaskError> {
    let written = match over.kind {
        // Names of files that cannot be told yet are passed over.
        LoopKind::WithFirstFound => &told(run, &over.over, vars),
        _ => &over.over,
    };
    let value = run.engine.render_tree_noting(written, vars, trust).map_err(TaskError::from)?;
    let mut lookup = |plugin: &str| -> Result<Vec<Json>, TaskError> {
        let arguments = match &value {
            Json::Array(items) if plugin != "sequence" => items.clone(),
            other => vec![other.clone()],
        };
        let terms = Var::rendered(&Json::Array(arguments), &std::mem::take(trust));
        let with = vars.with([("__terms".to_owned(), terms)].into_iter().collect());
        let expression = format!("query('{plugin}', *__terms)");
        let found = run.engine.expression_noting(&expression, Some(&over.over.span), &with, trust);
        list(found.map_err(TaskError::from)?, over)
    };
    match over.kind {
        LoopKind::Loop | LoopKind::WithList => match value {
            Json::Array(items) => Ok(items),
            other => {
                let error = TaskError::new(format!("{} expects a list, this is {}", name_of(over), short(&other)))
                    .at(&over.over.span);
                Err(match other {
                    Json::Object(_) => error.help("to go through a mapping, write `{{ … | dict2items }}`"),
                    _ => error.help("put the value in brackets to loop over it alone"),
                })
            }
        },
        LoopKind::WithItems => Ok(list(value, over)?.into_iter().flat_map(one_level).collect()),
        LoopKind::WithFlattened => Ok(flatten(value)),
        LoopKind::WithDict => match value {
            Json::Object(map) => Ok(map.into_iter().map(|(k, v)| json!({"key": k, "value": v})).collect()),
            other => {
                Err(TaskError::new(format!("with_dict expects a dict, this is {}", short(&other))).at(&over.over.span))
            }
        },
        LoopKind::WithIndexedItems if value.is_object() => {
            Err(TaskError::new("with_indexed_items expects a list").at(&over.over.span))
        }
        LoopKind::WithIndexedItems => {
            let all = list(value, over)?.into_iter().flat_map(one_level).enumerate();
            Ok(all.map(|(index, item)| json!([index, item])).collect())
        }
        LoopKind::WithTogether => {
            let lists: Vec<Vec<Json>> = list(value, over)?.into_iter().map(one_level).collect();
            if lists.is_empty() {
                let message = "with_together requires at least one element in each list";
                return Err(TaskError::new(message).at(&over.over.span));
            }
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            let row = |i: usize| lists.iter().map(|l| l.get(i).cloned().unwrap_or(Json::Null)).collect::<Vec<_>>();
            Ok((0..longest).map(|i| json!(row(i))).collect())
        }
        LoopKind::WithNested => {
            let mut rows: Vec<Vec<Json>> = vec![Vec::new()];
            let parts: Vec<Vec<Json>> = list(value, over)?.into_iter().map(one_level).collect();
            let size = parts.iter().try_fold(parts.len(), |size, part| size.checked_mul(part.len().max(1)));
            if size.is_none_or(|size| size > MAX_CELLS) {
                return Err(TaskError::new("these lists have too many combinations").at(&over.over.span));
            }
            for part in parts {
                rows = rows
                    .iter()
                    .flat_map(|row| part.iter().map(move |item| [row.as_slice(), std::slice::from_ref(item)].concat()))
                    .collect();
            }
            Ok(rows.into_iter().map(Json::Array).collect())
        }
        LoopKind::WithFileglob => lookup("fileglob"),
        LoopKind::WithFile => lookup("file"),
        LoopKind::WithFirstFound => lookup("first_found"),
        LoopKind::WithSubelements => lookup("subelements"),
        LoopKind::WithSequence => lookup("sequence"),
        LoopKind::WithRandomChoice => lookup("random_choice"),
        LoopKind::WithLines => lookup("lines"),
        LoopKind::WithInventoryHostnames => lookup("inventory_hostnames"),
        LoopKind::WithVars => lookup("vars"),
        LoopKind::WithVarnames => lookup("varnames"),
        LoopKind::WithEnv => lookup("env"),
        LoopKind::WithTemplate => lookup("template"),
        LoopKind::WithFiletree => lookup("filetree"),
        LoopKind::WithLookup(name) => lookup(name),
    }
}

/// A tree without the texts that read something undefined.
fn told(run: &Run, node: &Node, vars: &Context) -> Node {
    let kept = |item: &Node| match &item.value {
        Value::String { .. } => !run.engine.render_tree(item, vars).is_err_and(|error| error.is_undefined()),
        _ => true,
    };
    let value = match &node.value {
        Value::Seq(items) => Value::Seq(items.iter().filter(|i| kept(i)).map(|i| told(run, i, vars)).collect()),
        Value::Map(entries) => {
            let all = entries.iter().filter(|(_, item)| kept(item));
            Value::Map(all.map(|(key, item)| (key.clone(), told(run, item, vars))).collect())
        }
        other => other.clone(),
    };
    Node::new(value, node.span.clone())
}

fn name_of(over: &Loop) -> &'static str {
    if over.kind == LoopKind::WithList { "with_list" } else { "a loop" }
}

fn list(value: Json, over: &Loop) -> Result<Vec<Json>, TaskError> {
    match value {
        Json::Array(items) => Ok(items),
        // As `with_items` of Ansible goes through a mapping: by its keys.
        Json::Object(map) => Ok(map.into_iter().map(|(key, _)| Json::String(key)).collect()),
        Json::Null => Err(TaskError::new("the loop has nothing to go through").at(&over.over.span)),
        one => Ok(vec![one]),
    }
}

fn one_level(item: Json) -> Vec<Json> {
    match item {
        Json::Array(items) => items,
        other => vec![other],
    }
}

fn flatten(value: Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.into_iter().flat_map(flatten).collect(),
        Json::Null => Vec::new(),
        other => vec![other],
    }
}

fn short(value: &Json) -> String {
    let mut text = value.to_string();
    if text.chars().count() > 60 {
        text = text.chars().take(60).collect::<String>() + "…";
    }
    text
}

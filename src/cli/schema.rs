//! `bringup schema`: a JSON schema of playbooks, for editors.

use clap::Args;
use miette::Report;
use serde_json::{Map, Value as Json, json};

use super::{Exit, say::say};
use crate::{
    module::{Entry, Registry, Return},
    playbook::{Keyword, Kind, Level, keywords},
};

/// A JSON schema of playbooks with the parameters of all modules, for editors
#[derive(Args, Debug)]
pub struct Schema {}

impl Schema {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        say(&format!("{:#}\n", schema()))?;
        Ok(Exit::Ok)
    }
}

fn schema() -> Json {
    let mut definitions = Map::new();
    let mut task = Map::new();
    for entry in Registry::get().entries() {
        definitions.insert(entry.name.to_owned(), parameters(entry));
        let reference = json!({ "description": entry.summary, "$ref": format!("#/$defs/{}", entry.name) });
        let last = entry.name.rsplit('.').next().unwrap_or(entry.name);
        for name in entry.aliases.iter().copied().chain([entry.name, last]) {
            task.insert(name.to_owned(), reference.clone());
        }
    }
    for block in ["block", "rescue", "always"] {
        task.insert(block.to_owned(), json!({ "$ref": "#/$defs/tasks" }));
    }
    for level in [Level::Task, Level::Handler, Level::Block] {
        task.extend(of_level(level, &task));
    }
    task.sort_keys();
    definitions.insert("task".to_owned(), json!({ "type": "object", "properties": task }));
    definitions.insert("tasks".to_owned(), json!({ "type": ["array", "null"], "items": { "$ref": "#/$defs/task" } }));
    let tasks = json!({ "$ref": "#/$defs/tasks" });
    let mut play = Map::new();
    play.insert(
        "hosts".to_owned(),
        json!({ "type": ["string", "array"], "description": "The hosts: a pattern or a list of them" }),
    );
    for section in ["pre_tasks", "tasks", "post_tasks", "handlers"] {
        play.insert(section.to_owned(), tasks.clone());
    }
    play.insert("roles".to_owned(), json!({ "type": ["array", "null"] }));
    play.extend(of_level(Level::Play, &play));
    definitions.insert("play".to_owned(), json!({ "type": "object", "properties": play }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A playbook, or a file of tasks",
        "type": "array",
        "items": { "anyOf": [{ "$ref": "#/$defs/play" }, { "$ref": "#/$defs/task" }] },
        "$defs": definitions,
    })
}

/// The keywords of a level that are not among those known already.
fn of_level(level: Level, known: &Map<String, Json>) -> Map<String, Json> {
    let new = keywords().filter(|keyword| keyword.stands_in(level) && !known.contains_key(keyword.name));
    let shown = |keyword: &Keyword| {
        let mut shown = json!({ "description": keyword.about.trim() });
        let types = match keyword.kind {
            Kind::Bool => Some(json!(["boolean", "string", "integer", "null"])),
            Kind::Int | Kind::Number | Kind::Percent => Some(json!(["number", "string", "null"])),
            _ => None,
        };
        types.into_iter().for_each(|types| drop(shown.as_object_mut().map(|map| map.insert("type".to_owned(), types))));
        (keyword.name.to_owned(), shown)
    };
    new.map(shown).collect()
}

/// A module's parameters; any may be a template, and some modules take a text.
fn parameters(entry: &Entry) -> Json {
    let own = entry.name;
    let mut schema = entry.schema().to_value();
    requalify(&mut schema, own);
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        let mut aliases = Vec::new();
        for (_, property) in properties.iter_mut() {
            let names = property.get("x-aliases").and_then(Json::as_array).cloned().unwrap_or_default();
            let template = json!({ "type": "string", "pattern": "\\{\\{" });
            *property = json!({ "description": property.get("description"), "anyOf": [property.clone(), template] });
            aliases.extend(names.iter().filter_map(|n| Some((n.as_str()?.to_owned(), property.clone()))));
        }
        properties.extend(aliases);
    }
    if let Some(map) = schema.as_object_mut() {
        map.remove("$schema");
        map.remove("title");
        // A parameter may come from `module_defaults`, `args` or under its other name.
        map.remove("required");
    }
    json!({ "anyOf": [schema, { "type": ["string", "null"] }], "x-returns": returned(entry) })
}

/// The fields of a module's results.
fn returned(entry: &Entry) -> Json {
    let field = |field: &Return| {
        let told = json!({ "type": field.kind.word(), "returned": field.when, "description": field.description });
        (field.name.to_owned(), told)
    };
    entry.returned().map(field).collect::<Map<_, _>>().into()
}

/// Lets references of a module's schema point to where it now stands.
fn requalify(schema: &mut Json, module: &str) {
    match schema {
        Json::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Json::String(to) if key == "$ref" => {
                        if let Some(rest) = to.strip_prefix("#/$defs/") {
                            *to = format!("#/$defs/{module}/anyOf/0/$defs/{rest}");
                        }
                    }
                    other => requalify(other, module),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| requalify(item, module)),
        _ => {}
    }
}

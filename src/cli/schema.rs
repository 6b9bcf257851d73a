//! `bringup schema`: a JSON schema of playbooks, for editors.

use std::{path::Path, sync::Arc};

use clap::Args;
use miette::Report;
use serde_json::{Map, Value as Json, json};

use super::{Exit, doc, doc::markup::plain, flags, say::say};
use crate::{
    foreign::spec::{Field, Kind, Parameter, Spec},
    module::{Entry, Registry, Return},
    playbook::{self, Keyword, Level, keywords},
};

/// A JSON schema of playbooks with the parameters of all modules, for editors
#[derive(Args, Debug)]
pub struct Schema {
    /// Modules that run by Python to take in: their names, or playbooks and folders that use them
    #[arg(value_name = "NAME|TREE")]
    also: Vec<String>,
    #[command(flatten)]
    python: flags::Python,
}

impl Schema {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        self.python.allow();
        let also = self.also()?;
        say(&format!("{:#}\n", schema(&also)))?;
        Ok(Exit::Ok)
    }

    /// The modules of Python that are taken in.
    fn also(&self) -> Result<Vec<Arc<Spec>>, Report> {
        let mut also: Vec<Arc<Spec>> = Vec::new();
        for named in &self.also {
            let tree = Path::new(named);
            if tree.exists() {
                also.extend(doc::coverage::of_python(tree)?);
            } else if Registry::get().find(named).is_none() {
                also.push(doc::foreign::spec("module", named)?);
            }
        }
        also.sort_by(|a, b| a.name.cmp(&b.name));
        also.dedup_by(|a, b| a.name == b.name);
        Ok(also)
    }
}

fn schema(also: &[Arc<Spec>]) -> Json {
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
    for spec in also {
        definitions.insert(spec.name.clone(), foreign_parameters(spec));
        let reference = json!({ "description": plain(&spec.summary()), "$ref": format!("#/$defs/{}", spec.name) });
        for name in [spec.name.as_str(), spec.short()] {
            task.entry(name).or_insert_with(|| reference.clone());
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
            playbook::Kind::Bool => Some(json!(["boolean", "string", "integer", "null"])),
            playbook::Kind::Int | playbook::Kind::Number | playbook::Kind::Percent => {
                Some(json!(["number", "string", "null"]))
            }
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

/// The same of a module that runs by Python; any other name where it does not say what it takes.
fn foreign_parameters(spec: &Spec) -> Json {
    let mut schema = json!({ "type": "object" });
    if let Some(parameters) = &spec.parameters {
        schema["properties"] = Json::Object(properties(parameters));
        schema["additionalProperties"] = json!(false);
    }
    let field = |field: &Field| {
        let description = plain(&field.description.join(" "));
        (field.name.clone(), json!({ "type": field.kind, "returned": field.when, "description": description }))
    };
    let returned: Map<String, Json> = spec.returned.iter().map(field).collect();
    json!({ "anyOf": [schema, { "type": ["string", "null"] }], "x-returns": returned })
}

fn properties(parameters: &[Parameter]) -> Map<String, Json> {
    let mut all = Map::new();
    for parameter in parameters {
        let template = json!({ "type": "string", "pattern": "\\{\\{" });
        let description = plain(&parameter.description.join(" "));
        let property = json!({ "description": description, "anyOf": [value(parameter), template] });
        for name in std::iter::once(&parameter.name).chain(&parameter.aliases) {
            all.insert(name.clone(), property.clone());
        }
    }
    all
}

/// What values a parameter takes.
fn value(parameter: &Parameter) -> Json {
    let inner = |fallback: Json| match &parameter.inner {
        Some(inner) => json!({ "type": "object", "properties": properties(inner) }),
        None => fallback,
    };
    let of = |kind: Kind| match kind {
        Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Whole => json!({ "type": ["integer", "string"] }),
        Kind::Number => json!({ "type": ["number", "string"] }),
        Kind::Truth => json!({ "type": ["boolean", "string", "integer"] }),
        Kind::Size => json!({ "type": ["integer", "string"] }),
        Kind::Mapping => inner(json!({ "type": ["object", "string"] })),
        Kind::List | Kind::Json | Kind::Any => json!({}),
    };
    let choices = |value: Json| match parameter.choices.as_slice() {
        [] => value,
        choices => json!({ "anyOf": [{ "enum": choices }, { "type": "boolean" }] }),
    };
    match parameter.kind {
        Kind::List => {
            let items = choices(parameter.elements.map_or_else(|| inner(json!({})), of));
            json!({ "anyOf": [{ "type": "array", "items": items }, { "type": ["string", "number", "boolean"] }] })
        }
        Kind::Truth => of(Kind::Truth),
        kind => choices(of(kind)),
    }
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

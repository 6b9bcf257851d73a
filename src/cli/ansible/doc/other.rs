//! What `ansible-doc` tells of all that is no module: keywords, filters, tests, lookups, and the plugins whose options are known.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::{
    ansible_cfg::{OPTIONS, PluginOption, plugins},
    playbook::{Keyword, Kind, Level, keywords},
    report::terminal,
    suggest::near,
    template::{filter_names, lookup_names, test_names},
};

/// The kinds there is something to tell of.
pub const KINDS: [&str; 12] = [
    "module",
    "keyword",
    "filter",
    "test",
    "lookup",
    "become",
    "cache",
    "callback",
    "connection",
    "inventory",
    "shell",
    "vars",
];

/// The levels in Ansible's words.
const LEVELS: [(Level, &str); 5] = [
    (Level::Play, "Play"),
    (Level::Role, "Role"),
    (Level::Block, "Block"),
    (Level::Task, "Task"),
    (Level::Handler, "Handler"),
];

/// What there is of a kind, each with what it is for where that is known; of collections that are named those of them alone.
pub fn listed(kind: &str, collections: &[String]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = match kind {
        "keyword" => known_keywords().into_iter().map(|k| (k.name.to_owned(), k.about.trim().to_owned())).collect(),
        "filter" => bare(filter_names()),
        "test" => bare(test_names()),
        "lookup" => bare(lookup_names()),
        other => bare(plugins(other).iter().map(|name| format!("ansible.builtin.{name}")).collect()),
    };
    if kind != "keyword" && !collections.is_empty() {
        all.retain(|(name, _)| {
            collections
                .iter()
                .any(|one| name == one || name.strip_prefix(one.as_str()).is_some_and(|n| n.starts_with('.')))
        });
    }
    all.sort();
    all.dedup();
    all
}

fn bare(names: Vec<String>) -> Vec<(String, String)> {
    names.into_iter().map(|name| (name, String::new())).collect()
}

/// Each keyword once, though it may stand in a row for each of its levels.
fn known_keywords() -> Vec<&'static Keyword> {
    let mut all: Vec<&Keyword> = keywords().collect();
    all.sort_by_key(|keyword| keyword.name);
    all.dedup_by_key(|keyword| keyword.name);
    all
}

/// Whether one of a kind is native.
pub fn knows(kind: &str, name: &str) -> bool {
    listed(kind, &[]).iter().any(|(full, _)| full == name || full.rsplit('.').next() == Some(name))
}

/// What is told of one; nothing, and a warning, where there is none of that name.
pub fn described(kind: &str, name: &str) -> Option<(String, Json)> {
    if kind == "keyword" {
        return keyword(name);
    }
    let names: Vec<String> = listed(kind, &[]).into_iter().map(|(name, _)| name).collect();
    let short = |full: &str| full.rsplit('.').next().unwrap_or(full).to_owned();
    let Some(full) = names.iter().find(|full| *full == name).or_else(|| names.iter().find(|full| short(full) == name))
    else {
        let shorts: Vec<String> = names.iter().map(|full| short(full)).collect();
        let hint = near(name, shorts.iter().map(String::as_str)).map(|n| format!("; did you mean `{n}`?"));
        terminal::warn(&format!("there is no {kind} `{name}`{}", hint.unwrap_or_default()));
        return None;
    };
    let own = short(full);
    let options = OPTIONS.iter().filter(|option| option.kind == kind && option.plugin == own);
    let options: Map<String, Json> = options.map(|option| (option.name.to_owned(), described_option(option))).collect();
    let parts: Vec<&str> = full.rsplitn(2, '.').collect();
    let collection = parts.last().copied().unwrap_or_default().replace('.', "/");
    let page = format!("https://docs.ansible.com/ansible/latest/collections/{collection}/{own}_{kind}.html");
    Some((full.clone(), json!({ "name": own, "plugin_name": full, "options": options, "page": page })))
}

fn described_option(option: &PluginOption) -> Json {
    let variables: Vec<Json> = option.variables.split_whitespace().map(|name| json!({ "name": name })).collect();
    let settings: Vec<_> = option.settings().collect();
    let environment: Vec<Json> =
        settings.iter().flat_map(|s| s.variables()).map(|name| json!({ "name": name })).collect();
    let keys = settings.iter().flat_map(|setting| setting.keys());
    let keys: Vec<Json> = keys.map(|(section, key)| json!({ "section": section, "key": key })).collect();
    json!({ "vars": variables, "env": environment, "ini": keys })
}

fn keyword(name: &str) -> Option<(String, Json)> {
    let rows: Vec<&Keyword> = keywords().filter(|keyword| keyword.name == name).collect();
    let Some(first) = rows.first() else {
        let hint = near(name, known_keywords().into_iter().map(|keyword| keyword.name));
        let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
        terminal::warn(&format!("Skipping Invalid keyword '{name}' specified{hint}"));
        return None;
    };
    let stands = |level: Level| rows.iter().any(|keyword| keyword.stands_in(level));
    let levels: Vec<&str> = LEVELS.iter().filter(|(level, _)| stands(*level)).map(|(_, word)| *word).collect();
    let kind = match first.kind {
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Number | Kind::Percent => "float",
        Kind::Conditions | Kind::Tags | Kind::List | Kind::Items => "list",
        Kind::Vars | Kind::Map | Kind::Maps | Kind::Environment => "dict",
        Kind::Text => "string",
        Kind::Any => "raw",
    };
    let description = format!("{}.", first.about.trim().trim_end_matches('.'));
    Some((name.to_owned(), json!({ "applies_to": levels, "description": description, "type": kind })))
}

/// What is told of one that is no keyword, as text.
pub fn page(kind: &str, name: &str, told: &Json) -> String {
    let mut out = format!("> {} {name}\n", kind.to_uppercase());
    for (option, details) in told["options"].as_object().into_iter().flatten() {
        let _ = writeln!(out, "\n   {option}");
        let names = |list: &str, of: &dyn Fn(&Json) -> String| {
            details[list].as_array().into_iter().flatten().map(of).collect::<Vec<_>>().join(", ")
        };
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        for (label, line) in [
            ("variables", names("vars", &|one| text(&one["name"]))),
            ("environment", names("env", &|one| text(&one["name"]))),
            ("ansible.cfg", names("ini", &|one| format!("[{}] {}", text(&one["section"]), text(&one["key"])))),
        ] {
            if !line.is_empty() {
                let _ = writeln!(out, "        {label}: {line}");
            }
        }
    }
    let _ = writeln!(out, "\n        See {}", told["page"].as_str().unwrap_or_default());
    out
}

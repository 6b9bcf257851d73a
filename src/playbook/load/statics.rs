//! Variables that are known before the run: the names of static imports may use them.

use serde_json::{Map, Value as Json};

use super::reader::Reader;
use super::values::{has_template, is_template};
use crate::playbook::{Diagnostic, Scope, ScopeKind, VarMap};
use crate::yaml::{Node, Value};

/// So often values may refer to other values.
const ROUNDS: usize = 20;

impl Reader<'_> {
    /// Renders a name that must be known before the run.
    pub(super) fn static_text(&mut self, keyword: &str, node: &Node, scope: &Scope, own: &VarMap) -> Option<String> {
        let text = match &node.value {
            Value::String { text, .. } => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => {
                let message = format!("`{keyword}` takes a name, not {}", node.describe());
                self.report(Diagnostic::error(&node.span, message));
                return None;
            }
        };
        if !is_template(node) {
            if text.trim().is_empty() {
                self.report(Diagnostic::error(&node.span, format!("`{keyword}` names nothing")));
                return None;
            }
            return Some(text.trim().to_owned());
        }
        match self.render(text, scope, own) {
            Ok(text) => Some(text),
            Err(reason) => {
                let short = keyword.rsplit('.').next().unwrap_or(keyword);
                let instead = match short {
                    "import_tasks" => "or use `include_tasks`",
                    "import_role" | "roles" => "or use `include_role` among the tasks",
                    _ => "or write the name out",
                };
                self.report(
                    Diagnostic::error(
                        &node.span,
                        format!("the name in `{short}` is not known before the run: {reason}"),
                    )
                    .label("facts, registered and inventory variables are not known yet")
                    .help(format!("define the variable in `vars`, `vars_files` or with `-e`, {instead}")),
                );
                None
            }
        }
    }

    fn render(&self, mut text: String, scope: &Scope, own: &VarMap) -> Result<String, String> {
        let mut environment = minijinja::Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let vars = value(&Json::Object(self.static_vars(scope, own)));
        for _ in 0..ROUNDS {
            text = environment
                .render_str(&text, vars.clone())
                .map_err(|e| e.detail().unwrap_or("it cannot be rendered").to_owned())?;
            if !has_template(&text) {
                return Ok(text.trim().to_owned());
            }
        }
        Err("its variables refer to each other in a circle".to_owned())
    }

    /// All variables known at a level, the weakest first written over by the stronger ones.
    fn static_vars(&self, scope: &Scope, own: &VarMap) -> Map<String, Json> {
        let mut vars = Map::new();
        let mut add = |more: &VarMap| {
            for (name, value) in more {
                vars.insert(name.clone(), value.to_json());
            }
        };
        let roles = scope.roles();
        roles.iter().for_each(|r| add(&r.defaults));
        scope.play_vars().into_iter().for_each(&mut add);
        add(&self.play.file_vars);
        roles.iter().for_each(|r| add(&r.vars));
        scope.vars().into_iter().for_each(&mut add);
        add(own);
        roles.iter().for_each(|r| add(&r.params));
        scope.include_params().into_iter().for_each(&mut add);
        add(&self.loader.options.extra_vars);
        let directory =
            scope.outermost_first().find(|s| s.kind == ScopeKind::Play).map_or(&*scope.directory, |s| &*s.directory);
        vars.insert("playbook_dir".into(), directory.display().to_string().into());
        if let Some(role) = scope.role() {
            vars.insert("role_name".into(), role.name.clone().into());
            vars.insert("role_path".into(), role.path.display().to_string().into());
        }
        vars
    }
}

/// A value as Jinja sees it.
fn value(json: &Json) -> minijinja::Value {
    match json {
        Json::Null => ().into(),
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => i.into(),
            (None, Some(f)) => f.into(),
            _ => n.to_string().into(),
        },
        Json::String(s) => s.as_str().into(),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(map) => minijinja::Value::from_pairs(map.iter().map(|(k, v)| (k.clone(), value(v)))),
    }
}

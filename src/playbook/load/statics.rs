//! Variables that are known before the run: the names of static imports may use them.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::reader::Reader;
use super::values::is_template;
use crate::playbook::{Diagnostic, Scope, ScopeKind, VarMap};
use crate::template::{Context, NoLocal, Var};
use crate::yaml::{Node, Span, Value};

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
        match self.render(&text, &node.span, scope, own) {
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

    fn render(&self, text: &str, span: &Span, scope: &Scope, own: &VarMap) -> Result<String, String> {
        let engine = &self.loader.engine;
        let context = Context::new(engine, Arc::new(self.static_vars(scope, own)), Arc::new(NoLocal));
        match engine.render_at(text, Some(span), &context) {
            Ok(Json::String(text)) => Ok(text.trim().to_owned()),
            Ok(Json::Number(number)) => Ok(number.to_string()),
            Ok(other) => Err(format!("it becomes {other}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All variables known at a level, the weakest first written over by the stronger ones.
    fn static_vars(&self, scope: &Scope, own: &VarMap) -> IndexMap<String, Var> {
        let mut vars = IndexMap::new();
        let mut add = |more: &VarMap| {
            for (name, value) in more {
                vars.insert(name.clone(), Var::node(value));
            }
        };
        let roles = scope.roles();
        roles.iter().for_each(|r| add(&r.defaults));
        scope.play_vars().into_iter().for_each(&mut add);
        add(&self.play.file_vars);
        roles.iter().for_each(|r| add(&r.vars));
        scope.vars().into_iter().for_each(&mut add);
        add(own);
        roles.iter().for_each(|r| add(&r.given));
        roles.iter().for_each(|r| add(&r.params));
        scope.include_params().into_iter().for_each(&mut add);
        add(&self.loader.options.extra_vars);
        let directory =
            scope.outermost_first().find(|s| s.kind == ScopeKind::Play).map_or(&*scope.directory, |s| &*s.directory);
        vars.insert("playbook_dir".into(), Var::data(&directory.display().to_string().into()));
        if let Some(role) = scope.role() {
            vars.insert("role_name".into(), Var::data(&role.name.clone().into()));
            vars.insert("role_path".into(), Var::data(&role.path.display().to_string().into()));
        }
        vars
    }
}

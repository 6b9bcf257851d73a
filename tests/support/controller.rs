//! The workstation of the cases: files below `/L`, variables from the case.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bringup::module::{Controller, Failure, Folder, TemplateOptions};
use minijinja::{Environment, Value, syntax::SyntaxConfig};
use serde_json::{Map, Value as Json};

pub struct Workstation {
    pub top: PathBuf,
    pub vars: Map<String, Json>,
}

fn failed(error: minijinja::Error) -> Failure {
    Failure::new(error.to_string())
}

impl Workstation {
    fn values(&self) -> Value {
        value(&Json::Object(self.vars.clone()))
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::from(n.as_f64()), Value::from),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        Json::Object(map) => {
            Value::from(map.iter().map(|(k, v)| (k.clone(), value(v))).collect::<std::collections::BTreeMap<_, _>>())
        }
    }
}

impl Controller for Workstation {
    fn find(&self, folder: Folder, name: &str) -> Result<PathBuf, Failure> {
        let folder = match folder {
            Folder::Files => "files",
            Folder::Templates => "templates",
            Folder::Vars => "vars",
        };
        let tried = [self.top.join(folder).join(name), self.top.join(name)];
        let found = tried.iter().find(|p| p.exists()).cloned();
        found.ok_or_else(|| Failure::new(format!("could not find `{name}`, tried {tried:?}")))
    }

    fn read(&self, path: &Path) -> Result<Arc<[u8]>, Failure> {
        std::fs::read(path).map(Into::into).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
    }

    fn render(&self, path: &Path, options: &TemplateOptions) -> Result<String, Failure> {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(options.trim_blocks).lstrip_blocks(options.lstrip_blocks).keep_trailing_newline(true);
        let own = |text: &String| text.clone();
        syntax.variable_delimiters(own(&options.variable_start_string), own(&options.variable_end_string));
        syntax.block_delimiters(own(&options.block_start_string), own(&options.block_end_string));
        syntax.comment_delimiters(own(&options.comment_start_string), own(&options.comment_end_string));
        environment.set_syntax(syntax.build().map_err(failed)?);
        let text = std::fs::read_to_string(path).map_err(|e| Failure::new(e.to_string()))?;
        environment.render_str(&text, self.values()).map(|t| t.replace('\n', &options.newline_sequence)).map_err(failed)
    }

    fn verbosity(&self) -> i64 {
        self.vars.get("ansible_verbosity").and_then(Json::as_i64).unwrap_or(0)
    }

    fn condition(&self, expression: &Json) -> Result<bool, Failure> {
        match expression {
            Json::Bool(truth) => Ok(*truth),
            Json::String(text) => {
                let environment = Environment::new();
                let expression = environment.compile_expression(text).map_err(failed)?;
                Ok(expression.eval(self.values()).map_err(failed)?.is_true())
            }
            other => Err(Failure::new(format!("{other} is no condition"))),
        }
    }

    fn value(&self, expression: &str) -> Result<Option<Json>, Failure> {
        let environment = Environment::new();
        let value = environment.compile_expression(expression).map_err(failed)?.eval(self.values()).map_err(failed)?;
        if value.is_undefined() {
            return Ok(None);
        }
        let expression = format!("({expression}) | tojson");
        let text = environment.compile_expression(&expression).map_err(failed)?;
        let text = text.eval(self.values()).map_err(failed)?.to_string();
        serde_json::from_str(&text).map(Some).map_err(|e| Failure::new(e.to_string()))
    }
}

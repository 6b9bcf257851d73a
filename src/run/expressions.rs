//! Expressions of inventories that make variables and groups of variables.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{as_vars, keyword};
use crate::{
    inventory::{Expressions, Vars},
    template::{Context, Engine, System},
    yaml::{Node, Span},
};

/// Evaluates them with nothing but the variables that are given.
#[derive(Default)]
pub struct InventoryExpressions {
    engine: Engine,
}

impl InventoryExpressions {
    fn context(&self, vars: &Vars) -> Context {
        Context::new(&self.engine, Arc::new(as_vars(vars)), Arc::new(System::new(Vec::new())))
    }

    fn render(&self, text: &str, span: &Span, vars: &Vars) -> Result<Json, String> {
        self.engine.render_at(text, Some(span), &self.context(vars)).map_err(|error| error.to_string())
    }
}

impl Expressions for InventoryExpressions {
    fn value(&self, expression: &str, span: &Span, vars: &Vars) -> Result<Json, String> {
        self.render(&format!("{{{{ {expression} }}}}"), span, vars)
    }

    fn holds(&self, condition: &str, span: &Span, vars: &Vars) -> Result<bool, String> {
        let node = Node::text(condition, span.clone());
        self.engine
            .condition(&node, &self.context(vars))
            .map(|verdict| verdict.holds)
            .map_err(|error| error.to_string())
    }

    fn text(&self, text: &str, span: &Span, vars: &Vars) -> Result<String, String> {
        Ok(keyword::as_text(&self.render(text, span, vars)?).unwrap_or_default())
    }
}

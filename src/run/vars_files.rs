//! `vars_files`: of a name with a template each host reads the file that its own variables lead to, as soon as they say which.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Run, error::RunError, keyword};
use crate::{
    inventory::{InventoryError, Vars, file_vars},
    playbook::Play,
    template::{Context, TemplateError},
    yaml::{Node, Value},
};

/// The files of a play that were read.
#[derive(Default)]
pub struct VarsFiles(Mutex<HashMap<PathBuf, Arc<Vars>>>);

/// Which file an entry leads a host to.
enum Found {
    File(PathBuf),
    /// What it reads is not known yet.
    Later,
    Missing(Vec<String>),
}

/// Whether hosts may read different files of a play.
pub fn differ(play: &Play) -> bool {
    play.vars_files.iter().any(has_template)
}

fn has_template(node: &Node) -> bool {
    match &node.value {
        Value::Seq(items) => items.iter().any(has_template),
        _ => node.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%")),
    }
}

/// Where a name is looked for: below `vars/` first.
fn places(play: &Path, name: &str) -> [PathBuf; 2] {
    [play.join("vars").join(name), play.join(name)]
}

fn find(run: &Run, play: &Play, node: &Node, vars: &Context) -> Result<Found, TemplateError> {
    let candidates: Vec<&Node> = match &node.value {
        Value::Seq(many) => many.iter().collect(),
        _ => vec![node],
    };
    let (mut tried, mut later) = (Vec::new(), false);
    for candidate in candidates {
        let name = match run.engine.render_tree(candidate, vars) {
            Ok(name) => keyword::as_text(&name).unwrap_or_default(),
            Err(error) if error.is_undefined() => {
                later = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        let places = places(&play.directory, &name);
        if let Some(path) = places.iter().find(|path| path.is_file()) {
            return Ok(Found::File(path.clone()));
        }
        tried.extend(places.last().map(|path| path.display().to_string()));
    }
    Ok(if later { Found::Later } else { Found::Missing(tried) })
}

impl VarsFiles {
    fn read(&self, path: &Path) -> Result<Arc<Vars>, InventoryError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vars) = known().get(path) {
            return Ok(vars.clone());
        }
        let vars = Arc::new(file_vars(path)?);
        known().insert(path.to_owned(), vars.clone());
        Ok(vars)
    }

    /// What a host reads with these variables, none of the files among them.
    ///
    /// # Errors
    /// When a file is not there or is none of variables.
    pub fn checked(&self, run: &Run, play: &Play, vars: &Context) -> Result<Vars, RunError> {
        let mut all = Vars::new();
        for node in &play.vars_files {
            match find(run, play, node, vars).map_err(|error| RunError::template(&error))? {
                Found::File(path) => {
                    let read = self.read(&path).map_err(RunError::Inventory)?;
                    all.extend(read.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                Found::Later => {}
                Found::Missing(tried) => {
                    let message = format!("vars_files: there is no {}", tried.join(" nor "));
                    return Err(RunError::at(&node.span, message));
                }
            }
        }
        Ok(all)
    }

    /// The same in the middle of a play; what cannot be read adds nothing.
    pub fn of_host(&self, run: &Run, play: &Play, vars: &Context) -> Vars {
        let mut all = Vars::new();
        for node in &play.vars_files {
            if let Ok(Found::File(path)) = find(run, play, node, vars)
                && let Ok(read) = self.read(&path)
            {
                all.extend(read.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        all
    }
}

//! One host in one play: what its tasks are looked at with. It has no state of its own, so whatever goes through the play shares it.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    Run,
    batch::Batch,
    connection,
    cursor::Brought,
    features::Features,
    keyword,
    machine::Machine,
    outcome::Outcome,
    task_error::TaskError,
    variables::{Host, TaskVars},
};
use crate::{
    fact::Resource,
    inventory::Level,
    module::about,
    playbook::{Action, Task},
    report::{Certainty, TaskLine},
    template::Context,
    yaml::Node,
};

/// One host in one play.
#[derive(Clone)]
pub struct PlayHost {
    /// The run.
    pub run: Arc<Run>,
    /// The play and the hosts in it.
    pub batch: Arc<Batch>,
    /// The host.
    pub host: Arc<Host>,
}

impl PlayHost {
    /// The variables at a task; `brought` are those of the includes that it stands in.
    pub fn vars(&self, task: &Task, brought: &Brought) -> Context {
        TaskVars::context(&self.run, &self.batch, &self.host, &task.scope, brought)
    }

    /// The task as reports name it, its name rendered where that is possible.
    pub fn line(&self, task: &Task, position: &[u32], vars: Option<&Context>, handler: bool) -> TaskLine {
        let mut name = task.title();
        if let (true, Some(vars), Some(node)) = (name.contains("{{"), vars, &task.name)
            && let Ok(Json::String(rendered)) = self.run.engine.render_tree(node, vars)
        {
            name = task.scope.role().map_or_else(|| rendered.clone(), |role| format!("{} : {rendered}", role.name));
        }
        TaskLine {
            name,
            play: self.batch.name.clone(),
            position: position.to_vec(),
            handler,
            action: task.action.written().to_owned(),
            span: Some(task.span.clone()),
        }
    }

    /// The names that a task notifies, rendered.
    ///
    /// # Errors
    /// A name that cannot be rendered.
    pub fn notifications(&self, task: &Task, vars: &Context) -> Result<Vec<String>, TaskError> {
        let mut names = Vec::new();
        for node in &task.notify {
            match self.run.engine.render_tree(node, vars).map_err(|e| TaskError::from(e).at(&node.span))? {
                Json::Array(many) => names.extend(many.iter().filter_map(keyword::as_text)),
                one => names.extend(keyword::as_text(&one)),
            }
        }
        Ok(names)
    }

    /// Check mode: the task not carried out that a variable of this one depends on.
    pub fn unsure(&self, task: &Arc<Task>, vars: &Context) -> Option<String> {
        if !self.run.options.check {
            return None;
        }
        let features = self.run.features_of(task);
        let mut names = self.run.engine.all_references(&features.judged, vars).names;
        // Its own result, which those conditions read, is the one that it is about to have.
        names.retain(|name| !features.sets.contains(name));
        names.extend(self.run.engine.all_references(&features.references, vars).names);
        if !only_tells(task) {
            names.extend(self.run.connection_references(vars).names);
        }
        self.host.unsure(&names)
    }

    /// Check mode: what a task may write that depends on one that was not carried out. Nothing where the playbook says that it never changes
    /// anything, and what is below one path where its module writes nowhere else and the path itself is sure.
    pub fn may_write(&self, task: &Task, vars: &Context) -> Vec<Resource> {
        if task.never_changes() || only_tells(task) {
            return Vec::new();
        }
        let path = self.sure_path(task, vars).filter(|path| path.starts_with('/'));
        vec![path.map_or(Resource::Anything, |path| Resource::Path(path.trim_end_matches('/').to_owned()))]
    }

    /// The one path that a task writes at, where nothing that it is made of is unsure.
    fn sure_path(&self, task: &Task, vars: &Context) -> Option<String> {
        let Action::Module { name, args, .. } = &task.action else { return None };
        let named = |key: &Node| key.as_str().is_some_and(|key| about(name).writes_at.contains(&key));
        let (_, node) = args.iter().find(|(key, _)| named(key))?;
        let delegated = task.loop_.is_some() || task.scope.inherited(|k| k.delegate_to.as_ref()).is_some();
        let names = self.run.engine.all_references(&self.run.engine.tree_references(node), vars).names;
        if delegated || self.host.unsure(&names).is_some() {
            return None;
        }
        keyword::as_text(&self.run.engine.render_tree(node, vars).ok()?)
    }

    /// Check mode: what a task finds depends on one that was not carried out, `on`. So does what it may have `written` to a machine.
    pub fn depends(&self, machine: Option<&Machine>, on: &str, written: &[Resource]) -> Outcome {
        if let Some(machine) = machine {
            machine.taint(written, on);
        }
        let mut outcome = Outcome::skipped(&format!("depends on {on}"));
        outcome.doubt(Certainty::DependsOn(on.to_owned()));
        outcome
    }

    /// Whether variables of the play or of the task lead to what is another host of the inventory: the others wait, as for a task that is
    /// delegated to it.
    pub fn elsewhere(&self, seen: &Features, vars: &Context) -> bool {
        let layers = self.host.layers();
        let set = |name: &&str| {
            [Level::IncludeVars, Level::SetFacts].iter().any(|level| layers.get_at(*level, name).is_some())
        };
        if !seen.leads_elsewhere && !connection::ADDRESSES.iter().any(set) {
            return false;
        }
        let address = connection::ADDRESSES.iter().find_map(|name| vars.variable(name).ok().flatten());
        let address = address.as_ref().and_then(keyword::as_text).unwrap_or_default();
        let there = self.run.hosts.get(&address).or_else(|| self.run.hosts.at(&address));
        there.is_some_and(|host| host.name != self.host.name)
    }
}

/// Whether a task leaves the host as it is, whatever its parameters are.
pub fn only_tells(task: &Task) -> bool {
    matches!(&task.action, Action::Module { name, .. } if about(name).only_tells)
}

//! Tasks whose module is a template: `action: "{{ ansible_pkg_mgr }} name=curl"`.

use std::sync::Arc;

use super::barrier::Position;
use super::{
    host::HostRun, keyword, outcome::Outcome, play_host::PlayHost, program::Program, stop::Stop, task,
    task_error::TaskError,
};
use crate::{
    module::{Registry, about},
    playbook::{Include, IncludeKind, Item, Sets, Task},
    template::Context,
    yaml::Node,
};

/// Whether a word stands anywhere in a task: as a key, or in a text of `name=value`.
fn speaks_of(node: &Node, word: &str) -> bool {
    match (node.as_map(), node.as_seq()) {
        (Some(entries), _) => entries.iter().any(|(key, value)| key.as_str() == Some(word) || speaks_of(value, word)),
        (_, Some(items)) => items.iter().any(|item| speaks_of(item, word)),
        _ => node.as_str().is_some_and(|text| text.contains(&format!("{word}="))),
    }
}

/// Whether a fact may choose a module (`ansible_pkg_mgr`, `ansible_service_mgr`): one that runs no text, reads no file of the workstation and
/// sets nothing, and that is given nothing to evaluate by the task as it is written.
fn may_be_chosen(name: &str, task: &Node) -> bool {
    let about = about(name);
    let known = Registry::get().find(name).is_some();
    known
        && about.sets == Sets::Nothing
        && !about.free_form
        && about.file.is_none()
        && about.expressions.is_none_or(|expressions| !speaks_of(task, expressions.parameter))
}

impl PlayHost {
    /// The task that a rendered name makes.
    pub(super) fn named_action(
        &self,
        module: &Node,
        node: &Node,
        task: &Arc<Task>,
        vars: &Context,
    ) -> Result<Vec<Item>, TaskError> {
        let render = |vars: &Context| self.run.engine.render_tree(module, vars);
        let name = render(vars).map_err(|error| TaskError::from(error).at(&module.span))?;
        let own = render(&vars.own_words()).is_ok_and(|own| own == name);
        let name = keyword::as_text(&name).unwrap_or_default();
        if !own && !may_be_chosen(&name, node) {
            let error = TaskError::new("the module's name comes from a host").at(&module.span);
            return Err(error.help("write the name, or one task for each module with `when`"));
        }
        self.run.loader.named_action(&name, node, task).map_err(|error| {
            let first = error.diagnostics.into_iter().find(|problem| problem.is_error());
            let error = TaskError::new(first.as_ref().map_or_else(String::new, |problem| problem.message.clone()));
            let error = error.at(first.as_ref().and_then(|problem| problem.span.as_ref()).unwrap_or(&module.span));
            match first.and_then(|problem| problem.help) {
                Some(help) => error.help(help),
                None => error,
            }
        })
    }
}

impl HostRun {
    /// Puts the task that the name makes in this one's place: all keywords are its own.
    pub(super) async fn act_by_name(
        &mut self,
        include: &Include,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
    ) -> Result<(), Stop> {
        let IncludeKind::Action { module, task: node } = &include.kind else { return Ok(()) };
        match self.of.named_action(module, node, task, vars) {
            Ok(items) => {
                let program = Program::items(&items, &self.of.run.wanted(vars));
                self.cursor.enter(position, vec![(program, 0, Vec::new())]);
                Ok(())
            }
            Err(error) => {
                // What is not done needs no name.
                let outcome = match task::conditions(&self.of.run, task, vars) {
                    Ok(Some(condition)) => Outcome::condition(&condition),
                    _ => Outcome::failed(&error),
                };
                self.conclude(task, position, vars, outcome).await
            }
        }
    }
}

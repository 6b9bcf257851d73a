//! Which handlers a notification means.

use std::sync::Arc;

use super::{Item, Task};

/// Finds the handlers a notification means, as positions in `handlers`.
///
/// Of handlers with the name the last one counts (`name` or `role : name`); then all that listen to the topic,
/// of equal names the last. `name_of` gives a handler's rendered name, nothing if it cannot be rendered.
pub fn notified(handlers: &[Arc<Task>], notification: &str, name_of: impl Fn(&Task) -> Option<String>) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let named = handlers.iter().enumerate().rev().find(|(_, handler)| {
        name_of(handler)
            .is_some_and(|name| notification == name || of_roles(handler, &name).contains(&notification.to_owned()))
    });
    found.extend(named.map(|(at, _)| at));
    let mut seen: Vec<String> = Vec::new();
    for (at, handler) in handlers.iter().enumerate().rev() {
        if !topics(handler).any(|topic| topic == notification) {
            continue;
        }
        let name = name_of(handler).unwrap_or_default();
        if !name.is_empty() && seen.contains(&name) {
            continue;
        }
        seen.push(name);
        if !found.contains(&at) {
            found.push(at);
        }
    }
    found.sort_unstable();
    found
}

/// The topics a handler listens to, also as `role : topic`.
fn topics(handler: &Task) -> impl Iterator<Item = String> + '_ {
    handler.listen.iter().flat_map(|topic| {
        let topic = topic.key_text();
        let in_role = of_roles(handler, &topic);
        std::iter::once(topic).chain(in_role)
    })
}

/// The name or topic with the role's in front: of a role of a collection by its whole name and by its last part.
pub(super) fn of_roles(handler: &Task, name: &str) -> Vec<String> {
    let Some(role) = handler.scope.role() else { return Vec::new() };
    let short = role.name.rsplit('.').next().unwrap_or(&role.name);
    vec![format!("{} : {name}", role.name), format!("{short} : {name}")]
}

/// Lists the tasks of a list of handlers.
pub fn handler_tasks(items: &[Item]) -> Vec<Arc<Task>> {
    let mut tasks = Vec::new();
    for item in items {
        item.each_task(&mut |task| tasks.push(task.clone()));
    }
    tasks
}

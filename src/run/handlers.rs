//! Handlers: which names mean which, in the order of definition.

use std::{collections::HashMap, sync::Arc};

use super::program::{Op, Program};
use crate::{
    playbook::{Item, Task},
    yaml::Node,
};

/// The handlers of a play as one program; a handler's number is its operation's index.
#[derive(Debug, Default)]
pub struct Handlers {
    /// All of them in order.
    pub program: Arc<Program>,
    items: Vec<Item>,
    names: HashMap<String, Vec<usize>>,
    topics: HashMap<String, Vec<usize>>,
}

impl Handlers {
    /// Lists handlers in the order in which they run.
    pub fn new(items: &[Item]) -> Handlers {
        let mut handlers = Handlers { items: items.to_vec(), ..Handlers::default() };
        let program = Program::items(items, &|_| true);
        for (index, (op, _)) in program.ops.iter().enumerate() {
            let Op::Task(task) = op else { continue };
            if let Some(name) = task.name.as_ref().and_then(Node::as_str) {
                handlers.names.entry(name.to_owned()).or_default().push(index);
                // What a host keeps as owed has one line for each.
                if name.contains('\n') {
                    handlers.names.entry(name.replace('\n', " ")).or_default().push(index);
                }
                if let Some(role) = task.scope.role() {
                    for written in [format!("{} : {name}", role.name), format!("{}: {name}", role.name)] {
                        handlers.names.entry(written).or_default().push(index);
                    }
                }
            }
            for topic in task.listen.iter().filter_map(Node::as_str) {
                handlers.topics.entry(topic.to_owned()).or_default().push(index);
            }
        }
        handlers.program = Arc::new(program);
        handlers
    }

    /// These handlers and, behind them, those of a role that was included.
    #[must_use]
    pub fn with(&self, more: &[Item]) -> Handlers {
        Handlers::new(&[self.items.as_slice(), more].concat())
    }

    /// The handlers that a notification means: of several with one name the last defined, and all that listen.
    pub fn find(&self, notification: &str) -> Vec<usize> {
        let named = self.names.get(notification).and_then(|n| n.last()).copied();
        named.into_iter().chain(self.topics.get(notification).into_iter().flatten().copied()).collect()
    }

    /// A handler by its number.
    pub fn task(&self, index: usize) -> Option<&Arc<Task>> {
        match self.program.ops.get(index) {
            Some((Op::Task(task), _)) => Some(task),
            _ => None,
        }
    }
}

//! Handlers: which names mean which, in the order of definition.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Run, keyword,
    program::{Op, Program},
    variables::of_no_host,
};
use crate::{
    inventory::Vars,
    playbook::{Item, Play, ScopeKind, Task},
    report::Event,
    template::Context,
    yaml::Node,
};

/// The name that a handler is known by; nothing where it cannot be rendered.
pub type Named<'a> = &'a dyn Fn(&Task) -> Option<String>;

/// The handlers of a play as one program; a handler's number is its operation's index.
#[derive(Debug, Default)]
pub struct Handlers {
    /// All of them in order.
    pub program: Arc<Program>,
    items: Vec<Item>,
    names: HashMap<String, usize>,
    topics: HashMap<String, Vec<usize>>,
}

impl Handlers {
    /// Lists handlers in the order in which they run.
    pub fn new(items: &[Item], named: Named<'_>) -> Handlers {
        let mut handlers = Handlers { items: items.to_vec(), ..Handlers::default() };
        let program = Program::items(items, &|_| true);
        let tasks: Vec<(usize, &Arc<Task>)> = program
            .ops
            .iter()
            .enumerate()
            .filter_map(|(index, (op, _))| match op {
                Op::Task(task) => Some((index, task)),
                _ => None,
            })
            .collect();
        // As with Ansible the list that was read last wins, and in a list the first of a name.
        let mut heard: HashSet<(String, String)> = HashSet::new();
        for list in lists(&tasks).into_iter().rev() {
            for &(index, task) in list {
                let name = named(task);
                for known in name.iter().chain(written(task).as_ref()).flat_map(|name| spoken(task, name)) {
                    handlers.names.entry(known).or_insert(index);
                }
                for topic in task.listen.iter().filter_map(Node::as_str).flat_map(|topic| spoken(task, topic)) {
                    let twice = name.clone().is_some_and(|name| !heard.insert((topic.clone(), name)));
                    if !twice {
                        handlers.topics.entry(topic).or_default().push(index);
                    }
                }
            }
        }
        handlers.program = Arc::new(program);
        handlers
    }

    /// These handlers and, behind them, those of a role that was included.
    #[must_use]
    pub fn with(&self, more: &[Item], named: Named<'_>) -> Handlers {
        Handlers::new(&[self.items.as_slice(), more].concat(), named)
    }

    /// The handlers that a notification means: the one of that name, and all that listen.
    pub fn find(&self, notification: &str) -> Vec<usize> {
        let named = self.names.get(notification).copied();
        named.into_iter().chain(self.topics.get(notification).into_iter().flatten().copied()).collect()
    }

    /// The handler that a notified one has become: where its role was included once more, with that use's variables and files.
    pub fn latest(&self, index: usize) -> usize {
        let known = self.task(index).and_then(|task| {
            let name = written(task)?;
            let key = task.scope.role().map_or(name.clone(), |role| format!("{} : {name}", role.name));
            self.names.get(&key).copied()
        });
        known.unwrap_or(index)
    }

    /// A handler by its number.
    pub fn task(&self, index: usize) -> Option<&Arc<Task>> {
        match self.program.ops.get(index) {
            Some((Op::Task(task), _)) => Some(task),
            _ => None,
        }
    }
}

impl Run {
    /// The name of a handler, rendered with what is no host's: all hosts know it by one name.
    pub(super) fn handler_name(&self, play: &Play, prompted: &Arc<Vars>, task: &Task) -> Option<String> {
        let node = task.name.as_ref()?;
        let text = node.key_text();
        if !text.contains("{{") && !text.contains("{%") {
            return Some(text);
        }
        let vars = Arc::new(of_no_host(self.extra_only(), play, prompted, &task.scope));
        let vars = Context::new(&self.engine, vars, self.local(&task.scope, &play.directory));
        match self.engine.render_tree(node, &vars) {
            Ok(name) => keyword::as_text(&name),
            Err(error) => {
                // One that listens is found by its topics.
                if task.listen.is_empty() {
                    let place = node.span.place();
                    let message = format!(
                        "Handler '{text}' is unusable because it has no listen topics and the name could not be templated \
                         (host-specific variables are not supported in handler names): {error} ({place})"
                    );
                    self.tell(Event::Warning { message });
                }
                None
            }
        }
    }
}

/// The name as it is written: a host keeps what it is owed by it.
fn written(task: &Task) -> Option<String> {
    task.name.as_ref().and_then(Node::as_str).map(str::to_owned)
}

/// All ways to say a handler's name or topic.
fn spoken(task: &Task, name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    // What a host keeps as owed has one line for each.
    if name.contains('\n') {
        all.push(name.replace('\n', " "));
    }
    if let Some(role) = task.scope.role() {
        let short = role.name.rsplit('.').next().unwrap_or(&role.name);
        all.extend([format!("{} : {name}", role.name), format!("{}: {name}", role.name), format!("{short} : {name}")]);
    }
    all
}

/// Takes handlers apart by the list that they were read from: of a role's use, or of the play.
fn lists<'t>(tasks: &'t [(usize, &'t Arc<Task>)]) -> Vec<&'t [(usize, &'t Arc<Task>)]> {
    let home = |task: &Task| {
        let chain = &mut task.scope.chain();
        chain.find(|s| matches!(s.kind, ScopeKind::Play | ScopeKind::Role)).map(|s| std::ptr::from_ref(s) as usize)
    };
    tasks.chunk_by(|(_, one), (_, next)| home(one) == home(next)).collect()
}

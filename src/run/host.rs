//! One host's way through a play: a cursor, what is not yet confirmed, and what happens when something fails.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value as Json, json};

use super::{
    Gathering, Run,
    barrier::Position,
    batch::Batch,
    cursor::{Cursor, Landed, Next},
    handlers::Handlers,
    machine::MachineError,
    play_host::PlayHost,
    program::Op,
    stop::{Snapshot, Stop},
    unconfirmed::Unconfirmed,
    variables::Host,
};
use crate::{
    inventory::Level,
    playbook::{Action, Role, Task},
    report::{Event, Marks, Status, TaskLine},
    template::Context,
    yaml::Node,
};

/// A host on its way through a play.
pub struct HostRun {
    /// The host, the play and the run.
    pub(super) of: PlayHost,
    /// Where it is.
    pub(super) cursor: Cursor,
    /// The handlers of the play, and of the roles that were brought in.
    pub(super) handlers: Arc<Handlers>,
    /// What it has decided and not confirmed.
    pub(super) unconfirmed: Unconfirmed,
    /// The task to be done by itself, for what was sent ahead did not go through.
    pub(super) alone: Option<Position>,
    /// The task that is being done.
    pub(super) position: Position,
    /// The roles of which a task ran, by what tells their uses apart, with the use that it was.
    pub(super) roles_run: HashMap<String, Arc<Role>>,
    pub(super) failed: bool,
    /// The task that failed last.
    pub(super) failed_at: Option<Position>,
    /// Whether a failure of that task ends the play for all.
    pub(super) fatal: bool,
    /// The handlers that are due for an earlier run alone, which was cut off before them.
    pub(super) owed: BTreeSet<usize>,
}

impl HostRun {
    /// Returns a host at the start of a play.
    pub fn new(run: Arc<Run>, batch: Arc<Batch>, host: Arc<Host>) -> HostRun {
        let of = PlayHost { run, batch, host };
        HostRun {
            cursor: Cursor::new(of.batch.program.clone(), of.batch.base.clone()),
            handlers: of.batch.handlers.clone(),
            unconfirmed: Unconfirmed::new(of.clone()),
            alone: None,
            position: of.batch.base.clone(),
            roles_run: HashMap::new(),
            failed: false,
            failed_at: None,
            fatal: false,
            owed: BTreeSet::new(),
            of,
        }
    }

    /// Goes through the play.
    pub async fn go(mut self) {
        loop {
            let ended = match self.turn().await {
                Ok(true) => continue,
                Ok(false) => match self.wind_up().await {
                    Ok(()) => break,
                    Err(stop) => stop,
                },
                Err(stop) => stop,
            };
            match ended {
                Stop::TakenBack(back) => {
                    if let Some(Snapshot { cursor, layers }) = back.to {
                        self.cursor = cursor;
                        self.of.host.restore(&layers);
                    }
                    self.alone = back.alone.or(self.alone);
                }
                Stop::Ended => {
                    // What was decided is carried out: the user asked not to start more.
                    if self.unconfirmed.flush().await.is_ok() && !self.of.run.interrupted() {
                        let _ = self.wind_up().await;
                    }
                    break;
                }
                Stop::Lost(error) => {
                    self.lost(error);
                    break;
                }
            }
        }
        self.of.run.tell(Event::HostDone { host: self.of.host.name.clone() });
        self.of.batch.barrier.leave(&self.of.host.name);
    }

    /// Sends what is left. What the last handlers have notified is not run by anyone, as with Ansible, so it is not owed either; nor is
    /// what was notified before the playbook itself ended the play for this host.
    async fn wind_up(&mut self) -> Result<(), Stop> {
        if !self.failed && self.cursor.forget_notified() {
            self.settle_owed().await?;
        }
        self.unconfirmed.flush().await
    }

    /// Does one operation. False when there is none left.
    async fn turn(&mut self) -> Result<bool, Stop> {
        match self.cursor.proceed() {
            Next::End => return Ok(false),
            Next::Failed => self.host_failed(),
            Next::Flush(position) => self.flush_handlers(position),
            Next::Gather(_) if self.of.run.options.gathering == Gathering::Smart && self.of.host.has_facts() => {
                self.cursor.advance();
            }
            Next::Gather(position) => self.step(self.of.batch.gather.clone(), position).await?,
            Next::Task(task, position) => self.step(task, position).await?,
        }
        Ok(true)
    }

    /// Goes into the handlers that are due. Those that an earlier run was cut off before are due as if notified now.
    pub(super) fn flush_handlers(&mut self, position: Position) {
        for machine in self.of.run.machines.of(&self.of.host.name) {
            for name in machine.take_owed(|name| !self.handlers.find(name).is_empty()) {
                let found = self.handlers.find(&name);
                self.owed.extend(found.iter().filter(|handler| !self.cursor.notified().contains(handler)));
                self.cursor.notify(found);
            }
        }
        // As with Ansible it is here that names become handlers: the last of a name counts.
        let latest = |handler| self.handlers.latest(handler);
        self.cursor.resolve_notified(|said| self.handlers.find(said), latest, &self.owed);
        self.owed = self.owed.iter().map(|handler| latest(*handler)).collect();
        self.cursor.flush_handlers(&self.handlers.program, position);
    }

    /// The place in the play as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { cursor: self.cursor.clone(), layers: self.of.host.layers() }
    }

    /// The variables at a task.
    pub fn vars(&self, task: &Task) -> Context {
        self.of.vars(task, &self.cursor.vars())
    }

    /// Goes where a failure of the current task leads. True when a `rescue` takes over, now or behind what is always done.
    pub fn fail(&mut self, task: &Task, result: &Json) -> bool {
        // As with Ansible the last failure below a `rescue` is known, in the `always` of the blocks inside too.
        let told = self.cursor.has_rescue_ahead();
        let landed = self.cursor.fail();
        self.failed_at = Some(self.position.clone());
        match landed {
            Landed::Out => self.host_failed(),
            _ if self.fatal => self.of.batch.fail_all(&self.of.host.name, &self.position),
            _ => {}
        }
        if told {
            self.of.host.set(Level::SetFacts, "ansible_failed_task", written(task));
            self.of.host.set(Level::SetFacts, "ansible_failed_result", result.clone());
        }
        // An `always` may come first: the `rescue` around it comes all the same.
        told && landed != Landed::Out
    }

    /// Goes where the failure of another host leads, which is this one's too (`any_errors_fatal`).
    pub(super) fn fail_along(&mut self) {
        self.cursor.step_back();
        if self.cursor.fail() == Landed::Out {
            self.host_failed();
        }
    }

    fn host_failed(&mut self) {
        if self.failed {
            return;
        }
        self.failed = true;
        self.of.batch.host_failed(&self.of.host.name, &self.position, self.fatal);
        if self.of.batch.force_handlers {
            self.cursor.flush_handlers(&self.handlers.program, vec![u32::MAX]);
        }
    }

    fn lost(&mut self, error: MachineError) {
        let (status, message) = match error {
            MachineError::Unreachable(message) => (Status::Unreachable, message),
            MachineError::Locked(holder) => (
                Status::Unreachable,
                format!(
                    "another run is at work on this host: {}\n  help: wait for it to end, or stop it. If it was cut off and has ended since, end that process",
                    holder.told
                ),
            ),
            MachineError::Refused(message) => (Status::Failed, message),
        };
        let events = self.unconfirmed.take_events();
        // The first task not confirmed is the one that the host was lost in.
        let line = events.iter().find_map(|e| match e {
            Event::TaskResult { task, .. } => Some(task.clone()),
            _ => None,
        });
        let line = line.or_else(|| self.current_line()).unwrap_or_else(|| self.of.batch.line("connect", &[]));
        let result = json!({"unreachable": status == Status::Unreachable, "failed": status == Status::Failed, "msg": message, "changed": false});
        self.of.run.tell(Event::TaskResult {
            task: line,
            host: self.of.host.name.clone(),
            delegate: None,
            status,
            duration: Duration::ZERO,
            diff: Vec::new(),
            result,
            marks: Marks::default(),
        });
        self.of.batch.host_failed(&self.of.host.name, &self.position, self.fatal);
        self.of.run.hosts.lost(&self.of.host.name, status);
    }

    fn current_line(&self) -> Option<TaskLine> {
        match self.cursor.here()? {
            (Op::Task(task), position) => Some(self.line(task, &position, None)),
            (Op::Gather, position) => Some(self.line(&self.of.batch.gather, &position, None)),
            _ => None,
        }
    }

    /// The task as reports name it, its name rendered where that is possible.
    pub(super) fn line(&self, task: &Task, position: &[u32], vars: Option<&Context>) -> TaskLine {
        self.of.line(task, position, vars, self.cursor.in_handler())
    }
}

/// A task as it is written: `ansible_failed_task`.
pub(super) fn written(task: &Task) -> Json {
    let (args, action) = match &task.action {
        Action::Module { args, free_form, .. } => {
            let mut all: Map<String, Json> = args.iter().map(|(key, node)| (key.key_text(), node.to_json())).collect();
            if let Some(text) = free_form {
                all.insert("_raw_params".to_owned(), text.to_json());
            }
            (all, task.action.written())
        }
        _ => (Map::new(), task.action.written()),
    };
    let keywords = &task.scope.keywords;
    let list = |nodes: &[Node]| Json::Array(nodes.iter().map(Node::to_json).collect());
    let given = |node: &Option<Node>| node.as_ref().map_or(Json::Null, Node::to_json);
    let vars: Map<String, Json> =
        keywords.vars.iter().flatten().map(|(name, node)| (name.clone(), node.to_json())).collect();
    json!({
        "name": task.name.as_ref().map_or_else(|| action.to_owned(), Node::key_text),
        "action": action,
        "args": args,
        "tags": task.scope.tags().into_iter().map(Node::to_json).collect::<Vec<_>>(),
        "vars": vars,
        "when": list(&keywords.when),
        "environment": keywords.environment.as_ref().map_or_else(|| json!([]), |node| match node.as_seq() {
            Some(_) => node.to_json(),
            None => json!([node.to_json()]),
        }),
        "register": given(&task.register),
        "until": list(&task.until),
        "retries": task.retries.as_ref().map_or(json!(3), Node::to_json),
        "delay": task.delay.as_ref().map_or(json!(5), Node::to_json),
        "changed_when": list(task.changed_when.as_deref().unwrap_or_default()),
        "failed_when": list(task.failed_when.as_deref().unwrap_or_default()),
        "notify": list(&task.notify),
        "delegate_to": given(&keywords.delegate_to),
        "become": given(&keywords.become_),
        "become_user": given(&keywords.become_user),
        "ignore_errors": given(&keywords.ignore_errors),
        "loop": task.loop_.as_ref().map_or(Json::Null, |over| over.over.to_json()),
    })
}

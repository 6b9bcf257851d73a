//! One host's way through a play: a cursor, what is not yet confirmed, and what happens when something fails.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use super::{
    Run,
    barrier::Position,
    batch::Batch,
    machine::MachineError,
    pending::Outstanding,
    program::{Landing, Op, Program},
    variables::{Host, TaskVars},
};
use crate::{
    inventory::{Layers, Level, Vars},
    playbook::Task,
    report::{Event, Marks, Status, TaskLine},
    template::Context,
};

/// Why a host leaves the normal course.
#[derive(Debug)]
pub enum Stop {
    /// Changes sent ahead did not go through: the cursor is back at the task they belong to.
    RolledBack,
    /// The host cannot be used any more.
    Lost(MachineError),
    /// The user interrupted the run, or the play was ended for all.
    Ended,
}

/// A program in the course of being run.
#[derive(Clone)]
pub struct Frame {
    /// What is run.
    pub program: Arc<Program>,
    /// The next operation.
    pub pc: usize,
    /// The position of its first operation is this and a zero.
    pub base: Position,
    /// Blocks that failed and whose `always` is still to be done.
    pub failed: BTreeSet<usize>,
    /// Variables that the include brought: its own, the role's, the loop's item.
    pub vars: Vec<(Level, Arc<Vars>)>,
    /// Whether handlers are run: only those notified.
    pub handlers: bool,
    /// Whether the frame below goes on behind its operation when this one is done.
    pub last: bool,
}

/// What a host's place in the play was, to go back to.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) frames: Vec<Frame>,
    pub(super) notified: BTreeSet<usize>,
    pub(super) layers: Layers,
}

/// One host in one play.
pub struct HostRun {
    /// The run.
    pub run: Arc<Run>,
    /// The play and the hosts in it.
    pub batch: Arc<Batch>,
    /// The host.
    pub host: Arc<Host>,
    pub(super) frames: Vec<Frame>,
    pub(super) notified: BTreeSet<usize>,
    pub(super) handlers: Arc<super::handlers::Handlers>,
    pub(super) outstanding: Outstanding,
    pub(super) careful: Option<Position>,
    /// The task that is being done.
    pub(super) at: Position,
    /// The roles of which a task ran, by what tells their uses apart, with the use that it was.
    pub(super) roles_run: HashMap<String, usize>,
    pub(super) failed: bool,
    /// Whether a failure of that task ends the play for all.
    pub(super) fatal: bool,
    /// Whether `meta: end_host` took it out before the play was over.
    pub(super) left_early: bool,
}

impl HostRun {
    /// Returns a host at the start of a play.
    pub fn new(run: Arc<Run>, batch: Arc<Batch>, host: Arc<Host>) -> HostRun {
        let frame = Frame {
            program: batch.program.clone(),
            pc: 0,
            base: batch.base.clone(),
            failed: BTreeSet::new(),
            vars: Vec::new(),
            handlers: false,
            last: true,
        };
        let (handlers, at) = (batch.handlers.clone(), batch.base.clone());
        HostRun {
            run,
            batch,
            host,
            frames: vec![frame],
            notified: BTreeSet::new(),
            handlers,
            outstanding: Outstanding::default(),
            careful: None,
            at,
            roles_run: HashMap::new(),
            failed: false,
            fatal: false,
            left_early: false,
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
                Stop::RolledBack => {}
                Stop::Ended => {
                    // What was decided is carried out: the user asked not to start more.
                    let _ = self.flush().await;
                    break;
                }
                Stop::Lost(error) => {
                    self.lost(error);
                    break;
                }
            }
        }
        self.run.tell(Event::HostDone { host: self.host.name.clone() });
        self.batch.barrier.leave(&self.host.name);
    }

    /// Sends what is left. What the last handlers have notified is not run by anyone, as with Ansible, so it is not owed either.
    async fn wind_up(&mut self) -> Result<(), Stop> {
        if !self.failed && !self.left_early && !std::mem::take(&mut self.notified).is_empty() {
            self.settle_owed().await?;
        }
        self.flush().await
    }

    /// Does one operation. False when there is none left.
    async fn turn(&mut self) -> Result<bool, Stop> {
        let Some(frame) = self.frames.last_mut() else { return Ok(false) };
        let position: Position = frame.base.iter().copied().chain([frame.pc as u32]).collect();
        let Some((op, _)) = frame.program.ops.get(frame.pc).cloned() else {
            let last = frame.last;
            self.frames.pop();
            if let (true, Some(below)) = (last, self.frames.last_mut()) {
                below.pc += 1;
            }
            return Ok(true);
        };
        match op {
            Op::BodyEnd(block) => frame.pc = frame.program.blocks[block].always,
            Op::RescueEnd => frame.pc += 1,
            Op::BlockEnd(block) => {
                if frame.failed.remove(&block) {
                    self.fail_out();
                } else {
                    frame.pc += 1;
                }
            }
            Op::Flush => self.run_handlers(&position),
            Op::Gather => {
                let task = self.batch.gather.clone();
                self.step(task, position).await?;
            }
            Op::Task(task) => {
                if frame.handlers && !self.notified.contains(&frame.pc) {
                    frame.pc += 1;
                } else {
                    self.step(task, position).await?;
                }
            }
        }
        Ok(true)
    }

    /// Handlers that an earlier run was cut off before: they are due as if notified now.
    pub(super) fn take_owed(&mut self) {
        let handlers = self.handlers.clone();
        for machine in self.run.machines.of(&self.host.name) {
            for name in machine.take_owed(|name| !handlers.find(name).is_empty()) {
                self.notified.extend(handlers.find(&name));
            }
        }
    }

    fn run_handlers(&mut self, position: &Position) {
        self.take_owed();
        let Some(frame) = self.frames.last_mut() else { return };
        if self.notified.is_empty() {
            frame.pc += 1;
            return;
        }
        let handlers = Frame {
            program: self.handlers.program.clone(),
            pc: 0,
            base: position.clone(),
            failed: BTreeSet::new(),
            vars: Vec::new(),
            handlers: true,
            last: true,
        };
        self.frames.push(handlers);
    }

    /// The place in the play as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { frames: self.frames.clone(), notified: self.notified.clone(), layers: self.host.layers() }
    }

    /// The variables at a task.
    pub fn vars(&self, task: &Task) -> Context {
        let more: Vec<_> = self.frames.iter().flat_map(|f| f.vars.iter().cloned()).collect();
        TaskVars::context(&self.run, &self.batch, &self.host, &task.scope, &more)
    }

    /// Goes on behind the current task.
    pub fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            if frame.handlers {
                self.notified.remove(&frame.pc);
            }
            frame.pc += 1;
        }
    }

    /// Goes where a failure of the current task leads. True when a `rescue` takes over.
    pub fn fail(&mut self, task: &Task, result: &Json) -> bool {
        let rescued = self.fail_out();
        if rescued {
            let name = task.title();
            self.host.set(
                Level::SetFacts,
                "ansible_failed_task",
                json!({"name": name, "action": task.action.written()}),
            );
            self.host.set(Level::SetFacts, "ansible_failed_result", result.clone());
        }
        rescued
    }

    fn fail_out(&mut self) -> bool {
        while let Some(frame) = self.frames.last_mut() {
            match frame.program.landing(frame.pc) {
                Landing::Rescue(at) => {
                    frame.pc = at;
                    return true;
                }
                Landing::Always { at, block } => {
                    frame.failed.insert(block);
                    frame.pc = at;
                    return false;
                }
                Landing::Out => loop {
                    let last = self.frames.pop().is_none_or(|f| f.last);
                    if last {
                        break;
                    }
                },
            }
        }
        self.host_failed();
        false
    }

    fn host_failed(&mut self) {
        if self.failed {
            return;
        }
        self.failed = true;
        self.batch.host_failed(&self.host.name, &self.at, self.fatal);
        if self.batch.force_handlers && !self.notified.is_empty() {
            let program = self.handlers.program.clone();
            let frame = Frame {
                program,
                pc: 0,
                base: vec![u32::MAX],
                failed: BTreeSet::new(),
                vars: Vec::new(),
                handlers: true,
                last: true,
            };
            self.frames.push(frame);
        }
    }

    fn lost(&mut self, error: MachineError) {
        let (status, message) = match error {
            MachineError::Unreachable(message) => (Status::Unreachable, message),
            MachineError::Locked(holder) => (
                Status::Unreachable,
                format!("another run is at work on this host: {holder}\n  help: wait for it to end, or stop it"),
            ),
            MachineError::Refused(message) => (Status::Failed, message),
        };
        let events = self.outstanding.take_events();
        // The first task not confirmed is the one that the host was lost in.
        let line = events.iter().find_map(|e| match e {
            Event::TaskResult { task, .. } => Some(task.clone()),
            _ => None,
        });
        let line = line.or_else(|| self.current_line()).unwrap_or_else(|| self.batch.line("connect", &[]));
        let result = json!({"unreachable": status == Status::Unreachable, "failed": status == Status::Failed, "msg": message, "changed": false});
        self.run.tell(Event::TaskResult {
            task: line,
            host: self.host.name.clone(),
            delegate: None,
            status,
            duration: Duration::ZERO,
            diff: Vec::new(),
            result,
            marks: Marks::default(),
        });
        self.batch.host_failed(&self.host.name, &self.at, self.fatal);
        self.run.hosts.lost(&self.host.name, status);
    }

    fn current_line(&self) -> Option<TaskLine> {
        let frame = self.frames.last()?;
        let position: Position = frame.base.iter().copied().chain([frame.pc as u32]).collect();
        match frame.program.ops.get(frame.pc).map(|(op, _)| op) {
            Some(Op::Task(task)) => Some(self.line(task, &position, None)),
            Some(Op::Gather) => Some(self.line(&self.batch.gather, &position, None)),
            _ => None,
        }
    }

    /// The task as reports name it, its name rendered where that is possible.
    pub fn line(&self, task: &Task, position: &[u32], vars: Option<&Context>) -> TaskLine {
        let handler = self.frames.last().is_some_and(|f| f.handlers);
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

    /// Publishes how far this host has come, if nothing is outstanding.
    pub fn reach(&self, position: &[u32]) {
        if !self.has_pending() {
            self.batch.barrier.reach(&self.host.name, position);
        }
    }

    /// Waits until all hosts have done everything before `position`.
    pub async fn together(&mut self, position: &Position) -> Result<(), Stop> {
        self.flush().await?;
        self.batch.barrier.reach(&self.host.name, position);
        let began = Instant::now();
        self.batch.barrier.all_reached(position).await;
        if began.elapsed() > Duration::from_millis(1) {
            self.run.tell(Event::Waited { host: self.host.name.clone(), duration: began.elapsed() });
        }
        if self.batch.ended(position) { Err(Stop::Ended) } else { Ok(()) }
    }
}

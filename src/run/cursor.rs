//! Where a host is in its play: the next operation, the includes and handlers around it, and where a failure leads.
//!
//! It knows nothing of hosts and sends nothing; a copy of it is a place to go back to.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    barrier::Position,
    program::{Landing, Op, Program},
};
use crate::{
    inventory::{Level, Vars},
    playbook::{Action, MetaAction, Task},
};

/// Variables that an include brought: its own, the role's, the loop's item.
pub type Brought = Vec<(Level, Arc<Vars>)>;

/// A program in the course of being run.
#[derive(Clone, Debug)]
struct Frame {
    program: Arc<Program>,
    /// The next operation.
    pc: usize,
    /// The position of its first operation is this and a zero.
    base: Position,
    /// Blocks that failed and whose `always` is still to be done.
    failed: BTreeSet<usize>,
    vars: Brought,
    /// Whether handlers are run: only those notified.
    handlers: bool,
    /// Whether the frame below goes on behind its operation when this one is done.
    last: bool,
}

impl Frame {
    fn new(program: Arc<Program>, base: Position) -> Frame {
        Frame { program, pc: 0, base, failed: BTreeSet::new(), vars: Vec::new(), handlers: false, last: true }
    }

    fn op(&self) -> Option<&Op> {
        self.program.ops.get(self.pc).map(|(op, _)| op)
    }

    fn position(&self) -> Position {
        self.base.iter().copied().chain([self.pc as u32]).collect()
    }
}

/// What is to be done next, and where that stands.
#[derive(Clone, Debug)]
pub enum Next {
    /// A task of the play, of an include, or a notified handler.
    Task(Arc<Task>, Position),
    /// The facts of the host are gathered.
    Gather(Position),
    /// Notified handlers are run.
    Flush(Position),
    /// A failure has gone through the `always` of all blocks around it: nothing is left for it but the end.
    Failed,
    /// There is nothing left.
    End,
}

/// Where a failure has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// A `rescue` takes over.
    Rescued,
    /// An `always` comes first.
    Always,
    /// Nobody takes it: the host has failed.
    Out,
}

/// A host's place in a play, and the handlers notified so far.
#[derive(Clone, Debug)]
pub struct Cursor {
    frames: Vec<Frame>,
    notified: BTreeSet<usize>,
    /// By which words, since handlers were run.
    said: Vec<String>,
    /// Those that handlers have notified: their words became handlers at once.
    by_handlers: BTreeSet<usize>,
}

impl Cursor {
    /// Returns the start of a program whose positions begin with `base`.
    pub fn new(program: Arc<Program>, base: Position) -> Cursor {
        Cursor {
            frames: vec![Frame::new(program, base)],
            notified: BTreeSet::new(),
            said: Vec::new(),
            by_handlers: BTreeSet::new(),
        }
    }

    /// Goes through what is no task of its own, to the next thing to do. Stays there until it is told to [`Cursor::advance`], to
    /// [`Cursor::fail`] or where else to go.
    pub fn proceed(&mut self) -> Next {
        loop {
            let Some(frame) = self.frames.last_mut() else { return Next::End };
            let position = frame.position();
            match frame.op() {
                None => self.leave_frame(),
                Some(Op::BodyEnd(block)) => frame.pc = frame.program.blocks[*block].always,
                Some(Op::RescueEnd) => frame.pc += 1,
                Some(&Op::BlockEnd(block)) => {
                    if !frame.failed.remove(&block) {
                        frame.pc += 1;
                    } else if self.fail() == Landed::Out {
                        return Next::Failed;
                    }
                }
                Some(Op::Flush) => return Next::Flush(position),
                Some(Op::Gather) => return Next::Gather(position),
                Some(Op::Task(_)) if frame.handlers && !self.notified.contains(&frame.pc) => frame.pc += 1,
                Some(Op::Task(task)) => return Next::Task(task.clone(), position),
            }
        }
    }

    fn leave_frame(&mut self) {
        let last = self.frames.pop().is_none_or(|frame| frame.last);
        if let (true, Some(below)) = (last, self.frames.last_mut()) {
            below.pc += 1;
        }
    }

    /// What stands at the cursor, and its position.
    pub fn here(&self) -> Option<(&Op, Position)> {
        let frame = self.frames.last()?;
        frame.op().map(|op| (op, frame.position()))
    }

    /// Variables of the includes around the cursor.
    pub fn vars(&self) -> Brought {
        self.frames.iter().flat_map(|frame| frame.vars.iter().cloned()).collect()
    }

    /// Goes on behind the current task. A handler that was run is no longer due.
    pub fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            if frame.handlers {
                self.notified.remove(&frame.pc);
                self.by_handlers.remove(&frame.pc);
            }
            frame.pc += 1;
        }
    }

    /// Goes where a failure of the current task leads.
    pub fn fail(&mut self) -> Landed {
        while let Some(frame) = self.frames.last_mut() {
            match frame.program.landing(frame.pc) {
                Landing::Rescue(at) => {
                    frame.pc = at;
                    return Landed::Rescued;
                }
                Landing::Always { at, block } => {
                    frame.failed.insert(block);
                    frame.pc = at;
                    return Landed::Always;
                }
                Landing::Out => while self.frames.pop().is_some_and(|frame| !frame.last) {},
            }
        }
        Landed::Out
    }

    /// Whether a block around the current task has a `rescue` that is still to come: for itself, or for a block around it.
    pub fn has_rescue_ahead(&self) -> bool {
        // What the same include has brought in besides waits below: a failure leads past it.
        let mut waiting = false;
        self.frames.iter().rev().any(|frame| {
            let around = !std::mem::replace(&mut waiting, !frame.last);
            around && frame.program.rescue_ahead(frame.pc)
        })
    }

    /// `meta: clear_host_errors`: what failed in the blocks around no longer leads out of them.
    pub fn clear_errors(&mut self) {
        self.frames.iter_mut().for_each(|frame| frame.failed.clear());
    }

    /// `meta: end_host`: nothing is left.
    pub fn end(&mut self) {
        self.frames.clear();
    }

    /// `meta: end_role`: goes on behind the last task of the role that the current task belongs to.
    pub fn end_role(&mut self) {
        let key = |task: &Task| task.scope.role().map(|role| role.key.clone());
        let own = match self.frames.last().and_then(Frame::op) {
            Some(Op::Task(task)) => key(task),
            _ => None,
        };
        self.advance();
        let Some(frame) = self.frames.last_mut() else { return };
        while matches!(frame.op(), Some(Op::Task(next)) if key(next) == own) {
            frame.pc += 1;
        }
    }

    /// Goes back onto the task that [`Cursor::advance`] has gone behind.
    pub fn step_back(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pc -= 1;
        }
    }

    /// Goes into what the current task has brought in, one program after the other, each with its number and variables. Behind the
    /// last of them it goes on behind the current task.
    pub fn enter(&mut self, position: &[u32], programs: Vec<(Program, u32, Brought)>) {
        let count = programs.len();
        // The first goes on top; only the frame that ends last lets the one below go on.
        for (number, (program, index, vars)) in programs.into_iter().enumerate().rev() {
            let base = position.iter().copied().chain([index]).collect();
            let frame = Frame::new(Arc::new(program), base);
            self.frames.push(Frame { vars, last: number + 1 == count, ..frame });
        }
    }

    /// Whether the current task is a handler.
    pub fn in_handler(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.handlers)
    }

    /// Whether handlers are at work, what they include as well.
    fn within_handlers(&self) -> bool {
        self.frames.iter().any(|frame| frame.handlers)
    }

    /// The number of the current task among the handlers, if it is one.
    pub fn handler(&self) -> Option<usize> {
        self.frames.last().filter(|frame| frame.handlers).map(|frame| frame.pc)
    }

    /// Notifies handlers.
    pub fn notify(&mut self, handlers: impl IntoIterator<Item = usize>) {
        let handlers: Vec<usize> = handlers.into_iter().collect();
        if self.within_handlers() {
            self.by_handlers.extend(&handlers);
        }
        self.notified.extend(handlers);
    }

    /// Remembers by which word handlers were notified, until they are run.
    pub fn say(&mut self, notification: &str) {
        if !self.within_handlers() && !self.said.iter().any(|said| said == notification) {
            self.said.push(notification.to_owned());
        }
    }

    /// Puts those in the place of the handlers that are notified whom the words mean now; of what is owed, and of what handlers have
    /// notified, what that has become.
    pub fn resolve_notified(
        &mut self,
        found: impl Fn(&str) -> Vec<usize>,
        latest: impl Fn(usize) -> usize,
        owed: &BTreeSet<usize>,
    ) {
        let said = std::mem::take(&mut self.said);
        let due = |handler: &usize| self.notified.contains(handler);
        let kept = owed.iter().chain(&self.by_handlers).copied().filter(due).map(latest);
        self.notified = said.iter().flat_map(|said| found(said)).chain(kept).collect();
        self.by_handlers.clear();
    }

    /// The handlers that are due.
    pub fn notified(&self) -> &BTreeSet<usize> {
        &self.notified
    }

    /// Forgets which handlers are due. Returns whether any were.
    pub fn forget_notified(&mut self) -> bool {
        self.said.clear();
        self.by_handlers.clear();
        !std::mem::take(&mut self.notified).is_empty()
    }

    /// Goes into the handlers that are due; where none are, behind the current operation.
    pub fn flush_handlers(&mut self, program: &Arc<Program>, position: Position) {
        match self.notified.is_empty() {
            true => self.advance(),
            false => self.frames.push(Frame { handlers: true, ..Frame::new(program.clone(), position) }),
        }
    }

    /// Looks at what follows in the natural course.
    pub fn ahead(&self) -> Ahead<'_> {
        Ahead { frames: self.frames.clone(), notified: &self.notified }
    }
}

/// What follows the current task if nothing fails and nobody is notified. The cursor itself stays.
pub struct Ahead<'c> {
    frames: Vec<Frame>,
    notified: &'c BTreeSet<usize>,
}

impl Ahead<'_> {
    /// The next task, `gather` being the one that gathers facts; none where the course is not known.
    pub fn following(&mut self, gather: &Arc<Task>) -> Option<Arc<Task>> {
        let mut on = true;
        loop {
            let frame = self.frames.last_mut()?;
            if std::mem::take(&mut on) {
                frame.pc += 1;
            }
            match frame.op() {
                None => {
                    on = frame.last;
                    self.frames.pop();
                }
                Some(Op::BodyEnd(block)) => frame.pc = frame.program.blocks[*block].always,
                Some(Op::BlockEnd(block)) if frame.failed.contains(block) => return None,
                Some(Op::Flush) if !self.notified.is_empty() => return None,
                Some(Op::RescueEnd | Op::BlockEnd(_) | Op::Flush) => on = true,
                Some(Op::Gather) => return Some(gather.clone()),
                Some(Op::Task(_)) if frame.handlers && !self.notified.contains(&frame.pc) => on = true,
                Some(Op::Task(task)) => match &task.action {
                    Action::Meta { action: MetaAction::Noop, .. } => on = true,
                    Action::Meta { .. } | Action::Include(_) => return None,
                    Action::Module { .. } => return Some(task.clone()),
                },
            }
        }
    }

    /// Variables of the includes around the task.
    pub fn vars(&self) -> Brought {
        self.frames.iter().flat_map(|frame| frame.vars.iter().cloned()).collect()
    }

    /// How deep in includes the task stands.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;

//! Plays made flat: a list of operations in the order they run, with marks where blocks begin, change over and end.
//!
//! A flat list lets a host look ahead by counting on, and lets a failure jump: from a block's body to its `rescue`,
//! to its `always`, or out of it.

use std::sync::Arc;

use crate::playbook::{Block, Item, Task};

/// Which part of a block an operation is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tasks themselves.
    Body,
    /// `rescue`.
    Rescue,
    /// `always`.
    Always,
}

/// One step of a [`Program`].
#[derive(Clone, Debug)]
pub enum Op {
    /// Gathers facts at the start of a play.
    Gather,
    /// Runs a task.
    Task(Arc<Task>),
    /// Runs the handlers notified so far.
    Flush,
    /// The body of a block is done: on to `always`.
    BodyEnd(usize),
    /// The `rescue` of a block is done: the failure is forgiven.
    RescueEnd,
    /// A block is done: a failure not forgiven goes on outwards.
    BlockEnd(usize),
}

/// Where a block's parts begin, as indices of operations.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// The block around this one, and the part of it.
    pub outer: Option<(usize, Part)>,
    /// Whether there is a `rescue`.
    pub rescues: bool,
    /// The first operation of `rescue`.
    pub rescue: usize,
    /// The first operation of `always`.
    pub always: usize,
}

/// Operations in order.
#[derive(Debug, Default)]
pub struct Program {
    /// The operations, each with the innermost block it is in.
    pub ops: Vec<(Op, Option<(usize, Part)>)>,
    /// The blocks.
    pub blocks: Vec<Marks>,
}

/// What a failure at an operation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// To the `rescue` that begins there.
    Rescue(usize),
    /// To the `always` of a block that stays failed.
    Always {
        /// Where it begins.
        at: usize,
        /// The block.
        block: usize,
    },
    /// Out of the program.
    Out,
}

impl Program {
    /// Flattens the sections of a play; handlers are flushed behind each of `sections` that asks for it.
    pub fn play<'a>(
        gather: bool,
        sections: impl IntoIterator<Item = (&'a [Item], bool)>,
        wanted: &dyn Fn(&Task) -> bool,
    ) -> Program {
        let mut program = Program::default();
        if gather {
            program.ops.push((Op::Gather, None));
        }
        for (items, flush) in sections {
            program.add(items, None, wanted);
            if flush {
                program.ops.push((Op::Flush, None));
            }
        }
        program
    }

    /// Flattens items alone: an included file, a role, handlers.
    pub fn items(items: &[Item], wanted: &dyn Fn(&Task) -> bool) -> Program {
        let mut program = Program::default();
        program.add(items, None, wanted);
        program
    }

    fn add(&mut self, items: &[Item], within: Option<(usize, Part)>, wanted: &dyn Fn(&Task) -> bool) {
        for item in items {
            match item {
                Item::Task(task) if wanted(task) => self.ops.push((Op::Task(task.clone()), within)),
                Item::Task(_) => {}
                Item::Block(block) => self.add_block(block, within, wanted),
            }
        }
    }

    fn add_block(&mut self, block: &Block, within: Option<(usize, Part)>, wanted: &dyn Fn(&Task) -> bool) {
        if block.rescue.is_empty() && block.always.is_empty() {
            return self.add(&block.block, within, wanted);
        }
        let index = self.blocks.len();
        self.blocks.push(Marks { outer: within, rescues: !block.rescue.is_empty(), ..Marks::default() });
        self.add(&block.block, Some((index, Part::Body)), wanted);
        self.ops.push((Op::BodyEnd(index), Some((index, Part::Body))));
        self.blocks[index].rescue = self.ops.len();
        self.add(&block.rescue, Some((index, Part::Rescue)), wanted);
        self.ops.push((Op::RescueEnd, Some((index, Part::Rescue))));
        self.blocks[index].always = self.ops.len();
        self.add(&block.always, Some((index, Part::Always)), wanted);
        self.ops.push((Op::BlockEnd(index), within));
    }

    /// Where a failure of the operation at `at` leads.
    pub fn landing(&self, at: usize) -> Landing {
        let mut within = self.ops.get(at).and_then(|(_, within)| *within);
        while let Some((index, part)) = within {
            let marks = &self.blocks[index];
            match part {
                Part::Body if marks.rescues => return Landing::Rescue(marks.rescue),
                Part::Body | Part::Rescue => return Landing::Always { at: marks.always, block: index },
                Part::Always => within = marks.outer,
            }
        }
        Landing::Out
    }

    /// Whether the operation at `at` is in the body of a block with a `rescue`, however deep.
    pub fn rescue_ahead(&self, at: usize) -> bool {
        let mut within = self.ops.get(at).and_then(|(_, within)| *within);
        while let Some((index, part)) = within {
            let marks = &self.blocks[index];
            if part == Part::Body && marks.rescues {
                return true;
            }
            within = marks.outer;
        }
        false
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.ops.iter().filter(|(op, _)| matches!(op, Op::Task(_) | Op::Gather)).count()
    }
}

impl Program {
    /// Leaves out all tasks before an operation; blocks and flushes stay.
    pub fn skip_until(&mut self, at: usize) {
        let nothing = |op: &Op| matches!(op, Op::Task(_));
        let mut keep = Vec::with_capacity(self.ops.len());
        let mut moved = Vec::with_capacity(self.ops.len() + 1);
        for (index, entry) in self.ops.drain(..).enumerate() {
            moved.push(keep.len());
            if index >= at || !nothing(&entry.0) {
                keep.push(entry);
            }
        }
        moved.push(keep.len());
        self.ops = keep;
        for marks in &mut self.blocks {
            marks.rescue = moved[marks.rescue];
            marks.always = moved[marks.always];
        }
    }
}

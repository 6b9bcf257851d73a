//! Why a host leaves the normal course, and the place that it goes back to.

use super::{barrier::Position, cursor::Cursor, machine::MachineError};
use crate::inventory::Layers;

/// Why a host leaves the normal course.
#[derive(Debug)]
pub enum Stop {
    /// Changes sent ahead did not go through: the task they belong to is done again.
    TakenBack(Box<TakenBack>),
    /// The host cannot be used any more.
    Lost(MachineError),
    /// The user interrupted the run, or the play was ended for all.
    Ended,
}

/// What a host's place in the play was, and what was known of it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was.
    pub cursor: Cursor,
    /// Its variables.
    pub layers: Layers,
}

/// Where a host goes on whose changes did not go through.
#[derive(Debug)]
pub struct TakenBack {
    /// What it goes back to; where there is nothing, the task at work is done again.
    pub to: Option<Snapshot>,
    /// The task to be done by itself, so that its failure can be told whole; none where something had only moved under it.
    pub alone: Option<Position>,
}

//! A shell that runs, or that made room for something else.

use super::{
    answer::Parser,
    process::{End, Process, Tail},
    sudo::Become,
};
use std::time::Duration;

/// A scratch folder that its shell could not remove.
pub(crate) struct Orphan {
    /// Whose it is, if not the login user's.
    pub(super) owner: Option<String>,
    pub(super) folder: String,
}

/// The running shell, if there is one: an idle one may have to make room for a transfer.
#[derive(Default)]
pub(crate) struct State {
    pub(super) running: Option<Running>,
    /// A frame was begun and not ended: what comes back next belongs to it.
    pub(super) in_frame: bool,
    /// Whose shell it is, if not the login user's.
    pub(super) wish: Option<Become>,
}

pub(crate) struct Running {
    pub(super) process: Process,
    pub(super) parser: Parser,
    pub(super) scratch: Option<String>,
    /// The name its scratch folder was given.
    pub(super) name: String,
    pub(super) next_id: u64,
    pub(super) said: Tail,
}

impl State {
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the shell and waits until the server has freed its channel. What it could not remove is given back.
    pub(crate) async fn end(&mut self) -> Option<Orphan> {
        self.in_frame = false;
        let running = self.running.take()?;
        let folder = running.scratch;
        let ended = running.process.finish(Duration::from_secs(5)).await;
        folder.filter(|_| !matches!(ended, Some(End::Exit(_)))).map(|folder| self.orphan(folder))
    }

    /// Lets go of a shell that cannot be used any more, without waiting for it.
    pub(super) fn abandon(&mut self) -> Option<Orphan> {
        self.in_frame = false;
        let folder = self.running.take()?.scratch?;
        Some(self.orphan(folder))
    }

    fn orphan(&self, folder: String) -> Orphan {
        Orphan { owner: self.wish.as_ref().map(|wish| wish.user.clone()), folder }
    }
}

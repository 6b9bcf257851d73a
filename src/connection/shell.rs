//! The long-lived shell: started once, used for frame after frame, started anew when it was lost.

use super::{
    answer::Parser,
    error::Error,
    exchange::Exchange,
    frame::{FrameEnd, Output, Segment, write_frame},
    process::{End, Process, Reading, Tail},
    session::{Counters, Inner},
    sudo::Become,
};
use crate::ssh::script;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// A shell on a host, as one user. It ends when it is dropped.
pub struct Shell {
    session: Arc<Inner>,
    wish: Option<Become>,
    state: Arc<Mutex<State>>,
}

/// The running shell, if there is one: an idle one may have to make room for a transfer.
#[derive(Default)]
pub(crate) struct State {
    running: Option<Running>,
    /// A frame was begun and not ended: what comes back next belongs to it.
    in_frame: bool,
    /// Whose shell it is, if not the login user's.
    wish: Option<Become>,
}

pub(crate) struct Running {
    pub(super) process: Process,
    pub(super) parser: Parser,
    pub(super) scratch: Option<String>,
    /// The name its scratch folder was given.
    pub(super) name: String,
    next_id: u64,
    pub(super) said: Tail,
}

impl State {
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the shell and waits until the server has freed its channel.
    pub(crate) async fn end(&mut self, session: &Inner) {
        let Some(running) = self.running.take() else { return };
        let scratch = running.scratch;
        let ended = running.process.finish(Duration::from_secs(5)).await;
        if !matches!(ended, Some(End::Exit(_)))
            && let Some(scratch) = scratch
        {
            session.orphan(self.wish.as_ref(), scratch);
        }
        self.in_frame = false;
    }

    /// Lets go of a shell that cannot be used any more, without waiting for it.
    fn drop_running(&mut self, session: &Inner) {
        self.in_frame = false;
        if let Some(scratch) = self.running.take().and_then(|running| running.scratch) {
            session.orphan(self.wish.as_ref(), scratch);
        }
    }
}

impl Shell {
    pub(crate) async fn open(session: Arc<Inner>, wish: Option<Become>) -> Result<Shell, Error> {
        let state = Arc::new(Mutex::new(State { wish: wish.clone(), ..State::default() }));
        session.register(&state);
        let shell = Shell { session, wish, state };
        shell.ensure(&mut *shell.state.lock().await).await?;
        Ok(shell)
    }

    /// Sends all steps in one write and reports each result as it is acknowledged.
    ///
    /// An error means that the steps reported so far have ended and the next one may or may not have run. The shell stays
    /// usable: the next frame starts it anew if it has to.
    pub async fn run(
        &mut self,
        frame: &[Segment],
        mut on_output: impl FnMut(usize, Output) + Send,
    ) -> Result<FrameEnd, Error> {
        if let Some(index) = frame.iter().position(|segment| segment.script.contains(&0)) {
            return Err(Error::NulInScript { host: self.session.name.clone(), index });
        }
        if frame.is_empty() {
            return Ok(FrameEnd { acknowledged: 0, stopped: false });
        }
        let mut state = self.state.lock().await;
        if state.in_frame {
            state.drop_running(&self.session);
        }
        self.ensure(&mut state).await?;
        state.in_frame = true;
        let Some(running) = state.running.as_mut() else { return Err(self.session.lost()) };
        let first = running.next_id;
        running.next_id += frame.len() as u64;
        let text = write_frame(frame, first, &self.session.shell);
        Counters::add(&self.session.counters.round_trips, 1);
        Counters::add(&self.session.counters.up, text.len());
        let mut exchange = Exchange::new(&self.session, frame, first);
        let result = exchange.run(running, text, &mut on_output).await;
        let no_room = exchange.no_room;
        match &result {
            // The next one looks for a folder with room.
            Ok(_) if no_room => state.end(&self.session).await,
            Ok(_) => state.in_frame = false,
            Err(_) => state.drop_running(&self.session),
        }
        result
    }

    /// Tells whether it is running. Otherwise (it was lost, or made room for a transfer) the next frame starts it anew,
    /// and its `$$` is another one.
    pub async fn is_running(&self) -> bool {
        let state = self.state.lock().await;
        state.is_running() && !state.in_frame
    }

    /// What its connection has cost so far.
    pub fn stats(&self) -> super::session::Stats {
        self.session.counters.stats()
    }

    /// Ends the shell, which removes what it left on the host.
    pub async fn close(self) {
        self.state.lock().await.end(&self.session).await;
    }

    /// Starts the shell if it is not running; the answer to the greeting is read with the first frame's.
    async fn ensure(&self, state: &mut State) -> Result<(), Error> {
        if state.running.is_some() {
            return Ok(());
        }
        let token = crate::ssh::random_hex(16);
        let (process, rest) = self.session.start(self.wish.as_ref(), "", Reading::Kept).await?;
        let becomes = self.session.needed(self.wish.as_ref()).is_some();
        let orphans = self.session.take_orphans(self.wish.as_ref());
        let scratch = format!(".bringup-{}", crate::ssh::random_hex(8));
        let bootstrap = script::bootstrap(&token, &scratch, &orphans, becomes);
        let mut parser = Parser::new(&token);
        parser.push(&rest);
        // If it has ended already, the first frame finds out how.
        let _ = process.stdin.write(Bytes::from(bootstrap)).await;
        state.running =
            Some(Running { process, parser, scratch: None, name: scratch, next_id: 1, said: Tail::default() });
        Ok(())
    }
}

//! The long-lived shell: started once, used for frame after frame, started anew when it was lost.

use super::{
    answer::Parser,
    error::Error,
    exchange::Exchange,
    frame::{FrameEnd, Output, Segment, write_frame},
    process::{Reading, Tail},
    reached::{Counters, Reached, Stats},
    running::{Running, State},
    sudo::Become,
};
use crate::ssh::script;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A shell on a host, as one user. It ends when it is dropped.
pub struct Shell {
    session: Arc<Reached>,
    wish: Option<Become>,
    state: Arc<Mutex<State>>,
}

impl Shell {
    pub(crate) async fn open(session: Arc<Reached>, wish: Option<Become>) -> Result<Shell, Error> {
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
            self.session.adopt(state.abandon());
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
            Ok(_) if no_room => self.session.end(&mut state).await,
            Ok(_) => state.in_frame = false,
            Err(_) => self.session.adopt(state.abandon()),
        }
        result
    }

    /// Tells whether it is running. Otherwise (it was lost, or made room for a transfer) the next frame starts it anew,
    /// and its `$$` is another one.
    pub async fn is_running(&self) -> bool {
        let state = self.state.lock().await;
        state.is_running() && !state.in_frame
    }

    /// Its folder for output, by which scripts that run elsewhere find what was chosen for it.
    pub async fn scratch(&self) -> Option<String> {
        self.state.lock().await.running.as_ref().and_then(|running| running.scratch.clone())
    }

    /// What its connection has cost so far.
    pub fn stats(&self) -> Stats {
        self.session.counters.stats()
    }

    /// Ends the shell, which removes what it left on the host.
    pub async fn close(self) {
        self.session.end(&mut *self.state.lock().await).await;
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

//! What a host has decided and not confirmed. Changes that wait travel together with whatever is sent next, and are taken back together:
//! all that a play sends to its host's machines goes through here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    barrier::Position,
    guard::{Guard, Moved},
    ledger::{Confirmed, Item, Ledger},
    machine::{Actor, Machine, Work},
    outcome::Outcome,
    play_host::PlayHost,
    stop::{Snapshot, Stop},
    together::together,
};
use crate::{connection::Output, fact::Probe, report::Event};

/// What a host has decided and not confirmed.
pub struct Unconfirmed {
    of: PlayHost,
    ledger: Ledger,
    on: Option<(Arc<Machine>, Actor)>,
    guard: Guard,
}

impl Unconfirmed {
    /// Returns a host that waits for nothing.
    pub fn new(of: PlayHost) -> Unconfirmed {
        Unconfirmed { of, ledger: Ledger::default(), on: None, guard: Guard::default() }
    }

    /// Begins a task. Returns what its first items came to, where it is done again.
    pub fn begin(&mut self, position: &Position) -> Vec<Item> {
        self.ledger.begin(position)
    }

    /// Notes what an item of the task at work came to.
    pub fn note(&mut self, outcome: &Outcome) {
        self.ledger.note(outcome);
    }

    /// Takes over what an item came to before its task had to be done again.
    pub fn again(&mut self, item: Item) -> Outcome {
        self.ledger.again(item)
    }

    /// How often changes were planned anew because something else moved what they were planned on.
    pub fn moved(&mut self) -> &mut Moved {
        &mut self.ledger.moved
    }

    /// What is to be told of tasks that will never be confirmed.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.ledger.take_events()
    }

    /// Whether decisions so far wait for confirmation.
    pub fn any(&self) -> bool {
        self.ledger.any()
    }

    /// The machine that changes wait to be sent to.
    pub fn waiting_on(&self) -> Option<Arc<Machine>> {
        self.on.as_ref().filter(|_| self.any()).map(|(machine, _)| machine.clone())
    }

    /// Notes a decided task. Without changes outstanding it is reported at once.
    pub fn decide(&mut self, snapshot: Snapshot, position: &Position, events: Vec<Event>) {
        let events = self.ledger.decide(snapshot, position, events);
        self.tell(events);
    }

    fn tell(&self, events: Vec<Event>) {
        events.into_iter().for_each(|e| self.of.run.tell(e));
    }

    /// Puts changes of the task at work off, to travel with the next frame. `guard` tells what they were planned on.
    pub async fn put_off(
        &mut self,
        machine: &Arc<Machine>,
        actor: &Actor,
        scripts: Vec<Work>,
        guard: Guard,
    ) -> Result<(), Stop> {
        self.settle_on(machine, actor).await?;
        self.ledger.put_off(scripts);
        self.guard.add(guard);
        Ok(())
    }

    /// Makes sure that what is outstanding is for this machine and user, sending it otherwise.
    pub async fn settle_on(&mut self, machine: &Arc<Machine>, actor: &Actor) -> Result<(), Stop> {
        let same = self.on.as_ref().is_none_or(|(m, a)| Arc::ptr_eq(m, machine) && a == actor);
        if !same {
            self.flush().await?;
        }
        self.on = Some((machine.clone(), actor.clone()));
        Ok(())
    }

    /// Sends everything outstanding and reports it.
    pub async fn flush(&mut self) -> Result<(), Stop> {
        match self.on.clone() {
            Some((machine, actor)) if !self.ledger.scripts().is_empty() => {
                self.send_now(&machine, &actor, Vec::new(), &[]).await.map(|_| ())
            }
            _ => self.confirm(&[]),
        }
    }

    /// Sends everything outstanding, then `work`, then questions, as one frame. Returns the outputs of `work`.
    pub async fn send(
        &mut self,
        machine: &Arc<Machine>,
        actor: &Actor,
        work: Vec<Work>,
        probes: &[Probe],
    ) -> Result<Vec<Output>, Stop> {
        self.settle_on(machine, actor).await?;
        self.send_now(machine, actor, work, probes).await
    }

    async fn send_now(
        &mut self,
        machine: &Arc<Machine>,
        actor: &Actor,
        work: Vec<Work>,
        probes: &[Probe],
    ) -> Result<Vec<Output>, Stop> {
        let mut all = self.ledger.scripts();
        let outstanding = all.len();
        if let Some(first) = all.first_mut() {
            let guard = self.guard.script();
            first.script.insert_str(0, &guard);
            first.parts.iter_mut().for_each(|parts| parts.stage.insert_str(0, &guard));
        }
        let mut all = together(all);
        all.extend(work);
        if all.is_empty() && probes.is_empty() {
            return Ok(Vec::new());
        }
        let permit = self.of.run.permit().await;
        let (began, before) = (Instant::now(), machine.traffic());
        let sent = machine.send(actor, &all, probes).await;
        drop(permit);
        let after = machine.traffic();
        self.of.run.tell(Event::RoundTrip {
            host: self.of.host.name.clone(),
            duration: began.elapsed(),
            work: all.len(),
            questions: probes.len(),
            up: after.0 - before.0,
            down: after.1 - before.1,
        });
        self.notes(machine);
        match sent {
            Ok(mut outputs) => {
                let rest = outputs.split_off(outputs.len().min(outstanding));
                self.confirm(&outputs)?;
                Ok(rest)
            }
            Err((error, mut outputs)) => {
                outputs.truncate(outstanding);
                if outputs.len() == outstanding {
                    self.confirm(&outputs)?;
                } else {
                    let events = self.ledger.confirm_leading(outputs.len());
                    self.tell(events);
                }
                Err(Stop::Lost(error))
            }
        }
    }

    fn notes(&self, machine: &Machine) {
        for note in machine.take_notes() {
            self.of.run.tell(Event::Warning { message: format!("{}: {note}", machine.name) });
        }
    }

    /// Reports the outstanding tasks whose changes went through; goes back to the first whose did not.
    fn confirm(&mut self, outputs: &[Output]) -> Result<(), Stop> {
        let on = self.on.take();
        self.guard = Guard::default();
        let Confirmed { events, back } = self.ledger.confirm(outputs);
        self.tell(events);
        let Some(back) = back else { return Ok(()) };
        if let Some((machine, _)) = on {
            machine.forget_all();
        }
        Err(Stop::TakenBack(Box::new(back)))
    }

    /// Publishes how far the host has come, if it waits for nothing.
    pub fn reach(&self, position: &[u32]) {
        if !self.any() {
            self.of.batch.barrier.reach(&self.of.host.name, position);
        }
    }

    /// Sends everything outstanding, and waits until all hosts have done everything before `position`.
    pub async fn together(&mut self, position: &Position) -> Result<(), Stop> {
        self.flush().await?;
        let PlayHost { run, batch, host } = &self.of;
        batch.barrier.reach(&host.name, position);
        let began = Instant::now();
        batch.barrier.all_reached(position).await;
        if began.elapsed() > Duration::from_millis(1) {
            run.tell(Event::Waited { host: host.name.clone(), duration: began.elapsed() });
        }
        if batch.ended(position) { Err(Stop::Ended) } else { Ok(()) }
    }
}

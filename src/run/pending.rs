//! Changes that were decided and not sent yet: they travel together, and are taken back together.

use std::{sync::Arc, time::Instant};

use super::{
    barrier::Position,
    guard::{Guard, Moved},
    host::{HostRun, Snapshot, Stop},
    machine::{Actor, Machine, Work},
    outcome::Outcome,
    together::together,
};
use crate::{connection::Output, fact::Probe, report::Event};

/// What an item of a loop came to, kept in case a later one makes the host do the task again.
#[derive(Clone)]
pub struct Item {
    /// How it ended.
    pub outcome: Outcome,
    /// How many scripts it put off that are not confirmed.
    pub scripts: usize,
}

/// A task decided on predictions: its changes are not sent, or those before it are not confirmed.
struct Pending {
    snapshot: Snapshot,
    position: Position,
    scripts: Vec<Work>,
    events: Vec<Event>,
    items: Vec<Item>,
}

/// The task at work: what it has put off so far, and what its items came to.
#[derive(Default)]
pub struct Draft {
    /// Where it stands.
    position: Position,
    /// Put off and not sent.
    scripts: Vec<Work>,
    /// All items so far.
    items: Vec<Item>,
}

impl Draft {
    /// Notes what an item came to.
    pub fn note(&mut self, outcome: &Outcome) {
        let before: usize = self.items.iter().map(|i| i.scripts).sum();
        self.items.push(Item { outcome: outcome.clone(), scripts: self.scripts.len() - before });
    }

    /// Takes over what an item came to before its task had to be done again.
    pub fn again(&mut self, item: Item) -> Outcome {
        self.items.push(item.clone());
        item.outcome
    }
}

/// A task that is done again, and what its first items came to: they are not done twice.
#[derive(Default)]
struct Resume {
    position: Position,
    items: Vec<Item>,
}

/// What a host has decided and not confirmed.
#[derive(Default)]
pub struct Outstanding {
    tasks: Vec<Pending>,
    /// The task at work.
    pub draft: Draft,
    resume: Option<Resume>,
    on: Option<(Arc<Machine>, Actor)>,
    guard: Guard,
    /// How often changes were planned anew because something else moved what they were planned on.
    pub moved: Moved,
}

impl Outstanding {
    /// Begins a task. Returns what its first items came to, where it is done again.
    pub fn begin(&mut self, position: &Position) -> Vec<Item> {
        self.draft = Draft { position: position.clone(), ..Draft::default() };
        match self.resume.take() {
            Some(resume) if resume.position == *position => resume.items,
            _ => Vec::new(),
        }
    }

    /// What is to be told of tasks that will never be confirmed.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.tasks).into_iter().flat_map(|p| p.events).collect()
    }

    fn scripts(&self) -> Vec<Work> {
        self.tasks.iter().flat_map(|p| &p.scripts).chain(&self.draft.scripts).cloned().collect()
    }
}

/// How many of the items are confirmed by so many acknowledged scripts.
fn confirmed(items: &[Item], mut scripts: usize) -> Vec<Item> {
    let mut done = Vec::new();
    for item in items {
        if item.scripts > scripts {
            break;
        }
        scripts -= item.scripts;
        done.push(Item { scripts: 0, ..item.clone() });
    }
    done
}

impl HostRun {
    /// Whether decisions so far wait for confirmation.
    pub fn has_pending(&self) -> bool {
        !self.outstanding.tasks.is_empty() || !self.outstanding.draft.scripts.is_empty()
    }

    /// The machine that changes wait to be sent to.
    pub fn waiting_on(&self) -> Option<Arc<Machine>> {
        self.outstanding.on.as_ref().filter(|_| self.has_pending()).map(|(machine, _)| machine.clone())
    }

    /// Notes a decided task. Without changes outstanding it is reported at once.
    pub fn decide(&mut self, snapshot: Snapshot, position: &Position, events: Vec<Event>) {
        let Draft { scripts, items, .. } = std::mem::take(&mut self.outstanding.draft);
        if scripts.is_empty() && self.outstanding.tasks.is_empty() {
            events.into_iter().for_each(|e| self.run.tell(e));
            return;
        }
        self.outstanding.tasks.push(Pending { snapshot, position: position.clone(), scripts, events, items });
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
        self.outstanding.draft.scripts.extend(scripts);
        self.outstanding.guard.add(guard);
        Ok(())
    }

    /// Makes sure that what is outstanding is for this machine and user, sending it otherwise.
    pub async fn settle_on(&mut self, machine: &Arc<Machine>, actor: &Actor) -> Result<(), Stop> {
        let same = self.outstanding.on.as_ref().is_none_or(|(m, a)| Arc::ptr_eq(m, machine) && a == actor);
        if !same {
            self.flush().await?;
        }
        self.outstanding.on = Some((machine.clone(), actor.clone()));
        Ok(())
    }

    /// Sends everything outstanding and reports it.
    pub async fn flush(&mut self) -> Result<(), Stop> {
        match self.outstanding.on.clone() {
            Some((machine, actor)) if !self.outstanding.scripts().is_empty() => {
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
        let mut all = self.outstanding.scripts();
        let outstanding = all.len();
        if let Some(first) = all.first_mut() {
            let guard = self.outstanding.guard.script();
            first.script.insert_str(0, &guard);
            first.parts.iter_mut().for_each(|parts| parts.stage.insert_str(0, &guard));
        }
        let mut all = together(all);
        all.extend(work);
        if all.is_empty() && probes.is_empty() {
            return Ok(Vec::new());
        }
        let permit = self.run.permit().await;
        let (began, before) = (Instant::now(), machine.traffic());
        let sent = machine.send(actor, &all, probes).await;
        drop(permit);
        let after = machine.traffic();
        self.run.tell(Event::RoundTrip {
            host: self.host.name.clone(),
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
                    self.confirm_leading(&outputs);
                }
                Err(Stop::Lost(error))
            }
        }
    }

    fn notes(&self, machine: &Machine) {
        for note in machine.take_notes() {
            self.run.tell(Event::Warning { message: format!("{}: {note}", machine.name) });
        }
    }

    /// Reports the outstanding tasks whose changes went through; goes back to the first whose did not.
    fn confirm(&mut self, outputs: &[Output]) -> Result<(), Stop> {
        let tasks = std::mem::take(&mut self.outstanding.tasks);
        let on = self.outstanding.on.take();
        self.outstanding.guard = Guard::default();
        let moved = outputs.first().and_then(|o| Moved::seen(i32::from(o.status), &o.stdout));
        let mut outputs = outputs.iter();
        let mut good =
            |scripts: &[Work]| scripts.iter().take_while(|_| outputs.next().is_some_and(Output::success)).count();
        for task in tasks {
            let done = good(&task.scripts);
            if done < task.scripts.len() {
                self.frames = task.snapshot.frames;
                self.notified = task.snapshot.notified;
                self.host.restore(&task.snapshot.layers);
                let items = confirmed(&task.items, done);
                return Err(self.back(task.position, items, on, moved));
            }
            task.events.into_iter().for_each(|e| self.run.tell(e));
        }
        // The cursor still stands on the task at work.
        let draft = &mut self.outstanding.draft;
        let done = good(&draft.scripts);
        if done < draft.scripts.len() {
            let draft = std::mem::take(draft);
            let items = confirmed(&draft.items, done);
            return Err(self.back(draft.position, items, on, moved));
        }
        draft.scripts.clear();
        draft.items.iter_mut().for_each(|item| item.scripts = 0);
        Ok(())
    }

    /// What was done so far counts; the task at `position` is done again by itself, where its failure can be told
    /// whole, or is planned anew where something has moved under it.
    fn back(
        &mut self,
        position: Position,
        items: Vec<Item>,
        on: Option<(Arc<Machine>, Actor)>,
        moved: Option<String>,
    ) -> Stop {
        if let Some((machine, _)) = on {
            machine.forget_all();
        }
        match moved {
            Some(what) => self.outstanding.moved.note(&what),
            None => self.careful = Some(position.clone()),
        }
        self.outstanding.draft = Draft::default();
        self.outstanding.resume = Some(Resume { position, items });
        Stop::RolledBack
    }

    /// Reports what was acknowledged before a connection was lost.
    fn confirm_leading(&mut self, outputs: &[Output]) {
        let mut left = outputs.len();
        while let Some(task) = self.outstanding.tasks.first() {
            if task.scripts.len() > left {
                break;
            }
            left -= task.scripts.len();
            let task = self.outstanding.tasks.remove(0);
            task.events.into_iter().for_each(|e| self.run.tell(e));
        }
    }
}

//! The decisions of a host that wait for confirmation, in order: which of them an answer confirms, and where the host goes back to when one
//! did not go through. It sends nothing.

use super::{
    barrier::Position,
    guard::Moved,
    machine::Work,
    outcome::Outcome,
    stop::{Snapshot, TakenBack},
};
use crate::{connection::Output, report::Event};

/// What an item of a loop came to, kept in case a later one makes the host do the task again.
#[derive(Clone, Debug)]
pub struct Item {
    /// How it ended.
    pub outcome: Outcome,
    /// How many scripts it put off that are not confirmed.
    scripts: usize,
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
struct Draft {
    /// Where it stands.
    position: Position,
    /// Put off and not sent.
    scripts: Vec<Work>,
    /// All items so far.
    items: Vec<Item>,
}

/// A task that is done again, and what its first items came to: they are not done twice.
#[derive(Default)]
struct Resume {
    position: Position,
    items: Vec<Item>,
}

/// What answers have confirmed.
#[derive(Debug, Default)]
pub struct Confirmed {
    /// What can be told now.
    pub events: Vec<Event>,
    /// Where the host goes back to, for something did not go through.
    pub back: Option<TakenBack>,
}

/// The decisions that wait, in order.
#[derive(Default)]
pub struct Ledger {
    tasks: Vec<Pending>,
    draft: Draft,
    resume: Option<Resume>,
    /// How often changes were planned anew because something else moved what they were planned on.
    pub moved: Moved,
}

impl Ledger {
    /// Begins a task. Returns what its first items came to, where it is done again.
    pub fn begin(&mut self, position: &Position) -> Vec<Item> {
        self.draft = Draft { position: position.clone(), ..Draft::default() };
        match self.resume.take() {
            Some(resume) if resume.position == *position => resume.items,
            _ => Vec::new(),
        }
    }

    /// Notes scripts of the task at work that are not sent yet.
    pub fn put_off(&mut self, scripts: Vec<Work>) {
        self.draft.scripts.extend(scripts);
    }

    /// Notes what an item of the task at work came to.
    pub fn note(&mut self, outcome: &Outcome) {
        let before: usize = self.draft.items.iter().map(|i| i.scripts).sum();
        self.draft.items.push(Item { outcome: outcome.clone(), scripts: self.draft.scripts.len() - before });
    }

    /// Takes over what an item came to before its task had to be done again.
    pub fn again(&mut self, item: Item) -> Outcome {
        self.draft.items.push(item.clone());
        item.outcome
    }

    /// Notes that the task at work is decided; `snapshot` is what to go back to. Returns what can be told at once: all of it where nothing waits.
    pub fn decide(&mut self, snapshot: Snapshot, position: &Position, events: Vec<Event>) -> Vec<Event> {
        let Draft { scripts, items, .. } = std::mem::take(&mut self.draft);
        if scripts.is_empty() && self.tasks.is_empty() {
            return events;
        }
        self.tasks.push(Pending { snapshot, position: position.clone(), scripts, events, items });
        Vec::new()
    }

    /// Whether decisions so far wait for confirmation.
    pub fn any(&self) -> bool {
        !self.tasks.is_empty() || !self.draft.scripts.is_empty()
    }

    /// All scripts that wait, in order.
    pub fn scripts(&self) -> Vec<Work> {
        self.tasks.iter().flat_map(|p| &p.scripts).chain(&self.draft.scripts).cloned().collect()
    }

    /// What is to be told of tasks that will never be confirmed.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.tasks).into_iter().flat_map(|p| p.events).collect()
    }

    /// Takes the outputs of all scripts that waited. What was done so far counts; the first task whose changes did not go through is done
    /// again by itself, where its failure can be told whole, or is planned anew where something has moved under it.
    pub fn confirm(&mut self, outputs: &[Output]) -> Confirmed {
        let moved = outputs.first().and_then(|o| Moved::seen(i32::from(o.status), &o.stdout));
        let mut outputs = outputs.iter();
        let mut good =
            |scripts: &[Work]| scripts.iter().take_while(|_| outputs.next().is_some_and(Output::success)).count();
        let mut events = Vec::new();
        for task in std::mem::take(&mut self.tasks) {
            let done = good(&task.scripts);
            if done < task.scripts.len() {
                let items = confirmed(&task.items, done);
                let back = Some(self.take_back(Some(task.snapshot), task.position, items, moved));
                return Confirmed { events, back };
            }
            events.extend(task.events);
        }
        // The cursor still stands on the task at work.
        let done = good(&self.draft.scripts);
        if done < self.draft.scripts.len() {
            let draft = std::mem::take(&mut self.draft);
            let items = confirmed(&draft.items, done);
            return Confirmed { events, back: Some(self.take_back(None, draft.position, items, moved)) };
        }
        self.draft.scripts.clear();
        self.draft.items.iter_mut().for_each(|item| item.scripts = 0);
        Confirmed { events, back: None }
    }

    fn take_back(
        &mut self,
        to: Option<Snapshot>,
        position: Position,
        items: Vec<Item>,
        moved: Option<String>,
    ) -> TakenBack {
        let alone = match moved {
            Some(what) => {
                self.moved.note(&what);
                None
            }
            None => Some(position.clone()),
        };
        self.draft = Draft::default();
        self.resume = Some(Resume { position, items });
        TakenBack { to, alone }
    }

    /// Takes so many outputs that came before a connection was lost. Returns what can be told.
    pub fn confirm_leading(&mut self, mut outputs: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while self.tasks.first().is_some_and(|task| task.scripts.len() <= outputs) {
            let task = self.tasks.remove(0);
            outputs -= task.scripts.len();
            events.extend(task.events);
        }
        events
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Map;

    use super::*;
    use crate::{
        inventory::Layers,
        report::Status,
        run::{cursor::Cursor, program::Program},
    };

    fn snapshot() -> Snapshot {
        Snapshot { cursor: Cursor::new(Arc::new(Program::default()), vec![0]), layers: Layers::default() }
    }

    fn told(name: &str) -> Event {
        Event::Warning { message: name.to_owned() }
    }

    fn names(events: &[Event]) -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Warning { message } => message.clone(),
            other => format!("{other:?}"),
        };
        events.iter().map(name).collect()
    }

    /// Decides on a task with so many scripts.
    fn task(ledger: &mut Ledger, at: u32, scripts: usize) -> Vec<Event> {
        assert!(ledger.begin(&vec![at]).is_empty());
        ledger.put_off((0..scripts).map(|n| Work::new(format!("{at}-{n}"))).collect());
        ledger.decide(snapshot(), &vec![at], vec![told(&at.to_string())])
    }

    fn output(status: u8, stdout: &str) -> Output {
        Output { status, stdout: stdout.into(), stderr: Vec::new(), timed_out: false }
    }

    #[test]
    fn without_changes_that_wait_a_task_is_told_at_once() {
        let mut ledger = Ledger::default();
        assert_eq!(names(&task(&mut ledger, 1, 0)), ["1"]);
        assert!(task(&mut ledger, 2, 1).is_empty() && task(&mut ledger, 3, 0).is_empty() && ledger.any());
        let all = ledger.confirm(&[output(0, "")]);
        assert_eq!((names(&all.events), all.back.is_none(), ledger.any()), (vec!["2".into(), "3".into()], true, false));
    }

    #[test]
    fn the_first_task_that_did_not_go_through_is_done_again_by_itself() {
        let mut ledger = Ledger::default();
        for (at, scripts) in [(1, 1), (2, 2), (3, 1)] {
            task(&mut ledger, at, scripts);
        }
        let Confirmed { events, back } = ledger.confirm(&[output(0, ""), output(0, ""), output(1, "")]);
        let back = back.unwrap();
        assert_eq!((names(&events), back.alone, back.to.is_some()), (vec!["1".to_owned()], Some(vec![2]), true));
        assert!(!ledger.any());
    }

    #[test]
    fn items_that_went_through_are_not_done_twice() {
        let mut ledger = Ledger::default();
        ledger.begin(&vec![7]);
        for _ in 0..3 {
            ledger.put_off(vec![Work::new("x")]);
            ledger.note(&Outcome::new(Status::Changed, Map::new()));
        }
        let back = ledger.confirm(&[output(0, ""), output(0, ""), output(2, "")]).back.unwrap();
        // The task was at work: the cursor still stands on it.
        assert!(back.to.is_none() && back.alone == Some(vec![7]));
        let done = ledger.begin(&vec![7]);
        assert_eq!(done.len(), 2);
        done.into_iter().for_each(|item| assert_eq!(ledger.again(item).status, Status::Changed));
        ledger.put_off(vec![Work::new("x")]);
        ledger.note(&Outcome::new(Status::Changed, Map::new()));
        assert!(ledger.confirm(&[output(0, "")]).back.is_none());
        assert!(ledger.begin(&vec![7]).is_empty());
    }

    #[test]
    fn a_task_whose_ground_has_moved_is_planned_anew_with_others() {
        let mut ledger = Ledger::default();
        task(&mut ledger, 1, 1);
        let back = ledger.confirm(&[output(75, "bringup: moved: /etc/x")]).back.unwrap();
        assert!(back.alone.is_none() && back.to.is_some());
    }

    #[test]
    fn what_was_answered_before_a_connection_was_lost_is_told() {
        let mut ledger = Ledger::default();
        for (at, scripts) in [(1, 1), (2, 2), (3, 1)] {
            task(&mut ledger, at, scripts);
        }
        assert_eq!(names(&ledger.confirm_leading(2)), ["1"]);
        assert_eq!(names(&ledger.take_events()), ["2", "3"]);
    }
}

//! What is going on, below the results: a line per host and one for the whole run. On terminals only.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use console::style;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Event, Status, fields::Fields, shown::Shown};

/// The display of this process, so that questions and warnings can be put past it.
static DISPLAY: Mutex<Option<MultiProgress>> = Mutex::new(None);

fn display() -> Option<MultiProgress> {
    DISPLAY.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Does something with the terminal while the display is out of the way.
pub fn aside<T>(act: impl FnOnce() -> T) -> T {
    match display() {
        Some(display) => display.suspend(act),
        None => act(),
    }
}

/// Takes the display away for good.
pub fn end() {
    let gone = DISPLAY.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(display) = gone {
        // A terminal that is gone needs no clearing.
        let _ = display.clear();
        display.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Whether both streams are terminals.
pub fn possible() -> bool {
    console::user_attended() && console::user_attended_stderr()
}

/// At most so many hosts have a line of their own.
const ROWS: usize = 12;

/// The moving part of the display.
pub struct Live {
    display: MultiProgress,
    whole: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: HashMap<Shown, ProgressBar>,
    /// Hosts without a line, for lack of room.
    rest: Vec<Shown>,
    width: usize,
    tasks: usize,
    hosts: usize,
    done: usize,
    results: usize,
    per_host: HashMap<Shown, usize>,
    changed: usize,
    failed: usize,
}

impl Live {
    /// Begins to show.
    pub fn start() -> Live {
        let display = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12));
        *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(display.clone());
        let whole = display.add(ProgressBar::new_spinner());
        whole.set_style(line_style("{spinner:.green} {wide_msg} {elapsed:>6}"));
        whole.enable_steady_tick(Duration::from_millis(120));
        Live { display, whole, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an event.
    pub fn event(&self, event: &Event<Shown, Fields>) {
        let mut state = self.state();
        match event {
            Event::PlayStart { tasks, .. } => state.tasks = *tasks,
            Event::BatchStart { hosts } => self.batch(&mut state, hosts),
            Event::TaskRunning { task, host } => {
                if let Some(row) = state.rows.get(host) {
                    row.reset_elapsed();
                    row.set_message(format!("{}{}", nth(&state, host), task.name));
                }
            }
            Event::HostNote { host, note } => {
                if let Some(row) = state.rows.get(host) {
                    row.set_message(format!("{}{note}", nth(&state, host)));
                }
            }
            Event::Transfer { host, what, done, total } => {
                if let Some(row) = state.rows.get(host) {
                    row.set_message(format!(
                        "{} {what} {} of {}",
                        gauge(*done, *total),
                        HumanBytes(*done),
                        HumanBytes(*total)
                    ));
                }
            }
            Event::TaskResult { host, status, .. } => {
                state.results += 1;
                *state.per_host.entry(host.clone()).or_default() += 1;
                match status {
                    Status::Changed => state.changed += 1,
                    Status::Failed | Status::Unreachable => state.failed += 1,
                    _ => {}
                }
                if let Some(row) = state.rows.get(host) {
                    row.set_message(style(format!("{}…", nth(&state, host))).dim().to_string());
                }
            }
            Event::HostDone { host } => self.done(&mut state, host),
            _ => return,
        }
        self.whole.set_message(summary(&state));
    }

    fn batch(&self, state: &mut State, hosts: &[Shown]) {
        for (_, row) in state.rows.drain() {
            row.finish_and_clear();
            self.display.remove(&row);
        }
        state.hosts = hosts.len();
        state.done = 0;
        state.per_host.clear();
        state.width = hosts.iter().map(|h| h.chars().count()).max().unwrap_or(0).min(30);
        let height = usize::from(console::Term::stderr().size().0);
        let room = ROWS.min(height.saturating_sub(6).max(1));
        state.rest = hosts.iter().skip(room).rev().cloned().collect();
        hosts.iter().take(room).for_each(|host| self.row(state, host));
    }

    fn row(&self, state: &mut State, host: &Shown) {
        let row = self.display.insert_before(&self.whole, ProgressBar::new_spinner());
        row.set_style(line_style("{spinner:.cyan} {prefix} {wide_msg} {elapsed:>6}"));
        row.set_prefix(format!("{host:<width$.30}", width = state.width));
        row.enable_steady_tick(Duration::from_millis(120));
        state.rows.insert(host.clone(), row);
    }

    fn done(&self, state: &mut State, host: &Shown) {
        state.done += 1;
        state.rest.retain(|h| h != host);
        if let Some(row) = state.rows.remove(host) {
            row.finish_and_clear();
            self.display.remove(&row);
            if let Some(next) = state.rest.pop() {
                self.row(state, &next);
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        end();
    }
}

fn line_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// How far a host is: `12/100 `.
fn nth(state: &State, host: &Shown) -> String {
    let done = state.per_host.get(host).copied().unwrap_or(0);
    format!("{}/{} ", done, state.tasks.max(done))
}

fn summary(state: &State) -> String {
    let mut parts = vec![format!("{} of {} hosts done", state.done, state.hosts), format!("{} results", state.results)];
    if state.changed > 0 {
        parts.push(style(format!("{} changed", state.changed)).yellow().to_string());
    }
    if state.failed > 0 {
        parts.push(style(format!("{} failed", state.failed)).red().to_string());
    }
    if !state.rest.is_empty() {
        parts.push(format!("{} hosts not shown", state.rest.len()));
    }
    parts.join(", ")
}

/// A bar of text.
fn gauge(done: u64, total: u64) -> String {
    const WIDTH: u64 = 20;
    let filled = (done.min(total) * WIDTH).checked_div(total).unwrap_or(WIDTH) as usize;
    format!("{}{}", "━".repeat(filled), "─".repeat(WIDTH as usize - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_never_overflows() {
        assert_eq!(gauge(5, 10), "━━━━━━━━━━──────────");
        assert_eq!(gauge(7, 0), "━".repeat(20));
        assert_eq!(gauge(20, 10), "━".repeat(20));
    }
}

//! A JUnit report at the end of the run, for CI servers: a suite per play, a case per task and host.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indexmap::IndexMap;

use super::{Event, ForPeople, Status, failure, fields::Fields, shown::Shown, terminal};

struct Case {
    host: Shown,
    task: Shown,
    duration: Duration,
    status: Status,
    message: String,
    details: String,
}

/// Collects results and prints them as XML.
#[derive(Default)]
pub struct Junit(Mutex<IndexMap<Shown, Vec<Case>>>);

impl ForPeople for Junit {
    fn told(&self, event: Event<Shown, Fields>) {
        let mut plays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::TaskResult { task, host, status, duration, result, .. } => {
                let message = result.lines("msg").or_else(|| result.lines("skip_reason"));
                plays.entry(task.play).or_default().push(Case {
                    host,
                    task: task.name,
                    duration,
                    status,
                    message: message.unwrap_or_default(),
                    details: failure::details(&result),
                });
            }
            Event::Warning { message } => terminal::warn(&message),
            Event::Recap { .. } => {
                // A reader that is gone has no use for the rest.
                let _ = terminal::out(&xml(&plays));
            }
            Event::PlayStart { play, .. } => {
                plays.entry(play).or_default();
            }
            _ => {}
        }
    }
}

fn xml(plays: &IndexMap<Shown, Vec<Case>>) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (play, cases) in plays {
        let count = |wanted: &[Status]| cases.iter().filter(|c| wanted.contains(&c.status)).count();
        let time: Duration = cases.iter().map(|c| c.duration).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
            escape(play),
            cases.len(),
            count(&[Status::Failed]),
            count(&[Status::Unreachable]),
            count(&[Status::Skipped]),
            time.as_secs_f64()
        );
        cases.iter().for_each(|c| case(&mut out, c));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, case: &Case) {
    let (host, task) = (escape(&case.host), escape(&case.task));
    let _ =
        write!(out, "    <testcase classname=\"{host}\" name=\"{task}\" time=\"{:.3}\"", case.duration.as_secs_f64());
    let element = match case.status {
        Status::Failed => "failure",
        Status::Unreachable => "error",
        Status::Skipped => "skipped",
        _ => {
            out.push_str("/>\n");
            return;
        }
    };
    let (message, details) = (escape(&case.message), escape(&case.details));
    let _ = writeln!(out, ">\n      <{element} message=\"{message}\">{details}</{element}>\n    </testcase>");
}

/// Makes a text fit for XML; what XML cannot hold at all is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

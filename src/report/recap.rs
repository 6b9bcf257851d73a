//! The last lines of a run.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use console::style;

use super::{
    Certainty, Counts,
    fields::Fields,
    shown::{self, Shown},
};

/// What check mode leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undecided {
    /// Commands that would run.
    running: usize,
    /// Tasks that depend on what was not done.
    depending: usize,
    /// Commands that were not run and are taken to change nothing, for the playbook says so.
    reading: usize,
}

impl Undecided {
    /// Counts how a task ended.
    pub fn note(&mut self, certainty: &Certainty) {
        match certainty {
            Certainty::DependsOn(_) => self.depending += 1,
            Certainty::WouldRun => self.running += 1,
            Certainty::OnlyReads => self.reading += 1,
            Certainty::Known | Certainty::Open => {}
        }
    }
}

/// The values that tasks gave the run, each host's on a line and those of the run behind, as Ansible writes them.
pub fn stats(stats: &[(Option<Shown>, Fields)]) -> String {
    let mut out = String::new();
    for (host, values) in stats {
        let mut sorted = values.raw().clone();
        sorted.sort_all_objects();
        let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut text = Vec::new();
        // What was read into memory can be written there.
        let _ = serde::Serialize::serialize(&sorted, &mut serde_json::Serializer::with_formatter(&mut text, format));
        let text = shown::json(&String::from_utf8_lossy(&text).replace('\n', ""));
        let _ = match host {
            Some(host) => writeln!(out, "\t{host}: {text}"),
            None => writeln!(out, "\n\tRUN: {text}"),
        };
    }
    out
}

/// Ansible's recap, and what it comes to.
pub fn recap(
    hosts: &[(Shown, Counts)],
    duration: Duration,
    round_trips: &BTreeMap<Shown, u64>,
    check: bool,
    undecided: Undecided,
) -> String {
    let mut out = format!("\n{}\n", style("PLAY RECAP").bold());
    for (host, c) in hosts {
        // The name is padded before it is coloured: escapes have a width too.
        let name = format!("{host:<26}");
        let name = match (c.failed + c.unreachable > 0, c.changed > 0) {
            (true, _) => style(name).red(),
            (_, true) => style(name).yellow(),
            _ => style(name).green(),
        };
        let _ = writeln!(
            out,
            "{name} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={}",
            c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
        );
    }
    let trips = round_trips.values().sum();
    let _ = writeln!(
        out,
        "\n{}; {:.2} s, {}",
        verdict(hosts, check, undecided),
        duration.as_secs_f64(),
        count(trips, "round trip")
    );
    out
}

fn verdict(hosts: &[(Shown, Counts)], check: bool, undecided: Undecided) -> String {
    let Undecided { running, depending, reading } = undecided;
    let changes: u64 = hosts.iter().map(|(_, c)| u64::from(c.changed)).sum();
    let on = hosts.iter().filter(|(_, c)| c.changed > 0).count() as u64;
    let bad = hosts.iter().filter(|(_, c)| c.failed + c.unreachable > 0).count() as u64;
    let mut parts = Vec::new();
    if bad > 0 {
        parts.push(style(format!("{} failed or unreachable", count(bad, "host"))).red().to_string());
    }
    parts.push(match (changes, check) {
        (0, _) if bad > 0 => "nothing changed".to_owned(),
        (0, true) if running + depending == 0 => "no changes: all hosts are as described".to_owned(),
        (0, true) => "no changes foreseen".to_owned(),
        (0, false) => "nothing had to be changed".to_owned(),
        (n, true) => format!("{} to be made on {}", count(n, "change"), count(on, "host")),
        (n, false) => format!("{} made on {}", count(n, "change"), count(on, "host")),
    });
    if running > 0 {
        parts.push(format!("{} would run", count(running as u64, "command")));
    }
    if depending > 0 {
        let depend = if depending == 1 { "task depends" } else { "tasks depend" };
        parts.push(format!("{depending} {depend} on changes not made yet"));
    }
    if reading > 0 {
        let not_run =
            format!("{} that never changes anything (`changed_when: false`) not run", count(reading as u64, "command"));
        parts.push(if reading == 1 { not_run } else { not_run.replace("changes", "change") });
    }
    parts.join(", ")
}

/// A number with its noun.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_came_to() {
        let undecided = |running, depending, reading| Undecided { running, depending, reading };
        let hosts = |changed, failed| vec![(Shown::line("h1"), Counts { ok: 3, changed, failed, ..Counts::default() })];
        assert_eq!(verdict(&hosts(0, 0), true, undecided(0, 0, 0)), "no changes: all hosts are as described");
        assert_eq!(
            verdict(&hosts(2, 0), true, undecided(1, 2, 0)),
            "2 changes to be made on 1 host, 1 command would run, 2 tasks depend on changes not made yet"
        );
        assert_eq!(verdict(&hosts(0, 0), true, undecided(1, 0, 0)), "no changes foreseen, 1 command would run");
        assert_eq!(
            verdict(&hosts(0, 0), true, undecided(0, 0, 2)),
            "no changes: all hosts are as described, 2 commands that never change anything (`changed_when: false`) not run"
        );
        assert_eq!(verdict(&hosts(0, 0), false, undecided(0, 0, 0)), "nothing had to be changed");
        assert_eq!(verdict(&hosts(1, 0), false, undecided(0, 0, 0)), "1 change made on 1 host");
        assert_eq!(verdict(&hosts(0, 1), false, undecided(0, 0, 0)), "1 host failed or unreachable, nothing changed");
    }
}

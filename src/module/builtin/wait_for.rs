//! `ansible.builtin.wait_for`: waits for a port, a file, or a text in one.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/wait_for_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, CheckMode, Context, Described, Failure, List, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, Whole, path,
        regexp::{Characters, Pattern},
    },
    sh::{self, quote},
};

/// Parameters of `wait_for`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// The port to connect to.
    port: Option<Whole>,
    /// The host whose port it is, as seen from the managed host.
    #[serde(default = "here")]
    host: Text,
    /// The path to look at.
    path: Option<Text>,
    /// What to wait for: `started` or `present`, `stopped` or `absent`, `drained` (no open connections).
    #[serde(default)]
    state: Wanted,
    /// A text to wait for, in what the port sends or the file holds: a regular expression of Python's, in which `^` and
    /// `$` are at each line. One that `grep` has too is looked for in the whole file, any other in its last 4 MiB.
    search_regex: Option<Text>,
    /// Seconds to wait at most. Alone, without port and path, it is what is waited.
    #[serde(default = "five_minutes")]
    timeout: Whole,
    /// Seconds to wait for a connection.
    #[serde(default = "five")]
    connect_timeout: Whole,
    /// Seconds to wait before looking.
    #[serde(default)]
    delay: Whole,
    /// Seconds between looks.
    #[serde(default = "one")]
    sleep: Whole,
    /// What to say when it did not come about.
    msg: Option<Text>,
    /// Which connections count with `state: drained`.
    #[serde(default = "active")]
    active_connection_states: List<Text>,
    /// Addresses whose connections do not count with `state: drained`.
    #[serde(default)]
    exclude_hosts: List<Text>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    /// The port is open, or the path is there.
    #[default]
    Started,
    /// The same.
    Present,
    /// The port is closed.
    Stopped,
    /// The path is not there, or the port is closed.
    Absent,
    /// The port has no open connections.
    Drained,
}

fn here() -> Text {
    Text("127.0.0.1".to_owned())
}

fn five_minutes() -> Whole {
    Whole(300)
}

fn five() -> Whole {
    Whole(5)
}

fn one() -> Whole {
    Whole(1)
}

/// Names of connection states and how the kernel writes them.
const STATES: [(&str, &str); 11] = [
    ("ESTABLISHED", "01"),
    ("SYN_SENT", "02"),
    ("SYN_RECV", "03"),
    ("FIN_WAIT1", "04"),
    ("FIN_WAIT2", "05"),
    ("TIME_WAIT", "06"),
    ("CLOSE", "07"),
    ("CLOSE_WAIT", "08"),
    ("LAST_ACK", "09"),
    ("LISTEN", "0A"),
    ("CLOSING", "0B"),
];

fn active() -> List<Text> {
    let names = ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"];
    List(names.map(|n| Text(n.to_owned())).to_vec())
}

impl Described for WaitFor {
    const NAME: &'static str = "ansible.builtin.wait_for";
    const SUMMARY: &'static str = "Waits for a port, a file, or a text in one";
    const EXAMPLES: &'static str = "\
- name: the API answers
  ansible.builtin.wait_for:
    port: 6443
    timeout: 60

- name: the old process is gone
  ansible.builtin.wait_for:
    path: /run/example.pid
    state: absent

- name: it says that it is ready
  ansible.builtin.wait_for:
    path: /var/log/example.log
    search_regex: ready to serve
";
    const RETURNS: Returns = &[&[
        Return::whole("elapsed", "always", "How many seconds it waited"),
        Return::text("state", "always", "What it waited for"),
        Return::whole("port", "always", "The port, where there is one"),
        Return::text("path", "always", "The path, where there is one"),
        Return::text("search_regex", "always", "The pattern, where there is one"),
        Return::list("match_groups", "always", "What the groups of the pattern matched"),
        Return::map("match_groupdict", "always", "What the named groups of the pattern matched"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.port.is_some() && self.path.is_some() {
            return Err(ParameterError::task("port and path parameter can not both be passed to wait_for"));
        }
        if self.path.is_some() && matches!(self.state, Wanted::Stopped | Wanted::Drained) {
            let message = "state=stopped and state=drained should only be used for checking a port";
            return Err(ParameterError::new("state", message));
        }
        if !self.exclude_hosts.0.is_empty() && self.state != Wanted::Drained {
            return Err(ParameterError::new("exclude_hosts", "exclude_hosts should only be with state=drained"));
        }
        if self.port.is_some_and(|p| !(1..=65535).contains(&p.0)) {
            return Err(ParameterError::new("port", "a port is a number from 1 to 65535"));
        }
        if let Some(regex) = &self.search_regex {
            Pattern::new(&regex.0, true).map_err(|why| ParameterError::new("search_regex", why))?;
        }
        for name in &self.active_connection_states.0 {
            if !STATES.iter().any(|(n, _)| *n == name.0) {
                let message = format!("unknown active_connection_state ({}) defined", name.0);
                return Err(ParameterError::new("active_connection_states", message));
            }
        }
        Ok(())
    }
}

impl WaitFor {
    /// A script that succeeds when it is as wanted.
    fn script(&self, context: &Context<'_>, state: &State) -> Result<Option<String>, PlanError> {
        if let Some(path) = &self.path {
            let word = path::absolute(context, state, &path.0)?;
            let word = quote(&word);
            return Ok(Some(match (self.state, &self.search_regex) {
                (Wanted::Absent, _) => format!("[ ! -e {word} ] && [ ! -L {word} ]\n"),
                (_, Some(regex)) => match for_grep(&regex.0) {
                    Some(regex) => format!(
                        "[ -e {word} ] && grep -aE -e {} -- {word} 2>/dev/null | head -c {MOST}\n",
                        quote(&regex)
                    ),
                    None => format!("[ -e {word} ] && tail -c {MOST} -- {word} 2>/dev/null\n"),
                },
                _ => format!("[ -e {word} ]\n"),
            }));
        }
        let Some(port) = self.port else { return Ok(None) };
        let hex = format!("{:04X}", port.0);
        let (host, seconds) = (quote(&self.host.0), self.connect_timeout.0.max(1));
        let test = match (self.state, &self.search_regex) {
            (Wanted::Stopped | Wanted::Absent, _) => format!("! reach {host} {} {seconds} {hex}\n", port.0),
            (Wanted::Drained, _) => {
                let codes = STATES.iter().filter(|(n, _)| self.active_connection_states.0.iter().any(|s| s.0 == *n));
                let codes: Vec<&str> = codes.map(|(_, c)| *c).collect();
                let excluded: Vec<String> = self.exclude_hosts.0.iter().filter_map(|h| kernel_address(&h.0)).collect();
                format!("! connections {hex} '{}' '{}'\n", codes.join(" "), excluded.join(" "))
            }
            (_, Some(_)) => {
                format!("reach {host} {0} {seconds} {hex} && banner {host} {0} {seconds} | head -c {MOST}\n", port.0)
            }
            _ => format!("reach {host} {} {seconds} {hex}\n", port.0),
        };
        Ok(Some(format!("{}{test}", sh::file!("wait_for.sh"))))
    }

    /// What the answer of the script must match.
    fn pattern(&self) -> Option<Pattern> {
        let wanted = matches!(self.state, Wanted::Started | Wanted::Present);
        // It was checked: one that is none does not get here.
        self.search_regex.as_ref().filter(|_| wanted).and_then(|regex| Pattern::new(&regex.0, true).ok())
    }

    /// The fields of what has come about, given what was read.
    fn matched(&self, elapsed: u64, read: &[u8]) -> Map<String, Json> {
        let mut fields = self.fields(elapsed);
        let Some(pattern) = self.pattern() else { return fields };
        let text = Characters::of(read);
        let Ok(Some(found)) = pattern.captures(&text.text) else { return fields };
        let group = |group: usize| found.get(group).map_or(Json::Null, |text| json!(text));
        let named = pattern.names().map(|(name, number)| (name.to_owned(), group(number)));
        fields.insert("match_groupdict".into(), Json::Object(named.collect()));
        fields.insert("match_groups".into(), (1..pattern.groups()).map(group).collect());
        fields
    }

    fn question(script: &str) -> Probe {
        Probe::Script { script: script.to_owned(), reads: vec![Resource::Anything] }
    }

    fn fields(&self, elapsed: u64) -> Map<String, Json> {
        let text = |t: &Option<Text>| t.as_ref().map_or(Json::Null, |t| json!(t.0));
        Map::from_iter([
            ("elapsed".to_owned(), json!(elapsed)),
            ("state".to_owned(), json!(format!("{:?}", self.state).to_lowercase())),
            ("port".to_owned(), self.port.map_or(Json::Null, |p| json!(p.0))),
            ("path".to_owned(), text(&self.path)),
            ("search_regex".to_owned(), text(&self.search_regex)),
            ("match_groups".to_owned(), json!([])),
            ("match_groupdict".to_owned(), json!({})),
        ])
    }

    fn timed_out(&self) -> String {
        if let Some(msg) = &self.msg {
            return msg.0.clone();
        }
        let what = match (&self.path, self.port) {
            (Some(path), _) => path.0.clone(),
            (None, Some(port)) => format!("{}:{}", self.host.0, port.0),
            (None, None) => "the time to pass".to_owned(),
        };
        match (self.state, &self.search_regex) {
            (Wanted::Absent, _) if self.path.is_some() => format!("Timeout when waiting for {what} to be absent."),
            (Wanted::Stopped | Wanted::Absent, _) => format!("Timeout when waiting for {what} to stop."),
            (Wanted::Drained, _) => format!("Timeout when waiting for {what} to drain"),
            (_, Some(regex)) => format!("Timeout when waiting for search string {} in {what}", regex.0),
            (_, None) if self.path.is_some() => format!("Timeout when waiting for file {what}"),
            _ => format!("Timeout when waiting for {what}"),
        }
    }
}

/// How many bytes of a file or of what a port sends are looked at here.
const MOST: usize = 4 << 20;

/// An expression as grep(1) has it, where it says line by line what Python's says; what it finds is looked at again here.
fn for_grep(regex: &str) -> Option<String> {
    let mut translated = String::new();
    let mut rest = regex.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next()? {
                'd' => translated.push_str("[0-9]"),
                'w' => translated.push_str("[[:alnum:]_]"),
                sign if sign.is_ascii_punctuation() => translated.extend(['\\', sign]),
                _ => return None,
            },
            '(' if rest.peek() == Some(&'?') => {
                rest.next();
                match (rest.next()?, rest.peek()) {
                    (':', _) => {}
                    ('P', Some('<')) => drop(rest.by_ref().find(|c| *c == '>')?),
                    _ => return None,
                }
                translated.push('(');
            }
            // A set may hold line ends and escapes, braces may be meant as such, and a second sign behind another is Python's own.
            '[' | '{' | '\n' | '\0' => return None,
            '*' | '+' | '?' if matches!(rest.peek(), Some('*' | '+' | '?')) => return None,
            other => translated.push(other),
        }
    }
    Some(translated)
}

/// An IPv4 address as `/proc/net/tcp` writes it.
fn kernel_address(address: &str) -> Option<String> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let [a, b, c, d] = address.octets();
    Some(format!("{d:02X}{c:02X}{b:02X}{a:02X}"))
}

fn seconds(whole: Whole) -> Duration {
    Duration::from_secs(whole.0.clamp(0, 1_000_000).unsigned_abs())
}

impl Module for WaitFor {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        if self.delay.0 > 0 {
            return Vec::new();
        }
        match self.script(context, state) {
            Ok(script) => script.iter().map(|s| WaitFor::question(s)).collect(),
            Err(PlanError::Missing(missing)) => super::copy::unread(missing),
            Err(PlanError::Failed(_)) => Vec::new(),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let mut plan =
            Plan { changed: Some(false), check_mode: CheckMode::Skip, result: self.fields(0), ..Plan::default() };
        let wait = |time: Duration, what: &str| {
            Change::open(what, Step::Wait { time: Some(time), prompt: format!("{what} for {} s", time.as_secs()) })
        };
        let Some(script) = self.script(context, state)? else {
            if self.delay.0 > 0 {
                plan.changes.push(wait(seconds(self.delay), "wait before that"));
            }
            plan.changes.push(wait(seconds(self.timeout), "wait"));
            return Ok(plan);
        };
        if self.delay.0 > 0 {
            plan.changes.push(wait(seconds(self.delay), "wait before looking"));
        } else {
            let answer = state.script(&WaitFor::question(&script))?;
            if answer.status == 90 {
                return Err(Failure::said(answer).into());
            }
            if answer.status == 0 && self.pattern().is_none_or(|pattern| pattern.is_in(&answer.stdout)) {
                plan.result = self.matched(0, &answer.stdout);
                return Ok(plan);
            }
        }
        let until = Step::Until {
            script,
            timeout: seconds(self.timeout),
            sleep: seconds(self.sleep).max(Duration::from_millis(100)),
            matching: self.pattern(),
        };
        plan.changes.push(Change::open("wait", until));
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let elapsed = outputs.iter().map(|o| o.duration).sum::<Duration>().as_secs();
        if outputs.is_empty() {
            return Ok(plan.result.clone());
        }
        match outputs.iter().find(|o| o.status != 0 || o.error.is_some()) {
            Some(_) => Err(Failure::new(self.timed_out()).fields(self.fields(elapsed))),
            None => Ok(self.matched(elapsed, outputs.last().map_or(&[], |output| &output.stdout))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::for_grep;

    #[test]
    fn grep_is_asked_only_what_it_knows() {
        let cases = [
            ("completed", Some("completed")),
            (r"completed (?P<foo>\w+) (?:\d+)\.$", Some(r"completed ([[:alnum:]_]+) ([0-9]+)\.$")),
            (r"a+?", None),
            (r"\bword", None),
            (r"[^x]", None),
            ("(?i)ready", None),
            (r"a\s", None),
            (r"(a)\1", None),
        ];
        for (python, grep) in cases {
            assert_eq!(for_grep(python).as_deref(), grep, "{python}");
        }
    }
}

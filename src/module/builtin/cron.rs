//! `ansible.builtin.cron`: jobs that run at their times.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/cron_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::group::Presence;
use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text,
        edit::{Edit, joined},
        ownership::Attributes,
    },
    sh::{self, print, quote},
};

/// Parameters of `cron`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The job's name, by which it is found again; with `env` the variable's.
    name: Text,
    /// The command; with `env` the variable's value.
    #[serde(default, alias = "value")]
    #[schemars(extend("x-aliases" = ["value"]))]
    job: Option<Text>,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// Whose table; with `cron_file` as whom the job runs.
    #[serde(default)]
    user: Option<Text>,
    /// A file in `/etc/cron.d`, by name or path, in the place of a user's table.
    #[serde(default)]
    cron_file: Option<Text>,
    /// Minute: `0`–`59`, `*`, `*/5` …
    #[serde(default)]
    minute: Option<Text>,
    /// Hour.
    #[serde(default)]
    hour: Option<Text>,
    /// Day of the month.
    #[serde(default, alias = "dom")]
    #[schemars(extend("x-aliases" = ["dom"]))]
    day: Option<Text>,
    /// Month.
    #[serde(default)]
    month: Option<Text>,
    /// Day of the week, Sunday is 0.
    #[serde(default, alias = "dow")]
    #[schemars(extend("x-aliases" = ["dow"]))]
    weekday: Option<Text>,
    /// A time with a name: `reboot`, `hourly`, `daily`, `weekly`, `monthly`, `annually`, `yearly`.
    #[serde(default)]
    special_time: Option<Text>,
    /// Keep the job, but commented out.
    #[serde(default)]
    disabled: Flag,
    /// It is about a variable of the table.
    #[serde(default)]
    env: Flag,
    /// Put a new variable behind this one.
    #[serde(default)]
    insertafter: Option<Text>,
    /// Put a new variable before this one.
    #[serde(default)]
    insertbefore: Option<Text>,
    /// Keep the old `cron_file`.
    #[serde(default)]
    backup: Flag,
}

const SPECIAL: &[&str] = &["reboot", "yearly", "annually", "monthly", "weekly", "daily", "hourly"];

/// What stands above each job, by which Ansible's own runs find it too.
const MARK: &str = "#Ansible: ";

impl Described for Cron {
    const NAME: &'static str = "ansible.builtin.cron";
    const SUMMARY: &'static str = "Runs jobs at their times";
    const EXAMPLES: &'static str = "\
- name: Save etcd every night
  ansible.builtin.cron:
    name: save etcd
    cron_file: etcd-backup
    user: root
    minute: 30
    hour: 3
    job: /usr/local/sbin/etcd-backup
";
    const RETURNS: Returns = &[&[
        Return::list("jobs", "always", "The names of the jobs in the table"),
        Return::list("envs", "always", "The names of the variables in the table"),
        Return::text("backup_file", "with `backup`, when the table changed", "Where the table as it was is kept"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let texts = [Some(&self.name), self.job.as_ref(), self.special_time.as_ref(), self.user.as_ref()];
        if texts.into_iter().flatten().any(|t| t.0.contains('\n')) {
            return Err(ParameterError::task("name, job and user stand in one line each"));
        }
        if self.state == Presence::Present && self.job.is_none() {
            return Err(ParameterError::new(
                "job",
                "it is missing: You must specify 'job' to install a new cron job or variable",
            ));
        }
        if self.special_time.as_ref().is_some_and(|s| !SPECIAL.contains(&s.0.as_str())) {
            return Err(ParameterError::new("special_time", format!("it is one of {}", SPECIAL.join(", "))));
        }
        let times = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        if self.special_time.is_some() && times.iter().any(|t| t.as_ref().is_some_and(|t| t.0 != "*")) {
            return Err(ParameterError::new("special_time", "other times cannot stand beside it"));
        }
        if times.iter().any(|t| t.as_ref().is_some_and(|t| t.0.is_empty() || t.0.contains(char::is_whitespace))) {
            return Err(ParameterError::task("a time field holds no blanks"));
        }
        if self.cron_file.is_some() && self.user.is_none() && !self.env.0 && self.state == Presence::Present {
            return Err(ParameterError::new("user", "it is missing: jobs of a `cron_file` name their user"));
        }
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(ParameterError::task("`insertafter` and `insertbefore` exclude each other"));
        }
        Ok(())
    }
}

impl Cron {
    fn file(&self) -> Option<String> {
        let file = &self.cron_file.as_ref()?.0;
        Some(if file.starts_with('/') { file.clone() } else { format!("/etc/cron.d/{file}") })
    }

    fn owner<'a>(&'a self, context: &'a Context<'_>) -> &'a str {
        self.user.as_ref().map_or(context.user, |u| &u.0)
    }

    /// The user's table; it may have none, or be yet to come. One that cannot be read is not taken for empty: it would be overwritten.
    fn question(&self, context: &Context<'_>) -> Probe {
        let user = quote(self.owner(context)).into_owned();
        let script = format!("user={user}\n{}", sh::file!("cron.sh"));
        Probe::Script { script, reads: vec![Resource::Path("/var/spool/cron".to_owned())] }
    }

    fn line(&self) -> String {
        let job = self.job.as_ref().map_or("", |j| j.0.trim());
        if self.env.0 {
            return format!("{}=\"{job}\"", self.name.0);
        }
        let field = |text: &Option<Text>| text.as_ref().map_or("*".to_owned(), |t| t.0.clone());
        let time = match &self.special_time {
            Some(special) => format!("@{}", special.0),
            None => [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(field).join(" "),
        };
        let user = match (&self.cron_file, &self.user) {
            (Some(_), Some(user)) => format!("{} ", user.0),
            _ => String::new(),
        };
        format!("{}{time} {user}{job}", if self.disabled.0 { "#" } else { "" })
    }

    /// The table's lines as they are to be.
    fn lines(&self, before: &str) -> Result<Vec<String>, Failure> {
        let lines: Vec<String> = before.lines().map(str::to_owned).collect();
        if self.env.0 { self.variables(lines) } else { Ok(self.jobs(&lines)) }
    }

    fn jobs(&self, lines: &[String]) -> Vec<String> {
        let mark = format!("{MARK}{}", self.name.0);
        let mut new = Vec::new();
        let mut placed = self.state == Presence::Absent;
        let mut old = lines.iter();
        while let Some(line) = old.next() {
            if *line != mark {
                new.push(line.clone());
                continue;
            }
            // The line behind the mark is the job.
            old.next();
            if !placed {
                new.extend([mark.clone(), self.line()]);
                placed = true;
            }
        }
        if !placed {
            new.extend([mark, self.line()]);
        }
        new
    }

    fn variables(&self, mut lines: Vec<String>) -> Result<Vec<String>, Failure> {
        let is = |line: &str, name: &str| line.split_once('=').is_some_and(|(n, _)| n.trim() == name);
        let at = lines.iter().position(|l| is(l, &self.name.0));
        match (self.state, at) {
            (Presence::Absent, Some(at)) => drop(lines.remove(at)),
            (Presence::Present, Some(at)) => lines[at] = self.line(),
            (Presence::Absent, None) => {}
            (Presence::Present, None) => {
                let place = match (&self.insertafter, &self.insertbefore) {
                    (Some(name), _) | (None, Some(name)) => {
                        let found = lines.iter().position(|l| is(l, &name.0));
                        let found =
                            found.ok_or_else(|| Failure::new(format!("Variable named '{}' not found.", name.0)))?;
                        found + usize::from(self.insertafter.is_some())
                    }
                    (None, None) => 0,
                };
                lines.insert(place, self.line());
            }
        }
        Ok(lines)
    }

    fn result(&self, lines: &[String]) -> Map<String, Json> {
        let jobs: Vec<_> = lines.iter().filter_map(|l| l.strip_prefix(MARK)).collect();
        let variables: Vec<_> = lines
            .iter()
            .filter(|l| !l.starts_with('#'))
            .filter_map(|l| l.split_once('=').map(|(n, _)| n.trim()))
            .filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
            .collect();
        Map::from_iter([("jobs".to_owned(), json!(jobs)), ("envs".to_owned(), json!(variables))])
    }

    fn attributes(mode: &Mode) -> Attributes<'_> {
        Attributes { mode: Some(mode), ..Attributes::default() }
    }

    /// A file of `/etc/cron.d`.
    fn plan_file(&self, context: &Context<'_>, state: &State, file: &str) -> Result<Plan, PlanError> {
        let mode = Mode::Bits(0o644);
        let edit = Edit { path: file, attributes: Cron::attributes(&mode), backup: self.backup.0, validate: None };
        let present = edit.present(context, state)?;
        let text = String::from_utf8_lossy(present.bytes.unwrap_or_default()).into_owned();
        let lines = self.lines(&text)?;
        let result = self.result(&lines);
        let same = lines.iter().map(String::as_str).eq(text.lines());
        if same && (present.bytes.is_some() || self.state == Presence::Absent) {
            return Ok(Plan::ok(result));
        }
        let mut plan = edit.plan(context, state, &present, joined(&lines).as_bytes(), "")?;
        let backup = plan.result.remove("backup");
        plan.result = result;
        plan.result.extend(backup.map(|b| ("backup_file".to_owned(), b)));
        Ok(plan)
    }
}

impl Module for Cron {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.file() {
            Some(file) => {
                let mode = Mode::Bits(0o644);
                Edit { path: &file, attributes: Cron::attributes(&mode), backup: false, validate: None }
                    .probe(context, state)
            }
            None => vec![self.question(context)],
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if let Some(file) = self.file() {
            return self.plan_file(context, state, &file);
        }
        let question = self.question(context);
        let answer = state.script(&question)?;
        if answer.status != 0 {
            return Err(Failure::said(answer).into());
        }
        let text = answer.text();
        let lines = self.lines(&text)?;
        let mut plan = Plan::ok(self.result(&lines));
        if lines.iter().map(String::as_str).eq(text.lines()) {
            return Ok(plan);
        }
        let (owner, after) = (self.owner(context).to_owned(), joined(&lines));
        let script = format!("{} | crontab -u {} -\n", print(after.as_bytes()), quote(&owner));
        let writes = vec![Resource::Path("/var/spool/cron".to_owned())];
        plan.changes.push(Change::closed(format!("write the crontab of {owner}"), Step::Script(script), writes));
        let header = format!("crontab of {owner}");
        plan.diff.push(Diff {
            before: text,
            after: after.clone(),
            before_header: header.clone(),
            after_header: header,
        });
        let stdout = after.into_bytes();
        plan.predictions.push((question, Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        Ok(plan)
    }
}

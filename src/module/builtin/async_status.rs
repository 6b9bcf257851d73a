//! `ansible.builtin.async_status`: how a task in the background is doing.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/async_status_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Failure, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        StepOutput, Text, default_finish, process,
    },
    playbook::About,
    sh::quote,
};

/// Where jobs have their files, below the user's home.
pub const FOLDER: &str = "~/.ansible_async";

/// Parameters of `async_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AsyncStatus {
    /// The job, as `ansible_job_id` names it.
    jid: Text,
    /// Whether to tell of the job, or to take its files away.
    #[serde(default)]
    mode: Mode,
}

/// What is wanted of a job.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// How it is doing.
    #[default]
    Status,
    /// Its files are taken away.
    Cleanup,
}

impl Described for AsyncStatus {
    const NAME: &'static str = "ansible.builtin.async_status";
    const ABOUT: About = About { background: false, ..About::PLAIN };
    const SUMMARY: &'static str = "Tells how a task in the background is doing";
    const EXAMPLES: &'static str = "\
- name: the long one
  ansible.builtin.command: /usr/bin/index --all
  async: 1000
  poll: 0
  register: job

- name: it is done
  ansible.builtin.async_status:
    jid: \"{{ job.ansible_job_id }}\"
  register: result
  until: result is finished
  retries: 100
  delay: 10
";
    const RETURNS: Returns = &[&[
        Return::text("ansible_job_id", "always", "The job"),
        Return::whole("started", "mode is status", "1"),
        Return::whole("finished", "mode is status", "1 once the job is over, else 0"),
        Return::text("results_file", "mode is status", "The job's file on the host"),
        Return::text("erased", "mode is cleanup", "The file that was taken away").untried("a run makes the job"),
        Return::text("stdout", "the job is a command's; empty until it is over", "What it printed")
            .untried("a run makes the job"),
        Return::text("stderr", "the job is a command's; empty until it is over", "What it printed as errors")
            .untried("a run makes the job"),
        Return::any("cmd", "the job is over", "And all that the command's own result has")
            .untried("a run makes the job"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self.jid.0.starts_with('.') || self.jid.0.is_empty() || !self.jid.0.chars().all(fits) {
            true => Err(ParameterError::new("jid", "this is no job: take `ansible_job_id` of the task's result")),
            false => Ok(()),
        }
    }
}

/// The script that leaves others running, one after the other until one fails.
///
/// What each prints stands in files of its own behind the job's name, and beside them what a later run makes a result of.
pub fn launch(job: &str, scripts: &[String], plan: &Plan, limit: u64) -> String {
    let told = match plan.result.get("cmd") {
        Some(cmd) => json!({ "cmd": cmd }),
        None => {
            let what: Vec<&str> = plan.changes.iter().map(|change| change.what.as_str()).collect();
            json!({ "result": plan.result, "what": what, "changed": plan.would_change() })
        }
    };
    let (job, told) = (quote(job), told.to_string());
    let mut commands = String::new();
    for (index, script) in scripts.iter().enumerate() {
        commands.push_str(&format!(
            "sh -c {} > \"$1.{index}.out\" 2> \"$1.{index}.err\" < /dev/null; s=$?; echo \"$s\" > \"$1.{index}.rc\"; [ \"$s\" = 0 ] || exit \"$s\"\n",
            quote(script)
        ));
    }
    // In a session of its own all that it has started ends with it.
    format!(
        "umask 077\nd=\"${{ANSIBLE_ASYNC_DIR:-$HOME/.ansible_async}}\"; mkdir -p \"$d\" || exit 1\nf=\"$d\"/{job}; echo \"$f\"\n\
         printf '%s' {} > \"$f.cmd\" && date +%s > \"$f\" || exit 1\n\
         o=; ! command -v setsid > /dev/null || o=setsid\n\
         ( trap '' HUP\n\
         $o sh -c {} sh \"$f\" > /dev/null 2>&1 < /dev/null &\n p=$!\n\
         ( sleep {limit}; [ ! -f \"$f.rc\" ] && kill -0 \"$p\" 2> /dev/null && : > \"$f.late\" && \
         {{ kill -KILL \"-$p\" 2> /dev/null || kill \"$p\" 2> /dev/null; }} ) > /dev/null 2>&1 < /dev/null & w=$!\n\
         wait \"$p\"; s=$?; kill \"$w\" 2> /dev/null\n\
         echo \"$s\" $(( $(date +%s) - $(cat \"$f\") )) > \"$f.tmp\" && mv -f \"$f.tmp\" \"$f.rc\" ) > /dev/null 2>&1 < /dev/null &\n",
        quote(&told),
        quote(&commands),
    )
}

/// The job's file, and what each of its scripts came to, once it is over and has been asked about.
pub fn ended(state: &State, job: &str) -> Option<(String, Vec<StepOutput>)> {
    let answer = state.script(&question(job)).ok().filter(|answer| answer.status == 0)?;
    Heard::read(&answer.stdout).map(|heard| (heard.file, heard.outputs))
}

fn question(job: &str) -> Probe {
    let script = format!(
        "d=\"${{ANSIBLE_ASYNC_DIR:-$HOME/.ansible_async}}\"; f=\"$d\"/{}\n\
         [ -f \"$f\" ] || exit 4\necho \"$f\"\n[ ! -f \"$f.late\" ] || exit 6\n[ -f \"$f.rc\" ] || exit 5\n\
         cat \"$f.rc\"\nwc -c < \"$f.cmd\"; cat \"$f.cmd\"\nn=0\n\
         while [ -f \"$f.$n.rc\" ]; do\ncat \"$f.$n.rc\"\nfor p in out err; do wc -c < \"$f.$n.$p\"; cat \"$f.$n.$p\"; done\n\
         n=$((n+1))\ndone\n",
        quote(job)
    );
    Probe::Script { script, reads: vec![Resource::Anything] }
}

/// What a job that is over has left.
struct Heard {
    file: String,
    told: Json,
    outputs: Vec<StepOutput>,
}

impl Heard {
    /// Reads what the question prints: a length before each part. Nothing where that is not what it prints.
    fn read(bytes: &[u8]) -> Option<Heard> {
        let mut rest = bytes;
        let file = line(&mut rest)?;
        let ended = line(&mut rest)?;
        let mut words = ended.split_whitespace().map(|word| word.parse::<i64>().unwrap_or(-1));
        let status = i32::try_from(words.next()?).unwrap_or(-1);
        let duration = Duration::from_secs(words.next().unwrap_or(0).max(0).unsigned_abs());
        let told = serde_json::from_slice(part(&mut rest)?).ok()?;
        let mut outputs = Vec::new();
        while !rest.is_empty() {
            let status = line(&mut rest)?.parse().unwrap_or(-1);
            let (stdout, stderr) = (part(&mut rest)?.to_vec(), part(&mut rest)?.to_vec());
            outputs.push(StepOutput { status, stdout, stderr, duration, error: None });
        }
        if outputs.is_empty() {
            // It was ended before its first script was.
            outputs.push(StepOutput { status, duration, ..StepOutput::default() });
        }
        Some(Heard { file, told, outputs })
    }
}

fn line(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    Some(String::from_utf8_lossy(line).trim().to_owned())
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = line(rest)?.parse().ok()?;
    let (part, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

impl AsyncStatus {
    fn fields(&self, file: &str, finished: u8) -> Map<String, Json> {
        Map::from_iter([
            ("ansible_job_id".to_owned(), json!(self.jid.0)),
            ("started".to_owned(), json!(1)),
            ("finished".to_owned(), json!(finished)),
            ("results_file".to_owned(), json!(file)),
        ])
    }

    fn told(&self, answer: &ScriptAnswer) -> Result<Plan, PlanError> {
        let text = answer.text();
        let file = text.lines().next().unwrap_or_default();
        match answer.status {
            0 => {}
            4 => {
                let failure = Failure::new(format!("could not find job {}", self.jid.0)).fields(self.fields("", 1));
                return Err(failure.help("the job was another user's, or its files were taken away").into());
            }
            5 => {
                let empty = ["stdout", "stderr"].map(|name| (name.to_owned(), json!("")));
                let lines = ["stdout_lines", "stderr_lines"].map(|name| (name.to_owned(), json!([])));
                return Ok(Plan::ok(self.fields(file, 0).into_iter().chain(empty).chain(lines).collect()));
            }
            6 => {
                return Err(Failure::new("the job did not end in the time that `async` gives it")
                    .fields(self.fields(file, 1))
                    .into());
            }
            _ => return Err(Failure::said(answer).into()),
        }
        let Some(heard) = Heard::read(&answer.stdout) else {
            return Err(Failure::new("the job's files cannot be read").into());
        };
        let fields = self.fields(file, 1);
        let over = heard.outputs.last().cloned().unwrap_or_default();
        let (result, changed) = match heard.told.get("cmd") {
            Some(cmd) => (process::finished(cmd, &over, true), true),
            None => heard.result(),
        };
        match result {
            Ok(result) => Ok(Plan { changed: Some(changed), ..Plan::ok(result.into_iter().chain(fields).collect()) }),
            Err(failure) => Err(failure.fields(fields).into()),
        }
    }
}

impl Heard {
    /// What another run's module comes to, as far as that can be told without it.
    fn result(&self) -> (Result<Map<String, Json>, Failure>, bool) {
        let what = self.told.get("what").and_then(Json::as_array).into_iter().flatten();
        let change = |what: &Json| Change::open(what.as_str().unwrap_or_default(), Step::Script(String::new()));
        let result = self.told.get("result").and_then(Json::as_object).cloned().unwrap_or_default();
        let plan = Plan { changes: what.map(change).collect(), result, ..Plan::default() };
        let changed = self.told.get("changed").and_then(Json::as_bool).unwrap_or(true);
        (default_finish(&plan, &self.outputs), changed)
    }
}

impl Module for AsyncStatus {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![question(&self.jid.0)]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&question(&self.jid.0))?;
        if self.mode == Mode::Status {
            return self.told(answer);
        }
        let text = answer.text();
        let file = text.lines().next().unwrap_or_default();
        let result =
            Map::from_iter([("ansible_job_id".to_owned(), json!(self.jid.0)), ("erased".to_owned(), json!(file))]);
        if file.is_empty() {
            return Err(Failure::new(format!("could not find job {}", self.jid.0)).into());
        }
        let file = quote(file);
        let script = format!(
            "rm -f -- {file} {file}.cmd {file}.rc {file}.tmp {file}.late {file}.*.out {file}.*.err {file}.*.rc\n"
        );
        let change = Change::open(format!("take away the files of job {}", self.jid.0), Step::Script(script));
        Ok(Plan { changes: vec![change], changed: Some(false), result, ..Plan::default() })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, _: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        Ok(plan.result.clone())
    }
}

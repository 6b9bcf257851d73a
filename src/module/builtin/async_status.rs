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
        StepOutput, Text, process,
    },
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

/// The script that leaves a command running.
pub fn launch(job: &str, command: &str, cmd: &Json, limit: u64) -> String {
    let (job, cmd, command) = (quote(job), cmd.to_string(), quote(command));
    format!(
        "umask 077\nd=\"${{ANSIBLE_ASYNC_DIR:-$HOME/.ansible_async}}\"; mkdir -p \"$d\" || exit 1\nf=\"$d\"/{job}; echo \"$f\"\n\
         printf '%s' {} > \"$f.cmd\" && date +%s > \"$f\" || exit 1\n\
         ( trap '' HUP\n\
         sh -c {command} > \"$f.out\" 2> \"$f.err\" < /dev/null &\n p=$!\n\
         ( sleep {limit}; kill \"$p\" 2> /dev/null && : > \"$f.late\" ) > /dev/null 2>&1 < /dev/null & w=$!\n\
         wait \"$p\"; s=$?; kill \"$w\" 2> /dev/null\n\
         echo \"$s\" $(( $(date +%s) - $(cat \"$f\") )) > \"$f.tmp\" && mv -f \"$f.tmp\" \"$f.rc\" ) > /dev/null 2>&1 < /dev/null &\n",
        quote(&cmd)
    )
}

impl AsyncStatus {
    fn question(&self) -> Probe {
        let script = format!(
            "d=\"${{ANSIBLE_ASYNC_DIR:-$HOME/.ansible_async}}\"; f=\"$d\"/{}\n\
             [ -f \"$f\" ] || exit 4\necho \"$f\"\n[ -f \"$f.rc\" ] || exit 5\n\
             [ ! -f \"$f.late\" ] || exit 6\ncat \"$f.rc\"\n\
             for n in cmd out err; do wc -c < \"$f.$n\"; done\nfor n in cmd out err; do cat \"$f.$n\"; done\n",
            quote(&self.jid.0)
        );
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

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
        let broken = || PlanError::from(Failure::new("the job's files cannot be read"));
        let mut rest = answer.stdout.as_slice();
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            Some(String::from_utf8_lossy(line).trim().to_owned())
        };
        let (_, ended) = (line(), line().ok_or_else(broken)?);
        let lengths: Vec<usize> = (0..3).map_while(|_| line()?.parse().ok()).collect();
        let [cmd, out, err] = lengths.as_slice() else { return Err(broken()) };
        let mut part = |length: usize| {
            let (part, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            part.to_vec()
        };
        let (cmd, stdout, stderr) = (part(*cmd), part(*out), part(*err));
        let cmd: Json = serde_json::from_slice(&cmd).map_err(|_| broken())?;
        let mut words = ended.split_whitespace().map(|word| word.parse::<i64>().unwrap_or(-1));
        let status = i32::try_from(words.next().unwrap_or(-1)).unwrap_or(-1);
        let duration = Duration::from_secs(words.next().unwrap_or(0).max(0).unsigned_abs());
        let output = StepOutput { status, stdout, stderr, duration, error: None };
        let fields = self.fields(file, 1);
        match process::finished(&cmd, &output, true) {
            Ok(result) => Ok(Plan { changed: Some(true), ..Plan::ok(result.into_iter().chain(fields).collect()) }),
            Err(failure) => Err(failure.fields(fields).into()),
        }
    }
}

impl Module for AsyncStatus {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question())?;
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
        let names: Vec<String> = ["", ".cmd", ".out", ".err", ".rc", ".late"]
            .iter()
            .map(|end| quote(&format!("{file}{end}")).into_owned())
            .collect();
        let script = format!("rm -f -- {}\n", names.join(" "));
        let change = Change::open(format!("take away the files of job {}", self.jid.0), Step::Script(script));
        Ok(Plan { changes: vec![change], changed: Some(false), result, ..Plan::default() })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, _: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        Ok(plan.result.clone())
    }
}

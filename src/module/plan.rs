//! What a module wants done, as data.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Map, Value as Json, json};

use super::{FileWrite, converse::Conversation, regexp::Pattern};
use crate::connection::Payload;
use crate::fact::{Answer, ApiQuery, Missing, Probe, Resource, ScriptAnswer};

/// What [`super::Module::plan`] decided.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is to be done, in order; the first failure ends it. Empty: the host is as described.
    pub changes: Vec<Change>,
    /// Whether the task counts as changed, where that is not simply "there are changes" (`uri` acts and changes nothing).
    pub changed: Option<bool>,
    /// What would differ, for `--diff`.
    pub diff: Vec<Diff>,
    /// The returned fields known already, as Ansible's module returns them: data for those who register them.
    pub result: Map<String, Json>,
    /// What the run itself is to take over once the task has succeeded. It never stands in `result`, for data may look like it.
    pub effects: Vec<Arc<Effect>>,
    /// The module decided to do nothing, as `debug` does where it is not verbose enough.
    pub skipped: bool,
    /// The result is for people to read: it is shown without `-v`.
    pub shown: bool,
    /// Whether what the changes print belongs into the result: where that is registered, it is waited for.
    pub output_in_result: bool,
    /// What later tasks will find when the changes are done: the answers to probes, as far as they can be told.
    pub predictions: Vec<(Probe, Answer)>,
    /// What check mode makes of it.
    pub check_mode: CheckMode,
    /// Remarks for the user.
    pub warnings: Vec<String>,
    /// The user whose shells of this run have to end before the changes, for nobody is removed who has one.
    pub leaves: Option<String>,
}

/// What a task does to the run itself: facts, variables, hosts and groups.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Facts about the host that was acted on.
    Facts(Map<String, Json>),
    /// Variables, as `set_fact` gives them.
    Variables {
        /// By name.
        values: Map<String, Json>,
        /// Whether they are facts too.
        cacheable: bool,
    },
    /// A host for the rest of the run.
    Host {
        /// Its name.
        name: String,
        /// The groups that it is put into.
        groups: Vec<String>,
        /// Its variables.
        vars: Map<String, Json>,
    },
    /// A group that the host is put into.
    Group {
        /// Its name.
        name: String,
        /// The groups that it is put into.
        parents: Vec<String>,
    },
    /// Values for the end of the run.
    Stats {
        /// By name.
        values: Map<String, Json>,
        /// Whether they are the host's own.
        per_host: bool,
        /// Whether they are added to those that were given before.
        aggregate: bool,
    },
}

impl Effect {
    /// Adds the fields by which a registered result tells of it, as in Ansible.
    pub fn show(&self, result: &mut Map<String, Json>) {
        match self {
            Effect::Facts(facts) | Effect::Variables { values: facts, .. } => {
                match result.get_mut("ansible_facts").and_then(Json::as_object_mut) {
                    Some(known) => known.extend(facts.clone()),
                    None => drop(result.insert("ansible_facts".into(), Json::Object(facts.clone()))),
                }
            }
            Effect::Host { name, groups, vars } => {
                let host = json!({ "host_name": name, "groups": groups, "host_vars": vars });
                result.insert("add_host".into(), host);
            }
            Effect::Stats { values, per_host, aggregate } => {
                let stats = json!({ "data": values, "per_host": per_host, "aggregate": aggregate });
                result.insert("ansible_stats".into(), stats);
            }
            Effect::Group { name, parents } => {
                result.insert("add_group".into(), json!(name));
                result.insert("parent_groups".into(), json!(parents));
            }
        }
    }
}

/// How a plan that has changes is reported in check mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckMode {
    /// As changed, for the plan says exactly what would happen.
    #[default]
    Predict,
    /// As skipped, as Ansible does with `command`: what it would do cannot be known.
    Skip,
    /// It is carried out as always: what is run is told that nothing may be changed, and keeps to it.
    Run,
}

/// A program of the workstation's that an interpreter of the host runs from memory.
pub trait Program: std::fmt::Debug + Send + Sync {
    /// What the host is sent for it; it may take a while to be made.
    ///
    /// # Errors
    /// Why there is none, in words for the user.
    fn payload(&self) -> Result<Arc<Payload>, String>;

    /// Whether that is made.
    fn is_ready(&self) -> bool;
}

/// What only the outputs of a plan's changes tell.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Nothing was done, and nothing would have been.
    pub skipped: bool,
    /// What the run is to take over.
    pub effects: Vec<Arc<Effect>>,
    /// What differs.
    pub diff: Vec<Diff>,
    /// Remarks for the user.
    pub warnings: Vec<String>,
}

/// One thing to do to a host.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it does, in a few words: `create directory /srv`.
    pub what: String,
    /// How.
    pub step: Step,
    /// What it may alter.
    pub writes: Vec<Resource>,
    /// Whether it writes nothing but what `writes` names and runs nothing of unknown effect: such changes may share
    /// a script with others, and need not wait for other hosts.
    pub closed: bool,
}

impl Change {
    /// Returns a change that only writes what it names: files, users, groups.
    pub fn closed(what: impl Into<String>, step: Step, writes: Vec<Resource>) -> Change {
        Change { what: what.into(), step, writes, closed: true }
    }

    /// Returns a change that may alter anything.
    pub fn open(what: impl Into<String>, step: Step) -> Change {
        Change { what: what.into(), step, writes: vec![Resource::Anything], closed: false }
    }
}

/// How the runner carries out a [`Change`].
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there are few, and each lives as long as its task
pub enum Step {
    /// Runs POSIX sh on the host; an exit status but zero is a failure unless `finish` says otherwise.
    Script(String),
    /// Puts a file in its place: complete and with owner and mode, or not at all.
    Write(FileWrite),
    /// Sends a large content into a scratch file first, then runs the script with that file's path in `$upload`.
    Upload {
        /// What to send.
        content: Content,
        /// POSIX sh that uses `"$upload"`; the scratch file is removed behind it if it is still there.
        then: String,
    },
    /// Copies a file of the host to the workstation.
    Download {
        /// The path on the host.
        path: String,
        /// Where it goes on the workstation.
        to: PathBuf,
    },
    /// Puts a file on the workstation, atomically.
    WriteLocal {
        /// Where.
        path: PathBuf,
        /// What.
        content: Arc<[u8]>,
        /// Permission bits.
        mode: u32,
    },
    /// Asks the Kubernetes API to change something.
    Api(ApiQuery),
    /// Reboots the host by the given script and waits until it is back with another boot id.
    Reboot {
        /// What to run, such as `systemctl reboot`.
        command: String,
        /// How long to wait for it to come back.
        timeout: Duration,
        /// A script that must succeed before the host counts as back.
        test: String,
        /// How long to wait before the command and behind the return.
        pause: (Duration, Duration),
    },
    /// Opens a new connection until that succeeds.
    Reconnect {
        /// How long to try.
        timeout: Duration,
        /// Between two tries.
        sleep: Duration,
        /// Before the first try.
        delay: Duration,
    },
    /// Runs a script again and again until it succeeds.
    Until {
        /// POSIX sh, without lasting effect.
        script: String,
        /// How long to try.
        timeout: Duration,
        /// Between two tries.
        sleep: Duration,
        /// What it must print besides.
        matching: Option<Pattern>,
    },
    /// Runs a program in the interpreter that the host has for it. The output is what it printed, whatever its exit status.
    Call {
        /// What is run.
        program: Arc<dyn Program>,
        /// Its arguments.
        arguments: Map<String, Json>,
    },
    /// Runs a command on a terminal and answers its questions.
    Converse(Conversation),
    /// Does nothing for a while on the workstation; `None` waits for the user's key.
    Wait {
        /// How long.
        time: Option<Duration>,
        /// What to show the user.
        prompt: String,
    },
}

/// What is to be sent to a host.
#[derive(Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A file of the workstation, read as it is sent.
    File {
        /// Where it is.
        path: PathBuf,
        /// How long it is.
        size: u64,
    },
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { size, .. } => *size,
        }
    }
}

impl std::fmt::Debug for Content {
    /// Never shows the bytes: they may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Content::File { path, size } => write!(f, "{} ({size} bytes)", path.display()),
        }
    }
}

/// Owner, group and permissions; `None` leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Name or number.
    pub owner: Option<String>,
    /// Name or number.
    pub group: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// A difference to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// What the "before" side is.
    pub before_header: String,
    /// What the "after" side is.
    pub after_header: String,
    /// The text before; empty when there was nothing.
    pub before: String,
    /// The text after; empty when nothing is left.
    pub after: String,
}

impl Diff {
    /// The difference as a returned field, named as Ansible names its parts.
    pub fn field(&self) -> Json {
        json!({
            "before_header": self.before_header,
            "after_header": self.after_header,
            "before": self.before,
            "after": self.after,
        })
    }
}

/// What a [`Step`] produced.
#[derive(Clone, Debug, Default)]
pub struct StepOutput {
    /// Exit status of a script; 0 for other steps that succeeded.
    pub status: i32,
    /// Standard output of a script; the answer's JSON of an API request.
    pub stdout: Vec<u8>,
    /// Standard error of a script.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub duration: Duration,
    /// Why it could not be done at all: a signal, an API error, a local write error.
    pub error: Option<String>,
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One or more sentences for the user.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// Further returned fields (`rc`, `stdout`, …).
    pub result: Map<String, Json>,
    /// Whether something was changed all the same.
    pub changed: bool,
    /// Whether it was for an expression of the task's that cannot be decided, before anything was asked of a host: `failed_when` has nothing to judge.
    pub undecidable: bool,
}

impl Failure {
    /// Returns a failure with a message alone.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None, result: Map::new(), changed: false, undecidable: false }
    }

    /// Returns a failure with what a host said on standard error where it could not answer.
    pub fn said(answer: &ScriptAnswer) -> Failure {
        Failure::new(String::from_utf8_lossy(&answer.stderr).trim())
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// Adds returned fields.
    #[must_use]
    pub fn fields(mut self, fields: Map<String, Json>) -> Failure {
        self.result.extend(fields);
        self
    }

    /// Says that something was changed all the same.
    #[must_use]
    pub fn changed(mut self, changed: bool) -> Failure {
        self.changed = changed;
        self
    }

    /// Adds a returned field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Json>) -> Failure {
        self.result.insert(field.to_owned(), value.into());
        self
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanError {
    /// An answer is missing: the runner reads it and calls again, or reports on what it depends.
    Missing(Missing),
    /// The task fails.
    Failed(Failure),
}

impl From<Missing> for PlanError {
    fn from(missing: Missing) -> PlanError {
        match missing {
            Missing::Failed(why) => PlanError::Failed(Failure::new(why)),
            other => PlanError::Missing(other),
        }
    }
}

impl From<Failure> for PlanError {
    fn from(failure: Failure) -> PlanError {
        PlanError::Failed(failure)
    }
}

impl Plan {
    /// Returns a plan that changes nothing.
    pub fn ok(result: Map<String, Json>) -> Plan {
        Plan { result, ..Plan::default() }
    }

    /// Returns a plan that changes nothing and tells facts.
    pub fn facts(facts: Map<String, Json>) -> Plan {
        Plan { effects: vec![Arc::new(Effect::Facts(facts))], ..Plan::default() }
    }

    /// Whether the task counts as changed once the changes are carried out.
    pub fn would_change(&self) -> bool {
        self.changed.unwrap_or(!self.changes.is_empty())
    }
}

/// The result of most modules: the planned fields, and the first failed step told whole enough to act on.
pub(crate) fn finish(plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
    for (change, output) in plan.changes.iter().zip(outputs) {
        if let Some(error) = &output.error {
            return Err(Failure::new(format!("cannot {}: {error}", change.what)));
        }
        if output.status != 0 {
            let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            let stdout = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
            let told = [&stderr, &stdout].into_iter().find(|t| !t.is_empty()).cloned().unwrap_or_default();
            let message = match told.is_empty() {
                true => format!("cannot {}: exit status {}", change.what, output.status),
                false => format!("cannot {}: {told}", change.what),
            };
            let mut failure = Failure::new(message).with("rc", output.status);
            failure.result.insert("stdout".into(), json!(stdout));
            failure.result.insert("stderr".into(), json!(stderr));
            return Err(failure);
        }
    }
    Ok(plan.result.clone())
}

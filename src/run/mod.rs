//! The executor: batches of probes, changes, handlers, host state.
//!
//! Each host goes through a play by itself ([`host`]): it asks the questions of many coming tasks in one frame
//! ([`ahead`]), plans each task on the answers ([`item`]), puts off changes whose effect is known so that they travel
//! together, and waits for other hosts only where one could see what another does ([`barrier`]).

mod ahead;
mod api;
mod barrier;
mod change;
mod connection;
mod consent;
mod control;
mod controller;
mod error;
mod facts;
mod guard;
mod handlers;
mod host;
mod hosts;
mod item;
mod keyword;
mod lock;
mod machine;
mod options;
mod outcome;
mod pending;
mod play;
mod program;
mod reach;
mod repeat;
mod retry;
mod step;
mod task;
mod throttle;
mod together;
mod variables;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use error::RunError;
pub use machine::{Actor, Hold, Machine, MachineError, Work};
pub use options::Options;
pub use task::TaskError;
use variables::Host;

use crate::{
    connection::{self as reached, SharedFile},
    inventory::{Inventory, Layers, Variable, Vars, is_localhost},
    module::StepOutput,
    playbook::{Loader, Playbook, Scope, Task, VarMap},
    report::{Counts, Event, Reporter, Status},
    template::{Context, Engine, Local, System, Var},
};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Counts per host.
    pub hosts: Vec<(String, Counts)>,
    /// Faults of our own, for exit code 250.
    pub faults: Vec<String>,
    /// Whether the user interrupted it.
    pub interrupted: bool,
    /// Check mode: how many results a run may turn into changes, for a command decides that was not carried out.
    pub undecided: usize,
}

/// One run: everything its hosts share.
pub struct Run {
    /// How to run.
    pub options: Options,
    /// Renders templates.
    pub engine: Engine,
    /// Reads what is included while running.
    pub loader: Loader,
    inventory: RwLock<Arc<Inventory>>,
    reporter: Arc<dyn Reporter>,
    ssh: Arc<reached::Context>,
    permits: Semaphore,
    hosts: Mutex<IndexMap<String, Arc<Host>>>,
    /// By host, and by what it was reached with.
    machines: Mutex<reach::Machines>,
    /// What connection variables were found to be by doing something.
    found: Mutex<HashMap<String, Option<serde_json::Value>>>,
    counts: Mutex<IndexMap<String, Counts>>,
    undecided: AtomicUsize,
    out: Mutex<HashSet<String>>,
    gone: Mutex<HashSet<String>>,
    faults: Mutex<Vec<String>>,
    seen: Mutex<HashMap<usize, (Arc<Task>, ahead::Features)>>,
    interrupts: AtomicU8,
    started: Mutex<Option<u32>>,
    consents: Mutex<consent::Consents>,
    playbook_dir: Mutex<Option<std::path::PathBuf>>,
    /// Files that are being sent.
    files: Mutex<HashMap<std::path::PathBuf, Weak<SharedFile>>>,
}

/// The name of this machine where the inventory does not list it.
const LOCALHOST: &str = "localhost";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    /// Returns a run over an inventory. Nothing is connected to yet.
    pub fn new(
        options: Options,
        inventory: Inventory,
        loader: Loader,
        reporter: Arc<dyn Reporter>,
        ssh: Arc<reached::Context>,
    ) -> Arc<Run> {
        let permits = Semaphore::new(options.forks.max(1));
        Arc::new(Run {
            engine: Engine::new(),
            loader,
            inventory: RwLock::new(Arc::new(inventory)),
            reporter,
            ssh,
            permits,
            hosts: Mutex::default(),
            machines: Mutex::default(),
            found: Mutex::default(),
            counts: Mutex::default(),
            undecided: AtomicUsize::new(0),
            out: Mutex::default(),
            gone: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            interrupts: AtomicU8::new(0),
            started: Mutex::default(),
            consents: Mutex::default(),
            playbook_dir: Mutex::default(),
            files: Mutex::default(),
            options,
        })
    }

    /// Runs playbooks one after the other and reports the recap.
    ///
    /// # Errors
    /// What is wrong with a play as a whole; tasks that fail are in the [`Summary`].
    pub async fn playbooks(self: &Arc<Self>, playbooks: &[Playbook]) -> Result<Summary, RunError> {
        let began = Instant::now();
        self.tell(Event::RunStart {
            check: self.options.check,
            playbooks: playbooks.iter().map(|p| p.path.display().to_string()).collect(),
            hosts: self.inventory().hosts().len(),
        });
        let mut number = 0;
        let mut result = Ok(true);
        'all: for playbook in playbooks {
            for play in &playbook.plays {
                *lock(&self.playbook_dir) = Some(play.directory.clone());
                self.refresh_hosts(&play.directory);
                result = self.play(play, number).await;
                number += 1;
                if !matches!(result, Ok(true)) || self.interrupted() {
                    break 'all;
                }
            }
        }
        let summary = self.close(began).await;
        if let (Some(task), None, true) =
            (&self.options.start_at_task, *lock(&self.started), matches!(result, Ok(true)))
        {
            let help =
                "`--list-tasks` shows the names; tasks that an include brings in while running cannot be started at";
            return Err(RunError::plain(format!("no task is named `{task}`: nothing was done"), help));
        }
        result.map(|_| summary)
    }

    async fn close(&self, began: Instant) -> Summary {
        let machines = self.all_machines();
        let mut round_trips: BTreeMap<String, u64> = BTreeMap::new();
        for machine in machines.iter().filter(|m| m.round_trips() > 0) {
            *round_trips.entry(machine.name.clone()).or_default() += machine.round_trips();
        }
        for machine in &machines {
            let left = machine.still_owed();
            if !left.is_empty() {
                let message = format!(
                    "{}: an earlier run was cut off before these handlers ran, and no play here has them: {}. They wait in the file \
                     `pending` of /var/lib/bringup there; remove it to forget them",
                    machine.name,
                    left.join(", ")
                );
                self.tell(Event::Warning { message });
            }
        }
        let closing = machines.iter().map(|m| tokio::time::timeout(Duration::from_secs(5), m.close()));
        futures::future::join_all(closing).await;
        let order: Vec<String> = self.inventory().hosts().map(str::to_owned).collect();
        let mut hosts: Vec<(String, Counts)> = lock(&self.counts).iter().map(|(h, c)| (h.clone(), *c)).collect();
        hosts.sort_by_key(|(host, _)| order.iter().position(|h| h == host).unwrap_or(usize::MAX));
        self.tell(Event::Recap {
            hosts: hosts.clone(),
            duration: began.elapsed(),
            round_trips,
            check: self.options.check,
        });
        Summary {
            hosts,
            faults: lock(&self.faults).clone(),
            interrupted: self.interrupted(),
            undecided: self.undecided.load(Ordering::SeqCst),
        }
    }

    /// The inventory as it is now: hosts and groups can appear while a playbook runs.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reports an event, counting results.
    pub fn tell(&self, event: Event) {
        if let Event::TaskResult { host, status, marks, .. } = &event {
            lock(&self.counts).entry(host.clone()).or_default().add(*status, marks.changed);
            if marks.certainty.undecided() {
                self.undecided.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.reporter.event(event);
    }

    /// Takes note that the user wants to stop. Returns how often that was said.
    pub fn interrupt(&self) -> u8 {
        self.interrupts.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether no further step is to be started.
    pub fn interrupted(&self) -> bool {
        self.interrupts.load(Ordering::SeqCst) > 0
    }

    /// Waits until one more host may be worked on.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    fn fault(&self, message: String) {
        lock(&self.faults).push(message);
    }

    /// A host by name.
    pub fn host(&self, name: &str) -> Option<Arc<Host>> {
        let name = if is_localhost(name) && !lock(&self.hosts).contains_key(name) { LOCALHOST } else { name };
        lock(&self.hosts).get(name).cloned()
    }

    fn is_out(&self, host: &str) -> bool {
        lock(&self.out).contains(host) || lock(&self.gone).contains(host)
    }

    fn host_out(&self, host: &str) {
        lock(&self.out).insert(host.to_owned());
    }

    /// Notes that a host cannot be reached.
    pub fn host_gone(&self, host: &str, status: Status) {
        if status == Status::Unreachable {
            lock(&self.gone).insert(host.to_owned());
        }
        self.host_out(host);
    }

    /// `meta: clear_host_errors`.
    pub fn clear_errors(&self) {
        lock(&self.out).clear();
        lock(&self.gone).clear();
    }

    /// A large file to be sent: one that other hosts are getting at the moment is not read once more.
    pub(crate) fn shared_file(&self, path: &Path) -> std::io::Result<Arc<SharedFile>> {
        let mut files = lock(&self.files);
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = Arc::new(SharedFile::open(path)?);
        files.insert(path.to_owned(), Arc::downgrade(&file));
        Ok(file)
    }

    /// Local files as lookups at a scope see them.
    pub(crate) fn local(&self, scope: &Scope, directory: &Path) -> Arc<dyn Local> {
        let mut folders = self.loader.search_path(scope);
        if folders.is_empty() {
            folders.push(directory.to_owned());
        }
        Arc::new(System::new(folders))
    }

    /// Extra variables alone, for what is rendered before there is a host.
    fn extra_only(&self) -> IndexMap<String, Var> {
        let as_var = |v: &Variable| v.node().map_or_else(|| Var::data(&v.to_json()), |n| Var::node(n));
        self.options.extra_vars.iter().map(|(name, value)| (name.clone(), as_var(value))).collect()
    }

    /// A file of variables.
    fn vars_file(&self, path: &Path) -> Result<Vars, TaskError> {
        crate::inventory::file_vars(path).map_err(|error| {
            let help = miette::Diagnostic::help(&error).map(|h| h.to_string());
            TaskError { help, ..TaskError::new(error.to_string()) }
        })
    }

    /// Waits, or lets the user say when to go on.
    pub(crate) async fn pause(&self, time: Option<Duration>, prompt: &str) -> StepOutput {
        self.tell(Event::HostNote { host: String::new(), note: prompt.to_owned() });
        let began = Instant::now();
        match time {
            Some(time) => {
                let end = began + time;
                while Instant::now() < end && !self.interrupted() {
                    tokio::time::sleep(Duration::from_millis(100).min(end - Instant::now())).await;
                }
            }
            None if console::user_attended() => {
                let question = prompt.to_owned();
                let answer = tokio::task::spawn_blocking(move || crate::report::terminal::ask(&question));
                let line = answer.await.ok().and_then(Result::ok).unwrap_or_default();
                return StepOutput {
                    stdout: line.trim_end().as_bytes().to_vec(),
                    duration: began.elapsed(),
                    ..StepOutput::default()
                };
            }
            // Nobody is there to press a key: Ansible goes on at once, and so do we.
            None => {}
        }
        StepOutput { duration: began.elapsed(), ..StepOutput::default() }
    }

    fn ask(&self, prompt: &str, private: bool, confirm: bool, default: Option<&str>) -> Result<String, RunError> {
        if !console::user_attended() {
            return default.map(str::to_owned).ok_or_else(|| {
                RunError::plain(
                    format!("cannot ask for `{prompt}`: there is no terminal"),
                    "give the variable with `-e`",
                )
            });
        }
        let read = |question: &str| -> std::io::Result<String> {
            let question = format!("{question}:");
            match private {
                true => crate::report::terminal::ask_secret(&question),
                false => crate::report::terminal::ask(&question).map(|line| line.trim_end().to_owned()),
            }
        };
        let unread = |e: std::io::Error| {
            RunError::plain(
                format!("cannot read the answer: {e}"),
                "run it on a terminal, or give the variable with `-e`",
            )
        };
        loop {
            let answer = read(prompt).map_err(unread)?;
            let again = || read(&format!("{prompt} (again)"));
            if !confirm || again().map_err(unread)? == answer {
                return Ok(if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer });
            }
            crate::report::terminal::err("the two answers differ");
        }
    }

    /// Whether tags select a task, templates in tags left as they are written.
    pub(crate) fn wanted_statically(&self) -> impl Fn(&Task) -> bool + '_ {
        move |task: &Task| self.options.tag_filter.selects_scope(&task.scope, crate::playbook::as_written)
    }

    /// Whether tags select a task of an include.
    pub(crate) fn wanted(&self, vars: &Context) -> impl Fn(&Task) -> bool + '_ {
        let vars = vars.clone();
        move |task: &Task| {
            self.options.tag_filter.selects_scope(&task.scope, |tag| match self.engine.render_tree(tag, &vars) {
                Ok(serde_json::Value::Array(many)) => many.iter().filter_map(keyword::as_text).collect(),
                Ok(one) => keyword::as_text(&one).into_iter().collect(),
                Err(_) => crate::playbook::as_written(tag),
            })
        }
    }

    /// `--start-at-task`: leaves out what stands before it, in the first play that has it.
    fn start_at(&self, mut program: program::Program, play: u32) -> program::Program {
        let Some(wanted) = &self.options.start_at_task else { return program };
        // Each batch of that play starts there, the plays behind it at their beginning.
        if lock(&self.started).is_some_and(|started| started != play) {
            return program;
        }
        let at = program.ops.iter().position(|(op, _)| match op {
            program::Op::Task(task) => {
                let name = task.name.as_ref().map(crate::yaml::Node::key_text).unwrap_or_default();
                glob(wanted, &name) || glob(wanted, &task.title())
            }
            _ => false,
        });
        match at {
            Some(at) => {
                *lock(&self.started) = Some(play);
                program.skip_until(at);
            }
            None => program.skip_until(program.ops.len()),
        }
        program
    }

    /// Host variables for commands that show them, without a play.
    pub fn host_layers(&self, name: &str) -> Option<Layers> {
        self.host(name).map(|h| h.layers())
    }
}

/// Matches `*` and nothing else.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).filter(|i| rest.is_char_boundary(*i)).any(|i| glob(tail, &rest[i..]))),
    }
}

/// Variables of the command line as the loader takes them.
pub fn extra_var_map(vars: &Vars) -> VarMap {
    vars.iter().filter_map(|(name, value)| Some((name.clone(), value.node()?.clone()))).collect()
}

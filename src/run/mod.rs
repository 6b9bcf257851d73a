//! The executor: batches of probes, changes, handlers, host state.
//!
//! Each host goes through a play by itself ([`host`]), its place being a [`cursor`]. A task that is its turn ([`step`]) is evaluated
//! ([`evaluation`], [`item`]): the questions of many coming tasks are asked in one frame ([`ahead`]), each is planned on the answers,
//! changes whose effect is known are put off so that they travel together ([`unconfirmed`]). What follows from the outcome is decided
//! at the end ([`conclude`]). Hosts wait for each other only where one could see what another does ([`barrier`]).

mod ahead;
mod api;
mod background;
mod barrier;
mod batch;
mod calls;
mod change;
mod conclude;
mod conditions;
mod connection;
mod control;
mod controller;
mod conversation;
mod cursor;
mod debugger;
mod error;
mod evaluation;
mod expressions;
mod fact_cache;
mod facts;
mod features;
mod guard;
mod handlers;
mod host;
mod hosts;
mod item;
mod keyword;
mod ledger;
mod lock;
mod machine;
mod machines;
mod named_action;
mod options;
mod outcome;
mod place;
mod play;
mod play_host;
mod program;
mod prompter;
mod reach;
mod repeat;
mod retry;
mod shared_files;
mod start_at;
mod stats;
mod step;
mod stop;
mod tally;
mod task;
mod task_error;
mod throttle;
mod together;
mod unconfirmed;
mod variables;
mod vars_files;
mod vars_from;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use error::RunError;
pub use expressions::InventoryExpressions;
pub use fact_cache::FactCache;
use features::Known;
use hosts::Hosts;
pub use machine::{Actor, Hold, Machine, MachineError, Work};
use machines::Machines;
pub use options::{BecomeDefaults, Gathering, Options, Reload};
use prompter::Prompter;
use shared_files::SharedFiles;
use start_at::StartAt;
use tally::Tally;
pub use task_error::TaskError;

use crate::{
    connection::Context as Connections,
    inventory::{Inventory, Variable, Vars},
    playbook::{Loader, Play, Playbook, Scope, Task, VarMap},
    report::{Counts, Event, Reporter},
    template::{Context, Engine, Local, System, Var},
    yaml::Node,
};

/// The level of Ansible's language that playbooks may test for; the product's own version is `bringup_version`.
pub const LANGUAGE: &str = "2.19.0";

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Counts per host.
    pub hosts: Vec<(String, Counts)>,
    /// Whether any host failed, and whether any could not be reached, since errors were cleared last.
    pub failed: (bool, bool),
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
    /// Who is there, and what is known of each.
    pub(crate) hosts: Hosts,
    /// How they are reached.
    pub(crate) machines: Machines,
    /// The person who runs it.
    pub(crate) prompter: Prompter,
    /// What tasks read and write, as far as it was looked at.
    pub(crate) features: Known,
    /// Tasks in the background that were done at once.
    pub(crate) jobs: background::Jobs,
    /// Files that are being sent.
    pub(crate) files: SharedFiles,
    reporter: Arc<dyn Reporter>,
    tally: Tally,
    start_at: StartAt,
    permits: Semaphore,
    /// Whether it was said that host keys are not checked.
    told_of_keys: AtomicBool,
    /// The places of conditions of which it was said that they are doubtful.
    doubted: Mutex<BTreeSet<String>>,
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
        connections: Arc<Connections>,
    ) -> Arc<Run> {
        Arc::new(Run {
            engine: Engine::new(),
            jobs: background::Jobs::default(),
            loader,
            hosts: Hosts::new(inventory, options.extra_vars.clone(), options.fact_cache.clone()),
            machines: Machines::new(connections),
            prompter: Prompter::default(),
            features: Known::default(),
            files: SharedFiles::default(),
            reporter,
            tally: Tally::default(),
            start_at: StartAt::new(options.start_at_task.clone()),
            permits: Semaphore::new(options.forks.max(1)),
            told_of_keys: AtomicBool::new(false),
            doubted: Mutex::default(),
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
            plays: playbooks.iter().map(|p| p.plays.len()).collect(),
            hosts: self.inventory().hosts().len(),
        });
        let mut number = 0;
        let mut result = Ok(true);
        'all: for playbook in playbooks {
            for play in &playbook.plays {
                self.hosts.enter(&play.directory);
                result = self.play(play, number).await;
                number += 1;
                if !matches!(result, Ok(true)) || self.interrupted() {
                    break 'all;
                }
            }
        }
        let summary = self.close(began).await;
        if let (Some(task), true) = (self.start_at.missing(), matches!(result, Ok(true))) {
            let help =
                "`--list-tasks` shows the names; tasks that an include brings in while running cannot be started at";
            return Err(RunError::plain(format!("no task is named `{task}`: nothing was done"), help));
        }
        result.map(|_| summary)
    }

    async fn close(&self, began: Instant) -> Summary {
        let machines = self.machines.all();
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
        self.tally.warned_alike().into_iter().for_each(|message| self.tell(Event::Warning { message }));
        self.hosts.cache_troubles().into_iter().for_each(|message| self.tell(Event::Warning { message }));
        let closing = machines.iter().map(|m| tokio::time::timeout(Duration::from_secs(5), m.close()));
        futures::future::join_all(closing).await;
        let order: Vec<String> = self.inventory().hosts().map(str::to_owned).collect();
        let hosts = self.tally.by_host(&order);
        self.tell(Event::Recap {
            hosts: hosts.clone(),
            duration: began.elapsed(),
            round_trips,
            check: self.options.check,
            stats: self.tally.stats(),
        });
        Summary {
            hosts,
            failed: self.tally.unforgiven(),
            faults: self.tally.faults(),
            interrupted: self.interrupted(),
            undecided: self.tally.undecided(),
        }
    }

    /// The inventory as it is now: hosts and groups can appear while a playbook runs.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.hosts.inventory()
    }

    /// `meta: refresh_inventory`: reads the inventory again. What tasks have added to it stays.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub(super) fn refresh_inventory(&self) -> Result<(), TaskError> {
        let Some(Reload(read)) = &self.options.reload else { return Ok(()) };
        self.hosts
            .reload(read().map_err(|reason| TaskError::new(format!("cannot read the inventory again: {reason}")))?)
    }

    /// `meta: clear_host_errors`: what has failed so far does not make the run a failure.
    pub(super) fn forgive(&self) {
        self.tally.forgive();
    }

    /// Reports an event, counting results.
    pub fn tell(&self, event: Event) {
        self.tally.count(&event);
        self.reporter.event(event);
    }

    /// Takes note that the user wants to stop. Returns how often that was said.
    pub fn interrupt(&self) -> u8 {
        self.prompter.interrupt()
    }

    /// Whether no further step is to be started.
    pub fn interrupted(&self) -> bool {
        self.prompter.interrupted()
    }

    /// Waits until one more host may be worked on.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Local files as lookups at a scope see them.
    pub(crate) fn local(&self, scope: &Scope, directory: &Path) -> Arc<dyn Local> {
        let mut folders = self.loader.search_path(scope);
        if folders.is_empty() {
            folders.push(directory.to_owned());
        }
        let reporter = self.reporter.clone();
        let tell = move |message: &str| reporter.event(Event::Warning { message: message.to_owned() });
        Arc::new(System::new(folders).telling(tell))
    }

    /// Extra variables alone, for what is rendered before there is a host.
    pub(super) fn extra_only(&self) -> IndexMap<String, Var> {
        as_vars(&self.options.extra_vars)
    }

    /// Whether tags select a task, those that are templates rendered where they can be.
    pub(crate) fn wanted(&self, vars: &Context) -> impl Fn(&Task) -> bool + '_ {
        let vars = vars.clone();
        move |task: &Task| {
            self.options.tag_filter.selects_scope(&task.scope, |tag| rendered_tags(&self.engine, tag, &vars))
        }
    }
}

/// The tags that a template comes to; the template itself where it cannot be rendered.
fn rendered_tags(engine: &Engine, tag: &Node, vars: &Context) -> Vec<String> {
    match engine.render_tree(tag, vars) {
        Ok(serde_json::Value::Array(many)) => many.iter().filter_map(keyword::as_text).collect(),
        Ok(one) => keyword::as_text(&one).into_iter().collect(),
        Err(_) => crate::playbook::as_written(tag),
    }
}

/// The tags that a tag of a play comes to where nothing is run: with the play's own variables and those of the command line.
pub fn known_tags(extra: &Vars) -> impl Fn(&Play, &Node) -> Vec<String> + '_ {
    let engine = Engine::new();
    move |play, tag| {
        let vars = Arc::new(play::variables(play, as_vars(extra)));
        let files = Arc::new(System::new(vec![play.directory.clone()]));
        rendered_tags(&engine, tag, &Context::new(&engine, vars, files))
    }
}

fn as_vars(vars: &Vars) -> IndexMap<String, Var> {
    let as_var = |v: &Variable| v.node().map_or_else(|| Var::data(&v.to_json()), |n| Var::node(n));
    vars.iter().map(|(name, value)| (name.clone(), as_var(value))).collect()
}

/// Variables of the command line as the loader takes them.
pub fn extra_var_map(vars: &Vars) -> VarMap {
    vars.iter().filter_map(|(name, value)| Some((name.clone(), value.node()?.clone()))).collect()
}

//! Plays: which hosts, in which batches, and what they share.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    Run, RunError,
    barrier::{Barrier, Position},
    handlers::Handlers,
    host::HostRun,
    keyword,
    outcome::Outcome,
    program::Program,
    throttle::Throttles,
    variables::TaskVars,
};
use crate::{
    inventory::{Variable, Vars},
    module::Registry,
    playbook::{Action, Keywords, Order, Play, Playbook, PlaybookError, Prompt, Scope, ScopeKind, Strategy, Task},
    report::{Event, TaskLine},
    template::{Context, Var},
    yaml::{Node, Span, Value},
};

/// What a `run_once` task came to, for the hosts that did not do it.
pub type Shared = Arc<Outcome>;

/// The hosts that go through a play together.
pub struct Batch {
    /// The play.
    pub play: Arc<Play>,
    /// Its name, rendered.
    pub name: String,
    /// Its tasks in order.
    pub program: Arc<Program>,
    /// The position of its first task.
    pub base: Position,
    /// Its handlers.
    pub handlers: Arc<Handlers>,
    /// The task that gathers facts.
    pub gather: Arc<Task>,
    /// What the user answered to `vars_prompt`, and `vars_files`.
    pub prompted: Arc<Vars>,
    /// All hosts of the play.
    pub all_hosts: Vec<String>,
    /// The hosts of this batch, in order.
    pub hosts: Vec<String>,
    /// How far each has come.
    pub barrier: Barrier,
    /// A failure on one host may end the play: no host may run ahead of the others.
    pub strict: bool,
    /// Whether handlers run on failed hosts.
    pub force_handlers: bool,
    /// How many hosts may do a task at once.
    pub throttles: Throttles,
    max_fail_percentage: Option<f64>,
    failed: Mutex<Vec<String>>,
    /// Those that `meta: end_host` took out.
    left: Mutex<Vec<String>>,
    once: Mutex<HashMap<Position, Shared>>,
    /// The task behind which no other is to be started, once there is one.
    over: Mutex<Option<Position>>,
    play_over: AtomicBool,
    /// Whether a failure ended it for all.
    fatal: AtomicBool,
}

impl Batch {
    /// The hosts that still take part, in order.
    pub fn active_hosts(&self) -> Vec<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        self.hosts.iter().filter(|h| !failed.contains(h)).cloned().collect()
    }

    /// Whether this is the host that does `run_once` tasks.
    pub fn first_active(&self, host: &str) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.hosts.iter().find(|h| !failed.contains(h) && !left.contains(h)).is_some_and(|first| first == host)
    }

    /// Notes that a host takes no further part, though nothing is wrong with it.
    pub fn host_left(&self, host: &str) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(host.to_owned());
        self.barrier.wake();
    }

    /// Whether there is no other host to wait for.
    pub fn alone(&self) -> bool {
        self.hosts.len() < 2 || self.play.strategy == Strategy::Free
    }

    /// Notes that a host failed in the task at `position`, and ends the play behind it where that is asked for: for a failure
    /// that is `fatal` for all, or for one too many.
    pub fn host_failed(&self, host: &str, position: &Position, fatal: bool) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed.iter().any(|h| h == host) {
            failed.push(host.to_owned());
        }
        let count = failed.len();
        drop(failed);
        self.fatal.fetch_or(fatal, Ordering::SeqCst);
        if fatal || self.too_many(count) {
            self.end(true, position);
        }
        self.barrier.wake();
    }

    /// Whether so many failed hosts end the play.
    fn too_many(&self, failed: usize) -> bool {
        let share = 100.0 * failed as f64 / self.hosts.len().max(1) as f64;
        failed > 0 && self.max_fail_percentage.is_some_and(|most| share > most)
    }

    /// Ends this batch behind the task at `position`, and the play's further batches too. As with Ansible that task itself is done by all
    /// hosts.
    pub fn end(&self, play: bool, position: &Position) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.as_ref().is_none_or(|at| position < at) {
            *over = Some(position.clone());
        }
        drop(over);
        self.play_over.fetch_or(play, Ordering::SeqCst);
        self.barrier.wake();
    }

    /// Whether the task at `position` is not to be started any more.
    pub fn ended(&self, position: &[u32]) -> bool {
        // Handlers that are forced run when all is over.
        let forced = position.first() == Some(&u32::MAX);
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        !forced && over.as_ref().is_some_and(|at| at.as_slice() < position)
    }

    /// Records the result of a `run_once` task for the other hosts.
    pub fn publish_once(&self, position: &Position, outcome: &Outcome) {
        let result = Arc::new(Outcome { events: Vec::new(), ..outcome.clone() });
        self.once.lock().unwrap_or_else(PoisonError::into_inner).insert(position.clone(), result);
        self.barrier.wake();
    }

    /// The result of a `run_once` task, once it is there.
    pub fn once(&self, position: &Position) -> Option<Shared> {
        self.once.lock().unwrap_or_else(PoisonError::into_inner).get(position).cloned()
    }

    /// A line for something that is no task of the play.
    pub fn line(&self, name: &str, position: &[u32]) -> TaskLine {
        TaskLine {
            name: name.to_owned(),
            play: self.name.clone(),
            position: if position.is_empty() { self.base.clone() } else { position.to_vec() },
            handler: false,
            action: name.to_owned(),
            span: None,
        }
    }
}

impl Run {
    /// Runs a play on its hosts, batch by batch. The second number of positions counts batches. Returns whether the
    /// plays after it are to run: as with Ansible they are not once all hosts of a batch, or too many, have failed.
    pub(super) async fn play(self: &Arc<Self>, play: &Arc<Play>, number: u32) -> Result<bool, RunError> {
        let hosts = self.play_hosts(play)?;
        let controller = self.host(super::LOCALHOST).or_else(|| hosts.first().and_then(|h| self.host(h)));
        let template = self.batch(play, number, 0, &hosts, Vec::new(), Vars::new())?;
        let template = Arc::new(template);
        let name = match (&play.name, &controller) {
            (Some(node), Some(host)) if node.key_text().contains("{{") => {
                let vars = TaskVars::context(self, &template, host, &play.scope, &[]);
                let rendered = self.engine.render_tree(node, &vars).ok();
                rendered.as_ref().and_then(keyword::as_text).unwrap_or_else(|| play.title())
            }
            _ => play.title(),
        };
        self.tell(Event::PlayStart { play: name.clone(), hosts: hosts.clone(), tasks: template.program.tasks() });
        if hosts.is_empty() {
            self.tell(Event::Warning { message: format!("no hosts matched in play `{name}`") });
            return Ok(true);
        }
        let prompted = self.prompts(play, &hosts, &template)?;
        let sizes = self.batch_sizes(play, &hosts, &template)?;
        let mut rest = hosts.as_slice();
        for (index, size) in sizes.into_iter().enumerate() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let now: Vec<String> = now.iter().filter(|h| !self.is_out(h)).cloned().collect();
            if now.is_empty() {
                continue;
            }
            let mut batch = self.batch(play, number, index as u32, &hosts, now.clone(), prompted.clone())?;
            batch.name.clone_from(&name);
            let batch = Arc::new(batch);
            self.tell(Event::BatchStart { hosts: now.clone() });
            self.run_batch(&batch).await;
            let failed = batch.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            failed.iter().for_each(|h| self.host_out(h));
            let fatal = batch.fatal.load(Ordering::SeqCst);
            if fatal || failed.len() == now.len() || batch.too_many(failed.len()) {
                return Ok(false);
            }
            if batch.play_over.load(Ordering::SeqCst) || self.interrupted() {
                break;
            }
        }
        Ok(true)
    }

    async fn run_batch(self: &Arc<Self>, batch: &Arc<Batch>) {
        let mut running = Vec::new();
        for name in &batch.hosts {
            let Some(host) = self.host(name) else {
                batch.barrier.leave(name);
                continue;
            };
            running.push((name.clone(), tokio::spawn(HostRun::new(self.clone(), batch.clone(), host).go())));
        }
        for (name, task) in running {
            if let Err(error) = task.await {
                self.fault(format!("the run of {name} broke down: {error}"));
                batch.host_failed(&name, &batch.base, false);
                batch.barrier.leave(&name);
            }
        }
    }

    /// Refuses playbooks with tasks that need variables which nothing defines.
    ///
    /// # Errors
    /// All of them, each with its place.
    pub fn undefined(&self, playbooks: &[Playbook]) -> Result<(), PlaybookError> {
        if self.options.start_at_task.is_some() {
            return Ok(());
        }
        let inventory = self.inventory();
        let mut known: HashSet<String> = self.options.extra_vars.keys().cloned().collect();
        let mut seen = HashSet::new();
        let folders: HashSet<_> = playbooks.iter().flat_map(|p| &p.plays).map(|play| &play.directory).collect();
        for host in inventory.hosts().chain([super::LOCALHOST]) {
            for folder in &folders {
                // Most hosts share most of their layers.
                let layers = inventory.host_vars(host, Some(folder));
                let new = layers.iter().filter(|layer| seen.insert(Arc::as_ptr(&layer.vars)));
                known.extend(new.flat_map(|layer| layer.vars.keys().cloned()));
            }
        }
        let has_hosts = |play: &Play| {
            let patterns = match &play.hosts.value {
                Value::Seq(parts) => parts.iter().map(Node::key_text).collect(),
                _ => vec![play.hosts.key_text()],
            };
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let selection = inventory.resolve(&patterns, self.options.limit.as_deref());
            selection.is_ok_and(|selection| !selection.hosts.is_empty())
        };
        let diagnostics = self.loader.undefined(playbooks, known, &self.options.tag_filter, has_hosts);
        if diagnostics.is_empty() { Ok(()) } else { Err(PlaybookError { diagnostics }) }
    }

    /// The hosts of a play, in its order.
    ///
    /// # Errors
    /// When the pattern is wrong.
    pub fn play_hosts(&self, play: &Play) -> Result<Vec<String>, RunError> {
        let patterns: Vec<String> = match &play.hosts.value {
            Value::Seq(parts) => parts.iter().map(Node::key_text).collect(),
            _ => vec![play.hosts.key_text()],
        };
        let mut rendered = Vec::new();
        for pattern in patterns {
            let value = self
                .engine
                .render_at(&pattern, Some(&play.hosts.span), &self.play_vars(play))
                .map_err(|e| RunError::template(&e))?;
            match value {
                Json::Array(many) => rendered.extend(many.iter().filter_map(keyword::as_text)),
                one => rendered.extend(keyword::as_text(&one)),
            }
        }
        let parts: Vec<&str> = rendered.iter().map(String::as_str).collect();
        let selection = self.inventory().resolve(&parts, self.options.limit.as_deref()).map_err(RunError::Inventory)?;
        selection.warnings.iter().for_each(|w| self.tell(Event::Warning { message: w.clone() }));
        let mut hosts: Vec<String> = selection.hosts.into_iter().filter(|h| !self.is_out(h)).collect();
        match play.order {
            None | Some(Order::Inventory) => {}
            Some(Order::ReverseInventory) => hosts.reverse(),
            Some(Order::Sorted) => hosts.sort(),
            Some(Order::ReverseSorted) => {
                hosts.sort();
                hosts.reverse();
            }
            Some(Order::Shuffle) => hosts.sort_by_key(|_| rand::random::<u64>()),
        }
        Ok(hosts)
    }

    fn batch(
        self: &Arc<Self>,
        play: &Arc<Play>,
        number: u32,
        index: u32,
        all_hosts: &[String],
        hosts: Vec<String>,
        prompted: Vars,
    ) -> Result<Batch, RunError> {
        let vars = self.play_vars(play);
        let flag = |node: Option<&Node>| match node {
            Some(node) => {
                let value = self.engine.render_tree(node, &vars).map_err(|e| RunError::template(&e))?;
                keyword::decided(&value).map(Some).map_err(|e| RunError::at(&node.span, e.message))
            }
            None => Ok(None),
        };
        let percentage = match &play.max_fail_percentage {
            Some(node) => Some(self.share(node, &vars)?),
            None => None,
        };
        let gather = flag(play.gather_facts.as_ref())?.unwrap_or(self.options.gather_facts);
        let force_handlers = flag(play.force_handlers.as_ref())?.unwrap_or(false) || self.options.force_handlers;
        let gather_task = gather_task(play);
        let wanted = self.wanted_statically();
        let sections =
            [(play.pre_tasks.as_slice(), true), (&play.roles, false), (&play.tasks, true), (&play.post_tasks, true)];
        let gather_wanted = gather && self.options.gathers_with_tags();
        let program = Program::play(gather_wanted, sections, &wanted);
        let program = self.start_at(program, number);
        Ok(Batch {
            play: play.clone(),
            name: play.title(),
            program: Arc::new(program),
            base: vec![number, index],
            handlers: Arc::new(Handlers::new(&play.handlers)),
            gather: gather_task,
            prompted: Arc::new(prompted),
            all_hosts: all_hosts.to_vec(),
            barrier: Barrier::new(&hosts),
            hosts,
            strict: percentage.is_some(),
            force_handlers,
            throttles: Throttles::default(),
            max_fail_percentage: percentage,
            failed: Mutex::default(),
            once: Mutex::default(),
            left: Mutex::default(),
            over: Mutex::new(None),
            play_over: AtomicBool::new(false),
            fatal: AtomicBool::new(false),
        })
    }

    /// What a play's own keywords are rendered with: its variables and the extra ones, for they are no host's.
    fn play_vars(&self, play: &Play) -> Context {
        let mut vars = IndexMap::new();
        for (name, node) in play.scope.play_vars().into_iter().flatten() {
            vars.insert(name.clone(), Var::node(node));
        }
        vars.extend(self.extra_only());
        Context::new(&self.engine, Arc::new(vars), self.local(&play.scope, &play.directory))
    }

    /// `max_fail_percentage`.
    fn share(&self, node: &Node, vars: &Context) -> Result<f64, RunError> {
        let value = self.engine.render_tree(node, vars).map_err(|e| RunError::template(&e))?;
        let text = keyword::as_text(&value).unwrap_or_default();
        let share = text.trim().trim_end_matches('%').trim_end().parse().ok();
        share.filter(|share| (0.0..=100.0).contains(share)).ok_or_else(|| {
            RunError::at(&node.span, format!("max_fail_percentage: `{text}` is no percentage from 0 to 100"))
        })
    }

    fn batch_sizes(
        self: &Arc<Self>,
        play: &Play,
        hosts: &[String],
        batch: &Arc<Batch>,
    ) -> Result<Vec<usize>, RunError> {
        if play.serial.is_empty() {
            return Ok(vec![hosts.len()]);
        }
        let Some(host) = hosts.first().and_then(|h| self.host(h)) else { return Ok(Vec::new()) };
        let vars = TaskVars::context(self, batch, &host, &play.scope, &[]);
        let mut given = Vec::new();
        for node in &play.serial {
            let value = self.engine.render_tree(node, &vars).map_err(|e| RunError::template(&e))?;
            let text = keyword::as_text(&value).unwrap_or_default();
            let size = match text.strip_suffix('%') {
                Some(share) => {
                    share.trim().parse::<f64>().ok().map(|p| ((p / 100.0 * hosts.len() as f64) as usize).max(1))
                }
                None => text.trim().parse::<usize>().ok(),
            };
            let size = size.ok_or_else(|| {
                RunError::at(&node.span, format!("serial: `{text}` is neither a number nor a percentage"))
            })?;
            given.push(if size == 0 { hosts.len() } else { size });
        }
        let mut sizes = Vec::new();
        let mut left = hosts.len();
        let last = given.last().copied().unwrap_or(left).max(1);
        let mut given = given.into_iter();
        while left > 0 {
            let size = given.next().unwrap_or(last).min(left);
            sizes.push(size);
            left -= size;
        }
        Ok(sizes)
    }

    /// What an answer to a prompt is as a variable: a hash of it, a text, or a template unless it is `unsafe`.
    fn answered(&self, play: &Play, prompt: &Prompt, answer: String) -> Result<Variable, RunError> {
        let Some(kind) = &prompt.encrypt else {
            return Ok(match prompt.unsafe_text {
                true => Variable::from(Json::String(answer)),
                false => Variable::Node(Arc::new(Node::text(&answer, prompt.span.clone()))),
            });
        };
        let given = [
            ("answer", Json::String(answer)),
            ("kind", json!(kind)),
            ("salt", json!(prompt.salt)),
            ("salt_size", json!(prompt.salt_size)),
        ];
        let given: IndexMap<String, Var> =
            given.iter().map(|(name, value)| ((*name).to_owned(), Var::data(value))).collect();
        let vars = Context::new(&self.engine, Arc::new(given), self.local(&play.scope, &play.directory));
        let hash = "{{ answer | password_hash(kind, salt, salt_size=salt_size) }}";
        let hash = self.engine.render_at(hash, Some(&prompt.span), &vars).map_err(|e| RunError::template(&e))?;
        Ok(Variable::from(hash))
    }

    /// Asks what `vars_prompt` wants to know and reads `vars_files`.
    fn prompts(self: &Arc<Self>, play: &Play, hosts: &[String], batch: &Arc<Batch>) -> Result<Vars, RunError> {
        let mut vars = Vars::new();
        for prompt in &play.vars_prompt {
            if self.options.extra_vars.contains_key(&prompt.name) {
                continue;
            }
            let text = prompt.prompt.as_ref().map_or_else(|| prompt.name.clone(), Node::key_text);
            let default = prompt.default.as_ref().map(Node::key_text);
            let answer = self.ask(&text, prompt.private, prompt.confirm, default.as_deref())?;
            vars.insert(prompt.name.clone(), self.answered(play, prompt, answer)?);
        }
        let Some(host) = hosts.first().and_then(|h| self.host(h)) else { return Ok(vars) };
        for node in &play.vars_files {
            let context = TaskVars::context(self, batch, &host, &play.scope, &[]);
            let candidates: Vec<&Node> = match &node.value {
                Value::Seq(many) => many.iter().collect(),
                _ => vec![node],
            };
            let mut tried = Vec::new();
            let mut found = None;
            for candidate in candidates {
                let name = self.engine.render_tree(candidate, &context).map_err(|e| RunError::template(&e))?;
                let name = keyword::as_text(&name).unwrap_or_default();
                let path = play.directory.join(&name);
                if path.is_file() {
                    found = Some(path);
                    break;
                }
                tried.push(path.display().to_string());
            }
            let path = found
                .ok_or_else(|| RunError::at(&node.span, format!("vars_files: there is no {}", tried.join(" nor "))))?;
            let loaded = crate::inventory::file_vars(&path).map_err(RunError::Inventory)?;
            vars.extend(loaded);
        }
        Ok(vars)
    }
}

/// The task by which a play begins to gather facts.
fn gather_task(play: &Play) -> Arc<Task> {
    let text = |text: &str, span: &Span| Node {
        value: Value::String { text: text.to_owned(), unsafe_text: true },
        span: span.clone(),
    };
    let args = [
        ("gather_subset", &play.gather_subset),
        ("gather_timeout", &play.gather_timeout),
        ("fact_path", &play.fact_path),
    ];
    let args = args
        .into_iter()
        .filter_map(|(name, node)| node.as_ref().map(|n| (text(name, &play.span), n.clone())))
        .collect();
    let scope = Scope {
        kind: ScopeKind::Task,
        keywords: Keywords::default(),
        role: None,
        parent: Some(play.scope.clone()),
        directory: play.directory.as_path().into(),
        include_dir: None,
    };
    let module = Registry::get().gatherer().map_or("", |entry| entry.name);
    let action = Action::Module {
        name: module.to_owned(),
        written: module.rsplit('.').next().unwrap_or(module).to_owned(),
        name_span: play.span.clone(),
        args,
        free_form: None,
        template: None,
    };
    Arc::new(Task::plain(text("Gathering Facts", &play.span), Arc::new(scope), action, play.span.clone()))
}

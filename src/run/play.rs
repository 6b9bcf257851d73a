//! Plays: which hosts, in which batches, and what they share.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    Gathering, Options, Run, RunError,
    barrier::Barrier,
    batch::{Batch, Course},
    handlers::Handlers,
    host::HostRun,
    keyword,
    program::Program,
    throttle::Throttles,
    variables::TaskVars,
    vars_files::{self, VarsFiles},
};
use crate::{
    inventory::{Variable, Vars},
    module::Registry,
    playbook::{Action, Keywords, Order, Play, Playbook, PlaybookError, Prompt, Scope, ScopeKind, Strategy, Task},
    python::number,
    report::Event,
    template::{Context, Var, is_omit},
    yaml::{Node, Span, Value},
};

impl Run {
    /// Runs a play on its hosts, batch by batch. The second number of positions counts batches. Returns whether the
    /// plays after it are to run: as with Ansible they are not once all hosts of a batch, or too many, have failed.
    pub(super) async fn play(self: &Arc<Self>, play: &Arc<Play>, number: u32) -> Result<bool, RunError> {
        let all = self.play_hosts(play)?;
        let hosts: Vec<String> = all.iter().filter(|h| !self.hosts.is_out(h)).cloned().collect();
        let controller = self.hosts.get(super::LOCALHOST).or_else(|| hosts.first().and_then(|h| self.hosts.get(h)));
        let template = self.batch(play, number, 0, &all, Vec::new(), Vars::new())?;
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
            let now: Vec<String> = now.iter().filter(|h| !self.hosts.is_out(h)).cloned().collect();
            if now.is_empty() {
                continue;
            }
            let mut batch = self.batch(play, number, index as u32, &all, now.clone(), prompted.clone())?;
            batch.name.clone_from(&name);
            let batch = Arc::new(batch);
            self.tell(Event::BatchStart { hosts: now.clone() });
            self.run_batch(&batch).await;
            batch.failed().iter().for_each(|h| self.hosts.put_out(h));
            if batch.has_failed() {
                return Ok(false);
            }
            if batch.play_is_over() || self.interrupted() {
                break;
            }
        }
        Ok(true)
    }

    async fn run_batch(self: &Arc<Self>, batch: &Arc<Batch>) {
        let mut running = Vec::new();
        for name in &batch.hosts {
            let Some(host) = self.hosts.get(name) else {
                batch.barrier.leave(name);
                continue;
            };
            running.push((name.clone(), tokio::spawn(HostRun::new(self.clone(), batch.clone(), host).go())));
        }
        for (name, task) in running {
            if let Err(error) = task.await {
                self.tally.fault(format!("the run of {name} broke down: {error}"));
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

    /// The hosts of a play, in its order, those that failed before among them.
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
        let mut hosts = selection.hosts;
        match self.chosen("order", play.order.as_ref(), Order::from_name, &self.play_vars(play))? {
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

    /// What a keyword of a play that takes one of several names says, rendered.
    fn chosen<T>(
        &self,
        keyword: &str,
        node: Option<&Node>,
        from_name: fn(&str) -> Option<T>,
        vars: &Context,
    ) -> Result<Option<T>, RunError> {
        let Some(node) = node else { return Ok(None) };
        let Some(value) = self.given(node, vars)? else { return Ok(None) };
        let Some(text) = keyword::as_text(&value) else { return Ok(None) };
        let known = from_name(&text).map(Some);
        known.ok_or_else(|| RunError::at(&node.span, format!("{keyword}: there is no `{text}`")))
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
        let flag = |node: Option<&Node>| {
            let Some(node) = node else { return Ok(None) };
            let Some(value) = self.given(node, &vars)? else { return Ok(None) };
            keyword::decided(&value).map(Some).map_err(|e| RunError::at(&node.span, e.message))
        };
        let strategy = self.chosen("strategy", play.strategy.as_ref(), Strategy::from_name, &vars)?;
        let percentage = match &play.max_fail_percentage {
            Some(node) => self.share(node, &vars)?,
            None => None,
        };
        let gather = flag(play.gather_facts.as_ref())?.unwrap_or(self.options.gathering != Gathering::Explicit);
        let force_handlers = flag(play.force_handlers.as_ref())?.unwrap_or(self.options.force_handlers);
        let gather_task = gather_task(play, &self.options);
        let wanted = self.wanted(&vars);
        let prompted = Arc::new(prompted);
        let sections =
            [(play.pre_tasks.as_slice(), true), (&play.roles, false), (&play.tasks, true), (&play.post_tasks, true)];
        let gather_wanted = gather && self.options.gathers_with_tags();
        let program = Program::play(gather_wanted, sections, &wanted);
        let program = self.start_at.skip(program, number);
        Ok(Batch {
            play: play.clone(),
            name: play.title(),
            strategy: strategy.unwrap_or_default(),
            program: Arc::new(program),
            base: vec![number, index],
            handlers: Arc::new(Handlers::new(&play.handlers, &|task| self.handler_name(play, &prompted, task))),
            prompted,
            gather: gather_task,
            all_hosts: all_hosts.to_vec(),
            barrier: Barrier::new(&hosts),
            hosts,
            strict: percentage.is_some(),
            force_handlers,
            throttles: Throttles::default(),
            max_fail_percentage: percentage,
            public: std::sync::Mutex::default(),
            included: std::sync::Mutex::default(),
            vars_files: VarsFiles::default(),
            course: Course::default(),
        })
    }

    /// What a play's own keywords are rendered with: its variables and the extra ones, for they are no host's.
    fn play_vars(&self, play: &Play) -> Context {
        let vars = variables(play, self.extra_only());
        Context::new(&self.engine, Arc::new(vars), self.local(&play.scope, &play.directory))
    }

    /// What a keyword of a play says; nothing where `omit` leaves it out.
    fn given(&self, node: &Node, vars: &Context) -> Result<Option<Json>, RunError> {
        let value = self.engine.render_tree(node, vars).map_err(|e| RunError::template(&e))?;
        Ok(Some(value).filter(|value| !is_omit(value)))
    }

    /// `max_fail_percentage`.
    fn share(&self, node: &Node, vars: &Context) -> Result<Option<f64>, RunError> {
        let Some(value) = self.given(node, vars)? else { return Ok(None) };
        let text = keyword::as_text(&value).unwrap_or_default();
        let share = text.trim().trim_end_matches('%').trim_end().parse().ok();
        share.filter(|share| (0.0..=100.0).contains(share)).map(Some).ok_or_else(|| {
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
        let Some(host) = hosts.first().and_then(|h| self.hosts.get(h)) else { return Ok(Vec::new()) };
        let vars = TaskVars::context(self, batch, &host, &play.scope, &[]);
        let mut given = Vec::new();
        for node in &play.serial {
            let Some(value) = self.given(node, &vars)? else { continue };
            let text = keyword::as_text(&value).unwrap_or_default();
            let size = match text.strip_suffix('%') {
                Some(share) => number::float(share).map(|p| ((p / 100.0 * hosts.len() as f64) as usize).max(1)),
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
            let answer = self.prompter.ask(&text, prompt.private, prompt.confirm, default.as_deref())?;
            vars.insert(prompt.name.clone(), self.answered(play, prompt, answer)?);
        }
        let differ = vars_files::differ(play);
        // Where all hosts read the same, one look is enough.
        for name in hosts.iter().take(if differ { usize::MAX } else { 1 }) {
            let Some(host) = self.hosts.get(name) else { continue };
            let context = TaskVars::context(self, batch, &host, &play.scope, &[]);
            let read = batch.vars_files.checked(self, play, &context)?;
            if !differ {
                vars.extend(read);
            }
        }
        Ok(vars)
    }
}

/// The variables of a play that are no host's, and those of the command line over them.
pub fn variables(play: &Play, extra: IndexMap<String, Var>) -> IndexMap<String, Var> {
    let own = play.scope.play_vars().into_iter().flatten();
    own.map(|(name, node)| (name.clone(), Var::node(node))).chain(extra).collect()
}

/// The task by which a play begins to gather facts.
fn gather_task(play: &Play, options: &Options) -> Arc<Task> {
    let text = |text: &str, span: &Span| Node {
        value: Value::String { text: text.to_owned(), unsafe_text: true },
        span: span.clone(),
    };
    let configured = |value: Json| Node::from_json(&value, &play.span);
    let subset = Some(&options.gather_subset).filter(|subset| !subset.is_empty()).map(|s| configured(json!(s)));
    let timeout = options.gather_timeout.map(|seconds| configured(json!(seconds)));
    let args = [
        ("gather_subset", play.gather_subset.as_ref().or(subset.as_ref())),
        ("gather_timeout", play.gather_timeout.as_ref().or(timeout.as_ref())),
        ("fact_path", play.fact_path.as_ref()),
    ];
    let args = args.into_iter().filter_map(|(name, node)| node.map(|n| (text(name, &play.span), n.clone()))).collect();
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

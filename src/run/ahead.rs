//! Looking ahead: the questions of coming tasks whose parameters are already known, asked together with this one's.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{
    Run, connection, facts,
    host::{Frame, HostRun},
    item::context,
    keyword,
    machine::{Actor, Machine},
    program::Op,
    task::{self, Prepared, Readiness},
};
use crate::{
    fact::{Missing, Probe},
    module::PlanError,
    playbook::{Action, LoopKind, MetaAction, SearchKind, Task, VarMap, expression_parameter},
    template::{Context, References},
    yaml::{Node, Value},
};

/// So many tasks are looked at ahead at most: enough for a whole play that has nothing to do, few enough that a play
/// that changes everything is not planned over and over.
const WINDOW: usize = 160;

/// So many are looked at behind a change of unknown effect: another such change, that makes all answers stale again,
/// is likely to follow soon.
const WINDOW_AFTER_CHANGE: usize = 24;

/// What a task reads and writes as far as it can be told without a host.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// What its templates read, those of a template file included.
    pub references: Arc<References>,
    /// What `until`, `changed_when` and `failed_when` read, once there is a result.
    pub judged: Arc<References>,
    /// Variables it sets: `register`, `set_fact`.
    pub sets: Arc<Vec<String>>,
    /// It may set variables whose names are not known.
    pub sets_unknown: bool,
    /// It may bring a host into being, or change the groups of this one.
    pub regroups: Option<Regroups>,
    /// It acts on another host.
    pub delegated: bool,
    /// Its variables, or those of its play or role, say at which address.
    pub leads_elsewhere: bool,
}

/// What `add_host` and `group_by` leave unknown for the tasks behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regroups {
    /// Other hosts' variables.
    Others,
    /// This host's too.
    Own,
}

impl Run {
    /// What a task reads and writes; computed once for each task.
    pub fn features(&self, task: &Arc<Task>) -> Features {
        let key = Arc::as_ptr(task) as usize;
        let known =
            self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key).map(|(_, f)| f.clone());
        if let Some(features) = known {
            return features;
        }
        let features = self.look_at(task);
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The task is kept, so that its address stays its own.
        seen.insert(key, (task.clone(), features.clone()));
        features
    }

    fn look_at(&self, task: &Task) -> Features {
        let mut expressions: Vec<&Node> = task.scope.whens();
        let mut nodes: Vec<&Node> = Vec::new();
        let mut features = Features::default();
        let mut sets = Vec::new();
        if let Action::Module { name, args, free_form, template, .. } = &task.action {
            let bare = expression_parameter(name);
            for (key, value) in args {
                match (&value.value, bare.is_some() && key.as_str() == bare) {
                    (Value::Seq(many), true) => expressions.extend(many),
                    (_, true) => expressions.push(value),
                    _ => nodes.push(value),
                }
            }
            nodes.extend(free_form.iter().chain(template));
            match name.as_str() {
                "ansible.builtin.add_host" => features.regroups = Some(Regroups::Others),
                "ansible.builtin.group_by" => features.regroups = Some(Regroups::Own),
                "ansible.builtin.set_fact" => sets.extend(args.iter().map(|(key, _)| key.key_text())),
                "ansible.builtin.setup"
                | "ansible.builtin.service_facts"
                | "ansible.builtin.package_facts"
                | "ansible.builtin.getent" => {
                    features.sets_unknown = true;
                    // What names there will be is not known, but most are asked for by these.
                    let own = match name.as_str() {
                        "ansible.builtin.service_facts" => Some("services".to_owned()),
                        "ansible.builtin.package_facts" => Some("packages".to_owned()),
                        "ansible.builtin.getent" => args
                            .iter()
                            .find(|(key, _)| key.as_str() == Some("database"))
                            .map(|(_, database)| format!("getent_{}", database.key_text())),
                        // What it gathers was gathered before, most of the time.
                        _ => None,
                    };
                    sets.extend(own.into_iter().flat_map(|own| [own, "ansible_facts".to_owned()]));
                }
                _ => {}
            }
        } else {
            features.sets_unknown = true;
        }
        nodes.extend(task.loop_.iter().map(|l| &l.over));
        nodes.extend(task.scope.environments());
        nodes.extend(task.scope.module_defaults());
        let keywords = task.scope.chain().flat_map(|s| {
            let k = &s.keywords;
            let who = [&k.become_, &k.become_user, &k.become_method, &k.become_flags, &k.become_exe];
            let places = [&k.connection, &k.remote_user, &k.port, &k.delegate_to, &k.delegate_facts];
            let how = [&k.run_once, &k.check_mode, &k.ignore_unreachable];
            who.into_iter().chain(places).chain(how).flatten()
        });
        nodes.extend(keywords);
        for vars in task.scope.vars() {
            nodes.extend(vars.values().map(AsRef::as_ref));
        }
        sets.extend(task.register.as_ref().and_then(Node::as_str).map(str::to_owned));
        let mut all = self.expressions(expressions.into_iter());
        nodes.into_iter().for_each(|node| all.extend(self.engine.tree_references(node)));
        let judging =
            task.until.iter().chain(task.changed_when.iter().flatten()).chain(task.failed_when.iter().flatten());
        features.judged = Arc::new(self.expressions(judging));
        all.acts |= task.loop_.as_ref().is_some_and(|l| l.kind == LoopKind::WithLines);
        self.template_names(task, &mut all);
        let maps = task.scope.vars().into_iter().chain(task.scope.play_vars());
        let roles = task.scope.roles().into_iter().flat_map(|role| [&role.vars, &role.params, &role.defaults]);
        let leads = |vars: &VarMap| connection::ADDRESSES.iter().any(|name| vars.contains_key(*name));
        features.leads_elsewhere = maps.chain(roles).any(leads);
        features.delegated = task.scope.inherited(|k| k.delegate_to.as_ref()).is_some();
        features.references = Arc::new(all);
        features.sets = Arc::new(sets);
        features
    }

    /// What expressions read, written without braces or, as `var: hosts['{{ name }}']`, with some in them.
    fn expressions<'n>(&self, nodes: impl Iterator<Item = &'n Node>) -> References {
        let mut all = References::default();
        for node in nodes {
            all.extend(self.engine.tree_references(node));
            if let Some(text) = node.as_str() {
                all.extend(self.engine.expression_references(text));
            }
        }
        all
    }

    /// A template file reads variables too.
    fn template_names(&self, task: &Task, all: &mut References) {
        let Action::Module { name, args, .. } = &task.action else { return };
        if name != "ansible.builtin.template" {
            return;
        }
        // With delimiters of its own it cannot be read as others are.
        all.any |= args.iter().any(|(key, _)| key.as_str().is_some_and(|key| key.ends_with("_string")));
        all.any |= !task.scope.module_defaults().is_empty();
        let source = args.iter().find(|(key, _)| key.as_str() == Some("src")).and_then(|(_, node)| node.as_str());
        let path = source.and_then(|s| self.loader.search(SearchKind::Templates, s, &task.scope).ok());
        match path.and_then(|p| std::fs::read_to_string(p).ok()) {
            Some(text) => all.extend(self.engine.file_references(&text)),
            // A name that is a template itself: whatever it names may read anything.
            None => all.any = true,
        }
    }

    /// Whether rendering a task does something on this machine, through its variables too.
    pub fn acts(&self, features: &Features, vars: &Context) -> bool {
        features.references.acts || self.engine.all_references(&features.references, vars).acts
    }

    /// What the variables that say how a host is reached, and who acts, are made of.
    pub fn connection_references(&self, vars: &Context) -> References {
        let given = [&connection::NAMES[..], keyword::NAMES].map(|names| vars.among(names)).concat();
        let names = given.into_iter().map(str::to_owned).collect();
        self.engine.all_references(&References { names, ..References::default() }, vars)
    }

    /// Whether a task reads other hosts' variables, through its own variables too.
    pub fn reads_others(&self, features: &Features, vars: &Context) -> bool {
        features.references.hostvars || self.engine.all_references(&features.references, vars).hostvars
    }
}

impl HostRun {
    /// The questions of the current task's other items and of the tasks behind it, by machine and user.
    pub(super) fn ahead(&self, current: &Arc<Task>) -> Vec<(Arc<Machine>, Actor, Vec<Probe>)> {
        self.ahead_by(current, WINDOW)
    }

    fn ahead_by(&self, current: &Arc<Task>, window: usize) -> Vec<(Arc<Machine>, Actor, Vec<Probe>)> {
        let mut found: Vec<(Arc<Machine>, Actor, Vec<Probe>)> = Vec::new();
        if !self.run.options.lookahead || self.careful.is_some() {
            return found;
        }
        if current.loop_.is_some() {
            // A module may ask again once it knows the first answers: each such round is one for all items.
            self.questions(current, &self.frames, &self.vars(current), &mut found);
        }
        let mut frames = self.frames.clone();
        let mut unknown = Unknown::default();
        unknown.add(&self.run.features(current));
        let mut connections = Vec::new();
        let mut asked = 0;
        while asked < window {
            let Some(task) = self.following(&mut frames) else { break };
            asked += 1;
            let features = self.run.features(&task);
            let vars = self.vars_in(&task, &frames);
            let reached = unknown.reaches(&self.run, &features, &vars)
                || unknown.settings
                || (unknown.some()
                    && unknown.names_any(self.connection_reads(&mut connections, &task, &frames, &vars)));
            if reached {
                unknown.add(&features);
                if features.sets_unknown || unknown.own_groups {
                    break;
                }
                continue;
            }
            if !matches!(task.action, Action::Module { .. }) {
                break;
            }
            self.questions(&task, &frames, &vars, &mut found);
            unknown.add(&features);
        }
        found
    }

    /// The questions ahead for one machine and user, API questions left out.
    pub(super) fn ahead_on(&self, current: &Arc<Task>, prepared: &Prepared) -> Vec<Probe> {
        let found = self.ahead_by(current, WINDOW_AFTER_CHANGE);
        let mine = found.into_iter().find(|(m, a, _)| Arc::ptr_eq(m, &prepared.machine) && *a == prepared.actor);
        // Whatever was known before the change is about to be stale: ask for all of it.
        mine.map(|(.., probes)| probes.into_iter().filter(|p| !matches!(p, Probe::Api(_))).collect())
            .unwrap_or_default()
    }

    /// What the connection of a task is made of. Tasks of one role and one include have the same, but for what stands with the task,
    /// which is among its own references.
    fn connection_reads<'c>(
        &self,
        known: &'c mut Vec<(Option<usize>, usize, References)>,
        task: &Task,
        frames: &[Frame],
        vars: &Context,
    ) -> &'c References {
        let (role, depth) = (task.scope.role().map(|role| Arc::as_ptr(role) as usize), frames.len());
        let at = known.iter().position(|(r, d, _)| (*r, *d) == (role, depth)).unwrap_or_else(|| {
            known.push((role, depth, self.run.connection_references(vars)));
            known.len() - 1
        });
        &known[at].2
    }

    fn vars_in(&self, task: &Task, frames: &[Frame]) -> Context {
        let more: Vec<_> = frames.iter().flat_map(|f| f.vars.iter().cloned()).collect();
        super::variables::TaskVars::context(&self.run, &self.batch, &self.host, &task.scope, &more)
    }

    /// The next task in the natural course, without failures; none where the course is not known.
    fn following(&self, frames: &mut Vec<Frame>) -> Option<Arc<Task>> {
        let mut first = true;
        loop {
            let frame = frames.last_mut()?;
            if first {
                frame.pc += 1;
                first = false;
            }
            let Some((op, _)) = frame.program.ops.get(frame.pc) else {
                let last = frame.last;
                frames.pop();
                first = last;
                continue;
            };
            match op {
                Op::BodyEnd(block) => frame.pc = frame.program.blocks[*block].always,
                Op::RescueEnd => frame.pc += 1,
                Op::BlockEnd(block) if frame.failed.contains(block) => return None,
                Op::BlockEnd(_) => frame.pc += 1,
                Op::Flush if self.notified.is_empty() => frame.pc += 1,
                Op::Flush => return None,
                Op::Gather => return Some(self.batch.gather.clone()),
                Op::Task(_) if frame.handlers && !self.notified.contains(&frame.pc) => frame.pc += 1,
                Op::Task(task) => match &task.action {
                    Action::Meta { action: MetaAction::Noop, .. } => frame.pc += 1,
                    Action::Meta { .. } | Action::Include(_) => return None,
                    Action::Module { .. } => return Some(task.clone()),
                },
            }
        }
    }

    fn questions(
        &self,
        task: &Arc<Task>,
        frames: &[Frame],
        vars: &Context,
        found: &mut Vec<(Arc<Machine>, Actor, Vec<Probe>)>,
    ) {
        // Whatever is wrong with a coming task is told when its turn comes.
        let Ok(items) = task::items(&self.run, task, vars) else { return };
        let all: Vec<Context> = match &items {
            None => vec![vars.clone()],
            Some(items) => (0..items.len()).map(|i| vars.with(task::item_vars(task, items, i))).collect(),
        };
        for vars in all {
            let Ok(Readiness::Ready(prepared)) = task::prepare(self, frames, task, &vars) else {
                continue;
            };
            let context = context(&prepared, &self.host.name);
            let wanted: Vec<Probe> = prepared.machine.with_state(&prepared.actor, |state| {
                let now = Instant::now();
                let probes = prepared.module.probe(&context, state).into_iter();
                let wanted = probes.filter(|p| state.wants(p, now));
                let mut wanted: Vec<Probe> = wanted.map(|p| state.asked_as(p)).collect();
                // Everything is known, and still it may need something better known: a directory's times, for one.
                if wanted.is_empty()
                    && let Err(PlanError::Missing(Missing::Unread(probe))) = prepared.module.plan(&context, state)
                {
                    wanted.push(*probe);
                }
                wanted
            });
            let index = found.iter().position(|(m, a, _)| Arc::ptr_eq(m, &prepared.machine) && *a == prepared.actor);
            let index = index.unwrap_or_else(|| {
                found.push((prepared.machine.clone(), prepared.actor.clone(), Vec::new()));
                found.len() - 1
            });
            for probe in wanted {
                if !found[index].2.contains(&probe) {
                    found[index].2.push(probe);
                }
            }
        }
    }
}

/// What a task not yet done may set.
#[derive(Default)]
struct Unknown {
    names: BTreeSet<String>,
    facts: bool,
    /// Hosts may appear.
    hosts: bool,
    /// This host's groups may change, and with them any of its variables.
    own_groups: bool,
    /// Among the names is one that says how a host is reached, or who acts.
    settings: bool,
}

impl Unknown {
    fn add(&mut self, features: &Features) {
        self.settings |= features.sets.iter().any(|name| facts::is_setting(name));
        self.names.extend(features.sets.iter().cloned());
        self.facts |= features.sets_unknown;
        self.hosts |= features.regroups.is_some();
        self.own_groups |= features.regroups == Some(Regroups::Own);
    }

    fn some(&self) -> bool {
        !self.names.is_empty() || self.facts
    }

    /// Whether a task reads any of them or another host's, through other variables too.
    fn reaches(&self, run: &Run, features: &Features, vars: &Context) -> bool {
        let all = run.engine.all_references(&features.references, vars);
        // What is looked up by doing something is done once, when its task's turn has come.
        // A name that is a template itself may be any.
        all.hostvars
            || self.own_groups
            || (self.hosts && features.delegated)
            || self.names.iter().any(|name| name.contains("{{"))
            || all.acts
            || (self.some() && self.names_any(&all))
    }

    fn names_any(&self, read: &References) -> bool {
        read.any || read.names.iter().any(|n| self.names.contains(n) || (self.facts && is_fact(n)))
    }
}

/// Connection settings are `ansible_…` too, and are no facts.
fn is_fact(name: &str) -> bool {
    name == "ansible_facts" || (name.starts_with("ansible_") && facts::may_be_variable(name))
}

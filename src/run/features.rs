//! What a task reads and writes, as far as that can be told without a host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::{Run, connection, keyword, lock};
use crate::{
    module::about,
    playbook::{Action, Args, LocalFile, LoopKind, Role, Sets, Task, VarMap},
    template::{Context, References},
    yaml::{Node, Value},
};

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

/// The features of all tasks that were looked at.
#[derive(Default)]
pub struct Known(Mutex<HashMap<usize, (Arc<Task>, Features)>>);

impl Known {
    fn get(&self, task: &Arc<Task>, look: impl FnOnce() -> Features) -> Features {
        let key = Arc::as_ptr(task) as usize;
        let known = lock(&self.0).get(&key).map(|(_, features)| features.clone());
        if let Some(features) = known {
            return features;
        }
        let features = look();
        // The task is kept, so that its address stays its own.
        lock(&self.0).insert(key, (task.clone(), features.clone()));
        features
    }
}

impl Run {
    /// What a task reads and writes; computed once for each task.
    pub fn features_of(&self, task: &Arc<Task>) -> Features {
        self.features.get(task, || self.look_at(task))
    }

    fn look_at(&self, task: &Task) -> Features {
        let mut expressions: Vec<&Node> = task.scope.whens();
        let mut nodes: Vec<&Node> = Vec::new();
        let mut features = Features::default();
        let mut sets = Vec::new();
        if let Action::Module { name, args, free_form, template, .. } = &task.action {
            let about = about(name);
            let bare = about.expressions.map(|expressions| expressions.parameter);
            for (key, value) in args {
                match (&value.value, bare.is_some() && key.as_str() == bare) {
                    (Value::Seq(many), true) => expressions.extend(many),
                    (_, true) => expressions.push(value),
                    _ => nodes.push(value),
                }
            }
            nodes.extend(free_form.iter().chain(template));
            sets.extend(set_by(about.sets, args, &mut features));
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
        all.acts |= task.loop_.as_ref().is_some_and(|l| looks_outside(l.kind));
        self.template_names(task, &mut all);
        let maps = task.scope.vars().into_iter().chain(task.scope.play_vars());
        let roles = task.scope.roles().into_iter().flat_map(|role| of_role(role));
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
        let Some(LocalFile { parameter, folder, template: Some(delimiters), .. }) = about(name).file else { return };
        // With delimiters of its own it cannot be read as others are.
        all.any |= args.iter().any(|(key, _)| delimiters.contains(&key.key_text().as_str()));
        all.any |= !task.scope.module_defaults().is_empty();
        let source = args.iter().find(|(key, _)| key.as_str() == Some(parameter)).and_then(|(_, node)| node.as_str());
        let path = source.and_then(|s| self.loader.search(folder, s, &task.scope).ok());
        match path.and_then(|p| crate::yaml::read_source(&p).ok()) {
            Some(source) => all.extend(self.engine.file_references(&source.text)),
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

    /// Whether a task reads other hosts' variables, and whether it reads who still takes part; through its own variables too.
    pub fn reads_others(&self, features: &Features, vars: &Context) -> (bool, bool) {
        const NAMES: [&str; 3] = ["ansible_play_hosts", "ansible_play_batch", "play_hosts"];
        let all = self.engine.all_references(&features.references, vars);
        (features.references.hostvars || all.hostvars, NAMES.iter().any(|name| all.names.contains(*name)))
    }
}

/// The names that a module sets; what else it sets is noted.
fn set_by(by: Sets, args: &Args, features: &mut Features) -> Vec<String> {
    let mut sets = Vec::new();
    match by {
        Sets::Nothing => {}
        Sets::Host(_) => features.regroups = Some(Regroups::Others),
        Sets::Groups => features.regroups = Some(Regroups::Own),
        Sets::Parameters => sets.extend(by.names(args).unwrap_or_default()),
        // What it gathers was gathered before, most of the time.
        Sets::AllFacts => features.sets_unknown = true,
        // What is in them is not known, but most are asked for by their names.
        Sets::Facts(_) | Sets::Any => {
            features.sets_unknown = true;
            sets.extend(by.names(args).unwrap_or_default());
            sets.push("ansible_facts".to_owned());
        }
    }
    sets
}

/// All variables that a use of a role brings.
fn of_role(role: &Role) -> [&VarMap; 4] {
    [&role.vars, &role.given, &role.params, &role.defaults]
}

/// Whether a loop's lookup may run a command, or read what a task has changed.
fn looks_outside(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::WithLines | LoopKind::WithLookup(_))
}

//! The variables of a host at a task: layers by precedence, and the magic variables in front of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{FactCache, LANGUAGE, Run, batch::Batch, connection, facts::may_be_variable, place, vars_files};
use crate::{
    inventory::{Layer, Layers, Level, Variable, Vars},
    module::local::absolute,
    playbook::{Play, Role, Scope, VarMap},
    template::{Context, HostVars, Var, Vars as TemplateVars},
    yaml::{Node, origin},
};

/// What is known of a host over the whole run.
pub struct Host {
    /// Its name in the inventory.
    pub name: String,
    /// Inventory variables, facts, `set_fact`, registered results, extra vars.
    layers: Mutex<Layers>,
    /// Check mode: variables whose values would be another after a run, and the task that was not carried out.
    unsure: Mutex<BTreeMap<String, String>>,
    /// Where facts are kept for later runs, and those of this host as they came.
    cache: Option<Kept>,
    /// What went wrong with that, once.
    cache_trouble: Mutex<Option<String>>,
}

/// The facts of a host that later runs find.
struct Kept {
    cache: Arc<FactCache>,
    facts: Mutex<serde_json::Map<String, Json>>,
}

impl Host {
    /// Returns a host with its inventory's and the extra variables, and with the facts that are kept of it.
    pub fn new(name: &str, layers: Layers, cache: Option<Arc<FactCache>>) -> Host {
        let (kept, trouble) = match cache.as_ref().map(|cache| cache.load(name)) {
            Some(Ok(kept)) => (kept.unwrap_or_default(), None),
            Some(Err(error)) => {
                (serde_json::Map::new(), Some(format!("the facts kept of {name} cannot be read: {error}")))
            }
            None => (serde_json::Map::new(), None),
        };
        let host = Host {
            name: name.to_owned(),
            layers: Mutex::new(layers),
            unsure: Mutex::default(),
            cache: cache.map(|cache| Kept { cache, facts: Mutex::new(kept.clone()) }),
            cache_trouble: Mutex::new(trouble),
        };
        if !kept.is_empty() {
            host.take_facts(&kept);
        }
        host
    }

    /// What went wrong with the facts that are kept, where it was not told yet.
    pub fn cache_trouble(&self) -> Option<String> {
        self.cache_trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether facts were gathered, now or by the run that kept them.
    pub fn has_facts(&self) -> bool {
        let all = self.lock().get_at(Level::Facts, "ansible_facts").map(Variable::to_json);
        all.is_some_and(|all| all.get("module_setup").is_some())
    }

    /// Check mode: notes that variables depend on a task that was not carried out, or that they are known again.
    pub fn set_unsure<'a>(&self, names: impl IntoIterator<Item = &'a String>, task: Option<&str>) {
        let mut unsure = self.unsure.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            match task {
                Some(task) => unsure.insert(name.clone(), task.to_owned()),
                None => unsure.remove(name),
            };
        }
    }

    /// The task that any of these variables depends on.
    pub fn unsure(&self, names: &BTreeSet<String>) -> Option<String> {
        let unsure = self.unsure.lock().unwrap_or_else(PoisonError::into_inner);
        unsure.iter().find(|(name, _)| names.contains(*name)).map(|(_, task)| task.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The variables as they are now.
    pub fn layers(&self) -> Layers {
        self.lock().clone()
    }

    /// Goes back to what had been found out and set; what the inventory says stays as it is now.
    pub fn restore(&self, before: &Layers) {
        let mut layers = self.lock();
        *layers = joined(&layers, before);
    }

    /// Takes over what the inventory says now; what was found out and set stays.
    pub fn refresh(&self, inventory: &Layers) {
        let mut layers = self.lock();
        *layers = joined(inventory, &layers);
    }

    /// Sets a variable.
    pub fn set(&self, level: Level, name: &str, value: Json) {
        self.lock().set(level, name, value);
    }

    /// Adds variables that were loaded from files.
    pub fn push(&self, level: Level, vars: Arc<Vars>) {
        self.lock().push(level, vars);
    }

    /// Takes over facts: by themselves where that is harmless, and all of them under `ansible_facts`.
    pub fn learn_facts(&self, facts: &serde_json::Map<String, Json>) {
        self.take_facts(facts);
        let Some(Kept { cache, facts: kept }) = &self.cache else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(facts.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Err(error) = cache.store(&self.name, &kept) {
            self.trouble(format!("the facts of {} cannot be kept in {}: {error}", self.name, cache.folder.display()));
        }
    }

    fn trouble(&self, text: String) {
        *self.cache_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn take_facts(&self, facts: &serde_json::Map<String, Json>) {
        let mut layers = self.lock();
        let mut all = match layers.get_at(Level::Facts, "ansible_facts").map(Variable::to_json) {
            Some(Json::Object(all)) => all,
            _ => serde_json::Map::new(),
        };
        for (name, value) in facts {
            let short = name.strip_prefix("ansible_").unwrap_or(name);
            all.insert(short.to_owned(), value.clone());
            if may_be_variable(name) {
                layers.set(Level::Facts, name.as_str(), value.clone());
            }
        }
        layers.set(Level::Facts, "ansible_facts", Json::Object(all));
    }

    /// Forgets all facts.
    pub fn clear_facts(&self) {
        self.lock().clear(Level::Facts);
        let Some(Kept { cache, facts: kept }) = &self.cache else { return };
        kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Err(error) = cache.forget(&self.name) {
            self.trouble(format!("the facts kept of {} cannot be removed: {error}", self.name));
        }
    }
}

/// What the inventory says by one, and what was found out and set by the other.
fn joined(inventory: &Layers, found: &Layers) -> Layers {
    let is_found = |layer: &&Layer| matches!(layer.level, Level::Facts | Level::IncludeVars | Level::SetFacts);
    let said = inventory.layers().iter().filter(|layer| !is_found(layer));
    Layers::new(said.chain(found.layers().iter().filter(is_found)).cloned())
}

/// Turns a mapping of a playbook into variables.
pub fn vars(map: &VarMap) -> Arc<Vars> {
    Arc::new(map.iter().map(|(name, node)| (name.clone(), Variable::Node(node.clone()))).collect())
}

/// The layers that the place of a task in its play adds to those of the host.
pub fn at_place(base: &Layers, exports: &[Arc<Role>], prompted: &Arc<Vars>, scope: &Scope) -> Layers {
    let mut layers = base.clone();
    for role in exports {
        layers.push(Level::RoleDefaults, vars(&role.defaults));
        layers.push(Level::RoleVars, vars(&role.vars));
    }
    for play_vars in scope.play_vars().into_iter() {
        layers.push(Level::PlayVars, vars(play_vars));
    }
    layers.push(Level::PlayVarsPrompt, prompted.clone());
    for role in scope.roles() {
        for seen in role.all_dependencies().into_iter().chain([role]) {
            layers.push(Level::RoleDefaults, vars(&seen.defaults));
            layers.push(Level::RoleVars, vars(&seen.vars));
        }
        layers.push(Level::RoleVars, vars(&role.given));
        layers.push(Level::RoleParams, vars(&role.params));
    }
    for level_vars in scope.vars() {
        layers.push(Level::TaskVars, vars(level_vars));
    }
    for include in scope.include_params() {
        layers.push(Level::IncludeParams, vars(include));
    }
    layers
}

/// The variables at a place of a play that are no host's: what names of handlers are rendered with.
pub fn of_no_host(
    extra: IndexMap<String, Var>,
    play: &Play,
    prompted: &Arc<Vars>,
    scope: &Scope,
) -> IndexMap<String, Var> {
    let layers = at_place(&Layers::default(), &play.exports, prompted, scope);
    let value = |name: &str| match layers.get(name)?.value {
        Variable::Node(node) => Some((name.to_owned(), Var::node(node))),
        Variable::Json(json) => Some((name.to_owned(), Var::data(json))),
    };
    let mut known: IndexMap<String, Var> = layers.names().filter_map(value).collect();
    if let Some(role) = scope.role() {
        known.insert("role_name".to_owned(), Var::names(&json!(role.name)));
        known.insert("ansible_role_name".to_owned(), Var::names(&json!(role.name)));
    }
    known.extend(extra);
    known
}

/// The variables of one host at one task, as templates see them.
pub struct TaskVars {
    run: Arc<Run>,
    batch: Arc<Batch>,
    host: Arc<Host>,
    layers: Layers,
    scope: Arc<Scope>,
    /// The host that the task is for, where it is another one that it is delegated to.
    called: Option<String>,
}

impl TaskVars {
    /// Gathers the variables of `host` at `scope`; `more` are those of includes and loops around the task.
    pub fn context(
        run: &Arc<Run>,
        batch: &Arc<Batch>,
        host: &Arc<Host>,
        scope: &Arc<Scope>,
        more: &[(Level, Arc<Vars>)],
    ) -> Context {
        let vars = TaskVars::new(run, batch, host, scope, more);
        Context::new(&run.engine, Arc::new(vars), run.local(scope, &batch.play.directory))
    }

    fn new(
        run: &Arc<Run>,
        batch: &Arc<Batch>,
        host: &Arc<Host>,
        scope: &Arc<Scope>,
        more: &[(Level, Arc<Vars>)],
    ) -> TaskVars {
        let prompted = Self::prompted(run, batch, host, scope, more);
        Self::at(run, batch, host, scope, more, &prompted)
    }

    fn at(
        run: &Arc<Run>,
        batch: &Arc<Batch>,
        host: &Arc<Host>,
        scope: &Arc<Scope>,
        more: &[(Level, Arc<Vars>)],
        prompted: &Arc<Vars>,
    ) -> TaskVars {
        let mut layers = at_place(&host.layers(), &batch.exports(), prompted, scope);
        for (level, vars) in more {
            layers.push(*level, vars.clone());
        }
        let (run, batch, host, scope) = (run.clone(), batch.clone(), host.clone(), scope.clone());
        TaskVars { run, batch, host, layers, scope, called: None }
    }

    /// What was answered to prompts, and the files that the host's own variables lead to.
    fn prompted(
        run: &Arc<Run>,
        batch: &Arc<Batch>,
        host: &Arc<Host>,
        scope: &Arc<Scope>,
        more: &[(Level, Arc<Vars>)],
    ) -> Arc<Vars> {
        if !vars_files::differ(&batch.play) {
            return batch.prompted.clone();
        }
        let without = TaskVars::at(run, batch, host, scope, more, &batch.prompted);
        let context = Context::new(&run.engine, Arc::new(without), run.local(scope, &batch.play.directory));
        let mut all = batch.prompted.as_ref().clone();
        all.extend(batch.vars_files.of_host(run, &batch.play, &context));
        Arc::new(all)
    }

    /// The variables by which a host is reached that a task of another host, `called`, is delegated to.
    pub fn of_delegate(
        run: &Arc<Run>,
        batch: &Arc<Batch>,
        host: &Arc<Host>,
        scope: &Arc<Scope>,
        more: &[(Level, Arc<Vars>)],
        called: &str,
    ) -> Context {
        let vars = TaskVars { called: Some(called.to_owned()), ..TaskVars::new(run, batch, host, scope, more) };
        Context::new(&run.engine, Arc::new(vars), run.local(scope, &batch.play.directory))
    }

    fn called(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.host.name)
    }

    fn magic(&self, name: &str) -> Option<Json> {
        Some(match name {
            "inventory_hostname" => json!(self.called()),
            "inventory_hostname_short" => json!(self.called().split('.').next().unwrap_or_default()),
            "group_names" => json!(self.run.inventory().group_names(&self.host.name)),
            "groups" => json!(*self.run.inventory().groups_map()),
            "play_hosts" | "ansible_play_batch" => json!(self.batch.active_hosts()),
            // Of all batches, where `ansible_play_batch` is of this one.
            "ansible_play_hosts" => {
                let gone = [self.batch.failed(), self.batch.left()].concat();
                let taking_part = |host: &&String| !self.run.hosts.is_out(host) && !gone.contains(host);
                json!(self.batch.all_hosts.iter().filter(taking_part).collect::<Vec<_>>())
            }
            "ansible_play_hosts_all" => json!(self.batch.all_hosts),
            "ansible_play_name" => json!(self.batch.name),
            "playbook_dir" => json!(absolute(&self.batch.play.directory)),
            "ansible_search_path" => json!(place::search_path(&self.scope, &self.batch.play.directory)),
            "role_name" | "ansible_role_name" | "role_path" | "ansible_collection_name" => {
                place::of_role(name, self.scope.role()?)
            }
            "ansible_parent_role_names" | "ansible_parent_role_paths" => place::of_including(name, &self.scope)?,
            "ansible_play_role_names" | "role_names" | "ansible_role_names" | "ansible_dependent_role_names" => {
                place::role_names(name, &self.batch.play, &self.batch.included())
            }
            _ => return self.of_run(name),
        })
    }

    /// What is the same for all hosts of the run.
    fn of_run(&self, name: &str) -> Option<Json> {
        let options = &self.run.options;
        Some(match name {
            "inventory_dir" => json!(options.inventory_dir()),
            "inventory_file" => json!(options.inventory_file()),
            "ansible_inventory_sources" => json!(options.inventory_sources()),
            "ansible_playbook_python" => json!(place::python()),
            "ansible_check_mode" => json!(options.check),
            "ansible_diff_mode" => json!(options.diff),
            "ansible_verbosity" => json!(options.verbosity),
            "ansible_forks" => json!(options.forks),
            "ansible_limit" => json!(options.limit.clone()?),
            "ansible_run_tags" if options.tags.is_empty() => json!(["all"]),
            "ansible_run_tags" => json!(options.tags),
            "ansible_skip_tags" => json!(options.skip_tags),
            // The language level that playbooks may test for; the product's own version is `bringup_version`.
            "ansible_version" => {
                let number = |at: usize| LANGUAGE.split('.').nth(at).and_then(|part| part.parse::<u32>().ok());
                json!({"full": LANGUAGE, "major": number(0), "minor": number(1), "revision": number(2), "string": LANGUAGE})
            }
            "ansible_config_file" => json!(options.config_file),
            "bringup_version" => json!(env!("CARGO_PKG_VERSION")),
            _ => return None,
        })
    }

    /// How the host is reached, where no variable says so: what Ansible adds for templates alone.
    fn reached(&self, name: &str) -> Option<Json> {
        let written =
            |node: Option<&Node>| node.and_then(Node::as_str).filter(|t| !t.contains("{{")).map(str::to_owned);
        Some(match name {
            "ansible_host" | "ansible_ssh_host" => json!(self.called()),
            "ansible_connection" => {
                let keyword = written(self.scope.inherited(|k| k.connection.as_ref()));
                let default = if self.called() == super::LOCALHOST { "local" } else { "ssh" };
                json!(keyword.or_else(|| self.run.options.connection.clone()).unwrap_or_else(|| default.to_owned()))
            }
            "ansible_user" | "ansible_ssh_user" => {
                let keyword = written(self.scope.inherited(|k| k.remote_user.as_ref()));
                json!(keyword.or_else(|| self.run.options.user.clone())?)
            }
            _ => return None,
        })
    }
}

impl TemplateVars for TaskVars {
    fn get(&self, name: &str) -> Option<Var> {
        if let Some(value) = self.magic(name) {
            return Some(Var::names(&value));
        }
        if let Some(joined) = self.run.options.merge_hashes.then(|| self.layers.joined(name)).flatten() {
            return Some(Var::node(&Arc::new(joined)));
        }
        let found = self.layers.get(name);
        match found.map(|f| f.value) {
            Some(Variable::Node(node)) => Some(Var::node(node)),
            Some(Variable::Json(json)) => Some(Var::data(json)),
            None if name == "ansible_facts" => Some(Var::data(&json!({}))),
            // Ansible's default since 2.19; without a date, a template is the same every time.
            None if name == "ansible_managed" => Some(Var::data(&json!("Ansible managed"))),
            None if name == "environment" => Some(Var::data(&json!([]))),
            None => self.reached(name).as_ref().map(Var::names),
        }
    }

    fn names(&self) -> Vec<String> {
        let magic = [
            "inventory_hostname",
            "inventory_hostname_short",
            "group_names",
            "groups",
            "hostvars",
            "playbook_dir",
            "play_hosts",
            "ansible_check_mode",
            "ansible_diff_mode",
            "ansible_play_batch",
            "ansible_play_hosts",
            "ansible_play_hosts_all",
            "ansible_play_name",
            "ansible_run_tags",
            "ansible_skip_tags",
            "ansible_verbosity",
            "ansible_version",
            "ansible_forks",
            "inventory_dir",
            "inventory_file",
            "ansible_search_path",
            "ansible_playbook_python",
            "ansible_inventory_sources",
            "role_names",
            "ansible_role_names",
            "ansible_play_role_names",
            "ansible_dependent_role_names",
        ];
        magic.iter().map(|n| (*n).to_owned()).chain(self.layers.names().map(str::to_owned)).collect()
    }

    fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        let mut found = vec![false; names.len()];
        for layer in self.layers.layers() {
            // Few of many names are given, and most layers are small: a look at what is there is cheaper than one for each name.
            if layer.vars.len() <= 2 * names.len() {
                let at = layer.vars.keys().filter_map(|key| names.iter().position(|name| name == key));
                at.for_each(|at| found[at] = true);
            } else {
                let at = names.iter().enumerate().filter(|(_, name)| layer.vars.contains_key(**name));
                at.for_each(|(at, _)| found[at] = true);
            }
        }
        names.iter().zip(found).filter(|(_, found)| *found).map(|(name, _)| *name).collect()
    }

    fn own(&self, name: &str) -> Option<Var> {
        if let Some(value) = self.magic(name) {
            return Some(Var::names(&value));
        }
        let found = self.layers.get(name)?;
        match found.value {
            Variable::Node(node) if origin::was_written(std::path::Path::new(node.span.source.name.as_str())) => None,
            Variable::Node(node) => Some(Var::node(node)).filter(Var::is_own),
            // Somebody typed it; or it was looked at when it was set.
            Variable::Json(json) if found.level == Level::PlayVarsPrompt => Some(Var::data(json)),
            Variable::Json(json) if checked(found.level) && connection::NAMES.contains(&name) && !json.is_object() => {
                Some(Var::data(json))
            }
            Variable::Json(_) => None,
        }
    }

    fn own_object(&self, name: &str) -> Option<crate::template::Value> {
        self.special(name, true)
    }

    fn object(&self, name: &str) -> Option<crate::template::Value> {
        self.special(name, false)
    }
}

impl TaskVars {
    /// `hostvars` and `vars`, with all that is known or with the user's `own` words alone.
    fn special(&self, name: &str, own: bool) -> Option<crate::template::Value> {
        if name == "hostvars" {
            let (run, batch) = (self.run.clone(), self.batch.clone());
            let hosts: Vec<String> = self.run.inventory().hosts().map(str::to_owned).collect();
            return Some(HostVars::value(hosts, move |host| {
                let host = run.hosts.get(host)?;
                let scope = batch.play.scope.clone();
                let all = TaskVars::context(&run, &batch, &host, &scope, &[]);
                Some(if own { all.own_words() } else { all })
            }));
        }
        if name == "vars" {
            let value = |n: String| {
                let value = if own { self.own(&n) } else { self.get(&n) };
                value.map(|value| (n, value))
            };
            let names: IndexMap<String, Var> = self.names().into_iter().filter_map(value).collect();
            return Some(
                Context::new(
                    &self.run.engine,
                    Arc::new(names),
                    self.run.local(&self.scope, &self.batch.play.directory),
                )
                .as_value(),
            );
        }
        None
    }
}

/// Whether what stands at a level was set by `set_fact` or `add_host`, which look at it; files that this run wrote come by others.
fn checked(level: Level) -> bool {
    matches!(level, Level::SetFacts | Level::Facts | Level::InventoryHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_replace_neither_connection_nor_magic_variables() {
        let said = Vars::from_iter([("ansible_host".to_owned(), Variable::from(json!("10.0.0.1")))]);
        let host = Host::new("h", Layers::new([Layer { level: Level::InventoryHost, vars: Arc::new(said) }]), None);
        let interface = json!({"device": "x", "ipv4": {"address": "192.0.2.1"}});
        let names =
            ["ansible_host", "ansible_user", "ansible_become_user", "ansible_eth0", "ansible_ssh_args", "groups"];
        host.learn_facts(&names.iter().map(|name| ((*name).to_owned(), interface.clone())).collect());
        let layers = host.layers();
        assert_eq!(layers.get("ansible_host").unwrap().value.to_json(), json!("10.0.0.1"));
        for name in ["ansible_user", "ansible_become_user", "ansible_ssh_args", "groups"] {
            assert!(layers.get(name).is_none(), "{name}");
        }
        assert_eq!(layers.get("ansible_eth0").unwrap().value.to_json(), interface);
        let all = layers.get("ansible_facts").unwrap().value.to_json();
        assert_eq!((&all["host"], &all["user"], &all["eth0"]), (&interface, &interface, &interface));
    }
}

//! Hosts and groups, and how they belong together.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use indexmap::{IndexMap, IndexSet};

use super::{InventoryError, Rules, Variable, Vars, folder::VarsFolder, load::Made, warning::Warnings};
use crate::yaml::{Node, Source, Span, Value};

/// The group that every host belongs to.
pub(super) const ALL: &str = "all";
/// The group of the hosts that belong to no other.
pub(super) const UNGROUPED: &str = "ungrouped";
/// Names that mean this machine even when no inventory names them.
pub const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How deep groups may be nested.
const MAX_DEPTH: usize = 100;
/// How many hosts the names of all inventories may stand for, and how often hosts and groups may be inside of groups: far more
/// than anybody has, few enough to be read within seconds.
const MAX_NAMES: usize = 500_000;
const MAX_MEMBERSHIPS: usize = 5_000_000;

/// One host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its name in the inventory.
    pub name: String,
    /// The variables that stand with it in the inventory.
    pub vars: Arc<Vars>,
    /// The groups that name it.
    pub groups: IndexSet<String>,
    /// Where it was named first.
    pub span: Option<Span>,
    /// Whether no inventory names it: `localhost` is there all the same.
    pub implicit: bool,
    /// All its groups but `all`, in the order in which their variables count.
    pub(super) lineage: Vec<usize>,
}

/// One group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The hosts that it names itself.
    pub hosts: IndexSet<String>,
    /// The groups inside of it, with the places that say so.
    pub children: IndexMap<String, Option<Span>>,
    /// The groups it is inside of.
    pub parents: IndexSet<String>,
    /// The variables that stand with it in the inventory.
    pub vars: Arc<Vars>,
    /// `ansible_group_priority`: among groups of one depth the higher one wins.
    pub priority: i64,
    /// How far it is from `all`, at most.
    pub depth: usize,
    /// Where it was named first.
    pub span: Option<Span>,
}

/// All hosts and groups of a run, with their variables.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) hosts: IndexMap<String, Host>,
    /// The groups by name, `all` and `ungrouped` first.
    pub groups: IndexMap<String, Group>,
    /// Folders with `group_vars` and `host_vars`.
    pub(super) folders: Vec<VarsFolder>,
    /// Those beside inventories, in the order of the inventories.
    pub(super) inventory_folders: Vec<usize>,
    /// Those beside playbooks.
    pub(super) playbook_folders: HashMap<PathBuf, usize>,
    pub(super) warnings: Warnings,
    pub(super) groups_map: OnceLock<Arc<IndexMap<String, Vec<String>>>>,
    /// Files that make variables and groups of what is there before them, as long as they are not applied.
    pub(super) made: Vec<Made>,
    pub(super) rules: Rules,
    /// Whether vars plugins are asked.
    pub(super) asks_plugins: bool,
    /// How many hosts the names read so far stand for.
    named: usize,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut inventory = Self {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            folders: Vec::new(),
            inventory_folders: Vec::new(),
            playbook_folders: HashMap::new(),
            warnings: Warnings::default(),
            groups_map: OnceLock::new(),
            made: Vec::new(),
            rules: Rules::default(),
            asks_plugins: false,
            named: 0,
        };
        inventory.ensure_group(ALL, None);
        inventory.ensure_group(UNGROUPED, None);
        inventory.link(ALL, UNGROUPED, None);
        inventory
    }
}

/// Says whether a name means this machine.
pub fn is_localhost(name: &str) -> bool {
    LOCALHOST.contains(&name)
}

impl Inventory {
    /// The names of all hosts, in the order in which the inventories name them.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// One host; `localhost` is there without being named.
    pub fn host(&self, name: &str) -> Option<std::borrow::Cow<'_, Host>> {
        use std::borrow::Cow;
        match self.hosts.get(name) {
            Some(host) => Some(Cow::Borrowed(host)),
            None => is_localhost(name).then(|| Cow::Owned(implicit_localhost(name))),
        }
    }

    /// Whether an inventory names the host.
    pub fn contains(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// What looks wrong in the inventories without being an error.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.sentences(self.rules.group_names)
    }

    /// The names of all groups a host belongs to but `all`, sorted: the variable `group_names`.
    pub fn group_names(&self, host: &str) -> Vec<String> {
        let lineage = self.hosts.get(host).map(|h| h.lineage.as_slice()).unwrap_or_default();
        let mut names: Vec<String> = self.named(lineage).map(|g| g.name.clone()).collect();
        names.sort();
        names
    }

    /// The groups behind indices.
    pub(super) fn named<'a>(&'a self, lineage: &'a [usize]) -> impl Iterator<Item = &'a Group> {
        lineage.iter().filter_map(|at| self.groups.get_index(*at)).map(|(_, group)| group)
    }

    /// The hosts of a group and of the groups inside of it, each once, level by level.
    pub fn group_hosts(&self, group: &str) -> Vec<&str> {
        let mut hosts: IndexSet<&str> = IndexSet::new();
        let mut seen: IndexSet<&str> = IndexSet::new();
        let mut queue: VecDeque<&str> = VecDeque::from([group]);
        while let Some(group) = queue.pop_front().and_then(|name| self.groups.get(name)) {
            if seen.insert(&group.name) {
                hosts.extend(group.hosts.iter().map(String::as_str));
                queue.extend(group.children.keys().map(String::as_str));
            }
        }
        hosts.into_iter().collect()
    }

    /// The hosts of every group: the variable `groups`.
    pub fn groups_map(&self) -> Arc<IndexMap<String, Vec<String>>> {
        let hosts = |group: &str| self.group_hosts(group).into_iter().map(str::to_owned).collect();
        let fill = || Arc::new(self.groups.keys().map(|group| (group.clone(), hosts(group))).collect());
        Arc::clone(self.groups_map.get_or_init(fill))
    }

    pub(super) fn ensure_group(&mut self, name: &str, span: Option<&Span>) {
        if !self.groups.contains_key(name) {
            let group = Group { name: name.into(), priority: 1, span: span.cloned(), ..Group::default() };
            self.groups.insert(name.into(), group);
        }
    }

    /// Puts a group into another; both exist.
    pub(super) fn link(&mut self, parent: &str, child: &str, span: Option<&Span>) {
        if let Some(group) = self.groups.get_mut(parent) {
            group.children.entry(child.to_owned()).or_insert_with(|| span.cloned());
        }
        if let Some(group) = self.groups.get_mut(child) {
            group.parents.insert(parent.to_owned());
        }
    }

    /// Puts a host into a group that exists, and makes it where it is new; a port counts for new hosts alone.
    pub(super) fn put_host(&mut self, name: &str, group: &str, span: &Span, origin: &Origin, port: Option<u16>) {
        let port = port.map(|port| Variable::from(Node::new(Value::Int(port.into()), span.clone())));
        let host = self.hosts.entry(name.to_owned()).or_insert_with(|| {
            let mut vars = origin.vars(span);
            vars.extend(port.clone().map(|port| ("ansible_port".to_owned(), port)));
            Host { name: name.into(), vars: Arc::new(vars), span: Some(span.clone()), ..Host::default() }
        });
        if port.is_some() && host.vars.get("ansible_port") != port.as_ref() {
            let text = format!("the port of `{name}` is ignored: it was named before without this port");
            self.warnings.at(span, text);
        }
        host.groups.insert(group.to_owned());
        if let Some(group) = self.groups.get_mut(group) {
            group.hosts.insert(name.to_owned());
        }
    }

    /// Sets a variable of a host; two values from one file are worth a warning.
    pub(super) fn set_host_var(&mut self, host: &str, name: &str, value: &Arc<Node>) {
        let Some(entry) = self.hosts.get_mut(host) else { return };
        let vars = Arc::make_mut(&mut entry.vars);
        if let Some(joined) = self.rules.joins_mappings.then(|| joined(vars.get(name), value)).flatten() {
            vars.insert(name.to_owned(), joined.into());
            return;
        }
        let before = vars.insert(name.to_owned(), Variable::Node(Arc::clone(value)));
        if let Some(Variable::Node(before)) = before
            && before != *value
            && Arc::ptr_eq(&before.span.source, &value.span.source)
        {
            let text = format!("`{name}` of the host `{host}` was given another value at");
            self.warnings.against(&value.span, text, &before.span, "; this one counts");
        }
    }

    /// Sets a variable of a group that exists.
    ///
    /// # Errors
    /// When it is `ansible_group_priority` and not a whole number.
    pub(super) fn set_group_var(&mut self, group: &str, name: &str, value: &Node) -> Result<(), InventoryError> {
        let Some(entry) = self.groups.get_mut(group) else { return Ok(()) };
        if name != "ansible_group_priority" {
            let vars = Arc::make_mut(&mut entry.vars);
            let joined = self.rules.joins_mappings.then(|| joined(vars.get(name), value)).flatten();
            vars.insert(name.to_owned(), joined.unwrap_or_else(|| value.clone()).into());
            return Ok(());
        }
        let number = match &value.value {
            Value::Int(number) => Some(*number),
            Value::String { text, .. } => text.trim().parse().ok(),
            _ => None,
        };
        entry.priority = number.ok_or_else(|| InventoryError::Variable {
            message: format!("`ansible_group_priority` needs a whole number, found {}", value.describe()),
            span: value.span.clone(),
            help: "a group of higher priority wins over others of the same depth; the default is 1".into(),
        })?;
        Ok(())
    }

    /// Brings everything that follows from hosts and groups up to date.
    ///
    /// # Errors
    /// When a group is inside of itself.
    pub(super) fn reconcile(&mut self) -> Result<(), InventoryError> {
        self.groups_map = OnceLock::new();
        let roots: Vec<String> =
            self.groups.values().filter(|g| g.name != ALL && g.parents.is_empty()).map(|g| g.name.clone()).collect();
        for root in roots {
            self.link(ALL, &root, None);
        }
        let order = super::graph::sort(&self.groups)?;
        let lineages = self.depths_and_ancestors(&order)?;
        let mut memberships = 0_usize;
        for at in 0..self.hosts.len() {
            memberships = memberships.saturating_add(self.settle(at, &lineages));
            if memberships > MAX_MEMBERSHIPS {
                return Err(self.too_many_memberships(at));
            }
        }
        Ok(())
    }

    /// Computes the depth of every group and, by its index, the group itself and all groups it is inside of but `all`.
    ///
    /// # Errors
    /// When groups are nested so deeply, or are in so many others, that nobody means it.
    fn depths_and_ancestors(&mut self, order: &[usize]) -> Result<Vec<Vec<usize>>, InventoryError> {
        let mut memberships = 0_usize;
        let mut ancestors: Vec<Vec<usize>> = vec![Vec::new(); self.groups.len()];
        for at in order {
            let Some((name, group)) = self.groups.get_index(*at) else { continue };
            let parents: Vec<usize> = group.parents.iter().filter_map(|p| self.groups.get_index_of(p)).collect();
            let depth = parents.iter().filter_map(|p| self.groups.get_index(*p)).map(|(_, g)| g.depth + 1).max();
            let mut all: IndexSet<usize> = parents.iter().flat_map(|p| ancestors[*p].iter().copied()).collect();
            if name != ALL {
                all.insert(*at);
            }
            memberships = memberships.saturating_add(all.len());
            if depth.is_some_and(|depth| depth > MAX_DEPTH) || memberships > MAX_MEMBERSHIPS {
                let message = match depth {
                    Some(depth) if depth > MAX_DEPTH => format!("groups are nested more than {MAX_DEPTH} levels deep"),
                    _ => format!("groups are inside of each other in more than {MAX_MEMBERSHIPS} ways"),
                };
                let span = group.span.clone().unwrap_or_else(|| Span::whole(&Source::new("group_by", "")));
                let help = "nest fewer groups, or name the hosts in the outer ones".into();
                return Err(InventoryError::Structure { message, span, help });
            }
            ancestors[*at] = all.into_iter().collect();
            if let Some((_, group)) = self.groups.get_index_mut(*at) {
                group.depth = depth.unwrap_or(0);
            }
        }
        Ok(ancestors)
    }

    /// Counts the hosts that a name stands for, so that a few short lines do not become millions of hosts.
    ///
    /// # Errors
    /// When all names together stand for too many.
    pub(super) fn count_names(&mut self, names: usize, span: &Span) -> Result<(), InventoryError> {
        self.named = self.named.saturating_add(names);
        if self.named <= MAX_NAMES {
            return Ok(());
        }
        let message = format!("the names up to here stand for more than {MAX_NAMES} hosts");
        let help = "check the ends of the ranges".into();
        Err(InventoryError::Structure { message, span: span.clone(), help })
    }

    fn too_many_memberships(&self, at: usize) -> InventoryError {
        let span = self.hosts.get_index(at).and_then(|(_, host)| host.span.clone());
        InventoryError::Structure {
            message: format!("the hosts up to here are in groups more than {MAX_MEMBERSHIPS} times"),
            span: span.unwrap_or_else(|| Span::whole(&Source::new("group_by", ""))),
            help: "put fewer hosts into fewer groups".into(),
        }
    }

    /// Finds the groups of one host, and puts it into `ungrouped` or takes it out; returns how many groups these are.
    fn settle(&mut self, at: usize, ancestors: &[Vec<usize>]) -> usize {
        let Some((name, host)) = self.hosts.get_index_mut(at) else { return 0 };
        let grouped = host.groups.iter().any(|g| g != ALL && g != UNGROUPED);
        let name = name.clone();
        if grouped {
            if host.groups.shift_remove(UNGROUPED)
                && let Some(group) = self.groups.get_mut(UNGROUPED)
            {
                group.hosts.shift_remove(&name);
            }
        } else if host.groups.insert(UNGROUPED.into())
            && let Some(group) = self.groups.get_mut(UNGROUPED)
        {
            group.hosts.insert(name);
        }
        let Some((_, host)) = self.hosts.get_index(at) else { return 0 };
        let direct = host.groups.iter().filter_map(|g| self.groups.get_index_of(g));
        let all: IndexSet<usize> = direct.flat_map(|g| ancestors.get(g).into_iter().flatten().copied()).collect();
        let mut lineage: Vec<usize> = all.into_iter().collect();
        let key = |at: &usize| self.groups.get_index(*at).map(|(_, g)| (g.depth, g.priority, g.name.as_str()));
        lineage.sort_by(|a, b| key(a).cmp(&key(b)));
        let count = lineage.len();
        if let Some((_, host)) = self.hosts.get_index_mut(at) {
            host.lineage = lineage;
        }
        count
    }
}

/// Two mappings as one; nothing where one of the values is none.
fn joined(weaker: Option<&Variable>, stronger: &Node) -> Option<Node> {
    let weaker = weaker?.node().filter(|node| node.as_map().is_some() && stronger.as_map().is_some())?;
    Some(super::variables::join((**weaker).clone(), stronger.clone()))
}

/// The inventory a host comes from: the variables `inventory_file` and `inventory_dir`.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub file: String,
    pub folder: Option<String>,
}

impl Origin {
    fn vars(&self, span: &Span) -> Vars {
        let folder = match &self.folder {
            Some(folder) => Node::text(folder.as_str(), span.clone()),
            None => Node::new(Value::Null, span.clone()),
        };
        let file = Node::text(self.file.as_str(), span.clone());
        Vars::from_iter([("inventory_file".to_owned(), file.into()), ("inventory_dir".to_owned(), folder.into())])
    }
}

/// This machine, which no inventory needs to name.
fn implicit_localhost(name: &str) -> Host {
    let span = Span::whole(&Source::new("implicit localhost", ""));
    let vars = Vars::from_iter([("ansible_connection".to_owned(), Node::text("local", span).into())]);
    Host { name: name.into(), vars: Arc::new(vars), implicit: true, ..Host::default() }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn refused(text: &str) -> String {
        Inventory::of_text("hosts.ini", text).map(|i| i.hosts().len()).unwrap_err().to_string()
    }

    #[test]
    fn short_texts_do_not_become_more_than_a_machine_can_hold() {
        let ranges: String = (0..10).map(|n| format!("h[1:99999] a{n}=1\n")).collect();
        assert_eq!(refused(&ranges), "the names up to here stand for more than 500000 hosts");
        let mut chain = String::new();
        (0..20_000).for_each(|n| writeln!(chain, "[g{n}:children]\ng{}", n + 1).unwrap());
        assert_eq!(refused(&format!("{chain}[g20000]\nh\n")), "groups are nested more than 100 levels deep");
        let all = |groups: std::ops::Range<usize>| groups.map(|n| format!("g{n}\n")).collect::<String>();
        // Each group is inside of all those before it.
        let nested: String = (0..90).map(|n| format!("[g{n}:children]\n{}", all(n + 1..91))).collect();
        let inventory = Inventory::of_text("hosts.ini", &format!("{nested}[g90]\nh\n")).unwrap();
        let tree = inventory.graph("all").unwrap();
        assert!(tree.ends_with("too many ways to show each") && tree.lines().count() < 250_000);
        let wide = format!("{nested}[g90]\nh[1:99999]\n");
        assert_eq!(refused(&wide), "the hosts up to here are in groups more than 5000000 times");
    }
}

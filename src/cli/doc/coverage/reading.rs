//! What a tree uses: its files are read as they stand, so that one mistake does not hide the rest.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use super::expressions::{Kind, of_expression, of_template};
use crate::{
    foreign::workstation,
    playbook::{Level, keywords},
    yaml::{self, Node, Span, Value},
};

/// Folders that hold nothing of the tree's own, or nothing that a run reads.
const LEFT_OUT: &[&str] =
    &["collections", "files", "fixtures", "library", "molecule", "node_modules", "target", "tests", "venv"];

/// Folders whose YAML files hold no tasks.
const DATA: &[&str] = &["defaults", "group_vars", "host_vars", "inventories", "inventory", "meta", "templates", "vars"];

/// Where tasks stand in a play.
const SECTIONS: &[&str] = &["pre_tasks", "tasks", "post_tasks", "handlers"];

/// Keywords whose texts are conditions.
const CONDITIONS: &[&str] = &["when", "changed_when", "failed_when", "until", "that"];

/// Folders below each other that are looked through.
const DEPTH: usize = 16;

/// A template larger than this is none.
const LARGEST: u64 = 4 << 20;

/// How a module is named: what is written, where short names are looked for, and the role around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub name: String,
    pub collections: Vec<String>,
    /// The folder that may have it in its `library/`.
    pub beside: Option<PathBuf>,
}

/// What a tree uses.
#[derive(Debug, Default)]
pub struct Uses {
    /// Files with plays.
    pub playbooks: usize,
    /// Folders of roles.
    pub roles: BTreeSet<PathBuf>,
    pub tasks: usize,
    /// Modules, with the places of their tasks.
    pub modules: BTreeMap<Named, Vec<String>>,
    /// Plugins, with the places where they stand.
    pub plugins: BTreeMap<(Kind, String), Vec<String>>,
    /// Files that cannot be read as YAML, and why.
    pub broken: Vec<(PathBuf, String)>,
}

/// Reads a folder, or a playbook with all that it names.
pub struct Reading {
    uses: Uses,
    queue: VecDeque<PathBuf>,
    seen: BTreeSet<PathBuf>,
    roles_path: Vec<PathBuf>,
    /// Whether what files name is followed: a folder's are read anyway.
    follows: bool,
}

impl Reading {
    /// Reads a tree.
    pub fn of(tree: &Path, roles_path: Vec<PathBuf>) -> Uses {
        let follows = tree.is_file();
        let mut reading =
            Reading { uses: Uses::default(), queue: VecDeque::new(), seen: BTreeSet::new(), roles_path, follows };
        if follows {
            reading.queue.push_back(tree.to_owned());
        } else {
            reading.folder(tree, DEPTH);
        }
        while let Some(file) = reading.queue.pop_front() {
            if reading.seen.insert(file.clone()) {
                reading.file(&file);
            }
        }
        reading.uses
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'))
            else {
                continue;
            };
            let kind = fs::symlink_metadata(&path).map(|meta| meta.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                if depth > 0 && !LEFT_OUT.contains(&name) {
                    self.folder(&path, depth - 1);
                }
            } else if is_yaml(&path) || path.components().any(|part| part.as_os_str() == "templates") {
                self.queue.push_back(path);
            }
        }
    }

    fn file(&mut self, file: &Path) {
        if let Some(role) = role_of(file)
            && self.uses.roles.insert(role.clone())
        {
            workstation::of_role(&role);
        }
        let within = |names: &[&str]| {
            file.parent()
                .is_some_and(|folder| folder.iter().any(|part| part.to_str().is_some_and(|part| names.contains(&part))))
        };
        if !is_yaml(file) || within(&["templates"]) {
            return self.template(file);
        }
        let node = match yaml::load(file) {
            Ok(node) => node,
            Err(error) => return self.uses.broken.push((file.to_owned(), error.to_string())),
        };
        self.texts(&node, false);
        let Some(entries) = node.as_seq() else {
            if file.parent().is_some_and(|folder| folder.ends_with("meta")) {
                self.dependencies(&node, file);
            }
            return;
        };
        let is_play = |entry: &Node| {
            ["hosts", "import_playbook", "ansible.builtin.import_playbook"].iter().any(|key| entry.get(key).is_some())
        };
        if entries.iter().any(is_play) {
            self.uses.playbooks += 1;
            if let Some(folder) = file.parent() {
                workstation::of_playbook(&std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
            }
            entries.iter().for_each(|play| self.play(play, file));
        } else if within(&["tasks", "handlers"]) || (!within(DATA) && entries.iter().all(looks_like_a_task)) {
            self.tasks(entries, &collections(&node), file);
        }
    }

    fn play(&mut self, play: &Node, file: &Path) {
        let around = collections(play);
        for section in SECTIONS {
            self.tasks(play.get(section).and_then(Node::as_seq).unwrap_or_default(), &around, file);
        }
        for key in ["import_playbook", "ansible.builtin.import_playbook"] {
            self.follow(play.get(key), file);
        }
        for role in play.get("roles").and_then(Node::as_seq).unwrap_or_default() {
            self.role(role, file);
        }
    }

    fn tasks(&mut self, tasks: &[Node], around: &[String], file: &Path) {
        for task in tasks {
            let own = collections(task);
            let around = if own.is_empty() { around } else { &own };
            let blocks: Vec<&Node> = ["block", "rescue", "always"].iter().filter_map(|key| task.get(key)).collect();
            if blocks.is_empty() {
                self.task(task, around, file);
            }
            for block in blocks {
                self.tasks(block.as_seq().unwrap_or_default(), around, file);
            }
        }
    }

    fn task(&mut self, task: &Node, around: &[String], file: &Path) {
        let Some((name, span, arguments)) = action(task) else { return };
        self.uses.tasks += 1;
        let short =
            ["ansible.builtin.", "ansible.legacy."].iter().find_map(|own| name.strip_prefix(own)).unwrap_or(&name);
        match short {
            "include_tasks" | "import_tasks" | "include" => {
                self.follow(arguments.and_then(|node| node.get("file")).or(arguments), file);
            }
            "include_role" | "import_role" => {
                if let Some(node) = arguments {
                    self.role(node, file);
                }
            }
            _ => {}
        }
        let beside = role_of(file).or_else(|| file.parent().map(Path::to_owned));
        let named = Named { name, collections: around.to_vec(), beside };
        self.uses.modules.entry(named).or_default().push(line(span));
    }

    /// Goes to a file that is named without a template.
    fn follow(&mut self, named: Option<&Node>, from: &Path) {
        let Some(name) = named.and_then(Node::as_str).filter(|name| self.follows && !name.contains("{{")) else {
            return;
        };
        let folders = [from.parent().map(Path::to_owned), role_of(from).map(|role| role.join("tasks"))];
        let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.is_file());
        self.queue.extend(found);
    }

    fn role(&mut self, named: &Node, from: &Path) {
        let name = named.as_str().or_else(|| ["role", "name"].iter().find_map(|key| named.get(key)?.as_str()));
        let Some(name) = name.filter(|name| self.follows && !name.contains("{{")) else { return };
        let beside = from.parent().map(Path::to_owned);
        let siblings = role_of(from).and_then(|role| role.parent().map(Path::to_owned));
        let folders = beside
            .iter()
            .map(|folder| folder.join("roles"))
            .chain(siblings)
            .chain(self.roles_path.clone())
            .chain(beside.clone());
        let found = folders.map(|folder| folder.join(name)).find(|path| path.is_dir());
        if let Some(role) = found.filter(|role| !self.uses.roles.contains(role)) {
            self.folder(&role, DEPTH);
        }
    }

    fn dependencies(&mut self, meta: &Node, file: &Path) {
        for role in meta.get("dependencies").and_then(Node::as_seq).unwrap_or_default() {
            self.role(role, file);
        }
    }

    /// Looks at the texts of a tree; those of conditions have no braces.
    fn texts(&mut self, node: &Node, condition: bool) {
        match &node.value {
            Value::String { text, unsafe_text: false } => {
                let found = if condition { of_expression(text) } else { of_template(text) };
                for (kind, name, _) in found {
                    self.plugin(kind, name, line(&node.span));
                }
            }
            Value::Seq(items) => items.iter().for_each(|item| self.texts(item, condition)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    let name = key.as_str().unwrap_or_default();
                    if let Some(lookup) = name.strip_prefix("with_") {
                        self.plugin(Kind::Lookup, lookup.to_owned(), line(&key.span));
                    }
                    self.texts(value, CONDITIONS.contains(&name));
                }
            }
            _ => {}
        }
    }

    fn template(&mut self, file: &Path) {
        let small = fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() < LARGEST);
        let Some(text) = Some(file).filter(|_| small).and_then(|file| fs::read_to_string(file).ok()) else { return };
        for (kind, name, at) in of_template(&text) {
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            self.plugin(kind, name, format!("{}:{line}", file.display()));
        }
    }

    fn plugin(&mut self, kind: Kind, name: String, place: String) {
        self.uses.plugins.entry((kind, name)).or_default().push(place);
    }
}

fn line(span: &Span) -> String {
    format!("{}:{}", span.source.name, span.line_column().0)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// The role that a file belongs to.
fn role_of(file: &Path) -> Option<PathBuf> {
    let parts = ["tasks", "handlers", "meta", "templates", "vars", "defaults"];
    let folder = file
        .ancestors()
        .find(|folder| folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| parts.contains(&name)))?;
    let role = folder.parent()?;
    let is_role = ["tasks", "meta"]
        .iter()
        .any(|part| ["main.yml", "main.yaml"].iter().any(|main| role.join(part).join(main).is_file()));
    is_role.then(|| std::path::absolute(role).unwrap_or_else(|_| role.to_owned()))
}

/// The collections that an entry says short names are looked for in.
fn collections(node: &Node) -> Vec<String> {
    let listed = node.get("collections").and_then(Node::as_seq).unwrap_or_default();
    listed.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn is_keyword(name: &str) -> bool {
    let levels = [Level::Task, Level::Handler, Level::Block];
    name.starts_with("with_")
        || keywords().any(|keyword| keyword.name == name && levels.iter().any(|level| keyword.stands_in(*level)))
}

/// The action of a task: its name, where that stands, and what is behind it.
fn action(task: &Node) -> Option<(String, &Span, Option<&Node>)> {
    for key in ["action", "local_action"] {
        let Some(value) = task.get(key) else { continue };
        let name = value.as_str().and_then(|text| text.split_whitespace().next());
        let name = name.or_else(|| value.get("module")?.as_str())?;
        return Some((name.to_owned(), &value.span, None));
    }
    let (key, value) = task.as_map()?.iter().find(|(key, _)| key.as_str().is_some_and(|name| !is_keyword(name)))?;
    Some((key.as_str()?.to_owned(), &key.span, Some(value)))
}

/// Whether an entry of a list is a task, in a file that may hold anything.
fn looks_like_a_task(entry: &Node) -> bool {
    let Some(keys) = entry.as_map() else { return false };
    let strange: Vec<&str> = keys.iter().filter_map(|(key, _)| key.as_str()).filter(|name| !is_keyword(name)).collect();
    let is_block = entry.get("block").is_some();
    let known = |name: &str| {
        name.matches('.').count() > 1
            || crate::module::Registry::get().find(name).is_some()
            || name.starts_with("include_")
            || name.starts_with("import_")
    };
    match strange.as_slice() {
        [] => is_block || entry.get("action").is_some(),
        [one] => known(one),
        _ => false,
    }
}

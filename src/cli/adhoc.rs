//! One task without a playbook: a play in memory for `exec`, `ping` and `facts`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::Report;

use super::{flags, module_names::Modules};
use crate::{
    foreign::{self, Fault},
    module::{Entry, Registry},
    playbook::{
        Action, Args, Include, IncludeKind, IncludeRole, Item, Keywords, ModuleNames, Play, Playbook, PlaybookError,
        Scope, ScopeKind, Task,
    },
    report::{Reporter, terminal},
    run::{Options, Summary},
    yaml::{self, Node, Source, Span, Value},
};

/// A module with its arguments.
pub struct Call {
    entry: &'static Entry,
    args: Args,
    free_form: Option<Node>,
    /// What is brought in, in the place of a module: a role, or variables.
    include: Option<Include>,
    /// `async` and `poll`, in seconds.
    background: Option<(i64, i64)>,
    span: Span,
}

/// The name of a module of Ansible's own without its collection.
fn short(module: &str) -> &str {
    ["ansible.builtin.", "ansible.legacy."].iter().find_map(|own| module.strip_prefix(own)).unwrap_or(module)
}

fn text(text: &str, span: &Span) -> Node {
    Node { value: Value::String { text: text.to_owned(), unsafe_text: false }, span: span.clone() }
}

/// A module by its name: one of ours, or one that this machine's Ansible knows, those in `library/` here included.
fn entry(module: &str) -> Result<&'static Entry, Report> {
    if let Some(entry) = Registry::get().find(module) {
        return Ok(entry);
    }
    let unknown = || {
        let help = Registry::get().near(module).map(|n| format!("did you mean `{n}`?"));
        let help = help.unwrap_or_else(|| "`bringup doc` lists all modules".to_owned());
        miette::miette!(help = help, "there is no module `{module}`")
    };
    foreign::workstation::of_playbook(Path::new("."));
    match foreign::find(module, &[]) {
        Ok(found) => found.ok_or_else(unknown),
        // Where nobody can look for it, a short name is most likely none of a collection's.
        Err(Fault::Never | Fault::Absent(_)) if !module.contains('.') => Err(unknown()),
        Err(fault) => Err(match fault.help() {
            Some(help) => miette::miette!(help = help, "`{module}` cannot run: {fault}"),
            None => miette::miette!("`{module}` cannot run: {fault}"),
        }),
    }
}

impl Call {
    /// Reads a module's arguments as written behind `-a`: `key=value`, the free-form text, or JSON.
    ///
    /// # Errors
    /// When there is no such module, or it does not take these arguments.
    pub fn written(module: &str, arguments: &str) -> Result<Call, Report> {
        if matches!(short(module), "include_role" | "import_role") {
            return Call::role(module, arguments);
        }
        if short(module) == "include_vars" {
            return Call::variables(module, arguments);
        }
        let entry = entry(module)?;
        let source = Source::new("-a", arguments);
        let span = Span::whole(&source);
        let node = text(arguments, &span);
        let mut args: Args = if arguments.trim_start().starts_with('{') && !arguments.trim_start().starts_with("{{") {
            match yaml::load_source(&source)?.value {
                Value::Map(entries) => entries,
                _ => Vec::new(),
            }
        } else if entry.free_form.is_some() {
            yaml::parse_kv_free_form(&node)?
        } else {
            yaml::parse_kv(&node)?
        };
        let raw = args.iter().position(|(key, _)| key.key_text() == "_raw_params");
        let free_form = raw.map(|at| args.remove(at).1).filter(|n| !n.key_text().trim().is_empty());
        let call = Call { entry, args, free_form, include: None, background: None, span };
        if let (Some(rest), None) = (&call.free_form, entry.free_form) {
            let words = rest.key_text();
            return Err(miette::miette!(
                help = "write `-a 'key=value …'`",
                "`{module}` takes no free text, this is: {words}"
            ));
        }
        call.checked()
    }

    /// `include_role`: the tasks of a role.
    fn role(module: &str, arguments: &str) -> Result<Call, Report> {
        let source = Source::new("-a", arguments);
        let span = Span::whole(&source);
        let mut args: Args = match arguments.trim_start().starts_with('{') {
            true => yaml::load_source(&source)?.as_map().unwrap_or_default().to_vec(),
            false => yaml::parse_kv(&text(arguments, &span))?,
        };
        let mut take = |name: &str| {
            let at = args.iter().position(|(key, _)| key.as_str() == Some(name))?;
            Some(args.remove(at).1)
        };
        let name = take("name").or_else(|| take("role"));
        let role = IncludeRole {
            name: name.ok_or_else(|| miette::miette!(help = "write `-a name=ROLE`", "`{module}` names no role"))?,
            tasks_from: take("tasks_from"),
            vars_from: take("vars_from"),
            defaults_from: take("defaults_from"),
            handlers_from: take("handlers_from"),
            public: false,
            allow_duplicates: true,
            rolespec_validate: true,
        };
        if let Some((key, _)) = args.first() {
            let help = "it takes `name`, `tasks_from`, `vars_from`, `defaults_from` and `handlers_from`";
            return Err(miette::miette!(help = help, "`{module}` has no argument `{}` here", key.key_text()));
        }
        Call::including(module, IncludeKind::Role(role), Vec::new(), span)
    }

    /// `include_vars`: variables of files, for no other purpose than to see them.
    fn variables(module: &str, arguments: &str) -> Result<Call, Report> {
        let source = Source::new("-a", arguments);
        let span = Span::whole(&source);
        let args: Args = match arguments.trim_start().starts_with('{') {
            true => yaml::load_source(&source)?.as_map().unwrap_or_default().to_vec(),
            false if arguments.contains('=') => yaml::parse_kv(&text(arguments, &span))?,
            false => vec![(text("file", &span), text(arguments.trim(), &span))],
        };
        Call::including(module, IncludeKind::Vars, args, span)
    }

    fn including(module: &str, kind: IncludeKind, args: Args, span: Span) -> Result<Call, Report> {
        let (name_span, written) = (span.clone(), module.to_owned());
        let (apply, notify) = (Keywords::default(), Vec::new());
        let include = Include { kind, written, name_span, args, apply, notify };
        let entry = Registry::get().find("ansible.builtin.debug");
        let entry = entry.ok_or_else(|| miette::miette!("there is no module to stand in for `{module}`"))?;
        Ok(Call { entry, args: Vec::new(), free_form: None, include: Some(include), background: None, span })
    }

    /// A command with its words: one alone is for the shell, several are taken as they are.
    pub fn command(words: &[String]) -> Result<Call, Report> {
        let source = Source::new("the command line", words.join(" "));
        let span = Span::whole(&source);
        // Nothing typed into a shell is meant as a template.
        let word =
            |w: &String| Node { value: Value::String { text: w.clone(), unsafe_text: true }, span: span.clone() };
        let (module, args, free_form) = match words {
            [one] => ("ansible.builtin.shell", Vec::new(), Some(word(one))),
            many => {
                let argv = Node { value: Value::Seq(many.iter().map(word).collect()), span: span.clone() };
                ("ansible.builtin.command", vec![(text("argv", &span), argv)], None)
            }
        };
        let entry = Registry::get().find(module).ok_or_else(|| miette::miette!("there is no module `{module}`"))?;
        Call { entry, args, free_form, include: None, background: None, span }.checked()
    }

    fn checked(self) -> Result<Call, Report> {
        let found = Modules.check_args(self.entry.name, &self.args, self.free_form.as_ref(), &self.span, true);
        match found.is_empty() {
            true => Ok(self),
            false => Err(Report::new(PlaybookError { diagnostics: found })),
        }
    }

    /// Lets it run in the background of its hosts for at most so many seconds; where none lie between two looks, it is left there.
    #[must_use]
    pub fn in_background(self, seconds: u64, poll: u64) -> Call {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Call { background: (seconds > 0).then(|| (whole(seconds), whole(poll))), ..self }
    }

    /// Runs it on the hosts of a pattern.
    ///
    /// # Errors
    /// When the inventory or the pattern is wrong, or no host fits.
    pub fn run(
        self,
        hosts: &flags::Hosts,
        pattern: &str,
        reporter: Arc<dyn Reporter>,
        adjust: impl FnOnce(&mut Options),
    ) -> Result<Summary, Report> {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let summary = self.run_in(hosts, pattern, here, reporter, adjust)?;
        summary.ok_or_else(|| {
            miette::miette!(help = "`bringup inventory --graph` shows all groups and hosts", "no host fits `{pattern}`")
        })
    }

    /// The same, with the variables beside a playbook in a folder; nothing where no host fits.
    ///
    /// # Errors
    /// When the inventory or the pattern is wrong, or a limit leaves no host.
    pub fn run_in(
        self,
        hosts: &flags::Hosts,
        pattern: &str,
        here: PathBuf,
        reporter: Arc<dyn Reporter>,
        adjust: impl FnOnce(&mut Options),
    ) -> Result<Option<Summary>, Report> {
        let mut options = hosts.options()?;
        adjust(&mut options);
        let inventory = hosts.load(std::slice::from_ref(&here))?;
        let selection = inventory.resolve(&[pattern], options.limit.as_deref())?;
        if selection.hosts.is_empty() {
            selection.warnings.iter().for_each(|w| terminal::warn(w));
            if let (Some(limit), true) = (&options.limit, hosts.as_ansible) {
                return Err(miette::miette!(
                    help = "`ansible-inventory --graph` shows all groups and hosts",
                    "`{pattern}` and `--limit {limit}` leave no host"
                ));
            }
            if hosts.as_ansible {
                terminal::warn("no host fits, nothing to do");
            }
            return Ok(None);
        }
        let loader = flags::loader(&options, hosts.roles_path.as_deref());
        let playbook = Playbook { path: here.clone(), plays: vec![Arc::new(self.play(pattern, here))] };
        flags::execute(&flags::new_run(options, inventory, loader, reporter), &[playbook]).map(Some)
    }

    fn play(self, pattern: &str, directory: PathBuf) -> Play {
        let span = self.span.clone();
        let scope = |kind, parent: Option<Arc<Scope>>| Scope {
            kind,
            keywords: Keywords::default(),
            role: None,
            parent,
            directory: directory.as_path().into(),
            include_dir: None,
        };
        let play_scope = Arc::new(scope(ScopeKind::Play, None));
        let action = match self.include {
            Some(include) => Action::Include(Box::new(include)),
            None => Action::Module {
                name: self.entry.name.to_owned(),
                written: self.entry.name.to_owned(),
                name_span: span.clone(),
                args: self.args,
                free_form: self.free_form,
                template: None,
            },
        };
        let scope = Arc::new(scope(ScopeKind::Task, Some(play_scope.clone())));
        let number = |seconds| Node { value: Value::Int(seconds), span: span.clone() };
        let task = Task {
            name: None,
            async_: self.background.map(|(seconds, _)| number(seconds)),
            poll: self.background.map(|(_, poll)| number(poll)),
            ..Task::plain(text("", &span), scope, action, span.clone())
        };
        Play {
            name: None,
            hosts: text(pattern, &span),
            gather_facts: Some(Node { value: Value::Bool(false), span: span.clone() }),
            gather_subset: None,
            gather_timeout: None,
            fact_path: None,
            strategy: Some(text("free", &span)),
            span,
            serial: Vec::new(),
            max_fail_percentage: None,
            order: None,
            force_handlers: None,
            vars_files: Vec::new(),
            vars_prompt: Vec::new(),
            scope: play_scope,
            pre_tasks: Vec::new(),
            roles: Vec::new(),
            tasks: vec![Item::Task(Arc::new(task))],
            post_tasks: Vec::new(),
            handlers: Vec::new(),
            exports: Vec::new(),
            directory,
        }
    }
}

//! Loading playbooks: what comes of valid ones, and that damaged ones get an answer.

use std::path::Path;
use std::sync::Arc;

use bringup::playbook::{Action, Diagnostic, Item, Loader, Options, Play, SearchKind, Task};
use bringup::yaml::Node;

use crate::support::loader::{Names, load, loader, root};

fn tasks(play: &Play) -> Vec<Arc<Task>> {
    let mut tasks = Vec::new();
    for section in play.sections() {
        for item in section {
            item.each_task(&mut |t| tasks.push(t.clone()));
        }
    }
    tasks
}

fn task<'t>(tasks: &'t [Arc<Task>], title: &str) -> &'t Task {
    match tasks.iter().find(|t| t.title() == title) {
        Some(task) => task,
        None => panic!("no task {title} in {:?}", tasks.iter().map(|t| t.title()).collect::<Vec<_>>()),
    }
}

fn texts(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|n| n.key_text()).collect()
}

#[test]
fn conditions_tags_and_variables_come_down_the_chain() {
    let site = load("site/site.yml");
    let first = tasks(&site.plays[0]);
    let inner = first.iter().find(|t| t.action.written() == "command" && !t.scope.whens().is_empty()).unwrap();
    assert_eq!(texts(&inner.scope.whens()), ["release != 'testing'", "not skip_it | default(false)"]);
    assert_eq!(texts(&inner.scope.tags()), ["base", "guarded", "inner"]);
    assert_eq!(inner.scope.inherited(|k| k.become_user.as_ref()).unwrap().key_text(), "nobody");
    assert_eq!(inner.scope.inherited(|k| k.become_.as_ref()).unwrap().key_text(), "true");
    assert_eq!(inner.scope.environments().len(), 2);
    assert_eq!(inner.scope.module_defaults().len(), 1);

    let dependency = task(&first, "database : Database {{ engine }}");
    assert_eq!(texts(&dependency.scope.whens()), ["'web' in group_names", "engine_wanted | default(true)"]);
    let role = dependency.scope.role().unwrap();
    assert_eq!(role.params["engine"].key_text(), "postgres");
    assert_eq!(role.defaults["engine"].key_text(), "mysql");
    let roles = dependency.scope.roles();
    let web = roles[0];
    assert_eq!(web.name, "web");
    assert_eq!(
        (web.params["http_port"].key_text(), web.given["server_name"].key_text()),
        ("8080".into(), "example.org".into())
    );
    assert_eq!(web.vars["user"].key_text(), "www-data");

    let included = first.iter().find(|t| t.name.as_ref().is_some_and(|n| n.key_text() == "Extra one")).unwrap();
    assert_eq!(texts(&included.scope.whens()), ["release == 'stable'"]);
}

#[test]
fn an_imported_playbook_gets_conditions_tags_and_variables() {
    let site = load("site/site.yml");
    let second = &site.plays[1];
    assert_eq!(second.directory, Path::new("tests/playbook/valid/site/plays"));
    assert_eq!(second.scope.play_vars().unwrap()["where"].key_text(), "imported");
    let tasks = tasks(second);
    assert_eq!(texts(&tasks[0].scope.whens()), ["release is defined"]);
    assert_eq!(texts(&tasks[0].scope.tags()), ["imported", "second"]);
    assert_eq!(tasks[0].scope.playbook_dir(), Some(Path::new("tests/playbook/valid/site/plays")));
    assert_eq!(second.scope.keywords.remote_user.as_ref().unwrap().key_text(), "deploy");
}

#[test]
fn plays_have_their_settings() {
    let site = load("site/site.yml");
    let third = &site.plays[2];
    assert_eq!(third.title(), "web:!db");
    let written = [&third.strategy, &third.order].map(|node| node.as_ref().unwrap().key_text());
    assert_eq!(written, ["free", "sorted"]);
    assert_eq!(texts(&third.serial.iter().collect::<Vec<_>>()), ["1", "30%", "{{ batch | default(10) }}"]);
    let prompt = &third.vars_prompt[0];
    assert_eq!((prompt.name.as_str(), prompt.private, prompt.confirm), ("secret", true, true));
    assert_eq!(site.plays[0].vars_files.len(), 2);
    assert_eq!(site.plays[1].title(), "Second");
}

#[test]
fn actions_are_read_in_all_their_forms() {
    let site = load("site/site.yml");
    let all = tasks(&site.plays[0]);
    let module = |title: &str| match &task(&all, title).action {
        Action::Module { name, args, free_form, template, .. } => {
            let args: Vec<String> = args.iter().map(|(k, v)| format!("{}={}", k.key_text(), v.key_text())).collect();
            (name.clone(), args, free_form.as_ref().map(Node::key_text), template.is_some())
        }
        other => panic!("{title}: {other:?}"),
    };
    let owned = |args: &[&str]| args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        module("Install with retries"),
        (
            "ansible.builtin.apt".into(),
            owned(&["name={{ packages | join(',') }}", "state=present", "update_cache=yes"]),
            None,
            false
        )
    );
    let (name, args, text, _) = module("shell");
    assert_eq!((name.as_str(), args), ("ansible.builtin.shell", owned(&["creates=/tmp/two", "executable=/bin/bash"])));
    assert_eq!(text.unwrap(), "set -e\necho one; echo \"two={{ release }}\" > /tmp/two\n");
    assert_eq!(
        module("command"),
        ("ansible.builtin.command".into(), owned(&["chdir=/tmp"]), Some("/bin/true".into()), false)
    );
    assert_eq!(
        module("By the old way"),
        ("ansible.builtin.copy".into(), owned(&["src=motd", "dest=/etc/motd"]), None, false)
    );
    assert_eq!(module("On the control machine").2.as_deref(), Some("date"));
    let local = task(&all, "On the control machine");
    assert_eq!(local.scope.keywords.delegate_to.as_ref().unwrap().key_text(), "localhost");
    assert_eq!(module("With a mapping of arguments"), ("ansible.builtin.user".into(), vec![], None, true));
    assert_eq!(module("Numbers").1, owned(&["count=3", "label=two words"]));
}

#[test]
fn loops_retries_and_results_are_read() {
    use bringup::playbook::LoopKind;
    let site = load("site/site.yml");
    let all = tasks(&site.plays[0]);
    let nested = task(&all, "Loop over pairs").loop_.as_ref().unwrap();
    assert_eq!((nested.kind, nested.control.item_name()), (LoopKind::WithNested, "outer"));
    assert_eq!(nested.control.index_var.as_ref().unwrap().key_text(), "index");
    let apt = task(&all, "Install with retries");
    assert_eq!(texts(&apt.until.iter().collect::<Vec<_>>()), ["installed is succeeded"]);
    assert_eq!((apt.register.as_ref().unwrap().key_text(), apt.retries.is_some()), ("installed".into(), true));
    assert_eq!(texts(&apt.notify.iter().collect::<Vec<_>>()), ["Restart web", "web : reload web", "refresh"]);
    let shell = task(&all, "shell");
    assert_eq!(texts(&shell.changed_when.iter().flatten().collect::<Vec<_>>()), ["false"]);
    let background = task(&all, "In the background");
    assert_eq!(
        (background.async_.as_ref().unwrap().key_text(), background.poll.as_ref().unwrap().key_text()),
        ("60".into(), "5".into())
    );
    let found = task(&all, "Files of the system");
    assert!(matches!(&found.action, Action::Include(i) if i.args[0].0.as_str() == Some("file")));
    assert_eq!(found.loop_.as_ref().unwrap().kind, LoopKind::WithFirstFound);
}

#[test]
fn handlers_come_in_ansibles_order() {
    use bringup::playbook::{handler_tasks, notified};
    let site = load("site/site.yml");
    let handlers = handler_tasks(&site.plays[0].handlers);
    let titles: Vec<String> = handlers.iter().map(|h| h.title()).collect();
    assert_eq!(
        titles,
        [
            "common : common handler",
            "common : common handler",
            "database : restart database",
            "database : nobody",
            "web : reload web",
            "Restart web",
            "Imported handler",
            "database : restart database",
            "database : nobody",
        ]
    );
    let hears = |name: &str| -> Vec<usize> { notified(&handlers, name, |t| t.name.as_ref().map(Node::key_text)) };
    assert_eq!(hears("Restart web"), [5]);
    assert_eq!(hears("reload web"), [4]);
    assert_eq!(hears("web : reload web"), [4]);
    assert_eq!(hears("refresh"), [5, 6]);
    assert_eq!(hears("common handler"), [1], "of equal names the last one counts");
    assert_eq!(hears("database : database changed"), [8]);
    assert!(hears("nothing").is_empty());
}

#[test]
fn the_same_use_of_a_role_has_the_same_key() {
    let site = load("site/site.yml");
    let roles: Vec<_> = site.plays[0].exports.iter().map(|r| (r.name.as_str(), r.public, r.allow_duplicates)).collect();
    assert_eq!(
        roles,
        [
            ("common", true, false),
            ("common", true, false),
            ("database", true, false),
            ("web", true, false),
            ("acme.infra.agent", true, false),
            ("database", true, true),
        ]
    );
    let keys: Vec<_> = site.plays[0].exports.iter().map(|r| &r.key).collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[2], keys[5]);
}

#[test]
fn includes_are_resolved_while_running() {
    let loader = loader();
    let (site, _) = loader.load(&root().join("site/site.yml")).unwrap();
    let all = tasks(&site.plays[0]);
    let include = task(&all, "Bring in more");
    assert_eq!(include.scope.whens().len(), 0);
    let items = loader.include_tasks("tasks/more.yml", include).unwrap();
    let [Item::Task(more)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(more.title(), "More of {{ what }}");
    // Of the include its variables hold, and what `apply` says; its tags do not.
    assert_eq!(texts(&more.scope.tags()), ["base", "more"]);
    assert_eq!(more.scope.inherited(|k| k.become_.as_ref()).unwrap().key_text(), "false");
    assert_eq!(more.scope.include_params()[0]["what"].key_text(), "{{ item }}");
    let missing = loader.include_tasks("tasks/moore.yml", include).unwrap_err();
    assert_eq!(missing.diagnostics[0].help.as_deref(), Some("did you mean `more.yml`?"));

    let include = task(&all, "include_role : tool");
    let Action::Include(action) = &include.action else { panic!() };
    let bringup::playbook::IncludeKind::Role(role) = &action.kind else { panic!() };
    let included = loader.include_role(role, include, None).unwrap();
    assert_eq!(
        (included.role.name.as_str(), included.role.public, included.role.entry.as_str()),
        ("tool", true, "setup")
    );
    assert_eq!(included.handlers.len(), 1);
    let mut titles = Vec::new();
    included.items.iter().for_each(|i| i.each_task(&mut |t| titles.push((t.title(), t.scope.whens().len()))));
    assert_eq!(titles, [("tool : Set the tool up".to_owned(), 0)]);

    // A file of a role, by a name that is known only now.
    let include = all.iter().find(|t| t.action.written() == "include_tasks" && t.scope.role().is_some()).unwrap();
    let items = loader.include_tasks("config.yml", include).unwrap();
    let mut titles = Vec::new();
    items.iter().for_each(|i| i.each_task(&mut |t| titles.push(t.title())));
    assert_eq!(titles, ["web : Configure"]);
}

#[test]
fn files_are_searched_from_the_role_outwards() {
    let loader = loader();
    let (site, _) = loader.load(&root().join("site/site.yml")).unwrap();
    let all = tasks(&site.plays[0]);
    let configure = task(&all, "web : Configure");
    let base = root().join("site");
    let found = loader.search(SearchKind::Templates, "site.conf.j2", &configure.scope).unwrap();
    assert_eq!(found, base.join("roles/web/templates/site.conf.j2"));
    let missing = loader.search(SearchKind::Files, "nowhere", &configure.scope).unwrap_err();
    let tried: Vec<_> = missing.tried.iter().map(|t| t.strip_prefix(&base).unwrap().display().to_string()).collect();
    assert_eq!(
        tried,
        [
            "roles/web/files/nowhere",
            "roles/web/nowhere",
            "roles/web/tasks/files/nowhere",
            "roles/web/tasks/nowhere",
            "files/nowhere",
            "nowhere",
        ]
    );
    let dependency = task(&all, "database : Database {{ engine }}");
    let missing = loader.search(SearchKind::Files, "files/x", &dependency.scope).unwrap_err();
    assert_eq!(missing.tried[0], base.join("roles/database/files/x"));
    assert_eq!(missing.tried[1], base.join("roles/web/files/x"));
    let absolute = loader.search(SearchKind::Files, "/nowhere/x", &configure.scope).unwrap_err();
    assert_eq!(absolute.tried, [Path::new("/nowhere/x")]);
}

/// What is not done here, behind a dynamic include that may never be reached, does not stop a run; `lint` names it.
#[test]
fn what_may_never_run_does_not_stop_a_run() {
    let path = Path::new("tests/bad/playbook/module-in-included-file/site.yml");
    let (_, warnings) = loader().load(path).unwrap();
    assert_eq!(warnings.iter().map(|w| w.message.as_str()).collect::<Vec<_>>(), ["there is no module `seboolean`"]);
    let found = loader().lint(&[path.to_owned()]);
    assert!(found.iter().all(Diagnostic::is_error) && found.len() == 1);
    let wrong = loader().load(Path::new("tests/bad/playbook/many-at-once.yml")).unwrap_err();
    assert!(wrong.diagnostics.len() >= 7, "all of them at once: {:#?}", wrong.diagnostics);
    assert_eq!(wrong.to_string(), format!("{} errors in playbooks", wrong.diagnostics.len()));
}

#[test]
fn names_of_imports_may_use_what_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("play.yml", "- hosts: all\n  vars: {a: '{{ b }}', b: one}\n  tasks:\n    - import_tasks: '{{ a }}.yml'\n");
    write("one.yml", "- ping:\n");
    write("two.yml", "- ping:\n- ping:\n");
    let path = directory.path().join("play.yml");
    let (playbook, _) = loader().load(&path).unwrap();
    assert_eq!(tasks(&playbook.plays[0]).len(), 1);
    let mut options = Options::default();
    options.extra_vars.insert("b".into(), Arc::new(bringup::yaml::load_str("-e", "two").unwrap()));
    let (playbook, _) = Loader::new(Arc::new(Names), options).load(&path).unwrap();
    assert_eq!(tasks(&playbook.plays[0]).len(), 2, "extra variables outrank those of the play");
}

/// Lines taken out, moved and replaced: whatever comes of it, there is an answer.
#[test]
fn damaged_playbooks_never_panic() {
    let text = std::fs::read_to_string(root().join("site/site.yml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // In the folder of the whole one, so that its roles and files are found.
    let folder = tempfile::tempdir_in(root().join("site")).unwrap();
    let path = folder.path().join("damaged.yml");
    let read = |lines: &[String]| {
        std::fs::write(&path, lines.join("\n")).unwrap();
        loader().lint(std::slice::from_ref(&path)).len()
    };
    let owned = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    let mut found = 0;
    for at in (0..lines.len()).step_by(3) {
        let mut without = owned(&lines);
        without.remove(at);
        found += read(&without);
        let mut outdented = owned(&lines);
        outdented[at] = outdented[at].strip_prefix("  ").unwrap_or("x").to_owned();
        found += read(&outdented);
        let mut replaced = owned(&lines);
        replaced[at] =
            replaced[at].split_once(':').map_or_else(String::new, |(key, _)| format!("{key}: [1, {{a: ü}}]"));
        found += read(&replaced);
        found += read(&owned(&lines[..at]));
    }
    assert!(found > lines.len() / 3);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, ..Default::default() })]

    /// Keywords with values of all kinds, at all levels.
    #[test]
    fn any_value_of_any_keyword_has_an_answer(
        level in 0_usize..4,
        keyword in proptest::sample::select(vec![
            "hosts", "roles", "vars", "tags", "when", "serial", "loop", "with_items", "loop_control", "block", "rescue",
            "notify", "listen", "register", "copy", "shell", "meta", "include_tasks", "import_tasks", "import_role",
            "include_role", "include_vars", "import_playbook", "action", "local_action", "args", "vars_files",
            "vars_prompt", "handlers", "module_defaults", "environment", "until", "name", "delegate_to", "collections",
            "role", "set_fact", "assert", "strategy", "order", "debugger",
        ]),
        value in proptest::sample::select(vec![
            "", "~", "yes", "-1", "0x1F", "1.5", "''", "text", "a=b c='d", "'{{ x }}'", "'{{ x'", "'{% if %}'", "[]", "{}",
            "[~]", "[[]]", "[{}]", "{a: b}", "{name: x}", "{file: 1}", "{module: ping}", "{that: '{{ a }} b'}",
            "{name: [x], apply: 1}", "!vault abc", "!unsafe '{{ x }}'", "[{name: 1}, {role: {}}]", "'ü: \\n{{'", "\"a\\n{{ b c }}\"",
        ]),
    ) {
        let text = match level {
            0 => format!("- hosts: all\n  tasks: [ping: ]\n  {keyword}: {value}\n"),
            1 => format!("- hosts: all\n  tasks:\n    - ping:\n      {keyword}: {value}\n    - {keyword}: {value}\n"),
            2 => format!("- hosts: all\n  tasks:\n    - block:\n        - ping:\n      {keyword}: {value}\n  handlers:\n    - {keyword}: {value}\n"),
            _ => format!("- {keyword}: {value}\n- hosts: all\n  roles:\n    - role: x\n      {keyword}: {value}\n"),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.yml");
        std::fs::write(&path, text).unwrap();
        for diagnostic in loader().lint(&[path]) {
            crate::support::diagnostic::render(&diagnostic);
        }
    }
}

/// Runs a play for one host as far as order goes: conditions that are `false`, roles that have run, handlers.
struct Walk<'l> {
    loader: &'l Loader,
    lines: Vec<String>,
    ran: Vec<String>,
    notified: Vec<String>,
    handlers: Vec<Arc<Task>>,
}

impl Walk<'_> {
    /// Returns whether any task ran, and whether the role ended early.
    fn items(&mut self, items: &[Item]) -> (bool, bool) {
        let mut any = false;
        for item in items {
            let (ran, ended) = match item {
                Item::Task(task) => self.task(task, "TASK"),
                Item::Block(block) => match &block.scope.role {
                    Some(role) if !role.allow_duplicates && self.ran.contains(&role.key) => continue,
                    Some(role) => {
                        let (ran, _) = self.items(&block.block);
                        if ran {
                            self.ran.push(role.key.clone());
                        }
                        (ran, false)
                    }
                    None => self.items(&block.block),
                },
            };
            any |= ran;
            if ended {
                return (any, true);
            }
        }
        (any, false)
    }

    fn task(&mut self, task: &Task, kind: &str) -> (bool, bool) {
        use bringup::playbook::{IncludeKind, MetaAction, handler_tasks};
        self.lines.push(format!("{kind} [{}]", task.title()));
        if task.scope.whens().iter().any(|w| w.key_text() == "false") {
            self.lines.push("skipping: [localhost]".to_owned());
            return (false, false);
        }
        match &task.action {
            Action::Meta { action, .. } => return (true, *action == MetaAction::EndRole),
            Action::Include(include) => match &include.kind {
                IncludeKind::Tasks { file } => {
                    let items = self.loader.include_tasks(&file.key_text(), task).unwrap();
                    match task.is_handler {
                        true => handler_tasks(&items).iter().for_each(|t| _ = self.task(t, kind)),
                        false => _ = self.items(&items),
                    }
                }
                IncludeKind::Role(role) => {
                    let included = self.loader.include_role(role, task, None).unwrap();
                    self.handlers.extend(handler_tasks(&included.handlers));
                    self.items(&included.items);
                }
                IncludeKind::Vars | IncludeKind::Action { .. } => {}
            },
            Action::Module { .. } => self.notified.extend(task.notify.iter().map(Node::key_text)),
        }
        (true, false)
    }
}

/// `run.txt` holds the tasks ansible-core 2.19 runs, in its order.
#[test]
fn things_come_in_ansibles_order() {
    use bringup::playbook::{handler_tasks, notified};
    let loader = loader();
    let (playbook, _) = loader.load(&root().join("order/site.yml")).unwrap();
    let play = &playbook.plays[0];
    let handlers = handler_tasks(&play.handlers);
    let mut walk = Walk { loader: &loader, lines: Vec::new(), ran: Vec::new(), notified: Vec::new(), handlers };
    play.sections().iter().for_each(|section| _ = walk.items(section));
    let handlers = walk.handlers.clone();
    let mut due: Vec<usize> =
        walk.notified.iter().flat_map(|n| notified(&handlers, n, |t| t.name.as_ref().map(Node::key_text))).collect();
    due.sort_unstable();
    due.dedup();
    due.into_iter().for_each(|at| _ = walk.task(&handlers[at], "RUNNING HANDLER"));
    let recorded = std::fs::read_to_string(root().join("order/run.txt")).unwrap();
    let expected: Vec<&str> = recorded.lines().filter(|l| !l.starts_with("included:")).collect();
    assert_eq!(walk.lines, expected);
}

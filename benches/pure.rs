//! How long the parts take that need no host: loading, planning, templating, quoting. `cargo bench`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use bringup::{
    cli::Modules,
    connection::{Context as Connections, NoPrompter},
    fact::{FileKind, FileStat, Probe, State},
    inventory::Inventory,
    module::{Context as ModuleContext, Controller, Failure, Folder, Registry, TemplateOptions},
    playbook::{self, Loader},
    report::Silent,
    run::{Options, Run},
    sh::{print, quote},
    template::{Context, Engine, System, Var},
};
use divan::{Bencher, black_box};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

fn main() {
    divan::main();
}

/// 2,000 hosts in 40 groups, with a file of variables for each group and each tenth host.
fn inventory(folder: &Path) -> String {
    let (mut groups, mut top) = (String::new(), "[racks:children]\n".to_owned());
    for group in 0..40 {
        let _ = writeln!(groups, "[rack{group:02}]");
        for host in 0..50 {
            let _ = writeln!(groups, "node{group:02}{host:02} ansible_host=10.{group}.0.{host} slot={host}");
        }
        let _ = writeln!(top, "rack{group:02}");
        write(&folder.join(format!("group_vars/rack{group:02}.yml")), "rack: 1\nports: [80, 443]\nlabels: {a: b}\n");
        for host in (0..50).step_by(10) {
            write(&folder.join(format!("host_vars/node{group:02}{host:02}.yml")), "disk: /dev/sdb\n");
        }
    }
    let path = folder.join("hosts.ini");
    write(&path, &(groups + &top + "[all:vars]\nansible_user=root\n"));
    path.display().to_string()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[divan::bench(sample_count = 20)]
fn inventory_of_2000_hosts(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let source = inventory(folder.path());
    bencher.bench(|| {
        let inventory = Inventory::load(
            &[&source],
            &[],
            (&bringup::run::InventoryExpressions::default(), &bringup::inventory::Vars::new()),
        )
        .unwrap();
        // What a run asks first: all hosts, and the variables of each.
        inventory.hosts().map(|host| inventory.host_vars(host, None).len()).sum::<usize>()
    });
}

/// 1,000 tasks of five kinds.
fn site() -> String {
    let mut text = "- hosts: all\n  gather_facts: false\n  vars: {folder: /srv, name: web}\n  tasks:\n".to_owned();
    for n in 0..200 {
        let _ = write!(
            text,
            "    - name: a fact {n}\n      set_fact: {{fact_{n}: '{{{{ name }}}}-{n}'}}\n\
             \x20   - name: a message {n}\n      debug: {{msg: '{{{{ fact_{n} | upper }}}} in {{{{ folder }}}}'}}\n\
             \x20   - name: a check {n}\n      assert: {{that: \"fact_{n} == 'web-{n}'\"}}\n\
             \x20   - name: not here {n}\n      command: echo {{{{ inventory_hostname }}}}\n      when: name != 'web'\n\
             \x20   - name: a list {n}\n      debug: {{msg: '{{{{ item }}}}'}}\n      loop: [1, 2, 3]\n"
        );
    }
    text
}

fn loader() -> Loader {
    Loader::new(Arc::new(Modules), playbook::Options::default())
}

#[divan::bench(sample_count = 20)]
fn loading_1000_tasks(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.yml");
    write(&path, &site());
    bencher.bench(|| loader().load(&path).unwrap());
}

/// The whole run of tasks that need nothing from their host: conditions, templates, results, order.
#[divan::bench(sample_count = 10)]
fn running_1000_tasks_without_a_host(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.yml");
    write(&path, &site());
    let (playbook, _) = loader().load(&path).unwrap();
    let inventory = folder.path().join("hosts.ini");
    write(&inventory, "h1 ansible_connection=local\n");
    let inventory = Inventory::load(
        &[inventory.display().to_string()],
        &[],
        (&bringup::run::InventoryExpressions::default(), &bringup::inventory::Vars::new()),
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    bencher.bench_local(|| {
        let ssh = Arc::new(Connections::new(Arc::new(NoPrompter)));
        let options = Options { check: true, ..Options::default() };
        let run = Run::new(options, inventory.clone(), loader(), Arc::new(Silent), ssh);
        let summary = runtime.block_on(run.playbooks(std::slice::from_ref(&playbook))).unwrap();
        assert_eq!((summary.hosts[0].1.ok, summary.hosts[0].1.skipped), (800, 200));
    });
}

/// A workstation without files.
struct Nothing;

impl Controller for Nothing {
    fn find(&self, _: Folder, name: &str) -> Result<std::path::PathBuf, Failure> {
        Err(Failure::new(name))
    }
    fn read(&self, _: &Path) -> Result<Arc<[u8]>, Failure> {
        Err(Failure::new("nothing"))
    }
    fn render(&self, _: &Path, _: &TemplateOptions) -> Result<String, Failure> {
        Err(Failure::new("nothing"))
    }
    fn condition(&self, _: &Json) -> Result<bool, Failure> {
        Ok(true)
    }
    fn value(&self, _: &str) -> Result<Option<Json>, Failure> {
        Ok(None)
    }
}

/// What a converged task costs once its answers are there: reading the parameters, asking, planning nothing.
#[divan::bench(sample_count = 20)]
fn planning_1000_converged_files(bencher: Bencher<'_, '_>) {
    let entry = Registry::get().find("ansible.builtin.file").unwrap();
    let parameters: Vec<_> =
        (0..1000).map(|n| json!({"path": format!("/srv/d{n}"), "state": "directory", "mode": "0755"})).collect();
    let context = ModuleContext {
        check: false,
        diff: false,
        no_log: false,
        user: "root",
        host: "h1",
        folder: None,
        environment: "",
        controller: &Nothing,
    };
    let stat = FileStat::new(FileKind::Directory, 0o755, "root", "root");
    let state = State::of((0..1000).flat_map(|n| {
        let stat = &stat;
        [true, false].map(|follow| {
            let path = format!("/srv/d{n}");
            (Probe::Stat { path, follow }, bringup::fact::Answer::Stat(Some(stat.clone())))
        })
    }));
    bencher.bench(|| {
        for given in &parameters {
            let module = entry.parse(given.as_object().unwrap().clone()).unwrap();
            assert!(!module.probe(&context, &state).is_empty());
            assert!(module.plan(&context, &state).unwrap().changes.is_empty());
        }
    });
}

#[divan::bench]
fn templating(bencher: Bencher<'_, '_>) {
    let engine = Engine::new();
    let vars: IndexMap<String, Var> = [
        ("name", json!("web")),
        ("ports", json!([80, 443, 8080])),
        ("indirect", json!("{{ name }}-{{ ports | length }}")),
    ]
    .map(|(name, value)| (name.to_owned(), Var::data(&value)))
    .into_iter()
    .collect();
    let vars = Arc::new(vars);
    bencher.bench(|| {
        let context = Context::new(&engine, vars.clone(), Arc::new(System::new(Vec::new())));
        let text =
            "{% for p in ports if p > 100 %}{{ name }}:{{ p }} {% endfor %}{{ ports | map('string') | join(',') }}";
        engine.render(black_box(text), &context).unwrap()
    });
}

#[divan::bench(args = [10, 10_000])]
fn quoting(bencher: Bencher<'_, '_>, length: usize) {
    let text: String = "it's a name; ".chars().cycle().take(length).collect();
    bencher.bench(|| (quote(black_box(&text)).len(), print(black_box(text.as_bytes())).len()));
}

use std::fs;

use serde_json::Value as Json;

use super::{Place, Ran, settled};

const HOSTS: &str = "[web]\nh1 color=red\nh2\n\n[db]\nh3\n\n[site:children]\nweb\ndb\n";

#[test]
fn inventory_shows_groups_hosts_and_variables() {
    let place = Place::new(&[("hosts", HOSTS)]);
    let graph = place.run(&["inventory", "-i", "hosts", "--graph"]);
    insta::assert_snapshot!(graph.stdout, @r"
    @all:
      |--@ungrouped:
      |--@site:
      |  |--@web:
      |  |  |--h1
      |  |  |--h2
      |  |--@db:
      |  |  |--h3
    ");
    let host: Json = serde_json::from_str(&place.run(&["inventory", "-i", "hosts", "--host", "h1"]).stdout).unwrap();
    assert_eq!(host["color"], "red");
    let list: Json = serde_json::from_str(&place.run(&["inventory", "-i", "hosts", "--list"]).stdout).unwrap();
    assert_eq!(list["web"]["hosts"], serde_json::json!(["h1", "h2"]));
    assert_eq!(place.run(&["inventory", "-i", "hosts", "--host", "h9"]).code, 1);
    let missing = place.run(&["inventory", "-i", "nohosts"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("nohosts"), "{}", missing.stderr);
    let none = place.run(&["inventory"]);
    assert!(none.code == 1 && none.stderr.contains("there is no inventory"), "{}", none.stderr);
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let place = Place::new(&[("a/hosts", "from_file\n"), ("bringup.toml", "inventory = \"a/hosts\"\n"), ("b/c", "")]);
    let graph = |environment: Option<&str>, flags: &[&str]| {
        let mut command = place.command(&["inventory"]);
        command.args(flags).current_dir(place.path().join("b"));
        environment.map(|value| command.env("BRINGUP_INVENTORY", value));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(graph(None, &[]).contains("from_file"));
    assert!(graph(Some("from_environment,"), &[]).contains("from_environment"));
    assert!(graph(Some("from_environment,"), &["-i", "from_flag,"]).contains("from_flag"));
    place.write("bringup.toml", "forks = 5\ninventorry = \"x\"\n");
    let wrong = place.run(&["doc"]);
    settled(&place, || insta::assert_snapshot!("settings_wrong", wrong.shown()));
}

#[test]
fn exec_prints_as_ansible_does() {
    let place = Place::new(&[]);
    let exec = |more: &[&str]| {
        let mut all = vec!["exec", "all", "-i", "h1,", "-c", "local", "--no-lock"];
        all.extend(more);
        place.run(&all)
    };
    let shell = exec(&["--", "echo one; echo two | cat"]);
    assert_eq!((shell.stdout.as_str(), shell.code), ("h1 | CHANGED | rc=0 >>\none\ntwo\n", 0));
    let words = exec(&["--", "echo", "a  b;", "{{ c }}"]);
    assert_eq!(words.stdout, "h1 | CHANGED | rc=0 >>\na  b; {{ c }}\n");
    let failed = exec(&["--", "exit 3"]);
    assert!(failed.stdout.starts_with("h1 | FAILED | rc=3 >>\n") && failed.code == 2, "{}", failed.shown());
    let ping = exec(&["-m", "ping", "-a", "data=hello"]);
    assert!(ping.stdout.starts_with("h1 | SUCCESS =>\n  ping: hello\n"), "{}", ping.stdout);
    let file = place.path().join("f").display().to_string();
    let copy = exec(&["-m", "copy", "-a", &format!("content=x dest={file}"), "-D"]);
    assert!(copy.stdout.contains("CHANGED") && copy.stdout.contains("\n+x\n"), "{}", copy.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    let json = exec(&["-m", "copy", "-a", &format!(r#"{{"content": "x", "dest": "{file}"}}"#)]);
    assert!(json.stdout.starts_with("h1 | SUCCESS"), "{}", json.stdout);
    for (module, args, told) in [
        ("coppy", "", "did you mean `copy`?"),
        ("copy", "dst=/x", "Unsupported parameters for (copy) module: dst"),
        ("copy", "just text", "`copy` takes no free text"),
    ] {
        let wrong = exec(&["-m", module, "-a", args]);
        assert!(wrong.code == 1 && wrong.stderr.contains(told), "{module} {args}: {}", wrong.shown());
    }
    let nobody = place.run(&["exec", "web", "-i", "h1,", "-c", "local", "--", "true"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("no host fits `web`"), "{}", nobody.shown());
}

/// After `su` the environment still names who one was before.
#[test]
fn on_this_machine_acts_who_runs_the_program_whatever_the_environment_says() {
    let place = Place::new(&[(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: \"{{ playbook_dir }}/f\"}\n    \
         - stat: {path: \"{{ playbook_dir }}/f\"}\n      register: f\n    - debug: {msg: \"owner {{ f.stat.uid }}\"}\n",
    )]);
    let own = fs::metadata(place.path()).map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap();
    for verb in ["plan", "apply"] {
        let mut command = place.command(&[verb, "-i", "h1,", "-c", "local", "-v", "play.yml"]);
        let ran = Ran::of(command.env("USER", "nobody").env("LOGNAME", "nobody").output().unwrap());
        assert!(ran.stdout.contains(&format!("owner {own}")), "{verb}: {}", ran.shown());
    }
}

#[test]
fn ping_and_facts_ask_hosts() {
    let place = Place::new(&[]);
    let ping = place.run(&["ping", "-i", "h1,h2,", "-c", "local"]);
    assert_eq!(ping.code, 0, "{}", ping.shown());
    assert!(ping.stdout.ends_with("2 of 2 hosts answered\n"), "{}", ping.stdout);
    let facts = place.run(&["facts", "-i", "h1,", "-c", "local"]);
    let facts: Json = serde_json::from_str(&facts.stdout).unwrap();
    assert!(facts["h1"]["ansible_kernel"].is_string(), "{facts:#}");
    let gone = place.run(&["ping", "-i", "127.0.0.1:1,"]);
    assert_eq!(gone.code, 4);
    assert!(gone.stdout.contains("unreachable: ") && gone.stdout.contains("port 1 refused"), "{}", gone.stdout);
}

#[test]
fn lint_finds_every_mistake_at_once() {
    let bad = "- hosts: all\n  tasks:\n    - coppy:\n        src: a\n    - name: x\n      copy:\n        dst: /x\n  taskz: []\n";
    let place = Place::new(&[("bad.yml", bad), ("good.yml", "- hosts: all\n  tasks:\n    - ping:\n")]);
    let found = place.run(&["lint", "good.yml", "bad.yml"]);
    settled(&place, || insta::assert_snapshot!("lint", found.shown()));
    let good = place.run(&["lint", "good.yml"]);
    assert_eq!((good.stdout.as_str(), good.code), ("no mistakes in 1 playbook\n", 0));
}

#[test]
fn lint_looks_through_folders() {
    let role = "- copy:\n    dts: /x\n";
    let place = Place::new(&[
        ("site.yml", "- hosts: all\n  roles: [used]\n"),
        ("roles/used/tasks/main.yml", role),
        ("roles/free/tasks/main.yml", role),
    ]);
    for given in [&["lint"][..], &["lint", "."], &["lint", "roles", "site.yml"]] {
        let found = place.run(given);
        assert_eq!(found.code, 1, "{}", found.shown());
        assert_eq!(
            found.shown().matches("Unsupported parameters for (copy) module: dts").count(),
            2,
            "{given:?} {}",
            found.shown()
        );
    }
    std::fs::write(place.path().join("roles/free/tasks/main.yml"), "- ping:\n").unwrap();
    std::fs::write(place.path().join("roles/used/tasks/main.yml"), "- ping:\n").unwrap();
    let good = place.run(&["lint"]);
    assert_eq!((good.stdout.as_str(), good.code), ("no mistakes in 1 playbook and 2 roles\n", 0));
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let none = place.run(&["lint", "empty"]);
    assert!(none.code == 1 && none.stderr.contains("no playbook and no role below empty"), "{}", none.shown());
}

#[test]
fn doc_has_a_page_for_every_module() {
    let place = Place::new(&[]);
    let list = place.run(&["doc"]).stdout;
    let names: Vec<&str> = list.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert!(names.contains(&"ansible.builtin.copy") && names.len() > 20, "{list}");
    let page = place.run(&["doc", "group"]).stdout;
    settled(&place, || insta::assert_snapshot!("doc_group", page));
    let unknown = place.run(&["doc", "gruop"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("did you mean `group`?"), "{}", unknown.stderr);
}

#[test]
fn schema_resolves_all_its_references() {
    let schema: Json = serde_json::from_str(&Place::new(&[]).run(&["schema"]).stdout).unwrap();
    fn references<'a>(value: &'a Json, found: &mut Vec<&'a str>) {
        match value {
            Json::Object(map) => map.iter().for_each(|(key, value)| match value {
                Json::String(to) if key == "$ref" => found.push(to),
                other => references(other, found),
            }),
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn schema_tells_what_every_module_returns() {
    let schema: Json = serde_json::from_str(&Place::new(&[]).run(&["schema"]).stdout).unwrap();
    let field = &schema["$defs"]["ansible.builtin.stat"]["x-returns"]["stat.exists"];
    assert_eq!((&field["type"], &field["returned"]), (&Json::from("yes or no"), &Json::from("always")), "{field}");
    let modules = schema["$defs"].as_object().unwrap().iter().filter(|(name, _)| name.contains('.'));
    let silent: Vec<_> = modules.filter(|(_, module)| !module["x-returns"].is_object()).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn init_writes_the_playbooks_and_never_overwrites() {
    let place = Place::new(&[]);
    let first = place.run(&["init", "here"]);
    assert_eq!(first.code, 0, "{}", first.shown());
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    for file in ["site.yml", "roles/kubelet/tasks/main.yml"] {
        let written = fs::read(place.path().join("here/playbooks").join(file)).unwrap();
        assert_eq!(written, fs::read(own.join(file)).unwrap(), "{file}");
    }
    assert_eq!(place.run(&["inventory", "-i", "here/inventory.yml"]).code, 0);
    let again = place.run(&["init", "here"]);
    assert!(again.code == 1 && again.stderr.contains("nothing is overwritten"), "{}", again.shown());
}

#[test]
fn an_included_role_sees_what_its_dependencies_define() {
    let place = Place::new(&[
        ("site.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - include_role: {name: a}\n"),
        ("roles/a/meta/main.yml", "dependencies: [{role: b}]\n"),
        ("roles/a/vars/main.yml", "both: the role's\n"),
        (
            "roles/a/tasks/main.yml",
            "- assert: {that: [from_b == 1, from_c == 2, both == \"the role's\"]}\n- include_role: {name: a, tasks_from: more}\n",
        ),
        ("roles/a/tasks/more.yml", "- assert: {that: [from_b == 1, from_c == 2]}\n"),
        ("roles/b/meta/main.yml", "dependencies: [{role: c}]\n"),
        ("roles/b/vars/main.yml", "from_b: 1\nboth: the dependency's\n"),
        ("roles/c/defaults/main.yml", "from_c: 2\n"),
    ]);
    let ran = place.play("h1,", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn what_a_slow_host_has_answered_is_not_asked_again_for_the_same_task() {
    let play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - stat: {path: /etc/hostname}\n";
    let place =
        Place::new(&[("play.yml", play), ("slow/sha1sum", "#!/bin/sh\nsleep 6\nexec /usr/bin/sha1sum \"$@\"\n")]);
    let script = place.path().join("slow/sha1sum");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let round_trips = |folder: &str| {
        let mut command = place.command(&["apply", "-i", "h1,", "-c", "local", "--no-lock", "--output", "json"]);
        let path = std::env::var("PATH").unwrap();
        command.arg("play.yml").env("PATH", format!("{}:{path}", place.path().join(folder).display()));
        let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let recap: Json = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        assert_eq!(recap["hosts"]["h1"]["ok"], 1, "{out}");
        recap["round_trips"]["h1"].as_u64().unwrap()
    };
    assert_eq!(round_trips("slow"), round_trips("none"));
}

#[test]
fn an_inventory_script_is_found_where_it_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(&[(
        "hosts.sh",
        "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"h1\"]}, \"_meta\": {\"hostvars\": {}}}'\n",
    )]);
    fs::set_permissions(place.path().join("hosts.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = place.run(&["inventory", "-i", "hosts.sh", "--graph"]);
    assert_eq!(run.code, 0, "{}", run.shown());
    assert!(run.stdout.contains("@web") && run.stdout.contains("h1"), "{}", run.shown());
}

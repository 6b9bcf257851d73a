//! Called under the names of Ansible's commands: their command lines, their output where programs read it, their exit codes.

use std::{path::PathBuf, process::Command};

use serde_json::{Value as Json, json};

use super::{Place, Ran, settled};
use crate::support::skip;

const HOSTS: &str = "plain\n\n[web]\nh1 color=red\nh2 d=\"{'a': 1}\"\n\n[db]\nh3\n\n[site:children]\nweb\ndb\n\n[site:vars]\nenv=prod\n\n\
    [all:vars]\nansible_connection=local\n";

/// A play on two hosts with one task.
fn play(task: &str) -> String {
    format!("- hosts: web\n  gather_facts: false\n  tasks:\n    - {task}\n")
}

fn place() -> Place {
    let files = [
        ("hosts", HOSTS.to_owned()),
        ("group_vars/web.yml", "pkg: nginx\nlist: [1, two, {x: y}]\ntext: 'a: b'\n".to_owned()),
        ("host_vars/h1.yml", "mine: 1.5\nnothing: null\n".to_owned()),
        ("ok.yml", play("ping:")),
        ("failed.yml", play("fail: msg=x")),
        ("undefined.yml", play("debug: msg=\"{{ nope }}\"")),
        ("module.yml", play("pingg:")),
        ("import.yml", play("import_tasks: nothere.yml")),
        ("syntax.yml", "- hosts: web\n  tasks: {\n".to_owned()),
        ("keyword.yml", "- hosts: web\n  taks: []\n".to_owned()),
        ("role.yml", "- hosts: web\n  roles: [nothere]\n".to_owned()),
        ("nobody.yml", "- hosts: nobody\n  tasks:\n    - ping:\n".to_owned()),
        ("local.yml", "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ping:\n".to_owned()),
        ("all.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let place = Place::new(&files);
    let made = place.run(&["init", "--links", "links"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    place
}

/// The command of a line, with the program of a folder.
fn command(place: &Place, folder: &std::path::Path, line: &[&str]) -> Command {
    let mut command = Command::new(folder.join(line[0]));
    let pattern = place.command(&[]);
    command.args(&line[1..]).current_dir(place.path()).env_clear().stdin(std::process::Stdio::null());
    command.envs(pattern.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn ran(place: &Place, line: &[&str]) -> Ran {
    Ran::of(command(place, &place.path().join("links"), line).output().unwrap())
}

#[test]
fn links_are_made_once_and_nothing_is_replaced() {
    let place = place();
    assert_eq!(place.run(&["init", "--links", "links"]).code, 0);
    place.write("other/ansible", "somebody's own");
    let refused = place.run(&["init", "--links", "other"]);
    assert!(refused.code == 1 && refused.stderr.contains("other/ansible is there already"), "{}", refused.stderr);
    assert!(!place.path().join("other/ansible-playbook").exists());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_bringup"), place.path().join("links/ansible-galaxy")).unwrap();
    let galaxy = ran(&place, &["ansible-galaxy", "install", "x"]);
    assert!(galaxy.code == 1 && galaxy.stderr.contains("not fetched by bringup"), "{}", galaxy.stderr);
}

/// Lines, with the exit code that ansible-core 2.18 ends with.
const ENDS: &[(&[&str], i32)] = &[
    (&["ansible-playbook", "-i", "hosts", "ok.yml"], 0),
    (&["ansible-playbook", "-i", "hosts", "failed.yml"], 2),
    (&["ansible-playbook", "-i", "hosts", "undefined.yml"], 2),
    (&["ansible-playbook", "-i", "hosts", "module.yml"], 4),
    (&["ansible-playbook", "-i", "hosts", "syntax.yml"], 4),
    (&["ansible-playbook", "-i", "hosts", "keyword.yml"], 4),
    (&["ansible-playbook", "-i", "hosts", "--syntax-check", "syntax.yml"], 4),
    (&["ansible-playbook", "-i", "hosts", "--syntax-check", "ok.yml"], 0),
    (&["ansible-playbook", "-i", "hosts", "role.yml"], 1),
    (&["ansible-playbook", "-i", "hosts", "import.yml"], 1),
    (&["ansible-playbook", "-i", "hosts", "missing.yml"], 1),
    (&["ansible-playbook", "-i", "hosts", "nobody.yml"], 0),
    (&["ansible-playbook", "-i", "hosts", "ok.yml", "-l", "nobody"], 1),
    (&["ansible-playbook", "-i", "hosts", "ok.yml", "--bogus"], 2),
    (&["ansible-playbook", "-i", "hosts", "ok.yml", "-f", "0"], 2),
    (&["ansible-playbook", "-i", "hosts", "ok.yml", "-k", "--connection-password-file", "x"], 2),
    (&["ansible-playbook", "--inventory-file", "hosts", "--extra-v", "a=1", "--ask", "ok.yml"], 2),
    (&["ansible-playbook"], 2),
    (&["ansible-playbook", "--help"], 0),
    (&["ansible-playbook", "local.yml"], 0),
    (&["ansible-playbook", "-i", "nothere", "local.yml"], 0),
    (&["ansible-playbook", "-i", "nothere", "ok.yml"], 0),
    (&["ansible-playbook", "-i", "h9,", "all.yml", "-e", "ansible_host=127.0.0.1", "-e", "ansible_port=1"], 4),
    (&["ansible", "-i", "hosts", "web", "-m", "ping"], 0),
    (&["ansible", "-i", "hosts", "web"], 5),
    (&["ansible", "-i", "hosts", "nobody", "-m", "ping"], 0),
    (&["ansible", "-i", "hosts", "web", "-l", "nobody", "-m", "ping"], 1),
    (&["ansible", "-i", "hosts", "h1", "-m", "bogus"], 2),
    (&["ansible", "-i", "hosts", "h1", "-m", "copy", "-a", "nonsense=1"], 2),
    (&["ansible"], 2),
    (&["ansible-inventory", "-i", "hosts", "--host", "nope"], 5),
    (&["ansible-inventory", "-i", "hosts", "--graph", "nope"], 5),
    (&["ansible-inventory", "-i", "hosts"], 5),
    (&["ansible-inventory", "-i", "hosts", "--list", "--graph"], 5),
    (&["ansible-config"], 2),
    (&["ansible-config", "dump"], 0),
    (&["ansible-doc"], 5),
    (&["ansible-doc", "nope"], 0),
    (&["ansible-doc", "-l"], 0),
];

#[test]
fn exit_codes_are_those_of_ansible() {
    let place = place();
    for (line, code) in ENDS {
        let ran = ran(&place, line);
        assert_eq!(ran.code, *code, "{line:?}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn results_of_single_modules_have_the_form_of_ansible() {
    let place = place();
    let out = |more: &[&str]| ran(&place, &[&["ansible", "-i", "hosts"], more].concat()).stdout;
    let pong = "h1 | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}\n";
    assert_eq!(out(&["h1", "-m", "ping"]), pong);
    assert_eq!(out(&["h1", "-m", "ping", "-o"]), "h1 | SUCCESS => {\"changed\": false,\"ping\": \"pong\"}\n");
    assert_eq!(out(&["h1", "-a", "echo hi"]), "h1 | CHANGED | rc=0 >>\nhi\n");
    let failed = out(&["h1", "-m", "shell", "-a", "echo hi; exit 3"]);
    assert_eq!(failed, "h1 | FAILED | rc=3 >>\nhinon-zero return code\n");
    assert_eq!(out(&["h1", "-m", "debug", "-a", "var=color"]), "h1 | SUCCESS => {\n    \"color\": \"red\"\n}\n");
    assert_eq!(out(&["web", "--list-hosts"]), "  hosts (2):\n    h1\n    h2\n");
    out(&["h1", "-m", "ping", "-t", "tree"]);
    let written: Json = serde_json::from_slice(&std::fs::read(place.path().join("tree/h1")).unwrap()).unwrap();
    assert_eq!(written, json!({"changed": false, "ping": "pong"}));
}

#[test]
fn what_has_no_effect_is_named_and_the_version_can_be_read() {
    let place = place();
    let quiet = ran(&place, &["ansible-playbook", "-i", "hosts", "ok.yml", "-M", "x", "--scp-extra-args", "-l 1"]);
    assert_eq!(
        quiet.stderr.matches("without effect here: --scp-extra-args, --module-path").count(),
        1,
        "{}",
        quiet.stderr
    );
    place.write("ansible.cfg", "[defaults]\n");
    for name in ["ansible", "ansible-playbook", "ansible-inventory", "ansible-vault"] {
        let version = ran(&place, &[name, "--version"]).stdout;
        let mut lines = version.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with(&format!("{name} [core 2.")) && first.ends_with(']'), "{first}");
        assert!(
            lines.next().unwrap().starts_with("  config file = /") && version.contains("this is bringup"),
            "{version}"
        );
    }
}

#[test]
fn keys_that_stand_twice_are_told_once_and_the_last_one_counts() {
    let place = place();
    place.write(
        "twice.yml",
        "- hosts: h1\n  gather_facts: false\n  vars:\n    a: 1\n    a: 2\n  tasks:\n    - debug: var=a\n",
    );
    let line = ["ansible-playbook", "-i", "hosts", "twice.yml"];
    let told = ran(&place, &line);
    assert_eq!((told.code, told.stdout.contains("\"a\": 2")), (0, true), "{}{}", told.stdout, told.stderr);
    assert_eq!(told.stderr.matches("found a duplicate dict key (a)").count(), 1, "{}", told.stderr);
    place.write("ansible.cfg", "[defaults]\nduplicate_dict_key = ignore\n");
    let ignored = ran(&place, &line);
    assert!(ignored.code == 0 && !ignored.stderr.contains("duplicate"), "{}", ignored.stderr);
    place.write("ansible.cfg", "[defaults]\nduplicate_dict_key = error\n");
    let refused = ran(&place, &line);
    assert!(refused.code == 4 && refused.stderr.contains("found a duplicate dict key (a)"), "{}", refused.stderr);
    // Under the program's own name it is an error.
    assert_ne!(place.run(&["apply", "-i", "hosts", "twice.yml"]).code, 0);
}

#[test]
fn inventories_are_shown_in_all_forms() {
    let place = place();
    let out = |more: &[&str]| ran(&place, &[&["ansible-inventory", "-i", "hosts"], more].concat()).stdout;
    settled(&place, || {
        insta::assert_snapshot!("inventory_export", out(&["--list", "--yaml", "--export"]));
        insta::assert_snapshot!("inventory_vars", out(&["--graph", "--vars"]));
    });
    let limited: Json = serde_json::from_str(&out(&["--list", "--limit", "db:h1"])).unwrap();
    assert_eq!((&limited["web"], &limited["db"]), (&json!({"hosts": ["h1"]}), &json!({"hosts": ["h3"]})));
    let toml: toml::Table = toml::from_str(&out(&["--list", "--toml", "--export", "--limit", "h2"])).unwrap();
    assert_eq!(toml["site"]["vars"]["env"].as_str(), Some("prod"));
    assert_eq!(out(&["--list", "--output", "out.json"]), "");
    assert_eq!(std::fs::read_to_string(place.path().join("out.json")).unwrap() + "\n", out(&["--list"]));
}

#[test]
fn settings_are_shown_as_ansible_shows_them() {
    let place = place();
    place.write("ansible.cfg", "[defaults]\nforks = 7 ; seven\ninventory = hosts,b\nlog_path = x\n");
    let dump = ran(&place, &["ansible-config", "dump", "--only-changed"]).stdout;
    let here = place.path().display().to_string();
    assert_eq!(
        dump.replace(&here, "DIR"),
        "CONFIG_FILE() = DIR/ansible.cfg\nDEFAULT_FORKS(DIR/ansible.cfg) = 7\n\
         DEFAULT_HOST_LIST(DIR/ansible.cfg) = ['DIR/hosts', 'DIR/b']\nDEFAULT_LOG_PATH(DIR/ansible.cfg) = DIR/x\n\nGALAXY_SERVERS:\n"
    );
    assert!(ran(&place, &["ansible-config", "dump"]).stdout.contains("DEFAULT_TIMEOUT(default) = 10\n"));
    assert_eq!(ran(&place, &["ansible-config", "validate"]).code, 0);
    place.write("ansible.cfg", "[defaults]\nforkz = 7\n");
    let slip = ran(&place, &["ansible-config", "validate"]);
    assert!(slip.code == 1 && slip.stderr.contains("did you mean `forks`?"), "{}", slip.stderr);
}

#[test]
fn the_console_runs_line_by_line() {
    let place = place();
    let mut command = command(&place, &place.path().join("links"), &["ansible-console", "-i", "hosts", "web"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = b"cd h1\nnosuch(\nping\n! echo $((40+2))\nlist\nexit\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\"ping\": \"pong\"") && ran.stdout.contains("42\n") && ran.stdout.contains("h1\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn programs_are_given_the_lines_of_the_default_callback() {
    let place = place();
    place.write("inc.yml", "- debug: {var: item}\n");
    place.write(
        "many.yml",
        "- name: first\n  hosts: web\n  gather_facts: false\n  tasks:\n    - {name: plain, command: echo hi, changed_when: false}\n    \
         - {name: loop, debug: {msg: 'it is {{ item }}'}, loop: [{a: 1}, b], when: item != 'b'}\n    \
         - {name: bad, fail: {msg: 'no: \"x\"'}, ignore_errors: true}\n    - {name: off, ping: , when: inventory_hostname == 'h2'}\n    \
         - {name: leads, include_tasks: inc.yml, loop: [1]}\n    - {meta: end_host, when: false}\n    \
         - {name: secret, command: 'false', no_log: true, ignore_errors: true, delegate_to: h3}\n- hosts: nobody\n",
    );
    let play =
        |more: &[&str]| ran(&place, &[&["ansible-playbook", "--no-lock", "-i", "hosts", "many.yml"], more].concat());
    settled(&place, || {
        insta::assert_snapshot!("callback_default", play(&[]).stdout);
        insta::assert_snapshot!("callback_default_verbose", play(&["-vv", "-l", "h1"]).stdout);
    });
    assert!(
        play(&["--output", "human"]).stdout.contains("...ignoring\n")
            && !play(&["--output", "human"]).stdout.contains("****")
    );
    let mut aside = command(&place, &place.path().join("links"), &["ansible-playbook", "-i", "hosts", "failed.yml"]);
    let aside = Ran::of(aside.env("ANSIBLE_DISPLAY_FAILED_STDERR", "1").output().unwrap());
    assert!(aside.stderr.contains("fatal: [h1]: FAILED! => ") && !aside.stdout.contains("fatal"), "{}", aside.stderr);
}

#[test]
fn tries_that_are_left_are_told() {
    let place = place();
    place.write("again.yml", &play("{name: again, command: 'false', until: false, retries: 2, delay: 0}"));
    let told = ran(&place, &["ansible-playbook", "--no-lock", "-i", "hosts", "-l", "h1", "again.yml"]).stdout;
    for left in [2, 1] {
        assert!(told.contains(&format!("FAILED - RETRYING: [h1]: again ({left} retries left).\n")), "{told}");
    }
}

#[test]
fn errors_and_warnings_begin_with_the_words_of_ansible() {
    let place = place();
    let said = |line: &[&str]| ran(&place, line).stderr;
    assert!(said(&["ansible-playbook", "-i", "hosts", "module.yml"]).contains("  ERROR! there is no module `pingg`\n"));
    assert!(said(&["ansible-playbook", "-i", "nothere", "local.yml"]).starts_with("[WARNING]: there is no inventory"));
    let nothing = said(&["ansible-inventory", "-i", "hosts"]);
    assert!(
        nothing.contains("ERROR! No action selected, at least one of --host, --graph or --list needs to be specified.")
    );
    let group = said(&["ansible-inventory", "-i", "hosts", "--graph", "nope"]);
    assert!(group.contains("ERROR! Pattern must be valid group name when using --graph"), "{group}");
    let host = said(&["ansible-inventory", "-i", "hosts", "--host", "nope"]);
    assert!(host.contains("ERROR! Could not match supplied host pattern, ignoring: nope"), "{host}");
    let mut wrong = command(&place, &place.path().join("links"), &["ansible", "-i", "hosts", "h1", "-m", "ping"]);
    let wrong = Ran::of(wrong.env("ANSIBLE_TIMEOUT", "lola").output().unwrap());
    assert!(
        wrong
            .stderr
            .contains("Invalid type for configuration option setting: DEFAULT_TIMEOUT (from env: ANSIBLE_TIMEOUT)")
    );
    assert!(
        said(&["ansible-config", "view", "-c", "nothere.cfg"])
            .contains("configuration file is missing or not accessible")
    );
}

/// Host keys that are not checked are of no interest to runs that reach nobody.
#[test]
fn that_host_keys_are_not_checked_is_told_where_a_host_is_reached() {
    let place = place();
    let run = |line: &[&str]| {
        let mut command = command(&place, &place.path().join("links"), line);
        Ran::of(command.env("ANSIBLE_HOST_KEY_CHECKING", "False").output().unwrap()).stderr
    };
    let told = "switches off the check of host keys";
    assert!(!run(&["ansible-playbook", "-i", "hosts", "ok.yml"]).contains(told));
    let far =
        run(&["ansible-playbook", "-i", "h9,h8,", "all.yml", "-e", "ansible_host=127.0.0.1", "-e", "ansible_port=1"]);
    assert_eq!(far.matches(told).count(), 1, "{far}");
}

#[test]
fn a_role_is_brought_in_by_itself() {
    let place = place();
    place.write("roles/r/tasks/main.yml", "- debug: msg={{ what }}\n");
    place.write("roles/r/tasks/other.yml", "- debug: msg=other\n");
    place.write("roles/r/vars/main.yml", "what: main\n");
    let out = |args: &str| ran(&place, &["ansible", "-i", "hosts", "h1", "-m", "include_role", "-a", args]);
    assert!(out("name=r").stdout.contains("\"msg\": \"main\""));
    assert!(out("name=r tasks_from=other").stdout.contains("\"msg\": \"other\""));
    assert!(out("nam=r").stderr.contains("names no role"));
}

#[test]
fn variables_of_files_are_shown_by_themselves_and_sealed_ones_are_not() {
    let place = place();
    place.write("files/open.yml", "seen: yes\n");
    place.write("sealed/a.yml", "shown: not\n");
    place.write("sealed/b.yml", "word: hidden-word\n");
    place.write("pass", "pw\n");
    let sealed = ran(&place, &["ansible-vault", "encrypt", "--vault-password-file", "pass", "sealed/b.yml"]);
    assert_eq!(sealed.code, 0, "{}", sealed.stderr);
    let open = ran(&place, &["ansible", "-i", "hosts", "h1", "-m", "include_vars", "-a", "files/open.yml"]);
    assert!(open.code == 0 && open.stdout.contains("\"seen\": true"), "{}{}", open.stdout, open.stderr);
    let line =
        ["ansible", "-i", "hosts", "h1", "-m", "include_vars", "-a", "dir=sealed", "--vault-password-file", "pass"];
    let all = ran(&place, &line);
    assert!(all.code == 0 && all.stdout.contains("output has been hidden"), "{}{}", all.stdout, all.stderr);
    assert!(!all.stdout.contains("shown") && !all.stdout.contains("hidden-word"), "{}", all.stdout);
}

#[test]
fn values_for_the_end_of_the_run_are_shown_where_that_is_configured() {
    let place = place();
    let tasks = "- hosts: web\n  gather_facts: false\n  tasks:\n    - set_stats: {data: {n: 5, l: [a]}}\n    \
        - set_stats: {data: {n: 1}, per_host: true}\n    - {set_stats: {data: {n: 100}}, no_log: true}\n";
    place.write("stats.yml", tasks);
    let line = ["ansible-playbook", "-i", "hosts", "stats.yml"];
    let without = ran(&place, &line);
    assert!(without.code == 0 && !without.stdout.contains("CUSTOM STATS"), "{}{}", without.stdout, without.stderr);
    place.write("ansible.cfg", "[defaults]\nshow_custom_stats = true\n");
    let with = ran(&place, &line);
    let end = "\th1: { \"n\": 1}\n\th2: { \"n\": 1}\n\n\tRUN: { \"l\": [  \"a\",  \"a\" ], \"n\": 10}\n\n";
    assert!(with.stdout.contains("\nCUSTOM STATS: ****") && with.stdout.ends_with(end), "{}", with.stdout);
    let json: Vec<Json> = place
        .run(&["apply", "--no-lock", "-i", "hosts", "--output", "json", "stats.yml"])
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(
        json.last().unwrap()["stats"],
        json!({"_run": {"l": ["a", "a"], "n": 10}, "h1": {"n": 1}, "h2": {"n": 1}})
    );
}

#[test]
fn servers_and_strange_variables_are_told_by_the_command_for_settings() {
    let place = place();
    let servers = "[galaxy]\nserver_list = one\n[galaxy_server.one]\nurl = https://one.example.org/\nusername = me\n";
    place.write("ansible.cfg", servers);
    let all = ran(&place, &["ansible-config", "dump", "--format", "json"]);
    let all: Json = serde_json::from_str(&all.stdout).unwrap();
    let one = &all.as_array().unwrap().last().unwrap()["GALAXY_SERVERS"]["one"];
    assert_eq!((&one["url"][1], &one["timeout"][1]), (&json!("https://one.example.org/"), &json!(60)));
    assert_eq!(one["token"], json!(["token", null, "default", null]));
    let strange = |line: &[&str]| {
        let mut command = command(&place, &place.path().join("links"), line);
        command.env("ANSIBLE_QUITE_MY_OWN", "1");
        Ran::of(command.output().unwrap())
    };
    let told = strange(&["ansible-config", "validate", "-f", "env"]);
    assert!(
        told.code == 1 && told.stderr.contains("ANSIBLE_QUITE_MY_OWN: Ansible has no such variable"),
        "{}",
        told.stderr
    );
    assert_eq!(strange(&["ansible-config", "validate"]).code, 0);
}

#[test]
fn what_is_no_module_is_listed_and_told_of() {
    let place = place();
    let out = |line: &[&str]| {
        let ran = ran(&place, line);
        assert_eq!(ran.code, 0, "{line:?}: {}{}", ran.stdout, ran.stderr);
        (ran.stdout, ran.stderr)
    };
    let lists = |kind: &str, name: &str| out(&["ansible-doc", "-t", kind, "-l"]).0.lines().any(|line| line == name);
    assert!(lists("filter", "ansible.builtin.b64decode") && lists("filter", "community.general.json_query"));
    assert!(lists("test", "ansible.builtin.match") && lists("lookup", "ansible.builtin.url"));
    assert!(lists("connection", "ansible.builtin.ssh"));
    let utils = out(&["ansible-doc", "-t", "filter", "-l", "ansible.utils"]).0;
    assert!(utils.lines().count() > 5 && utils.lines().all(|line| line.starts_with("ansible.utils.")), "{utils}");
    assert!(out(&["ansible-doc", "-t", "keyword", "-l"]).0.lines().any(|line| line.starts_with("vars_prompt: ")));
    let keyword = out(&["ansible-doc", "-t", "keyword", "become"]).0;
    assert!(keyword.starts_with("become:\n  applies_to:\n  - Play\n") && keyword.contains("type: bool"), "{keyword}");
    let (_, wrong) = out(&["ansible-doc", "-t", "keyword", "becme"]);
    assert!(wrong.contains("Skipping Invalid keyword 'becme' specified; did you mean `become`?"), "{wrong}");
    let lookup = out(&["ansible-doc", "-t", "lookup", "url", "--json"]).0;
    let lookup: Json = serde_json::from_str(&lookup).unwrap();
    assert_eq!(lookup["ansible.builtin.url"]["options"]["timeout"]["vars"][0]["name"], "ansible_lookup_url_timeout");
    let page = out(&["ansible-doc", "-t", "lookup", "url"]).0;
    assert!(page.starts_with("> LOOKUP ansible.builtin.url\n") && page.contains("[url_lookup] timeout"), "{page}");
    assert_eq!(ran(&place, &["ansible-doc", "-t", "bogus", "-l"]).code, 5);
}

#[test]
fn what_is_left_running_is_found_by_its_job() {
    let place = place();
    let jobs = place.path().join("jobs");
    let line = |line: &[&str]| {
        let mut command = command(&place, &place.path().join("links"), line);
        Ran::of(command.env("ANSIBLE_ASYNC_DIR", &jobs).output().unwrap())
    };
    let result = |ran: &Ran| -> Json {
        let (_, json) = ran.stdout.split_once("=> ").unwrap_or_else(|| panic!("{} {}", ran.stdout, ran.stderr));
        serde_json::from_str(json).unwrap()
    };
    for (module, arguments, field, value) in [
        ("lineinfile", "path=made line=x create=true", "msg", json!("line added")),
        ("command", "echo out", "stdout", json!("out")),
    ] {
        let left = line(&["ansible", "-i", "hosts", "-B", "20", "-P", "0", "-m", module, "-a", arguments, "h1"]);
        let told = result(&left);
        assert_eq!((left.code, &told["started"], &told["finished"]), (0, &json!(1), &json!(0)), "{told}");
        let asked = format!("jid={}", told["ansible_job_id"].as_str().unwrap());
        let over = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let told = result(&line(&["ansible", "-i", "hosts", "-m", "async_status", "-a", &asked, "h1"]));
            (told["finished"] == 1).then_some(told)
        });
        let over = over.unwrap_or_else(|| panic!("{module} does not end"));
        assert_eq!((&over[field], &over["changed"]), (&value, &json!(true)), "{over}");
    }
    assert_eq!(std::fs::read_to_string(place.path().join("made")).unwrap(), "x\n");
    let refused = line(&["ansible", "-i", "hosts", "-B", "20", "-P", "0", "-m", "script", "-a", "x.sh", "h1"]);
    assert!(refused.code == 2 && refused.stdout.contains("does not support async"), "{}", refused.stdout);
}

#[test]
fn a_task_that_takes_too_long_is_told_in_the_words_of_ansible() {
    let place = place();
    let out =
        ran(&place, &["ansible", "--no-lock", "-i", "hosts", "h1", "--task-timeout", "1", "-a", "sleep 20"]).stdout;
    assert!(
        out.contains("The command action failed to execute in the expected time frame (1) and was terminated"),
        "{out}"
    );
}

#[test]
fn tags_that_are_templates_are_listed_and_chosen_by_what_they_come_to() {
    let place = place();
    let tagged = "- hosts: web\n  gather_facts: false\n  vars: {mine: [t1, t2]}\n  tasks:\n    \
        - {name: one, debug: , tags: '{{ mine }}'}\n    - {name: two, debug: , tags: other}\n    \
        - {name: told, debug: {var: ansible_run_tags}, tags: always}\n";
    place.write("tagged.yml", tagged);
    let out = |more: &[&str]| {
        ran(&place, &[&["ansible-playbook", "-i", "hosts", "-l", "h1", "tagged.yml"], more].concat()).stdout
    };
    assert!(out(&["--list-tasks"]).contains("one\tTAGS: [t1, t2]\n"));
    let chosen = out(&["--tags", "t2,t3"]);
    assert!(chosen.contains("TASK [one]") && !chosen.contains("TASK [two]"), "{chosen}");
    assert!(chosen.contains("\"t2\",\n        \"t3\"\n"), "{chosen}");
}

#[test]
fn an_inventory_is_read_again_and_what_tasks_added_stays() {
    let place = place();
    place.write("some", "h1 ansible_connection=local\nh2 ansible_connection=local\n");
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {add_host: {name: new, groups: made, ansible_connection: local}}\n    \
        - {copy: {content: \"h2 ansible_connection=local\\nh4 ansible_connection=local\\n\", dest: some}, run_once: true}\n    \
        - meta: refresh_inventory\n- hosts: all:made\n  gather_facts: false\n  tasks: [{debug: {msg: '{{ ansible_play_hosts | sort }}'}, run_once: true}]\n";
    place.write("again.yml", site);
    let out = ran(&place, &["ansible-playbook", "--no-lock", "-i", "some", "again.yml"]);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    assert!(out.stdout.contains("\"h2\",\n        \"h4\",\n        \"new\"\n"), "{}", out.stdout);
}

/// The folder of Ansible's own commands.
pub fn ansible() -> Option<PathBuf> {
    let named = std::env::var_os("BRINGUP_TEST_ANSIBLE").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        || std::env::split_paths(&paths).map(|folder| folder.join("ansible-playbook")).find(|path| path.is_file());
    named.or_else(found).filter(|path| path.is_file())?.parent().map(PathBuf::from)
}

/// Lines whose output is the same, byte by byte.
const SAME: &[&[&str]] = &[
    &["ansible-inventory", "-i", "hosts", "--list"],
    &["ansible-inventory", "-i", "hosts", "--list", "--export"],
    &["ansible-inventory", "-i", "hosts", "--list", "--yaml", "--export"],
    &["ansible-inventory", "-i", "hosts", "--list", "-l", "web:!h2", "-e", "x=1"],
    &["ansible-inventory", "-i", "hosts", "-i", "y1,y2", "--list", "--yaml", "-l", "h1:y1"],
    &["ansible-inventory", "-i", "hosts", "--graph", "--vars"],
    &["ansible-inventory", "-i", "hosts", "--graph", "site"],
    &["ansible-inventory", "-i", "hosts", "--host", "h1", "--yaml"],
    &["ansible", "-i", "hosts", "h1", "-m", "ping", "-o"],
    &["ansible", "-i", "hosts", "h1", "-m", "debug", "-a", "msg={{ env }}"],
    &["ansible", "-i", "hosts", "h1", "-m", "shell", "-a", "echo hi; exit 3"],
    &["ansible", "-i", "hosts", "web", "--list-hosts"],
    &["ansible-playbook", "-i", "hosts", "--list-tasks", "ok.yml"],
    &["ansible-playbook", "-i", "hosts", "--list-tags", "ok.yml"],
    &["ansible-config", "dump", "--only-changed"],
];

#[test]
fn beside_ansible_outputs_and_exit_codes_are_the_same() {
    let Some(theirs) = ansible() else {
        skip::skip!("there is no ansible-playbook on the PATH nor in BRINGUP_TEST_ANSIBLE");
    };
    let place = place();
    place.write("ansible.cfg", "[defaults]\nforks = 3\nroles_path = roles:~/r\nnocows = yes\ninventory = hosts\n");
    let ours = place.path().join("links");
    // Its search for a Python may end at one that does not start here.
    let python = theirs.join("python3");
    let run = |folder: &PathBuf, line: &[&str]| {
        let mut command = command(&place, folder, line);
        Ran::of(command.env("ANSIBLE_PYTHON_INTERPRETER", &python).env_remove("NO_COLOR").output().unwrap())
    };
    let both = |line: &[&str]| [run(&theirs, line), run(&ours, line)];
    for (line, code) in ENDS {
        let [theirs, ours] = both(line);
        assert_eq!((theirs.code, ours.code), (*code, *code), "{line:?}: {}{}", theirs.stderr, ours.stderr);
    }
    for line in SAME {
        let [theirs, ours] = both(line);
        assert_eq!(theirs.stdout, ours.stdout, "{line:?}: {}{}", theirs.stderr, ours.stderr);
    }
}

//! What `ansible.cfg` and the `ANSIBLE_…` variables change.

use std::os::unix::fs::PermissionsExt as _;

use super::{Place, Ran};

/// A play on this machine that says what comes of an expression.
fn says(expression: &str, more: &str) -> String {
    format!("- hosts: localhost\n{more}  tasks:\n    - debug: msg=\"got {{{{ {expression} }}}}\"\n")
}

fn apply(place: &Place, variables: &[(&str, &str)], more: &[&str]) -> Ran {
    let mut command =
        place.command(&[&["apply", "-i", "localhost,", "-c", "local", "--no-lock", "site.yml"], more].concat());
    Ran::of(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn flags_win_then_variables_then_our_file_then_ansibles() {
    let place =
        Place::new(&[("ansible.cfg", "[defaults]\ninventory = one\n"), ("one", "of_cfg\n"), ("two", "of_toml\n")]);
    let graph = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = place.command(&[&["inventory"], flags].concat());
        Ran::of(command.envs(variables.iter().copied()).output().unwrap()).stdout
    };
    assert!(graph(&[], &[]).contains("of_cfg"));
    place.write("bringup.toml", "inventory = \"two\"\n");
    assert!(graph(&[], &[]).contains("of_toml"));
    place.write("three", "of_variable\n");
    let theirs = ("ANSIBLE_INVENTORY", "three");
    assert!(graph(&[theirs], &[]).contains("of_variable"));
    assert!(graph(&[theirs, ("BRINGUP_INVENTORY", "of_ours,")], &[]).contains("of_ours"));
    assert!(graph(&[theirs], &["-i", "of_flag,"]).contains("of_flag"));
}

#[test]
fn a_file_that_anybody_may_write_is_not_read() {
    let place = Place::new(&[("work/ansible.cfg", "[defaults]\nforks = many\n"), ("work/hosts", "h1\n")]);
    let folder = place.path().join("work");
    let run = |variables: &[(&str, &str)]| {
        let mut command = place.command(&["inventory", "-i", "hosts"]);
        Ran::of(command.current_dir(&folder).envs(variables.iter().copied()).output().unwrap())
    };
    let wrong = run(&[]);
    assert!(wrong.code == 1 && wrong.stderr.contains("`many` is no value for DEFAULT_FORKS"), "{}", wrong.stderr);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let left = run(&[]);
    assert!(left.code == 0 && left.stderr.contains("anybody may write to its folder"), "{}", left.stderr);
    assert_eq!(run(&[("ANSIBLE_CONFIG", ".")]).code, 1);
}

#[test]
fn what_has_no_effect_is_named_once_whatever_the_hosts() {
    let cfg = "[defaults]\nlog_path = x\nforkz = 3\nhost_key_checking = False\nretry_files_enabled = False\n";
    let place = Place::new(&[("ansible.cfg", cfg), ("site.yml", "- hosts: all\n  gather_facts: false\n")]);
    let ran = place.run(&["apply", "-i", "h1,h2,", "-c", "local", "--no-lock", "site.yml"]);
    for once in ["without effect here: `log_path` (line 2)\n", "did you mean `forks`?"] {
        assert_eq!(ran.stderr.matches(once).count(), 1, "{once}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("retry_files_enabled") && ran.code == 0, "{}", ran.stderr);
    // What needs no host says nothing of them.
    assert_eq!(place.run(&["doc", "ping"]).stderr, "");
}

#[test]
fn facts_are_gathered_as_configured_and_kept_for_later_runs() {
    let place = Place::new(&[("site.yml", says("ansible_system is defined", "").as_str())]);
    let got = |variables: &[(&str, &str)]| {
        let ran = apply(&place, variables, &[]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        (ran.stdout.contains("got True"), ran.stdout.contains("Gathering Facts"))
    };
    assert_eq!(got(&[("ANSIBLE_GATHERING", "explicit")]), (false, false));
    assert_eq!(got(&[]), (true, true));
    place.write(
        "ansible.cfg",
        "[defaults]\ngathering = smart\nfact_caching = jsonfile\nfact_caching_connection = kept\n",
    );
    assert_eq!(got(&[]), (true, true));
    let kept = std::fs::read_to_string(place.path().join("kept/localhost")).unwrap();
    assert!(kept.contains("\n    \"ansible_system\": \"Linux\""), "{kept}");
    assert_eq!(got(&[]), (true, false));
    place.write("kept/localhost", "{ not json");
    let broken = apply(&place, &[], &[]);
    assert!(
        broken.code == 0 && broken.stderr.contains("the facts kept of localhost cannot be read"),
        "{}",
        broken.stderr
    );
}

#[test]
fn mappings_are_joined_where_that_is_configured() {
    let play = says("a.x ~ a.y", "  gather_facts: false\n  vars: {a: {x: 1, y: '{{ z }}'}, z: 7}\n");
    let place = Place::new(&[("site.yml", play.as_str())]);
    let extra = ["-e", "{\"a\": {\"x\": 2}}"];
    assert_ne!(apply(&place, &[], &extra).code, 0);
    let joined = apply(&place, &[("ANSIBLE_HASH_BEHAVIOUR", "merge")], &extra);
    assert!(joined.stdout.contains("got 27"), "{}{}", joined.stdout, joined.stderr);
}

#[test]
fn the_rest_that_has_effect_has_it() {
    let tasks = "    - command: echo visible\n      when: true\n    - ping:\n      when: false\n";
    let play = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}");
    let place = Place::new(&[("site.yml", play.as_str())]);
    assert!(apply(&place, &[], &["-v"]).stdout.contains("visible"));
    assert!(!apply(&place, &[("ANSIBLE_NO_LOG", "1")], &["-v"]).stdout.contains("visible"));
    assert!(apply(&place, &[], &[]).stdout.contains("skipping: [localhost]"));
    let short = apply(&place, &[("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "false")], &[]).stdout;
    assert!(!short.contains("skipping:") && short.contains("skipped=1"), "{short}");
    let wrong = apply(&place, &[("ANSIBLE_BECOME", "true"), ("ANSIBLE_BECOME_METHOD", "runas")], &[]);
    assert!(wrong.stdout.contains("become_method `runas` is not supported"), "{}{}", wrong.stdout, wrong.stderr);
    place.write("ansible.cfg", "[defaults]\nansible_managed = by {file}\n");
    place.write("t.j2", "{{ ansible_managed }}\n");
    let task = format!("template: src=t.j2 dest={}/made", place.path().display());
    place.write("site.yml", &format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - {task}\n"));
    let made = apply(&place, &[], &[]);
    assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    assert!(std::fs::read_to_string(place.path().join("made")).unwrap().ends_with("/t.j2\n"));
}

#[test]
fn passwords_come_from_files_and_programs_and_are_never_shown() {
    let place = Place::new(&[
        ("site.yml", "- hosts: localhost\n  gather_facts: false\n"),
        ("empty", "\n"),
        ("good", "s3cret\n"),
    ]);
    let with = |file: &str| apply(&place, &[], &["--become-password-file", file]);
    assert_eq!(with("good").code, 0);
    assert!(with("empty").stderr.contains("there is no password in empty"));
    assert!(with("missing").stderr.contains("cannot read the password file missing"));
    place.write("program", "#!/bin/sh\necho s3cret\nexit 3\n");
    std::fs::set_permissions(place.path().join("program"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let failed = with("program");
    assert!(failed.code == 1 && failed.stderr.contains("the password program program failed"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("s3cret"));
    let piped = ["apply", "-i", "localhost,", "-c", "local", "--no-lock", "site.yml", "--become-password-file", "-"];
    assert_eq!(place.answer(&piped, "s3cret\n").code, 0);
    let both = apply(&place, &[], &["-K", "--become-password-file", "good"]);
    assert!(both.code == 1 && both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn texts_stay_texts_where_types_are_native() {
    let play = says("made is string", "  gather_facts: false\n");
    let play = play.replace("  tasks:\n", "  tasks:\n    - set_fact: {made: 'yes'}\n");
    let place = Place::new(&[("site.yml", &play)]);
    assert!(apply(&place, &[], &[]).stdout.contains("got False"));
    assert!(apply(&place, &[("ANSIBLE_JINJA2_NATIVE", "1")], &[]).stdout.contains("got True"));
}

#[test]
fn a_notification_that_nobody_hears_may_be_a_warning() {
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - {command: 'true', notify: [nobody, \"{{ 'no' ~ 'body' }}\"]}\n";
    let place = Place::new(&[("site.yml", play)]);
    let said = "The requested handler 'nobody' was not found";
    let refused = apply(&place, &[], &[]);
    assert!(refused.code == 1 && refused.stderr.contains(said), "{}", refused.shown());
    let passed = apply(&place, &[("ANSIBLE_ERROR_ON_MISSING_HANDLER", "false")], &[]);
    assert!(passed.code == 0 && passed.stderr.contains(said), "{}", passed.shown());
}

#[test]
fn a_condition_that_comes_to_a_text_is_said_once_or_is_an_error() {
    let play = "- hosts: h1,h2\n  gather_facts: false\n  vars: {enable: 'no'}\n  tasks:\n    - {debug: msg=done, when: enable}\n";
    let place = Place::new(&[("site.yml", play), ("ansible.cfg", "[defaults]\nallow_broken_conditionals = false\n")]);
    let run = |name: &str| {
        let mut command = place.command(&["apply", "-i", "h1,h2,", "-c", "local", "--no-lock", "site.yml"]);
        Ran::of(command.env("ANSIBLE_ALLOW_BROKEN_CONDITIONALS", name).output().unwrap())
    };
    let passed = run("true");
    let said = "site.yml:5:31: the condition's result is a text, str ('no'), and counts as true";
    assert!(passed.code == 0 && passed.stderr.matches(said).count() == 1, "{}", passed.stderr);
    assert!(passed.stderr.contains("write `(enable) | bool` to read it as false"), "{}", passed.stderr);
    let refused = place.run(&["apply", "-i", "h1,h2,", "-c", "local", "--no-lock", "site.yml"]);
    assert!(refused.code == 2 && refused.stdout.contains("the condition's result is a text"), "{}", refused.stdout);
}

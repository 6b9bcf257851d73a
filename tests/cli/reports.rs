use std::fs;

use serde_json::Value as Json;

use super::{Place, settled};

const KINDS: &str = r#"- name: All kinds of ends
  hosts: all
  gather_facts: false
  tasks:
    - name: a file is as described
      copy:
        content: "one\ntwo\nthree\n"
        dest: "{{ playbook_dir }}/file"
        mode: "0644"
    - name: something is said
      debug:
        msg: hello from {{ inventory_hostname }}
    - name: several things
      command: echo {{ item }}
      loop: [a, b, c]
      changed_when: item == "b"
    - name: not needed here
      ping:
      when: inventory_hostname == "nobody"
    - name: may go wrong
      command: ls /nonexistent
      ignore_errors: true
    - name: a parameter goes wrong
      file:
        path: "{{ playbook_dir }}/x"
        mode: "{{ nothing_of_that_name }}"
      when: true
    - name: never reached
      ping:
"#;

#[test]
fn each_end_is_shown_as_it_deserves() {
    let place = Place::new(&[("site.yml", KINDS), ("file", "one\n2\nthree\n")]);
    let ran = place.play("h1,", &["--diff"]);
    settled(&place, || insta::assert_snapshot!("ends", ran.shown()));
    let verbose = place.play("h1,", &["-v", "--start-at-task", "several things"]);
    settled(&place, || insta::assert_snapshot!("ends_verbose", verbose.shown()));
}

#[test]
fn results_stand_below_their_task_though_hosts_differ_in_pace() {
    let site = r#"- name: Paces
  hosts: all
  gather_facts: false
  tasks:
    - name: first
      shell: sleep 0.{{ inventory_hostname[1:] }}
      changed_when: false
    - name: second
      ping:
    - name: third
      ping:
      when: inventory_hostname != "h2"
"#;
    let ran = Place::new(&[("site.yml", site)]).play("h7,h2,h1,", &[]);
    let lines: Vec<&str> = ran.stdout.lines().filter(|l| !l.is_empty()).take(13).collect();
    assert_eq!(
        lines,
        [
            "PLAY [Paces]",
            "TASK [first]",
            "ok: [h7]",
            "ok: [h2]",
            "ok: [h1]",
            "TASK [second]",
            "ok: [h7]",
            "ok: [h2]",
            "ok: [h1]",
            "TASK [third]",
            "ok: [h7]",
            "skipping: [h2]",
            "ok: [h1]"
        ],
        "{}",
        ran.stdout
    );
}

#[test]
fn a_run_says_what_it_came_to() {
    let site =
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: '{{ playbook_dir }}/f'}\n";
    let place = Place::new(&[("site.yml", site)]);
    let last = |text: &str| text.trim_end().lines().last().unwrap_or_default().split(';').next().unwrap().to_owned();
    let plan = || place.run(&["plan", "-c", "local", "-i", "h1,", "site.yml"]);
    assert_eq!(last(&plan().stdout), "1 change to be made on 1 host");
    assert_eq!(last(&place.play("h1,", &[]).stdout), "1 change made on 1 host");
    assert_eq!(last(&place.play("h1,", &[]).stdout), "nothing had to be changed");
    assert_eq!(last(&plan().stdout), "no changes: all hosts are as described");
    let recap = "h1                         : ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0\n";
    assert!(plan().stdout.contains(recap), "{}", plan().stdout);
}

#[test]
fn a_plan_shows_what_is_not_as_it_should_be() {
    let site = r#"- name: Nothing to do
  hosts: all
  gather_facts: false
  tasks:
    - name: as it is
      file: {path: '{{ playbook_dir }}', state: directory}
    - name: left out
      ping:
      when: false
- name: Much to do
  hosts: all
  gather_facts: false
  tasks:
    - name: also as it is
      file: {path: '{{ playbook_dir }}', state: directory}
    - name: files
      copy: {content: "{{ item }}\n", dest: '{{ playbook_dir }}/{{ item }}'}
      loop: [old, new]
    - name: said
      debug: {msg: hello}
    - name: asked
      command: id
      register: id
    - name: after it
      debug: {msg: '{{ id.stdout }}'}
"#;
    let place = Place::new(&[("site.yml", site), ("old", "old\n")]);
    let run = |arguments: &[&str]| place.run(&[arguments, &["-c", "local", "-i", "h1,", "site.yml"]].concat());
    settled(&place, || insta::assert_snapshot!("plan", run(&["plan"]).shown()));
    let all = run(&["plan", "-v"]).stdout;
    assert!(["PLAY [Nothing to do]", "ok: [h1]", "skipping: [h1]"].iter().all(|text| all.contains(text)), "{all}");
    let applied = run(&["apply", "--only-changes"]).stdout;
    assert!(applied.contains("changed: [h1] => (item=new)") && !applied.contains("as it is"), "{applied}");
    assert!(run(&["apply"]).stdout.contains("TASK [as it is]"));
}

#[test]
fn unreachable_hosts_are_told_with_what_to_do() {
    let site = "- hosts: all\n  tasks:\n    - ping:\n";
    let place = Place::new(&[("site.yml", site), ("hosts", "h1 ansible_host=127.0.0.1 ansible_port=1\n")]);
    let ran = place.run(&["apply", "-i", "hosts", "site.yml"]);
    settled(&place, || insta::assert_snapshot!("unreachable", ran.shown()));
}

#[test]
fn lists_run_nothing() {
    let site = r#"- name: One
  hosts: web
  tags: base
  tasks:
    - name: first
      command: touch {{ playbook_dir }}/ran
      tags: [a, b]
    - name: second
      ping:
      tags: c
"#;
    let place = Place::new(&[("site.yml", site), ("hosts", "[web]\nh1\nh2\n")]);
    let list = |flags: &[&str]| {
        let mut all = vec!["apply", "-i", "hosts", "site.yml"];
        all.extend(flags);
        place.run(&all)
    };
    let all: String =
        [&["--list-tasks"][..], &["--list-tags"], &["--list-hosts"], &["--syntax-check"], &["--list-tasks", "-t", "c"]]
            .iter()
            .map(|flags| format!("$ {}\n{}\n", flags.join(" "), list(flags).shown()))
            .collect();
    settled(&place, || insta::assert_snapshot!("lists", all));
    assert!(!place.path().join("ran").exists());
    assert_eq!(place.run(&["apply", "site.yml", "--list-tasks"]).code, 0, "tasks are known without an inventory");
}

#[test]
fn a_tag_that_no_task_has_is_told() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {ping: , tags: blue}\n    - block:\n        - ping:\n      rescue:\n        - {ping: , tags: red}\n";
    let place = Place::new(&[("site.yml", site)]);
    let told = |flags: &[&str]| place.play("h1,", flags).stderr;
    assert_eq!(told(&["--tags", "blue,red,untagged", "--skip-tags", "always"]), "");
    assert!(told(&["--tags", "bleu"]).contains("⚠ no task has the tag `bleu`; did you mean `blue`?\n"));
    assert!(told(&["--skip-tags", "quite-other"]).contains("⚠ no task has the tag `quite-other`\n"));
    place.write("blue.yml", "- {ping: , tags: blue}\n");
    place.write("site.yml", &site.replace("- {ping: , tags: blue}", "- include_tasks: blue.yml"));
    assert!(told(&["--list-tasks", "--tags", "blue"]).contains("(files that are included"));
}

#[test]
fn a_limit_that_leaves_no_host_is_a_mistake() {
    let place = Place::new(&[("site.yml", "- {hosts: all, gather_facts: false, tasks: [ping: ]}\n")]);
    let ran = place.play("h1,", &["--limit", "h2"]);
    assert_eq!(ran.code, 1, "{}", ran.shown());
    assert!(ran.stderr.contains("`--limit h2` leaves no host"), "{}", ran.shown());
}

#[test]
fn step_asks_before_each_task() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: one\n      shell: echo > one\n      args: {chdir: '{{ playbook_dir }}'}\n    - name: two\n      shell: echo > two\n      args: {chdir: '{{ playbook_dir }}'}\n";
    let place = Place::new(&[("site.yml", site)]);
    let ran = place.answer(&["apply", "-c", "local", "--no-lock", "-i", "h1,", "--step", "site.yml"], "n\ny\n");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert!(ran.stderr.contains("Perform task: one (N)o/(y)es/(c)ontinue: "), "{}", ran.stderr);
    assert!(!place.path().join("one").exists() && place.path().join("two").exists());
}

#[test]
fn a_task_done_once_that_nobody_wants_keeps_nobody_waiting() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: unwanted}\n      run_once: true\n    - debug: {msg: wanted-by-both}\n";
    let place = Place::new(&[("site.yml", site)]);
    let args = ["apply", "-c", "local", "--no-lock", "-i", "h1,h2,", "--step", "site.yml"];
    let ran = place.answer(&args, "n\ny\n");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert!(!ran.stdout.contains("unwanted") && ran.stdout.contains("wanted-by-both"), "{}", ran.stdout);
}

#[test]
fn profile_and_timeline_tell_where_time_went() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: slow\n      shell: sleep 0.3\n    - ping:\n";
    let place = Place::new(&[("site.yml", site)]);
    let ran = place.play("h1,", &["--profile", "--timeline", "timeline.html"]);
    let (_, profile) = ran.stdout.split_once("SLOWEST TASKS").unwrap_or_else(|| panic!("{}", ran.stdout));
    assert!(profile.lines().nth(1).is_some_and(|l| l.ends_with("slow (1 host)")), "{profile}");
    assert!(profile.contains("ROUND TRIPS"), "{profile}");
    assert!(profile.lines().any(|l| l.contains("h1") && l.contains(" sent") && l.contains(" received")), "{profile}");
    let page = fs::read_to_string(place.path().join("timeline.html")).unwrap();
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Json = serde_json::from_str(data).unwrap();
    let slow = data["names"].as_array().unwrap().iter().position(|name| name == "slow").unwrap();
    let bar = data["tasks"].as_array().unwrap().iter().find(|bar| bar[1] == slow).unwrap();
    assert!(bar[3].as_f64().unwrap() - bar[2].as_f64().unwrap() >= 300.0, "{bar}");
    assert!(data["trips"].as_array().is_some_and(|trips| !trips.is_empty()), "{data}");
}

#[test]
fn a_warning_of_many_hosts_is_told_once_and_none_of_a_hidden_task() {
    let linked = |no_log: bool| {
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {{src: nothing, dest: '{{{{ playbook_dir }}}}/{{{{ inventory_hostname }}}}', \
             state: link, force: true, mode: '0600'}}\n      no_log: {no_log}\n"
        )
    };
    let place = Place::new(&[("site.yml", &linked(false))]);
    let ran = place.play("h1,h2,h3,", &[]);
    let told = ran.stderr.matches("non-existent symlink target").count();
    assert_eq!((ran.code, told), (0, 2), "{}", ran.stderr);
    assert!(ran.stderr.contains(": as on h") && ran.stderr.contains("(site.yml:4:7)"), "{}", ran.stderr);
    let place = Place::new(&[("site.yml", &linked(true))]);
    let ran = place.play("h1,", &[]);
    assert!(ran.code == 0 && !ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn a_handler_whose_name_nobody_can_say_is_told_of() {
    let site = |listen: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug:\n  handlers:\n    - name: 'restart {{{{ of_a_host }}}}'\n      debug:\n{listen}"
        )
    };
    let place = Place::new(&[("site.yml", &site(""))]);
    let ran = place.play("h1,h2,", &[]);
    let told = "Handler 'restart {{ of_a_host }}' is unusable because it has no listen topics";
    assert_eq!((ran.code, ran.stderr.matches(told).count()), (0, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("(site.yml:6:13)"), "{}", ran.stderr);
    let place = Place::new(&[("site.yml", &site("      listen: topic\n"))]);
    assert!(!place.play("h1,", &[]).stderr.contains("unusable"));
}

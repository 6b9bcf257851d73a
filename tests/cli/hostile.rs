//! What hosts, files and variables say is shown, never obeyed: every control character in every place that is printed.

use std::{os::unix::process::CommandExt as _, process::Command};

use serde_json::json;

use super::{Place, Ran};

/// Lines that would pass for ours.
const FORGED: &str =
    "\nPLAY RECAP forged\nok: [forged]\nchanged: [forged]\nforged | CHANGED | rc=0 >>\nwarning: forged\n";

/// A colour that nothing of ours is shown in.
const COLOUR: &str = "\x1b[45m";

/// Every character that a terminal could obey or that nobody sees (but NUL, which no command can be given), sequences of them,
/// and forged lines.
fn hostile() -> String {
    let hidden = ["\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{2060}\u{feff}\u{e0041}"];
    let directions = "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    let sequences = format!("\x1b]52;c;Zm9yZ2Vk\x07\x1b]0;forged\x1b\\\x1b[2J\x1b[1A\r{COLOUR}ok: [forged]\x1b[0m\x08");
    let controls: String = ('\u{1}'..=' ').chain('\u{7f}'..='\u{9f}').filter(|c| *c != '\n').collect();
    format!("begin{controls}{directions}{}{sequences}{FORGED}end", hidden.concat())
}

/// The lines of a text, after a look at each character: nothing but line ends, tabs and colours of ours.
#[track_caller]
fn looked_at(text: &str, what: &str) {
    assert!(!text.contains(COLOUR), "{what}: a colour that is none of ours in {text:?}");
    let plain = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(text, "");
    let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || hostile_unseen(c);
    if let Some(at) = plain.find(bad) {
        let around: String = plain[..at].chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{what}: {:?} behind {around:?}", &plain[at..].chars().next());
    }
    for line in plain.lines() {
        let forged = FORGED.lines().any(|forged| !forged.is_empty() && line.starts_with(forged));
        assert!(!forged, "{what}: a line of a host passes for one of ours: {line}\n{plain}");
    }
}

fn hostile_unseen(c: char) -> bool {
    !c.is_ascii() && c != '\u{200c}' && c != '\u{200d}' && hostile().contains(c)
}

#[track_caller]
fn look(ran: &Ran, what: &str) {
    looked_at(&ran.stdout, &format!("{what}, standard output"));
    looked_at(&ran.stderr, &format!("{what}, standard error"));
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("forged"), "{what}: it was never said: {}", ran.shown());
}

const SITE: &str = r#"- name: "play {{ hostile }}"
  hosts: all
  gather_facts: false
  tasks:
    - name: "task {{ hostile }}"
      command: printf %s "{{ hostile }}"
      register: out
    - name: it goes wrong
      shell: printf %s "$H"; printf %s "$H" >&2; exit 3
      environment: {H: "{{ hostile }}"}
      ignore_errors: true
    - name: items
      command: echo {{ item | quote }}
      loop: ["{{ hostile }}", "x{{ hostile }}"]
    - name: it is shown
      debug: {var: out}
    - name: it is told
      debug: {msg: "{{ out.stdout }}"}
    - name: it is told as a key
      debug: {msg: {"{{ hostile }}": ["{{ hostile }}"]}}
    - name: a file
      copy: {content: "{{ hostile }}\n{{ item }}", dest: "{{ playbook_dir }}/file"}
      loop: [a, b]
      loop_control: {label: "{{ hostile }}"}
    - name: nothing may be at this place
      file: {path: "{{ playbook_dir }}/{{ hostile | replace('/', '') }}", state: file}
      ignore_errors: true
    - name: a host of that name
      add_host: {name: "{{ hostile }}", groups: "{{ hostile }}"}
      ignore_errors: true
    - name: it is asked
      pause: {prompt: "{{ hostile }}", seconds: 0}
    - name: a template goes wrong
      debug: {msg: "{{ nothing[hostile] }}"}
      ignore_errors: true
    - name: a condition goes wrong
      assert: {that: "out.stdout == ''", fail_msg: "{{ hostile }}"}
      ignore_errors: true
    - name: rescued
      block:
        - fail: {msg: "{{ hostile }}"}
      rescue:
        - debug: {msg: "{{ ansible_failed_result.msg }}"}
    - name: the handler
      command: "true"
      notify: told
  handlers:
    - name: "{{ hostile }}"
      listen: told
      debug: {msg: done}
    - name: last
      fail: {msg: "{{ hostile }}"}
- hosts: all
  gather_facts: false
  tasks:
    - fail: {msg: "{{ hostile }}"}
"#;

fn place() -> Place {
    let vars = json!({ "hostile": hostile() }).to_string();
    Place::new(&[("site.yml", SITE), ("vars.json", &vars)])
}

#[test]
fn no_report_lets_a_host_speak_to_the_terminal() {
    let place = place();
    let ways: [&[&str]; 8] = [
        &["apply"],
        &["apply", "-v"],
        &["apply", "-vvv", "--diff"],
        &["apply", "--diff", "--profile"],
        &["plan"],
        &["plan", "-v", "--profile"],
        &["apply", "--output", "junit", "--profile"],
        &["apply", "--output", "json", "--profile"],
    ];
    for way in ways {
        let mut arguments = way.to_vec();
        arguments.extend(["-c", "local", "--no-lock", "-i", "h1,h2,", "-e", "@vars.json", "site.yml"]);
        arguments.extend(["--timeline", "timeline.html"]);
        let ran = place.run(&arguments);
        assert_ne!(ran.code, 1, "{}", ran.shown());
        look(&ran, &way.join(" "));
        let colours =
            Ran::of(place.command(&arguments).env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1").output().unwrap());
        look(&colours, &format!("{} in colours", way.join(" ")));
        let page = std::fs::read_to_string(place.path().join("timeline.html")).unwrap();
        looked_at(&page, "the timeline");
        if way.contains(&"json") {
            let said =
                ran.events().iter().any(|e| e["result"]["stdout"].as_str().is_some_and(|s| s.contains("\x1b]52;")));
            assert!(said, "JSON keeps what was said: {}", ran.stdout);
        }
    }
}

#[test]
fn no_command_lets_a_name_or_a_file_speak_to_the_terminal() {
    // YAML's own escapes bring any character into a key.
    let quoted = json!(hostile()).to_string();
    let inventory = format!(
        "all:\n  hosts:\n    h1: {{v: {quoted}}}\n  children:\n    {quoted}: {{hosts: {{h1: , {quoted}: }}, vars: {{{quoted}: 1}}}}\n"
    );
    let site = format!(
        "- name: {quoted}\n  hosts: [h1, {quoted}]\n  tags: [{quoted}]\n  tasks:\n    - name: {quoted}\n      ping:\n    - {quoted}: x\n    - debug:\n        {quoted}: {quoted}\n    - debug: msg={quoted}\n      when: \"{{{{ {quoted}\"\n"
    );
    let listed =
        format!("- name: {quoted}\n  hosts: [h1]\n  tags: [{quoted}]\n  tasks:\n    - name: {quoted}\n      ping:\n");
    let place = Place::new(&[("hosts.yml", &inventory), ("site.yml", &site), ("listed.yml", &listed)]);
    place.write("raw.yml", &format!("- hosts: h1\n  tasks: {}\n", hostile().replace('\n', "\n    ")));
    place.write("hosts.ini", &format!("h1 a={}\n", hostile()));
    let forged = format!("-e={}", hostile());
    let pattern = hostile();
    let ways: [&[&str]; 13] = [
        &["inventory", "-i", "hosts.yml"],
        &["inventory", "-i", "hosts.yml", "--list"],
        &["inventory", "-i", "hosts.yml", "--host", "h1"],
        &["inventory", "-i", "hosts.yml", &pattern],
        &["inventory", "-i", "hosts.ini"],
        &["lint", "site.yml"],
        &["lint", "raw.yml"],
        &["apply", "-i", "hosts.yml", "listed.yml", "--list-tasks", "--list-tags", "--list-hosts"],
        &["apply", "-i", "hosts.yml", "listed.yml", "--limit", &pattern],
        &["apply", "-i", "hosts.yml", &forged, "raw.yml"],
        &["exec", "-i", "hosts.yml", &pattern, "--", "true"],
        &["exec", "-i", "hosts.yml", "h1", "-m", &pattern],
        &["doc", &pattern],
    ];
    for way in ways {
        look(&place.run(way), &format!("{way:?}"));
    }
}

/// The program on a terminal of its own.
fn on_a_terminal(place: &Place, arguments: &[&str]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| shell_words::quote(word).into_owned()).collect();
    let line = format!("stty cols 200; {} {}", env!("CARGO_BIN_EXE_bringup"), words.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(place.path()).env("TERM", "xterm").process_group(0);
    let output = command.stdin(std::process::Stdio::null()).output().expect("script(1) gives it a terminal");
    String::from_utf8(output.stdout).unwrap()
}

/// What a display of ours never sends: the marks of `hostile`.
#[track_caller]
fn never_sent(text: &str, what: &str) {
    let marks =
        ["\x1b]", "\x07", COLOUR, "\x08", "\u{9b}", "\u{90}", "\u{85}", "\u{202e}", "\u{2066}", "\u{200b}", "\u{2028}"];
    for mark in marks {
        assert!(!text.contains(mark), "{what}: {mark:?} in {text:?}");
    }
    for line in text.split(['\n', '\r']) {
        let forged = FORGED.lines().any(|forged| !forged.is_empty() && line.starts_with(forged));
        assert!(!forged, "{what}: a line of a host passes for one of ours: {line}\n{text}");
    }
    assert!(text.contains("forged"), "{what}: it was never said: {text}");
}

#[test]
fn on_a_terminal_neither_the_display_nor_exec_lets_a_host_speak() {
    let place = place();
    let apply = ["apply", "-c", "local", "--no-lock", "-i", "h1,h2,", "-e", "@vars.json", "site.yml"];
    never_sent(&on_a_terminal(&place, &apply), "apply");
    let script = "printf %s \"$H\"; printf %s \"$H\" >&2";
    place.write("say.sh", &format!("H={}\n{script}\n", shell_words::quote(&hostile())));
    let exec = ["exec", "-c", "local", "--no-lock", "-i", "h1,h2,", "all", "--", "sh ./say.sh"];
    let shown = on_a_terminal(&place, &exec);
    never_sent(&shown, "exec");
    assert!(shown.contains("\n  ok: [forged]\r\n"), "what a command prints is indented: {shown}");
}

#[test]
fn a_pipe_gets_what_commands_printed_as_it_is() {
    let place = Place::new(&[]);
    let ran =
        place.run(&["exec", "-c", "local", "--no-lock", "-i", "h1,", "all", "--", "printf 'a\\033[1mb\\r\\n  c\\n'"]);
    assert_eq!(ran.stdout, "h1 | CHANGED | rc=0 >>\na\x1b[1mb\r\n  c\n", "{}", ran.shown());
}

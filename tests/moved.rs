//! What happens when somebody else writes a file between question and change.

use std::{fs, io::Write as _, process::Command};

use crate::{engine::apply, support::world::Servers};

/// The line is put off. While the next task is rendered, which takes until somebody writes into the fifo, another
/// writes the file.
const PUT_OFF: &str = "- hosts: all
  gather_facts: false
  tasks:
    - lineinfile: {path: '{{ top }}/f', line: added}
      register: line
    - debug:
        msg: \"{{ line.changed }} {{ lookup('file', top ~ '/fifo') }}\"
    - assert:
        that: line is changed
";

/// Runs [`PUT_OFF`], with somebody who writes the file so many times at most.
fn put_off(times: usize) -> (i32, String, String) {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let top = place.path().to_owned();
    fs::write(top.join("f"), "one\n").unwrap();
    assert!(Command::new("mkfifo").arg(top.join("fifo")).status().unwrap().success());
    let writer = std::thread::spawn({
        let top = top.clone();
        move || {
            for time in 0.. {
                // Opening waits for the reader.
                let mut fifo = fs::OpenOptions::new().write(true).open(top.join("fifo")).unwrap();
                if top.join("done").exists() {
                    return;
                }
                if time < times {
                    fs::write(top.join("f"), format!("{}\n", "more\n".repeat(time + 1))).unwrap();
                }
                // Who only looked has gone already.
                let _ = fifo.write_all(b"read");
            }
        }
    });
    let (code, text) = apply(&servers, 1, &top, PUT_OFF, &[]);
    fs::write(top.join("done"), "").unwrap();
    drop(fs::File::open(top.join("fifo")).unwrap());
    writer.join().unwrap();
    (code, text, fs::read_to_string(top.join("f")).unwrap())
}

#[test]
fn a_change_put_off_is_planned_anew_on_what_another_wrote() {
    let (code, text, file) = put_off(1);
    assert_eq!((code, file.as_str()), (0, "more\n\nadded\n"), "{text}");
}

#[test]
fn a_file_that_never_stays_as_it_was_read_fails_its_task() {
    let (code, text, file) = put_off(usize::MAX);
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains("something else on the host keeps changing what this task is about"), "{text}");
    assert_eq!((code, file.contains("added")), (2, false), "{text}");
}

#[test]
fn a_command_does_not_run_when_what_it_creates_came_into_being_meanwhile() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let top = place.path();
    // The first host has asked for the file, and waits for the second in front of the command.
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - shell: sleep 1; echo theirs > {{ top }}/f
      when: inventory_hostname == 'h2'
    - shell: echo ours > {{ top }}/f
      args: {creates: '{{ top }}/f'}
      when: inventory_hostname == 'h1'
";
    let (code, text) = apply(&servers, 2, top, site, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(top.join("f")).unwrap(), "theirs\n", "{text}");
}

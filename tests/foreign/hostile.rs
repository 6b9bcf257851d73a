//! A host whose Python is not what it should be: that host fails alone, and in time.

use std::time::{Duration, Instant};

use super::{Tree, module};

/// What stands in for a Python. It finds the token of its greeting in its arguments.
const HEAD: &str = "#!/bin/sh\ntoken=$(printf %s \"$2\" | sed -n \"s/.*'TOKEN': '\\([0-9a-f]*\\)'.*/\\1/p\")\n\
                    greet() { printf '%s {\"folder\": \"/tmp\", \"bytes\": 0}\\n' \"$token\"; }\n";

#[test]
fn a_python_that_lies_is_given_up_on() {
    let cases = [
        ("says nothing and ends", "exit 0", "did not start"),
        ("answers junk", "greet; echo junk; sleep 90", "none of its own"),
        (
            "answers another call",
            "greet; printf '%s {\"id\": 7, \"bytes\": 0}\\n' \"$token\"; sleep 90",
            "instead of 1",
        ),
        (
            "announces more than there may be",
            "greet; printf '%s {\"id\": 1, \"out\": 0, \"bytes\": 999999999999}\\n' \"$token\"; sleep 90",
            "more than a result may hold",
        ),
        (
            "counts more than it sends",
            "greet; printf '%s {\"id\": 1, \"out\": 9, \"bytes\": 1}\\nx' \"$token\"; sleep 90",
            "instead of 1",
        ),
        ("never ends a line", "greet; yes | tr -d '\\n'", "a line of its Python goes on"),
        ("floods", "yes", "before its Python greets"),
        ("floods its errors", "greet; yes >&2", "goes on printing errors"),
        (
            "ends in the middle",
            "greet; head -c 100 >/dev/null; echo why >&2; exit 3",
            "its Python was lost: it exited with status 3: why",
        ),
        ("hangs", "greet; sleep 90", "no answer within"),
        (
            "forks",
            "greet; for i in 1 2 3 4 5; do sleep 90 & done; printf '%s {\"id\": 1, \"status\": 0, \"out\": 2, \"bytes\": 2}\\n{}' \"$token\"; exec sleep 90",
            "",
        ),
    ];
    let Some(tree) = Tree::new(&[("library/fine.py", &module(""))]) else { return };
    for (what, body, told) in cases {
        tree.write("python", &format!("{HEAD}{body}\n"));
        let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - fine:\n      timeout: 2\n      vars:\n        \
                    ansible_python_interpreter: \"{{ '/usr/bin/python3' if inventory_hostname == 'h2' else top ~ '/python' }}\"\n";
        tree.write("site.yml", site);
        let began = Instant::now();
        let output = tree.bringup(&["apply", "--no-lock", "site.yml"]).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let text = text.replace("│", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("h2 : ok=1"), "{what}: {text}");
        assert!(text.contains(told) && (told.is_empty() || text.contains("failed=1")), "{what}: {text}");
        // Long before what hangs there ends by itself.
        assert!(began.elapsed() < Duration::from_secs(80), "{what}");
    }
}

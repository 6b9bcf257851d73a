//! All modules that this machine's Ansible has, against the examples in their own documentation. What is found there is asked of the
//! module's own argument spec: where that takes it, the alarm is false. Not of the normal set:
//!
//!     BRINGUP_TEST_EXAMPLES=/tmp/ansible/bin/python cargo test --lib -- --ignored examples --nocapture

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{check, listed, of};
use crate::{
    foreign::{self, Python, workstation},
    module::Registry,
    playbook::{Args, Diagnostic},
    yaml::{self, Node},
};

/// So many false alarms there may be in ten thousand tasks.
const MOST: usize = 25;

/// A Python that has the modules' own argument specs.
struct Oracle {
    python: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Oracle {
    fn new(python: &std::path::Path) -> Oracle {
        let mut command = Command::new(python);
        command.args(["-c", include_str!("examples.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = command.stderr(Stdio::null()).spawn().unwrap();
        let answers = BufReader::new(python.stdout.take().unwrap());
        Oracle { python, answers }
    }

    /// `right`, `false`, or `unknown`.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.python.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

#[test]
#[ignore = "asks for the documentation of all modules of an Ansible: BRINGUP_TEST_EXAMPLES names its Python"]
#[allow(clippy::disallowed_macros)] // its report is for who runs it
fn examples_are_taken() {
    let Some(python) = std::env::var_os("BRINGUP_TEST_EXAMPLES").map(std::path::PathBuf::from) else { return };
    workstation::allow(Python::At(python.clone()));
    let mut oracle = Oracle::new(&python);
    let (mut modules, mut tasks, mut spent) = (0, 0, Duration::ZERO);
    let (mut right, mut wrong, mut unknown) = (0, 0, 0);
    for (name, path, _) in listed("module", &[]).unwrap() {
        // Those that are native or do not run are not checked so.
        if Registry::get().find(&name).is_some_and(|entry| entry.file.is_none()) || foreign::find(&name, &[]).is_err() {
            continue;
        }
        let started = Instant::now();
        let spec = of("module", &name, Some(&path)).unwrap();
        spent += started.elapsed();
        modules += 1;
        let Some(Ok(read)) = spec.examples.as_ref().map(|examples| yaml::load_str("examples", examples)) else {
            continue;
        };
        for (key, value) in uses(&read, spec.name.as_str()) {
            tasks += 1;
            let args: Args = value.as_map().unwrap_or_default().to_vec();
            for found in check(&spec, &args, None, &key.span, true).iter().filter(|found| Diagnostic::is_error(found)) {
                let line = json!({ "module": name, "args": value.to_json(), "found": found.message }).to_string();
                match oracle.ask(&line).as_str() {
                    "right" => right += 1,
                    "false" => {
                        wrong += 1;
                        println!("{name}: {}", found.message);
                    }
                    _ => unknown += 1,
                }
            }
        }
    }
    println!("{modules} modules, {tasks} tasks; documentation takes {:?} each", spent / modules);
    println!("{wrong} false alarms; {right} mistakes that the module refuses too; {unknown} that nobody can tell");
    assert!(right > 0 && wrong * 10_000 <= tasks * MOST, "{wrong} false alarms in {tasks} tasks");
}

/// The arguments of a module wherever it stands in examples.
fn uses<'a>(node: &'a Node, name: &str) -> Vec<(&'a Node, &'a Node)> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let mut found = Vec::new();
    for (key, value) in node.as_seq().unwrap_or_default().iter().filter_map(Node::as_map).flatten() {
        match key.as_str() {
            Some(text) if (text == name || text == short) && value.as_map().is_some() => found.push((key, value)),
            Some("tasks" | "block" | "rescue" | "always" | "handlers") => found.extend(uses(value, name)),
            _ => {}
        }
    }
    found
}

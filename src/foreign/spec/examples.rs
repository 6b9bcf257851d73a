//! All modules that this machine's Ansible has, against the examples in their own documentation: what is found there is a false alarm or a
//! mistake of their authors. Not of the normal set; it writes a JSON line for each:
//!
//!     BRINGUP_TEST_EXAMPLES=/tmp/ansible/bin/python cargo test --lib -- --ignored examples --nocapture

use std::time::Instant;

use serde_json::json;

use super::{check, listed, of};
use crate::{
    foreign::{Python, workstation},
    playbook::{Args, Diagnostic},
    yaml::{self, Node},
};

/// So many alarms there may be in ten thousand tasks.
const MOST: usize = 40;

#[test]
#[ignore = "asks for the documentation of all modules of an Ansible: BRINGUP_TEST_EXAMPLES names its Python"]
#[allow(clippy::disallowed_macros)] // its report is for who runs it
fn examples_are_taken() {
    let Some(python) = std::env::var_os("BRINGUP_TEST_EXAMPLES") else { return };
    workstation::allow(Python::At(python.into()));
    let (mut modules, mut tasks, mut alarms, mut spent) = (0, 0, 0, std::time::Duration::ZERO);
    for (name, path, _) in listed("module", &[]).unwrap() {
        let started = Instant::now();
        let spec = of("module", &name, Some(&path)).unwrap();
        spent += started.elapsed();
        modules += 1;
        let Some(examples) = &spec.examples else { continue };
        let Ok(read) = yaml::load_str("examples", examples) else { continue };
        for (key, value) in uses(&read, spec.name.as_str()) {
            tasks += 1;
            let args: Args = value.as_map().unwrap_or_default().to_vec();
            for found in check(&spec, &args, None, &key.span, true).iter().filter(|found| Diagnostic::is_error(found)) {
                alarms += 1;
                let task = value.to_json();
                println!("{}", json!({ "module": name, "path": path, "args": task, "found": found.message }));
            }
        }
    }
    println!(
        "{modules} modules, {tasks} tasks, {alarms} alarms; {:?} for each module's documentation",
        spent / modules
    );
    assert!(alarms * 10_000 <= tasks * MOST, "{alarms} alarms in {tasks} tasks");
}

/// The arguments of a module wherever it stands in examples.
fn uses<'a>(node: &'a Node, name: &str) -> Vec<(&'a Node, &'a Node)> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let mut found = Vec::new();
    for item in node.as_seq().unwrap_or_default() {
        let Some(entries) = item.as_map() else { continue };
        for (key, value) in entries {
            match key.as_str() {
                Some(key_text) if (key_text == name || key_text == short) && value.as_map().is_some() => {
                    found.push((key, value));
                }
                Some("tasks" | "block" | "rescue" | "always" | "handlers") => found.extend(uses(value, name)),
                _ => {}
            }
        }
    }
    found
}

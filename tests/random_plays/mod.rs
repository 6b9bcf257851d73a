//! Random plays, run in batches, task by task and by Ansible: the hosts must end alike, and so must every task.
//!
//! - `BRINGUP_TEST_PLAYS=500` runs so many plays, `BRINGUP_TEST_SEED=7` begins with that seed.
//! - `BRINGUP_TEST_ANSIBLE=/path/to/ansible-playbook` (or one on the `PATH`) is what they are compared with too;
//!   `BRINGUP_TEST_ANSIBLE_PLAYS=50` says how many of them.
//!
//! A play that shows a difference is made smaller and printed, with the command that repeats it.

mod compare;
mod generate;
mod runs;
mod shrink;
pub mod world;

use serde_json::Value as Json;

use runs::Way;
use world::{Servers, World};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Runs a case in every way and tells the first difference.
fn check(case: &Json, servers: Option<&Servers>, ansible: Option<&std::path::Path>) -> Result<(), String> {
    let world = World::new();
    world.write(case);
    let twice = |way: Way| {
        world.reset(case);
        servers.iter().for_each(|s| s.forget());
        [runs::bringup(&world, case, servers, way), runs::bringup(&world, case, servers, way)]
    };
    let batched = twice(Way::Batched);
    let bad = batched.iter().find(|r| !matches!(r.code, 0 | 2));
    if let Some(ran) = bad {
        return Err(format!("exit {}: {}", ran.code, ran.text));
    }
    let plain = twice(Way::OneByOne);
    for (number, (one, other)) in batched.iter().zip(&plain).enumerate() {
        compare::runs(one, other, true).map_err(|e| format!("run {}, in batches or one by one: {e}", number + 1))?;
    }
    world.reset(case);
    servers.iter().for_each(|s| s.forget());
    let before = world.files();
    let plan = runs::bringup(&world, case, servers, Way::Plan);
    compare::files(&before, &plan.files).map_err(|e| format!("the plan changed something: {e}"))?;
    compare::foretold(&plan, &batched[0])?;
    let Some(program) = ansible else { return Ok(()) };
    world.reset(case);
    for (number, ours) in batched.iter().enumerate() {
        let theirs = runs::ansible(program, &world, case);
        if theirs.lines.is_empty() && theirs.code != 0 {
            return Err(format!("ansible-playbook does not run this: {}", theirs.text));
        }
        compare::runs(ours, &theirs, false).map_err(|e| format!("run {}, ours or Ansible's: {e}", number + 1))?;
    }
    Ok(())
}

fn try_all(local: bool, plays: u64, ansible: Option<&std::path::Path>) {
    let first = number("BRINGUP_TEST_SEED", 1);
    let servers = (!local).then(Servers::start);
    let mut wrong = Vec::new();
    for seed in first..first + plays {
        let case = generate::case(seed, local);
        let Err(why) = check(&case, servers.as_ref(), ansible) else { continue };
        eprintln!("seed {seed}: {why}");
        // A play that has become wrong by leaving things out is another matter.
        let kind = |why: &str| why.starts_with("exit");
        let differs = |case: &Json| check(case, servers.as_ref(), ansible).is_err_and(|now| kind(&now) == kind(&why));
        let small = shrink::shrink(case, number("BRINGUP_TEST_SHRINK", 150) as usize, differs);
        let now = check(&small, servers.as_ref(), ansible).err().unwrap_or_else(|| "it is no longer there".to_owned());
        let shown = serde_json::to_string_pretty(&small).unwrap();
        eprintln!("seed {seed}, made smaller: {now}\n{shown}\n");
        wrong.push(seed);
    }
    assert!(
        wrong.is_empty(),
        "seeds {wrong:?} differ; BRINGUP_TEST_SEED={} BRINGUP_TEST_PLAYS=1 repeats the first",
        wrong[0]
    );
}

#[test]
fn in_batches_over_ssh_and_task_by_task_are_the_same() {
    try_all(false, number("BRINGUP_TEST_PLAYS", 8), None);
}

#[test]
fn in_batches_on_this_machine_and_task_by_task_are_the_same() {
    try_all(true, number("BRINGUP_TEST_PLAYS", 4), None);
}

#[test]
fn bringup_and_ansible_are_the_same() {
    let Some(program) = runs::ansible_program() else {
        eprintln!("not compared with Ansible: there is no ansible-playbook on the PATH nor in BRINGUP_TEST_ANSIBLE");
        return;
    };
    try_all(true, number("BRINGUP_TEST_ANSIBLE_PLAYS", 1), Some(&program));
}

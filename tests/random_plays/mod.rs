//! Random plays, run in batches, task by task and by Ansible: the hosts must end alike, and so must every task.
//!
//! - `BRINGUP_TEST_PLAYS=500` runs so many plays, `BRINGUP_TEST_SEED=7` begins with that seed.
//! - `BRINGUP_TEST_ANSIBLE=/path/to/ansible-playbook` (or one on the `PATH`) is what they are compared with too;
//!   `BRINGUP_TEST_ANSIBLE_PLAYS=50` says how many of them.
//!
//! A play that shows a difference is made smaller and printed, with the command that repeats it.

mod compare;
mod generate;
pub mod runs;
mod shrink;

use libtest_mimic::Trial;
use serde_json::Value as Json;

use crate::support::{
    skip::{always, trial},
    world::{Servers, World},
};
use runs::Way;

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

/// Runs the play of a seed; one that differs is made smaller and shown.
fn try_one(seed: u64, local: bool, ansible: Option<&std::path::Path>) {
    let servers = (!local).then(Servers::start);
    let case = generate::case(seed, local);
    let Err(why) = check(&case, servers.as_ref(), ansible) else { return };
    eprintln!("seed {seed}: {why}");
    // A play that has become wrong by leaving things out is another matter.
    let kind = |why: &str| why.starts_with("exit").then(|| why.lines().next().unwrap_or_default().to_owned());
    let differs = |case: &Json| check(case, servers.as_ref(), ansible).is_err_and(|now| kind(&now) == kind(&why));
    let small = shrink::shrink(case, number("BRINGUP_TEST_SHRINK", 150) as usize, differs);
    let now = check(&small, servers.as_ref(), ansible).err().unwrap_or_else(|| "it is no longer there".to_owned());
    let shown = serde_json::to_string_pretty(&small).unwrap();
    panic!("made smaller: {now}\n{shown}\nBRINGUP_TEST_SEED={seed} BRINGUP_TEST_PLAYS=1 repeats it");
}

/// A test for each play: over SSH, on this machine, and beside Ansible.
pub fn trials() -> Vec<Trial> {
    let first = number("BRINGUP_TEST_SEED", 1);
    let seeds = |plays: &str, default: u64| first..first + number(plays, default);
    let mut trials = Vec::new();
    for seed in seeds("BRINGUP_TEST_PLAYS", 8) {
        trials.push(always(format!("random_plays::over_ssh::seed_{seed}"), move || try_one(seed, false, None)));
    }
    for seed in seeds("BRINGUP_TEST_PLAYS", 4) {
        trials.push(always(format!("random_plays::on_this_machine::seed_{seed}"), move || try_one(seed, true, None)));
    }
    let missing = || {
        let none = "there is no ansible-playbook on the PATH nor in BRINGUP_TEST_ANSIBLE";
        runs::ansible_program().is_none().then(|| none.to_owned())
    };
    for seed in seeds("BRINGUP_TEST_ANSIBLE_PLAYS", 1) {
        let run = move || try_one(seed, true, runs::ansible_program().as_deref());
        trials.push(trial(format!("random_plays::beside_ansible::seed_{seed}"), missing, run));
    }
    trials
}

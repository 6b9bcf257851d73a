//! Runs a module the way the executor does: probe, plan, apply, finish, and then all of it again.

use std::time::Instant;

use bringup::{
    fact::{Answer, FileStat, Missing, Probe, Resource, State},
    module::{Change, CheckMode, Context, Failure, Module, Plan, PlanError, Registry, Step, StepOutput},
};
use serde_json::{Map, Value as Json};

use super::{
    case::Case,
    controller::Workstation,
    machine::{Machine, Shell},
    returns,
};

/// How often a module may ask before it is taken to be going in circles.
const ROUNDS: usize = 200;

/// A module on a machine.
pub struct Trial<'a> {
    pub name: &'a str,
    pub machine: &'a Machine,
    pub case: &'a Case,
    pub module: &'a dyn Module,
    pub controller: &'a Workstation,
    pub user: &'a str,
}

impl Trial<'_> {
    fn context(&self, check: bool) -> Context<'_> {
        Context {
            check,
            diff: true,
            no_log: false,
            user: self.user,
            host: "host",
            folder: None,
            environment: "",
            controller: self.controller,
        }
    }

    fn learn(&self, state: &mut State, probes: Vec<Probe>) {
        let now = Instant::now();
        let wanted: Vec<_> = probes.into_iter().filter(|p| state.wants(p, now)).collect();
        self.read(state, wanted);
    }

    fn read(&self, state: &mut State, wanted: Vec<Probe>) {
        let now = Instant::now();
        let mut ask = Vec::new();
        for probe in wanted {
            match self.case.answers.to(&probe) {
                Some(answer) => state.learn(probe, answer, now),
                None => ask.push(probe),
            }
        }
        for (probe, answer) in self.machine.ask(&ask) {
            state.learn(probe, answer, now);
        }
    }

    /// Asks and plans until there is a plan or a failure.
    pub fn plan(&self, check: bool, state: &mut State) -> Result<Plan, Failure> {
        let context = self.context(check);
        for _ in 0..ROUNDS {
            self.learn(state, self.module.probe(&context, state));
            match self.module.plan(&context, state) {
                Ok(plan) => return Ok(plan),
                Err(PlanError::Failed(failure)) => return Err(failure),
                Err(PlanError::Missing(Missing::Unread(probe))) => {
                    // A module names all it can in `probe`: what comes here one by one must be the exception.
                    self.read(state, vec![*probe]);
                }
                Err(PlanError::Missing(other)) => panic!("the module hands on {other:?}"),
            }
        }
        panic!("the module asks and asks: {:?}", self.module);
    }

    /// Carries out the changes up to the first failure.
    pub fn apply(&self, plan: &Plan) -> Vec<StepOutput> {
        let mut outputs = Vec::new();
        for change in &plan.changes {
            let output = match &change.step {
                Step::Wait { .. } | Step::Reconnect { .. } | Step::Reboot { .. } => self.case.runner.output(),
                _ => self.machine.apply(change),
            };
            let failed = output.status != 0 || output.error.is_some();
            outputs.push(output);
            if failed {
                break;
            }
        }
        outputs
    }

    /// What the plan's changes leave, as the runner would record it.
    pub fn predicted(&self, state: &State, plan: &Plan) -> State {
        let mut state = state.clone();
        let written: Vec<Resource> = plan.changes.iter().flat_map(|c| c.writes.clone()).collect();
        state.forget(&written);
        for (probe, answer) in &plan.predictions {
            state.predict(probe.clone(), answer.clone());
        }
        state
    }
}

/// Runs one case under one shell.
pub fn run(module: &str, case: &Case, machine: &Machine, user: &str) {
    holds(module, case, machine, user);
    returns::ended(module);
}

fn holds(module: &str, case: &Case, machine: &Machine, user: &str) {
    for (name, node) in &case.before {
        node.create(&machine.root, name);
    }
    for (name, node) in &case.local {
        node.create(&machine.local, name);
    }
    for (name, script) in &case.tools {
        machine.add_tool(name, script);
    }
    if let Some(script) = &case.prepare {
        let output = machine.run(script, &[]);
        assert_eq!(output.status, 0, "prepare: {}", String::from_utf8_lossy(&output.stderr));
    }
    let entry = Registry::get().find(module).unwrap_or_else(|| panic!("there is no module `{module}`"));
    let parsed = match (entry.parse(case.params.clone()), &case.invalid) {
        (Err(error), Some(expected)) => {
            assert!(error.message.contains(expected), "refused with {error:?}, expected `{expected}`");
            return;
        }
        (Ok(_), Some(expected)) => panic!("the parameters are accepted, expected `{expected}`"),
        (Err(error), None) => panic!("the parameters are refused: {error:?}"),
        (Ok(module), None) => module,
    };
    let controller = Workstation { top: machine.local.clone(), vars: case.vars.clone() };
    let trial = Trial { name: module, machine, case, module: parsed.as_ref(), controller: &controller, user };
    let mut state = State::default();
    let plan = match trial.plan(false, &mut state) {
        Ok(plan) => plan,
        Err(failure) => return check_failure(&trial, &failure),
    };
    returns::compare(module, case, &told(&plan, plan.result.clone()));
    check_plan(case, machine, &plan);
    check_mode(&trial, &plan, state.clone());
    // The API server alone knows what a request leaves.
    let foretold = case.predicts && plan.changes.iter().all(|c| !matches!(c.step, Step::Api(_)));
    if foretold && case.again.is_none() && plan.check_mode == CheckMode::Predict {
        let mut predicted = trial.predicted(&state, &plan);
        let again = trial.plan(false, &mut predicted).unwrap_or_else(|f| panic!("on what the plan leaves: {f:?}"));
        assert!(again.changes.is_empty(), "on what the plan leaves it plans again: {:#?}", again.changes);
    }
    if case.run.unwrap_or(case.answers.is_empty() || !case.tools.is_empty()) {
        carry_out(&trial, &plan);
    }
}

fn carry_out(trial: &Trial<'_>, plan: &Plan) {
    let case = trial.case;
    let outputs = trial.apply(plan);
    match trial.module.finish(&trial.context(false), plan, &outputs) {
        Err(failure) => return check_failure(trial, &failure),
        Ok(result) => {
            assert_eq!(case.fails, None, "the task succeeds with {result:?}");
            let mut result = told(plan, result);
            result.insert("changed".into(), trial.module.changed(plan, &outputs).into());
            if plan.skipped {
                result.insert("skipped".into(), true.into());
            }
            returns::compare(trial.name, case, &result);
            check_result(&case.result, &result);
        }
    }
    check_leaves(trial, plan);
    check_files(case, trial.machine);
    if let Some(script) = &case.verify {
        let output = trial.machine.run(script, &[]);
        let told = [output.stdout, output.stderr].concat();
        assert_eq!(output.status, 0, "verify: {}", String::from_utf8_lossy(&told));
    }
    let again = trial.plan(false, &mut State::default()).unwrap_or_else(|f| panic!("second run: {f:?}"));
    if case.again.as_deref() == Some("told") {
        // Only when it is done is it known that nothing differed: then it says so, and check mode has looked.
        let outputs = trial.apply(&again);
        let result = trial.module.finish(&trial.context(false), &again, &outputs).unwrap();
        assert!(!trial.module.changed(&again, &outputs), "what the second run says: {result:#?}");
        check_files(case, trial.machine);
        let checked = trial.plan(true, &mut State::default()).unwrap_or_else(|f| panic!("second check: {f:?}"));
        assert!(checked.changes.is_empty(), "check mode foretells {:#?}", checked.changes);
        return;
    }
    match case.again.as_deref() {
        None | Some("ok") => {
            assert!(
                again.changes.is_empty() || again.changed == Some(false),
                "the second run plans {:#?}",
                again.changes
            );
        }
        Some("changed") => assert!(again.would_change(), "the second run is to change something again"),
        Some(other) => panic!("`again: {other}` is neither ok, changed nor told"),
    }
}

/// A result with what the plan's effects add.
fn told(plan: &Plan, mut result: Map<String, Json>) -> Map<String, Json> {
    plan.effects.iter().for_each(|effect| effect.show(&mut result));
    result
}

fn check_failure(trial: &Trial<'_>, failure: &Failure) {
    let case = trial.case;
    let Some(expected) = &case.fails else { panic!("the task fails: {failure:#?}") };
    assert!(failure.message.contains(expected), "fails with {failure:#?}, expected `{expected}`");
    let mut told = failure.result.clone();
    told.entry("msg").or_insert_with(|| failure.message.as_str().into());
    returns::compare(trial.name, case, &told);
    check_result(&case.result, &failure.result);
}

fn check_plan(case: &Case, machine: &Machine, plan: &Plan) {
    if let Some(changed) = case.changed {
        assert_eq!(plan.would_change(), changed, "changed, by {:#?}", plan.changes);
    }
    if let Some(expected) = &case.changes {
        let what: Vec<_> = plan.changes.iter().map(|c| c.what.clone()).collect();
        assert_eq!(what, *expected, "the changes");
    }
    let scripts = format!("{:?}", plan.changes.iter().map(|c| &c.step).collect::<Vec<_>>());
    for text in &case.scripts {
        assert!(scripts.contains(text), "no step has `{text}`: {scripts}");
    }
    for side in &case.diff {
        let within = |part: &Option<String>, whole: &str| part.as_ref().is_none_or(|p| whole.contains(p.as_str()));
        let found = plan.diff.iter().any(|d| within(&side.before, &d.before) && within(&side.after, &d.after));
        assert!(found, "no difference has {side:?}: {:#?}", plan.diff);
    }
    for part in &case.warnings {
        assert!(plan.warnings.iter().any(|w| w.contains(part)), "no warning has `{part}`: {:?}", plan.warnings);
    }
    let _ = machine;
}

/// Check mode must come to the same changes.
fn check_mode(trial: &Trial<'_>, plan: &Plan, mut state: State) {
    let checked = match trial.plan(true, &mut state) {
        Ok(checked) => checked,
        Err(failure) if trial.case.fails.is_some() => return check_failure(trial, &failure),
        Err(failure) => panic!("check mode fails: {failure:?}"),
    };
    if trial.case.again.as_deref() == Some("told") {
        // Check mode has looked where the run itself finds out: it may foretell less than the run tries.
        return;
    }
    let expected = if trial.case.check.as_deref() == Some("skip") { CheckMode::Skip } else { CheckMode::Predict };
    if !checked.changes.is_empty() {
        assert_eq!(checked.check_mode, expected, "what check mode makes of it");
    }
    // The name of a kept file holds a number and the time.
    let time = regex::Regex::new(r"\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d").unwrap();
    if trial.case.random {
        let what = |plan: &Plan| plan.changes.iter().map(|c| (c.what.clone(), c.writes.clone())).collect::<Vec<_>>();
        let text = |plan: &Plan| time.replace_all(&format!("{:?}", what(plan)), "TIME").into_owned();
        assert_eq!(text(&checked), text(plan), "check mode plans something else");
        return;
    }
    // Nothing waits for what check mode does not bring about.
    let acts = |c: &&Change| !(c.writes.is_empty() && matches!(c.step, Step::Api(_)));
    let changes = |plan: &Plan| plan.changes.iter().filter(acts).cloned().collect::<Vec<_>>();
    let text = |plan: &Plan| time.replace_all(&format!("{:#?} {:#?}", changes(plan), plan.diff), "TIME").into_owned();
    assert_eq!(text(&checked), text(plan), "check mode plans something else");
}

/// Compares fields of a result with what the case expects.
fn check_result(expected: &Map<String, Json>, result: &Map<String, Json>) {
    for (field, value) in expected {
        let found = result.get(field);
        match value.as_str().and_then(|v| v.strip_prefix('~')) {
            Some(pattern) => {
                let text = found.map_or_else(String::new, |f| f.as_str().map_or_else(|| f.to_string(), str::to_owned));
                let matches = regex::Regex::new(pattern).unwrap().is_match(&text);
                assert!(matches, "`{field}` is {found:?}, expected {pattern}: {result:#?}");
            }
            None => assert_eq!(found, Some(value), "`{field}` of {result:#?}"),
        }
    }
}

/// Asks the host for everything that the plan predicted.
fn check_leaves(trial: &Trial<'_>, plan: &Plan) {
    // A later leaf replaces an earlier one about the same.
    let mut last: Vec<(Probe, Answer)> = Vec::new();
    for (probe, answer) in &plan.predictions {
        last.retain(|(p, _)| p != probe);
        last.push((probe.clone(), answer.clone()));
    }
    use bringup::fact::Algorithm::{Md5, Sha224, Sha384, Sha512};
    let asked = |p: &Probe| {
        // The other algorithms go the same way, at the cost of a process each.
        let rare = matches!(p, Probe::Checksum { algorithm: Md5 | Sha224 | Sha384 | Sha512, .. });
        !rare && !matches!(p, Probe::Script { .. }) && trial.case.answers.to(p).is_none()
    };
    let probes: Vec<_> = last.iter().map(|(p, _)| p.clone()).filter(asked).collect();
    for (probe, found) in trial.machine.ask(&probes) {
        let open = plan.changes.iter().any(|c| !c.closed);
        let Some((_, predicted)) = last.iter().find(|(p, _)| *p == probe) else { continue };
        match (predicted, &found) {
            (Answer::Stat(Some(a)), Answer::Stat(Some(b))) => {
                let mut a = a.clone();
                // What a server sends is as long as it is.
                a.size = if open && a.size == 0 { b.size } else { a.size };
                assert_eq!(shown(&a), shown(b), "{probe:?}");
            }
            (Answer::Unit(a), Answer::Unit(b)) => {
                assert_eq!((&a.load, &a.active, &a.file, a.stale), (&b.load, &b.active, &b.file, b.stale), "{probe:?}");
            }
            // What a script prints is predicted as far as modules look at it.
            (Answer::Script(_), Answer::Script(_)) => {}
            (predicted, found) => assert_eq!(predicted, found, "{probe:?}"),
        }
    }
}

/// What can be predicted of a path.
fn shown(stat: &FileStat) -> String {
    let FileStat { kind, uid, gid, owner, group, target, .. } = stat;
    let size = if *kind == bringup::fact::FileKind::Directory { 0 } else { stat.size };
    format!("{kind:?} {:04o} {uid}({owner}):{gid}({group}) {size} bytes -> {target}", stat.permissions())
}

fn check_files(case: &Case, machine: &Machine) {
    for (top, expected) in [(&machine.root, &case.after), (&machine.local, &case.local_after)] {
        for (name, node) in expected {
            match node {
                Some(node) => node.compare(top, name),
                None => {
                    let path = top.join(name.trim_end_matches('/'));
                    assert!(path.symlink_metadata().is_err(), "{name} is still there");
                }
            }
        }
    }
    for (title, expected) in &case.cluster_after {
        let found = machine.object(title).unwrap_or_default();
        assert!(has(&found, expected), "{title} is {found:#}, expected {expected:#}");
    }
}

/// Whether an object has these fields; of one that is expected to be nothing, there is none.
fn has(found: &Json, expected: &Json) -> bool {
    let field = |(name, value): (&String, &Json)| has(found.get(name).unwrap_or(&Json::Null), value);
    expected.as_object().map_or_else(|| found == expected, |fields| fields.iter().all(field))
}

/// The shells a case is for.
pub fn shells(case: &Case) -> Vec<Shell> {
    let wanted = |shell: &Shell| case.shells.as_ref().is_none_or(|s| s.iter().any(|s| s == shell.name()));
    Shell::EACH.into_iter().filter(wanted).collect()
}

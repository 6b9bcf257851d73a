//! `attributes`, `unsafe_writes` and SELinux's: what every module that manages a file takes besides its own parameters.
//!
//! Owner, group and mode are read by the modules themselves; these say something about a plan that is made already.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    Change, Context, Failure, Flag, Module, ParameterError, Place, Plan, PlanError, Step, StepOutput, Text,
    ownership::{self, attribute_diff},
    path, selinux, settle,
};
use crate::{
    fact::{Answer, FileKind, FileStat, Probe, Resource, State},
    python::truth::boolean,
    sh::quote,
};

/// The parameters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Shared {
    /// Attributes of the file system, as letters of chattr(1) behind `+`, `-` or `=`; without a sign they are all it has.
    #[serde(alias = "attr")]
    #[schemars(extend("x-aliases" = ["attr"]))]
    attributes: Option<Text>,
    /// Whether a file that cannot be replaced is written in place, where it is not the content of an upload and nobody
    /// else can write in its directory. Readers may see half of it then. `ANSIBLE_UNSAFE_WRITES` in the task's
    /// environment says so for all.
    unsafe_writes: Option<Flag>,
    #[serde(flatten)]
    selinux: selinux::Wanted,
}

impl Shared {
    /// Takes the parameters out of those of a module.
    ///
    /// # Errors
    /// Attributes that chattr(1) cannot be told, and what is no truth value.
    pub fn taken(parameters: &mut Map<String, Json>) -> Result<Shared, ParameterError> {
        let names = ["attributes", "attr", "unsafe_writes"].into_iter().chain(selinux::NAMES);
        let own: Map<String, Json> = names.filter_map(|name| parameters.remove_entry(name)).collect();
        let shared: Shared = serde_json::from_value(Json::Object(own))
            .map_err(|why| ParameterError::task(format!("attributes or unsafe_writes: {why}")))?;
        shared.selinux.check()?;
        match shared.attributes.as_ref().map(|text| Wanted::parse(&text.0)) {
            Some(Err(why)) => Err(ParameterError::new("attributes", why)),
            _ => Ok(shared),
        }
    }

    /// Adds the parameters to a module's page.
    pub fn describe(schema: &mut Schema) {
        let own = schemars::schema_for!(Shared).to_value();
        let Some(own) = own.get("properties").and_then(Json::as_object) else { return };
        if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            properties.extend(own.clone());
        }
    }
}

/// Letters of chattr(1) and what is to become of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted<'a> {
    sign: char,
    letters: &'a str,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Wanted<'a>, String> {
        let sign = text.chars().next().filter(|c| matches!(c, '+' | '-' | '='));
        let letters = &text[sign.map_or(0, char::len_utf8)..];
        match letters.bytes().all(|b| b.is_ascii_alphabetic()) {
            true => Ok(Wanted { sign: sign.unwrap_or('='), letters }),
            false => Err(format!("`{text}` are no attributes: write letters of chattr(1), such as `+i`")),
        }
    }

    /// Whether a file with these attributes is as wanted.
    fn holds(&self, present: &str) -> bool {
        let has = |letter| present.contains(letter);
        match self.sign {
            '+' => self.letters.chars().all(has),
            '-' => !self.letters.chars().any(has),
            // None at all asks for nothing, as Ansible has it.
            _ => {
                self.letters.is_empty()
                    || (self.letters.chars().all(has) && present.chars().all(|c| self.letters.contains(c)))
            }
        }
    }
}

/// A module and what is to be done besides.
#[derive(Debug)]
pub struct Shares<M> {
    module: M,
    shared: Shared,
}

impl<M> Shares<M> {
    /// Puts both together.
    pub fn new(module: M, shared: Shared) -> Shares<M> {
        Shares { module, shared }
    }
}

impl<M: Module> Module for Shares<M> {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.module.probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let mut plan = self.module.plan(context, state)?;
        if self.shared.unsafe_writes.map_or_else(|| unsafe_writes(context.environment), |flag| flag.0) {
            for change in &mut plan.changes {
                if let Step::Write(write) = &mut change.step {
                    // Whether others can write above it must be known: a name of theirs is not written through.
                    for probe in path::above(&write.path) {
                        state.get(&probe)?;
                    }
                    write.in_place = true;
                    change.closed = false;
                }
            }
        }
        if let Some(wanted) = self.shared.attributes.as_ref().and_then(|text| Wanted::parse(&text.0).ok()) {
            add(context, state, wanted, &mut plan)?;
        }
        self.shared.selinux.add(context, state, &mut plan)?;
        Ok(plan)
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        self.module.finish(context, plan, outputs)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        self.module.changed(plan, outputs)
    }
}

/// Whether the environment of a task says that files may be written in place.
fn unsafe_writes(environment: &str) -> bool {
    let prefix = "export ANSIBLE_UNSAFE_WRITES=";
    let value = environment.lines().rev().find_map(|line| line.strip_prefix(prefix));
    value.is_some_and(|value| boolean(&Json::from(value.trim_matches('\''))).unwrap_or(false))
}

/// The question for the attributes of a path; status 9 where the host cannot change any.
fn question(path: &str) -> Probe {
    let script = format!("command -v chattr >/dev/null || exit 9\nlsattr -d -- {} 2>/dev/null\n", quote(path));
    Probe::Script { script, reads: vec![Resource::Path(path.to_owned())] }
}

/// Adds what brings the attributes about to a plan for the path that its result names.
fn add(context: &Context<'_>, state: &State, wanted: Wanted<'_>, plan: &mut Plan) -> Result<(), PlanError> {
    let named = ["dest", "path"].iter().find_map(|field| plan.result.get(*field)).and_then(Json::as_str);
    let Some(path) = named.map(str::to_owned) else { return Ok(()) };
    let Some(stat) = afterwards(state, &path, plan)? else { return Ok(()) };
    if stat.kind == FileKind::Link || wanted.letters.is_empty() {
        return Ok(());
    }
    let answer = state.script(&question(&path))?;
    if answer.status == 9 {
        return Ok(());
    }
    let text = answer.text();
    // A file that takes the place of another has none of its attributes.
    let replaced = plan.changes.iter().any(|change| matches!(change.step, Step::Write(_)));
    let present = text.split_whitespace().next().filter(|_| !replaced).unwrap_or_default().replace('-', "");
    if wanted.holds(&present) {
        return Ok(());
    }
    let told = format!("{}{}", wanted.sign, wanted.letters);
    let script =
        settle::at(&Place::of(context, state, &path), &stat, |word| format!("chattr {told} {word} || exit 1\n"));
    let change = Change::closed(
        format!("set attributes {told} of {path}"),
        Step::Script(script),
        ownership::written(&path, Some(&stat)),
    );
    plan.changes.push(change);
    let side = |value: &str| Map::from_iter([("attributes".to_owned(), json!(value))]);
    // `file` tells what differs by names of attributes.
    for (field, value) in [("before", &present), ("after", &told)] {
        let diff = plan.result.get_mut("diff").and_then(|diff| diff.get_mut(field));
        if let Some(diff) = diff.and_then(Json::as_object_mut) {
            diff.insert("attributes".into(), json!(value));
        }
    }
    plan.diff.push(attribute_diff(&path, side(&present), side(&told)));
    Ok(())
}

/// What will be at a path when all that is planned is done.
pub(super) fn afterwards(state: &State, path: &str, plan: &Plan) -> Result<Option<FileStat>, PlanError> {
    let probe = Probe::Stat { path: path.to_owned(), follow: false };
    let foreseen = plan.predictions.iter().rev().find(|(known, _)| *known == probe);
    match foreseen {
        Some((_, Answer::Stat(stat))) => Ok(stat.clone()),
        _ => Ok(state.stat(path, false)?.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn attributes_are_compared_by_their_sign() {
        let cases = [
            ("A", "A", true),
            ("A", "Ae", false),
            ("=Ai", "iA", true),
            ("+A", "Ae", true),
            ("+Ai", "Ae", false),
            ("-A", "e", true),
            ("-A", "Ae", false),
            ("", "Ae", true),
            ("+", "", true),
        ];
        for (wanted, present, holds) in cases {
            assert_eq!(Wanted::parse(wanted).unwrap().holds(present), holds, "{wanted} of {present}");
        }
        assert!(Wanted::parse("+i; id").is_err());
    }
}

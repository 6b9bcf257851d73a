//! `ansible.builtin.group`: groups of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/group_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Answer, GroupEntry, Probe, Resource, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Plan, PlanError, Step, StepOutput,
        Text, Whole, default_finish,
    },
    sh::{quote, words},
};

/// Parameters of `group`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's name.
    name: Text,
    /// Whether it is to exist.
    #[serde(default)]
    state: Presence,
    /// Its number.
    #[serde(default)]
    gid: Option<Whole>,
    /// Make a new group a system group: its number comes from the system's range.
    #[serde(default)]
    system: Flag,
    /// Let several groups have the same number.
    #[serde(default)]
    non_unique: Flag,
    /// Remove the group even if it is somebody's primary group.
    #[serde(default)]
    force: Flag,
    /// Lowest number for a new group.
    #[serde(default)]
    gid_min: Option<Whole>,
    /// Highest number for a new group.
    #[serde(default)]
    gid_max: Option<Whole>,
    /// Accepted for Ansible's sake: only the host's own files are ever changed.
    #[serde(default)]
    #[allow(dead_code)]
    local: Flag,
}

/// Whether something is to be there.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is there.
    #[default]
    Present,
    /// It is not there.
    Absent,
}

impl Presence {
    /// Ansible's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Presence::Present => "present",
            Presence::Absent => "absent",
        }
    }
}

impl Described for Group {
    const NAME: &'static str = "ansible.builtin.group";
    const SUMMARY: &'static str = "Adds or removes groups";
    const EXAMPLES: &'static str = "\
- name: Let the group of etcd be there
  ansible.builtin.group:
    name: etcd
    system: true
    state: present
";

    fn check(&self) -> Result<(), ParameterError> {
        if self.non_unique.0 && self.gid.is_none() {
            return Err(ParameterError::new("non_unique", "it needs a `gid`"));
        }
        check_account_name("name", &self.name.0)
    }
}

/// Refuses names that would break the account files.
///
/// # Errors
/// Says which character is wrong.
pub(super) fn check_account_name(parameter: &str, name: &str) -> Result<(), ParameterError> {
    match name.chars().find(|c| matches!(c, ':' | ',' | '\n' | '\0' | '/') || c.is_whitespace()) {
        Some(c) => Err(ParameterError::new(parameter, format!("`{name}` holds {c:?}, which no name may"))),
        None if name.is_empty() || name.starts_with('-') => {
            Err(ParameterError::new(parameter, format!("`{name}` is no name")))
        }
        None => Ok(()),
    }
}

/// What changes of users and groups write.
pub(super) fn account_files() -> Vec<Resource> {
    with_files(vec![Resource::Users, Resource::Groups])
}

/// Adds the files that the databases are in.
pub(super) fn with_files(mut written: Vec<Resource>) -> Vec<Resource> {
    written.extend(["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"].map(|p| Resource::Path(p.to_owned())));
    written
}

impl Group {
    fn create(&self) -> String {
        let name = quote(&self.name.0);
        let mut add = vec!["groupadd".to_owned()];
        let mut simple = vec!["addgroup".to_owned()];
        if let Some(gid) = self.gid {
            add.extend(["-g".to_owned(), gid.0.to_string()]);
            simple.extend(["-g".to_owned(), gid.0.to_string()]);
        }
        if self.non_unique.0 {
            add.push("-o".to_owned());
        }
        if self.system.0 {
            add.push("-r".to_owned());
            simple.push("-S".to_owned());
        }
        for (key, value) in [("GID_MIN", self.gid_min), ("GID_MAX", self.gid_max)] {
            if let Some(value) = value {
                add.extend(["-K".to_owned(), format!("{key}={}", value.0)]);
            }
        }
        format!(
            "if command -v groupadd >/dev/null; then {} -- {name}; else {} {name}; fi || exit\n{}",
            words(add),
            words(simple),
            self.tell()
        )
    }

    /// Prints the group's line as it is afterwards.
    fn tell(&self) -> String {
        let name = quote(&self.name.0);
        format!(
            "if command -v getent >/dev/null; then getent group {name}; \
             else while IFS= read -r l; do case $l in {name}:*) printf '%s\\n' \"$l\" ;; esac; done </etc/group; fi\n"
        )
    }

    fn remove(&self) -> String {
        let name = quote(&self.name.0);
        let force = if self.force.0 { "-f " } else { "" };
        format!("if command -v groupdel >/dev/null; then groupdel {force}{name}; else delgroup {name}; fi\n")
    }

    fn renumber(&self, gid: i64) -> String {
        let same = if self.non_unique.0 { "-o " } else { "" };
        format!(
            "command -v groupmod >/dev/null || {{ echo 'groupmod is not there: install the package that holds it (passwd, shadow)' >&2; exit 9; }}\n\
             groupmod {same}-g {gid} {} || exit\n{}",
            quote(&self.name.0),
            self.tell()
        )
    }

    fn result(&self, gid: Option<u32>) -> Map<String, Json> {
        let mut result = Map::new();
        result.insert("name".into(), json!(self.name.0));
        result.insert("state".into(), json!(self.state.word()));
        if let Some(gid) = gid {
            result.insert("gid".into(), json!(gid));
            result.insert("system".into(), json!(self.system.0));
        }
        result
    }

    fn change(
        &self,
        context: &Context<'_>,
        what: String,
        script: String,
        after: Option<GroupEntry>,
        before: Option<&GroupEntry>,
    ) -> Plan {
        let line = |group: Option<&GroupEntry>| {
            group.map_or_else(String::new, |g| format!("{}:{}\n", g.name, shown_number(g.gid)))
        };
        let diff = Diff {
            before_header: format!("group {}", self.name.0),
            after_header: format!("group {}", self.name.0),
            before: line(before),
            after: line(after.as_ref()),
        };
        let known = after.as_ref().is_none_or(|g| g.gid != u32::MAX);
        let gid = after.as_ref().map(|g| g.gid).filter(|g| *g != u32::MAX);
        // What is known of the other groups stays true beside a new one; users may have its number already.
        let new = before.is_none() && self.gid.is_none();
        let writes = if new { with_files(vec![Resource::Group(self.name.0.clone())]) } else { account_files() };
        let mut plan = Plan {
            changes: vec![Change::closed(what, Step::Script(script), writes)],
            result: self.result(gid),
            output_in_result: gid.is_none() && self.state == Presence::Present,
            diff: vec![diff],
            ..Plan::default()
        };
        // A number that the host is still to choose is only made up where nothing is carried out.
        if known || context.check {
            plan.predictions.push((Probe::Group { name: self.name.0.clone() }, Answer::Group(after)));
        }
        plan
    }
}

/// A number for people: one that is still to be chosen has none.
pub(super) fn shown_number(number: u32) -> String {
    if number == u32::MAX { "(next free)".to_owned() } else { number.to_string() }
}

impl Module for Group {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![Probe::Group { name: self.name.0.clone() }]
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let name = &self.name.0;
        let group = state.group(name)?.filter(|g| g.name == *name);
        let wanted = self
            .gid
            .map(|g| u32::try_from(g.0).map_err(|_| Failure::new(format!("gid {} is no number of a group", g.0))))
            .transpose()?;
        Ok(match (self.state, group) {
            (Presence::Absent, None) => Plan::ok(self.result(None)),
            (Presence::Absent, Some(group)) => {
                self.change(context, format!("remove group {name}"), self.remove(), None, Some(group))
            }
            (Presence::Present, None) => {
                let new = GroupEntry { name: name.clone(), gid: wanted.unwrap_or(u32::MAX), members: Vec::new() };
                self.change(context, format!("add group {name}"), self.create(), Some(new), None)
            }
            (Presence::Present, Some(group)) => match wanted {
                Some(gid) if gid != group.gid => {
                    let new = GroupEntry { gid, ..group.clone() };
                    let what = format!("renumber group {name} from {} to {gid}", group.gid);
                    self.change(context, what, self.renumber(gid.into()), Some(new), Some(group))
                }
                _ => Plan::ok(self.result(Some(group.gid))),
            },
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        let told = outputs.last().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let gid = told.lines().last().and_then(|line| line.split(':').nth(2)?.parse::<u32>().ok());
        if self.state == Presence::Present && gid.is_some() {
            result = self.result(gid);
        }
        Ok(result)
    }
}

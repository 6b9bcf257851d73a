//! `seuser`, `serole`, `setype` and `selevel`: the SELinux context of a file. A host without SELinux has none, and nothing is done there, as with
//! Ansible (<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/file_module.html>).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    Change, Context, ParameterError, Place, Plan, PlanError, Step, Text,
    flags::afterwards,
    ownership::{self, attribute_diff},
    settle,
};
use crate::{
    fact::{Probe, Resource, State},
    sh::quote,
};

/// The parts of a context that are wanted; `_default` is what the host's policy has for the path.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Wanted {
    /// The user part of the SELinux context. Nothing happens on hosts without SELinux; `_default` stands for what the policy says.
    seuser: Option<Text>,
    /// The role part of the SELinux context.
    serole: Option<Text>,
    /// The type part of the SELinux context.
    setype: Option<Text>,
    /// The level part of the SELinux context, such as `s0`.
    selevel: Option<Text>,
}

/// The names of the parameters.
pub const NAMES: [&str; 4] = ["seuser", "serole", "setype", "selevel"];

impl Wanted {
    fn parts(&self) -> [Option<&str>; 4] {
        [&self.seuser, &self.serole, &self.setype, &self.selevel].map(|part| part.as_ref().map(|text| text.0.as_str()))
    }

    /// Refuses what is no part of a context.
    ///
    /// # Errors
    /// A part with other characters than contexts are made of.
    pub fn check(&self) -> Result<(), ParameterError> {
        let fits = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.,-".contains(&b));
        let level = |part: &str| part.split(':').all(fits);
        for (name, part) in NAMES.into_iter().zip(self.parts()) {
            let Some(part) = part else { continue };
            if part.is_empty() || !(fits(part) || (name == "selevel" && level(part))) {
                return Err(ParameterError::new(name, format!("`{part}` is no part of an SELinux context")));
            }
        }
        Ok(())
    }

    /// The context that a file is to have which has `present`; `usual` is that of the policy.
    fn context(&self, present: &str, usual: &str) -> Option<String> {
        let mut now: Vec<&str> = present.splitn(4, ':').collect();
        let usual: Vec<&str> = usual.splitn(4, ':').collect();
        if now.len() < 3 {
            return None;
        }
        for (at, part) in self.parts().into_iter().enumerate() {
            let part = match part {
                Some("_default") => usual.get(at).copied(),
                other => other,
            };
            match (part, now.get_mut(at)) {
                (Some(part), Some(place)) => *place = part,
                (Some(part), None) => now.push(part),
                (None, _) => {}
            }
        }
        Some(now.join(":")).filter(|wanted| wanted != present)
    }

    /// Adds what brings the context about to a plan for the path that its result names.
    ///
    /// # Errors
    /// What must be read first.
    pub fn add(&self, context: &Context<'_>, state: &State, plan: &mut Plan) -> Result<(), PlanError> {
        let named = ["dest", "path"].iter().find_map(|field| plan.result.get(*field)).and_then(Json::as_str);
        let Some(path) = named.filter(|_| self.parts().iter().any(Option::is_some)).map(str::to_owned) else {
            return Ok(());
        };
        let Some(stat) = afterwards(state, &path, plan)? else { return Ok(()) };
        let answer = state.script(&question(&path))?;
        let text = answer.text();
        let mut lines = text.lines();
        let (present, usual) = (lines.next().unwrap_or_default().trim(), lines.next().unwrap_or_default().trim());
        if answer.status == 9 {
            return Ok(());
        }
        // A file that is yet to be made gets what the policy says, or what its folder has.
        let present = if present.contains(':') { present } else { usual };
        let Some(wanted) = self.context(present, usual) else { return Ok(()) };
        let told = quote(&wanted).into_owned();
        let script =
            settle::at(&Place::of(context, state, &path), &stat, |word| format!("chcon -h {told} {word} || exit 1\n"));
        plan.changes.push(Change::closed(
            format!("set the SELinux context {wanted} of {path}"),
            Step::Script(script),
            ownership::written(&path, Some(&stat)),
        ));
        let side = |value: &str| Map::from_iter([("secontext".to_owned(), json!(value))]);
        plan.diff.push(attribute_diff(&path, side(present), side(&wanted)));
        Ok(())
    }
}

/// The question for the context of a path, and for that of the policy; status 9 where the host has no SELinux.
fn question(path: &str) -> Probe {
    let path = quote(path);
    let script = format!(
        "[ -e /sys/fs/selinux/enforce ] || exit 9\nstat -c %C -- {path} 2>/dev/null || echo\nmatchpathcon -n {path} 2>/dev/null\n:\n"
    );
    Probe::Script { script, reads: vec![Resource::Path(path.to_string())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_put_together_of_what_is_there_and_what_is_wanted() {
        let wanted = |json: Json| serde_json::from_value::<Wanted>(json).unwrap();
        let (file, usual) = ("unconfined_u:object_r:user_home_t:s0", "system_u:object_r:httpd_sys_content_t:s0");
        for (asked, context) in [
            (json!({}), None),
            (json!({"setype": "user_home_t"}), None),
            (json!({"setype": "named_zone_t"}), Some("unconfined_u:object_r:named_zone_t:s0")),
            (json!({"setype": "_default", "seuser": "_default"}), Some("system_u:object_r:httpd_sys_content_t:s0")),
            (json!({"selevel": "s0:c1,c2"}), Some("unconfined_u:object_r:user_home_t:s0:c1,c2")),
        ] {
            assert_eq!(wanted(asked.clone()).context(file, usual).as_deref(), context, "{asked}");
        }
        assert_eq!(wanted(json!({"setype": "x_t"})).context("?", ""), None);
        assert!(wanted(json!({"setype": "a b"})).check().is_err());
        assert!(wanted(json!({"setype": "a:b"})).check().is_err());
        assert!(wanted(json!({"selevel": "s0:c0.c3"})).check().is_ok());
    }
}

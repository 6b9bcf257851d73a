//! `ansible.builtin.replace`: every match of an expression in a file.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/replace_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        edit::{self, Edit},
        ownership::Attributes,
        put,
        regexp::{Characters, Pattern},
        returns,
    },
    playbook::About,
};

/// Parameters of `replace`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The file.
    #[serde(alias = "dest", alias = "destfile", alias = "name")]
    #[schemars(extend("x-aliases" = ["dest", "destfile", "name"]))]
    path: Text,
    /// The expression to look for; `^` and `$` match at each line.
    regexp: Text,
    /// What to put in its place; `\1` and `\g<name>` are groups. Without it matches are removed.
    #[serde(default)]
    replace: Text,
    /// Replace only what stands behind the first match of this expression.
    after: Option<Text>,
    /// Replace only what stands before the first match of this expression.
    before: Option<Text>,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// The file's encoding; `utf-8` is the one there is, and bytes that are none are kept.
    #[serde(default = "utf8")]
    encoding: Text,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
}

fn utf8() -> Text {
    Text("utf-8".to_owned())
}

impl Described for Replace {
    const NAME: &'static str = "ansible.builtin.replace";
    const ABOUT: About = About { writes_at: &["path", "dest", "destfile", "name"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Replaces every match of an expression in a file";
    const EXAMPLES: &'static str = "\
- name: swap stays off
  ansible.builtin.replace:
    path: /etc/fstab
    regexp: '^([^#].*\\sswap\\s.*)$'
    replace: '# \\1'
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("path", "when the file is there", "The file"),
            Return::text("msg", "always", "How many places were replaced"),
            Return::whole("rc", "always", "`0`"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        let pattern = Pattern::new(&self.regexp.0, true).map_err(|why| ParameterError::new("regexp", why))?;
        pattern
            .check(&self.replace.0)
            .map_err(|why| ParameterError::task(format!("Unable to process replace due to error: {why}")))?;
        if let Some(section) = self.section() {
            Pattern::new(&section, false).map_err(|why| ParameterError::task(format!("after or before: {why}")))?;
        }
        if !matches!(self.encoding.0.to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "ascii") {
            return Err(ParameterError::new("encoding", "only utf-8 is supported"));
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "there is no source whose mode could be preserved"));
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Replace {
    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
        }
    }

    /// The expression for the part that `after` and `before` mark off.
    fn section(&self) -> Option<String> {
        match (&self.after, &self.before) {
            (Some(after), Some(before)) => Some(format!("(?s){}(?P<subsection>.*?){}", after.0, before.0)),
            (Some(after), None) => Some(format!("(?s){}(?P<subsection>.*)", after.0)),
            (None, Some(before)) => Some(format!("(?s)(?P<subsection>.*){}", before.0)),
            (None, None) => None,
        }
    }
}

impl Module for Replace {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.edit().probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = self.edit();
        let present = edit.present(context, state)?;
        let Some(bytes) = present.bytes else {
            let message = format!("Path {} does not exist !", present.path);
            return Err(Failure::new(message).with("rc", 257).into());
        };
        let text = Characters::of(bytes);
        let range = match self.section() {
            None => 0..text.text.len(),
            Some(section) => {
                let pattern = Pattern::new(&text.like(&section), false).map_err(edit::matching)?;
                let found = pattern.captures(&text.text).map_err(edit::matching)?;
                let part = pattern.group("subsection").zip(found).and_then(|(group, found)| found.span(group));
                match part {
                    Some((start, end)) => start..end,
                    None => {
                        let message =
                            format!("Pattern for before/after params did not match the given file: {section}");
                        return Ok(Plan::ok([("msg".to_owned(), json!(message))].into_iter().collect()));
                    }
                }
            }
        };
        let pattern = Pattern::new(&text.like(&self.regexp.0), true).map_err(edit::matching)?;
        let template = text.like(&self.replace.0);
        let part = &text.text[range.clone()];
        let (replaced, count) = pattern.replace_all(part, &template).map_err(edit::matching)?;
        let message = if replaced == part { String::new() } else { format!("{count} replacements made") };
        let after = format!("{}{replaced}{}", &text.text[..range.start], &text.text[range.end..]);
        let mut plan = edit.plan(context, state, &present, &text.bytes(&after), &message)?;
        plan.result.insert("rc".into(), json!(0));
        if let Some(diff) = plan.diff.first().filter(|_| context.diff && replaced != part) {
            plan.result.insert("diff".into(), diff.field());
        }
        if let Some(backup) = plan.result.remove("backup").filter(|b| b.as_str().is_some_and(|b| !b.is_empty())) {
            plan.result.insert("backup_file".into(), backup);
        }
        Ok(plan)
    }
}

//! `ansible.builtin.blockinfile`: a block of lines between two markers.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/blockinfile_module.html>

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

/// Parameters of `blockinfile`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blockinfile {
    /// The file.
    #[serde(alias = "dest", alias = "destfile", alias = "name")]
    #[schemars(extend("x-aliases" = ["dest", "destfile", "name"]))]
    path: Text,
    /// Whether the block is to be there.
    #[serde(default)]
    state: BlockState,
    /// The lines between the markers; none removes the block.
    #[serde(default, alias = "content")]
    #[schemars(extend("x-aliases" = ["content"]))]
    block: Text,
    /// The marker line; `{mark}` in it becomes `marker_begin` or `marker_end`.
    #[serde(default = "marker")]
    marker: Text,
    /// What stands for `{mark}` before the block.
    #[serde(default = "begin")]
    marker_begin: Text,
    /// What stands for `{mark}` behind the block.
    #[serde(default = "end")]
    marker_end: Text,
    /// Put a new block behind the last match of this expression; `EOF` by default.
    insertafter: Option<Text>,
    /// Put a new block before the last match of this expression; `BOF` for the file's beginning.
    insertbefore: Option<Text>,
    /// Create the file where there is none.
    #[serde(default)]
    create: Flag,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// Put a blank line behind the block.
    #[serde(default)]
    append_newline: Flag,
    /// Put a blank line before the block.
    #[serde(default)]
    prepend_newline: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
}

/// Whether the block is to be there.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum BlockState {
    /// It is not.
    Absent,
    /// It is.
    #[default]
    Present,
}

fn marker() -> Text {
    Text("# {mark} ANSIBLE MANAGED BLOCK".to_owned())
}

fn begin() -> Text {
    Text("BEGIN".to_owned())
}

fn end() -> Text {
    Text("END".to_owned())
}

impl Described for Blockinfile {
    const NAME: &'static str = "ansible.builtin.blockinfile";
    const ABOUT: About = About { writes_at: &["path", "dest", "destfile", "name"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Manages a block of lines between two markers";
    const EXAMPLES: &'static str = "\
- name: the cluster's names
  ansible.builtin.blockinfile:
    path: /etc/hosts
    marker: '# {mark} cluster'
    block: |
      10.0.0.1 one
      10.0.0.2 two
";
    const RETURNS: Returns = &[
        returns::FILE,
        returns::BACKUP,
        &[
            Return::text("path", "when the file is there", "The file"),
            Return::list(
                "diff",
                "when the file is there",
                "What differs: the text, empty without `diff`, and the attributes",
            ),
            Return::text("msg", "always", "What was done: `Block inserted`"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(ParameterError::task("insertbefore and insertafter are mutually exclusive"));
        }
        for (name, expression) in [("insertafter", &self.insertafter), ("insertbefore", &self.insertbefore)] {
            if let Some(expression) = expression {
                Pattern::new(&expression.0, false).map_err(|why| ParameterError::new(name, why))?;
            }
        }
        if self.marker.0.contains('\n') {
            return Err(ParameterError::new("marker", "a marker is one line"));
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "there is no source whose mode could be preserved"));
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Module for Blockinfile {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.edit().probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = self.edit();
        let present = edit.present(context, state)?;
        if present.bytes.is_none() && !self.create.0 {
            return Err(Failure::new(format!("Path {} does not exist !", present.path))
                .with("rc", 257)
                .help("`create: true` creates it")
                .into());
        }
        if present.bytes.is_none() && self.state == BlockState::Absent {
            let message = format!("File {} not present", present.path);
            return Ok(Plan::ok([("msg".to_owned(), json!(message))].into_iter().collect()));
        }
        let text = Characters::of(present.bytes.unwrap_or_default());
        let block = self.lines(&text);
        let after = text.bytes(&self.edited(&text, &block)?);
        let message = match present.bytes {
            None => "File created",
            Some(before) if before == after => "",
            Some(_) if block.is_empty() => "Block removed",
            Some(_) => "Block inserted",
        };
        let mut plan = edit.plan(context, state, &present, &after, message)?;
        let diff = edit::told(context, &present, &plan);
        plan.result.insert("diff".into(), diff);
        if let Some(backup) = plan.result.remove("backup").filter(|b| b.as_str().is_some_and(|b| !b.is_empty())) {
            plan.result.insert("backup_file".into(), backup);
        }
        Ok(plan)
    }
}

impl Blockinfile {
    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
        }
    }

    fn markers(&self, text: &Characters) -> (String, String) {
        let line = |mark: &Text| text.like(&format!("{}\n", self.marker.0.replace("{mark}", &mark.0)));
        (line(&self.marker_begin), line(&self.marker_end))
    }

    /// The block with its markers; empty when it is not to be there.
    fn lines(&self, text: &Characters) -> Vec<String> {
        if self.state == BlockState::Absent || self.block.0.is_empty() {
            return Vec::new();
        }
        let (begin, end) = self.markers(text);
        let mut block = text.like(&self.block.0);
        if !block.ends_with('\n') {
            block.push('\n');
        }
        let mut lines = vec![begin];
        lines.extend(edit::lines(&block));
        lines.push(end);
        lines
    }

    /// Where a new block goes.
    fn place(&self, text: &Characters, lines: &[String]) -> Result<usize, PlanError> {
        let (expression, behind) = match (&self.insertafter, &self.insertbefore) {
            (Some(after), _) if after.0 != "EOF" => (after, true),
            (None, Some(before)) if before.0 != "BOF" => (before, false),
            (None, Some(_)) => return Ok(0),
            _ => return Ok(lines.len()),
        };
        let pattern = Pattern::new(&text.like(&expression.0), false).map_err(edit::matching)?;
        if expression.0.starts_with("(?m") {
            // Over several lines the first match counts.
            let Some(found) = pattern.captures(&text.text).map_err(edit::matching)? else { return Ok(lines.len()) };
            let (start, end) = found.whole();
            let at = if behind { end } else { start };
            let before = text.text[..at].matches('\n').count();
            return Ok((before + usize::from(behind)).min(lines.len()));
        }
        let mut place = None;
        for (number, line) in lines.iter().enumerate() {
            if pattern.matches(line).map_err(edit::matching)? {
                place = Some(number + usize::from(behind));
            }
        }
        Ok(place.unwrap_or(lines.len()))
    }

    /// The text with the block in it, or without it.
    fn edited(&self, text: &Characters, block: &[String]) -> Result<String, PlanError> {
        let mut lines = edit::lines(&text.text);
        let (begin, end) = self.markers(text);
        let last = |marker: &String| lines.iter().rposition(|l| l == marker);
        let at = match (last(&begin), last(&end)) {
            (Some(begin), Some(end)) => {
                let (from, to) = (begin.min(end), begin.max(end));
                lines.drain(from..=to);
                from
            }
            _ => self.place(text, &lines)?,
        };
        if let Some(line) = at.checked_sub(1).and_then(|n| lines.get_mut(n)).filter(|l| !l.ends_with('\n')) {
            line.push('\n');
        }
        let present = self.state == BlockState::Present;
        let mut at = at;
        if self.prepend_newline.0 && present && above(&lines, at).is_some_and(|line| line != "\n") {
            lines.insert(at, "\n".to_owned());
            at += 1;
        }
        lines.splice(at..at, block.iter().cloned());
        let behind = at + block.len();
        if self.append_newline.0 && present && lines.get(behind).is_some_and(|l| l != "\n") {
            lines.insert(behind, "\n".to_owned());
        }
        Ok(lines.concat())
    }
}

/// The line above a place, if there is one.
fn above(lines: &[String], at: usize) -> Option<&String> {
    at.checked_sub(1).and_then(|above| lines.get(above))
}

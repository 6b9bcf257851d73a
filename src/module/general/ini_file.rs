//! `community.general.ini_file`: one option of an INI file.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/general/ini_file_module.html>

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        builtin::group::Presence,
        edit::{Edit, joined},
        ownership::Attributes,
        returns,
    },
    playbook::About,
};

/// Parameters of `ini_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IniFile {
    /// The file.
    #[serde(alias = "dest")]
    #[schemars(extend("x-aliases" = ["dest"]))]
    path: Text,
    /// The section; without one the lines before the first section are meant.
    #[serde(default)]
    section: Option<Text>,
    /// The option; without one the whole section is meant.
    #[serde(default)]
    option: Option<Text>,
    /// Its value.
    #[serde(default)]
    value: Option<Text>,
    /// Its values, where it stands several times.
    #[serde(default)]
    values: Option<List<Text>>,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// With `present`: remove other lines of the same option. With `absent`: remove all, whatever their value.
    #[serde(default = "Flag::yes")]
    exclusive: Flag,
    /// Write `option=value` without blanks.
    #[serde(default)]
    no_extra_spaces: Flag,
    /// Leave a line whose only difference is in blanks.
    #[serde(default)]
    ignore_spaces: Flag,
    /// Accept an option without a value.
    #[serde(default)]
    allow_no_value: Flag,
    /// Use a commented-out line of the option as the place for it.
    #[serde(default = "Flag::yes")]
    modify_inactive_option: Flag,
    /// Create the file where there is none.
    #[serde(default = "Flag::yes")]
    create: Flag,
    /// Keep the old file.
    #[serde(default)]
    backup: Flag,
    /// Accepted for Ansible's sake: a link is always followed.
    #[serde(default)]
    #[allow(dead_code)]
    follow: Flag,
    /// Owner, by name or number.
    #[serde(default)]
    owner: Option<Text>,
    /// Group, by name or number.
    #[serde(default)]
    group: Option<Text>,
    /// Permissions.
    #[serde(default)]
    mode: Option<Mode>,
}

impl Described for IniFile {
    const NAME: &'static str = "community.general.ini_file";
    const ABOUT: About = About { writes_at: &["path", "dest"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Sets options of INI files";
    const EXAMPLES: &'static str = "\
- name: Keep the journal small
  community.general.ini_file:
    path: /etc/systemd/journald.conf
    section: Journal
    option: SystemMaxUse
    value: 500M
    no_extra_spaces: true
";
    const RETURNS: Returns = &[
        returns::FILE,
        &[
            Return::text("path", "always", "The file"),
            Return::text("msg", "always", "What was done: `option added`"),
            Return::text("backup", "always", "Where the file as it was is kept; empty without `backup`"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if self.value.is_some() && self.values.is_some() {
            return Err(ParameterError::task("`value` and `values` exclude each other"));
        }
        if self.section.is_none() && self.option.is_none() {
            return Err(ParameterError::task("`section` or `option` is needed"));
        }
        let valued = self.value.is_some() || self.values.as_ref().is_some_and(|v| !v.0.is_empty());
        if self.state == Presence::Present && self.option.is_some() && !valued && !self.allow_no_value.0 {
            return Err(ParameterError::new(
                "value",
                "it is missing: `allow_no_value: true` accepts an option without one",
            ));
        }
        let texts = [&self.section, &self.option, &self.value]
            .into_iter()
            .flatten()
            .chain(self.values.iter().flat_map(|v| &v.0));
        if texts.into_iter().any(|t| t.0.contains('\n')) {
            return Err(ParameterError::task("section, option and value stand in one line each"));
        }
        Ok(())
    }
}

/// An option line's name and value, and whether it is commented out.
fn option(line: &str) -> Option<(bool, &str, Option<&str>)> {
    let trimmed = line.trim();
    let (inactive, rest) = match trimmed.strip_prefix(['#', ';']) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, trimmed),
    };
    if rest.is_empty() || rest.starts_with('[') {
        return None;
    }
    match rest.split_once('=') {
        Some((name, value)) => Some((inactive, name.trim(), Some(value.trim()))),
        None => Some((inactive, rest, None)),
    }
}

fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name)
}

impl IniFile {
    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            backup: self.backup.0,
            validate: None,
        }
    }

    fn wanted(&self) -> Vec<Option<&str>> {
        match (&self.value, &self.values) {
            (Some(value), _) => vec![Some(&value.0)],
            (None, Some(values)) if !values.0.is_empty() => values.0.iter().map(|v| Some(v.0.as_str())).collect(),
            _ => vec![None],
        }
    }

    fn line(&self, name: &str, value: Option<&str>) -> String {
        match value {
            None => name.to_owned(),
            Some(value) if self.no_extra_spaces.0 => format!("{name}={value}"),
            Some(value) => format!("{name} = {value}"),
        }
    }

    /// Where the section's own lines begin and end; `None` when there is no such section.
    fn range(&self, lines: &[String]) -> Option<(usize, usize)> {
        let start = match &self.section {
            None => 0,
            Some(section) => lines.iter().position(|l| header(l) == Some(&section.0))? + 1,
        };
        let end = lines[start..].iter().position(|l| header(l).is_some()).map_or(lines.len(), |at| start + at);
        Some((start, end))
    }

    /// The file's lines as they are to be.
    fn lines(&self, before: &str) -> Vec<String> {
        let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
        let Some((start, end)) = self.range(&lines) else {
            if self.state == Presence::Present {
                lines.extend(self.section.iter().map(|s| format!("[{}]", s.0)));
                if let Some(name) = &self.option {
                    lines.extend(self.wanted().into_iter().map(|v| self.line(&name.0, v)));
                }
            }
            return lines;
        };
        let Some(name) = &self.option else {
            if self.state == Presence::Absent {
                lines.drain(start.saturating_sub(1)..end);
            }
            return lines;
        };
        let own: Vec<String> = lines[start..end].to_vec();
        let new =
            if self.state == Presence::Present { self.present(&own, &name.0) } else { self.absent(&own, &name.0) };
        lines.splice(start..end, new);
        lines
    }

    fn absent(&self, own: &[String], name: &str) -> Vec<String> {
        let wanted = self.wanted();
        let gone = |line: &str| match option(line) {
            Some((false, n, value)) if n == name => self.exclusive.0 || wanted.contains(&value),
            _ => false,
        };
        own.iter().filter(|l| !gone(l)).cloned().collect()
    }

    fn present(&self, own: &[String], name: &str) -> Vec<String> {
        let mut missing = self.wanted();
        let mut kept: Vec<Option<String>> = own.iter().cloned().map(Some).collect();
        let mut places = Vec::new();
        // Lines that hold a wanted value stay; others of the option are places for what is missing.
        for (index, line) in own.iter().enumerate() {
            let Some((false, n, value)) = option(line) else { continue };
            if n != name {
                continue;
            }
            match missing.iter().position(|w| *w == value) {
                Some(at) => {
                    let value = missing.remove(at);
                    if !self.ignore_spaces.0 {
                        kept[index] = Some(self.line(name, value));
                    }
                }
                None if self.exclusive.0 => {
                    kept[index] = None;
                    places.push(index);
                }
                None => {}
            }
        }
        if self.modify_inactive_option.0 && places.is_empty() && !missing.is_empty() {
            let inactive = own.iter().position(|l| matches!(option(l), Some((true, n, Some(_))) if n == name));
            places.extend(inactive.inspect(|i| kept[*i] = None));
        }
        let mut new = Vec::new();
        let mut missing = missing.into_iter();
        for (index, line) in kept.into_iter().enumerate() {
            match line {
                Some(line) => new.push(line),
                None if places.contains(&index) => new.extend(missing.next().map(|v| self.line(name, v))),
                None => {}
            }
        }
        // The rest goes to the section's end, before the blank lines that part it from the next.
        let end = new.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |at| at + 1);
        new.splice(end..end, missing.map(|v| self.line(name, v)));
        new
    }
}

impl Module for IniFile {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.edit().probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = self.edit();
        let present = edit.present(context, state)?;
        let text = match present.bytes.map(std::str::from_utf8) {
            None if self.state == Presence::Absent => return Ok(Plan::default()),
            None if !self.create.0 => {
                let why = format!("Destination {} does not exist!", present.path);
                return Err(Failure::new(why).with("rc", 257).help("`create: true` creates it").into());
            }
            None => "",
            Some(Ok(text)) => text,
            Some(Err(_)) => return Err(Failure::new(format!("`{}` is no UTF-8 text", present.path)).into()),
        };
        let lines = self.lines(text);
        let same = present.bytes.is_some() && lines.iter().map(String::as_str).eq(text.lines());
        let after = if same { text.to_owned() } else { joined(&lines) };
        let message = match (same, self.state) {
            (true, _) => "OK",
            (false, Presence::Present) if self.option.is_some() => "option changed",
            (false, Presence::Present) => "section added",
            (false, Presence::Absent) if self.option.is_some() => "option removed",
            (false, Presence::Absent) => "section removed",
        };
        edit.plan(context, state, &present, after.as_bytes(), message)
    }
}

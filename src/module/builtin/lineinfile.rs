//! `ansible.builtin.lineinfile`: one line of a file.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/lineinfile_module.html>

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

/// Parameters of `lineinfile`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineinfile {
    /// The file.
    #[serde(alias = "dest", alias = "destfile", alias = "name")]
    #[schemars(extend("x-aliases" = ["dest", "destfile", "name"]))]
    path: Text,
    /// Whether the line is to be there.
    #[serde(default)]
    state: LineState,
    /// The line; needed with `state: present`.
    #[serde(alias = "value")]
    #[schemars(extend("x-aliases" = ["value"]))]
    line: Option<Text>,
    /// A regular expression that finds the line to replace (the last match), or the lines to remove.
    #[serde(alias = "regex")]
    #[schemars(extend("x-aliases" = ["regex"]))]
    regexp: Option<Text>,
    /// A text that finds the line to replace, or the lines to remove.
    search_string: Option<Text>,
    /// Put a new line behind the last match of this expression; `EOF` (the default) or `BOF`.
    insertafter: Option<Text>,
    /// Put a new line before the last match of this expression; `BOF` for the file's beginning.
    insertbefore: Option<Text>,
    /// Put the groups of `regexp` into the line (`\1`); without a match nothing is done.
    #[serde(default)]
    backrefs: Flag,
    /// Take the first match instead of the last.
    #[serde(default)]
    firstmatch: Flag,
    /// Create the file where there is none.
    #[serde(default)]
    create: Flag,
    /// Keep the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: Flag,
    /// A command that checks the new file before it takes its place; `%s` is that file's name.
    validate: Option<Text>,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
}

/// Whether the line is to be there.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum LineState {
    /// It is not.
    Absent,
    /// It is.
    #[default]
    Present,
}

impl Described for Lineinfile {
    const NAME: &'static str = "ansible.builtin.lineinfile";
    const ABOUT: About = About { writes_at: &["path", "dest", "destfile", "name"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Manages one line of a file";
    const EXAMPLES: &'static str = "\
- name: no passwords over SSH
  ansible.builtin.lineinfile:
    path: /etc/ssh/sshd_config
    regexp: '^#?PasswordAuthentication'
    line: PasswordAuthentication no
    validate: /usr/sbin/sshd -t -f %s
  notify: restart ssh
";
    const RETURNS: Returns = &[
        returns::FILE,
        &[
            Return::text("path", "when the file is there", "The file"),
            Return::list(
                "diff",
                "when the file is there",
                "What differs: the text, empty without `diff`, and the attributes",
            ),
            Return::text("msg", "always", "What was done: `line added`"),
            Return::text("backup", "always", "Where the file as it was is kept; empty without `backup`"),
            Return::whole("found", "with `state: absent`", "How many lines were removed"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(ParameterError::task("insertbefore and insertafter are mutually exclusive"));
        }
        if self.regexp.is_some() && self.search_string.is_some() {
            return Err(ParameterError::task("regexp and search_string are mutually exclusive"));
        }
        if self.backrefs.0 && self.search_string.is_some() {
            return Err(ParameterError::task("backrefs and search_string are mutually exclusive"));
        }
        match self.state {
            LineState::Present if self.backrefs.0 && self.regexp.is_none() => {
                return Err(ParameterError::new("backrefs", "regexp is required with backrefs=true"));
            }
            LineState::Present if self.line.is_none() => {
                return Err(ParameterError::task("line is required with state=present"));
            }
            LineState::Absent if self.line.is_none() && self.regexp.is_none() && self.search_string.is_none() => {
                let message = "one of line, search_string, or regexp is required with state=absent";
                return Err(ParameterError::task(message));
            }
            _ => {}
        }
        for (name, expression) in
            [("regexp", &self.regexp), ("insertafter", &self.insertafter), ("insertbefore", &self.insertbefore)]
        {
            if let Some(expression) = expression {
                Pattern::new(&expression.0, false).map_err(|why| ParameterError::new(name, why))?;
            }
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "there is no source whose mode could be preserved"));
        }
        put::check_validate(self.validate.as_ref().map(|v| v.0.as_str()))
    }
}

impl Module for Lineinfile {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.edit().probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = self.edit();
        let present = edit.present(context, state)?;
        if present.bytes.is_none() {
            if self.state == LineState::Absent {
                return Ok(Plan::ok([("msg".to_owned(), json!("file not present"))].into_iter().collect()));
            }
            if !self.create.0 {
                return Err(Failure::new(format!("Destination {} does not exist !", present.path))
                    .with("rc", 257)
                    .help("`create: true` creates it")
                    .into());
            }
        }
        let text = Characters::of(present.bytes.unwrap_or_default());
        let mut plan = match self.state {
            LineState::Present => {
                let (after, message) = self.insert(&text)?;
                // A file that is to be created holds the line in any case.
                edit.plan(context, state, &present, &text.bytes(&after), message)?
            }
            LineState::Absent => {
                let (after, found) = self.remove(&text)?;
                let message = if found > 0 { format!("{found} line(s) removed") } else { String::new() };
                let mut plan = edit.plan(context, state, &present, &text.bytes(&after), &message)?;
                plan.result.insert("found".into(), json!(found));
                plan
            }
        };
        let diff = edit::told(context, &present, &plan);
        plan.result.insert("diff".into(), diff);
        let empty = |t: &Option<Text>| t.as_ref().is_some_and(|t| t.0.is_empty());
        for (given, name) in [(&self.regexp, "regular expression"), (&self.search_string, "search string")] {
            if empty(given) {
                let mut warning = format!(
                    "The {name} is an empty string, which will match every line in the file. This may have unintended \
                     consequences, such as replacing the last line in the file rather than appending."
                );
                if name == "regular expression" {
                    warning.push_str(
                        " If this is desired, use '^' to match every line in the file and avoid this warning.",
                    );
                }
                plan.warnings.push(warning);
            }
        }
        Ok(plan)
    }
}

/// Where a search has led.
#[derive(Default)]
struct Found {
    /// The line that `regexp` or `search_string` matched, or that is the wanted one.
    line: Option<usize>,
    /// The wanted text for that line, groups filled in.
    expanded: Option<String>,
    /// Where `insertafter` or `insertbefore` points.
    insert: Option<usize>,
}

impl Lineinfile {
    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref()),
            backup: self.backup.0,
            validate: self.validate.as_ref().map(|v| v.0.as_str()),
        }
    }

    /// The expression a new line is put next to, and whether it goes behind it.
    fn place(&self, text: &Characters) -> Result<Option<(Pattern, bool)>, PlanError> {
        let (expression, behind) = match (&self.insertafter, &self.insertbefore) {
            (Some(after), _) if !matches!(after.0.as_str(), "EOF" | "BOF") => (after, true),
            (None, Some(before)) if before.0 != "BOF" => (before, false),
            _ => return Ok(None),
        };
        Ok(Some((Pattern::new(&text.like(&expression.0), false).map_err(edit::matching)?, behind)))
    }

    fn search(&self, text: &Characters, lines: &[String], line: &str) -> Result<Found, PlanError> {
        let mut found = Found::default();
        let pattern = match &self.regexp {
            Some(regexp) => Some(Pattern::new(&text.like(&regexp.0), false).map_err(edit::matching)?),
            None => None,
        };
        let searched = self.search_string.as_ref().map(|s| text.like(&s.0));
        for (number, current) in lines.iter().enumerate() {
            let matched = match &pattern {
                Some(pattern) => pattern.captures(current).map_err(edit::matching)?.map(|found| (pattern, found)),
                None => None,
            };
            if matched.is_none() && !searched.as_ref().is_some_and(|s| current.contains(s.as_str())) {
                continue;
            }
            found.line = Some(number);
            found.expanded = match matched.filter(|_| self.backrefs.0) {
                Some((pattern, matched)) => Some(pattern.expand(&matched, line).map_err(edit::matching)?),
                None => Some(line.to_owned()),
            };
            if self.firstmatch.0 {
                break;
            }
        }
        if found.line.is_some() {
            return Ok(found);
        }
        let place = self.place(text)?;
        for (number, current) in lines.iter().enumerate() {
            if current.trim_end_matches(['\r', '\n']) == line {
                found.line = Some(number);
                found.expanded = Some(line.to_owned());
            } else if let Some((pattern, behind)) = &place {
                if pattern.matches(current).map_err(edit::matching)? {
                    found.insert = Some(number + usize::from(*behind));
                    if self.firstmatch.0 {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// The text with the line in it, and what was done.
    fn insert(&self, text: &Characters) -> Result<(String, &'static str), PlanError> {
        let mut lines = edit::lines(&text.text);
        let line = text.like(self.line.as_ref().map_or("", |l| l.0.as_str()));
        let found = self.search(text, &lines, &line)?;
        let ended = format!("{line}\n");
        let is = |o: &Option<Text>, what: &str| o.as_ref().is_some_and(|t| t.0 == what);
        let message = match found {
            Found { line: Some(number), expanded: Some(mut wanted), .. } => {
                if !wanted.ends_with('\n') {
                    wanted.push('\n');
                }
                if lines[number] == wanted {
                    ""
                } else {
                    lines[number] = wanted;
                    "line replaced"
                }
            }
            _ if self.backrefs.0 => "",
            _ if is(&self.insertbefore, "BOF") || is(&self.insertafter, "BOF") => {
                lines.insert(0, ended);
                "line added"
            }
            // Behind the line that `insertafter` found it may stand already: then that was the first match of several.
            Found { insert: Some(number), .. } if self.insertafter.is_some() && self.stands(&lines, number, &line) => {
                ""
            }
            Found { insert: Some(number), .. } => {
                end_line(&mut lines, number);
                lines.insert(number, ended);
                "line added"
            }
            _ => {
                let end = lines.len();
                end_line(&mut lines, end);
                lines.push(ended);
                "line added"
            }
        };
        Ok((lines.concat(), message))
    }

    /// Whether the line stands where it would be put, behind another.
    fn stands(&self, lines: &[String], at: usize, line: &str) -> bool {
        let there = lines.get(at).or(lines.last());
        there.is_some_and(|there| there.trim_end_matches(['\r', '\n']) == line)
    }

    /// The text without the line, and how often it was there.
    fn remove(&self, text: &Characters) -> Result<(String, usize), PlanError> {
        let pattern = match &self.regexp {
            Some(regexp) => Some(Pattern::new(&text.like(&regexp.0), false).map_err(edit::matching)?),
            None => None,
        };
        let searched = self.search_string.as_ref().map(|s| text.like(&s.0));
        let line = self.line.as_ref().map(|l| text.like(&l.0));
        let (mut kept, mut found) = (String::new(), 0);
        for current in edit::lines(&text.text) {
            let matched = match (&pattern, &searched, &line) {
                (Some(pattern), ..) => pattern.matches(&current).map_err(edit::matching)?,
                (_, Some(searched), _) => current.contains(searched.as_str()),
                (_, _, Some(line)) => current.trim_end_matches(['\r', '\n']) == line,
                _ => false,
            };
            if matched {
                found += 1;
            } else {
                kept.push_str(&current);
            }
        }
        Ok((kept, found))
    }
}

/// A last line without its newline gets one before something is put behind it.
fn end_line(lines: &mut [String], at: usize) {
    if let Some(last) = at.checked_sub(1).and_then(|n| lines.get_mut(n)).filter(|l| !l.ends_with('\n')) {
        last.push('\n');
    }
}

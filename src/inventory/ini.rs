//! Inventories in the INI form.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html>

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{Inventory, InventoryError, literal, model::Origin};
use crate::python::{
    shlex::{self, Unclosed},
    text::is_identifier,
};
use crate::yaml::{Node, Source, Span};

/// Reads an INI inventory into `inventory`.
pub(super) fn read(inventory: &mut Inventory, source: &Arc<Source>, origin: &Origin) -> Result<(), InventoryError> {
    let mut reader = Reader {
        inventory,
        source,
        origin,
        section: Section { group: super::model::UNGROUPED.into(), kind: Kind::Hosts },
        children: IndexMap::new(),
        vars: IndexMap::new(),
        seen: HashMap::new(),
    };
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with(['#', ';']) {
            let at = start + (line.len() - line.trim_start().len());
            reader.line(&Line { text: trimmed, at, source })?;
        }
        start += line.len();
    }
    reader.finish()
}

/// One line without the blanks around it.
struct Line<'t> {
    text: &'t str,
    at: usize,
    source: &'t Arc<Source>,
}

impl Line<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, self.at + start, self.at + end)
    }

    fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }

    fn error(&self, message: impl Into<String>, span: Span, help: impl Into<String>) -> InventoryError {
        InventoryError::Ini { message: message.into(), span, help: help.into() }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Hosts,
    Children,
    Vars,
}

struct Section {
    group: String,
    kind: Kind,
}

struct Reader<'r> {
    inventory: &'r mut Inventory,
    source: &'r Arc<Source>,
    origin: &'r Origin,
    section: Section,
    /// Groups named as children before they have a section: their parents.
    children: IndexMap<String, Vec<(String, Span)>>,
    /// `[group:vars]` of groups that have no section yet.
    vars: IndexMap<String, Span>,
    /// Group variables of this file.
    seen: HashMap<(String, String), Span>,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) -> Result<(), InventoryError> {
        if let Some((group, kind)) = section(line)? {
            self.open(group, kind, line);
            return Ok(());
        }
        match self.section.kind {
            Kind::Hosts => self.hosts(line),
            Kind::Vars => self.variable(line),
            Kind::Children => self.child(line),
        }
    }

    fn open(&mut self, group: &str, kind: Kind, line: &Line<'_>) {
        let span = line.span(1, 1 + group.len());
        let group = &*self.inventory.group_name(group);
        if kind == Kind::Vars {
            if !self.inventory.groups.contains_key(group) && !self.children.contains_key(group) {
                self.vars.entry(group.to_owned()).or_insert_with(|| span.clone());
            }
        } else {
            self.vars.shift_remove(group);
        }
        self.inventory.ensure_group(group, Some(&span));
        if kind != Kind::Vars {
            for (parent, span) in self.children.shift_remove(group).unwrap_or_default() {
                self.inventory.link(&parent, group, Some(&span));
            }
        }
        self.section = Section { group: group.to_owned(), kind };
    }

    fn hosts(&mut self, line: &Line<'_>) -> Result<(), InventoryError> {
        let split = shlex::words(line.text, true).map_err(|unclosed| match unclosed {
            Unclosed::Quote(_, at) => {
                let help = "add the closing quote, or put a backslash before a quote that belongs to the value";
                line.error("a quote is opened here and not closed", line.span(at, at + 1), help)
            }
            Unclosed::Backslash(at) => {
                let help =
                    "a backslash belongs to the character behind it: write `\\\\` for one that belongs to the value";
                line.error("nothing stands behind this backslash", line.span(at, at + 1), help)
            }
        })?;
        if let Some(at) = split.comment_in_word {
            let span = line.span(at, at + 1);
            let text = "`#` starts a comment in the middle of a word; put quotes around a value that contains it";
            self.inventory.warnings.at(&span, text.into());
        }
        let Some((name, assignments)) = split.words.split_first() else { return Ok(()) };
        let (names, port) = self.names(line, name)?;
        self.inventory.count_names(names.len(), &line.span(name.start, name.end))?;
        let mut vars: Vec<(&str, Span, Arc<Node>)> = Vec::new();
        for word in assignments {
            let span = line.span(word.start, word.end);
            let (key, value, key_span) = self.assignment(line, word, span)?;
            if let Some((_, first, _)) = vars.iter().find(|(k, ..)| *k == key) {
                let (name, first) = (key.to_owned(), first.clone());
                return Err(InventoryError::DuplicateVariable { name, of: String::new(), first, second: key_span });
            }
            vars.push((key, key_span, Arc::new(value)));
        }
        let span = line.span(name.start, name.end);
        for host in names {
            self.inventory.put_host(&host, &self.section.group, &span, self.origin, port);
            for (key, _, value) in &vars {
                self.inventory.set_host_var(&host, key, value);
            }
        }
        Ok(())
    }

    /// The hosts a name stands for, and their port.
    fn names(&self, line: &Line<'_>, word: &shlex::Word) -> Result<(Vec<String>, Option<u16>), InventoryError> {
        let text = word.text.as_str();
        if text.starts_with("---") {
            let help = "name the file `….yml`, or remove the line";
            return Err(line.error("`---` begins a YAML file; this one is read as INI", line.whole(), help));
        }
        if line.text.starts_with('[') && !line.text.contains(']') {
            let help = "write `[GROUP]`, `[GROUP:vars]` or `[GROUP:children]`";
            return Err(line.error("the name of a section is not closed", line.whole(), help));
        }
        if let Some(key) = text.split_once('=').map(|(key, _)| key).filter(|k| is_identifier(k)) {
            let help = if line.text.contains(' ') && !line.text.contains(" = ") {
                "begin the line with the name of the host".into()
            } else {
                format!("move it below `[{}:vars]`, or behind the name of a host", self.section.group)
            };
            let message = format!("the variable `{key}` stands where a host is expected");
            return Err(line.error(message, line.span(word.start, word.end), help));
        }
        super::range::expand_at(self.source, (line.at + word.start, line.at + word.end), text)
    }

    fn assignment<'w>(
        &mut self,
        line: &Line<'_>,
        word: &'w shlex::Word,
        span: Span,
    ) -> Result<(&'w str, Node, Span), InventoryError> {
        let Some((key, value)) = word.text.split_once('=') else {
            let help = if word.text.starts_with([':', ',']) || self.next_is_value(line, word) {
                "write `name=value` without blanks around `=`"
            } else {
                "behind a host stand `name=value` pairs; one host per line, quotes around values with blanks"
            };
            return Err(line.error(format!("expected `name=value`, found `{}`", word.text), span, help));
        };
        let written = line.text.get(word.start..word.end).unwrap_or_default();
        let at = written.find('=').unwrap_or(0);
        let key_span = line.span(word.start, word.start + at);
        if key.is_empty() {
            let help = "write `name=value` without blanks around `=`";
            return Err(line.error("a value without a name", span, help));
        }
        self.check_name(key, &key_span);
        let value = literal::value(value, &line.span(word.start + at + 1, word.end));
        Ok((key, value, key_span))
    }

    fn next_is_value(&self, line: &Line<'_>, word: &shlex::Word) -> bool {
        line.text.get(word.end..).is_some_and(|rest| rest.trim_start().starts_with('='))
    }

    fn check_name(&mut self, name: &str, span: &Span) {
        if !is_identifier(name) {
            self.inventory.warnings.bad_name(name, span);
        }
    }

    fn variable(&mut self, line: &Line<'_>) -> Result<(), InventoryError> {
        let Some((key, value)) = line.text.split_once('=') else {
            let group = &self.section.group;
            let (message, help) = if let Some((key, _)) = line.text.split_once(": ") {
                (format!("expected `name=value`, found `{}`", line.text), format!("write `{key}=…`: this is no YAML"))
            } else {
                let help = format!("a host belongs below `[{group}]`, a group below `[{group}:children]`");
                (format!("expected `name=value`, found `{}`", line.text), help)
            };
            return Err(line.error(message, line.whole(), help));
        };
        let equals = key.len();
        let (key, written) = (key.trim(), value.trim());
        let key_span = line.span(0, key.len());
        if key.is_empty() {
            return Err(line.error("a value without a name", line.whole(), "write `name=value`"));
        }
        self.check_name(key, &key_span);
        let start = equals + 1 + (value.len() - value.trim_start().len());
        let value = literal::value(written, &line.span(start, start + written.len()));
        let group = self.section.group.clone();
        if let Some(first) = self.seen.insert((group.clone(), key.to_owned()), key_span.clone()) {
            let of = format!(" for the group `{group}`");
            return Err(InventoryError::DuplicateVariable { name: key.into(), of, first, second: key_span });
        }
        self.inventory.set_group_var(&group, key, &value)
    }

    fn child(&mut self, line: &Line<'_>) -> Result<(), InventoryError> {
        let name = line.text.split_once('#').map_or(line.text, |(name, _)| name).trim_end();
        if name.contains(|c: char| c.is_whitespace() || c == ':' || c == ']') || name.is_empty() {
            let help = "below `:children` stand names of groups alone, one per line";
            return Err(line.error(format!("expected the name of a group, found `{name}`"), line.whole(), help));
        }
        let span = line.span(0, name.len());
        let name = &*self.inventory.group_name(name);
        let parent = self.section.group.clone();
        let pending = self.children.get_mut(name);
        match pending {
            Some(parents) => parents.push((parent, span)),
            None if self.inventory.groups.contains_key(name) => self.inventory.link(&parent, name, Some(&span)),
            None => {
                self.children.insert(name.to_owned(), vec![(parent, span)]);
            }
        }
        Ok(())
    }

    /// Refuses groups that were spoken of and never given.
    fn finish(self) -> Result<(), InventoryError> {
        let child = self.children.iter().find_map(|(name, parents)| Some((name, parents.first()?)));
        if let Some((name, (parent, span))) = child {
            let host = self.inventory.hosts.contains_key(name);
            let help = if host {
                format!("`{name}` is a host: put it below `[{parent}]`")
            } else {
                suggestion(self.inventory, &self.vars, name, format!("add a section `[{name}]`"))
            };
            let message = format!("`[{parent}:children]` names the group `{name}`, which has no section");
            return Err(InventoryError::Ini { message, span: span.clone(), help });
        }
        if let Some((name, span)) = self.vars.iter().next() {
            let help = suggestion(self.inventory, &self.vars, name, format!("add a section `[{name}]` with its hosts"));
            let message = format!("`[{name}:vars]` gives variables to a group that has no section");
            return Err(InventoryError::Ini { message, span: span.clone(), help });
        }
        Ok(())
    }
}

/// What to do about a group that is not there: perhaps another one was meant.
fn suggestion(inventory: &Inventory, undeclared: &IndexMap<String, Span>, name: &str, otherwise: String) -> String {
    let known = inventory.groups.keys().map(String::as_str).filter(|g| *g != name && !undeclared.contains_key(*g));
    match crate::suggest::near(name, known) {
        Some(similar) => format!("did you mean `{similar}`? Else {otherwise}"),
        None => otherwise,
    }
}

/// Reads `[group]`, `[group:vars]`, `[group:children]`; nothing for other lines.
fn section<'t>(line: &Line<'t>) -> Result<Option<(&'t str, Kind)>, InventoryError> {
    let Some(rest) = line.text.strip_prefix('[') else { return Ok(None) };
    let Some((inner, behind)) = rest.split_once(']') else { return Ok(None) };
    let behind = behind.trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
        // `[::1]:22` is a host, and `[a] [b]` a slip.
        if behind.starts_with(':') || !behind.ends_with(']') {
            return Ok(None);
        }
        return Err(line.error("a line holds one section", line.whole(), "put each section on its own line"));
    }
    if inner.parse::<std::net::Ipv6Addr>().is_ok() {
        // A host: the reader of names says what is wrong with it.
        return Ok(None);
    }
    let (group, kind) = inner.split_once(':').map_or((inner, None), |(group, kind)| (group, Some(kind)));
    if group.is_empty() || inner.contains(char::is_whitespace) {
        let what = if group.trim().is_empty() { "a section without a name" } else { "a section's name has no blanks" };
        let help = "write `[GROUP]`, `[GROUP:vars]` or `[GROUP:children]`";
        return Err(line.error(what, line.span(0, inner.len() + 2), help));
    }
    let kind = match kind {
        None | Some("hosts") => Kind::Hosts,
        Some("children") => Kind::Children,
        Some("vars") => Kind::Vars,
        Some(other) => {
            let known = crate::suggest::near(other, ["vars", "children"]);
            let help = known.map_or_else(
                || "a section is `[GROUP]`, `[GROUP:vars]` or `[GROUP:children]`".into(),
                |known| format!("did you mean `[{group}:{known}]`?"),
            );
            let at = 1 + group.len() + 1;
            let span = line.span(at, at + other.len());
            return Err(line.error(format!("`{other}` is no kind of section"), span, help));
        }
    };
    Ok(Some((group, kind)))
}

//! What looks wrong in an inventory without being an error.

use std::collections::BTreeSet;

use super::GroupNames;
use crate::yaml::Span;

/// So many warnings are shown; the rest is counted.
const SHOWN: usize = 20;

/// Warnings, kept with their places: turning a place into a line costs a walk through the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Warnings {
    list: Vec<Warning>,
    /// Names of groups that are no names of variables.
    groups: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Warning {
    at: Option<Span>,
    text: String,
    /// Another place the text speaks of, and what follows it.
    other: Option<(Span, &'static str)>,
}

impl Warnings {
    /// Warns of something that has no place in a file.
    pub(super) fn say(&mut self, text: String) {
        self.list.push(Warning { at: None, text, other: None });
    }

    /// Warns of something at a place.
    pub(super) fn at(&mut self, span: &Span, text: String) {
        self.list.push(Warning { at: Some(span.clone()), text, other: None });
    }

    /// Warns of a group's name that is none of a variable: all of them together.
    pub(super) fn strange_group(&mut self, name: &str) {
        self.groups.insert(name.to_owned());
    }

    /// Warns of a variable whose name templates cannot say.
    pub(super) fn bad_name(&mut self, name: &str, span: &Span) {
        let rule = "a variable's name has letters, digits and `_` alone";
        self.at(span, format!("`{name}` cannot be used in templates: {rule}"));
    }

    /// Warns of something at a place that has to do with another place: `TEXT OTHER REST`.
    pub(super) fn against(&mut self, span: &Span, text: String, other: &Span, rest: &'static str) {
        self.list.push(Warning { at: Some(span.clone()), text, other: Some((other.clone(), rest)) });
    }

    /// The warnings as sentences.
    pub(super) fn sentences(&self, groups: GroupNames) -> Vec<String> {
        let mut sentences: Vec<String> = Vec::new();
        if !self.groups.is_empty() {
            let names: Vec<&str> = self.groups.iter().take(SHOWN).map(String::as_str).collect();
            let done = if groups == GroupNames::Told { "but not replaced" } else { "and automatically replaced" };
            let dots = if self.groups.len() > SHOWN { ", …" } else { "" };
            let names = names.join(", ");
            sentences.push(format!("Invalid characters were found in group names {done}: {names}{dots}"));
        }
        sentences.extend(self.list.iter().take(SHOWN).map(Warning::sentence));
        if self.list.len() > SHOWN {
            sentences.push(format!("… and {} more like these", self.list.len() - SHOWN));
        }
        sentences
    }
}

impl Warning {
    fn sentence(&self) -> String {
        let place = self.at.as_ref().map(|at| format!("{}: ", at.place())).unwrap_or_default();
        let other = self.other.as_ref().map(|(at, rest)| format!(" {}{rest}", at.place())).unwrap_or_default();
        format!("{place}{}{other}", self.text)
    }
}

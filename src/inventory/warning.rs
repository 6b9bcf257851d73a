//! What looks wrong in an inventory without being an error.

use crate::yaml::Span;

/// So many warnings are shown; the rest is counted.
const SHOWN: usize = 20;

/// Warnings, kept with their places: turning a place into a line costs a walk through the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Warnings {
    list: Vec<Warning>,
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
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.list.iter().take(SHOWN).map(Warning::sentence).collect();
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

//! Conditions of a run: what is doubtful about them is an error or is said once for each place.

use crate::{
    report::Event,
    template::{Context, TemplateError, Verdict},
    yaml::Node,
};

use super::{Run, lock};

impl Run {
    /// Whether a condition holds.
    ///
    /// # Errors
    /// When it cannot be decided, or may not be with what it comes to.
    pub(super) fn holds(&self, condition: &Node, vars: &Context) -> Result<bool, TemplateError> {
        self.decide(self.engine.condition(condition, vars)?)
    }

    /// What a verdict comes to with what is configured (`allow_broken_conditionals`).
    ///
    /// # Errors
    /// What is doubtful about it, where that is not let pass.
    pub(super) fn decide(&self, verdict: Verdict) -> Result<bool, TemplateError> {
        if !self.options.broken_conditionals {
            return verdict.strictly();
        }
        if let Some(doubt) = &verdict.doubt {
            let place = doubt.span().map(|span| span.place()).unwrap_or_default();
            if lock(&self.doubted).insert(place.clone()) {
                let help = miette::Diagnostic::help(doubt.as_ref()).map(|help| format!("; {help}")).unwrap_or_default();
                let holds = if verdict.holds { "true, for there is something in it" } else { "false" };
                self.tell(Event::Warning { message: format!("{place}: {doubt}, and counts as {holds}{help}") });
            }
        }
        Ok(verdict.holds)
    }
}

//! What a condition comes to, and what is doubtful about it.

use minijinja::Value;

use super::context::Inner;
use super::engine::Unit;
use super::error::{Kind, TemplateError};
use super::value::{boolean_text, describe};

/// Whether a condition holds.
#[derive(Debug)]
pub struct Verdict {
    /// As Ansible 2.18 decides it.
    pub holds: bool,
    /// Why that is hardly what was meant: a text that says `false`, which 2.19 refuses.
    pub doubt: Option<Box<TemplateError>>,
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        Verdict { holds, doubt: None }
    }
}

impl Verdict {
    /// Decides by a condition's value: a text is true if there is anything in it.
    pub(crate) fn of(value: &Value, unit: &Unit<'_>, inner: &Inner) -> Verdict {
        let text = value.as_str().filter(|text| boolean_text(text) == Some(false));
        let Some(text) = text else { return value.is_true().into() };
        let name = unit.text.trim();
        let message = format!("the condition's result is a text, {}", describe(value));
        let help = format!("write `({name}) | bool` to read it as false");
        let doubt = TemplateError::new(Kind::NotBoolean(message), unit.whole()).with_help(help);
        // A variable that is a template and comes to `False` is none for Ansible 2.18: it reads the two words back.
        let made = text == "False" && inner.vars.get(name).is_some_and(|var| var.is_template());
        Verdict { holds: !made, doubt: Some(Box::new(doubt)) }
    }

    /// Whether it holds, where what is doubtful is an error.
    ///
    /// # Errors
    /// The doubt.
    pub fn strictly(self) -> Result<bool, TemplateError> {
        self.doubt.map_or(Ok(self.holds), |doubt| Err(*doubt))
    }
}

//! One module as the registry has it.

use std::{marker::PhantomData, path::Path, sync::OnceLock};

use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::{
    Described, Module, ParameterError, Return, Returns,
    flags::{Shared, Shares},
    wording,
};
use crate::playbook::{About, DEFAULTS};

/// How a module is made of its parameters.
pub trait Make: Send + Sync {
    /// The parameters' schema, descriptions included.
    fn schema(&self) -> Schema;

    /// Reads rendered parameters.
    ///
    /// # Errors
    /// The first that cannot be accepted.
    fn parse(&self, parameters: Map<String, Json>) -> Result<Box<dyn Module>, ParameterError>;
}

/// A module of this program.
struct Native<M>(PhantomData<fn() -> M>);

impl<M: Described> Make for Native<M> {
    fn schema(&self) -> Schema {
        let mut schema = schemars::schema_for!(M);
        if M::MANAGES_FILE {
            Shared::describe(&mut schema);
        }
        schema
    }

    fn parse(&self, mut parameters: Map<String, Json>) -> Result<Box<dyn Module>, ParameterError> {
        let shared = if M::MANAGES_FILE { Some(Shared::taken(&mut parameters)?) } else { None };
        let parameters = Json::Object(parameters);
        let module: M = serde_path_to_error::deserialize(&parameters).map_err(|e| explain::<M>(e, &parameters))?;
        module.check()?;
        Ok(match shared {
            Some(shared) => Box::new(Shares::new(module, shared)),
            None => Box::new(module),
        })
    }
}

/// One module: what the loader, the runner and `bringup doc` need of it.
pub struct Entry {
    /// The full name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// One line on what it does.
    pub summary: &'static str,
    /// Examples in YAML.
    pub examples: &'static str,
    /// What its results have.
    pub returns: Returns,
    /// The parameter that takes free-form text.
    pub free_form: Option<&'static str>,
    /// Whether it takes any parameter, as `set_fact` does.
    pub open: bool,
    /// What else it says of itself.
    pub about: About,
    /// The file of the workstation that it is, where it is none of this program's.
    pub file: Option<&'static Path>,
    make: Box<dyn Make>,
    /// The parameters' names: the schema is made but once for all tasks.
    names: OnceLock<Vec<String>>,
}

/// The entry of a module.
pub(super) fn entry<M: Described>() -> Entry {
    Entry {
        name: M::NAME,
        aliases: M::ALIASES,
        summary: M::SUMMARY,
        examples: M::EXAMPLES,
        returns: M::RETURNS,
        free_form: M::FREE_FORM,
        open: M::OPEN,
        about: About { free_form: M::FREE_FORM.is_some(), ..M::ABOUT },
        file: None,
        make: Box::new(Native::<M>(PhantomData)),
        names: OnceLock::new(),
    }
}

fn explain<M: Described>(error: serde_path_to_error::Error<serde_json::Error>, parameters: &Json) -> ParameterError {
    let mut path = error.path().to_string();
    let message = error.into_inner().to_string();
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return ParameterError::task(wording::missing(M::NAME, name));
    }
    if path == "." {
        // A parameter that several modules share is read behind the others, where its name is lost: without it the error is another one.
        let mut names = parameters.as_object().into_iter().flat_map(Map::keys);
        let culprit = names.find(|name| {
            let mut others = parameters.as_object().cloned().unwrap_or_default();
            others.remove(*name);
            M::deserialize(Json::Object(others)).err().is_none_or(|other| other.to_string() != message)
        });
        path = culprit.map_or(path, Clone::clone);
    }
    if let Some((given, choices)) = choices(&message).filter(|_| path != ".") {
        let near = crate::suggest::near(given, choices.iter().copied());
        let message = format!("value of {path} must be one of: {}, got: {given}", choices.join(", "));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        return ParameterError { parameter: Some(path), message, help, rc: None, named: true };
    }
    ParameterError { parameter: (path != ".").then_some(path), message, help: None, rc: None, named: false }
}

/// What was given in the place of one of a few words, and these, of serde's message.
fn choices(message: &str) -> Option<(&str, Vec<&str>)> {
    let (given, choices) = message.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    Some((given, choices.split('`').skip(1).step_by(2).collect()))
}

impl Entry {
    /// The entry of a module that is a file of the workstation. Whether its parameters are right it says itself.
    pub(crate) fn of_file(name: &'static str, file: &'static Path, about: About, make: Box<dyn Make>) -> Entry {
        Entry {
            name,
            aliases: &[],
            summary: "",
            examples: "",
            returns: &[],
            free_form: None,
            open: true,
            about,
            file: Some(file),
            make,
            names: OnceLock::new(),
        }
    }

    /// The parameters' schema, descriptions included.
    pub fn schema(&self) -> Schema {
        self.make.schema()
    }

    /// Reads rendered parameters.
    ///
    /// # Errors
    /// The first parameter that is unknown, missing, of a wrong type, or at odds with another.
    pub fn parse(&self, parameters: Map<String, Json>) -> Result<Box<dyn Module>, ParameterError> {
        let known = self.parameters();
        let strange = |name: &&String| !self.open && !known.contains(name) && !self.takes_defaults(name);
        let unknown: Vec<&str> = parameters.keys().filter(strange).map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(self.unknown_parameters(&unknown));
        }
        self.make.parse(parameters)
    }

    fn takes_defaults(&self, name: &str) -> bool {
        name == DEFAULTS && !self.about.stands_for.is_empty()
    }

    /// The error for parameters that there are not, at least one, in Ansible's words.
    pub fn unknown_parameters(&self, names: &[&str]) -> ParameterError {
        let known = self.parameters();
        let name = names.first().copied().unwrap_or_default();
        let near = crate::suggest::near(name, known.iter().map(String::as_str));
        let error = ParameterError::naming(name, wording::unknown(self.name, names));
        match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("it has {}", known.join(", "))),
        }
    }

    /// The fields of its results, one after the other.
    pub fn returned(&self) -> impl Iterator<Item = &'static Return> {
        self.returns.iter().flat_map(|set| set.iter())
    }

    /// All parameters' names, aliases included.
    pub fn parameters(&self) -> &[String] {
        self.names.get_or_init(|| self.named_by_schema())
    }

    fn named_by_schema(&self) -> Vec<String> {
        let schema = self.schema();
        let mut names = Vec::new();
        if let Some(Json::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                names.push(name.clone());
                // `#[schemars(extend("x-aliases" = ["dest", "name"]))]` beside each serde alias.
                if let Some(Json::Array(aliases)) = property.get("x-aliases") {
                    names.extend(aliases.iter().filter_map(|a| a.as_str().map(str::to_owned)));
                }
            }
        }
        names
    }
}

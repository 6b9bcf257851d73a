//! What a task can do: each module is `probe`, `plan` and data for the runner.
//!
//! A module is one file: its parameters as a struct, and the functions of [`Module`]. Nothing here does I/O on a host;
//! the runner reads what `probe` names, calls `plan`, and carries out the [`Change`]s it returns.

pub mod archive;
pub mod bringup;
pub mod builtin;
pub mod converse;
pub mod crypto;
pub mod edit;
mod entry;
mod flags;
pub mod general;
pub mod groups;
pub mod held;
pub mod http;
pub mod kubernetes;
pub mod local;
pub mod ownership;
mod parameter;
pub mod path;
pub mod place;
mod plan;
pub mod posix;
pub mod process;
pub mod put;
pub mod regexp;
mod registry;
pub mod returns;
pub mod selinux;
mod settle;
pub mod tree;
pub(crate) mod whole_file;
mod wording;
mod write;

pub use crate::template::FileOptions as TemplateOptions;
pub use entry::{Entry, Make};
pub(crate) use parameter::described;
pub use parameter::{Flag, List, Mode, Text, Whole};
pub use place::Place;
pub(crate) use plan::finish as default_finish;
pub use plan::{
    Change, CheckMode, Content, Diff, Effect, Failure, Ownership, Plan, PlanError, Program, Step, StepOutput, Told,
};
pub use registry::{Registry, about};
pub use returns::{Return, Returns};
pub use write::{FileWrite, Parts};

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use serde_json::{Map, Value as Json};

use crate::{
    fact::{Probe, State},
    playbook::About,
};

/// A task's parameters, ready to be planned.
pub trait Module: Debug + Send + Sync {
    /// Names what must be read from the host before [`Module::plan`] can be called.
    ///
    /// It may be called again with more known: a module whose second question depends on the first answer
    /// returns it then. It never returns what `state` already knows, nor needs to filter that itself.
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe>;

    /// Decides what is to change. No changes means the host is as described.
    ///
    /// # Errors
    /// [`PlanError::Missing`] asks the runner to read more and call again; [`PlanError::Failed`] fails the task.
    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError>;

    /// Makes the task's result from what its changes printed. Called only when all were carried out or one failed.
    ///
    /// # Errors
    /// [`Failure`] when the outputs say that the work did not succeed.
    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let _ = context;
        default_finish(plan, outputs)
    }

    /// Whether what was carried out counts as a change, for modules that only its outputs tell.
    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        let _ = outputs;
        plan.would_change()
    }

    /// What only the outputs tell, where they do. Called once the work has succeeded.
    fn told(&self, outputs: &[StepOutput]) -> Told {
        let _ = outputs;
        Told::default()
    }
}

/// What a module may ask its surroundings while planning.
pub struct Context<'a> {
    /// Nothing will be carried out.
    pub check: bool,
    /// Differences are wanted.
    pub diff: bool,
    /// Its arguments and its result are to stand in no log.
    pub no_log: bool,
    /// The user the task acts as on the host, after `become`.
    pub user: &'a str,
    /// The inventory name of the host that is acted on.
    pub host: &'a str,
    /// Where relative paths begin, if that is not the user's home: on the workstation the folder that the run was started in.
    pub folder: Option<&'a str>,
    /// Lines of shell that export what `environment` says.
    pub environment: &'a str,
    /// Files of the workstation, templates and variables.
    pub controller: &'a dyn Controller,
}

/// Which folder of a role or playbook a relative name is looked up in first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `files/`
    Files,
    /// `templates/`
    Templates,
    /// `vars/`
    Vars,
}

/// The workstation's side, as far as modules may see it. It reads only.
pub trait Controller: Send + Sync {
    /// Finds a file by Ansible's search order: the role's folder, the role, the playbook's folder, the playbook.
    ///
    /// # Errors
    /// Names every place that was tried.
    fn find(&self, folder: Folder, name: &str) -> Result<PathBuf, Failure>;

    /// Reads a whole small file of the workstation, decrypting a vaulted one.
    ///
    /// # Errors
    /// Says why it cannot be read.
    fn read(&self, path: &std::path::Path) -> Result<Arc<[u8]>, Failure>;

    /// Renders a template file with the task's variables.
    ///
    /// # Errors
    /// The template's place and what is wrong with it.
    fn render(&self, path: &std::path::Path, options: &TemplateOptions) -> Result<String, Failure>;

    /// Evaluates an expression as `when` does, for `assert`.
    ///
    /// # Errors
    /// What is wrong with the expression.
    fn condition(&self, expression: &Json) -> Result<bool, Failure>;

    /// Whether texts stay what they are, as `jinja2_native` of Ansible's configuration says.
    fn native(&self) -> bool {
        false
    }

    /// How many `-v` there are.
    fn verbosity(&self) -> i64 {
        0
    }

    /// The value of a variable or expression, for `debug: var=`; `None` where it is undefined.
    ///
    /// # Errors
    /// What is wrong with the expression.
    fn value(&self, expression: &str) -> Result<Option<Json>, Failure>;

    /// The value of a variable; `None` where there is no such variable.
    ///
    /// # Errors
    /// What is wrong with the value.
    fn variable(&self, name: &str) -> Result<Option<Json>, Failure> {
        let _ = name;
        Ok(None)
    }
}

/// The static side of a module: its names, its page, its parameters.
pub trait Described: Module + serde::de::DeserializeOwned + schemars::JsonSchema + 'static {
    /// The full name, such as `ansible.builtin.file`.
    const NAME: &'static str;
    /// Other names that mean the same module, such as `systemd` for `systemd_service`. The last part of the full
    /// name always works where Ansible accepts it.
    const ALIASES: &'static [&'static str] = &[];
    /// One line: what it does.
    const SUMMARY: &'static str;
    /// Examples in YAML, for its page.
    const EXAMPLES: &'static str;
    /// What its results have, besides what every task's may have.
    const RETURNS: Returns;
    /// The parameter that takes a free-form text (`command: ls`), where there is one.
    const FREE_FORM: Option<&'static str> = None;
    /// Whether it manages a file and takes `attributes` and `unsafe_writes`.
    const MANAGES_FILE: bool = false;
    /// Whether it takes parameters of any name, as `set_fact` does.
    const OPEN: bool = false;
    /// What else the loader and the runner must know of it.
    const ABOUT: About = About::PLAIN;

    /// Checks what one parameter alone cannot tell: required together, mutually exclusive, wrong combination.
    ///
    /// # Errors
    /// The parameter's name and what is wrong, in words for the user.
    fn check(&self) -> Result<(), ParameterError> {
        Ok(())
    }
}

/// A parameter that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// The parameter, `None` when it is about the task as a whole.
    pub parameter: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The `rc` of the result, where Ansible returns one.
    pub rc: Option<i32>,
    /// Whether the message names the parameter itself.
    pub named: bool,
}

impl ParameterError {
    /// Returns an error about one parameter.
    pub fn new(parameter: &str, message: impl Into<String>) -> ParameterError {
        ParameterError {
            parameter: Some(parameter.to_owned()),
            message: message.into(),
            help: None,
            rc: None,
            named: false,
        }
    }

    /// Returns an error about a parameter, which the message names.
    pub fn naming(parameter: &str, message: impl Into<String>) -> ParameterError {
        ParameterError { named: true, ..ParameterError::new(parameter, message) }
    }

    /// Returns an error about the combination of parameters.
    pub fn task(message: impl Into<String>) -> ParameterError {
        ParameterError { parameter: None, message: message.into(), help: None, rc: None, named: false }
    }

    /// Adds the exit status that the result is to tell.
    #[must_use]
    pub fn rc(mut self, rc: i32) -> ParameterError {
        self.rc = Some(rc);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> ParameterError {
        self.help = Some(help.into());
        self
    }
}

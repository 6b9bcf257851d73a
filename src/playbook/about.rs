//! What a module says of itself to those who read and run playbooks: neither of them knows a module by its name.

use super::Args;
use super::load::SearchKind;

/// The parameter in which a module finds the `module_defaults` of those that it stands for, by their names. No playbook can write it.
pub const DEFAULTS: &str = "_defaults";

/// What a module is like, beside its parameters.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What it sets besides the registered result.
    pub sets: Sets,
    /// Whether the first host of a play does it and the others pass it by, as `run_once` has it, but learn nothing of its result.
    pub by_first: bool,
    /// Whether it leaves every host as it is, whatever its parameters are.
    pub only_tells: bool,
    /// Whether `async` may stand at it: what is done on the workstation, or with files of it, cannot be left to a host.
    pub background: bool,
    /// The modules that do its work, one or the other as the host has it: it takes the
    /// `module_defaults` of that one too.
    pub stands_for: &'static [&'static str],
    /// Whether what it changes are files' contents: one that sets modes and links writes nothing that a host has said.
    pub writes_content: bool,
    /// The parameters that name the path at and below which it writes, and nowhere else; none: it may write anywhere.
    pub writes_at: &'static [&'static str],
    /// Whether it takes a text that is not `name=value`.
    pub free_form: bool,
    /// Whether that text is a command line, in which few of all `name=value` are parameters.
    pub command_line: bool,
    /// The parameter whose texts are expressions without braces, as conditions are.
    pub expressions: Option<Expressions>,
    /// The parameters that are needed whatever happens; `None`: all. Others are shown only if something is wrong.
    pub needs: Option<&'static [&'static str]>,
    /// The file of the workstation that it reads.
    pub file: Option<LocalFile>,
    /// Whether an interpreter of the host runs it.
    pub interpreted: bool,
}

/// The variables and groups that a module sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// None.
    Nothing,
    /// One of each parameter's name.
    Parameters,
    /// Facts of these names, and `ansible_facts`; `{NAME}` in one stands for the parameter of that name.
    Facts(&'static [&'static str]),
    /// All there is to know of a host.
    AllFacts,
    /// The variables of a host that may be new, one of each parameter's name; these parameters name groups.
    Host(&'static [&'static str]),
    /// The groups of the host that it acts on, and with them any variable.
    Groups,
    /// Facts that its result alone names.
    Any,
}

/// A parameter whose texts are evaluated as conditions are.
#[derive(Clone, Copy, Debug)]
pub struct Expressions {
    /// The parameter: one text or a list.
    pub parameter: &'static str,
    /// Whether a template in it is rendered first, as in `var: hosts['{{ name }}']`; else it is a mistake.
    pub rendered: bool,
}

/// A parameter that names a file of the workstation.
#[derive(Clone, Copy, Debug)]
pub struct LocalFile {
    /// The parameter.
    pub parameter: &'static str,
    /// Where it is looked for.
    pub folder: SearchKind,
    /// Whether it is a template, unless one of these parameters gives it other delimiters.
    pub template: Option<&'static [&'static str]>,
    /// Flags that make it a file of the host, and the value that does.
    pub remote: &'static [(&'static str, bool)],
}

impl About {
    /// A module that changes hosts and says nothing else of itself.
    pub const PLAIN: About = About {
        sets: Sets::Nothing,
        by_first: false,
        only_tells: false,
        background: true,
        stands_for: &[],
        writes_content: true,
        writes_at: &[],
        free_form: false,
        command_line: false,
        expressions: None,
        needs: None,
        file: None,
        interpreted: false,
    };

    /// A module that changes no host.
    pub const TELLS: About = About { only_tells: true, ..About::PLAIN };

    /// Whether it evaluates what a parameter says.
    pub fn is_needed(&self, parameter: &str) -> bool {
        self.needs.is_none_or(|needs| needs.contains(&parameter))
    }
}

impl Sets {
    /// The names that are known before it runs, `ansible_facts` left out; `None` where any may come, or a name is not known yet.
    pub fn names(&self, args: &Args) -> Option<Vec<String>> {
        let value =
            |name: &str| args.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.key_text());
        match self {
            Sets::Nothing => Some(Vec::new()),
            Sets::AllFacts | Sets::Groups | Sets::Any => None,
            Sets::Parameters | Sets::Host(_) => Some(args.iter().map(|(key, _)| key.key_text()).collect()),
            Sets::Facts(names) => {
                let named = |name: &&str| match name
                    .split_once('{')
                    .and_then(|(front, rest)| Some((front, rest.split_once('}')?)))
                {
                    Some((front, (parameter, behind))) => Some(format!("{front}{}{behind}", value(parameter)?)),
                    None => Some((*name).to_owned()),
                };
                names.iter().map(named).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Node, Source, Span};

    #[test]
    fn names_are_known_as_far_as_the_parameters_say() {
        let span = Span::new(&Source::new("site.yml", String::new()), 0, 0);
        let args: Args = vec![(Node::text("database", span.clone()), Node::text("hosts", span.clone()))];
        assert_eq!(Sets::Facts(&["services"]).names(&Args::new()), Some(vec!["services".to_owned()]));
        assert_eq!(Sets::Facts(&["getent_{database}"]).names(&args), Some(vec!["getent_hosts".to_owned()]));
        assert_eq!(Sets::Facts(&["getent_{database}"]).names(&Args::new()), None);
        assert_eq!(Sets::Parameters.names(&args), Some(vec!["database".to_owned()]));
        assert_eq!(Sets::AllFacts.names(&args), None);
    }
}

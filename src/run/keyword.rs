//! Keywords of plays, blocks and tasks, evaluated for a host.

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;

use super::{Run, machine::Actor, task_error::TaskError};
use crate::{
    connection::{Become, BecomeMethod, Secret},
    inventory::name::login as login_name,
    playbook::{Keywords, Scope},
    python::{
        number,
        truth::{boolean, boolean_text, truthy},
    },
    template::Context,
    yaml::Node,
};

/// The innermost value of a keyword, rendered.
pub fn value(
    run: &Run,
    scope: &Scope,
    vars: &Context,
    pick: impl for<'a> Fn(&'a Keywords) -> Option<&'a Node>,
) -> Result<Option<Json>, TaskError> {
    // What is omitted is as if it were not written there: the level around it says.
    for node in scope.chain().filter_map(|level| pick(&level.keywords)) {
        let value = run.engine.render_tree(node, vars).map_err(TaskError::from)?;
        if !crate::template::is_omit(&value) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// A keyword that is true or false.
pub fn flag(
    run: &Run,
    scope: &Scope,
    vars: &Context,
    pick: impl for<'a> Fn(&'a Keywords) -> Option<&'a Node>,
) -> Result<Option<bool>, TaskError> {
    let written = scope.inherited(&pick).map(|node| node.span.clone());
    match value(run, scope, vars, pick)? {
        Some(value) => decided(&value).map(Some).map_err(|error| match &written {
            Some(span) => error.at(span),
            None => error,
        }),
        None => Ok(None),
    }
}

/// Whether a value means true or false.
///
/// # Errors
/// Anything else: what was meant must not be guessed where it says who acts, or what is run.
pub fn decided(value: &Json) -> Result<bool, TaskError> {
    match value {
        Json::Null => Ok(false),
        Json::String(text) if text.trim().is_empty() => Ok(false),
        value => boolean(value).ok_or_else(|| {
            let written = as_text(value).unwrap_or_default();
            TaskError::new(format!("`{written}` is not a valid boolean: it is neither true nor false"))
                .help("write `true` or `false`")
        }),
    }
}

/// A keyword that is a text.
pub fn text(
    run: &Run,
    scope: &Scope,
    vars: &Context,
    pick: impl for<'a> Fn(&'a Keywords) -> Option<&'a Node>,
) -> Result<Option<String>, TaskError> {
    Ok(value(run, scope, vars, pick)?.and_then(|v| as_text(&v)))
}

/// A JSON value as a text; nothing for null and the empty text.
pub fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(s) if s.is_empty() => None,
        Json::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a value means true: a text where Ansible reads it so, anything else where Python does.
pub fn truth(value: &Json) -> bool {
    match value {
        Json::String(text) => boolean_text(text) == Some(true),
        other => truthy(other),
    }
}

/// A whole number from a rendered value.
pub fn whole(value: &Json) -> Option<i64> {
    match value {
        Json::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
        Json::String(s) => number::int(s, 10).and_then(|n| i64::try_from(n).ok()),
        _ => None,
    }
}

/// A length of time in seconds, which may have a fraction; negative ones are none.
pub fn seconds(value: &Json) -> Option<Duration> {
    let seconds = match value {
        Json::Number(n) => n.as_f64(),
        Json::String(s) => number::float(s),
        _ => None,
    };
    seconds.filter(|s: &f64| s.is_finite()).and_then(|s| Duration::try_from_secs_f64(s.max(0.0)).ok())
}

/// The variables that say who acts; those of one program come last and win there.
pub const NAMES: &[&str] = &[
    "ansible_become",
    "ansible_become_method",
    "ansible_become_user",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_become_flags",
    "ansible_become_exe",
    "ansible_sudo_user",
    "ansible_sudo_pass",
    "ansible_sudo_flags",
    "ansible_sudo_exe",
    "ansible_su_user",
    "ansible_su_pass",
    "ansible_su_flags",
    "ansible_su_exe",
    "ansible_doas_user",
    "ansible_doas_pass",
    "ansible_doas_flags",
    "ansible_doas_exe",
];

/// What says who acts: the run, the task's host by whose variables keywords are rendered, and the host that is acted on, whose
/// variables win over them. A password for one host is never offered to another.
struct Asked<'a> {
    run: &'a Run,
    scope: &'a Scope,
    own: &'a Context,
    host: &'a str,
    reached: &'a Context,
    /// Which of [`NAMES`] are given.
    given: Vec<&'static str>,
}

impl Asked<'_> {
    /// The last of these variables that is given, as Ansible decides it.
    fn variable(&self, names: &[&str]) -> Result<Option<String>, TaskError> {
        for name in names.iter().rev().filter(|name| self.given.contains(name)) {
            if let Some(value) = self.run.setting(self.host, name, self.reached)?.as_ref().and_then(as_text) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn either(
        &self,
        names: &[&str],
        pick: impl for<'k> Fn(&'k Keywords) -> Option<&'k Node>,
    ) -> Result<Option<String>, TaskError> {
        match self.variable(names)? {
            Some(value) => Ok(Some(value)),
            None => text(self.run, self.scope, self.own, pick),
        }
    }
}

/// Who acts: the login user, or the user that `become` names. `login` is the login user where it is known.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/sudo_become.html>
pub fn actor(
    run: &Run,
    scope: &Scope,
    (own, host, reached): (&Context, &str, &Context),
    login: Option<&str>,
) -> Result<Actor, TaskError> {
    let asked = Asked { run, scope, own, host, reached, given: reached.among(NAMES) };
    let become_ = asked.given.contains(&"ansible_become").then(|| run.setting(host, "ansible_become", reached));
    let wanted = match become_.transpose()?.flatten() {
        Some(v) => decided(&v).map_err(|mut error| {
            error.message = format!("`ansible_become`: {}", error.message);
            error
        })?,
        None => flag(run, scope, own, |k| k.become_.as_ref())?.unwrap_or(run.options.become_),
    };
    if !wanted {
        return Ok(None);
    }
    let method = asked.either(&["ansible_become_method"], |k| k.become_method.as_ref())?;
    let method = method.or_else(|| run.options.become_method.clone());
    let method = match method.as_deref() {
        None => BecomeMethod::default(),
        Some(name) => BecomeMethod::named(name).ok_or_else(|| {
            TaskError::new(format!("become_method `{name}` is not supported")).help("use sudo, su or doas")
        })?,
    };
    let short = method.program();
    let own_name = |field: &str| format!("ansible_{short}_{field}");
    let user = asked.either(&["ansible_become_user", &own_name("user")], |k| k.become_user.as_ref())?;
    let user = user.or_else(|| run.options.become_user.clone()).unwrap_or_else(|| "root".to_owned());
    login_name(&user).map_err(|fault| TaskError::new(format!("become_user: {fault}")))?;
    // Becoming who one is costs a sudo for nothing; bare hosts may have none.
    if login == Some(user.as_str()) {
        return Ok(None);
    }
    let password = asked.variable(&["ansible_become_password", "ansible_become_pass", &own_name("pass")])?;
    let configured = run.options.become_defaults.get(short);
    let password = password.map(Secret::new).or_else(|| run.options.become_password.clone());
    let password = password.or_else(|| configured?.password.clone());
    let flags = asked.either(&["ansible_become_flags", &own_name("flags")], |k| k.become_flags.as_ref())?;
    let flags = flags.or_else(|| configured?.flags.clone());
    if let Some(flags) = &flags {
        honoured(method, flags)?;
    }
    let exe = asked.either(&["ansible_become_exe", &own_name("exe")], |k| k.become_exe.as_ref())?;
    let exe = exe.or_else(|| configured?.exe.clone());
    Ok(Some(Arc::new(Become { method, user, password, flags, exe })))
}

/// Refuses flags by which somebody else would act, or nobody, than the task says.
fn honoured(method: BecomeMethod, flags: &str) -> Result<(), TaskError> {
    let (letters, words): (&str, &[&str]) = match method {
        BecomeMethod::Sudo => (
            "uUeKlvVbAT",
            &[
                "--user",
                "--other-user",
                "--edit",
                "--remove-timestamp",
                "--list",
                "--validate",
                "--version",
                "--background",
                "--askpass",
                "--command-timeout",
                "--help",
            ],
        ),
        BecomeMethod::Su => ("cCsV", &["--command", "--session-command", "--shell", "--version", "--help"]),
        BecomeMethod::Doas => ("uCsL", &[]),
    };
    let unfit = |word: &str| match word.strip_prefix('-') {
        Some(long) if long.starts_with('-') => {
            words.iter().any(|w| word == *w || word.strip_prefix(w).is_some_and(|rest| rest.starts_with('=')))
        }
        Some(short) => short.contains(|letter| letters.contains(letter)),
        None => false,
    };
    let words = crate::python::shlex::split(flags).unwrap_or_default();
    match words.iter().find(|word| unfit(word)) {
        Some(word) => {
            let error = TaskError::new(format!("become_flags: `{word}` is not supported"));
            Err(error.help("`become_user` says who acts; flags may not say anything else"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_of_time_have_fractions() {
        assert_eq!(seconds(&json!(5)), Some(Duration::from_secs(5)));
        assert_eq!(seconds(&json!(0.25)), Some(Duration::from_millis(250)));
        assert_eq!(seconds(&json!(" 1.5 ")), Some(Duration::from_millis(1500)));
        assert_eq!(seconds(&json!(-1)), Some(Duration::ZERO));
        for wrong in [json!("soon"), json!(1e300), json!("NaN"), json!([1])] {
            assert_eq!(seconds(&wrong), None, "{wrong}");
        }
    }
}

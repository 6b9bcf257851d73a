//! Keywords of plays, blocks and tasks, evaluated for a host.

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;

use super::{Run, machine::Actor, task::TaskError};
use crate::{
    playbook::{Keywords, Scope},
    ssh::{Become, BecomeMethod, Secret},
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
    match scope.inherited(pick) {
        Some(node) => Ok(Some(run.engine.render_tree(node, vars).map_err(TaskError::from)?)),
        None => Ok(None),
    }
}

/// A keyword that is true or false.
pub fn flag(
    run: &Run,
    scope: &Scope,
    vars: &Context,
    pick: impl for<'a> Fn(&'a Keywords) -> Option<&'a Node>,
) -> Result<Option<bool>, TaskError> {
    let written = scope.inherited(&pick).map(|node| node.span.clone());
    match value(run, scope, vars, pick)?.filter(|value| !crate::template::is_omit(value)) {
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
/// Any other text: what was meant must not be guessed where it says who acts, or what is run.
fn decided(value: &Json) -> Result<bool, TaskError> {
    match value {
        Json::String(text)
            if !matches!(text.trim().to_ascii_lowercase().as_str(), "" | "no" | "false" | "off" | "0" | "n" | "f")
                && !truth(value) =>
        {
            Err(TaskError::new(format!("`{text}` is neither true nor false")).help("write `true` or `false`"))
        }
        value => Ok(truth(value)),
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

/// Whether a value means true, `"yes"` and `"true"` included.
pub fn truth(value: &Json) -> bool {
    match value {
        Json::Bool(b) => *b,
        Json::Null => false,
        Json::Number(n) => n.as_f64() != Some(0.0),
        Json::String(s) => matches!(s.trim().to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y" | "t"),
        Json::Array(a) => !a.is_empty(),
        Json::Object(o) => !o.is_empty(),
    }
}

/// A whole number from a rendered value.
pub fn whole(value: &Json) -> Option<i64> {
    match value {
        Json::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
        Json::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A length of time in seconds, which may have a fraction; negative ones are none.
pub fn seconds(value: &Json) -> Option<Duration> {
    let seconds = match value {
        Json::Number(n) => n.as_f64(),
        Json::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|s: &f64| s.is_finite()).and_then(|s| Duration::try_from_secs_f64(s.max(0.0)).ok())
}

/// The variable `ansible_NAME`, as a text.
pub fn variable(vars: &Context, name: &str) -> Result<Option<String>, TaskError> {
    Ok(vars.variable(name).map_err(TaskError::from)?.as_ref().and_then(as_text))
}

/// Who acts: the login user, or the user that `become` names. `login` is the login user where it is known.
pub fn actor(run: &Run, scope: &Scope, vars: &Context, login: Option<&str>) -> Result<Actor, TaskError> {
    let wanted = match vars.variable("ansible_become").map_err(TaskError::from)? {
        Some(v) => decided(&v).map_err(|mut error| {
            error.message = format!("`ansible_become`: {}", error.message);
            error
        })?,
        None => flag(run, scope, vars, |k| k.become_.as_ref())?.unwrap_or(run.options.become_),
    };
    if !wanted {
        return Ok(None);
    }
    let user = match variable(vars, "ansible_become_user")? {
        Some(user) => Some(user),
        None => text(run, scope, vars, |k| k.become_user.as_ref())?,
    };
    let user = user.or_else(|| run.options.become_user.clone()).unwrap_or_else(|| "root".to_owned());
    // Becoming who one is costs a sudo for nothing; bare hosts may have none.
    if login == Some(user.as_str()) {
        return Ok(None);
    }
    let method = match variable(vars, "ansible_become_method")? {
        Some(method) => Some(method),
        None => text(run, scope, vars, |k| k.become_method.as_ref())?,
    };
    let method = match method.as_deref() {
        None | Some("sudo" | "ansible.builtin.sudo") => BecomeMethod::Sudo,
        Some("su" | "ansible.builtin.su") => BecomeMethod::Su,
        Some(other) => {
            return Err(TaskError::new(format!("become_method `{other}` is not supported")).help("use sudo or su"));
        }
    };
    let mut password = run.options.become_password.clone();
    for name in ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"] {
        if let Some(given) = variable(vars, name)? {
            password = Some(Secret::new(given));
        }
    }
    let flags = match variable(vars, "ansible_become_flags")? {
        Some(flags) => Some(flags),
        None => text(run, scope, vars, |k| k.become_flags.as_ref())?,
    };
    let exe = match variable(vars, "ansible_become_exe")? {
        Some(exe) => Some(exe),
        None => text(run, scope, vars, |k| k.become_exe.as_ref())?,
    };
    Ok(Some(Arc::new(Become { method, user, password, flags, exe })))
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

//! How a host is reached, from its variables and the command line.

use std::{path::PathBuf, time::Duration};

use super::{
    Options, Run,
    keyword::{self, truth, variable},
    machine::explain,
    task::TaskError,
};
use crate::{
    playbook::Scope,
    ssh::{HostKeyPolicy, Secret, Target},
    template::Context,
};

/// What the keywords `connection`, `remote_user` and `port` say, as the variables that would say it; left out is what such a
/// variable says already, for variables win over keywords.
///
/// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/general_precedence.html>
pub fn keywords(run: &Run, scope: &Scope, vars: &Context) -> Result<Vec<(&'static str, String)>, TaskError> {
    let mut said = Vec::new();
    let mut add = |names: &[&'static str], value: Option<String>| {
        if let Some(value) = value {
            for name in names {
                if variable(vars, name)?.is_some() {
                    return Ok(());
                }
            }
            said.push((names[0], value));
        }
        Ok::<(), TaskError>(())
    };
    add(&["ansible_connection"], keyword::text(run, scope, vars, |k| k.connection.as_ref())?)?;
    add(&["ansible_user", "ansible_ssh_user"], keyword::text(run, scope, vars, |k| k.remote_user.as_ref())?)?;
    add(&["ansible_port", "ansible_ssh_port"], keyword::text(run, scope, vars, |k| k.port.as_ref())?)?;
    Ok(said)
}

/// Reads `ansible_host`, `ansible_port`, `ansible_user` and their kin.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ssh_connection.html>
pub fn target(name: &str, vars: &Context, options: &Options, local: bool) -> Result<Target, TaskError> {
    let get = |names: &[&str]| -> Result<Option<String>, TaskError> {
        for name in names {
            if let Some(value) = variable(vars, name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    };
    let kind = get(&["ansible_connection"])?.or_else(|| options.connection.clone());
    let local = match kind.as_deref() {
        None | Some("smart" | "ssh" | "ansible.builtin.ssh" | "paramiko" | "paramiko_ssh") => local && kind.is_none(),
        Some("local" | "ansible.builtin.local") => true,
        Some(other) => {
            let error = TaskError::new(format!("connection `{other}` is not supported"));
            return Err(error.help("hosts are reached by `ssh` or `local`"));
        }
    };
    let mut target = if local { Target::local(name) } else { Target::new(name) };
    for name in ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        if let Some(text) = get(&[name])? {
            target.apply_ssh_args(&text).map_err(|e| TaskError::new(format!("{name}: {}", explain(&e))))?;
        }
    }
    for text in &options.ssh_arguments {
        target.apply_ssh_args(text).map_err(|e| TaskError::new(explain(&e)))?;
    }
    let port = match get(&["ansible_port", "ansible_ssh_port"])? {
        Some(text) => Some(text.parse().map_err(|_| TaskError::new(format!("ansible_port: `{text}` is no port")))?),
        None => None,
    };
    let checking = match vars.variable("ansible_host_key_checking").map_err(TaskError::from)? {
        None => vars.variable("ansible_ssh_host_key_checking").map_err(TaskError::from)?,
        some => some,
    };
    match checking {
        Some(value) if !truth(&value) => target.host_key_checking = Some(HostKeyPolicy::Off),
        Some(_) if target.host_key_checking.is_none() => target.host_key_checking = Some(HostKeyPolicy::Strict),
        _ => {}
    }
    if options.host_keys.is_some() {
        target.host_key_checking = options.host_keys;
        target.jump_host_key_checking = options.host_keys;
    }
    let timeout = match get(&["ansible_ssh_timeout", "ansible_timeout"])? {
        Some(text) => Duration::from_secs(
            text.parse()
                .map_err(|_| TaskError::new(format!("ansible_ssh_timeout: `{text}` is no number of seconds")))?,
        ),
        None => options.connect_timeout,
    };
    let mut keys: Vec<PathBuf> = options.private_key.iter().cloned().collect();
    keys.extend(get(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?.map(PathBuf::from));
    keys.append(&mut target.private_key_files);
    target.private_key_files = keys;
    target.address = get(&["ansible_host", "ansible_ssh_host"])?;
    target.port = port.or(target.port);
    // As with Ansible `-u` is for hosts of which nothing is said.
    target.user = get(&["ansible_user", "ansible_ssh_user"])?.or_else(|| options.user.clone()).or(target.user);
    let password = get(&["ansible_password", "ansible_ssh_password", "ansible_ssh_pass"])?.map(Secret::new);
    target.password = password.or_else(|| options.password.clone());
    target.connect_timeout = timeout;
    if let Some(shell) = get(&["ansible_shell_executable"])? {
        target.shell = shell;
    }
    Ok(target)
}

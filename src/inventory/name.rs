//! Names of hosts, groups and users that may be used: what OpenSSH's client refuses is refused where it is given.
//!
//! Source: `valid_hostname` and `valid_ruser` in OpenSSH's `ssh.c`.

use std::fmt;

/// Why a name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    name: String,
    why: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What cannot be shown as it is is escaped.
        write!(f, "`{}` cannot be used: {}", self.name.escape_debug(), self.why)
    }
}

const SHELL: &str = "it has a character that means something to a shell";
const DASH: &str = "it begins with a dash";
const CONTROL: &str = "it has a control character";
const EMPTY: &str = "it is empty";
const FOLDERS: &str = "it is a path";

fn check(name: &str, faults: &[(bool, &'static str)]) -> Result<(), Fault> {
    match faults.iter().find(|(holds, _)| *holds) {
        Some((_, why)) => Err(Fault { name: name.to_owned(), why }),
        None => Ok(()),
    }
}

fn has(name: &str, signs: &str) -> bool {
    name.contains(|c| signs.contains(c))
}

fn controls(name: &str) -> bool {
    name.contains(char::is_control)
}

/// An address or name that is connected to.
///
/// # Errors
/// Says what is wrong with it.
pub fn address(name: &str) -> Result<(), Fault> {
    check(
        name,
        &[
            (name.is_empty(), EMPTY),
            (name.starts_with('-'), DASH),
            (controls(name), CONTROL),
            (name.contains(char::is_whitespace), "it has a blank in it"),
            (has(name, "'`\"$\\;&<>|(){},"), SHELL),
        ],
    )
}

/// A user that is logged in as.
///
/// # Errors
/// Says what is wrong with it.
pub fn login(name: &str) -> Result<(), Fault> {
    let mut before = ' ';
    let dash_after_blank = name.chars().any(|c| std::mem::replace(&mut before, c).is_whitespace() && c == '-');
    check(
        name,
        &[
            (name.is_empty(), EMPTY),
            (dash_after_blank, DASH),
            (controls(name), CONTROL),
            (has(name, "'`\";&<>|(){}") || name.ends_with('\\'), SHELL),
        ],
    )
}

/// The name of a host as it stands in an inventory: that of its files of variables, and its address where there is no other.
///
/// # Errors
/// Says what is wrong with it.
pub fn host(name: &str) -> Result<(), Fault> {
    check(
        name,
        &[
            (name.trim().is_empty(), EMPTY),
            (name.starts_with('-'), DASH),
            (controls(name), CONTROL),
            (name.contains('/') || name.trim_matches('.').is_empty(), FOLDERS),
            (has(name, "'`\"$\\;&<>|(){}"), SHELL),
        ],
    )
}

/// The name of a group: that of its files of variables too.
///
/// # Errors
/// Says what is wrong with it.
pub fn group(name: &str) -> Result<(), Fault> {
    check(
        name,
        &[
            (name.trim().is_empty(), EMPTY),
            (controls(name), CONTROL),
            (name.contains('/') || name.trim_matches('.').is_empty(), FOLDERS),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssh_refuses_is_refused() {
        for name in
            ["web-1.example.org", "web_1", "10.0.0.1", "fe80::1%eth0", "[::1]", "bücher.example", "a@b", "~x", "a=b"]
        {
            assert!(address(name).is_ok() && host(name).is_ok(), "{name}");
        }
        for name in
            ["", "-oProxyCommand=x", "a\nb", "a b", "a$(id)", "`id`", "a;b", "a|b", "a'b", "a\\b", "{a}", "\u{1b}[2J"]
        {
            assert!(address(name).is_err(), "{name:?}");
            assert!(host(name).is_err() || name == "a b", "{name:?}");
        }
        for name in ["../../etc/passwd", "/x", "a/b", ".", ".."] {
            assert!(host(name).is_err() && group(name).is_err(), "{name}");
        }
        for name in ["alice", "DOMAIN\\alice", "alice@example.org", "a b", "svc$"] {
            assert!(login(name).is_ok(), "{name}");
        }
        for name in ["", "-l", "a -b", "a\nb", "a;b", "a\\", "a|b", "a`b`"] {
            assert!(login(name).is_err(), "{name:?}");
        }
    }
}

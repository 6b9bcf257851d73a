//! Users and groups: many names, one script.

use crate::sh::{self, words};

/// A line of the user database, with the groups the user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Name of the primary group.
    pub group: String,
    /// Names of all other groups.
    pub groups: Vec<String>,
    /// Comment (GECOS).
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// The password's hash; empty where it may not be read.
    pub password_hash: String,
    /// The account's expiry in days since 1970; empty for never.
    pub expires: String,
}

/// A line of the group database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEntry {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Names of its members (those that have it as primary group are not listed).
    pub members: Vec<String>,
}

/// Shell functions that read the databases.
fn lookup() -> &'static str {
    sh::file!("account/lookup.sh")
}

/// Prints a line of passwd for each user, then one of shadow for each, then all groups of each with the primary one
/// first; empty where unknown.
pub(super) fn user_script(names: &[&str]) -> String {
    // A number is answered by a line that goes by another name, so numbers are looked up one by one.
    let numbers = names.iter().any(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let together = if numbers { "" } else { "1" };
    format!("{}b={together}\nset -- {}\n{}", lookup(), words(names), sh::file!("account/users.sh"))
}

/// Parses what [`user_script`] printed.
pub(super) fn parse_users(users: usize, stdout: &[u8]) -> Option<Vec<Option<UserEntry>>> {
    let text = String::from_utf8_lossy(stdout);
    let lines: Vec<_> = text.split('\n').collect();
    if lines.len() != users * 3 + 1 {
        return None;
    }
    let (passwd, rest) = lines.split_at(users);
    let (shadow, groups) = rest.split_at(users);
    passwd.iter().zip(shadow).zip(groups).map(|((passwd, shadow), groups)| parse_user(passwd, shadow, groups)).collect()
}

#[allow(clippy::option_option)] // the outer one says "not understood", the inner one "no such user"
fn parse_user(passwd: &str, shadow: &str, groups: &str) -> Option<Option<UserEntry>> {
    if passwd.is_empty() {
        return Some(None);
    }
    let fields: Vec<_> = passwd.split(':').collect();
    let [name, _, uid, gid, comment, home, shell] = fields[..] else { return None };
    let shadow: Vec<_> = shadow.split(':').collect();
    let (group, groups) = groups.split_once(' ').unwrap_or((groups, ""));
    Some(Some(UserEntry {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        group: group.to_owned(),
        groups: groups.split(' ').filter(|g| !g.is_empty() && *g != group).map(str::to_owned).collect(),
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
        password_hash: shadow.get(1).copied().unwrap_or_default().to_owned(),
        expires: shadow.get(7).copied().unwrap_or_default().to_owned(),
    }))
}

/// Prints a line for each group, empty where unknown.
pub(super) fn group_script(names: &[&str]) -> String {
    format!("{}set -- {}\n{}", lookup(), words(names), sh::file!("account/groups.sh"))
}

/// Parses what [`group_script`] printed.
pub(super) fn parse_groups(groups: usize, stdout: &[u8]) -> Option<Vec<Option<GroupEntry>>> {
    let text = String::from_utf8_lossy(stdout);
    let lines: Vec<_> = text.lines().collect();
    if lines.len() != groups {
        return None;
    }
    lines.into_iter().map(parse_group).collect()
}

#[allow(clippy::option_option)] // the outer one says "not understood", the inner one "no such group"
fn parse_group(line: &str) -> Option<Option<GroupEntry>> {
    if line.is_empty() {
        return Some(None);
    }
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, gid, members] = fields[..] else { return None };
    Some(Some(GroupEntry {
        name: name.to_owned(),
        gid: gid.parse().ok()?,
        members: members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn output(shell: &[&str], script: &str) -> Vec<u8> {
        let output = Command::new(shell[0]).args(&shell[1..]).args(["-c", script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn shells() -> Vec<Vec<&'static str>> {
        let all = [&["dash"][..], &["bash"], &["busybox", "sh"]];
        all.into_iter()
            .filter(|s| Command::new(s[0]).args(&s[1..]).args(["-c", ":"]).output().is_ok())
            .map(<[_]>::to_vec)
            .collect()
    }

    #[test]
    fn users_are_the_same_asked_together_and_one_by_one() {
        for shell in shells() {
            // Together; with one that is missing; by number.
            for names in [&["root", "daemon", "bin"][..], &["root", "no-such-user", "bin"], &["0", "daemon", "2"]] {
                let users = parse_users(3, &output(&shell, &user_script(names))).unwrap();
                for (user, name) in users.iter().zip(["root", "daemon", "bin"]) {
                    let Some(user) = user else {
                        assert_eq!(names[1], "no-such-user", "{name} is not found");
                        continue;
                    };
                    assert_eq!((user.name.as_str(), user.group.as_str()), (name, name), "{names:?}");
                    assert!(user.home.starts_with('/') && !user.groups.contains(&user.group));
                }
                assert_eq!(users.iter().flatten().count(), if names[1] == "no-such-user" { 2 } else { 3 });
            }
        }
    }

    #[test]
    fn groups_are_found_by_name_and_by_number() {
        for shell in shells() {
            for names in [&["root", "bin"][..], &["0", "bin"], &["no-such-group", "bin"]] {
                let groups = parse_groups(2, &output(&shell, &group_script(names))).unwrap();
                assert_eq!(groups[0].as_ref().map(|g| g.gid), (names[0] != "no-such-group").then_some(0));
                assert_eq!(groups[1].as_ref().map(|g| g.name.as_str()), Some("bin"));
            }
        }
    }

    #[test]
    fn the_primary_group_comes_first() {
        let user = parse_user("a:x:1:2:c:/h:/s", "a:!:1:2:3:4::99:", "main wheel audio").unwrap().unwrap();
        assert_eq!((user.group.as_str(), user.groups.join(",").as_str()), ("main", "wheel,audio"));
        assert_eq!((user.password_hash.as_str(), user.expires.as_str()), ("!", "99"));
    }
}

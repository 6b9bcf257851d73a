//! Users and groups: many names, one script.

use crate::module::quote;

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

/// Shell functions that read the databases by `getent`, or from the files where there is none.
const LOOKUP: &str = r#"export LC_ALL=C
look() { # DATABASE NAME
    if command -v getent >/dev/null; then getent "$1" "$2"; else
        while IFS= read -r l; do case $l in "$2":*) printf '%s\n' "$l"; return 0 ;; *:*:"$2":*) [ "$1" = shadow ] || { printf '%s\n' "$l"; return 0; } ;; esac; done <"/etc/$1"; return 2
    fi
}
"#;

/// Prints for each user four lines: passwd, shadow, primary group's name, all groups' names; empty where unknown.
pub(super) fn user_script(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|n| quote(n).into_owned()).collect();
    format!(
        "{LOOKUP}for u in {}; do if l=$(look passwd \"$u\"); then n=${{l%%:*}}; printf '%s\\n' \"$l\"; \
         printf '%s\\n' \"$(look shadow \"$n\" 2>/dev/null)\"; id -gn \"$n\" 2>/dev/null || echo; id -Gn \"$n\" 2>/dev/null || echo; \
         else printf '\\n\\n\\n\\n'; fi; done\n",
        names.join(" ")
    )
}

/// Parses what [`user_script`] printed.
pub(super) fn parse_users(users: usize, stdout: &[u8]) -> Option<Vec<Option<UserEntry>>> {
    let text = String::from_utf8_lossy(stdout);
    let lines: Vec<_> = text.split('\n').collect();
    if lines.len() != users * 4 + 1 {
        return None;
    }
    lines[..users * 4].chunks(4).map(parse_user).collect()
}

#[allow(clippy::option_option)] // the outer one says "not understood", the inner one "no such user"
fn parse_user(lines: &[&str]) -> Option<Option<UserEntry>> {
    let [passwd, shadow, group, groups] = lines else { return None };
    if passwd.is_empty() {
        return Some(None);
    }
    let fields: Vec<_> = passwd.split(':').collect();
    let [name, _, uid, gid, comment, home, shell] = fields[..] else { return None };
    let shadow: Vec<_> = shadow.split(':').collect();
    Some(Some(UserEntry {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        group: (*group).to_owned(),
        groups: groups.split(' ').filter(|g| !g.is_empty() && g != group).map(str::to_owned).collect(),
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
        password_hash: shadow.get(1).copied().unwrap_or_default().to_owned(),
        expires: shadow.get(7).copied().unwrap_or_default().to_owned(),
    }))
}

/// Prints a line for each group, empty where unknown.
pub(super) fn group_script(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|n| quote(n).into_owned()).collect();
    format!("{LOOKUP}for g in {}; do look group \"$g\" || echo; done\n", names.join(" "))
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

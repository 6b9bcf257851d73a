//! Paths on the host: made absolute, taken apart, links followed.

use super::{Context, Failure, PlanError};
use crate::fact::{FileKind, FileStat, Missing, Probe, State};

/// How many links in a row are followed before a loop is assumed, as Linux has it.
const LINKS: usize = 40;

/// Makes a written path absolute: `~`, `~user` and a relative path begin at a home directory, which is asked for.
///
/// `$HOME` and `$USER` are expanded as Ansible does with paths. The result has no doubled or trailing slash.
///
/// # Errors
/// [`Missing`] until the home directory is known.
pub fn absolute(context: &Context<'_>, state: &State, written: &str) -> Result<String, Missing> {
    let own_home = || home(state, context.user);
    let mut path = written.to_owned();
    for (variable, user) in [("$HOME", false), ("${HOME}", false), ("$USER", true), ("${USER}", true)] {
        if path.contains(variable) {
            let value = if user { context.user.to_owned() } else { own_home()? };
            path = path.replace(variable, &value);
        }
    }
    if let Some(rest) = path.strip_prefix('~') {
        let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let home = if user.is_empty() { own_home()? } else { home(state, user)? };
        path = format!("{home}/{rest}");
    } else if !path.starts_with('/') {
        let folder = context.folder.map_or_else(own_home, |folder| Ok(folder.to_owned()))?;
        path = format!("{folder}/{path}");
    }
    Ok(clean(&path))
}

fn home(state: &State, user: &str) -> Result<String, Missing> {
    match state.user(user)? {
        Some(entry) => Ok(entry.home.clone()),
        None => Err(Missing::Failed(format!("there is no user `{user}` on the host, so no home directory"))),
    }
}

/// Drops doubled slashes, `.` parts and the trailing slash.
pub fn clean(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() { "/".to_owned() } else { clean }
}

/// The directory a path stands in.
pub fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((parent, _)) => parent,
    }
}

/// The last part of a path.
pub fn name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Puts a name below a directory; an absolute name stays as it is.
pub fn join(directory: &str, name: &str) -> String {
    if name.starts_with('/') { clean(name) } else { clean(&format!("{directory}/{name}")) }
}

/// What must be known of the directories above a path before those that are missing can be made: a link that leads
/// nowhere stands in the way of one.
pub fn above(path: &str) -> Vec<Probe> {
    parents(path).flat_map(|p| [true, false].map(|follow| Probe::Stat { path: p.to_owned(), follow })).collect()
}

/// All directories above a path, the nearest first, without `/`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(path)), |p| Some(parent(p))).take_while(|p| *p != "/")
}

/// Whether a path is a directory's, or stands somewhere below it.
pub fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The probe for what stands at the path itself.
pub fn stat(path: &str) -> Probe {
    Probe::Stat { path: path.to_owned(), follow: false }
}

/// Where a path leads when links are followed, and what is there.
///
/// # Errors
/// [`Missing`] until each link on the way is known.
pub fn follow<'s>(state: &'s State, path: &str) -> Result<(String, Option<&'s FileStat>), Missing> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match state.stat(&path, false)? {
            Some(stat) if stat.kind == FileKind::Link => path = resolve(&path, &stat.target),
            stat => return Ok((path, stat)),
        }
    }
    Err(Missing::Failed(format!("`{path}` is a link that leads back to itself")))
}

/// As [`follow`], for who is about to write there: a link of another user's is followed to what is that user's only.
///
/// Linux does the same in directories like `/tmp` (`fs.protected_symlinks`). Otherwise who owns a home could have root write
/// anywhere.
///
/// # Errors
/// As [`follow`], or where the link is not to be trusted.
pub fn follow_to_write<'s>(
    context: &Context<'_>,
    state: &'s State,
    path: &str,
) -> Result<(String, Option<&'s FileStat>), PlanError> {
    let (end, stat) = follow(state, path)?;
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Some(link) = state.stat(&at, false)?.filter(|s| s.kind == FileKind::Link) else { break };
        if !trusts(context, state, link) {
            let owner = match stat {
                Some(stat) => Some(stat.uid),
                None => state.stat(parent(&end), true)?.map(|stat| stat.uid),
            };
            if owner != Some(link.uid) {
                return Err(untrusted(&at, link, &end, stat).into());
            }
        }
        at = resolve(&at, &link.target);
    }
    Ok((end, stat))
}

/// Whether a link was made by root or by the user who acts.
pub fn trusts(context: &Context<'_>, state: &State, link: &FileStat) -> bool {
    link.uid == 0 || state.user(context.user).ok().flatten().is_some_and(|own| own.uid == link.uid)
}

/// Why a link is not followed.
pub fn untrusted(link: &str, stat: &FileStat, end: &str, there: Option<&FileStat>) -> Failure {
    let of = there.map_or_else(|| "is not that user's".to_owned(), |there| format!("belongs to {}", there.owner));
    Failure::new(format!(
        "the link `{link}` belongs to {} and leads to `{end}`, which {of}: it is not followed",
        stat.owner
    ))
    .help(format!("name `{end}` itself if that is meant, or give the link to root: `chown -h root {link}`"))
}

/// Where a link at `path` with this target points.
pub fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let joined = join(parent(path), target);
    // `..` is taken textually: right unless a directory before it is a link too.
    for part in joined.split('/').filter(|p| !p.is_empty()) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The real path of what stands at `path`, where its directory is reached through a link.
pub fn real(path: &str, stat: &FileStat) -> Option<String> {
    let real = join(&stat.real_parent, name(path));
    (!stat.real_parent.is_empty() && real != path).then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(clean("//a/./b//c/"), "/a/b/c");
        assert_eq!(clean("/"), "/");
        assert_eq!((parent("/a/b"), parent("/a"), name("/a/b/")), ("/a", "/", "b"));
        assert_eq!(join("/a", "b/c"), "/a/b/c");
        assert_eq!(join("/a", "/b"), "/b");
        assert_eq!(parents("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert_eq!(resolve("/etc/x/link", "../y"), "/etc/y");
    }

    #[test]
    fn a_circle_of_links_ends() {
        let mut link = FileStat::new(FileKind::Link, 0o777, "root", "root");
        link.target = "a".into();
        let state = State::of([(stat("/d/a"), crate::fact::Answer::Stat(Some(link)))]);
        assert!(matches!(follow(&state, "/d/a"), Err(Missing::Failed(why)) if why.contains("leads back")));
    }
}

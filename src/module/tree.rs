//! Whole directory trees of the host, listed by one script.

use crate::{
    fact::{Answer, FileStat, Missing, Probe, Resource, ScriptAnswer, State, parse_stat_line},
    sh::quote,
};

/// A path below the top and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The absolute path.
    pub path: String,
    /// What stands there.
    pub stat: FileStat,
}

/// The question for all that stands below `top`. `follow` looks through links, as `find -L` does.
///
/// No path holds a doubled slash, so a line that begins with one begins an entry, whatever names hold. A link that leads nowhere is
/// told as a link. What could not be looked at is complained of on standard error.
pub fn probe(top: &str, follow: bool) -> Probe {
    let format = crate::fact::STAT_FORMAT;
    let what = match follow {
        false => format!("find \"$t\" -mindepth 1 -exec stat -c '// {format} %n' {{}} +"),
        // With `-L` only what leads nowhere is still a link.
        true => format!(
            "find -L \"$t\" -mindepth 1 ! -type l -exec stat -L -c '// {format} %n' {{}} +\n\
             find -L \"$t\" -mindepth 1 -type l -exec stat -c '// {format} %n' {{}} +"
        ),
    };
    let script = format!(
        "export LC_ALL=C\n[ -d {} ] || exit 0\ncd /; t={}/.\n{what}\n:\n",
        quote(top),
        quote(if top == "/" { "" } else { top }),
    );
    Probe::Script { script, reads: vec![Resource::Tree(top.to_owned())] }
}

/// The answer to [`probe`], sorted by path.
///
/// # Errors
/// [`Missing`] until it is known, when it is not understood, and when it is not all.
pub fn entries(state: &State, top: &str, follow: bool) -> Result<Vec<Entry>, Missing> {
    let (entries, unseen) = what_is_seen(state, top, follow)?;
    match unseen.first() {
        None => Ok(entries),
        Some(why) => Err(Missing::Failed(format!("not all below `{top}` can be seen: {why}"))),
    }
}

/// What of the answer to [`probe`] could be had, sorted by path, and what was said of the rest.
///
/// # Errors
/// [`Missing`] until it is known, when it is not understood, and when a name is no text.
pub fn what_is_seen(state: &State, top: &str, follow: bool) -> Result<(Vec<Entry>, Vec<String>), Missing> {
    let answer = state.script(&probe(top, follow))?;
    let untold = |name: &str| {
        let name = name.escape_debug();
        Missing::Failed(format!("a name below `{top}` is no UTF-8 text and cannot be told: {name}"))
    };
    let text = match std::str::from_utf8(&answer.stdout) {
        Ok(text) => text,
        Err(error) => {
            let all = String::from_utf8_lossy(&answer.stdout);
            let at = error.valid_up_to();
            let name = all.get(at..).unwrap_or_default().split("\n// ").next().unwrap_or_default();
            let start = all.get(..at).and_then(|t| t.rfind(" /")).and_then(|s| all.get(s + 1..at)).unwrap_or_default();
            return Err(untold(&format!("{start}{}", name.trim_end())));
        }
    };
    let mut entries = Vec::new();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let records = text.strip_prefix("// ").into_iter().flat_map(|t| t.split("\n// "));
    for record in records {
        entries
            .push(parse(record).ok_or_else(|| Missing::Failed(format!("the listing of `{top}` was not understood")))?);
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let stderr = String::from_utf8_lossy(&answer.stderr);
    // What went away while it was listed is not there.
    let gone = |line: &&str| !line.trim().is_empty() && !line.ends_with(": No such file or directory");
    let mut unseen: Vec<String> = stderr.lines().filter(gone).map(str::to_owned).collect();
    unseen.dedup();
    Ok((entries, unseen))
}

/// The answer to [`probe`] when these entries are there.
pub fn answer(entries: &[Entry]) -> Answer {
    let lines = entries.iter().map(|e| format!("// {} {}\n", stat_line(&e.stat), e.path));
    Answer::Script(ScriptAnswer { stdout: lines.collect::<String>().into_bytes(), ..ScriptAnswer::default() })
}

/// Writes a stat in [`crate::fact::STAT_FORMAT`].
fn stat_line(s: &FileStat) -> String {
    let stamps = if s.stamps.is_empty() { "|" } else { &s.stamps };
    format!(
        "{:x} {} {} {} {} {} {} {} {} {} {stamps}|{}|{}|{}",
        s.raw_mode,
        s.uid,
        s.gid,
        s.size,
        s.mtime,
        s.ctime,
        s.atime,
        s.inode,
        s.device,
        s.links,
        s.owner,
        s.group,
        s.accessed
    )
}

fn parse(record: &str) -> Option<Entry> {
    // The name comes behind all fields, and is absolute.
    let at = record.find(" /")?;
    let stat = parse_stat_line(&record[..at])?;
    Some(Entry { path: record[at + 1..].replacen("/./", "/", 1), stat })
}

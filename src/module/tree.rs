//! Whole directory trees of the host, listed by one script.

use super::quote;
use crate::fact::{Answer, FileStat, Missing, Probe, Resource, ScriptAnswer, State, parse_stat_line};

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
/// No path holds a doubled slash, so a line that begins with one begins an entry, whatever names hold.
pub fn probe(top: &str, follow: bool) -> Probe {
    let (find, stat) = if follow { ("find -L", "stat -L") } else { ("find", "stat") };
    let script = format!(
        "export LC_ALL=C\n[ -d {0}/. ] || exit 0\n{find} {0}/. -mindepth 1 -exec {stat} -c '// {1} %n' {{}} + 2>/dev/null\n:\n",
        quote(if top == "/" { "" } else { top }),
        crate::fact::STAT_FORMAT
    );
    Probe::Script { script, reads: vec![Resource::Path(top.to_owned())] }
}

/// The answer to [`probe`], sorted by path.
///
/// # Errors
/// [`Missing`] until it is known, or when it is not understood.
pub fn entries(state: &State, top: &str, follow: bool) -> Result<Vec<Entry>, Missing> {
    let answer = state.script(&probe(top, follow))?;
    let text = answer.text();
    let mut entries = Vec::new();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let records = text.strip_prefix("// ").into_iter().flat_map(|t| t.split("\n// "));
    for record in records {
        entries
            .push(parse(record).ok_or_else(|| Missing::Failed(format!("the listing of `{top}` was not understood")))?);
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
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
        "{:x} {} {} {} {} {} {} {} {} {} {stamps}|{}|{}",
        s.raw_mode, s.uid, s.gid, s.size, s.mtime, s.ctime, s.atime, s.inode, s.device, s.links, s.owner, s.group
    )
}

fn parse(record: &str) -> Option<Entry> {
    // The name comes behind all fields, and is absolute.
    let at = record.find(" /")?;
    let stat = parse_stat_line(&record[..at])?;
    Some(Entry { path: record[at + 1..].replacen("/./", "/", 1), stat })
}

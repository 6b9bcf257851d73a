//! The bytes of files, one line of base64 each.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::stat::existing;

/// Prints `1` or `0` for each path, then one line of base64 for each `1`.
pub(super) fn script(paths: &[&str]) -> String {
    format!(
        "{}\nfor p; do base64 -w0 <\"$p\" 2>/dev/null || base64 <\"$p\" | tr -d '\\n'; echo; done\n",
        existing("[ -f \"$p\" ] && [ -r \"$p\" ]", paths)
    )
}

/// Parses what [`script`] printed, one entry per path.
pub(super) fn parse(paths: usize, stdout: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let text = std::str::from_utf8(stdout).ok()?;
    let mut lines = text.split('\n');
    let flags = lines.next()?;
    let mut found = Vec::with_capacity(paths);
    for flag in flags.chars() {
        found.push(match flag {
            '1' => Some(STANDARD.decode(lines.next()?.trim()).ok()?),
            _ => None,
        });
    }
    (found.len() == paths).then_some(found)
}

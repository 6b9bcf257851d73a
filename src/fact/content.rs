//! The bytes of files, one line of base64 each.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::stat::{Found, existing, found};

/// Prints a flag for each path, then one line of base64 for each `1`: a regular file that can be read.
pub(super) fn script(paths: &[&str]) -> String {
    format!(
        "{}for p; do base64 -w0 <\"$p\" 2>/dev/null || {{ printf '!'; {{ base64 <\"$p\" || echo '!'; }} | tr -d '\\n'; }}; echo; done\n",
        existing("[ -f \"$p\" ] && [ -r \"$p\" ]", paths)
    )
}

/// Parses what [`script`] printed, one entry per path.
pub(super) fn parse(paths: &[&str], stdout: &[u8], stderr: &[u8]) -> Option<Vec<Found<Vec<u8>>>> {
    let text = std::str::from_utf8(stdout).ok()?;
    let mut lines = text.split('\n');
    let flags = lines.next()?;
    found(paths, flags, stderr, |path| {
        // What stands before a `!` is another try's: this `base64` knows no `-w`, or the file could not be read to its end.
        let line = lines.next()?.trim();
        let line = line.split_once('!').map_or(line, |(_, again)| again);
        match line.ends_with('!') {
            true => Some(Found::Unknown(format!("`{path}` cannot be read to its end"))),
            false => Some(Found::There(STANDARD.decode(line).ok()?)),
        }
    })
}

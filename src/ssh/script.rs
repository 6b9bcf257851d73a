//! The few lines of shell that live on the other side, and how they get there unharmed.
//!
//! They must run in dash, bash and busybox sh, and reach those through any login shell (fish, csh).

use super::limit::MOST_OUTPUT;
use crate::sh::{self, quote, quote_bytes};
use std::fmt::Write as _;

/// Makes an exec request that runs `script` in `shell`, whatever login shell reads the request first.
///
/// Single quotes mean the same to sh, fish and csh as long as there is no quote, backslash, `!` or line end between
/// them. So everything but harmless characters travels as octal escapes that only the inner shell undoes.
pub(crate) fn exec_request(shell: &str, script: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " _-./:=,;+@".contains(c);
    let shell_word = quote(shell);
    if script.is_empty() {
        return format!("exec {shell_word}");
    }
    if script.chars().all(harmless) {
        return format!("exec {shell_word} -c '{script}'");
    }
    let mut escaped = String::with_capacity(script.len() * 2);
    for byte in script.bytes() {
        if harmless(char::from(byte)) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "\\{byte:03o}"); // writing to a String cannot fail
        }
    }
    format!("exec {shell_word} -c 'eval \"$(printf \"{escaped}\")\"'")
}

/// What a new shell is told first (`frame.sh`), with the token that marks its answers and the name of its scratch folder.
///
/// `orphans` are folders of shells that ended without removing theirs.
pub(crate) fn bootstrap(token: &str, scratch: &str, orphans: &[String], becomes: bool) -> String {
    let frame = sh::file!("frame.sh");
    let mut text = String::with_capacity(frame.len() + 256);
    if becomes {
        // Set for the become program alone, so that its messages are English.
        text.push_str("unset LC_ALL\n");
    }
    for orphan in orphans {
        let _ = writeln!(text, "rm -rf {}", quote(orphan)); // writing to a String cannot fail
    }
    let (token, scratch) = (quote(token), quote(scratch));
    let _ = writeln!(text, "__bt={token} __bu={scratch} __bl={MOST_OUTPUT} __by={LITTLE_MEMORY}");
    text.push_str(frame);
    text
}

/// Kibibytes of memory below which output in a folder that lives in memory is watched: the limit of an output is a sixteenth.
const LITTLE_MEMORY: usize = 16 * (MOST_OUTPUT >> 10);

/// Wraps a script so that it ends after some seconds, where the host has a `timeout` command.
///
/// The script goes into a file because one argument may not be longer than 128 KiB.
pub(crate) fn with_time_limit(script: &[u8], seconds: u64, file: &str, shell: &str) -> Vec<u8> {
    let quoted = quote_bytes(script);
    let shell = quote(shell);
    let mut wrapped = Vec::with_capacity(quoted.len() + 200);
    wrapped.extend_from_slice(b"__bs=");
    wrapped.extend_from_slice(&quoted);
    wrapped.extend_from_slice(
        format!(
            "\nif command -v timeout >/dev/null 2>&1; then printf '__bd=%s\\n%s' \"$__bd\" \"$__bs\" >\"$__bd/{file}\" && \
             exec timeout -k 5 {seconds} {shell} \"$__bd/{file}\"\nelse eval \"$__bs\"\nfi"
        )
        .as_bytes(),
    );
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_requests_hold_nothing_a_login_shell_could_misread() {
        let cases = [
            ("", "exec /bin/sh"),
            ("exec sudo -S -u bob -- /bin/sh", "exec /bin/sh -c 'exec sudo -S -u bob -- /bin/sh'"),
            ("echo \"$x\" 'a!'", r#"exec /bin/sh -c 'eval "$(printf "echo \042\044x\042 \047a\041\047")"'"#),
            ("a\nb\\", r#"exec /bin/sh -c 'eval "$(printf "a\012b\134")"'"#),
        ];
        for (script, request) in cases {
            assert_eq!(exec_request("/bin/sh", script), request);
        }
        assert_eq!(exec_request("/opt/a b/sh", ""), "exec '/opt/a b/sh'");
    }

    #[test]
    fn the_bootstrap_begins_with_what_it_is_told() {
        let text = bootstrap("tok", "scr", &["/run/old one".into()], true);
        assert!(text.starts_with("unset LC_ALL\nrm -rf '/run/old one'\n__bt=tok __bu=scr __bl="), "{text}");
        assert!(text.ends_with("echo \"$__bt hello $__bd\"\n"));
        // It goes to each shell of each host: explanations stay here.
        assert!(text.len() < 3_500 && !text.contains("#  "), "{}", text.len());
    }
}

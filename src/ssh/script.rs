//! The few lines of shell that live on the other side, and how they get there unharmed.
//!
//! They must run in dash, bash and busybox sh, and reach those through any login shell (fish, csh).

use super::limit::MOST_OUTPUT;
use std::fmt::Write as _;

/// Quotes bytes as one word of a POSIX shell.
pub(crate) fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Quotes a text as one word of a POSIX shell.
pub(crate) fn quote_str(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Makes an exec request that runs `script` in `shell`, whatever login shell reads the request first.
///
/// Single quotes mean the same to sh, fish and csh as long as there is no quote, backslash, `!` or line end between
/// them. So everything but harmless characters travels as octal escapes that only the inner shell undoes.
pub(crate) fn exec_request(shell: &str, script: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " _-./:=,;+@".contains(c);
    let shell_word =
        if shell.chars().all(|c| harmless(c) && c != ' ' && c != ';') { shell.to_owned() } else { quote_str(shell) };
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

/// Names the functions a new shell gets, with the token that marks its answers and the name of its scratch folder.
///
/// The shell stays where it starts, in the login user's home, unless its own user may not go there: then it goes to his.
///
/// - `__b ID STOP SCRIPT` runs one segment in a subshell and answers `TOKEN ID STATUS OUT ERR`, a line end, the bytes of
///   both streams and `TOKEN end`. The streams go to files of their own, so that a process left in the background can
///   neither hold the answer back nor write into a later one. Nothing is forked for a segment without output.
/// - `__q ID SCRIPT` runs one segment the same way and keeps its answer; `__bg` gives all that were kept as one: `TOKEN
///   kept`, then ID STATUS OUT ERR of each, a line end, all bytes and `TOKEN end`.
/// - `__bf` ends a frame: it gives what was kept, answers `TOKEN done`, forgets a stop and, once they are many, removes the
///   files. `__bz` counts files and kilobytes since then: a process for each frame would cost more than they do. What they held
///   is gone as soon as it was given.
/// - `__bm` looks whether there is room for one more page in the folder, at the end of a file that is there: making one is slow.
///   Where there is none, what was printed may have been cut without a word, so the answer says `full` instead of giving it. An
///   output beyond the limit is named by its size, `x123`, and not given. Either ends the frame where a failure would, for it
///   is one. Both looks cost no process.
/// - Where the machine has little memory, which such a folder mostly takes from, a loop beside the shell empties a file of output
///   that grows beyond a sixteenth of it, and marks its segment (`x`): that is answered as `full`. It costs two processes a
///   second there, and none elsewhere.
///
/// The folder lies where nobody else can put another one in its place: in one of ours, or in one where only owners rename
/// (the sticky bit).
pub(crate) fn bootstrap(token: &str, scratch: &str, orphans: &[String], becomes: bool) -> String {
    let mut text = String::with_capacity(2048);
    if becomes {
        // Set for the become program alone, so that its messages are English.
        text.push_str("unset LC_ALL\n");
    }
    for orphan in orphans {
        let _ = writeln!(text, "rm -rf {}", quote_str(orphan)); // writing to a String cannot fail
    }
    text.push_str(
        &BOOTSTRAP
            .replace("@TOKEN@", token)
            .replace("@SCRATCH@", scratch)
            .replace("@MOST@", &MOST_OUTPUT.to_string())
            .replace("@LITTLE@", &LITTLE_MEMORY.to_string()),
    );
    text
}

/// Kibibytes of memory below which output in a folder that lives in memory is watched: the limit of an output is a sixteenth.
const LITTLE_MEMORY: usize = 16 * (MOST_OUTPUT >> 10);

const BOOTSTRAP: &str = r#"for __bp in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
case ":$PATH:" in *":$__bp:"*) ;; *) PATH=$PATH:$__bp ;; esac
done
export PATH
{ [ -r . ] && [ -x . ] && cd "${PWD:-/.}"; } 2>/dev/null || { [ -r "${HOME:-/}" ] && cd "${HOME:-/}"; } 2>/dev/null || cd /
__bd=
__bx=
__bz=0
for __bp in /run "${XDG_RUNTIME_DIR-}" /dev/shm "${TMPDIR-}" /tmp /var/tmp "${HOME-}"; do
case $__bp in ''|*[!A-Za-z0-9/._-]*) continue ;; esac
[ -d "$__bp" ] && [ -w "$__bp" ] || continue
[ -O "$__bp" ] || [ -k "$__bp" ] || continue
mkdir -m 700 "$__bp/@SCRATCH@" 2>/dev/null || continue
(echo room >"$__bp/@SCRATCH@/room") 2>/dev/null
if [ -s "$__bp/@SCRATCH@/room" ]; then __bd=$__bp/@SCRATCH@; break; fi
rm -rf "$__bp/@SCRATCH@"
done
if [ -z "$__bd" ]; then printf '@TOKEN@ noscratch\n'; exit 1; fi
__bw=
trap 'rm -rf "$__bd"; [ -z "$__bw" ] || kill "$__bw"' EXIT
trap 'exit 129' HUP INT TERM PIPE
__bg() {
[ -z "$__bk" ] || __ba $__bk
}
__bm() {
{ printf %4096s x >>"$__bd/room"; } 2>/dev/null
}
__b() {
[ -z "$__bx" ] || return 0
__bg
( __bs=$3; shift 3; eval "$__bs" ) </dev/null >>"$__bd/$1o" 2>>"$__bd/$1e"
__br=$?
if [ ! -f "$__bd/$1e" ]; then
printf '@TOKEN@ %s noscratch\n' "$1"
__bx=1
return 0
fi
__bz=$((__bz + 1))
if [ -s "$__bd/$1o" ] || [ -s "$__bd/$1e" ]; then
set -- "$1" "$2" $(wc -c "$__bd/$1o" "$__bd/$1e")
else
set -- "$1" "$2" 0 - 0
fi
if [ -e "$__bd/$1x" ] || ! __bm; then
printf '@TOKEN@ %s %s full full\n' "$1" "$__br"
__br=full
__bz=999
elif [ "$3" -gt @MOST@ ] || [ "$5" -gt @MOST@ ]; then
printf '@TOKEN@ %s %s x%s x%s\n' "$1" "$__br" "$3" "$5"
__br=full
else
printf '@TOKEN@ %s %s %s %s\n' "$1" "$__br" "$3" "$5"
__bz=$((__bz + ($3 + $5) / 1024))
[ "$3" = 0 ] || head -c "$3" "$__bd/$1o"
[ "$5" = 0 ] || head -c "$5" "$__bd/$1e"
fi
[ ! -s "$__bd/$1o" ] || : >"$__bd/$1o"
[ ! -s "$__bd/$1e" ] || : >"$__bd/$1e"
printf '@TOKEN@ end\n'
if [ "$2" = 1 ] && [ "$__br" != 0 ]; then __bx=1; fi
}
__bk=
__bv=
__q() {
[ -z "$__bx" ] || return 0
( __bs=$2; shift 2; eval "$__bs" ) </dev/null >>"$__bd/$1o" 2>>"$__bd/$1e"
__br=$?
[ ! -e "$__bd/$1x" ] || __bv=full
if [ -f "$__bd/$1e" ]; then
__bk="$__bk $1 $__br"
__bz=$((__bz + 1))
else
printf '@TOKEN@ %s noscratch\n' "$1"
__bx=1
fi
}
__ba() {
__bn=
__bo=$__bv
__bv=
__bm || { __bo=full; __bz=999; }
while [ $# -gt 0 ]; do
__bn="$__bn $__bd/$1o $__bd/$1e"
shift 2
done
set -- $(wc -c $__bn)
printf '@TOKEN@ kept'
__bi=
__bc=
for __bp in $__bk; do
if [ -z "$__bi" ]; then
__bi=$__bp
else
if [ -n "$__bo" ]; then
printf ' %s %s full full' "$__bi" "$__bp"
elif [ "$1" -gt @MOST@ ] || [ "$3" -gt @MOST@ ]; then
printf ' %s %s x%s x%s' "$__bi" "$__bp" "$1" "$3"
else
printf ' %s %s %s %s' "$__bi" "$__bp" "$1" "$3"
__bc="$__bc $2 $4"
fi
__bz=$((__bz + ($1 + $3) / 1024))
__bi=
shift 4
fi
done
echo
[ -z "$__bc" ] || cat $__bc
for __bp in $__bn; do [ ! -s "$__bp" ] || : >"$__bp"; done
printf '@TOKEN@ end\n'
__bk=
}
__bf() {
__bg
printf '@TOKEN@ done\n'
__bx=
set -- "$__bd"/*s
[ "$__bz" -gt 200 ] || [ -e "$1" ] || return 0
rm -f "$__bd"/*
__bz=0
}
if read -r __bp __bi __bn 2>/dev/null </proc/meminfo && [ "$__bp" = MemTotal: ] && [ "$__bi" -lt @LITTLE@ ]; then
(
trap - EXIT HUP INT TERM PIPE
while { sleep 0.5 || sleep 1; } && kill -0 $$ && [ -d "$__bd" ]; do
for __bp in $(find "$__bd" -type f -name '*[oe]' -size +$((__bi / 16))k); do
: >"${__bp%?}x"
: >"$__bp"
done
done
) </dev/null >/dev/null 2>&1 &
__bw=$!
fi
printf '@TOKEN@ hello %s\n' "$__bd"
"#;

/// Wraps a script so that it ends after some seconds, where the host has a `timeout` command.
///
/// The script goes into a file because one argument may not be longer than 128 KiB.
pub(crate) fn with_time_limit(script: &[u8], seconds: u64, file: &str, shell: &str) -> Vec<u8> {
    let quoted = quote(script);
    let shell = quote_str(shell);
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
    fn quoting_keeps_quotes() {
        assert_eq!(quote(b"it's"), b"'it'\\''s'");
        assert_eq!(quote_str("it's"), "'it'\\''s'");
        assert_eq!(quote(b""), b"''");
    }

    #[test]
    fn the_bootstrap_names_its_token_and_scratch_everywhere() {
        let text = bootstrap("tok", "scr", &["/run/old".into()], true);
        assert!(!text.contains("@TOKEN@") && !text.contains("@SCRATCH@"));
        assert!(text.starts_with("unset LC_ALL\nrm -rf '/run/old'\n"));
        assert!(text.ends_with("printf 'tok hello %s\\n' \"$__bd\"\n"));
    }
}

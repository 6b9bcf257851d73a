//! Running commands: what `command`, `shell`, `script` and `raw` have in common.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::{CheckMode, Context, Failure, PlanError, StepOutput, path};
use crate::{
    fact::{Missing, Probe, Resource, State},
    sh::quote,
};

/// `creates` and `removes`: files that tell whether a command needs to run.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// It does not run where this exists.
    pub creates: Option<&'a str>,
    /// It does not run where this does not exist.
    pub removes: Option<&'a str>,
    /// Where relative names begin.
    pub chdir: Option<&'a str>,
}

impl Guard<'_> {
    /// What must be known.
    ///
    /// # Errors
    /// [`Missing`] until a home directory is known.
    pub fn probe(&self, context: &Context<'_>, state: &State) -> Result<Vec<Probe>, Missing> {
        self.creates.iter().chain(&self.removes).map(|p| self.question(context, state, p)).collect()
    }

    fn question(&self, context: &Context<'_>, state: &State, written: &str) -> Result<Probe, Missing> {
        let path = match self.chdir {
            Some(chdir) if !written.starts_with(['/', '~']) => {
                path::join(&path::absolute(context, state, chdir)?, written)
            }
            _ => path::absolute(context, state, written)?,
        };
        if !path.contains(['*', '?', '[']) {
            return Ok(path::stat(&path));
        }
        let fixed = path.find(['*', '?', '[']).map_or("/", |at| path::parent(&path[..=at]));
        // A directory that cannot be read matches nothing, which says nothing of what is in it.
        let script = format!(
            "for f in {}; do [ -e \"$f\" ] || [ -L \"$f\" ] && exit 0; done\nd={}\n\
             while [ -n \"$d\" ] && [ ! -e \"$d\" ]; do d=${{d%/*}}; done; d=${{d:-/}}\n\
             [ ! -d \"$d\" ] || {{ [ -r \"$d\" ] && [ -x \"$d\" ]; }} || {{ echo \"the directory $d cannot be read\" >&2; exit 3; }}\nexit 1\n",
            pattern(&path),
            quote(fixed)
        );
        Ok(Probe::Script { script, reads: vec![Resource::Tree(fixed.to_owned())] })
    }

    fn exists(&self, context: &Context<'_>, state: &State, written: &str) -> Result<bool, Missing> {
        match self.question(context, state, written)? {
            Probe::Stat { path, .. } => Ok(state.stat(&path, false)?.is_some()),
            probe => match state.script(&probe)? {
                answer if answer.status <= 1 => Ok(answer.status == 0),
                answer => Err(Missing::Failed(String::from_utf8_lossy(&answer.stderr).trim().to_owned())),
            },
        }
    }

    /// The result of a command that need not run; `None` when it is to run.
    ///
    /// # Errors
    /// [`Missing`] until the files are known.
    pub fn satisfied(
        &self,
        context: &Context<'_>,
        state: &State,
        cmd: &Json,
    ) -> Result<Option<Map<String, Json>>, PlanError> {
        let would = if context.check { "Would" } else { "Did" };
        let (why, stdout) = match (self.creates, self.removes) {
            (Some(creates), _) if self.exists(context, state, creates)? => (
                format!("{would} not run command since '{creates}' exists"),
                format!("skipped, since {creates} exists"),
            ),
            (_, Some(removes)) if !self.exists(context, state, removes)? => (
                format!("{would} not run command since '{removes}' does not exist"),
                format!("skipped, since {removes} does not exist"),
            ),
            _ => return Ok(None),
        };
        let mut result = fields(cmd, &stdout, "", Some(0));
        result.insert("msg".into(), json!(why));
        Ok(Some(result))
    }

    /// What check mode makes of a command that would run: with a guard it is known that it would.
    pub fn check_mode(&self) -> CheckMode {
        if self.creates.is_some() || self.removes.is_some() { CheckMode::Predict } else { CheckMode::Skip }
    }
}

/// A path with its wildcards left to the shell and everything else quoted.
pub(super) fn pattern(path: &str) -> String {
    let mut words = String::new();
    let mut plain = String::new();
    let mut bracket = false;
    for character in path.chars() {
        bracket = (bracket || character == '[') && character != ']';
        if bracket
            && !matches!(character, '\'' | '"' | ' ' | '$' | '`' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>')
            || matches!(character, '*' | '?' | '[' | ']')
        {
            if !plain.is_empty() {
                words.push_str(&quote(&std::mem::take(&mut plain)));
            }
            words.push(character);
        } else {
            plain.push(character);
        }
    }
    if !plain.is_empty() {
        words.push_str(&quote(&plain));
    }
    words
}

/// What a skipped command registers.
pub fn skipped(cmd: &Json) -> Map<String, Json> {
    let mut result = fields(cmd, "", "", Some(0));
    result.insert("msg".into(), json!("Command would have run if not in check mode"));
    result
}

/// The result of a command that ran.
///
/// # Errors
/// [`Failure`] with the same fields when its status is not zero.
pub fn finished(cmd: &Json, output: &StepOutput, strip: bool) -> Result<Map<String, Json>, Failure> {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if strip { text.trim_end_matches(['\r', '\n']).to_owned() } else { text }
    };
    let mut result = fields(cmd, &text(&output.stdout), &text(&output.stderr), Some(output.status));
    let end = jiff::Zoned::now();
    let start = end.clone() - output.duration;
    let stamp = |time: &jiff::Zoned| json!(time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string());
    result.insert("start".into(), stamp(&start));
    result.insert("end".into(), stamp(&end));
    result.insert("delta".into(), json!(delta(output.duration)));
    if let Some(error) = &output.error {
        return Err(Failure::new(format!("the command did not end: {error}")).fields(result));
    }
    if output.status != 0 {
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status == 1 && said.starts_with(NO_DIRECTORY) && !said.contains('\n') && output.stdout.is_empty() {
            return Err(Failure::new(said.into_owned()).fields(fields(cmd, "", "", None)));
        }
        let mut message = "non-zero return code".to_owned();
        if output.status == 127 {
            message.push_str(": there is no such command");
        }
        // It ran, so it may have changed something: Ansible says so too. What no program is did not.
        let changed = output.status != 127 || cmd.is_string();
        return Err(Failure::new(message).fields(result).changed(changed));
    }
    Ok(result)
}

/// Why a program cannot be started: the system's numbers, which Ansible returns as `rc`, and words.
const NOT_STARTED: [(i32, &str); 2] = [(2, "No such file or directory"), (13, "Permission denied")];

/// POSIX sh that ends the subshell where there is no program to run, told so that [`not_started`] knows.
///
/// `word` is the name for the shell, `name` for people.
pub fn found(word: &str, name: &str) -> String {
    let told = |rc: i32| NOT_STARTED.iter().find(|(n, _)| *n == rc).map(|(n, why)| not_started_line(*n, why, name));
    let [missing, denied] = [2, 13].map(|rc| quote(&told(rc).unwrap_or_default()).into_owned());
    format!(
        "__c={word}; case $__c in */*) if [ ! -e \"$__c\" ]; then printf %s {missing} >&2; exit 127; \
         elif [ ! -x \"$__c\" ] || [ -d \"$__c\" ]; then printf %s {denied} >&2; exit 126; fi ;; \
         *) command -v \"$__c\" >/dev/null 2>&1 || {{ printf %s {missing} >&2; exit 127; }} ;; esac; "
    )
}

fn not_started_line(rc: i32, why: &str, name: &str) -> String {
    format!("[Errno {rc}] {why}: {}", name.escape_debug())
}

/// Whether the program of a command that [`found`] looks for could not be started: the number and the message.
pub fn not_started(name: &str, output: &StepOutput) -> Option<(i32, String)> {
    if !matches!(output.status, 126 | 127) || !output.stdout.is_empty() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let (rc, why) = NOT_STARTED.iter().find(|(rc, why)| said.trim_end() == not_started_line(*rc, why, name))?;
    let hint = if *rc == 2 { "there is no such command" } else { "it cannot be executed" };
    Some((*rc, format!("{hint}: {}", not_started_line(*rc, why, name))))
}

/// The failure of a command that was not started: it printed nothing and changed nothing.
pub fn no_program(cmd: &Json, rc: i32, message: String) -> Failure {
    Failure::new(message).fields(fields(cmd, "", "", Some(rc)))
}

fn fields(cmd: &Json, stdout: &str, stderr: &str, rc: Option<i32>) -> Map<String, Json> {
    Map::from_iter([
        ("cmd".to_owned(), cmd.clone()),
        ("rc".to_owned(), json!(rc)),
        ("stdout".to_owned(), json!(stdout)),
        ("stderr".to_owned(), json!(stderr)),
        ("stdout_lines".to_owned(), json!(lines(stdout))),
        ("stderr_lines".to_owned(), json!(lines(stderr))),
        ("start".to_owned(), Json::Null),
        ("end".to_owned(), Json::Null),
        ("delta".to_owned(), Json::Null),
        ("msg".to_owned(), json!("")),
    ])
}

/// The lines of a text as Python's `splitlines` has them.
pub fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        let width = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// A duration as Python writes it: `0:00:01.002345`.
fn delta(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, time.subsec_micros())
}

/// Writes a word for the shell so that `~` at its start and variables in it are expanded, and nothing else.
///
/// A variable that is not set stays as it is written, as Python's `expandvars` has it.
pub fn expandable(word: &str) -> String {
    let mut script = String::new();
    let mut rest = word;
    if let Some(tail) = word.strip_prefix('~') {
        let end = tail.find('/').unwrap_or(tail.len());
        if tail[..end].bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            script.push('~');
            script.push_str(&tail[..end]);
            // A quoted slash would be part of the user's name.
            rest = tail[end..].strip_prefix('/').unwrap_or("");
            if end < tail.len() {
                script.push('/');
            }
        }
    }
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        let name_end = |s: &str| s.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(s.len());
        let (name, length) = match from[1..].strip_prefix('{') {
            Some(inner) => {
                let end = name_end(inner);
                let closed = inner[end..].starts_with('}');
                (&inner[..if closed { end } else { 0 }], end + 3)
            }
            None => {
                let end = name_end(&from[1..]);
                (&from[1..=end], end + 1)
            }
        };
        let valid = !name.is_empty() && !name.as_bytes()[0].is_ascii_digit();
        if !before.is_empty() {
            script.push_str(&quote(before));
        }
        if valid {
            let written = from[..length].replace('$', "\\$").replace('}', "\\}");
            script.push_str(&format!("\"${{{name}-{written}}}\""));
            rest = &from[length..];
        } else {
            script.push_str("'$'");
            rest = &from[1..];
        }
    }
    if !rest.is_empty() || script.is_empty() {
        script.push_str(&quote(rest));
    }
    script
}

/// What is told of a directory that cannot be entered.
const NO_DIRECTORY: &str = "Unable to change directory before execution: ";

/// Puts `cd` before a command.
///
/// # Errors
/// [`Missing`] until a home directory is known.
pub fn in_directory(
    context: &Context<'_>,
    state: &State,
    chdir: Option<&str>,
    command: &str,
) -> Result<String, Missing> {
    match chdir {
        None => Ok(format!("{command}\n")),
        Some(chdir) => {
            let directory = path::absolute(context, state, chdir)?;
            let told = quote(&format!("{NO_DIRECTORY}{directory}")).into_owned();
            Ok(format!(
                "cd -P -- {} 2>/dev/null || {{ printf %s {told} >&2; exit 1; }}\n{command}\n",
                quote(&directory)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn lines_and_times_are_written_as_python_writes_them() {
        assert_eq!(lines("a\r\nb\n\nc"), ["a", "b", "", "c"]);
        assert_eq!(delta(Duration::from_millis(3_661_002)), "1:01:01.002000");
    }

    #[test]
    fn variables_are_expanded_and_unknown_ones_stay() {
        let cases = [
            ("$A", "1 2"),
            ("x${A}y", "x1 2y"),
            ("${NOT_SET}/$NOT_SET", "${NOT_SET}/$NOT_SET"),
            ("$", "$"),
            ("$(id) `id` $1 ${A", "$(id) `id` $1 ${A"),
            ("~/x y", "/home/h/x y"),
            ("a~", "a~"),
            ("", ""),
        ];
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            for (word, expected) in cases {
                let script = format!("printf %s {}", expandable(word));
                let mut command = Command::new(shell[0]);
                command.args(&shell[1..]).arg("-c").arg(&script).env("A", "1 2").env("HOME", "/home/h");
                let Ok(output) = command.output() else { continue };
                assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{shell:?} {script}");
            }
        }
    }

    #[test]
    fn only_wildcards_are_left_to_the_shell() {
        assert_eq!(pattern("/a b/*.x"), "'/a b/'*.x");
        assert_eq!(pattern("/a/[0-9]$(id)"), "/a/[0-9]'$(id)'");
    }
}

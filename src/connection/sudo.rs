//! Becoming another user: `sudo`, `su` or `doas`, with a password that is written only to the prompt it belongs to.

use super::{
    error::{BecomeFailure, Error},
    process::{Event, Process, Tail},
};
use crate::sh::quote;
use crate::ssh::{
    Secret,
    limit::{MOST_NOISE, Search, size},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// Names the program that changes the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BecomeMethod {
    /// `sudo`, with or without a password.
    #[default]
    Sudo,
    /// `su`, without a password (from root).
    Su,
    /// `doas`, without a password.
    Doas,
}

impl BecomeMethod {
    /// All of them, each with Ansible's names for it.
    pub const ALL: &'static [(BecomeMethod, &'static [&'static str])] = &[
        (BecomeMethod::Sudo, &["sudo", "ansible.builtin.sudo"]),
        (BecomeMethod::Su, &["su", "ansible.builtin.su"]),
        (BecomeMethod::Doas, &["doas", "community.general.doas"]),
    ];

    /// Finds the method by Ansible's name for it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, names)| names.contains(&name)).map(|(method, _)| *method)
    }

    /// The program that it runs, which is its short name too.
    pub fn program(self) -> &'static str {
        match self {
            BecomeMethod::Sudo => "sudo",
            BecomeMethod::Su => "su",
            BecomeMethod::Doas => "doas",
        }
    }
}

/// Says whom to become and how: Ansible's `become_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Become {
    /// The program.
    pub method: BecomeMethod,
    /// The user, `root` by default.
    pub user: String,
    /// The password, if one was given.
    pub password: Option<Secret>,
    /// `become_flags`; without it sudo gets `-H`.
    pub flags: Option<String>,
    /// `become_exe`: another path of the program.
    pub exe: Option<String>,
}

impl Default for Become {
    fn default() -> Self {
        Self { method: BecomeMethod::Sudo, user: "root".into(), password: None, flags: None, exe: None }
    }
}

/// One run of the program: what to send, and the random words to know its prompt and its success by.
pub(crate) struct Change<'a> {
    host: &'a str,
    wish: &'a Become,
    /// Why the host gets no password, if it is not known to be the right one.
    doubt: Option<String>,
    prompt: String,
    ready: String,
    /// How long all of it may take.
    whole_patience: Duration,
}

/// How long it may stay silent: a wrong password is answered after some seconds, a directory service may be slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take in all, however much it talks.
const WHOLE_PATIENCE: Duration = Duration::from_secs(120);

impl<'a> Change<'a> {
    pub(crate) fn new(host: &'a str, wish: &'a Become, doubt: Option<String>) -> Self {
        let random = crate::ssh::random_hex(8);
        Self {
            host,
            wish,
            doubt,
            prompt: format!("[bringup {random}] password:"),
            ready: format!("bringup-ready-{random}"),
            whole_patience: WHOLE_PATIENCE,
        }
    }

    /// The script that becomes the user and then runs `script` in `shell`.
    pub(crate) fn script(&self, shell: &str, script: &str) -> Result<String, Error> {
        let program = self.wish.exe.as_deref().unwrap_or(self.wish.method.program());
        let flags = self.flags()?;
        let user = quote(&self.wish.user);
        let inner = format!("echo {}; {script}", self.ready);
        let (shell_word, inner) = (quote(shell), quote(&inner));
        let command = match self.wish.method {
            BecomeMethod::Sudo => {
                format!("-S -p {} {flags} -u {user} -- {shell_word} -c {inner}", quote(&self.prompt))
            }
            BecomeMethod::Su => format!("{flags} {user} -s {shell_word} -c {inner}"),
            BecomeMethod::Doas => format!("-n {flags} -u {user} -- {shell_word} -c {inner}"),
        };
        let program = quote(program);
        Ok(format!(
            "PATH=$PATH:/usr/local/bin:/usr/bin:/bin\n\
             command -v {program} >/dev/null 2>&1 || {{ echo {}-missing >&2; exit 127; }}\n\
             LC_ALL=C; export LC_ALL\nexec {program} {command}",
            self.ready
        ))
    }

    fn flags(&self) -> Result<String, Error> {
        let Some(flags) = &self.wish.flags else {
            return Ok(if self.wish.method == BecomeMethod::Sudo { "-H".into() } else { String::new() });
        };
        let words = crate::python::shlex::split(flags).map_err(|error| {
            let help = "write the flags as in a shell, with quotes closed".into();
            self.fail(BecomeFailure::Unsupported, format!("become_flags `{flags}`: {error}"), String::new(), help)
        })?;
        // `-n` would keep sudo from asking at all, `-S` is ours anyway.
        let kept = words.iter().filter(|word| !matches!(word.as_str(), "-n" | "-S"));
        Ok(kept.map(|word| quote(word)).collect::<Vec<_>>().join(" "))
    }

    /// Answers the prompt and waits until the other user's shell is there; gives back what came after that.
    pub(crate) async fn converse(&self, process: &mut Process) -> Result<Bytes, Error> {
        let mut ready = Search::new(format!("{}\n", self.ready).as_bytes());
        let mut prompt = Search::new(self.prompt.as_bytes());
        let mut su_prompt = Search::new(b"assword");
        let mut said = Tail::default();
        let mut count = 0usize;
        let mut asked = false;
        let until = Instant::now() + self.whole_patience;
        loop {
            let next = tokio::time::timeout_at(until.min(Instant::now() + PATIENCE), process.events.next());
            let bytes = match next.await {
                Err(_) => return Err(self.silent(&said)),
                Ok(None) => {
                    let end = process.events.end().await;
                    return Err(self.ended(&said.text(), &end.to_string()));
                }
                Ok(Some(Event::Out(bytes))) => {
                    if let Some(at) = ready.push(&bytes) {
                        return Ok(bytes.slice(at..));
                    }
                    bytes
                }
                Ok(Some(Event::Err(bytes))) => {
                    said.push(&bytes);
                    let mut rest = bytes.as_ref();
                    while let Some(at) = prompt.push(rest) {
                        rest = &rest[at..];
                        self.answer(process, asked, &said).await?;
                        asked = true;
                    }
                    if self.wish.method == BecomeMethod::Su && su_prompt.push(&bytes).is_some() {
                        return Err(self.su_asks());
                    }
                    bytes
                }
            };
            count += bytes.len();
            if count > MOST_NOISE {
                return Err(self.floods());
            }
        }
    }

    async fn answer(&self, process: &Process, asked_before: bool, said: &Tail) -> Result<(), Error> {
        let user = &self.wish.user;
        if asked_before {
            let what = format!("sudo did not accept the password for becoming {user}");
            let help = "give the right one with -K or `ansible_become_password`".into();
            return Err(self.fail(BecomeFailure::PasswordWrong, what, self.clean(&said.text()), help));
        }
        let Some(password) = self.wish.password.as_ref().filter(|password| !password.is_empty()) else {
            return Err(self.password_missing());
        };
        if let Some(doubt) = &self.doubt {
            let what = format!("the password for becoming {user} was not sent: {doubt}");
            let help = "let the host's key be checked (`StrictHostKeyChecking=yes` or `accept-new`), or allow becoming \
                        without a password in sudoers (NOPASSWD)";
            return Err(self.fail(BecomeFailure::Withheld, what, String::new(), help.into()));
        }
        let line = Bytes::from(format!("{}\n", password.reveal()));
        // If it is gone already, its end tells why.
        let _ = process.stdin.write(line).await;
        Ok(())
    }

    fn password_missing(&self) -> Error {
        let what = format!("{} asks for a password to become {}", self.wish.method.program(), self.wish.user);
        let help =
            "give it with -K (or `ansible_become_password`), or allow it without one in sudoers (NOPASSWD)".into();
        self.fail(BecomeFailure::PasswordMissing, what, String::new(), help)
    }

    fn su_asks(&self) -> Error {
        let what = format!("su asks for a password to become {}", self.wish.user);
        let help = "su takes a password from a terminal only: use `become_method: sudo`".into();
        self.fail(BecomeFailure::Unsupported, what, String::new(), help)
    }

    fn floods(&self) -> Error {
        let program = self.wish.method.program();
        let limit = size(MOST_NOISE as u64);
        let what = format!("{program} printed more than the limit of {limit} and did not become {}", self.wish.user);
        let help = "it is not read any further: try the same by hand on the host".into();
        self.fail(BecomeFailure::Flooded, what, String::new(), help)
    }

    fn silent(&self, said: &Tail) -> Error {
        let what = format!(
            "{} neither asked for the password nor went on within {}s",
            self.wish.method.program(),
            PATIENCE.min(self.whole_patience).as_secs()
        );
        let help =
            "a question of its own (a second factor, an expired password) cannot be answered: try it by hand".into();
        self.fail(BecomeFailure::NoAnswer, what, self.clean(&said.text()), help)
    }

    /// Finds out from its last words why it ended.
    fn ended(&self, said: &str, end: &str) -> Error {
        use BecomeFailure as F;
        let program = self.wish.exe.as_deref().unwrap_or(self.wish.method.program());
        let user = &self.wish.user;
        let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        let (reason, what, help) = if has(&[&format!("{}-missing", self.ready)]) {
            let help = "install it, log in as root, or set `become_method`";
            return self.fail(F::NotInstalled, format!("{program} is not installed"), String::new(), help.into());
        } else if has(&["unknown user", "does not exist", "user not found"]) {
            (
                F::UnknownUser,
                format!("there is no user {user} to become"),
                "create the user first, or correct `become_user`",
            )
        } else if has(&[
            "not in the sudoers",
            "may not run",
            "not allowed to",
            "Operation not permitted",
            "unauthorized",
        ]) {
            (
                F::Denied,
                format!("{program} does not let this user become {user}"),
                "add the user to sudoers on the host, or log in as another one",
            )
        } else if has(&["must have a tty", "sorry, you must have"]) {
            (F::WantsTerminal, format!("{program} wants a terminal"), "remove `requiretty` from the host's sudoers")
        } else if has(&["incorrect password", "Sorry, try again", "Authentication failure", "maximum 3 incorrect"]) {
            (
                F::PasswordWrong,
                format!("{program} did not accept the password for becoming {user}"),
                "give the right one with -K or `ansible_become_password`",
            )
        } else if has(&[
            "a password is required",
            "a terminal is required",
            "Authentication required",
            "no password was provided",
        ]) {
            return self.password_missing();
        } else {
            (F::Other, format!("{program} did not become {user}: {end}"), "try the same by hand on the host")
        };
        self.fail(reason, what, self.clean(said), help.into())
    }

    fn clean(&self, said: &str) -> String {
        said.replace(&self.prompt, "").trim().to_owned()
    }

    fn fail(&self, reason: BecomeFailure, what: String, said: String, help: String) -> Error {
        Error::Become { host: self.host.to_owned(), reason, what, said, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::process::Reading;

    #[test]
    fn last_words_become_reasons() {
        let wish = Become::default();
        let change = Change::new("h1", &wish, None);
        let cases = [
            ("bob is not in the sudoers file.  This incident will be reported.", BecomeFailure::Denied),
            ("Sorry, user bob is not allowed to execute '/bin/sh' as root on h1.", BecomeFailure::Denied),
            ("sudo: sorry, you must have a tty to run sudo", BecomeFailure::WantsTerminal),
            ("sudo: 1 incorrect password attempt", BecomeFailure::PasswordWrong),
            ("sudo: a password is required", BecomeFailure::PasswordMissing),
            ("sudo: unknown user nobodyhere", BecomeFailure::UnknownUser),
            (
                "su: user nobodyhere does not exist or the user entry does not contain all the required fields",
                BecomeFailure::UnknownUser,
            ),
            ("sudo: unable to open /etc/sudoers: Input/output error", BecomeFailure::Other),
        ];
        for (said, expected) in cases {
            let Error::Become { reason, .. } = change.ended(said, "it exited with status 1") else { panic!("{said}") };
            assert_eq!(reason, expected, "{said}");
        }
        let missing = format!("{}-missing", change.ready);
        let error = change.ended(&missing, "it exited with status 127");
        assert_eq!(error.to_string(), "h1: sudo is not installed");
    }

    #[tokio::test]
    async fn one_that_talks_and_never_asks_is_not_waited_for_without_end() {
        let wish = Become::default();
        let change = Change { whole_patience: Duration::from_secs(1), ..Change::new("h1", &wish, None) };
        let talks = "while echo wait >&2; do sleep 0.1; done";
        let words = ["/bin/sh", "-c", talks];
        let mut process = crate::connection::program::start("h1", &words, Reading::Kept).unwrap();
        let began = Instant::now();
        let error = change.converse(&mut process).await.unwrap_err();
        assert!(matches!(error, Error::Become { reason: BecomeFailure::NoAnswer, .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn flags_keep_ansibles_meaning() {
        let wish = Become { flags: Some("-H -S -n -E 'a b'".into()), ..Become::default() };
        assert_eq!(Change::new("h", &wish, None).flags().unwrap(), "'-H' '-E' 'a b'");
        let wish = Become { flags: Some("-H '".into()), ..Become::default() };
        assert!(Change::new("h", &wish, None).flags().is_err());
        assert_eq!(BecomeMethod::named("ansible.builtin.sudo"), Some(BecomeMethod::Sudo));
        assert_eq!(BecomeMethod::named("pbrun"), None);
    }
}

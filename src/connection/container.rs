//! Containers: a program beside their engine starts others in them.

use super::{
    context::Context,
    error::Error,
    local::shelled,
    process::{End, Process, Reading},
    program,
    reach::{Connection, Reach, Room, Stream},
    refusal::Refusal,
    settings::Settings,
    target::Target,
};
use futures::future::BoxFuture;

/// What one engine's variables say.
pub(super) struct Words<'a> {
    /// What it is called.
    pub(super) engine: &'static str,
    /// Its program.
    pub(super) exe: &'a str,
    /// Arguments before the command.
    pub(super) extra: Vec<String>,
    pub(super) address: &'static [&'static str],
    pub(super) user: &'static [&'static str],
}

/// Makes the way to a container.
pub(super) fn make(settings: &Settings<'_>, words: Words<'_>) -> Result<Target, Refusal> {
    let name = settings.text(words.address).unwrap_or(settings.host);
    if !is_name(name) {
        let what = format!("`{}` is no name of a container", name.escape_debug());
        return Err(
            Refusal::new(what).help("a name or an id has letters, digits, `_`, `.` and `-`, and begins with no sign")
        );
    }
    let user = settings.text(words.user).map(str::to_owned).or_else(|| settings.defaults.user.clone());
    if let Some(user) = user.as_ref().filter(|user| !is_user(user)) {
        let what = format!("`{}` is no user of a container", user.escape_debug());
        return Err(
            Refusal::new(what).help("`ansible_user` is a name or a number, with a group behind a colon if need be")
        );
    }
    let container = Container {
        host: settings.host.to_owned(),
        engine: words.engine,
        exe: words.exe.to_owned(),
        extra: words.extra,
        name: name.to_owned(),
        user,
    };
    Ok(shelled(Target::new(settings.host, container), settings))
}

/// What engines take for names and ids.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn is_user(user: &str) -> bool {
    user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && user.chars().all(|c| c.is_ascii_alphanumeric() || "_.-:$@".contains(c))
        && user.matches(':').count() <= 1
}

/// A container, and how it is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Container {
    host: String,
    engine: &'static str,
    exe: String,
    extra: Vec<String>,
    name: String,
    user: Option<String>,
}

impl Container {
    fn words<'a>(&'a self, request: &'a str) -> Vec<&'a str> {
        let mut words = vec![self.exe.as_str()];
        words.extend(self.extra.iter().map(String::as_str));
        words.extend(["exec", "-i"]);
        if let Some(user) = &self.user {
            words.extend(["-u", user]);
        }
        words.extend([&self.name, "/bin/sh", "-c", request]);
        words
    }

    /// Why its program did not start a shell, from its words.
    fn absent(&self, end: &End, said: String) -> Error {
        let Container { host, engine, exe, name, user, .. } = self;
        let has = |texts: &[&str]| texts.iter().any(|text| said.to_lowercase().contains(text));
        let (what, help) = if has(&["unable to find user", "no matching entries in passwd"]) {
            let user = user.as_deref().unwrap_or_default();
            (format!("the container {name} has no user {user}"), "correct `ansible_user`, or leave it out".to_owned())
        } else if has(&["no such container", "no container with name", "no such object"]) {
            (
                format!("there is no container {name}"),
                format!("`{exe} ps --all` lists them; start it first (`{exe} run --detach --name {name} …`)"),
            )
        } else if has(&["is not running", "is paused", "is restarting", "can only create exec sessions on running"]) {
            (
                format!("the container {name} does not run"),
                format!("`{exe} start {name}`; `{exe} logs {name}` tells why it ended"),
            )
        } else if has(&["/bin/sh: no such file", "\"/bin/sh\": stat", "/bin/sh: not found"]) {
            (
                format!("the container {name} has no /bin/sh"),
                "its image needs a shell: take one that has busybox, or a whole system".to_owned(),
            )
        } else if has(&[
            "cannot connect to the docker daemon",
            "permission denied while trying to connect",
            "failed to connect to the docker api",
        ]) {
            (
                format!("{engine} does not answer"),
                format!("does `{exe} ps` work for who runs this? `DOCKER_HOST` and the group `docker` decide"),
            )
        } else {
            (
                format!("{exe} did not start /bin/sh in the container {name}: {end}"),
                format!("try it by hand: `{exe} exec -i {name} /bin/sh`"),
            )
        };
        Error::Absent { host: host.clone(), what, said, help }
    }
}

impl Reach for Container {
    fn connect<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let (end, said, errors) = program::answer(&self.host, &self.words(program::WHO)).await?;
            match end {
                End::Exit(0) => {
                    let inside = Inside { container: self.clone(), user: program::who(&said) };
                    Ok(Box::new(inside) as Box<dyn Connection>)
                }
                end => Err(self.absent(&end, errors)),
            }
        })
    }

    fn place(&self) -> String {
        format!("{} {} {}", self.engine, self.extra.join(" "), self.name)
    }

    fn login(&self) -> Option<String> {
        self.user.clone()
    }
}

/// A container that programs can be started in.
struct Inside {
    container: Container,
    user: String,
}

impl Connection for Inside {
    fn start<'a>(
        &'a self,
        request: &'a str,
        reading: Reading,
        _room: &'a dyn Room,
    ) -> BoxFuture<'a, Result<Process, Error>> {
        Box::pin(async move { program::start(&self.container.host, &self.container.words(request), reading) })
    }

    /// Few images have a program that could hand on a stream.
    fn forward<'a>(&'a self, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>> {
        let Container { host, engine, .. } = &self.container;
        let what = format!("{engine} opens no connection to {to}:{port} as seen from within a container");
        let help = "let a host that reaches the address do this task (`delegate_to`)".to_owned();
        Box::pin(async move { Err(Error::Unsupported { host: host.clone(), what, help }) })
    }

    fn user(&self) -> &str {
        &self.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_options_or_paths_are_no_containers() {
        for name in ["web", "web-1", "a.b_c", "9f86d081884c"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-it", "--privileged", "a b", "a/b", "a;b", "$(x)", "a\nb", "ü", ".a", "_a"] {
            assert!(!is_name(name), "{name:?}");
        }
        for user in ["root", "0", "1000:1000", "www-data", "_apt"] {
            assert!(is_user(user), "{user}");
        }
        for user in ["", "-u", "a b", "0:0:0", ":0", "a;b"] {
            assert!(!is_user(user), "{user:?}");
        }
    }

    #[test]
    fn last_words_of_the_engine_say_what_to_do() {
        let container = Container {
            host: "h1".into(),
            engine: "docker",
            exe: "docker".into(),
            extra: Vec::new(),
            name: "web".into(),
            user: None,
        };
        for (said, what) in [
            ("Error response from daemon: No such container: web", "there is no container web"),
            ("Error: no container with name or ID \"web\" found: no such container", "there is no container web"),
            ("Error response from daemon: Container 9f86 is not running", "the container web does not run"),
            (
                "Error: can only create exec sessions on running containers: container state improper",
                "the container web does not run",
            ),
            (
                "OCI runtime exec failed: exec failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown",
                "the container web has no /bin/sh",
            ),
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
                "docker does not answer",
            ),
            ("something else", "docker did not start /bin/sh in the container web: it exited with status 1"),
        ] {
            let error = container.absent(&End::Exit(1), said.into());
            assert_eq!(error.to_string(), format!("h1: {what}: {said}"));
            assert!(error.is_unreachable());
        }
    }
}

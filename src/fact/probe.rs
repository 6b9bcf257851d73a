//! The questions that can be put to a host and the shape of their answers.

use serde_json::Value as Json;

use super::{Algorithm, Describer, FileStat, GroupEntry, PackageState, Resource, UnitState, UserEntry, unit};

/// One read-only question. Equal probes are asked once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Kind, mode, owner and size of a path; `follow` looks through a link.
    Stat {
        /// An absolute path.
        path: String,
        /// Whether a link's target is meant.
        follow: bool,
    },
    /// The checksum of a regular file, links followed.
    Checksum {
        /// An absolute path.
        path: String,
        /// Which checksum.
        algorithm: Algorithm,
    },
    /// The bytes of a regular file, links followed.
    Content {
        /// An absolute path.
        path: String,
    },
    /// Whether a Debian package is installed, and in which version.
    Package {
        /// The package's name, `name:arch` allowed.
        name: String,
    },
    /// What systemd knows of a unit.
    Unit {
        /// The unit's full name, such as `ssh.service`.
        name: String,
    },
    /// A kernel setting, as sysctl(8) names it.
    Kernel {
        /// Such as `net.ipv4.ip_forward`.
        key: String,
    },
    /// A user by name or number.
    User {
        /// Name or uid.
        name: String,
    },
    /// A group by name or number.
    Group {
        /// Name or gid.
        name: String,
    },
    /// What a program says of a path; the answer is a script's.
    Described {
        /// An absolute path.
        path: String,
        /// Who says it.
        by: Describer,
    },
    /// Anything else a read-only script can tell. Its exit status is part of the answer, never a failure by itself.
    Script {
        /// POSIX sh; all values in it quoted by [`crate::sh::quote`].
        script: String,
        /// What it reads, for staleness.
        reads: Vec<Resource>,
    },
    /// The host's facts, as `setup` returns them.
    Facts,
    /// A question to the Kubernetes API server.
    Api(ApiQuery),
}

/// A read-only request to the Kubernetes API, made by the workstation through the host's SSH connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiQuery {
    /// The kubeconfig's path on the host.
    pub kubeconfig: String,
    /// The context in it; `None` is the current one.
    pub context: Option<String>,
    /// What is asked, as JSON understood by [`crate::kube`].
    pub request: String,
}

/// What a script printed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScriptAnswer {
    /// Its exit status.
    pub status: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl ScriptAnswer {
    /// Standard output as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The answer to a [`Probe`]. `None` inside means: there is no such thing on the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Probe::Stat`].
    Stat(Option<FileStat>),
    /// To [`Probe::Checksum`], in lower-case hexadecimal.
    Checksum(Option<String>),
    /// To [`Probe::Content`].
    Content(Option<Vec<u8>>),
    /// To [`Probe::Package`].
    Package(Option<PackageState>),
    /// To [`Probe::Unit`].
    Unit(UnitState),
    /// To [`Probe::Kernel`], blanks as the kernel prints them.
    Kernel(Option<String>),
    /// To [`Probe::User`].
    User(Option<UserEntry>),
    /// To [`Probe::Group`].
    Group(Option<GroupEntry>),
    /// To [`Probe::Script`].
    Script(ScriptAnswer),
    /// To [`Probe::Facts`]: `ansible_…` names and values.
    Facts(Json),
    /// To [`Probe::Api`].
    Api(Json),
    /// To a question about a path: there can be nothing of that name, for this reason (something above it is no directory, its
    /// links go in circles). Most modules take it for "nothing there".
    Nowhere(String),
    /// The question could not be answered: why. A task that needs the answer fails with this text.
    Failed(String),
}

impl Probe {
    /// What must be known of a path and those above it to tell under which other names it can be written.
    pub fn links(&self) -> Vec<Probe> {
        let path = match self {
            Probe::Stat { path, .. } | Probe::Checksum { path, .. } | Probe::Content { path } => path.as_str(),
            _ => return Vec::new(),
        };
        let ends = path.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| Probe::Stat { path: path[..end].to_owned(), follow: false }).collect()
    }

    /// What the answer depends on.
    pub fn reads(&self) -> Vec<Resource> {
        match self {
            Probe::Stat { path, .. }
            | Probe::Checksum { path, .. }
            | Probe::Content { path }
            | Probe::Described { path, .. } => {
                vec![Resource::Path(path.clone())]
            }
            Probe::Package { name } => vec![Resource::Package(name.clone())],
            Probe::Unit { name } => unit::reads(name),
            Probe::Kernel { key } => vec![Resource::Kernel(key.clone())],
            Probe::User { name } => vec![Resource::User(name.clone())],
            Probe::Group { name } => vec![Resource::Group(name.clone())],
            Probe::Script { reads, .. } => reads.clone(),
            Probe::Facts => vec![Resource::Anything],
            Probe::Api(_) => vec![Resource::Api],
        }
    }
}

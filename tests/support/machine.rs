//! A folder of this machine that plays the host, and a shell that runs scripts on it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value as Json;

use super::{
    cluster::Cluster,
    skip::{self, skip_part},
    system::System,
};
use bringup::{
    fact::{Answer, ApiQuery, Probe, Reply, batch},
    module::{Change, Content, FileWrite, Step, StepOutput, place},
};

/// A shell that every script must work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Dash,
    Bash,
    Busybox,
}

impl Shell {
    pub const EACH: [Shell; 3] = [Shell::Dash, Shell::Bash, Shell::Busybox];

    pub fn name(self) -> &'static str {
        match self {
            Shell::Dash => "dash",
            Shell::Bash => "bash",
            Shell::Busybox => "busybox",
        }
    }

    /// What is said of a test for it, unless this machine has it.
    pub fn missing(self) -> Option<String> {
        skip::program(self.name())
    }

    /// Those this machine has, for a test that takes them all.
    pub fn all() -> Vec<Shell> {
        let mut found = Shell::EACH.to_vec();
        found.retain(|shell| shell.missing().inspect(|reason| skip_part!("{reason}")).is_none());
        assert!(!found.is_empty(), "none of dash, bash and busybox is installed");
        found
    }
}

/// The stand-in for a host.
pub struct Machine {
    pub shell: Shell,
    /// Stands for `/T` in cases.
    pub root: PathBuf,
    /// Stands for `/L` in cases: the workstation.
    pub local: PathBuf,
    tools: PathBuf,
    scripts: PathBuf,
    system: Option<System>,
    cluster: Option<Cluster>,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// A folder that plays the host, or with `system` a system of its own.
    pub fn new(shell: Shell, system: bool) -> Machine {
        let directory = tempfile::tempdir().unwrap();
        // The real path: a link above it would show in answers.
        let top = directory.path().canonicalize().unwrap();
        let folder = |name: &str| {
            let path = top.join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let system = system.then(System::new);
        Machine {
            shell,
            root: system.as_ref().map_or_else(|| folder("T"), System::root),
            local: folder("L"),
            tools: folder("tools"),
            scripts: folder("scripts"),
            system,
            cluster: None,
            _directory: directory,
        }
    }

    /// Puts a command into the host's `PATH`.
    pub fn add_tool(&self, name: &str, script: &str) {
        let path = self.tools.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes it a host of a cluster that has these objects.
    pub fn join(&mut self, objects: &[Json]) {
        self.cluster = Some(Cluster::start(self.root.clone(), objects));
    }

    /// The object of its cluster with this title.
    pub fn object(&self, title: &str) -> Option<Json> {
        self.cluster.as_ref().expect("there is no cluster").object(title)
    }

    fn request(&self, query: &ApiQuery) -> Result<Json, String> {
        self.cluster.as_ref().map_or_else(|| panic!("the case has no `cluster`: {query:?}"), |c| c.request(query))
    }

    /// Runs a script as the runner would.
    pub fn run(&self, script: &str, environment: &[(&str, &str)]) -> StepOutput {
        let file = self.scripts.join("script");
        fs::write(&file, script).unwrap();
        let mut command = self.system.as_ref().map_or_else(|| Command::new("env"), System::command);
        match self.shell {
            Shell::Dash => command.arg("/bin/dash"),
            Shell::Bash => command.arg("/bin/bash"),
            Shell::Busybox => command.arg(busybox()).arg("sh"),
        };
        let base = match self.shell {
            Shell::Busybox => applets().display().to_string(),
            _ => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        };
        command.arg(&file).env("PATH", format!("{}:{base}", self.tools.display())).env("STATE", &self.root);
        if self.system.is_none() {
            command.current_dir(&self.root);
        }
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        let output = command.output().unwrap();
        StepOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
            ..StepOutput::default()
        }
    }

    /// Asks the host.
    pub fn ask(&self, probes: &[Probe]) -> Vec<(Probe, Answer)> {
        let mut answers = Vec::new();
        for batch in batch(probes) {
            let output = self.run(&batch.script, &[]);
            let reply = Reply { status: Some(output.status), stdout: &output.stdout, stderr: &output.stderr };
            answers.extend(batch.answers(reply));
        }
        for probe in probes {
            if let Probe::Api(query) = probe {
                answers.push((probe.clone(), self.request(query).map_or_else(Answer::Failed, Answer::Api)));
            }
        }
        answers
    }

    /// Carries a change out.
    pub fn apply(&self, change: &Change) -> StepOutput {
        match &change.step {
            Step::Script(script) => self.run(&place::keyed(script.clone()), &[]),
            Step::Write(write) => self.write(write),
            Step::Upload { content, then } => {
                let scratch = self.scripts.join("upload");
                fs::write(&scratch, bytes(content)).unwrap();
                self.run(then, &[("upload", &scratch.display().to_string())])
            }
            Step::Download { path, to } => {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                match fs::copy(path, to) {
                    Ok(_) => StepOutput::default(),
                    Err(e) => StepOutput { error: Some(e.to_string()), ..StepOutput::default() },
                }
            }
            Step::WriteLocal { path, content, mode } => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
                StepOutput::default()
            }
            Step::Call { .. } => panic!("no module of ours is called by an interpreter"),
            Step::Converse(conversation) => {
                let (mut talk, script) = conversation.begin();
                let mut output = self.run(&script, &[]);
                loop {
                    match talk.next(output) {
                        Ok(script) => output = self.run(&script, &[]),
                        Err(over) => return over,
                    }
                }
            }
            Step::Until { script, timeout, sleep, matching } => {
                let begun = std::time::Instant::now();
                loop {
                    let mut output = self.run(script, &[]);
                    if matching.as_ref().is_some_and(|pattern| !pattern.is_in(&output.stdout)) {
                        output.status = 1;
                    }
                    if output.status == 0 {
                        return StepOutput { duration: begun.elapsed(), ..output };
                    }
                    if begun.elapsed() >= *timeout {
                        return StepOutput { error: Some("timeout".into()), duration: begun.elapsed(), ..output };
                    }
                    std::thread::sleep((*sleep).min(std::time::Duration::from_millis(100)));
                }
            }
            Step::Wait { .. } | Step::Reconnect { .. } | Step::Reboot { .. } => {
                panic!("the runner does that itself: {:?}", change.step)
            }
            Step::Api(query) => match self.request(query) {
                Ok(value) => StepOutput { stdout: value.to_string().into_bytes(), ..StepOutput::default() },
                Err(why) => StepOutput { status: 1, error: Some(why), ..StepOutput::default() },
            },
        }
    }

    /// As the runner: small contents within the script, large ones uploaded before.
    fn write(&self, write: &FileWrite) -> StepOutput {
        if write.content.size() <= 64 * 1024 {
            return self.run(&place::keyed(write.script()), &[]);
        }
        let key = place::key();
        let made = self.run(&format!("__k={key}\n{}", write.folder()), &[]);
        if made.status != 0 {
            return made;
        }
        let told = String::from_utf8(made.stdout).unwrap();
        let (_, folder) = told.split_once('\n').unwrap();
        fs::write(format!("{folder}/{}", write.place.name), bytes(&write.content)).unwrap();
        self.run(&format!("__k={key}\n{}", write.received()), &[])
    }
}

fn busybox() -> &'static str {
    ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).exists()).unwrap()
}

/// A folder that holds nothing but busybox under all its names.
fn applets() -> &'static Path {
    static APPLETS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let directory = APPLETS.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let busybox = busybox();
        let list = Command::new(busybox).arg("--list").output().unwrap();
        for applet in String::from_utf8_lossy(&list.stdout).lines() {
            symlink(busybox, directory.path().join(applet)).unwrap();
        }
        directory
    });
    directory.path()
}

fn bytes(content: &Content) -> Vec<u8> {
    match content {
        Content::Bytes(bytes) => bytes.to_vec(),
        Content::File { path, .. } => fs::read(path).unwrap(),
    }
}

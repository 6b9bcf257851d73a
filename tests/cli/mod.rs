//! The command line as scripts and people meet it: the built program, its output and its exit codes.

pub mod ansible;
mod ansible_cfg;
mod commands;
mod debugger;
mod help;
mod hostile;
mod output;
mod python_modules;
mod reports;
mod trust;
mod undefined;
mod vault;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A folder of its own, with the program run in it.
pub struct Place {
    pub dir: TempDir,
}

/// What the program did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new(files: &[(&str, &str)]) -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(name, text)| place.write(name, text));
        place
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.path());
        command.env("COLUMNS", "100").env("NO_COLOR", "1").env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub fn answer(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Runs a playbook on this machine under the names given.
    pub fn play(&self, hosts: &str, more: &[&str]) -> Ran {
        let mut arguments = vec!["apply", "-c", "local", "--no-lock", "-i", hosts, "site.yml"];
        arguments.extend(more);
        self.run(&arguments)
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The JSON objects of standard output, one a line.
    pub fn events(&self) -> Vec<Json> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Everything, for a snapshot.
    pub fn shown(&self) -> String {
        format!("{}---- stderr\n{}---- exit {}", self.stdout, self.stderr, self.code)
    }
}

/// Leaves out of snapshots what differs from run to run.
pub fn settled<T>(place: &Place, check: impl FnOnce() -> T) -> T {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex::escape(place.path().to_str().unwrap()), "[DIR]");
    settings.add_filter(r"\d+\.\d\d s, \d+ round trips?", "[TIME], [TRIPS]");
    settings.add_filter(r"\(\d+\.\d\d s\)", "([TIME])");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "[DATE]");
    settings.add_filter(r"delta: .*", "delta: [TIME]");
    settings.add_filter(r#""delta": "[^"]*""#, "\"delta\": \"[TIME]\"");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(check)
}

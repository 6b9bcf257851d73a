//! The three ways a play is run, and the form in which their results can be held against each other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Map, Value as Json};

use crate::support::world::{Files, Servers, World, apart};

/// What a task came to on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub host: String,
    pub task: String,
    pub status: String,
    pub result: Json,
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    pub lines: Vec<Line>,
    pub files: Files,
    pub code: i32,
    /// All that was printed, for people.
    pub text: String,
}

/// How bringup is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As always.
    Batched,
    /// Task by task.
    OneByOne,
    /// `plan`.
    Plan,
}

fn program() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_bringup").map(PathBuf::from);
    std::env::var_os("BRINGUP_TEST_BINARY").map(PathBuf::from).or(built).unwrap()
}

/// Runs bringup over the servers, or on this machine where there are none.
pub fn bringup(world: &World, case: &Json, servers: Option<&Servers>, way: Way) -> Ran {
    let hosts = case["hosts"].as_u64().unwrap() as usize;
    let inventory = world.book().join("hosts");
    let text = match servers {
        Some(servers) => servers.inventory(hosts),
        None => (1..=hosts).map(|n| format!("h{n} ansible_connection=local\n")).collect(),
    };
    fs::write(&inventory, text).unwrap();
    let mut command = apart(&program());
    command.arg(if way == Way::Plan { "plan" } else { "apply" }).args(["--no-lock", "--output", "json", "-i"]);
    command.arg(&inventory).arg("-e").arg(format!("base={}", world.base().display())).arg("site.yml");
    command.args(case["flags"].as_array().unwrap().iter().filter_map(Json::as_str));
    if way == Way::OneByOne {
        command.arg("--no-lookahead");
    }
    command.current_dir(world.book()).env("HOME", servers.map_or(world.book().as_path(), Servers::home));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut ran = Ran { files: world.files(), code: output.status.code().unwrap_or(-1), ..Ran::default() };
    for event in stdout.lines().filter_map(|l| serde_json::from_str::<Json>(l).ok()) {
        let kind = event["event"].as_str().unwrap_or_default();
        if !matches!(kind, "task_result" | "handler_result") || event["action"] == "include_tasks" {
            continue;
        }
        let status = match event["status"].as_str().unwrap_or_default() {
            "rescued" => "failed",
            other => other,
        };
        ran.lines.push(line(&event, status));
    }
    ran.text = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    ran
}

/// `ansible-playbook`, where it is known.
pub fn ansible_program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BRINGUP_TEST_ANSIBLE") {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join("ansible-playbook")).find(|p| p.exists())
}

/// Runs the same play with Ansible, on this machine.
pub fn ansible(program: &Path, world: &World, case: &Json) -> Ran {
    let hosts = case["hosts"].as_u64().unwrap();
    let inventory: String = (1..=hosts).map(|n| format!("h{n} ansible_connection=local\n")).collect();
    fs::write(world.book().join("hosts"), inventory).unwrap();
    fs::create_dir_all(world.book().join("callbacks")).unwrap();
    fs::write(world.book().join("callbacks/lines.py"), include_str!("callback.py")).unwrap();
    let lines = world.book().join("lines.json");
    let home = world.book().join("home");
    fs::create_dir_all(&home).unwrap();
    let mut command = Command::new(program);
    command.args(["-i", "hosts", "-f", "1", "site.yml", "-e"]).arg(format!("base={}", world.base().display()));
    command.args(case["flags"].as_array().unwrap().iter().filter_map(Json::as_str));
    let python = program.with_file_name("python");
    if python.exists() {
        command.arg("-e").arg(format!("ansible_python_interpreter={}", python.display()));
    }
    command.env("ANSIBLE_CALLBACK_PLUGINS", world.book().join("callbacks")).env("ANSIBLE_STDOUT_CALLBACK", "lines");
    command.env("LINES_FILE", &lines).env("HOME", &home).env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_PIPELINING", "1");
    command.env("ANSIBLE_RETRY_FILES_ENABLED", "0").env("ANSIBLE_LOCALHOST_WARNING", "0").env("LC_ALL", "C.UTF-8");
    let output = command.current_dir(world.book()).stdin(Stdio::null()).output().unwrap();
    let mut ran = Ran { files: world.files(), code: output.status.code().unwrap_or(-1), ..Ran::default() };
    let text = fs::read_to_string(&lines).unwrap_or_default();
    for event in text.lines().map(|l| serde_json::from_str::<Json>(l).unwrap()) {
        let action = event["action"].as_str().unwrap_or_default();
        if !action.ends_with("include_tasks") && !action.ends_with("meta") {
            ran.lines.push(line(&event, event["status"].as_str().unwrap_or_default()));
        }
    }
    let told = [output.stdout, output.stderr].concat();
    ran.text = format!("{text}{}", String::from_utf8_lossy(&told));
    ran
}

fn line(event: &Json, status: &str) -> Line {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    Line { host: text("host"), task: text("task"), status: status.to_owned(), result: settled(&event["result"]) }
}

/// Leaves out what differs from run to run: times, numbers of inodes, and what only describes the run itself.
fn settled(value: &Json) -> Json {
    const LEFT_OUT: &[&str] = &[
        "start",
        "end",
        "delta",
        "atime",
        "mtime",
        "ctime",
        "inode",
        "dev",
        "version",
        "attributes",
        "attr_flags",
        "mimetype",
        "charset",
        "md5sum",
        "invocation",
        "diff",
        "warnings",
        "deprecations",
        "exception",
        "place",
        "help",
        "failed_modules",
        "false_condition",
        "skip_reason",
        "skipped_reason",
        "module_stdout",
        "module_stderr",
        "ansible_facts_cacheable",
    ];
    match value {
        Json::Object(fields) => Json::Object(
            fields
                .iter()
                .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()) && !name.starts_with("_ansible"))
                // The size of a folder is its file system's affair.
                .filter(|(name, _)| *name != "size" || fields.get("state").is_none_or(|s| s != "directory"))
                .map(|(name, value)| (name.clone(), settled(value)))
                .collect::<Map<_, _>>(),
        ),
        Json::Array(items) => {
            let mut items: Vec<Json> = items.iter().map(settled).collect();
            // What `find` finds comes in the order of the file system.
            if items.iter().all(|item| item.get("isdir").is_some()) {
                items.sort_by_key(|item| item["path"].to_string());
            }
            Json::Array(items)
        }
        other => other.clone(),
    }
}

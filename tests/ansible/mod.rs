//! Playbooks that both run, bringup and Ansible: the same statuses and exit code, what a task shows the same, the same files.
//!
//! A folder is a subject; in it `playbook.yml`, which knows three hosts of this machine (`h1`, `h2`, `h3`, in the group `g`) and writes
//! below `out/` alone; a file `arguments` beside it holds more words for the command line. What Ansible did is recorded in `recorded.json`, and asked anew where it is there:
//!
//!     BRINGUP_TEST_ANSIBLE=/tmp/ansible/bin/ansible-playbook cargo test --test cases ansible
//!     BRINGUP_TEST_ANSIBLE=… RECORD=1 cargo test --test cases ansible      # writes recorded.json

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};

use crate::random_plays::runs::ansible_program;

/// What a run came to: of each host its tasks in order, each with its status and what `debug` shows; the exit code; the files.
type Came = BTreeMap<String, Json>;

/// Copies a subject to a folder of its own.
pub fn laid_out(subject: &Path, to: &Path) {
    for entry in fs::read_dir(subject).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            laid_out(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

pub fn prepared(subject: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    laid_out(subject, folder.path());
    fs::create_dir_all(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("hosts"), "[g]\nh1\nh2\nh3\n[all:vars]\nansible_connection=local\n").unwrap();
    folder
}

/// What a subject adds to the command line.
fn arguments(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("arguments")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

pub fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("ANSIBLE_ASYNC_DIR", folder.join("jobs"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Gathers what tasks came to; what names the folder is told without it.
fn gathered(lines: impl Iterator<Item = Json>, code: Option<i32>, folder: &Path) -> Came {
    let here = folder.display().to_string();
    let mut came = Came::new();
    for line in lines {
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let action = text("action");
        let status = match text("status").as_str() {
            "rescued" => "failed".to_owned(),
            other => other.to_owned(),
        };
        let included =
            ["include_tasks", "include_role", "meta"].contains(&action.rsplit('.').next().unwrap_or_default());
        if included && matches!(status.as_str(), "ok" | "changed") || action.ends_with("meta") {
            continue;
        }
        let result = &line["result"];
        let told = |result: &Json| match action.ends_with("debug") && status == "ok" {
            // Both types of templates are right: 2.18 makes texts where 2.19 keeps numbers.
            true => json!(result["msg"].to_string().replace(&here, "HERE").replace('"', "")),
            false => Json::Null,
        };
        let shown = match result["results"].as_array() {
            Some(items) => json!(items.iter().map(told).collect::<Vec<_>>()),
            None => told(result),
        };
        let all = came.entry(text("host")).or_insert_with(|| json!([]));
        all.as_array_mut().unwrap().push(json!([text("task"), status, shown]));
    }
    came.insert("exit".to_owned(), json!(code));
    came.insert("files".to_owned(), json!(files(&folder.join("out"))));
    came
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text))),
            false => drop(found.insert(name, fs::read_to_string(&path).unwrap_or_default())),
        }
    }
    found
}

/// Lets bringup find the Python of an `ansible-playbook`.
pub fn with_python_of(command: &mut Command, program: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = program.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders).unwrap());
}

pub fn by_bringup(subject: &Path, python: Option<&Path>) -> (Came, String) {
    let folder = prepared(subject);
    let mut command = command(Path::new(env!("CARGO_BIN_EXE_bringup")), folder.path());
    python.into_iter().for_each(|program| with_python_of(&mut command, program));
    command.args(["apply", "--no-lock", "--output", "json", "-i", "hosts", "playbook.yml", "-e"]);
    command.arg(format!("base={}", folder.path().display())).args(arguments(folder.path()));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let lines = lines.filter(|line| matches!(line["event"].as_str(), Some("task_result" | "handler_result")));
    let came = gathered(lines, output.status.code(), folder.path());
    (came, format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

pub fn by_ansible(program: &Path, subject: &Path) -> Came {
    let folder = prepared(subject);
    let callbacks = folder.path().join("callbacks");
    fs::create_dir_all(&callbacks).unwrap();
    fs::write(callbacks.join("lines.py"), include_str!("../random_plays/callback.py")).unwrap();
    let file = folder.path().join("lines.json");
    let mut command = command(program, folder.path());
    command.args(["-i", "hosts", "playbook.yml", "-e"]).arg(format!("base={}", folder.path().display()));
    command.args(arguments(folder.path()));
    let python = program.with_file_name("python");
    if python.exists() {
        command.arg("-e").arg(format!("ansible_python_interpreter={}", python.display()));
    }
    command
        .env("ANSIBLE_CALLBACK_PLUGINS", &callbacks)
        .env("ANSIBLE_STDOUT_CALLBACK", "lines")
        .env("LINES_FILE", &file);
    let output = command.env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_PIPELINING", "1").output().unwrap();
    let text = fs::read_to_string(&file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    gathered(lines, output.status.code(), folder.path())
}

/// Where two runs differ first.
pub fn difference(ours: &Came, theirs: &Came) -> Option<String> {
    for (what, value) in theirs {
        let own = ours.get(what).cloned().unwrap_or_default();
        if own == *value {
            continue;
        }
        let (Some(a), Some(b)) = (own.as_array(), value.as_array()) else {
            return Some(format!("{what}: {own}\n  or {value}"));
        };
        let at = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
        let shown = |list: &[Json]| list.get(at).map_or_else(|| "nothing".to_owned(), Json::to_string);
        return Some(format!("{what}, task {}: {}\n  or {}", at + 1, shown(a), shown(b)));
    }
    None
}

/// A test of each subject.
pub fn trials() -> Vec<Trial> {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ansible");
    let mut subjects: Vec<PathBuf> = fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().path()).collect();
    subjects.retain(|path| path.join("playbook.yml").exists());
    subjects.sort();
    let named = |subject: &PathBuf| format!("ansible::{}", subject.file_name().unwrap().to_string_lossy());
    subjects.into_iter().map(|subject| Trial::test(named(&subject), move || ends_alike(&subject))).collect()
}

fn ends_alike(subject: &Path) -> Result<(), Failed> {
    let recorded = subject.join("recorded.json");
    let theirs: Came = match ansible_program() {
        Some(program) => by_ansible(&program, subject),
        None => serde_json::from_str(&fs::read_to_string(&recorded)?)?,
    };
    if ansible_program().is_some() && std::env::var_os("RECORD").is_some() {
        fs::write(&recorded, serde_json::to_string_pretty(&theirs)? + "\n")?;
    }
    let (ours, text) = by_bringup(subject, None);
    match difference(&ours, &theirs) {
        None => Ok(()),
        Some(difference) => {
            let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).take(12).collect();
            Err(format!("{difference}\n{}", said.join("\n")).into())
        }
    }
}

//! The workstation's one Python: started when it is first asked, and asked one thing at a time.

use std::{
    cell::Cell,
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// The script's first part, which reads the others.
const SERVE: &str = include_str!("workstation/serve.py");

/// What it has operations for, by name.
const PARTS: &[(&str, &str)] = &[
    ("docs", include_str!("workstation/docs.py")),
    ("inventory", include_str!("workstation/inventory.py")),
    ("modules", include_str!("workstation/modules.py")),
    ("plugins", include_str!("workstation/plugins.py")),
];

/// What a frame of it may hold.
const MOST: usize = 512 << 20;

/// How much of what it prints is kept, for messages.
const SAID: usize = 4 << 10;

/// Whether Python may be used, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Python {
    /// The one that has ansible-core, where something is not native.
    #[default]
    Auto,
    /// None: what is not native is refused.
    Never,
    /// This one.
    At(PathBuf),
}

impl std::str::FromStr for Python {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Python, Self::Err> {
        Ok(match text {
            "auto" => Python::Auto,
            "never" => Python::Never,
            path => Python::At(path.into()),
        })
    }
}

/// Why something cannot be had of the workstation's Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may not be used.
    Never,
    /// No Python of this machine has ansible-core: what was tried, and why not.
    Absent(String),
    /// It said no, in words for the user.
    Refused(String),
    /// It ended, or what it says makes no sense.
    Broken(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Never => f.write_str("it takes Python, which `python: never` rules out"),
            Fault::Absent(tried) => write!(f, "it takes Python with ansible-core on this machine: {tried}"),
            Fault::Refused(why) => f.write_str(why),
            Fault::Broken(why) => write!(f, "this machine's Python: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Fault::Never => Some("allow it with `--python auto`, or use what `bringup doc` lists"),
            Fault::Absent(_) => Some(
                "install it (`pipx install ansible`, or `pip install ansible` in a virtual environment), or name one with `--python PATH`",
            ),
            Fault::Refused(_) | Fault::Broken(_) => None,
        }
    }
}

/// What it is asked back in the middle of a request, and what bringup answers.
pub type Talk<'a> = &'a mut dyn FnMut(&Json) -> Result<Json, String>;

/// The state of the process.
#[derive(Default)]
enum Process {
    #[default]
    NotStarted,
    Running(Box<Running>),
    /// It is not tried again.
    Failed(Fault),
}

struct Running {
    /// It ends with its input.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    said: Arc<Mutex<Vec<u8>>>,
    /// The folders that it was told of.
    told: Folders,
    about: About,
    /// What Ansible has warned of.
    warnings: Vec<String>,
}

/// What it says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct About {
    /// The version of ansible-core.
    pub ansible: String,
    /// The path of the interpreter.
    pub python: String,
}

/// Folders whose plugins count, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Folders {
    playbooks: Vec<PathBuf>,
    roles: Vec<PathBuf>,
}

#[derive(Default)]
struct State {
    python: Python,
    process: Process,
    folders: Folders,
    warnings: Vec<String>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

thread_local! {
    /// The process, while this thread answers what it asks back: what the answer takes may be asked of it in turn.
    static ASKING: Cell<Option<Box<Running>>> = const { Cell::new(None) };
}

fn state() -> MutexGuard<'static, Option<State>> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state.get_or_insert_default();
    state
}

/// Says whether Python may be used. Once it runs that is settled.
pub fn allow(python: Python) {
    if let Some(state) = state().as_mut() {
        state.python = python;
    }
}

/// Tells of the folder of a playbook, whose `library/`, `filter_plugins/`, `collections/` and kin count.
pub fn of_playbook(folder: &Path) {
    note(folder, |folders| &mut folders.playbooks);
}

/// Tells of the folder of a role.
pub fn of_role(folder: &Path) {
    note(folder, |folders| &mut folders.roles);
}

fn note(folder: &Path, which: impl Fn(&mut Folders) -> &mut Vec<PathBuf>) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut state = state();
    let Some(state) = state.as_mut() else { return };
    let known = which(&mut state.folders);
    if !known.contains(&folder) {
        known.push(folder);
    }
}

/// What Ansible has warned of since this was asked last. Nothing while the process is asked something: that is told later.
pub fn take_warnings() -> Vec<String> {
    // The thread that asks may be this one, in the middle of an answer of its own.
    let Ok(mut state) = STATE.try_lock() else { return Vec::new() };
    state.as_mut().map(|state| std::mem::take(&mut state.warnings)).unwrap_or_default()
}

/// The Ansible that is there. Starts it.
///
/// # Errors
/// [`Fault`].
pub fn about() -> Result<About, Fault> {
    let mut state = state();
    let state = state.get_or_insert_default();
    state.running().map(|running| running.about.clone())
}

/// Asks for an operation of the script's, by its name and arguments.
///
/// # Errors
/// [`Fault`]; [`Fault::Refused`] has what the script says.
pub fn ask<T: for<'d> Deserialize<'d>>(operation: &str, arguments: Json) -> Result<T, Fault> {
    ask_talking(operation, arguments, &mut |question| Err(format!("nobody answers {question}")))
}

/// The same where it may ask something back.
///
/// # Errors
/// [`Fault`].
pub fn ask_talking<T: for<'d> Deserialize<'d>>(operation: &str, arguments: Json, talk: Talk) -> Result<T, Fault> {
    let value = match ASKING.take() {
        Some(running) => {
            let (answer, running) = exchange(running, &request(operation, arguments), talk);
            ASKING.set(running);
            answer.map_err(Fault::Broken)?.value()
        }
        None => {
            let mut state = state();
            let state = state.get_or_insert_default();
            state.tell_folders()?;
            state.request(operation, arguments, talk)
        }
    };
    serde_json::from_value(value?)
        .map_err(|error| Fault::Broken(format!("`{operation}` answers something else: {error}")))
}

fn request(operation: &str, arguments: Json) -> Json {
    let mut request = match arguments {
        Json::Object(arguments) => arguments,
        _ => Map::new(),
    };
    request.insert("op".into(), json!(operation));
    Json::Object(request)
}

/// Asks the process and answers what it asks back. It is gone where it is not given back.
fn exchange(mut running: Box<Running>, request: &Json, talk: Talk) -> (Result<Answer, String>, Option<Box<Running>>) {
    let mut told = running.write(request);
    loop {
        let answer = match told.and_then(|()| running.read()) {
            Ok(mut answer) => {
                running.warnings.append(&mut answer.said);
                answer
            }
            Err(why) => return (Err(format!("{why}{}", running.last_words())), None),
        };
        let Some(question) = answer.ask else { return (Ok(answer), Some(running)) };
        ASKING.set(Some(running));
        let said = match talk(&question) {
            Ok(value) => json!({ "ok": value }),
            Err(why) => json!({ "error": why }),
        };
        running = match ASKING.take() {
            Some(running) => running,
            None => return (Err("it has ended".to_owned()), None),
        };
        told = running.write(&said);
    }
}

impl State {
    fn running(&mut self) -> Result<&mut Running, Fault> {
        if let Process::NotStarted = self.process {
            self.process = match start(&self.python) {
                Ok(running) => Process::Running(Box::new(running)),
                Err(fault) => Process::Failed(fault),
            };
        }
        match &mut self.process {
            Process::Running(running) => Ok(running),
            Process::Failed(fault) => Err(fault.clone()),
            Process::NotStarted => Err(Fault::Broken("it did not start".to_owned())),
        }
    }

    fn tell_folders(&mut self) -> Result<(), Fault> {
        let folders = self.folders.clone();
        if self.running()?.told == folders {
            return Ok(());
        }
        let arguments = json!({ "playbooks": folders.playbooks, "roles": folders.roles });
        self.request("folders", arguments, &mut |_| Err(String::new()))?;
        self.running()?.told = folders;
        Ok(())
    }

    fn request(&mut self, operation: &str, arguments: Json, talk: Talk) -> Result<Json, Fault> {
        self.running()?;
        let gone = Fault::Broken("it has ended".to_owned());
        let Process::Running(running) = std::mem::replace(&mut self.process, Process::Failed(gone.clone())) else {
            return Err(gone);
        };
        let (answer, running) = exchange(running, &request(operation, arguments), talk);
        if let Some(mut running) = running {
            self.warnings.append(&mut running.warnings);
            self.process = Process::Running(running);
        }
        match answer {
            Ok(answer) => answer.value(),
            Err(why) => {
                let fault = Fault::Broken(why);
                self.process = Process::Failed(fault.clone());
                Err(fault)
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ok: Json,
    error: Option<String>,
    #[serde(default)]
    said: Vec<String>,
    ask: Option<Json>,
}

impl Answer {
    fn value(self) -> Result<Json, Fault> {
        match self.error {
            Some(error) => Err(Fault::Refused(error)),
            None => Ok(self.ok),
        }
    }
}

impl Running {
    fn write(&mut self, frame: &Json) -> Result<(), String> {
        let data = frame.to_string();
        let text = format!("{}\n{data}", data.len());
        let sent = self.input.write_all(text.as_bytes()).and_then(|()| self.input.flush());
        sent.map_err(|_| "it has ended".to_owned())
    }

    fn read(&mut self) -> Result<Answer, String> {
        let mut line = String::new();
        let limited = (&mut self.output).take(20).read_line(&mut line);
        if limited.map_err(|error| error.to_string())? == 0 {
            return Err("it has ended".to_owned());
        }
        let length = line.trim_end().parse::<usize>().ok().filter(|length| *length <= MOST);
        let mut data = vec![0; length.ok_or_else(|| format!("its answer begins with {line:?}"))?];
        self.output.read_exact(&mut data).map_err(|error| error.to_string())?;
        serde_json::from_slice(&data).map_err(|error| format!("its answer cannot be read: {error}"))
    }

    fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&said);
        match text.trim().lines().next_back() {
            Some(line) => format!(": {line}"),
            None => String::new(),
        }
    }
}

/// Starts the first Python that has ansible-core.
fn start(python: &Python) -> Result<Running, Fault> {
    let candidates = match python {
        Python::Never => return Err(Fault::Never),
        Python::At(path) => vec![path.clone()],
        Python::Auto => candidates(std::env::var_os("PATH")),
    };
    let mut tried = Vec::new();
    for candidate in candidates {
        match launch(&candidate) {
            Ok(running) => return Ok(running),
            Err(why) => tried.push(format!("{}: {why}", candidate.display())),
        }
    }
    match tried.is_empty() {
        true => Err(Fault::Absent("there is no `python3` in `PATH`".to_owned())),
        false => Err(Fault::Absent(tried.join("; "))),
    }
}

/// The interpreters that may have it: that of the `ansible-playbook` in `PATH`, then `python3`.
fn candidates(path: Option<OsString>) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = path.iter().flat_map(std::env::split_paths).collect();
    let in_path = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    let mut found = Vec::new();
    for name in ["ansible-playbook", "ansible"] {
        // This program may be there under that name; it is no script.
        let scripts = folders.iter().map(|folder| folder.join(name)).filter_map(|file| shebang(&file));
        for words in scripts {
            let mut words = words.split_whitespace();
            match (words.next(), words.next()) {
                (Some(env), Some(name)) if env.ends_with("/env") => found.extend(in_path(name)),
                (Some(interpreter), _) => found.push(PathBuf::from(interpreter)),
                (None, _) => {}
            }
        }
    }
    found.extend(in_path("python3"));
    let mut seen = std::collections::HashSet::new();
    found.retain(|candidate| seen.insert(candidate.clone()));
    found
}

/// What the first line of a script names.
fn shebang(file: &Path) -> Option<String> {
    let mut first = Vec::new();
    BufReader::new(std::fs::File::open(file).ok()?.take(1024)).read_until(b'\n', &mut first).ok()?;
    Some(std::str::from_utf8(&first).ok()?.strip_prefix("#!")?.trim().to_owned())
}

/// Starts an interpreter and sees whether it has ansible-core.
fn launch(python: &Path) -> Result<Running, String> {
    let mut command = Command::new(python);
    // The folder that it is started in must not be where it looks for its own modules first.
    let boot = format!(
        "import sys\nsys.path[:] = [folder for folder in sys.path if folder]\nimport os\nscript = b''\n\
         while len(script) < {0}: script += os.read(0, {0} - len(script)) or sys.exit(1)\n\
         exec(compile(script, '<bringup>/serve.py', 'exec'))",
        SERVE.len()
    );
    command.args(["-c", &boot]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if std::env::var_os("ANSIBLE_LOCAL_TEMP").is_none() {
        command.env("ANSIBLE_LOCAL_TEMP", std::env::temp_dir());
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it has no streams".to_owned());
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    listen(errors, said.clone());
    let about = About { ansible: String::new(), python: String::new() };
    let told = Folders::default();
    let output = BufReader::new(output);
    let mut running = Running { _child: child, input, output, said, told, about, warnings: Vec::new() };
    let sources: Map<String, Json> = PARTS.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    running.input.write_all(SERVE.as_bytes()).map_err(|_| format!("it has ended{}", running.last_words()))?;
    // One that ended at once may have said why before it could be asked.
    let _ended = running.write(&json!({ "sources": sources }));
    let hello = running.read();
    let hello = hello.map_err(|why| format!("{why}{}", running.last_words()))?;
    if let Some(error) = hello.error {
        return Err(error);
    }
    running.about = serde_json::from_value(hello.ok).map_err(|error| error.to_string())?;
    Ok(running)
}

/// Keeps the last of what it prints.
fn listen(mut errors: impl Read + Send + 'static, said: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = errors.read(&mut piece) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(&piece[..count]);
            let surplus = said.len().saturating_sub(SAID);
            said.drain(..surplus);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(folder: &Path, name: &str, first: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, format!("{first}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn the_python_of_ansible_itself_comes_first() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let python = script(one.path(), "python3", "#!/bin/sh");
        script(one.path(), "ansible-playbook", "\x7fELF");
        script(two.path(), "ansible-playbook", "#!/opt/ansible/bin/python3.12 -s");
        script(two.path(), "ansible", "#!/usr/bin/env python3");
        let path = std::env::join_paths([one.path(), two.path()]).unwrap();
        assert_eq!(candidates(Some(path)), [PathBuf::from("/opt/ansible/bin/python3.12"), python]);
        assert!(candidates(None).is_empty());
    }

    #[test]
    fn what_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let none = start(&Python::At(dir.path().join("python3"))).err();
        assert!(matches!(none, Some(Fault::Absent(why)) if why.contains("No such file")));
        // It starts and says nothing that makes sense.
        let noise = script(dir.path(), "noise", "#!/bin/sh\necho hello; cat >/dev/null");
        let broken = start(&Python::At(noise)).err();
        assert!(matches!(&broken, Some(Fault::Absent(why)) if why.contains("begins with \"hello")), "{broken:?}");
        assert_eq!(start(&Python::Never).err(), Some(Fault::Never));
    }
}

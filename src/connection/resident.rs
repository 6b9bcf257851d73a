//! The resident Python of one user on a host: started once, it runs modules from memory, each call in a process of its own.
//!
//! It is a program like the long-lived shell: its frames go through a [`Process`], and it ends with its input. Contents are sent once for
//! each connection. What comes back is data, and bounded.

use super::{
    error::Error,
    exchange::sleep_until,
    process::{End, Event, Process, Reading, Tail},
    reached::{Counters, Reached, Stats},
    sudo::Become,
};
use crate::{
    sh::quote,
    ssh::limit::{MOST_NOISE, MOST_OUTPUT, find, size},
};
use bytes::{Buf as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// The script that it runs.
const SCRIPT: &str = include_str!("resident.py");

/// How long an interpreter may take to start.
const GREETING: Duration = Duration::from_secs(120);

/// How long a call that is limited on the host may be late before it is given up on.
const GRACE: Duration = Duration::from_secs(15);

/// What a line of it may hold: some numbers, in the greeting some facts.
const MOST_HEADER: usize = 64 << 10;

/// What is tried where nobody says which interpreter, in this order.
///
/// Source: `INTERPRETER_PYTHON_FALLBACK` of ansible-core.
const KNOWN: [&str; 10] = [
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
    "/usr/bin/python3",
    "/usr/libexec/platform-python",
    "python3",
];

/// The interpreter of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interpreter {
    /// Path or name, with words behind it where it needs some; `None`: the first that is found.
    pub command: Option<String>,
    /// Variables of its environment that count when it starts: `PYTHONPATH`, `LD_LIBRARY_PATH` and kin.
    pub environment: Vec<(String, String)>,
}

/// The files of a module, as its process imports them.
#[derive(Debug)]
pub struct Payload {
    /// What tells it from others.
    pub mark: String,
    /// The full name that it is run by.
    pub module: String,
    /// How its arguments are written, where its Ansible has several ways.
    pub profile: Option<String>,
    /// Names in the archive, and their contents' checksums.
    pub files: Vec<(String, String)>,
    /// The contents, compressed by zlib, in the order of the files.
    pub contents: Vec<Bytes>,
    /// Arguments of every call, where it says nothing else.
    pub defaults: Map<String, Json>,
}

/// One call of a module.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is run.
    pub payload: Arc<Payload>,
    /// `ANSIBLE_MODULE_ARGS`, but for the folder for temporary files.
    pub arguments: Map<String, Json>,
    /// What its environment has besides.
    pub environment: Vec<(String, String)>,
    /// POSIX sh that runs before it; if that fails, the call is not made.
    pub before: String,
    /// How long it may run.
    pub limit: Option<Duration>,
    /// Calls of one number are items of one task: one that fails does not stop the others.
    pub group: u32,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// Its exit status, or the number of the signal that ended it, negative.
    pub status: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Its time was over.
    pub timed_out: bool,
    /// It printed more than is kept: so many bytes.
    pub cut: Option<u64>,
    /// It was not made: something before it failed.
    pub unrun: bool,
    /// What was to run before it failed.
    pub unnoted: bool,
    /// So many calls that were sent ahead were made before it, though nobody has asked for them.
    pub beyond: usize,
}

/// What a host's line says.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    bytes: usize,
    folder: Option<String>,
    none: Option<Json>,
    old: Option<String>,
    id: Option<u64>,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    out: usize,
    #[serde(default)]
    over: bool,
    cut: Option<u64>,
    #[serde(default)]
    unrun: bool,
    noted: Option<bool>,
}

struct Running {
    process: Process,
    token: Vec<u8>,
    buffer: BytesMut,
    /// How much was read of a greeting's noise.
    noise: usize,
    said: Tail,
    greeted: bool,
    /// The folder for its modules' temporary files.
    folder: String,
    /// What it was sent: contents and payloads, by checksum.
    sent: HashSet<String>,
    next: u64,
    /// Calls under way, in their order.
    waiting: VecDeque<(u64, Call)>,
}

#[derive(Default)]
pub(super) struct State {
    running: Option<Running>,
}

impl State {
    /// Ends it where nothing is under way, and tells whether it did.
    pub(super) async fn end(&mut self) -> bool {
        if self.running.as_ref().is_none_or(|running| !running.waiting.is_empty()) {
            return false;
        }
        if let Some(running) = self.running.take() {
            running.process.finish(Duration::from_secs(5)).await;
        }
        true
    }
}

/// A resident Python, as one user. It ends when it is dropped.
pub struct Resident {
    session: Arc<Reached>,
    wish: Option<Become>,
    interpreter: Interpreter,
    state: Arc<Mutex<State>>,
}

impl Resident {
    pub(super) fn new(session: Arc<Reached>, wish: Option<Become>, interpreter: Interpreter) -> Resident {
        let state = Arc::new(Mutex::new(State::default()));
        session.register_resident(&state);
        Resident { session, wish, interpreter, state }
    }

    /// Starts it, where it does not run, and reads its greeting.
    ///
    /// # Errors
    /// [`Error::NoPython`] where there is none; the connection's own.
    pub async fn start(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        self.ensure(&mut state).await.map(|_| ())
    }

    /// Makes a call and waits for what comes of it. `ahead` are calls that will follow if nothing fails: they are sent too, begin as soon as
    /// this one is over, and are answered when they are asked for as `call`. One that is asked for must be the next of them.
    ///
    /// # Errors
    /// The interpreter or the connection was lost: whether the call was made is not known.
    pub async fn call(&self, call: &Call, ahead: &[Call]) -> Result<Called, Error> {
        let mut state = self.state.lock().await;
        let result = self.exchange(&mut state, call, ahead).await;
        if result.is_err() {
            state.running = None;
        }
        result
    }

    async fn exchange(&self, state: &mut State, call: &Call, ahead: &[Call]) -> Result<Called, Error> {
        let running = self.ensure(state).await?;
        if running.waiting.front().is_some_and(|(_, next)| next.is(call)) {
            let reply = self.reply(running).await?;
            if !reply.unrun {
                return Ok(reply);
            }
        }
        let mut beyond = 0;
        if !running.waiting.is_empty() {
            running.write(json!({ "op": "drop" }), &[]).await;
            while !running.waiting.is_empty() {
                beyond += usize::from(!self.reply(running).await?.unrun);
            }
        }
        Counters::add(&self.session.counters.round_trips, 1);
        self.send(running, call, ahead).await;
        Ok(Called { beyond, ..self.reply(running).await? })
    }

    async fn send(&self, running: &mut Running, call: &Call, ahead: &[Call]) {
        let mut frame = BytesMut::new();
        for (at, call) in std::iter::once(call).chain(ahead).enumerate() {
            running.contents(&call.payload, &mut frame);
            let mut arguments = call.payload.defaults.clone();
            arguments.extend(call.arguments.clone());
            arguments.insert("_ansible_remote_tmp".into(), json!(running.folder));
            let arguments = json!({ "ANSIBLE_MODULE_ARGS": arguments }).to_string();
            let environment: Map<String, Json> =
                call.environment.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let header = json!({
                "op": "run",
                "id": running.next,
                "payload": call.payload.mark,
                "environment": environment,
                "before": call.before,
                "limit": call.limit.map(|limit| limit.as_secs_f64()),
                "group": call.group,
                "first": at == 0,
            });
            add(&mut frame, header, &[arguments.as_bytes()]);
            running.waiting.push_back((running.next, call.clone()));
            running.next += 1;
        }
        Counters::add(&self.session.counters.up, frame.len());
        // If it has ended, reading tells how.
        let _ = running.process.stdin.write(frame.freeze()).await;
    }

    /// Reads what came of the first of those that are under way.
    async fn reply(&self, running: &mut Running) -> Result<Called, Error> {
        let limit = running.waiting.front().and_then(|(_, call)| call.limit);
        let until = limit.map(|limit| Instant::now() + limit + GRACE);
        let (header, body) = self.frame(running, until, limit.unwrap_or_default()).await?;
        let Some((id, _)) = running.waiting.pop_front() else {
            return Err(self.out_of_step("an answer to nothing".to_owned()));
        };
        if header.id != Some(id) || header.out > body.len() {
            return Err(self.out_of_step(format!("an answer to call {:?} instead of {id}", header.id)));
        }
        let (stdout, stderr) = body.split_at(header.out);
        Ok(Called {
            status: header.status,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
            timed_out: header.over,
            cut: header.cut,
            unrun: header.unrun,
            unnoted: header.noted == Some(false),
            beyond: 0,
        })
    }

    async fn ensure<'s>(&self, state: &'s mut State) -> Result<&'s mut Running, Error> {
        if state.running.is_none() {
            let token = crate::ssh::random_hex(16);
            let becomes = self.session.needed(self.wish.as_ref()).is_some();
            let script = launch(&self.interpreter, &token, becomes);
            let (process, rest) = self.session.start(self.wish.as_ref(), &script, Reading::Kept).await?;
            let _ = process.stdin.write(Bytes::from_static(SCRIPT.as_bytes())).await;
            let mut running = Running::new(process, &token);
            running.buffer.extend_from_slice(&rest);
            self.greeting(&mut running).await?;
            state.running = Some(running);
        }
        state.running.as_mut().ok_or_else(|| self.session.lost())
    }

    async fn greeting(&self, running: &mut Running) -> Result<(), Error> {
        let (header, _) = self.frame(running, Some(Instant::now() + GREETING), GREETING).await?;
        if header.none.is_some() {
            return Err(self.no_python("there is no Python on it", &format!("none of {}", KNOWN.join(", "))));
        }
        if let Some(old) = header.old {
            return Err(
                self.no_python(&format!("its Python is {}", crate::ssh::limit::short(&old)), "it takes 3.6 or later")
            );
        }
        let Some(folder) = header.folder else {
            return Err(self.out_of_step("it does not greet".to_owned()));
        };
        running.greeted = true;
        running.folder = folder;
        Ok(())
    }

    /// Reads the next frame.
    async fn frame(
        &self,
        running: &mut Running,
        until: Option<Instant>,
        allowed: Duration,
    ) -> Result<(Header, Bytes), Error> {
        let began = Instant::now();
        loop {
            if let Some(frame) = running.take().map_err(|what| self.fault(what))? {
                return Ok(frame);
            }
            let event = tokio::select! {
                event = running.process.events.next() => event,
                () = sleep_until(until) => {
                    let host = self.session.name.clone();
                    return Err(match running.greeted {
                        true => Error::StepTimeout { host, acknowledged: 0, waited: began.elapsed(), allowed },
                        false => self.no_python("its Python did not answer in time", &running.said.text()),
                    });
                }
            };
            match event {
                Some(Event::Out(bytes)) => {
                    Counters::add(&self.session.counters.down, bytes.len());
                    running.buffer.extend_from_slice(&bytes);
                }
                Some(Event::Err(bytes)) => {
                    running.said.push(&bytes);
                    running.noise += bytes.len();
                    if running.noise > MOST_NOISE {
                        return Err(self.too_much("its Python goes on printing errors", MOST_NOISE));
                    }
                }
                None => {
                    let end = running.process.events.end().await;
                    return Err(self.ended(running, end));
                }
            }
        }
    }

    fn ended(&self, running: &Running, end: End) -> Error {
        if end == End::Flooded {
            return self.too_much("its Python goes on sending what nobody reads", crate::ssh::limit::MOST_UNREAD);
        }
        if self.session.is_lost() {
            return self.session.lost();
        }
        let said = running.said.text();
        match running.greeted {
            true => Error::PythonLost { host: self.session.name.clone(), end, said },
            false => self.no_python(&format!("its Python did not start: {end}"), &said),
        }
    }

    fn no_python(&self, what: &str, said: &str) -> Error {
        Error::NoPython { host: self.session.name.clone(), what: what.to_owned(), said: said.to_owned() }
    }

    fn out_of_step(&self, what: String) -> Error {
        Error::PythonOutOfStep { host: self.session.name.clone(), what }
    }

    fn too_much(&self, what: &str, limit: usize) -> Error {
        Error::TooMuch { host: self.session.name.clone(), what: what.to_owned(), limit: size(limit as u64) }
    }

    fn fault(&self, fault: Wrong) -> Error {
        match fault {
            Wrong::OutOfStep(what) => self.out_of_step(what),
            Wrong::TooMuch(what, limit) => self.too_much(what, limit),
        }
    }

    /// Whether calls that were sent ahead wait to be asked for.
    pub async fn awaits(&self) -> bool {
        self.state.lock().await.running.as_ref().is_some_and(|running| !running.waiting.is_empty())
    }

    /// What its connection has cost so far.
    pub fn stats(&self) -> Stats {
        self.session.counters.stats()
    }
}

impl Call {
    /// Whether it is the same call.
    fn is(&self, other: &Call) -> bool {
        self.payload.mark == other.payload.mark
            && self.arguments == other.arguments
            && self.environment == other.environment
            && self.before == other.before
            && self.limit == other.limit
    }
}

/// What a host says and may not.
enum Wrong {
    OutOfStep(String),
    TooMuch(&'static str, usize),
}

impl Running {
    fn new(process: Process, token: &str) -> Running {
        Running {
            process,
            token: format!("{token} ").into_bytes(),
            buffer: BytesMut::new(),
            noise: 0,
            said: Tail::default(),
            greeted: false,
            folder: String::new(),
            sent: HashSet::new(),
            next: 1,
            waiting: VecDeque::new(),
        }
    }

    async fn write(&self, header: Json, contents: &[&[u8]]) {
        let mut frame = BytesMut::new();
        add(&mut frame, header, contents);
        // If it has ended, reading tells how.
        let _ = self.process.stdin.write(frame.freeze()).await;
    }

    /// Adds what of a payload the host does not have yet.
    fn contents(&mut self, payload: &Payload, frame: &mut BytesMut) {
        if !self.sent.insert(payload.mark.clone()) {
            return;
        }
        let new: Vec<(&String, &Bytes)> = payload
            .files
            .iter()
            .map(|(_, mark)| mark)
            .zip(&payload.contents)
            .filter(|(mark, _)| self.sent.insert((*mark).clone()))
            .collect();
        let sizes: Vec<Json> = new.iter().map(|(mark, content)| json!([mark, content.len()])).collect();
        let contents: Vec<&[u8]> = new.iter().map(|(_, content)| &content[..]).collect();
        add(frame, json!({ "op": "files", "files": sizes }), &contents);
        let header = json!({
            "op": "payload",
            "payload": payload.mark,
            "module": payload.module,
            "profile": payload.profile,
            "files": payload.files,
        });
        add(frame, header, &[]);
    }

    /// Takes the next frame out of what has come.
    fn take(&mut self) -> Result<Option<(Header, Bytes)>, Wrong> {
        if !self.greeted {
            // A login shell's profile may say something before.
            match find(&self.buffer, &self.token) {
                Some(at) => self.buffer.advance(at),
                None if self.buffer.len() > MOST_NOISE => {
                    return Err(Wrong::TooMuch("the login shell goes on before its Python greets", MOST_NOISE));
                }
                None => return Ok(None),
            }
        }
        let Some(end) = self.buffer.iter().take(MOST_HEADER).position(|byte| *byte == b'\n') else {
            return match self.buffer.len() > MOST_HEADER {
                true => Err(Wrong::TooMuch("a line of its Python goes on", MOST_HEADER)),
                false => Ok(None),
            };
        };
        let header = self.buffer[..end].strip_prefix(&self.token[..]);
        let header: Option<Header> = header.and_then(|header| serde_json::from_slice(header).ok());
        let Some(header) = header else {
            return Err(Wrong::OutOfStep("a line that is none of its own".to_owned()));
        };
        if header.bytes > MOST_OUTPUT {
            return Err(Wrong::TooMuch("its Python announces more than a result may hold", MOST_OUTPUT));
        }
        if self.buffer.len() < end + 1 + header.bytes {
            return Ok(None);
        }
        self.buffer.advance(end + 1);
        let body = self.buffer.split_to(header.bytes).freeze();
        Ok(Some((header, body)))
    }
}

fn add(frame: &mut BytesMut, mut header: Json, contents: &[&[u8]]) {
    header["bytes"] = json!(contents.iter().map(|content| content.len()).sum::<usize>());
    frame.extend_from_slice(header.to_string().as_bytes());
    frame.extend_from_slice(b"\n");
    contents.iter().for_each(|content| frame.extend_from_slice(content));
}

/// The script that finds the interpreter and has it read the rest from its standard input.
fn launch(interpreter: &Interpreter, token: &str, becomes: bool) -> String {
    let mut script = String::new();
    if becomes {
        // Set for the become program alone, so that its messages are English.
        script.push_str("unset LC_ALL\n");
    }
    for (name, value) in &interpreter.environment {
        script.push_str(&format!("export {name}={}\n", quote(value)));
    }
    let python = match &interpreter.command {
        Some(command) => command.split_whitespace().map(quote).collect::<Vec<_>>().join(" "),
        None => {
            // What pyenv and asdf put into `PATH` is there for versions that are not installed, too.
            script.push_str(&format!(
                "for p in {} -; do case $(command -v \"$p\") in '') ;; */shims/*) \"$p\" -c '' 2>/dev/null && break ;; *) break ;; esac; done\n\
                 [ \"$p\" != - ] || {{ printf '%s {{\"none\": true}}\\n' {token}; exit 127; }}\n",
                KNOWN.join(" ")
            ));
            "\"$p\"".to_owned()
        }
    };
    // The folder that it is started in must not be where modules are looked for: others may write there.
    let boot = format!(
        "import sys\n\
         sys.path[:] = [folder for folder in sys.path if folder]\n\
         import os\n\
         if sys.version_info < (3, 6):\n    os.write(1, ('{token} {{\"old\": \"%d.%d\"}}\\n' % sys.version_info[:2]).encode()); sys.exit(1)\n\
         script = b''\n\
         while len(script) < {length}:\n    piece = os.read(0, {length} - len(script)); script += piece; piece or sys.exit(1)\n\
         exec(compile(script, '<bringup>', 'exec'), {{'TOKEN': '{token}', 'MOST': {MOST_OUTPUT}, '__name__': 'bringup'}})\n",
        length = SCRIPT.len(),
    );
    format!("{script}exec {python} -c {}", quote(&boot))
}

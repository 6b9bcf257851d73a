//! Carrying out changes that cannot be put off: those of unknown effect, transfers, waiting, rebooting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value as Json};

use super::{
    machine::{MachineError, Work},
    play_host::PlayHost,
    stop::Stop,
    task::Prepared,
    unconfirmed::Unconfirmed,
};
use crate::{
    connection::{Call, Called, Output, UploadSource},
    fact::Probe,
    module::{Change, Content, FileWrite, Program, Step, StepOutput, converse::Conversation, place, regexp::Pattern},
    report::Event,
    sh::quote,
};

/// Contents up to this size travel inside the script.
const INLINE: u64 = 64 * 1024;

/// Carries out the changes of one task.
pub struct Execution<'e> {
    /// The host that the task is for.
    pub of: &'e PlayHost,
    /// What waits to be sent goes first.
    pub unconfirmed: &'e mut Unconfirmed,
    /// Where it acts, and as whom.
    pub prepared: &'e Prepared,
    /// The calls of an interpreter that travel with its own.
    pub following: Vec<Call>,
}

impl Execution<'_> {
    /// Carries out changes one after the other until one fails; scripts in a row travel together. `before` goes in front of the first, and
    /// with the last of them `probes` are asked.
    ///
    /// # Errors
    /// Why the host leaves the task without a result.
    pub async fn carry_out(
        &mut self,
        changes: &[Change],
        before: &str,
        limit: Option<Duration>,
        probes: &[Probe],
    ) -> Result<Vec<StepOutput>, Stop> {
        let machine = &self.prepared.machine;
        let mut outputs: Vec<StepOutput> = Vec::with_capacity(changes.len());
        let mut left = changes;
        while let (Some(next), true) = (left.first(), outputs.iter().all(|o| o.status == 0 && o.error.is_none())) {
            let mut before = if outputs.is_empty() { before } else { "" };
            let scripts: Vec<String> = left.iter().map_while(script).collect();
            let written: Vec<_> = left.iter().take(scripts.len().max(1)).flat_map(|c| c.writes.clone()).collect();
            let began = Instant::now();
            if scripts.is_empty() {
                let output = self.special(next, before, limit).await?;
                machine.forget(&written);
                outputs.push(StepOutput { duration: began.elapsed(), ..output });
                left = &left[1..];
                continue;
            }
            left = &left[scripts.len()..];
            let probes = if left.is_empty() { probes } else { &[] };
            let work = scripts.into_iter().map(|script| {
                let before = std::mem::take(&mut before);
                Work { timeout: limit, ..Work::new(format!("{before}{}{script}", self.prepared.environment)) }
            });
            let work: Vec<Work> = work.collect();
            machine.forget(&written);
            match self.unconfirmed.send(machine, &self.prepared.actor, work, probes).await {
                Ok(results) => outputs.extend(results.into_iter().map(|o| step_output(o, began.elapsed()))),
                Err(Stop::Lost(MachineError::Refused(why))) => {
                    let duration = began.elapsed();
                    outputs.push(StepOutput { status: -1, error: Some(why), duration, ..StepOutput::default() });
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(outputs)
    }

    /// Does what is not a script.
    async fn special(&mut self, change: &Change, before: &str, limit: Option<Duration>) -> Result<StepOutput, Stop> {
        match &change.step {
            Step::Call { program, arguments } => {
                let call = (program.clone(), arguments.clone());
                self.call(call, before, limit).await
            }
            Step::Write(write) => self.write(write, before).await,
            Step::Upload { content, then } => self.send_file(change, content, then, before).await,
            Step::Download { path, to } => {
                self.unconfirmed.flush().await?;
                match self.prepared.machine.download(&self.prepared.actor, path, to).await {
                    Ok(()) => Ok(StepOutput::default()),
                    Err(error) => failed_step(error),
                }
            }
            Step::WriteLocal { path, content, mode } => Ok(match write_local(path, content, *mode) {
                Ok(()) => StepOutput::default(),
                Err(error) => StepOutput {
                    status: 1,
                    error: Some(format!("{}: {error}", path.display())),
                    ..StepOutput::default()
                },
            }),
            Step::Api(query) => {
                self.unconfirmed.flush().await?;
                Ok(super::api::act(&self.prepared.machine, &self.prepared.actor, query).await)
            }
            Step::Wait { time, prompt } => {
                self.unconfirmed.flush().await?;
                self.of.run.tell(Event::HostNote { host: String::new(), note: prompt.clone() });
                Ok(self.of.run.prompter.pause(*time, prompt).await)
            }
            Step::Converse(conversation) => self.converse(conversation, before).await,
            Step::Until { script, timeout, sleep, matching } => {
                self.until(script, *timeout, *sleep, matching.as_ref()).await
            }
            Step::Reboot { command, timeout, test, pause } => self.reboot(command, *timeout, test, *pause).await,
            Step::Reconnect { timeout, sleep, delay } => {
                self.unconfirmed.flush().await?;
                tokio::time::sleep(*delay).await;
                self.prepared.machine.reset().await;
                self.reconnect(*timeout, *sleep, ":").await
            }
            Step::Script(script) => self.one(format!("{before}{}", place::keyed(script.clone()))).await,
        }
    }

    /// Has the host's interpreter run a program.
    async fn call(
        &mut self,
        (program, arguments): (Arc<dyn Program>, Map<String, Json>),
        before: &str,
        limit: Option<Duration>,
    ) -> Result<StepOutput, Stop> {
        self.unconfirmed.flush().await?;
        let payload = match tokio::task::spawn_blocking(move || program.payload()).await {
            Ok(Ok(payload)) => payload,
            Ok(Err(why)) => return Ok(StepOutput { status: 1, error: Some(why), ..StepOutput::default() }),
            Err(fault) => {
                return Ok(StepOutput { status: 1, error: Some(fault.to_string()), ..StepOutput::default() });
            }
        };
        let Prepared { machine, actor, interpreter, variables, .. } = self.prepared;
        let environment = variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let call = Call { payload, arguments, environment, before: before.to_owned(), limit, group: 0 };
        let began = Instant::now();
        let permit = self.of.run.permit().await;
        let replied = machine.call(actor, interpreter, &call, &self.following).await;
        drop(permit);
        match replied {
            Ok(reply) => {
                if reply.beyond > 0 {
                    let message = format!(
                        "{}: {} calls of modules were made ahead of a play that then went another way",
                        self.of.host.name, reply.beyond
                    );
                    self.of.run.tell(Event::Warning { message });
                }
                Ok(of_reply(reply, began.elapsed()))
            }
            Err(error @ MachineError::Refused(_)) => failed_step(error),
            Err(error) => Err(Stop::Lost(error)),
        }
    }

    /// Sends a file into the run's folder on the host, and runs what takes it from there.
    async fn send_file(
        &mut self,
        change: &Change,
        content: &Content,
        then: &str,
        before: &str,
    ) -> Result<StepOutput, Stop> {
        let folder = format!("{}umask 077; mkdir -p \"$d\"; printf %s \"$d\"", super::lock::FOLDER);
        let Prepared { machine, actor, .. } = self.prepared;
        let folder = self.unconfirmed.send(machine, actor, vec![Work::new(folder)], &[]).await?;
        let folder = folder.first().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        if folder.is_empty() {
            let error = Some("there is no folder for it on the host".to_owned());
            return Ok(StepOutput { status: 1, error, ..StepOutput::default() });
        }
        let path = format!("{folder}/upload-{}", place::key());
        if let Some(failed) = self.upload(content, (&path, None), &change.what).await? {
            return Ok(failed);
        }
        let script = format!(
            "upload={}\n( {before}{}{}\n)\nr=$?; rm -f -- \"$upload\"; exit $r",
            quote(&path),
            self.prepared.environment,
            place::keyed(then.to_owned())
        );
        self.one(script).await
    }

    async fn one(&mut self, script: String) -> Result<StepOutput, Stop> {
        let began = Instant::now();
        match self.unconfirmed.send(&self.prepared.machine, &self.prepared.actor, vec![Work::new(script)], &[]).await {
            Ok(outputs) => Ok(outputs.into_iter().next().map(|o| step_output(o, began.elapsed())).unwrap_or_default()),
            Err(Stop::Lost(error @ MachineError::Refused(_))) => failed_step(error),
            Err(stop) => Err(stop),
        }
    }

    async fn upload(
        &mut self,
        content: &Content,
        (path, folder): (&str, Option<&str>),
        what: &str,
    ) -> Result<Option<StepOutput>, Stop> {
        self.unconfirmed.flush().await?;
        let source = match content {
            Content::Bytes(bytes) => UploadSource::Bytes(bytes.to_vec().into()),
            Content::File { path, .. } => match self.of.run.files.open(path) {
                Ok(file) => UploadSource::Shared(file),
                Err(error) => {
                    let error = Some(format!("cannot read {}: {error}", path.display()));
                    return Ok(Some(StepOutput { status: 1, error, ..StepOutput::default() }));
                }
            },
        };
        let file = match (content, &source) {
            (Content::File { path, .. }, UploadSource::Shared(file)) => Some((path, Arc::clone(file))),
            _ => None,
        };
        let (host, what, total, run) =
            (self.of.host.name.clone(), what.to_owned(), content.size(), self.of.run.clone());
        self.of.run.tell(Event::Transfer { host: host.clone(), what: what.clone(), done: 0, total });
        let mut shown = Instant::now();
        let progress = move |done: u64| {
            if shown.elapsed() > Duration::from_millis(100) || done == total {
                shown = Instant::now();
                run.tell(Event::Transfer { host: host.clone(), what: what.clone(), done, total });
            }
        };
        match self.prepared.machine.upload(&self.prepared.actor, source, path, folder, progress).await {
            Ok(()) => {
                if let Some((path, file)) = file
                    && let Some(sha1) = file.sha1().await
                {
                    crate::module::local::learn_sha1(path, file.length(), sha1);
                }
                Ok(None)
            }
            Err(MachineError::Refused(why)) => {
                Ok(Some(StepOutput { status: 1, error: Some(why), ..StepOutput::default() }))
            }
            Err(error) => Err(Stop::Lost(error)),
        }
    }

    /// Sends a large file into a folder beside its target, whose name is noted on the host first, and moves it into place.
    async fn write(&mut self, write: &FileWrite, before: &str) -> Result<StepOutput, Stop> {
        let key = place::key();
        let folder = super::lock::FOLDER;
        let prepare = format!("__k={key}\n{}{}", super::lock::sending(&key, &write.place), write.folder());
        let made = self.one(prepare).await?;
        if made.status != 0 || made.error.is_some() {
            return Ok(made);
        }
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        let Some((which, made)) = told.split_once('\n') else {
            let error = Some("the host did not tell which folder it made for the file".to_owned());
            return Ok(StepOutput { status: 1, error, ..StepOutput::default() });
        };
        let what = write.path.rsplit('/').next().unwrap_or_default().to_owned();
        let path = format!("{made}/{}", write.place.name);
        if let Some(failed) = self.upload(&write.content, (&path, Some(which)), &what).await? {
            // The channel's end has removed it already, as a rule; where that was cut off this does, or else the next run.
            let given_up = write.given_up();
            let gone = format!(
                "( __k={key}\n{given_up}) >/dev/null 2>&1\n{folder}[ -e {} ] || rm -f -- \"$d/sending/{key}\"\n",
                quote(made)
            );
            self.one(gone).await?;
            return Ok(failed);
        }
        let script = write.received();
        let behind = format!("r=$?\n{folder}rm -f -- \"$d/sending/{key}\"\nexit $r");
        self.one(format!("( {before}{}__k={key}\n{script}\n)\n{behind}", self.prepared.environment)).await
    }

    /// Talks with a command, in one script after the other.
    async fn converse(&mut self, conversation: &Conversation, before: &str) -> Result<StepOutput, Stop> {
        let (mut talk, script) = conversation.begin();
        let mut output = self.one(format!("{before}{}{script}", self.prepared.environment)).await?;
        loop {
            match talk.next(output) {
                Ok(script) => output = self.one(script).await?,
                Err(over) => return Ok(over),
            }
            if self.of.run.interrupted() {
                self.one(talk.give_up()).await?;
                return Ok(StepOutput { status: 1, error: Some("interrupted".to_owned()), ..StepOutput::default() });
            }
        }
    }

    async fn until(
        &mut self,
        script: &str,
        timeout: Duration,
        sleep: Duration,
        matching: Option<&Pattern>,
    ) -> Result<StepOutput, Stop> {
        let end = Instant::now() + timeout;
        loop {
            let mut output = self.one(script.to_owned()).await?;
            if output.status == 0 && matching.is_some_and(|pattern| !pattern.is_in(&output.stdout)) {
                output.status = 1;
            }
            if (output.status == 0 && output.error.is_none()) || Instant::now() >= end || self.of.run.interrupted() {
                return Ok(output);
            }
            tokio::time::sleep(sleep.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn reboot(
        &mut self,
        command: &str,
        timeout: Duration,
        test: &str,
        pause: (Duration, Duration),
    ) -> Result<StepOutput, Stop> {
        let boot = self.one("cat /proc/sys/kernel/random/boot_id".to_owned()).await?;
        let before = boot.stdout.clone();
        tokio::time::sleep(pause.0).await;
        // The shell's answer must be out before the connection goes down with the host.
        let script = format!("( sleep 0.3 2>/dev/null || sleep 1; {command} ) </dev/null >/dev/null 2>&1 &");
        let sent = self.one(script).await?;
        if sent.status != 0 || sent.error.is_some() {
            return Ok(sent);
        }
        let end = Instant::now() + timeout;
        self.of.run.tell(Event::HostNote { host: self.of.host.name.clone(), note: "rebooting".to_owned() });
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.prepared.machine.reset().await;
            let boot = self
                .prepared
                .machine
                .send(&self.prepared.actor, &[Work::new("cat /proc/sys/kernel/random/boot_id")], &[])
                .await;
            match boot {
                Ok(outputs) if outputs.first().is_some_and(|o| o.success() && o.stdout != before) => break,
                _ if Instant::now() > end => {
                    let error = format!("the host did not come back within {} seconds", timeout.as_secs());
                    return Ok(StepOutput { status: 1, error: Some(error), ..StepOutput::default() });
                }
                _ => {}
            }
        }
        tokio::time::sleep(pause.1).await;
        let left = end.saturating_duration_since(Instant::now());
        self.reconnect(left, Duration::from_millis(500), test).await
    }

    async fn reconnect(&mut self, timeout: Duration, sleep: Duration, test: &str) -> Result<StepOutput, Stop> {
        let end = Instant::now() + timeout;
        loop {
            let sent = self.prepared.machine.send(&self.prepared.actor, &[Work::new(test)], &[]).await;
            let why = match sent {
                Ok(outputs) => match outputs.into_iter().next() {
                    Some(output) if output.success() => return Ok(step_output(output, Duration::ZERO)),
                    Some(output) => format!("`{test}` exited with status {}", output.status),
                    None => "no answer".to_owned(),
                },
                Err((error, _)) => error.text(),
            };
            if Instant::now() + sleep > end || self.of.run.interrupted() {
                let error = format!("timed out after {} seconds: {why}", timeout.as_secs());
                return Ok(StepOutput { status: 1, error: Some(error), ..StepOutput::default() });
            }
            tokio::time::sleep(sleep).await;
            self.prepared.machine.reset().await;
        }
    }
}

/// What is wrong with a step that took longer than it may.
pub(super) const TIME_OVER: &str = "its time was over";

/// What came of a call.
fn of_reply(reply: Called, duration: Duration) -> StepOutput {
    let mut output =
        StepOutput { status: reply.status, stdout: reply.stdout, stderr: reply.stderr, duration, error: None };
    if reply.timed_out {
        output.error = Some(TIME_OVER.to_owned());
    } else if let Some(bytes) = reply.cut {
        let (most, size) = (crate::connection::MOST_OUTPUT as u64, bytes);
        output.error = Some(format!("it printed {size} bytes and was ended: a result may hold {most}"));
    } else if reply.unnoted {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        output.error = Some(format!("the handlers that it may notify could not be noted on the host: {said}"));
    }
    output
}

fn step_output(output: Output, duration: Duration) -> StepOutput {
    let error = output.timed_out.then(|| TIME_OVER.to_owned());
    StepOutput { status: i32::from(output.status), stdout: output.stdout, stderr: output.stderr, duration, error }
}

fn failed_step(error: MachineError) -> Result<StepOutput, Stop> {
    match error {
        MachineError::Refused(why) => Ok(StepOutput { status: 1, error: Some(why), ..StepOutput::default() }),
        error => Err(Stop::Lost(error)),
    }
}

fn write_local(path: &std::path::Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::PermissionsExt};
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.persist(path).map(|_| ()).map_err(|e| e.error)
}

/// The script of a change, where it is nothing but a script.
pub fn script(change: &Change) -> Option<String> {
    match &change.step {
        Step::Script(script) => Some(place::keyed(script.clone())),
        Step::Write(write) if write.content.size() <= INLINE && matches!(write.content, Content::Bytes(_)) => {
            Some(place::keyed(write.script()))
        }
        _ => None,
    }
}

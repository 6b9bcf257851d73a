//! Carrying out changes that cannot be put off: those of unknown effect, transfers, waiting, rebooting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    barrier::Position,
    guard::{Guard, Moved},
    host::{HostRun, Stop},
    item::{add_links, script},
    machine::{MachineError, Work},
    outcome::Outcome,
    task::Prepared,
};
use crate::{
    connection::{Output, UploadSource},
    fact::{Probe, Resource},
    module::{Change, Content, FileWrite, Plan, Step, StepOutput, place},
    playbook::Task,
    report::Event,
    sh::quote,
    template::Context,
    yaml::origin,
};

impl HostRun {
    /// Carries out all changes of a plan now, and judges what came of it. Nothing is done, and nothing returned, where
    /// the host is no longer as the guard says.
    pub(super) async fn carry_out(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        prepared: &Prepared,
        plan: &Plan,
        guard: &Guard,
    ) -> Result<Option<Outcome>, Stop> {
        self.run.tell(Event::TaskRunning { task: self.line(task, position, Some(vars)), host: self.host.name.clone() });
        let open = plan.changes.iter().any(|c| !c.closed);
        // What runs with unknown effect may be seen by other hosts, and may see them: all keep Ansible's order there.
        if open && !self.batch.alone() {
            self.together(position).await?;
        }
        let limit = self.limit(task, vars);
        // What must hold for the first step, and is noted with it.
        let before = format!("{}{}", guard.script(), self.owing(task, vars, prepared, plan));
        let writes: Vec<Resource> = plan.changes.iter().flat_map(|c| c.writes.iter().cloned()).collect();
        prepared.machine.forget(&writes);
        let mut probes = if open { self.ahead_on(task, prepared) } else { Vec::new() };
        prepared.machine.with_state(&prepared.actor, |state| add_links(state, &mut probes));
        let mut outputs: Vec<StepOutput> = Vec::with_capacity(plan.changes.len());
        let mut index = 0;
        while index < plan.changes.len() && outputs.iter().all(|o| o.status == 0 && o.error.is_none()) {
            let run: Vec<String> = plan.changes[index..].iter().map_while(script).collect();
            let written: Vec<_> =
                plan.changes[index..index + run.len().max(1)].iter().flat_map(|c| c.writes.clone()).collect();
            let began = Instant::now();
            if run.is_empty() {
                let before = if index == 0 { before.as_str() } else { "" };
                let output = self.special(prepared, &plan.changes[index], before).await?;
                prepared.machine.forget(&written);
                outputs.push(StepOutput { duration: began.elapsed(), ..output });
                index += 1;
                continue;
            }
            let count = run.len();
            let work = run.into_iter().enumerate().map(|(i, script)| {
                let before = if index + i == 0 { before.as_str() } else { "" };
                Work { timeout: limit, ..Work::new(format!("{before}{}{script}", prepared.environment)) }
            });
            let work: Vec<Work> = work.collect();
            prepared.machine.forget(&written);
            let shell: Vec<Probe> = if index + count == plan.changes.len() { probes.clone() } else { Vec::new() };
            let sent = self.send(&prepared.machine, &prepared.actor, work, &shell).await;
            match sent {
                Ok(results) => {
                    outputs.extend(results.into_iter().map(|o| step_output(o, began.elapsed())));
                }
                Err(Stop::Lost(MachineError::Refused(why))) => {
                    outputs.push(StepOutput {
                        status: -1,
                        error: Some(why),
                        duration: began.elapsed(),
                        ..StepOutput::default()
                    });
                }
                Err(stop) => return Err(stop),
            }
            index += count;
        }
        if writes.iter().any(|w| matches!(w, Resource::Anything | Resource::Api)) {
            self.run.machines.forget_api();
        }
        let seen = outputs.first().and_then(|o| Moved::seen(o.status, &o.stdout));
        if let (false, Some(what)) = (before.is_empty(), seen) {
            self.outstanding.moved.note(&what);
            prepared.machine.forget_all();
            return Ok(None);
        }
        note_written(prepared, plan);
        Ok(Some(self.finish(task, prepared, plan, &outputs)))
    }

    /// `timeout`, `async` and `--task-timeout` bound a step.
    fn limit(&self, task: &Task, vars: &Context) -> Option<Duration> {
        let seconds = |node: &crate::yaml::Node| {
            let value = self.run.engine.render_tree(node, vars).ok()?;
            super::keyword::whole(&value).filter(|s| *s > 0).map(|s| Duration::from_secs(s as u64))
        };
        let own = task.scope.inherited(|k| k.timeout.as_ref()).and_then(seconds);
        own.or_else(|| task.async_.as_ref().and_then(seconds)).or(self.run.options.task_timeout)
    }

    /// Does what is not a script.
    async fn special(&mut self, prepared: &Prepared, change: &Change, before: &str) -> Result<StepOutput, Stop> {
        match &change.step {
            Step::Write(write) => self.write(prepared, write, before).await,
            Step::Upload { content, then } => {
                let name = format!("upload-{}", place::key());
                let folder = self
                    .send(
                        &prepared.machine,
                        &prepared.actor,
                        vec![Work::new(format!("{}umask 077; mkdir -p \"$d\"; printf %s \"$d\"", super::lock::FOLDER))],
                        &[],
                    )
                    .await?;
                let folder =
                    folder.first().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
                if folder.is_empty() {
                    let error = Some("there is no folder for it on the host".to_owned());
                    return Ok(StepOutput { status: 1, error, ..StepOutput::default() });
                }
                let path = format!("{folder}/{name}");
                if let Some(failed) = self.upload(prepared, content, (&path, None), &change.what).await? {
                    return Ok(failed);
                }
                let script = format!(
                    "upload={}\n( {before}{}{}\n)\nr=$?; rm -f -- \"$upload\"; exit $r",
                    quote(&path),
                    prepared.environment,
                    place::keyed(then.clone())
                );
                self.one(prepared, script).await
            }
            Step::Download { path, to } => {
                self.flush().await?;
                match prepared.machine.download(&prepared.actor, path, to).await {
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
                self.flush().await?;
                Ok(super::api::act(&prepared.machine, &prepared.actor, query).await)
            }
            Step::Wait { time, prompt } => {
                self.flush().await?;
                self.run.tell(Event::HostNote { host: String::new(), note: prompt.clone() });
                Ok(self.run.prompter.pause(*time, prompt).await)
            }
            Step::Until { script, timeout, sleep } => self.until(prepared, script, *timeout, *sleep).await,
            Step::Reboot { command, timeout, test, pause } => {
                self.reboot(prepared, command, *timeout, test, *pause).await
            }
            Step::Reconnect { timeout, sleep, delay } => {
                self.flush().await?;
                tokio::time::sleep(*delay).await;
                prepared.machine.reset().await;
                self.reconnect(prepared, *timeout, *sleep, ":").await
            }
            Step::Script(script) => self.one(prepared, format!("{before}{}", place::keyed(script.clone()))).await,
        }
    }

    async fn one(&mut self, prepared: &Prepared, script: String) -> Result<StepOutput, Stop> {
        let began = Instant::now();
        match self.send(&prepared.machine, &prepared.actor, vec![Work::new(script)], &[]).await {
            Ok(outputs) => Ok(outputs.into_iter().next().map(|o| step_output(o, began.elapsed())).unwrap_or_default()),
            Err(Stop::Lost(error @ MachineError::Refused(_))) => failed_step(error),
            Err(stop) => Err(stop),
        }
    }

    async fn upload(
        &mut self,
        prepared: &Prepared,
        content: &Content,
        (path, folder): (&str, Option<&str>),
        what: &str,
    ) -> Result<Option<StepOutput>, Stop> {
        self.flush().await?;
        let source = match content {
            Content::Bytes(bytes) => UploadSource::Bytes(bytes.to_vec().into()),
            Content::File { path, .. } => match self.run.files.open(path) {
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
        let (host, what, total, run) = (self.host.name.clone(), what.to_owned(), content.size(), self.run.clone());
        self.run.tell(Event::Transfer { host: host.clone(), what: what.clone(), done: 0, total });
        let mut shown = Instant::now();
        let progress = move |done: u64| {
            if shown.elapsed() > Duration::from_millis(100) || done == total {
                shown = Instant::now();
                run.tell(Event::Transfer { host: host.clone(), what: what.clone(), done, total });
            }
        };
        match prepared.machine.upload(&prepared.actor, source, path, folder, progress).await {
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
    async fn write(&mut self, prepared: &Prepared, write: &FileWrite, before: &str) -> Result<StepOutput, Stop> {
        let key = place::key();
        let folder = super::lock::FOLDER;
        let prepare = format!("__k={key}\n{}{}", super::lock::sending(&key, &write.place), write.folder());
        let made = self.one(prepared, prepare).await?;
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
        if let Some(failed) = self.upload(prepared, &write.content, (&path, Some(which)), &what).await? {
            // The channel's end has removed it already, as a rule; where that was cut off this does, or else the next run.
            let given_up = write.given_up();
            let gone = format!(
                "( __k={key}\n{given_up}) >/dev/null 2>&1\n{folder}[ -e {} ] || rm -f -- \"$d/sending/{key}\"\n",
                quote(made)
            );
            self.one(prepared, gone).await?;
            return Ok(failed);
        }
        let script = write.received();
        let behind = format!("r=$?\n{folder}rm -f -- \"$d/sending/{key}\"\nexit $r");
        self.one(prepared, format!("( {before}{}__k={key}\n{script}\n)\n{behind}", prepared.environment)).await
    }

    async fn until(
        &mut self,
        prepared: &Prepared,
        script: &str,
        timeout: Duration,
        sleep: Duration,
    ) -> Result<StepOutput, Stop> {
        let end = Instant::now() + timeout;
        loop {
            let output = self.one(prepared, script.to_owned()).await?;
            if (output.status == 0 && output.error.is_none()) || Instant::now() + sleep > end || self.run.interrupted()
            {
                return Ok(output);
            }
            tokio::time::sleep(sleep).await;
        }
    }

    async fn reboot(
        &mut self,
        prepared: &Prepared,
        command: &str,
        timeout: Duration,
        test: &str,
        pause: (Duration, Duration),
    ) -> Result<StepOutput, Stop> {
        let boot = self.one(prepared, "cat /proc/sys/kernel/random/boot_id".to_owned()).await?;
        let before = boot.stdout.clone();
        tokio::time::sleep(pause.0).await;
        // The shell's answer must be out before the connection goes down with the host.
        let script = format!("( sleep 0.3 2>/dev/null || sleep 1; {command} ) </dev/null >/dev/null 2>&1 &");
        let sent = self.one(prepared, script).await?;
        if sent.status != 0 || sent.error.is_some() {
            return Ok(sent);
        }
        let end = Instant::now() + timeout;
        self.run.tell(Event::HostNote { host: self.host.name.clone(), note: "rebooting".to_owned() });
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            prepared.machine.reset().await;
            let boot =
                prepared.machine.send(&prepared.actor, &[Work::new("cat /proc/sys/kernel/random/boot_id")], &[]).await;
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
        self.reconnect(prepared, left, Duration::from_millis(500), test).await
    }

    async fn reconnect(
        &mut self,
        prepared: &Prepared,
        timeout: Duration,
        sleep: Duration,
        test: &str,
    ) -> Result<StepOutput, Stop> {
        let end = Instant::now() + timeout;
        loop {
            let sent = prepared.machine.send(&prepared.actor, &[Work::new(test)], &[]).await;
            let why = match sent {
                Ok(outputs) => match outputs.into_iter().next() {
                    Some(output) if output.success() => return Ok(step_output(output, Duration::ZERO)),
                    Some(output) => format!("`{test}` exited with status {}", output.status),
                    None => "no answer".to_owned(),
                },
                Err((MachineError::Unreachable(why) | MachineError::Refused(why) | MachineError::Locked(why), _)) => {
                    why
                }
            };
            if Instant::now() + sleep > end || self.run.interrupted() {
                let error = format!("timed out after {} seconds: {why}", timeout.as_secs());
                return Ok(StepOutput { status: 1, error: Some(error), ..StepOutput::default() });
            }
            tokio::time::sleep(sleep).await;
            prepared.machine.reset().await;
        }
    }
}

fn step_output(output: Output, duration: Duration) -> StepOutput {
    let error = output.timed_out.then(|| "its time was over".to_owned());
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

/// Notes what a task wrote on this machine: its content may have come from a host. What commands write is not known.
fn note_written(prepared: &Prepared, plan: &Plan) {
    for change in &plan.changes {
        if let Step::WriteLocal { path, .. } | Step::Download { to: path, .. } = &change.step {
            origin::note_written(path);
        }
        // Modes and links that are changed hold nothing that a host has said.
        if !prepared.machine.is_local() || !prepared.about_module.writes_content {
            continue;
        }
        for resource in &change.writes {
            if let Resource::Path(path) = resource {
                origin::note_written(std::path::Path::new(path));
            }
        }
    }
}

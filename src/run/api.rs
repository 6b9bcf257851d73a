//! Requests to the Kubernetes API, made by the workstation through a machine's connection.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::machine::{Actor, Machine, MachineError, Work};
use crate::{
    fact::{Answer, ApiQuery, Probe},
    kube::{Stream, Transport},
    module::StepOutput,
    sh::quote,
};

/// How large a kubeconfig, or a file that it names, may be.
const LARGEST: usize = 1 << 20;

/// A machine as one of its users.
struct As<'a> {
    machine: &'a Arc<Machine>,
    actor: &'a Actor,
}

impl Transport for As<'_> {
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let file = match path.strip_prefix("~/") {
                Some(rest) => format!("\"$HOME\"/{}", quote(rest)),
                None => quote(path).into_owned(),
            };
            // A pipe or a device would keep it waiting, or have no end.
            let work = Work::new(format!(
                "f={file}; case $f in -*) f=./$f ;; esac\n\
                 if [ -e \"$f\" ] && [ ! -f \"$f\" ]; then echo 'it is no regular file' >&2; exit 1; fi\n\
                 head -c {} \"$f\"",
                LARGEST + 1
            ));
            let sent = self.machine.send(self.actor, &[work], &[]).await;
            let outputs = sent.map_err(|(error, _)| error.text())?;
            match outputs.into_iter().next() {
                Some(output) if output.success() && output.stdout.len() > LARGEST => {
                    Err(format!("it is larger than {LARGEST} bytes"))
                }
                Some(output) if output.success() => Ok(output.stdout),
                Some(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                None => Err("the host did not answer".to_owned()),
            }
        })
    }

    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, String>> {
        Box::pin(async move {
            let session = self.machine.connection().await.map_err(MachineError::text)?;
            let stream = session.tunnel(host, port).await.map_err(|e| e.explain())?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn is_own(&self) -> bool {
        self.machine.is_local() && self.actor.is_none()
    }

    fn actor(&self) -> String {
        self.actor.as_ref().map_or_else(String::new, |b| b.user.clone())
    }
}

/// Asks the read-only questions of a machine's cluster and records the answers.
///
/// What cannot be answered is recorded for the `needed` alone: a question of a coming task may be answerable by then.
pub async fn ask(machine: &Arc<Machine>, actor: &Actor, probes: Vec<Probe>, needed: &[Probe]) {
    let all = probes.into_iter().map(|probe| async move {
        let Probe::Api(query) = &probe else { return };
        let answer = match machine.api.request(&As { machine, actor }, query).await {
            Ok(value) => Answer::Api(value),
            Err(_) if !needed.contains(&probe) => return,
            Err(why) => Answer::Failed(why),
        };
        machine.learn_answer(actor, probe, answer);
    });
    futures::future::join_all(all).await;
}

/// Asks the API to change something.
pub async fn act(machine: &Arc<Machine>, actor: &Actor, query: &ApiQuery) -> StepOutput {
    match machine.api.request(&As { machine, actor }, query).await {
        Ok(value) => StepOutput { stdout: value.to_string().into_bytes(), ..StepOutput::default() },
        Err(why) => StepOutput { status: 1, error: Some(why), ..StepOutput::default() },
    }
}

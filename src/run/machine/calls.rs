//! Calls of a machine's interpreters.

use std::sync::{Arc, atomic::Ordering};

use super::{Actor, Machine, MachineError, refusal};
use crate::{
    connection::{Call, Called, Interpreter, Resident},
    sh::quote,
};

impl Machine {
    /// Has the host's interpreter make a call; `ahead` are those that will follow if nothing fails. The host is this run's before.
    ///
    /// # Errors
    /// [`MachineError`]: whether the call was made is not known.
    pub async fn call(
        &self,
        actor: &Actor,
        interpreter: &Interpreter,
        call: &Call,
        ahead: &[Call],
    ) -> Result<Called, MachineError> {
        let opened = self.link.lock().await.shell(actor).is_some_and(|opening| opening.opened);
        let resident = self.resident(actor, interpreter).await?;
        // The lock is taken while the interpreter starts.
        let (held, started) = tokio::join!(
            async {
                match opened {
                    true => Ok(()),
                    false => self.greet(actor).await,
                }
            },
            resident.start()
        );
        held?;
        let result = match started {
            Ok(()) => {
                let before = resident.stats();
                let scratch = match self.link.lock().await.shell(actor) {
                    Some(opening) => opening.shell.scratch().await,
                    None => None,
                };
                let calls: Vec<Call> =
                    std::iter::once(call).chain(ahead).map(|call| in_folder(call, &scratch)).collect();
                let result = resident.call(&calls[0], &calls[1..]).await;
                let after = resident.stats();
                self.round_trips.fetch_add(after.round_trips - before.round_trips, Ordering::Relaxed);
                self.traffic.0.fetch_add(after.bytes_up.saturating_sub(before.bytes_up), Ordering::Relaxed);
                self.traffic.1.fetch_add(after.bytes_down.saturating_sub(before.bytes_down), Ordering::Relaxed);
                result
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            let mut link = self.link.lock().await;
            link.residents.retain(|(.., known)| !Arc::ptr_eq(known, &resident));
            if error.is_unreachable() {
                self.drop_link(&mut link);
            }
        }
        result.map_err(|error| refusal(&error))
    }

    /// Whether calls that were sent ahead to an interpreter wait to be asked for.
    pub async fn awaits(&self, actor: &Actor, interpreter: &Interpreter) -> bool {
        let link = self.link.lock().await;
        let known = link.residents.iter().find(|(who, which, _)| who == actor && which == interpreter);
        match known {
            Some((.., resident)) => resident.awaits().await,
            None => false,
        }
    }

    async fn resident(&self, actor: &Actor, interpreter: &Interpreter) -> Result<Arc<Resident>, MachineError> {
        let mut link = self.link.lock().await;
        let session = self.session(&mut link).await?;
        let known = link.residents.iter().find(|(who, which, _)| who == actor && which == interpreter);
        if let Some((.., resident)) = known {
            return Ok(resident.clone());
        }
        let resident = Arc::new(session.resident(actor.as_deref(), interpreter.clone()));
        link.residents.push((actor.clone(), interpreter.clone(), resident.clone()));
        Ok(resident)
    }
}

/// A call whose script finds the folder of the run by its shell's.
fn in_folder(call: &Call, scratch: &Option<String>) -> Call {
    let mut call = call.clone();
    if let (false, Some(scratch)) = (call.before.is_empty(), scratch) {
        call.before.insert_str(0, &format!("__bd={}\n", quote(scratch)));
    }
    call
}

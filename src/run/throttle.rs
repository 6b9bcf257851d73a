//! `throttle`: at most so many hosts do a task at once.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html#restricting-execution-with-throttle>

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Run, barrier::Position, keyword, task_error::TaskError};
use crate::{playbook::Task, template::Context};

/// The tasks of a batch that are throttled, by their place.
#[derive(Debug, Default)]
pub struct Throttles(Mutex<HashMap<Position, Arc<Semaphore>>>);

impl Throttles {
    /// Waits until one more host may do the task at `position`; the first host to come says how many may.
    pub async fn hold(&self, position: &Position, most: usize) -> Option<OwnedSemaphorePermit> {
        let places = {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.entry(position.clone()).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
        };
        places.acquire_owned().await.ok()
    }
}

/// How many hosts may do a task at once; `None` where that is not limited, which 0 says too.
///
/// # Errors
/// When it is no number, or a negative one.
pub fn most(run: &Run, task: &Task, vars: &Context) -> Result<Option<usize>, TaskError> {
    let Some(value) = keyword::value(run, &task.scope, vars, |k| k.throttle.as_ref())? else { return Ok(None) };
    let most = keyword::whole(&value).and_then(|most| usize::try_from(most).ok());
    let most = most.ok_or_else(|| {
        TaskError::new(format!("throttle: {value} is no number of hosts")).help("write 1 or more; 0 limits nothing")
    })?;
    Ok(Some(most).filter(|most| *most > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_hold_a_task_and_no_more() {
        let (throttles, place) = (Throttles::default(), vec![0, 1]);
        let first = throttles.hold(&place, 1).await;
        assert!(first.is_some());
        let patience = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(patience, throttles.hold(&place, 1)).await.is_err(), "two hold it");
        assert!(tokio::time::timeout(patience, throttles.hold(&vec![0, 2], 1)).await.is_ok(), "another task waits");
        drop(first);
        assert!(tokio::time::timeout(patience, throttles.hold(&place, 1)).await.is_ok(), "nobody holds it");
    }
}

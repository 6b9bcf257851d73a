//! How far each host of a batch has come, so that a host can wait for the others where they would see a difference.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A place in a play. Included tasks have longer positions than the include, and compare behind it.
pub type Position = Vec<u32>;

/// The positions of all hosts of a batch. Everything before a host's position has been carried out there.
#[derive(Debug, Default)]
pub struct Barrier {
    hosts: Mutex<HashMap<String, Option<Position>>>,
    moved: Notify,
}

impl Barrier {
    /// Starts with all hosts at the very beginning.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a String>) -> Barrier {
        let start = |host: &String| (host.clone(), Some(Vec::new()));
        Barrier { hosts: Mutex::new(hosts.into_iter().map(start).collect()), moved: Notify::new() }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Option<Position>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a host has carried out everything before `position`.
    pub fn reach(&self, host: &str, position: &[u32]) {
        if let Some(Some(at)) = self.hosts().get_mut(host) {
            if at.as_slice() < position {
                *at = position.to_vec();
            } else {
                return;
            }
        }
        self.moved.notify_waiters();
    }

    /// Says that a host takes no further part.
    pub fn leave(&self, host: &str) {
        self.hosts().insert(host.to_owned(), None);
        self.moved.notify_waiters();
    }

    /// Waits until every host that takes part has come to `position`.
    pub async fn all_reached(&self, position: &[u32]) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.hosts().values().flatten().all(|at| at.as_slice() >= position) {
                return;
            }
            moved.await;
        }
    }

    /// Waits until something moved or a condition of the caller's holds.
    pub async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if let Some(value) = ready() {
                return value;
            }
            moved.await;
        }
    }

    /// Wakes everyone who waits in [`Barrier::until`].
    pub fn wake(&self) {
        self.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn waits_for_the_slowest_and_not_for_those_who_left() {
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let barrier = Arc::new(Barrier::new(&names));
        barrier.reach("a", &[2]);
        barrier.reach("b", &[2, 1]);
        let waiting = tokio::spawn({
            let barrier = barrier.clone();
            async move { barrier.all_reached(&[2]).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished(), "c is still at the start");
        barrier.leave("c");
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }
}

//! How far each host of a batch has come, so that a host can wait for the others where they would see a difference.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A place in a play. Included tasks have longer positions than the include, and compare behind it.
pub type Position = Vec<u32>;

/// The positions of all hosts of a batch. Everything before a host's position has been carried out there.
///
/// Hosts move all the time and few of these moves matter to those who wait, so these are woken only when the hindmost
/// position changes.
#[derive(Debug, Default)]
pub struct Barrier {
    places: Mutex<Places>,
    moved: Notify,
    /// Any move at all, for those who wait for certain hosts.
    stepped: Notify,
}

#[derive(Debug, Default)]
struct Places {
    hosts: HashMap<String, Option<Position>>,
    /// How many hosts are at each position.
    counts: BTreeMap<Position, usize>,
}

impl Places {
    /// Moves a host, or takes it out. Returns whether the hindmost position is another one now.
    fn put(&mut self, host: &str, to: Option<Position>) -> bool {
        let before = self.counts.keys().next().cloned();
        if let Some(to) = &to {
            *self.counts.entry(to.clone()).or_default() += 1;
        }
        if let Some(Some(from)) = self.hosts.insert(host.to_owned(), to)
            && let Some(count) = self.counts.get_mut(&from)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
        before.as_ref() != self.counts.keys().next()
    }
}

impl Barrier {
    /// Starts with all hosts at the very beginning.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a String>) -> Barrier {
        let mut places = Places::default();
        for host in hosts {
            places.put(host, Some(Vec::new()));
        }
        Barrier { places: Mutex::new(places), ..Barrier::default() }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a host has carried out everything before `position`.
    pub fn reach(&self, host: &str, position: &[u32]) {
        let mut places = self.places();
        let ahead = matches!(places.hosts.get(host), Some(Some(at)) if at.as_slice() < position);
        let moved = ahead && places.put(host, Some(position.to_vec()));
        drop(places);
        if ahead {
            self.stepped.notify_waiters();
        }
        if moved {
            self.moved.notify_waiters();
        }
    }

    /// Says that a host takes no further part.
    pub fn leave(&self, host: &str) {
        self.places().put(host, None);
        self.stepped.notify_waiters();
        self.moved.notify_waiters();
    }

    /// Whether a host has come past `position`, or takes no further part.
    pub fn is_past(&self, host: &str, position: &[u32]) -> bool {
        match self.places().hosts.get(host) {
            Some(Some(at)) => at.as_slice() > position,
            _ => true,
        }
    }

    /// Waits until every host that takes part has come to `position`.
    pub async fn all_reached(&self, position: &[u32]) {
        self.until(|| self.places().counts.keys().next().is_none_or(|last| last.as_slice() >= position).then_some(()))
            .await;
    }

    /// Waits until a condition of the caller's holds. It is looked at when the hindmost position changes, when a host
    /// leaves, and at [`Barrier::wake`].
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

    /// Waits until certain hosts have come past `position`, or take no further part.
    pub async fn all_past(&self, hosts: &[&String], position: &[u32]) {
        loop {
            let stepped = self.stepped.notified();
            tokio::pin!(stepped);
            stepped.as_mut().enable();
            if hosts.iter().all(|host| self.is_past(host, position)) {
                return;
            }
            stepped.await;
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
    async fn waits_for_one_that_goes_on_though_others_stay() {
        let hosts = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let barrier = Arc::new(Barrier::new(&hosts));
        hosts.iter().for_each(|host| barrier.reach(host, &[1]));
        let waiting = tokio::spawn({
            let (barrier, first) = (barrier.clone(), hosts[0].clone());
            async move { barrier.all_past(&[&first], &[1]).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        barrier.reach("a", &[2]);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }

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

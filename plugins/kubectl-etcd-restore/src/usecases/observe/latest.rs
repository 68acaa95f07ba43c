//! The latest observation of each store, each etcd and the API, which are polled independently.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rules::follow::{EtcdSeen, StoreSeen};
use tokio::time::Instant;

use crate::rules::observation::ApiSeen;

pub type Whole = (Vec<Result<StoreSeen, String>>, Vec<EtcdSeen>, ApiSeen);

/// The latest observations.
pub struct Latest {
    stores: Vec<Option<(Result<StoreSeen, String>, Instant)>>,
    etcds: Vec<Option<(EtcdSeen, Instant)>>,
    pub api: Option<ApiSeen>,
}

impl Latest {
    pub fn new(count: usize) -> Self {
        Self {
            stores: (0..count).map(|_| None).collect(),
            etcds: (0..count).map(|_| None).collect(),
            api: None,
        }
    }

    /// Keeps the time of the store's last change.
    pub fn store(&mut self, index: usize, seen: Result<StoreSeen, String>) {
        if let Some(place) = self.stores.get_mut(index) {
            match place {
                Some((before, _)) if *before == seen => {}
                _ => *place = Some((seen, Instant::now())),
            }
        }
    }

    pub fn etcd(&mut self, index: usize, seen: EtcdSeen, began: Instant) {
        if let Some(place) = self.etcds.get_mut(index) {
            *place = Some((seen, began));
        }
    }

    /// All of them, once each etcd was observed after the last change of its store: else an old observation of etcd would be combined with a newer
    /// one of the queue.
    pub fn whole(&self) -> Option<Whole> {
        let (mut stores, mut etcds) = (Vec::new(), Vec::new());
        for (store, etcd) in self.stores.iter().zip(&self.etcds) {
            let ((store, changed), (etcd, began)) = (store.as_ref()?, etcd.as_ref()?);
            if began < changed {
                return None;
            }
            stores.push(store.clone());
            etcds.push(etcd.clone());
        }
        Some((stores, etcds, self.api.clone()?))
    }
}

/// A panic elsewhere does not invalidate the data.
pub fn lock(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_of_etcd_older_than_the_stores_change_does_not_count() {
        let mut latest = Latest::new(1);
        latest.api = Some(ApiSeen::Ready);
        let early = Instant::now();
        latest.store(0, Ok(StoreSeen::default()));
        latest.etcd(0, EtcdSeen::Silent(String::new()), early);
        assert!(latest.whole().is_none());
        latest.etcd(0, EtcdSeen::Silent(String::new()), Instant::now());
        assert!(latest.whole().is_some());
        // Nothing new: its age does not matter.
        latest.store(0, Ok(StoreSeen::default()));
        assert!(latest.whole().is_some());
    }
}

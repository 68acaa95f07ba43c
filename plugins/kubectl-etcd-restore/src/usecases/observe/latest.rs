//! The latest observation of each store, each etcd and the API, which are polled independently.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::rules::follow::{EtcdSeen, StoreSeen};
use crate::rules::observation::ApiSeen;
use crate::usecases::observe::api::with_addresses;
use crate::usecases::observe::by_address::ServersFound;

/// How long a change of a store waits for an answer of its etcd that is not older.
const PATIENCE: Duration = Duration::from_millis(1500);

type Store = Result<StoreSeen, String>;

/// The latest observations.
#[derive(Default)]
pub struct Latest {
    etcds: Vec<OfEtcd>,
    api: Option<ApiSeen>,
    api_answers: u64,
    by_address: Option<ServersFound>,
}

#[derive(Clone, Default)]
struct OfEtcd {
    /// With the time of its last change.
    store: Option<(Store, Instant)>,
    /// With the time of the question.
    etcd: Option<(EtcdSeen, Instant)>,
    /// The last two that belong together.
    together: Option<(Store, EtcdSeen)>,
}

impl Latest {
    pub fn new(count: usize) -> Self {
        Self {
            etcds: vec![OfEtcd::default(); count],
            ..Self::default()
        }
    }

    pub fn store(&mut self, index: usize, seen: Store) {
        let Some(of_etcd) = self.etcds.get_mut(index) else {
            return;
        };
        if of_etcd.store.as_ref().is_none_or(|(before, _)| *before != seen) {
            of_etcd.store = Some((seen, Instant::now()));
        }
    }

    pub fn etcd(&mut self, index: usize, seen: EtcdSeen, began: Instant) {
        if let Some(of_etcd) = self.etcds.get_mut(index) {
            of_etcd.etcd = Some((seen, began));
        }
    }

    /// What the API's name showed.
    pub fn api(&mut self, seen: ApiSeen) {
        if !seen.is_down() {
            self.by_address = None;
        }
        self.api = Some(seen);
        self.api_answers += 1;
    }

    /// Whether the API does not serve at its name.
    pub fn api_is_down(&self) -> bool {
        self.api.as_ref().is_some_and(ApiSeen::is_down)
    }

    pub fn by_address(&mut self, found: Option<ServersFound>) {
        self.by_address = found;
    }

    /// The API, and how many answers it gave.
    pub fn of_api(&self) -> (Option<ApiSeen>, u64) {
        let seen = self.api.clone();
        (
            seen.map(|seen| with_addresses(seen, self.by_address.as_ref())),
            self.api_answers,
        )
    }

    /// The store and its etcd, which was asked after the store's last change: an old observation of etcd says nothing about a newer queue. Until
    /// there is one, the last two; where none comes, the store alone.
    pub fn of_etcd(&mut self, index: usize) -> Option<(Store, EtcdSeen)> {
        let of_etcd = self.etcds.get_mut(index)?;
        let (store, changed) = of_etcd.store.as_ref()?;
        match &of_etcd.etcd {
            Some((etcd, began)) if began >= changed => of_etcd.together = Some((store.clone(), etcd.clone())),
            _ if changed.elapsed() >= PATIENCE => of_etcd.together = Some((store.clone(), EtcdSeen::Unanswered)),
            _ => {}
        }
        of_etcd.together.clone()
    }
}

/// A panic elsewhere does not invalidate the data.
pub fn lock(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn queued(names: &[&str]) -> Store {
        Ok(StoreSeen {
            newest: names.first().map(|name| (*name).to_owned()),
            ..StoreSeen::default()
        })
    }

    fn silent() -> EtcdSeen {
        EtcdSeen::Silent("refused".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn an_observation_of_etcd_older_than_the_stores_change_does_not_count() {
        let mut latest = Latest::new(1);
        let early = Instant::now();
        advance(Duration::from_millis(1)).await;
        latest.store(0, queued(&["a"]));
        latest.etcd(0, silent(), early);
        assert_eq!(latest.of_etcd(0), None);
        latest.etcd(0, silent(), Instant::now());
        assert_eq!(latest.of_etcd(0), Some((queued(&["a"]), silent())));
        // Nothing new: its age does not matter.
        advance(Duration::from_secs(60)).await;
        latest.store(0, queued(&["a"]));
        assert_eq!(latest.of_etcd(0), Some((queued(&["a"]), silent())));
        // A change shows once etcd was asked since.
        latest.store(0, queued(&["b"]));
        assert_eq!(latest.of_etcd(0), Some((queued(&["a"]), silent())));
        latest.etcd(0, silent(), Instant::now());
        assert_eq!(latest.of_etcd(0), Some((queued(&["b"]), silent())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_does_not_wait_for_an_etcd_that_hangs_nor_for_the_others() {
        let mut latest = Latest::new(2);
        latest.store(0, queued(&["a"]));
        assert_eq!(latest.of_etcd(0), None);
        advance(PATIENCE).await;
        assert_eq!(latest.of_etcd(0), Some((queued(&["a"]), EtcdSeen::Unanswered)));
        assert_eq!(latest.of_etcd(1), None);
        assert_eq!(latest.of_api(), (None, 0));
        latest.etcd(0, silent(), Instant::now());
        assert_eq!(latest.of_etcd(0), Some((queued(&["a"]), silent())));
    }
}

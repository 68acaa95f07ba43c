//! Observes the stores, etcd and the API, where they can be reached.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture, join_all};
use runbook_kit::failure::chain;
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::model::observed::Observed;
use runbook_kit::model::salvage::MemberData;
use runbook_kit::model::snapshot::Content;
use runbook_kit::ports::KeyRange;
use runbook_kit::ports::cluster_api::ClusterApi;
use runbook_kit::usecases::catalog::Catalog;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::context::Context;
use crate::rules::data_loss::DataLoss;
use crate::rules::observation::{News, Observation};
use crate::usecases::data_loss::{self, Limits};
use crate::usecases::observe::api::ApiObserver;
use crate::usecases::observe::etcd::EtcdObserver;
use crate::usecases::observe::latest::{Latest, lock};
use crate::usecases::observe::poll::poll;

/// Polling interval.
const TICK: Duration = Duration::from_secs(1);
/// The same of the API's name, which must be ready several times in a row.
const API_TICK: Duration = Duration::from_millis(500);
/// The same of the addresses of its servers, while its name shows none.
const ADDRESSES_TICK: Duration = Duration::from_secs(2);
/// Questions to a store, or to the API, that may be open at once.
const QUESTIONS: usize = 8;
/// Timeout for asking all members of an etcd.
const MEMBERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps its connections between observations.
pub struct Observer<'a> {
    etcds: Vec<EtcdObserver<'a>>,
    api: ApiObserver<'a>,
}

impl<'a> Observer<'a> {
    /// `access` may name endpoints of several etcd clusters, each with `ETCD=` in front. The etcd clusters of `others` come last.
    pub async fn open(
        context: &'a Context,
        catalogs: &'a [Catalog],
        others: &'a [Catalog],
        access: &EtcdAccess,
    ) -> Self {
        let only = catalogs.len() == 1;
        // Without a client certificate etcd is reported as not checked.
        let key_store = if access.cacert.is_some() || access.plain_http || access.via == Via::Ssh {
            None
        } else {
            context.session.key_store().await.unwrap_or(None)
        };
        let own = catalogs.iter().map(|catalog| (catalog, only));
        let etcds = own.chain(others.iter().map(|catalog| (catalog, false)));
        let etcds = etcds.map(|(catalog, only)| EtcdObserver::new(context, catalog, access, only, key_store.clone()));
        let cluster = catalogs.first().map(|catalog| catalog.store.cluster.clone());
        Self {
            etcds: etcds.collect(),
            api: ApiObserver::new(context, cluster.unwrap_or_default(), &access.host),
        }
    }

    /// Observes everything once: the stores first, so that the observation of etcd is newer.
    pub async fn observe(&self) -> Observation {
        // An API server that starts takes connections long before it answers: its timeout must not add up with those of etcd.
        let of_etcds = join_all(
            self.etcds
                .iter()
                .map(async |etcd| (etcd.store().await, etcd.etcd().await)),
        );
        let (of_etcds, api) = tokio::join!(of_etcds, self.api.observe());
        let found = self.etcds.iter().zip(of_etcds);
        Observation {
            etcds: found
                .map(|(observer, (store, etcd))| observer.seen(store, etcd, Some(&api)))
                .collect(),
            api,
        }
    }

    /// Polls everything, each part independently, until `judge` breaks. It is asked after each answer, and every second.
    pub async fn watch<T>(&self, mut judge: impl FnMut(&News) -> ControlFlow<T>) -> T {
        let (latest, news) = (&Mutex::new(Latest::new(self.etcds.len())), &Notify::new());
        let mut loops: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        for (index, etcd) in self.etcds.iter().enumerate() {
            let store = poll(
                TICK,
                QUESTIONS,
                || etcd.store(),
                move |seen, _| {
                    lock(latest).store(index, seen);
                    news.notify_one();
                },
            );
            let serving = poll(
                TICK,
                etcd.questions(),
                || etcd.etcd(),
                move |seen, began| {
                    lock(latest).etcd(index, seen, began);
                    news.notify_one();
                },
            );
            loops.push(store.map(|never| match never {}).boxed_local());
            loops.push(serving.map(|never| match never {}).boxed_local());
            if let Some(log_watch) = &etcd.log_watch {
                loops.push(log_watch.follow(etcd.context).boxed_local());
            }
        }
        let name = poll(
            API_TICK,
            QUESTIONS,
            || self.api.at_its_name(),
            |seen, _| {
                lock(latest).api(seen);
                news.notify_one();
            },
        );
        loops.push(name.map(|never| match never {}).boxed_local());
        let elsewhere = || async {
            let is_down = lock(latest).api_is_down();
            if is_down {
                self.api.by_address.find().await
            } else {
                None
            }
        };
        let addresses = poll(ADDRESSES_TICK, QUESTIONS, elsewhere, |found, _| {
            lock(latest).by_address(found);
            news.notify_one();
        });
        loops.push(addresses.map(|never| match never {}).boxed_local());
        let judging = async {
            loop {
                // `judge` also checks timeouts, so it runs without news as well.
                let _ = timeout(TICK, news.notified()).await;
                if let ControlFlow::Break(result) = judge(&self.news(&mut lock(latest))) {
                    return result;
                }
            }
        };
        let looking = async {
            join_all(loops).await;
            std::future::pending().await
        };
        tokio::select! {
            result = judging => result,
            result = looking => result,
        }
    }

    fn news(&self, latest: &mut Latest) -> News {
        let (api, api_answers) = latest.of_api();
        let etcds = self.etcds.iter().enumerate().map(|(index, observer)| {
            let (store, etcd) = latest.of_etcd(index)?;
            Some(observer.seen(store, etcd, api.as_ref()))
        });
        News {
            etcds: etcds.collect(),
            api,
            api_answers,
        }
    }

    /// The keys below a prefix; `None` where this etcd does not serve.
    pub async fn range(&self, index: usize, prefix: &[u8]) -> Option<KeyRange> {
        self.etcds.get(index)?.connected.get()?.range(prefix).await.ok()
    }

    /// What a restore of a backup will delete in an etcd that serves.
    pub async fn data_loss(&self, index: usize, backup: &Content) -> Observed<DataLoss> {
        let Some(etcd) = self.etcds.get(index) else {
            return Observed::Unknown("no such etcd cluster".to_owned());
        };
        match etcd.connected.get() {
            None => Observed::Unknown("it no longer responds".to_owned()),
            Some(kv) => match data_loss::data_loss(kv.as_ref(), backup, Limits::default()).await {
                Ok(loss) => Observed::Known(loss),
                Err(error) => Observed::Unknown(chain(&error)),
            },
        }
    }

    /// What the members of an etcd hold, each asked for itself; none where none answers.
    pub async fn members(&self, index: usize) -> Vec<MemberData> {
        let Some(EtcdObserver {
            context,
            catalog,
            access: Ok(access),
            ..
        }) = self.etcds.get(index)
        else {
            return Vec::new();
        };
        let asked = context.members_of(access, &catalog.store.etcd);
        let found = tokio::time::timeout(MEMBERS_TIMEOUT, asked).await;
        found
            .ok()
            .and_then(Result::ok)
            .map_or_else(Vec::new, |members| members.data())
    }

    /// The API, once it has answered.
    pub fn api(&self) -> Option<Arc<dyn ClusterApi>> {
        self.api.client.get()
    }
}

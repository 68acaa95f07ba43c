//! Observes the stores, etcd and the API, where they can be reached.

use runbook_kit::model::observed::Observed;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use crate::rules::data_loss::DataLoss;
use crate::rules::etcd_manager::quarantine_port;
use crate::rules::follow::{Answer, EtcdSeen, QueuedSeen, Seen, StoreSeen};
use crate::usecases::data_loss::{self, Limits};
use crate::usecases::queue;
use futures::future::{FutureExt, LocalBoxFuture, join_all};
use runbook_kit::failure::chain;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_access::{EtcdAccess, Via, client_port, named_endpoint};
use runbook_kit::model::kubernetes::cluster::Readiness;
use runbook_kit::model::salvage::MemberData;
use runbook_kit::model::snapshot::Content;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::cluster_api::ClusterApi;
use runbook_kit::ports::{EtcdKv, KeyRange};
use runbook_kit::usecases::catalog::Catalog;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::context::{Context, NoEtcd};
use crate::rules::observation::{ApiSeen, Observation};
use crate::usecases::observe::by_address::ByAddress;
use crate::usecases::observe::latest::{Latest, lock};
use crate::usecases::observe::log_watch::LogWatch;

/// Polling interval.
const TICK: Duration = Duration::from_secs(1);
/// Timeout for asking all members of an etcd.
const MEMBERS_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of one API request.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps its connections between observations.
pub struct Observer<'a> {
    etcds: Vec<EtcdObserver<'a>>,
    api: ApiObserver<'a>,
}

struct EtcdObserver<'a> {
    context: &'a Context,
    catalog: &'a Catalog,
    /// How to reach it, or why it cannot be.
    access: Result<EtcdAccess, String>,
    quarantine: Option<EtcdAccess>,
    key_store: Option<StoreUrl>,
    log_watch: Option<LogWatch>,
    /// The open connection.
    connected: tokio::sync::Mutex<Option<Box<dyn EtcdKv>>>,
}

struct ApiObserver<'a> {
    context: &'a Context,
    cluster: String,
    client: tokio::sync::Mutex<Option<Box<dyn ClusterApi>>>,
    by_address: ByAddress<'a>,
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
        let etcds = etcds.map(|(catalog, only)| {
            let etcd = catalog.store.etcd.as_str();
            EtcdObserver {
                context,
                catalog,
                access: of_etcd(access, etcd, only),
                quarantine: of_etcd(access, etcd, only)
                    .ok()
                    .and_then(|access| quarantined(&access, etcd)),
                key_store: key_store.clone(),
                log_watch: LogWatch::open(access, etcd, context),
                connected: tokio::sync::Mutex::new(None),
            }
        });
        let cluster = catalogs.first().map(|catalog| catalog.store.cluster.clone());
        let cluster = cluster.unwrap_or_default();
        Self {
            etcds: etcds.collect(),
            api: ApiObserver {
                context,
                by_address: ByAddress::new(context, &cluster, &access.host),
                cluster,
                client: tokio::sync::Mutex::new(None),
            },
        }
    }

    /// Observes everything once: the stores first, so that the observation of etcd is newer.
    pub async fn observe(&self) -> Observation {
        // An API server that starts takes connections long before it answers: its timeout must not add up with those of etcd.
        let of_etcds = async {
            let stores = join_all(self.etcds.iter().map(EtcdObserver::store)).await;
            (stores, join_all(self.etcds.iter().map(EtcdObserver::etcd)).await)
        };
        let ((stores, etcds), api) = tokio::join!(of_etcds, self.api.observe());
        Observation {
            etcds: self.seen(stores, etcds, &api),
            api,
        }
    }

    /// Polls everything, each part independently, until `judge` breaks.
    pub async fn watch<T>(&self, mut judge: impl FnMut(&Observation) -> ControlFlow<T>) -> T {
        let latest = Mutex::new(Latest::new(self.etcds.len()));
        let news = Notify::new();
        let mut loops: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        for (index, etcd) in self.etcds.iter().enumerate() {
            let (latest, news) = (&latest, &news);
            loops.push(
                async move {
                    loop {
                        let seen = etcd.store().await;
                        lock(latest).store(index, seen);
                        news.notify_one();
                        sleep(TICK).await;
                    }
                }
                .boxed_local(),
            );
            loops.push(
                async move {
                    loop {
                        let began = Instant::now();
                        let seen = etcd.etcd().await;
                        lock(latest).etcd(index, seen, began);
                        news.notify_one();
                        sleep(TICK).await;
                    }
                }
                .boxed_local(),
            );
        }
        for etcd in &self.etcds {
            if let Some(log_watch) = &etcd.log_watch {
                loops.push(log_watch.follow(etcd.context).boxed_local());
            }
        }
        loops.push(
            async {
                loop {
                    let seen = self.api.observe().await;
                    lock(&latest).api = Some(seen);
                    news.notify_one();
                    sleep(TICK).await;
                }
            }
            .boxed_local(),
        );
        let judging = async {
            loop {
                // `judge` also checks timeouts, so it runs without news as well.
                let _ = tokio::time::timeout(TICK, news.notified()).await;
                let whole = lock(&latest).whole();
                let Some((stores, etcds, api)) = whole else { continue };
                let observation = Observation {
                    etcds: self.seen(stores, etcds, &api),
                    api,
                };
                if let ControlFlow::Break(result) = judge(&observation) {
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

    fn seen(&self, stores: Vec<Result<StoreSeen, String>>, etcds: Vec<EtcdSeen>, api: &ApiSeen) -> Vec<Seen> {
        let observer = self.etcds.iter().zip(stores).zip(etcds);
        observer
            .map(|((observer, store), etcd)| Seen {
                store,
                etcd,
                log: observer.log_watch.as_ref().and_then(LogWatch::take),
                // The API server stores its objects in main: its readiness proves nothing for another etcd cluster.
                api_ready: (observer.catalog.store.etcd == MAIN).then(|| api.ready()).flatten(),
            })
            .collect()
    }

    /// The keys below a prefix; `None` where this etcd does not serve.
    pub async fn range(&self, index: usize, prefix: &[u8]) -> Option<KeyRange> {
        let connected = self.etcds.get(index)?.connected.lock().await;
        connected.as_ref()?.range(prefix).await.ok()
    }

    /// What a restore of a backup will delete in an etcd that serves.
    pub async fn data_loss(&self, index: usize, backup: &Content) -> Observed<DataLoss> {
        let Some(etcd) = self.etcds.get(index) else {
            return Observed::Unknown("no such etcd cluster".to_owned());
        };
        match etcd.connected.lock().await.as_ref() {
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

    /// The API, once it is connected.
    pub async fn api(&self) -> Option<tokio::sync::MappedMutexGuard<'_, Box<dyn ClusterApi>>> {
        let guard = self.api.client.lock().await;
        tokio::sync::MutexGuard::try_map(guard, Option::as_mut).ok()
    }
}

impl EtcdObserver<'_> {
    async fn store(&self) -> Result<StoreSeen, String> {
        let objects = self.context.session.objects();
        let (control, folders) = tokio::join!(
            queue::control(objects, self.catalog),
            objects.list_folders(&self.catalog.store.base)
        );
        let control = control.map_err(|error| chain(&error))?;
        let folders = folders.map_err(|error| chain(&error))?;
        let newest = folders.iter().filter_map(|name| name.parse::<BackupName>().ok()).max();
        Ok(StoreSeen {
            commands: control
                .commands
                .iter()
                .map(|found| QueuedSeen {
                    name: found.name.clone(),
                    backup: found.backup().map(str::to_owned),
                    queued: found.queued(),
                })
                .collect(),
            newest: newest.map(|name| name.to_string()),
            created: control.created,
        })
    }

    async fn etcd(&self) -> EtcdSeen {
        let access = match &self.access {
            Ok(access) => access,
            Err(why) => return EtcdSeen::NotAsked(why.clone()),
        };
        let mut connected = self.connected.lock().await;
        if let Some(kv) = connected.as_ref() {
            match answer(kv.as_ref()).await {
                Ok(answer) => return EtcdSeen::Serving(answer),
                Err(_) => *connected = None,
            }
        }
        match self.connect(access).await {
            Ok((kv, answer)) => {
                *connected = Some(kv);
                EtcdSeen::Serving(answer)
            }
            Err(NoEtcd::NotChecked(why)) => EtcdSeen::NotAsked(why),
            Err(NoEtcd::Unreachable(why)) => {
                let Some(quarantine) = &self.quarantine else {
                    return EtcdSeen::Silent(why);
                };
                match self.connect(quarantine).await {
                    Ok((_, answer)) => EtcdSeen::Quarantined(answer),
                    Err(_) => EtcdSeen::Silent(why),
                }
            }
        }
    }

    async fn connect(&self, access: &EtcdAccess) -> Result<(Box<dyn EtcdKv>, Answer), NoEtcd> {
        let etcd = &self.catalog.store.etcd;
        let kv = self.context.etcd(access, etcd, self.key_store.as_ref()).await?;
        let answer = answer(kv.as_ref()).await.map_err(NoEtcd::Unreachable)?;
        Ok((kv, answer))
    }
}

async fn answer(kv: &dyn EtcdKv) -> Result<Answer, String> {
    let status = kv.status().await.map_err(|error| chain(&error))?;
    Ok(Answer {
        cluster: status.cluster,
        revision: status.revision,
        leader: status.leader.is_some(),
    })
}

impl ApiObserver<'_> {
    async fn observe(&self) -> ApiSeen {
        let mut client = self.client.lock().await;
        if client.is_none() {
            match self.context.api(&self.cluster, API_TIMEOUT).await {
                Ok(connected) => *client = Some(connected),
                Err(why) => return ApiSeen::NotAsked(why),
            }
        }
        let Some(api) = client.as_ref() else {
            return ApiSeen::NotAsked("no client".to_owned());
        };
        let (seen, words) = match api.readyz().await {
            Ok(Readiness::Ready) => return ApiSeen::Ready,
            Ok(alive @ Readiness::Alive { .. }) => return ApiSeen::Alive(alive.describe()),
            Ok(other) => (ApiSeen::Answers as fn(String) -> ApiSeen, other.describe()),
            Err(error) => (ApiSeen::Silent as fn(String) -> ApiSeen, chain(&error)),
        };
        // The name may point to a master that is gone, or that has lost its etcd.
        match self.by_address.find().await {
            Some(found) if found.serves() => ApiSeen::Elsewhere(format!("{words}; {}", found.describe())),
            Some(found) => seen(format!("{words}; {}", found.describe())),
            None => seen(words),
        }
    }
}

/// The flags for one etcd cluster, with only its own endpoints.
fn of_etcd(access: &EtcdAccess, etcd: &str, only: bool) -> Result<EtcdAccess, String> {
    let mut own = access.clone();
    let mine = |text: &String| match named_endpoint(text) {
        (Some(name), url) => (name == etcd).then(|| url.to_owned()),
        (None, url) => only.then(|| url.to_owned()),
    };
    own.endpoints = access.endpoints.iter().filter_map(mine).collect();
    let elsewhere = access.via != Via::Direct && !access.host.is_empty();
    if own.endpoints.is_empty() && !access.endpoints.is_empty() && !elsewhere {
        return Err(format!("no endpoint is given: --endpoints {etcd}=https://HOST:PORT"));
    }
    Ok(own)
}

/// The same for the quarantine port; `None` where it is not known.
fn quarantined(access: &EtcdAccess, etcd: &str) -> Option<EtcdAccess> {
    let (client, port) = (access.etcd_port.or_else(|| client_port(etcd))?, quarantine_port(etcd)?);
    let mut own = access.clone();
    own.etcd_port = Some(port);
    let moved = |text: &String| {
        let head = text.trim_end_matches('/').strip_suffix(&format!(":{client}"))?;
        Some(format!("{head}:{port}"))
    };
    own.endpoints = access.endpoints.iter().filter_map(moved).collect();
    (own.endpoints.len() == access.endpoints.len()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(endpoints: &[&str]) -> EtcdAccess {
        EtcdAccess {
            endpoints: endpoints.iter().map(|text| (*text).to_owned()).collect(),
            ..EtcdAccess::default()
        }
    }

    #[test]
    fn endpoints_belong_to_the_etcd_cluster_that_they_name() {
        let both = access(&["main=https://10.0.0.7:4001", "events=https://10.0.0.7:4002"]);
        assert_eq!(
            of_etcd(&both, "events", false).unwrap().endpoints,
            ["https://10.0.0.7:4002"]
        );
        assert!(of_etcd(&both, "cilium", false).is_err());
        // Without a name it counts only where there is a single etcd cluster.
        let unnamed = access(&["https://10.0.0.7:4001"]);
        assert_eq!(of_etcd(&unnamed, "main", true).unwrap().endpoints.len(), 1);
        assert!(of_etcd(&unnamed, "main", false).is_err());
        assert!(of_etcd(&access(&[]), "main", false).unwrap().endpoints.is_empty());
    }

    #[test]
    fn the_quarantine_port_is_on_the_same_host() {
        let quarantine = |endpoint: &str| quarantined(&access(&[endpoint]), "main").map(|access| access.endpoints);
        assert_eq!(quarantine("https://10.0.0.7:4001").unwrap(), ["https://10.0.0.7:3994"]);
        assert_eq!(
            quarantine("https://[fd00::7]:4001/").unwrap(),
            ["https://[fd00::7]:3994"]
        );
        // A tunnel: its quarantine port is not known.
        assert_eq!(quarantine("https://127.0.0.1:54321"), None);
        assert_eq!(quarantined(&access(&[]), "events").unwrap().etcd_port, Some(3995));
    }
}

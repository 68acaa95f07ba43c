//! Observes one etcd cluster: its store, and etcd itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use runbook_kit::failure::chain;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_access::{EtcdAccess, Via, client_port, named_endpoint};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::EtcdKv;
use runbook_kit::usecases::catalog::Catalog;
use tokio::time::timeout;

use crate::context::{Context, NoEtcd};
use crate::rules::etcd_manager::quarantine_port;
use crate::rules::follow::{Answer, EtcdSeen, QueuedSeen, Seen, StoreSeen};
use crate::rules::observation::ApiSeen;
use crate::usecases::observe::kept::Kept;
use crate::usecases::observe::log_watch::LogWatch;
use crate::usecases::queue;

/// How long the client port may take to answer once the quarantine port has: etcd listens on one of them.
const CLIENT_PORT_WAIT: Duration = Duration::from_secs(1);
/// How long a way through the API server may take once those that the flags name have failed.
const FORWARD_WAIT: Duration = Duration::from_secs(1);
/// Questions that may be open at once: those that hang end by their own timeout.
const QUESTIONS: usize = 8;
/// The same where each needs a tunnel of its own.
const QUESTIONS_BY_TUNNEL: usize = 2;

/// Keeps its connection between observations.
pub struct EtcdObserver<'a> {
    pub context: &'a Context,
    pub catalog: &'a Catalog,
    /// How to reach it, or why it cannot be.
    pub access: Result<EtcdAccess, String>,
    quarantine: Option<EtcdAccess>,
    key_store: Option<StoreUrl>,
    pub log_watch: Option<LogWatch>,
    pub connected: Kept<dyn EtcdKv>,
}

impl<'a> EtcdObserver<'a> {
    /// `access` may name endpoints of several etcd clusters; `only` is whether there is a single one.
    pub fn new(
        context: &'a Context,
        catalog: &'a Catalog,
        access: &EtcdAccess,
        only: bool,
        key_store: Option<StoreUrl>,
    ) -> Self {
        let etcd = catalog.store.etcd.as_str();
        let own = of_etcd(access, etcd, only);
        Self {
            context,
            catalog,
            quarantine: own.as_ref().ok().and_then(|access| quarantined(access, etcd)),
            access: own,
            key_store,
            log_watch: LogWatch::open(access, etcd, context),
            connected: Kept::default(),
        }
    }

    /// One observation: what of the log and of the API belongs to it goes along.
    pub fn seen(&self, store: Result<StoreSeen, String>, etcd: EtcdSeen, api: Option<&ApiSeen>) -> Seen {
        Seen {
            store,
            etcd,
            log: self.log_watch.as_ref().and_then(LogWatch::take),
            // The API server stores its objects in main: its readiness proves nothing for another etcd cluster.
            api_ready: api.filter(|_| self.catalog.store.etcd == MAIN).and_then(ApiSeen::ready),
        }
    }

    /// How many questions may be open at once.
    pub fn questions(&self) -> usize {
        match &self.access {
            Ok(access) if !access.endpoints.is_empty() && access.host.is_empty() => QUESTIONS,
            _ => QUESTIONS_BY_TUNNEL,
        }
    }
}

impl EtcdObserver<'_> {
    pub async fn store(&self) -> Result<StoreSeen, String> {
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

    pub async fn etcd(&self) -> EtcdSeen {
        let access = match &self.access {
            Ok(access) => access,
            Err(why) => return EtcdSeen::NotAsked(why.clone()),
        };
        if let Some(kv) = self.connected.take()
            && let Ok(answer) = answer(kv.as_ref()).await
        {
            self.connected.keep(kv);
            return EtcdSeen::Serving(answer);
        }
        let client = pin!(self.connect(access));
        let Some(quarantine) = &self.quarantine else {
            return self.of_client_port(client.await).unwrap_or_else(EtcdSeen::Silent);
        };
        let quarantine = pin!(self.connect(quarantine));
        match select(client, quarantine).await {
            Either::Left((found, quarantine)) => match self.of_client_port(found) {
                Ok(seen) => seen,
                Err(why) => match quarantine.await {
                    Ok((_, answer)) => EtcdSeen::Quarantined(answer),
                    Err(_) => EtcdSeen::Silent(why),
                },
            },
            Either::Right((Ok((_, answer)), client)) => match timeout(CLIENT_PORT_WAIT, client).await {
                Ok(found @ (Ok(_) | Err(NoEtcd::NotChecked(_)))) => {
                    self.of_client_port(found).unwrap_or_else(EtcdSeen::Silent)
                }
                Ok(Err(NoEtcd::Unreachable(_))) | Err(_) => EtcdSeen::Quarantined(answer),
            },
            Either::Right((Err(_), client)) => self.of_client_port(client.await).unwrap_or_else(EtcdSeen::Silent),
        }
    }

    /// An error says why nothing was reached.
    fn of_client_port(&self, found: Result<(Arc<dyn EtcdKv>, Answer), NoEtcd>) -> Result<EtcdSeen, String> {
        match found {
            Ok((kv, answer)) => {
                self.connected.keep(kv);
                Ok(EtcdSeen::Serving(answer))
            }
            Err(NoEtcd::NotChecked(why)) => Ok(EtcdSeen::NotAsked(why)),
            Err(NoEtcd::Unreachable(why)) => Err(why),
        }
    }

    /// By all ways at once, where the flags name one: the API server may hang, and is asked for a way only to help.
    async fn connect(&self, access: &EtcdAccess) -> Result<(Arc<dyn EtcdKv>, Answer), NoEtcd> {
        let ways = named_ways(access);
        if ways.is_empty() {
            return self.connect_by(access).await;
        }
        let named = async {
            let mut tried: FuturesUnordered<_> = ways.iter().map(|way| self.connect_by(way)).collect();
            let mut failed = Vec::new();
            while let Some(found) = tried.next().await {
                match found {
                    Ok(found) => return Ok(found),
                    Err(why) => failed.push(why),
                }
            }
            Err(of_all(failed))
        };
        // Without a certificate no pod would talk to us.
        if !(access.plain_http || access.cert.is_some() || self.key_store.is_some()) {
            return named.await;
        }
        let forwarded = EtcdAccess {
            via: Via::PortForward,
            ..access.clone()
        };
        match select(pin!(named), pin!(self.connect_by(&forwarded))).await {
            Either::Left((Err(why), forwarded)) => match timeout(FORWARD_WAIT, forwarded).await {
                Ok(Ok(found)) => Ok(found),
                _ => Err(why),
            },
            Either::Left((found, _)) | Either::Right((found @ Ok(_), _)) => found,
            Either::Right((Err(_), named)) => named.await,
        }
    }

    async fn connect_by(&self, access: &EtcdAccess) -> Result<(Arc<dyn EtcdKv>, Answer), NoEtcd> {
        let etcd = &self.catalog.store.etcd;
        let kv = self.context.etcd(access, etcd, self.key_store.as_ref()).await?;
        let answer = answer(kv.as_ref()).await.map_err(NoEtcd::Unreachable)?;
        Ok((Arc::from(kv), answer))
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

/// Why none of several ways led there. One that was not reached counts; where all of them were refused for another reason, nothing is known.
fn of_all(failed: Vec<NoEtcd>) -> NoEtcd {
    let unreachable = failed.iter().any(|one| matches!(one, NoEtcd::Unreachable(_)));
    let words = failed.into_iter().map(|one| match one {
        NoEtcd::NotChecked(why) | NoEtcd::Unreachable(why) => why,
    });
    let why = words.collect::<Vec<_>>().join("; ");
    match unreachable {
        true => NoEtcd::Unreachable(why),
        false => NoEtcd::NotChecked(why),
    }
}

/// The ways that the flags name, of which all may be tried; none where a single way is wanted.
fn named_ways(access: &EtcdAccess) -> Vec<EtcdAccess> {
    let named = [
        (!access.endpoints.is_empty(), Via::Direct),
        (!access.host.is_empty(), Via::Ssh),
    ];
    let named = named.into_iter().filter(|(named, _)| *named && access.via == Via::Auto);
    named.map(|(_, via)| EtcdAccess { via, ..access.clone() }).collect()
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

    #[test]
    fn named_ways_are_tried_apart_where_any_may_be() {
        let ways = |access: &EtcdAccess| -> Vec<Via> { named_ways(access).iter().map(|way| way.via).collect() };
        let mut both = access(&["https://10.0.0.7:4001"]);
        assert_eq!(ways(&both), [Via::Direct]);
        both.host.push("10.0.0.7".to_owned());
        assert_eq!(ways(&both), [Via::Direct, Via::Ssh]);
        both.via = Via::Ssh;
        assert_eq!(ways(&both), []);
        assert_eq!(ways(&access(&[])), []);
    }

    #[test]
    fn an_etcd_that_refuses_a_certificate_is_not_taken_for_one_that_is_down() {
        let denied = || NoEtcd::NotChecked("bad certificate".to_owned());
        let refused = || NoEtcd::Unreachable("Connection refused".to_owned());
        assert!(matches!(of_all(vec![denied()]), NoEtcd::NotChecked(why) if why == "bad certificate"));
        assert!(matches!(of_all(vec![denied(), denied()]), NoEtcd::NotChecked(_)));
        assert!(
            matches!(of_all(vec![denied(), refused()]), NoEtcd::Unreachable(why) if why == "bad certificate; Connection refused")
        );
    }

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

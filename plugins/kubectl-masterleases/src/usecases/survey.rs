//! Looks at every masterlease twice, longer apart than a living API server waits between two writes, and meanwhile asks
//! whoever else can be asked.

mod nodes;

use runbook_kit::model::observed::Observed;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::etcd_objects;
use crate::rules::endpoints::Published;
use crate::rules::evidence::{Evidence, Seen};
use crate::rules::masterlease::{self as leases, Masterlease};
use crate::rules::peers::{self, Peers};
use crate::rules::verdict::judge;
use nodes::Nodes;
use runbook_kit::model::kubernetes::masterlease;
use runbook_kit::model::kubernetes::masterlease::{FOLDER, Probe};
use runbook_kit::ports::{ApiProbe, EtcdError, EtcdKv, KeyValue};

/// What to look at, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// kube-apiserver's `--etcd-prefix`, `/registry`.
    pub prefix: String,
    /// How long to watch keys without lease. Zero takes one look and asks no address.
    pub observe: Duration,
    /// The API servers' port, where it is not to be taken from the Endpoints.
    pub port: Option<u16>,
    /// The API servers' CA (PEM), where it is not to be taken from etcd.
    pub ca: Option<String>,
}

/// All that was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The masterleases, IPv4 first, by address.
    pub leases: Vec<Masterlease>,
    /// The names of those that went while we looked.
    pub gone: Vec<String>,
    /// What `default/kubernetes` published when we began.
    pub published: Published,
    /// The API servers' leases for their peers.
    pub peers: Peers,
    /// The UID of namespace `kube-system`.
    pub cluster_uid: Option<String>,
    /// etcd's revision when we ended.
    pub revision: i64,
    /// What could not be asked, and why.
    pub unasked: Vec<String>,
}

/// The API servers' port with kops, where nothing tells it.
const DEFAULT_PORT: u16 = 443;

/// Looks. `waiting` is told the number of keys that are watched, once, before the wait, and then the time waited, each second.
///
/// # Errors
/// Where etcd does not answer.
pub async fn survey(
    etcd: &dyn EtcdKv,
    probe: &dyn ApiProbe,
    options: &Options,
    waiting: &(dyn Fn(usize, Duration) + Send + Sync),
) -> Result<Survey, EtcdError> {
    let prefix = options.prefix.as_str();
    let folder = format!("{prefix}{FOLDER}");
    let peers_folder = format!("{prefix}{}", peers::FOLDER);
    let (first, peer_keys, published, cluster_uid) = tokio::try_join!(
        etcd.range(folder.as_bytes()),
        etcd.range(peers_folder.as_bytes()),
        etcd_objects::published(etcd, prefix),
        etcd_objects::cluster_uid(etcd, prefix),
    )?;
    let begun = Instant::now();
    let immortal = first.keys.iter().filter(|key| key.lease == 0).count();
    let watch = immortal > 0 && !options.observe.is_zero();

    let wait = async {
        if watch {
            wait(begun, options.observe, |waited| waiting(immortal, waited)).await;
        }
    };
    let ips: Vec<IpAddr> = first
        .keys
        .iter()
        .filter_map(|key| leases::name_of(&key.key, prefix).1)
        .collect();
    let port = options.port.or(published.port).unwrap_or(DEFAULT_PORT);
    let probing = probe_all(etcd, probe, options, &ips, port);
    let nodes = async {
        if immortal > 0 {
            Nodes::read(etcd, prefix, &ips).await
        } else {
            Nodes::not_needed()
        }
    };
    let ((), probes, mut nodes) = tokio::join!(wait, probing, nodes);

    let observed = begun.elapsed();
    // Without a wait there is nothing new to see.
    let last = if watch {
        etcd.range(folder.as_bytes()).await?
    } else {
        first.clone()
    };
    if watch {
        nodes.look_again(etcd).await;
    }
    let (probes, no_probe) = probes;
    let firsts: BTreeMap<&[u8], Seen> = first.keys.iter().map(|key| (key.key.as_slice(), seen(key))).collect();
    let ttls = join_all(last.keys.iter().map(|key| ttl(etcd, key))).await;
    let mut leases = Vec::new();
    for (stored, ttl_seconds) in last.keys.iter().zip(ttls) {
        let (name, ip) = leases::name_of(&stored.key, prefix);
        let listed = |list: &Observed<Vec<IpAddr>>| match (list, ip) {
            (Observed::Known(list), Some(ip)) => Observed::Known(list.contains(&ip)),
            (Observed::Known(_), None) => Observed::Known(false),
            (Observed::Unknown(why), _) => Observed::Unknown(why.clone()),
        };
        let evidence = Evidence {
            ip,
            published: masterlease::addresses(&stored.value),
            first: firsts.get(stored.key.as_slice()).copied(),
            last: seen(stored),
            observed: if watch { observed } else { Duration::ZERO },
            ttl_seconds: ttl_seconds?,
            probe: ip
                .and_then(|ip| probes.get(&ip).cloned())
                .unwrap_or_else(|| Probe::NotAsked(no_probe.clone().unwrap_or_default())),
            node: nodes.of(ip),
            in_endpoints: listed(&published.endpoints),
            in_slice: listed(&published.slice),
        };
        leases.push(Masterlease {
            judgement: judge(&evidence),
            stored: stored.clone(),
            evidence,
            name,
        });
    }
    leases.sort_by(|a, b| order(a).cmp(&order(b)));
    let gone = first
        .keys
        .iter()
        .filter(|key| last.keys.iter().all(|other| other.key != key.key))
        .map(|key| leases::name_of(&key.key, prefix).0)
        .collect();
    let lists = [&published.endpoints, &published.slice];
    let unasked = lists
        .into_iter()
        .filter_map(why_not)
        .chain(no_probe)
        .chain(nodes.why_not());
    Ok(Survey {
        unasked: unasked.collect(),
        leases,
        gone,
        published,
        peers: Peers::of_leases(peer_keys.keys.iter().map(|key| key.lease)),
        cluster_uid,
        revision: last.revision,
    })
}

/// Keys whose name is no address come last.
fn order(lease: &Masterlease) -> (bool, Option<IpAddr>, &str) {
    (lease.evidence.ip.is_none(), lease.evidence.ip, &lease.name)
}

const fn seen(key: &KeyValue) -> Seen {
    Seen {
        lease: key.lease,
        mod_revision: key.mod_revision,
    }
}

fn why_not<T>(asked: &Observed<T>) -> Option<String> {
    match asked {
        Observed::Known(_) => None,
        Observed::Unknown(why) => Some(why.clone()),
    }
}

async fn wait(begun: Instant, observe: Duration, waiting: impl Fn(Duration)) {
    while begun.elapsed() < observe {
        let waited = begun.elapsed();
        waiting(waited);
        sleep(Duration::from_secs(1).min(observe.saturating_sub(waited))).await;
    }
}

async fn ttl(etcd: &dyn EtcdKv, key: &KeyValue) -> Result<Option<u64>, EtcdError> {
    if key.lease == 0 {
        Ok(None)
    } else {
        etcd.lease_ttl(key.lease).await
    }
}

/// What each address said; or why none was asked.
async fn probe_all(
    etcd: &dyn EtcdKv,
    probe: &dyn ApiProbe,
    options: &Options,
    ips: &[IpAddr],
    port: u16,
) -> (BTreeMap<IpAddr, Probe>, Option<String>) {
    let nothing = |why: Option<String>| (BTreeMap::new(), why);
    if ips.is_empty() || options.observe.is_zero() {
        return nothing(None);
    }
    let ca = match &options.ca {
        Some(given) => given.clone(),
        None => match etcd_objects::root_ca(etcd, &options.prefix).await {
            Ok(Observed::Known(pem)) => pem,
            Ok(Observed::Unknown(why)) => {
                return nothing(Some(format!("the addresses themselves: {why}; see --cluster-ca")));
            }
            Err(error) => return nothing(Some(format!("the addresses themselves: {error}"))),
        },
    };
    let answers = join_all(ips.iter().map(|ip| probe.livez(*ip, port, &ca))).await;
    (ips.iter().copied().zip(answers).collect(), None)
}

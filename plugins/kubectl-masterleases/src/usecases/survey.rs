//! Reads every masterlease twice, further apart than two writes of a running API server, and meanwhile checks Nodes, Endpoints and the API
//! servers' addresses.

mod nodes;

use runbook_kit::model::observed::Observed;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::etcd_objects;
use crate::rules::endpoints::Published;
use crate::rules::evidence::{Evidence, KeyState};
use crate::rules::masterlease::{self as leases, Masterlease};
use crate::rules::peers::{self, Peers};
use crate::rules::verdict::judge;
use nodes::Nodes;
use runbook_kit::model::kubernetes::masterlease;
use runbook_kit::model::kubernetes::masterlease::{FOLDER, Probe};
use runbook_kit::ports::{ApiProbe, EtcdError, EtcdKv, KeyValue};

#[derive(Clone, Debug)]
pub struct Options {
    /// kube-apiserver's `--etcd-prefix`, `/registry`.
    pub prefix: String,
    /// How long to watch keys without lease. Zero reads the keys once and connects to no address.
    pub observe: Duration,
    /// The API servers' port, if it is not to be read from the Endpoints.
    pub port: Option<u16>,
    /// The API servers' CA (PEM), if it is not to be read from etcd.
    pub ca: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Survey {
    pub leases: Vec<Masterlease>,
    /// The names of those that were deleted or expired between the two reads.
    pub deleted: Vec<String>,
    /// What `default/kubernetes` published at the beginning.
    pub published: Published,
    /// The API servers' leases for their peers.
    pub peers: Peers,
    pub cluster_uid: Option<String>,
    /// etcd's revision at the end.
    pub revision: i64,
    /// What could not be checked, and why.
    pub not_checked: Vec<String>,
}

/// The API servers' port with kops, unless the Endpoints have another one.
const DEFAULT_PORT: u16 = 443;

/// Surveys. `waiting` is called with the number of watched keys and the time waited, each second.
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
    let without_lease = first.keys.iter().filter(|key| key.lease == 0).count();
    let watch = without_lease > 0 && !options.observe.is_zero();

    let wait = async {
        if watch {
            wait(begun, options.observe, |waited| waiting(without_lease, waited)).await;
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
        if without_lease > 0 {
            Nodes::read(etcd, prefix, &ips).await
        } else {
            Nodes::not_needed()
        }
    };
    let ((), probes, mut nodes) = tokio::join!(wait, probing, nodes);

    let observed = begun.elapsed();
    // Without a wait nothing has changed.
    let last = if watch {
        etcd.range(folder.as_bytes()).await?
    } else {
        first.clone()
    };
    if watch {
        nodes.read_leases_again(etcd).await;
    }
    let (probes, probes_not_made) = probes;
    let firsts: BTreeMap<&[u8], KeyState> = first.keys.iter().map(|key| (key.key.as_slice(), seen(key))).collect();
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
                .unwrap_or_else(|| Probe::NotAsked(probes_not_made.clone().unwrap_or_default())),
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
    let deleted = first
        .keys
        .iter()
        .filter(|key| last.keys.iter().all(|other| other.key != key.key))
        .map(|key| leases::name_of(&key.key, prefix).0)
        .collect();
    let lists = [&published.endpoints, &published.slice];
    let not_checked = lists
        .into_iter()
        .filter_map(unknown)
        .chain(probes_not_made)
        .chain(nodes.not_read());
    Ok(Survey {
        not_checked: not_checked.collect(),
        leases,
        deleted,
        published,
        peers: Peers::of_leases(peer_keys.keys.iter().map(|key| key.lease)),
        cluster_uid,
        revision: last.revision,
    })
}

/// Keys whose name is not an address come last.
fn order(lease: &Masterlease) -> (bool, Option<IpAddr>, &str) {
    (lease.evidence.ip.is_none(), lease.evidence.ip, &lease.name)
}

const fn seen(key: &KeyValue) -> KeyState {
    KeyState {
        lease: key.lease,
        mod_revision: key.mod_revision,
    }
}

fn unknown<T>(observed: &Observed<T>) -> Option<String> {
    match observed {
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

/// The response of each address; or why none was probed.
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
                return nothing(Some(format!("API servers: {why}; pass --cluster-ca")));
            }
            Err(error) => return nothing(Some(format!("API servers: {error}"))),
        },
    };
    let responses = join_all(ips.iter().map(|ip| probe.livez(*ip, port, &ca))).await;
    (ips.iter().copied().zip(responses).collect(), None)
}

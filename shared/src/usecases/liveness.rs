//! Gathers what shows that a control plane is alive or dead: AWS, the masters' ports, the hosts over ssh, the journal of a wipe.
//! It observes only; the verdict is [`crate::model::liveness::decide`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;

use crate::failure::chain;
use crate::model::etcd_access::client_port;
use crate::model::fleet::{
    Group, Instance, InstanceState, Tags, Volume, VolumeState, has_tag_of, is_master, may_be_master,
};
use crate::model::liveness::{
    AddressState, HostState, Master, Masters, NewestBackup, PortState, ProbeResult, Signals, host,
};
use crate::model::store_url::StoreUrl;
use crate::ports::fleet::{Fleet, FleetError};
use crate::ports::hosts::{Hosts, Script};
use crate::ports::{HostProbe, ObjectStore};
use crate::usecases::catalog::Catalog;
use crate::usecases::wipe_journal;

/// Where kops' API servers listen on their own hosts.
const API_PORT: u16 = 443;
/// Of a look at a host, once ssh has connected.
const HOST_LIMIT: Duration = Duration::from_secs(20);
/// Only an etcd volume has such a tag.
const ETCD_TAG: &str = "k8s.io/etcd/";

/// The machines of the control plane, as AWS has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    masters: Masters,
    /// Machines that have an API server and no etcd.
    api_servers: Vec<Master>,
}

impl Machines {
    /// AWS could not be queried.
    #[must_use]
    pub fn not_known(why: impl Into<String>) -> Self {
        Self {
            masters: Masters::Unknown(why.into()),
            api_servers: Vec::new(),
        }
    }

    /// From AWS' data of `cluster`. The volumes may not have been queried.
    #[must_use]
    pub fn of(cluster: &str, instances: &[Instance], groups: &[Group], volumes: Result<&[Volume], String>) -> Self {
        // That none is running is a proof: so an instance with unclear tags counts as running.
        let masters = instances
            .iter()
            .filter(|instance| may_be_master(&instance.tags, cluster));
        let is_known = |tags: &Tags| is_master(tags, cluster);
        let api_servers = instances.iter().filter(|instance| {
            let role = |key: &str| instance.tags.contains_key(key);
            has_tag_of(&instance.tags, cluster)
                && !may_be_master(&instance.tags, cluster)
                && (role("k8s.io/role/apiserver") || role("k8s.io/role/api-server"))
        });
        let gone = [VolumeState::Deleting, VolumeState::Deleted];
        let oldest = volumes.map(|volumes| {
            let of_etcd = volumes.iter().filter(|volume| {
                volume.tags.keys().any(|key| key.starts_with(ETCD_TAG)) && !gone.contains(&volume.state)
            });
            // One of unknown age may be as old as can be.
            of_etcd.map(|volume| volume.created.unwrap_or(Timestamp::MIN)).min()
        });
        Self {
            masters: Masters::Known {
                running: masters.filter(|instance| may_run(instance)).map(master).collect(),
                known_here: instances.iter().any(|instance| is_known(&instance.tags))
                    || groups.iter().any(|group| is_known(&group.tags)),
                oldest_volume: oldest,
            },
            api_servers: api_servers.filter(|instance| may_run(instance)).map(master).collect(),
        }
    }

    /// Queries AWS: for groups only where no instance is known, for volumes only after a wipe.
    pub async fn ask(fleet: &dyn Fleet, cluster: &str, wiped: Option<Timestamp>, limit: Duration) -> Self {
        if cluster.is_empty() {
            return Self::not_known("no cluster is named");
        }
        let asked = tokio::time::timeout(limit, asked(fleet, cluster, wiped)).await;
        match asked {
            Ok(Ok((instances, groups, volumes))) => {
                Self::of(cluster, &instances, &groups, volumes.as_deref().map_err(Clone::clone))
            }
            Ok(Err(error)) => Self::not_known(chain(&error)),
            Err(_) => Self::not_known(format!("no response from AWS within {} s", limit.as_secs())),
        }
    }
}

type Asked = (Vec<Instance>, Vec<Group>, Result<Vec<Volume>, String>);

async fn asked(fleet: &dyn Fleet, cluster: &str, wiped: Option<Timestamp>) -> Result<Asked, FleetError> {
    let instances = fleet.instances_of(cluster).await?;
    let known = instances.iter().any(|instance| is_master(&instance.tags, cluster));
    let groups = match known {
        true => Vec::new(),
        false => fleet.groups_of(cluster).await?,
    };
    let volumes = match wiped {
        Some(_) => fleet.volumes_of(cluster).await.map_err(|error| chain(&error)),
        None => Err("not asked".to_owned()),
    };
    Ok((instances, groups, volumes))
}

/// One that stops or starts may still do something.
fn may_run(instance: &Instance) -> bool {
    !matches!(instance.state, InstanceState::Terminated | InstanceState::Stopped)
}

fn master(instance: &Instance) -> Master {
    let addresses = instance.private_ips.iter().chain(&instance.public_ip);
    Master {
        id: instance.id.clone(),
        launched: instance.launched,
        addresses: addresses.filter_map(|address| address.parse().ok()).collect(),
        probed: Vec::new(),
    }
}

/// When the newest wipe of this cluster's masters ended; `None` where there was none, it did not end, or that is not known.
pub async fn wiped(objects: &dyn ObjectStore, state: &StoreUrl, cluster: &str) -> Option<Timestamp> {
    let folder = wipe_journal::folder(state, cluster);
    let newest = wipe_journal::newest(objects, &folder).await.ok()??;
    newest.entry.finished.filter(|_| newest.entry.cluster == cluster)
}

/// The newest backup that etcd-manager itself keeps in the store: a pinned copy is ours.
#[must_use]
pub fn newest(catalog: &Catalog) -> Option<NewestBackup> {
    let own = catalog.complete().rfind(|backup| backup.in_store);
    own.map(|backup| NewestBackup {
        etcd: catalog.store.etcd.clone(),
        name: backup.name.clone(),
        interval: catalog.store.interval,
    })
}

/// The hosts that may be asked over ssh: only those that the user names.
pub struct OverSsh<'a> {
    /// The way.
    pub hosts: &'a dyn Hosts,
    /// Which.
    pub names: &'a [String],
}

/// All that was found, for every etcd cluster and the API.
pub struct Evidence {
    machines: Machines,
    wiped: Option<Timestamp>,
    port_states: BTreeMap<(IpAddr, u16), PortState>,
    answers: BTreeMap<IpAddr, Option<String>>,
    hosts: Vec<(String, host::Answer)>,
    ports: BTreeMap<String, u16>,
}

impl Evidence {
    /// Probes the machines and asks the hosts, all at once.
    pub async fn gather(
        machines: Machines,
        wiped: Option<Timestamp>,
        etcds: &[String],
        etcd_port: Option<u16>,
        probe: &dyn HostProbe,
        ssh: Option<OverSsh<'_>>,
    ) -> Self {
        let port = |etcd: &String| Some((etcd.clone(), etcd_port.or_else(|| client_port(etcd))?));
        let ports: BTreeMap<String, u16> = etcds.iter().filter_map(port).collect();
        let (port_states, hosts) = tokio::join!(probe_ports(&machines, &ports, probe), ask_hosts(ssh, etcds));
        // Only a refusal needs proof that the machine itself sent it.
        let refusing: BTreeSet<IpAddr> = port_states
            .iter()
            .filter(|(_, state)| **state == PortState::Refused)
            .map(|((address, _), _)| *address)
            .collect();
        let answers = join_all(
            refusing
                .into_iter()
                .map(|address| async move { (address, probe.service_at(address).await) }),
        );
        Self {
            machines,
            wiped,
            port_states,
            answers: answers.await.into_iter().collect(),
            hosts,
            ports,
        }
    }

    /// What there is of one etcd cluster.
    #[must_use]
    pub fn of_etcd(&self, catalog: &Catalog, probe: ProbeResult) -> Signals {
        let etcd = catalog.store.etcd.as_str();
        let port = self.ports.get(etcd).copied();
        Signals {
            probe,
            masters: self.masters(&[], port),
            hosts: self.said(port, Some(etcd)),
            members: catalog.store.members.len(),
            wiped: self.wiped,
            newest: newest(catalog),
        }
    }

    /// What there is of the API: an etcd-manager that backs up any etcd cluster is a sign of it.
    #[must_use]
    pub fn of_api(&self, catalogs: &[Catalog], probe: ProbeResult) -> Signals {
        let port = Some(API_PORT);
        let members = catalogs.iter().map(|catalog| catalog.store.members.len()).max();
        Signals {
            probe,
            masters: self.masters(&self.machines.api_servers, port),
            hosts: self.said(port, None),
            members: members.unwrap_or_default(),
            wiped: self.wiped,
            newest: catalogs.iter().filter_map(newest).max_by_key(NewestBackup::created),
        }
    }

    fn masters(&self, more: &[Master], port: Option<u16>) -> Masters {
        let mut masters = self.machines.masters.clone();
        if let Masters::Known { running, .. } = &mut masters {
            running.extend(more.iter().cloned());
            for master in running {
                let probed = master.addresses.iter().filter_map(|address| {
                    let state = self.port_states.get(&(*address, port?))?;
                    Some(AddressState {
                        address: *address,
                        port: state.clone(),
                        answers: self.answers.get(address).cloned().flatten(),
                    })
                });
                master.probed = probed.collect();
            }
        }
        masters
    }

    fn said(&self, port: Option<u16>, etcd: Option<&str>) -> Vec<HostState> {
        let hosts = self.hosts.iter();
        hosts.map(|(host, answer)| answer.of(host, port, etcd)).collect()
    }
}

async fn probe_ports(
    machines: &Machines,
    ports: &BTreeMap<String, u16>,
    probe: &dyn HostProbe,
) -> BTreeMap<(IpAddr, u16), PortState> {
    let Masters::Known { running, .. } = &machines.masters else {
        return BTreeMap::new();
    };
    let every = running.iter().chain(&machines.api_servers);
    let addresses: BTreeSet<IpAddr> = every.flat_map(|master| master.addresses.iter().copied()).collect();
    let ports: BTreeSet<u16> = ports.values().copied().chain([API_PORT]).collect();
    let questions = addresses
        .iter()
        .flat_map(|address| ports.iter().map(|port| (*address, *port)));
    let answers =
        questions.map(|(address, port)| async move { ((address, port), probe.probe_port(address, port).await) });
    join_all(answers).await.into_iter().collect()
}

/// A host that does not answer proves nothing.
async fn ask_hosts(ssh: Option<OverSsh<'_>>, etcds: &[String]) -> Vec<(String, host::Answer)> {
    let Some(ssh) = ssh else {
        return Vec::new();
    };
    let script = Script {
        what: "look whether etcd is served".to_owned(),
        text: host::script(etcds),
        limit: Some(HOST_LIMIT),
    };
    let script = &script;
    let answers = ssh.names.iter().map(|name| async move {
        let lines = Mutex::new(Vec::new());
        let keep = |line: &str| {
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.to_owned())
        };
        let ended = ssh.hosts.read(name, script, &keep).await.ok()?;
        let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        (ended.code == 0).then(|| (name.clone(), host::parse(&lines)))
    });
    join_all(answers).await.into_iter().flatten().collect()
}

#[cfg(test)]
#[path = "liveness_tests.rs"]
mod tests;

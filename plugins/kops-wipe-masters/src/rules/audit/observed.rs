//! What was seen beyond AWS and the backups: certificates, living etcds, the state store's own settings. Each fact is known, or the reason why not.

use std::collections::BTreeMap;

use runbook_kit::model::certificate::{Authority, Served};
use runbook_kit::model::exposure::Known;
use runbook_kit::ports::etcd_members::AlarmKind;

/// All of it; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub servers: Vec<Server>,
    pub authorities: Vec<Authority>,
    /// The etcd clusters of which a member answers.
    pub etcds: BTreeMap<String, EtcdSeen>,
    /// Whether the state store keeps older versions.
    pub versioned: Option<Known>,
    pub copy: CopySeen,
    /// The kops that last updated the cluster, and the one on `PATH`.
    pub kops_of_state: Option<String>,
    pub kops_here: Option<String>,
    /// A name in `.k8s.local` without `dns: none`.
    pub gossip: bool,
    /// The etcd version that the spec asks for, by etcd cluster.
    pub wanted_etcd: BTreeMap<String, String>,
    /// What could not be seen, and why: `the certificate of 10.0.0.7:443, because …`.
    pub not_seen: Vec<String>,
}

/// A server whose certificate was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `kube-apiserver`, `etcd main`.
    pub what: String,
    /// The etcd cluster; `None` for kube-apiserver.
    pub etcd: Option<String>,
    pub instance: Option<String>,
    /// `10.0.0.7`.
    pub host: String,
    pub port: u16,
    /// The keyset of the CA that must have signed it.
    pub keyset: String,
    pub served: Served,
}

impl Server {
    /// Whether its certificate is of the cluster at all. A proxy or firewall that answers for every address shows its own, and in another
    /// network another host may have the address: what they show says nothing of the cluster.
    fn is_of_cluster(&self) -> bool {
        let name = format!("CN={}", self.keyset);
        let issuer = || self.served.issuer.split(',').map(str::trim);
        self.served.signed_by.is_some()
            // A CA of the same name with another key: of this cluster before it was replaced, or of another kops cluster.
            || issuer().any(|part| part == name)
            // Before kops 1.19.
            || (self.etcd.is_none() && issuer().any(|part| part == "CN=kubernetes"))
            // The user says that it is etcd.
            || self.instance.is_none()
    }
}

/// The servers of the cluster, and of what is none the name and why it is not counted.
pub fn sort_out(servers: Vec<Server>) -> (Vec<Server>, Vec<(String, String)>) {
    let (own, strangers): (Vec<Server>, Vec<Server>) = servers.into_iter().partition(Server::is_of_cluster);
    let told = strangers.iter().map(|server| {
        let on = server.instance.as_deref().unwrap_or(&server.host);
        (
            format!("{} on {on}", server.what),
            format!(
                "what answers there shows a certificate of {}, which is no CA of kops: a proxy, or another host",
                server.served.issuer
            ),
        )
    });
    let told = told.collect();
    (own, told)
}

/// Copies of the backups in another store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CopySeen {
    /// No other store was named.
    #[default]
    NotAsked,
    /// It was named, and could not be read.
    NotRead,
    /// The newest copy of each etcd cluster there.
    Looked {
        at: String,
        newest: BTreeMap<String, Option<jiff::Timestamp>>,
    },
}

/// The members of a living etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdSeen {
    pub members: Vec<MemberSeen>,
    /// The member's id and its alarm; `None` where nobody could tell.
    pub alarms: Option<Vec<(u64, AlarmKind)>>,
}

/// A registered member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSeen {
    pub id: u64,
    /// Empty for one that was added and never started.
    pub name: String,
    pub learner: bool,
    /// What it says of itself; `None` where it was not reached.
    pub status: Option<StatusSeen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSeen {
    pub version: String,
    pub has_leader: bool,
    pub db_size: u64,
    pub in_use: u64,
    pub quota: Option<u64>,
}

impl EtcdSeen {
    /// Whether a member knows a leader: that takes a quorum.
    pub fn has_leader(&self) -> bool {
        self.answering().any(|(_, status)| status.has_leader)
    }

    pub fn answering(&self) -> impl Iterator<Item = (&MemberSeen, &StatusSeen)> {
        self.members
            .iter()
            .filter_map(|member| Some((member, member.status.as_ref()?)))
    }

    /// Members with this alarm, by name.
    pub fn alarmed(&self, kind: AlarmKind) -> Vec<String> {
        let ids = self.alarms.iter().flatten();
        let mut names: Vec<String> = ids
            .filter(|(_, found)| *found == kind)
            .map(|(id, _)| self.name_of(*id))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn name_of(&self, id: u64) -> String {
        let member = self.members.iter().find(|member| member.id == id);
        member.map_or_else(|| format!("{id:x}"), MemberSeen::shown)
    }
}

impl MemberSeen {
    /// Its name, else its id as etcdctl prints it.
    pub fn shown(&self) -> String {
        match self.name.is_empty() {
            true => format!("{:x}", self.id),
            false => self.name.clone(),
        }
    }
}

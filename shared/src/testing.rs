//! Stand-ins for the ports, for unit tests of this crate and of the plugins: feature `testing`.

mod fleet;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::confirm::Consent;
use crate::domain::kube::cluster::{NodeDeletion, NodeLease, NodeState, Readiness};
use crate::domain::masterleases::evidence::Probe;
use crate::ports::{
    ApiProbe, ClusterApi, EtcdError, EtcdErrorKind, EtcdKv, EtcdStatus, KeyRange, KeyValue, KubeError, KubeErrorKind,
    LeaseId, SnapshotStream,
};

pub use fleet::MemoryFleet;

/// An etcd in memory: keys, revisions and leases, as far as [`EtcdKv`] shows them.
#[derive(Default)]
pub struct MemoryEtcd {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: i64,
    keys: BTreeMap<Vec<u8>, KeyValue>,
    leases: BTreeMap<LeaseId, u64>,
    before_deletes: VecDeque<Trick>,
}

/// What happens right before a deletion is carried out.
#[derive(Clone, Debug)]
pub enum Trick {
    /// Nothing.
    None,
    /// A living API server writes a key, with lease 77.
    Rewrite(String),
    /// These keys' leases run out.
    Expire(Vec<String>),
    /// The deletion is carried out, and the connection breaks before the answer arrives.
    LoseAnswer,
    /// The connection breaks, and nothing is carried out.
    Fail(EtcdErrorKind),
}

impl MemoryEtcd {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a key; a lease other than 0 is granted for 15 s.
    pub fn put(&self, key: &str, value: &[u8], lease: LeaseId) {
        self.state().put(key.as_bytes(), value, lease);
    }

    /// Writes the masterlease of `ip`, as a restore (lease 0) or an API server leaves it.
    pub fn masterlease(&self, ip: &str, lease: LeaseId) {
        self.put(&format!("/registry/masterleases/{ip}"), &endpoints(&[ip]), lease);
    }

    /// What happens before the deletions to come, in their order.
    pub fn before_deletes(&self, tricks: impl IntoIterator<Item = Trick>) {
        self.state().before_deletes.extend(tricks);
    }

    /// All keys, as text.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let state = self.state();
        let keys = state.keys.keys();
        keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }
}

/// An Endpoints object of these addresses, in JSON.
#[must_use]
pub fn endpoints(ips: &[&str]) -> Vec<u8> {
    let addresses: Vec<String> = ips.iter().map(|ip| format!(r#"{{"ip":"{ip}"}}"#)).collect();
    let addresses = addresses.join(",");
    format!(
        r#"{{"kind":"Endpoints","subsets":[{{"addresses":[{addresses}],"ports":[{{"name":"https","port":443}}]}}]}}"#
    )
    .into_bytes()
}

impl State {
    fn put(&mut self, key: &[u8], value: &[u8], lease: LeaseId) {
        self.revision += 1;
        if lease != 0 {
            self.leases.insert(lease, 15);
        }
        let before = self.keys.get(key);
        let stored = KeyValue {
            key: key.to_vec(),
            value: value.to_vec(),
            create_revision: before.map_or(self.revision, |before| before.create_revision),
            mod_revision: self.revision,
            version: before.map_or(1, |before| before.version + 1),
            lease,
        };
        self.keys.insert(key.to_vec(), stored);
    }
}

fn error(action: &'static str, kind: EtcdErrorKind) -> EtcdError {
    EtcdError {
        action,
        at: "memory".to_owned(),
        kind,
        source: None,
    }
}

#[async_trait]
impl EtcdKv for MemoryEtcd {
    async fn range(&self, prefix: &[u8]) -> Result<KeyRange, EtcdError> {
        let state = self.state();
        let keys = state.keys.values().filter(|key| key.key.starts_with(prefix));
        Ok(KeyRange {
            revision: state.revision,
            keys: keys.cloned().collect(),
        })
    }

    async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, EtcdError> {
        Ok(self.state().keys.get(key).cloned())
    }

    async fn lease_ttl(&self, lease: LeaseId) -> Result<Option<u64>, EtcdError> {
        Ok(self.state().leases.get(&lease).copied())
    }

    async fn delete_if_unchanged(&self, key: &[u8], mod_revision: i64) -> Result<bool, EtcdError> {
        let mut state = self.state();
        let trick = state.before_deletes.pop_front().unwrap_or(Trick::None);
        match &trick {
            Trick::Rewrite(rewritten) => state.put(rewritten.as_bytes(), b"{}", 77),
            Trick::Expire(expired) => {
                for key in expired {
                    state.keys.remove(key.as_bytes());
                }
            }
            Trick::Fail(kind) => return Err(error("delete a key of", kind.clone())),
            Trick::None | Trick::LoseAnswer => {}
        }
        let unchanged = state
            .keys
            .get(key)
            .is_some_and(|found| found.mod_revision == mod_revision);
        if unchanged {
            state.revision += 1;
            state.keys.remove(key);
        }
        match trick {
            Trick::LoseAnswer => Err(error("delete a key of", EtcdErrorKind::Lost)),
            _ => Ok(unchanged),
        }
    }

    async fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<bool, EtcdError> {
        let mut state = self.state();
        let absent = !state.keys.contains_key(key);
        if absent {
            state.put(key, value, 0);
        }
        Ok(absent)
    }

    async fn status(&self) -> Result<EtcdStatus, EtcdError> {
        Ok(EtcdStatus {
            version: "3.6.16".to_owned(),
            db_size: 20_480,
            leader: Some(1),
            member: 1,
            cluster: 1,
            revision: self.state().revision,
        })
    }

    async fn voters(&self) -> Result<usize, EtcdError> {
        Ok(1)
    }

    async fn snapshot(&self) -> Result<SnapshotStream, EtcdError> {
        Err(error(
            "take a snapshot of",
            EtcdErrorKind::Other("memory has no snapshots".to_owned()),
        ))
    }
}

/// Answers for some addresses; the others are silent.
#[derive(Default)]
pub struct FakeProbe {
    /// The HTTP status of each address that answers.
    pub alive: BTreeMap<IpAddr, u16>,
}

#[async_trait]
impl ApiProbe for FakeProbe {
    async fn livez(&self, ip: IpAddr, _port: u16, _ca: &str) -> Probe {
        let status = self.alive.get(&ip).copied();
        status.map_or(Probe::Silent, |status| Probe::Answers { status })
    }
}

/// A Kubernetes API in memory.
#[derive(Default)]
pub struct MemoryApi {
    state: Mutex<ApiState>,
}

#[derive(Default)]
struct ApiState {
    readiness: VecDeque<Result<Readiness, KubeErrorKind>>,
    nodes: BTreeMap<String, NodeState>,
    leases: BTreeMap<String, NodeLease>,
    refuses: Option<KubeErrorKind>,
    asked: Vec<String>,
}

impl MemoryApi {
    fn state(&self) -> MutexGuard<'_, ApiState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `/readyz` answers the next times; the last answer is given for ever, and without any it is ready.
    pub fn readiness(&self, answers: impl IntoIterator<Item = Result<Readiness, KubeErrorKind>>) {
        self.state().readiness.extend(answers);
    }

    /// Adds a Node, or writes it anew with another version.
    pub fn put_node(&self, mut node: NodeState) {
        let mut state = self.state();
        let version = state.nodes.len() + state.asked.len() + 1;
        node.resource_version = format!("{}-{version}", node.resource_version);
        state.nodes.insert(node.node.name.clone(), node);
    }

    /// A kubelet renews its Lease.
    pub fn renew(&self, node: &str, renewed: Option<jiff::Timestamp>) {
        let lease = NodeLease {
            node: node.to_owned(),
            renewed,
        };
        self.state().leases.insert(node.to_owned(), lease);
    }

    /// From now on nothing but `/readyz` is answered otherwise.
    pub fn refuse(&self, kind: KubeErrorKind) {
        self.state().refuses = Some(kind);
    }

    /// The names of the Nodes that are there.
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        self.state().nodes.keys().cloned().collect()
    }

    fn ask(&self, action: &str) -> Result<MutexGuard<'_, ApiState>, KubeError> {
        let mut state = self.state();
        state.asked.push(action.to_owned());
        match &state.refuses {
            Some(kind) => Err(kube_error(action, kind.clone())),
            None => Ok(state),
        }
    }
}

fn kube_error(action: &str, kind: KubeErrorKind) -> KubeError {
    KubeError {
        action: action.to_owned(),
        server: "https://memory".to_owned(),
        kind,
    }
}

#[async_trait]
impl ClusterApi for MemoryApi {
    fn server(&self) -> &str {
        "https://memory"
    }

    async fn readyz(&self) -> Result<Readiness, KubeError> {
        let mut state = self.state();
        let answer = match state.readiness.len() {
            0 => Ok(Readiness::Ready),
            1 => state.readiness.front().cloned().unwrap_or(Ok(Readiness::Ready)),
            _ => state.readiness.pop_front().unwrap_or(Ok(Readiness::Ready)),
        };
        answer.map_err(|kind| kube_error("ask /readyz", kind))
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, KubeError> {
        Ok(self.ask("list nodes")?.nodes.values().cloned().collect())
    }

    async fn node_leases(&self) -> Result<Vec<NodeLease>, KubeError> {
        let state = self.ask("list leases in kube-node-lease")?;
        Ok(state.leases.values().cloned().collect())
    }

    async fn delete_node(&self, node: &NodeState, _consent: &Consent) -> Result<NodeDeletion, KubeError> {
        let name = &node.node.name;
        let mut state = self.ask(&format!("delete node {name}"))?;
        Ok(match state.nodes.get(name) {
            None => NodeDeletion::Gone,
            Some(found) if (&found.uid, &found.resource_version) == (&node.uid, &node.resource_version) => {
                state.nodes.remove(name);
                NodeDeletion::Deleted
            }
            Some(_) => NodeDeletion::Changed,
        })
    }
}

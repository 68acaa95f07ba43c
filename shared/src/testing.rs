//! Stand-ins for the ports, for unit tests of this crate and of the plugins: feature `testing`.

mod cluster_api;
mod cluster_objects;
mod fleet;
mod hosts;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::consent::Consent;
use crate::model::kubernetes::masterlease::Probe;
use crate::ports::etcd::MOST_TXN_OPERATIONS;
use crate::ports::etcd_members::{EtcdAlarm, EtcdMember, EtcdMembers};
use crate::ports::{
    ApiProbe, EtcdError, EtcdErrorKind, EtcdKv, EtcdStatus, KeyHead, KeyPage, KeyRange, KeySpan, KeyValue, LeaseId,
    SnapshotStream,
};

pub use cluster_api::MemoryApi;
pub use cluster_objects::{MemoryObjects, ObjectTrick};
pub use fleet::MemoryFleet;
pub use hosts::MemoryHosts;

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
    before_deletes: VecDeque<Interference>,
}

/// What happens right before a deletion is carried out.
#[derive(Clone, Debug)]
pub enum Interference {
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
    pub fn before_deletes(&self, tricks: impl IntoIterator<Item = Interference>) {
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
    /// What is to happen at the next deletion. The trick is given back, since one of them comes after it.
    fn play(&mut self, action: &'static str) -> Result<Interference, EtcdError> {
        let trick = self.before_deletes.pop_front().unwrap_or(Interference::None);
        match &trick {
            Interference::Rewrite(rewritten) => self.put(rewritten.as_bytes(), b"{}", 77),
            Interference::Expire(expired) => {
                for key in expired {
                    self.keys.remove(key.as_bytes());
                }
            }
            Interference::Fail(kind) => return Err(error(action, kind.clone())),
            Interference::None | Interference::LoseAnswer => {}
        }
        Ok(trick)
    }

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

    /// It remembers nothing of the past: any other revision than the present one was compacted.
    async fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
        at: Option<i64>,
    ) -> Result<KeyPage, EtcdError> {
        let state = self.state();
        if at.is_some_and(|at| at != state.revision) {
            let compacted = "etcdserver: mvcc: required revision has been compacted";
            return Err(error("read keys of", EtcdErrorKind::Other(compacted.to_owned())));
        }
        let keys = state.keys.values().filter(|key| key.key.starts_with(prefix));
        let mut keys = keys.filter(|key| after.is_none_or(|after| key.key.as_slice() > after));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = keys.by_ref().take(limit).map(|key| KeyHead {
            key: key.key.clone(),
            mod_revision: key.mod_revision,
            lease: key.lease,
        });
        let page: Vec<KeyHead> = page.collect();
        Ok(KeyPage {
            revision: state.revision,
            keys: page,
            more: keys.next().is_some(),
        })
    }

    async fn delete_spans(
        &self,
        spans: &[KeySpan],
        revision: i64,
        _consent: &Consent,
    ) -> Result<Option<u64>, EtcdError> {
        let mut state = self.state();
        let trick = state.play("delete keys of")?;
        if spans.len() > MOST_TXN_OPERATIONS {
            let kind = EtcdErrorKind::Other("etcdserver: too many operations in txn request".to_owned());
            return Err(error("delete keys of", kind));
        }
        let within = |key: &KeyValue| spans.iter().any(|span| span.first <= key.key && key.key < span.end);
        let meant: Vec<KeyValue> = state.keys.values().filter(|key| within(key)).cloned().collect();
        if meant.iter().any(|key| key.mod_revision > revision) {
            return Ok(None);
        }
        for key in &meant {
            state.keys.remove(&key.key);
        }
        state.revision += 1;
        match trick {
            Interference::LoseAnswer => Err(error("delete keys of", EtcdErrorKind::Lost)),
            _ => Ok(u64::try_from(meant.len()).ok()),
        }
    }

    async fn lease_ttl(&self, lease: LeaseId) -> Result<Option<u64>, EtcdError> {
        Ok(self.state().leases.get(&lease).copied())
    }

    async fn delete_if_unchanged(&self, key: &[u8], mod_revision: i64, _consent: &Consent) -> Result<bool, EtcdError> {
        let mut state = self.state();
        let trick = state.play("delete a key of")?;
        let unchanged = state
            .keys
            .get(key)
            .is_some_and(|found| found.mod_revision == mod_revision);
        if unchanged {
            state.revision += 1;
            state.keys.remove(key);
        }
        match trick {
            Interference::LoseAnswer => Err(error("delete a key of", EtcdErrorKind::Lost)),
            _ => Ok(unchanged),
        }
    }

    async fn put_if_absent(&self, key: &[u8], value: &[u8], _consent: &Consent) -> Result<bool, EtcdError> {
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
            in_use: 16_384,
            quota: None,
            raft_term: 2,
            raft_index: 9,
            raft_applied: 9,
            learner: false,
        })
    }

    async fn snapshot(&self) -> Result<SnapshotStream, EtcdError> {
        Err(error(
            "take a snapshot of",
            EtcdErrorKind::Other("memory has no snapshots".to_owned()),
        ))
    }
}

/// One member, without alarms.
#[async_trait]
impl EtcdMembers for MemoryEtcd {
    async fn members(&self) -> Result<Vec<EtcdMember>, EtcdError> {
        Ok(vec![EtcdMember {
            id: 1,
            name: "memory".to_owned(),
            peer_urls: Vec::new(),
            client_urls: Vec::new(),
            learner: false,
        }])
    }

    async fn alarms(&self) -> Result<Vec<EtcdAlarm>, EtcdError> {
        Ok(Vec::new())
    }

    async fn compact(&self, _revision: i64, _consent: &Consent) -> Result<(), EtcdError> {
        Ok(())
    }

    async fn defragment(&self, _consent: &Consent) -> Result<(), EtcdError> {
        Ok(())
    }

    async fn disarm(&self, _alarm: &EtcdAlarm, _consent: &Consent) -> Result<(), EtcdError> {
        Ok(())
    }

    async fn remove_member(&self, _id: u64, _consent: &Consent) -> Result<(), EtcdError> {
        Ok(())
    }
}

/// Responds for some addresses; the others do not respond.
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

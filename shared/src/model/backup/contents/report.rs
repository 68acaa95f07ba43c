//! What a restore of a backup brings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::source::Snapshot;
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::node::Node;
use crate::model::kubernetes::value::{Encoding, Encryption, ValueError};
use crate::model::kubernetes::{masterlease, metadata};
use crate::model::snapshot::{LiveKey, Problem};

/// How much of each value is read: the encoding, an encryption key's name and, nearly always, the creation time stand there.
const HEAD: u32 = 1024;
/// How many undecodable values are named.
const NAMED: usize = 20;

/// The report. In JSON:
///
/// ```text
/// {
///   "revision": 300, "keys": 226, "keysWithLease": 3, "keysWithoutLease": 223, "valueBytes": 187654,
///   "lineage": "UID of namespace kube-system, or null",
///   "resources": [{"resource": "secrets", "group": "", "objects": 15, "withLease": 0, "bytes": 3690,
///                  "namespaces": [{"namespace": "billing", "objects": 15}]}],
///   "nodes": [{"name", "role", "instanceGroup", "providerId", "internalIps": [], "created"}],
///   "masterleases": [{"ip", "lease": "hex as etcdctl prints it, or null"}],
///   "events": {"objects": 0, "withLease": 0},
///   "encodings": {"protobuf": 204, "json": 21, "encrypted": 0, "other": 1},
///   "encryption": [{"provider": "aescbc", "version": "v1", "keyName": "key1", "objects": 15, "readable": 15,
///                   "problem": "why the others are not readable, or null", "resources": ["secrets"]}],
///   "newestObject": {"object": "configmaps/shop/c15", "created": "2026-11-22T15:16:41Z"} or null,
///   "newestWrite": {"object": "masterleases/10.0.0.1", "modRevision": 300} or null,
///   "undecodable": {"values": 0, "objects": ["secrets/a/b: why"]}
/// }
/// ```
///
/// `resources` are sorted by resource and group, cluster-scoped ones have no `namespaces`; `bytes` are those of the values.
/// What is not Kubernetes (cilium's etcd) stands there under its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// etcd's revision.
    pub revision: i64,
    /// Live keys.
    pub keys: u64,
    /// Of these, with a lease. A restore drops the lease and keeps the key.
    pub keys_with_lease: u64,
    /// Of these, without.
    pub keys_without_lease: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// UID of namespace `kube-system`.
    pub lineage: Option<String>,
    /// Objects counted, sorted.
    pub resources: Vec<ResourceCount>,
    /// Nodes, sorted by name. Of one that is encrypted or damaged no more than the name is known.
    pub nodes: Vec<Node>,
    /// What API servers announce, sorted by address.
    pub masterleases: Vec<Masterlease>,
    /// Events.
    pub events: EventCount,
    /// How the values are encoded.
    pub encodings: Encodings,
    /// Who encrypted what, sorted.
    pub encryption: Vec<EncryptionCount>,
    /// The object with the latest creation time that was found within the first KiB of a value.
    pub newest_object: Option<NewestObject>,
    /// The key written last.
    pub newest_write: Option<NewestWrite>,
    /// Values of Kubernetes that nothing can be read from. Encrypted ones do not count.
    pub undecodable: Undecodable,
}

/// Objects of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceCount {
    /// `secrets`.
    pub resource: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// How many.
    pub objects: u64,
    /// Of these, with a lease of etcd.
    pub with_lease: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How many in each namespace, sorted by name.
    pub namespaces: Vec<NamespaceCount>,
}

/// Objects of one resource in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamespaceCount {
    /// The namespace.
    pub namespace: String,
    /// How many.
    pub objects: u64,
}

/// An API server's announcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Masterlease {
    /// Its address.
    pub ip: String,
    /// The lease of etcd in hex, as etcdctl prints it; none after a restore, and then it never expires.
    pub lease: Option<String>,
}

/// Events counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventCount {
    /// How many.
    pub objects: u64,
    /// Of these, with a lease, which ends them after an hour.
    pub with_lease: u64,
}

/// Values counted by encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Encodings {
    /// Built-in resources.
    pub protobuf: u64,
    /// Custom resources.
    pub json: u64,
    /// Encrypted at rest.
    pub encrypted: u64,
    /// Anything else.
    pub other: u64,
}

/// Values that one key encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptionCount {
    /// Who did.
    #[serde(flatten)]
    pub by: Encryption,
    /// How many values.
    pub objects: u64,
    /// Of these, how many the keys at hand decrypt.
    pub readable: u64,
    /// Why the first of the others cannot be decrypted.
    pub problem: Option<String>,
    /// Of which resources, sorted.
    pub resources: Vec<String>,
}

/// The object created last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewestObject {
    /// `pods/shop/web-1`.
    pub object: String,
    /// When.
    pub created: Timestamp,
}

/// The key written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewestWrite {
    /// `leases/kube-node-lease/i-1`.
    pub object: String,
    /// At which revision.
    pub mod_revision: i64,
}

/// What nothing can be read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Undecodable {
    /// How many values.
    pub values: u64,
    /// The first of them, each with the reason.
    pub objects: Vec<String>,
}

impl Contents {
    /// Reads the report out of a snapshot.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(snapshot: Snapshot<'_>) -> Result<Self, Problem> {
        let mut counting = Counting::default();
        for live in &snapshot.content.keys {
            counting.take(snapshot, live)?;
        }
        counting.finish(snapshot)
    }
}

#[derive(Default)]
struct Counting {
    report: Contents,
    /// By resource and group.
    resources: BTreeMap<(String, String), Tally>,
    encryption: BTreeMap<Encryption, EncryptedTally>,
}

#[derive(Default)]
struct EncryptedTally {
    objects: u64,
    readable: u64,
    problem: Option<String>,
    resources: BTreeSet<String>,
}

#[derive(Default)]
struct Tally {
    objects: u64,
    with_lease: u64,
    bytes: u64,
    namespaces: BTreeMap<String, u64>,
}

impl Counting {
    fn take(&mut self, snapshot: Snapshot<'_>, live: &LiveKey) -> Result<(), Problem> {
        let key = ObjectKey::parse(&live.key);
        self.count(&key, live);

        let mut head = snapshot.head(live, HEAD)?;
        let encodings = &mut self.report.encodings;
        match Encoding::of_head(&head) {
            Encoding::Protobuf => encodings.protobuf += 1,
            Encoding::Json => encodings.json += 1,
            Encoding::Encrypted(by) => {
                encodings.encrypted += 1;
                if let Some(plain) = self.decrypt(snapshot, live, &key, by)? {
                    head = plain;
                }
            }
            Encoding::Other => {
                encodings.other += 1;
                if key.is_kubernetes() {
                    self.undecodable(&key, "value is neither protobuf nor JSON");
                }
            }
        }
        if let Some(created) = metadata::creation_time_in_head(&head)
            && self
                .report
                .newest_object
                .as_ref()
                .is_none_or(|newest| newest.created < created)
        {
            self.report.newest_object = Some(NewestObject {
                object: key.to_string(),
                created,
            });
        }
        if key.is("nodes") {
            let node = Node::of_value(&snapshot.value(live)?);
            let node = node.unwrap_or_else(|error| {
                self.broken(&key, &error);
                Node::named(&key.name)
            });
            self.report.nodes.push(node);
        }
        if key.is("masterleases")
            && let Err(error) = masterlease::addresses(&snapshot.value(live)?)
        {
            self.broken(&key, &error);
        }
        Ok(())
    }

    /// Notes a value that looked like an object by its head and is none. Encrypted and foreign ones are counted elsewhere.
    fn broken(&mut self, key: &ObjectKey<'_>, error: &ValueError) {
        if !matches!(error, ValueError::Encrypted(_) | ValueError::NotAnObject) {
            self.undecodable(key, &error.to_string());
        }
    }

    /// Counts an encrypted value. Its plaintext, where the key is at hand.
    fn decrypt(
        &mut self,
        snapshot: Snapshot<'_>,
        live: &LiveKey,
        key: &ObjectKey<'_>,
        by: Encryption,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let decrypted = snapshot.decrypted(live)?;
        let tally = self.encryption.entry(by).or_default();
        tally.objects += 1;
        tally.resources.insert(key.resource_label().into_owned());
        match decrypted {
            Ok(plain) => {
                tally.readable += 1;
                if key.is_kubernetes() && Encoding::of_head(&plain) == Encoding::Other {
                    self.undecodable(key, "what is encrypted is neither protobuf nor JSON");
                }
                Ok(Some(plain))
            }
            Err(error) => {
                tally.problem.get_or_insert_with(|| error.to_string());
                Ok(None)
            }
        }
    }

    fn count(&mut self, key: &ObjectKey<'_>, live: &LiveKey) {
        let leased = u64::from(live.lease != 0);
        let report = &mut self.report;
        report.keys += 1;
        report.keys_with_lease += leased;
        report.value_bytes += u64::from(live.value.length);
        if key.is("events") {
            report.events.objects += 1;
            report.events.with_lease += leased;
        }
        if key.is("masterleases") {
            let lease = (live.lease != 0).then(|| format!("{:x}", live.lease));
            report.masterleases.push(Masterlease {
                ip: key.name.clone().into_owned(),
                lease,
            });
        }
        let tally = self
            .resources
            .entry((key.resource.to_owned(), key.group.to_owned()))
            .or_default();
        tally.objects += 1;
        tally.with_lease += leased;
        tally.bytes += u64::from(live.value.length);
        if let Some(namespace) = key.namespace {
            *tally.namespaces.entry(namespace.to_owned()).or_default() += 1;
        }
    }

    fn undecodable(&mut self, key: &ObjectKey<'_>, why: &str) {
        let found = &mut self.report.undecodable;
        found.values += 1;
        if found.objects.len() < NAMED {
            found.objects.push(format!("{key}: {why}"));
        }
    }

    fn finish(self, snapshot: Snapshot<'_>) -> Result<Contents, Problem> {
        let mut report = self.report;
        report.revision = snapshot.content.revision;
        report.keys_without_lease = report.keys - report.keys_with_lease;
        report.lineage = snapshot.lineage()?;
        let newest = snapshot.content.keys.iter().max_by_key(|live| live.mod_revision);
        report.newest_write = newest.map(|live| NewestWrite {
            object: ObjectKey::parse(&live.key).to_string(),
            mod_revision: live.mod_revision,
        });
        report
            .masterleases
            .sort_by_cached_key(|lease| (lease.ip.parse::<IpAddr>().ok(), lease.ip.clone()));
        report.resources = self
            .resources
            .into_iter()
            .map(|(names, tally)| tally.finish(names))
            .collect();
        let encryption = self.encryption.into_iter();
        report.encryption = encryption
            .map(|(by, tally)| EncryptionCount {
                by,
                objects: tally.objects,
                readable: tally.readable,
                problem: tally.problem,
                resources: tally.resources.into_iter().collect(),
            })
            .collect();
        Ok(report)
    }
}

impl Tally {
    fn finish(self, (resource, group): (String, String)) -> ResourceCount {
        let namespaces = self.namespaces.into_iter();
        ResourceCount {
            resource,
            group,
            objects: self.objects,
            with_lease: self.with_lease,
            bytes: self.bytes,
            namespaces: namespaces
                .map(|(namespace, objects)| NamespaceCount { namespace, objects })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup::contents::testing::Fake;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

    fn object(kind: &str, name: &str, namespace: &str, created: u64) -> Vec<u8> {
        unknown(
            "v1",
            kind,
            &bytes_field(1, &object_meta(name, namespace, &format!("uid-{name}"), created)),
        )
    }

    #[test]
    fn counts_what_a_restore_brings() {
        let fake = Fake::of(&[
            (
                "/registry/cert-manager.io/certificates/shop/web",
                0,
                br#"{"metadata":{"creationTimestamp":"2026-11-22T15:18:05Z"}}"#,
            ),
            (
                "/registry/masterleases/10.0.0.10",
                0x2f,
                &object("Endpoints", "", "", 0),
            ),
            ("/registry/masterleases/10.0.0.9", 0, b"k8s\0\x12"),
            ("/registry/minions/i-1", 0, &object("Node", "i-1", "", 1_795_360_681)),
            ("/registry/minions/i-2", 0, b"k8s\0\x12\x05a"),
            (
                "/registry/namespaces/kube-system",
                0,
                &object("Namespace", "kube-system", "", 1_795_360_600),
            ),
            ("/registry/secrets/a/s", 0, b"k8s:enc:aescbc:v1:key1:\x01"),
            ("/registry/secrets/b/s", 0, b"k8s:enc:aescbc:v1:key1:\x02"),
            ("/registry/secrets/b/t", 0, b"k8s:enc:kms:v2:aws:\x02"),
            ("/registry/secrets/b/u", 0, b"broken"),
            ("compact_rev_key", 0, b"290"),
        ]);
        let report = Contents::of(fake.snapshot()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
    }

    #[test]
    fn an_empty_database_is_reported_as_such() {
        let fake = Fake::of(&[]);
        assert_eq!(
            Contents::of(fake.snapshot()).unwrap(),
            Contents {
                revision: 1,
                ..Contents::default()
            }
        );
    }

    #[test]
    fn only_heads_are_read_of_what_needs_no_more() {
        let long = vec![b'x'; 100_000];
        let value = [b"{\"data\":\"".as_slice(), &long, b"\"}"].concat();
        let fake = Fake::of(&[
            ("/registry/configmaps/a/b", 0, &value),
            ("/registry/configmaps/a/c", 0, &value),
        ]);
        Contents::of(fake.snapshot()).unwrap();
        assert_eq!(fake.bytes_read(), 2 * u64::from(HEAD));
    }

    #[test]
    fn a_value_beyond_the_database_is_an_error() {
        let mut fake = Fake::of(&[("/registry/configmaps/a/b", 0, b"{}")]);
        fake.content.keys[0].value.offset = 1 << 40;
        assert!(Contents::of(fake.snapshot()).is_err());
    }
}

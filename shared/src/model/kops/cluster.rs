//! A kops cluster's spec, as far as a recovery needs it.
//!
//! kops writes it to `<state>/<cluster>/cluster-completed.spec`, older kops to `cluster.spec`, and the user's own, without
//! the defaults, to `config`. Source: kubernetes/kops `pkg/apis/kops/v1alpha2/cluster.go` (and `v1alpha3`).

use jiff::SignedDuration;

use super::raw::{RawCluster, RawConfigStore, RawDns, RawEtcd, RawHeader, RawSpec, RawSubnet};
use super::{duration, names};
use crate::model::store_url::{StoreUrl, StoreUrlError};

/// etcd-manager's default: a backup each quarter of an hour.
pub const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_mins(15);
/// etcd-manager's default: one backup of each hour for seven days.
pub const DEFAULT_HOURLY_RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// etcd-manager's default: one backup of each day for two years. kops 1.27 and newer write 90 days into the spec.
pub const DEFAULT_DAILY_RETENTION: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);

const HOURLY_VARIABLE: &str = "ETCD_MANAGER_HOURLY_BACKUPS_RETENTION";
const DAILY_VARIABLE: &str = "ETCD_MANAGER_DAILY_BACKUPS_RETENTION";

/// A cluster, with kops' and etcd-manager's defaults filled in where they need nothing but the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// `metadata.name`.
    pub name: String,
    /// `configBase` as written; [`Self::config_base_in`] applies the default.
    pub config_base: Option<String>,
    /// `keyStore` as written; [`Self::key_store_in`] applies the default.
    pub key_store: Option<String>,
    /// `secretStore` as written; [`Self::secret_store_in`] applies the default.
    pub secret_store: Option<String>,
    /// `kubernetesVersion`, without a leading `v`.
    pub kubernetes_version: Option<String>,
    /// The AWS region of its subnets.
    pub region: Option<String>,
    /// The zones of its subnets, sorted.
    pub zones: Vec<String>,
    /// `networkID`: its VPC, where that is not kops' own.
    pub network_id: Option<String>,
    /// The ids of its subnets where the spec has them, sorted.
    pub subnet_ids: Vec<String>,
    /// Whether the spec has the id of every subnet.
    pub has_all_subnet_ids: bool,
    /// Whether the spec has settings for `--target=terraform`: `target.terraform`.
    pub for_terraform: bool,
    /// `topology.dns.type`: `None`, `Private` or `Public`; `None` where the spec has none.
    pub dns: Option<String>,
    /// Its etcd clusters, in the spec's order.
    pub etcd_clusters: Vec<EtcdClusterSpec>,
}

/// One of its etcd clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdClusterSpec {
    /// `main`, `events`, `cilium`, `leases`, …
    pub name: String,
    /// The etcd version to run.
    pub version: Option<String>,
    /// The etcd image, where the user pinned one: etcd-manager then has that version only.
    pub image: Option<String>,
    /// `backups.backupStore` as written; [`ClusterSpec::backup_store_in`] applies the default.
    pub backup_store: Option<String>,
    /// The time between two backups.
    pub backup_interval: SignedDuration,
    /// How long one backup of each hour is kept.
    pub hourly_retention: SignedDuration,
    /// How long one backup of each day is kept.
    pub daily_retention: SignedDuration,
    /// `manager.backupRetentionDays` as written.
    pub retention_days: Option<u32>,
    /// `manager.env`, name and value.
    pub env: Vec<(String, String)>,
    /// `manager.image`, where the user pinned one.
    pub manager_image: Option<String>,
    /// `manager.logLevel`; etcd-manager's default is 6, and below 4 it does not say who leads.
    pub log_level: Option<i32>,
    /// Its members.
    pub members: Vec<MemberSpec>,
    /// What is odd in it and was replaced by a default, as text for the user.
    pub problems: Vec<String>,
}

/// A member of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpec {
    /// `a`, a zone, `etcd-1`, …
    pub name: String,
    /// The instance group whose master it lives on.
    pub instance_group: Option<String>,
}

/// Why a text is no spec of a cluster or of an instance group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// No document in it.
    #[error("it is empty")]
    Empty,
    /// More than one document.
    #[error("it holds {0} YAML documents instead of one")]
    SeveralDocuments(usize),
    /// Not YAML, or a field of another type.
    #[error("it is not the YAML that kops writes: {0}")]
    Yaml(String),
    /// Another kind of object.
    #[error("it is a {kind} of {api_version}, not a kops {wanted}")]
    WrongKind {
        /// The `kind`, or `(none)`.
        kind: String,
        /// The `apiVersion`, or `(none)`.
        api_version: String,
        /// The kind that was looked for.
        wanted: &'static str,
    },
    /// No `metadata.name`, or one that is no DNS name.
    #[error("its metadata.name `{0}` is no DNS name")]
    Name(String),
    /// An etcd cluster without a name, or with one that cannot be part of a path.
    #[error("an etcd cluster is named `{0}`")]
    EtcdName(String),
}

impl ClusterSpec {
    /// Reads one YAML document.
    pub fn parse(content: &[u8]) -> Result<Self, SpecError> {
        let text = std::str::from_utf8(content).map_err(|_| SpecError::NotText)?;
        // The kind first: else a foreign object is reported as a field of a wrong type.
        let headers: Vec<RawHeader> = serde_saphyr::from_multiple(text).map_err(yaml)?;
        let header = match headers.as_slice() {
            [] => return Err(SpecError::Empty),
            [header] => header,
            several => return Err(SpecError::SeveralDocuments(several.len())),
        };
        check_kind(header, "Cluster")?;
        let cluster: RawCluster = serde_saphyr::from_str(text).map_err(yaml)?;
        let name = cluster.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        if !names::is_cluster_name(&name) {
            return Err(SpecError::Name(name));
        }
        Self::from_raw(name, cluster.spec.unwrap_or_default())
    }

    fn from_raw(name: String, spec: RawSpec) -> Result<Self, SpecError> {
        let (base, keypairs, secrets) = match spec.config_store {
            Some(RawConfigStore::Parts {
                base,
                keypairs,
                secrets,
            }) => (base, keypairs, secrets),
            Some(RawConfigStore::Text(_)) | None => (None, None, None),
        };
        let (network, moved, topology) = match spec.networking {
            Some(networking) => (networking.network_id, networking.subnets, networking.topology),
            None => (None, None, None),
        };
        let dns = spec.topology.or(topology).and_then(|topology| topology.dns);
        let subnets = spec.subnets.or(moved).unwrap_or_default();
        let (region, zones) = places(&subnets);
        let mut subnet_ids: Vec<String> = subnets.iter().filter_map(|subnet| filled(subnet.id.clone())).collect();
        let has_all_subnet_ids = !subnets.is_empty() && subnet_ids.len() == subnets.len();
        subnet_ids.sort_unstable();
        subnet_ids.dedup();
        let etcd_clusters = spec.etcd_clusters.unwrap_or_default();
        Ok(Self {
            name,
            config_base: filled(spec.config_base.or(base)),
            key_store: filled(spec.key_store.or(keypairs)),
            secret_store: filled(spec.secret_store.or(secrets)),
            kubernetes_version: filled(spec.kubernetes_version)
                .map(|version| version.trim_start_matches('v').to_owned()),
            region,
            zones,
            network_id: filled(spec.network_id.or(network)),
            subnet_ids,
            has_all_subnet_ids,
            for_terraform: spec.target.is_some_and(|target| target.terraform.is_some()),
            dns: filled(dns.and_then(|dns| match dns {
                RawDns::Typed { kind } => kind,
                RawDns::Text(kind) => Some(kind),
            })),
            etcd_clusters: etcd_clusters
                .into_iter()
                .map(EtcdClusterSpec::from_raw)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether its members find each other by gossip: a name in `.k8s.local` without `dns: none`. kops 1.37 refuses such a cluster.
    /// Source: kubernetes/kops `docs/releases/1.37-NOTES.md`.
    #[must_use]
    pub fn uses_gossip(&self) -> bool {
        self.name.ends_with(".k8s.local") && self.dns.as_deref() != Some("None")
    }

    /// Where the cluster's configuration lies; by default `<state>/<cluster>`.
    pub fn config_base_in(&self, state: &StoreUrl) -> Result<StoreUrl, StoreUrlError> {
        self.config_base
            .as_deref()
            .map_or_else(|| Ok(state.join(&self.name)), str::parse)
    }

    /// Where its certificate authorities lie; by default `<configBase>/pki`.
    pub fn key_store_in(&self, state: &StoreUrl) -> Result<StoreUrl, StoreUrlError> {
        match &self.key_store {
            Some(url) => url.parse(),
            None => Ok(self.config_base_in(state)?.join("pki")),
        }
    }

    /// Where its secrets lie, the encryption configuration among them; by default `<configBase>/secrets`.
    pub fn secret_store_in(&self, state: &StoreUrl) -> Result<StoreUrl, StoreUrlError> {
        match &self.secret_store {
            Some(url) => url.parse(),
            None => Ok(self.config_base_in(state)?.join("secrets")),
        }
    }

    /// Where the backups of its etcd cluster `etcd` lie; by default `<configBase>/backups/etcd/<etcd>`.
    pub fn backup_store_in(&self, state: &StoreUrl, etcd: &EtcdClusterSpec) -> Result<StoreUrl, StoreUrlError> {
        match &etcd.backup_store {
            Some(url) => url.parse(),
            None => Ok(self.config_base_in(state)?.join("backups/etcd").join(&etcd.name)),
        }
    }
}

impl EtcdClusterSpec {
    fn from_raw(raw: RawEtcd) -> Result<Self, SpecError> {
        let name = raw.name.unwrap_or_default();
        if !names::is_etcd_name(&name) {
            return Err(SpecError::EtcdName(name));
        }
        let manager = raw.manager.unwrap_or_default();
        let env: Vec<_> = manager
            .env
            .unwrap_or_default()
            .into_iter()
            .map(|e| (e.name, e.value.unwrap_or_default()))
            .collect();
        let mut problems = Vec::new();
        let mut read = |field: &str, text: Option<&str>, default: SignedDuration| match text.map(duration::parse) {
            None => default,
            Some(Ok(read)) => read,
            Some(Err(error)) => {
                problems.push(format!("{field} of etcd cluster {name}: {error}"));
                default
            }
        };
        // Kubernetes takes the last of several variables of one name, and etcd-manager ignores an empty one.
        let variable = |wanted: &str| {
            let found = env.iter().rev().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let written_days = manager
            .backup_retention_days
            .map_or(DEFAULT_DAILY_RETENTION, duration::days);
        let backup_interval = read(
            "manager.backupInterval",
            manager.backup_interval.as_deref(),
            DEFAULT_INTERVAL,
        );
        let hourly_retention = read(HOURLY_VARIABLE, variable(HOURLY_VARIABLE), DEFAULT_HOURLY_RETENTION);
        let daily_retention = read(DAILY_VARIABLE, variable(DAILY_VARIABLE), written_days);
        let members = raw.etcd_members.unwrap_or_default().into_iter();
        Ok(Self {
            version: filled(raw.version).map(|version| version.trim_start_matches('v').to_owned()),
            image: filled(raw.image),
            backup_store: filled(raw.backups.and_then(|backups| backups.backup_store)),
            backup_interval,
            hourly_retention,
            daily_retention,
            retention_days: manager.backup_retention_days,
            manager_image: filled(manager.image),
            log_level: manager.log_level,
            members: members
                .map(|member| MemberSpec {
                    name: member.name.unwrap_or_default(),
                    instance_group: filled(member.instance_group),
                })
                .collect(),
            problems,
            env,
            name,
        })
    }
}

pub(super) fn yaml(error: serde_saphyr::Error) -> SpecError {
    SpecError::Yaml(error.without_snippet().to_string())
}

pub(super) fn check_kind(header: &RawHeader, wanted: &'static str) -> Result<(), SpecError> {
    let group = header
        .api_version
        .as_deref()
        .and_then(|version| version.split_once('/'))
        .map(|(group, _)| group);
    // `kops/v1alpha2` was the group before kops 1.15.
    if header.kind.as_deref() == Some(wanted) && matches!(group, Some("kops.k8s.io" | "kops")) {
        return Ok(());
    }
    let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "(none)".to_owned());
    Err(SpecError::WrongKind {
        kind: text(&header.kind),
        api_version: text(&header.api_version),
        wanted,
    })
}

pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn places(subnets: &[RawSubnet]) -> (Option<String>, Vec<String>) {
    let mut zones: Vec<String> = subnets
        .iter()
        .filter_map(|subnet| filled(subnet.zone.clone()))
        .collect();
    zones.sort_unstable();
    zones.dedup();
    let region = subnets.iter().find_map(|subnet| filled(subnet.region.clone()));
    (region.or_else(|| zones.first().and_then(|zone| region_of(zone))), zones)
}

/// The region of an AWS zone: `us-east-1a`, but also the local zone `us-west-2-lax-1a`.
fn region_of(zone: &str) -> Option<String> {
    let end = zone.find(|c: char| c.is_ascii_digit())?;
    let (head, tail) = zone.split_at_checked(end)?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{head}{digits}"))
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;

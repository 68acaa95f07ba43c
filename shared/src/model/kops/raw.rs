//! The parts of kops' Cluster that we read, as they stand in the YAML.
//!
//! Source: kubernetes/kops `pkg/apis/kops/v1alpha2/cluster.go` and `v1alpha3/cluster.go`. Every field is optional: kops
//! leaves out what it defaults, and a recovery must not fail over a field that it does not need.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawHeader {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawCluster {
    pub(super) metadata: Option<RawMetadata>,
    pub(super) spec: Option<RawSpec>,
}

#[derive(Deserialize)]
pub(super) struct RawMetadata {
    pub(super) name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawSpec {
    pub(super) config_base: Option<String>,
    pub(super) key_store: Option<String>,
    pub(super) secret_store: Option<String>,
    /// v1alpha3 moved `configBase`, `keyStore` and `secretStore` in here.
    pub(super) config_store: Option<RawConfigStore>,
    pub(super) kubernetes_version: Option<String>,
    #[serde(rename = "networkID")]
    pub(super) network_id: Option<String>,
    pub(super) subnets: Option<Vec<RawSubnet>>,
    /// v1alpha3 moved `subnets` and `networkID` in here.
    pub(super) networking: Option<RawNetworking>,
    pub(super) target: Option<RawTarget>,
    pub(super) topology: Option<RawTopology>,
    pub(super) etcd_clusters: Option<Vec<RawEtcd>>,
}

/// In v1alpha2 `configStore` is a text, and unused.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawConfigStore {
    Parts {
        base: Option<String>,
        keypairs: Option<String>,
        secrets: Option<String>,
    },
    #[expect(dead_code, reason = "matched by its shape, never read")]
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct RawTarget {
    /// Whatever it holds.
    pub(super) terraform: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct RawTopology {
    pub(super) dns: Option<RawDns>,
}

/// In v1alpha2 and v1alpha3 `dns` has a `type`; in between there was a text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawDns {
    Typed {
        #[serde(rename = "type")]
        kind: Option<String>,
    },
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct RawNetworking {
    /// v1alpha3 moved `topology` in here.
    pub(super) topology: Option<RawTopology>,
    #[serde(rename = "networkID")]
    pub(super) network_id: Option<String>,
    pub(super) subnets: Option<Vec<RawSubnet>>,
}

#[derive(Deserialize)]
pub(super) struct RawSubnet {
    pub(super) zone: Option<String>,
    pub(super) region: Option<String>,
    /// Where the subnet is shared, or its id is in the spec: `subnet-…`.
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawEtcd {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) image: Option<String>,
    pub(super) backups: Option<RawBackups>,
    pub(super) manager: Option<RawManager>,
    pub(super) etcd_members: Option<Vec<RawMember>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawBackups {
    pub(super) backup_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawManager {
    pub(super) image: Option<String>,
    pub(super) backup_interval: Option<String>,
    pub(super) backup_retention_days: Option<u32>,
    pub(super) log_level: Option<i32>,
    pub(super) env: Option<Vec<RawEnv>>,
}

#[derive(Deserialize)]
pub(super) struct RawEnv {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawMember {
    pub(super) name: Option<String>,
    pub(super) instance_group: Option<String>,
}

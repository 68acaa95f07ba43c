//! A kops instance group, as far as a recovery needs it.
//!
//! kops writes it to `<state>/<cluster>/instancegroup/<name>`. Source: kubernetes/kops `pkg/apis/kops/v1alpha2/instancegroup.go`
//! (and `v1alpha3`, which says `ControlPlane` where v1alpha2 says `Master`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cluster::SpecError;
use super::raw::{RawHeader, RawMetadata};
use super::{cluster, names};

/// One instance group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceGroup {
    /// `metadata.name`: `control-plane-us-east-1a`, `master-us-east-1a`, `nodes`.
    pub name: String,
    /// What its machines are for.
    pub role: Role,
    /// Their type: `m5.large`.
    pub machine_type: Option<String>,
    /// The machine image that they start from.
    pub image: Option<String>,
    /// How few of them there may be.
    pub min_size: Option<u32>,
    /// How many of them there may be.
    pub max_size: Option<u32>,
    /// The names of its subnets, as in the cluster's spec.
    pub subnets: Vec<String>,
}

/// What an instance group's machines are for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// etcd and the API server run there: `Master` or `ControlPlane`.
    ControlPlane,
    /// Workloads.
    Node,
    /// A way in by ssh.
    Bastion,
    /// API servers without etcd.
    ApiServer,
    /// What we do not know: it must not be guessed.
    Unknown(String),
}

impl Role {
    /// Reads `spec.role`. The word's case does not matter, as it does not to kops' own flags.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "master" | "controlplane" | "control-plane" => Self::ControlPlane,
            "node" => Self::Node,
            "bastion" => Self::Bastion,
            "apiserver" => Self::ApiServer,
            _ => Self::Unknown(text.to_owned()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane => f.write_str("ControlPlane"),
            Self::Node => f.write_str("Node"),
            Self::Bastion => f.write_str("Bastion"),
            Self::ApiServer => f.write_str("APIServer"),
            Self::Unknown(text) if text.is_empty() => f.write_str("(none)"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Deserialize)]
struct RawInstanceGroup {
    metadata: Option<RawMetadata>,
    spec: Option<RawInstanceGroupSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInstanceGroupSpec {
    role: Option<String>,
    machine_type: Option<String>,
    image: Option<String>,
    min_size: Option<u32>,
    max_size: Option<u32>,
    subnets: Option<Vec<String>>,
}

impl InstanceGroup {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// [`SpecError`] where it is none of an instance group.
    pub fn parse(content: &[u8]) -> Result<Self, SpecError> {
        let text = std::str::from_utf8(content).map_err(|_| SpecError::NotText)?;
        // The kind first: else a foreign object is reported as a field of a wrong type.
        let headers: Vec<RawHeader> = serde_saphyr::from_multiple(text).map_err(cluster::yaml)?;
        match headers.as_slice() {
            [] => return Err(SpecError::Empty),
            [header] => cluster::check_kind(header, "InstanceGroup")?,
            several => return Err(SpecError::SeveralDocuments(several.len())),
        }
        let group: RawInstanceGroup = serde_saphyr::from_str(text).map_err(cluster::yaml)?;
        let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        // A name is part of paths and of AWS' names: the same letters as a cluster's.
        if !names::is_cluster_name(&name) {
            return Err(SpecError::Name(name));
        }
        let spec = group.spec.unwrap_or_default();
        Ok(Self {
            name,
            role: Role::parse(&spec.role.unwrap_or_default()),
            machine_type: cluster::filled(spec.machine_type),
            image: cluster::filled(spec.image),
            min_size: spec.min_size,
            max_size: spec.max_size,
            subnets: spec.subnets.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            InstanceGroup::parse(include_bytes!(concat!(
                "../../../../tests/fixtures/kops-built/state/super.k8s.local/instancegroup/",
                $name
            )))
            .unwrap()
        };
    }

    fn group(role: &str) -> Result<InstanceGroup, SpecError> {
        let text = format!(
            "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: x\nspec:\n  role: {role}\n"
        );
        InstanceGroup::parse(text.as_bytes())
    }

    #[test]
    fn reads_what_kops_wrote() {
        let master = fixture!("control-plane-us-east-1a");
        assert_eq!(master.name, "control-plane-us-east-1a");
        assert_eq!(master.role, Role::ControlPlane);
        assert_eq!(master.machine_type.as_deref(), Some("m5.large"));
        assert_eq!((master.min_size, master.max_size), (Some(1), Some(1)));
        assert_eq!(master.subnets, ["us-east-1a"]);
        assert_eq!(fixture!("nodes-us-east-1b").role, Role::Node);
    }

    #[test]
    fn every_role_that_kops_has_is_told_apart_and_none_is_guessed() {
        for (text, role) in [
            ("Master", Role::ControlPlane),
            ("ControlPlane", Role::ControlPlane),
            ("Node", Role::Node),
            ("Bastion", Role::Bastion),
            ("APIServer", Role::ApiServer),
            ("Etcd", Role::Unknown("Etcd".to_owned())),
            (
                "KubeControllerManager",
                Role::Unknown("KubeControllerManager".to_owned()),
            ),
            ("\"Master \"", Role::Unknown("Master ".to_owned())),
            ("\"\"", Role::Unknown(String::new())),
        ] {
            assert_eq!(group(text).unwrap().role, role, "{text}");
        }
    }

    #[test]
    fn what_is_no_instance_group_is_refused_by_name() {
        let refused = |text: &str| InstanceGroup::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused(""), SpecError::Empty);
        assert_eq!(InstanceGroup::parse(b"\xff\xfe").unwrap_err(), SpecError::NotText);
        assert!(matches!(refused("a: [b"), SpecError::Yaml(_)));
        assert!(matches!(
            refused("apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\n"),
            SpecError::WrongKind { .. }
        ));
        assert_eq!(
            refused("apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: ../../x\n"),
            SpecError::Name("../../x".to_owned())
        );
        assert!(matches!(group("[1, 2]"), Err(SpecError::Yaml(_))));
        let twice = "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\n---\napiVersion: v1\nkind: X\n";
        assert_eq!(refused(twice), SpecError::SeveralDocuments(2));
    }
}

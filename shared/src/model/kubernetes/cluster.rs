//! What the Kubernetes API returns: Nodes with the preconditions of their deletion, the kubelets' Leases, and
//! whether the API itself is ready.

use jiff::Timestamp;
use serde::Serialize;

use super::node::Node;

/// A Node as the API has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Name, role, instance group, provider id, addresses, labels.
    pub node: Node,
    /// Its UID: another object of the same name has another one.
    pub uid: String,
    /// Which version of the object was seen: any write changes it.
    pub resource_version: String,
    /// Its condition `Ready`.
    pub ready: NodeReady,
    /// Since when that condition is so.
    pub ready_since: Option<Timestamp>,
}

/// A Node's condition `Ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeReady {
    /// As its kubelet reports; right after a restore also Nodes that do not exist any more, until the node controller's grace period ends.
    Ready,
    /// Its kubelet reports that it is not.
    NotReady,
    /// The node controller has no status from its kubelet, or none yet.
    #[default]
    Unknown,
}

/// A kubelet's heartbeat: a Lease in namespace `kube-node-lease`, named as its Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLease {
    /// The Node's name.
    pub node: String,
    /// When its kubelet renewed it last, by the kubelet's own clock.
    pub renewed: Option<Timestamp>,
}

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// 200: it serves.
    Ready,
    /// An API server answers, and some of its checks fail.
    NotReady {
        /// The HTTP status.
        status: u16,
        /// The checks that fail, as the API server names them: `etcd`, `poststarthook/rbac/bootstrap-roles`.
        failing: Vec<String>,
    },
    /// 401 or 403: an API server responds, but not whether it is ready. With anonymous requests disabled, as
    /// by kops, this is the response to unknown credentials.
    Alive {
        /// The HTTP status.
        status: u16,
    },
}

impl Readiness {
    /// From the answer to `GET /readyz`. Source of the body's form: kubernetes/apiserver `pkg/server/healthz/healthz.go`.
    #[must_use]
    pub fn of_answer(status: u16, body: &str) -> Self {
        match status {
            200 => Self::Ready,
            401 | 403 => Self::Alive { status },
            _ => Self::NotReady {
                status,
                failing: body.lines().filter_map(failing_check).collect(),
            },
        }
    }

    /// Whether an API server serves, as far as can be known: one that does not know us may be ready or not.
    #[must_use]
    pub const fn may_serve(&self) -> bool {
        matches!(self, Self::Ready | Self::Alive { .. })
    }

    /// As text.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Ready => "ready".to_owned(),
            Self::Alive { status } => format!("an API server answers ({status})"),
            Self::NotReady { status, failing } if failing.is_empty() => format!("not ready ({status})"),
            Self::NotReady { failing, .. } => format!("not ready: {}", failing.join(", ")),
        }
    }
}

/// `[-]etcd failed: reason withheld`.
fn failing_check(line: &str) -> Option<String> {
    let name = line.strip_prefix("[-]")?.split_whitespace().next()?;
    Some(name.to_owned())
}

/// How the deletion of one Node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeDeletion {
    /// We deleted it.
    Deleted,
    /// It did not exist any more.
    Gone,
    /// It is another object, or was written since it was looked at: nothing was deleted.
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_readyz_is_read() {
        assert_eq!(Readiness::of_answer(200, "ok"), Readiness::Ready);
        assert_eq!(Readiness::of_answer(401, "{}"), Readiness::Alive { status: 401 });
        let body = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\n\
                    readyz check failed\n";
        let not_ready = Readiness::of_answer(500, body);
        assert_eq!(
            not_ready.describe(),
            "not ready: etcd, poststarthook/rbac/bootstrap-roles"
        );
        assert!(!not_ready.may_serve());
        assert_eq!(Readiness::of_answer(503, "<html>").describe(), "not ready (503)");
    }
}

//! `<prefix>/peerserverleases/<server id>`: how the other API servers can proxy to one.
//!
//! Written with the same lease as a masterlease (kubernetes/kubernetes, `pkg/controlplane/apiserver/peer.go` and
//! `staging/src/k8s.io/apiserver/pkg/reconcilers/peer_endpoint_lease.go`), but named by the server's id, which does not show the host. Pods do
//! not use them, so they are counted and left as they are.

use runbook_kit::model::units;
use serde::Serialize;

/// Below kube-apiserver's prefix.
pub const FOLDER: &str = "/peerserverleases/";

/// The counts of these keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    pub total: usize,
    /// Those without a lease, which never expire.
    pub immortal: usize,
}

impl Peers {
    /// Counts keys by their leases.
    #[must_use]
    pub fn of_leases(leases: impl IntoIterator<Item = i64>) -> Self {
        leases.into_iter().fold(Self::default(), |peers, lease| Self {
            total: peers.total + 1,
            immortal: peers.immortal + usize::from(lease == 0),
        })
    }

    /// A note for the operator, if some never expire.
    #[must_use]
    pub fn note(&self, prefix: &str) -> Option<String> {
        (self.immortal > 0).then(|| {
            format!(
                "{} of {} under {prefix}{FOLDER} have no lease and never expire; pods do not use them, they are left as they are",
                self.immortal,
                units::counted(self.total as u64, "key")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_never_expires() {
        let peers = Peers::of_leases([0, 7, 0]);
        assert_eq!(peers, Peers { total: 3, immortal: 2 });
        let note = peers.note("/registry").unwrap();
        assert!(
            note.starts_with("2 of 3 keys under /registry/peerserverleases/ "),
            "{note}"
        );
        assert_eq!(Peers::of_leases([7]).note("/registry"), None);
    }
}

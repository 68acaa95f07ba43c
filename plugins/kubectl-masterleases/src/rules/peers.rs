//! `<prefix>/peerserverleases/<server id>`: where an API server tells its peers how to proxy to it.
//!
//! Written with the same lease as a masterlease (kubernetes/kubernetes, `pkg/controlplane/apiserver/peer.go` and
//! `staging/src/k8s.io/apiserver/pkg/reconcilers/peer_endpoint_lease.go`), but named by the server's id: which host that was is not told. They
//! send no pod astray, so they are counted and left alone.

use serde::Serialize;

/// Below kube-apiserver's prefix.
pub const FOLDER: &str = "/peerserverleases/";

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    /// All keys.
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

    /// What to tell an operator, where something is to be told.
    #[must_use]
    pub fn note(&self, prefix: &str) -> Option<String> {
        (self.immortal > 0).then(|| {
            format!(
                "{} of {} keys under {prefix}{FOLDER} have no lease and never expire; they send no pod astray and are left alone",
                self.immortal, self.total
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

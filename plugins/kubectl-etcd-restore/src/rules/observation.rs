//! What one observation of the etcd clusters and the API showed.

use runbook_kit::usecases::catalog::Catalog;

use crate::rules::follow::{EtcdSeen, Seen};

/// What the API showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiSeen {
    /// It was not asked, for this reason.
    NotAsked(String),
    /// Unreachable.
    Silent(String),
    /// It responds, but is not ready.
    Answers(String),
    /// It responds, but does not accept the credentials: it probably serves.
    Alive(String),
    /// It serves at the address of a master, but not at its DNS name.
    Elsewhere(String),
    /// It is ready.
    Ready,
}

impl ApiSeen {
    /// Its name in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotAsked(_) => "not-asked",
            Self::Silent(_) => "silent",
            Self::Answers(_) | Self::Alive(_) => "answers",
            Self::Elsewhere(_) => "elsewhere",
            Self::Ready => "ready",
        }
    }

    /// As text.
    pub fn describe(&self) -> String {
        match self {
            Self::NotAsked(why) => format!("not checked: {why}"),
            Self::Silent(why) => format!("unreachable: {why}"),
            Self::Answers(what) | Self::Elsewhere(what) => what.clone(),
            Self::Alive(what) => format!(
                "{what}; its readiness is not checked without valid credentials: run `kops export kubeconfig --admin`"
            ),
            Self::Ready => "ready".to_owned(),
        }
    }

    /// Why its readiness is not known.
    pub fn unseen(&self) -> Option<String> {
        match self {
            Self::NotAsked(why) => Some(format!("the API: {why}")),
            Self::Alive(_) => Some(format!("the API: {}", self.describe())),
            _ => None,
        }
    }

    /// Whether an API server of the cluster is ready, at any address; `None` where that is not known.
    pub fn ready(&self) -> Option<bool> {
        match self {
            Self::NotAsked(_) | Self::Alive(_) => None,
            Self::Silent(_) | Self::Answers(_) => Some(false),
            Self::Ready | Self::Elsewhere(_) => Some(true),
        }
    }

    /// The same, but a response 401 counts as well: an API server without etcd does not send it.
    pub fn serves(&self) -> Option<bool> {
        match self {
            Self::Alive(_) => Some(true),
            other => other.ready(),
        }
    }
}

/// One observation of everything.
pub struct Observation {
    /// Each etcd cluster, in the order of the catalogs.
    pub etcds: Vec<Seen>,
    /// The API.
    pub api: ApiSeen,
}

impl Observation {
    /// What was not checked.
    pub fn unseen(&self, catalogs: &[Catalog]) -> Vec<String> {
        let mut unseen = Vec::new();
        for (seen, catalog) in self.etcds.iter().zip(catalogs) {
            if let EtcdSeen::NotAsked(why) = &seen.etcd {
                unseen.push(format!("etcd {}: {why}", catalog.store.etcd));
            }
        }
        unseen.extend(self.api.unseen());
        unseen
    }
}

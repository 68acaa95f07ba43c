//! What one observation of the etcd clusters and the API showed.

use runbook_kit::usecases::catalog::Catalog;

use crate::rules::follow::{EtcdSeen, Seen};

/// What the API showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiSeen {
    /// It was not asked, for this reason.
    NotAsked(String),
    /// Nobody answers.
    Silent(String),
    /// Somebody answers, and does not say that it is ready.
    Answers(String),
    /// An API server answers and does not know us: it serves, as far as can be known.
    Alive(String),
    /// By its name it does not serve, and by the address of a master it does.
    Elsewhere(String),
    /// It is ready.
    Ready,
}

impl ApiSeen {
    /// A word for it, as JSON has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotAsked(_) => "not-asked",
            Self::Silent(_) => "silent",
            Self::Answers(_) | Self::Alive(_) => "answers",
            Self::Elsewhere(_) => "elsewhere",
            Self::Ready => "ready",
        }
    }

    /// In words.
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

    /// Why it cannot be told whether it is ready.
    pub fn unseen(&self) -> Option<String> {
        match self {
            Self::NotAsked(why) => Some(format!("the API: {why}")),
            Self::Alive(_) => Some(format!("the API: {}", self.describe())),
            _ => None,
        }
    }

    /// Whether an API server of the cluster is ready, wherever; `None` where it was not asked, or told us nothing.
    pub fn ready(&self) -> Option<bool> {
        match self {
            Self::NotAsked(_) | Self::Alive(_) => None,
            Self::Silent(_) | Self::Answers(_) => Some(false),
            Self::Ready | Self::Elsewhere(_) => Some(true),
        }
    }

    /// The same, where one that does not know us counts as well: whoever answers 401 has an etcd behind it.
    pub fn serves(&self) -> Option<bool> {
        match self {
            Self::Alive(_) => Some(true),
            other => other.ready(),
        }
    }
}

/// One look at everything.
pub struct Observation {
    /// Of each etcd cluster, in the order of the catalogs.
    pub etcds: Vec<Seen>,
    /// The API.
    pub api: ApiSeen,
}

impl Observation {
    /// What is out of sight, in words, each once.
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

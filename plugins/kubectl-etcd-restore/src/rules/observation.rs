//! What one observation of the etcd clusters and the API showed.

use runbook_kit::usecases::catalog::Catalog;

use crate::rules::follow::{EtcdSeen, Seen};

/// What is said of that which was asked and has not answered.
pub const NO_ANSWER: &str = "no answer yet";

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

    /// Whether it does not serve at its name, which may point to a master that is gone, or that has lost its etcd.
    pub const fn is_down(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Answers(_))
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

/// What is known while everything is watched: of each part the latest.
pub struct News {
    /// Each etcd cluster, in the order of the catalogs; `None` until its store has answered.
    pub etcds: Vec<Option<Seen>>,
    /// The API; `None` until it has answered, or failed to.
    pub api: Option<ApiSeen>,
    /// How many answers of the API there were: each is a look of its own.
    pub api_answers: u64,
}

impl News {
    /// The same where everything has to be shown: what has not answered yet says so.
    pub fn so_far(&self) -> Observation {
        let unanswered = || Seen {
            store: Err(NO_ANSWER.to_owned()),
            etcd: EtcdSeen::Unanswered,
            log: None,
            api_ready: None,
        };
        let etcds = self.etcds.iter().map(|seen| seen.clone().unwrap_or_else(unanswered));
        Observation {
            etcds: etcds.collect(),
            api: self
                .api
                .clone()
                .unwrap_or_else(|| ApiSeen::Silent(NO_ANSWER.to_owned())),
        }
    }
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

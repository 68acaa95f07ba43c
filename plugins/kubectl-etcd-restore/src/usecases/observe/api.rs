//! Observes the Kubernetes API, at its name and at the addresses of its servers.

use std::sync::Arc;
use std::time::Duration;

use runbook_kit::failure::chain;
use runbook_kit::model::kubernetes::cluster::Readiness;
use runbook_kit::ports::cluster_api::ClusterApi;

use crate::context::Context;
use crate::rules::observation::ApiSeen;
use crate::usecases::observe::by_address::{ByAddress, ServersFound};
use crate::usecases::observe::kept::Kept;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps its connection between observations.
pub struct ApiObserver<'a> {
    context: &'a Context,
    cluster: String,
    pub client: Kept<dyn ClusterApi>,
    pub by_address: ByAddress<'a>,
}

impl<'a> ApiObserver<'a> {
    /// The API of `cluster`, by the hosts that the user named, too.
    pub fn new(context: &'a Context, cluster: String, hosts: &[String]) -> Self {
        Self {
            context,
            by_address: ByAddress::new(context, &cluster, hosts),
            cluster,
            client: Kept::default(),
        }
    }

    /// What it shows, at its name or elsewhere.
    pub async fn observe(&self) -> ApiSeen {
        let seen = self.at_its_name().await;
        if seen.is_down() {
            with_addresses(seen, self.by_address.find().await.as_ref())
        } else {
            seen
        }
    }

    /// What it shows at its name.
    pub async fn at_its_name(&self) -> ApiSeen {
        let kept = self.client.take();
        let api: Arc<dyn ClusterApi> = match kept {
            Some(api) => api,
            None => match self.context.api(&self.cluster, TIMEOUT).await {
                Ok(connected) => Arc::from(connected),
                Err(why) => return ApiSeen::NotAsked(why),
            },
        };
        let answer = api.readyz().await;
        if answer.is_ok() {
            self.client.keep(api);
        }
        match answer {
            Ok(Readiness::Ready) => ApiSeen::Ready,
            Ok(alive @ Readiness::Alive { .. }) => ApiSeen::Alive(alive.describe()),
            Ok(other) => ApiSeen::Answers(other.describe()),
            Err(error) => ApiSeen::Silent(chain(&error)),
        }
    }
}

/// What its name shows, with what the addresses of its servers show where the name is down.
pub fn with_addresses(seen: ApiSeen, found: Option<&ServersFound>) -> ApiSeen {
    let Some(found) = found else { return seen };
    match seen {
        ApiSeen::Silent(words) | ApiSeen::Answers(words) if found.serves() => {
            ApiSeen::Elsewhere(format!("{words}; {}", found.describe()))
        }
        ApiSeen::Silent(words) => ApiSeen::Silent(format!("{words}; {}", found.describe())),
        ApiSeen::Answers(words) => ApiSeen::Answers(format!("{words}; {}", found.describe())),
        other => other,
    }
}

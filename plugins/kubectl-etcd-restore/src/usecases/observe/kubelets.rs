//! Whether the kubelets work after a restore: whether they renew their Leases.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::usecases::observe::missing_instances;
use crate::usecases::observe::observer::Observer;

/// Polling interval; kubelets renew every 10 s.
const TICK: Duration = Duration::from_secs(2);

/// The result.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kubelets {
    /// Nodes that have an instance, where AWS is available.
    pub nodes: usize,
    /// Nodes whose kubelet renewed its Lease.
    pub renewed: usize,
    /// Nodes whose kubelet did not.
    pub silent: Vec<String>,
    /// Nodes without an instance in AWS.
    pub gone: Vec<String>,
}

impl Kubelets {
    /// As text.
    pub fn summary(&self) -> String {
        let mut text = format!("kubelets: {} of {} renewed their Lease", self.renewed, self.nodes);
        if !self.silent.is_empty() {
            text.push_str(&format!("; silent: {}", self.silent.join(", ")));
        }
        if !self.gone.is_empty() {
            text.push_str(&format!("\nNodes without an instance: {}", self.gone.join(", ")));
        }
        text + "\n"
    }
}

/// Watches the Leases until all were renewed, or `limit` has passed. Any change counts as a renewal, whatever the clocks. `None` where the API
/// cannot be read.
pub async fn wait(observer: &Observer<'_>, limit: Duration, context: &Context) -> Option<Kubelets> {
    if limit.is_zero() {
        return None;
    }
    let api = observer.api().await?;
    let ui = &context.session.ui;
    let leases = async || -> Option<BTreeMap<String, Option<Timestamp>>> {
        let found = api.node_leases().await.ok()?;
        Some(found.into_iter().map(|lease| (lease.node, lease.renewed)).collect())
    };
    let nodes = match api.nodes().await {
        Ok(nodes) if nodes.is_empty() => return None,
        Ok(nodes) => nodes,
        Err(error) => {
            ui.note(&format!("the Nodes could not be listed: {error}"));
            return None;
        }
    };
    let gone = missing_instances::of(&nodes, context).await.unwrap_or_default();
    let names = nodes.into_iter().map(|state| state.node.name);
    let nodes: Vec<String> = names.filter(|name| !gone.contains(name)).collect();
    ui.note(&format!(
        "waiting up to {} s for {} kubelets to renew their Leases",
        limit.as_secs(),
        nodes.len()
    ));
    let first = leases().await?;
    let begun = Instant::now();
    loop {
        sleep(TICK).await;
        let now = leases().await.unwrap_or_else(|| first.clone());
        let silent: Vec<String> = nodes
            .iter()
            .filter(|node| now.get(*node).is_none_or(|renewed| first.get(*node) == Some(renewed)))
            .cloned()
            .collect();
        if silent.is_empty() || begun.elapsed() >= limit {
            return Some(Kubelets {
                nodes: nodes.len(),
                renewed: nodes.len() - silent.len(),
                silent,
                gone: gone.into_iter().collect(),
            });
        }
    }
}

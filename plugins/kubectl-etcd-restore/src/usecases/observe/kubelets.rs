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
/// Kubelets are there while one has renewed its Lease within this time.
const RECENT: Duration = Duration::from_secs(60);
/// How long a first sign of a kubelet may take where none of them is known to exist: one renewal, and a tick.
const SIGN: Duration = Duration::from_secs(12);

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

/// Watches the Leases until all were renewed, or `limit` has passed. Any change counts as a renewal, whatever the clocks. Kubelets that seem not to
/// exist are not waited for. `None` where the API cannot be read.
pub async fn wait(observer: &Observer<'_>, limit: Duration, context: &Context) -> Option<Kubelets> {
    if limit.is_zero() {
        return None;
    }
    let api = observer.api()?;
    let ui = &context.session.ui;
    let leases = async || -> Option<Leases> {
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
    let missing = missing_instances::of(&nodes, context).await;
    let gone = missing.clone().unwrap_or_default();
    let left: Vec<_> = nodes.iter().filter(|state| !gone.contains(&state.node.name)).collect();
    let with_instance = missing.is_some() && left.iter().any(|state| state.node.instance().is_some());
    let nodes: Vec<String> = left.iter().map(|state| state.node.name.clone()).collect();
    let first = leases().await?;
    let mut watched = Watched::new(with_instance, first, context.session.now());
    let mut told = false;
    loop {
        let silent = watched.silent(&nodes);
        let ends = match watched.waits() {
            _ if silent.is_empty() || watched.begun.elapsed() >= limit => true,
            Waits::ForKubelets => {
                if !told {
                    told = true;
                    let (seconds, count) = (limit.as_secs(), nodes.len());
                    ui.note(&format!(
                        "waiting up to {seconds} s for {count} kubelets to renew their Leases"
                    ));
                }
                false
            }
            Waits::ForASign => false,
            Waits::No => {
                ui.note(&format!(
                    "not waiting for {} kubelets: no instance of theirs is known to run, and none has renewed its Lease in the last minute",
                    silent.len()
                ));
                true
            }
        };
        if ends {
            return Some(Kubelets {
                nodes: nodes.len(),
                renewed: nodes.len() - silent.len(),
                silent,
                gone: gone.into_iter().collect(),
            });
        }
        sleep(TICK).await;
        if let Some(now) = leases().await {
            watched.look(now);
        }
    }
}

type Leases = BTreeMap<String, Option<Timestamp>>;

/// The Leases while they are watched.
struct Watched {
    with_instance: bool,
    begun: Instant,
    first: Leases,
    last: Leases,
    /// When a renewal was last seen, or taken to be by the time in a Lease.
    last_renewal: Option<Instant>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    ForKubelets,
    /// For any of them to show that there are kubelets.
    ForASign,
    No,
}

impl Watched {
    fn new(with_instance: bool, first: Leases, now: Timestamp) -> Self {
        let begun = Instant::now();
        let recent = |renewed: &Timestamp| now.duration_since(*renewed).unsigned_abs() < RECENT;
        Self {
            with_instance,
            begun,
            last_renewal: first.values().flatten().any(recent).then_some(begun),
            last: first.clone(),
            first,
        }
    }

    fn look(&mut self, now: Leases) {
        if now != self.last {
            self.last_renewal = Some(Instant::now());
            self.last = now;
        }
    }

    /// The Nodes whose Lease was not renewed since the first look.
    fn silent(&self, nodes: &[String]) -> Vec<String> {
        let renewed = |node: &String| {
            let last = self.last.get(node);
            last.is_some() && last != self.first.get(node)
        };
        nodes.iter().filter(|node| !renewed(node)).cloned().collect()
    }

    fn waits(&self) -> Waits {
        let recent = self.last_renewal.is_some_and(|at| at.elapsed() < RECENT);
        if self.with_instance || recent {
            Waits::ForKubelets
        } else if self.begun.elapsed() < SIGN {
            Waits::ForASign
        } else {
            Waits::No
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn leases(second: i64) -> Leases {
        let renewed = Timestamp::from_second(second).unwrap();
        [
            ("a".to_owned(), Some(renewed)),
            ("b".to_owned(), Some(Timestamp::UNIX_EPOCH)),
        ]
        .into()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(10_000).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn kubelets_that_seem_not_to_exist_are_not_waited_for() {
        // As a backup has them: hours old.
        let watched = Watched::new(false, leases(100), now());
        assert_eq!(watched.waits(), Waits::ForASign);
        advance(SIGN).await;
        assert_eq!(watched.waits(), Waits::No);
        assert_eq!(watched.silent(&["a".to_owned()]), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_instance_is_waited_for_and_so_are_others_while_some_renew() {
        let watched = Watched::new(true, leases(100), now());
        advance(RECENT * 5).await;
        assert_eq!(watched.waits(), Waits::ForKubelets);
        // No instance is known, and one has renewed.
        let mut watched = Watched::new(false, leases(100), now());
        watched.look(leases(9_999));
        assert_eq!(watched.waits(), Waits::ForKubelets);
        assert_eq!(
            watched.silent(&["a".to_owned(), "b".to_owned(), "c".to_owned()]),
            ["b", "c"]
        );
        advance(RECENT).await;
        assert_eq!(watched.waits(), Waits::No);
        // By the time in its Lease, even of a clock that is ahead.
        for second in [9_970, 10_030] {
            assert_eq!(Watched::new(false, leases(second), now()).waits(), Waits::ForKubelets);
        }
    }
}

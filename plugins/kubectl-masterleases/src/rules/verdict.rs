//! The verdict on a masterlease: from its lease and its revisions in etcd, checked against the other sources.

use runbook_kit::model::observed::Observed;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::evidence::Evidence;
use runbook_kit::model::kubernetes::masterlease::Probe;

/// How often an API server rewrites its key.
const REWRITE_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// An API server renews it, or it expires within seconds.
    Live,
    /// It never expires and is not rewritten.
    Stale,
    /// The sources contradict each other, or are not enough.
    Unknown,
}

impl Verdict {
    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A source of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Etcd,
    /// A TLS connection to the address.
    Tls,
    Nodes,
    Endpoints,
    EndpointSlice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The reason: the deciding fact first, then what supports or contradicts it.
    pub reason: String,
    pub sources: Vec<Source>,
}

#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut reasons = Reasons::default();
    let verdict = by_etcd(evidence, &mut reasons);
    let alive = by_other_sources(evidence, &mut reasons);
    // Only an API server renews a lease, whether its address can be reached from here or not.
    let verdict = if verdict == Verdict::Stale && alive {
        Verdict::Unknown
    } else {
        verdict
    };
    reasons.sources.sort_unstable();
    reasons.sources.dedup();
    Judgement {
        verdict,
        reason: reasons.words.join("; "),
        sources: reasons.sources,
    }
}

#[derive(Default)]
struct Reasons {
    words: Vec<String>,
    sources: Vec<Source>,
}

impl Reasons {
    fn add(&mut self, source: Source, words: impl Into<String>) {
        self.words.push(words.into());
        self.sources.push(source);
    }
}

fn by_etcd(evidence: &Evidence, reasons: &mut Reasons) -> Verdict {
    let observed = format!("{} s", evidence.observed.as_secs());
    if evidence.last.lease != 0 {
        let words = match evidence.ttl_seconds {
            Some(left) => format!("has a lease, {left} s left"),
            None => "had a lease that has just expired".to_owned(),
        };
        reasons.add(Source::Etcd, words);
        if let Some(anomaly) = anomaly(evidence) {
            reasons.add(Source::Etcd, anomaly);
        }
        return Verdict::Live;
    }
    let rewritten = evidence
        .first
        .is_some_and(|first| first.mod_revision != evidence.last.mod_revision);
    if rewritten || evidence.first.is_none() {
        let words =
            format!("no lease, but written within the last {observed}, and not by an API server: it would set a lease");
        reasons.add(Source::Etcd, words);
        return Verdict::Unknown;
    }
    let verdict = if evidence.observed > REWRITE_INTERVAL {
        reasons.add(Source::Etcd, format!("no lease, and not rewritten in {observed}"));
        Verdict::Stale
    } else {
        reasons.add(
            Source::Etcd,
            "no lease; not watched for more than 10 s, so it may still be rewritten",
        );
        Verdict::Unknown
    };
    if let Some(anomaly) = anomaly(evidence) {
        reasons.add(Source::Etcd, anomaly);
        return Verdict::Unknown;
    }
    verdict
}

/// Why the key was not written by an API server of this cluster.
fn anomaly(evidence: &Evidence) -> Option<String> {
    match (&evidence.published, evidence.ip) {
        // kube-apiserver decodes all of them or none: one that it cannot decode stops all updates (seen with 1.34).
        (Err(error), _) => Some(format!(
            "its {error}, and while it exists no API server can update the endpoint"
        )),
        (Ok(_), None) => Some("its name is not an IP address".to_owned()),
        (Ok(published), Some(ip)) if !published.contains(&ip) => {
            let others: Vec<String> = published.iter().map(IpAddr::to_string).collect();
            Some(if others.is_empty() {
                "it publishes no address".to_owned()
            } else {
                format!("it publishes another address: {}", others.join(", "))
            })
        }
        (Ok(_), Some(_)) => None,
    }
}

/// Whether another source shows that the API server runs.
fn by_other_sources(evidence: &Evidence, reasons: &mut Reasons) -> bool {
    let mut alive = false;
    let leased = evidence.last.lease != 0;
    match &evidence.probe {
        Probe::Answers { status } => {
            reasons.add(
                Source::Tls,
                format!("an API server of this cluster responds there ({status})"),
            );
            alive = true;
        }
        // No evidence against a lease: the address may not be reachable from here.
        Probe::NoApiServer(_) | Probe::Silent if leased => reasons.sources.push(Source::Tls),
        Probe::NoApiServer(what) => reasons.add(Source::Tls, format!("no API server there: {what}")),
        Probe::Silent => reasons.add(Source::Tls, "no response from there"),
        Probe::NotAsked(_) => {}
    }
    match &evidence.node {
        Observed::Known(Some(node)) if !node.may_run_api_server() => {
            reasons.add(
                Source::Nodes,
                format!("the address now belongs to worker {}", node.name),
            );
        }
        Observed::Known(Some(node)) => match node.renewed {
            Some(true) => {
                reasons.add(
                    Source::Nodes,
                    format!("Node {} has it, and its kubelet is running", node.name),
                );
                alive = true;
            }
            Some(false) => reasons.add(
                Source::Nodes,
                format!("Node {} has it, and its kubelet is silent", node.name),
            ),
            None => reasons.add(Source::Nodes, format!("Node {} has it", node.name)),
        },
        Observed::Known(None) if leased => reasons.sources.push(Source::Nodes),
        Observed::Known(None) => reasons.add(Source::Nodes, "no Node has it"),
        Observed::Unknown(_) => {}
    }
    let lists = [
        (Source::Endpoints, &evidence.in_endpoints, "Endpoints"),
        (Source::EndpointSlice, &evidence.in_slice, "EndpointSlice"),
    ];
    let mut listed = Vec::new();
    for (source, list, name) in lists {
        if let Observed::Known(is_listed) = list {
            reasons.sources.push(source);
            if *is_listed {
                listed.push(name);
            }
        }
    }
    if !leased && !listed.is_empty() {
        reasons.words.push(format!("listed in {}", listed.join(" and ")));
    }
    alive
}

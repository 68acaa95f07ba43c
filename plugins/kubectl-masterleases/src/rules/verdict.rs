//! The judgement: deduced from what etcd does with a living server's key, and held against what others say.

use runbook_kit::model::observed::Observed;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::evidence::Evidence;
use runbook_kit::model::kubernetes::masterlease::Probe;

/// How often a living API server rewrites its key.
const REWRITE_INTERVAL: Duration = Duration::from_secs(10);

/// What a masterlease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// An API server keeps it alive, or it dies by itself within seconds.
    Live,
    /// It never expires and nobody rewrites it.
    Stale,
    /// The sources contradict each other, or not enough of them could be asked.
    Unknown,
}

impl Verdict {
    /// As JSON has it.
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

/// Who said something that the reason repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// etcd: lease, revisions, value.
    Etcd,
    /// A TLS connection to the address.
    Tls,
    /// The Node objects.
    Nodes,
    /// The Endpoints object.
    Endpoints,
    /// The EndpointSlice object.
    EndpointSlice,
}

/// The verdict, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason in words: the deciding fact first, then what corroborates or contradicts it.
    pub reason: String,
    /// Who was heard, sorted.
    pub sources: Vec<Source>,
}

/// Judges one masterlease.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut said = Said::default();
    let verdict = by_etcd(evidence, &mut said);
    let alive = by_others(evidence, &mut said);
    // A lease is renewed by nobody but its API server; whether we can reach that is another question.
    let verdict = if verdict == Verdict::Stale && alive {
        Verdict::Unknown
    } else {
        verdict
    };
    said.sources.sort_unstable();
    said.sources.dedup();
    Judgement {
        verdict,
        reason: said.words.join("; "),
        sources: said.sources,
    }
}

#[derive(Default)]
struct Said {
    words: Vec<String>,
    sources: Vec<Source>,
}

impl Said {
    fn say(&mut self, source: Source, words: impl Into<String>) {
        self.words.push(words.into());
        self.sources.push(source);
    }
}

fn by_etcd(evidence: &Evidence, said: &mut Said) -> Verdict {
    let observed = format!("{} s", evidence.observed.as_secs());
    if evidence.last.lease != 0 {
        let words = match evidence.ttl_seconds {
            Some(left) => format!("has a lease, {left} s left"),
            None => "had a lease, which has just expired".to_owned(),
        };
        said.say(Source::Etcd, words);
        if let Some(oddity) = oddity(evidence) {
            said.say(Source::Etcd, oddity);
        }
        return Verdict::Live;
    }
    let rewritten = evidence
        .first
        .is_some_and(|first| first.mod_revision != evidence.last.mod_revision);
    if rewritten || evidence.first.is_none() {
        let words =
            format!("no lease, but written within the last {observed}: by no API server, which would give it one");
        said.say(Source::Etcd, words);
        return Verdict::Unknown;
    }
    let verdict = if evidence.observed > REWRITE_INTERVAL {
        said.say(Source::Etcd, format!("no lease, and not rewritten in {observed}"));
        Verdict::Stale
    } else {
        said.say(
            Source::Etcd,
            "no lease; whether it is rewritten was not watched for longer than 10 s",
        );
        Verdict::Unknown
    };
    if let Some(oddity) = oddity(evidence) {
        said.say(Source::Etcd, oddity);
        return Verdict::Unknown;
    }
    verdict
}

/// Why a key is none that an API server of this cluster would write.
fn oddity(evidence: &Evidence) -> Option<String> {
    match (&evidence.published, evidence.ip) {
        // kube-apiserver lists them all or none: one that it cannot read stops all corrections (seen with 1.34).
        (Err(error), _) => Some(format!(
            "its {error}, and while it is there no API server can correct the endpoint"
        )),
        (Ok(_), None) => Some("its name is no IP address".to_owned()),
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

/// Whether somebody else says that the API server lives.
fn by_others(evidence: &Evidence, said: &mut Said) -> bool {
    let mut alive = false;
    let leased = evidence.last.lease != 0;
    match &evidence.probe {
        Probe::Answers { status } => {
            said.say(
                Source::Tls,
                format!("an API server of this cluster answers there ({status})"),
            );
            alive = true;
        }
        // Against a lease it says nothing: from here the network may not lead there.
        Probe::NoApiServer(_) | Probe::Silent if leased => said.sources.push(Source::Tls),
        Probe::NoApiServer(what) => said.say(Source::Tls, format!("no API server there: {what}")),
        Probe::Silent => said.say(Source::Tls, "no answer from there"),
        Probe::NotAsked(_) => {}
    }
    match &evidence.node {
        Observed::Known(Some(node)) if !node.may_be_master() => {
            said.say(Source::Nodes, format!("the address is worker {} by now", node.name));
        }
        Observed::Known(Some(node)) => match node.renewed {
            Some(true) => {
                said.say(
                    Source::Nodes,
                    format!("Node {} has it, and its kubelet lives", node.name),
                );
                alive = true;
            }
            Some(false) => said.say(
                Source::Nodes,
                format!("Node {} has it, whose kubelet is silent", node.name),
            ),
            None => said.say(Source::Nodes, format!("Node {} has it", node.name)),
        },
        Observed::Known(None) if leased => said.sources.push(Source::Nodes),
        Observed::Known(None) => said.say(Source::Nodes, "no Node has it"),
        Observed::Unknown(_) => {}
    }
    let lists = [
        (Source::Endpoints, &evidence.in_endpoints, "Endpoints"),
        (Source::EndpointSlice, &evidence.in_slice, "EndpointSlice"),
    ];
    let mut listed = Vec::new();
    for (source, list, name) in lists {
        if let Observed::Known(is_listed) = list {
            said.sources.push(source);
            if *is_listed {
                listed.push(name);
            }
        }
    }
    if !leased && !listed.is_empty() {
        said.words.push(format!("listed in {}", listed.join(" and ")));
    }
    alive
}

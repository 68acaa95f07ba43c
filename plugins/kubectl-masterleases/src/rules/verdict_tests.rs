//! Verdicts for sources that agree and that contradict each other.

use runbook_kit::model::observed::Observed;
use std::time::Duration;

use proptest::prelude::*;

use super::evidence::{Evidence, KeyState, NodeState};
use super::verdict::{Source, Verdict, judge};
use runbook_kit::model::kubernetes::masterlease::Probe;
use runbook_kit::model::kubernetes::value::ValueError;

fn ip() -> std::net::IpAddr {
    "10.0.0.1".parse().unwrap()
}

/// A masterlease after a restore, of an API server that no longer exists.
fn restored() -> Evidence {
    let seen = KeyState {
        lease: 0,
        mod_revision: 7,
    };
    Evidence {
        ip: Some(ip()),
        published: Ok(vec![ip()]),
        first: Some(seen),
        last: seen,
        observed: Duration::from_secs(12),
        ttl_seconds: None,
        probe: Probe::Silent,
        node: Observed::Known(None),
        in_endpoints: Observed::Known(true),
        in_slice: Observed::Known(true),
    }
}

fn leased() -> Evidence {
    Evidence {
        first: Some(KeyState {
            lease: 5,
            mod_revision: 7,
        }),
        last: KeyState {
            lease: 6,
            mod_revision: 9,
        },
        ttl_seconds: Some(11),
        ..restored()
    }
}

fn node(role: &str, renewed: Option<bool>) -> Observed<Option<NodeState>> {
    Observed::Known(Some(NodeState {
        name: "i-1".into(),
        role: Some(role.into()),
        renewed,
    }))
}

#[test]
fn a_key_without_lease_that_is_not_rewritten_is_stale() {
    let judged = judge(&restored());
    assert_eq!(judged.verdict, Verdict::Stale);
    assert_eq!(
        judged.reason,
        "no lease, and not rewritten in 12 s; no response from there; no Node has it; \
         listed in Endpoints and EndpointSlice"
    );
    assert_eq!(
        judged.sources,
        [
            Source::Etcd,
            Source::Tls,
            Source::Nodes,
            Source::Endpoints,
            Source::EndpointSlice
        ]
    );
}

#[test]
fn etcd_alone_is_enough() {
    let judged = judge(&Evidence {
        probe: Probe::NotAsked("no CA".into()),
        node: Observed::Unknown("encrypted".into()),
        in_endpoints: Observed::Unknown("absent".into()),
        in_slice: Observed::Unknown("absent".into()),
        ..restored()
    });
    assert_eq!((judged.verdict, judged.sources), (Verdict::Stale, vec![Source::Etcd]));
}

#[test]
fn a_key_with_a_lease_is_live_even_if_the_address_is_unreachable() {
    for probe in [Probe::Silent, Probe::NoApiServer("connection refused".into())] {
        let judged = judge(&Evidence { probe, ..leased() });
        assert_eq!(judged.verdict, Verdict::Live);
        assert!(judged.reason == "has a lease, 11 s left", "{}", judged.reason);
    }
    // A key that appeared later; and one whose value cannot be decoded.
    assert_eq!(
        judge(&Evidence {
            first: None,
            ..leased()
        })
        .verdict,
        Verdict::Live
    );
    let judged = judge(&Evidence {
        published: Err(ValueError::NotAnObject),
        ..leased()
    });
    assert_eq!(judged.verdict, Verdict::Live);
    assert!(judged.reason.contains("no object of Kubernetes"), "{}", judged.reason);
}

#[test]
fn watching_for_one_interval_is_not_enough() {
    for seconds in [0, 9, 10] {
        let observed = Duration::from_secs(seconds);
        assert_eq!(
            judge(&Evidence { observed, ..restored() }).verdict,
            Verdict::Unknown,
            "{seconds}"
        );
    }
    let observed = Duration::from_millis(10_001);
    assert_eq!(judge(&Evidence { observed, ..restored() }).verdict, Verdict::Stale);
}

#[test]
fn contradictions_are_unknown() {
    let contradicted = [
        Evidence {
            probe: Probe::Answers { status: 401 },
            ..restored()
        },
        Evidence {
            node: node("control-plane", Some(true)),
            ..restored()
        },
        Evidence {
            first: Some(KeyState {
                lease: 0,
                mod_revision: 6,
            }),
            ..restored()
        },
        Evidence {
            first: None,
            ..restored()
        },
        Evidence {
            published: Ok(vec!["10.0.0.2".parse().unwrap()]),
            ..restored()
        },
        Evidence {
            published: Ok(vec![]),
            ..restored()
        },
        Evidence {
            published: Err(ValueError::NotAnObject),
            ..restored()
        },
        Evidence { ip: None, ..restored() },
    ];
    for evidence in contradicted {
        let judged = judge(&evidence);
        assert_eq!(judged.verdict, Verdict::Unknown, "{}", judged.reason);
    }
}

#[test]
fn a_dead_node_or_a_later_worker_does_not_contradict() {
    for node in [
        node("control-plane", Some(false)),
        node("control-plane", None),
        node("node", Some(true)),
    ] {
        let judged = judge(&Evidence { node, ..restored() });
        assert_eq!(judged.verdict, Verdict::Stale, "{}", judged.reason);
    }
}

proptest! {
    /// The most dangerous mistake.
    #[test]
    fn a_leased_responding_or_rewritten_one_is_never_stale(
        lease: i64, first: Option<(i64, i64)>, revision in 1_i64..5, seconds in 0_u64..100, status in 200_u16..600, answers: bool,
    ) {
        let evidence = Evidence {
            first: first.map(|(lease, mod_revision)| KeyState { lease, mod_revision }),
            last: KeyState { lease, mod_revision: revision },
            observed: Duration::from_secs(seconds),
            probe: if answers { Probe::Answers { status } } else { Probe::Silent },
            ..restored()
        };
        let rewritten = first.is_none_or(|(_, first)| first != revision);
        if lease != 0 || answers || rewritten || seconds <= 10 {
            prop_assert_ne!(judge(&evidence).verdict, Verdict::Stale);
        }
    }
}

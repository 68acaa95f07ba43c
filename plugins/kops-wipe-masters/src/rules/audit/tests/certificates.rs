//! Certificates, CAs and clocks.

use runbook_kit::model::certificate::{Authority, Served, Validity};
use runbook_kit::model::ladder::Rung;

use super::*;
use crate::rules::audit::ladder::Verdict;
use crate::rules::audit::observed::{Server, sort_out};

fn hours(hours: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

fn validity(from: i64, until: i64) -> Validity {
    Validity {
        not_before: hours(from),
        not_after: hours(until),
    }
}

fn authority(keyset: &str, until: i64) -> Authority {
    Authority {
        keyset: keyset.to_owned(),
        id: "7".to_owned(),
        primary: true,
        pem: String::new(),
        validity: validity(-24 * 365, until),
    }
}

/// Of master a.
fn server(etcd: Option<&str>, from: i64, until: i64, signed_by: Option<&str>) -> Server {
    let (keyset, port) = match etcd {
        None => ("kubernetes-ca", 443),
        Some(_) => ("etcd-clients-ca", 4001),
    };
    Server {
        what: etcd.map_or_else(|| "kube-apiserver".to_owned(), |etcd| format!("etcd {etcd}")),
        etcd: etcd.map(str::to_owned),
        instance: Some("i-a".to_owned()),
        host: "10.0.0.97".to_owned(),
        port,
        keyset: keyset.to_owned(),
        served: Served {
            subject: "CN=x".to_owned(),
            issuer: "CN=y".to_owned(),
            validity: validity(from, until),
            signed_by: signed_by.map(str::to_owned),
        },
    }
}

/// The findings and the cure of a healthy cluster with these servers.
fn seen(servers: Vec<Server>, change: impl FnOnce(&mut Facts)) -> (Vec<Finding>, super::super::cure::SmallestCure) {
    let mut facts = facts(&machines());
    facts.observed.servers = servers;
    facts.observed.authorities = vec![
        authority("kubernetes-ca", 24 * 365 * 5),
        authority("etcd-clients-ca", 24 * 365 * 5),
    ];
    change(&mut facts);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    (found, cure)
}

const REPLACE: &str = "kops rolling-update cluster --name k8s.example.com --state s3://state --instance-group control-plane-a --force --cloudonly --yes";

#[test]
fn what_ends_has_ended_or_is_of_another_ca_replaces_one_master_after_the_other() {
    let own = Some("kubernetes-ca");
    for (until, signed_by, kind, severity) in [
        (1, own, Kind::CertificateEnding, Severity::Warn),
        (24 * 29, own, Kind::CertificateEnding, Severity::Warn),
        (-1, own, Kind::CertificateExpired, Severity::Block),
        (24 * 365, None, Kind::CertificateOfAnotherCa, Severity::Block),
        (
            24 * 365,
            Some("etcd-clients-ca"),
            Kind::CertificateOfAnotherCa,
            Severity::Block,
        ),
    ] {
        let fine = server(Some("main"), -9, 24 * 365, Some("etcd-clients-ca"));
        let (found, cure) = seen(vec![server(None, -24, until, signed_by), fine], |_| ());
        assert_eq!(kinds(&found), [of(kind, "10.0.0.97:443")]);
        assert_eq!(found[0].severity, severity);
        assert_eq!(command(&found[0]), REPLACE);
        assert_eq!(cure.cure, Cure::Certificates);
        assert_eq!(cure.command.unwrap().to_string(), REPLACE);
        assert!(cure.why.starts_with("do not wipe"), "{}", cure.why);
        let take: Vec<Rung> = cure
            .ladder
            .iter()
            .filter(|step| step.verdict == Verdict::Take)
            .map(|step| step.rung)
            .collect();
        assert_eq!(take, [Rung::Certificates]);
    }
    let (found, cure) = seen(vec![server(None, -24, 24 * 31, own)], |_| ());
    assert_eq!((found, cure.cure), (vec![], Cure::Nothing));
}

#[test]
fn etcd_managers_certificates_are_made_anew_by_its_start() {
    let (found, _) = seen(vec![server(Some("main"), -24, 2, Some("etcd-clients-ca"))], |_| ());
    assert_eq!(kinds(&found), [of(Kind::CertificateEnding, "10.0.0.97:4001")]);
    assert_eq!(found[0].etcd.as_deref(), Some("main"));
    assert_eq!(
        command(&found[0]),
        "kubectl etcd-restore restart-etcd --name k8s.example.com --state s3://state --etcd main --host 10.0.0.97"
    );
}

#[test]
fn where_every_server_is_a_strangers_the_network_is_doubted_first() {
    let (found, _) = seen(vec![server(None, -24, 24 * 365, None)], |_| ());
    assert_eq!(
        (found[0].finding, found[0].severity),
        (Kind::CertificateOfAnotherCa, Severity::Warn)
    );
    assert!(note(&found[0]).starts_with("first make sure that this address is this cluster's"));
    // Without the CAs nothing can be said of the issuer.
    let (found, _) = seen(vec![server(None, -24, 24 * 365, None)], |facts| {
        facts.observed.authorities.clear()
    });
    assert_eq!(found, []);
}

#[test]
fn what_answers_for_everybody_is_none_of_the_clusters_servers() {
    let shows = |issuer: &str, signed_by: Option<&str>| {
        let mut server = server(None, -24, 1, signed_by);
        server.served.issuer = issuer.to_owned();
        server
    };
    let kept = |server: Server| {
        let (own, strangers) = sort_out(vec![server]);
        assert_eq!(own.len() + strangers.len(), 1);
        !own.is_empty()
    };
    assert!(!kept(shows("CN=corporate-egress-ca", None)));
    assert!(!kept(shows("CN=kubernetes-ca-of-others", None)));
    assert!(
        kept(shows("CN=kubernetes-ca", None)),
        "a CA of the same name was replaced"
    );
    assert!(kept(shows("O=x, CN=kubernetes", None)), "of an old kops");
    assert!(kept(shows("CN=corporate-egress-ca", Some("kubernetes-ca"))));
    let mut named = shows("CN=corporate-egress-ca", None);
    named.instance = None;
    assert!(kept(named), "the user named it");
    let (_, strangers) = sort_out(vec![shows("CN=corporate-egress-ca", None)]);
    assert_eq!(strangers[0].0, "kube-apiserver on i-a");
}

#[test]
fn certificates_of_the_future_are_of_a_wrong_clock_and_of_nothing_else() {
    let ahead = server(None, 3, 24 * 365, Some("kubernetes-ca"));
    let (found, cure) = seen(vec![ahead], |_| ());
    assert_eq!(kinds(&found), [of(Kind::Clock, "10.0.0.97:443")]);
    assert!(
        found[0]
            .what
            .contains("3h after this machine's time 2026-11-22T15:20:00Z"),
        "{}",
        found[0].what
    );
    assert!(command(&found[0]).starts_with("timedatectl"));
    assert_eq!(cure.cure, Cure::Fix, "no master is touched for a clock");
}

#[test]
fn masters_older_than_their_certificates_are_told_unless_a_younger_one_was_seen() {
    let launched = |days: i64| hours(-24 * days);
    for (days, wanted) in [
        (454, None),
        (455, Some((Severity::Warn, Cure::Certificates))),
        (484, Some((Severity::Warn, Cure::Certificates))),
        (486, Some((Severity::Block, Cure::Certificates))),
    ] {
        let mut inventory = machines();
        inventory.instances[0].launched = Some(launched(days));
        inventory.instances[1].launched = Some(launched(3));
        let facts = facts(&inventory);
        let found = findings(&facts);
        let cure = smallest(&facts, &found);
        let told = found.first().map(|found| (found.severity, cure.cure));
        assert_eq!(told, wanted, "{days}");
        assert!(found.len() <= 1);
        if let Some(found) = found.first() {
            assert_eq!((found.finding, found.objects.join(" ")), of(Kind::MasterOld, "i-a"));
            assert_eq!(command(found), REPLACE);
        }
        let (found, _) = seen(vec![server(None, -24, 24 * 365, Some("kubernetes-ca"))], |facts| {
            facts.selection = select(C, &inventory);
        });
        assert_eq!(found, [], "somebody renewed them");
    }
}

#[test]
fn a_ca_near_its_end_is_rotated_and_no_master_is_replaced_for_it() {
    let (found, cure) = seen(Vec::new(), |facts| {
        facts.observed.authorities = vec![
            authority("etcd-manager-ca-main", 24 * 100),
            authority("kubernetes-ca", -24),
            Authority {
                primary: false,
                ..authority("kubernetes-ca", -24)
            },
        ];
    });
    assert_eq!(
        kinds(&found),
        [
            of(Kind::CaEnding, "etcd-manager-ca-main"),
            of(Kind::CaEnding, "kubernetes-ca")
        ]
    );
    assert_eq!(
        (found[0].severity, found[1].severity),
        (Severity::Warn, Severity::Block)
    );
    assert_eq!(
        command(&found[1]),
        "kops create keypair --name k8s.example.com --state s3://state kubernetes-ca"
    );
    assert_eq!(cure.cure, Cure::Fix);
}

//! Surveys of an etcd in memory, in virtual time.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use super::survey::{Options, Survey, survey};
use crate::rules::verdict::Verdict;
use runbook_kit::testing::{FakeProbe, MemoryEtcd, endpoints};

fn options(observe: u64) -> Options {
    Options {
        prefix: "/registry".into(),
        observe: Duration::from_secs(observe),
        port: None,
        ca: Some("PEM".into()),
    }
}

async fn run(etcd: &MemoryEtcd, probe: &FakeProbe, observe: u64) -> Survey {
    survey(etcd, probe, &options(observe), &|_, _| {}).await.unwrap()
}

fn verdicts(survey: &Survey) -> Vec<(&str, Verdict)> {
    let verdict = |lease: &'_ crate::rules::masterlease::Masterlease| lease.judgement.verdict;
    survey
        .leases
        .iter()
        .map(|lease| (lease.name.as_str(), verdict(lease)))
        .collect()
}

fn node(ip: &str, role: &str) -> Vec<u8> {
    format!(
        r#"{{"kind":"Node","metadata":{{"name":"i-{ip}","labels":{{"node-role.kubernetes.io/{role}":""}}}},
           "status":{{"addresses":[{{"type":"InternalIP","address":"{ip}"}}]}}}}"#
    )
    .into_bytes()
}

/// Three API servers of the backup, three that run.
fn after_a_restore() -> MemoryEtcd {
    let etcd = MemoryEtcd::default();
    for ip in ["10.0.0.9", "10.0.0.10", "2001:db8::1"] {
        etcd.masterlease(ip, 0);
    }
    for (ip, lease) in [("10.0.0.57", 7), ("10.0.0.58", 8), ("2001:db8::2", 9)] {
        etcd.masterlease(ip, lease);
    }
    let published = endpoints(&["10.0.0.57", "10.0.0.9"]);
    etcd.put("/registry/services/endpoints/default/kubernetes", &published, 0);
    etcd.put("/registry/peerserverleases/a", b"{}", 0);
    etcd.put("/registry/peerserverleases/b", b"{}", 7);
    etcd
}

#[tokio::test(start_paused = true)]
async fn stale_and_live_masterleases() {
    let etcd = after_a_restore();
    let waited = Mutex::new(Vec::new());
    let survey = survey(&etcd, &FakeProbe::default(), &options(12), &|keys, time| {
        waited.lock().unwrap().push((keys, time.as_secs()));
    })
    .await
    .unwrap();
    assert_eq!(
        verdicts(&survey),
        [
            ("10.0.0.9", Verdict::Stale),
            ("10.0.0.10", Verdict::Stale),
            ("10.0.0.57", Verdict::Live),
            ("10.0.0.58", Verdict::Live),
            ("2001:db8::1", Verdict::Stale),
            ("2001:db8::2", Verdict::Live),
        ]
    );
    assert_eq!(
        waited.into_inner().unwrap(),
        (0..12).map(|at| (3, at)).collect::<Vec<_>>()
    );
    let listed: Vec<Option<&bool>> = survey
        .leases
        .iter()
        .map(|lease| lease.evidence.in_endpoints.known())
        .collect();
    assert_eq!(listed[..3], [Some(&true), Some(&false), Some(&true)]);
    assert_eq!((survey.peers.total, survey.peers.immortal), (2, 1));
    assert_eq!(survey.not_checked, ["EndpointSlice default/kubernetes does not exist"]);
    assert_eq!(survey.cluster_uid, None);
}

#[tokio::test(start_paused = true)]
async fn without_watching_keys_without_lease_are_unknown() {
    let survey = run(&after_a_restore(), &FakeProbe::default(), 0).await;
    let unknown = survey
        .leases
        .iter()
        .filter(|lease| lease.judgement.verdict == Verdict::Unknown);
    assert_eq!(unknown.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_wait_if_all_have_leases() {
    let etcd = MemoryEtcd::default();
    etcd.masterlease("10.0.0.1", 5);
    let begun = tokio::time::Instant::now();
    let survey = run(&etcd, &FakeProbe::default(), 12).await;
    assert_eq!(verdicts(&survey), [("10.0.0.1", Verdict::Live)]);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_starts_meanwhile_is_live() {
    let etcd = after_a_restore();
    let probe = FakeProbe::default();
    let (survey, ()) = tokio::join!(run(&etcd, &probe, 12), async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        etcd.masterlease("10.0.0.9", 70);
        etcd.masterlease("10.0.0.77", 71);
    });
    let verdicts = verdicts(&survey);
    assert!(verdicts.contains(&("10.0.0.9", Verdict::Live)), "{verdicts:?}");
    assert!(verdicts.contains(&("10.0.0.77", Verdict::Live)), "{verdicts:?}");
    assert!(verdicts.contains(&("10.0.0.10", Verdict::Stale)), "{verdicts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_responding_address_or_a_running_kubelet_is_not_stale() {
    let etcd = after_a_restore();
    let alive: IpAddr = "10.0.0.9".parse().unwrap();
    let probe = FakeProbe {
        alive: [(alive, 401)].into(),
    };
    for (ip, role) in [("10.0.0.10", "control-plane"), ("2001:db8::1", "control-plane")] {
        etcd.put(&format!("/registry/minions/i-{ip}"), &node(ip, role), 0);
        etcd.put(&format!("/registry/leases/kube-node-lease/i-{ip}"), b"{}", 0);
    }
    let (survey, ()) = tokio::join!(run(&etcd, &probe, 12), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        etcd.put("/registry/leases/kube-node-lease/i-10.0.0.10", b"{}", 0);
    });
    let reasons: Vec<(Verdict, &str)> = survey
        .leases
        .iter()
        .map(|lease| (lease.judgement.verdict, lease.judgement.reason.as_str()))
        .filter(|(verdict, _)| *verdict != Verdict::Live)
        .collect();
    let has = |verdict, words: &str| {
        reasons
            .iter()
            .any(|(found, reason)| *found == verdict && reason.contains(words))
    };
    assert!(
        has(Verdict::Unknown, "an API server of this cluster responds there (401)"),
        "{reasons:?}"
    );
    assert!(
        has(Verdict::Unknown, "Node i-10.0.0.10 has it, and its kubelet is running"),
        "{reasons:?}"
    );
    assert!(
        has(Verdict::Stale, "Node i-2001:db8::1 has it, and its kubelet is silent"),
        "{reasons:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_ca_the_api_servers_are_not_checked() {
    let etcd = after_a_restore();
    let options = Options {
        ca: None,
        ..options(12)
    };
    let survey = survey(&etcd, &FakeProbe::default(), &options, &|_, _| {})
        .await
        .unwrap();
    assert!(
        survey
            .not_checked
            .iter()
            .any(|why| why.contains("kube-root-ca.crt does not exist; pass --cluster-ca")),
        "{:?}",
        survey.not_checked
    );
    assert_eq!(survey.leases[0].judgement.verdict, Verdict::Stale);
}

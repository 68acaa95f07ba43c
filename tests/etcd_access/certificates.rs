//! The certificates that real etcds show, looked at without one of ours: which CA signed them, and when they end.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use runbook_kit::adapters::certificates::TlsLook;
use runbook_kit::model::certificate::{Authority, Served, Standing};
use runbook_kit::ports::Certificates;
use runbook_kit::usecases::authorities::authorities;
use support::{Ca, Etcd, EtcdVersion, KeyKind, ServerTls, Usage, pki};

use super::FileStore;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HOUR: Duration = Duration::from_secs(3600);

/// What an etcd with a certificate of `ca` shows that is valid from and until so many hours from now.
async fn shown(ca: &Ca, from: i32, until: i32, known: &[Authority]) -> Served {
    let hours = |hours: i32| match u32::try_from(hours) {
        Ok(ahead) => SystemTime::now() + HOUR * ahead,
        Err(_) => SystemTime::now() - HOUR * hours.unsigned_abs(),
    };
    let issued = ca.issue_for(Usage::Server, hours(from), hours(until)).unwrap();
    let tls = ServerTls::showing(&issued, &[ca]).unwrap();
    let etcd = Etcd::start_tls(EtcdVersion::V3_6, &tls).unwrap();
    let port = etcd
        .tls_endpoint()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    TlsLook::default().served(HERE, port, known).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_and_the_issuer_of_a_servers_certificate_are_seen_whatever_is_wrong_with_it() {
    // As kops makes it, with one generation before it; and another one.
    let (own, other) = (
        Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap(),
        Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let keep =
        |name: &str, text: &str| pki::write(&folder.path().join("private").join(name), "keyset.yaml", text).unwrap();
    let retired = Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap();
    let generations = [("1", &retired), ("2", &own)];
    keep("etcd-clients-ca", &pki::keyset("etcd-clients-ca", &generations, "2"));
    let strange_ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
    // What is kept without private keys is read instead.
    let public = pki::keyset("kubernetes-ca", &[("9", &other)], "9");
    let public: String = public
        .lines()
        .filter(|line| !line.contains("privateMaterial"))
        .map(|line| format!("{line}\n"))
        .collect();
    pki::write(&folder.path().join("issued/kubernetes-ca"), "keyset.yaml", &public).unwrap();
    keep("kubernetes-ca", "never read");
    keep("etcd-manager-ca-main", "kind: Keyset\nspec: {keys: []}\n");
    keep("service-account", "no keyset");
    let place = format!("file://{}", folder.path().display()).parse().unwrap();
    let known = authorities(&FileStore, &place, &TlsLook::default()).await.unwrap();
    let found: Vec<_> = known
        .found
        .iter()
        .map(|one| (one.keyset.as_str(), one.id.as_str(), one.primary))
        .collect();
    assert_eq!(
        found,
        [
            ("etcd-clients-ca", "1", false),
            ("etcd-clients-ca", "2", true),
            ("kubernetes-ca", "9", true)
        ]
    );
    assert_eq!(known.problems.len(), 1, "{:?}", known.problems);
    assert!(
        known.problems[0].ends_with("keyset.yaml: it holds no key"),
        "{:?}",
        known.problems
    );

    let now = Timestamp::now();
    let (ends, ended, future, strange) = tokio::join!(
        shown(&own, -24, 1, &known.found),
        shown(&own, -24, -1, &known.found),
        shown(&retired, 2, 24, &known.found),
        shown(&strange_ca, -24, 24, &known.found),
    );
    let own = Some("etcd-clients-ca".to_owned());
    for served in [&ends, &ended, &future] {
        assert_eq!(served.signed_by, own);
    }
    assert_eq!(strange.signed_by, None, "a CA of the same name is another one");
    assert!(strange.issuer.contains("etcd-clients-ca"), "{}", strange.issuer);
    let Standing::Valid(left) = ends.validity.at(now) else {
        panic!("{ends:?}");
    };
    assert!(
        left > SignedDuration::from_mins(55) && left < SignedDuration::from_mins(65),
        "{left}"
    );
    assert!(matches!(ended.validity.at(now), Standing::Ended(_)), "{ended:?}");
    assert_eq!(future.validity.at(now), Standing::NotYet);
    // By the clock of an operator who is a year behind, all are of the future.
    let behind = now.checked_sub(SignedDuration::from_hours(24 * 365)).unwrap();
    for served in [&ends, &ended, &future, &strange] {
        assert_eq!(served.validity.at(behind), Standing::NotYet);
    }
}

#[tokio::test]
async fn nobody_a_silent_one_and_one_without_tls_are_told_apart_in_time() {
    let look = TlsLook {
        limit: Duration::from_millis(400),
    };
    let listener = tokio::net::TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    assert_eq!(
        look.served(HERE, port, &[]).await.unwrap_err(),
        "no answer within 0 s",
        "accepted by the kernel, never answered"
    );
    assert!(began.elapsed() < Duration::from_secs(3));
    drop(listener);
    assert!(look.served(HERE, port, &[]).await.unwrap_err().contains("refused"));
    let plain = Etcd::start(EtcdVersion::V3_6).unwrap();
    let port = plain.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let why = TlsLook::default().served(HERE, port, &[]).await.unwrap_err();
    assert!(why.starts_with("it shows no certificate: "), "{why}");
}

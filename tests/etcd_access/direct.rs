//! Straight to etcd: everything that the port can do, and every way to be refused.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::ports::EtcdErrorKind;
use support::{Etcd, EtcdVersion, Put, ServerTls, Usage, Wire, WireFault, pki};
use tokio::io::AsyncReadExt;

use super::{World, agreed, ec, reach, refused, works};

#[tokio::test]
async fn direct_does_everything_on_both_minor_versions() {
    for (version, starts) in [(EtcdVersion::V3_5, "3.5."), (EtcdVersion::V3_6, "3.6.")] {
        let world = World::new(version, ec());
        let connected = reach(&world.direct()).await;
        assert!(
            connected.way.starts_with(&format!("direct to {}", world.endpoint())),
            "{}",
            connected.way
        );
        assert!(connected.kv.status().await.unwrap().version.starts_with(starts));
        works(connected.kv.as_ref(), &world.etcd).await;
    }
}

#[tokio::test]
async fn each_refusal_has_its_own_reason() {
    for version in [EtcdVersion::V3_5, EtcdVersion::V3_6] {
        let world = World::new(version, ec());
        let other = ec();

        let none = EtcdAccess {
            cert: None,
            key: None,
            ..world.direct()
        };
        assert_eq!(refused(&none).await, EtcdErrorKind::NoCertificate);

        let stranger = world.with(&other.issue(Usage::Client).unwrap());
        assert_eq!(refused(&stranger).await, EtcdErrorKind::CertificateRefused);

        let expired = world.with(&world.ca.issue(Usage::ExpiredClient).unwrap());
        assert_eq!(refused(&expired).await, EtcdErrorKind::CertificateExpired);

        let mut wrong_ca = world.direct();
        wrong_ca.cacert = Some(pki::write(world.folder.path(), "wrong.crt", other.certificate()).unwrap());
        let found = refused(&wrong_ca).await;
        assert!(matches!(found, EtcdErrorKind::ServerNotTrusted(_)), "{found:?}");

        let mut plain = world.direct();
        plain.endpoints = vec![world.endpoint().replace("https", "http")];
        assert_eq!(refused(&plain).await, EtcdErrorKind::WantsTls);

        let mut not_tls = world.direct();
        not_tls.endpoints = vec![world.etcd.endpoint().replace("http", "https")];
        assert_eq!(refused(&not_tls).await, EtcdErrorKind::NotTls);
        not_tls.endpoints = vec![world.etcd.endpoint().to_owned()];
        assert_eq!(
            reach(&not_tls).await.way,
            format!("direct to {}, plain HTTP", world.etcd.endpoint())
        );
    }
}

#[tokio::test]
async fn a_line_that_breaks_is_not_taken_for_a_refused_certificate() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let broken = Wire::start(world.port(), WireFault::Cut(1)).unwrap();
    let mut args = world.direct();
    args.endpoints = vec![format!("https://127.0.0.1:{}", broken.port())];
    assert_eq!(refused(&args).await, EtcdErrorKind::HungUp);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_trusted() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let mut args = world.direct();
    args.endpoints = vec![format!("https://127.0.0.2:{}", world.port())];
    // etcd listens on 127.0.0.1 only: a relay on the other address brings us there.
    let relay = tokio::net::TcpListener::bind(("127.0.0.2", world.port()))
        .await
        .unwrap();
    let port = world.port();
    tokio::spawn(async move {
        while let Ok((mut ours, _)) = relay.accept().await {
            tokio::spawn(async move {
                let mut theirs = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
            });
        }
    });
    let found = refused(&args).await;
    assert_eq!(
        found,
        EtcdErrorKind::ServerNotTrusted("issued for another host".to_owned())
    );
}

#[tokio::test]
async fn nobody_and_silence_are_told_apart_in_bounded_time() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut args = world.direct();
    args.etcd_timeout = Duration::from_secs(2);
    args.endpoints = vec![closed.local_addr().unwrap().to_string()];
    let begun = Instant::now();
    // It listens and never answers.
    assert_eq!(refused(&args).await, EtcdErrorKind::Timeout { seconds: 2 });
    assert!(begun.elapsed() < Duration::from_secs(6));
    drop(closed);
    assert_eq!(refused(&args).await, EtcdErrorKind::Unreachable);

    // The next endpoint is tried, and the first one's failure is told.
    args.endpoints.push(world.endpoint());
    let connected = reach(&args).await;
    assert_eq!(connected.passed_over.len(), 1);
    assert!(
        connected.passed_over[0].contains("unreachable"),
        "{:?}",
        connected.passed_over
    );
}

#[tokio::test]
async fn without_quorum_it_says_so_in_bounded_time() {
    let ca = ec();
    let tls = ServerTls::new(&ca, &[&ca]).unwrap();
    let mut members = Etcd::start_cluster(EtcdVersion::V3_6, 3, Some(&tls)).unwrap();
    members[0].put(&[Put::new("/k", "v")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
    let args = EtcdAccess {
        via: Via::Direct,
        endpoints: vec![members[0].tls_endpoint().unwrap().to_owned()],
        cacert: Some(pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap()),
        cert: Some(cert),
        key: Some(key),
        etcd_timeout: Duration::from_secs(4),
        ..EtcdAccess::default()
    };
    let connected = reach(&args).await;
    assert_eq!(connected.kv.members().await.unwrap().len(), 3);
    members.truncate(1);
    let begun = Instant::now();
    let error = connected.kv.range(b"/").await.unwrap_err();
    assert_eq!(error.kind, EtcdErrorKind::NoLeader);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let error = connected.kv.delete_if_unchanged(b"/k", 2, &agreed()).await.unwrap_err();
    assert_eq!(error.kind, EtcdErrorKind::NoLeader);
    // What needs no quorum still works.
    assert_eq!(connected.kv.status().await.unwrap().leader, None);
    let mut snapshot = Vec::new();
    let mut stream = connected.kv.snapshot().await.unwrap();
    stream.reader.read_to_end(&mut snapshot).await.unwrap();
    assert!(snapshot.len() > 512);
}

#[tokio::test]
async fn an_etcd_that_dies_is_lost_and_found_again() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let connected = reach(&world.direct()).await;
    drop(world.etcd);
    let error = connected.kv.get(b"/k").await.unwrap_err();
    assert!(
        matches!(error.kind, EtcdErrorKind::Lost | EtcdErrorKind::Unreachable),
        "{error:?}"
    );
    let error = connected.kv.get(b"/k").await.unwrap_err();
    assert_eq!(error.kind, EtcdErrorKind::Unreachable);
}

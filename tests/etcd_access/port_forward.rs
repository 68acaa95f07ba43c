//! Through a stand-in for API server and kubelet.

use std::path::Path;
use std::time::{Duration, Instant};

use runbook_kit::adapters::etcd::access::{AccessError, Connected, Ways, connect};
use runbook_kit::failure::Failure;
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::ports::EtcdErrorKind;
use support::servers::kube_api::Mood;
use support::{Ca, EtcdVersion, KeyKind, KubeApi, Pod, pki};

use super::{Keys, World, ec, kind, ways, works};

fn pod(name: &str, ready: bool, etcd: u16) -> Pod {
    Pod {
        name: name.to_owned(),
        app: "etcd-manager-main".to_owned(),
        ready,
        ports: vec![(4001, etcd)],
    }
}

async fn forward(
    api: &KubeApi,
    folder: &Path,
    args: &EtcdAccess,
    keys: Option<&Keys>,
) -> Result<Connected, AccessError> {
    let kubeconfig = api.kubeconfig(folder, "super.k8s.local").unwrap();
    let ways = Ways {
        kubeconfig: Some(kubeconfig),
        ..ways(args, keys)
    };
    connect(&ways).await
}

#[tokio::test]
async fn port_forward_finds_the_ready_pod_and_does_everything() {
    let ca = Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap();
    let world = World::new(EtcdVersion::V3_6, ca);
    let keys = world.key_store(&pki::keyset("etcd-clients-ca", &[("1", &world.ca)], "1"));
    let api = KubeApi::start(vec![
        pod("etcd-manager-main-a", false, 1),
        pod("etcd-manager-main-b", true, world.port()),
        Pod {
            app: "etcd-manager-events".to_owned(),
            ..pod("etcd-manager-events-a", true, 1)
        },
    ])
    .unwrap();
    for via in [Via::PortForward, Via::Auto] {
        let args = EtcdAccess {
            via,
            ..EtcdAccess::default()
        };
        let connected = forward(&api, world.folder.path(), &args, Some(&keys)).await.unwrap();
        assert!(
            connected
                .way
                .starts_with("port-forward to pod etcd-manager-main-b through http://127.0.0.1"),
            "{}",
            connected.way
        );
        if via == Via::PortForward {
            works(connected.kv.as_ref(), &world.etcd).await;
        }
    }
    assert_eq!(api.forwarded(), 2, "one connection each");
}

#[tokio::test]
async fn where_no_ready_pod_answers_one_that_is_not_ready_is_tried() {
    let ca = Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap();
    let world = World::new(EtcdVersion::V3_6, ca);
    let keys = world.key_store(&pki::keyset("etcd-clients-ca", &[("1", &world.ca)], "1"));
    // Of a master that is gone, as the API knows it right after a restore; and of a new one.
    let api = KubeApi::start(vec![
        pod("etcd-manager-main-a", true, 1),
        pod("etcd-manager-main-b", false, world.port()),
    ])
    .unwrap();
    let args = EtcdAccess {
        via: Via::PortForward,
        ..EtcdAccess::default()
    };
    let connected = forward(&api, world.folder.path(), &args, Some(&keys)).await.unwrap();
    assert!(connected.way.contains("etcd-manager-main-b"), "{}", connected.way);
    assert_eq!(connected.passed_over.len(), 1, "{:?}", connected.passed_over);
}

#[tokio::test]
async fn the_kubeconfig_of_another_cluster_is_refused_where_it_is_proven() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let keys = world.key_store(&pki::keyset("etcd-clients-ca", &[("1", &world.ca)], "1"));
    let api = KubeApi::start(vec![pod("etcd-manager-main-a", true, world.port())]).unwrap();
    let args = EtcdAccess {
        via: Via::PortForward,
        ..EtcdAccess::default()
    };
    let told = async || forward(&api, world.folder.path(), &args, Some(&keys)).await;

    // Neither side tells: it goes on with a doubt, since tunnels and load balancers show other names legitimately.
    let connected = told().await.unwrap();
    let doubts = &connected.doubts;
    assert!(
        doubts.len() == 1 && doubts[0].contains("kube-root-ca.crt") && doubts[0].contains("could not verify"),
        "{doubts:?}"
    );
    let (old, young) = (ec(), ec());
    api.set_root_ca(young.certificate());
    let doubts = told().await.unwrap().doubts;
    assert!(doubts.len() == 1 && doubts[0].contains("kubernetes-ca"), "{doubts:?}");

    // In the middle of a rotation the cluster serves one of several.
    keys.add(
        "kubernetes-ca",
        &pki::keyset("kubernetes-ca", &[("1", &old), ("2", &young)], "1"),
    );
    assert_eq!(told().await.unwrap().doubts, [""; 0]);

    api.set_root_ca(ec().certificate());
    let before = api.forwarded();
    let error = told().await.err().unwrap();
    assert_eq!(error.exit(), runbook_kit::exit::Exit::Refused);
    assert!(error.to_string().contains("is the API of another cluster"), "{error}");
    assert!(Failure::hint(&error).unwrap().contains("--context"), "{error}");
    assert_eq!(api.forwarded(), before, "etcd was not even asked");
}

#[tokio::test]
async fn port_forward_says_what_is_missing() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let keys = world.key_store(&pki::keyset("etcd-clients-ca", &[("1", &world.ca)], "1"));
    let args = EtcdAccess {
        via: Via::PortForward,
        etcd_timeout: Duration::from_secs(3),
        ..EtcdAccess::default()
    };
    let api = KubeApi::start(vec![pod("etcd-manager-main-a", true, 1)]).unwrap();
    let told = async |mood| {
        api.set_mood(mood);
        let error = forward(&api, world.folder.path(), &args, Some(&keys))
            .await
            .err()
            .unwrap();
        format!(
            "{} {}",
            runbook_kit::failure::chain(&error),
            Failure::hint(&error).unwrap_or_default()
        )
    };
    let refused = told(Mood::Willing).await;
    assert!(
        refused.contains("onnection refused") && refused.contains("unreachable"),
        "{refused}"
    );
    let text = told(Mood::Unauthorized).await;
    assert!(text.contains("kops export kubeconfig --admin"), "{text}");
    let text = told(Mood::NoPortForward).await;
    assert!(text.contains("pods/portforward"), "{text}");
    let text = told(Mood::NoList).await;
    assert!(text.contains("list pods in kube-system"), "{text}");
    let begun = Instant::now();
    let text = told(Mood::Silent).await;
    assert!(
        text.contains("no answer within 3 s") && begun.elapsed() < Duration::from_secs(8),
        "{text}"
    );

    let nobody = KubeApi::start(Vec::new()).unwrap();
    let error = forward(&nobody, world.folder.path(), &args, Some(&keys))
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("k8s-app=etcd-manager-main"), "{error}");
    let asleep = KubeApi::start(vec![pod("etcd-manager-main-a", false, 1)]).unwrap();
    let error = forward(&asleep, world.folder.path(), &args, Some(&keys))
        .await
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("no etcd-manager pod is ready: etcd-manager-main-a"),
        "{error}"
    );

    let plain = KubeApi::start(vec![pod(
        "etcd-manager-main-a",
        true,
        world.etcd.endpoint().rsplit(':').next().unwrap().parse().unwrap(),
    )])
    .unwrap();
    let found = kind(forward(&plain, world.folder.path(), &args, Some(&keys)).await);
    assert_eq!(found, EtcdErrorKind::NotTls);
    let args = EtcdAccess {
        plain_http: true,
        ..args
    };
    let connected = forward(&plain, world.folder.path(), &args, None).await.unwrap();
    assert!(connected.way.ends_with("plain HTTP"), "{}", connected.way);
}

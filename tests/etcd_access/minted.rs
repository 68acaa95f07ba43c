//! Certificates made from keysets of kops, and what a real etcd says to them.

use runbook_kit::adapters::etcd::access::connect;
use runbook_kit::failure::Failure;
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::ports::EtcdErrorKind;
use support::{Ca, EtcdVersion, KeyKind, pki};

use super::{World, ec, kind, ways};

#[tokio::test]
async fn a_minted_certificate_is_accepted_whatever_kops_stored() {
    let kops = include_str!("../fixtures/kops-built/state/super.k8s.local/pki/private/etcd-clients-ca/keyset.yaml");
    let (old, young, rsa) = (ec(), ec(), Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap());
    let cases = [
        (Ca::from_keyset(kops).unwrap(), kops.to_owned()),
        (rsa.clone(), pki::keyset("etcd-clients-ca", &[("1", &rsa)], "1")),
        (
            young.clone(),
            pki::keyset("etcd-clients-ca", &[("1", &old), ("2", &young)], "2"),
        ),
        // In the middle of a rotation the old one still signs.
        (
            old.clone(),
            pki::keyset("etcd-clients-ca", &[("1", &old), ("2", &young)], "1"),
        ),
    ];
    for (signer, keyset) in cases {
        // etcd trusts the signer only: a certificate by the other key would be refused.
        let world = World::new(EtcdVersion::V3_6, signer);
        let keys = world.key_store(&keyset);
        let args = EtcdAccess {
            via: Via::Direct,
            endpoints: vec![world.endpoint()],
            ..EtcdAccess::default()
        };
        let connected = connect(&ways(&args, Some(&keys))).await.unwrap();
        assert!(
            connected.way.contains("certificate made for an hour from file://"),
            "{}",
            connected.way
        );
        connected.kv.range(b"/").await.unwrap();
    }
}

#[tokio::test]
async fn the_wrong_primary_is_refused_and_a_bad_keyset_is_named_without_its_keys() {
    let (signer, other) = (ec(), ec());
    let world = World::new(EtcdVersion::V3_6, signer.clone());
    let args = EtcdAccess {
        via: Via::Direct,
        endpoints: vec![world.endpoint()],
        ..EtcdAccess::default()
    };
    let both = [("1", &signer), ("2", &other)];
    let keys = world.key_store(&pki::keyset("etcd-clients-ca", &both, "2"));
    assert_eq!(
        kind(connect(&ways(&args, Some(&keys))).await),
        EtcdErrorKind::CertificateRefused
    );
    for (keyset, reason) in [
        (pki::keyset("x", &both, "3"), "its primary key 3 is not in it"),
        ("kind: Keyset\nspec: [".to_owned(), "not the YAML"),
    ] {
        let keys = world.key_store(&keyset);
        let error = connect(&ways(&args, Some(&keys))).await.err().unwrap();
        let told = runbook_kit::failure::chain(&error);
        assert!(told.contains(reason) && told.contains("keyset.yaml"), "{told}");
        assert!(error.hint().is_some() && !told.contains("PRIVATE"));
    }
}

//! Values that are encrypted at rest: with their key, with another one, with none.

use super::diff::{Diff, DiffOptions};
use super::export::{self, ExportError};
use super::report::Contents;
use super::testing::Fake;
use crate::model::backup::goodness::Lineage;
use crate::model::kubernetes::encryption::testing::{keys, stored};
use crate::model::kubernetes::encryption::{DecryptError, Keys};
use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

const NAMESPACE: &str = "/registry/namespaces/kube-system";
const SECRETS: [&str; 3] = [
    "/registry/secrets/billing/s1",
    "/registry/secrets/billing/s2",
    "/registry/secrets/billing/s3",
];
const CERTIFICATE: &str = "/registry/cert-manager.io/certificates/shop/web";

fn object(kind: &str, name: &str) -> Vec<u8> {
    unknown(
        "v1",
        kind,
        &bytes_field(1, &object_meta(name, "", &format!("uid-{name}"), 1_795_360_681)),
    )
}

/// Namespace, certificate, three Secrets, each as `encrypt` stores it.
fn fake(encrypt: impl Fn(&str, &[u8]) -> Vec<u8>) -> Fake {
    let certificate = br#"{"kind":"Certificate","metadata":{"name":"web"}}"#;
    let mut entries = vec![
        (CERTIFICATE, encrypt(CERTIFICATE, certificate)),
        (NAMESPACE, encrypt(NAMESPACE, &object("Namespace", "kube-system"))),
    ];
    entries.extend(SECRETS.map(|key| (key, encrypt(key, &object("Secret", "s")))));
    let entries: Vec<(&str, i64, &[u8])> = entries.iter().map(|(key, value)| (*key, 0, value.as_slice())).collect();
    Fake::of(&entries)
}

fn by_aesgcm(key: &str, plain: &[u8]) -> Vec<u8> {
    stored("aesgcm", "key1", 1, key.as_bytes(), plain)
}

#[test]
fn an_encrypted_namespace_tells_its_uid_with_the_key() {
    let fake = fake(by_aesgcm);
    let snapshot = fake.snapshot();
    assert!(snapshot.has_encrypted() && snapshot.has_encrypted_identity());
    assert_eq!(snapshot.identity(), Ok(Lineage::Unknown));
    for (keys, lineage) in [
        (
            keys(&[("aesgcm", "key1", 1)]),
            Lineage::Known("uid-kube-system".to_owned()),
        ),
        (keys(&[("aesgcm", "key1", 2)]), Lineage::Unknown),
        (keys(&[("aesgcm", "key2", 1)]), Lineage::Unknown),
    ] {
        assert_eq!(snapshot.with_keys(&keys).identity(), Ok(lineage), "{keys:?}");
    }
    let plain = self::fake(|_, plain| plain.to_vec());
    assert!(!plain.snapshot().has_encrypted() && !plain.snapshot().has_encrypted_identity());
}

#[test]
fn a_value_is_the_plaintext_and_stored_is_what_is_stored() {
    let fake = fake(by_aesgcm);
    let secret = fake.content.find(SECRETS[0].as_bytes()).unwrap();
    let encrypted = fake.snapshot().stored(secret).unwrap();
    assert!(encrypted.starts_with(b"k8s:enc:aesgcm:v1:key1:"));
    assert_eq!(fake.snapshot().value(secret).unwrap(), encrypted);
    let keys = keys(&[("aesgcm", "key1", 1)]);
    let snapshot = fake.snapshot().with_keys(&keys);
    assert_eq!(snapshot.value(secret).unwrap(), object("Secret", "s"));
    assert_eq!(snapshot.stored(secret).unwrap(), encrypted);
    assert_eq!(export::raw(snapshot, secret).unwrap(), encrypted);
}

#[test]
fn the_report_counts_what_can_be_read() {
    // Three providers; of one key half is of another cluster.
    let fake = fake(|key, plain| match key {
        CERTIFICATE => plain.to_vec(),
        NAMESPACE => stored("aescbc", "key1", 1, key.as_bytes(), plain),
        key if key == SECRETS[0] => stored("secretbox", "key1", 2, key.as_bytes(), plain),
        key if key == SECRETS[1] => stored("secretbox", "key1", 9, key.as_bytes(), plain),
        key => stored("aesgcm", "key7", 3, key.as_bytes(), plain),
    });
    let keys = keys(&[("aescbc", "key1", 1), ("secretbox", "key1", 2)]);
    let report = Contents::of(fake.snapshot().with_keys(&keys)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report.encryption).unwrap());
    assert_eq!(report.lineage.as_deref(), Some("uid-kube-system"));
    // That of a plaintext.
    assert_eq!(report.newest_object.unwrap().created.as_second(), 1_795_360_681);
    let blind = Contents::of(fake.snapshot()).unwrap();
    assert_eq!((blind.lineage, blind.newest_object), (None, None));
    assert!(
        blind
            .encryption
            .iter()
            .all(|count| count.readable == 0 && count.problem.is_some())
    );
    assert_eq!(blind.undecodable.values, 0);
}

#[test]
fn a_key_that_opens_something_else_than_an_object_is_told() {
    let fake = Fake::of(&[(SECRETS[0], 0, &by_aesgcm(SECRETS[0], b"no object"))]);
    let report = Contents::of(fake.snapshot().with_keys(&keys(&[("aesgcm", "key1", 1)]))).unwrap();
    assert_eq!((report.encryption[0].readable, report.undecodable.values), (1, 1));
}

#[test]
fn the_same_object_under_another_key_is_not_changed() {
    let before = fake(by_aesgcm);
    let after = fake(|key, plain| match key {
        CERTIFICATE => plain.to_vec(),
        key if key == SECRETS[2] => stored(
            "secretbox",
            "a-longer-name",
            2,
            key.as_bytes(),
            &object("Secret", "changed"),
        ),
        key => stored("secretbox", "a-longer-name", 2, key.as_bytes(), plain),
    });
    let changed = |keys: &Keys| {
        let (before, after) = (before.snapshot().with_keys(keys), after.snapshot().with_keys(keys));
        let diff = Diff::between(before, after, DiffOptions::default()).unwrap();
        let names: Vec<String> = diff.changed.into_iter().map(|one| one.name.object).collect();
        (names, diff.same_lineage)
    };
    let both = keys(&[("aesgcm", "key1", 1), ("secretbox", "a-longer-name", 2)]);
    assert_eq!(changed(&both), (vec!["secrets/billing/s3".to_owned()], Some(true)));
    // Without the keys nobody knows.
    assert_eq!(changed(&Keys::none()).0.len(), 5);
    let same = Diff::between(before.snapshot(), before.snapshot(), DiffOptions::default()).unwrap();
    assert!(same.is_empty());
}

#[test]
fn an_export_reads_with_the_key_and_names_the_missing_one() {
    let fake = fake(by_aesgcm);
    let live = fake.content.find(CERTIFICATE.as_bytes()).unwrap();
    let known = keys(&[("aesgcm", "key1", 1)]);
    let object = export::whole(fake.snapshot().with_keys(&known), live).unwrap();
    assert_eq!(object.object["metadata"]["name"], "web");
    let other = keys(&[("aescbc", "key9", 1)]);
    let error = export::whole(fake.snapshot().with_keys(&other), live).unwrap_err();
    assert!(matches!(
        &error,
        ExportError::Encrypted {
            why: DecryptError::NoKey { .. },
            ..
        }
    ));
    let text = error.to_string();
    assert!(
        text.contains("aesgcm v1 with key `key1`") && text.contains("aescbc:key9"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("--encryption-config"));
}

use proptest::prelude::*;

use super::testing::{config, entry, keys, stored};
use super::*;

const KEY: &[u8] = b"/registry/secrets/billing/s1";
const PLAIN: &[u8] = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00";
const PROVIDERS: [&str; 3] = ["aescbc", "aesgcm", "secretbox"];

fn error(keys: &Keys, etcd_key: &[u8], value: Vec<u8>) -> String {
    keys.decrypt(etcd_key, value).unwrap_err().to_string()
}

#[test]
fn decrypts_what_its_key_encrypted() {
    for provider in PROVIDERS {
        let keys = keys(&[
            ("aescbc", "a", 1),
            ("aesgcm", "a", 2),
            ("secretbox", "a", 3),
            (provider, "b", 4),
        ]);
        let value = stored(provider, "b", 4, KEY, PLAIN);
        assert_eq!(keys.decrypt(KEY, value).unwrap(), PLAIN, "{provider}");
    }
}

#[test]
fn what_is_not_encrypted_passes_with_or_without_keys() {
    for value in [&b""[..], b"{}", PLAIN, b"k8s:en", b"290"] {
        for keys in [Keys::none(), keys(&[("aescbc", "a", 1)])] {
            assert_eq!(keys.open(KEY, value), Ok(None));
            assert_eq!(keys.decrypt(KEY, value.to_vec()).unwrap(), value);
        }
    }
}

#[test]
fn tells_which_key_is_wanted() {
    let have = keys(&[("aescbc", "key1", 1), ("secretbox", "box", 2)]);
    let cases = [
        (Keys::none(), stored("aescbc", "key2", 9, KEY, PLAIN)),
        (keys(&[("aescbc", "key1", 1)]), stored("aescbc", "key2", 9, KEY, PLAIN)),
        (have.clone(), stored("aesgcm", "key1", 1, KEY, PLAIN)),
        (have.clone(), stored("aescbc", "key1", 9, KEY, PLAIN)),
        (have.clone(), stored("secretbox", "box", 9, KEY, PLAIN)),
        (have.clone(), b"k8s:enc:aescbc:v1:key1:short".to_vec()),
        (have.clone(), b"k8s:enc:aescbc:v1:key1:sixteen bytes and a few".to_vec()),
        (have.clone(), b"k8s:enc:secretbox:v1:box:".to_vec()),
        (have.clone(), b"k8s:enc:kms:v1:vault:\0".to_vec()),
        (have.clone(), b"k8s:enc:kms:v2:vault:\0".to_vec()),
        (have.clone(), b"k8s:enc:aescbc:v2:key1:\0".to_vec()),
        (have.clone(), b"k8s:enc:rot13:v1:key1:\0".to_vec()),
        (have, b"k8s:enc:".to_vec()),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|(keys, value)| error(&keys, KEY, value))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn aesgcm_belongs_to_its_etcd_key() {
    let keys = keys(&[("aesgcm", "a", 1)]);
    let value = stored("aesgcm", "a", 1, KEY, PLAIN);
    assert!(error(&keys, b"/registry/secrets/billing/s2", value).contains("key `a` does not decrypt it"));
}

#[test]
fn the_first_entry_that_matches_is_meant() {
    // Two keys of one name: only their order and their resources tell which one.
    let mut text = config("events", &[("aescbc", "k", 1)]);
    text.push_str(&entry("configmaps, secrets.", &[("aescbc", "k", 2)]));
    text.push_str(&entry("'*.apps'", &[("aescbc", "k", 3)]));
    text.push_str(&entry("'*.*'", &[("aescbc", "k", 4)]));
    let keys = Keys::parse(text.as_bytes()).unwrap();
    assert_eq!(keys.names(), ["aescbc:k"]);
    for (key, byte) in [
        ("/registry/events/a/b", 1),
        ("/registry/secrets/billing/s1", 2),
        ("/registry/deployments/shop/web", 3),
        ("/registry/cert-manager.io/certificates/shop/web", 4),
        ("/registry/pods/a/b", 4),
    ] {
        let value = stored("aescbc", "k", byte, key.as_bytes(), PLAIN);
        assert_eq!(keys.decrypt(key.as_bytes(), value).unwrap(), PLAIN, "{key}");
    }
    // The configuration was another one when this was written.
    let value = stored("aescbc", "k", 4, KEY, PLAIN);
    assert_eq!(keys.decrypt(KEY, value).unwrap(), PLAIN);
}

#[test]
fn a_rotated_key_still_decrypts() {
    let keys = Keys::parse(
        b"kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - {name: key2, secret: AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=}
      - {name: key1, secret: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}
",
    )
    .unwrap();
    for (name, byte) in [("key1", 1), ("key2", 2)] {
        assert_eq!(
            keys.decrypt(KEY, stored("secretbox", name, byte, KEY, PLAIN)).unwrap(),
            PLAIN
        );
    }
}

#[test]
fn a_name_may_have_colons() {
    let keys = keys(&[("aescbc", "a", 1), ("aescbc", "a:b", 2)]);
    assert_eq!(
        keys.decrypt(KEY, stored("aescbc", "a:b", 2, KEY, PLAIN)).unwrap(),
        PLAIN
    );
    let told = error(&keys, KEY, stored("aescbc", "a:b", 9, KEY, PLAIN));
    assert!(told.contains("key `a:b`"), "{told}");
}

#[test]
fn every_shape_of_a_configuration_is_read() {
    for (text, names) in [
        ("kind: EncryptionConfiguration", vec![]),
        ("kind: EncryptionConfig\nresources: []", vec![]),
        (
            "resources: [{resources: [secrets], providers: [{secretbox: {keys: [{name: k, secret: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}]}}]}]",
            vec!["secretbox:k"],
        ),
        (
            "kind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n  - aesgcm:\n",
            vec![],
        ),
        (
            r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[
            {"kms":{"apiVersion":"v2","name":"vault","endpoint":"unix:///run/kms.sock"}},{"aesgcm":{"keys":[{"name":"k","secret":"c2VjcmV0IGlzIHNlY3VyZQ=="}]}}]}]}"#,
            vec!["aesgcm:k", "kms:vault"],
        ),
    ] {
        assert_eq!(Keys::parse(text.as_bytes()).unwrap().names(), names);
    }
}

#[test]
fn what_is_no_configuration_is_told_without_its_keys() {
    let key = |secret: &str| {
        format!(
            "kind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - aescbc:\n      keys:\n      - name: key1\n        secret: {secret}\n"
        )
    };
    let told: Vec<String> = [
        String::new(),
        "hunter2: [".to_owned(),
        "kind: Config\nusers: [{token: hunter2}]".to_owned(),
        "apiVersion: v1".to_owned(),
        "hunter2".to_owned(),
        key("hunter2 is no base64"),
        key("aHVudGVyMg=="),
        key("[hunter2]"),
        key("AQEBAQEBAQEBAQEBAQEBAQ==").replace("name: key1", "name: ''"),
        key("AQEBAQEBAQEBAQEBAQEBAQ==").replace("aescbc", "secretbox"),
        "kind: EncryptionConfiguration\nresources: hunter2".to_owned(),
    ]
    .iter()
    .map(|text| Keys::parse(text.as_bytes()).unwrap_err().to_string())
    .collect();
    let told = told.join("\n");
    assert!(!told.contains("hunter2") && !told.contains("aHVudGVyMg"), "{told}");
    insta::assert_snapshot!(told);
    assert_eq!(Keys::parse(b"\xff").unwrap_err(), ConfigError::NotText);
}

#[test]
fn debug_shows_names_only() {
    let keys = keys(&[("aescbc", "key1", 0x41)]);
    assert_eq!(format!("{keys:?}"), r#"Keys(["aescbc:key1"])"#);
}

proptest! {
    #[test]
    fn any_bytes_end(etcd_key: Vec<u8>, rest: Vec<u8>, cipher in 0..3_usize) {
        let keys = keys(&[("aescbc", "a", 1), ("aesgcm", "a", 2), ("secretbox", "a", 3)]);
        let provider = PROVIDERS[cipher];
        for value in [
            rest.clone(),
            [b"k8s:enc:", &rest[..]].concat(),
            [format!("k8s:enc:{provider}:v1:").as_bytes(), &rest].concat(),
            [format!("k8s:enc:{provider}:v1:a:").as_bytes(), &rest].concat(),
        ] {
            let _ = keys.decrypt(&etcd_key, value);
        }
    }

    #[test]
    fn any_configuration_ends(text: Vec<u8>, resource in ".{0,20}") {
        let _ = Keys::parse(&text);
        let quoted = serde_json::to_string(&resource).unwrap();
        let _ = Keys::parse(config(&quoted, &[("aescbc", "a", 1)]).as_bytes());
    }

    #[test]
    fn any_plaintext_comes_back_and_any_changed_byte_is_told(rest: Vec<u8>, cipher in 0..3_usize, at: prop::sample::Index) {
        let provider = PROVIDERS[cipher];
        let keys = keys(&[(provider, "a", 1)]);
        let plain = [b"k8s\0", &rest[..]].concat();
        let mut value = stored(provider, "a", 1, KEY, &plain);
        prop_assert_eq!(keys.decrypt(KEY, value.clone()).unwrap(), plain);
        let start = value.len() - rest.len().max(16);
        let at = start + at.index(value.len() - start);
        value[at] ^= 1;
        // CBC authenticates nothing; the other two do.
        if provider != "aescbc" {
            prop_assert!(keys.decrypt(KEY, value).is_err());
        }
    }
}

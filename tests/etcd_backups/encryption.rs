//! Values that a real kube-apiserver encrypted at rest, read with the keys of the state store and with those of a file.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use runbook_kit::model::kubernetes::encryption::Keys;
use runbook_kit::model::kubernetes::metadata::ObjectMeta;
use runbook_kit::model::kubernetes::value::{Encoding, Value as StoredValue};
use serde_json::{Value, json};
use support::store::CLUSTER;
use support::{Ca, Ended, Etcd, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, backup};

use crate::env::{Env, RESTORED};

const FIRST: &str = "2026-11-22T14:00:00Z-000001";
const ROTATED: &str = "2026-11-22T15:00:00Z-000001";
/// A cluster that was made anew on the same store.
const RESEEDED: &str = "2026-11-22T15:15:00Z-000001";
const BEFORE: &str = "main=2026-11-22T14";
const AFTER: &str = "main=2026-11-22T15:00";

/// One byte, 32 times: the secrets of all keys here.
fn secret(byte: u8) -> String {
    BASE64.encode([byte; 32])
}

/// What kube-apiserver is given: three providers, an exception, and a wildcard that matches late. `secrets` are the names and
/// bytes of the keys for Secrets; the first encrypts.
fn configuration(secrets: &[(&str, u8)]) -> String {
    let of_secrets: Vec<String> = secrets
        .iter()
        .map(|(name, byte)| format!("{{name: {name}, secret: {}}}", secret(*byte)))
        .collect();
    format!(
        "kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [leases.coordination.k8s.io, events]
  providers:
  - identity: {{}}
- resources: [secrets]
  providers:
  - aescbc: {{keys: [{}]}}
  - identity: {{}}
- resources: [configmaps, namespaces]
  providers:
  - aesgcm: {{keys: [{{name: gcm, secret: {gcm}}}]}}
- resources: ['*.apps']
  providers:
  - secretbox: {{keys: [{{name: box, secret: {apps}}}]}}
- resources: ['*.*']
  providers:
  - secretbox: {{keys: [{{name: box, secret: {all}}}]}}
",
        of_secrets.join(", "),
        gcm = secret(0x67),
        apps = secret(0x61),
        all = secret(0x2a),
    )
}

/// As `kops create secret encryptionconfig` stores it.
fn keep(env: &Env, configuration: &str) {
    let folder = env.root().join(CLUSTER).join("secrets");
    fs::create_dir_all(&folder).unwrap();
    let kept = json!({ "Data": BASE64.encode(configuration) });
    fs::write(folder.join("encryptionconfig"), kept.to_string()).unwrap();
}

struct Made {
    /// The files of the backups by their paths. In memory: what is static is never removed.
    backups: Vec<(PathBuf, Vec<u8>)>,
    /// The UID of `kube-system`.
    uid: String,
    /// The UID of `kube-system` of the cluster that was made anew.
    other_uid: String,
    /// The custom resource, as the API shows it.
    widget: Value,
    /// All that etcd held before the rotation: key and value.
    stored: Vec<(Vec<u8>, Vec<u8>)>,
    /// The objects by their keys, as the API shows them.
    objects: Vec<(&'static str, Value)>,
}

/// Made once: an API server takes its time.
static MADE: LazyLock<Made> = LazyLock::new(|| {
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");

    let before = configuration(&[("key1", 1)]);
    let api = KubeApiServer::start(&etcd, &options.encrypted(&before)).unwrap();
    create(&api);
    let uid = uid(&api);
    let paths = [
        ("/registry/secrets/shop/s1", "/api/v1/namespaces/shop/secrets/s1"),
        ("/registry/configmaps/shop/c1", "/api/v1/namespaces/shop/configmaps/c1"),
        ("/registry/namespaces/shop", "/api/v1/namespaces/shop"),
        (
            "/registry/deployments/shop/web",
            "/apis/apps/v1/namespaces/shop/deployments/web",
        ),
        (
            "/registry/services/specs/shop/web",
            "/api/v1/namespaces/shop/services/web",
        ),
    ];
    let objects = paths.map(|(key, path)| (key, api.get(path).unwrap()));
    let widget = api.get("/apis/example.com/v1/namespaces/shop/widgets/w1").unwrap();
    backup::write(&etcd, &folder.path().join(FIRST)).unwrap();
    let stored = etcd.keys(b"/registry/").unwrap();
    drop(api);

    // A new key first; the old one stays for what it encrypted.
    let after = configuration(&[("key2", 2), ("key1", 1)]);
    let api = KubeApiServer::start(&etcd, &options.encrypted(&after)).unwrap();
    let path = "/api/v1/namespaces/shop/secrets/s1";
    api.replace(path, &api.get(path).unwrap()).unwrap();
    backup::write(&etcd, &folder.path().join(ROTATED)).unwrap();
    drop(api);

    let anew = Etcd::start(EtcdVersion::V3_6).unwrap();
    let api = KubeApiServer::start(&anew, &options.encrypted(&after)).unwrap();
    let other_uid = self::uid(&api);
    backup::write(&anew, &folder.path().join(RESEEDED)).unwrap();

    let files = support::store::tree(folder.path()).unwrap().into_iter();
    let relative = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_owned();
    Made {
        backups: files.map(|(path, content)| (relative(path), content)).collect(),
        uid,
        other_uid,
        widget,
        stored: stored.into_iter().map(|stored| (stored.key, stored.value)).collect(),
        objects: objects.into(),
    }
});

fn uid(api: &KubeApiServer) -> String {
    let found = api.get("/api/v1/namespaces/kube-system").unwrap();
    found["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// A namespace with an object for each entry of the configuration.
fn create(api: &KubeApiServer) {
    let create = |path: &str, object: Value| api.create(path, &object).unwrap();
    create("/api/v1/namespaces", json!({"metadata": {"name": "shop"}}));
    for name in ["s1", "s2"] {
        let object = json!({"metadata": {"name": name}, "stringData": {"password": "correct horse battery staple"}});
        create("/api/v1/namespaces/shop/secrets", object);
    }
    create(
        "/api/v1/namespaces/shop/configmaps",
        json!({"metadata": {"name": "c1"}, "data": {"a": "b"}}),
    );
    create(
        "/api/v1/namespaces/shop/services",
        json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}),
    );
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}});
    create(
        "/apis/apps/v1/namespaces/shop/deployments",
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}),
    );
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        json!({"metadata": {"name": "widgets.example.com"}, "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}}),
    );
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w1"}, "size": 7});
    let begun = Instant::now();
    while let Err(error) = api.create("/apis/example.com/v1/namespaces/shop/widgets", &widget) {
        assert!(begun.elapsed() < Duration::from_secs(240), "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A state store with these backups of main.
fn store(backups: &[&str]) -> Env {
    let env = Env::new(RESTORED);
    fs::remove_dir_all(env.base("main")).unwrap();
    for name in backups {
        for (path, content) in MADE.backups.iter().filter(|(path, _)| path.starts_with(name)) {
            let target = env.base("main").join(path);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, content).unwrap();
        }
    }
    env
}

/// Runs it and shows that no key was printed.
fn run(env: &Env, arguments: &[&str]) -> Ended {
    let ended = env.backups(arguments).run().unwrap();
    for byte in [1, 2, 3, 9, 0x67, 0x61, 0x2a] {
        let secret = secret(byte);
        assert!(
            !ended.stdout.contains(&secret) && !ended.stderr.contains(&secret),
            "{arguments:?}"
        );
    }
    ended
}

fn file(env: &Env, configuration: &str) -> PathBuf {
    let path = env.root().join("encryption.yaml");
    fs::write(&path, configuration).unwrap();
    path
}

/// Provider, key, values, readable ones, resources.
fn encryption(ended: &Ended) -> Vec<String> {
    let rows = &ended.json()[0]["encryption"];
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let readable = match (&row["readable"], &row["objects"]) {
            (readable, objects) if readable == objects => "all".to_owned(),
            (readable, _) => readable.to_string(),
        };
        format!(
            "{}:{} {readable} {}",
            text("provider"),
            text("keyName"),
            text("problem")
        )
    })
    .collect()
}

#[test]
fn every_value_of_a_real_api_server_is_decrypted_to_what_the_api_shows() {
    let keys = Keys::parse(configuration(&[("key1", 1)]).as_bytes()).unwrap();
    assert_eq!(keys.names(), ["aescbc:key1", "aesgcm:gcm", "secretbox:box"]);
    let mut encrypted = 0;
    for (key, value) in &MADE.stored {
        let name = String::from_utf8_lossy(key).into_owned();
        let was_encrypted = matches!(Encoding::of_head(value), Encoding::Encrypted(_));
        let plain = keys
            .decrypt(key, value.clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            matches!(Encoding::of_head(&plain), Encoding::Protobuf | Encoding::Json),
            "{name}"
        );
        let is_exception = name.starts_with("/registry/leases/") || name.starts_with("/registry/events/");
        assert!(was_encrypted || is_exception || plain == *value, "{name}");
        encrypted += usize::from(was_encrypted);
    }
    assert!(encrypted > 100, "{encrypted} of {}", MADE.stored.len());
    let find = |wanted: &str| MADE.stored.iter().find(|(key, _)| key == wanted.as_bytes()).unwrap();
    for (key, provider) in [
        ("/registry/secrets/shop/s1", "k8s:enc:aescbc:v1:key1:"),
        ("/registry/configmaps/shop/c1", "k8s:enc:aesgcm:v1:gcm:"),
        ("/registry/namespaces/shop", "k8s:enc:aesgcm:v1:gcm:"),
        ("/registry/deployments/shop/web", "k8s:enc:secretbox:v1:box:"),
        ("/registry/services/specs/shop/web", "k8s:enc:secretbox:v1:box:"),
        ("/registry/example.com/widgets/shop/w1", "k8s:enc:secretbox:v1:box:"),
    ] {
        assert!(find(key).1.starts_with(provider.as_bytes()), "{key}");
    }
    for (key, object) in &MADE.objects {
        let plain = keys.decrypt(key.as_bytes(), find(key).1.clone()).unwrap();
        let meta = ObjectMeta::of_value(&StoredValue::decode(&plain).unwrap()).unwrap();
        assert_eq!(meta.uid, object["metadata"]["uid"], "{key}");
    }
    let (key, value) = find("/registry/secrets/shop/s1");
    let plain = keys.decrypt(key, value.clone()).unwrap();
    let password = b"correct horse battery staple";
    assert!(plain.windows(password.len()).any(|bytes| bytes == password));
    // What AES-GCM encrypted belongs to its key of etcd.
    let (_, value) = find("/registry/configmaps/shop/c1");
    assert!(keys.decrypt(b"/registry/configmaps/shop/c2", value.clone()).is_err());
}

#[test]
fn inspect_reads_with_the_keys_of_the_state_store() {
    let env = store(&[FIRST]);
    keep(&env, &configuration(&[("key1", 1)]));
    let ended = run(&env, &["inspect", BEFORE, "-o", "json"]).success();
    assert_eq!(
        encryption(&ended),
        ["aescbc:key1 all ", "aesgcm:gcm all ", "secretbox:box all "]
    );
    let row = &ended.json()[0];
    assert_eq!(row["lineage"], MADE.uid.as_str());
    assert_eq!(row["undecodable"]["values"], 0);
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let shown = run(&env, &["inspect", BEFORE]).success();
    let shown: Vec<&str> = shown.stdout.lines().filter(|line| line.contains("aescbc")).collect();
    assert_eq!(
        shown,
        ["Encrypted     2 values by aescbc v1 with key `key1` (secrets), readable"]
    );

    // The file wins over the state store.
    let other = file(&env, &configuration(&[("key1", 9)]));
    let ended = run(
        &env,
        &[
            "inspect",
            BEFORE,
            "-o",
            "json",
            "--encryption-config",
            other.to_str().unwrap(),
        ],
    );
    assert_eq!(
        encryption(&ended.success())[0],
        "aescbc:key1 0 key `key1` does not decrypt it: aescbc was given another key of that name, or the value is damaged"
    );
}

#[test]
fn both_keys_of_a_rotation_are_used_and_a_new_one_is_no_change() {
    let env = store(&[FIRST, ROTATED]);
    keep(&env, &configuration(&[("key2", 2), ("key1", 1)]));
    let ended = run(&env, &["inspect", AFTER, "-o", "json"]).success();
    assert_eq!(
        encryption(&ended),
        [
            "aescbc:key1 all ",
            "aescbc:key2 all ",
            "aesgcm:gcm all ",
            "secretbox:box all "
        ]
    );
    let changed = |env: &Env| {
        let ended = run(env, &["diff", BEFORE, AFTER, "-o", "json"]).success();
        let secrets = ended.json()[0]["changed"].as_array().unwrap().clone();
        let secrets = secrets.iter().filter(|found| found["resource"] == "secrets");
        secrets
            .map(|found| found["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(changed(&env), [""; 0]);
    // Only the new key is left: what it did not encrypt cannot be compared.
    keep(&env, &configuration(&[("key2", 2)]));
    assert_eq!(changed(&env), ["s1"]);
    let ended = run(&env, &["inspect", AFTER, "-o", "json"]).success();
    assert_eq!(
        encryption(&ended)[0],
        "aescbc:key1 0 it is encrypted by aescbc v1 with key `key1`, and only aescbc:key2, aesgcm:gcm, secretbox:box are at hand"
    );
}

#[test]
fn without_keys_it_is_told_which_are_wanted() {
    let env = store(&[FIRST]);
    let ended = run(&env, &["inspect", BEFORE, "-o", "json"]).success();
    let none = |key: &str, provider: &str| {
        format!("{provider}:{key} 0 it is encrypted by {provider} v1 with key `{key}`, and no key is at hand")
    };
    assert_eq!(
        encryption(&ended),
        [none("key1", "aescbc"), none("gcm", "aesgcm"), none("box", "secretbox")]
    );
    assert_eq!(ended.json()[0]["lineage"], Value::Null);
    let refused = run(&env, &["export", BEFORE, "example.com/widgets/shop/w1", "-o", "json"]).code(3);
    let _ = refused
        .stderr_has("encrypted by secretbox v1 with key `box`")
        .stderr_has("--encryption-config");
    // A state store whose secret is broken warns, and says nothing of what is in it.
    let secrets = env.root().join(CLUSTER).join("secrets");
    fs::create_dir_all(&secrets).unwrap();
    for broken in ["{}", r#"{"Data":"%"}"#, r#"{"Data":"a2luZDogQ29uZmln"}"#] {
        fs::write(secrets.join("encryptionconfig"), broken).unwrap();
        let ended = run(&env, &["inspect", BEFORE, "-o", "json"]).success();
        let ended = ended.stderr_has("warning").stderr_has("secrets/encryptionconfig");
        assert_eq!(ended.json()[0]["lineage"], Value::Null);
        assert_eq!(ended.stderr.matches("encryptionconfig").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_custom_resource_is_exported_as_the_api_shows_it() {
    let env = store(&[FIRST]);
    let config = file(&env, &configuration(&[("key1", 1)]));
    let export = ["export", BEFORE, "example.com/widgets/shop/w1", "-o", "json"];
    let with = [&export[..], &["--encryption-config", config.to_str().unwrap()]].concat();
    let mut exported = run(&env, &with).success().json();
    // Of one object its List is no part.
    if exported["kind"] == "List" {
        exported = exported["items"][0].clone();
    }
    assert_eq!(exported["size"], 7);
    assert_eq!(exported["metadata"]["uid"], MADE.widget["metadata"]["uid"]);
    let raw = run(&env, &["export", BEFORE, "/registry/secrets/shop/s1", "--raw"]).success();
    assert!(raw.stdout.starts_with("k8s:enc:aescbc:v1:key1:"), "{}", raw.stdout);
}

#[test]
fn a_cluster_made_anew_is_known_by_its_encrypted_namespace() {
    let env = store(&[FIRST, RESEEDED]);
    let verify = || {
        let ended = run(&env, &["verify", "--all", "--etcd", "main", "-o", "json"]);
        let rows = ended.json();
        let row = |name: &str| {
            let rows = rows.as_array().unwrap();
            rows.iter().find(|row| row["name"] == name).unwrap().clone()
        };
        (row(FIRST), row(RESEEDED), ended.stderr)
    };
    // Both are of nobody knows whom.
    let (first, anew, stderr) = verify();
    assert_eq!((&first["lineage"], &anew["lineage"]), (&Value::Null, &Value::Null));
    assert!(!stderr.contains("encryptionconfig"), "{stderr}");
    keep(&env, &configuration(&[("key2", 2), ("key1", 1)]));
    let (first, anew, stderr) = verify();
    assert_eq!(first["lineage"], MADE.uid.as_str());
    assert_eq!(anew["lineage"], MADE.other_uid.as_str());
    assert_eq!((&first["good"], &anew["good"]), (&true.into(), &false.into()));
    assert!(!stderr.contains("judged by keys alone"), "{stderr}");
    // Which is asked for by its UID.
    let by_uid = |uid: &str| run(&env, &["show", "main=latest-good", "--lineage", uid, "-o", "name"]);
    assert_eq!(by_uid(&MADE.uid).success().stdout, format!("{FIRST}\n"));
    let timeline = run(&env, &["timeline", "--keys", "--etcd", "main", "-o", "json"]).success();
    let marks = &timeline.json()[1]["marks"];
    assert!(marks.as_array().unwrap().contains(&"lineage".into()), "{marks}");
}

#[test]
fn a_file_that_is_no_configuration_is_a_usage_error() {
    let env = store(&[]);
    let inspect = |text: &str| {
        let path = file(&env, text);
        let path = path.to_str().unwrap();
        run(&env, &["list", "--encryption-config", path]).code(2).stderr
    };
    let secret = format!("secret: {}", secret(1));
    let short = configuration(&[("key1", 1)]).replacen(&secret, "secret: aHVudGVyMg==", 1);
    for (text, told) in [
        (
            "kind: Config\nusers: [{token: hunter2}]",
            "it is a Config, not an EncryptionConfiguration",
        ),
        (
            "hunter2: [",
            "it is not the YAML of an EncryptionConfiguration (line 1)",
        ),
        (
            short.as_str(),
            "the secret of aescbc key `key1` has 7 bytes instead of 16, 24 or 32",
        ),
    ] {
        let stderr = inspect(text);
        assert!(
            stderr.contains(told) && !stderr.contains("hunter2") && !stderr.contains("aHVudGVyMg"),
            "{stderr}"
        );
    }
    let _ = run(&env, &["list", "--encryption-config", "/does/not/exist"])
        .code(2)
        .stderr_has("/does/not/exist");
    // As kops keeps it.
    let kept = json!({ "Data": BASE64.encode(configuration(&[("key1", 1)])) }).to_string();
    let path = file(&env, &kept);
    let _ = run(
        &env,
        &[
            "list",
            "--etcd",
            "events",
            "--encryption-config",
            path.to_str().unwrap(),
        ],
    )
    .success();
}

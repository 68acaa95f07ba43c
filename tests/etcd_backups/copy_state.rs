//! `copy --state-store`: what a cluster needs beside its backups, private keys among it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::store::{self, CLUSTER};
use support::{Cmd, Moto, S3, SeaweedFs};
use tempfile::TempDir;

use crate::env::{Env, NOW, RESTORED, backups, tree};

const LATER: &str = "2026-11-22T16:00:00Z";
const BLOCKED: &str = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>\
    </PublicAccessBlockConfiguration>";
const ENCRYPTED: &str = "<ServerSideEncryptionConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>\
    <ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
    </ServerSideEncryptionConfiguration>";

struct Safe {
    env: Env,
    to: TempDir,
}

impl Safe {
    fn new() -> Self {
        let (env, to) = (Env::new(RESTORED), tempfile::tempdir().unwrap());
        let safe = Self { env, to };
        safe.mode(0o700);
        safe
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(self.to.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn copy(&self, arguments: &[&str]) -> Cmd {
        let to = format!("file://{}", self.to.path().display());
        self.env
            .backups(&["copy", "--state-store", "--to", &to, "-o", "json"])
            .args(arguments)
    }

    fn states(&self) -> PathBuf {
        self.to.path().join(CLUSTER).join("backups/state")
    }
}

/// The files of a cluster's folder that are no backups, below it.
fn state_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = tree(folder).into_iter();
    let files = files.map(|(path, content)| (path.strip_prefix(folder).unwrap().to_owned(), content));
    files
        .filter(|(path, _)| !path.starts_with("backups") && path != Path::new("_copy.json"))
        .collect()
}

#[test]
fn all_but_the_backups_is_copied_when_it_has_changed() {
    let safe = Safe::new();
    let before = tree(safe.env.root());
    let planned = safe.copy(&[]).run().unwrap().success();
    assert_eq!(planned.json()[0]["state"], "planned");
    assert_eq!(tree(safe.to.path()), []);
    let first = safe.copy(&["--yes"]).run().unwrap().success();
    let name = first.json()[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(first.json()[0]["state"], "copied");
    let source = safe.env.root().join(CLUSTER);
    let copied = state_of(&safe.states().join(&name));
    assert_eq!(copied, state_of(&source));
    assert!(copied.iter().any(|(path, _)| path.starts_with("pki/private")));

    let written = tree(safe.to.path());
    let again = safe.copy(&["--yes"]).now(LATER).run().unwrap().success();
    assert_eq!(
        (&again.json()[0]["state"], &again.json()[0]["name"]),
        (&"there".into(), &name.clone().into())
    );
    assert_eq!(tree(safe.to.path()), written);
    assert_eq!(tree(safe.env.root()), before);

    // A change makes a new one, and the old one stays, until it is too old.
    fs::write(source.join("instancegroup/nodes-new"), "kind: InstanceGroup").unwrap();
    let changed = safe.copy(&["--yes"]).now(LATER).run().unwrap().success();
    assert_ne!(changed.json()[0]["name"], name.as_str());
    assert!(safe.states().join(&name).join("_copy.json").exists());
    let pruned = safe
        .copy(&["--yes", "--keep", "10m"])
        .now("2026-11-22T18:00:00Z")
        .run()
        .unwrap()
        .success();
    assert_eq!(pruned.json()[1]["state"], "deleted");
    // Empty folders mean nothing.
    assert_eq!(tree(&safe.states().join(&name)), []);
    let manifests = tree(&safe.states()).into_iter();
    assert_eq!(manifests.filter(|(path, _)| path.ends_with("_copy.json")).count(), 1);

    // With backups in one command; the copies are found as those of any state store.
    let both = safe
        .copy(&["main=latest-good", "--yes"])
        .now(NOW)
        .run()
        .unwrap()
        .success();
    assert_eq!(both.json().as_array().unwrap().len(), 2);
    let list = backups(&["list", "-o", "json", "--name", CLUSTER, "--state"]);
    let list = list.arg(format!("file://{}", safe.to.path().display()));
    assert_eq!(list.run().unwrap().success().json().as_array().unwrap().len(), 1);
}

#[test]
fn a_folder_that_others_can_enter_is_refused() {
    let safe = Safe::new();
    for mode in [0o755, 0o750, 0o701] {
        safe.mode(mode);
        let refused = safe.copy(&["--yes"]).run().unwrap().code(3);
        let _ = refused.stderr_has("private keys").stderr_has("-m 700");
    }
    safe.mode(0o700);
    let _ = safe.copy(&["--yes"]).run().unwrap().success();
    let absent = format!("file://{}/absent", safe.to.path().display());
    let refused = safe.env.backups(&["copy", "--state-store", "--yes", "--to", &absent]);
    let _ = refused.run().unwrap().code(3).stderr_has("does not exist");
    let within = format!("{}/{CLUSTER}/x", safe.env.url());
    let refused = safe.env.backups(&["copy", "--state-store", "--yes", "--to", &within]);
    let _ = refused.run().unwrap().code(3).stderr_has("the same store");
}

#[test]
fn a_bucket_must_be_encrypted_and_closed() {
    let moto = Moto::start().unwrap();
    store::serve_state_store(&moto, "kops-state", RESTORED).unwrap();
    let copy = |server: &dyn S3, bucket: &str| {
        let to = format!("s3://{bucket}");
        backups(&[
            "copy",
            "--state-store",
            "--yes",
            "-o",
            "json",
            "--state",
            "s3://kops-state",
            "--name",
            CLUSTER,
        ])
        .args(["--to", &to])
        .envs(server.env())
        .run()
        .unwrap()
    };
    let bucket = |name: &str, settings: &[(&str, &str)]| {
        moto.create_bucket(name).unwrap();
        for (query, body) in settings {
            let _ = moto.bucket_request("PUT", name, query, body.as_bytes()).unwrap();
        }
    };
    bucket("plain", &[("publicAccessBlock", BLOCKED)]);
    let _ = copy(&moto, "plain")
        .code(3)
        .stderr_has("not encrypted")
        .stderr_has("s3://plain");
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::open/*"}]}"#;
    bucket("open", &[("encryption", ENCRYPTED), ("policy", open)]);
    let _ = copy(&moto, "open").code(3).stderr_has("others can read it");
    bucket("safe", &[("encryption", ENCRYPTED), ("publicAccessBlock", BLOCKED)]);
    let copied = copy(&moto, "safe").success().json();
    assert_eq!(copied[0]["state"], "copied");
    let key = "pki/private/etcd-clients-ca/keyset.yaml";
    let name = copied[0]["name"].as_str().unwrap();
    assert_eq!(
        moto.get("safe", &format!("{CLUSTER}/backups/state/{name}/{key}"))
            .unwrap(),
        moto.get("kops-state", &format!("{CLUSTER}/{key}")).unwrap()
    );

    // A server that knows neither is not known to be safe.
    let weed = SeaweedFs::start().unwrap();
    store::serve_state_store(&weed, "kops-state", RESTORED).unwrap();
    weed.create_bucket("copies").unwrap();
    let _ = copy(&weed, "copies").code(3).stderr_has("must not hold private keys");
}

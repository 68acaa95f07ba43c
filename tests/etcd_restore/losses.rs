//! What a restore over a living etcd would take away, counted beforehand on real etcds.

use serde_json::{Value, json};
use support::{Cmd, Etcd, EtcdOptions, EtcdVersion, Put, backup};
use tempfile::TempDir;

use crate::env::{Env, RESTORED, tree};

const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";
const ACCIDENT: &str = "2026-11-22T15:19:01Z-000002";

struct Living {
    env: Env,
    etcd: Etcd,
    _data: TempDir,
}

impl Living {
    /// The etcd of a backup as etcd's own tools bring it back: with its revisions.
    fn of(name: &str) -> Self {
        let env = Env::new(RESTORED);
        let data = tempfile::tempdir().unwrap();
        let archive = env.base("main").join(name).join("etcd.backup.gz");
        let etcd = Etcd::start_with(&EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: Some(backup::restore(&archive, data.path()).unwrap()),
        })
        .unwrap();
        Self { env, etcd, _data: data }
    }

    fn restore(&self, arguments: &str) -> Cmd {
        let endpoint = format!("main={}", self.etcd.endpoint());
        let backup = format!("main={HEALTHY}");
        let cmd = self
            .env
            .restore(arguments)
            .args(["--etcd", "main", "--backup", &backup]);
        cmd.args(["--endpoints", &endpoint])
    }

    fn losses(&self) -> Value {
        let plan = self.restore("plan -o json").run().unwrap().success().json();
        plan["restores"][0]["losses"].clone()
    }
}

fn of<'v>(losses: &'v Value, resource: &str) -> &'v Value {
    let rows = losses["resources"].as_array().unwrap();
    rows.iter().find(|row| row["resource"] == resource).unwrap()
}

#[test]
fn what_was_made_deleted_and_changed_since_the_backup_is_counted_by_resource() {
    // What `etcd-backups diff` tells of these two: 15 Secrets and a Deployment gone, a ConfigMap new.
    let living = Living::of(ACCIDENT);
    let losses = living.losses();
    assert_eq!(
        (&losses["sameHistory"], &losses["complete"]),
        (&true.into(), &true.into())
    );
    assert_eq!((&losses["gone"], &losses["new"]), (&16.into(), &1.into()), "{losses}");
    assert_eq!(
        of(&losses, "secrets"),
        &json!({ "resource": "secrets", "gone": 15, "new": 0, "changed": 0 })
    );
    assert_eq!(of(&losses, "configmaps")["new"], 1);
    assert_eq!(
        (&losses["backupRevision"], &losses["livingRevision"]),
        (&300.into(), &353.into())
    );
    // It goes on living.
    let kept = living.etcd.keys(b"/registry/configmaps/shop/").unwrap().remove(0);
    let new = |name: &str| Put::new(format!("/registry/secrets/shop/{name}"), "x");
    living
        .etcd
        .put(&[new("a"), new("b"), Put::new(kept.key, "another value")])
        .unwrap();
    let before = tree(living.env.root());
    let ended = living.restore("plan").run().unwrap().success();
    let told: String = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("IT IS ALIVE at revision 354"), "{told}");
    assert!(told.contains("data-trashcan"), "{told}");
    let losses = living.losses();
    assert_eq!((&losses["new"], &losses["gone"]), (&3.into(), &16.into()), "{losses}");
    assert_eq!(of(&losses, "secrets")["new"], 2);
    // `run` says the same before it asks for the name.
    let refused = living.restore("run --yes").run().unwrap().code(3);
    let refused = refused.stderr_has("--confirm super.k8s.local");
    let told: String = refused.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("3 objects created since then will be lost"), "{told}");
    assert!(told.contains("deleted since then will reappear"), "{told}");
    assert_eq!(tree(living.env.root()), before);
}

#[test]
fn of_an_etcd_that_was_restored_since_only_names_are_compared() {
    let living = Living::of(HEALTHY);
    // As etcd-manager restores it: by plain puts into a new etcd, whose revisions begin again.
    let anew = Etcd::start(EtcdVersion::V3_5).unwrap();
    for stored in living.etcd.keys(b"").unwrap() {
        anew.put(&[Put::new(stored.key, stored.value)]).unwrap();
    }
    anew.put(&[Put::new("/registry/secrets/shop/new", "x")]).unwrap();
    let living = Living { etcd: anew, ..living };
    let losses = living.losses();
    assert_eq!(losses["sameHistory"], false);
    assert_eq!(
        (&losses["new"], &losses["changed"]),
        (&1.into(), &Value::Null),
        "{losses}"
    );
}

#[test]
fn many_keys_are_compared_over_many_answers_as_of_one_revision() {
    let living = Living::of(HEALTHY);
    let puts: Vec<Put> = (0..5000)
        .map(|number| Put::new(format!("/registry/configmaps/shop/many-{number:05}"), "x"))
        .collect();
    living.etcd.put(&puts).unwrap();
    let losses = living.losses();
    assert_eq!((&losses["new"], &losses["complete"]), (&5000.into(), &true.into()));
    assert_eq!(of(&losses, "configmaps")["new"], 5000);
}

//! `member replace`: a member killed for good is removed, its volume put into quarantine, and a new one joins; no key is lost.

use std::fs;

use serde_json::Value;
use support::aws::Built;
use support::store::{self, CLUSTER};
use support::{AwsAccount, Cmd, EtcdVersion, KopsCluster, Moto, Put, S3, wait_for};
use tempfile::TempDir;

use crate::env::{Env, steps};

const QUOTA: u64 = 64 << 20;
const KEYS: i64 = 500;
const NOW: &str = "2026-11-22T18:20:00Z";

/// The etcd, its cluster in AWS, and its state store.
struct World {
    env: Env,
    moto: Moto,
    account: AwsAccount,
    built: Built,
    state: TempDir,
}

impl World {
    fn new(version: EtcdVersion) -> Self {
        Self::of([version; 3])
    }

    fn of(versions: [EtcdVersion; 3]) -> Self {
        let [a, b, c] = versions;
        let env = Env::of(&[(a, "etcd-a"), (b, "etcd-b"), (c, "etcd-c")], QUOTA);
        let keys: Vec<Put> = (0..KEYS)
            .map(|number| Put::new(format!("/registry/configmaps/shop/c{number}"), "v"))
            .collect();
        env.members[0].put(&keys).unwrap();
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        let cluster = KopsCluster::of_masters(CLUSTER);
        let built = cluster.build(&account).unwrap();
        let state = tempfile::tempdir().unwrap();
        let base = format!("file://{}", state.path().display());
        store::make_state_store(state.path(), &base, "state-store-restored").unwrap();
        Self {
            env,
            moto,
            account,
            built,
            state,
        }
    }

    fn cmd(&self, arguments: &str) -> Cmd {
        self.env
            .cmd(arguments)
            .envs(self.moto.env())
            .now(NOW)
            .args(["--name", CLUSTER])
            .args(["--state", &format!("file://{}", self.state.path().display())])
    }

    fn yes(&self, arguments: &str) -> Cmd {
        self.cmd(arguments).args(["--yes", "--confirm", CLUSTER])
    }

    /// Kills `etcd-c`, and takes its volume off its master. If it was the leader, the others elect another one first.
    fn lose_c(&mut self) -> String {
        drop(self.env.members.pop());
        let left: Vec<String> = self.env.members.iter().map(|member| member.id().unwrap()).collect();
        wait_for("there is a leader", || {
            let mut leaders = self.env.members.iter().map(|member| member.leader().unwrap());
            leaders.all(|leader| leader.is_some_and(|leader| left.contains(&leader)))
        });
        let volume = self.volume_of_c();
        self.account.detach(&volume).unwrap();
        volume.id
    }

    fn volume_of_c(&self) -> support::aws::EtcdVolume {
        let mut volumes = self.built.etcd_volumes.iter();
        let found = volumes.find(|volume| volume.etcd == "main" && volume.member == "c");
        found.unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        self.env.members[0].member_names().unwrap()
    }

    fn is_hidden(&self, volume: &str) -> bool {
        let tags = self.account.volume_tags(volume).unwrap();
        let found = tags.contains_key("k8s.io/etcd/main") || tags.contains_key("KubernetesCluster");
        !found && tags.contains_key("kops-recovery/was/k8s.io/etcd/main")
    }

    fn journals(&self) -> Vec<Value> {
        let folder = self.state.path().join(CLUSTER).join("backups/recovery");
        let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap());
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with("replaced-member-"))
            .map(|file| serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap())
            .collect()
    }
}

fn lost_and_replaced(version: EtcdVersion) {
    let mut world = World::new(version);
    let volume = world.lose_c();
    let before = world.account.picture().unwrap();

    let plan = world.cmd("member replace c -o json").run().unwrap().success();
    let plan = plan.stderr_has("nothing was changed; pass --yes").json();
    let steps = steps(&plan);
    assert!(steps[0].starts_with("remove member etcd-c ("), "{steps:?}");
    assert_eq!(steps[1..], [format!("quarantine volume {volume}")]);
    world
        .cmd("member replace c --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("pass --confirm");
    world
        .cmd("member replace c --yes --confirm other")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("nothing was changed");
    assert_eq!(world.account.picture().unwrap(), before);
    assert_eq!(world.names().len(), 3);
    assert!(world.journals().is_empty());

    let done = world.yes("member replace etcd-c").run().unwrap().success();
    done.stdout_has("kops update cluster --name").stdout_has("restart-etcd");
    assert_eq!(world.names(), ["etcd-a", "etcd-b"]);
    assert!(world.is_hidden(&volume));
    let journal = &world.journals()[0];
    assert_eq!((&journal["done"], &journal["etcd"]), (&2.into(), &"main".into()));
    assert!(journal["finished"].is_string());
    assert_eq!(
        world.account.picture().unwrap().without([volume.as_str()]),
        before.without([volume.as_str()])
    );
    let again = world.yes("member replace c").run().unwrap().success();
    again.stderr_has("nothing to do");
    // What etcd no longer has is still shown, since its volume is there.
    let list = world.cmd("member list -o json").run().unwrap().success().json();
    let (a, c) = (&list[0], &list[2]);
    assert_eq!((&a["name"], &a["masterState"]), (&"etcd-a".into(), &"running".into()));
    assert_eq!((&c["name"], &c["registered"]), (&"etcd-c".into(), &false.into()));
    assert_eq!(c["volumes"], serde_json::json!([volume]));
    let shown = world.cmd("member list").run().unwrap().success();
    shown.stdout_has("in quarantine").stderr_has("2 of 2 voting");

    world.env.join(version, "etcd-c", false);
    let joined = world.env.members.last().unwrap();
    wait_for("the new member has all keys", || {
        joined.count_keys().is_ok_and(|count| count == KEYS)
    });
    let list = world.cmd("member list").run().unwrap().success();
    list.stderr_has("3 of 3 voting members answer");
    world
        .yes("member replace c")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("etcd-c answers");
}

#[test]
fn a_lost_member_is_replaced_and_no_key_is_lost() {
    lost_and_replaced(EtcdVersion::V3_6);
}

#[test]
fn the_same_with_etcd_3_5() {
    lost_and_replaced(EtcdVersion::V3_5);
}

#[test]
fn the_same_with_etcd_3_7() {
    lost_and_replaced(EtcdVersion::V3_7);
}

#[test]
fn what_must_not_be_removed_is_not() {
    let mut world = World::new(EtcdVersion::V3_6);
    world
        .yes("member replace z")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("its members are etcd-a, etcd-b, etcd-c");
    world
        .yes("member replace a")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("etcd-a answers");
    // Its volume stays, since a master may have made it anew.
    drop(world.env.members.pop());
    let plan = world.cmd("member replace c").run().unwrap().success();
    plan.stderr_has("is attached to");
    let queued = world
        .state
        .path()
        .join(CLUSTER)
        .join("backups/etcd/main/control/2026-11-22T18:00:00Z-000000");
    fs::create_dir_all(&queued).unwrap();
    fs::write(queued.join("_command.json"), "{}").unwrap();
    world
        .yes("member replace c")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("is queued: 2026-11-22T18:00:00Z");
    fs::remove_dir_all(&queued).unwrap();
    let blind = world
        .yes("member replace c")
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "");
    blind.run().unwrap().code(1).stderr_has("--keep-volume");
    assert_eq!(world.names().len(), 3);
    // Without quorum.
    drop(world.env.members.pop());
    wait_for("the last one has no leader", || {
        let refused = world.yes("member replace c").run().unwrap();
        refused.code(3).stderr.contains("no member has a leader")
    });
}

#[test]
fn removed_from_etcd_only_where_aws_is_not_asked() {
    let mut world = World::new(EtcdVersion::V3_6);
    let volume = world.lose_c();
    let blind = world
        .yes("member replace c --keep-volume")
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "");
    blind.run().unwrap().success();
    assert_eq!(world.names(), ["etcd-a", "etcd-b"]);
    assert!(!world.is_hidden(&volume));
    // What is left is done later.
    world.yes("member replace c").run().unwrap().success();
    assert!(world.is_hidden(&volume));
}

#[test]
fn a_learner_that_is_stuck_a_member_that_never_started_and_a_corrupt_one_are_removed() {
    let mut world = World::of([EtcdVersion::V3_5, EtcdVersion::V3_5, EtcdVersion::V3_6]);
    let mixed = world.cmd("member list -o json").run().unwrap().success().json();
    let versions: Vec<&str> = mixed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["version"].as_str().unwrap())
        .collect();
    assert!(
        versions[0].starts_with("3.5.") && versions[2].starts_with("3.6."),
        "{versions:?}"
    );

    world.env.join(EtcdVersion::V3_5, "etcd-d", true);
    let learner = world.cmd("member replace etcd-d").run().unwrap().success();
    learner.stderr_has("it has no vote");
    drop(world.env.members.pop());
    world.yes("member replace etcd-d").run().unwrap().success();

    world.env.members[0].register("http://127.0.0.1:1").unwrap();
    let unstarted = world.cmd("member list -o json").run().unwrap().success().json();
    let unstarted = unstarted
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "")
        .unwrap();
    let id = unstarted["id"].as_str().unwrap().to_owned();
    world.yes(&format!("member replace {id}")).run().unwrap().success();
    assert_eq!(world.names(), ["etcd-a", "etcd-b", "etcd-c"]);

    world.env.members[2].raise("CORRUPT").unwrap();
    world
        .yes("member replace b")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("etcd-b answers");
    let corrupt = world.yes("member replace c").run().unwrap().success();
    corrupt.stderr_has("disarm its alarm CORRUPT");
    assert_eq!(world.names(), ["etcd-a", "etcd-b"]);
    world.env.members[0].put(&[Put::new("/registry/after", "v")]).unwrap();
}

//! `drill`: the real etcdutl and etcd bring back what a backup holds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::store::{self, CLUSTER};
use support::{Cmd, EtcdVersion, Moto, Proxy, S3, components, wait_for};
use tempfile::TempDir;

use crate::env::plugin;

const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";

struct Ground {
    store: TempDir,
    /// Where drills unpack: empty again after each.
    temp: TempDir,
    programs: TempDir,
}

impl Ground {
    fn new() -> Self {
        let store = tempfile::tempdir().unwrap();
        let base = format!("file://{}", store.path().display());
        store::make_state_store(store.path(), &base, "state-store-restored").unwrap();
        let programs = tempfile::tempdir().unwrap();
        let link = |name: &str, path: &Path| std::os::unix::fs::symlink(path, programs.path().join(name)).unwrap();
        link("etcd", &components::etcd(EtcdVersion::V3_6).unwrap());
        link("etcdutl", &components::etcdutl().unwrap());
        Self {
            store,
            temp: tempfile::tempdir().unwrap(),
            programs,
        }
    }

    fn cmd(&self, arguments: &str) -> Cmd {
        plugin(arguments)
            .args(["--name", CLUSTER, "--state"])
            .arg(format!("file://{}", self.store.path().display()))
            .arg("--temp-dir")
            .arg(self.temp.path())
            .env("PATH", self.programs.path())
    }

    fn left(&self) -> usize {
        fs::read_dir(self.temp.path()).unwrap().count()
    }

    fn backup(&self, file: &str) -> std::path::PathBuf {
        let folder = self.store.path().join(CLUSTER).join("backups/etcd/main").join(HEALTHY);
        folder.join(file)
    }
}

#[test]
fn no_backup_is_fetched_twice() {
    let ground = Ground::new();
    let moto = Moto::start().unwrap();
    store::serve_state_store(&moto, "kops-state", "state-store-restored").unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    let drill = plugin("drill --etcd main")
        .args(["--name", CLUSTER, "--state", "s3://kops-state", "--temp-dir"])
        .arg(ground.temp.path())
        .env("PATH", ground.programs.path())
        .envs(proxy.env());
    drill.run().unwrap().success();
    let requests = proxy.requests().into_iter().map(|get| get.path);
    let mut fetched: Vec<String> = requests.filter(|path| path.ends_with("/etcd.backup.gz")).collect();
    fetched.sort();
    let mut once = fetched.clone();
    once.dedup();
    assert!(!fetched.is_empty() && fetched == once, "{fetched:?}");
}

#[test]
fn what_is_served_is_what_was_saved() {
    let ground = Ground::new();
    let ended = ground.cmd("drill -o json").run().unwrap().success().json();
    let etcds: Vec<_> = ended
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["etcd"].as_str().unwrap())
        .collect();
    assert_eq!(etcds, ["main", "events"]);
    let expected = store::expected().unwrap();
    for one in ended.as_array().unwrap() {
        assert_eq!(
            (&one["ok"], &one["problems"]),
            (&true.into(), &serde_json::json!([])),
            "{one}"
        );
        assert_eq!(one["snapshot"]["hash"], one["etcdutl"]["hash"]);
        let served = one["servedKeys"].as_u64().unwrap() + one["expiredKeys"].as_u64().unwrap();
        assert_eq!(one["snapshot"]["keys"], served);
    }
    assert!(expected.to_string().contains(&ended[0]["snapshot"]["hash"].to_string()));
    let text = ground
        .cmd(&format!("drill --backup main={HEALTHY}"))
        .run()
        .unwrap()
        .success();
    text.stdout_has("it restores: the restored data matches the backup")
        .stdout_has("control-plane")
        .stdout_has("secrets");
    assert_eq!(ground.left(), 0);
}

#[test]
fn a_backup_that_does_not_verify_is_not_tried() {
    let ground = Ground::new();
    let file = ground.backup("etcd.backup.gz");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&file, bytes).unwrap();
    let ended = ground
        .cmd(&format!("drill --backup main={HEALTHY}"))
        .run()
        .unwrap()
        .code(5);
    ended.stderr_has("does not verify").stderr_has("verify --all");
    assert_eq!(ground.left(), 0);
}

#[test]
fn programs_that_are_missing_or_of_another_version_are_named() {
    let ground = Ground::new();
    fs::remove_file(ground.programs.path().join("etcd")).unwrap();
    let drill = || {
        ground
            .cmd(&format!("drill --backup main={HEALTHY}"))
            .run()
            .unwrap()
            .code(1)
    };
    drill()
        .stderr_has("no `etcd` is on PATH")
        .stderr_has("install etcd and etcdutl");
    let newer = components::etcd(EtcdVersion::V3_7).unwrap();
    std::os::unix::fs::symlink(newer, ground.programs.path().join("etcd")).unwrap();
    drill()
        .stderr_has("installed are etcd 3.7.")
        .stderr_has("etcdutl 3.6.")
        .stderr_has("minor version");
    assert_eq!(ground.left(), 0);
}

#[test]
fn an_etcd_that_brings_back_something_else_is_found_out() {
    let ground = Ground::new();
    // An etcdutl that restores another backup than the one it is given.
    let real = components::etcdutl().unwrap();
    let other = ground
        .store
        .path()
        .join(CLUSTER)
        .join("backups/etcd/main/2026-11-22T15:19:01Z-000002/etcd.backup.gz");
    let script = format!(
        "#!/bin/sh\ncase $2 in restore) /usr/bin/gzip -dc {other} > $3.other; f=$3.other; shift 3; exec {real} snapshot restore $f \
         \"$@\";; esac\nexec {real} \"$@\"\n",
        other = other.display(),
        real = real.display()
    );
    let file = ground.programs.path().join("etcdutl");
    fs::remove_file(&file).unwrap();
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ended = ground
        .cmd(&format!("drill --backup main={HEALTHY}"))
        .run()
        .unwrap()
        .code(5);
    let ended = ended
        .stdout_has("the restored data does NOT match the backup")
        .stdout_has("keys not served");
    ended.stdout_has("after-accident");
    assert_eq!(ground.left(), 0);
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let ground = Ground::new();
    // An etcd that never serves, so that there is time to interrupt.
    let file = ground.programs.path().join("etcd");
    let real = components::etcd(EtcdVersion::V3_6).unwrap();
    fs::remove_file(&file).unwrap();
    let marker = ground.store.path().join("started");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec {} --version\necho $$ > {}\nexec /bin/sleep 600\n",
        real.display(),
        marker.display()
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut cmd = ground.cmd(&format!("drill --backup main={HEALTHY}"));
    let mut child = cmd.spawn().unwrap();
    let begun = Instant::now();
    let pid = loop {
        let pid = fs::read_to_string(&marker).unwrap_or_default();
        if pid.ends_with('\n') {
            break pid.trim().to_owned();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(240),
            "it never came to start etcd"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(ground.left(), 0);
    let alive = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    wait_for("the throwaway etcd ends", || !alive());
}

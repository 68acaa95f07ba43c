//! The queue on S3: conditional writes and deletions, and a store that refuses.

use std::thread;
use std::time::Duration;

use support::store::{self, CLUSTER};
use support::{Cmd, Fault, Moto, Proxy, Rule, S3};

use crate::env::{NOW, RESTORED};

const BUCKET: &str = "kops-state";
const NAME: &str = "2026-11-22T15:21:36Z-000000";

fn key(etcd: &str, name: &str) -> String {
    format!("{CLUSTER}/backups/etcd/{etcd}/control/{name}/_command.json")
}

fn moto() -> Moto {
    let moto = Moto::start().unwrap();
    store::serve_state_store(&moto, BUCKET, RESTORED).unwrap();
    moto
}

fn restore(s3: &impl S3, arguments: &str) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"))
        .unwrap()
        .envs(s3.env())
        .now(NOW)
        .args(arguments.split_whitespace())
        .args(["--state", &format!("s3://{BUCKET}"), "--name", CLUSTER])
}

#[test]
fn a_command_is_written_once_and_removed_only_while_it_is_the_same() {
    let moto = moto();
    let queue = |more: &str| {
        restore(&moto, &format!("queue main=latest-good -o json {more}"))
            .run()
            .unwrap()
    };
    // No master of this cluster runs in this account: a restore would be merged into nothing.
    queue("--yes").code(3).stderr_has("only 0 of 3 masters run");
    // Asked of nobody else, it is a warning.
    let blind = |arguments: &str| {
        restore(&moto, arguments)
            .without_env("AWS_REGION")
            .env("S3_REGION", "us-east-1")
    };
    let store_only = |arguments: &str| {
        let endpoint = moto.endpoint();
        blind(arguments)
            .without_env("AWS_ENDPOINT_URL")
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
            .env("S3_ENDPOINT", &endpoint)
            .env("S3_ACCESS_KEY_ID", "test")
            .env("S3_SECRET_ACCESS_KEY", "test")
    };
    let rows = store_only("queue main=latest-good --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(rows[0]["command"], NAME);
    let first = moto.get(BUCKET, &key("main", NAME)).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&first).is_ok());
    // Somebody else's command of this second is never written over.
    moto.put(BUCKET, &key("events", NAME), b"theirs").unwrap();
    store_only("queue events=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("cannot be read");
    assert_eq!(moto.get(BUCKET, &key("events", NAME)).unwrap(), b"theirs");
    store_only(&format!("cancel main={NAME} --yes"))
        .run()
        .unwrap()
        .success();
    assert!(!moto.exists(BUCKET, &key("main", NAME)).unwrap());
}

#[test]
fn a_store_that_refuses_leaves_nothing_behind_and_says_which_permission() {
    let moto = moto();
    let proxy = Proxy::start(&moto).unwrap();
    let store = |arguments: &str| {
        restore(&proxy, arguments)
            .without_env("AWS_ENDPOINT_URL")
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
            .env("S3_ENDPOINT", proxy.endpoint())
            .env("S3_ACCESS_KEY_ID", "test")
            .env("S3_SECRET_ACCESS_KEY", "test")
    };
    proxy.inject(Rule::always("PUT", "_command.json", denied()));
    store("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("s3:PutObject");
    assert!(!moto.exists(BUCKET, &key("main", NAME)).unwrap());
    moto.put(BUCKET, &key("main", NAME), b"{}").unwrap();
    proxy.inject(Rule::always("DELETE", "_command.json", denied()));
    store(&format!("cancel main={NAME} --yes"))
        .run()
        .unwrap()
        .code(1)
        .stderr_has("s3:DeleteObject");
    assert!(moto.exists(BUCKET, &key("main", NAME)).unwrap());
}

#[test]
fn a_command_that_cannot_be_removed_is_told_to_stay() {
    let moto = moto();
    let proxy = Proxy::start(&moto).unwrap();
    proxy.inject(Rule::always("DELETE", "_command.json", denied()));
    let run = restore(
        &proxy,
        "run --etcd main --yes --confirm super.k8s.local --take-timeout 2s",
    )
    .without_env("AWS_ENDPOINT_URL")
    .without_env("AWS_ACCESS_KEY_ID")
    .without_env("AWS_SECRET_ACCESS_KEY")
    .env("S3_ENDPOINT", proxy.endpoint())
    .env("S3_ACCESS_KEY_ID", "test")
    .env("S3_SECRET_ACCESS_KEY", "test");
    run.run()
        .unwrap()
        .code(4)
        .stderr_has(&format!("main: removing {NAME}: "))
        .stderr_has(&format!("command {NAME} stays queued"))
        .stderr_has(&format!(
            "kubectl etcd-restore cancel {NAME} --etcd main --name {CLUSTER} --state s3://{BUCKET} --yes"
        ));
    assert!(moto.exists(BUCKET, &key("main", NAME)).unwrap());
}

#[test]
fn a_store_that_hangs_is_told_after_a_few_seconds() {
    let moto = moto();
    let proxy = Proxy::start(&moto).unwrap();
    proxy.inject(Rule::times(1, "GET", "", Fault::Delay(Duration::from_secs(6))));
    let commands = |more: &str| {
        let cmd = restore(&proxy, &format!("commands {more}")).without_env("AWS_ENDPOINT_URL");
        cmd.env("S3_ENDPOINT", proxy.endpoint())
            .env("S3_ACCESS_KEY_ID", "test")
            .env("S3_SECRET_ACCESS_KEY", "test")
    };
    let ended = commands("").run().unwrap().success();
    ended.stderr_has("still reading s3://kops-state").stderr_has("(4 s)");
    proxy.inject(Rule::times(1, "GET", "", Fault::Delay(Duration::from_secs(6))));
    let quiet = commands("-q").run().unwrap().success();
    assert!(!quiet.stderr.contains("still reading"), "{}", quiet.stderr);
}

#[test]
fn two_operators_in_one_second_never_queue_twice() {
    let both = |first: &str, second: &str| {
        let moto = moto();
        let proxy = Proxy::start(&moto).unwrap();
        // Both have seen an empty queue before either writes.
        proxy.inject(Rule::always(
            "PUT",
            "_command.json",
            Fault::Delay(Duration::from_secs(6)),
        ));
        let queue = |backup: &str, now: &str| {
            let cmd = restore(&proxy, &format!("queue main={backup} --yes --confirm super.k8s.local"))
                .without_env("AWS_ENDPOINT_URL");
            cmd.without_env("AWS_ACCESS_KEY_ID")
                .without_env("AWS_SECRET_ACCESS_KEY")
                .env("S3_ENDPOINT", proxy.endpoint())
                .env("S3_ACCESS_KEY_ID", "test")
                .env("S3_SECRET_ACCESS_KEY", "test")
                .now(now)
        };
        let commands = [
            queue(first, "2026-11-22T15:21:36.1Z"),
            queue(second, "2026-11-22T15:21:36.9Z"),
        ];
        let ended: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = commands.map(|cmd| scope.spawn(|| cmd.run().unwrap())).into();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let puts = proxy.requests();
        let puts = puts
            .iter()
            .filter(|one| one.method == "PUT" && one.path.contains("_command.json"));
        assert_eq!(puts.count(), 2, "they met");
        assert!(moto.exists(BUCKET, &key("main", NAME)).unwrap());
        assert!(
            !moto
                .exists(BUCKET, &key("main", "2026-11-22T15:21:37Z-000000"))
                .unwrap()
        );
        let mut codes: Vec<_> = ended.iter().map(|ended| ended.exit_code().unwrap()).collect();
        codes.sort_unstable();
        (codes, ended)
    };
    let (codes, _) = both("2026-11-22T15:18", "2026-11-22T15:18");
    assert_eq!(codes, [0, 0]);
    let (codes, ended) = both("2026-11-22T15:18", "2026-11-22T15:19");
    assert_eq!(codes, [0, 3], "{}\n{}", ended[0].stderr, ended[1].stderr);
    let refused = ended.iter().find(|ended| ended.exit_code() == Some(3)).unwrap();
    assert!(refused.stderr.contains("; nothing was queued"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("kubectl etcd-restore commands"),
        "{}",
        refused.stderr
    );
}

fn denied() -> Fault {
    Fault::Error {
        status: 403,
        code: "AccessDenied",
        headers: Vec::new(),
    }
}

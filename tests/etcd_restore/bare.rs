//! Without a subcommand.

use serde_json::Value;

use support::store;
use support::terminal::{broken_words, overlong, screen};
use support::{paths, wait_for};

use crate::env::{Env, MAIN, RESEEDED, RESTORED, tree};

fn report(env: &Env) -> Value {
    let ended = env
        .restore("-o json")
        .args(["--endpoints", &env.endpoints()])
        .run()
        .unwrap();
    ended.success().json()
}

/// What is said of one thing.
fn told(report: &Value, subject: &str) -> Value {
    let statements = report["statements"].as_array().unwrap();
    let told = statements.iter().find(|told| told["subject"] == subject);
    told.unwrap_or_else(|| panic!("nothing of {subject}: {report}")).clone()
}

#[test]
fn from_a_dead_etcd_to_one_that_serves_it_names_the_next_command() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let waiting = report(&env);
    // That nobody answers here does not prove it dead.
    assert_eq!(waiting["stage"], "unknown");
    let main = told(&waiting, "etcd main");
    assert_eq!(
        (&main["state"], &main["checked"]),
        (&"no answer".into(), &true.into()),
        "{main}"
    );
    assert!(
        main["evidence"].as_str().unwrap().starts_with("may be alive: "),
        "{main}"
    );
    assert_eq!(told(&waiting, "masters")["checked"], false);
    // What is known of the masters comes first.
    assert_eq!(waiting["next"], "aws sts get-caller-identity");
    assert_eq!(tree(env.root()), before);

    env.restore("queue latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    assert_eq!(report(&env)["stage"], "restoring");
    let (_main, _events) = (env.start("main"), env.start("events"));
    wait_for("both serve", || report(&env)["stage"] == "unknown");
    let serving = report(&env);
    // The leases of the backup are gone with the restore.
    let found = serving["findings"].as_array().unwrap();
    let leases = found.iter().find(|finding| finding["of"] == "masterleases").unwrap();
    assert!(
        leases["says"]
            .as_str()
            .unwrap()
            .starts_with(|first: char| first.is_ascii_digit())
    );
    assert!(
        serving["next"]
            .as_str()
            .unwrap()
            .starts_with("kubectl masterleases list")
    );
}

#[test]
fn a_run_that_was_left_is_what_comes_next() {
    let env = Env::new(RESTORED);
    env.seeing("run --etcd main --yes --confirm super.k8s.local --take-timeout 1s --leave-queued")
        .run()
        .unwrap()
        .code(4);
    let left = report(&env);
    assert_eq!(left["stage"], "restoring");
    assert!(
        left["next"]
            .as_str()
            .unwrap()
            // Of which masters it was cannot be told: AWS is not asked here.
            .starts_with("kubectl etcd-restore status --watch")
    );
    // `run` goes on with none that is older than 12 hours.
    for name in env.queued("main") {
        std::fs::remove_dir_all(env.control("main", &name)).unwrap();
    }
    let look = |now| env.restore("-o json").now(now).run().unwrap().success().json();
    assert_eq!(look("2026-11-23T03:21:00Z")["stage"], "restoring");
    let old = look("2026-11-23T03:22:00Z");
    assert_eq!(old["stage"], "unknown", "{old}");
    assert_eq!(told(&old, "run")["state"], "TOO OLD");
}

#[test]
fn what_comes_next_asks_where_the_overview_asked() {
    let env = Env::new(RESTORED);
    let asked = env
        .restore("-o json --region eu-west-1")
        .args(["--profile", "a b"])
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(
        asked["next"],
        "aws sts get-caller-identity --region eu-west-1 --profile 'a b'"
    );
}

#[test]
fn a_blocked_queue_comes_before_all_else() {
    let env = Env::new(RESTORED);
    env.command("events", "2026-11-22T15:00:00Z-000000", "nonsense");
    let stuck = report(&env);
    assert_eq!(stuck["stage"], "stuck");
    env.restore("")
        .run()
        .unwrap()
        .success()
        .stdout_has("kubectl etcd-restore commands")
        .stdout_has("masters        not checked");
}

#[test]
fn of_a_re_seeded_store_the_worthless_backup_is_not_the_one_to_restore() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    let report = env
        .restore("-o json")
        .now("2026-11-22T16:36:00Z")
        .run()
        .unwrap()
        .success()
        .json();
    let best = told(&report, "backup main");
    let evidence = best["evidence"].as_str().unwrap();
    assert!(
        evidence.starts_with(&format!("{MAIN}, good, 75m old; 3 newer skipped")),
        "{evidence}"
    );
    assert!(!report["next"].to_string().contains("--yes"), "{report}");
}

/// What a command shows on a terminal of 80 columns, where temporary folders have one name.
fn on_terminal(env: &Env, arguments: &str) -> String {
    let line = format!(
        "{} {arguments} --state {} --name super.k8s.local",
        env!("CARGO_BIN_EXE_kubectl-etcd-restore"),
        env.url()
    );
    let shown = screen(
        &line,
        [
            ("KOPS_RECOVERY_NOW", "2026-11-22T16:36:00Z"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
    )
    .unwrap();
    shown.replace(&env.url(), "file:///state")
}

#[test]
fn at_80_columns_no_word_is_broken_and_the_verdict_comes_first() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    for arguments in ["", "plan"] {
        let shown = on_terminal(&env, arguments);
        assert_eq!(overlong(&shown), Vec::<&str>::new(), "{shown}");
        let whole = env
            .restore(arguments)
            .now("2026-11-22T16:36:00Z")
            .env("HOME", "/proc/nowhere")
            .run()
            .unwrap()
            .success()
            .stdout
            .replace(&env.url(), "file:///state");
        assert_eq!(broken_words(&whole, &shown), Vec::<&str>::new(), "{shown}");
    }
    insta::assert_snapshot!("overview_at_80_columns", on_terminal(&env, ""));
    insta::assert_snapshot!("plan_at_80_columns", on_terminal(&env, "plan"));
}

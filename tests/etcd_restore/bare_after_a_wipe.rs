//! Without a subcommand, from a wipe on: AWS played by moto, etcd real.

use serde_json::{Value, json};
use support::store::CLUSTER;
use support::wait_for;

use crate::env::{Env, MAIN, RESTORED};

const BEGUN: &str = "2026-11-22T15:24:00Z";
const ENDED: &str = "2026-11-22T15:26:00Z";
/// A minute after the wipe: the backups are still young.
const NOW: &str = "2026-11-22T15:27:00Z";

fn report(env: &Env) -> Value {
    env.seeing("-o json").now(NOW).run().unwrap().success().json()
}

/// The stage and the command without the flags that name the cluster.
fn at(report: &Value) -> (&str, &str) {
    let next = report["next"].as_str().unwrap_or_default();
    (
        report["stage"].as_str().unwrap(),
        next.split(" --state").next().unwrap(),
    )
}

fn told(report: &Value, subject: &str) -> (String, String) {
    let mut statements = report["statements"].as_array().unwrap().iter();
    let told = statements
        .find(|told| told["subject"] == subject)
        .unwrap_or_else(|| panic!("nothing of {subject}: {report}"));
    let text = |field: &str| told[field].as_str().unwrap().to_owned();
    (text("state"), text("evidence"))
}

#[test]
fn from_the_wipe_to_etcds_that_serve_it_names_each_next_command() {
    let env = Env::with_masters(RESTORED);
    // Before it they run, and that nobody answers proves nothing; the API was not even asked.
    assert_eq!(at(&report(&env)), ("unknown", "kops-wipe-masters audit"));
    env.wiped(BEGUN, None);
    let unfinished = report(&env);
    assert_eq!(at(&unfinished), ("wiping", "kops-wipe-masters"));
    assert_eq!(told(&unfinished, "wipe").0, "UNFINISHED");
    env.no_masters();
    env.wiped(BEGUN, Some(ENDED));
    let wiped = report(&env);
    assert_eq!(at(&wiped), ("wiped", "kops update cluster --yes"), "{wiped}");
    let (state, evidence) = told(&wiped, "wipe");
    assert_eq!(state, "ended");
    assert!(
        evidence.starts_with("the control plane was wiped at 2026-11-22T15:26:00Z by "),
        "{evidence}"
    );
    let (_, account) = told(&wiped, "AWS");
    assert!(
        account.contains("123456789012") && account.contains("us-east-1"),
        "{account}"
    );
    // Its masters come anew: the journal and their launch prove that the old etcd is gone, however young its backups are.
    env.new_masters();
    let waiting = report(&env);
    assert_eq!(at(&waiting), ("waiting", "kubectl etcd-restore run --yes"), "{waiting}");
    let (state, evidence) = told(&waiting, "etcd main");
    assert_eq!(state, "dead");
    assert!(
        evidence.contains("all 3 that run were launched after that"),
        "{evidence}"
    );
    let (state, evidence) = told(&waiting, "backup main");
    assert_eq!(state, "to restore");
    assert!(evidence.starts_with(MAIN), "{evidence}");

    env.restore("queue latest-good --yes").now(NOW).run().unwrap().success();
    let ordered = report(&env);
    assert_eq!(
        at(&ordered),
        ("restoring", "kubectl etcd-restore status --watch"),
        "{ordered}"
    );
    let (state, evidence) = told(&ordered, "queue main");
    assert_eq!(state, "1 command");
    assert!(evidence.contains(MAIN) && evidence.ends_with(" old"), "{evidence}");
    let (_main, _events) = (env.start("main"), env.start("events"));
    wait_for("both serve", || report(&env)["stage"] != "restoring");
    let serving = report(&env);
    // Nobody was asked for the API, and that is what comes next.
    assert_eq!(at(&serving).0, "unknown", "{serving}");
    assert_eq!(told(&serving, "etcd main").0, "serving");
    assert_eq!(told(&serving, "API").0, "not checked");
    assert!(!serving["next"].to_string().contains("--yes"), "{serving}");
}

#[test]
fn new_masters_are_made_by_the_profile_that_was_asked() {
    let env = Env::with_masters(RESTORED);
    env.no_masters();
    env.wiped(BEGUN, Some(ENDED));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(
        &config,
        "[profile prod]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n",
    )
    .unwrap();
    let wiped = env
        .seeing("-o json --profile prod")
        .env("AWS_CONFIG_FILE", &config)
        .now(NOW)
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(
        at(&wiped),
        ("wiped", "env AWS_PROFILE=prod kops update cluster --yes"),
        "{wiped}"
    );
}

#[test]
fn an_api_of_which_no_name_server_knows_may_be_alive() {
    let env = Env::with_masters(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": CLUSTER,
        "clusters": [{ "name": CLUSTER, "cluster": { "server": "https://api.super.k8s.invalid" } }],
        "contexts": [{ "name": CLUSTER, "context": { "cluster": CLUSTER, "user": CLUSTER } }],
        "users": [{ "name": CLUSTER, "user": { "token": "t" } }],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    let report = env
        .seeing("-o json")
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .now(NOW)
        .run()
        .unwrap()
        .success()
        .json();
    let (_, evidence) = told(&report, "API");
    assert!(evidence.starts_with("may be alive: "), "{report}");
    assert_eq!(at(&report).1, "kops-wipe-masters audit", "{report}");
}

#[test]
fn where_the_wipe_saw_terraform_the_masters_come_from_its_configuration() {
    let env = Env::with_masters(RESTORED);
    env.no_masters();
    let sign = "group a has launch template a at version 3, and kops itself writes $Latest";
    env.wiped_by_plan(BEGUN, Some(ENDED), json!({ "terraform": [sign] }));
    let wiped = report(&env);
    assert_eq!(
        at(&wiped),
        ("wiped", "kops update cluster --target=terraform --out=."),
        "{wiped}"
    );
    let why = wiped["why"].as_str().unwrap();
    assert!(
        why.contains(sign) && why.ends_with("and then `terraform apply`"),
        "{why}"
    );
}

#[test]
fn where_the_journals_of_wipes_cannot_be_read_kops_only_shows_what_it_would_make() {
    let env = Env::with_masters(RESTORED);
    env.no_masters();
    let at_journal = env.root().join(CLUSTER).join("backups/recovery/wipe-0001.json");
    env.write(&at_journal, "{");
    let wiped = report(&env);
    assert_eq!(told(&wiped, "wipe").0, "not checked", "{wiped}");
    assert_eq!(at(&wiped), ("wiped", "kops update cluster"), "{wiped}");
}

//! Whether the cluster is alive, with real etcds and a real kube-apiserver.

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::servers::kube_api::Mood;
use support::store::CLUSTER;
use support::{Ca, Cmd, Etcd, EtcdVersion, KeyKind, KubeApi, KubeApiServer, KubeApiServerOptions};

use crate::env::{Env, plan};

/// Five minutes after the last backup of the fixture: another one may be on its way.
const SOON: &str = "2026-11-22T15:25:36Z";

/// `ok`, `warn` or `block`, and what was found.
fn check(plan: &Value, name: &str) -> (String, String) {
    let checks = plan["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name).unwrap();
    let severity = if found["ok"] == true {
        "ok"
    } else {
        found["severity"].as_str().unwrap()
    };
    (severity.to_owned(), found["message"].as_str().unwrap().to_owned())
}

fn severity(command: Cmd, name: &str) -> String {
    check(&plan(command), name).0
}

fn kubeconfig(folder: &Path, context: &str, port: u16, ca: &str, token: &str) -> PathBuf {
    let authority = support::pki::write(folder, "kubernetes-ca.crt", ca).unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
         clusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:{port}\n    tls-server-name: kubernetes.default.svc\n    \
         certificate-authority: {}\n\
         users:\n- name: u\n  user:\n    token: {token}\n\
         contexts:\n- name: {context}\n  context: {{cluster: c, user: u}}\n",
        authority.display()
    );
    support::pki::write(folder, "kubeconfig", &text).unwrap()
}

/// As kops keeps the cluster's CA.
fn keep_ca(env: &Env, ca: &Ca) {
    let folder = env.root().join(CLUSTER).join("pki/private/kubernetes-ca");
    std::fs::create_dir_all(&folder).unwrap();
    let keyset = support::pki::keyset("kubernetes-ca", &[("1", ca)], "1");
    std::fs::write(folder.join("keyset.yaml"), keyset).unwrap();
}

#[test]
fn an_api_server_that_answers_blocks_even_with_401() {
    let env = Env::new();
    let before = env.picture();
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    keep_ca(&env, &ca);
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
    let api = KubeApiServer::start(&etcd, &options).unwrap();
    let port = api.port();
    let with = |token: &str, context: &str| {
        let file = kubeconfig(folder.path(), context, port, ca.certificate(), token);
        env.wipe(&["--etcd-timeout", "5s"]).env("KUBECONFIG", file)
    };
    let (severity_of_api, message) = check(&plan(with("a-token-for-tests", CLUSTER)), "api");
    assert_eq!(severity_of_api, "block");
    assert!(message.ends_with("answers: ready"), "{message}");
    let (severity_of_api, message) = check(&plan(with("expired", CLUSTER)), "api");
    assert_eq!(severity_of_api, "block");
    assert!(message.contains("401"), "{message}");
    assert_eq!(severity(with("expired", CLUSTER).arg("--even-if-alive"), "api"), "warn");
    let _ = with("expired", CLUSTER)
        .args(["--yes", "--confirm", CLUSTER])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("--even-if-alive");
    // Another cluster's certificate: who answers there says nothing of this one.
    let other = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let file = kubeconfig(folder.path(), CLUSTER, port, other.certificate(), "a-token-for-tests");
    let (severity_of_api, message) = check(&plan(env.wipe(&[]).env("KUBECONFIG", file)), "api");
    assert_eq!(severity_of_api, "warn", "{message}");
    assert!(
        message.starts_with("not known to be dead, may be alive: not checked"),
        "{message}"
    );

    let file = kubeconfig(folder.path(), CLUSTER, port, ca.certificate(), "a-token-for-tests");
    drop(api);
    // A refusal at a loopback address proves nothing.
    let (severity_of_api, message) = check(&plan(env.wipe(&[]).env("KUBECONFIG", file)), "api");
    assert_eq!(severity_of_api, "warn");
    assert!(
        message.starts_with("not known to be dead, may be alive: no answer"),
        "{message}"
    );
    assert_eq!(env.picture(), before);
}

#[test]
fn an_etcd_that_serves_blocks_and_one_without_quorum_warns() {
    let env = Env::new();
    let mut members = Etcd::start_cluster(EtcdVersion::V3_5, 3, None).unwrap();
    let endpoint = members[0].endpoint().to_owned();
    let ask = || env.wipe(&["--via", "direct", "--endpoints", &endpoint, "--etcd-timeout", "3s"]);
    let (alive, message) = check(&plan(ask()), "etcd");
    assert_eq!(alive, "block");
    assert!(message.contains("etcd main serves (direct to "), "{message}");
    assert_eq!(severity(ask().arg("--even-if-alive"), "etcd"), "warn");
    let _ = ask().args(["--yes", "--confirm", CLUSTER]).run().unwrap().code(3);

    let newest = members[0].revision().unwrap();
    let (severity_of_data, message) = check(&plan(ask()), "salvage");
    assert_eq!(severity_of_data, "warn");
    assert!(
        message.starts_with(&format!("member m0 is at revision {newest}, ")),
        "{message}"
    );

    members.truncate(1);
    let asked = plan(ask());
    let (alone, message) = check(&asked, "etcd");
    assert_ne!(alone, "block", "{message}");
    // No quorum is needed to ask it what it has.
    let (severity_of_data, message) = check(&asked, "salvage");
    assert_eq!(severity_of_data, "warn");
    assert!(message.starts_with("member m0 "), "{message}");
    members.clear();
    let (silent, message) = check(&plan(ask()), "etcd");
    assert_eq!(silent, "warn", "{message}");
    assert!(
        message.starts_with("not known to be dead, may be alive: no answer"),
        "{message}"
    );
}

#[test]
fn each_etcd_cluster_is_checked_separately() {
    let env = Env::new();
    let events = Etcd::start(EtcdVersion::V3_5).unwrap();
    let endpoints = format!("events={}", events.endpoint());
    let plan = plan(env.wipe(&["--via", "direct", "--endpoints", &endpoints, "--etcd-timeout", "3s"]));
    let checks = plan["checks"].as_array().unwrap().iter();
    let lives: Vec<(&str, &str)> = checks
        .filter(|check| check["name"] == "etcd")
        .map(|check| (check["etcd"].as_str().unwrap(), check["severity"].as_str().unwrap()))
        .collect();
    assert_eq!(lives, [("events", "block"), ("main", "warn")]);
}

#[test]
fn new_backups_block_unless_the_api_is_proven_dead() {
    let env = Env::new();
    let folder = tempfile::tempdir().unwrap();
    let name = "backups-arriving";
    // Nobody listens on this port.
    let gone = kubeconfig(
        folder.path(),
        CLUSTER,
        1,
        Ca::new("x", KeyKind::Ec).unwrap().certificate(),
        "t",
    );
    // A refusal there is the tunnel's or the balancer's, not the masters'.
    let refused = || env.wipe(&[]).env("KUBECONFIG", &gone).now(SOON);
    assert_eq!(severity(refused(), "api"), "warn");
    assert_eq!(severity(refused(), name), "block");

    let unasked = || env.wipe(&[]).now(SOON);
    assert_eq!(severity(unasked(), name), "block");
    assert_eq!(severity(unasked().arg("--even-if-alive"), name), "warn");
    let _ = unasked()
        .args(["--yes", "--confirm", CLUSTER])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("--kubeconfig");

    // It takes the connection and says nothing: dead, or something on the way.
    let api = KubeApi::start(Vec::new()).unwrap();
    api.set_mood(Mood::Silent);
    let own = tempfile::tempdir().unwrap();
    let file = api.kubeconfig(own.path(), CLUSTER).unwrap();
    let silent = || env.wipe(&["--etcd-timeout", "1s"]).env("KUBECONFIG", &file).now(SOON);
    assert_eq!(severity(silent(), "api"), "warn");
    assert_eq!(severity(silent(), name), "block");
    // Two intervals of 15 minutes later none is expected any more.
    assert_eq!(severity(env.wipe(&[]).now("2026-11-22T15:50:35Z"), name), "block");
    assert_eq!(severity(env.wipe(&[]).now("2026-11-22T15:50:36Z"), name), "ok");
}

#[test]
fn without_running_masters_a_new_backup_only_warns() {
    let env = Env::new();
    let stop = |machines: &[support::aws::Machine]| {
        for machine in machines {
            let stop = [("InstanceId.1", machine.instance.as_str())];
            env.account.ec2("StopInstances", &stop).unwrap();
        }
    };
    stop(&env.built.masters);
    // A machine of its own has an API server, too.
    assert_eq!(severity(env.wipe(&[]), "etcd"), "ok");
    assert_eq!(severity(env.wipe(&[]), "api"), "warn");
    stop(&env.built.others);
    let (api, message) = check(&plan(env.wipe(&[])), "api");
    assert_eq!(api, "ok");
    assert!(
        message.starts_with("dead: none of the cluster's masters in AWS is running"),
        "{message}"
    );
    assert_eq!(severity(env.wipe(&[]), "etcd"), "ok");
    // The last one of a cluster that has just died, or a sign of life.
    let soon = || env.wipe(&[]).now(SOON);
    assert_eq!(severity(soon(), "api"), "warn");
    assert_eq!(severity(soon(), "backups-arriving"), "warn");
}

#[test]
fn the_question_shows_evidence_and_the_age_of_the_backup() {
    let env = Env::new();
    let before = env.picture();
    let ended = env.wipe(&["--yes"]).now("2026-11-23T18:20:00Z").run().unwrap().code(3);
    for told in [
        "everything after 2026-11-22 15:20 UTC is lost.",
        "the API MAY BE ALIVE: not checked",
        "etcd main MAY BE ALIVE: not checked",
        "etcd events MAY BE ALIVE: not checked",
        "etcd main: 2026-11-22T15:20:36Z-000001 is 26h old, older than 24h (--max-age).",
        "hint:  pass --confirm super.k8s.local",
    ] {
        assert!(ended.stderr.contains(told), "no `{told}` in\n{}", ended.stderr);
    }
    let old = plan(env.wipe(&[]).now("2026-11-23T18:20:00Z"));
    assert_eq!(check(&old, "backup-age").0, "warn");
    assert_eq!(old["backups"][0]["ageSeconds"], 97_164);
    assert_eq!(old["backups"][0]["passedOver"], serde_json::json!([]));
    assert_eq!(env.picture(), before);
}

#[test]
fn another_clusters_context_is_never_taken_for_this_ones() {
    let env = Env::new();
    let api = KubeApi::start(Vec::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = api.kubeconfig(folder.path(), "other.example.com").unwrap();
    // Without the cluster's CA it is unknown whose API this is.
    let api_of = |command: Cmd| check(&plan(command), "api");
    let ask = || env.wipe(&[]).env("KUBECONFIG", &file);
    let (unproven, message) = api_of(ask());
    assert_eq!(unproven, "warn");
    assert!(
        message.contains("could not verify that it is the API of this cluster"),
        "{message}"
    );
    // Its CA is another one than the key store's.
    keep_ca(&env, &Ca::new("kubernetes-ca", KeyKind::Ec).unwrap());
    api.set_root_ca("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let (others, message) = api_of(ask());
    assert_eq!(others, "warn");
    assert!(message.contains("the kubeconfig is of another cluster"), "{message}");
    let wiped = ask().args(["--yes"]).run().unwrap().code(3);
    assert!(
        wiped
            .stderr
            .contains("the API MAY BE ALIVE: not checked (the kubeconfig is of another cluster"),
        "{}",
        wiped.stderr
    );
    let two = std::fs::read_to_string(&file).unwrap() + "- name: third.example.com\n  context: {cluster: x, user: x}\n";
    std::fs::write(&file, two).unwrap();
    let (unknown, message) = check(&plan(env.wipe(&[]).env("KUBECONFIG", &file)), "api");
    assert_eq!(unknown, "warn");
    assert!(
        message.contains(&format!("the kubeconfig has no context {CLUSTER}")),
        "{message}"
    );
    let named = env.wipe(&["--context", "other.example.com"]).env("KUBECONFIG", &file);
    // Not even where it is named: it is another cluster's.
    assert_eq!(severity(named, "api"), "warn");
    let ours = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    keep_ca(&env, &ours);
    api.set_root_ca(ours.certificate());
    let named = env.wipe(&["--context", "other.example.com"]).env("KUBECONFIG", &file);
    assert_eq!(severity(named, "api"), "block");
}

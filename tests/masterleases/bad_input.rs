//! Certificates that are not accepted, and etcds without masterleases.

use support::{Ca, EtcdVersion, KeyKind, Usage};

use crate::env::{Env, plugin};

#[test]
fn each_certificate_problem_has_its_own_message() {
    let env = Env::of_a_cluster("uid-1");
    let stranger = Ca::new("another", KeyKind::Ec).unwrap();
    support::pki::write(env.folder.path(), "other-ca.crt", stranger.certificate()).unwrap();
    stranger
        .issue(Usage::Client)
        .unwrap()
        .write(env.folder.path(), "stranger")
        .unwrap();
    env.ca
        .issue(Usage::ExpiredClient)
        .unwrap()
        .write(env.folder.path(), "expired")
        .unwrap();

    let with = |name: &str| {
        env.cmd("list --observe 0")
            .env("ETCDCTL_CERT", env.path(&format!("{name}.crt")))
            .env("ETCDCTL_KEY", env.path(&format!("{name}.key")))
    };
    with("stranger")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("does not accept the client certificate")
        .stderr_has("hint:");
    with("expired")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("expired")
        .stderr_has("hint:");
    let wrong_ca = env
        .cmd("list --observe 0")
        .env("ETCDCTL_CACERT", env.path("other-ca.crt"));
    wrong_ca
        .run()
        .unwrap()
        .code(1)
        .stderr_has("its certificate is not trusted")
        .stderr_has("hint:");
    let none = env
        .cmd("list --observe 0")
        .without_env("ETCDCTL_CERT")
        .without_env("ETCDCTL_KEY");
    none.run()
        .unwrap()
        .code(1)
        .stderr_has("it requires a client certificate")
        .stderr_has("hint:");
    let missing = env.cmd("list --observe 0").env("ETCDCTL_CERT", "/no/such.crt");
    missing.run().unwrap().code(1).stderr_has("/no/such.crt");
}

#[test]
fn an_etcd_without_masterleases_is_explained() {
    let empty = Env::empty(EtcdVersion::V3_6);
    let ended = empty
        .cmd("list -o json")
        .run()
        .unwrap()
        .success()
        .stderr_has("this etcd is empty");
    assert_eq!(ended.json(), serde_json::json!([]));

    empty.put("/registry/events/default/web.1", b"{}", 0);
    empty
        .cmd("list")
        .run()
        .unwrap()
        .success()
        .stderr_has("no etcd `main`")
        .stderr_has("port 4001");
    for subcommand in ["check", "prune --yes"] {
        empty
            .cmd(subcommand)
            .run()
            .unwrap()
            .code(1)
            .stderr_has("no etcd `main`")
            .stderr_has("hint:");
    }

    let silent = Env::of_a_cluster("uid-1");
    silent
        .cmd("check")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no API server has announced itself");
}

#[test]
fn an_unreachable_etcd_is_reported_at_once() {
    let ended = plugin("list --endpoints http://127.0.0.1:1").run().unwrap().code(1);
    ended.stderr_has("unreachable").stderr_has("hint:");
}

#[test]
fn a_fixed_clock_is_a_warning_even_with_quiet() {
    let env = Env::of_a_cluster("uid-1");
    let list = || env.cmd("list --observe 0 -q").now("2026-11-22T15:20:00Z");
    let warning = list().run().unwrap().clock_warning.unwrap();
    assert!(warning.starts_with("warning: KOPS_RECOVERY_NOW is set: "), "{warning}");
    let without = list().without_env("KOPS_RECOVERY_NOW").run().unwrap();
    assert_eq!(without.clock_warning, None);
}

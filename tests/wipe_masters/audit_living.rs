//! `audit` of what can be reached: a real etcd with certificates of its own, and the settings of the bucket.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Ca, Cmd, Ended, Etcd, EtcdVersion, KeyKind, S3, ServerTls, Usage, pki};

use crate::audit_env::{AuditEnv, BUCKET, told};

const HOUR: Duration = Duration::from_secs(3600);

fn keep_ca(env: &AuditEnv, ca: &Ca) {
    let text = pki::keyset("etcd-clients-ca", &[("1", ca)], "1");
    let key = AuditEnv::key("pki/private/etcd-clients-ca/keyset.yaml");
    env.moto.put(BUCKET, &key, text.as_bytes()).unwrap();
}

fn rows(command: Cmd) -> (Ended, Value) {
    let ended = command.args(["-o", "json"]).run().unwrap();
    let rows = serde_json::from_str(&ended.stdout).unwrap();
    (ended, rows)
}

#[test]
fn a_living_etcd_is_asked_and_its_certificate_is_looked_at() {
    let env = AuditEnv::new("state-store-restored");
    let ca = Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap();
    keep_ca(&env, &ca);
    let issued = ca
        .issue_for(
            Usage::Server,
            SystemTime::now() - HOUR * 24 * 30,
            SystemTime::now() + HOUR,
        )
        .unwrap();
    let tls = ServerTls::showing(&issued, &[&ca]).unwrap();
    let etcd = Etcd::start_tls(EtcdVersion::V3_6, &tls).unwrap();
    let endpoint = etcd.tls_endpoint().unwrap().to_owned();
    let at = endpoint.trim_start_matches("https://").to_owned();
    let direct = format!("main={endpoint}");
    let audit = |now: Option<&str>| {
        let command = env.audit(&["--via", "direct", "--endpoints", &direct]);
        match now {
            Some(now) => command.now(now),
            None => command.without_env("KOPS_RECOVERY_NOW"),
        }
    };

    // By the real clock the certificate ends within the hour. The backups are old by then: they are left out here.
    let (ended, found) = rows(audit(None));
    let ended = ended.code(5);
    let lines = told(&found);
    assert!(
        lines.contains(&format!("certificate-ending main {at}")),
        "{lines:?}\n{}",
        ended.stderr
    );
    // A test's etcd is none of etcd-manager's members.
    assert!(
        lines.iter().any(|line| line.starts_with("etcd-member-unknown main ")),
        "{lines:?}"
    );
    assert!(
        ended
            .stderr
            .contains("not seen: the certificate of kube-apiserver on i-"),
        "{}",
        ended.stderr
    );
    let cure = found.as_array().unwrap().last().unwrap();
    let taken: Vec<&str> = cure["ladder"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["verdict"] == "take")
        .map(|step| step["rung"].as_str().unwrap())
        .collect();
    assert_eq!(taken, ["one-member", "certificates"]);
    assert_eq!(cure["cure"], "certificates");
    assert!(cure["notSeen"].as_array().unwrap().len() >= 2, "{cure:#}");

    // Two hours later it has ended; a clock that is months behind says so of itself, and touches no master.
    let later = jiff::Timestamp::now()
        .checked_add(jiff::SignedDuration::from_hours(2))
        .unwrap();
    let (_, found) = rows(audit(Some(&format!("{later:.0}"))));
    assert!(
        told(&found).contains(&format!("certificate-expired main {at}")),
        "{found:#}"
    );
    let (_, found) = rows(audit(Some("2026-08-01T00:00:00Z")));
    let lines = told(&found);
    assert!(lines.contains(&format!("clock  {at}")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("certificate")), "{lines:?}");

    // Alarms hold until they are disarmed; the least cures are named, never a wipe.
    etcd.raise("NOSPACE").unwrap();
    etcd.raise("CORRUPT").unwrap();
    let (_, found) = rows(audit(None));
    let lines = told(&found);
    for kind in ["etcd-no-space main", "etcd-corrupt main"] {
        assert!(lines.iter().any(|line| line.starts_with(kind)), "no {kind}: {lines:?}");
    }
    let cure = found.as_array().unwrap().last().unwrap();
    assert!(!cure["cure"].as_str().unwrap().contains("wipe"), "{cure:#}");

    // The CA of the store was replaced meanwhile: nobody trusts what this etcd shows.
    keep_ca(&env, &Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap());
    let (ended, found) = rows(audit(None));
    assert!(
        told(&found).contains(&format!("certificate-of-another-ca main {at}")),
        "{found:#}"
    );
    assert!(
        ended.stderr.contains("not seen: the members of etcd main"),
        "{}",
        ended.stderr
    );
}

#[test]
fn old_copies_are_a_problem_and_no_copy_is_advice() {
    let env = AuditEnv::new("state-store-restored");
    let ended = env.audit(&[]).run().unwrap().success();
    assert!(ended.stdout.starts_with("no problems found"), "{}", ended.stdout);
    for part in [
        "advice: no-copy",
        "kubectl etcd-backups copy",
        "--to s3://OTHER-BUCKET --state-store --yes",
    ] {
        assert!(ended.stdout.contains(part), "no {part} in {}", ended.stdout);
    }
    let (ended, found) = rows(env.audit(&["--copy", &format!("s3://{BUCKET}/nowhere")]));
    let ended = ended.code(5);
    assert_eq!(
        told(&found),
        [
            format!("copy-old main s3://{BUCKET}/nowhere"),
            format!("copy-old events s3://{BUCKET}/nowhere"),
            "cure mend".to_owned()
        ]
    );
    assert_eq!(found[2]["advice"], serde_json::json!([]), "{}", ended.stderr);
    // The store itself is where copies are laid out in the same way.
    let (ended, found) = rows(env.audit(&["--copy", &format!("s3://{BUCKET}")]));
    let _ = ended.success();
    assert_eq!(found, serde_json::json!([]));
}

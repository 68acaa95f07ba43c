//! What `audit` prints to be pasted is pasted: AWS' own command line does with it what was meant.

use serde_json::Value;
use support::store::CLUSTER;
use support::{Paste, S3};

use crate::audit_env::{AuditEnv, BUCKET, told};

/// A shell that leads to the stand's account.
fn shell(env: &AuditEnv) -> Paste {
    let mut paste = Paste::new().unwrap();
    for (name, value) in env.moto.env() {
        paste.env(name, value);
    }
    paste
}

fn commands(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap();
    rows.iter()
        .filter_map(|row| row["command"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn printed_commands_fix_mixed_up_volumes() {
    let env = AuditEnv::new("state-store-restored");
    let paste = shell(&env);
    let (b, events_c, _) = env.mix_up_volumes();
    let (_, rows) = env.audited();
    assert_eq!(told(&rows).len(), 4, "{rows:#}");
    for command in commands(&rows).iter().filter(|command| command.starts_with("aws ")) {
        assert!(paste.is_read(command).unwrap(), "{command}");
        let _ = paste.paste(command).unwrap().success();
    }
    // Everything is in its place again, but that no master mounts b yet.
    let tags = env.account.volume_tags(&events_c).unwrap();
    assert_eq!(tags["k8s.io/etcd/events"], "c/a,b,c");
    let (_, rows) = env.audited();
    assert_eq!(
        told(&rows),
        [format!("member-not-mounted main {b}"), "cure mend-members".to_owned()]
    );
}

#[test]
fn a_volume_with_hostile_tags_is_hidden_and_nothing_else_happens() {
    const HOSTILE: [&str; 3] = [
        "k8s.io/etcd/x;touch evil|sh;",
        "k8s.io/etcd/$(touch evil)`touch evil`",
        "k8s.io/etcd/it's \"quoted\" \\ ,Key=Name",
    ];
    let env = AuditEnv::new("state-store-restored");
    let paste = shell(&env);
    let surplus = env
        .account
        .ec2("CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "1")])
        .unwrap();
    let surplus = surplus.text_at(&["volumeId"]);
    let mut tags = env.account.volume_tags(env.volume("main", "a")).unwrap();
    tags.insert("team".to_owned(), "keep; this".to_owned());
    tags.extend(HOSTILE.map(|key| (key.to_owned(), "x;touch evil/$(touch evil),b".to_owned())));
    let pairs: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    env.account.tag(&surplus, &pairs).unwrap();
    let (_, rows) = env.audited();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["finding"] == "duplicate-etcd-tag");
    let row = row.unwrap_or_else(|| panic!("{rows:#}"));
    let command = row["command"].as_str().unwrap();
    assert!(command.matches("touch evil").count() >= 3, "{command}");
    assert!(paste.is_read(command).unwrap(), "{command}");
    let _ = paste.paste(command).unwrap().success();
    let left = env.account.volume_tags(&surplus).unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["team"]);
    assert!(!paste.folder().join("evil").exists());
    let (ended, rows) = env.audited();
    assert_eq!((ended.exit_code(), told(&rows)), (Some(0), vec![]));
}

#[test]
fn printed_commands_write_missing_control_files() {
    let env = AuditEnv::new("state-store-restored");
    let paste = shell(&env);
    let marker = AuditEnv::key("backups/etcd/main/control/etcd-cluster-created");
    env.moto.delete(BUCKET, &marker).unwrap();
    let rules = r#"<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix>super</Prefix></Filter><Status>Enabled</Status>
        <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"#;
    env.moto
        .bucket_request("PUT", BUCKET, "lifecycle", rules.as_bytes())
        .unwrap();
    let (_, rows) = env.audited();
    let commands = commands(&rows);
    let _ = paste.paste(&commands[0]).unwrap().success();
    let shown = paste.paste(&commands[1]).unwrap().success();
    assert_eq!(shown.json()["Rules"][0]["ID"], "tidy");
    let (_, rows) = env.audited();
    assert!(
        !told(&rows).iter().any(|line| line.starts_with("control-file")),
        "{rows:#}"
    );
}

#[test]
fn the_printed_command_shows_why_a_group_starts_nothing() {
    let env = AuditEnv::new("state-store-restored");
    let paste = shell(&env);
    let group = env.built.masters[1].group.clone();
    let none = [
        ("AutoScalingGroupName", group.as_str()),
        ("MinSize", "0"),
        ("DesiredCapacity", "0"),
    ];
    env.account.scaling("UpdateAutoScalingGroup", &none).unwrap();
    let (_, rows) = env.audited();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["finding"] == "master-missing");
    let row = row.unwrap_or_else(|| panic!("{rows:#}"));
    let command = row["command"].as_str().unwrap();
    assert!(
        command.contains(&group) && command.contains("--max-items 3"),
        "{command} {CLUSTER}"
    );
    // moto keeps no activities: the command is one that the CLI takes, and the server knows the group or not.
    let ended = paste.paste(command).unwrap();
    assert!(
        ended.exit_code() == Some(0) || ended.stderr.contains("not been implemented"),
        "{}",
        ended.stderr
    );
}

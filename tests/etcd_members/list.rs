//! `member list`.

use serde_json::Value;
use support::{EtcdVersion, wait_for};

use crate::env::Env;

const QUOTA: u64 = 64 << 20;

fn states(rows: &Value) -> Vec<(String, bool, Option<bool>)> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["name"].as_str().unwrap().to_owned(),
            row["answers"].as_bool().unwrap(),
            row["leader"].as_bool(),
        )
    })
    .collect()
}

fn members_that_die(version: EtcdVersion) {
    let mut env = Env::new(version, QUOTA);
    let all = env.cmd("member list -o json").run().unwrap().success();
    let all = all.stderr_has("3 of 3 voting members answer, 2 are a quorum").json();
    let names: Vec<String> = states(&all).into_iter().map(|(name, _, _)| name).collect();
    assert_eq!(names, ["m0", "m1", "m2"]);
    assert_eq!(
        states(&all)
            .iter()
            .filter(|(_, _, leader)| *leader == Some(true))
            .count(),
        1
    );
    let row = &all[0];
    assert!(row["dbSizeBytes"].as_u64().unwrap() >= row["inUseBytes"].as_u64().unwrap());
    assert_eq!(row["alarms"], serde_json::json!([]));
    if version == EtcdVersion::V3_6 {
        assert_eq!(row["quotaBytes"], QUOTA);
    }

    drop(env.members.pop());
    let two = env.cmd("member list -o json").run().unwrap().success();
    let two = two.stderr_has("2 of 3 voting members answer").json();
    assert_eq!(states(&two)[2], ("m2".to_owned(), false, None));

    drop(env.members.pop());
    wait_for("the last member has lost its leader", || {
        let one = env.cmd("member list -o json").run().unwrap().success().json();
        states(&one)[0] == ("m0".to_owned(), true, None)
    });
    env.cmd("member list")
        .run()
        .unwrap()
        .success()
        .stdout_has("no leader")
        .stderr_has("kubectl etcd-backups take");

    drop(env.members.pop());
    env.cmd("member list").run().unwrap().code(1).stderr_has("unreachable");
}

#[test]
fn members_that_die_are_not_reached_and_without_quorum_there_is_no_leader() {
    members_that_die(EtcdVersion::V3_6);
}

#[test]
fn the_same_with_etcd_3_5() {
    members_that_die(EtcdVersion::V3_5);
}

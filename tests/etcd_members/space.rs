//! `space`: NOSPACE provoked by a small quota and cured, with all keys there.

use support::{EtcdVersion, Put, wait_for};

use crate::env::{Env, steps};

const QUOTA: u64 = 16 << 20;
const KEYS: usize = 40;

/// Keys of two namespaces, and one that is written until etcd refuses.
fn fill(env: &Env) {
    let etcd = &env.members[0];
    let kept: Vec<Put> = (0..KEYS)
        .map(|number| {
            Put::new(
                format!("/registry/secrets/ns{}/s{number}", number % 2),
                vec![b'k'; 1000],
            )
        })
        .collect();
    etcd.put(&kept).unwrap();
    let again = || etcd.put(&[Put::new("/registry/configmaps/shop/churn", vec![b'c'; 1 << 20])]);
    let refused = (0..200).find_map(|_| again().err()).expect("the quota is reached");
    assert!(refused.to_string().contains("space"), "{refused}");
}

fn full_and_cured(version: EtcdVersion) {
    let env = Env::new(version, QUOTA);
    let calm = env.cmd("space").run().unwrap().success();
    calm.stderr_has("nothing to do");
    fill(&env);

    let plan = env.cmd("space -o json --quota 16MiB").run().unwrap().success();
    let plan = plan.stderr_has("nothing was changed; pass --yes").json();
    assert_eq!((&plan["quotaBytes"], &plan["blocked"]), (&QUOTA.into(), &false.into()));
    let steps = steps(&plan);
    assert!(steps[0].starts_with("compact"), "{steps:?}");
    let defragment: Vec<&&str> = steps.iter().filter(|step| step.starts_with("defragment")).collect();
    assert_eq!(defragment.len(), 3);
    assert!(defragment[2].ends_with("the leader"), "{steps:?}");
    assert!(steps.last().unwrap().contains("NOSPACE"), "{steps:?}");
    assert_eq!(plan["largest"][0]["namespace"], "shop");
    assert_eq!(plan["largest"][1]["objects"], KEYS / 2);
    assert!(
        env.members[0].put(&[Put::new("/registry/x", "x")]).is_err(),
        "the plan changed nothing"
    );

    let done = env.cmd("space --yes --quota 16MiB -o json").run().unwrap().success();
    let done = done.stderr_has("etcd takes writes again").json();
    for member in done["members"].as_array().unwrap() {
        assert!(member["dbSizeBytes"].as_u64().unwrap() < QUOTA / 2, "{member}");
        assert_eq!(member["alarms"], serde_json::json!([]));
    }
    env.members[2].put(&[Put::new("/registry/x", "x")]).unwrap();
    assert_eq!(env.members[1].count_keys().unwrap(), KEYS as i64 + 2);
    env.cmd("space --quota 16MiB")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing to do");
}

#[test]
fn a_full_etcd_takes_writes_again_and_every_key_is_there() {
    full_and_cured(EtcdVersion::V3_6);
}

#[test]
fn the_same_with_etcd_3_5_which_does_not_tell_its_quota() {
    full_and_cured(EtcdVersion::V3_5);
}

#[test]
fn the_same_with_etcd_3_7() {
    full_and_cured(EtcdVersion::V3_7);
}

#[test]
fn a_member_that_is_down_is_no_obstacle_to_a_full_etcd_but_to_one_that_is_only_large() {
    let mut env = Env::new(EtcdVersion::V3_6, QUOTA);
    fill(&env);
    drop(env.members.pop());
    wait_for("two elect a leader", || {
        env.cmd("member list")
            .run()
            .unwrap()
            .success()
            .stderr
            .contains("2 of 3")
    });
    env.cmd("space --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("it refuses writes already")
        .stderr_has("etcd takes writes again");
    // Now it takes writes, and a small quota calls it large.
    env.cmd("space --yes --quota 100KiB")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("etcd has no quorum");
}

#[test]
fn without_a_leader_nothing_is_done() {
    let mut env = Env::new(EtcdVersion::V3_6, QUOTA);
    drop(env.members.split_off(1));
    wait_for("the last member has lost its leader", || {
        env.cmd("member list")
            .run()
            .unwrap()
            .success()
            .stderr
            .contains("no member that answers")
    });
    env.cmd("space --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("no member has a leader")
        .stderr_has("kubectl etcd-backups take");
}

#[test]
fn members_of_two_clusters_are_refused() {
    let (one, other) = (Env::new(EtcdVersion::V3_6, QUOTA), Env::new(EtcdVersion::V3_6, QUOTA));
    let both: Vec<&str> = [&one.members[0], &other.members[0]]
        .map(|member| member.endpoint())
        .to_vec();
    one.cmd("space --yes")
        .env("ETCDCTL_ENDPOINTS", both.join(","))
        .run()
        .unwrap()
        .code(1)
        .stderr_has("2 etcd clusters");
    one.cmd("space --etcd main,events")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("one etcd cluster at a time");
}

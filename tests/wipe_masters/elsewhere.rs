//! A state store in another account, or one that fails.

use support::store::CLUSTER;
use support::{AwsAccount, Fault, KopsCluster, Proxy, Rule};

use crate::env::Env;

fn cluster() -> KopsCluster {
    KopsCluster::of_one_master(CLUSTER)
}

fn in_s3() -> Env {
    Env::with_state_in_s3(&cluster())
}

#[test]
fn a_state_store_in_another_account_is_read_and_written_by_its_own_profile() {
    let env = in_s3();
    let proxy = Proxy::start(&env.moto).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let profile = |name: &str, key: &str| format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = s\n");
    let both = profile("machines", "KEYOFMACHINES") + &profile("state", "KEYOFSTATE");
    let credentials = support::pki::write(folder.path(), "credentials", &both).unwrap();
    let ended = env
        .wipe_yes_through(&proxy, &["--profile", "machines", "--state-profile", "state"])
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
        .run()
        .unwrap();
    let _ = ended.success().stdout_has("machines");
    env.assert_wiped();
    for request in proxy.requests() {
        let whose = match request.action() {
            Some(_) => "Credential=KEYOFMACHINES/",
            None => "Credential=KEYOFSTATE/",
        };
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains(whose), "{} {}: {signed}", request.method, request.path);
    }
}

#[test]
fn nothing_is_started_without_the_state_store() {
    let env = in_s3();
    let before = env.picture();
    let away = || env.wipe_yes(&[]).env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    let _ = away()
        .run()
        .unwrap()
        .code(1)
        .stderr_has("s3://kops-state")
        .stderr_has("hint:");
    // The journal comes first: who cannot write it wipes nothing.
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::always("PUT", "/wipe-0001.json", Rule::error(403, "AccessDenied")));
    let _ = env
        .wipe_yes_through(&proxy, &[])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("wipe-0001.json")
        .stderr_has("s3:PutObject");
    assert_eq!(env.picture(), before);
}

#[test]
fn a_denied_pin_stops_the_wipe_and_reports_what_was_recorded() {
    let env = in_s3();
    let before = env.picture();
    let proxy = Proxy::start(&env.moto).unwrap();
    let pins = "/backups/recovery/main/";
    proxy.inject(Rule::always("PUT", pins, Rule::error(403, "AccessDenied")));
    let _ = env
        .wipe_yes_through(&proxy, &[])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("error: this run was recorded in s3://kops-state/")
        .stderr_has("access denied")
        .stderr_has("; nothing of the control plane was changed")
        .stderr_has("then repeat the command: it resumes where it stopped");
    assert_eq!(env.picture(), before);
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    env.assert_wiped();
}

#[test]
fn a_state_store_that_fails_midway_does_not_stop_the_wipe() {
    let env = in_s3();
    let proxy = Proxy::start(&env.moto).unwrap();
    let before = env.rest();
    proxy.inject(Rule::always("PUT", "/wipe-0001.json", Rule::error(503, "SlowDown")).after(1));
    let _ = env
        .wipe_yes_through(&proxy, &[])
        .run()
        .unwrap()
        .success()
        .stderr_has("could not be written");
    env.assert_wiped();
    assert_eq!(env.rest(), before);
    // The next one closes what the journal left open.
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing is left to wipe");
}

#[test]
fn a_group_already_being_deleted_is_waited_for() {
    let env = Env::with(&cluster());
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::times(
        1,
        "POST",
        "Action=DeleteAutoScalingGroup&",
        Fault::Slow(20),
    ));
    let group = [
        ("AutoScalingGroupName", env.built.masters[0].group.as_str()),
        ("ForceDelete", "true"),
    ];
    AwsAccount::of(&proxy)
        .scaling("DeleteAutoScalingGroup", &group)
        .unwrap();
    let before = env.rest();
    let _ = env
        .wipe_yes_through(&proxy, &[])
        .run()
        .unwrap()
        .success()
        .stderr_has("being deleted, 1 instance left");
    env.assert_wiped();
    assert_eq!(env.rest(), before);
    let deletions = proxy.requests();
    let deletions = deletions
        .iter()
        .filter(|request| request.action() == Some("DeleteAutoScalingGroup"));
    assert_eq!(deletions.count(), 1, "it was not asked for again");
}

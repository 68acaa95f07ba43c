//! The hermetic command: nothing of the developer's environment, and an end.

use std::time::Duration;

use support::Cmd;

#[test]
fn a_command_sees_its_own_environment_only() {
    let ended = Cmd::new("/usr/bin/env")
        .unwrap()
        .env("EXTRA", "1")
        .now("2026-11-22T15:30:00Z")
        .run()
        .unwrap()
        .success();
    let mut names: Vec<&str> = ended.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let expected = [
        "AWS_ACCESS_KEY_ID",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "COLUMNS",
        "EXTRA",
        "HOME",
        "KOPS_RECOVERY_NOW",
        "LANG",
        "PATH",
        "TZ",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_command_gives_its_outputs_and_its_code() {
    let script = "cat; echo oops >&2; exit 5";
    let ended = Cmd::new("/bin/sh")
        .unwrap()
        .args(["-c", script])
        .stdin("[1]")
        .run()
        .unwrap()
        .code(5)
        .stderr_has("oops");
    assert_eq!(ended.json(), serde_json::json!([1]));
}

#[test]
fn a_command_that_does_not_end_is_an_error() {
    let hung = Cmd::new("/bin/sleep")
        .unwrap()
        .arg("60")
        .limit(Duration::from_millis(200))
        .run();
    assert!(hung.unwrap_err().to_string().contains("no end after"), "it is killed");
}

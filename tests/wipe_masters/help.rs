//! Help: the command line's reference, beside the plugin as its reference.

use std::path::Path;

use support::{Cmd, reference};

fn program(arguments: &[&str]) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kops-wipe-masters"))
        .unwrap()
        .args(arguments)
        .env("COLUMNS", "80")
}

#[test]
fn of_every_command_is_in_the_reference() {
    let pages = reference::pages(Path::new(env!("CARGO_BIN_EXE_kops-wipe-masters")), "kops-wipe-masters").unwrap();
    assert_eq!(reference::faults(&pages), Vec::<String>::new());
    assert_eq!(reference::difference("kops-wipe-masters", &pages).unwrap(), None);
}

#[test]
fn usage_errors_say_what_would_be_right_and_exit_with_two() {
    let _ = program(&["adit"]).run().unwrap().code(2).stderr_has("audit");
    let _ = program(&["--etcd-volumes", "burn"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("quarantine");
    let _ = program(&["audit"]).run().unwrap().code(2).stderr_has("--state");
    let nameless = program(&["audit", "--state", "file:///nowhere"]).run().unwrap().code(2);
    assert!(nameless.stderr.contains("KOPS_CLUSTER_NAME"), "{}", nameless.stderr);
    let _ = program(&["--version"])
        .run()
        .unwrap()
        .success()
        .stdout_has("kops-wipe-masters ");
}

#[test]
fn a_link_by_krew_speaks_of_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kubectl-kops_wipe_masters");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kops-wipe-masters"), &link).unwrap();
    let help = Cmd::new(&link).unwrap().arg("--help").run().unwrap().success();
    assert!(
        help.stdout.contains("Usage: kubectl kops-wipe-masters"),
        "{}",
        help.stdout
    );
}

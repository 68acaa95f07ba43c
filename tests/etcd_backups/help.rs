//! Help, and the reference that is written from it.

use std::path::Path;

use support::reference;

use crate::env::backups;

#[test]
fn reference_has_the_help_of_every_command() {
    let pages = reference::pages(
        Path::new(env!("CARGO_BIN_EXE_kubectl-etcd-backups")),
        "kubectl etcd-backups",
    )
    .unwrap();
    assert_eq!(reference::faults(&pages), Vec::<String>::new());
    assert_eq!(reference::difference("kubectl-etcd-backups", &pages).unwrap(), None);
}

#[test]
fn usage_errors_suggest_a_correction_and_exit_with_two() {
    let _ = backups(&["lst"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("kubectl etcd-backups");
    let _ = backups(&["list", "--limt", "3"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("--limit");
    let _ = backups(&[])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("Usage: kubectl etcd-backups");
    let _ = backups(&["verify", "--all", "latest"]).run().unwrap().code(2);
    let _ = backups(&["--version"])
        .run()
        .unwrap()
        .success()
        .stdout_has("kubectl etcd-backups ");
}

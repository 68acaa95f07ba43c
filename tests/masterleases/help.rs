//! Help, completion and the manual page.

use std::path::Path;

use support::reference;

use crate::env::plugin;

#[test]
fn reference_has_the_help_of_every_command() {
    let pages = reference::pages(
        Path::new(env!("CARGO_BIN_EXE_kubectl-masterleases")),
        "kubectl masterleases",
    )
    .unwrap();
    assert_eq!(reference::faults(&pages), Vec::<String>::new());
    assert_eq!(reference::difference("kubectl-masterleases", &pages).unwrap(), None);
}

#[test]
fn completion_and_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        plugin(&format!("completion {shell}"))
            .run()
            .unwrap()
            .success()
            .stdout_has("masterleases");
    }
    plugin("man")
        .run()
        .unwrap()
        .success()
        .stdout_has(".TH KUBECTL-MASTERLEASES");
}

#[test]
fn invalid_arguments_are_usage_errors() {
    for arguments in [
        "",
        "prune --observe soon",
        "list --etcd-prefix /",
        "undo",
        "list --via pigeon",
    ] {
        let ended = plugin(arguments).run().unwrap().code(2);
        assert!(ended.stdout.is_empty());
    }
    // No flag or variable names an etcd.
    plugin("list")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("no connection to etcd")
        .stderr_has("hint:");
}

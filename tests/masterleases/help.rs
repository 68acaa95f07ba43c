//! What the program says of itself.

use std::path::Path;

use harness::reference;

use crate::env::plugin;

#[test]
fn of_every_command_is_in_the_reference() {
    let pages = reference::pages(
        Path::new(env!("CARGO_BIN_EXE_kubectl-masterleases")),
        "kubectl masterleases",
    )
    .unwrap();
    assert_eq!(reference::faults(&pages), Vec::<String>::new());
    assert_eq!(reference::difference("kubectl-masterleases", &pages).unwrap(), None);
}

#[test]
fn completion_and_manual_page_are_there() {
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
fn what_makes_no_sense_is_a_usage_error() {
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
    // Nothing tells where etcd is.
    plugin("list")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("no connection to etcd")
        .stderr_has("hint:");
}

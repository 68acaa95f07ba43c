//! Help: the command line's reference, beside the plugin as its reference.

use std::path::Path;

use support::reference;

#[test]
fn of_every_command_is_in_the_reference() {
    let pages = reference::pages(
        Path::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore")),
        "kubectl etcd-restore",
    )
    .unwrap();
    assert_eq!(reference::faults(&pages), Vec::<String>::new());
    assert_eq!(reference::difference("kubectl-etcd-restore", &pages).unwrap(), None);
}

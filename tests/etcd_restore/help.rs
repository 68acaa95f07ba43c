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

#[test]
fn formats_of_other_commands_are_refused_before_anything_else() {
    let hints = [
        ("prometheus", "`-o prometheus` is for `check`"),
        ("svg", "`-o svg` is for `kubectl etcd-backups timeline`"),
    ];
    for (format, hint) in hints {
        for command in [
            "",
            "run --yes",
            "queue main=latest --yes",
            "cleanup events --yes",
            "cleanup nodes --yes",
            "logs",
        ] {
            crate::env::restore(&format!("{command} -o {format}"))
                .run()
                .unwrap()
                .code(2)
                .stderr_has(hint);
        }
    }
}

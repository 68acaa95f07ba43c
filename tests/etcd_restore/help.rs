//! Help: the command line's reference, held by a snapshot.

use crate::stand::restore;

#[test]
fn of_the_plugin_and_of_every_subcommand() {
    let mut reference = String::new();
    for subcommand in [
        "",
        "plan",
        "run",
        "queue",
        "commands",
        "cancel",
        "status",
        "restart-etcd",
        "restart-kubelet",
        "logs",
        "cleanup nodes",
        "cleanup events",
        "cleanup workers",
        "drill",
        "runbook",
    ] {
        let ended = restore(&format!("{subcommand} --help"))
            .env("COLUMNS", "80")
            .run()
            .unwrap()
            .success();
        reference.push_str(&format!(
            "$ kubectl etcd-restore {subcommand} --help\n{}\n",
            ended.stdout
        ));
        assert!(ended.stdout.contains("Example"), "{subcommand} shows no example");
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 80);
        assert!(wide.is_none() || subcommand.is_empty(), "{subcommand}: {wide:?}");
    }
    insta::assert_snapshot!("help", reference);
}

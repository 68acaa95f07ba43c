//! Help: the command line's reference, held by snapshots.

use crate::stand::backups;

#[test]
fn of_the_plugin_and_of_every_subcommand() {
    let mut reference = String::new();
    let subcommands = [
        "",
        "list",
        "show",
        "verify",
        "inspect",
        "diff",
        "export",
        "pin",
        "unpin",
        "download",
        "timeline",
        "check",
        "take",
        "completion",
        "man",
    ];
    for subcommand in subcommands {
        let arguments: Vec<&str> = [subcommand, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let ended = backups(&arguments).env("COLUMNS", "80").run().unwrap().success();
        reference.push_str(&format!(
            "$ kubectl etcd-backups {}\n{}\n",
            arguments.join(" "),
            ended.stdout
        ));
        assert!(
            subcommand.is_empty() || ended.stdout.contains("Example"),
            "{subcommand} shows no example"
        );
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 80);
        assert!(wide.is_none() || subcommand.is_empty(), "{subcommand}: {wide:?}");
    }
    insta::assert_snapshot!("help", reference);
}

#[test]
fn usage_errors_say_what_would_be_right_and_exit_with_two() {
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

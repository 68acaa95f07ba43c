//! What the program says of itself.

use crate::stand::plugin;

#[test]
fn of_the_plugin_and_of_every_subcommand() {
    let mut reference = String::new();
    for subcommand in ["", "list", "check", "prune", "undo", "completion", "man"] {
        let ended = plugin(&format!("{subcommand} --help"))
            .env("COLUMNS", "80")
            .run()
            .unwrap()
            .success();
        reference.push_str(&format!(
            "$ kubectl masterleases {}\n{}\n",
            format!("{subcommand} --help").trim(),
            ended.stdout
        ));
        let example = ended
            .stdout
            .lines()
            .any(|line| line.starts_with(&format!("  kubectl masterleases {subcommand}")));
        assert!(example, "{subcommand} shows no example in the words that users type");
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 80);
        assert!(wide.is_none(), "{subcommand}: {wide:?}");
    }
    insta::assert_snapshot!("help", reference);
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
        .stderr_has("no way to etcd")
        .stderr_has("hint:");
}

//! What the program says of itself.

use crate::stand::plugin;

#[test]
fn every_subcommand_has_an_example_in_the_words_that_users_type() {
    for subcommand in ["list", "check", "prune", "undo"] {
        let ended = plugin(&format!("{subcommand} --help")).run().unwrap().success();
        assert!(ended.stdout.contains("Usage: kubectl masterleases"), "{}", ended.stdout);
        assert!(ended.stdout.contains("Example"), "{}", ended.stdout);
        let has = ended
            .stdout
            .lines()
            .any(|line| line.contains(&format!("  kubectl masterleases {subcommand} ")));
        assert!(has, "{}", ended.stdout);
    }
    plugin("--help")
        .run()
        .unwrap()
        .success()
        .stdout_has("Exit codes: 0 done");
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

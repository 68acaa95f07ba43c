//! Help: the command line's reference, held by snapshots.

use harness::Cmd;

fn program(arguments: &[&str]) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kops-wipe-masters"))
        .unwrap()
        .args(arguments)
        .env("COLUMNS", "80")
}

#[test]
fn of_the_plugin_and_of_every_subcommand() {
    let mut reference = String::new();
    for subcommand in ["", "audit", "restore-volumes", "purge-volumes", "completion", "man"] {
        let arguments: Vec<&str> = [subcommand, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let ended = program(&arguments).run().unwrap().success();
        reference.push_str(&format!(
            "$ kops-wipe-masters {}\n{}\n",
            arguments.join(" "),
            ended.stdout
        ));
        assert!(ended.stdout.contains("Example"), "{subcommand} shows no example");
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 80);
        assert!(wide.is_none() || subcommand.is_empty(), "{subcommand}: {wide:?}");
    }
    insta::assert_snapshot!("help", reference);
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

//! Help: the command line's reference, held by snapshots.

use harness::Cmd;

#[test]
fn of_the_plugin_and_of_every_subcommand() {
    let mut reference = String::new();
    let subcommands = ["", "audit", "restore-volumes", "purge-volumes", "completion", "man"];
    for subcommand in subcommands {
        let arguments: Vec<&str> = [subcommand, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let program = env!("CARGO_BIN_EXE_kops-wipe-masters");
        let command = Cmd::new(program).unwrap().args(&arguments).env("COLUMNS", "80");
        let ended = command.run().unwrap().success();
        reference.push_str(&format!(
            "$ kops-wipe-masters {}\n{}\n",
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

//! Completion in the shell and in kubectl, and the manual page.

use std::process::Command;

use crate::env::backups;

#[test]
fn kubectl_is_given_candidates_and_a_directive() {
    let complete = |words: &[&str]| {
        let ended = backups(&["__complete", "--"]).args(words).run().unwrap().success();
        ended
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(complete(&["ver"]), ["verify", ":4"]);
    assert_eq!(complete(&["list", "--all-c"]), ["--all-clusters", ":4"]);
    assert_eq!(complete(&["list", "-o", "js"]), ["json", ":4"]);
    assert!(complete(&[""]).contains(&"timeline".to_owned()));
    assert!(!complete(&[""]).contains(&"__complete".to_owned()));
}

#[test]
fn a_script_for_each_shell_and_one_that_kubectl_finds() {
    for shell in ["bash", "zsh", "fish"] {
        let _ = backups(&["completion", shell])
            .run()
            .unwrap()
            .success()
            .stdout_has("kubectl-etcd_backups");
    }
    let folder = tempfile::tempdir().unwrap();
    let install = || {
        backups(&["completion", "--install", "--dir", folder.path().to_str().unwrap()])
            .run()
            .unwrap()
    };
    let _ = install().success().stderr_has("kubectl etcd-backups now completes");
    let _ = install().success();

    // As kubectl calls it: the script, in the folder of krew's link.
    let link = folder.path().join("kubectl-etcd_backups");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-etcd-backups"), link).unwrap();
    let script = folder.path().join("kubectl_complete-etcd_backups");
    let ended = Command::new(&script)
        .arg("tim")
        .env("PATH", support::cmd::path_with(folder.path()))
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&ended.stdout).starts_with("timeline\t"),
        "{ended:?}"
    );

    std::fs::write(&script, "precious").unwrap();
    let _ = install()
        .code(1)
        .stderr_has("was not written by this plugin")
        .stderr_has("--dir");
    let _ = backups(&["completion"]).run().unwrap().code(2);
}

#[test]
fn the_manual_page_has_every_subcommand() {
    let page = backups(&["man"]).run().unwrap().success().stdout;
    for subcommand in [
        "LIST", "SHOW", "VERIFY", "INSPECT", "DIFF", "EXPORT", "PIN", "UNPIN", "DOWNLOAD", "TIMELINE", "CHECK",
    ] {
        assert!(
            page.contains(&format!("KUBECTL ETCD-BACKUPS {subcommand}")),
            "{subcommand}\n{page}"
        );
    }
    assert!(
        page.contains("KUBECTL\\-ETCD\\-BACKUPS 1") || page.contains("KUBECTL-ETCD-BACKUPS 1"),
        "{page}"
    );
}

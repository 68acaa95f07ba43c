//! Completion in the shell and in kubectl, and the manual page.

use std::process::Command;

use crate::env::restore;

const SUBCOMMANDS: [&str; 14] = [
    "plan",
    "run",
    "queue",
    "commands",
    "cancel",
    "status",
    "restart-etcd",
    "restart-kubelet",
    "logs",
    "cleanup",
    "drill",
    "runbook",
    "completion",
    "man",
];

#[test]
fn kubectl_is_given_candidates_and_a_directive() {
    let complete = |words: &[&str]| {
        let ended = restore("__complete --").args(words).run().unwrap().success();
        ended
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(complete(&["restart-k"]), ["restart-kubelet", ":4"]);
    assert_eq!(complete(&["run", "--work"]), ["--workers-timeout", ":4"]);
    assert_eq!(complete(&["status", "-o", "js"]), ["json", ":4"]);
    assert_eq!(complete(&["cleanup", "no"]), ["nodes", ":4"]);
    let all = complete(&[""]);
    for subcommand in SUBCOMMANDS {
        assert!(all.contains(&subcommand.to_owned()), "{subcommand}: {all:?}");
    }
    assert!(!all.contains(&"__complete".to_owned()));
}

#[test]
fn a_script_for_each_shell_and_one_that_kubectl_finds() {
    for shell in ["bash", "zsh", "fish"] {
        let script = restore(&format!("completion {shell}")).run().unwrap().success();
        script.stdout_has("kubectl-etcd_restore");
    }
    let folder = tempfile::tempdir().unwrap();
    let install = || {
        restore("completion --install --dir")
            .arg(folder.path())
            .run()
            .unwrap()
            .success()
            .stderr_has("kubectl etcd-restore now completes")
    };
    install();
    install();
    // As kubectl calls it: the script, beside the link that krew makes.
    let link = folder.path().join("kubectl-etcd_restore");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-etcd-restore"), link).unwrap();
    let ended = Command::new(folder.path().join("kubectl_complete-etcd_restore"))
        .arg("dri")
        .env("PATH", support::cmd::path_with(folder.path()))
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&ended.stdout).starts_with("drill\t"),
        "{ended:?}"
    );
}

#[test]
fn the_manual_page_has_every_subcommand() {
    let page = restore("man").run().unwrap().success().stdout;
    for subcommand in SUBCOMMANDS {
        let head = format!("KUBECTL ETCD-RESTORE {}", subcommand.to_uppercase());
        assert!(page.contains(&head), "{subcommand}\n{page}");
    }
    for subcommand in ["CLEANUP NODES", "CLEANUP EVENTS", "CLEANUP WORKERS"] {
        assert!(page.contains(subcommand), "{subcommand}");
    }
}

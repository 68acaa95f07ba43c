//! Each failure of ssh is told from the others, with its cure.

use support::ContainerRuntime::Containerd;
use support::cmd;
use support::servers::sshd::{HERMETIC, ssh_with};

use crate::env::{Env, plugin};

/// One host under several configs: the text that ssh is given before what is hermetic.
fn with(env: &Env, entries: &str, arguments: &str) -> support::Ended {
    let folder = tempfile::tempdir().unwrap();
    let bin = ssh_with(folder.path(), &format!("{entries}{HERMETIC}")).unwrap();
    plugin("logs --no-follow --ssh-timeout 3s")
        .args(arguments.split_whitespace())
        .env("PATH", cmd::path_with(&bin))
        .run()
        .unwrap()
        .code(1)
        .stderr_has(if env.calls(0).is_empty() { "" } else { "it was called" })
}

#[test]
fn each_is_told_with_its_cure() {
    let env = Env::new(Containerd);
    let sshd = env.masters.host(0).unwrap().sshd();
    let entry = sshd.entry("master");
    let key_of_another = env.masters.host(1).unwrap().sshd().entry("other");
    let line = |text: &str, word: &str| text.lines().find(|line| line.contains(word)).unwrap().to_owned() + "\n";
    let (own_key, other_key) = (line(&entry, "IdentityFile"), line(&key_of_another, "IdentityFile"));
    let known = line(&entry, "UserKnownHostsFile");

    let no_key = entry.replace(&own_key, "  IdentityFile /nonexistent/key\n");
    with(&env, &no_key, "--host master")
        .stderr_has("ssh has no key to offer")
        .stderr_has("ssh-add");

    let wrong_key = entry.replace(&own_key, &other_key);
    with(&env, &wrong_key, "--host master")
        .stderr_has("refused: ")
        .stderr_has("--ssh-user");

    let wrong_user = with(&env, &entry, "--host master --ssh-user no-such-user");
    wrong_user
        .stderr_has("login as no-such-user refused")
        .stderr_has("ubuntu, admin, ec2-user or core");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    let key = env.masters.host(1).unwrap().sshd().programs().join("../host_key.pub");
    let key = std::fs::read_to_string(key).unwrap();
    std::fs::write(&file, format!("[127.0.0.1]:{} {key}", sshd.port())).unwrap();
    let changed = entry.replace(&known, &format!("  UserKnownHostsFile {}\n", file.display()));
    with(&env, &changed, "--host master")
        .stderr_has("its host key is not the one in known_hosts")
        .stderr_has("ssh-keygen -R");

    let stranger = entry.replace(&known, "  UserKnownHostsFile /dev/null\n");
    with(&env, &stranger, "--host master")
        .stderr_has("its host key is unknown")
        .stderr_has("accept-new");

    let closed = "Host bastion\n  HostName 127.0.0.1\n  Port 1\n";
    let jump = with(&env, &format!("{closed}{entry}"), "--host master --ssh-jump bastion");
    jump.stderr_has("connection through the jump host failed")
        .stderr_has("Connection refused")
        .stderr_has("--ssh-jump");

    let down = format!("{closed}{entry}Host down\n  HostName 127.0.0.1\n  Port 1\n");
    with(&env, &down, "--host down")
        .stderr_has("unreachable")
        .stderr_has("Connection refused");
    // The jump host stands, and what is behind it does not.
    let behind = with(&env, &down, "--host down --ssh-jump master");
    behind.stderr_has("ssh to down: unreachable");

    sshd.forbid_sudo().unwrap();
    with(&env, &entry, "--host master")
        .stderr_has("sudo requires a password")
        .stderr_has("--ssh-user");
}

#[test]
fn a_host_that_wants_another_user_says_so_itself() {
    let env = Env::new(Containerd);
    let sshd = env.masters.host(0).unwrap().sshd();
    // As cloud-init does for root.
    let keys = sshd.programs().join("../authorized_keys");
    let key = std::fs::read_to_string(&keys).unwrap();
    let forced =
        "command=\"echo 'Please login as the user \\\"ubuntu\\\" rather than the user \\\"root\\\".';exit 142\" ";
    std::fs::write(&keys, format!("{forced}{key}")).unwrap();
    with(&env, &sshd.entry("master"), "--host master").stderr_has("Please login as the user \"ubuntu\"");
}

#[test]
fn without_an_ssh_program_it_says_so() {
    let empty = tempfile::tempdir().unwrap();
    for arguments in [
        "logs --host a",
        "restart-etcd --host a --name x.k8s.local",
        "restart-kubelet --host a",
    ] {
        plugin(arguments)
            .env("PATH", empty.path())
            .run()
            .unwrap()
            .code(1)
            .stderr_has("no `ssh` is on PATH");
    }
}

#[test]
fn a_stopped_clock_is_said_each_time_even_if_quiet() {
    let env = Env::new(Containerd);
    let ended = env.cmd("commands -q").run().unwrap().success();
    let warning = ended.clock_warning.unwrap();
    assert!(
        warning.starts_with("warning: KOPS_RECOVERY_NOW is set: the current time is fixed at 2026-11-22T15:21:36Z"),
        "{warning}"
    );
    let without = env
        .cmd("commands -q")
        .without_env("KOPS_RECOVERY_NOW")
        .run()
        .unwrap()
        .success();
    assert_eq!(without.clock_warning, None);
}

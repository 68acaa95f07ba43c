//! By a real ssh to a real sshd.

use std::path::Path;
use std::time::{Duration, Instant};

use runbook_kit::adapters::etcd::access::{AccessError, Connected, connect};
use runbook_kit::failure::Failure;
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use support::servers::sshd;
use support::{Ca, EtcdVersion, Sshd, Usage, pki};

use super::{World, ec, ways, works};

const NOW: &str = "srv/kubernetes/kube-apiserver";
const OLDER: &str = "etc/kubernetes/pki/kube-apiserver";

/// Puts the certificates where a master has them.
fn fill(sshd: &Sshd, folder: &str, ca: &Ca) {
    let folder = sshd.root().join(folder);
    pki::write(&folder, "etcd-ca.crt", ca.certificate()).unwrap();
    ca.issue(Usage::Client).unwrap().write(&folder, "etcd-client").unwrap();
}

fn args(world: &World, host: &str) -> EtcdAccess {
    EtcdAccess {
        via: Via::Ssh,
        host: vec![host.to_owned()],
        etcd_port: Some(world.port()),
        ..EtcdAccess::default()
    }
}

async fn go(sshd: &Sshd, args: &EtcdAccess) -> Result<Connected, AccessError> {
    let args = EtcdAccess {
        ssh_program: Some(sshd.path().join("ssh")),
        ..args.clone()
    };
    connect(&ways(&args, None)).await
}

async fn told(sshd: &Sshd, args: &EtcdAccess) -> String {
    let error = go(sshd, args).await.err().unwrap();
    let hint = Failure::hint(&error).unwrap_or_default();
    format!("{} hint: {hint}", runbook_kit::failure::chain(&error))
}

#[tokio::test]
async fn a_tunnel_with_the_hosts_own_certificates_does_everything() {
    let world = World::new(EtcdVersion::V3_6, ec());
    for folder in [NOW, OLDER] {
        let sshd = Sshd::start().unwrap();
        fill(&sshd, folder, &world.ca);
        for via in [Via::Ssh, Via::Auto] {
            let args = EtcdAccess {
                via,
                ..args(&world, sshd::HOST)
            };
            let connected = go(&sshd, &args).await.unwrap();
            assert_eq!(
                connected.way,
                format!("ssh to {0}, certificate the files of {0}", sshd::HOST)
            );
            if folder == NOW && via == Via::Ssh {
                works(connected.kv.as_ref(), &world.etcd).await;
            } else {
                connected.kv.range(b"/").await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn user_and_bastion_are_passed_on() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let sshd = Sshd::start().unwrap();
    fill(&sshd, NOW, &world.ca);
    let jump = EtcdAccess {
        ssh_jump: Some(sshd::HOST.to_owned()),
        ..args(&world, sshd::HOST)
    };
    go(&sshd, &jump).await.unwrap().kv.range(b"/").await.unwrap();
    // Certificates and tunnel, each by way of the bastion: which is the same host here.
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 4, "{}", sshd.log());
    let nobody = EtcdAccess {
        ssh_user: Some("no-such-user".to_owned()),
        ..args(&world, sshd::HOST)
    };
    let text = told(&sshd, &nobody).await;
    assert!(
        text.contains("no-such-user@") && text.contains("Permission denied"),
        "{text}"
    );
}

#[tokio::test]
async fn each_failure_of_ssh_is_told_with_its_cure() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let sshd = Sshd::start().unwrap();
    let text = told(&sshd, &args(&world, sshd::HOST)).await;
    assert!(text.contains("no etcd client certificate in /srv/kubernetes"), "{text}");
    fill(&sshd, NOW, &world.ca);
    let text = told(&sshd, &args(&world, sshd::STRANGER)).await;
    assert!(
        text.contains("host key is unknown") && text.contains("once by hand"),
        "{text}"
    );
    let text = told(&sshd, &args(&world, sshd::LOCKED)).await;
    assert!(text.contains("Permission denied") && text.contains("ssh-add"), "{text}");

    // The tunnel opens, and nobody is at its end.
    let nobody = EtcdAccess {
        etcd_port: Some(1),
        ..args(&world, sshd::HOST)
    };
    let text = told(&sshd, &nobody).await;
    assert!(
        text.contains("unreachable") && text.contains("forwarding failed"),
        "{text}"
    );

    sshd.forbid_sudo().unwrap();
    let text = told(&sshd, &args(&world, sshd::HOST)).await;
    assert!(text.contains("sudo requires a password"), "{text}");

    // A host that drops everything: bounded.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = EtcdAccess {
        host: vec![format!("ssh://127.0.0.1:{}", silent.local_addr().unwrap().port())],
        etcd_timeout: Duration::from_secs(2),
        ..args(&world, sshd::HOST)
    };
    let begun = Instant::now();
    let text = told(&sshd, &slow).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{text}");
}

#[tokio::test]
async fn the_ssh_process_ends_with_the_connection() {
    let world = World::new(EtcdVersion::V3_6, ec());
    let sshd = Sshd::start().unwrap();
    fill(&sshd, NOW, &world.ca);
    let connected = go(&sshd, &args(&world, sshd::HOST)).await.unwrap();
    connected.kv.range(b"/").await.unwrap();
    let running = || tunnels(&sshd.path().join("../ssh_config"));
    assert_eq!(running(), 1);
    drop(connected);
    let begun = Instant::now();
    while running() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "ssh lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Processes of ssh that use this config and are no zombies.
fn tunnels(config: &Path) -> usize {
    let config = config.canonicalize().unwrap();
    let output = std::process::Command::new("ps")
        .args(["-eo", "stat=,args="])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(&*config.to_string_lossy()) && !line.trim_start().starts_with('Z'))
        .count()
}

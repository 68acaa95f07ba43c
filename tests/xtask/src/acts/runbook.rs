//! The generated runbook, read from start to end: each block of the way with these tools is pasted into a shell, on the cluster of the story.
//! The manual way is played by `tests/etcd_restore_hosts/runbook.rs`.

use std::error::Error;
use std::thread;

use support::Paste;
use support::components;
use support::runbook::{self, RunbookBlock};
use support::store::CLUSTER;

use super::cluster::{Cluster, Control, register};
use super::story::{first_api_server, healthy_and_broken, wait_for_grace};
use crate::rehearse::{Act, Stage};
use crate::{plugins, target_folder};

/// See the module.
pub const ACT: Act = Act {
    name: "runbook",
    title: "the generated runbook, block by block",
    plugins: &plugins::ALL,
    components: &["etcd", "etcd-3.5", "kube-apiserver", "moto", "sshd"],
    real_masters: false,
    play,
};

type Done = Result<(), Box<dyn Error>>;

fn play(stage: &Stage) -> Done {
    let cluster = Cluster::new(stage.folder())?;
    let operator = stage.with(&cluster.environment())?;
    let broken = healthy_and_broken(&operator, &cluster)?;
    operator.tell("The runbook of this cluster, and its blocks pasted into a shell, one after the other");
    let text = operator.restore("runbook --ssh-address private", 0)?.stdout;
    let blocks = runbook::blocks(&text);
    let mut shell = shell(&cluster)?;
    let paste = |shell: &mut Paste, step: usize| -> Done {
        let of_step = |block: &&RunbookBlock| block.step == step && block.way == "With these tools";
        for block in blocks.iter().filter(of_step) {
            paste(&operator, shell, block)?;
        }
        Ok(())
    };
    for step in 0..=3 {
        paste(&mut shell, step)?;
    }
    operator.tell("kops, whose place is taken here, makes three masters; etcd-manager starts on each and waits");
    let new = cluster.make_new_masters()?;
    let control = Control::start(&cluster, &new)?;
    shell.program(
        "ssh",
        &format!("exec {} \"$@\"", control.hosts.path().join("ssh").display()),
    )?;
    paste(&mut shell, 4)?;
    let (servers, _kubelets) = thread::scope(|scope| {
        let starting = scope.spawn(|| first_api_server(&cluster, &control, &new));
        let pasted = paste(&mut shell, 5);
        let started = starting
            .join()
            .unwrap_or_else(|_| Err("the API server's thread panicked".to_owned()));
        pasted.map(|()| started)
    })??;
    let others = control.serve(&cluster, 1..3)?;
    let first = servers.first().ok_or("no API server")?;
    for master in new.masters.iter().skip(1) {
        register(first, "control-plane", master)?;
    }
    paste(&mut shell, 6)?;
    // Before old events go, all is there that was.
    cluster.the_shop_is_there(first)?;
    wait_for_grace(&operator, broken);
    paste(&mut shell, 7)?;
    paste(&mut shell, 8)?;
    drop(others);
    Ok(())
}

/// The shell of an operator: the plugins, kubectl, AWS' own command line, etcd's tools for the drill. kops only says that it was called.
fn shell(cluster: &Cluster) -> Result<Paste, Box<dyn Error>> {
    let mut shell = Paste::new()?;
    for (name, value) in cluster.environment() {
        shell.env(name, value);
    }
    let etcd = components::ensure("etcd")?.unwrap_or_default();
    for (name, path) in ["etcd", "etcdctl", "etcdutl"].iter().zip(etcd) {
        shell.program(name, &format!("exec {} \"$@\"", path.display()))?;
    }
    let mut kubectl = "case $1 in\n".to_owned();
    for plugin in plugins::ALL {
        let binary = target_folder().join("debug").join(plugin);
        let binary = binary.display();
        match plugin.strip_prefix("kubectl-") {
            Some(name) => kubectl.push_str(&format!("{name}) shift; exec {binary} \"$@\";;\n")),
            None => shell.program(plugin, &format!("exec {binary} \"$@\""))?,
        }
    }
    shell.program("kubectl", &format!("{kubectl}*) exit 1;;\nesac"))?;
    shell.program("kops", "echo \"(kops $*)\"")?;
    Ok(shell)
}

/// What a block ends with. Only masters can be logged in to here: of the API servers' own group and of the workers the commands say that
/// nobody answers. An audit of what is broken finds something.
fn fits(block: &RunbookBlock, code: Option<i32>) -> bool {
    let others: [(&str, &[i32]); 5] = [
        ("kops-wipe-masters audit", &[5]),
        ("kubectl etcd-restore restart-kubelet --workers", &[1]),
        ("kubectl etcd-restore restart-kubelet", &[4]),
        ("kubectl etcd-restore logs kube-apiserver", &[1]),
        ("kubectl etcd-restore cleanup workers", &[0, 5]),
    ];
    let known = others.iter().find(|(command, _)| block.text.starts_with(command));
    let expected = known.map_or(&[0][..], |(_, codes)| codes);
    code.is_some_and(|code| expected.contains(&code))
}

fn paste(operator: &Stage, shell: &mut Paste, block: &RunbookBlock) -> Done {
    let mut text = block.text.clone();
    // The accident is seconds old, as the block says that it may be; and on a terminal the name is typed.
    if block.step == 3 {
        let confirm = if text.ends_with("--yes\n") {
            format!(" --confirm {CLUSTER}")
        } else {
            String::new()
        };
        text = format!("{} --even-if-alive{confirm}\n", text.trim_end());
    }
    operator.note(&format!(
        "\n{}\n$ {}",
        block.about,
        text.trim_end().replace('\n', "\n> ")
    ));
    let ended = shell.paste(&text)?;
    operator.note(ended.screen.trim_end());
    if !fits(block, ended.exit_code()) {
        return Err(format!("`{}` ended with {}\n{}", text.trim_end(), ended.status, ended.stderr).into());
    }
    operator.note(&format!("(go on when: {})", block.seen));
    // Each block has a shell of its own here: what an operator's one shell would keep is kept.
    if let Some((name, _)) = text.split_once("=$(") {
        shell.env(name, ended.stdout.trim());
    }
    for (name, value) in text
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
    {
        shell.env(name, value);
    }
    Ok(())
}

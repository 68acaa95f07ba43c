//! `run` from its start to an API that is ready, phase by phase: what is ours, and what etcd-manager (a stand-in) and kube-apiserver (a real one)
//! take.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::store::CLUSTER;

use super::{Bench, Row, Rows};
use crate::acts::cluster::{Cluster, Control, register};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "restore",
    package: "kubectl-etcd-restore",
    run,
};

/// When what happened, since the start of `run`.
#[derive(Default)]
struct Moments {
    queued: Duration,
    serving_seen: Duration,
    ready_seen: Duration,
    ended: Duration,
    /// When it was so.
    serving: Duration,
    ready: Duration,
}

fn run(binary: &Path) -> Rows {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::new(folder.path())?;
    let control = Control::start(&cluster, &cluster.built)?;
    let servers = control.serve(&cluster, 0..1)?;
    let first = servers.first().ok_or("no API server")?;
    for master in &cluster.built.masters {
        register(first, "control-plane", master)?;
    }
    cluster.deploy_the_shop(first)?;
    control.back_up()?;
    drop(servers);
    drop(control);

    let control = Control::start(&cluster, &cluster.built)?;
    let moments = restore(binary, &cluster, &control, folder.path())?;
    let row = |what: &str, value: Duration, aim| Row {
        what: what.to_owned(),
        value: format!("{:.2} s", value.as_secs_f64()),
        aim,
    };
    let noticed_serving = moments.serving_seen.saturating_sub(moments.serving);
    let noticed_ready = moments.ready_seen.saturating_sub(moments.ready);
    let after = moments.ended.saturating_sub(moments.ready_seen);
    Ok(vec![
        row("`run --yes`, from its start to its end", moments.ended, ""),
        row(
            "ours: backups read and verified, preflight, commands queued",
            moments.queued,
            "",
        ),
        row(
            "etcd-manager's: until both etcds serve",
            moments.serving.saturating_sub(moments.queued),
            "",
        ),
        row("ours: from etcd serving to `run` knowing it", noticed_serving, "≤ 2 s"),
        row(
            "kube-apiserver's: until it is ready",
            moments.ready.saturating_sub(moments.serving),
            "",
        ),
        row(
            "ours: from the API being ready to `run` knowing it",
            noticed_ready,
            "≤ 2 s",
        ),
        row("ours: the end", after, ""),
        Row {
            what: "ours in all".to_owned(),
            value: format!(
                "{:.0} %",
                100.0 * (moments.queued + noticed_ready + after).as_secs_f64() / moments.ended.as_secs_f64()
            ),
            aim: "",
        },
    ])
}

fn restore(binary: &Path, cluster: &Cluster, control: &Control, folder: &Path) -> Result<Moments, Box<dyn Error>> {
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(["run", "--yes", "--confirm", CLUSTER, "--workers-timeout", "0s"])
        .envs(cluster.environment())
        .env("HOME", folder.join("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let told = child.stderr.take().ok_or("no stderr")?;
    let mut moments = Moments::default();
    let mut said = String::new();
    thread::scope(|scope| {
        let serving = scope.spawn(|| control.wait_until_serving().map(|()| begun.elapsed()));
        let ready = scope.spawn(|| {
            let servers = control.serve(cluster, 0..1)?;
            if let Some(first) = servers.first() {
                cluster.api_is_at(first);
            }
            // It lives until `run` has seen it.
            Ok::<_, String>((begun.elapsed(), servers))
        });
        for line in BufReader::new(told).lines() {
            let line = line?;
            let now = begun.elapsed();
            if line.contains(": queued ") {
                moments.queued = now;
            } else if line.contains(": serving (") {
                moments.serving_seen = now;
            } else if line.contains("API: ready") && moments.ready_seen.is_zero() {
                moments.ready_seen = now;
            }
            said.push_str(&line);
            said.push('\n');
        }
        let status = child.wait()?;
        moments.ended = begun.elapsed();
        let panicked = |_| "a thread panicked".to_owned();
        moments.serving = serving.join().map_err(panicked)??;
        moments.ready = ready.join().map_err(panicked)??.0;
        if !status.success() {
            return Err(format!("`run` ended with {status}\n{said}").into());
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(moments)
}

//! The most memory that each command holds, on a small cluster: what the program itself costs. What a large snapshot adds is in `verify`.

use std::path::Path;
use std::process::Command;

use support::store::{CLUSTER, make_state_store};
use support::{AwsAccount, Etcd, EtcdVersion, KopsCluster, Moto, S3};

use super::measure::measure;
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "memory",
    package: BACKUPS,
    run,
};

const COMMANDS: [(&str, &str); 16] = [
    (BACKUPS, "list"),
    (BACKUPS, "show main=latest"),
    (BACKUPS, "verify latest-good"),
    (BACKUPS, "inspect main=latest-good"),
    (BACKUPS, "diff main=2026-11-22T15:18 main=2026-11-22T15:19"),
    (BACKUPS, "export main=latest-good apiservices/v1.apps"),
    (BACKUPS, "download main=latest-good main.db"),
    (BACKUPS, "timeline --keys"),
    (BACKUPS, "check --max-age 45m"),
    ("kubectl-masterleases", "list --observe 0"),
    ("kops-wipe-masters", "--even-if-alive -o name"),
    ("kubectl-etcd-restore", ""),
    ("kubectl-etcd-restore", "plan"),
    ("kubectl-etcd-restore", "status"),
    ("kubectl-etcd-restore", "commands"),
    ("kubectl-etcd-restore", "runbook"),
];

fn run(binary: &Path) -> Rows {
    let aws = Moto::start()?;
    KopsCluster::new(CLUSTER).build(&AwsAccount::of(&aws))?;
    let state = tempfile::tempdir()?;
    let url = format!("file://{}", state.path().display());
    make_state_store(state.path(), &url, "state-store-restored")?;
    let etcd = Etcd::start(EtcdVersion::V3_6)?;
    etcd.announce("10.245.21.57")?;
    let mut rows = Vec::new();
    for (package, arguments) in COMMANDS {
        let mut command = Command::new(binary.with_file_name(package));
        command
            .args(arguments.split_whitespace())
            .current_dir(state.path())
            .envs(aws.env())
            .env("HOME", state.path().join("home"))
            .env("KOPS_STATE_STORE", &url)
            .env("KOPS_CLUSTER_NAME", CLUSTER)
            .env("KOPS_RECOVERY_NOW", "2026-11-22T15:27:00Z")
            .env_remove("KUBECONFIG");
        // A living etcd would stop a plan of a restore, and a wipe.
        if package == "kubectl-masterleases" {
            command.env("ETCDCTL_ENDPOINTS", etcd.endpoint());
        }
        let cost = measure(&mut command)?;
        rows.push(Row {
            what: format!("`{}`", format!("{package} {arguments}").trim_end()),
            value: format!("{:.0} MiB", cost.peak as f64 / f64::from(1 << 20)),
            aim: "",
        });
    }
    Ok(rows)
}

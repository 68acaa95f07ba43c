//! What each command asks S3 for: on a cluster with five backups of each of its two etcds, once with nothing kept from before, and
//! once again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use support::store::{CLUSTER, serve_state_store};
use support::{Moto, Proxy, Recorded, S3, paths};

use super::measure::measure;
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "requests to S3",
    package: BACKUPS,
    run,
};

const STORE: &str = "state-store-restored";
const BUCKET: &str = "kops-state";

const COMMANDS: [&str; 11] = [
    "list",
    "show latest",
    "show latest-good",
    "verify latest",
    "verify latest-good",
    "inspect latest-good",
    "diff main=2026-11-22T15:18 main=2026-11-22T15:19",
    "export main=latest-good apiservices/v1.apps",
    "download main=latest-good main.db",
    "check --max-age 45m",
    "timeline --keys",
];

fn run(binary: &Path) -> Rows {
    let server = Moto::start()?;
    serve_state_store(&server, BUCKET, STORE)?;
    let proxy = Proxy::start(&server)?;
    let mut rows = Vec::new();
    for arguments in COMMANDS {
        let home = tempfile::tempdir()?;
        for again in ["", ", again"] {
            proxy.reset();
            let folder = tempfile::tempdir()?;
            let mut command = Command::new(binary);
            command
                .args(arguments.split_whitespace())
                .current_dir(folder.path())
                .envs(proxy.env())
                .env("HOME", home.path())
                .env("KOPS_STATE_STORE", format!("s3://{BUCKET}"))
                .env("KOPS_CLUSTER_NAME", CLUSTER)
                .env("KOPS_RECOVERY_NOW", "2026-11-22T15:27:00Z")
                .env_remove("XDG_CACHE_HOME")
                .env_remove("KUBECONFIG");
            measure(&mut command)?;
            rows.push(Row {
                what: format!("`{arguments}`{again}"),
                value: asked(&proxy.requests())?,
                aim: "",
            });
        }
    }
    Ok(rows)
}

/// Requests by what they ask for, and the bytes of the backups among them.
fn asked(requests: &[Recorded]) -> Result<String, Box<dyn std::error::Error>> {
    let lists = requests.iter().filter(|request| request.is_list()).count();
    let mut backups: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests {
        if request.method == "GET" && request.path.ends_with("/etcd.backup.gz") {
            *backups.entry(&request.path).or_default() += 1;
        }
    }
    if let Some((twice, _)) = backups.iter().find(|(_, times)| **times > 1) {
        return Err(format!("{twice} was read twice").into());
    }
    let mut bytes = 0;
    for path in backups.keys() {
        let key = path.trim_start_matches(&format!("/{BUCKET}/")).replace("%3A", ":");
        bytes += std::fs::metadata(paths::fixture(STORE).join(key))?.len();
    }
    let others = requests.len() - lists - backups.len();
    Ok(format!(
        "{lists} lists, {others} small objects, {} backups of {:.0} kB",
        backups.len(),
        bytes as f64 / 1e3
    ))
}

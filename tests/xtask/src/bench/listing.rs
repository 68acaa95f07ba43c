//! Stores far away: two etcd clusters with a thousand backups each, and a thousand clusters in one state store, each answer of S3 30 ms
//! late. Beside it what the same requests take one after the other.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::store::{CLUSTER, LongStore, make_state_store};
use support::{Fault, Proxy, Rule, S3, SeaweedFs};

use super::measure::measure;
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "far stores",
    package: BACKUPS,
    run,
};

const LATE: Duration = Duration::from_millis(30);
const EACH: usize = 1_000;
const CLUSTERS: usize = 1_000;
const BUCKET: &str = "kops-state";

fn run(binary: &Path) -> Rows {
    let server = SeaweedFs::start()?;
    server.create_bucket(BUCKET)?;
    let folder = tempfile::tempdir()?;
    LongStore::new(EACH, "2026-11-01T00:00:00Z".parse()?)?.write(folder.path())?;
    for etcd in ["main", "events"] {
        server.upload_folder(BUCKET, &format!("long/{etcd}"), folder.path())?;
    }
    many_clusters(&server)?;
    let proxy = Proxy::start(&server)?;
    let stores = format!("--store main=s3://{BUCKET}/long/main --store events=s3://{BUCKET}/long/events");
    let mut rows = Vec::new();
    for (what, arguments, now) in [
        (
            format!("`list` of 2 × {EACH} backups"),
            format!("list {stores}"),
            "2026-11-12T00:00:00Z",
        ),
        (
            "`list -o json`, which reads every backup's meta".to_owned(),
            format!("list {stores} -o json"),
            "2026-11-12T00:00:00Z",
        ),
        (
            format!("`check --all-clusters --age-only` of {CLUSTERS} clusters"),
            format!("check --all-clusters --age-only --max-age 45m --state s3://{BUCKET}/many"),
            "2026-11-01T00:10:00Z",
        ),
    ] {
        proxy.reset();
        proxy.inject(Rule::always("", "", Fault::Delay(LATE)));
        let mut command = Command::new(binary);
        command
            .args(arguments.split_whitespace())
            .envs(proxy.env())
            .env("KOPS_RECOVERY_NOW", now);
        let cost = measure(&mut command)?;
        let requests = proxy.requests().len();
        let alone = LATE * u32::try_from(requests)?;
        rows.push(Row {
            what,
            value: format!("{:.2} s", cost.time.as_secs_f64()),
            aim: "",
        });
        rows.push(Row {
            what: format!("its {requests} requests one after the other, reckoned"),
            value: format!("{:.2} s", alone.as_secs_f64()),
            aim: "",
        });
        rows.push(Row {
            what: "its memory".to_owned(),
            value: format!("{:.0} MiB", cost.peak as f64 / f64::from(1 << 20)),
            aim: "",
        });
    }
    Ok(rows)
}

/// Clusters with a spec as kops writes it, and one backup of each etcd.
fn many_clusters(server: &SeaweedFs) -> Result<(), Box<dyn Error>> {
    let made = tempfile::tempdir()?;
    let base = format!("s3://{BUCKET}/many");
    make_state_store(made.path(), &base, "kops-built/state")?;
    let spec = fs::read_to_string(made.path().join(CLUSTER).join("cluster-completed.spec"))?;
    let backup = LongStore::new(1, "2026-11-01T00:00:00Z".parse()?)?;
    for number in 0..CLUSTERS {
        let name = format!("c{number:04}.example.com");
        let spec = spec.replace(CLUSTER, &name);
        server.put(BUCKET, &format!("many/{name}/cluster-completed.spec"), spec.as_bytes())?;
        for etcd in ["main", "events"] {
            for (path, content) in backup.files() {
                server.put(BUCKET, &format!("many/{name}/backups/etcd/{etcd}/{path}"), &content)?;
            }
        }
    }
    Ok(())
}

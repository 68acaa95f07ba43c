//! A large backup over a line that gives each connection a share of it: 50 Mbit/s, as one connection to S3 from afar has.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use support::{Fault, Proxy, Rule, S3, SeaweedFs};

use super::measure::measure;
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "slow line",
    package: BACKUPS,
    run,
};

/// Bytes a second of each connection.
const SPEED: u64 = 50_000_000 / 8;
const SIZE: usize = 160_000_000;
const BUCKET: &str = "slow";
const NAME: &str = "2026-11-22T15:18:01Z-000001";
const META: &[u8] =
    br#"{"etcdVersion":"3.5.35","timestamp":"1795360681","clusterSpec":{"memberCount":3,"etcdVersion":"3.5.35"}}"#;

fn run(binary: &Path) -> Rows {
    let server = SeaweedFs::start()?;
    server.create_bucket(BUCKET)?;
    let data = format!("main/{NAME}/etcd.backup.gz");
    server.put(BUCKET, &data, &vec![7; SIZE])?;
    server.put(BUCKET, &format!("main/{NAME}/_etcd_backup.meta"), META)?;
    let proxy = Proxy::start(&server)?;
    proxy.inject(Rule::always("GET", "etcd.backup.gz", Fault::Limit(SPEED)));

    let begun = Instant::now();
    let length = proxy.get(BUCKET, &data)?.len();
    let one = begun.elapsed().as_secs_f64();

    let folder = tempfile::tempdir()?;
    let mut command = Command::new(binary);
    command
        .args(["download", "--raw", NAME])
        .arg(folder.path().join("backup.gz"))
        .args(["--store", &format!("main=s3://{BUCKET}/main")]);
    let cost = measure(command.envs(proxy.env()))?;
    let ours = cost.time.as_secs_f64();
    let row = |what: String, value: String, aim| Row { what, value, aim };
    Ok(vec![
        row(
            format!("one GET of {} MB, 50 Mbit/s a connection", length / 1_000_000),
            format!("{one:.1} s"),
            "",
        ),
        row(
            "`download --raw` of the same, in parts at once".to_owned(),
            format!("{ours:.1} s"),
            "",
        ),
        row("times faster".to_owned(), format!("{:.1}", one / ours), "≥ 5"),
        row("its memory".to_owned(), format!("{} MiB", cost.peak >> 20), "≤ 150 MiB"),
    ])
}

//! How large the binaries are that a user downloads.

use std::fs;
use std::path::Path;

use super::{BACKUPS, Bench, Row, Rows};
use crate::plugins;

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "size",
    package: BACKUPS,
    run,
};

/// The release profile strips them.
fn run(binary: &Path) -> Rows {
    let row = |plugin: &&str| {
        let megabytes = fs::metadata(binary.with_file_name(plugin))?.len() as f64 / 1e6;
        Ok(Row {
            what: format!("`{plugin}`, stripped"),
            value: format!("{megabytes:.1} MB"),
            aim: match *plugin {
                BACKUPS => "≤ 10 MB",
                "kops-wipe-masters" => "≤ 12 MB",
                "kubectl-etcd-restore" => "≤ 13 MB",
                _ => "≤ 9 MB",
            },
        })
    };
    plugins::ALL.iter().map(row).collect()
}

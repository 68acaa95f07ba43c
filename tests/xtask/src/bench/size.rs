//! How large the binary is that a user downloads.

use std::fs;
use std::path::Path;

use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "size",
    package: BACKUPS,
    run,
};

/// The release profile strips it.
fn run(binary: &Path) -> Rows {
    let megabytes = fs::metadata(binary)?.len() as f64 / 1e6;
    Ok(vec![Row {
        what: "release binary, stripped".to_owned(),
        value: format!("{megabytes:.1} MB"),
        aim: "≤ 9 MB",
    }])
}

//! The metrics of `check` in Prometheus' text format, for node_exporter's textfile collector.

use std::fmt::Write;

use crate::rules::check_row::CheckRow;

/// All rows, one block per metric.
pub fn metrics(rows: &[CheckRow]) -> String {
    let mut text = String::new();
    block(
        &mut text,
        rows,
        "etcd_backup_ok",
        "Whether the etcd cluster's backups pass the check.",
        |row| Some(i64::from(row.ok)),
    );
    block(
        &mut text,
        rows,
        "etcd_backup_newest_good",
        "Whether the newest complete backup is good; absent if it was not judged.",
        |row| row.good.map(i64::from),
    );
    block(
        &mut text,
        rows,
        "etcd_backup_newest_timestamp_seconds",
        "When the newest complete backup was taken.",
        |row| row.created.map(|created| created.as_second()),
    );
    block(
        &mut text,
        rows,
        "etcd_backup_newest_size_bytes",
        "Compressed size of the newest complete backup.",
        |row| row.size_bytes.and_then(|size| i64::try_from(size).ok()),
    );
    block(
        &mut text,
        rows,
        "etcd_backup_max_age_seconds",
        "Maximum age of the newest backup.",
        |row| row.max_age_seconds,
    );
    block(
        &mut text,
        rows,
        "etcd_backup_count",
        "Complete backups in the store.",
        |row| row.etcd.as_ref().and_then(|_| i64::try_from(row.backups).ok()),
    );
    if rows.iter().any(|row| row.copy_created.is_some()) {
        block(
            &mut text,
            rows,
            "etcd_backup_copy_newest_timestamp_seconds",
            "When the backup was taken whose copy is the newest.",
            |row| row.copy_created.map(|created| created.as_second()),
        );
    }
    text
}

fn block(text: &mut String, rows: &[CheckRow], name: &str, help: &str, value: impl Fn(&CheckRow) -> Option<i64>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for row in rows {
        if let Some(value) = value(row) {
            let etcd = row.etcd.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "{name}{{cluster=\"{}\",etcd=\"{}\"}} {value}",
                escape(&row.cluster),
                escape(etcd)
            );
        }
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

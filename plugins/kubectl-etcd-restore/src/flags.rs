//! Values of flags.

use std::time::Duration;

pub use runbook_kit::cli::etcd::duration;

/// `12s`, `1m`, `0`.
pub fn duration_or_zero(text: &str) -> Result<Duration, String> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    duration(text)
}

/// Where Kubernetes keeps its keys: with and without the first slash, as kube-apiserver takes it.
pub fn prefix(text: &str) -> Result<String, String> {
    let inner = text.trim_matches('/');
    if inner.is_empty() {
        return Err("the prefix is a path like /registry".to_owned());
    }
    Ok(format!("/{inner}"))
}

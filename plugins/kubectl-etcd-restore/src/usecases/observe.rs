//! Observes a cluster: its stores, etcd, logs, the API, kubelets and AWS.

use std::time::Duration;

pub mod age;
pub mod api;
pub mod aws;
pub mod by_address;
pub mod control_file;
pub mod etcd;
pub mod kept;
pub mod kubelets;
pub mod latest;
pub mod left_out;
pub mod liveness;
pub mod log_watch;
pub mod missing_instances;
pub mod observer;
pub mod overview;
pub mod poll;
pub mod ready;
pub mod survey;
pub mod wiped;

/// Timeout for all AWS requests together.
pub(super) const AWS_TIMEOUT: Duration = Duration::from_secs(20);

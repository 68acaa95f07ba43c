//! Formats and rules of kops, etcd-manager, etcd and Kubernetes, free of I/O.

pub mod aws_error;
pub mod backup;
pub mod certificate;
pub mod check;
pub mod etcd_access;
pub mod etcd_manager;
pub mod exposure;
pub mod fleet;
pub mod kops;
pub mod kubernetes;
pub mod ladder;
pub mod liveness;
pub mod moment;
pub mod observed;
pub mod salvage;
pub mod shell;
pub mod snapshot;
pub mod store_url;
pub mod units;
pub mod wal;
pub mod yaml;

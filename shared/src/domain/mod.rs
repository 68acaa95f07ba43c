//! Formats and rules of kops, etcd-manager, etcd and Kubernetes, free of I/O.

pub mod backup_meta;
pub mod backup_name;
pub mod backup_ref;
pub mod check;
pub mod contents;
pub mod control;
pub mod etcd_manager;
pub mod fleet;
pub mod goodness;
pub mod kops;
pub mod kube;
pub mod layout;
pub mod lifecycle;
pub mod liveness;
pub mod masterleases;
pub mod moment;
pub mod observed;
pub mod protobuf;
pub mod protojson;
pub mod restore;
pub mod retention;
pub mod shell;
pub mod snapshot;
pub mod store_url;
pub mod units;
pub mod wipe;

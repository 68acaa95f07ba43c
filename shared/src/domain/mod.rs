//! Formats and rules of kops, etcd-manager, etcd and Kubernetes, free of I/O.

pub mod protobuf;
pub mod snapshot;
pub mod store_url;

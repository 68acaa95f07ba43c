//! Formats and rules of kops, etcd-manager, etcd and Kubernetes, free of I/O.

pub mod kops;
pub mod store_url;

//! Formats and rules of kops, etcd-manager, etcd and Kubernetes, free of I/O.

pub mod kube;
pub mod protobuf;
pub mod store_url;

//! What can be seen of a cluster: stores, etcd, logs, the API, kubelets; and what follows from it.

pub mod age;
pub mod by_address;
pub mod kubelets;
pub mod latest;
pub mod log_watch;
pub mod missing_instances;
pub mod observer;
pub mod overview;
pub mod ready;
pub mod signs;
pub mod survey;
pub mod wiped;
pub mod workers;

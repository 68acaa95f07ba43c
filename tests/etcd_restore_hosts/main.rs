//! What `kubectl etcd-restore` does with hands: hosts over a real ssh, Nodes of a real kube-apiserver beside moto, events in a
//! real etcd, a drill with the real etcd and etcdutl.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: the checks panic by themselves, and what they give is for chaining"
)]

mod bad_days;
mod bare;
mod by_address;
mod containerd;
mod drill;
mod env;
mod events;
mod left_behind;
mod life;
mod logs;
mod nodes;
mod restart_etcd;
mod restart_kubelet;
mod run_api;
mod runbook;

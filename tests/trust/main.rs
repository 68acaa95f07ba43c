//! Trust over the whole suite: every command of all four plugins under every fault of a line, with secrets that must not show,
//! and with no more rights than its policy gives. On moto behind TLS, a real etcd, a real kube-apiserver and real sshds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod canaries;
mod commands;
mod faults;
mod permissions;
mod place;
mod plugins;
mod work;
mod world;

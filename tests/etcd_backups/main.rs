//! Every subcommand of `kubectl etcd-backups` on real stores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod bad_input;
mod check;
mod colour;
mod completion;
mod contents;
mod copy;
mod copy_s3;
mod copy_state;
mod download;
mod env;
mod etcd;
mod good;
mod help;
mod interrupted;
mod lineage;
mod list;
mod pin;
mod s3;
mod show;
mod take;
mod take_disk;
mod take_members;
mod timeline;
mod verify;

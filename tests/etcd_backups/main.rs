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
mod diff;
mod download;
mod encryption;
mod env;
mod etcd;
mod export;
mod export_apply;
mod good;
mod help;
mod interrupted;
mod lineage;
mod list;
mod live;
mod pin;
mod restore_objects;
mod s3;
mod show;
mod take;
mod take_disk;
mod take_members;
mod timeline;
mod verify;

//! `kubectl etcd-restore` as an operator calls it: over stores as etcd-manager left them, and against the stand-in that carries its
//! commands out on a real etcd.
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
mod bare_after_a_wipe;
mod cancelled;
mod completion;
mod copied_state;
mod env;
mod gone_backup;
mod help;
mod left_behind;
mod lineage;
mod liveness;
mod losses;
mod news;
mod plan;
mod queue;
mod run;
mod run_restart;
mod run_resumed;
mod s3;
mod salvage;
mod second_disaster;
mod status;
mod watch;

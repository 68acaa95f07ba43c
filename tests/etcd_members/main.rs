//! `kubectl etcd-restore member` and `space` on real etcd clusters of three members with TLS.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: the checks panic by themselves, and what they give is for chaining"
)]

mod env;
mod list;
mod replace;
mod space;

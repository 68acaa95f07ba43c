//! `kubectl masterleases` against real etcds with TLS and client certificates, on keys that the tests write.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: the checks panic, and their results are for chaining"
)]

mod bad_input;
mod env;
mod help;
mod interrupted;
mod list;
mod prune;
mod races;

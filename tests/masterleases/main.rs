//! `kubectl masterleases` against real etcds with TLS and client certificates, on keys that the tests write.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: the checks panic by themselves, and what they give is for chaining"
)]

mod bad_input;
mod env;
mod help;
mod judge;
mod midway;
mod races;
mod undo;

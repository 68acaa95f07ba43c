//! `kops-wipe-masters` as an operator calls it: real moto with clusters as kops makes them, and a real state store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod accounts;
mod again;
mod alive;
mod audit;
mod audit_env;
mod audit_living;
mod back;
mod bad_days;
mod bad_input;
mod cures;
mod elsewhere;
mod env;
mod help;
mod interlock;
mod kills;
mod meanwhile;
mod termination;
mod typed;
mod wiping;

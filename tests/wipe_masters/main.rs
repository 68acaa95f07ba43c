//! `kops-wipe-masters` as a user meets it: on moto with clusters as kops makes them, and state stores that real programs wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod audit;
mod audit_stand;

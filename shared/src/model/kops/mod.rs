//! What kops writes into its state store, and what follows from it.

pub mod cluster;
pub mod duration;
pub mod encryption;
pub mod identity;
pub mod instance_group;
pub mod keyset;
pub mod names;
mod raw;

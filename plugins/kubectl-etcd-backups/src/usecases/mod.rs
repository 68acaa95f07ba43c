//! What the subcommands do, over ports.

pub mod copy;
pub mod copy_row;
pub mod copy_state;
pub mod data_dir;
pub mod destination;
pub mod hashed;
pub mod judge;
pub mod members;
pub mod open;
pub mod take;
pub mod take_row;

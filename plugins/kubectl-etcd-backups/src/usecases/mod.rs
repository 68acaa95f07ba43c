//! What the subcommands do, over ports.

pub mod copy;
pub mod copy_row;
pub mod copy_state;
pub mod data_dir;
pub mod destination;
pub mod export;
pub mod hashed;
pub mod judge;
pub mod live;
pub mod members;
pub mod open;
pub mod restore_objects;
pub mod selected;
pub mod take;
pub mod take_row;

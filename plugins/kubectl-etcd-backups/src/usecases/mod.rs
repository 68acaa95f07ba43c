//! What the subcommands do, over ports.

pub mod export;
pub mod judge;
pub mod live;
pub mod open;
pub mod restore_objects;
pub mod selected;
pub mod take;

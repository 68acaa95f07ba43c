//! What the subcommands do, over ports.

pub mod judge;
pub mod live;
pub mod open;
pub mod selected;
pub mod take;

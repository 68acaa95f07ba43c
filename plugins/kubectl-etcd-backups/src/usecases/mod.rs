//! What subcommands do, over ports.

pub mod open;
pub mod quality;
pub mod take;

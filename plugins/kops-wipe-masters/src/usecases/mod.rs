//! What subcommands do, over ports.

pub mod alive;
pub mod apply;
pub mod audit;
pub mod audit_look;
pub mod aws_failure;
pub mod interlock;
pub mod journal;
pub mod prepare;
pub mod quarantine;
pub mod salvage;

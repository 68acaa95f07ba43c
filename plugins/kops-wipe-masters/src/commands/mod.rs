//! One file per subcommand: its doc, its `Args`, its `run`.

pub mod audit;
pub mod purge_volumes;
pub mod restore_volumes;
pub mod wipe;

//! One file per subcommand: its doc, its `Args`, its `run`.

pub mod check;
pub mod list;
pub mod prune;
pub mod undo;

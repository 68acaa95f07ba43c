//! One file per subcommand: its doc, its `Args`, its `run`.

pub mod check;
pub mod completion;
pub mod list;
pub mod man;
pub mod prune;
pub mod undo;

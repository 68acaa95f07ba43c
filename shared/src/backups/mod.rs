//! Use cases over backups that several plugins need: which stores there are, what is in them, what can be trusted.

pub mod aftermath;
pub mod catalog;
pub mod choose;
pub mod control;
pub mod discover;
pub mod examine;
pub mod gaps;
pub mod losses;
pub mod pinning;
pub mod queue;
pub mod run_record;
pub mod take;
pub mod wipe_journal;

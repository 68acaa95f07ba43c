//! One file per subcommand: its doc, its `Args`, its `run`.

pub mod check;
pub mod copy;
pub mod diff;
pub mod download;
pub mod export;
pub mod inspect;
pub mod list;
pub mod pin;
pub mod restore_objects;
pub mod show;
pub mod take;
pub mod timeline;
pub mod unpin;
pub mod verify;

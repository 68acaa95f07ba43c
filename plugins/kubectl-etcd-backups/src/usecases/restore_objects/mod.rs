//! Restores objects of a backup into a living cluster, and undoes that.

pub mod apply;
pub mod backup;
pub mod check;
pub mod observe;
pub mod undo;

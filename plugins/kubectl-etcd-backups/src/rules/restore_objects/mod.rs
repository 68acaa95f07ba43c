//! What `restore-objects` does, and undoes.

pub mod changes;
pub mod living;
pub mod object;
pub mod plan;
pub mod references;

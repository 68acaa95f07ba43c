//! What `restore-objects` does, and undoes.

pub mod answer;
pub mod changes;
pub mod journal;
pub mod living;
pub mod object;
pub mod plan;
pub mod prepare;
pub mod references;
pub mod report;
pub mod undo;
pub mod volumes;

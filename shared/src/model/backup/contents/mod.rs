//! The Kubernetes objects of a snapshot: a report, the difference of two, one object.
//!
//! The keys of a snapshot are in memory; of its values one at a time is read, and of most of them only the beginning.

pub mod diff;
pub mod export;
pub mod live;
pub mod report;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_encrypted;
#[cfg(test)]
mod tests_on_fixtures;

pub use source::Snapshot;

//! etcd's snapshot: a bbolt database, read by positioned reads, every length from the file checked before it is used.

mod content;
mod problem;

pub use content::{Content, LiveKey, ValueAt};
pub use problem::{Fault, MetaFault, Place, Problem};

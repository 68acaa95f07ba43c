//! A backup of etcd-manager: its name, its metadata, how long it is kept, and what can be trusted.

pub mod contents;
pub mod goodness;
pub mod lifecycle;
pub mod meta;
pub mod name;
pub mod reference;
pub mod retention;

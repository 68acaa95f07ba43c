//! Finds the objects of an export in the backups, orders them, and writes them.

pub mod find;
pub mod order;
pub mod write;

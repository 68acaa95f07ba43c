//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod endpoints;
pub mod evidence;
pub mod masterlease;
pub mod peers;
pub mod plan;
pub mod rows;
pub mod undo_file;
pub mod verdict;
#[cfg(test)]
pub mod verdict_tests;

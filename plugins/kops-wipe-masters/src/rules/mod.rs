//! Decisions of this plugin, without clock, environment, files and network.

pub mod audit;
pub mod interlock;
pub mod plan;
pub mod quarantine;
pub mod read_volume;
pub mod report;
pub mod steps;

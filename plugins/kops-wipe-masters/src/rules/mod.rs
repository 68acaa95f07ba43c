//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod audit;
pub mod interlock;
pub mod plan;
pub mod quarantine;
pub mod report;
pub mod steps;

//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod gaps;
pub mod prometheus;

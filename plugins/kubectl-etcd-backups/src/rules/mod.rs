//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod check_row;
pub mod copies;
pub mod history;
pub mod judged;
pub mod members;
pub mod prometheus;
pub mod state_copy;

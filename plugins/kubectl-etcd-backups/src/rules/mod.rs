//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod check_row;
pub mod export_report;
pub mod history;
pub mod judged;
pub mod object_file;
pub mod prometheus;
pub mod restore_objects;

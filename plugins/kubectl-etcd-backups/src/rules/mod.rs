//! What only this plugin decides. Pure: no clock, environment, file or network.

pub mod check_row;
pub mod copies;
pub mod diff_text;
pub mod export_report;
pub mod history;
pub mod judged;
pub mod live_text;
pub mod members;
pub mod object_file;
pub mod prometheus;
pub mod restore_objects;
pub mod state_copy;
pub mod timeline_row;
pub mod timeline_svg;

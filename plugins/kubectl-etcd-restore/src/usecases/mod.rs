//! What the subcommands do, over ports.

pub mod api_log;
pub mod ask_consent;
pub mod choose;
pub mod data_loss;
pub mod delete_events;
pub mod follow;
pub mod hosts;
pub mod member_machines;
pub mod observe;
pub mod queue;
pub mod queued_commands;
pub mod remarks;
pub mod replace_member;
pub mod restart_etcd;
pub mod run;
pub mod run_record;
pub mod space;
pub mod space_use;
pub mod stop_run;
pub mod submit;
pub mod target;

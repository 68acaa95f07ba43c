//! The decisions of this plugin, without clock, environment, files or network.

pub mod compare_snapshots;
pub mod data_loss;
pub mod dead_nodes;
pub mod etcd_manager;
pub mod follow;
pub mod host_facts;
pub mod log_messages;
pub mod machines;
pub mod merge_logs;
pub mod next_command;
pub mod observation;
pub mod preflight;
pub mod remark;
pub mod replace_member;
pub mod restart_etcd;
pub mod runbook;
pub mod space;
pub mod space_use;
pub mod stage;
pub mod workers;

//! What subcommands do, over ports.

pub mod agree;
pub mod armed;
pub mod choose;
pub mod data_loss;
pub mod delete_events;
pub mod follow;
pub mod hosts;
pub mod observe;
pub mod order;
pub mod queue;
pub mod restart_etcd;
pub mod run_record;

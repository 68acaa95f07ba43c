//! One file per subcommand: its doc, its `Args`, its `run`.

pub mod cancel;
pub mod cleanup;
#[expect(clippy::module_inception, reason = "the file of the subcommand `commands`")]
pub mod commands;
pub mod drill;
pub mod logs;
pub mod member;
pub mod overview;
pub mod plan;
pub mod queue;
pub mod restart_etcd;
pub mod restart_kubelet;
pub mod run;
pub mod runbook;
pub mod space;
pub mod status;

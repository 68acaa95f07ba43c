//! The ports' implementations: the only code that touches disks, networks, clocks and SDKs.

#[cfg(feature = "etcd")]
pub mod api_probe;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(feature = "s3", feature = "aws"))]
mod aws_chain;
pub mod backup_notes;
#[cfg(feature = "etcd")]
pub mod certificates;
pub mod clock;
pub mod completion_script;
#[cfg(feature = "etcd")]
pub mod drill;
pub mod encryption_config;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod file;
pub mod folder;
#[cfg(feature = "etcd")]
pub mod host_probe;
pub mod journal;
pub mod kops_config;
pub mod kops_program;
#[cfg(feature = "kube")]
pub mod kube;
pub mod local_state;
pub mod pack;
#[cfg(feature = "s3")]
mod s3;
pub mod save;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod store_options;
pub mod stores;
pub mod unpack;
mod user_folders;
pub mod waiting;

//! The ports' implementations: the only code that touches disks, networks, clocks and SDKs.

pub mod clock;
pub mod file;
pub mod kops_config;
#[cfg(feature = "s3")]
mod s3;
pub mod save;
pub mod stores;
pub mod unpack;

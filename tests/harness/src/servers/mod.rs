//! Servers on this machine's loopback address, each in a temporary folder and ended when its value is dropped.

mod etcd;
mod moto;
mod process;
mod s3;
mod seaweedfs;

pub use etcd::{Etcd, EtcdOptions, Put};
pub use moto::Moto;
pub use s3::S3;
pub use seaweedfs::SeaweedFs;

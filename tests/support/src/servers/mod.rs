//! Servers on this machine's loopback address, each in a temporary folder and ended when its value is dropped.

mod api_client;
mod containerd;
mod etcd;
mod etcd_at;
mod etcd_members;
mod etcd_read;
mod etcd_tls;
pub mod kube_api;
mod kube_apiserver;
mod load_balancer;
mod moto;
mod process;
mod s3;
mod seaweedfs;
pub mod sshd;

pub use api_client::{ApiClient, TOKEN};
pub use containerd::Containerd;
pub use etcd::{Etcd, EtcdOptions, Put};
pub use etcd_at::EtcdAt;
pub use etcd_read::Stored;
pub use etcd_tls::ServerTls;
pub use kube_api::{KubeApi, Pod};
pub use kube_apiserver::{KubeApiServer, KubeApiServerOptions, admin_kubeconfig};
pub use load_balancer::LoadBalancer;
pub use moto::Moto;
pub use s3::S3;
pub use seaweedfs::SeaweedFs;
pub use sshd::Sshd;

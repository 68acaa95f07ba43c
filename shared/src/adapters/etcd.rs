//! A living etcd over gRPC, and the ways to it.
//!
//! Every way ends in a byte stream (`dial`), in which TLS is spoken and verified by us (`tls`): so a refused certificate
//! is told the same whichever way was taken. The messages are declared in `wire`: the few that we use need neither
//! etcd's `.proto` files nor `protoc`.

pub mod access;
mod client;
mod credentials;
mod dial;
pub mod liveness;
mod mint;
#[cfg(feature = "kube")]
mod port_forward;
mod problem;
mod ssh;
mod tls;
mod wire;

pub use client::EtcdClient;
pub use credentials::{Credentials, CredentialsError};
pub use mint::{MintError, mint};

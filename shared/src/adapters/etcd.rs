//! A living etcd over gRPC, and the ways to it.
//!
//! Every way ends in a byte stream (`dial`), in which TLS is spoken and verified by us (`tls`): so a refused certificate
//! is the same for every way. `etcd-client` runs over it; our own code makes the connection (`connection`)
//! and what its failures mean to a user (`problem`).

pub mod access;
mod client;
mod connection;
mod credentials;
mod dial;
pub mod liveness;
mod members;
mod mint;
#[cfg(feature = "kube")]
mod port_forward;
mod problem;
mod ssh;
mod tls;

pub use client::EtcdClient;
pub use credentials::{Credentials, CredentialsError};
pub use mint::{MintError, mint};

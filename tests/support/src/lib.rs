//! What the tests and `cargo xtask` stand on: the real components, servers on this machine, hermetic commands and the
//! fixtures.

pub mod aws;
pub mod backup;
pub mod cmd;
pub mod components;
pub mod error;
pub mod faults;
pub mod http;
mod https;
pub mod paste;
pub mod paths;
pub mod pki;
pub mod plugins;
pub mod real_masters;
pub mod reference;
pub mod run;
pub mod runbook;
pub mod servers;
pub mod simulators;
pub mod store;
pub mod terminal;
mod wait;
pub mod wire;

pub use aws::{AwsAccount, KopsCluster};
pub use cmd::{Cmd, Ended};
pub use components::EtcdVersion;
pub use error::Error;
pub use faults::{Fault, Gate, Proxy, Recorded, Rule, Victim};
pub use paste::Paste;
pub use pki::{Ca, KeyKind, Usage};
pub use servers::{
    ApiClient, Containerd, Etcd, EtcdOptions, KubeApi, KubeApiServer, KubeApiServerOptions, LoadBalancer, Moto, Pod,
    Put, S3, SeaweedFs, ServerTls, Sshd, Stored, admin_kubeconfig,
};
pub use simulators::{
    ContainerRuntime, ControlLoopOptions, ControlLoopSimulator, EtcdManagerSimulator, HoldAt, ManagerStore,
    MasterSimulator, MastersSimulator,
};
pub use wait::wait_for;
pub use wire::{Wire, WireFault};

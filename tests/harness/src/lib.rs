//! What the tests and `cargo xtask` stand on: the real components, servers on this machine, hermetic commands and the
//! fixtures.

pub mod aws;
pub mod backup;
pub mod command;
pub mod components;
pub mod error;
pub mod http;
mod https;
pub mod paste;
pub mod paths;
pub mod pki;
pub mod plugins;
pub mod proxy;
pub mod reference;
pub mod run;
pub mod runbook;
pub mod servers;
pub mod stand_in;
pub mod store;
pub mod terminal;
pub mod wire;

pub use aws::{AwsAccount, KopsCluster};
pub use command::{Cmd, Ended};
pub use components::EtcdVersion;
pub use error::Error;
pub use paste::Paste;
pub use pki::{Ca, KeyKind, Usage};
pub use proxy::{Fault, Gate, Proxy, Recorded, Rule, Victim};
pub use servers::{
    Containerd, Etcd, EtcdOptions, KubeApi, KubeApiServer, KubeApiServerOptions, LoadBalancer, Moto, Pod, Put, S3,
    SeaweedFs, ServerTls, Sshd, Stored, admin_kubeconfig,
};
pub use stand_in::{
    ContainerRuntime, ControlLoopOptions, ControlLoopStandIn, EtcdManagerStandIn, HoldAt, ManagerStore, MasterStandIn,
    MastersStandIn,
};
pub use wire::{Wire, WireFault};

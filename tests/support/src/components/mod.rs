//! The real programs that the tests run: the user's own where its version fits, else the pinned one, installed once into
//! the cache folder.

mod debian;
mod etcd;
mod install;
mod kube;
mod python;
mod tools;
mod version;

use std::path::PathBuf;

pub use debian::{Containerd, containerd, sshd};
pub use etcd::{EtcdVersion, etcd, etcdctl, etcdutl};
pub use kube::{crictl, kube_apiserver, kubelet};
pub use python::{aws, cargo_zigbuild, kubectl, moto, weed};
pub use tools::{cargo_cyclonedx, cargo_deny};

use crate::error::Error;

/// A program and the arguments that always come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// What comes before the arguments of a caller.
    pub first: Vec<String>,
}

impl Program {
    /// A command of it, to be given the rest of the arguments.
    #[must_use]
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.path);
        command.args(&self.first);
        command
    }
}

/// What `cargo xtask components` can install, by name.
pub const NAMES: [&str; 13] = [
    "etcd",
    "etcd-3.5",
    "etcd-3.7",
    "kube-apiserver",
    "kubelet",
    "kubectl",
    "moto",
    "awscli",
    "seaweedfs",
    "cargo-deny",
    "sshd",
    "containerd",
    "crictl",
];

/// Makes sure that the component `name` is there, and says where. `None` for a name that is not in [`NAMES`].
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn ensure(name: &str) -> Result<Option<Vec<PathBuf>>, Error> {
    Ok(Some(match name {
        "etcd" => vec![etcd(EtcdVersion::V3_6)?, etcdctl()?, etcdutl()?],
        "etcd-3.5" => vec![etcd(EtcdVersion::V3_5)?],
        "etcd-3.7" => vec![etcd(EtcdVersion::V3_7)?],
        "kubectl" => vec![kubectl()?],
        "kube-apiserver" => vec![kube_apiserver()?],
        "kubelet" => vec![kubelet()?],
        "moto" => vec![moto()?],
        "awscli" => vec![aws()?.path],
        "seaweedfs" => vec![weed()?],
        "cargo-deny" => vec![cargo_deny()?],
        "sshd" => vec![sshd()?],
        "containerd" => containerd().map(|found| vec![found.containerd, found.ctr, found.runc])?,
        "crictl" => vec![crictl()?],
        _ => return Ok(None),
    }))
}

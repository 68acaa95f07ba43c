//! Kubernetes' own programs, built from its Go modules: two commands of one module, which share most of their compile, and crictl.

use std::path::PathBuf;
use std::process::Command;

use super::install::once;
use super::version::users_own;
use crate::error::Error;
use crate::{paths, run};

/// kube-apiserver 1.34.2, or the user's own from 1.33 (of `KUBEBUILDER_ASSETS` or of `PATH`). The first build takes minutes.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn kube_apiserver() -> Result<PathBuf, Error> {
    program("kube-apiserver")
}

/// kubelet 1.34.2, or the user's own from 1.33. The first build takes minutes, fewer after that of kube-apiserver.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn kubelet() -> Result<PathBuf, Error> {
    program("kubelet")
}

/// crictl 1.34.0, as kops before 1.34 puts one on masters, or the user's own from 1.28.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn crictl() -> Result<PathBuf, Error> {
    let fits = |(major, minor, _)| major == 1 && minor >= 28;
    if let Some(path) = users_own("crictl", &["--version"], fits) {
        return Ok(path);
    }
    let folder = once("crictl-1.34.0", |folder| {
        let mut go = Command::new("go");
        go.current_dir(paths::root().join("tests/components/cri-tools-1.34.0"))
            .env("CGO_ENABLED", "0")
            .args([
                "build",
                "-mod=readonly",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags=-s -w",
            ])
            .arg("-o")
            .arg(folder.join("crictl"))
            .arg("sigs.k8s.io/cri-tools/cmd/crictl");
        run::run(&mut go).map(drop)
    })?;
    Ok(folder.join("crictl"))
}

fn program(name: &str) -> Result<PathBuf, Error> {
    let fits = |(major, minor, _)| major == 1 && (33..37).contains(&minor);
    if let Some(path) = users_own(name, &["--version"], fits) {
        return Ok(path);
    }
    let folder = once(&format!("{name}-1.34.2"), |folder| {
        let mut go = Command::new("go");
        go.current_dir(paths::root().join("tests/components/kubernetes-1.34.2"))
            .env("CGO_ENABLED", "0")
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            // Without its symbols it is a third smaller; the version is what the release build puts there.
            .arg("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.34.2")
            .arg("-o")
            .arg(folder.join(name))
            .arg(format!("./{name}"));
        run::run(&mut go).map(drop)
    })?;
    Ok(folder.join(name))
}

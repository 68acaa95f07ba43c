//! kube-apiserver, built from Kubernetes' Go modules.

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
    let fits = |(major, minor, _)| major == 1 && (33..37).contains(&minor);
    if let Some(path) = users_own("kube-apiserver", &["--version"], fits) {
        return Ok(path);
    }
    let folder = once("kube-apiserver-1.34.2", |folder| {
        let mut go = Command::new("go");
        go.current_dir(paths::root().join("tests/components/kube-apiserver-1.34.2"))
            .env("CGO_ENABLED", "0")
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            // Without its symbols it is a third smaller; the version is what the release build puts there.
            .arg("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.34.2")
            .arg("-o")
            .arg(folder.join("kube-apiserver"))
            .arg(".");
        run::run(&mut go).map(drop)
    })?;
    Ok(folder.join("kube-apiserver"))
}

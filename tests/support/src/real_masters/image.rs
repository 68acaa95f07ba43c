//! The container image of a master's pods: made here, imported by `ctr`, asked of no registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::components::{self, EtcdVersion};
use crate::error::Error;
use crate::{pki, run};

/// Under these names kops' manifests ask for them. One layer serves all.
pub const ETCD_MANAGER: &str = "registry.k8s.io/etcd-manager/etcd-manager-slim:v3.0.20260707";
/// See [`ETCD_MANAGER`].
pub const KUBE_APISERVER: &str = "registry.k8s.io/kube-apiserver:v1.34.2";
/// See [`ETCD_MANAGER`].
pub const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// Where the image's etcds are, by the versions that kops names them by.
pub const ETCD_3_5: &str = "/opt/etcd-v3.5.30";
/// See [`ETCD_3_5`].
pub const ETCD_3_6: &str = "/opt/etcd-v3.6.11";

/// Makes the image, and in `folder`/containerd what a containerd has that imported it: the real etcds and kube-apiserver, and this very program, which stands in for etcd-manager, go-runner and pause.
///
/// # Errors
/// When a program is missing, or the archive cannot be written.
pub fn make(folder: &Path) -> Result<(), Error> {
    let root = folder.join("rootfs");
    let own = std::env::current_exe().map_err(Error::file("find", "the program that runs"))?;
    let stand_in = place(&own, &root, "/ko-app/etcd-manager")?;
    // Without what only a debugger reads; where there is no `strip` it is larger.
    drop(run::run(Command::new("strip").arg(&stand_in)));
    for library in libraries(&own)? {
        place(&library, &root, &library.display().to_string())?;
    }
    for name in ["go-runner", "pause"] {
        let link = root.join(name);
        symlink("/ko-app/etcd-manager", &link).map_err(Error::file("link", &link))?;
    }
    place(
        &components::etcd(EtcdVersion::V3_5)?,
        &root,
        &format!("{ETCD_3_5}/etcd"),
    )?;
    place(
        &components::etcd(EtcdVersion::V3_6)?,
        &root,
        &format!("{ETCD_3_6}/etcd"),
    )?;
    place(&components::etcdctl()?, &root, &format!("{ETCD_3_6}/etcdctl"))?;
    place(&components::etcdutl()?, &root, &format!("{ETCD_3_6}/etcdutl"))?;
    place(&components::kube_apiserver()?, &root, "/usr/local/bin/kube-apiserver")?;
    for empty in ["tmp", "etc", "run"] {
        let empty = root.join(empty);
        fs::create_dir_all(&empty).map_err(Error::file("make", &empty))?;
    }
    let tar = |archive: &str, from: &Path, what: &[&str]| {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(folder.join(archive)).arg("-C").arg(from).args(what);
        run::run(&mut tar)
    };
    tar("layer.tar", &root, &["."])?;
    let sum = run::run(Command::new("sha256sum").arg(folder.join("layer.tar")))?;
    let sum = sum.split_whitespace().next().unwrap_or_default();
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    pki::write(
        folder,
        "config.json",
        &format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{{"Cmd":["/pause"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{sum}"]}}}}"#
        ),
    )?;
    let names = format!(r#"["{ETCD_MANAGER}","{KUBE_APISERVER}","{PAUSE}"]"#);
    pki::write(
        folder,
        "manifest.json",
        &format!(r#"[{{"Config":"config.json","RepoTags":{names},"Layers":["layer.tar"]}}]"#),
    )?;
    tar("image.tar", folder, &["manifest.json", "config.json", "layer.tar"])?;
    fs::remove_dir_all(&root).map_err(Error::file("remove", &root))?;
    fs::remove_file(folder.join("layer.tar")).map_err(Error::file("remove", folder))?;
    let mut import = Command::new("sh");
    import.args(["-c", include_str!("import.sh"), "sh"]).arg(folder);
    run::run(&mut import).map(drop)
}

fn place(from: &Path, root: &Path, at: &str) -> Result<PathBuf, Error> {
    let to = root.join(at.trim_start_matches('/'));
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    fs::copy(from, &to).map_err(Error::file("copy", from))?;
    Ok(to)
}

/// What the program is linked with, the loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = run::run(Command::new("ldd").arg(program))?;
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(PathBuf::from)
    };
    Ok(listed.lines().filter_map(path).collect())
}

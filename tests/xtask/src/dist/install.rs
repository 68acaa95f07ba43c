//! Installs an archive as krew does it (kubernetes-sigs/krew, internal/installation: unpack, copy the files that the manifest names, link the
//! binary with underscores) and runs it with kubectl, also without a home and with a read-only one.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use support::plugins::krew_name;
use support::store::{CLUSTER, StateStore};
use support::{Cmd, Etcd, EtcdVersion, components};

/// The homes to test with.
const HOMES: [&str; 3] = ["a home", "no home", "a read-only home"];

/// Returns the command that was run.
pub(super) fn try_out(plugin: &str, archive: &Path) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("krew with spaces ").tempdir()?;
    let path = install(plugin, archive, folder.path())?;
    let store = StateStore::new("state-store-restored")?;
    let etcd = match plugin {
        "kubectl-masterleases" => Some(masterlease()?),
        _ => None,
    };
    let arguments = arguments(plugin);
    for home in HOMES {
        let kubectl = components::kubectl()?;
        let mut command = Cmd::new(&kubectl)?
            .args(arguments)
            .env("PATH", &path)
            .env("KOPS_STATE_STORE", store.url())
            .env("KOPS_CLUSTER_NAME", CLUSTER)
            .now("2026-11-22T15:27:00Z");
        if let Some(etcd) = &etcd {
            command = command.env("ETCDCTL_ENDPOINTS", etcd.endpoint());
        }
        match home {
            "no home" => command = command.without_env("HOME").without_env("XDG_STATE_HOME"),
            "a read-only home" => fs::set_permissions(command.home(), Permissions::from_mode(0o500))?,
            _ => {}
        }
        let ended = command.run()?;
        if ended.exit_code() != Some(0) || ended.stdout.trim().is_empty() {
            let said = format!("{}{}", ended.stdout, ended.stderr);
            return Err(format!("`{}` with {home} ended with {}: {said}", ended.command, ended.status).into());
        }
    }
    Ok(format!("kubectl {}", arguments.join(" ")))
}

fn arguments(plugin: &str) -> &'static [&'static str] {
    match plugin {
        "kubectl-etcd-backups" => &["etcd-backups", "list"],
        "kubectl-masterleases" => &["masterleases", "list", "--observe", "0"],
        "kubectl-etcd-restore" => &["etcd-restore", "commands", "-o", "json"],
        _ => &["kops-wipe-masters", "--help"],
    }
}

/// Unpacks, copies and links; returns the folder to add to `PATH`.
fn install(plugin: &str, archive: &Path, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let unpacked = folder.join("unpacked");
    tar::Archive::new(GzDecoder::new(File::open(archive)?)).unpack(&unpacked)?;
    let name = krew_name(plugin);
    let (store, bin) = (folder.join("store").join(name), folder.join("bin"));
    fs::create_dir_all(&store)?;
    fs::create_dir_all(&bin)?;
    for file in [plugin, "LICENSE"] {
        fs::copy(unpacked.join(file), store.join(file))?;
    }
    symlink(
        store.join(plugin),
        bin.join(format!("kubectl-{}", name.replace('-', "_"))),
    )?;
    Ok(bin)
}

/// An etcd with the masterlease of one API server.
fn masterlease() -> Result<Etcd, Box<dyn Error>> {
    let etcd = Etcd::start(EtcdVersion::V3_6)?;
    etcd.announce("10.245.21.57")?;
    Ok(etcd)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;

    use super::*;
    use crate::dist::pack;
    use crate::{plugins, target_folder};

    #[test]
    fn every_archive_installs_as_krew_does_and_kubectl_finds_it() {
        plugins::build(&plugins::ALL, &["--quiet"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for plugin in plugins::ALL {
            let binary = target_folder().join("debug").join(plugin);
            let archive = folder.path().join(plugin);
            fs::write(&archive, pack(plugin, &binary, &binary, Compression::none()).unwrap()).unwrap();
            let tried = try_out(plugin, &archive).unwrap();
            assert!(tried.starts_with("kubectl "), "{tried}");
        }
    }

    #[test]
    fn an_archive_without_the_binary_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        let mut files = crate::dist::archive::Archive::new(Compression::none());
        files.add("LICENSE", 0o644, b"text").unwrap();
        fs::write(&archive, files.finish().unwrap()).unwrap();
        assert!(try_out("kops-wipe-masters", &archive).is_err());
    }
}

//! A real sshd that plays a control-plane node, and the user's own ssh, set up to reach it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Server, folder, free_ports, with_retries};
use crate::error::Error;
use crate::{components, pki, run};

/// A started sshd. Whoever logs in sees, through `sudo cat` and `sudo test`, the files below [`Sshd::root`] in place of
/// this machine's own `/srv`, `/etc` and `/mnt`.
#[derive(Debug)]
pub struct Sshd {
    server: Server,
    port: u16,
}

/// The host's name in the ssh config that [`Sshd::path`] uses.
pub const HOST: &str = "master-a";
/// The same host, whose key that config does not know.
pub const STRANGER: &str = "stranger";
/// The same host, with a key that it does not let in.
pub const LOCKED: &str = "locked";

/// What every entry of a test's ssh config wants beside its own: nothing of the developer's, and of the key exchanges the
/// cheapest, since tests log in thousands of times.
pub const HERMETIC: &str = "Host *\n  IdentitiesOnly yes\n  IdentityAgent none\n  GlobalKnownHostsFile /dev/null\n  \
    StrictHostKeyChecking yes\n  KexAlgorithms ecdh-sha2-nistp256\n";

/// Writes a folder whose `ssh` is the user's own with this config: to be put first on `PATH`.
///
/// # Errors
/// When there is no ssh, or the folder cannot be written.
pub fn ssh_with(folder: &Path, config: &str) -> Result<PathBuf, Error> {
    let real = which::which("ssh").map_err(|_| Error::Answer {
        from: "PATH".to_owned(),
        answer: "no ssh is on it".to_owned(),
    })?;
    let config = pki::write(folder, "ssh_config", config)?;
    let wrapper = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", real.display(), config.display());
    script(&folder.join("bin"), "ssh", &wrapper)?;
    Ok(folder.join("bin"))
}

impl Sshd {
    /// Starts one, for the user who runs the tests.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let program = components::sshd()?;
        with_retries(|| Self::start_once(&program))
    }

    fn start_once(program: &Path) -> Result<Self, Error> {
        let [port] = free_ports()?;
        let folder = folder("sshd")?;
        let at = |name: &str| folder.path().join(name);
        for key in ["host_key", "user_key", "other_key"] {
            run::run(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(at(key)),
            )?;
        }
        let copy = |from: &str, to: &str| fs::copy(at(from), at(to)).map_err(Error::file("copy", at(from)));
        copy("user_key.pub", "authorized_keys")?;
        let host_key = fs::read_to_string(at("host_key.pub")).map_err(Error::file("read", at("host_key.pub")))?;
        pki::write(folder.path(), "known_hosts", &format!("[127.0.0.1]:{port} {host_key}"))?;
        pki::write(folder.path(), "nobody", "")?;

        let shown = folder.path().display();
        // sudo of that host: maps the places that tests fill, runs everything else as it is.
        let sudo = format!(
            "#!/bin/sh\n[ -e {shown}/no-sudo ] && exit 1\n[ \"$1\" = -n ] && shift\n\
             n=$#; while [ $n -gt 0 ]; do a=$1; shift; n=$((n-1)); case $a in /srv/*|/etc/*|/var/log/*|/mnt|/mnt/*) a={shown}/root$a;; esac; \
             set -- \"$@\" \"$a\"; done\nexec \"$@\"\n"
        );
        script(&at("host-bin"), "sudo", &sudo)?;
        let hosts: String = [
            (HOST, "user_key", "known_hosts"),
            (STRANGER, "user_key", "nobody"),
            (LOCKED, "other_key", "known_hosts"),
        ]
        .iter()
        .map(|(host, key, known)| {
            format!("Host {host}\n  IdentityFile {shown}/{key}\n  UserKnownHostsFile {shown}/{known}\n")
        })
        .collect();
        let config = format!("{hosts}Host *\n  HostName 127.0.0.1\n  Port {port}\n{HERMETIC}");
        ssh_with(folder.path(), &config)?;
        // The folder is the home of whoever logs in, too: else bash reads the developer's own .bashrc for each command.
        let server_config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {shown}/host_key\nPidFile none\n\
             AuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin prohibit-password\nAllowTcpForwarding yes\nLogLevel VERBOSE\n\
             SetEnv PATH={shown}/host-bin:/usr/bin:/bin HOME={shown}\n"
        );
        pki::write(folder.path(), "sshd_config", &server_config)?;
        // Started by root it wants this folder, which the distribution's own unit makes.
        drop(fs::create_dir_all("/run/sshd"));

        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        let serves = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let server = Server::start("sshd", folder, &mut command, serves)?;
        Ok(Self { server, port })
    }

    /// The folder that stands for the host's `/`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.server.folder().join("root")
    }

    /// A folder whose `ssh` is the user's own, with a config that knows [`HOST`], [`STRANGER`] and [`LOCKED`]: to be put
    /// first on `PATH`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.server.folder().join("bin")
    }

    /// The folder that is first on the `PATH` of whoever logs in.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.server.folder().join("host-bin")
    }

    /// Puts a program there, a script for `/bin/sh`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_program(&self, name: &str, script_text: &str) -> Result<(), Error> {
        script(&self.programs(), name, &format!("#!/bin/sh\n{script_text}\n"))
    }

    /// An entry for an ssh config under which this host is known as `name`, with the right key.
    #[must_use]
    pub fn entry(&self, name: &str) -> String {
        let shown = self.server.folder().display();
        format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {shown}/user_key\n  UserKnownHostsFile \
             {shown}/known_hosts\n",
            self.port
        )
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on sudo wants a password.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn forbid_sudo(&self) -> Result<(), Error> {
        pki::write(self.server.folder(), "no-sudo", "").map(drop)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.server.folder().join("server.log")).unwrap_or_default()
    }
}

fn script(folder: &Path, name: &str, content: &str) -> Result<(), Error> {
    let path = pki::write(folder, name, content)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::file("make", &path))
}

//! One real master.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::files;
use crate::error::{Error, tail};
use crate::pki::{self, Ca, Issued};
use crate::{components, run};

/// What a master is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostOptions<'a> {
    pub(super) cluster: &'a str,
    /// The instance, which is the node's name.
    pub(super) node: &'a str,
    pub(super) address: &'a str,
    pub(super) zone: &'a str,
    /// `a`.
    pub(super) member: &'a str,
    /// Address and member of all masters.
    pub(super) peers: &'a [(&'a str, &'a str)],
    /// Node and address of all that may ever register.
    pub(super) nodes: &'a [(&'a str, &'a str)],
    /// Volumes by etcd.
    pub(super) volumes: &'a [(&'a str, &'a str)],
    pub(super) cluster_ca: &'a Ca,
    pub(super) etcd_ca: &'a Ca,
    pub(super) accounts: &'a Issued,
    /// `http://address:port`.
    pub(super) s3: &'a str,
    /// `s3://bucket/cluster/backups/etcd`.
    pub(super) backups: &'a str,
}

impl HostOptions<'_> {
    pub(super) fn volume(&self, etcd: &str) -> &str {
        self.volumes
            .iter()
            .find(|(of, _)| *of == etcd)
            .map_or("vol", |(_, volume)| volume)
    }
}

/// A started master: namespaces of its own, in which sshd, containerd and kubelet run. Dropping it ends all of that at once, as a terminated
/// instance ends.
#[derive(Debug)]
pub struct RealMaster {
    node: String,
    address: String,
    member: String,
    volumes: Vec<String>,
    folder: PathBuf,
    outer: Child,
    first: u32,
}

impl RealMaster {
    /// Starts its first process; [`RealMaster::wait_until_up`] waits for the rest.
    pub(super) fn start(number: usize, options: &HostOptions<'_>, keys: &Path) -> Result<Self, Error> {
        let folder = Path::new("/media").join(options.node);
        files::write_all(&folder, options)?;
        make_disk(&folder.join("var"))?;
        write_programs(&folder, options, keys)?;
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
            ])
            .arg(include_str!("host.sh"))
            .env("M", &folder)
            .env("A", options.address)
            .env("N", options.node)
            .stdin(Stdio::null());
        let log_path = folder.join("first.log");
        let log = fs::File::create(&log_path).map_err(Error::file("make", &log_path))?;
        command
            .stdout(log.try_clone().map_err(Error::file("make", &log_path))?)
            .stderr(log);
        let outer = run::apart(&mut command).spawn().map_err(|source| Error::Start {
            program: "unshare".to_owned(),
            source,
        })?;
        let mut master = Self {
            node: options.node.to_owned(),
            address: options.address.to_owned(),
            member: options.member.to_owned(),
            volumes: options.volumes.iter().map(|(_, volume)| (*volume).to_owned()).collect(),
            folder,
            outer,
            first: 0,
        };
        master.first = master.first_process()?;
        master.connect(number)?;
        Ok(master)
    }

    fn first_process(&self) -> Result<u32, Error> {
        let outer = self.outer.id();
        let file = format!("/proc/{outer}/task/{outer}/children");
        for _ in 0..200 {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
                return Ok(pid);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(self.failed("no first process"))
    }

    /// Its cable.
    fn connect(&self, number: usize) -> Result<(), Error> {
        let (end, pid) = (format!("master{number}"), self.first.to_string());
        let ip = |words: &[&str]| run::run(Command::new("ip").args(words)).map(drop);
        // The one of a master that was just terminated may still be there.
        drop(ip(&["link", "del", &end]));
        ip(&[
            "link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &pid,
        ])?;
        ip(&["link", "set", &end, "master", "masters", "up"])?;
        pki::write(&self.folder, "connected", "").map(drop)
    }

    /// Waits until its daemons run.
    pub(super) fn wait_until_up(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        while !self.folder.join("up").exists() {
            let ended = self.outer.try_wait().is_ok_and(|status| status.is_some());
            if ended || begun.elapsed() > Duration::from_secs(400) {
                return Err(Error::NotServing {
                    server: self.node.clone(),
                    waited: begun.elapsed(),
                    log: tail(&fs::read_to_string(self.folder.join("first.log")).unwrap_or_default()),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The instance, which is the node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `a`.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// Where its etcd volumes are mounted.
    pub(super) fn volumes(&self) -> Vec<PathBuf> {
        self.volumes
            .iter()
            .map(|volume| self.folder.join("mnt").join(format!("master-{volume}")))
            .collect()
    }

    /// Runs the image's etcdctl there against its own etcd, with the certificates that kops put there.
    ///
    /// # Errors
    /// When it fails.
    pub fn etcdctl(&self, etcd: &str, words: &str) -> Result<String, Error> {
        let (port, keys) = (
            if etcd == "main" { 4001 } else { 4002 },
            "/srv/kubernetes/kube-apiserver",
        );
        self.sh(&format!(
            "{} --endpoints=https://127.0.0.1:{port} --cacert={keys}/etcd-ca.crt --cert={keys}/etcd-client.crt --key={keys}/etcd-client.key {words}",
            components::etcdctl()?.display()
        ))
    }

    /// The place of one of its files, `/var/log/etcd.log`, as this process sees it.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// One of its files; empty where it is not there.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read(self.file(path)).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs a script there, as somebody at its console does.
    ///
    /// # Errors
    /// When it fails.
    pub fn sh(&self, script: &str) -> Result<String, Error> {
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &self.first.to_string(),
            "-n",
            "-m",
            "-u",
            "-p",
            "--",
            "sh",
            "-c",
            script,
        ]);
        command.env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.join("bin").display()),
        );
        run::run(&mut command)
    }

    /// The worst day: kubelet is stopped, the containers are killed and, with `and_data`, what etcd had is removed.
    ///
    /// # Errors
    /// When nothing can be run there.
    pub fn break_down(&self, and_data: bool) -> Result<(), Error> {
        let data = if and_data { "rm -rf /mnt/master-*/*" } else { "" };
        let kill = "for t in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -a -s SIGKILL $t; done; sleep 1";
        self.sh(&format!("systemctl stop kubelet; {kill}; {data}")).map(drop)
    }

    /// Puts crictl, which kops 1.34 and later leave no more, on the `PATH` of whoever logs in.
    ///
    /// # Errors
    /// When there is none, or it cannot be put there.
    pub fn add_crictl(&self) -> Result<(), Error> {
        let crictl = components::crictl()?;
        add_script(
            &self.folder,
            "crictl",
            &format!("#!/bin/sh\nexec {} \"$@\"\n", crictl.display()),
        )
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// When its place cannot be written.
    pub fn remove_crictl(&self) -> Result<(), Error> {
        add_script(&self.folder, "crictl", ABSENT)
    }

    /// The containers that run there: id, container name and pod, by `ctr`.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub fn containers(&self) -> Result<Vec<Running>, Error> {
        let listed = self.sh(
            "t=$(ctr -n k8s.io tasks ls) || exit 1\nfor i in $(ctr -n k8s.io containers ls -q); do echo \"$t\" | grep -q \"^$i .*RUNNING\" || continue\n\
             ctr -n k8s.io containers info $i | awk -v i=$i -F'\"' '/io.kubernetes.container.name\"/{c=$4} /io.kubernetes.pod.name\"/{p=$4} \
             END { if (c) print i, c, p }'\ndone",
        )?;
        let row = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Running {
                id: words.next()?,
                name: words.next()?,
                pod: words.next()?,
            })
        };
        let mut rows: Vec<Running> = listed.lines().filter_map(row).collect();
        rows.sort_by(|a, b| a.pod.cmp(&b.pod));
        Ok(rows)
    }

    fn failed(&self, what: &str) -> Error {
        Error::Answer {
            from: self.node.clone(),
            answer: what.to_owned(),
        }
    }
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Of containerd.
    pub id: String,
    /// In its pod.
    pub name: String,
    /// `etcd-manager-main-i-…`.
    pub pod: String,
}

impl Drop for RealMaster {
    fn drop(&mut self) {
        // Its first process goes with it, and with that all others.
        drop(self.outer.kill());
        drop(self.outer.wait());
        let disk = self.folder.join("var");
        drop(run::run(Command::new("umount").arg("-l").arg(disk)));
    }
}

/// The disk of the instance, apart from those of the others: that of one can be full. Twice what the image takes is left of it.
fn make_disk(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "mode=755,size=2g", "masters"])
        .arg(folder);
    run::run(&mut mount).map(drop)
}

/// What is on the `PATH` of whoever logs in: no tool for containers but `ctr`, as kops 1.34 and later leave it.
fn write_programs(folder: &Path, options: &HostOptions<'_>, keys: &Path) -> Result<(), Error> {
    let script = |name: &str, text: &str| add_script(folder, name, text);
    script("sudo", "#!/bin/sh\n[ \"$1\" = -n ] && shift\nexec \"$@\"\n")?;
    script("journalctl", include_str!("journalctl.sh"))?;
    for absent in ["crictl", "docker"] {
        script(absent, ABSENT)?;
    }
    let kubelet = components::kubelet()?.display().to_string();
    let sshd = components::sshd()?.display().to_string();
    let systemctl = include_str!("systemctl.sh")
        .replace("KUBELET", &kubelet)
        .replace("SSHD", &sshd)
        .replace("NODE", options.node)
        .replace("ADDRESS", options.address)
        .replace("FOLDER", &folder.display().to_string());
    script("systemctl", &systemctl)?;
    let (keys, shown) = (keys.display(), folder.display());
    let config = format!(
        "ListenAddress {address}\nPort 22\nHostKey {keys}/host_key\nPidFile none\nAuthorizedKeysFile {keys}/user_key.pub\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nPermitRootLogin prohibit-password\nAllowTcpForwarding yes\nSetEnv PATH={shown}/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME={shown}\n",
        address = options.address
    );
    pki::write(folder, "sshd_config", &config).map(drop)
}

/// In place of what this machine has and the master has not.
const ABSENT: &str = "#!/bin/sh\nexit 127\n";

fn add_script(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = pki::write(&folder.join("bin"), name, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::file("make", &path))
}

//! The masters of a cluster, and one ssh that reaches them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::host::{HostOptions, RealMaster};
use super::image;
use super::leader::TAKE_BACKUP;
use crate::aws::{Built, Machine};
use crate::backup;
use crate::error::{Error, tail};
use crate::pki::{Ca, Usage};
use crate::run;
use crate::servers::sshd::{HERMETIC, ssh_with};

/// Of which cluster.
#[derive(Clone, Copy, Debug)]
pub struct RealMastersOptions<'a> {
    /// Its name.
    pub cluster: &'a str,
    /// What AWS has of it.
    pub built: &'a Built,
    /// Machines that register beside the masters, without being started.
    pub others: &'a [&'a Machine],
    /// Signs the API servers' certificates.
    pub cluster_ca: &'a Ca,
    /// Signs those of etcd and its clients.
    pub etcd_ca: &'a Ca,
    /// `http://127.0.0.1:port` of an S3 that listens on all addresses.
    pub s3: &'a str,
    /// `s3://bucket/cluster/backups/etcd`.
    pub backups: &'a str,
}

/// Started masters. They end when this is dropped.
#[derive(Debug)]
pub struct RealMasters {
    masters: Vec<Option<RealMaster>>,
    ssh: PathBuf,
}

const ROOT: &str = "/media";

impl RealMasters {
    /// Starts all of them at once, and waits until their daemons run; their pods come later.
    ///
    /// # Errors
    /// When a component is missing, or one does not start.
    pub fn start(options: &RealMastersOptions<'_>) -> Result<Self, Error> {
        let root = Path::new(ROOT);
        let image_folder = root.join("image");
        if !image_folder.exists() {
            fs::create_dir_all(&image_folder).map_err(Error::file("make", &image_folder))?;
            image::make(&image_folder)?;
        }
        let keys = root.join("keys");
        if !keys.exists() {
            fs::create_dir_all(&keys).map_err(Error::file("make", &keys))?;
            for key in ["host_key", "user_key"] {
                let mut keygen = Command::new("ssh-keygen");
                run::run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(keys.join(key)))?;
            }
            options
                .cluster_ca
                .issue(Usage::Client)?
                .write(&keys, "service-account")?;
        }
        let read = |name: &str| fs::read_to_string(keys.join(name)).map_err(Error::file("read", keys.join(name)));
        let accounts = crate::pki::Issued {
            certificate: read("service-account.crt")?,
            key: read("service-account.key")?,
        };
        let built = options.built;
        let members: Vec<&str> = built.masters.iter().map(|master| member_of(built, master)).collect();
        let peers: Vec<(&str, &str)> = built
            .masters
            .iter()
            .zip(&members)
            .map(|(master, member)| (master.private_ip.as_str(), *member))
            .collect();
        let nodes: Vec<(&str, &str)> = built
            .masters
            .iter()
            .chain(options.others.iter().copied())
            .map(|machine| (machine.instance.as_str(), machine.private_ip.as_str()))
            .collect();
        let mut started = Vec::new();
        for (number, (machine, member)) in built.masters.iter().zip(&members).enumerate() {
            let of_it = built
                .etcd_volumes
                .iter()
                .filter(|volume| volume.instance == machine.instance);
            let volumes: Vec<(&str, &str)> = of_it.map(|volume| (volume.etcd.as_str(), volume.id.as_str())).collect();
            let host = HostOptions {
                cluster: options.cluster,
                node: &machine.instance,
                address: &machine.private_ip,
                zone: &machine.zone,
                member,
                peers: &peers,
                nodes: &nodes,
                volumes: &volumes,
                cluster_ca: options.cluster_ca,
                etcd_ca: options.etcd_ca,
                accounts: &accounts,
                s3: options.s3,
                backups: options.backups,
            };
            started.push(RealMaster::start(number, &host, &keys)?);
        }
        thread::scope(|scope| {
            let waiting: Vec<_> = started
                .iter_mut()
                .map(|master| scope.spawn(|| master.wait_until_up()))
                .collect();
            let panicked = |_| {
                Err(Error::Answer {
                    from: "a thread of ours".to_owned(),
                    answer: "it panicked".to_owned(),
                })
            };
            waiting
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(panicked))
        })?;
        let host_key = read("host_key.pub")?;
        let known: String = built
            .masters
            .iter()
            .map(|master| format!("{} {host_key}", master.private_ip))
            .collect();
        let known = crate::pki::write(&keys, "known_hosts", &known)?;
        let config = format!(
            "Host *\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n{HERMETIC}",
            keys.join("user_key").display(),
            known.display()
        );
        Ok(Self {
            masters: started.into_iter().map(Some).collect(),
            ssh: ssh_with(&root.join("ssh"), &config)?,
        })
    }

    /// The folder that holds this ssh: to be put first on `PATH`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.ssh
    }

    /// One of them, by its number.
    ///
    /// # Errors
    /// Once it is terminated.
    pub fn get(&self, at: usize) -> Result<&RealMaster, Error> {
        self.masters
            .get(at)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::Answer {
                from: "the masters".to_owned(),
                answer: format!("number {at} is terminated"),
            })
    }

    /// Those that run.
    pub fn all(&self) -> impl Iterator<Item = &RealMaster> {
        self.masters.iter().flatten()
    }

    /// Both etcds are backed up, now: each leader is asked by a file on its volume.
    ///
    /// # Errors
    /// When it does not.
    pub fn back_up(&self) -> Result<(), Error> {
        for volume in self.leading_volumes() {
            let file = volume.join(TAKE_BACKUP);
            fs::write(&file, "").map_err(Error::file("write", &file))?;
            let begun = Instant::now();
            while file.exists() {
                if begun.elapsed() > Duration::from_secs(400) {
                    return Err(Error::Answer {
                        from: file.display().to_string(),
                        answer: "no backup was taken".to_owned(),
                    });
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn leading_volumes(&self) -> Vec<PathBuf> {
        let leader = self.all().find(|master| master.member() == "a");
        leader.map(RealMaster::volumes).unwrap_or_default()
    }

    /// How many keys of the backup `archive`, an `etcd.backup.gz`, their etcd lacks, asked directly, and how many the backup has.
    ///
    /// # Errors
    /// When the archive cannot be read, or etcd does not answer.
    pub fn missing(&self, etcd: &str, archive: &Path) -> Result<(usize, usize), Error> {
        let answer = self.get(0)?.etcdctl(etcd, "get '' --prefix --keys-only -w json")?;
        let unclear = || Error::Answer {
            from: "etcdctl".to_owned(),
            answer: tail(&answer),
        };
        let found: serde_json::Value = serde_json::from_str(&answer).map_err(|_| unclear())?;
        let kvs = found
            .get("kvs")
            .and_then(serde_json::Value::as_array)
            .ok_or_else(unclear)?;
        let key = |kv: &serde_json::Value| BASE64.decode(kv.get("key")?.as_str()?).ok();
        let live: BTreeSet<Vec<u8>> = kvs.iter().filter_map(key).collect();
        let wanted = backup::keys(archive)?;
        let missing = wanted.iter().filter(|stored| !live.contains(&stored.key)).count();
        Ok((missing, wanted.len()))
    }

    /// The instance of one is terminated.
    pub fn terminate(&mut self, at: usize) {
        if let Some(master) = self.masters.get_mut(at) {
            drop(master.take());
        }
    }
}

fn member_of<'b>(built: &'b Built, machine: &Machine) -> &'b str {
    let volume = built
        .etcd_volumes
        .iter()
        .find(|volume| volume.instance == machine.instance);
    volume.map_or("a", |volume| volume.member.as_str())
}

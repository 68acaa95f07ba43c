//! Plays control-plane hosts: real sshds, on whose `PATH` small programs stand in for `crictl`, `ctr`, `docker`, `systemctl`, `ss`,
//! `ps` and `hostname`. What they show comes from files of the host, and every call that changes something is written down.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;
use crate::pki;
use crate::servers::Sshd;
use crate::servers::sshd::{HERMETIC, ssh_with};

/// Who runs a host's containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRuntime {
    /// containerd, by `crictl`.
    Containerd,
    /// containerd, by its own `ctr`: kops 1.34 and later.
    Ctr,
    /// Docker.
    Docker,
    /// Whatever it is, no tool that is known speaks to it.
    Unknown,
}

/// One host.
#[derive(Debug)]
pub struct MasterSimulator {
    sshd: Sshd,
}

const CALLED: &str = "st=$(dirname $0)/../state; echo \"$(basename $0) $*\" >> $st/calls\n";

/// `ctr` of a host: filters by label, which are ANDed, tasks, and what it tells of one container.
const CTR: &str = r#"[ "$1 $2" = "-n k8s.io" ] || exit 1; shift 2
case "$1 $2" in
"tasks ls") echo "TASK    PID    STATUS"; while read -r id name pod; do echo "$id    4711    RUNNING"; done < $st/containers;;
"containers ls") shift 2; [ "$1" = -q ] && shift; filter=,$1,
  while read -r id name pod; do
    case $filter in *'"io.kubernetes.container.name"=='*) case $filter in *'labels."io.kubernetes.container.name"=='$name,*) ;; *) continue;; esac;; esac
    case $filter in *'"io.kubernetes.pod.name"=='*) case $filter in *'labels."io.kubernetes.pod.name"=='$pod,*) ;; *) continue;; esac;; esac
    echo $id
  done < $st/containers;;
"containers info") while read -r id name pod; do [ $id = $3 ] && printf '{
    "ID": "%s",
    "Labels": {
        "io.kubernetes.container.name": "%s",
        "io.kubernetes.pod.name": "%s",
        "io.kubernetes.pod.namespace": "kube-system"
    }
}
' $id $name $pod; done < $st/containers;;
"tasks kill") grep -q "^$5 " $st/containers || { echo "ctr: process not found" >&2; exit 1; }
  if [ -e $st/no-kubelet ]; then sed -i "/^$5 /d" $st/containers; else sed -i "s/^$5 /n$5 /" $st/containers; fi;;
*) exit 1;;
esac"#;

impl MasterSimulator {
    /// Starts one that shows etcd-manager of main and events, and kube-apiserver.
    ///
    /// # Errors
    /// When no sshd starts.
    pub fn start(runtime: ContainerRuntime) -> Result<Self, Error> {
        let host = Self { sshd: Sshd::start()? };
        let stop = "stop) [ \"$2\" != -t ] || shift 2; grep -q \"^$2 \" $st/containers || { echo no such container >&2; exit 1; }\n\
            if [ -e $st/no-kubelet ]; then sed -i \"/^$2 /d\" $st/containers; else sed -i \"s/^$2 /n$2 /\" $st/containers; fi;;\n";
        // This machine's own must not answer in place of the host's.
        for program in ["crictl", "ctr", "docker"] {
            host.sshd.add_program(program, "exit 1")?;
        }
        match runtime {
            ContainerRuntime::Unknown => {}
            ContainerRuntime::Ctr => host.sshd.add_program("ctr", &format!("{CALLED}{CTR}"))?,
            ContainerRuntime::Containerd => {
                let ps = "ps) printf '{\"containers\": ['; sep=; while read -r id name pod; do printf '%s\\n \
                    {\"id\":\"%s\",\"state\":\"CONTAINER_RUNNING\",\"labels\":{\"io.kubernetes.container.name\":\"%s\",\
                    \"io.kubernetes.pod.name\":\"%s\"}}' \"$sep\" $id $name $pod; sep=,; done < $st/containers; echo ']}';;\n";
                host.sshd
                    .add_program("crictl", &format!("{CALLED}case $1 in\n{ps}{stop}*) exit 1;;\nesac"))?;
            }
            ContainerRuntime::Docker => {
                let ps = "ps) cat $st/containers;;\n";
                host.sshd
                    .add_program("docker", &format!("{CALLED}case $1 in\n{ps}{stop}*) exit 1;;\nesac"))?;
            }
        }
        host.sshd.add_program(
            "systemctl",
            &format!(
                "{CALLED}[ -e $st/no-systemctl ] && {{ echo Unit kubelet.service not found. >&2; exit 5; }}\nexit 0"
            ),
        )?;
        for (program, file) in [("ss", "listen"), ("ps", "processes"), ("hostname", "addresses")] {
            host.sshd
                .add_program(program, &format!("cat $(dirname $0)/../state/{file}"))?;
            host.set(file, "")?;
        }
        host.set(
            "containers",
            "aaa111 etcd-manager etcd-manager-main-i-0\nbbb222 etcd-manager etcd-manager-events-i-0\n\
             ccc333 kube-apiserver kube-apiserver-i-0\n",
        )?;
        host.set("calls", "")?;
        pki::write(&host.sshd.root().join("etc"), "hosts", "127.0.0.1 localhost\n")?;
        Ok(host)
    }

    /// Gives it an address, and the etcd-manager peers that its /etc/hosts names: of main, and of events with the same ids.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn peer(&self, address: &str, peers: &[(&str, &str)]) -> Result<(), Error> {
        self.set("addresses", address)?;
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for (key, of) in [("etcd", "etcd-"), ("etcd-events", "etcd-events-")] {
            text.push_str(&format!(
                "# Begin host entries managed by etcd-manager[{key}] - do not edit\n"
            ));
            for (address, member) in peers {
                text.push_str(&format!("{address}\t{of}{member}.internal.k8s.example.com\n"));
            }
            text.push_str(&format!("# End host entries managed by etcd-manager[{key}]\n"));
        }
        pki::write(&self.sshd.root().join("etc"), "hosts", &text).map(drop)
    }

    /// Writes one of the files that its programs read: `containers`, `listen`, `processes`, `addresses`; or, empty,
    /// `no-kubelet` and `no-systemctl`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&self, file: &str, content: &str) -> Result<(), Error> {
        pki::write(&self.state(), file, content).map(drop)
    }

    /// The file of a log on the host: `/var/log/etcd.log`.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.sshd.root().join(path.trim_start_matches('/'))
    }

    /// The calls that change something, in order: `crictl stop -t 20 aaa111`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.state().join("calls")).unwrap_or_default();
        let looks = [" ps ", " ls", " info "];
        let changes = calls
            .lines()
            .filter(|call| !looks.iter().any(|look| call.contains(look)));
        changes.map(str::to_owned).collect()
    }

    /// Its sshd.
    #[must_use]
    pub fn sshd(&self) -> &Sshd {
        &self.sshd
    }

    fn state(&self) -> PathBuf {
        self.sshd.programs().join("../state")
    }
}

/// Several hosts, and one ssh that knows them.
#[derive(Debug)]
pub struct MastersSimulator {
    hosts: Vec<Option<MasterSimulator>>,
    folder: TempDir,
}

impl MastersSimulator {
    /// Starts one for each of these names or addresses, under which ssh knows them.
    ///
    /// # Errors
    /// When no sshd starts.
    pub fn start(names: &[&str], runtime: ContainerRuntime) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let mut config = String::new();
        let mut hosts = Vec::new();
        for name in names {
            let host = MasterSimulator::start(runtime)?;
            config.push_str(&host.sshd.entry(name));
            hosts.push(Some(host));
        }
        config.push_str(HERMETIC);
        ssh_with(folder.path(), &config)?;
        Ok(Self { hosts, folder })
    }

    /// The folder that holds this ssh: to be put first on `PATH`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// ssh's config.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("ssh_config")
    }

    /// A folder of the test's own, beside the config.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One of the hosts, by its number; `None` once it is down.
    #[must_use]
    pub fn host(&self, at: usize) -> Option<&MasterSimulator> {
        self.hosts.get(at)?.as_ref()
    }

    /// From now on this host is down.
    pub fn stop(&mut self, at: usize) {
        if let Some(host) = self.hosts.get_mut(at) {
            drop(host.take());
        }
    }
}

//! A real containerd in a folder of its own, with containers that carry kubelet's labels. It wants root.

use std::path::PathBuf;
use std::process::Command;

use super::process::{Server, folder};
use crate::error::Error;
use crate::{components, pki, run};

/// A started containerd. Dropping it ends its containers first.
#[derive(Debug)]
pub struct Containerd {
    server: Server,
    ctr: PathBuf,
}

/// What a container runs: like a program of Kubernetes' it ends when it is asked to.
const OBEYS: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";
/// Or it does not: as the first process of its namespace no signal ends it that it does not listen to.
const IGNORES: &str = "trap '' TERM; while :; do sleep 1; done";

impl Containerd {
    /// Starts one without containers.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let programs = components::containerd()?;
        let folder = folder("containerd")?;
        let shown = folder.path().display();
        let config = format!(
            "version = 2\nroot = \"{shown}/root\"\nstate = \"{shown}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = \"{shown}/containerd.sock\"\n"
        );
        let file = pki::write(folder.path(), "config.toml", &config)?;
        // An empty root, into which the machine's own programs are mounted.
        for place in ["usr", "bin", "lib", "lib64"] {
            let place = folder.path().join("rootfs").join(place);
            std::fs::create_dir_all(&place).map_err(Error::file("make", &place))?;
        }
        let socket = folder.path().join("containerd.sock");
        let ctr = programs.ctr.clone();
        let serves = || {
            let mut asked = Command::new(&ctr);
            asked
                .arg("-a")
                .arg(&socket)
                .args(["--connect-timeout", "1s", "version"]);
            socket.exists() && run::run(&mut asked).is_ok()
        };
        let mut command = Command::new(&programs.containerd);
        let server = Server::start("containerd", folder, command.arg("-c").arg(&file), serves)?;
        Ok(Self {
            server,
            ctr: programs.ctr,
        })
    }

    /// The words of a `ctr` that speaks to it.
    #[must_use]
    pub fn ctr(&self) -> String {
        format!(
            "{} -a {}",
            self.ctr.display(),
            self.folder().join("containerd.sock").display()
        )
    }

    /// Runs a container of a pod in kube-system; with `obeys` it ends when it is asked to.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&self, id: &str, name: &str, pod: &str, obeys: bool) -> Result<(), Error> {
        let mut command = self.command();
        // runc and the control groups know containers by their ids; another containerd has the same ones.
        let own = self.folder().file_name().unwrap_or_default().to_string_lossy();
        command.args([
            "run",
            "-d",
            "--rootfs",
            "--cgroup",
            &format!("/{own}/{id}"),
            "--runc-root",
        ]);
        command.arg(self.folder().join("runc"));
        for place in ["usr", "bin", "lib", "lib64"] {
            command.arg("--mount");
            command.arg(format!("type=bind,src=/{place},dst=/{place},options=rbind:ro"));
        }
        for (label, value) in [
            ("container.name", name),
            ("pod.name", pod),
            ("pod.namespace", "kube-system"),
        ] {
            command.arg("--label").arg(format!("io.kubernetes.{label}={value}"));
        }
        command.arg(self.folder().join("rootfs")).arg(id);
        run::run(command.args(["/bin/sh", "-c", if obeys { OBEYS } else { IGNORES }])).map(drop)
    }

    /// The containers that run.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn running(&self) -> Result<Vec<String>, Error> {
        let tasks = run::run(self.command().args(["tasks", "ls"]))?;
        let mut running: Vec<String> = tasks
            .lines()
            .filter(|line| line.contains("RUNNING"))
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        running.sort();
        Ok(running)
    }

    fn folder(&self) -> &std::path::Path {
        self.server.folder()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.ctr);
        command
            .arg("-a")
            .arg(self.folder().join("containerd.sock"))
            .args(["-n", "k8s.io"]);
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Its shims live on without it, and so would the containers.
        let tasks = run::run(self.command().args(["tasks", "ls", "-q"])).unwrap_or_default();
        for id in tasks.lines() {
            drop(run::run(self.command().args(["tasks", "rm", "-f", id])));
        }
    }
}

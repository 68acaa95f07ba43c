//! An etcd-manager stand-in that does not lead: its etcd joins the leader's cluster, and follows it into each new one.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::leader::{PKI, VOLUME, address, place};
use super::stand_in::{Orders, say};
use crate::components::{self, EtcdVersion};
use crate::error::Error;
use crate::run;
use crate::servers::{Etcd, EtcdAt};

/// Follows until the container is ended.
pub(super) fn follow(orders: &Orders) -> Result<(), Error> {
    let mut follower = Follower {
        leader: address("STAND_IN_LEADER")?,
        manager: orders.port("grpc-port")?,
        client: orders.port("client-urls")?,
        at: place(orders, address("STAND_IN_ADDRESS")?)?,
        data: Path::new(VOLUME).join("data"),
        etcd: None,
    };
    let mut said = Instant::now();
    say("we are not leader");
    loop {
        if let Err(error) = follower.cycle() {
            say(&format!(
                "unexpected error running etcd cluster reconciliation loop: {}",
                error.to_string().replace('\n', " ")
            ));
        }
        if said.elapsed() > Duration::from_secs(10) {
            say("we are not leader");
            said = Instant::now();
        }
        thread::sleep(Duration::from_millis(500));
    }
}

struct Follower {
    leader: Ipv4Addr,
    manager: u16,
    client: u16,
    at: EtcdAt,
    data: PathBuf,
    etcd: Option<Etcd>,
}

impl Follower {
    fn cycle(&mut self) -> Result<(), Error> {
        let Some(state) = self.ask() else {
            // Without the leader what it has is what the others need for quorum.
            if self.etcd.is_none() && self.data.exists() {
                self.start("")?;
            }
            return Ok(());
        };
        let Some(id) = state.strip_prefix("serving ") else {
            return self.throw_aside();
        };
        let joined = fs::read_to_string(self.id_file()).unwrap_or_default();
        if joined != id {
            self.throw_aside()?;
            let cluster = self.join()?;
            self.start(&cluster)?;
            fs::write(self.id_file(), id).map_err(Error::file("write", self.id_file()))?;
            say("joined the cluster");
        } else if self.etcd.is_none() {
            self.start("")?;
        }
        Ok(())
    }

    fn id_file(&self) -> PathBuf {
        self.data.with_file_name("cluster-id")
    }

    fn ask(&self) -> Option<String> {
        let leader = SocketAddr::from((self.leader, self.manager));
        let mut connection = TcpStream::connect_timeout(&leader, Duration::from_secs(1)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
    }

    fn throw_aside(&mut self) -> Result<(), Error> {
        if self.etcd.take().is_some() {
            say("stopped etcd");
        }
        if !self.data.exists() {
            return Ok(());
        }
        let trash = self.data.with_file_name("data-trashcan");
        fs::create_dir_all(&trash).map_err(Error::file("make", &trash))?;
        // A member that it was of is of no use to another cluster.
        drop(fs::remove_file(self.id_file()));
        let token = jiff::Timestamp::now().as_nanosecond().to_string();
        fs::rename(&self.data, trash.join(token)).map_err(Error::file("move", &self.data))
    }

    fn etcdctl(&self, words: &[&str]) -> Result<Value, Error> {
        let mut etcdctl = Command::new(components::etcdctl()?);
        // The leader's certificate names 127.0.0.1 only.
        etcdctl.args([
            &format!("--endpoints=https://{}:{}", self.leader, self.client),
            "--insecure-skip-tls-verify",
            "-w",
            "json",
        ]);
        etcdctl.args([format!("--cert={PKI}/client.crt"), format!("--key={PKI}/client.key")]);
        let answer = run::run(etcdctl.args(words))?;
        serde_json::from_str(&answer).map_err(|_| Error::Answer {
            from: "etcdctl".to_owned(),
            answer,
        })
    }

    /// Adds this member, and gives the cluster that it then starts in.
    fn join(&self) -> Result<String, Error> {
        let own = self.at.peer_url();
        let members = |answer: &Value| -> Vec<(String, String, u64)> {
            let listed = answer
                .get("members")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
            let one = |member: &Value| {
                (
                    text(member.get("name")),
                    text(member.pointer("/peerURLs/0")),
                    member.get("ID").and_then(Value::as_u64).unwrap_or_default(),
                )
            };
            listed.iter().map(one).collect()
        };
        for (_, peer, id) in members(&self.etcdctl(&["member", "list"])?) {
            if peer == own {
                self.etcdctl(&["member", "remove", &format!("{id:x}")])?;
            }
        }
        let added = self.etcdctl(&["member", "add", &self.at.name, &format!("--peer-urls={own}")])?;
        let entry = |(name, peer, _): (String, String, u64)| match peer == own {
            true => format!("{}={peer}", self.at.name),
            false => format!("{name}={peer}"),
        };
        let entries: Vec<String> = members(&added).into_iter().map(entry).collect();
        Ok(entries.join(","))
    }

    /// Starts etcd as a member of `cluster`, or on the data that it has.
    fn start(&mut self, cluster: &str) -> Result<(), Error> {
        say(&format!("starting etcd of {}", self.at.name));
        self.etcd = Some(Etcd::start_member_at(
            EtcdVersion::V3_5,
            &self.data,
            &self.at,
            self.client,
            cluster,
        )?);
        Ok(())
    }
}

//! A real etcd of one member, driven through its own JSON gateway.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::etcd_at::EtcdAt;
use super::etcd_tls::ServerTls;
use super::process::{Server, folder, free_ports, with_retries};
use crate::components::{self, EtcdVersion};
use crate::error::Error;
use crate::{http, run};

/// A started etcd.
#[derive(Debug)]
pub struct Etcd {
    server: Server,
    endpoint: String,
    tls_endpoint: Option<String>,
}

/// One member that is to be started.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    client: u16,
    peer: u16,
    /// `--initial-cluster`.
    pub(super) cluster: String,
    pub(super) data_dir: Option<PathBuf>,
    /// Further URLs to serve clients on.
    pub(super) also: Vec<String>,
    tls: Option<(u16, [PathBuf; 3])>,
    /// `--quota-backend-bytes`.
    pub(super) quota: u64,
    /// Where its peers find it.
    pub(super) address: Ipv4Addr,
    /// Whether the cluster is there already.
    pub(super) joins: bool,
    /// Whether a member may be added before all that are there were seen for a while.
    pub(super) hasty: bool,
}

/// As large as etcd recommends at most.
pub(super) const LARGE_QUOTA: u64 = 8 << 30;

impl Member {
    pub(super) fn alone(client: u16, peer: u16) -> Self {
        let mut member = Self {
            name: "default".to_owned(),
            client,
            peer,
            cluster: String::new(),
            data_dir: None,
            also: Vec::new(),
            tls: None,
            quota: LARGE_QUOTA,
            address: Ipv4Addr::LOCALHOST,
            joins: false,
            hasty: false,
        };
        member.cluster = member.peer_entry();
        member
    }

    pub(super) fn with_tls(mut self, port: u16, tls: &ServerTls) -> Self {
        let files = [tls.certificate.clone(), tls.key.clone(), tls.clients.clone()];
        self.tls = Some((port, files));
        self
    }

    pub(super) fn peer_entry(&self) -> String {
        format!("{}={}", self.name, self.peer_url())
    }

    pub(super) fn peer_url(&self) -> String {
        format!("http://{}:{}", self.address, self.peer)
    }
}

/// How to start an etcd.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Which server.
    pub version: EtcdVersion,
    /// Where its data is, say from `etcdutl snapshot restore`; by default a new, empty folder that goes with the server.
    pub data_dir: Option<PathBuf>,
}

/// One key to write.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The lease that it hangs on; 0 for none.
    pub lease: i64,
}

impl Put {
    /// A key without a lease.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            lease: 0,
        }
    }
}

/// More than etcd's default of 128, so that large databases are made in minutes.
const OPERATIONS: usize = 1000;

impl Etcd {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When this version cannot be installed or does not start.
    pub fn start(version: EtcdVersion) -> Result<Self, Error> {
        Self::start_with(&EtcdOptions {
            version,
            data_dir: None,
        })
    }

    /// Starts one, perhaps on existing data.
    ///
    /// # Errors
    /// See [`Etcd::start`].
    pub fn start_with(options: &EtcdOptions) -> Result<Self, Error> {
        let program = components::etcd(options.version)?;
        with_retries(|| {
            let [client, peer] = free_ports()?;
            let mut member = Member::alone(client, peer);
            member.data_dir.clone_from(&options.data_dir);
            Self::start_member(&program, &member)
        })
    }

    /// Starts one on `data_dir` that also serves clients on `urls`, as etcd-manager's serve on well-known ports.
    ///
    /// # Errors
    /// See [`Etcd::start`].
    pub fn start_at(version: EtcdVersion, data_dir: &Path, urls: &[String]) -> Result<Self, Error> {
        let program = components::etcd(version)?;
        with_retries(|| {
            let [client, peer] = free_ports()?;
            let mut member = Member::alone(client, peer);
            member.data_dir = Some(data_dir.to_owned());
            member.also = urls.to_vec();
            Self::start_member(&program, &member)
        })
    }

    /// Starts one with TLS on a well-known port of a master's address, as etcd-manager's; `cluster` is that which it joins, empty for one of its own or that of its
    /// data.
    ///
    /// # Errors
    /// See [`Etcd::start`].
    pub fn start_member_at(
        version: EtcdVersion,
        data_dir: &Path,
        at: &EtcdAt,
        port: u16,
        cluster: &str,
    ) -> Result<Self, Error> {
        let [client] = free_ports()?;
        let mut member = Member::alone(client, at.peer_port).with_tls(port, &at.tls);
        member.name.clone_from(&at.name);
        member.address = at.address;
        member.data_dir = Some(data_dir.to_owned());
        member.also = vec![format!("https://{}:{port}", at.address)];
        member.hasty = true;
        member.joins = !cluster.is_empty();
        member.cluster = match cluster {
            "" => member.peer_entry(),
            cluster => cluster.to_owned(),
        };
        Self::start_member(&components::etcd(version)?, &member)
    }

    /// The id of its cluster.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn cluster_id(&self) -> Result<String, Error> {
        self.id_in_header("cluster/member/list", "cluster_id")
    }

    /// One of the ids at the head of an answer, in decimal digits.
    pub(super) fn id_in_header(&self, what: &str, name: &str) -> Result<String, Error> {
        let answer = self.call(what, &json!({}))?;
        let id = answer.get("header").and_then(|header| header.get(name)?.as_str());
        id.map(str::to_owned).ok_or_else(|| Error::Answer {
            from: "etcd".to_owned(),
            answer: answer.to_string(),
        })
    }

    pub(super) fn start_member(program: &Path, member: &Member) -> Result<Self, Error> {
        let folder = folder("etcd")?;
        let data = member.data_dir.clone().unwrap_or_else(|| folder.path().join("data"));
        let endpoint = format!("http://127.0.0.1:{}", member.client);
        let tls_endpoint = member.tls.as_ref().map(|(port, _)| format!("https://127.0.0.1:{port}"));
        let urls: Vec<&str> = std::iter::once(endpoint.as_str())
            .chain(tls_endpoint.as_deref())
            .chain(member.also.iter().map(String::as_str))
            .collect();
        let urls = urls.join(",");
        let peer = member.peer_url();
        let mut command = Command::new(program);
        command.args(["--name", &member.name]).arg("--data-dir").arg(data);
        command.args(["--listen-client-urls", &urls, "--advertise-client-urls", &endpoint]);
        if let Some((_, [certificate, key, clients])) = &member.tls {
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
            command.arg("--trusted-ca-file").arg(clients).arg("--client-cert-auth");
        }
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &member.cluster, "--unsafe-no-fsync"]);
        if member.hasty {
            command.arg("--strict-reconfig-check=false");
        }
        if member.joins {
            command.args(["--initial-cluster-state", "existing"]);
        }
        command.args(["--quota-backend-bytes", &member.quota.to_string()]);
        command.args(["--max-request-bytes", "33554432"]);
        command.args(["--max-txn-ops", &OPERATIONS.to_string()]);
        let health = format!("{endpoint}/health");
        let serves = || http::request("GET", &health, b"").is_ok_and(|response| response.status == 200);
        Ok(Self {
            server: Server::start("etcd", folder, &mut command, serves)?,
            endpoint,
            tls_endpoint,
        })
    }

    /// `https://127.0.0.1:port`, where a client certificate is demanded; of those started with TLS only.
    #[must_use]
    pub fn tls_endpoint(&self) -> Option<&str> {
        self.tls_endpoint.as_deref()
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Writes keys, up to 1,000 in one transaction and thus in one revision. A key may occur only once in that.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn put(&self, puts: &[Put]) -> Result<(), Error> {
        for chunk in puts.chunks(OPERATIONS) {
            let operations: Vec<Value> = chunk.iter().map(put_operation).collect();
            self.call("kv/txn", &json!({ "success": operations }))?;
        }
        Ok(())
    }

    /// Announces an API server at `ip`, with a lease of an hour, as API servers do it in JSON of their own.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn announce(&self, ip: &str) -> Result<(), Error> {
        let lease = self.grant_lease(3600)?;
        let value = format!(r#"{{"kind":"Endpoints","subsets":[{{"addresses":[{{"ip":"{ip}"}}]}}]}}"#);
        self.put(&[Put {
            lease,
            ..Put::new(format!("/registry/masterleases/{ip}"), value)
        }])
    }

    /// Deletes one key, which becomes a tombstone.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        self.call("kv/deleterange", &json!({ "key": BASE64.encode(key) }))
            .map(drop)
    }

    /// Deletes all keys from `first` up to, without, `end`.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn delete_range(&self, first: &[u8], end: &[u8]) -> Result<(), Error> {
        self.call(
            "kv/deleterange",
            &json!({ "key": BASE64.encode(first), "range_end": BASE64.encode(end) }),
        )
        .map(drop)
    }

    /// Makes a lease that lives `ttl` seconds, and gives its id.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn grant_lease(&self, ttl: u32) -> Result<i64, Error> {
        let answer = self.call("lease/grant", &json!({ "TTL": ttl }))?;
        number(&answer, "ID")
    }

    /// Forgets what was before `revision`, and waits until it is gone from the database.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn compact(&self, revision: i64) -> Result<(), Error> {
        self.call("kv/compaction", &json!({ "revision": revision, "physical": true }))
            .map(drop)
    }

    /// Rewrites the database without its free pages.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn defragment(&self) -> Result<(), Error> {
        self.call("maintenance/defragment", &json!({})).map(drop)
    }

    /// The current revision.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn revision(&self) -> Result<i64, Error> {
        let answer = self.call("kv/range", &json!({ "key": BASE64.encode("\0"), "count_only": true }))?;
        number(answer.get("header").unwrap_or(&Value::Null), "revision")
    }

    /// How many keys it holds.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn count_keys(&self) -> Result<i64, Error> {
        let every = BASE64.encode("\0");
        let answer = self.call(
            "kv/range",
            &json!({ "key": every, "range_end": every, "count_only": true }),
        )?;
        // protojson leaves out a zero.
        answer.get("count").map_or(Ok(0), |_| number(&answer, "count"))
    }

    /// Saves a snapshot, with its SHA-256 trailer, as etcd-manager takes one.
    ///
    /// # Errors
    /// When etcd does not answer, or the file cannot be written.
    pub fn snapshot(&self, file: &Path) -> Result<(), Error> {
        let mut etcdctl = Command::new(components::etcdctl()?);
        etcdctl.args([
            "--endpoints",
            &self.endpoint,
            "--command-timeout=300s",
            "snapshot",
            "save",
        ]);
        run::run(etcdctl.arg(file)).map(drop)
    }

    pub(super) fn call(&self, what: &str, body: &Value) -> Result<Value, Error> {
        let url = format!("{}/v3/{what}", self.endpoint);
        let response = http::expect_ok("POST", &url, body.to_string().as_bytes())?;
        serde_json::from_slice(&response.body).map_err(|_| Error::Answer {
            from: url,
            answer: response.text(),
        })
    }
}

fn put_operation(put: &Put) -> Value {
    let (key, value) = (BASE64.encode(&put.key), BASE64.encode(&put.value));
    json!({ "request_put": { "key": key, "value": value, "lease": put.lease } })
}

/// protojson writes int64 as strings.
pub(super) fn number(answer: &Value, field: &str) -> Result<i64, Error> {
    let text = answer
        .get(field)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    text.ok_or_else(|| Error::Answer {
        from: "etcd".to_owned(),
        answer: answer.to_string(),
    })
}

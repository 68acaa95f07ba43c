//! Where one trial of a command takes place: what it may change is its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use support::aws::Built;
use support::store::CLUSTER;
use support::{AwsAccount, Cmd, Etcd, KopsCluster, S3, admin_kubeconfig};
use tempfile::TempDir;

use crate::commands::{self, Own, Row, Target};
use crate::plugins;
use crate::world::{Aws, BUCKET, PREFIX, World, make_copies, make_keys, port};

/// The bucket that copies of the state store go to.
const COPIES: &str = "copies-of-kops-state";

/// Where each server is reached from here.
#[derive(Clone, Debug)]
pub struct Lines {
    pub s3: String,
    pub ec2: String,
    pub etcd: u16,
    pub api: u16,
}

impl Lines {
    /// Nothing between us and the servers.
    fn straight(world: &World, aws: &Aws, row: &Row) -> Self {
        let etcd = match row.own.contains(&Own::Keys) {
            true => &world.changed_etcd,
            false => &world.etcd,
        };
        Self {
            s3: aws.tls.endpoint(),
            ec2: aws.tls.endpoint(),
            etcd: port(etcd.tls_endpoint().unwrap()),
            api: world.api.port(),
        }
    }
}

/// One place.
pub struct Place<'a> {
    pub world: &'a World,
    pub row: &'a Row,
    /// Of [`Own::Store`] and [`Own::Cluster`].
    own_aws: Option<Aws>,
    pub prefix: String,
    pub account: AwsAccount,
    /// Of [`Own::Member`].
    etcd: Option<Etcd>,
    /// Home and working folder.
    pub home: TempDir,
    /// What was called on each host before.
    called: Vec<usize>,
}

impl<'a> Place<'a> {
    /// Makes it, and does what comes before the command.
    pub fn new(world: &'a World, row: &'a Row) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let owns = |own: Own| row.own.contains(&own);
        let own_aws = (owns(Own::Store) || owns(Own::Cluster)).then(|| world.aws());
        let moto = &own_aws.as_ref().unwrap_or_else(|| world.shared()).moto;
        let mut place = Self {
            world,
            row,
            prefix: PREFIX.to_owned(),
            account: AwsAccount::of(moto),
            etcd: None,
            home: tempfile::tempdir().unwrap(),
            called: (0..4).map(|at| called(world, at)).collect(),
            own_aws,
        };
        if row.name == "etcd-backups copy" {
            make_copies(&place.aws().moto, COPIES);
        }
        if owns(Own::Keys) {
            place.prefix = format!("/trial-{number:05}");
            make_keys(&world.changed_etcd, &place.prefix);
        }
        if owns(Own::Cluster) {
            let (account, built) = &world.small;
            place.account = account.on(&place.aws().moto);
            if owns(Own::Member) {
                let volume = built.etcd_volumes.iter().find(|volume| volume.etcd == "main").unwrap();
                place.account.detach(volume).unwrap();
                let url = format!("http://etcd-{}.internal.{CLUSTER}:2380", volume.member);
                let etcd = world.empty_etcd();
                let _ = etcd.register(&url).unwrap();
                place.etcd = Some(etcd);
            }
        }
        if owns(Own::Turn) {
            world.keep_gone_node();
        }
        if row.name == "etcd-backups restore-objects --yes" {
            world.lose_the_shop();
        }
        if let Some(first) = row.first {
            let words = first.split(' ').map(str::to_owned);
            let _ = place.cmd(words, &place.lines()).run().unwrap().success();
        }
        if row.name == "kops-wipe-masters purge-volumes" {
            // The last resort goes only once the cluster is back.
            let cluster = KopsCluster::of_one_master(CLUSTER);
            cluster.build_masters(&place.account, &mut Built::default()).unwrap();
        }
        place
    }

    /// AWS as this place has it.
    pub fn aws(&self) -> &Aws {
        self.own_aws.as_ref().unwrap_or_else(|| self.world.shared())
    }

    /// Nothing between this place and the servers.
    pub fn lines(&self) -> Lines {
        let mut lines = Lines::straight(self.world, self.aws(), self.row);
        if let Some(etcd) = &self.etcd {
            lines.etcd = port(etcd.tls_endpoint().unwrap());
        }
        lines
    }

    /// The command of the row, as an operator calls it, over these lines.
    pub fn command(&self, lines: &Lines) -> Cmd {
        let words = self.row.words().chain(self.row.arguments.split_whitespace());
        self.cmd(words.map(str::to_owned), lines)
    }

    /// The plugin of the row with these words, in which `{etcd}`, `{prefix}` and `{copies}` stand for what they are here.
    pub fn cmd(&self, words: impl Iterator<Item = String>, lines: &Lines) -> Cmd {
        let mut arguments = Vec::new();
        for word in words {
            match word.as_str() {
                "{etcd}" => {
                    let endpoint = format!("https://127.0.0.1:{}", lines.etcd);
                    arguments.extend(commands::etcd_flags(self.row, &endpoint));
                }
                "{prefix}" => arguments.push(self.prefix.clone()),
                "{copies}" => arguments.push(format!("s3://{COPIES}")),
                _ => arguments.push(word),
            }
        }
        arguments.extend(commands::flags(self.row, BUCKET));
        let mut cmd = plugins::cmd(self.row.binary())
            .args(arguments)
            .envs(self.environment(lines))
            .now(self.now())
            .current_dir(self.home.path());
        if self.row.uses.contains(&Target::Api) {
            let file = admin_kubeconfig(self.home.path(), CLUSTER, &self.world.api_ca, lines.api).unwrap();
            cmd = cmd.env("KUBECONFIG", file);
        }
        cmd
    }

    fn environment(&self, lines: &Lines) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_S3", lines.s3.clone()),
            ("AWS_ENDPOINT_URL_EC2", lines.ec2.clone()),
            ("AWS_ENDPOINT_URL_AUTO_SCALING", lines.ec2.clone()),
            ("AWS_ENDPOINT_URL_STS", lines.ec2.clone()),
            ("AWS_ENDPOINT_URL_IAM", lines.ec2.clone()),
            ("AWS_ACCESS_KEY_ID", self.account.key().to_owned()),
            ("SSL_CERT_FILE", self.world.ca_file().display().to_string()),
            ("PATH", self.world.path()),
            ("HOME", self.home.path().display().to_string()),
        ]
    }

    /// Shortly after the last backup; hours later for a wipe; in a while for Nodes, whose API has a clock of its own.
    fn now(&self) -> &'static str {
        match self.row.name {
            "kops-wipe-masters audit" => "2026-11-22T15:21:36Z",
            name if name.starts_with("kops-wipe-masters") => "2026-11-22T18:20:00Z",
            "etcd-restore cleanup nodes" | "etcd-restore cleanup workers" => "2027-11-22T15:21:36Z",
            _ => "2026-11-22T15:21:36Z",
        }
    }

    /// All that the command may change, as it stands.
    pub fn state(&self) -> Vec<String> {
        let mut state = Vec::new();
        for own in self.row.own {
            match own {
                // A wipe pins and writes its journal before it changes a machine: its own are the machines.
                Own::Store if self.row.own.contains(&Own::Cluster) => {}
                Own::Store => {
                    state.extend(self.objects(BUCKET));
                    if self.row.name == "etcd-backups copy" {
                        state.extend(self.objects(COPIES));
                    }
                }
                Own::Cluster => {
                    let picture = self.account.picture().unwrap().0;
                    let text = |(id, what)| without_run(&without_ids(&format!("{id} {what}")));
                    state.extend(picture.into_iter().map(text));
                }
                Own::Keys => {
                    let keys = self
                        .world
                        .changed_etcd
                        .keys(format!("{}/", self.prefix).as_bytes())
                        .unwrap();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.prefix, "");
                    state.extend(keys.iter().map(|key| format!("{} {}", text(&key.key), key.lease == 0)));
                }
                Own::Member => {
                    let names = self.etcd.as_ref().map(|etcd| etcd.member_names().unwrap().len());
                    state.push(format!("{} members", names.unwrap_or_default()));
                }
                Own::Turn if self.row.name == "etcd-backups restore-objects --yes" => {
                    state.extend(self.world.shop());
                }
                Own::Turn => {
                    state.extend(self.world.nodes().iter().map(|name| without_ids(name)));
                    let calls = (0..4).map(|at| called(self.world, at));
                    state.extend(
                        calls
                            .zip(&self.called)
                            .map(|(now, before)| format!("{} calls", now - before)),
                    );
                }
            }
        }
        state.sort();
        state
    }

    /// The objects of the cluster's own bucket that hold no backup, as text.
    pub fn written(&self) -> Vec<(String, String)> {
        if !self.row.own.contains(&Own::Store) {
            return Vec::new();
        }
        let ours = |key: &String| key.contains("/backups/") && !key.ends_with(".gz");
        let read = |key: String| {
            let content = self.aws().moto.get(BUCKET, &key).unwrap();
            (key, String::from_utf8_lossy(&content).into_owned())
        };
        self.objects(BUCKET).into_iter().filter(ours).map(read).collect()
    }

    fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self
            .aws()
            .moto
            .bucket_request("GET", bucket, "list-type=2&max-keys=1000", b"");
        let listed = listed.unwrap().text();
        let field = |text: &str, name: &str| {
            let from = text.split(&format!("<{name}>")).nth(1).unwrap_or_default();
            from.split('<').next().unwrap_or_default().to_owned()
        };
        let objects = listed.split("<Contents>").skip(1);
        objects.map(|object| field(object, "Key")).collect()
    }
}

fn called(world: &World, at: usize) -> usize {
    world.masters.host(at).unwrap().calls().len()
}

/// Each run has a number of its own.
fn without_run(text: &str) -> String {
    match text.split_once("\"kops-recovery/run\": \"") {
        Some((before, after)) => format!(
            "{before}{}",
            after.trim_start_matches(|letter: char| letter.is_ascii_hexdigit())
        ),
        None => text.to_owned(),
    }
}

/// Ids are dealt anew to each account.
pub fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = ["i-", "vol-"].iter().filter_map(|kind| rest.find(kind)).min() {
        let (before, id) = rest.split_at(at);
        let kind = if id.starts_with("i-") { "i-" } else { "vol-" };
        let after = id.split_at(kind.len()).1;
        let end = after
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(after.len());
        shown.push_str(before);
        shown.push_str(kind);
        // Names that only look like one keep their letters.
        if end < 17 {
            shown.push_str(after.split_at(end).0);
        }
        rest = after.split_at(end).1;
    }
    shown + rest
}

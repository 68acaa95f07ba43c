//! Secrets that are put everywhere where commands handle them, and looked for everywhere where they have no business: in what is
//! said, at its most talkative, in success and in failure, and in every file that is left behind.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::store::CLUSTER;
use support::{Ca, Cmd, Ended, Etcd, EtcdVersion, KeyKind, Proxy, Put, Rule, S3, Usage};

use crate::commands::{Own, ROWS, Row};
use crate::place::{Lines, Place};
use crate::plugins;
use crate::work::all_at_once;
use crate::world::World;

const SECRET_KEY: &str = "CANARY/of/the/secret/access/key/0123456789";
const SESSION: &str = "CANARY//of/the/session/token/0123456789abcdef";
const IN_A_SECRET: &str = "CANARYofaSecretInABackup0123456789";
/// What the API server of the tests takes and does not take any more.
const TOKENS: [&str; 2] = ["a-token-for-tests", "a-token-of-yesterday"];

/// The lines of a key in PEM that hold the key.
fn key_lines(pem: &str) -> Vec<String> {
    pem.lines()
        .filter(|line| line.len() > 40 && !line.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

/// How a command's lines and credentials are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// All is well.
    Good,
    /// AWS denies everything, etcd does not know the client certificate, the API not the token.
    Denied,
}

struct Birds {
    /// A client key of etcd that it takes, and one of another cluster.
    keys: tempfile::TempDir,
    canaries: Vec<String>,
}

impl Birds {
    fn new(world: &World) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let other = Ca::new("etcd-clients-ca", KeyKind::Ec)
            .unwrap()
            .issue(Usage::Client)
            .unwrap();
        other.write(keys.path(), "other").unwrap();
        let keyset = world.keyset();
        let private = keyset
            .lines()
            .find_map(|line| line.trim().strip_prefix("privateMaterial: "))
            .unwrap();
        let ca = Ca::from_keyset(&keyset).unwrap();
        let mut canaries = vec![
            SECRET_KEY.to_owned(),
            SESSION.to_owned(),
            IN_A_SECRET.to_owned(),
            // The CA's key as the key store has it, and as it is in itself.
            private.get(..60).unwrap().to_owned(),
        ];
        canaries.extend(TOKENS.map(str::to_owned));
        canaries.extend(key_lines(&fs::read_to_string(keys.path().join("other.key")).unwrap()));
        canaries.extend(key_lines(ca.key()));
        Self { keys, canaries }
    }

    /// The canary that flew out, where one did.
    fn in_text(&self, text: &str) -> Option<&str> {
        self.canaries
            .iter()
            .find(|canary| text.contains(canary.as_str()))
            .map(String::as_str)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Looks again and again for keys in `folder` that somebody else could read, until it is told to stop.
fn watch(folder: &Path, stop: &AtomicBool) -> Vec<String> {
    let mut open = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for path in files(folder) {
            let Ok(text) = fs::read(&path) else { continue };
            let mode = fs::metadata(&path)
                .map(|file| file.permissions().mode())
                .unwrap_or_default();
            if String::from_utf8_lossy(&text).contains("PRIVATE KEY") && mode & 0o077 != 0 {
                open.push(format!("{} is open to others: {mode:o}", path.display()));
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    open
}

fn run(world: &World, birds: &Birds, row: &'static Row, day: Day) -> Vec<String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = row.own.contains(&Own::Turn).then(|| TURN.lock().unwrap());
    let place = Place::new(world, row);
    let denying = Proxy::start_tls(&place.aws().moto, &world.ca).unwrap();
    denying.inject(Rule::always("", "", Rule::error(403, "AccessDenied")));
    let mut lines = place.lines();
    if day == Day::Denied {
        (lines.s3, lines.ec2) = (denying.endpoint(), denying.endpoint());
    }
    let temporary = tempfile::tempdir().unwrap();
    let mut command: Cmd = place
        .command(&lines)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SESSION_TOKEN", SESSION)
        .env("TMPDIR", temporary.path())
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full");
    if !row.uses.is_empty() {
        command = command.arg("-v");
    }
    if day == Day::Denied {
        let key = |name: &str| birds.keys.path().join(name);
        command = command
            .env("ETCDCTL_CERT", key("other.crt"))
            .env("ETCDCTL_KEY", key("other.key"));
        let expired = world
            .api
            .kubeconfig_expired(place.home.path(), CLUSTER, &world.api_ca)
            .unwrap();
        command = command.env("KUBECONFIG", expired);
    }
    let stop = AtomicBool::new(false);
    let (ended, mut wrong): (Ended, Vec<String>) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(temporary.path(), &stop));
        let ended = command.run().unwrap();
        stop.store(true, Ordering::Relaxed);
        (ended, watching.join().unwrap())
    });
    let code = ended.exit_code();
    let failed = !matches!(code, Some(0 | 5)) && row.name != "etcd-restore run";
    // It goes on without what denies, or it fails: there is no third.
    if (day == Day::Good && failed) || code.is_none() {
        wrong.push(format!("it ended with {code:?}\n{}", ended.stderr));
    }
    for (place, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        if let Some(canary) = birds.in_text(text) {
            wrong.push(format!("{canary} is in {place}:\n{text}"));
        }
    }
    for path in files(temporary.path()) {
        wrong.push(format!("{} is left", path.display()));
    }
    // What was given in the first place, and what was asked for.
    let given = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("kubeconfig") || name == "snapshot.db"
    };
    for path in files(place.home.path()).iter().filter(|path| !given(path)) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        if let Some(canary) = birds.in_text(&text) {
            wrong.push(format!("{canary} is in {}", path.display()));
        }
    }
    for (key, text) in place.written() {
        if let Some(canary) = birds.in_text(&text) {
            wrong.push(format!("{canary} is in the object {key}"));
        }
    }
    wrong
        .into_iter()
        .map(|what| format!("{} on a day {day:?}: {what}", row.name))
        .collect()
}

#[test]
fn no_secret_is_said_or_left_anywhere() {
    let world = World::new();
    let birds = Birds::new(&world);
    // Two backups that hold a Secret, and another value of it.
    let secret = |value: &str| {
        let object = format!(
            r#"{{"kind":"Secret","apiVersion":"v1","metadata":{{"name":"canary","namespace":"billing"}},"data":{{"password":"{value}"}}}}"#
        );
        world
            .etcd
            .put(&[Put::new("/registry/secrets/billing/canary", object)])
            .unwrap();
    };
    let take = ROWS.iter().find(|row| row.name == "etcd-backups take").unwrap();
    for (value, now) in [
        (IN_A_SECRET, "2026-11-22T15:21:06Z"),
        (&format!("{IN_A_SECRET}x"), "2026-11-22T15:21:16Z"),
    ] {
        secret(value);
        let place = Place::new(&world, take);
        let filled = Proxy::start_tls(&world.filled, &world.ca).unwrap();
        let lines = Lines {
            s3: filled.endpoint(),
            ..place.lines()
        };
        let _ = place.command(&lines).now(now).run().unwrap().success();
    }
    // They are in there, and who asks for them gets them.
    let export = ROWS.iter().find(|row| row.name == "etcd-backups export").unwrap();
    let words = "export main=latest secrets/billing/canary --raw"
        .split(' ')
        .map(str::to_owned);
    let place = Place::new(&world, export);
    let asked = place.cmd(words, &place.lines()).run().unwrap().success();
    assert!(birds.in_text(&asked.stdout).is_some(), "{}", asked.stdout);

    let days = [Day::Good, Day::Denied];
    let work: Vec<_> = ROWS.iter().flat_map(|row| days.map(|day| (row, day))).collect();
    let wrong: Vec<String> = all_at_once(work, |(row, day)| run(&world, &birds, row, day))
        .into_iter()
        .flatten()
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes first to whoever listens where `command` goes.
fn first_said(command: impl FnOnce(u16) -> Cmd) -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let command = command(listener.local_addr().unwrap().port());
    let listening = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut said = vec![0; 512];
        let count = connection.read(&mut said).unwrap();
        said.truncate(count);
        said
    });
    let ended = command.run().unwrap();
    assert_ne!(ended.exit_code(), Some(0), "{}", ended.stdout);
    listening.join().unwrap()
}

/// A TLS record of a handshake: RFC 8446, 5.1.
const HANDSHAKE: u8 = 22;

#[test]
fn a_server_that_is_named_without_a_scheme_is_spoken_to_by_tls() {
    let to_s3 = |port: u16| {
        plugins::cmd("kubectl-etcd-backups")
            .args([
                "list",
                "--state",
                "s3://kops-state",
                "--name",
                CLUSTER,
                "--aws-timeout",
                "2s",
            ])
            .env("S3_ENDPOINT", format!("127.0.0.1:{port}"))
            .env("S3_ACCESS_KEY_ID", "id")
            .env("S3_SECRET_ACCESS_KEY", SECRET_KEY)
    };
    assert_eq!(first_said(to_s3)[0], HANDSHAKE);
    let keys = tempfile::tempdir().unwrap();
    let ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
    support::pki::write(keys.path(), "ca.crt", ca.certificate()).unwrap();
    ca.issue(Usage::Client).unwrap().write(keys.path(), "client").unwrap();
    let to_etcd = |port: u16| {
        let at = |name: &str| keys.path().join(name);
        plugins::cmd("kubectl-masterleases")
            .args(["list", "--observe", "0", "--etcd-timeout", "2s"])
            .env("ETCDCTL_ENDPOINTS", format!("127.0.0.1:{port}"))
            .env("ETCDCTL_CACERT", at("ca.crt"))
            .env("ETCDCTL_CERT", at("client.crt"))
            .env("ETCDCTL_KEY", at("client.key"))
    };
    assert_eq!(first_said(to_etcd)[0], HANDSHAKE);

    // A real etcd without TLS is not spoken to until somebody says so.
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let plain = |flags: &[&str]| {
        let port: u16 = etcd.endpoint().rsplit(':').next().unwrap().parse().unwrap();
        to_etcd(port).args(flags).run().unwrap()
    };
    let _ = plain(&[]).code(1).stderr_has("http://");
    let _ = plain(&["--plain-http"]).success();
}

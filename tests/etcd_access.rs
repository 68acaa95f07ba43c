//! The ways to etcd, over real etcds with TLS: direct, through the API server's stand-in, through a real sshd.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

#[path = "etcd_access/certificates.rs"]
mod certificates;
#[path = "etcd_access/direct.rs"]
mod direct;
#[path = "etcd_access/minted.rs"]
mod minted;
#[path = "etcd_access/port_forward.rs"]
mod port_forward;
#[path = "etcd_access/ssh.rs"]
mod ssh;

use std::path::PathBuf;

use runbook_kit::adapters::etcd::access::{AccessError, Connected, KeySource, Ways, connect};
use runbook_kit::adapters::file::FileStore;
use runbook_kit::cli::confirm;
use runbook_kit::consent::Consent;
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::ports::{EtcdErrorKind, EtcdKv, KeyPage};
use support::pki::{self, Issued};
use support::{Ca, Etcd, EtcdVersion, KeyKind, Put, ServerTls, Usage};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// A CA, an etcd that trusts it, and the files that its clients have.
struct World {
    ca: Ca,
    etcd: Etcd,
    _tls: ServerTls,
    folder: TempDir,
}

impl World {
    fn new(version: EtcdVersion, ca: Ca) -> Self {
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let etcd = Etcd::start_tls(version, &tls).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
        Self {
            ca,
            etcd,
            _tls: tls,
            folder,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn endpoint(&self) -> String {
        self.etcd.tls_endpoint().unwrap().to_owned()
    }

    fn port(&self) -> u16 {
        self.endpoint().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// As etcdctl's user would type it.
    fn direct(&self) -> EtcdAccess {
        EtcdAccess {
            via: Via::Direct,
            endpoints: vec![self.endpoint()],
            cacert: Some(self.file("ca.crt")),
            cert: Some(self.file("client.crt")),
            key: Some(self.file("client.key")),
            ..EtcdAccess::default()
        }
    }

    fn with(&self, issued: &Issued) -> EtcdAccess {
        let (cert, key) = issued.write(self.folder.path(), "other").unwrap();
        EtcdAccess {
            cert: Some(cert),
            key: Some(key),
            ..self.direct()
        }
    }

    /// A key store that holds `keyset` as the clients CA.
    fn key_store(&self, keyset: &str) -> Keys {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys { folder };
        keys.add("etcd-clients-ca", keyset);
        keys
    }
}

struct Keys {
    folder: TempDir,
}

impl Keys {
    fn add(&self, name: &str, keyset: &str) {
        pki::write(&self.folder.path().join("private").join(name), "keyset.yaml", keyset).unwrap();
    }

    fn source(&self) -> KeySource<'_> {
        KeySource {
            objects: &FileStore,
            key_store: format!("file://{}", self.folder.path().display()).parse().unwrap(),
        }
    }
}

fn ec() -> Ca {
    Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap()
}

fn agreed() -> Consent {
    confirm::plain(true).unwrap()
}

fn ways<'a>(args: &'a EtcdAccess, keys: Option<&'a Keys>) -> Ways<'a> {
    Ways {
        args,
        etcd: "main",
        kubeconfig: None,
        context: None,
        keys: keys.map(Keys::source),
    }
}

async fn reach(args: &EtcdAccess) -> Connected {
    connect(&ways(args, None)).await.unwrap()
}

async fn refused(args: &EtcdAccess) -> EtcdErrorKind {
    kind(connect(&ways(args, None)).await)
}

fn kind(result: Result<Connected, AccessError>) -> EtcdErrorKind {
    match result {
        Err(AccessError::Etcd(error)) => {
            assert!(error.hint().is_some(), "{error}");
            error.kind
        }
        Err(other) => panic!("{other:?}"),
        Ok(connected) => panic!("it went {}", connected.way),
    }
}

/// What every way must be able to do.
async fn works(kv: &dyn EtcdKv, etcd: &Etcd) {
    let lease = etcd.grant_lease(600).unwrap();
    let mut leased = Put::new("/p/b", "two");
    leased.lease = lease;
    etcd.put(&[Put::new("/p/a", "one"), leased, Put::new("/q", "other")])
        .unwrap();

    let found = kv.range(b"/p/").await.unwrap();
    assert_eq!(found.revision, etcd.revision().unwrap());
    let keys: Vec<&[u8]> = found.keys.iter().map(|found| found.key.as_slice()).collect();
    assert_eq!(keys, [b"/p/a", b"/p/b"]);
    assert_eq!((found.keys[0].lease, found.keys[1].lease), (0, lease));
    let ttl = kv.lease_ttl(lease).await.unwrap().unwrap();
    assert!((590..=600).contains(&ttl), "{ttl}");
    assert_eq!(kv.lease_ttl(7).await.unwrap(), None);
    assert_eq!(kv.get(b"/p").await.unwrap(), None);

    let first = kv.get(b"/p/a").await.unwrap().unwrap();
    assert_eq!(first.value, b"one");
    etcd.put(&[Put::new("/p/a", "changed")]).unwrap();
    assert!(
        !kv.delete_if_unchanged(b"/p/a", first.mod_revision, &agreed())
            .await
            .unwrap()
    );
    let now = kv.get(b"/p/a").await.unwrap().unwrap();
    assert_eq!(now.value, b"changed");
    assert!(!kv.put_if_absent(b"/p/a", b"x", &agreed()).await.unwrap());
    assert!(
        kv.delete_if_unchanged(b"/p/a", now.mod_revision, &agreed())
            .await
            .unwrap()
    );
    assert_eq!(kv.get(b"/p/a").await.unwrap(), None);
    // A key that is gone was changed, too.
    assert!(
        !kv.delete_if_unchanged(b"/p/a", now.mod_revision, &agreed())
            .await
            .unwrap()
    );
    assert!(kv.put_if_absent(b"/p/a", b"\0back\xff", &agreed()).await.unwrap());
    let back = kv.get(b"/p/a").await.unwrap().unwrap();
    assert_eq!(
        (back.value.as_slice(), back.lease, back.version),
        (&b"\0back\xff"[..], 0, 1)
    );

    let status = kv.status().await.unwrap();
    assert!(status.leader.is_some() && status.db_size > 0 && status.revision >= back.mod_revision);
    assert_eq!(kv.members().await.unwrap().len(), 1);
    let everything = kv.range(b"").await.unwrap().keys.len();
    assert_eq!(everything as i64, etcd.count_keys().unwrap());

    // A page is of the revision that was asked for, as long as etcd remembers it.
    let then = etcd.revision().unwrap();
    etcd.put(&[Put::new("/p/c", "later")]).unwrap();
    let page = async |at| kv.page(b"/p/", None, 10, at).await;
    let keys = |page: KeyPage| page.keys.into_iter().map(|head| head.key).collect::<Vec<_>>();
    let past = page(Some(then)).await.unwrap();
    assert_eq!((past.revision, past.more), (then, false));
    assert_eq!(keys(past), [b"/p/a", b"/p/b"]);
    assert_eq!(keys(page(None).await.unwrap()), [b"/p/a", b"/p/b", b"/p/c"]);
    etcd.compact(then + 1).unwrap();
    let forgotten = page(Some(then)).await.unwrap_err();
    assert!(forgotten.to_string().contains("compacted"), "{forgotten}");

    let mut snapshot = Vec::new();
    let mut stream = kv.snapshot().await.unwrap();
    stream.reader.read_to_end(&mut snapshot).await.unwrap();
    assert_eq!(snapshot.len() % 512, 32, "a database and its SHA-256");
}

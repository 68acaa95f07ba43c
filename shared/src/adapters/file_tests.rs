use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::cli::confirm;

fn agreed() -> Consent {
    confirm::plain(true).unwrap()
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn url(&self, name: &str) -> StoreUrl {
        StoreUrl::File {
            path: self.0.path().to_str().unwrap().to_owned(),
        }
        .join(name)
    }

    async fn put(&self, name: &str, content: &str) {
        FileStore
            .put(&self.url(name), content.into(), PutMode::Replace, &agreed())
            .await
            .unwrap();
    }

    async fn list(&self, name: &str) -> Vec<String> {
        FileStore
            .list(&self.url(name))
            .await
            .unwrap()
            .into_iter()
            .map(|object| object.path)
            .collect()
    }
}

fn kind<T>(result: Result<T, StoreError>) -> StoreErrorKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.kind,
    }
}

#[tokio::test]
async fn lists_files_only_and_nothing_where_nothing_is() {
    let scratch = Scratch::new();
    scratch.put("main/b/etcd.backup.gz", "12345").await;
    scratch.put("main/a/_etcd_backup.meta", "{}").await;
    fs::create_dir_all(scratch.path("main/empty/deeper")).unwrap();
    fs::write(scratch.path("main/b/.partial-abc"), "half").unwrap();
    assert_eq!(scratch.list("main").await, ["a/_etcd_backup.meta", "b/etcd.backup.gz"]);
    assert_eq!(scratch.list("nowhere").await, Vec::<String>::new());
    assert_eq!(
        scratch.list("main/b/etcd.backup.gz/under-a-file").await,
        Vec::<String>::new()
    );
    let found = FileStore.list(&scratch.url("main")).await.unwrap();
    assert_eq!(found[1].size, 5);
    assert!(found[1].modified.is_some());
    assert_eq!(
        FileStore.list_folders(&scratch.url("main")).await.unwrap(),
        ["a", "b", "empty"]
    );
    assert_eq!(
        FileStore.list_folders(&scratch.url("nowhere")).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_missing_root_is_told_from_an_empty_one() {
    let scratch = Scratch::new();
    assert!(FileStore.require_root(&scratch.url("")).await.is_ok());
    let error = FileStore.require_root(&scratch.url("nowhere")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NoSuchFolder);
    assert!(
        error.to_string().ends_with("/nowhere: the folder does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn links_lead_neither_out_nor_round() {
    let (scratch, outside) = (Scratch::new(), Scratch::new());
    outside.put("secret/file", "x").await;
    scratch.put("real/file", "x").await;
    symlink(outside.path("secret"), scratch.path("folder-out")).unwrap();
    symlink(outside.path("secret/file"), scratch.path("file-out")).unwrap();
    symlink(scratch.path(""), scratch.path("real/round")).unwrap();
    symlink(scratch.path("nothing"), scratch.path("broken")).unwrap();
    symlink(scratch.path("real/file"), scratch.path("within")).unwrap();
    assert_eq!(scratch.list("").await, ["real/file", "within"]);
    symlink(scratch.path(""), outside.path("store")).unwrap();
    assert_eq!(
        outside.list("store").await,
        ["real/file", "within"],
        "the listed location itself may be a link"
    );
    assert_eq!(FileStore.list_folders(&scratch.url("")).await.unwrap(), ["real"]);
}

#[tokio::test]
async fn reads_within_the_limit() {
    let scratch = Scratch::new();
    scratch.put("a", "12345").await;
    assert_eq!(FileStore.get(&scratch.url("a"), 5).await.unwrap(), b"12345");
    assert_eq!(
        kind(FileStore.get(&scratch.url("a"), 4).await),
        StoreErrorKind::TooLarge { limit: 4 }
    );
    assert_eq!(
        kind(FileStore.get(&scratch.url("b"), 5).await),
        StoreErrorKind::NotFound
    );
    assert_eq!(
        kind(FileStore.get(&scratch.url(""), 5).await),
        StoreErrorKind::NotFound,
        "a folder is no object"
    );
    let mut body = FileStore.open(&scratch.url("a")).await.unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut body.reader, &mut text)
        .await
        .unwrap();
    assert_eq!((body.size, text.as_str()), (5, "12345"));
}

#[tokio::test]
async fn creates_once_and_replaces_whole() {
    let scratch = Scratch::new();
    let at = scratch.url("control/x/_command.json");
    FileStore
        .put(&at, b"first".into(), PutMode::Create, &agreed())
        .await
        .unwrap();
    assert_eq!(
        kind(FileStore.put(&at, b"second".into(), PutMode::Create, &agreed()).await),
        StoreErrorKind::AlreadyExists
    );
    assert_eq!(FileStore.get(&at, 99).await.unwrap(), b"first");
    FileStore
        .put(&at, b"third".into(), PutMode::Replace, &agreed())
        .await
        .unwrap();
    assert_eq!(FileStore.get(&at, 99).await.unwrap(), b"third");
    assert_eq!(
        fs::read_dir(scratch.path("control/x")).unwrap().count(),
        1,
        "no partial file is left"
    );
}

#[tokio::test]
async fn copies_and_leaves_the_old_one_when_the_source_is_missing() {
    let scratch = Scratch::new();
    scratch.put("from", "new").await;
    scratch.put("to/place", "old").await;
    assert_eq!(
        kind(
            FileStore
                .copy(&scratch.url("absent"), &scratch.url("to/place"), &agreed())
                .await
        ),
        StoreErrorKind::NotFound
    );
    assert_eq!(FileStore.get(&scratch.url("to/place"), 99).await.unwrap(), b"old");
    FileStore
        .copy(&scratch.url("from"), &scratch.url("to/place"), &agreed())
        .await
        .unwrap();
    assert_eq!(FileStore.get(&scratch.url("to/place"), 99).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_stream_cut_short_leaves_nothing() {
    let scratch = Scratch::new();
    let body = |size| ObjectBody {
        size,
        reader: Box::new(&b"12345"[..]),
    };
    let error = FileStore.receive(&scratch.url("a/b"), body(6)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Other("5 of 6 bytes arrived".into()));
    assert_eq!(fs::read_dir(scratch.path("a")).unwrap().count(), 0);
    FileStore.receive(&scratch.url("a/b"), body(5)).await.unwrap();
    assert_eq!(fs::read(scratch.path("a/b")).unwrap(), b"12345");
}

#[tokio::test]
async fn delete_takes_the_emptied_folder_along_and_nothing_above() {
    let scratch = Scratch::new();
    scratch.put("recovery/main/backup/meta", "x").await;
    scratch.put("recovery/main/backup/data", "x").await;
    FileStore
        .delete(&scratch.url("recovery/main/backup/meta"), &agreed())
        .await
        .unwrap();
    assert!(scratch.path("recovery/main/backup").exists());
    FileStore
        .delete(&scratch.url("recovery/main/backup/data"), &agreed())
        .await
        .unwrap();
    assert!(!scratch.path("recovery/main/backup").exists());
    assert!(scratch.path("recovery/main").exists());
    FileStore
        .delete(&scratch.url("recovery/main/backup/data"), &agreed())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_forbidden_folder_is_access_denied() {
    let scratch = Scratch::new();
    scratch.put("closed/a", "x").await;
    fs::set_permissions(scratch.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let listed = FileStore.list(&scratch.url("closed")).await;
    let written = FileStore
        .put(&scratch.url("closed/b"), b"x".into(), PutMode::Create, &agreed())
        .await;
    fs::set_permissions(scratch.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    if listed.is_ok() {
        // The superuser may read everything: then there is only the mapping to check.
        let error = failed(
            "list",
            &scratch.url("closed"),
            io::Error::from(io::ErrorKind::PermissionDenied).into(),
        );
        assert_eq!(error.kind, StoreErrorKind::AccessDenied);
        return;
    }
    assert_eq!(kind(listed), StoreErrorKind::AccessDenied);
    assert_eq!(kind(written), StoreErrorKind::AccessDenied);
}

#[tokio::test]
async fn another_scheme_is_refused() {
    let at = "s3://bucket/key".parse().unwrap();
    assert!(matches!(
        kind(FileStore.get(&at, 1).await),
        StoreErrorKind::Unsupported(_)
    ));
}

//! `download`.

use std::fs;

use crate::env::{Env, RESTORED};

const NAME: &str = "2026-11-22T15:18:01Z-000001";

#[test]
fn saves_the_decompressed_snapshot_with_its_checksum() {
    use std::io::Read;

    let env = Env::new(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.db");
    let ended = env
        .backups(&["download", &format!("main={NAME}"), file.to_str().unwrap()])
        .run()
        .unwrap()
        .success();
    let _ = ended.stderr_has("etcdutl snapshot restore");
    let mut unpacked = Vec::new();
    let packed = fs::read(env.file("main", NAME, "etcd.backup.gz")).unwrap();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(fs::read(&file).unwrap() == unpacked, "the file is not the snapshot");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something was left beside it"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds Secrets");
}

#[test]
fn raw_saves_the_file_of_the_store() {
    let env = Env::new(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.gz");
    let _ = env
        .backups(&["download", "--raw", &format!("main={NAME}"), file.to_str().unwrap()])
        .run()
        .unwrap()
        .success();
    assert_eq!(
        fs::read(&file).unwrap(),
        fs::read(env.file("main", NAME, "etcd.backup.gz")).unwrap()
    );
}

#[test]
fn a_damaged_backup_leaves_no_file() {
    let env = Env::new(RESTORED);
    let mut content = fs::read(env.file("main", NAME, "etcd.backup.gz")).unwrap();
    content[15_000] ^= 0x40;
    env.write("main", NAME, "etcd.backup.gz", &content);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.db");
    let ended = env
        .backups(&["download", &format!("main={NAME}"), file.to_str().unwrap()])
        .run()
        .unwrap()
        .code(5);
    let _ = ended.stderr_has("nothing was written").stderr_has("--raw");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_exists_is_not_replaced_unless_told() {
    let env = Env::new(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.db");
    fs::write(&file, "precious").unwrap();
    let download = |more: &[&str]| {
        env.backups(&["download", &format!("main={NAME}"), file.to_str().unwrap()])
            .args(more)
            .run()
            .unwrap()
    };
    let _ = download(&[]).code(2).stderr_has("exists already").stderr_has("--force");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let _ = download(&["--force"]).success();
    assert_eq!(fs::metadata(&file).unwrap().len(), 299_040);
}

#[test]
fn a_name_of_two_etcd_clusters_is_ambiguous() {
    let ended = Env::new(RESTORED)
        .backups(&["download", "latest", "x.db"])
        .run()
        .unwrap()
        .code(2);
    let _ = ended.stderr_has("main and of events").stderr_has("main=latest");
}

#[test]
fn a_missing_folder_is_reported() {
    let ended = Env::new(RESTORED)
        .backups(&["download", "main=latest", "/nowhere/x.db"])
        .run()
        .unwrap();
    let _ = ended
        .code(1)
        .stderr_has("/nowhere")
        .stderr_has("create that directory, or pass one that exists");
}

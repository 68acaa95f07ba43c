//! How objects are written: encrypted, with an ACL, on condition.

use support::Recorded;

use super::*;

fn puts(proxy: &Proxy) -> Vec<Recorded> {
    proxy
        .requests()
        .into_iter()
        .filter(|request| request.method == "PUT")
        .collect()
}

const SSE: &str = "x-amz-server-side-encryption";

#[tokio::test]
async fn objects_are_encrypted_and_get_the_acl_of_kops() {
    let bench = Bench::new("encrypted");
    let mut options = options(&bench.proxy);
    options.environment.kops_state_s3_acl = Some("bucket-owner-full-control".into());
    options.multipart = Multipart {
        threshold: 5 << 20,
        part: 5 << 20,
    };
    let stores = Stores::new(options);
    bench.put("large", &bytes(6 << 20));
    let disk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(disk.path(), "content").unwrap();
    let file: StoreUrl = format!("file://{}", disk.path().display()).parse().unwrap();
    stores
        .put(&bench.url("a"), b"content".to_vec(), PutMode::Create, &agreed())
        .await
        .unwrap();
    stores.copy(&bench.url("a"), &bench.url("b"), &agreed()).await.unwrap();
    stores.copy(&file, &bench.url("c"), &agreed()).await.unwrap();
    stores
        .copy(&bench.url("large"), &bench.url("d"), &agreed())
        .await
        .unwrap();
    let requests = bench.proxy.requests();
    for made in ["a?", "b?", "c?", "d?uploads"] {
        let whole = |request: &Recorded| format!("{}?{}", request.path, request.query);
        let begun =
            |request: &&Recorded| request.method != "GET" && whole(request).starts_with(&format!("/encrypted/{made}"));
        let request = requests.iter().find(begun).unwrap();
        assert_eq!(request.header(SSE), Some("AES256"), "{made}");
        assert_eq!(request.header("x-amz-acl"), Some("bucket-owner-full-control"), "{made}");
    }
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.query.contains("encryption"))
            .count(),
        1,
        "asked once per bucket"
    );
}

#[tokio::test]
async fn a_bucket_that_encrypts_by_itself_is_left_to_it() {
    let bench = Bench::new("by-itself");
    let rule = b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms\
        </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    bench
        .moto
        .bucket_request("PUT", bench.bucket, "encryption", rule)
        .unwrap();
    let stores = bench.stores();
    stores
        .put(&bench.url("a"), b"x".to_vec(), PutMode::Replace, &agreed())
        .await
        .unwrap();
    stores.copy(&bench.url("a"), &bench.url("b"), &agreed()).await.unwrap();
    assert!(puts(&bench.proxy).iter().all(|request| request.header(SSE).is_none()));
    assert_eq!(stores.get(&bench.url("b"), 9).await.unwrap(), b"x");
}

#[tokio::test]
async fn encryption_is_asked_for_where_nobody_may_say() {
    let bench = Bench::new("unknown-encryption");
    bench
        .proxy
        .inject(Rule::always("GET", "encryption", Rule::error(403, "AccessDenied")));
    bench
        .stores()
        .put(&bench.url("a"), b"x".to_vec(), PutMode::Replace, &agreed())
        .await
        .unwrap();
    assert_eq!(puts(&bench.proxy)[0].header(SSE), Some("AES256"));
}

/// For a server that cannot encrypt.
pub async fn encryption_is_given_up_once(server: &impl S3) {
    server.create_bucket("plain").unwrap();
    let proxy = Proxy::start(server).unwrap();
    let stores = Stores::new(options(&proxy));
    for name in ["a", "b"] {
        stores
            .put(&at("plain", name), b"x".to_vec(), PutMode::Create, &agreed())
            .await
            .unwrap();
    }
    let sent: Vec<_> = puts(&proxy)
        .iter()
        .map(|request| (request.path.clone(), request.header(SSE).is_some()))
        .collect();
    assert_eq!(sent.first(), Some(&("/plain/a".to_owned(), true)));
    assert_eq!(
        sent.iter().rev().take(2).collect::<Vec<_>>(),
        [&("/plain/b".to_owned(), false), &("/plain/a".to_owned(), false)]
    );
}

#[tokio::test]
async fn a_server_without_conditions_is_looked_at_first() {
    let bench = Bench::new("unconditional");
    // One refusal for the encryption that may be at fault, one for the condition.
    bench
        .proxy
        .inject(Rule::times(2, "PUT", "/a", Rule::error(501, "NotImplemented")));
    let stores = bench.stores();
    stores
        .put(&bench.url("a"), b"first".to_vec(), PutMode::Create, &agreed())
        .await
        .unwrap();
    let conditions: Vec<_> = puts(&bench.proxy)
        .iter()
        .map(|request| request.header("if-none-match").is_some())
        .collect();
    assert_eq!(conditions, [true, true, false]);
    bench
        .proxy
        .inject(Rule::always("PUT", "/a", Rule::error(501, "NotImplemented")));
    let error = refused(
        stores
            .put(&bench.url("a"), b"second".to_vec(), PutMode::Create, &agreed())
            .await,
    );
    assert_eq!(error.kind, StoreErrorKind::AlreadyExists);
    assert_eq!(bench.moto.get(bench.bucket, "a").unwrap(), b"first");
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_leaves_nothing() {
    let bench = Bench::new("half-copied");
    bench.put("from", &bytes(12 << 20));
    bench
        .proxy
        .inject(Rule::always("PUT", "partNumber=2", Rule::error(403, "AccessDenied")));
    let multipart = Multipart {
        threshold: 5 << 20,
        part: 5 << 20,
    };
    let stores = Stores::new(StoreOptions {
        multipart,
        ..options(&bench.proxy)
    });
    let error = refused(stores.copy(&bench.url("from"), &bench.url("to"), &agreed()).await);
    assert_eq!((error.kind, error.at), (StoreErrorKind::AccessDenied, bench.url("to")));
    assert!(!bench.moto.exists(bench.bucket, "to").unwrap());
    let left = bench
        .moto
        .bucket_request("GET", bench.bucket, "uploads", b"")
        .unwrap()
        .text();
    assert!(!left.contains("<UploadId>"), "{left}");
}

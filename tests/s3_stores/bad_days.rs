//! What S3 answers on bad days, played by the proxy.

use super::*;

async fn list_meeting(bench: &Bench, fault: Fault) -> StoreError {
    bench.proxy.reset();
    bench.proxy.inject(Rule::always("GET", "list-type=2", fault));
    refused(bench.stores().list(&bench.url("main")).await)
}

#[tokio::test]
async fn each_refusal_has_its_reason_and_its_cure() {
    let bench = Bench::new("refusals");
    for (status, code, kind, cure) in [
        (403, "AccessDenied", StoreErrorKind::AccessDenied, "s3:ListBucket"),
        (400, "ExpiredToken", StoreErrorKind::ExpiredCredentials, "log in again"),
        (
            403,
            "InvalidAccessKeyId",
            StoreErrorKind::BadCredentials,
            "AWS_ACCESS_KEY_ID",
        ),
        (
            403,
            "SignatureDoesNotMatch",
            StoreErrorKind::BadCredentials,
            "AWS_SECRET_ACCESS_KEY",
        ),
        (404, "NoSuchBucket", StoreErrorKind::NoSuchBucket, "--state"),
    ] {
        let error = list_meeting(&bench, Rule::error(status, code)).await;
        assert_eq!(error.kind, kind, "{code}");
        assert!(error.hint().unwrap().contains(cure), "{code}: {:?}", error.hint());
        let words = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(words, format!("{code}: injected by the test"));
        assert_eq!(bench.proxy.requests().len(), 1, "{code} is not tried again");
    }
    bench.put("main/b", b"x");
    bench.proxy.reset();
    bench
        .proxy
        .inject(Rule::always("GET", "/main/b", Rule::error(403, "AccessDenied")));
    let stores = bench.stores();
    assert_eq!(stores.list(&bench.url("main")).await.unwrap().len(), 1);
    let error = refused(stores.get(&bench.url("main/b"), 9).await);
    assert_eq!(error.kind, StoreErrorKind::AccessDenied);
    assert_eq!(error.to_string(), "read s3://refusals/main/b: access denied");
    assert!(error.hint().unwrap().contains("s3:GetObject"));
}

#[tokio::test]
async fn a_misdirected_request_names_the_region() {
    let bench = Bench::new("misdirected");
    for (status, code) in [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")] {
        let headers = vec![("x-amz-bucket-region", "eu-west-1".to_owned())];
        let error = list_meeting(&bench, Fault::Error { status, code, headers }).await;
        assert_eq!(error.kind, StoreErrorKind::WrongRegion("eu-west-1".into()), "{code}");
        assert_eq!(error.hint().unwrap(), "pass --region eu-west-1");
    }
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let bench = Bench::new("throttled");
    bench
        .proxy
        .inject(Rule::times(2, "GET", "list-type=2", Rule::error(503, "SlowDown")));
    assert_eq!(bench.stores().list(&bench.url("main")).await.unwrap(), []);
    assert_eq!(bench.proxy.lists(), 3);
    let error = list_meeting(&bench, Rule::error(503, "SlowDown")).await;
    assert_eq!(
        error.kind,
        StoreErrorKind::Other("SlowDown: injected by the test".into())
    );
    assert_eq!(bench.proxy.lists(), 3, "three attempts, no more");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    struct Nowhere(u16);
    impl S3 for Nowhere {
        fn endpoint(&self) -> String {
            format!("http://127.0.0.1:{}", self.0)
        }
    }
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let started = Instant::now();
    let error = refused(Stores::new(options(&Nowhere(port))).list(&at("b", "k")).await);
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error:?}");
    assert!(error.hint().unwrap().contains("S3_ENDPOINT"));
    assert!(started.elapsed() < Duration::from_secs(20));
    let bench = Bench::new("hung-up");
    assert_eq!(
        list_meeting(&bench, Fault::HangUp).await.kind,
        StoreErrorKind::Unreachable
    );
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let bench = Bench::new("resumed");
    let content = bytes(3 << 20);
    bench.put("big", &content);
    bench
        .proxy
        .inject(Rule::times(3, "GET", "/big", Fault::CutBodyAfter(700_000)));
    let whole = read(&bench.stores(), &bench.url("big")).await.unwrap();
    assert!(whole == content, "the pieces do not fit");
    let gets = bench.proxy.requests();
    let ranges: Vec<_> = gets
        .iter()
        .map(|request| request.header("range").unwrap_or("-").to_owned())
        .collect();
    assert_eq!(
        ranges,
        [
            "bytes=0-8388607",
            "bytes=700000-3145727",
            "bytes=1400000-3145727",
            "bytes=2100000-3145727"
        ]
    );
    assert!(gets.iter().skip(1).all(|request| request.header("if-match").is_some()));
}

#[tokio::test]
async fn a_large_object_comes_in_parts_at_once_each_byte_once() {
    let bench = Bench::new("parts");
    let content = bytes((20 << 20) + 7);
    bench.put("big", &content);
    bench.proxy.reset();
    // One part breaks, and goes on where it broke.
    bench
        .proxy
        .inject(Rule::times(1, "GET", "/big", Fault::CutBodyAfter(1_000_000)).after(1));
    let whole = read(&bench.stores(), &bench.url("big")).await.unwrap();
    assert!(whole == content, "the parts do not fit");
    let gets = bench.proxy.requests();
    let mut ranges: Vec<_> = gets
        .iter()
        .map(|request| request.header("range").unwrap_or("-").to_owned())
        .collect();
    ranges.sort();
    let resumed = ranges.iter().filter(|range| {
        let start = range.trim_start_matches("bytes=").split('-').next().unwrap();
        start.parse::<u64>().unwrap() % (8 << 20) == 1_000_000
    });
    let resumed = resumed.count();
    assert_eq!((ranges.len(), resumed), (4, 1), "{ranges:?}");
    assert!(gets.iter().skip(1).all(|request| request.header("if-match").is_some()));
}

#[tokio::test]
async fn a_store_without_ranges_sends_a_large_object_by_one_request() {
    let bench = Bench::new("no-ranges");
    let content = bytes(20 << 20);
    bench.put("big", &content);
    bench.proxy.reset();
    bench.proxy.inject(Rule::always("GET", "/big", Fault::NoRanges));
    let whole = read(&bench.stores(), &bench.url("big")).await.unwrap();
    assert!(whole == content);
    assert_eq!(bench.proxy.gets("big"), 1);
    bench.put("nothing", b"");
    assert_eq!(read(&bench.stores(), &bench.url("nothing")).await.unwrap(), b"");
}

#[tokio::test]
async fn a_download_that_keeps_breaking_is_given_up() {
    let bench = Bench::new("broken");
    bench.put("big", &bytes(3 << 20));
    bench
        .proxy
        .inject(Rule::always("GET", "/big", Fault::CutBodyAfter(100_000)));
    let error = read(&bench.stores(), &bench.url("big")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the download broke at byte 400000 of 3145728"),
        "{error}"
    );
    assert_eq!(bench.proxy.gets("big"), 4);
}

#[tokio::test]
async fn a_download_never_mixes_two_objects() {
    let bench = Bench::new("replaced");
    bench.put("big", &bytes(3 << 20));
    bench
        .proxy
        .inject(Rule::times(1, "GET", "/big", Fault::CutBodyAfter(100_000)));
    let mut body = bench.stores().open(&bench.url("big")).await.unwrap();
    bench.put("big", &[7; 3 << 20]);
    let error = body.reader.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("replaced meanwhile"), "{error}");
}

#[tokio::test]
async fn kops_variables_are_mandatory_together() {
    for missing in ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] {
        let environment =
            StoreEnvironment::from_lookup(|name| (name != missing).then(|| "http://127.0.0.1:1".to_owned()));
        let stores = Stores::new(StoreOptions {
            environment,
            ..StoreOptions::default()
        });
        let error = refused(stores.list(&at("b", "k")).await);
        assert_eq!(
            error.to_string(),
            format!("list s3://b/k: S3_ENDPOINT is set, so {missing} must be set, too, as for kops")
        );
    }
}

//! Credentials and regions as AWS' own chain finds them. That chain reads the process' environment, so each case is a process of
//! its own: this test program again, running [`child`] only.

use std::fmt::Write as _;
use std::process::Command;

use super::*;

/// What the child saw.
struct Seen {
    text: String,
    took: Duration,
}

fn list_in_a_process(url: &str, variables: &[(&str, String)]) -> Seen {
    let home = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "aws_chain::child", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        .env("CHILD_URL", url)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("kind:"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Seen {
        text,
        took: started.elapsed(),
    }
}

#[tokio::test]
#[ignore = "the other tests run it in an environment of its own"]
async fn child() {
    let variable = |name: &str| std::env::var(name).ok();
    let options = StoreOptions {
        region: variable("CHILD_REGION"),
        profile: variable("CHILD_PROFILE"),
        environment: StoreEnvironment::from_process(),
        ..StoreOptions::default()
    };
    let at = variable("CHILD_URL").unwrap().parse().unwrap();
    let text = match Stores::new(options).list(&at).await {
        Ok(listed) => format!("kind: ok\nobjects: {}", listed.len()),
        Err(error) => {
            let mut text = format!(
                "kind: {:?}\nhint: {}\nerror: {error}",
                error.kind,
                error.hint().unwrap_or_default()
            );
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                write!(text, ": {cause}").unwrap();
                source = cause.source();
            }
            text
        }
    };
    println!("\n{text}");
}

fn bench(bucket: &'static str) -> (Bench, Vec<(&'static str, String)>) {
    let bench = Bench::new(bucket);
    let env = bench.proxy.env();
    (bench, env)
}

#[test]
fn the_region_is_found_even_where_access_is_denied() {
    let (bench, env) = bench("far-away");
    bench.put("main/a", b"x");
    for status in [403, 301, 400] {
        bench.proxy.reset();
        let headers = vec![("x-amz-bucket-region", "eu-central-1".to_owned())];
        bench.proxy.inject(Rule::always(
            "HEAD",
            "/far-away",
            Fault::Error {
                status,
                code: "x",
                headers,
            },
        ));
        let seen = list_in_a_process("s3://far-away/main", &env);
        assert!(seen.text.contains("kind: ok\nobjects: 1"), "{}", seen.text);
        let requests = bench.proxy.requests();
        let signed: Vec<_> = requests
            .iter()
            .map(|request| request.header("authorization").unwrap_or_default())
            .collect();
        assert!(signed[0].contains("/us-east-1/s3/"), "{signed:?}");
        assert!(signed[1].contains("/eu-central-1/s3/"), "{signed:?}");
        assert_eq!(signed.len(), 2);
    }
}

#[test]
fn region_says_where_to_start() {
    let (bench, mut env) = bench("start-here");
    env.push(("CHILD_REGION", "ap-south-1".to_owned()));
    bench
        .proxy
        .inject(Rule::always("HEAD", "/start-here", Rule::error(403, "x")));
    let seen = list_in_a_process("s3://start-here/main", &env);
    assert!(seen.text.contains("kind: ok"), "{}", seen.text);
    let requests = bench.proxy.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.header("authorization").unwrap().contains("/ap-south-1/s3/"))
    );
}

#[test]
fn expired_credentials_are_told_from_missing_rights() {
    let (bench, env) = bench("late");
    // An answer to HEAD has no body: that they expired shows in the next one.
    bench
        .proxy
        .inject(Rule::always("HEAD", "/late", Rule::error(400, "ExpiredToken")));
    bench
        .proxy
        .inject(Rule::always("GET", "/late", Rule::error(400, "ExpiredToken")));
    let seen = list_in_a_process("s3://late/main", &env);
    assert!(seen.text.contains("kind: ExpiredCredentials"), "{}", seen.text);
}

#[test]
fn a_missing_bucket_costs_one_request() {
    let (bench, env) = bench("there");
    let seen = list_in_a_process("s3://not-there/main", &env);
    assert!(seen.text.contains("kind: NoSuchBucket"), "{}", seen.text);
    assert_eq!(bench.proxy.requests().len(), 1);
}

#[test]
fn missing_credentials_are_told_within_seconds() {
    let (_bench, env) = bench("anonymous");
    let without: Vec<_> = env
        .into_iter()
        .filter(|(name, _)| !name.contains("KEY") && !name.contains("METADATA"))
        .collect();
    // No metadata service; one that refuses; one that never answers.
    for (name, value) in [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://192.0.2.1"),
    ] {
        let mut env = without.clone();
        env.push((name, value.to_owned()));
        let seen = list_in_a_process("s3://anonymous/main", &env);
        assert!(
            seen.text
                .contains("kind: NoCredentials\nhint: set AWS_PROFILE or pass --profile"),
            "{}",
            seen.text
        );
        assert!(seen.took < Duration::from_secs(15), "{value}: {:?}", seen.took);
    }
}

#[test]
fn a_profile_wins_over_keys_in_the_environment() {
    let (bench, mut env) = bench("profiled");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(
        &config,
        "[profile there]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = x\nregion = eu-north-1\n",
    )
    .unwrap();
    env.retain(|(name, _)| *name != "AWS_REGION");
    env.push(("AWS_CONFIG_FILE", config.display().to_string()));
    env.push(("CHILD_PROFILE", "there".to_owned()));
    let seen = list_in_a_process("s3://profiled/main", &env);
    assert!(seen.text.contains("kind: ok"), "{}", seen.text);
    assert!(
        bench.proxy.requests()[0]
            .header("authorization")
            .unwrap()
            .contains("Credential=AKIAPROFILE/")
    );
    env.retain(|(name, _)| *name != "CHILD_PROFILE");
    env.push(("CHILD_PROFILE", "absent".to_owned()));
    let seen = list_in_a_process("s3://profiled/main", &env);
    assert!(seen.text.contains("kind: NoCredentials"), "{}", seen.text);
    assert!(seen.text.contains("absent"), "the profile is named: {}", seen.text);
}

#[test]
fn an_sso_session_that_ran_out_is_told_from_one_that_never_was() {
    let (_bench, mut env) = bench("sso");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let session = "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n\
        [profile corp]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = admin\n";
    std::fs::write(&config, session).unwrap();
    env.retain(|(name, _)| !name.contains("KEY"));
    env.push(("AWS_CONFIG_FILE", config.display().to_string()));
    env.push(("AWS_PROFILE", "corp".to_owned()));
    env.push(("HOME", folder.path().display().to_string()));
    let seen = list_in_a_process("s3://sso/main", &env);
    assert!(seen.text.contains("kind: NoCredentials"), "{}", seen.text);
    let cache = folder.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    // The file is named after the SHA-1 of the session's name.
    let token = r#"{"accessToken":"x","expiresAt":"2020-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://corp.awsapps.com/start"}"#;
    std::fs::write(cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json"), token).unwrap();
    let seen = list_in_a_process("s3://sso/main", &env);
    assert!(
        seen.text
            .contains("kind: ExpiredCredentials\nhint: log in again (aws sso login"),
        "{}",
        seen.text
    );
}

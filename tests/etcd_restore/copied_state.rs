//! A copy of a state store: its spec still names the backup stores of the original.

use support::store::{self, CLUSTER};
use support::{Moto, Proxy, Rule, S3};

use crate::env::{Env, RESTORED, restore, tree};

/// The original, and a copy of all of it in another folder.
fn copied() -> (Env, tempfile::TempDir, String) {
    let original = Env::new(RESTORED);
    let copy = tempfile::tempdir().unwrap();
    store::copy_folder(original.root(), copy.path()).unwrap();
    let url = format!("file://{}", copy.path().display());
    (original, copy, url)
}

#[test]
fn what_changes_something_does_not_follow_the_spec_of_a_copy_to_the_original() {
    let (original, copy, url) = copied();
    let before = (tree(original.root()), tree(copy.path()));
    for command in ["run --yes", "queue latest --yes"] {
        restore(command)
            .args(["--state", &url, "--name", CLUSTER])
            .run()
            .unwrap()
            .code(3)
            .stderr_has("names backup stores outside of the state store: main file://")
            .stderr_has("--follow-spec")
            .stderr_has(&format!("--store main={url}/{CLUSTER}/backups/etcd/main"));
    }
    assert_eq!((tree(original.root()), tree(copy.path())), before);
}

#[test]
fn looking_is_allowed_and_says_first_where_it_looks() {
    let (_original, _copy, url) = copied();
    let ended = restore("commands")
        .args(["--state", &url, "--name", CLUSTER])
        .run()
        .unwrap()
        .success();
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("warning: ") && first.contains("names backup stores outside of the state store"),
        "{first}"
    );
}

#[test]
fn expired_credentials_of_ec2_are_told_with_what_to_do() {
    let env = Env::new(RESTORED);
    let moto = Moto::start().unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    proxy.inject(Rule::always(
        "POST",
        "Action=DescribeInstances",
        Rule::error(400, "ExpiredToken"),
    ));
    let said = env.restore("plan").envs(proxy.env()).run().unwrap().stdout;
    assert!(
        said.contains("the AWS credentials have expired") && said.contains("; log in again (aws sso login"),
        "{said}"
    );
}

#[test]
fn the_region_is_the_one_that_the_spec_tells_where_nobody_names_one() {
    let env = Env::new(RESTORED);
    let moto = Moto::start().unwrap();
    let said = env
        .restore("plan")
        .envs(moto.env())
        .without_env("AWS_REGION")
        .run()
        .unwrap()
        .stdout;
    assert!(!said.contains("no AWS region is named"), "{said}");
    assert!(said.contains("only 0 of 3 masters run"), "{said}");
}

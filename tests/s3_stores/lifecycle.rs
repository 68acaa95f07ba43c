//! The rules by which a bucket takes objects away.

use runbook_kit::model::backup::lifecycle::{Fate, When};

use super::*;

const RULES: &str = r#"<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Rule><ID>tidy</ID><Filter><Prefix>k8s.example.com/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule>
<Rule><ID>off</ID><Filter><Prefix></Prefix></Filter><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>
<Rule><ID>cold</ID><Filter><And><Prefix>k8s</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter><Status>Enabled</Status>
<Transition><Days>60</Days><StorageClass>GLACIER</StorageClass></Transition>
<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule>
<Rule><ID>versions</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>
<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration></Rule>
</LifecycleConfiguration>"#;

#[tokio::test]
async fn only_enabled_rules_that_take_current_objects_away_are_told() {
    let bench = Bench::new("lifecycle");
    let stores = bench.stores();
    assert_eq!(stores.expiry_rules(&bench.url("any/key")).await.unwrap(), []);

    bench
        .moto
        .bucket_request("PUT", bench.bucket, "lifecycle", RULES.as_bytes())
        .unwrap();
    let rules = stores.expiry_rules(&bench.url("any/key")).await.unwrap();
    let told: Vec<_> = rules
        .iter()
        .map(|rule| (rule.name(), rule.prefix.as_str(), rule.only_tagged, rule.fate.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "`tidy`".to_owned(),
                "k8s.example.com/",
                false,
                Fate::Deleted(When::After(30))
            ),
            (
                "`cold`".to_owned(),
                "k8s",
                true,
                Fate::Archived("GLACIER".to_owned(), When::After(60))
            ),
        ]
    );
    let missing = stores.expiry_rules(&at("no-such-bucket-at-all", "")).await;
    assert_eq!(refused(missing).kind, StoreErrorKind::NoSuchBucket);
}

#[tokio::test]
async fn a_folder_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let at: StoreUrl = format!("file://{}", folder.path().display()).parse().unwrap();
    let stores = Stores::new(StoreOptions::default());
    assert_eq!(stores.expiry_rules(&at).await.unwrap(), []);
}

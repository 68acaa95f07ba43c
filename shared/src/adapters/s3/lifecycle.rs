//! The lifecycle rules of a bucket.

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, Transition, TransitionStorageClass,
};

use super::bucket::Bucket;
use super::problem::Problem;
use crate::model::backup::lifecycle::{ExpiryRule, Fate, When};

/// S3's error code for a bucket without any.
const NONE: &str = "NoSuchLifecycleConfiguration";

pub(super) async fn rules(bucket: &Bucket) -> Result<Vec<ExpiryRule>, Problem> {
    let asked = bucket
        .client()
        .get_bucket_lifecycle_configuration()
        .bucket(bucket.name())
        .send()
        .await;
    match asked.map_err(Problem::from) {
        Ok(answer) => Ok(answer.rules.unwrap_or_default().into_iter().flat_map(read).collect()),
        Err(problem) if problem.code() == NONE => Ok(Vec::new()),
        Err(problem) => Err(problem),
    }
}

/// One of ours for each thing that S3's does to current versions.
fn read(rule: LifecycleRule) -> Vec<ExpiryRule> {
    if rule.status != ExpirationStatus::Enabled {
        return Vec::new();
    }
    let deletes = rule.expiration.as_ref().and_then(deleted);
    let archives = rule.transitions.iter().flatten().filter_map(archived);
    let fates: Vec<Fate> = deletes.into_iter().chain(archives).collect();
    // The rule's own prefix is how it was written before there were filters.
    #[expect(deprecated, reason = "rules of that time still work")]
    let old_prefix = rule.prefix.clone();
    let which = which(rule.filter.as_ref());
    fates
        .into_iter()
        .map(|fate| ExpiryRule {
            id: rule.id.clone().filter(|id| !id.is_empty()),
            prefix: which.prefix.clone().or_else(|| old_prefix.clone()).unwrap_or_default(),
            only_tagged: which.only_tagged,
            larger_than: which.larger_than,
            smaller_than: which.smaller_than,
            fate,
        })
        .collect()
}

#[derive(Default)]
struct Which {
    prefix: Option<String>,
    only_tagged: bool,
    larger_than: Option<u64>,
    smaller_than: Option<u64>,
}

fn which(filter: Option<&LifecycleRuleFilter>) -> Which {
    let Some(filter) = filter else {
        return Which::default();
    };
    let size = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
    match &filter.and {
        Some(and) => Which {
            prefix: and.prefix.clone(),
            only_tagged: and.tags.as_ref().is_some_and(|tags| !tags.is_empty()),
            larger_than: size(and.object_size_greater_than),
            smaller_than: size(and.object_size_less_than),
        },
        None => Which {
            prefix: filter.prefix.clone(),
            only_tagged: filter.tag.is_some(),
            larger_than: size(filter.object_size_greater_than),
            smaller_than: size(filter.object_size_less_than),
        },
    }
}

/// `None` for a rule that only clears away the marks of deleted objects.
fn deleted(expiration: &LifecycleExpiration) -> Option<Fate> {
    when(expiration.days, expiration.date.as_ref()).map(Fate::Deleted)
}

fn archived(transition: &Transition) -> Option<Fate> {
    let class = transition.storage_class.as_ref()?;
    // The others, GLACIER_IR too, can be read at once.
    matches!(
        class,
        TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive
    )
    .then_some(())?;
    let when = when(transition.days, transition.date.as_ref())?;
    Some(Fate::Archived(class.as_str().to_owned(), when))
}

fn when(days: Option<i32>, date: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<When> {
    match (days.and_then(|days| u32::try_from(days).ok()), date) {
        (Some(days), _) => Some(When::After(days)),
        (None, Some(date)) => Some(When::On(date.to_string())),
        (None, None) => None,
    }
}

//! Whether a bucket encrypts what it keeps, and whether others can read it.

use aws_sdk_s3::types::{BucketVersioningStatus, PublicAccessBlockConfiguration};

use super::bucket::Bucket;
use super::problem::Problem;
use crate::model::exposure::{Exposure, Known};
use crate::ports::StoreErrorKind;

const NO_ENCRYPTION: &str = "ServerSideEncryptionConfigurationNotFoundError";
const NO_BLOCK: &str = "NoSuchPublicAccessBlockConfiguration";
const NO_POLICY: &str = "NoSuchBucketPolicy";
/// The groups of an ACL that are everybody.
const EVERYBODY: [&str; 2] = ["/global/AllUsers", "/global/AuthenticatedUsers"];

pub(super) async fn exposure(bucket: &Bucket) -> Exposure {
    Exposure {
        encrypted: encrypted(bucket).await,
        public: public(bucket).await,
    }
}

async fn encrypted(bucket: &Bucket) -> Known {
    let asked = bucket
        .client()
        .get_bucket_encryption()
        .bucket(bucket.name())
        .send()
        .await;
    match asked.map_err(Problem::from) {
        Ok(answer) => {
            let rules = answer.server_side_encryption_configuration.map(|found| found.rules);
            let by_default = rules.into_iter().flatten().find_map(|rule| {
                let default = rule.apply_server_side_encryption_by_default?;
                Some(default.sse_algorithm.as_str().to_owned())
            });
            by_default.map_or_else(
                || Known::No("the bucket has no default encryption".to_owned()),
                Known::Yes,
            )
        }
        Err(problem) if problem.code() == NO_ENCRYPTION => Known::No("the bucket has no default encryption".to_owned()),
        Err(problem) => unknown("s3:GetEncryptionConfiguration", &problem),
    }
}

/// Whether deleted and overwritten objects are kept as older versions.
pub(super) async fn versioned(bucket: &Bucket) -> Known {
    let asked = bucket
        .client()
        .get_bucket_versioning()
        .bucket(bucket.name())
        .send()
        .await;
    match asked.map_err(Problem::from) {
        Ok(answer) => match answer.status {
            Some(BucketVersioningStatus::Enabled) => Known::Yes("versioning is enabled".to_owned()),
            Some(BucketVersioningStatus::Suspended) => Known::No("versioning is suspended".to_owned()),
            Some(other) => Known::Unknown(format!("s3:GetBucketVersioning: status {}", other.as_str())),
            None => Known::No("versioning was never enabled".to_owned()),
        },
        Err(problem) => unknown("s3:GetBucketVersioning", &problem),
    }
}

fn unknown(action: &str, problem: &Problem) -> Known {
    Known::Unknown(match problem.kind() {
        StoreErrorKind::AccessDenied => format!("{action} is denied"),
        _ => format!("{action}: {problem}"),
    })
}

/// Blocked altogether; or open by neither policy nor ACL.
async fn public(bucket: &Bucket) -> Known {
    let asked = bucket
        .client()
        .get_public_access_block()
        .bucket(bucket.name())
        .send()
        .await;
    match asked.map_err(Problem::from) {
        Ok(answer)
            if answer
                .public_access_block_configuration
                .as_ref()
                .is_some_and(blocks_all) =>
        {
            return Known::No("public access is blocked".to_owned());
        }
        Ok(_) => {}
        Err(problem) if problem.code() == NO_BLOCK => {}
        Err(problem) => return unknown("s3:GetBucketPublicAccessBlock", &problem),
    }
    let asked = bucket
        .client()
        .get_bucket_policy_status()
        .bucket(bucket.name())
        .send()
        .await;
    match asked.map_err(Problem::from) {
        Ok(answer) => match answer.policy_status.and_then(|status| status.is_public) {
            Some(false) => {}
            Some(true) => return Known::Yes("the bucket's policy is public".to_owned()),
            None => return Known::Unknown("s3:GetBucketPolicyStatus: the answer has no status".to_owned()),
        },
        Err(problem) if problem.code() == NO_POLICY => {}
        Err(problem) => return unknown("s3:GetBucketPolicyStatus", &problem),
    }
    let asked = bucket.client().get_bucket_acl().bucket(bucket.name()).send().await;
    match asked.map_err(Problem::from) {
        Ok(answer) => {
            let grantees = answer
                .grants
                .into_iter()
                .flatten()
                .filter_map(|grant| grant.grantee?.uri);
            let mut everybody = grantees.filter(|uri| EVERYBODY.iter().any(|group| uri.ends_with(group)));
            match everybody.next() {
                Some(group) => Known::Yes(format!("its ACL grants access to {group}")),
                None => Known::No("neither policy nor ACL are public".to_owned()),
            }
        }
        Err(problem) => unknown("s3:GetBucketAcl", &problem),
    }
}

fn blocks_all(found: &PublicAccessBlockConfiguration) -> bool {
    [
        found.block_public_acls,
        found.ignore_public_acls,
        found.block_public_policy,
        found.restrict_public_buckets,
    ]
    .iter()
    .all(|blocked| *blocked == Some(true))
}

//! Hints for errors of stores: one imperative line per reason.

use super::{StoreError, StoreErrorKind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::aws_error::AwsErrorKind;
use crate::model::store_url::StoreUrl;

impl StoreError {
    /// What the user can do, where there is something; to be printed after `hint:`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let s3 = matches!(self.at, StoreUrl::S3 { .. });
        Some(match &self.kind {
            StoreErrorKind::NoCredentials => format!(
                "{}; for a store that is not AWS set S3_ENDPOINT with S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, as for kops",
                AwsErrorKind::NoCredentials.hint()?
            ),
            StoreErrorKind::ExpiredCredentials => AwsErrorKind::ExpiredCredentials.hint()?.into(),
            StoreErrorKind::BadCredentials => AwsErrorKind::BadCredentials.hint()?.into(),
            StoreErrorKind::AccessDenied if s3 => self.s3_permissions(),
            StoreErrorKind::AccessDenied => "run as a user with access to that folder, or copy the store elsewhere".into(),
            StoreErrorKind::NoSuchBucket => {
                "check the bucket in --state (KOPS_STATE_STORE) or --store; check S3_ENDPOINT and AWS_ENDPOINT_URL if one is set"
                    .into()
            }
            StoreErrorKind::NoSuchFolder => {
                "check the path of --state or --store, or mount its file system".into()
            }
            StoreErrorKind::WrongRegion(region) => format!("pass --region {region}"),
            StoreErrorKind::Unreachable if self.may_have_happened() => {
                "the change may or may not have been applied; check network, VPN and \
                proxy (HTTPS_PROXY), then repeat the command"
                    .into()
            }
            StoreErrorKind::Unreachable => "check network, VPN and proxy (HTTPS_PROXY); check S3_ENDPOINT and \
                AWS_ENDPOINT_URL if one is set"
                .into(),
            StoreErrorKind::AlreadyExists => "check the existing object before you replace it".into(),
            StoreErrorKind::NotFound
            | StoreErrorKind::TooLarge { .. }
            | StoreErrorKind::Unsupported(_)
            | StoreErrorKind::Other(_) => return None,
        })
    }

    /// Which permissions the action needs. S3 says "denied" for a missing object, too, to those who may not list.
    fn s3_permissions(&self) -> String {
        let (actions, on) = match self.action {
            "list" => ("s3:ListBucket", "the bucket"),
            "read" => (
                "s3:GetObject (and s3:ListBucket, else a missing object looks denied; kms:Decrypt where a KMS key encrypts it)",
                "it",
            ),
            "delete" => ("s3:DeleteObject", "it"),
            "read the lifecycle rules of" => ("s3:GetLifecycleConfiguration", "the bucket"),
            "copy" => (
                "s3:GetObject on the source and s3:PutObject on the target (kms:Decrypt and kms:GenerateDataKey where KMS keys encrypt them)",
                "both",
            ),
            _ => (
                "s3:PutObject (s3:PutObjectAcl where KOPS_STATE_S3_ACL is set; kms:GenerateDataKey where a KMS key encrypts the bucket)",
                "it",
            ),
        };
        format!(
            "use credentials that have {actions} on {on}: AWS_PROFILE or --profile; `aws sts get-caller-identity` shows who you are"
        )
    }
}

impl Failure for StoreError {
    fn exit(&self) -> Exit {
        match self.may_have_happened() {
            true => Exit::FailedAfterChange,
            false => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(action: &'static str, at: &str, kind: StoreErrorKind) -> Option<String> {
        StoreError {
            action,
            at: at.parse().unwrap(),
            kind,
            source: None,
        }
        .hint()
    }

    #[test]
    fn hints_are_single_lines_that_name_the_cure() {
        let s3 = "s3://bucket/key";
        for (action, at, kind, cure) in [
            ("list", s3, StoreErrorKind::NoCredentials, "--profile"),
            ("list", s3, StoreErrorKind::ExpiredCredentials, "aws sso login"),
            ("list", s3, StoreErrorKind::AccessDenied, "s3:ListBucket"),
            ("read", s3, StoreErrorKind::AccessDenied, "s3:GetObject"),
            ("write", s3, StoreErrorKind::AccessDenied, "s3:PutObject"),
            ("read", "file:///x", StoreErrorKind::AccessDenied, "run as a user"),
            (
                "list",
                s3,
                StoreErrorKind::WrongRegion("eu-west-1".into()),
                "--region eu-west-1",
            ),
        ] {
            let hint = hint(action, at, kind).unwrap();
            assert!(hint.contains(cure), "{hint}");
            assert!(!hint.contains("  ") && !hint.contains('\n'), "{hint}");
        }
        assert_eq!(hint("read", s3, StoreErrorKind::NotFound), None);
    }
}

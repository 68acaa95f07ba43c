//! Errors of S3 as reasons that a user can act on.

use std::error::Error;
use std::fmt;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::adapters::aws_chain::error::{Answer, AwsError, ServiceMessage};
use crate::model::aws_error::AwsErrorKind;
use crate::model::store_url::StoreUrl;
use crate::ports::{StoreError, StoreErrorKind};

/// An error without what was tried and on what.
#[derive(Debug)]
pub(super) struct Problem {
    kind: StoreErrorKind,
    cause: Option<ServiceMessage>,
    /// S3's own error code; empty where it gave none.
    code: String,
    status: Option<u16>,
    region: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl Problem {
    pub(super) fn of(kind: StoreErrorKind) -> Self {
        Self {
            kind,
            cause: None,
            code: String::new(),
            status: None,
            region: None,
        }
    }

    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::of(StoreErrorKind::Other(text.into()))
    }

    pub(super) fn on(self, action: &'static str, at: &StoreUrl) -> StoreError {
        StoreError {
            action,
            at: at.clone(),
            kind: self.kind,
            source: self.cause.map(Into::into),
        }
    }

    pub(super) fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }

    /// S3's own error code; empty where it gave none.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status, where there was an answer at all.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// The bucket's region, where the response has it.
    pub(super) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// A conditional write met an object, or another writer.
    pub(super) fn is_condition(&self) -> bool {
        matches!(self.code.as_str(), "PreconditionFailed" | "ConditionalRequestConflict") || self.status == Some(412)
    }

    /// The requested range is beyond the end: the object is empty.
    pub(super) fn is_range(&self) -> bool {
        self.code == "InvalidRange" || self.status == Some(416)
    }

    /// A server that does not know conditional writes.
    pub(super) fn refuses_conditions(&self) -> bool {
        self.status == Some(501)
            || matches!(
                self.code.as_str(),
                "NotImplemented" | "InvalidArgument" | "InvalidRequest"
            )
    }

    /// A server that may not know SSE-S3: some say so, SeaweedFS just fails.
    pub(super) fn may_refuse_encryption(&self) -> bool {
        matches!(self.status, Some(500 | 501))
            || matches!(
                self.code.as_str(),
                "NotImplemented"
                    | "InternalError"
                    | "InvalidArgument"
                    | "InvalidRequest"
                    | "InvalidEncryptionAlgorithmError"
            )
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Problem
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match AwsError::from(error) {
            AwsError::Answered(answer) => answered(answer),
            AwsError::Unreadable { status, words } => Self {
                status: Some(status),
                ..Self::other(format!("the answer (HTTP {status}) is not from an S3 API: {words}"))
            },
            AwsError::Unreachable(words) => Self {
                cause: Some(ServiceMessage(words)),
                ..Self::of(StoreErrorKind::Unreachable)
            },
            AwsError::Credentials(kind, words) => Self {
                cause: words.map(ServiceMessage),
                ..Self::of(match kind {
                    AwsErrorKind::ExpiredCredentials => StoreErrorKind::ExpiredCredentials,
                    _ => StoreErrorKind::NoCredentials,
                })
            },
            AwsError::Other(words) => Self::other(words),
        }
    }
}

fn answered(answer: Answer) -> Problem {
    let words = answer.words();
    let other_region = || match &answer.region {
        Some(region) => StoreErrorKind::WrongRegion(region.clone()),
        None => StoreErrorKind::Other(words.clone()),
    };
    let kind = match (answer.kind, answer.status) {
        (Some(AwsErrorKind::NoSuchBucket), _) => StoreErrorKind::NoSuchBucket,
        (Some(AwsErrorKind::NotFound), _) => StoreErrorKind::NotFound,
        (Some(AwsErrorKind::NoCredentials), _) => StoreErrorKind::NoCredentials,
        (Some(AwsErrorKind::ExpiredCredentials), _) => StoreErrorKind::ExpiredCredentials,
        (Some(AwsErrorKind::BadCredentials), _) => StoreErrorKind::BadCredentials,
        (Some(AwsErrorKind::OtherRegion), _) | (_, 301 | 307) => other_region(),
        (Some(AwsErrorKind::AccessDenied), _) | (_, 401 | 403) => StoreErrorKind::AccessDenied,
        (_, 404) => StoreErrorKind::NotFound,
        (Some(AwsErrorKind::Throttled | AwsErrorKind::Unavailable) | None, _) => StoreErrorKind::Other(words.clone()),
    };
    let cause = (!matches!(kind, StoreErrorKind::Other(_) | StoreErrorKind::NotFound)).then_some(ServiceMessage(words));
    Problem {
        kind,
        cause,
        code: answer.code,
        status: Some(answer.status),
        region: answer.region,
    }
}

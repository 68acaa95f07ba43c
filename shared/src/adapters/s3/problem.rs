//! What S3 and the way to it may answer, put into the reasons that a user can act on.

use std::error::Error;
use std::fmt;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::adapters::aws_chain::trouble::{self, Words, innermost};
use crate::model::store_url::StoreUrl;
use crate::ports::{StoreError, StoreErrorKind};

/// The header by which S3 tells a bucket's region, even to those who may not read it.
pub(super) const REGION_HEADER: &str = "x-amz-bucket-region";

/// An error that does not know yet on what.
#[derive(Debug)]
pub(super) struct Problem {
    kind: StoreErrorKind,
    cause: Option<Words>,
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

    /// The bucket's region, where the answer told.
    pub(super) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// A conditional write met an object, or another writer.
    pub(super) fn is_condition(&self) -> bool {
        matches!(self.code.as_str(), "PreconditionFailed" | "ConditionalRequestConflict") || self.status == Some(412)
    }

    /// The range that was asked for lies beyond the end: the object is empty.
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
        match &error {
            SdkError::ServiceError(answer) => answered(answer.err(), answer.raw()),
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let mut problem = Self::other(format!(
                    "it answers {status}, but not as S3 does: {}",
                    innermost(&error)
                ));
                problem.status = Some(status);
                problem
            }
            SdkError::TimeoutError(_) => unreachable_store("it did not answer in time"),
            SdkError::DispatchFailure(failure) => match credentials(&error) {
                Some(problem) => problem,
                None if failure.is_user() => Self::other(innermost(&error)),
                None => unreachable_store(&innermost(&error)),
            },
            _ => credentials(&error).unwrap_or_else(|| Self::other(innermost(&error))),
        }
    }
}

fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> Problem {
    let status = raw.status().as_u16();
    let code = error.code().unwrap_or_default().to_owned();
    let region = raw.headers().get(REGION_HEADER).map(str::to_owned);
    let words = match (error.message().filter(|message| !message.is_empty()), code.as_str()) {
        (Some(message), "") => message.to_owned(),
        (Some(message), code) => format!("{code}: {message}"),
        (None, "") => format!("HTTP {status}"),
        (None, code) => format!("{code} (HTTP {status})"),
    };
    let kind = match (code.as_str(), status) {
        ("NoSuchBucket", _) => StoreErrorKind::NoSuchBucket,
        ("NoSuchKey" | "NotFound", _) => StoreErrorKind::NotFound,
        ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired", _) => StoreErrorKind::ExpiredCredentials,
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "RequestTimeTooSkewed",
            _,
        ) => StoreErrorKind::BadCredentials,
        (
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
            _,
        )
        | (_, 301 | 307) => match &region {
            Some(region) => StoreErrorKind::WrongRegion(region.clone()),
            None => StoreErrorKind::Other(words.clone()),
        },
        ("AccessDenied" | "AllAccessDisabled" | "Forbidden", _) | (_, 401 | 403) => StoreErrorKind::AccessDenied,
        (_, 404) => StoreErrorKind::NotFound,
        _ => StoreErrorKind::Other(words.clone()),
    };
    let cause = (!matches!(kind, StoreErrorKind::Other(_) | StoreErrorKind::NotFound)).then_some(Words(words));
    Problem {
        kind,
        cause,
        code,
        status: Some(status),
        region,
    }
}

fn unreachable_store(words: &str) -> Problem {
    Problem {
        cause: Some(Words(words.to_owned())),
        ..Problem::of(StoreErrorKind::Unreachable)
    }
}

fn credentials(error: &(dyn Error + 'static)) -> Option<Problem> {
    let found = trouble::credentials(error)?;
    let kind = match found.expired {
        true => StoreErrorKind::ExpiredCredentials,
        false => StoreErrorKind::NoCredentials,
    };
    Some(Problem {
        cause: found.words.map(Words),
        ..Problem::of(kind)
    })
}

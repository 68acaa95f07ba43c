//! Errors of requests to AWS services.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::model::aws_error::AwsErrorKind;

/// A service's message, without the SDK's wrapping.
#[derive(Debug)]
pub(in crate::adapters) struct ServiceMessage(pub String);

impl fmt::Display for ServiceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ServiceMessage {}

/// Why a request failed.
#[derive(Debug)]
pub(in crate::adapters) enum AwsError {
    /// The service answered with an error.
    Answered(Answer),
    /// It answered what its protocol does not know.
    Unreadable { status: u16, words: String },
    /// No answer in time, or no connection.
    Unreachable(String),
    /// There are no credentials that could be used; with the reason, unless that is only the SDK's list of all that it tried.
    Credentials(AwsErrorKind, Option<String>),
    /// Anything else.
    Other(String),
}

/// A service's error.
#[derive(Debug)]
pub(in crate::adapters) struct Answer {
    /// `None` where its own message is the best explanation.
    pub kind: Option<AwsErrorKind>,
    /// Empty where it gave none.
    pub code: String,
    /// Empty where it gave none.
    pub message: String,
    pub status: u16,
    /// The header by which S3 tells a bucket's region.
    pub region: Option<String>,
}

/// The header by which S3 tells a bucket's region, even to those who may not read it.
const REGION_HEADER: &str = "x-amz-bucket-region";

impl Answer {
    pub(in crate::adapters) fn new(code: &str, message: &str, status: u16) -> Self {
        // EC2 appends a long text that only an administrator can decode.
        let message = message.split(" Encoded authorization failure message").next();
        let message = message.unwrap_or_default().to_owned();
        Self {
            kind: AwsErrorKind::of(code, &message),
            code: code.to_owned(),
            message,
            status,
            region: None,
        }
    }

    /// Code and message, as far as they are known.
    pub(in crate::adapters) fn words(&self) -> String {
        match (self.message.as_str(), self.code.as_str()) {
            ("", "") => format!("HTTP {}", self.status),
            (message, "") => message.to_owned(),
            ("", code) => format!("{code} (HTTP {})", self.status),
            (message, code) => format!("{code}: {message}"),
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for AwsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(answer) => {
                let (error, raw) = (answer.err(), answer.raw());
                let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                Self::Answered(Answer {
                    region: raw.headers().get(REGION_HEADER).map(str::to_owned),
                    ..Answer::new(code, message, raw.status().as_u16())
                })
            }
            SdkError::ResponseError(answer) => Self::Unreadable {
                status: answer.raw().status().as_u16(),
                words: innermost(&error),
            },
            SdkError::TimeoutError(_) => Self::Unreachable("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if !failure.is_user() => {
                credentials(&error).unwrap_or_else(|| Self::Unreachable(innermost(&error)))
            }
            _ => credentials(&error).unwrap_or_else(|| Self::Other(innermost(&error))),
        }
    }
}

/// Credentials fail before anything is sent, deep inside another error.
fn credentials(error: &(dyn Error + 'static)) -> Option<AwsError> {
    let found = chain(error).find_map(|link| link.downcast_ref::<CredentialsError>())?;
    let words = innermost(found);
    // An SSO or login session that ran out shows only in its message (aws-config `sso/token.rs`, `login/token.rs`).
    let kind = match chain(found).any(|link| link.to_string().contains("expired")) {
        true => AwsErrorKind::ExpiredCredentials,
        false => AwsErrorKind::NoCredentials,
    };
    // The chain's list of all that it tried is of no use to the user.
    Some(AwsError::Credentials(kind, (!words.contains('\n')).then_some(words)))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}

/// The cause at the end of the chain: its wrappers say only "dispatch failure" and the like.
pub(in crate::adapters) fn innermost(error: &(dyn Error + 'static)) -> String {
    let words = chain(error).last().map(ToString::to_string).unwrap_or_default();
    // rustls appends the URL of its documentation.
    match words.split_once(": https://docs.rs/") {
        Some((before, _)) => before.to_owned(),
        None => words,
    }
}

//! What EC2, Auto Scaling and the way to them may answer, put into the reasons that a user can act on.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::adapters::aws_chain::trouble::{self, Words, innermost};
use crate::ports::fleet::{FleetError, FleetErrorKind};

/// An error that does not know yet at what.
#[derive(Debug)]
pub(super) struct Problem {
    kind: FleetErrorKind,
    cause: Option<Words>,
}

impl Problem {
    pub(super) fn of(kind: FleetErrorKind) -> Self {
        Self { kind, cause: None }
    }

    fn because(kind: FleetErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind,
            cause: Some(Words(words.into())),
        }
    }

    pub(super) fn on(self, action: &str) -> FleetError {
        FleetError {
            action: action.to_owned(),
            kind: self.kind,
            source: self.cause.map(Into::into),
        }
    }
}

/// Puts a failed request into our words. `action` is what was tried, and on what.
pub(super) fn failed<E>(action: &str) -> impl FnOnce(SdkError<E, HttpResponse>) -> FleetError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    move |error| Problem::from(error).on(action)
}

impl<E> From<SdkError<E, HttpResponse>> for Problem
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(answer) => answered(
                answer.err().code().unwrap_or_default(),
                answer.err().message().unwrap_or_default(),
                answer.raw().status().as_u16(),
            ),
            SdkError::ResponseError(answer) => Self::of(FleetErrorKind::Other(format!(
                "the answer ({}) is not as AWS': {}",
                answer.raw().status().as_u16(),
                innermost(&error)
            ))),
            SdkError::TimeoutError(_) => Self::because(FleetErrorKind::Unreachable, "no answer in time"),
            SdkError::DispatchFailure(failure) => match credentials(&error) {
                Some(problem) => problem,
                None if failure.is_user() => Self::of(FleetErrorKind::Other(innermost(&error))),
                None => Self::because(FleetErrorKind::Unreachable, innermost(&error)),
            },
            _ => credentials(&error).unwrap_or_else(|| Self::of(FleetErrorKind::Other(innermost(&error)))),
        }
    }
}

fn credentials(error: &(dyn Error + 'static)) -> Option<Problem> {
    let found = trouble::credentials(error)?;
    let kind = match found.expired {
        true => FleetErrorKind::ExpiredCredentials,
        false => FleetErrorKind::NoCredentials,
    };
    Some(Problem {
        kind,
        cause: found.words.map(Words),
    })
}

/// Source of the codes: EC2 API reference, "Error codes"; Auto Scaling and STS API references, "Common errors".
fn answered(code: &str, message: &str, status: u16) -> Problem {
    // EC2 appends a long text that only an administrator can decode.
    let message = message
        .split(" Encoded authorization failure message")
        .next()
        .unwrap_or_default();
    let words = match (message, code) {
        ("", "") => format!("HTTP {status}"),
        (message, "") => message.to_owned(),
        ("", code) => format!("{code} (HTTP {status})"),
        (message, code) => format!("{code}: {message}"),
    };
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            Problem::because(FleetErrorKind::ExpiredCredentials, words)
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "RequestTimeTooSkewed"
        | "OptInRequired" => Problem::because(FleetErrorKind::BadCredentials, words),
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            Problem::of(FleetErrorKind::AccessDenied(message.to_owned()))
        }
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException" => Problem::because(FleetErrorKind::Throttled, words),
        // Auto Scaling has no code of its own for it.
        "ValidationError" if message.contains("name not found") => Problem::because(FleetErrorKind::NotFound, words),
        _ if code.ends_with(".NotFound") => Problem::because(FleetErrorKind::NotFound, words),
        _ if status == 403 => Problem::of(FleetErrorKind::AccessDenied(words)),
        "RequestTimeout" | "Unavailable" | "ServiceUnavailable" => Problem::because(FleetErrorKind::Unreachable, words),
        _ => Problem::of(FleetErrorKind::Other(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_that_a_user_can_act_on_are_told_apart() {
        let kind = |code, message, status| answered(code, message, status).kind;
        assert_eq!(
            kind("RequestExpired", "Request has expired.", 400),
            FleetErrorKind::ExpiredCredentials
        );
        assert_eq!(kind("AuthFailure", "no", 401), FleetErrorKind::BadCredentials);
        assert_eq!(
            kind("RequestLimitExceeded", "slow down", 503),
            FleetErrorKind::Throttled
        );
        assert_eq!(
            kind("InvalidVolume.NotFound", "vol-1 does not exist", 400),
            FleetErrorKind::NotFound
        );
        assert_eq!(
            kind(
                "ValidationError",
                "AutoScalingGroup name not found - no such group",
                400
            ),
            FleetErrorKind::NotFound
        );
        assert_eq!(
            kind(
                "UnauthorizedOperation",
                "You are not authorized. Encoded authorization failure message: AAAA",
                403
            ),
            FleetErrorKind::AccessDenied("You are not authorized.".into())
        );
        assert_eq!(kind("", "", 500), FleetErrorKind::Other("HTTP 500".into()));
    }
}

//! Errors of EC2 and Auto Scaling as reasons that a user can act on.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::adapters::aws_chain::error::{Answer, AwsError, ServiceMessage};
use crate::model::aws_error::AwsErrorKind;
use crate::ports::fleet::{FleetError, FleetErrorKind};

/// An error without what was tried.
#[derive(Debug)]
pub(super) struct Problem {
    kind: FleetErrorKind,
    cause: Option<ServiceMessage>,
}

impl Problem {
    pub(super) fn of(kind: FleetErrorKind) -> Self {
        Self { kind, cause: None }
    }

    fn because(kind: FleetErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind,
            cause: Some(ServiceMessage(words.into())),
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

/// Converts the error of a request. `action` is what was tried, and on what.
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
        match AwsError::from(error) {
            AwsError::Answered(answer) => answered(&answer),
            AwsError::Unreadable { status, words } => Self::of(FleetErrorKind::Other(format!(
                "the answer (HTTP {status}) is not from an AWS API: {words}"
            ))),
            AwsError::Unreachable(words) => Self::because(FleetErrorKind::Unreachable, words),
            AwsError::Credentials(kind, words) => Self {
                kind: match kind {
                    AwsErrorKind::ExpiredCredentials => FleetErrorKind::ExpiredCredentials,
                    _ => FleetErrorKind::NoCredentials,
                },
                cause: words.map(ServiceMessage),
            },
            AwsError::Other(words) => Self::of(FleetErrorKind::Other(words)),
        }
    }
}

fn answered(answer: &Answer) -> Problem {
    let words = answer.words();
    let kind = match answer.kind {
        Some(AwsErrorKind::NoCredentials) => FleetErrorKind::NoCredentials,
        Some(AwsErrorKind::ExpiredCredentials) => FleetErrorKind::ExpiredCredentials,
        Some(AwsErrorKind::BadCredentials) => FleetErrorKind::BadCredentials,
        Some(AwsErrorKind::Throttled) => FleetErrorKind::Throttled,
        Some(AwsErrorKind::NotFound) => FleetErrorKind::NotFound,
        Some(AwsErrorKind::AccessDenied) => return Problem::of(FleetErrorKind::AccessDenied(answer.message.clone())),
        _ if answer.status == 403 => return Problem::of(FleetErrorKind::AccessDenied(words)),
        Some(AwsErrorKind::Unavailable) => FleetErrorKind::Unreachable,
        _ => return Problem::of(FleetErrorKind::Other(words)),
    };
    Problem::because(kind, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_that_a_user_can_act_on_are_told_apart() {
        let kind = |code, message, status| answered(&Answer::new(code, message, status)).kind;
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

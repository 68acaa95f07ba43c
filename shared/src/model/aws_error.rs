//! The error codes of AWS' services that a user can do something about.

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// No credentials were found.
    NoCredentials,
    /// Credentials were found and have expired.
    ExpiredCredentials,
    /// Credentials were found and AWS does not know them.
    BadCredentials,
    /// Credentials were found and are not allowed to do this.
    AccessDenied,
    /// Too many requests.
    Throttled,
    /// The service does not work at the moment.
    Unavailable,
    /// There is no such thing.
    NotFound,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The bucket is in another region.
    OtherRegion,
}

use AwsErrorKind::{
    AccessDenied, BadCredentials, ExpiredCredentials, NoCredentials, NoSuchBucket, NotFound, OtherRegion, Throttled,
    Unavailable,
};

/// S3 API reference, "Error responses"; EC2 API reference, "Error codes"; Auto Scaling and STS API references, "Common errors".
const CODES: &[(&str, AwsErrorKind)] = &[
    ("ExpiredToken", ExpiredCredentials),
    ("ExpiredTokenException", ExpiredCredentials),
    ("RequestExpired", ExpiredCredentials),
    ("TokenRefreshRequired", ExpiredCredentials),
    ("AuthFailure", BadCredentials),
    ("InvalidAccessKeyId", BadCredentials),
    ("InvalidClientTokenId", BadCredentials),
    ("InvalidToken", BadCredentials),
    ("MissingAuthenticationToken", BadCredentials),
    ("OptInRequired", BadCredentials),
    ("RequestTimeTooSkewed", BadCredentials),
    ("SignatureDoesNotMatch", BadCredentials),
    ("UnrecognizedClientException", BadCredentials),
    ("AccessDenied", AccessDenied),
    ("AccessDeniedException", AccessDenied),
    ("AllAccessDisabled", AccessDenied),
    ("Forbidden", AccessDenied),
    ("UnauthorizedOperation", AccessDenied),
    ("RequestLimitExceeded", Throttled),
    ("RequestThrottled", Throttled),
    ("RequestThrottledException", Throttled),
    ("Throttling", Throttled),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("RequestTimeout", Unavailable),
    ("ServiceUnavailable", Unavailable),
    ("Unavailable", Unavailable),
    ("NoSuchKey", NotFound),
    ("NotFound", NotFound),
    ("NoSuchBucket", NoSuchBucket),
    ("AuthorizationHeaderMalformed", OtherRegion),
    ("IllegalLocationConstraintException", OtherRegion),
    ("PermanentRedirect", OtherRegion),
    ("TemporaryRedirect", OtherRegion),
];

impl AwsErrorKind {
    /// The meaning of a service's answer; `None` where its own message is the best explanation.
    #[must_use]
    pub fn of(code: &str, message: &str) -> Option<Self> {
        if let Some((_, kind)) = CODES.iter().find(|(known, _)| *known == code) {
            return Some(*kind);
        }
        // `InvalidVolume.NotFound`; Auto Scaling has no code for it.
        let not_found =
            code.ends_with(".NotFound") || (code == "ValidationError" && message.contains("name not found"));
        not_found.then_some(NotFound)
    }

    /// What the user can do, whatever the service.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            NoCredentials => "set AWS_PROFILE or pass --profile; log in first (aws sso login) if the profile uses SSO",
            ExpiredCredentials => {
                "log in again (aws sso login --profile PROFILE, or renew AWS_SESSION_TOKEN), then repeat the command"
            }
            BadCredentials => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or unset them to use AWS_PROFILE or --profile; `aws sts \
                 get-caller-identity` shows who you are; also check the clock, which signatures depend on"
            }
            AccessDenied => {
                "use credentials that may do this: AWS_PROFILE or --profile; `aws sts get-caller-identity` shows who you are"
            }
            Throttled => "wait a minute, then repeat the command",
            Unavailable | NotFound | NoSuchBucket | OtherRegion => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_services_are_told_apart() {
        for (code, message, kind) in [
            ("ExpiredToken", "", Some(ExpiredCredentials)),
            ("AuthFailure", "", Some(BadCredentials)),
            ("RequestLimitExceeded", "", Some(Throttled)),
            ("InvalidVolume.NotFound", "", Some(NotFound)),
            (
                "ValidationError",
                "AutoScalingGroup name not found - no such group",
                Some(NotFound),
            ),
            ("ValidationError", "another one", None),
            ("PermanentRedirect", "", Some(OtherRegion)),
            ("", "", None),
        ] {
            assert_eq!(AwsErrorKind::of(code, message), kind, "{code}");
        }
    }
}

//! Certificates of the control plane: what is known of them without their keys.

use jiff::{SignedDuration, Timestamp};

/// kops' own certificates on a master (kube-apiserver, its etcd client, kubelet) last at least so long from the instance's launch.
/// Source: kubernetes/kops `pkg/pki/issue_cert.go`, `upup/pkg/fi/nodeup/nodetasks/issue_cert.go`.
pub const MASTER_FROM: SignedDuration = SignedDuration::from_hours(455 * 24);
/// … and at most so long: kops adds up to thirty days, so that not all end at once.
pub const MASTER_UNTIL: SignedDuration = SignedDuration::from_hours(485 * 24);
/// How far two clocks may differ before a certificate of the future means that one of them is wrong.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its `notBefore`.
    pub not_before: Timestamp,
    /// Its `notAfter`.
    pub not_after: Timestamp,
}

/// How a certificate stands at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Not valid yet: a clock is wrong, that of this machine or that of the issuer.
    NotYet,
    /// Valid for so long.
    Valid(SignedDuration),
    /// It ended so long ago.
    Ended(SignedDuration),
}

impl Validity {
    /// How it stands at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Standing {
        if self.not_before.duration_since(now) > CLOCK_SKEW {
            return Standing::NotYet;
        }
        let left = self.not_after.duration_since(now);
        match left.is_positive() {
            true => Standing::Valid(left),
            false => Standing::Ended(left.abs()),
        }
    }
}

/// A CA of the key store: one generation of a keyset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `kubernetes-ca`, `etcd-clients-ca`, …
    pub keyset: String,
    /// The key's id in the keyset.
    pub id: String,
    /// Whether it is the one that signs.
    pub primary: bool,
    /// Its certificate in PEM.
    pub pem: String,
    /// From when until when.
    pub validity: Validity,
}

/// The certificate that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it, by name.
    pub issuer: String,
    /// From when until when.
    pub validity: Validity,
    /// The keyset of the CA that signed it, by its signature; `None` where it is none of those that were given.
    pub signed_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_the_future_is_of_a_wrong_clock_and_some_minutes_are_not() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let validity = Validity {
            not_before: time("2026-11-22T12:00:00Z"),
            not_after: time("2026-11-23T12:00:00Z"),
        };
        assert_eq!(validity.at(time("2026-11-22T11:54:59Z")), Standing::NotYet);
        assert!(matches!(validity.at(time("2026-11-22T11:56:00Z")), Standing::Valid(_)));
        assert_eq!(
            validity.at(time("2026-11-23T11:00:00Z")),
            Standing::Valid(SignedDuration::from_hours(1))
        );
        assert_eq!(
            validity.at(time("2026-11-23T12:00:00Z")),
            Standing::Ended(SignedDuration::ZERO)
        );
        assert_eq!(
            validity.at(time("2026-11-24T12:00:00Z")),
            Standing::Ended(SignedDuration::from_hours(24))
        );
    }
}

//! Versions of etcd, and the day an etcd-manager image is of.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A version of etcd: `3.5.35`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtcdVersion {
    /// 3.
    pub major: u32,
    /// 5.
    pub minor: u32,
    /// 35.
    pub patch: u32,
}

impl EtcdVersion {
    /// From its parts.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Whether both are of one minor release, as all 3.5.x are.
    #[must_use]
    pub const fn same_minor(&self, other: &Self) -> bool {
        self.major == other.major && self.minor == other.minor
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for EtcdVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text is no version of etcd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of etcd")]
pub struct NotAVersion(pub String);

impl FromStr for EtcdVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || NotAVersion(text.to_owned());
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(number);
        let mut next = || numbers.next().flatten().ok_or_else(refused);
        let version = Self::new(next()?, next()?, next()?);
        if numbers.next().is_some() {
            return Err(refused());
        }
        Ok(version)
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// The day an etcd-manager image is of, as its tag says: `v3.0.20260707`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageDate(u32);

impl ImageDate {
    /// The day `YYYYMMDD`.
    #[must_use]
    pub const fn new(day: u32) -> Self {
        Self(day)
    }

    /// Reads an image's reference: `registry:5000/etcd-manager-slim:v3.0.20260707@sha256:…`. `None` where its tag is not
    /// one of etcd-manager's releases, as on a mirror with tags of its own.
    #[must_use]
    pub fn of_image(image: &str) -> Option<Self> {
        let named = image.split('@').next()?;
        let file = named.rsplit('/').next()?;
        let (_, tag) = file.rsplit_once(':')?;
        let day = tag.strip_prefix("v3.0.")?;
        // A rebuild of one day has a suffix.
        let day = day.split('-').next()?;
        if day.len() != 8 {
            return None;
        }
        number(day).map(Self)
    }
}

impl fmt::Display for ImageDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v3.0.{:08}", self.0)
    }
}

/// The id by which an etcd-manager announces itself, which is also its member's name in etcd: `etcd-a`, `etcd-events-a`. The lowest healthy
/// one leads. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
#[must_use]
pub fn peer_id(etcd: &str, member: &str) -> String {
    match etcd {
        "main" => format!("etcd-{member}"),
        other => format!("etcd-{other}-{member}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_numbers_and_nothing_else() {
        assert_eq!("3.5.35".parse(), Ok(EtcdVersion::new(3, 5, 35)));
        assert_eq!("v3.6.0".parse(), Ok(EtcdVersion::new(3, 6, 0)));
        for text in [
            "",
            "3.5",
            "3.5.1.2",
            "3.5.x",
            "3.5.-1",
            "3.5.+1",
            "3.5.1-rc.0",
            "vv3.5.1",
            "3..1",
            "3.5.99999999999",
        ] {
            assert_eq!(text.parse::<EtcdVersion>(), Err(NotAVersion(text.to_owned())), "{text}");
        }
        assert!(EtcdVersion::new(3, 5, 9) < EtcdVersion::new(3, 5, 10));
    }

    #[test]
    fn an_image_tells_its_day_by_its_tag() {
        let day = |image: &str| ImageDate::of_image(image).map(|day| day.to_string());
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(
            day("registry.k8s.io/etcd-manager/etcd-manager-slim:v3.0.20260707"),
            of("v3.0.20260707")
        );
        assert_eq!(
            day("mirror:5000/x/etcd-manager:v3.0.20250704@sha256:ab"),
            of("v3.0.20250704")
        );
        assert_eq!(day("etcd-manager:v3.0.20251117-1"), of("v3.0.20251117"));
        for image in [
            "",
            "mirror:5000/etcd-manager",
            "etcd-manager@sha256:ab",
            "etcd-manager:latest",
            "x:v3.0.2026",
            "x:v3.0.2026070a",
        ] {
            assert_eq!(day(image), None, "{image}");
        }
    }
}

//! Locations in a kops state store or an etcd-manager backup store: `s3://bucket/key` or `file:///path`.

use std::fmt;
use std::str::FromStr;

/// An absolute location. It never ends in a slash and never holds an empty, `.` or `..` segment at its end part
/// that was joined by us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreUrl {
    /// An object, or a prefix of objects.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The key, without a leading or trailing slash; empty for the bucket itself.
        key: String,
    },
    /// A file or a folder.
    File {
        /// The absolute path, without a trailing slash; `/` alone for the root.
        path: String,
    },
}

/// Why a text is no [`StoreUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Neither `s3://` nor `file://`.
    #[error("`{0}` is not a store URL: it starts with neither s3:// nor file:///")]
    Scheme(String),
    /// `s3://` without a bucket.
    #[error("`{0}` names no bucket")]
    NoBucket(String),
    /// `file://host/path` or a relative path.
    #[error("`{0}` is not absolute: a file store is file:///path")]
    NotAbsolute(String),
    /// A `..` segment.
    #[error("`{0}` climbs out of itself by `..`")]
    Climbs(String),
}

impl StoreUrl {
    /// The location of `name` (one or more segments, joined by `/`) below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let name = name.trim_matches('/');
        let glue = |base: &str| match (base, name) {
            (base, "") => base.to_owned(),
            ("", name) => name.to_owned(),
            (base, name) if base.ends_with('/') => format!("{base}{name}"),
            (base, name) => format!("{base}/{name}"),
        };
        match self {
            Self::S3 { bucket, key } => Self::S3 {
                bucket: bucket.clone(),
                key: glue(key),
            },
            Self::File { path } => Self::File { path: glue(path) },
        }
    }

    /// The location one segment up; `None` at a bucket or at `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let up = |text: &str| text.rsplit_once('/').map(|(head, _)| head.to_owned());
        match self {
            Self::S3 { key, .. } if key.is_empty() => None,
            Self::S3 { bucket, key } => Some(Self::S3 {
                bucket: bucket.clone(),
                key: up(key).unwrap_or_default(),
            }),
            Self::File { path } if path == "/" => None,
            Self::File { path } => {
                let head = up(path).filter(|head| !head.is_empty());
                Some(Self::File {
                    path: head.unwrap_or_else(|| "/".to_owned()),
                })
            }
        }
    }

    /// The last segment; the bucket's name for a bucket.
    #[must_use]
    pub fn name(&self) -> &str {
        let text = match self {
            Self::S3 { bucket, key } if key.is_empty() => bucket,
            Self::S3 { key, .. } => key,
            Self::File { path } => path,
        };
        text.rsplit('/').next().unwrap_or(text)
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let climbs = |path: &str| path.split('/').any(|segment| segment == "..");
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(StoreUrlError::NoBucket(text.to_owned()));
            }
            if climbs(key) {
                return Err(StoreUrlError::Climbs(text.to_owned()));
            }
            return Ok(Self::S3 {
                bucket: bucket.to_owned(),
                key: key.trim_matches('/').to_owned(),
            });
        }
        if let Some(path) = text.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(StoreUrlError::NotAbsolute(text.to_owned()));
            }
            if climbs(path) {
                return Err(StoreUrlError::Climbs(text.to_owned()));
            }
            let trimmed = path.trim_end_matches('/');
            return Ok(Self::File {
                path: if trimmed.is_empty() {
                    "/".to_owned()
                } else {
                    trimmed.to_owned()
                },
            });
        }
        Err(StoreUrlError::Scheme(text.to_owned()))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key } if key.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::File { path } => write!(f, "file://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_prints_both_schemes_without_trailing_slashes() {
        for (text, printed) in [
            ("s3://kops-state", "s3://kops-state"),
            ("s3://kops-state/", "s3://kops-state"),
            ("s3://kops-state/a/b/", "s3://kops-state/a/b"),
            ("file:///srv/store/", "file:///srv/store"),
            ("file:///", "file:///"),
        ] {
            assert_eq!(url(text).to_string(), printed);
        }
    }

    #[test]
    fn refuses_what_is_no_store() {
        for text in [
            "gs://b/k",
            "s3://",
            "s3:///k",
            "file://srv/x",
            "file://x",
            "/srv",
            "",
            "s3://b/a/../k",
            "file:///a/..",
        ] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn joins_and_climbs_by_segments() {
        assert_eq!(
            url("s3://b").join("c.example.com").join("backups/etcd").to_string(),
            "s3://b/c.example.com/backups/etcd"
        );
        assert_eq!(url("file:///").join("a").to_string(), "file:///a");
        assert_eq!(url("s3://b/x/main").parent(), Some(url("s3://b/x")));
        assert_eq!(url("s3://b/x").parent(), Some(url("s3://b")));
        assert_eq!(url("s3://b").parent(), None);
        assert_eq!(url("file:///x").parent(), Some(url("file:///")));
        assert_eq!(url("s3://b/x/main").name(), "main");
        assert_eq!(url("s3://b").name(), "b");
    }
}

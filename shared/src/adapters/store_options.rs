//! What stores are opened with.

use std::time::Duration;

/// What the user chose about AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// `--region`: where to start looking for a bucket.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// kops' own variables.
    pub environment: StoreEnvironment,
    /// Timeout for each request attempt; by default 30 s.
    pub silence: Option<Duration>,
    /// When a copy on the server's side is done in parts.
    pub multipart: Multipart,
}

/// When and how a copy on the server's side is done in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// Objects larger than this, in bytes. S3 copies at most 5 GiB at once.
    pub threshold: u64,
    /// The size of a part in bytes; S3 wants at least 5 MiB.
    pub part: u64,
}

impl Default for Multipart {
    fn default() -> Self {
        Self {
            threshold: 5 << 30,
            part: 512 << 20,
        }
    }
}

/// The variables by which kops and etcd-manager find an S3 that is not AWS, and how they write to it. AWS' own variables are
/// read by its SDK. Source: kubernetes/kops `util/pkg/vfs/s3context.go` and `s3fs.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreEnvironment {
    /// `S3_ENDPOINT`: when it is set, and only then, the next three count.
    pub s3_endpoint: Option<String>,
    /// `S3_ACCESS_KEY_ID`.
    pub s3_access_key_id: Option<String>,
    /// `S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: Option<String>,
    /// `S3_REGION`, by default `us-east-1`.
    pub s3_region: Option<String>,
    /// `KOPS_STATE_S3_ACL`: a canned ACL for each object that is written.
    pub kops_state_s3_acl: Option<String>,
}

impl StoreEnvironment {
    /// A snapshot of the variables, each looked up by its name; an empty one counts as unset.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name| lookup(name).filter(|value: &String| !value.trim().is_empty());
        Self {
            s3_endpoint: filled("S3_ENDPOINT"),
            s3_access_key_id: filled("S3_ACCESS_KEY_ID"),
            s3_secret_access_key: filled("S3_SECRET_ACCESS_KEY"),
            s3_region: filled("S3_REGION"),
            kops_state_s3_acl: filled("KOPS_STATE_S3_ACL").map(|acl| acl.trim().to_owned()),
        }
    }

    /// A snapshot of the process' environment.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }
}

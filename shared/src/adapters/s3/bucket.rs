//! One bucket: its client, encryption and ACL.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ObjectCannedAcl, ServerSideEncryption};
use tokio::sync::OnceCell;

use super::problem::Problem;
use crate::ports::StoreErrorKind;

pub(super) struct Bucket {
    name: String,
    client: Client,
    custom: bool,
    acl: Option<String>,
    encrypts_by_itself: OnceCell<bool>,
    cannot_encrypt: AtomicBool,
}

/// What a look at an object tells.
pub(super) struct Probe {
    pub(super) size: u64,
    pub(super) etag: Option<String>,
}

impl Bucket {
    pub(super) fn new(name: &str, client: Client, custom: bool, acl: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            client,
            custom,
            acl,
            encrypts_by_itself: OnceCell::new(),
            cannot_encrypt: AtomicBool::new(false),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn acl(&self) -> Option<ObjectCannedAcl> {
        self.acl.as_deref().map(ObjectCannedAcl::from)
    }

    /// AES256 unless the bucket encrypts by default: that is likely the better encryption. Where it cannot be learned, AES256, as
    /// kops does (kubernetes/kops `util/pkg/vfs/s3context.go`, `hasServerSideEncryptionByDefault`).
    pub(super) async fn encryption(&self) -> Option<ServerSideEncryption> {
        if self.cannot_encrypt.load(Ordering::Relaxed) {
            return None;
        }
        let look = || async {
            let answer = self.client.get_bucket_encryption().bucket(&self.name).send().await;
            let rules = answer
                .ok()
                .and_then(|answer| answer.server_side_encryption_configuration)
                .map(|found| found.rules);
            rules.is_some_and(|rules| {
                rules
                    .iter()
                    .any(|rule| rule.apply_server_side_encryption_by_default.is_some())
            })
        };
        let by_itself = *self.encrypts_by_itself.get_or_init(look).await;
        (!by_itself).then_some(ServerSideEncryption::Aes256)
    }

    /// Whether to try once more without encryption, and never again with it: a server that is not AWS may not know it.
    pub(super) fn gives_up_encryption(&self, tried: Option<&ServerSideEncryption>, problem: &Problem) -> bool {
        let gives_up = self.custom && tried.is_some() && problem.may_refuse_encryption();
        if gives_up {
            self.cannot_encrypt.store(true, Ordering::Relaxed);
        }
        gives_up
    }

    /// Looks at an object; `None` where it is not there. By GET of its first byte, not by HEAD: an answer to HEAD cannot say
    /// whether it was refused, expired or misdirected.
    pub(super) async fn probe(&self, key: &str) -> Result<Option<Probe>, Problem> {
        match self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .range("bytes=0-0")
            .send()
            .await
        {
            Ok(found) => {
                let total = found
                    .content_range()
                    .and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                let length = found.content_length().and_then(|length| u64::try_from(length).ok());
                let size = total
                    .or(length)
                    .ok_or_else(|| Problem::other("the response has no object size"))?;
                Ok(Some(Probe {
                    size,
                    etag: found.e_tag,
                }))
            }
            Err(error) => match Problem::from(error) {
                problem if problem.is_range() => Ok(Some(Probe { size: 0, etag: None })),
                problem if *problem.kind() == StoreErrorKind::NotFound => Ok(None),
                problem => Err(problem),
            },
        }
    }
}

//! Copies on the server's side, in parts where an object is too large for one request.

use super::bucket::{Bucket, Probe};
use super::parts::{PartSource, Parts, long_transfer};
use super::problem::Problem;
use crate::adapters::store_options::Multipart;
use crate::ports::PutMode;

pub(super) struct Source<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) found: &'a Probe,
}

impl Source<'_> {
    /// `x-amz-copy-source`: percent-encoded, for names of backups hold colons.
    fn header(&self) -> String {
        let mut text = format!("{}/", self.bucket);
        for byte in self.key.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    text.push(char::from(byte))
                }
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
        text
    }
}

pub(super) async fn copy(source: &Source<'_>, target: &Bucket, key: &str, multipart: Multipart) -> Result<(), Problem> {
    if source.found.size > multipart.threshold {
        return copy_parts(source, target, key, multipart.part).await;
    }
    loop {
        let encryption = target.encryption().await;
        let request = target
            .client()
            .copy_object()
            .bucket(target.name())
            .key(key)
            .copy_source(source.header());
        let request = request
            .set_copy_source_if_match(source.found.etag.clone())
            .set_acl(target.acl());
        let request = request.set_server_side_encryption(encryption.clone());
        let Err(error) = request.customize().config_override(long_transfer()).send().await else {
            return Ok(());
        };
        let problem = Problem::from(error);
        if problem.is_condition() {
            return Err(Problem::other("the source was replaced meanwhile"));
        }
        if !target.gives_up_encryption(encryption.as_ref(), &problem) {
            return Err(problem);
        }
    }
}

async fn copy_parts(source: &Source<'_>, target: &Bucket, key: &str, part: u64) -> Result<(), Problem> {
    let from = PartSource::Object {
        header: source.header(),
        etag: source.found.etag.clone(),
    };
    Parts::begin(target, key, PutMode::Replace)
        .await?
        .fill(source.found.size, part, &from)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_source_is_encoded() {
        let found = Probe { size: 0, etag: None };
        let source = Source {
            bucket: "b",
            key: "c.x/etcd/2026-11-22T15:18:01Z-000001/a b+ü",
            found: &found,
        };
        assert_eq!(
            source.header(),
            "b/c.x/etcd/2026-11-22T15%3A18%3A01Z-000001/a%20b%2B%C3%BC"
        );
    }
}

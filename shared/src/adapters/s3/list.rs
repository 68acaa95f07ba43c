//! Listings: a thousand objects a request, and no request per object.

use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::ports::ObjectInfo;

/// The most that S3 gives in one answer.
const PAGE: i32 = 1_000;

pub(super) async fn objects(bucket: &Bucket, key: &str) -> Result<Vec<ObjectInfo>, Problem> {
    let prefix = prefix_of(key);
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = bucket
            .client()
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(&prefix)
            .max_keys(PAGE);
        let page = request.set_continuation_token(next).send().await?;
        for object in page.contents.unwrap_or_default() {
            let path = object
                .key
                .as_deref()
                .and_then(|key| key.strip_prefix(&prefix))
                .unwrap_or_default();
            // Some tools mark folders by empty objects that end in a slash.
            if path.is_empty() || path.ends_with('/') {
                continue;
            }
            let size = object
                .size
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or_default();
            let modified = object.last_modified.as_ref().and_then(timestamp);
            found.push(ObjectInfo {
                path: path.to_owned(),
                size,
                modified,
            });
        }
        next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        if next.is_none() {
            break;
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub(super) async fn folders(bucket: &Bucket, key: &str) -> Result<Vec<String>, Problem> {
    let prefix = prefix_of(key);
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = bucket
            .client()
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(&prefix)
            .delimiter("/")
            .max_keys(PAGE);
        let page = request.set_continuation_token(next).send().await?;
        let folders = page
            .common_prefixes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|folder| folder.prefix);
        let names = folders.filter_map(|folder| Some(folder.strip_prefix(&prefix)?.strip_suffix('/')?.to_owned()));
        found.extend(names.filter(|name| !name.is_empty()));
        next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        if next.is_none() {
            break;
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn prefix_of(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("{key}/")
    }
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}

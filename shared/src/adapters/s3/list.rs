//! Listings: a thousand objects a request, and no request per object.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::ports::ObjectInfo;

/// The most that S3 gives in one answer.
const PAGE: i32 = 1_000;

pub(super) async fn objects(bucket: &Bucket, key: &str) -> Result<Vec<ObjectInfo>, Problem> {
    let prefix = prefix_of(key);
    let pages = pages(bucket, &prefix, None).await?;
    let mut found: Vec<ObjectInfo> = pages
        .into_iter()
        .flat_map(|page| page.contents.unwrap_or_default())
        .filter_map(|object| {
            let path = object.key.as_deref()?.strip_prefix(&prefix)?;
            // Some tools mark folders by empty objects that end in a slash.
            (!path.is_empty() && !path.ends_with('/')).then(|| ObjectInfo {
                path: path.to_owned(),
                size: object
                    .size
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
                modified: object.last_modified.as_ref().and_then(timestamp),
                tag: object.e_tag.as_deref().and_then(tag),
            })
        })
        .collect();
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub(super) async fn folders(bucket: &Bucket, key: &str) -> Result<Vec<String>, Problem> {
    let prefix = prefix_of(key);
    let pages = pages(bucket, &prefix, Some("/")).await?;
    let folders = pages
        .into_iter()
        .flat_map(|page| page.common_prefixes.unwrap_or_default());
    let mut found: Vec<String> = folders
        .filter_map(|folder| Some(folder.prefix?.strip_prefix(&prefix)?.strip_suffix('/')?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn pages(bucket: &Bucket, prefix: &str, delimiter: Option<&str>) -> Result<Vec<ListObjectsV2Output>, Problem> {
    let mut pages = Vec::new();
    let mut next = None;
    loop {
        let request = bucket
            .client()
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(prefix)
            .max_keys(PAGE);
        let request = request
            .set_delimiter(delimiter.map(str::to_owned))
            .set_continuation_token(next);
        let mut page = request.send().await?;
        next = page
            .next_continuation_token
            .take()
            .filter(|_| page.is_truncated == Some(true));
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
    }
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

/// Of what was written in parts it depends on the parts.
fn tag(etag: &str) -> Option<String> {
    let tag = etag.trim_matches('"');
    (!tag.is_empty() && !tag.contains('-')).then(|| tag.to_owned())
}

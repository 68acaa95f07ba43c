//! Whether a destination may hold copies: another place than the source, and not open to others.

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::exposure::Known;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::ObjectStore;

use crate::rules::copies::overlap;

/// Refuses a destination that is one of the sources, in one of them, or has one of them in it.
pub async fn apart(
    source: &dyn ObjectStore,
    target: &dyn ObjectStore,
    from: &[StoreUrl],
    to: &StoreUrl,
) -> Result<(), AnyFailure> {
    let real = target.resolve(to).await?;
    for place in from {
        if overlap(&source.resolve(place).await?, &real) || overlap(place, to) {
            return Err(
                CommandError::refused(format!("{to} and {place} are the same store, or one is in the other"))
                    .hint("pass another bucket or another prefix with --to")
                    .into(),
            );
        }
    }
    Ok(())
}

/// Whether the destination is in the bucket of a source: its loss would take both.
pub fn same_bucket<'a>(from: &'a [StoreUrl], to: &StoreUrl) -> Option<&'a str> {
    let StoreUrl::S3 { bucket: target, .. } = to else {
        return None;
    };
    from.iter().find_map(|place| match place {
        StoreUrl::S3 { bucket, .. } if bucket == target => Some(bucket.as_str()),
        _ => None,
    })
}

/// Private keys want a destination that is known to be encrypted and closed; backups, which hold Secrets, one that is not known to be
/// open.
pub async fn closed(target: &dyn ObjectStore, to: &StoreUrl, private_keys: bool) -> Result<(), AnyFailure> {
    let exposure = target.exposure(to).await?;
    let mut objections = match (private_keys, &exposure.public, to) {
        (true, ..) => exposure.objections(),
        (false, Known::Yes(_), StoreUrl::S3 { .. }) => exposure.is_open().into_iter().collect(),
        (false, ..) => Vec::new(),
    };
    if private_keys && matches!(to, StoreUrl::S3 { .. }) && objections.iter().any(|text| text.contains("is denied")) {
        objections.push("the credentials need the rights to find out".to_owned());
    }
    if objections.is_empty() {
        return Ok(());
    }
    let what = if private_keys { "private keys" } else { "backups" };
    let hint = match to {
        StoreUrl::S3 { .. } => {
            "switch on the bucket's default encryption and block its public access (aws s3api put-public-access-block), then repeat the \
             command"
        }
        StoreUrl::File { .. } => "make the folder for its owner only: mkdir -p -m 700 PATH, or chmod 700 PATH",
    };
    Err(
        CommandError::refused(format!("{to} must not hold {what}: {}", objections.join("; ")))
            .hint(hint)
            .into(),
    )
}

//! What a copy of backups takes, and which copies are no longer kept. Pure.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_manager::layout::{DATA_FILE, META_FILE};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::ObjectInfo;

/// Below the destination, as in a state store: so that copies are found like any other backups.
pub fn backups_of(to: &StoreUrl, cluster: &str, etcd: &str) -> StoreUrl {
    to.join(cluster).join("backups/etcd").join(etcd)
}

/// The files of one backup as they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub data: Option<Listed>,
    pub meta: Option<Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub size: u64,
    pub tag: Option<String>,
    pub modified: Option<Timestamp>,
}

impl Files {
    /// Of backup `name`, from the listing of its store.
    pub fn of(listing: &[ObjectInfo], name: &BackupName) -> Self {
        let find = |file: &str| {
            let found = listing
                .iter()
                .find(|object| object.path.split_once('/') == Some((name.as_str(), file)));
            found.map(|object| Listed {
                size: object.size,
                tag: object.tag.clone(),
                modified: object.modified,
            })
        };
        Self {
            data: find(DATA_FILE),
            meta: find(META_FILE),
        }
    }
}

/// How a backup and its copy compare, by their listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing is there.
    Absent,
    /// A half: the rest is to be copied, if what is there is the same.
    Half,
    /// The same, as far as sizes tell; the metas are to be compared.
    Similar,
    /// The same: sizes and tags.
    Same,
    /// Something else has that name.
    Different,
}

/// Tags count only where those of the metas agree: then both stores make them of the content alone.
pub fn compare(source: &Files, target: &Files) -> Compared {
    let (Some(data), Some(meta)) = (&source.data, &source.meta) else {
        return Compared::Different;
    };
    let other_size =
        |wanted: &Listed, found: &Option<Listed>| found.as_ref().is_some_and(|found| found.size != wanted.size);
    if other_size(data, &target.data) || other_size(meta, &target.meta) {
        return Compared::Different;
    }
    let (Some(there), Some(there_meta)) = (&target.data, &target.meta) else {
        let nothing = target.data.is_none() && target.meta.is_none();
        return if nothing { Compared::Absent } else { Compared::Half };
    };
    match (same_tag(meta, there_meta), same_tag(data, there)) {
        (Some(true), Some(true)) => Compared::Same,
        (Some(true), Some(false)) => Compared::Different,
        _ => Compared::Similar,
    }
}

/// `None` where one has none.
pub fn same_tag(a: &Listed, b: &Listed) -> Option<bool> {
    Some(a.tag.as_ref()? == b.tag.as_ref()?)
}

/// Whether both listings are of the very same objects, though the locations differ: another name of the same bucket, say. A copy is
/// always written later than what it is a copy of.
pub fn is_same_store(source: &[ObjectInfo], target: &[ObjectInfo]) -> bool {
    let mut common = source
        .iter()
        .filter_map(|object| Some((object, target.iter().find(|other| other.path == object.path)?)))
        .filter(|(object, _)| {
            object
                .path
                .split('/')
                .next()
                .is_some_and(|name| name.parse::<BackupName>().is_ok())
        })
        .peekable();
    common.peek().is_some()
        && common.all(|(a, b)| a.modified.is_some() && (a.modified, a.size, &a.tag) == (b.modified, b.size, &b.tag))
}

/// Whether one of two locations is in the other.
pub fn overlap(a: &StoreUrl, b: &StoreUrl) -> bool {
    let within = |inner: &StoreUrl, outer: &StoreUrl| {
        let mut at = Some(inner.clone());
        while let Some(place) = at {
            if place == *outer {
                return true;
            }
            at = place.parent();
        }
        false
    };
    within(a, b) || within(b, a)
}

/// The copies that are older than `keep`. Never one of `spared` (the newest good one, those that are being copied), never the newest
/// complete one, nor the only one.
pub fn expired(
    copies: &[(BackupName, bool)],
    keep: SignedDuration,
    now: Timestamp,
    spared: &[BackupName],
) -> Vec<BackupName> {
    let newest = copies
        .iter()
        .filter(|(_, complete)| *complete)
        .map(|(name, _)| name)
        .max();
    let Some(newest) = newest else {
        return Vec::new();
    };
    let mut expired: Vec<BackupName> = copies
        .iter()
        .map(|(name, _)| name)
        .filter(|name| is_expired(name, keep, now) && *name != newest && !spared.contains(name))
        .cloned()
        .collect();
    expired.sort();
    expired
}

/// Whether a copy of this name is older than is kept.
pub fn is_expired(name: &BackupName, keep: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(name.created()) > keep
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(size: u64, tag: Option<&str>) -> Option<Listed> {
        Some(Listed {
            size,
            tag: tag.map(str::to_owned),
            modified: None,
        })
    }

    fn files(data: Option<Listed>, meta: Option<Listed>) -> Files {
        Files { data, meta }
    }

    #[test]
    fn a_copy_is_the_same_only_where_sizes_and_tags_are() {
        let source = files(listed(9, Some("d")), listed(5, Some("m")));
        let with = |data, meta| compare(&source, &files(data, meta));
        assert_eq!(with(None, None), Compared::Absent);
        assert_eq!(with(listed(9, None), None), Compared::Half);
        assert_eq!(with(None, listed(5, None)), Compared::Half);
        assert_eq!(with(listed(8, None), None), Compared::Different);
        assert_eq!(with(listed(9, Some("d")), listed(5, Some("m"))), Compared::Same);
        assert_eq!(with(listed(9, Some("x")), listed(5, Some("m"))), Compared::Different);
        // A key of KMS: its tags say nothing.
        assert_eq!(with(listed(9, Some("x")), listed(5, Some("y"))), Compared::Similar);
        assert_eq!(with(listed(9, None), listed(5, None)), Compared::Similar);
        assert_eq!(compare(&files(None, None), &source), Compared::Different);
    }

    #[test]
    fn the_same_store_by_another_name_is_noticed() {
        let object = |second: i64| ObjectInfo {
            path: "2026-11-22T15:18:01Z-000001/etcd.backup.gz".to_owned(),
            size: 9,
            modified: Timestamp::from_second(second).ok(),
            tag: None,
        };
        assert!(is_same_store(&[object(5)], &[object(5)]));
        assert!(!is_same_store(&[object(5)], &[object(6)]));
        assert!(!is_same_store(&[object(5)], &[]));
    }

    #[test]
    fn a_location_overlaps_with_what_is_in_it() {
        let url = |text: &str| text.parse::<StoreUrl>().unwrap();
        for (a, b, expected) in [
            ("s3://a/x", "s3://a/x", true),
            ("s3://a", "s3://a/x", true),
            ("s3://a/x/y", "s3://a/x", true),
            ("s3://a/x", "s3://a/xy", false),
            ("s3://a", "s3://b", false),
            ("file:///a", "file:///a/b", true),
            ("file:///a", "s3://a", false),
        ] {
            assert_eq!(overlap(&url(a), &url(b)), expected, "{a} {b}");
        }
    }

    proptest::proptest! {
        #[test]
        fn retention_spares_the_newest_the_good_and_the_young(
            ages in proptest::collection::btree_set(0_i64..400, 1..40),
            complete in proptest::collection::vec(proptest::bool::ANY, 40),
            keep in 0_i64..400,
            good in 0_usize..40,
        ) {
            let now: Timestamp = "2026-11-22T15:18:01Z".parse().unwrap();
            let copies: Vec<(BackupName, bool)> = ages
                .iter()
                .zip(complete)
                .map(|(age, complete)| {
                    let taken = now.saturating_sub(SignedDuration::from_hours(*age)).unwrap();
                    (BackupName::first_of(taken), complete)
                })
                .collect();
            let good = copies[good % copies.len()].0.clone();
            let keep = SignedDuration::from_hours(keep);
            let gone = expired(&copies, keep, now, std::slice::from_ref(&good));
            let newest = copies.iter().filter(|(_, complete)| *complete).map(|(name, _)| name).max();
            proptest::prop_assert!(!gone.contains(&good));
            proptest::prop_assert!(newest.is_none_or(|newest| !gone.contains(newest)));
            proptest::prop_assert!(newest.is_some() || gone.is_empty());
            for name in &gone {
                proptest::prop_assert!(copies.iter().any(|(known, _)| known == name));
                proptest::prop_assert!(now.duration_since(name.created()) > keep);
            }
        }
    }
}

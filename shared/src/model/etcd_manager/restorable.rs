//! Whether an etcd-manager can restore a backup. What it cannot restore it tries for ever, with its own data already moved
//! aside: this must be known before.
//!
//! A restore runs one pinned patch of the backup's minor release: 3.5.x runs 3.5.30 and 3.6.x runs 3.6.11, every other version
//! its own. Source: kubernetes-sigs/etcd-manager `pkg/etcdversions/mappings.go`, `pkg/etcd/restore.go`. Builds from before v3.0.20260512
//! call `etcdctl snapshot restore`, which etcd 3.6 no longer has; they pin other patches, of which kops mounts all that it ships.

use std::fmt;

use super::manifest::Manifest;
use super::version::{EtcdVersion, ImageDate};
use crate::model::check::{Check, Severity};

/// The first build that restores etcd 3.6, and whose pins are known.
const FIRST_WITH_3_6: ImageDate = ImageDate::new(20_260_512);
/// The minor release from which on the old way of restoring is gone.
const NEW_WAY: (u32, u32) = (3, 6);
const PINNED: [EtcdVersion; 2] = [EtcdVersion::new(3, 5, 30), EtcdVersion::new(3, 6, 11)];

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restorable {
    /// It can.
    Yes {
        /// The etcd that the restore will run.
        with: EtcdVersion,
    },
    /// Not known.
    Unsure(Doubt),
    /// It cannot, and would try for ever.
    No(Cannot),
}

/// Why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The image's tag is not one of etcd-manager's releases.
    UnknownImage {
        /// The image.
        image: String,
        /// The etcd of the backup.
        wanted: EtcdVersion,
    },
    /// An old build: which patch it pins is not known, but it has some of that minor release.
    OldBuild {
        /// The build.
        build: ImageDate,
        /// The etcd of the backup.
        wanted: EtcdVersion,
        /// The newest etcd of that minor release that it has.
        newest: EtcdVersion,
    },
    /// The manifest does not show which etcds there are: they are in the image itself.
    InsideTheImage {
        /// The image.
        image: String,
        /// The etcd of the backup.
        wanted: EtcdVersion,
    },
}

/// Why it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cannot {
    /// The backup does not say which etcd it is of.
    NoVersion(
        /// What it says.
        String,
    ),
    /// The build is too old for etcd 3.6.
    TooOld {
        /// The build.
        build: ImageDate,
        /// The etcd of the backup.
        wanted: EtcdVersion,
    },
    /// The etcd that the restore would run is not there.
    NotMounted {
        /// The etcd of the backup.
        wanted: EtcdVersion,
        /// The etcd that the restore would run.
        pinned: EtcdVersion,
        /// What is there.
        mounted: Vec<EtcdVersion>,
        /// Whether `etcdClusters[].image` in the cluster's spec is the reason.
        by_image: bool,
    },
}

/// Whether the etcd-manager of `manifest` can restore a backup of etcd `version`. `etcd_image` is `etcdClusters[].image` of the
/// cluster's spec, which leaves that one version only.
#[must_use]
pub fn restorable(manifest: &Manifest, version: &str, etcd_image: Option<&str>) -> Restorable {
    let Ok(wanted) = version.parse::<EtcdVersion>() else {
        return Restorable::No(Cannot::NoVersion(version.to_owned()));
    };
    let build = manifest.image_date();
    let new_way = (wanted.major, wanted.minor) >= NEW_WAY;
    if let Some(build) = build
        && new_way
        && build < FIRST_WITH_3_6
    {
        return Restorable::No(Cannot::TooOld { build, wanted });
    }
    let image = || manifest.image.clone();
    let mounted = &manifest.etcd_versions;
    if mounted.is_empty() {
        return Restorable::Unsure(Doubt::InsideTheImage { image: image(), wanted });
    }
    let pinned = PINNED.into_iter().find(|pin| pin.same_minor(&wanted)).unwrap_or(wanted);
    if !mounted.contains(&pinned) {
        let newest = mounted.iter().rev().find(|version| version.same_minor(&wanted));
        if let (Some(build), Some(newest), None) = (build.filter(|build| *build < FIRST_WITH_3_6), newest, etcd_image) {
            return Restorable::Unsure(Doubt::OldBuild {
                build,
                wanted,
                newest: *newest,
            });
        }
        return Restorable::No(Cannot::NotMounted {
            wanted,
            pinned,
            mounted: mounted.iter().copied().collect(),
            by_image: etcd_image.is_some(),
        });
    }
    if new_way && build.is_none() {
        return Restorable::Unsure(Doubt::UnknownImage { image: image(), wanted });
    }
    Restorable::Yes { with: pinned }
}

/// The worst of several answers: every master must be able to, since the leader decides which one restores. The first of
/// equals; `None` of none.
#[must_use]
pub fn worst(answers: impl IntoIterator<Item = Restorable>) -> Option<Restorable> {
    let badness = |answer: &Restorable| match answer {
        Restorable::Yes { .. } => 0,
        Restorable::Unsure(_) => 1,
        Restorable::No(_) => 2,
    };
    answers
        .into_iter()
        .reduce(|worst, next| if badness(&next) > badness(&worst) { next } else { worst })
}

impl Restorable {
    /// As a check named `etcd-manager`: what cannot be restored blocks, what is not known warns.
    #[must_use]
    pub fn check(&self, etcd: &str) -> Check {
        const NAME: &str = "etcd-manager";
        match self {
            Self::Yes { with } => Check::passed(NAME, format!("it can restore the backup, running etcd {with}")),
            Self::Unsure(doubt) => Check::found(NAME, Severity::Warn, doubt.to_string()).cure(doubt.cure(etcd)),
            Self::No(cannot) => Check::found(NAME, Severity::Block, cannot.to_string()).cure(cannot.cure(etcd)),
        }
        .of(etcd)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownImage { image, wanted } => write!(
                f,
                "the tag of {image} does not show its version: etcd {wanted} needs etcd-manager {FIRST_WITH_3_6} or newer"
            ),
            Self::OldBuild { build, wanted, newest } => write!(
                f,
                "etcd-manager {build} is older than the builds whose choice of etcd is known: for {wanted} it has up to {newest}"
            ),
            Self::InsideTheImage { image, wanted } => {
                write!(
                    f,
                    "the manifest does not show whether {image} holds an etcd for {wanted}"
                )
            }
        }
    }
}

impl Doubt {
    /// What the user can do about it, in the imperative.
    #[must_use]
    pub fn cure(&self, etcd: &str) -> String {
        match self {
            Self::UnknownImage { .. } => format!("make sure that the image is a copy of {FIRST_WITH_3_6} or newer"),
            Self::OldBuild { .. } | Self::InsideTheImage { .. } => newer_image(etcd),
        }
    }
}

impl fmt::Display for Cannot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVersion(text) => write!(f, "the backup is of etcd `{text}`, which is no version that it knows"),
            Self::TooOld { build, wanted } => write!(
                f,
                "etcd-manager {build} cannot restore etcd {wanted}: that takes {FIRST_WITH_3_6} or newer, and would retry forever"
            ),
            Self::NotMounted {
                wanted,
                pinned,
                mounted,
                ..
            } => {
                write!(
                    f,
                    "to restore etcd {wanted} it runs etcd {pinned}, which it does not have"
                )?;
                let near: Vec<String> = minors(mounted);
                write!(f, " (it has {}), and would retry forever", near.join(", "))
            }
        }
    }
}

impl Cannot {
    /// What the user can do about it, in the imperative.
    #[must_use]
    pub fn cure(&self, etcd: &str) -> String {
        match self {
            Self::NoVersion(_) => "choose another backup".to_owned(),
            Self::TooOld { .. } | Self::NotMounted { by_image: false, .. } => newer_image(etcd),
            Self::NotMounted { by_image: true, .. } => format!(
                "remove `image` of etcd cluster {etcd} from the spec (`kops edit cluster`), which leaves one etcd only, then `kops update cluster --yes`"
            ),
        }
    }
}

fn newer_image(etcd: &str) -> String {
    format!(
        "set `manager.image` of etcd cluster {etcd} to etcd-manager {FIRST_WITH_3_6} or newer (`kops edit cluster`) or take a newer kops, then `kops update cluster --yes`, before the masters are wiped"
    )
}

/// `3.5.0–3.5.21, 3.6.1`: one range a minor release, since kops mounts dozens.
fn minors(versions: &[EtcdVersion]) -> Vec<String> {
    let mut sorted = versions.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(EtcdVersion::same_minor)
        .filter_map(|minor| match minor {
            [one] => Some(one.to_string()),
            [first, .., last] => Some(format!("{first}–{last}")),
            [] => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::fixture;
    use super::*;

    fn manifest(image: &str, versions: &[&str]) -> Manifest {
        Manifest {
            etcd: Some("main".to_owned()),
            image: image.to_owned(),
            etcd_versions: versions.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    const NEW: &str = "registry.k8s.io/etcd-manager/etcd-manager-slim:v3.0.20260707";
    const FIRST: &str = "x:v3.0.20260512";
    const OLD: &str = "x:v3.0.20260511";

    fn with(answer: &Restorable) -> Option<String> {
        match answer {
            Restorable::Yes { with } => Some(with.to_string()),
            _ => None,
        }
    }

    #[test]
    fn the_fixtures_manager_restores_what_its_pins_allow() {
        let manager = fixture();
        for (backup, runs) in [
            ("3.5.0", Some("3.5.30")),
            ("3.5.35", Some("3.5.30")),
            ("3.6.0", Some("3.6.11")),
            ("3.6.12", Some("3.6.11")),
            ("3.6.99", Some("3.6.11")),
            // Of other minor releases the exact patch.
            ("3.7.0", Some("3.7.0")),
            ("3.7.1", None),
            ("3.4.13", None),
            ("4.5.30", None),
        ] {
            let answer = restorable(&manager, backup, None);
            assert_eq!(with(&answer).as_deref(), runs, "{backup}: {answer:?}");
            assert_eq!(answer.check("main").blocks(), runs.is_none(), "{backup}");
        }
    }

    #[test]
    fn the_pinned_patch_counts_and_not_the_backups_own() {
        let manager = manifest(NEW, &["3.5.31", "3.6.12"]);
        for (backup, pin) in [("3.5.31", "3.5.30"), ("3.6.12", "3.6.11")] {
            let Restorable::No(Cannot::NotMounted { pinned, by_image, .. }) = restorable(&manager, backup, None) else {
                panic!("{backup}");
            };
            assert_eq!((pinned.to_string().as_str(), by_image), (pin, false));
        }
    }

    #[test]
    fn etcd_3_6_and_newer_need_a_build_of_may_2026() {
        for backup in ["3.6.12", "3.7.0"] {
            let all = ["3.6.11", "3.7.0"];
            assert!(with(&restorable(&manifest(FIRST, &all), backup, None)).is_some());
            let answer = restorable(&manifest(OLD, &all), backup, None);
            assert!(matches!(answer, Restorable::No(Cannot::TooOld { .. })), "{answer:?}");
            let check = answer.check("main");
            assert!(check.blocks());
            assert!(check.cure.unwrap().contains("v3.0.20260512"));
            // A mirror's own tag: not known.
            let answer = restorable(&manifest("mirror/etcd-manager:ours", &all), backup, None);
            assert!(
                matches!(answer, Restorable::Unsure(Doubt::UnknownImage { .. })),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn an_old_build_with_some_patch_of_that_minor_is_a_doubt_and_no_refusal() {
        let old = manifest("x:v3.0.20250704", &["3.4.13", "3.5.0", "3.5.21"]);
        let answer = restorable(&old, "3.5.21", None);
        assert!(
            matches!(answer, Restorable::Unsure(Doubt::OldBuild { .. })),
            "{answer:?}"
        );
        assert!(!answer.check("main").blocks());
        let answer = restorable(&old, "3.3.17", None);
        assert!(
            matches!(answer, Restorable::No(Cannot::NotMounted { .. })),
            "{answer:?}"
        );
        // Without a tag that tells its age the known pins hold.
        let answer = restorable(&manifest("x:ours", &["3.5.21"]), "3.5.21", None);
        assert!(
            matches!(answer, Restorable::No(Cannot::NotMounted { .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn an_etcd_image_in_the_spec_leaves_one_version_and_is_named_in_the_cure() {
        let one = manifest(NEW, &["3.5.35"]);
        let answer = restorable(&one, "3.5.35", Some("registry.k8s.io/etcd:v3.5.35"));
        assert!(answer.check("main").cure.unwrap().contains("remove `image`"));
        // Where that one is the pinned patch it works.
        let answer = restorable(
            &manifest(NEW, &["3.5.30"]),
            "3.5.35",
            Some("registry.k8s.io/etcd:v3.5.30"),
        );
        assert_eq!(with(&answer).as_deref(), Some("3.5.30"));
        // It is no way out for an old build either.
        let answer = restorable(
            &manifest("x:v3.0.20250704", &["3.5.35"]),
            "3.5.35",
            Some("etcd:v3.5.35"),
        );
        assert!(matches!(answer, Restorable::No(_)), "{answer:?}");
    }

    #[test]
    fn a_backup_of_no_version_and_a_manifest_without_etcds_are_said_so() {
        let answer = restorable(&fixture(), "3.5", None);
        assert_eq!(answer, Restorable::No(Cannot::NoVersion("3.5".to_owned())));
        let answer = restorable(&manifest("kopeio/etcd-manager:3.0.20200531", &[]), "3.4.3", None);
        assert!(
            matches!(answer, Restorable::Unsure(Doubt::InsideTheImage { .. })),
            "{answer:?}"
        );
        assert_eq!(
            restorable(&fixture(), "3.7.1", None).check("main").message,
            "to restore etcd 3.7.1 it runs etcd 3.7.1, which it does not have (it has 3.5.0–3.5.31, 3.6.0–3.6.12, 3.7.0), and would retry forever"
        );
    }

    #[test]
    fn one_master_that_cannot_spoils_it() {
        let (yes, no) = (
            restorable(&fixture(), "3.6.1", None),
            restorable(&fixture(), "3.4.1", None),
        );
        assert_eq!(worst([yes.clone(), no.clone(), yes.clone()]), Some(no));
        assert_eq!(worst([yes.clone(), yes.clone()]), Some(yes));
        assert_eq!(worst([]), None);
    }
}

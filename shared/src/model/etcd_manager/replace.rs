//! Whether an etcd-manager replaces a member that comes up with an empty disk by itself.
//!
//! Only builds from v3.0.20260531 on do (kops 1.36), and only with three members or more: before that the dead member stays in etcd's list
//! until it is removed. Source: kubernetes-sigs/etcd-manager pull request 54.

use super::manifest::Manifest;
use super::version::ImageDate;

/// The first build that does it.
pub const FIRST_TO_REPLACE: ImageDate = ImageDate::new(20_260_531);
const FEWEST_MEMBERS: usize = 3;

/// Whether every one of these etcd-managers is known to do it, in an etcd cluster of so many members. No manifest, or one whose image does
/// not tell its age, is no.
#[must_use]
pub fn replaces_empty_members<'m>(manifests: impl IntoIterator<Item = &'m Manifest>, members: usize) -> bool {
    let mut seen = 0;
    let all = manifests.into_iter().all(|manifest| {
        seen += 1;
        manifest.image_date().is_some_and(|build| build >= FIRST_TO_REPLACE)
    });
    all && seen > 0 && members >= FEWEST_MEMBERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_build_that_is_known_to_do_it_and_three_members() {
        let manifest = |tag: &str| Manifest {
            image: format!("registry.k8s.io/etcd-manager-slim:{tag}"),
            ..Manifest::default()
        };
        let (old, first, mirror) = (manifest("v3.0.20260530"), manifest("v3.0.20260531"), manifest("ours"));
        assert!(replaces_empty_members([&first, &manifest("v3.0.20260707")], 3));
        assert!(!replaces_empty_members([&first], 2));
        assert!(!replaces_empty_members([&first, &old], 3));
        assert!(!replaces_empty_members([&first, &mirror], 3));
        assert!(!replaces_empty_members([], 3));
    }
}

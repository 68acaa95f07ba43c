//! Whether what lies in a store is safe from others' eyes.

use serde::Serialize;

/// What is known of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// Yes; how that is known.
    Yes(String),
    /// No; how that is known.
    No(String),
    /// It could not be found out, and why.
    Unknown(String),
}

/// What is known of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// Whether it encrypts what it keeps.
    pub encrypted: Known,
    /// Whether others than its owner can read it.
    pub public: Known,
}

impl Exposure {
    /// Why private keys must not be put there; empty where they may.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        let encrypted = match &self.encrypted {
            Known::Yes(_) => None,
            Known::No(why) => Some(format!("it is not encrypted: {why}")),
            Known::Unknown(why) => Some(format!("it is not known whether it is encrypted: {why}")),
        };
        encrypted.into_iter().chain(self.is_open()).collect()
    }

    /// Why it may be open to others: where it is, or where that could not be found out.
    #[must_use]
    pub fn is_open(&self) -> Option<String> {
        match &self.public {
            Known::No(_) => None,
            Known::Yes(why) => Some(format!("others can read it: {why}")),
            Known::Unknown(why) => Some(format!("it is not known whether others can read it: {why}")),
        }
    }
}

/// The mode of a folder: only its owner may enter it.
#[must_use]
pub fn of_folder(mode: Option<u32>) -> Exposure {
    let encrypted = Known::Yes("a folder is encrypted by its disk, where that is".to_owned());
    let public = match mode.map(|mode| mode & 0o777) {
        Some(mode) if mode & 0o077 == 0 => Known::No(format!("mode {mode:04o}")),
        Some(mode) => Known::Yes(format!("the folder has mode {mode:04o}")),
        None => Known::Unknown("the folder does not exist".to_owned()),
    };
    Exposure { encrypted, public }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_an_objection() {
        let unknown = || Known::Unknown("s3:GetBucketAcl is denied".to_owned());
        let exposure = Exposure {
            encrypted: unknown(),
            public: unknown(),
        };
        assert_eq!(exposure.objections().len(), 2);
        let fine = Exposure {
            encrypted: Known::Yes("aws:kms".to_owned()),
            public: Known::No("blocked".to_owned()),
        };
        assert!(fine.objections().is_empty());
    }

    #[test]
    fn a_folder_is_its_owners_only() {
        assert!(of_folder(Some(0o40_700)).objections().is_empty());
        for mode in [0o750, 0o701, 0o707, 0o777] {
            assert_eq!(of_folder(Some(mode)).objections().len(), 1, "{mode:o}");
        }
        assert!(of_folder(None).objections()[0].contains("does not exist"));
    }
}

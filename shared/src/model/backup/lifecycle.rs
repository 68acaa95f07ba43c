//! Lifecycle rules of a bucket, as far as they can take away what a recovery needs.
//!
//! A rule applies by prefix, size and tags; kops and etcd-manager tag none of their objects. Source: Amazon S3 API reference,
//! `LifecycleRule`.

use std::fmt;

/// An enabled rule that deletes or archives current versions of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRule {
    /// Its name, where it has one.
    pub id: Option<String>,
    /// What the keys begin with; empty for the whole bucket.
    pub prefix: String,
    /// Whether only objects with certain tags are meant.
    pub only_tagged: bool,
    /// Only objects of more bytes are meant.
    pub larger_than: Option<u64>,
    /// Only objects of fewer bytes are meant.
    pub smaller_than: Option<u64>,
    /// What it does to them.
    pub fate: Fate,
}

/// What a rule does to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Deleted(When),
    /// It is moved to a class from which it cannot be read at once: `GLACIER`, `DEEP_ARCHIVE`.
    Archived(
        /// The class.
        String,
        /// When.
        When,
    ),
}

/// When a rule acts on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// So many days after it was written.
    After(u32),
    /// On a day, and from then on.
    On(String),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(1) => f.write_str("after 1 day"),
            Self::After(days) => write!(f, "after {days} days"),
            Self::On(day) => write!(f, "on {day}"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(when) => write!(f, "deletes {when}"),
            Self::Archived(class, when) => write!(f, "moves to {class} {when}"),
        }
    }
}

impl ExpiryRule {
    /// Whether it acts on an object without tags of this key and this many bytes.
    #[must_use]
    pub fn applies_to(&self, key: &str, size: u64) -> bool {
        !self.only_tagged
            && key.starts_with(&self.prefix)
            && self.larger_than.is_none_or(|limit| size > limit)
            && self.smaller_than.is_none_or(|limit| size < limit)
    }

    /// As a user finds it again.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.id {
            Some(id) => format!("`{id}`"),
            None if self.prefix.is_empty() => "without a name, for the whole bucket".to_owned(),
            None => format!("for {}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str) -> ExpiryRule {
        ExpiryRule {
            id: None,
            prefix: prefix.to_owned(),
            only_tagged: false,
            larger_than: None,
            smaller_than: None,
            fate: Fate::Deleted(When::After(30)),
        }
    }

    #[test]
    fn prefix_size_and_tags_decide() {
        let key = "k8s.example.com/backups/etcd/main/control/etcd-cluster-created";
        for prefix in ["", "k8s", "k8s.example.com/backups/", key] {
            assert!(rule(prefix).applies_to(key, 33), "{prefix}");
        }
        for prefix in ["other", "k8s.example.com/backups/etcd/events", "/k8s"] {
            assert!(!rule(prefix).applies_to(key, 33), "{prefix}");
        }
        let large = ExpiryRule {
            larger_than: Some(33),
            ..rule("")
        };
        assert!(!large.applies_to(key, 33) && large.applies_to(key, 34));
        let small = ExpiryRule {
            smaller_than: Some(33),
            ..rule("")
        };
        assert!(!small.applies_to(key, 33) && small.applies_to(key, 32));
        let tagged = ExpiryRule {
            only_tagged: true,
            ..rule("")
        };
        assert!(!tagged.applies_to(key, 33));
    }

    #[test]
    fn a_rule_is_told_as_the_console_shows_it() {
        assert_eq!(Fate::Deleted(When::After(1)).to_string(), "deletes after 1 day");
        let archived = Fate::Archived("GLACIER".into(), When::On("2027-01-01T00:00:00Z".into()));
        assert_eq!(archived.to_string(), "moves to GLACIER on 2027-01-01T00:00:00Z");
        assert_eq!(rule("").name(), "without a name, for the whole bucket");
        assert_eq!(rule("a/").name(), "for a/");
    }
}

//! Which backup can be trusted.
//!
//! A young, complete, undamaged backup can still be worthless: etcd-manager seeds a new cluster where its created marker
//! is missing, backs the empty etcd up at once, and goes on to back up what an API server bootstraps on it. So *good*
//! means: it verifies, something was ever written to it, it is of the same lineage (UID of namespace `kube-system`) as
//! the store's history, and neither Nodes nor keys collapsed against the backups before it.

use std::fmt;

use super::backup_name::BackupName;

/// The etcd cluster that holds the cluster's objects; only its backups are held to the whole definition.
pub const MAIN: &str = "main";

/// What the judgement rests on, for one backup that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which backup.
    pub name: BackupName,
    /// What is damaged; empty when it verifies.
    pub problems: Vec<String>,
    /// etcd's revision; 0 or 1 when nothing was ever written.
    pub revision: i64,
    /// Live keys.
    pub keys: u64,
    /// Node objects.
    pub nodes: u64,
    /// UID of namespace `kube-system`, where there is one.
    pub lineage: Option<String>,
}

impl Facts {
    /// Whether nothing was ever written to this etcd.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.revision <= 1
    }

    fn sound(&self) -> bool {
        self.problems.is_empty() && !self.empty()
    }
}

/// Why a backup is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It has data without meta or the reverse.
    Incomplete,
    /// It does not verify.
    Damaged(String),
    /// Nothing was ever written to this etcd.
    Empty,
    /// There is no namespace `kube-system`.
    NoLineage,
    /// Namespace `kube-system` has another UID than in the store's history.
    OtherLineage {
        /// The UID found.
        found: String,
        /// The UID of the history.
        expected: String,
        /// The oldest backup that has it.
        since: BackupName,
    },
    /// There is no Node: an API server has bootstrapped this etcd, and no machine has ever joined.
    NoNodes,
    /// Less than half the Nodes of an earlier backup.
    NodesCollapsed {
        /// Nodes in this one.
        now: u64,
        /// Nodes in the earlier one.
        before: u64,
        /// The earlier one.
        against: BackupName,
    },
    /// Less than half the keys of an earlier backup.
    KeysCollapsed {
        /// Keys in this one.
        now: u64,
        /// Keys in the earlier one.
        before: u64,
        /// The earlier one.
        against: BackupName,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("incomplete: data or meta is missing"),
            Self::Damaged(problem) => write!(f, "damaged: {problem}"),
            Self::Empty => f.write_str("empty: nothing was ever written to this etcd"),
            Self::NoLineage => f.write_str("no namespace kube-system: no API server has ever used this etcd"),
            Self::OtherLineage { found, expected, since } => write!(
                f,
                "another cluster: kube-system has UID {}, since {since} it had {}",
                short(found),
                short(expected)
            ),
            Self::NoNodes => f.write_str("no Nodes: it holds only what an API server creates by itself"),
            Self::NodesCollapsed { now, before, against } => {
                write!(f, "Nodes collapsed: {now}, and {before} in {against}")
            }
            Self::KeysCollapsed { now, before, against } => {
                write!(f, "keys collapsed: {now}, and {before} in {against}")
            }
        }
    }
}

/// The first group of a UID tells two clusters apart well enough for a line on a screen.
fn short(uid: &str) -> &str {
    uid.split('-').next().unwrap_or(uid)
}

/// Judges one backup.
///
/// `history` is the oldest sound backup of the store, which sets the lineage; `predecessors` are the earlier backups to
/// compare with. Of other etcd clusters than `main` (events expire, cilium has no Nodes) only soundness is asked.
#[must_use]
pub fn judge(etcd: &str, backup: &Facts, history: Option<&Facts>, predecessors: &[&Facts]) -> Vec<Rejection> {
    if let Some(problem) = backup.problems.first() {
        return vec![Rejection::Damaged(problem.clone())];
    }
    if backup.empty() {
        return vec![Rejection::Empty];
    }
    if etcd != MAIN {
        return Vec::new();
    }
    let mut rejections = Vec::new();
    let expected = history.and_then(|oldest| oldest.lineage.as_ref().map(|uid| (uid, &oldest.name)));
    match (&backup.lineage, expected) {
        (None, _) => rejections.push(Rejection::NoLineage),
        (Some(found), Some((expected, since))) if found != expected => {
            rejections.push(Rejection::OtherLineage {
                found: found.clone(),
                expected: expected.clone(),
                since: since.clone(),
            });
        }
        _ => {}
    }
    if backup.nodes == 0 {
        rejections.push(Rejection::NoNodes);
    }
    let halved = |now: u64, before: u64| now.saturating_mul(2) < before;
    let comparable = || {
        predecessors
            .iter()
            .filter(|earlier| earlier.sound() && earlier.name < backup.name)
    };
    if let Some(best) = comparable().max_by_key(|earlier| earlier.nodes)
        && backup.nodes > 0
        && halved(backup.nodes, best.nodes)
    {
        let (now, before) = (backup.nodes, best.nodes);
        rejections.push(Rejection::NodesCollapsed {
            now,
            before,
            against: best.name.clone(),
        });
    }
    if let Some(best) = comparable().max_by_key(|earlier| earlier.keys)
        && halved(backup.keys, best.keys)
    {
        let (now, before) = (backup.keys, best.keys);
        rejections.push(Rejection::KeysCollapsed {
            now,
            before,
            against: best.name.clone(),
        });
    }
    rejections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(minute: u32, keys: u64, nodes: u64, lineage: Option<&str>) -> Facts {
        Facts {
            name: format!("2026-11-22T15:{minute:02}:01Z-000001").parse().unwrap(),
            problems: Vec::new(),
            revision: if keys == 0 { 0 } else { 300 },
            keys,
            nodes,
            lineage: lineage.map(str::to_owned),
        }
    }

    fn reasons(etcd: &str, backup: &Facts, history: Option<&Facts>, predecessors: &[&Facts]) -> Vec<String> {
        judge(etcd, backup, history, predecessors)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_ordinary_backup_is_good() {
        let (old, new) = (facts(17, 226, 5, Some("a")), facts(18, 211, 5, Some("a")));
        assert!(judge(MAIN, &new, Some(&old), &[&old]).is_empty());
    }

    #[test]
    fn a_re_seeded_cluster_is_another_cluster_without_nodes() {
        let (old, new) = (facts(17, 226, 5, Some("a")), facts(18, 187, 0, Some("b")));
        assert_eq!(
            reasons(MAIN, &new, Some(&old), &[&old]),
            [
                "another cluster: kube-system has UID b, since 2026-11-22T15:17:01Z-000001 it had a",
                "no Nodes: it holds only what an API server creates by itself",
            ]
        );
        // With the history gone, the missing Nodes still tell.
        assert_eq!(judge(MAIN, &new, Some(&new), &[]), [Rejection::NoNodes]);
    }

    #[test]
    fn a_collapse_is_less_than_half() {
        let old = facts(17, 226, 5, Some("a"));
        assert!(judge(MAIN, &facts(18, 113, 3, Some("a")), Some(&old), &[&old]).is_empty());
        assert_eq!(
            reasons(MAIN, &facts(18, 112, 2, Some("a")), Some(&old), &[&old]),
            [
                "Nodes collapsed: 2, and 5 in 2026-11-22T15:17:01Z-000001",
                "keys collapsed: 112, and 226 in 2026-11-22T15:17:01Z-000001",
            ]
        );
    }

    #[test]
    fn damaged_and_empty_say_only_that() {
        let mut damaged = facts(18, 226, 5, Some("a"));
        damaged.problems.push("page 7: cyclic".to_owned());
        assert_eq!(reasons(MAIN, &damaged, None, &[]), ["damaged: page 7: cyclic"]);
        assert_eq!(judge(MAIN, &facts(18, 0, 0, None), None, &[]), [Rejection::Empty]);
    }

    #[test]
    fn events_may_expire_but_must_have_been_written() {
        let expired = Facts {
            revision: 900,
            ..facts(18, 0, 0, None)
        };
        assert!(judge("events", &expired, None, &[&facts(17, 400, 0, None)]).is_empty());
        assert_eq!(judge("events", &facts(18, 0, 0, None), None, &[]), [Rejection::Empty]);
    }
}

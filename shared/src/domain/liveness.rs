//! Whether something that may be dead answers: an API, an etcd. Evidence only; what it means is for the plans.

/// What came of asking. Each text is a lowercase fragment that names whom we asked, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It answers.
    Answers(String),
    /// A part of it answers, and it cannot serve: an etcd member without a leader.
    Limps(String),
    /// Whoever is there says that nobody listens.
    Dead(String),
    /// No answer: dead, or the network does not lead there from here.
    Silent(String),
    /// It could not be asked.
    NotAsked {
        /// Why.
        why: String,
        /// What would let us ask, in the imperative.
        cure: String,
    },
}

impl Liveness {
    /// The strongest of several answers about the same thing: one that answers outweighs all that do not. `None` of none.
    #[must_use]
    pub fn strongest(answers: impl IntoIterator<Item = Self>) -> Option<Self> {
        let strength = |answer: &Self| match answer {
            Self::Answers(_) => 4,
            Self::Limps(_) => 3,
            Self::Silent(_) => 2,
            Self::Dead(_) => 1,
            Self::NotAsked { .. } => 0,
        };
        answers
            .into_iter()
            .reduce(|best, next| if strength(&next) > strength(&best) { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_answers_outweighs_the_others_and_doubt_outweighs_death() {
        let (answers, silent, dead) = (
            Liveness::Answers("a".into()),
            Liveness::Silent("s".into()),
            Liveness::Dead("d".into()),
        );
        let not_asked = Liveness::NotAsked {
            why: "w".into(),
            cure: "c".into(),
        };
        let all = [not_asked.clone(), dead.clone(), silent.clone(), answers.clone()];
        assert_eq!(Liveness::strongest(all), Some(answers));
        assert_eq!(Liveness::strongest([dead.clone(), silent.clone()]), Some(silent));
        assert_eq!(Liveness::strongest([not_asked, dead.clone()]), Some(dead));
        assert_eq!(Liveness::strongest([]), None);
    }
}

//! What was observed, or why nothing could be.

/// The answer to a question that was put to AWS, etcd, the API, a host or a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed<T> {
    /// The answer.
    Known(T),
    /// It could not be determined, for this reason.
    Unknown(String),
}

impl<T> Observed<T> {
    /// The answer, where there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unknown(_) => None,
        }
    }
}

//! Exit codes, the same in all plugins.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; also after a plan was shown and nothing was to be changed yet.
    Done,
    /// 1: failed, and nothing was changed.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: refused: no consent, or a preflight check that blocks.
    Refused,
    /// 4: failed after something was changed; what, and how to go on, was said.
    FailedAfterChange,
    /// 5: a check found something: a bad backup, a stale lease.
    Found,
    /// 130: interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::FailedAfterChange => 4,
            Self::Found => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

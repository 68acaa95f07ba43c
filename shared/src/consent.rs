//! Consent: the proof that the user has seen the plan and agreed.

/// The proof. Functions that change something demand one; only [`crate::cli::confirm`] makes it.
///
/// ```compile_fail
/// let consent = runbook_kit::consent::Consent { _made_by_prompts_only: () };
/// ```
///
/// ```compile_fail
/// let consent = runbook_kit::consent::Consent::given();
/// ```
#[derive(Debug)]
pub struct Consent {
    _made_by_prompts_only: (),
}

impl Consent {
    /// For the prompts.
    pub(crate) const fn given() -> Self {
        Self {
            _made_by_prompts_only: (),
        }
    }
}

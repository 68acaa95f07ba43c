//! What goes wrong before AWS is asked at all.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;

/// A service's own words, without the SDK's wrapping.
#[derive(Debug)]
pub(in crate::adapters) struct Words(pub String);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Words {}

/// There are no credentials that could be used.
pub(in crate::adapters) struct NoCredentials {
    /// There were some once.
    pub expired: bool,
    /// Why, where that says more than the SDK's list of all that it tried.
    pub words: Option<String>,
}

/// Credentials fail before anything is sent, deep inside another error.
pub(in crate::adapters) fn credentials(error: &(dyn Error + 'static)) -> Option<NoCredentials> {
    let found = chain(error).find_map(|link| link.downcast_ref::<CredentialsError>())?;
    let words = innermost(found);
    Some(NoCredentials {
        // An SSO or login session that ran out shows by nothing but its words (aws-config `sso/token.rs`, `login/token.rs`).
        expired: chain(found).any(|link| link.to_string().contains("expired")),
        // The chain's own list of all that it tried helps nobody who set none of it.
        words: (!words.contains('\n')).then_some(words),
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}

/// The cause at the end of the chain: what wraps it says only "dispatch failure" and the like.
pub(in crate::adapters) fn innermost(error: &(dyn Error + 'static)) -> String {
    let words = chain(error).last().map(ToString::to_string).unwrap_or_default();
    // rustls ends with the address of a page for programmers.
    match words.split_once(": https://docs.rs/") {
        Some((before, _)) => before.to_owned(),
        None => words,
    }
}

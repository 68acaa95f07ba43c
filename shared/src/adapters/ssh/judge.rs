//! The meaning of ssh's messages: those of OpenSSH, which has no translations.

use crate::ports::hosts::HostErrorKind;

/// The last line that is not empty.
pub(super) fn last_words(said: &str) -> String {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("it ended without a message").to_owned()
}

/// The first line with one of these texts.
fn line_with(said: &str, words: &[&str]) -> Option<String> {
    let mut lines = said.lines().map(str::trim);
    lines
        .find(|line| words.iter().any(|word| line.contains(word)))
        .map(str::to_owned)
}

const DOWN: [&str; 6] = [
    "Connection refused",
    "No route to host",
    "Network is unreachable",
    "Could not resolve hostname",
    "Operation timed out",
    "Connection timed out",
];

/// From stderr of an ssh that ended by itself. `ran` is whether the script had printed something.
pub(super) fn kind_of(said: &str, ran: bool, seconds: u64) -> HostErrorKind {
    if ran {
        return HostErrorKind::Lost(last_words(said));
    }
    // ssh writes this name of a peer only where the peer is another process: its own jump.
    let by_jump = said.contains("UNKNOWN port 65535");
    if by_jump && !said.contains("stdio forwarding failed") {
        let first = said.lines().map(str::trim).find(|line| !line.is_empty());
        return HostErrorKind::JumpHost(first.unwrap_or("connection closed").to_owned());
    }
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return HostErrorKind::HostKeyChanged;
    }
    if said.contains("Host key verification failed") {
        return HostErrorKind::HostKeyUnknown;
    }
    if by_jump {
        let open = line_with(said, &["open failed"]);
        return HostErrorKind::Unreachable(open.unwrap_or_else(|| last_words(said)));
    }
    if let Some(reason) = line_with(said, &["Permission denied", "Too many authentication failures"]) {
        let user = reason.split_once('@').map(|(user, _)| user.trim().to_owned());
        return HostErrorKind::KeyRefused {
            user: user
                .filter(|user| !user.is_empty() && !user.contains(' '))
                .unwrap_or_else(|| "the default user".to_owned()),
            reason,
        };
    }
    if said.contains("Connection timed out during banner exchange") {
        return HostErrorKind::Timeout { seconds };
    }
    match line_with(said, &DOWN) {
        Some(reason) => HostErrorKind::Unreachable(reason),
        None => HostErrorKind::Failed(last_words(said)),
    }
}

/// From `ssh -v` after a permission was denied: whether there was a key to offer.
pub(super) fn key_problem(talked: &str, reason: &str) -> HostErrorKind {
    let user = talked.lines().find_map(|line| {
        let (_, rest) = line.split_once("Authenticating to ")?;
        let (_, user) = rest.split_once(" as '")?;
        user.strip_suffix('\'').map(str::to_owned)
    });
    // The host itself is the last one that is asked; a jump host, which offered keys of its own, comes before it.
    let of_host = talked.rsplit("Authenticating to ").next().unwrap_or(talked);
    if of_host.contains("Offering public key") {
        return HostErrorKind::KeyRefused {
            user: user.unwrap_or_else(|| "the default user".to_owned()),
            reason: reason.to_owned(),
        };
    }
    HostErrorKind::NoKey(reason.to_owned())
}

/// `Please login as the user "ubuntu" rather than the user "root".`: cloud-init's forced command for root, on stdout.
pub(super) fn other_user_wanted(heard: &[String]) -> Option<String> {
    let mut lines = heard.iter();
    lines
        .find(|line| line.starts_with("Please login as the user") && line.contains("rather than the user"))
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_reason() {
        let said = "Warning: added 'x' to the list\r\nadmin@x: Permission denied (publickey).\r\n\n";
        assert_eq!(last_words(said), "admin@x: Permission denied (publickey).");
        assert_eq!(last_words("\n"), "it ended without a message");
    }

    #[test]
    fn each_reason_is_told_from_the_others() {
        let kind = |said: &str| kind_of(said, false, 10);
        assert!(matches!(
            kind("ssh: connect to host bastion port 22: Connection refused\nConnection closed by UNKNOWN port 65535\n"),
            HostErrorKind::JumpHost(reason) if reason.contains("bastion")
        ));
        assert!(matches!(
            kind("channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\n\
                  Connection closed by UNKNOWN port 65535\n"),
            HostErrorKind::Unreachable(reason) if reason.contains("No route to host")
        ));
        let changed =
            "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@\nHost key verification failed.\n";
        assert_eq!(kind(changed), HostErrorKind::HostKeyChanged);
        assert_eq!(
            kind(
                "No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.\n"
            ),
            HostErrorKind::HostKeyUnknown
        );
        assert!(matches!(
            kind("admin@x: Permission denied (publickey).\n"),
            HostErrorKind::KeyRefused { user, .. } if user == "admin"
        ));
        assert!(matches!(
            kind("ssh: Could not resolve hostname x: Name or service not known\n"),
            HostErrorKind::Unreachable(_)
        ));
        assert_eq!(kind("x y z\n"), HostErrorKind::Failed("x y z".to_owned()));
        assert!(matches!(
            kind_of("Timeout, server x not responding.", true, 10),
            HostErrorKind::Lost(_)
        ));
    }

    #[test]
    fn a_key_that_was_refused_is_not_a_missing_one() {
        let offered = "debug1: Authenticating to 10.0.0.7:22 as 'admin'\ndebug1: Offering public key: k\n";
        assert!(matches!(key_problem(offered, "r"), HostErrorKind::KeyRefused { user, .. } if user == "admin"));
        let through = format!(
            "{offered}debug1: Authenticating to 10.0.0.8:22 as 'core'\ndebug1: No more authentication methods to try.\n"
        );
        assert!(matches!(key_problem(&through, "r"), HostErrorKind::NoKey(_)));
    }

    #[test]
    fn a_host_may_name_its_user() {
        let heard = ["Please login as the user \"ubuntu\" rather than the user \"root\".".to_owned()];
        assert!(other_user_wanted(&heard).is_some());
        assert_eq!(other_user_wanted(&["a log line".to_owned()]), None);
    }
}

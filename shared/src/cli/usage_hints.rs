//! Hints for what kubectl and kops users try first, in place of clap's guesses at a similar argument.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

/// Adds the hint for what `program` does not know, where there is one.
#[must_use]
pub fn with_hint(mut error: clap::Error, program: &str) -> clap::Error {
    let unknown = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    let unknown = unknown.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    });
    let Some(hint) = unknown.and_then(|unknown| hint(&unknown, program)) else {
        return error;
    };
    for guess in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedCommand,
        ContextKind::TrailingArg,
    ] {
        error.remove(guess);
    }
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![StyledStr::from(hint)]),
    );
    error
}

fn hint(unknown: &str, program: &str) -> Option<String> {
    Some(match unknown {
        "--force" | "-f" => {
            "there is no --force: --yes applies the plan, and a check that blocks says what to do".to_owned()
        }
        "-n" | "--namespace" | "-A" | "--all-namespaces" => {
            "this command has no namespaces; --name selects the cluster".to_owned()
        }
        "plan" if program.ends_with("kops-wipe-masters") => {
            format!("`{program}` without a subcommand shows the plan; --yes applies it")
        }
        name if !name.starts_with('-') && name.contains('.') && !name.contains('/') => {
            format!("to select the cluster, pass --name {name}")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;
    use crate::cli::confirm::{ConsentArgs, StrongConsentArgs};
    use crate::cli::{ClusterArgs, OutputArgs, StoreArgs};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        cluster: ClusterArgs,
        #[command(flatten)]
        stores: StoreArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        consent: StrongConsentArgs,
        #[command(subcommand)]
        command: Option<Subcommand>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Subcommand {
        Undo(ConsentArgs),
        Purge,
    }

    fn parse(words: &str) -> Result<Cli, String> {
        let words = ["kops-wipe-masters"].into_iter().chain(words.split_whitespace());
        let matches = Cli::command().try_get_matches_from(words);
        matches
            .and_then(|matches| Cli::from_arg_matches(&matches))
            .map_err(|error| with_hint(error, "kops-wipe-masters").render().to_string())
    }

    #[test]
    fn what_is_not_known_is_answered_by_what_to_use_instead() {
        for (words, hint) in [
            ("--force", "there is no --force: --yes applies the plan"),
            ("undo --force", "there is no --force"),
            ("-n kube-system", "no namespaces; --name selects the cluster"),
            ("undo -n kube-system", "no namespaces"),
            ("plan", "`kops-wipe-masters` without a subcommand shows the plan"),
            ("prod.example.com", "pass --name prod.example.com"),
            ("undo prod.example.com", "pass --name prod.example.com"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(hint), "{words}: {error}");
            assert!(!error.contains("similar"), "{words}: {error}");
        }
        let other = parse("--stroe file:///x").unwrap_err();
        assert!(other.contains("similar") && other.contains("--store"), "{other}");
    }

    #[test]
    fn the_flags_that_kubectl_and_kops_users_know_are_accepted() {
        assert!(parse("-y").unwrap().consent.yes);
        for words in ["--dry-run", "--dry-run=client", "--dry-run=server"] {
            let parsed = parse(words).unwrap();
            assert!(parsed.consent.dry_run.is_some() && !parsed.consent.yes, "{words}");
        }
        assert!(parse("undo --dry-run").is_ok() && parse("undo -y").is_ok());
        assert!(parse("--dry-run --yes").unwrap_err().contains("cannot be used with"));
        assert_eq!(
            parse("--cluster a.example.com").unwrap().cluster.name.as_deref(),
            Some("a.example.com")
        );
        assert!(parse("purge --no-headers").unwrap().output.no_headers);
    }
}

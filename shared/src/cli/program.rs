//! The subcommands that are about the program itself, the same in every plugin.

use clap::{Args, Command, Subcommand};

use super::completion;

#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a comment would be the help of the variant in place of its arguments' own"
)]
pub enum ProgramCommand {
    Completion(completion::Args),
    Man(ManArgs),
    #[command(name = "__complete", hide = true)]
    Complete(completion::Words),
}

/// Print the manual page
#[derive(Debug, Args)]
pub struct ManArgs {}

/// Gives them examples under the program's name.
#[must_use]
pub fn with_examples(command: Command, program: &str) -> Command {
    command
        .mut_subcommand("completion", |completion| {
            completion.after_help(format!("Example:\n  {program} completion --install"))
        })
        .mut_subcommand("man", |man| {
            man.after_help(format!("Example:\n  {program} man | man -l -"))
        })
}

/// The file that the shell or kubectl looks for: it turns the dashes of `kubectl etcd-backups` into underscores.
#[must_use]
pub fn file_name(package: &str) -> String {
    match package.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl-{}", plugin.replace('-', "_")),
        None => package.to_owned(),
    }
}

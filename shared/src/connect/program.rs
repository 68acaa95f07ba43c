//! `completion` and `man` of every plugin.

use clap::CommandFactory;

use crate::adapters::completion_script::{InstallError, folder, install};
use crate::cli::program::{ProgramCommand, file_name};
use crate::cli::ui::Ui;
use crate::cli::{self, completion, man};
use crate::exit::Exit;
use crate::failure::AnyFailure;

/// Runs one of them for the plugin of command line `C` and Cargo package `package`.
///
/// # Errors
/// Where a script cannot be written, or stdout takes no more.
pub fn program<C: CommandFactory>(command: ProgramCommand, package: &str, ui: &Ui) -> Result<Exit, AnyFailure> {
    let file = file_name(package);
    match command {
        ProgramCommand::Completion(args) => {
            if let Some(shell) = args.shell {
                return completion::print(shell, &mut C::command(), &file, ui);
            }
            let plugin = completion::plugin(&file)?;
            let folder = match args.dir {
                Some(folder) => folder,
                None => folder().ok_or(InstallError::NoFolder)?,
            };
            completion::installed(&install(&folder, plugin)?, plugin, ui);
            Ok(Exit::Done)
        }
        ProgramCommand::Man(_) => {
            let command = cli::command::<C>(&cli::program_name(None, package));
            ui.raw(&man::page(&command, C::command().get_name())?)?;
            Ok(Exit::Done)
        }
        ProgramCommand::Complete(words) => completion::complete(words, C::command(), &file, ui),
    }
}

//! The manual page of a plugin: one page, with a section for each subcommand.

use clap::Command;
use clap_mangen::Man;

use crate::failure::OutputError;

/// The page as roff. `file` is its name, as in `kubectl-etcd-backups`.
///
/// # Errors
/// None in practice: it writes into memory.
pub fn page(command: &Command, file: &str) -> Result<Vec<u8>, OutputError> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(file.to_uppercase()).section("1");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    subcommands(command, &mut page)?;
    man.render_extra_section(&mut page)?;
    Ok(page)
}

/// A section for each, and for those of each.
fn subcommands(command: &Command, page: &mut Vec<u8>) -> Result<(), OutputError> {
    for subcommand in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let name = subcommand.get_bin_name().unwrap_or(subcommand.get_name()).to_owned();
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        // Global flags are listed once, above.
        let own = hide_globals(subcommand.clone());
        let man = Man::new(own);
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        man.render_extra_section(page)?;
        subcommands(subcommand, page)?;
    }
    Ok(())
}

fn hide_globals(mut command: Command) -> Command {
    let globals: Vec<String> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .map(|arg| arg.get_id().to_string())
        .collect();
    for id in globals {
        command = command.mut_arg(id, |arg| arg.hide(true));
    }
    command
}

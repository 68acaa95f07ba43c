//! `cargo xtask rehearse`: the suite as an operator meets it, against real programs.

mod preparation;
mod recording;
mod stage;
mod transcript;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

pub use stage::Stage;
use support::real_masters::namespaces;
use transcript::Transcript;

use crate::{Outcome, acts, say};
use preparation::{Preparation, Ready};

/// Play the recovery against real servers, showing each command and what it prints
///
/// Installs what it needs, see `cargo xtask components`. Needs no AWS account and touches nothing outside of temporary
/// folders. A command that does not end as it should fails the rehearsal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play one act only
    #[arg(long, value_name = "NAME", value_parser = acts::ALL.map(|act| act.name))]
    act: Option<String>,
    /// Leave the servers of the last act running, with a shell to try commands in
    #[arg(long)]
    keep: bool,
    /// Write everything that was run, printed and measured into a Markdown file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write what was run and printed into an animated picture (SVG)
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Write what was played where the process that started this one reads it
    #[arg(long, value_name = "FILE", hide = true)]
    played: Option<PathBuf>,
}

/// A part of the rehearsal that stands by itself.
pub struct Act {
    /// How `--act` names it.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What it runs of the suite.
    pub plugins: &'static [&'static str],
    /// The real programs that play from its beginning. Another one is installed when it is called.
    pub components: &'static [&'static str],
    /// Whether it plays on real masters where they can be had.
    pub real_masters: bool,
    /// Plays it.
    pub play: fn(&Stage) -> Result<(), Box<dyn Error>>,
}

/// Plays the acts in their order, up to the first that fails.
pub fn run(args: &Args) -> Outcome {
    let chosen = |act: &&Act| args.act.as_ref().is_none_or(|name| name == act.name);
    let acts: Vec<&'static Act> = acts::ALL.iter().filter(chosen).collect();
    let transcript = Rc::new(Transcript::new());
    let played = play(&acts, &transcript, args.keep);
    if let Err(error) = &played {
        transcript.failed(&error.to_string());
    }
    if let Some(file) = &args.played {
        fs::write(file, transcript.to_json()?)?;
    }
    if let Some(report) = &args.report {
        fs::write(report, transcript.markdown())?;
        say::note(&format!("the report is in {}", report.display()));
    }
    if let Some(picture) = &args.picture {
        fs::write(picture, recording::picture(&transcript.lines()))?;
        say::note(&format!("the picture is in {}", picture.display()));
    }
    played?;
    if !namespaces::within() {
        say::line(&format!("\n{} acts passed, 0 failed", acts.len()));
    }
    Ok(ExitCode::SUCCESS)
}

fn play(acts: &[&'static Act], transcript: &Rc<Transcript>, keep: bool) -> Result<(), Box<dyn Error>> {
    // Within, all is there.
    let preparation = (!namespaces::within()).then(|| Preparation::begin(acts));
    for (at, act) in acts.iter().enumerate() {
        let ready = preparation.as_ref().map(Preparation::next).transpose()?;
        let keep = keep && at + 1 == acts.len();
        if ready.is_some_and(|ready: Ready| ready.on_real_masters) {
            play_on_real_masters(act, transcript, keep)?;
            continue;
        }
        transcript.act(act.name, act.title);
        let stage = Stage::new(transcript, keep)?;
        (act.play)(&stage).map_err(|error| format!("act {}: {error}", act.name))?;
    }
    Ok(())
}

/// Has a process of its own play it: within the namespaces of the masters.
fn play_on_real_masters(act: &Act, transcript: &Transcript, keep: bool) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let played = folder.path().join("played");
    let own = std::env::current_exe()?;
    let file = played.to_string_lossy();
    let mut words = vec!["rehearse", "--act", act.name, "--played", file.as_ref()];
    if keep {
        words.push("--keep");
    }
    let ended = namespaces::enter(&own, &words)?;
    if let Ok(text) = fs::read(&played) {
        transcript.add_json(&text)?;
    }
    match ended.success() {
        true => Ok(()),
        false => Err(format!("act {}: {ended}", act.name).into()),
    }
}

//! `cargo xtask rehearse`: the suite as an operator meets it, against real programs.

mod recording;
mod stage;
mod transcript;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

pub use stage::Stage;
use support::components;
use support::real_masters::namespaces;
use transcript::Transcript;

use crate::{Outcome, acts, plugins, say};

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
}

/// The real programs that play.
const CAST: [&str; 5] = ["etcd", "etcd-3.5", "kube-apiserver", "moto", "sshd"];

/// What masters run beside them.
const MASTERS: [&str; 2] = ["kubelet", "containerd"];

/// A part of the rehearsal that stands by itself.
pub struct Act {
    /// How `--act` names it.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Whether it plays on real masters where they can be had.
    pub real_masters: bool,
    /// Plays it.
    pub play: fn(&Stage) -> Result<(), Box<dyn Error>>,
}

/// Whether masters can be had for real; says why not.
fn real_masters() -> bool {
    let why = match namespaces::refusal() {
        Some(refusal) => refusal.to_string(),
        None => match MASTERS.iter().find_map(|name| components::ensure(name).err()) {
            Some(missing) => missing.to_string(),
            None => return true,
        },
    };
    say::note(&format!("masters are played by stand-ins: {why}"));
    false
}

/// Plays the acts in their order, up to the first that fails.
pub fn run(args: &Args) -> Outcome {
    let chosen = |act: &&Act| args.act.as_ref().is_none_or(|name| name == act.name);
    let acts: Vec<&Act> = acts::ALL.iter().filter(chosen).collect();
    if !namespaces::within() {
        // Before the curtain: on a fresh machine both take their time, and say so.
        for name in CAST {
            components::ensure(name)?;
        }
        plugins::build(&[])?;
        if acts.iter().any(|act| act.real_masters) && real_masters() {
            let own = std::env::current_exe()?;
            let words: Vec<String> = std::env::args().skip(1).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let played = namespaces::enter(&own, &words)?;
            return Ok(if played.success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    let transcript = Rc::new(Transcript::new());
    let played = play(&acts, &transcript, args.keep);
    if let Err(error) = &played {
        transcript.failed(&error.to_string());
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
    say::line(&format!("\n{} acts passed, 0 failed", acts.len()));
    Ok(ExitCode::SUCCESS)
}

fn play(acts: &[&Act], transcript: &Rc<Transcript>, keep: bool) -> Result<(), Box<dyn Error>> {
    for (at, act) in acts.iter().enumerate() {
        transcript.act(act.name, act.title);
        let stage = Stage::new(transcript, keep && at + 1 == acts.len())?;
        (act.play)(&stage).map_err(|error| format!("act {}: {error}", act.name))?;
    }
    Ok(())
}

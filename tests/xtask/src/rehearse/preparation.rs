//! What acts need is built and installed in the order of the acts: on a fresh machine the first one plays while the rest
//! compiles.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use support::components;
use support::real_masters::namespaces;

use super::Act;
use crate::{plugins, say, target_folder};

/// What masters run beside the programs of other acts.
const MASTERS: [&str; 2] = ["kubelet", "containerd"];

/// Acts that are being prepared.
pub struct Preparation {
    /// Of each act in its order.
    ready: Receiver<Result<Ready, String>>,
}

/// An act that can be played.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// On real masters.
    pub on_real_masters: bool,
}

impl Preparation {
    /// Begins with all that `acts` need.
    pub fn begin(acts: &[&'static Act]) -> Self {
        let (sender, ready) = mpsc::channel();
        let acts = acts.to_vec();
        thread::spawn(move || {
            let mut built = Built::Nothing;
            for act in acts {
                let prepared = prepare(act, &mut built);
                let failed = prepared.is_err();
                if sender.send(prepared).is_err() || failed {
                    return;
                }
            }
        });
        Self { ready }
    }

    /// Waits until the next act can be played.
    pub fn next(&self) -> Result<Ready, String> {
        match self.ready.try_recv() {
            Ok(prepared) => prepared,
            Err(_) => {
                say::note("waiting for what the next act needs");
                let ended = |_| "the thread that builds has ended".to_owned();
                self.ready.recv().map_err(ended)?
            }
        }
    }
}

/// Which plugins are built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Built {
    Nothing,
    /// Those of the first act.
    First,
    All,
}

fn prepare(act: &Act, built: &mut Built) -> Result<Ready, String> {
    thread::scope(|scope| {
        // Cargo waits for one crate or the other about half of its time: these use it.
        let installed = scope.spawn(|| install(act.components));
        build(act, built)?;
        installed.join().map_err(|_| "a thread has ended".to_owned())?
    })?;
    Ok(Ready {
        on_real_masters: act.real_masters && real_masters(),
    })
}

fn install(names: &[&str]) -> Result<(), String> {
    for name in names {
        components::ensure(name).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The plugins of the first act alone, where none was built before: to build all takes three times as long. Where they
/// were, cargo would build what they share anew for one alone.
fn build(act: &Act, built: &mut Built) -> Result<(), String> {
    let alone = *built == Built::Nothing && act.plugins.len() < plugins::ALL.len() && !were_built();
    let wanted = if alone || (*built == Built::First && act.plugins.iter().all(|plugin| is_built(plugin))) {
        Built::First
    } else {
        Built::All
    };
    if *built == wanted {
        return Ok(());
    }
    let names = if wanted == Built::First {
        act.plugins
    } else {
        &plugins::ALL
    };
    // The first is waited for with nothing else to see than cargo's own progress.
    let result = if *built == Built::Nothing {
        plugins::build(names, &[])
    } else {
        let begun = Instant::now();
        say::note(&format!("building {}", names.join(", ")));
        let result = plugins::build(names, &["--quiet"]);
        say::note(&format!("built in {} s", begun.elapsed().as_secs()));
        result
    };
    *built = wanted;
    result.map_err(|error| error.to_string())
}

fn were_built() -> bool {
    plugins::ALL.iter().all(|plugin| is_built(plugin))
}

fn is_built(plugin: &str) -> bool {
    target_folder().join("debug").join(plugin).is_file()
}

/// Whether masters can be had for real; says why not.
fn real_masters() -> bool {
    let missing = || MASTERS.iter().find_map(|name| components::ensure(name).err());
    let why = match namespaces::refusal() {
        Some(refusal) => refusal.to_string(),
        None => match missing() {
            Some(missing) => missing.to_string(),
            None => return true,
        },
    };
    say::note(&format!("masters are played by stand-ins: {why}"));
    false
}

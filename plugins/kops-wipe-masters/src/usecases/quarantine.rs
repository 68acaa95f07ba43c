//! Reads the volumes in quarantine, for `restore-volumes` and `purge-volumes`.

use std::collections::BTreeSet;

use runbook_kit::failure::{AnyFailure, CommandError, with_repeating};
use runbook_kit::model::fleet::wipe::{quarantine, select};
use runbook_kit::model::fleet::{Instance, InstanceState, Volume, VolumeState};
use runbook_kit::usecases::{inventory, wipe_journal};

use crate::context::Context;
use crate::rules::quarantine::{Quarantine, QuarantinedVolume};
use crate::rules::read_volume::Reader;
use crate::usecases::journal::{self, JournalPorts};

/// Which of them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct VolumeArgs {
    /// Only these volumes
    #[arg(value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// Only volumes of this wipe: its ID or a unique prefix
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
}

/// Reads all of them, or only those that are named.
pub async fn gather(action: &'static str, args: &VolumeArgs, context: &Context) -> Result<Quarantine, AnyFailure> {
    let session = &context.session;
    let cluster = session.explicit_name(false).await?;
    let state = session.required_state()?;
    let folder = wipe_journal::folder(&state, &cluster);
    journal::require_no_run(JournalPorts::of(context), &folder).await?;
    let journals = wipe_journal::all(session.objects(), &folder).await?;
    let fleet = context.fleet.as_ref();
    let caller = fleet.caller().await?;
    let (volumes, inventory) = tokio::try_join!(
        fleet.volumes_tagged(quarantine::MARK, &cluster),
        inventory::inventory(fleet, &cluster)
    )?;
    if let Some(unknown) = args
        .volumes
        .iter()
        .find(|id| !volumes.iter().any(|volume| volume.id == **id))
    {
        let message = format!("{unknown} is not in quarantine for {cluster}");
        let known: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
        let hint = match known.is_empty() {
            true => format!("account {} in {} has none in quarantine", caller.account, caller.region),
            false => format!("in quarantine: {}", known.join(", ")),
        };
        return Err(CommandError::usage(message).hint(hint).into());
    }
    let run = args.run.as_deref().map(|run| full_run(run, &volumes)).transpose()?;
    let mut control_plane = select(&cluster, &inventory);
    control_plane
        .volumes
        .retain(|chosen| !volumes.iter().any(|volume| volume.id == chosen.thing.id));
    let wanted = |volume: &Volume| {
        let of_run = run
            .as_ref()
            .is_none_or(|run| volume.tags.get(quarantine::RUN_TAG) == Some(run));
        of_run && (args.volumes.is_empty() || args.volumes.contains(&volume.id))
    };
    let volumes = volumes
        .into_iter()
        .filter(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting) && wanted(volume))
        .map(|volume| QuarantinedVolume::of(volume, action, &cluster, &journals));
    let running = |instance: &&Instance| instance.state == InstanceState::Running;
    let readers = inventory.instances.iter().filter(running).filter_map(Reader::of);
    Ok(Quarantine {
        readers: readers.collect(),
        volumes: volumes.collect(),
        state_store: state.to_string(),
        cluster,
        caller,
        control_plane,
        journals,
    })
}

/// The ID of a wipe by its prefix.
fn full_run(run: &str, volumes: &[Volume]) -> Result<String, CommandError> {
    let runs: BTreeSet<&String> = volumes
        .iter()
        .filter_map(|volume| volume.tags.get(quarantine::RUN_TAG))
        .collect();
    let fits: Vec<&&String> = runs
        .iter()
        .filter(|known| !run.is_empty() && known.starts_with(run))
        .collect();
    let exact = fits.iter().find(|known| known.as_str() == run);
    match (exact, fits.as_slice()) {
        (Some(one), _) | (None, [one]) => Ok((**one).clone()),
        (None, several) => {
            let what = if several.is_empty() { "none" } else { "more than one" };
            let known: Vec<&str> = runs.iter().map(|known| known.as_str()).collect();
            let hint = match known.is_empty() {
                true => "no volume is in quarantine".to_owned(),
                false => format!("known wipes: {}", known.join(", ")),
            };
            Err(CommandError::usage(format!(
                "--run {run}: {what} of the wipes with volumes in quarantine has this ID"
            ))
            .hint(hint))
        }
    }
}

/// The command stopped at one volume; some may be done.
pub fn stopped(
    action: &str,
    at: &str,
    done: &[String],
    why: &str,
    hint: Option<String>,
    changed: bool,
) -> CommandError {
    let done = match done.is_empty() {
        true => "none".to_owned(),
        false => done.join(", "),
    };
    let message = format!("{action} stopped at {at}: {why}; done: {done}");
    let error = match changed {
        true => CommandError::after_change(message),
        false => CommandError::failed(message),
    };
    error.hint(with_repeating(hint, "continues with the rest"))
}

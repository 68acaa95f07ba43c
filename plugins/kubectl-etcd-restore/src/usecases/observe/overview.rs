//! Observes everything that shows how far the recovery of a cluster is. [`crate::rules::stage`] decides what follows from it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::wipe::{Selection, quarantine, terraform};
use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::model::liveness::{Liveness, ProbeResult};
use runbook_kit::model::observed::Observed;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{ChooseError, Picked, Rejected, pick_all};
use runbook_kit::usecases::liveness::Machines;
use runbook_kit::usecases::past_wipes::PastWipes;
use runbook_kit::usecases::wipe_journal::{self, StoredJournal};

use crate::context::Context;
use crate::rules::follow::{EtcdSeen, Follow, Seen};
use crate::rules::observation::{ApiSeen, Observation};
use crate::rules::preflight::ADOPTED_FOR;
use crate::rules::stage::{AccountMatch, Api, BestBackup, EtcdFacts, Facts, Quarantine, RunState, Wipe};
use crate::usecases::observe::aws::{self, AwsState};
use crate::usecases::observe::liveness::{self, LivenessEvidence};
use crate::usecases::observe::observer::Observer;
use crate::usecases::observe::{control_file, missing_instances};
use crate::usecases::run_record::{self, Present, Validity};

/// The default --etcd-prefix of kube-apiserver.
const PREFIX: &str = "/registry";
const NO_AWS: &str = "AWS could not be asked";

/// Observes everything.
pub async fn observe(catalogs: &[Catalog], access: &EtcdAccess, context: &Context) -> Result<Facts, AnyFailure> {
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let observer = Observer::open(context, catalogs, &[], access).await;
    let evidence = async {
        let (aws, journals) = tokio::join!(aws::ask_aws(&cluster, context), journals(catalogs, context));
        let machines = match &aws {
            Ok(aws) => aws.of_control_plane(&cluster),
            Err(why) => Machines::not_known(why),
        };
        let newest = journals.as_ref().ok().and_then(|journals| journals.last());
        let wiped = newest.and_then(|newest| liveness::wipe_ended(&newest.entry, &cluster));
        let evidence = liveness::gather(context, &cluster, catalogs, access, machines, wiped).await;
        (aws, journals, evidence)
    };
    let (observation, (machines, journals, evidence)) = tokio::join!(observer.observe(), evidence);
    let now = context.session.now();
    let verdicts: Vec<Liveness> = catalogs
        .iter()
        .zip(&observation.etcds)
        .map(|(catalog, seen)| evidence.of(catalog, &seen.etcd, &observation.api, now))
        .collect();
    let api = api(&observation, &evidence);
    let best_backups = best_backups(catalogs, &verdicts, &api, context).await;
    let mut etcds = Vec::new();
    for (((catalog, seen), liveness), best) in catalogs.iter().zip(&observation.etcds).zip(verdicts).zip(best_backups) {
        let follow = Follow::default().step(seen, now);
        etcds.push(EtcdFacts {
            etcd: catalog.store.etcd.clone(),
            state: follow.state,
            asked: !matches!(seen.etcd, EtcdSeen::NotAsked(_)),
            problem: follow.problem.clone(),
            queued: queued(seen, now),
            liveness,
            best,
        });
    }
    let (account, masters) = match &machines {
        Ok(machines) => (
            aws::account(machines, context),
            Observed::Known(aws::masters(&cluster, machines)),
        ),
        Err(why) => (
            AccountMatch::NotKnown(why.clone()),
            Observed::Unknown(NO_AWS.to_owned()),
        ),
    };
    let running = machines
        .as_ref()
        .map(|machines| aws::running(&cluster, &machines.inventory.instances));
    // What just did not answer is not asked again.
    let main = catalogs.iter().position(|catalog| catalog.store.etcd == MAIN);
    let main =
        main.filter(|at| matches!(observation.etcds.get(*at), Some(seen) if matches!(seen.etcd, EtcdSeen::Serving(_))));
    let leaseless = match main {
        Some(main) => leaseless(&observer, main).await,
        None => None,
    };
    let dead_nodes = match api.answers {
        true => dead_nodes(&observer, context).await,
        false => None,
    };
    let (wipe, quarantine) = aftermath(&cluster, &journals, &machines, context);
    Ok(Facts {
        members: catalogs
            .iter()
            .map(|catalog| catalog.store.members.len())
            .max()
            .unwrap_or_default(),
        run: run(catalogs, running, &journals, context).await?,
        terraform: of_terraform(&journals, &machines, context),
        leaseless,
        dead_nodes,
        account,
        masters,
        wipe,
        quarantine,
        etcds,
        api,
    })
}

async fn journals(catalogs: &[Catalog], context: &Context) -> Result<Vec<StoredJournal>, String> {
    let mut recovery = catalogs.iter().filter_map(|catalog| catalog.store.recovery.as_ref());
    let Some(folder) = recovery.find_map(|recovery| recovery.parent()) else {
        return Err("no state store is named".to_owned());
    };
    let read = wipe_journal::all(context.session.objects(), &folder).await;
    read.map_err(|error| chain(&error))
}

/// The last wipe, and the volumes in quarantine.
fn aftermath(
    cluster: &str,
    journals: &Result<Vec<StoredJournal>, String>,
    machines: &Result<AwsState, String>,
    context: &Context,
) -> (Observed<Option<Wipe>>, Observed<Quarantine>) {
    let none = Vec::new();
    let known = journals.as_ref().unwrap_or(&none);
    let wipe = match journals {
        Err(why) => Observed::Unknown(why.clone()),
        Ok(known) => Observed::Known(known.last().map(|newest| Wipe {
            ended: newest.entry.finished,
            detail: PastWipes::of(known, &[]).summary().join("; "),
        })),
    };
    let quarantine = match machines {
        Err(_) => Observed::Unknown(NO_AWS.to_owned()),
        Ok(machines) => {
            let after = PastWipes::of(known, &machines.quarantined);
            let state = context.session.state().ok().flatten();
            Observed::Known(Quarantine {
                count: after.count(),
                detail: PastWipes::of(&[], &machines.quarantined).summary().join("; "),
                way_back: state.and_then(|state| after.restore_command(cluster, &state)),
            })
        }
    };
    (wipe, quarantine)
}

/// Whether Terraform manages the cluster: by its spec, its groups, or the journal of the last wipe. Terraform must forget volumes in quarantine
/// first, as it restores their tags.
fn of_terraform(
    journals: &Result<Vec<StoredJournal>, String>,
    machines: &Result<AwsState, String>,
    context: &Context,
) -> Option<String> {
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let unseen = Selection::default();
    let selection = machines.as_ref().map_or(&unseen, |machines| &machines.selection);
    let last = journals.as_ref().ok().and_then(|journals| journals.last());
    let noted = last.and_then(|newest| newest.entry.plan.get("terraform")?.as_array());
    let sign = terraform::signs(spec, selection).into_iter().next().or_else(|| {
        let sign = noted?.first()?.as_str()?;
        Some(format!("by the last wipe: {sign}"))
    })?;
    let held = machines.as_ref().map(|machines| machines.quarantined.as_slice());
    let named: Vec<String> = held
        .unwrap_or_default()
        .iter()
        .filter_map(|volume| quarantine::originals(&volume.tags).remove("Name"))
        .collect();
    let forget = terraform::forget(named.iter().map(String::as_str));
    let forget: Vec<String> = forget.iter().map(|command| format!("`{command}`")).collect();
    Some(match forget.is_empty() {
        true => format!("Terraform manages it ({sign})"),
        false => format!(
            "Terraform manages it ({sign}), and restores the tags of volumes in quarantine unless they are removed from its state first ({})",
            forget.join(", ")
        ),
    })
}

/// The record of a run, and whether it is valid.
async fn run(
    catalogs: &[Catalog],
    running: Result<BTreeSet<String>, &String>,
    journals: &Result<Vec<StoredJournal>, String>,
    context: &Context,
) -> Result<RunState, AnyFailure> {
    let mut places = catalogs.iter().filter_map(|catalog| catalog.store.recovery.as_ref());
    let Some(at) = places.find_map(run_record::place) else {
        return Ok(RunState::None);
    };
    let record = match run_record::read(context.session.objects(), &at).await {
        Ok(Ok(None)) => return Ok(RunState::None),
        Ok(Ok(Some(record))) => record,
        Ok(Err(why)) => return Ok(RunState::NotKnown(format!("{at}: {why}"))),
        Err(error) => return Ok(RunState::NotKnown(chain(&error))),
    };
    let mut created = Vec::new();
    for catalog in catalogs {
        created.push((
            catalog.store.etcd.as_str(),
            control_file::created_marker(catalog, context).await?,
        ));
    }
    let age = context.session.now().duration_since(record.started);
    let begun = format!("started at {:.0}", record.started);
    let validity = record.validity(&Present {
        masters: &match running {
            Ok(masters) => Observed::Known(masters),
            Err(why) => Observed::Unknown(why.clone()),
        },
        wiped: match journals {
            Ok(journals) => Observed::Known(
                journals
                    .last()
                    .map(|newest| newest.entry.updated.max(newest.entry.started)),
            ),
            Err(why) => Observed::Unknown(why.clone()),
        },
        created: &created,
    });
    Ok(match validity {
        // `run` does not resume it.
        Validity::Holds | Validity::Doubtful(_) if age > ADOPTED_FOR => {
            RunState::Left(format!("{begun}, {} ago, and never completed", units::age(age)))
        }
        Validity::Holds => RunState::Holds(begun),
        Validity::Doubtful(why) => RunState::Doubtful(format!("{begun}; {why}")),
        Validity::Void(why) => RunState::Void(format!("{begun}; {why}")),
    })
}

fn queued(seen: &Seen, now: Timestamp) -> Vec<String> {
    let commands = seen.store.iter().flat_map(|store| &store.commands);
    let told = commands.map(|command| {
        let age = command
            .queued
            .map(|queued| format!(", {} old", units::age(now.duration_since(queued))));
        let what = match &command.backup {
            Ok(backup) => format!("to restore {backup}"),
            Err(why) => why.clone(),
        };
        format!("{} {what}{}", command.name, age.unwrap_or_default())
    });
    told.collect()
}

/// The best backups. They are read only where a restore may be the next step.
async fn best_backups(catalogs: &[Catalog], verdicts: &[Liveness], api: &Api, context: &Context) -> Vec<BestBackup> {
    let now = context.session.now();
    let alive = catalogs
        .iter()
        .zip(verdicts)
        .any(|(catalog, liveness)| catalog.store.etcd == MAIN && liveness.is_alive());
    if alive || api.ready == Some(true) {
        let newest = |catalog: &Catalog| match catalog.latest() {
            Some(newest) => format!("newest {}, {} old; ", newest.name, units::age(newest.age(now))),
            None => "no backup; ".to_owned(),
        };
        let told = catalogs.iter().map(|catalog| {
            BestBackup::NotJudged(format!("{}no restore is needed while main is alive", newest(catalog)))
        });
        return told.collect();
    }
    let picks = pick_all(context.session.choose_context(), catalogs, None).await;
    picks
        .into_iter()
        .map(|pick| match &pick.picked {
            Picked::None(ChooseError::NoneGood { rejected, .. }) => BestBackup::None(none_of(rejected)),
            Picked::None(error) if error.is_a_finding() => BestBackup::None(error.to_string()),
            Picked::None(error) => BestBackup::NotJudged(chain(error)),
            Picked::Good(chosen) | Picked::Sound { chosen, .. } => {
                let age = units::age(chosen.backup.age(now));
                let passed = match chosen.rejected.as_slice() {
                    [] => String::new(),
                    [newest, ..] => format!("; {} newer skipped, the newest: {newest}", chosen.rejected.len()),
                };
                let good = if matches!(pick.picked, Picked::Good(_)) {
                    "good"
                } else {
                    "intact"
                };
                BestBackup::Is(format!("{}, {good}, {age} old{passed}", chosen.backup.name))
            }
        })
        .collect()
}

fn none_of(rejected: &[Rejected]) -> String {
    let newest = rejected
        .first()
        .map(|newest| format!("; the newest: {newest}"))
        .unwrap_or_default();
    format!(
        "none of {} is good{newest}",
        units::counted(rejected.len() as u64, "backup")
    )
}

fn api(observation: &Observation, evidence: &LivenessEvidence) -> Api {
    let by_address = matches!(observation.api, ApiSeen::Elsewhere(_));
    let proven = by_address || matches!(evidence.api(), ProbeResult::Answers(_));
    let doubt = match evidence.api() {
        ProbeResult::NotChecked { why, .. } if !proven => Some(why),
        _ => None,
    };
    match (&observation.api, doubt) {
        (ApiSeen::NotAsked(why), _) => Api {
            ready: None,
            answers: false,
            proven: false,
            detail: why.clone(),
        },
        // Another cluster's certificate, or no context of this cluster: nothing is known of this cluster's API.
        (ApiSeen::Silent(_), Some(why)) => Api {
            ready: None,
            answers: false,
            proven: false,
            detail: why.clone(),
        },
        (ApiSeen::Silent(why), None) => Api {
            ready: Some(false),
            answers: false,
            proven,
            detail: why.clone(),
        },
        (seen, doubt) => Api {
            ready: seen.serves(),
            answers: true,
            proven,
            detail: doubt.cloned().unwrap_or_else(|| seen.describe()),
        },
    }
}

/// Masterleases without a lease; `kubectl masterleases` checks which of them are stale.
async fn leaseless(observer: &Observer<'_>, main: usize) -> Option<usize> {
    let range = observer.range(main, format!("{PREFIX}{FOLDER}").as_bytes()).await?;
    Some(range.keys.iter().filter(|key| key.lease == 0).count())
}

/// Nodes without an instance in AWS.
async fn dead_nodes(observer: &Observer<'_>, context: &Context) -> Option<usize> {
    let nodes = observer.api()?.nodes().await.ok()?;
    Some(missing_instances::of(&nodes, context).await?.len())
}

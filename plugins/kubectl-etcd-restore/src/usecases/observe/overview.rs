//! Looks at everything that tells where a cluster is in its recovery. It observes only; what follows from it is [`crate::rules::stage`]'s.

use runbook_kit::model::observed::Observed;
use std::collections::BTreeSet;

use crate::rules::follow::{EtcdSeen, Follow};
use crate::rules::preflight::ADOPTED_FOR;
use crate::usecases::queue;
use crate::usecases::run_record::{self, Present, Validity};
use jiff::Timestamp;
use runbook_kit::failure::AnyFailure;
use runbook_kit::failure::{chain, chain_with_hint};
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::check::Check;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::wipe::whereabouts::{Rest, named_networks, place, whereabouts};
use runbook_kit::model::fleet::wipe::{Selection, quarantine, select, terraform};
use runbook_kit::model::fleet::{
    Caller, Instance, InstanceState, Inventory, Tags, Volume, VolumeState, etcds, is_master, may_be_master,
};
use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::model::liveness::{Liveness, ProbeResult};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::units;
use runbook_kit::ports::fleet::{Fleet, FleetError};
use runbook_kit::usecases::aftermath::{self, Aftermath};
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{ChooseError, Picked, Rejected, pick_all};
use runbook_kit::usecases::liveness;
use runbook_kit::usecases::wipe_journal::{self, Newest};

use crate::context::Context;
use crate::rules::stage::{Api, Best, EtcdStanding, Facts, Masters, Next, Place, Quarantine, Run, Wipe, who};
use crate::usecases::observe::missing_instances;
use crate::usecases::observe::observer::{ApiSeen, Look, Observer};
use crate::usecases::observe::signs::{self, Signs};
use crate::usecases::observe::survey::{AWS_TIMEOUT, marker};

/// Where API servers keep their objects, unless they were told otherwise.
const PREFIX: &str = "/registry";
const NO_AWS: &str = "AWS could not be asked";

/// What AWS has of the cluster.
struct Machines {
    caller: Caller,
    inventory: Inventory,
    /// What of it is certainly the control plane.
    selection: Selection,
    quarantined: Vec<Volume>,
    /// Its VPCs and subnets; asked only where nothing else was found.
    networks: usize,
    /// Those of the spec's networks that are there.
    existing: Result<BTreeSet<String>, String>,
}

impl Machines {
    /// As the verdict on life wants them.
    fn of_control_plane(&self, cluster: &str) -> liveness::Machines {
        let Inventory {
            groups,
            instances,
            volumes,
        } = &self.inventory;
        liveness::Machines::of(cluster, instances, groups, Ok(volumes))
    }
}

/// Looks.
pub async fn look(catalogs: &[Catalog], access: &EtcdAccess, context: &Context) -> Result<Facts, AnyFailure> {
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let observer = Observer::open(context, catalogs, &[], access).await;
    let machines_and_signs = async {
        let machines = machines(&cluster, context).await;
        let known = match &machines {
            Ok(machines) => machines.of_control_plane(&cluster),
            Err(why) => liveness::Machines::not_known(why),
        };
        let signs = signs::gather(context, &cluster, catalogs, access, Some(known)).await;
        (machines, signs)
    };
    let (look, (machines, signs), journals) =
        tokio::join!(observer.look(), machines_and_signs, journals(catalogs, context));
    let now = context.session.now();
    let lives: Vec<Liveness> = catalogs
        .iter()
        .zip(&look.etcds)
        .map(|(catalog, seen)| signs.of(catalog, &seen.etcd, &look.api, now))
        .collect();
    let api = api(&look, &signs);
    let bests = bests(catalogs, &lives, &api, context).await;
    let mut etcds = Vec::new();
    for (((catalog, seen), life), best) in catalogs.iter().zip(&look.etcds).zip(lives).zip(bests) {
        let follow = Follow::default().step(seen, now);
        etcds.push(EtcdStanding {
            etcd: catalog.store.etcd.clone(),
            state: follow.state,
            asked: !matches!(seen.etcd, EtcdSeen::NotAsked(_)),
            problem: follow.problem.clone(),
            queued: queued(catalog, now, context).await?,
            life,
            best,
        });
    }
    let (place, masters) = match &machines {
        Ok(machines) => (
            where_it_is(machines, context),
            Observed::Known(masters(&cluster, machines)),
        ),
        Err(why) => (Place::NotKnown(why.clone()), Observed::Unknown(NO_AWS.to_owned())),
    };
    let running = machines
        .as_ref()
        .map(|machines| running(&cluster, &machines.inventory.instances));
    let (wipe, quarantine) = aftermath(&cluster, &journals, &machines, context);
    Ok(Facts {
        members: catalogs
            .iter()
            .map(|catalog| catalog.store.members.len())
            .max()
            .unwrap_or_default(),
        run: run(catalogs, running, &journals, context).await?,
        terraform: of_terraform(&journals, &machines, context),
        leaseless: leaseless(&observer, catalogs).await,
        dead_nodes: dead_nodes(&observer, context).await,
        place,
        masters,
        wipe,
        quarantine,
        etcds,
        api,
    })
}

async fn machines(cluster: &str, context: &Context) -> Result<Machines, String> {
    if cluster.is_empty() {
        return Err("no cluster is named".to_owned());
    }
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let named = spec.map(named_networks).unwrap_or_default();
    let asked = tokio::time::timeout(AWS_TIMEOUT, ask(cluster, &named, context.fleet()));
    asked
        .await
        .map_err(|_| format!("AWS gave no answer within {} s", AWS_TIMEOUT.as_secs()))?
        .map_err(|error| chain_with_hint(&error))
}

async fn ask(cluster: &str, named: &[String], fleet: &dyn Fleet) -> Result<Machines, FleetError> {
    // Who has no credentials is told that, and not the same of whatever fails first.
    let caller = fleet.caller().await?;
    let (groups, instances, volumes, quarantined) = tokio::try_join!(
        fleet.groups_of(cluster),
        fleet.instances_of(cluster),
        fleet.volumes_of(cluster),
        aftermath::quarantined(fleet, cluster)
    )?;
    let nothing = groups.is_empty() && instances.is_empty() && volumes.is_empty() && quarantined.is_empty();
    let networks = match nothing {
        true => fleet.networks_of(cluster).await?.len(),
        false => 0,
    };
    // Whoever may not ask for networks may look at the rest all the same.
    let existing = match named.is_empty() {
        true => Ok(Vec::new()),
        false => fleet.networks(named).await.map_err(|error| chain_with_hint(&error)),
    };
    let inventory = Inventory {
        groups,
        instances,
        volumes,
    };
    Ok(Machines {
        caller,
        selection: select(cluster, &inventory),
        inventory,
        quarantined,
        networks,
        existing: existing.map(|existing| existing.into_iter().collect()),
    })
}

/// As the wipe looks at it: whoever would refuse to wipe here cannot say what is missing here either.
fn where_it_is(machines: &Machines, context: &Context) -> Place {
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let selection = &machines.selection;
    let rest = Rest {
        quarantined: machines.quarantined.len(),
        networks: machines.networks,
    };
    let region = spec.and_then(|spec| spec.region.as_deref());
    let caller = &machines.caller;
    let mut checks = whereabouts(caller, region, &machines.inventory, selection, rest);
    if let Some(spec) = spec.filter(|_| !checks.iter().any(Check::blocks)) {
        match &machines.existing {
            Ok(existing) => checks.extend(place(spec, caller, selection, existing)),
            Err(why) => return Place::NotKnown(format!("whether the spec's networks are there is not known: {why}")),
        }
    }
    if let Some(block) = checks.iter().find(|check| check.blocks()) {
        let next = match region.filter(|region| *region != caller.region) {
            Some(region) => Next::OfCluster(ShellCommand::of("kubectl etcd-restore").option("--region", region)),
            None => who(),
        };
        return Place::Foreign {
            why: block.message.clone(),
            next,
        };
    }
    let at = format!("account {} in {}", caller.account, caller.region);
    if spec.is_none() {
        return Place::NotKnown(format!(
            "{at} was asked, and no spec of the cluster tells whether that is its own"
        ));
    }
    match checks.iter().find(|check| !check.ok) {
        Some(doubt) => Place::Unproven(format!("{at} was asked; {}", doubt.message)),
        None => {
            let said: Vec<&str> = checks.iter().map(|check| check.message.as_str()).collect();
            Place::Own(said.join("; "))
        }
    }
}

/// That there is no master is said only where none may be one.
fn masters(cluster: &str, machines: &Machines) -> Masters {
    let count = |state, is_one: fn(&Tags, &str) -> bool| {
        let instances = machines.inventory.instances.iter();
        let masters = instances.filter(|instance| is_one(&instance.tags, cluster));
        masters.filter(|instance| instance.state == state).count()
    };
    let groups = machines.inventory.groups.iter();
    Masters {
        groups: groups
            .filter(|group| may_be_master(&group.tags, cluster) && group.status.is_none())
            .count(),
        running: match count(InstanceState::Running, is_master) {
            0 => count(InstanceState::Running, may_be_master),
            certain => certain,
        },
        pending: count(InstanceState::Pending, may_be_master),
        stopped: [InstanceState::Stopping, InstanceState::Stopped, InstanceState::Unknown]
            .into_iter()
            .map(|state| count(state, may_be_master))
            .sum(),
        leaving: leaving(cluster, &machines.inventory) + count(InstanceState::ShuttingDown, may_be_master),
    }
}

/// Groups and etcd volumes that AWS is about to remove.
fn leaving(cluster: &str, inventory: &Inventory) -> usize {
    let groups = inventory.groups.iter();
    let groups = groups.filter(|group| may_be_master(&group.tags, cluster) && group.status.is_some());
    let volumes = inventory.volumes.iter();
    let volumes = volumes.filter(|volume| volume.state == VolumeState::Deleting && !etcds(&volume.tags).is_empty());
    groups.count() + volumes.count()
}

fn running(cluster: &str, instances: &[Instance]) -> BTreeSet<String> {
    let masters = instances
        .iter()
        .filter(|instance| instance.state == InstanceState::Running && is_master(&instance.tags, cluster));
    masters.map(|instance| instance.id.clone()).collect()
}

async fn journals(catalogs: &[Catalog], context: &Context) -> Result<Vec<Newest>, String> {
    let mut recovery = catalogs.iter().filter_map(|catalog| catalog.store.recovery.as_ref());
    let Some(folder) = recovery.find_map(|recovery| recovery.parent()) else {
        return Err("no state store is named".to_owned());
    };
    let read = wipe_journal::all(context.session.objects(), &folder).await;
    read.map_err(|error| chain(&error))
}

/// What wipes left behind.
fn aftermath(
    cluster: &str,
    journals: &Result<Vec<Newest>, String>,
    machines: &Result<Machines, String>,
    context: &Context,
) -> (Observed<Option<Wipe>>, Observed<Quarantine>) {
    let none = Vec::new();
    let known = journals.as_ref().unwrap_or(&none);
    let wipe = match journals {
        Err(why) => Observed::Unknown(why.clone()),
        Ok(known) => Observed::Known(known.last().map(|newest| Wipe {
            ended: newest.entry.finished,
            says: Aftermath::of(known, &[]).words().join("; "),
        })),
    };
    let quarantine = match machines {
        Err(_) => Observed::Unknown(NO_AWS.to_owned()),
        Ok(machines) => {
            let after = Aftermath::of(known, &machines.quarantined);
            let state = context.session.state().ok().flatten();
            Observed::Known(Quarantine {
                count: after.count(),
                says: Aftermath::of(&[], &machines.quarantined).words().join("; "),
                way_back: state.and_then(|state| after.way_back(cluster, &state)),
            })
        }
    };
    (wipe, quarantine)
}

/// By the cluster's spec, its groups, or what the last wipe saw while there were groups. Volumes in quarantine have to be forgotten first:
/// Terraform gives them their tags back.
fn of_terraform(
    journals: &Result<Vec<Newest>, String>,
    machines: &Result<Machines, String>,
    context: &Context,
) -> Option<String> {
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let unseen = Selection::default();
    let selection = machines.as_ref().map_or(&unseen, |machines| &machines.selection);
    let last = journals.as_ref().ok().and_then(|journals| journals.last());
    let noted = last.and_then(|newest| newest.entry.plan.get("terraform")?.as_array());
    let sign = terraform::signs(spec, selection).into_iter().next().or_else(|| {
        let sign = noted?.first()?.as_str()?;
        Some(format!("the last wipe saw that {sign}"))
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
            "Terraform manages it ({sign}), and gives volumes in quarantine their tags back unless it forgets them first ({})",
            forget.join(", ")
        ),
    })
}

/// The note of a run, and whether it is of the masters that run now.
async fn run(
    catalogs: &[Catalog],
    running: Result<BTreeSet<String>, &String>,
    journals: &Result<Vec<Newest>, String>,
    context: &Context,
) -> Result<Run, AnyFailure> {
    let mut places = catalogs.iter().filter_map(|catalog| catalog.store.recovery.as_ref());
    let Some(at) = places.find_map(run_record::place) else {
        return Ok(Run::None);
    };
    let record = match run_record::read(context.session.objects(), &at).await {
        Ok(Ok(None)) => return Ok(Run::None),
        Ok(Ok(Some(record))) => record,
        Ok(Err(why)) => return Ok(Run::NotKnown(format!("{at}: {why}"))),
        Err(error) => return Ok(Run::NotKnown(chain(&error))),
    };
    let mut created = Vec::new();
    for catalog in catalogs {
        created.push((catalog.store.etcd.as_str(), marker(catalog, context).await?));
    }
    let age = context.session.now().duration_since(record.started);
    let begun = format!("begun at {:.0}", record.started);
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
        // As `run` has it, which refuses to go on with that one.
        Validity::Holds | Validity::Doubtful(_) if age > ADOPTED_FOR => {
            Run::Left(format!("{begun}, {} ago, and never seen to end", units::age(age)))
        }
        Validity::Holds => Run::Holds(begun),
        Validity::Doubtful(why) => Run::Doubtful(format!("{begun}; {why}")),
        Validity::Void(why) => Run::Void(format!("{begun}; {why}")),
    })
}

async fn queued(catalog: &Catalog, now: Timestamp, context: &Context) -> Result<Vec<String>, AnyFailure> {
    let found = queue::commands(context.session.objects(), catalog).await?;
    let told = found.iter().map(|found| {
        let queued = found.command.as_ref().ok().and_then(|command| command.queued());
        let age = queued.map(|queued| format!(", {} old", units::age(now.duration_since(queued))));
        let what = match found.backup() {
            Ok(backup) => format!("to restore {backup}"),
            Err(why) => why.to_owned(),
        };
        format!("{} {what}{}", found.name, age.unwrap_or_default())
    });
    Ok(told.collect())
}

/// Backups are looked into only where a restore may come next: that reads them.
async fn bests(catalogs: &[Catalog], lives: &[Liveness], api: &Api, context: &Context) -> Vec<Best> {
    let now = context.session.now();
    let alive = catalogs
        .iter()
        .zip(lives)
        .any(|(catalog, life)| catalog.store.etcd == MAIN && life.is_alive());
    if alive || api.ready == Some(true) {
        let newest = |catalog: &Catalog| match catalog.latest() {
            Some(newest) => format!("newest {}, {} old; ", newest.name, units::age(newest.age(now))),
            None => "there is none; ".to_owned(),
        };
        let told = catalogs.iter().map(|catalog| {
            Best::NotJudged(format!(
                "{}nothing has to be restored while main is alive",
                newest(catalog)
            ))
        });
        return told.collect();
    }
    let picks = pick_all(context.session.choose_context(), catalogs, None).await;
    picks
        .into_iter()
        .map(|pick| match &pick.picked {
            Picked::None(ChooseError::NoneGood { rejected, .. }) => Best::None(none_of(rejected)),
            Picked::None(error) if error.is_a_finding() => Best::None(error.to_string()),
            Picked::None(error) => Best::NotJudged(chain(error)),
            Picked::Good(chosen) | Picked::Sound { chosen, .. } => {
                let age = units::age(chosen.backup.age(now));
                let passed = match chosen.rejected.as_slice() {
                    [] => String::new(),
                    [newest, ..] => format!("; {} younger passed over, the newest: {newest}", chosen.rejected.len()),
                };
                let good = if matches!(pick.picked, Picked::Good(_)) {
                    "good"
                } else {
                    "sound"
                };
                Best::Is(format!("{}, {good}, {age} old{passed}", chosen.backup.name))
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

fn api(look: &Look, signs: &Signs) -> Api {
    let by_address = matches!(look.api, ApiSeen::Elsewhere(_));
    let proven = by_address || matches!(signs.api(), ProbeResult::Answers(_));
    let doubt = match signs.api() {
        ProbeResult::NotChecked { why, .. } if !proven => Some(why),
        _ => None,
    };
    match (&look.api, doubt) {
        (ApiSeen::NotAsked(why), _) => Api {
            ready: None,
            answers: false,
            proven: false,
            says: why.clone(),
        },
        // Another one's certificate, or no context of this cluster: that says nothing of this cluster's API.
        (ApiSeen::Silent(_), Some(why)) => Api {
            ready: None,
            answers: false,
            proven: false,
            says: why.clone(),
        },
        (ApiSeen::Silent(why), None) => Api {
            ready: Some(false),
            answers: false,
            proven,
            says: why.clone(),
        },
        (seen, doubt) => Api {
            ready: seen.serves(),
            answers: true,
            proven,
            says: doubt.cloned().unwrap_or_else(|| seen.says()),
        },
    }
}

/// One look only: whether a key without a lease is stale, `kubectl masterleases` watches.
async fn leaseless(observer: &Observer<'_>, catalogs: &[Catalog]) -> Option<usize> {
    let main = catalogs.iter().position(|catalog| catalog.store.etcd == MAIN)?;
    let range = observer.range(main, format!("{PREFIX}{FOLDER}").as_bytes()).await?;
    Some(range.keys.iter().filter(|key| key.lease == 0).count())
}

/// Nodes whose instance AWS does not have any more.
async fn dead_nodes(observer: &Observer<'_>, context: &Context) -> Option<usize> {
    let nodes = observer.api().await?.nodes().await.ok()?;
    Some(missing_instances::of(&nodes, context).await?.len())
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::Group;

    use super::*;

    const CLUSTER: &str = "super.k8s.local";

    fn tags(more: &[(&str, &str)]) -> Tags {
        let of_cluster = [("KubernetesCluster", CLUSTER), ("k8s.io/role/master", "1")];
        let both = of_cluster.iter().chain(more);
        both.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn found(groups: &[Option<&str>], instances: &[InstanceState], volumes: &[(VolumeState, bool)]) -> Masters {
        let group = |status: &Option<&str>| Group {
            tags: tags(&[]),
            status: status.map(str::to_owned),
            ..Group::default()
        };
        let instance = |state: &InstanceState| Instance {
            tags: tags(&[]),
            state: *state,
            ..Instance::default()
        };
        let volume = |(state, of_etcd): &(VolumeState, bool)| Volume {
            tags: match of_etcd {
                true => tags(&[("k8s.io/etcd/main", "a/a,b,c")]),
                false => tags(&[]),
            },
            state: *state,
            ..Volume::default()
        };
        let inventory = Inventory {
            groups: groups.iter().map(group).collect(),
            instances: instances.iter().map(instance).collect(),
            volumes: volumes.iter().map(volume).collect(),
        };
        masters(
            CLUSTER,
            &Machines {
                caller: Caller::default(),
                selection: select(CLUSTER, &inventory),
                inventory,
                quarantined: Vec::new(),
                networks: 0,
                existing: Ok(BTreeSet::new()),
            },
        )
    }

    #[test]
    fn what_aws_still_removes_and_what_is_stopped_is_neither_there_nor_gone() {
        use InstanceState::{Running, ShuttingDown, Stopped, Stopping, Terminated};
        let nothing = Masters::default();
        // For about an hour AWS lists what it has terminated.
        assert_eq!(found(&[], &[Terminated], &[(VolumeState::Available, true)]), nothing);
        for (left, expected) in [
            (found(&[Some("Delete in progress")], &[], &[]), 1),
            (found(&[], &[ShuttingDown, Terminated], &[]), 1),
            (found(&[], &[], &[(VolumeState::Deleting, true)]), 1),
            (found(&[], &[], &[(VolumeState::Deleting, false)]), 0),
            (
                found(
                    &[Some("Delete in progress")],
                    &[ShuttingDown],
                    &[(VolumeState::Deleting, true)],
                ),
                3,
            ),
        ] {
            let leaving = Masters {
                leaving: expected,
                ..nothing
            };
            assert_eq!(left, leaving);
        }
        let stopped = found(&[None], &[Stopped, Stopping, Running], &[]);
        let expected = Masters {
            groups: 1,
            running: 1,
            stopped: 2,
            ..nothing
        };
        assert_eq!(stopped, expected);
    }
}

//! Observes everything that matters before a restore is queued: what `plan`, `queue` and `run` have in common.

mod etcd;
mod known;
mod salvage;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::check::Check;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::Instance;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::catalog::Catalog;

use crate::context::Context;
use crate::rules::follow::EtcdSeen;
use crate::rules::observation::{ApiSeen, Observation};
use crate::rules::preflight::{self, ClusterFacts, ControlFact, EtcdFacts, QueuedFact};
use crate::usecases::choose::{self, Before, Choice, WantedArgs};
use crate::usecases::observe::left_out::{self, OtherEtcds};
use crate::usecases::observe::observer::Observer;
use crate::usecases::observe::{age, aws, control_file, liveness, wiped};
use crate::usecases::queue::QueuedCommand;
use crate::usecases::run_record::{Present, RunRecord, Validity};
use crate::usecases::target::Target;
use known::{Known, counts, is_the_same};

/// Where kops stores the encryption config of the API servers.
const ENCRYPTION_CONFIG: &str = "secrets/encryptionconfig";

/// What to plan.
pub struct SurveyRequest<'a> {
    pub wanted: &'a WantedArgs,
    pub fresh: &'a [String],
    pub access: &'a EtcdAccess,
    /// An older backup requires confirmation by cluster name.
    pub max_age: SignedDuration,
    /// Whether to resume an unfinished run.
    pub resume: bool,
    /// Whether commands are only queued: then no etcd cluster is seeded unless named, and one that is left out does not block.
    pub one_by_one: bool,
    /// The etcd clusters that are left out.
    pub others: &'a OtherEtcds,
}

/// The result.
pub struct Survey<'a> {
    pub facts: ClusterFacts,
    pub checks: Vec<Check>,
    pub targets: Vec<Target<'a>>,
    /// The record of an unfinished run, unless it is invalid.
    pub record: Option<RunRecord>,
    /// An invalid record, and why.
    pub void: Option<(RunRecord, String)>,
    /// The running masters.
    pub masters: Observed<BTreeSet<String>>,
    /// The URL of the record.
    pub record_at: Option<StoreUrl>,
    /// What was not checked.
    pub unseen: Vec<String>,
    /// The time of the survey.
    pub now: Timestamp,
}

impl Survey<'_> {
    /// Whether a check blocks.
    pub fn blocked(&self) -> bool {
        self.checks.iter().any(Check::blocks)
    }

    /// The etcd clusters that are proven alive, and will lose data.
    pub fn alive(&self) -> Vec<&str> {
        let alive = self.at_risk().into_iter().filter(|etcd| etcd.liveness.is_alive());
        alive.map(|etcd| etcd.etcd.as_str()).collect()
    }

    /// The etcd clusters that are changed and not proven dead, without those that are queued already.
    pub fn at_risk(&self) -> Vec<&EtcdFacts> {
        let both = self.facts.etcds.iter().zip(&self.targets);
        let open = both.filter(|(etcd, target)| target.submitted.is_none() && etcd.at_risk());
        open.map(|(etcd, _)| etcd).collect()
    }
}

/// Observes everything, chooses the backups and runs the checks.
pub async fn survey<'a>(
    request: &SurveyRequest<'_>,
    catalogs: &'a [Catalog],
    context: &Context,
) -> Result<Survey<'a>, AnyFailure> {
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let known = Known::read(request.resume, catalogs, context).await?;
    let observer = Observer::open(context, catalogs, &request.others.catalogs, request.access).await;
    let choose = async |records: &[Option<&RunRecord>]| {
        let now = context.session.now();
        let before: Vec<Before<'a, '_>> = catalogs
            .iter()
            .zip(&known.queues)
            .zip(records)
            .map(|((catalog, queue), record)| Before {
                catalog,
                adoptable: match queue.as_slice() {
                    [only] if queued_fact(only, catalog, *record, now).may_be_resumed() => Some(only),
                    _ => None,
                },
                queue,
                record: *record,
            })
            .collect();
        choose::choose(&before, request.wanted, request.fresh, !request.one_by_one, context).await
    };
    let evidence = async {
        let ended = match &known.wipe {
            Observed::Known(Some(entry)) => liveness::wipe_ended(entry, &cluster),
            _ => None,
        };
        let (masters, machines) = aws::control_plane(context, &cluster, ended).await;
        let (evidence, volumes) = tokio::join!(
            liveness::gather(context, &cluster, catalogs, request.access, machines, ended),
            salvage::volumes(&cluster, &masters, context)
        );
        (masters, evidence, volumes)
    };
    let (observation, evidence, masters, volumes, validity, choices, records) = match &known.record {
        // Hosts that are gone time out while the backups are verified.
        None => {
            let records: Vec<Option<&RunRecord>> = catalogs.iter().map(|_| None).collect();
            let (observation, (masters, evidence, volumes), choices) =
                tokio::join!(observer.observe(), evidence, choose(&records));
            (
                observation,
                evidence,
                masters,
                volumes,
                Validity::Holds,
                choices?,
                records,
            )
        }
        // The choice depends on the record, and the record's validity on the masters.
        Some(record) => {
            let (observation, (masters, evidence, volumes)) = tokio::join!(observer.observe(), evidence);
            let created: Vec<(&str, Option<String>)> = catalogs
                .iter()
                .map(|catalog| catalog.store.etcd.as_str())
                .zip(known.created.iter().cloned())
                .collect();
            let validity = record.validity(&Present {
                masters: &ids(&masters),
                wiped: wiped::last(&known.wipe),
                created: &created,
            });
            let doubtful = matches!(validity, Validity::Doubtful(_));
            let each = catalogs
                .iter()
                .zip(&known.queues)
                .zip(&observation.etcds)
                .zip(&known.created);
            let records: Vec<Option<&RunRecord>> = each
                .map(|(((catalog, queue), seen), created)| {
                    let etcd = &catalog.store.etcd;
                    let holds = !matches!(validity, Validity::Void(_))
                        && counts(record, doubtful, etcd, queue, &seen.etcd, created.as_deref());
                    holds.then_some(record)
                })
                .collect();
            let choices = choose(&records).await?;
            (observation, evidence, masters, volumes, validity, choices, records)
        }
    };
    let now = context.session.now();
    let mut etcds = Vec::new();
    let mut targets = Vec::new();
    let each = catalogs.iter().zip(&known.queues).zip(choices).zip(&observation.etcds);
    let each = each.zip(&known.created).zip(&records);
    for (index, (((((catalog, queue), choice), seen), created), record)) in each.enumerate() {
        let choice = match (choice, &seen.etcd) {
            // The user has not named it, and it serves already.
            (Choice::Fresh(why), EtcdSeen::Serving(_)) if !why.is_empty() => Choice::Leave(why),
            (choice, _) => choice,
        };
        let queued: Vec<QueuedFact> = queue
            .iter()
            .map(|found| queued_fact(found, catalog, *record, context.session.now()))
            .collect();
        let (mut facts, content) = etcd::of_etcd(catalog, queued, &choice, created.as_deref(), context).await?;
        facts.observed = seen.etcd.clone();
        facts.liveness = evidence.of(catalog, &seen.etcd, &observation.api, now);
        let queued = facts.adopted().map(|own| own.name.clone());
        let submitted = record.and_then(|record| record.of(&catalog.store.etcd));
        let submitted = submitted.filter(|submitted| queue.is_empty() && is_the_same(submitted, &choice));
        if let (EtcdSeen::Serving(answer), Some(content), None) = (&seen.etcd, &content, submitted) {
            facts.data_loss = Some(if answer.leader {
                observer.data_loss(index, content).await
            } else {
                Observed::Unknown("it has no leader, as too few of its members are up".to_owned())
            });
        }
        // What a leader serves is compared key by key.
        let alone = matches!(&seen.etcd, EtcdSeen::Serving(answer) if !answer.leader);
        facts.salvage = salvage::facts(
            &salvage::Seen {
                catalog,
                choice: &choice,
                content: content.as_ref(),
                members: match alone && submitted.is_none() {
                    true => observer.members(index).await,
                    false => Vec::new(),
                },
                volumes: match &seen.etcd {
                    EtcdSeen::Serving(_) => &[],
                    _ => &volumes,
                },
                masters: masters.known().map(Vec::as_slice).unwrap_or_default(),
                wipe: known.wipe.known().and_then(Option::as_ref),
            },
            request.access,
            context,
        );
        targets.push(Target {
            catalog,
            submitted: submitted.cloned(),
            queued: queued.and_then(|name| queue.iter().find(|found| found.name == name).cloned()),
            choice,
            spec: match &facts.spec {
                ControlFact::Valid(spec) => Some(spec.clone()),
                _ => None,
            },
            created: created.clone(),
            seen: seen.etcd.clone(),
            no_members: wiped::no_members(&known.wipe, catalog, &masters),
        });
        etcds.push(facts);
    }
    let others = observation.etcds.get(catalogs.len()..).unwrap_or_default();
    let facts = ClusterFacts {
        encryption_keys: encryption_keys(context, &cluster).await,
        api_ready: api_ready(&observation),
        cluster,
        etcds,
        masters: match &masters {
            Observed::Known(masters) => Observed::Known(masters.iter().map(|master| master.id.clone()).collect()),
            Observed::Unknown(why) => Observed::Unknown(why.clone()),
        },
        even_if_poor: request.wanted.even_if_poor,
        left_out: left_out::facts(request.others, others, &known.wipe),
        one_by_one: request.one_by_one,
    };
    // No checks for what is queued already: its etcd is meant to serve.
    let over = |check: &Check| {
        let of = |target: &Target<'_>| Some(&target.catalog.store.etcd) == check.etcd.as_ref();
        targets.iter().any(|target| target.submitted.is_some() && of(target))
    };
    let mut checks = preflight::checks(&facts, now);
    checks.extend(
        targets
            .iter()
            .filter_map(|target| age::check(target, request.max_age, now)),
    );
    checks.retain(|check| !over(check));
    let (record, void) = match (known.record, validity) {
        (Some(record), Validity::Void(why)) => (None, Some((record, why))),
        // Nothing of it can be verified: start a new run.
        (Some(record), Validity::Doubtful(why)) if !targets.iter().any(|target| target.is_of(&record)) => (
            None,
            Some((record, format!("{why}, and nothing of it can be verified"))),
        ),
        (Some(record), Validity::Doubtful(why)) => {
            context.session.ui.warn(&format!(
                "the record of the run started at {:.0} is used only where it can be verified: {why}",
                record.started
            ));
            (Some(record), None)
        }
        (record, _) => (record, None),
    };
    Ok(Survey {
        checks,
        unseen: observation.unseen(catalogs),
        facts,
        targets,
        record,
        now,
        void,
        masters: ids(&masters),
        record_at: known.record_at,
    })
}

fn ids(masters: &Observed<Vec<Instance>>) -> Observed<BTreeSet<String>> {
    match masters {
        Observed::Known(masters) => Observed::Known(masters.iter().map(|master| master.id.clone()).collect()),
        Observed::Unknown(why) => Observed::Unknown(why.clone()),
    }
}

fn queued_fact(
    found: &QueuedCommand,
    catalog: &Catalog,
    record: Option<&RunRecord>,
    now: jiff::Timestamp,
) -> QueuedFact {
    let queued = found.queued();
    QueuedFact {
        name: found.name.clone(),
        backup: found.backup().map(str::to_owned),
        there: found.backup().is_ok_and(|name| etcd::is_there(catalog, name)),
        age: queued.map(|queued| now.duration_since(queued)),
        own: record.is_some_and(|record| record.has_command(&catalog.store.etcd, &found.name)),
    }
}

fn api_ready(observation: &Observation) -> Observed<bool> {
    match &observation.api {
        ApiSeen::NotAsked(why) => Observed::Unknown(why.clone()),
        seen => Observed::Known(seen.serves() == Some(true)),
    }
}

/// The keys of the cluster's encryption config, as `aescbc:key1`. kops keeps it as `{"Data": base64}`.
/// Source: kubernetes/kops `upup/pkg/fi/secrets.go`.
async fn encryption_keys(context: &Context, cluster: &str) -> Observed<Vec<String>> {
    let Ok(Some(state)) = context.session.state() else {
        return Observed::Unknown("no state store is named".to_owned());
    };
    match control_file::read(context, &state.join(cluster).join(ENCRYPTION_CONFIG)).await {
        Ok(None) => Observed::Known(Vec::new()),
        Ok(Some(bytes)) => match runbook_kit::model::kops::encryption::keys(&bytes) {
            Ok(keys) => Observed::Known(keys),
            Err(why) => Observed::Unknown(why),
        },
        Err(error) => Observed::Unknown(chain(&error)),
    }
}

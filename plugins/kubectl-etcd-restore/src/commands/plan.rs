//! `plan`: what a restore will do, and the checks that block it.

use crate::rules::data_loss::DataLoss;
use runbook_kit::cli::output::checks::{self, CheckRow};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::observed::Observed;
use serde::Serialize;

use crate::context::Context;
use crate::usecases::choose::{Choice, WantedArgs};
use crate::usecases::observe::age::{self, AgeArgs};
use crate::usecases::observe::left_out::OtherEtcds;
use crate::usecases::observe::survey::{Survey, SurveyRequest, survey};

/// Show what will be restored, and the checks that block it
///
/// Reads the chosen backups, the control files, the queue and the etcd-manager manifests, and checks etcd, AWS and the API where they can be
/// reached. Exit code 3 if a check blocks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore plan\n  \
    kubectl etcd-restore plan --backup main=2026-11-22T15:18 --fresh events")]
pub struct Args {
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    age: AgeArgs,
    /// Etcd cluster to seed anew (empty) instead of restoring it, such as events
    #[arg(long, value_delimiter = ',', value_name = "ETCD,…")]
    fresh: Vec<String>,
    #[command(flatten)]
    access: EtcdAccess,
}

/// JSON and YAML output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned<'a> {
    cluster: &'a str,
    restores: Vec<PlannedRestore<'a>>,
    checks: Vec<CheckRow<'a>>,
    /// Whether no check blocks.
    ok: bool,
    /// What was not checked.
    unseen: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedRestore<'a> {
    etcd: &'a str,
    /// `restore`, `seed-anew`, `leave` (it serves, and nothing can be restored) or `nothing`.
    action: &'static str,
    /// Why no good backup is restored, where none was named.
    why: &'a [String],
    backup: Option<String>,
    /// The command that is already queued for it.
    queued: Option<&'a str>,
    /// How old that backup is.
    age_seconds: Option<i64>,
    /// The newer complete backups, each with the reason why it is skipped.
    passed_over: Vec<String>,
    /// `alive`, `dead` or `unknown`.
    liveness: &'static str,
    /// The evidence for it.
    evidence: &'a str,
    /// What the etcd will lose; `null` where it is not alive or was not checked.
    losses: Option<&'a DataLoss>,
}

impl<'a> Planned<'a> {
    pub fn of(survey: &'a Survey<'_>) -> Self {
        let restores = survey.targets.iter().zip(&survey.facts.etcds).map(|(target, facts)| {
            let (action, backup, why) = match &target.choice {
                Choice::Backup { backup, why, .. } => ("restore", Some(backup.name.to_string()), why.as_slice()),
                Choice::Deleted(name) => ("restore", Some(name.clone()), &[][..]),
                Choice::Fresh(why) => ("seed-anew", None, why.as_slice()),
                Choice::Leave(why) => ("leave", None, why.as_slice()),
                Choice::Nothing(why) => ("nothing", None, why.as_slice()),
            };
            PlannedRestore {
                etcd: &target.catalog.store.etcd,
                action,
                why,
                backup,
                queued: target.queued.as_ref().map(|found| found.name.as_str()),
                age_seconds: age::of(target, survey.now).map(|(_, age)| age.as_secs()),
                passed_over: age::skipped_of(target),
                liveness: facts.liveness.word(),
                evidence: facts.liveness.why(),
                losses: match &facts.data_loss {
                    Some(Observed::Known(losses)) => Some(losses),
                    _ => None,
                },
            }
        });
        Self {
            cluster: &survey.facts.cluster,
            restores: restores.collect(),
            checks: survey.checks.iter().map(CheckRow).collect(),
            ok: !survey.blocked(),
            unseen: &survey.unseen,
        }
    }
}

/// The refusal, where a check blocks.
pub fn blocked(survey: &Survey<'_>) -> Option<CommandError> {
    let blocking = survey.checks.iter().filter(|check| check.blocks());
    let named: Vec<String> = blocking
        .map(|check| format!("{}: {}", check.subject(), check.message))
        .collect();
    (!named.is_empty()).then(|| {
        CommandError::refused(format!("refused, nothing was changed: {}", named.join("; ")))
            .hint("fix every check marked BLOCK as its cure says, then repeat the command")
    })
}

/// Shows the checks as a table, and the cures.
pub fn show(survey: &Survey<'_>, context: &Context) -> Result<(), AnyFailure> {
    let session = &context.session;
    let rows: Vec<CheckRow<'_>> = survey.checks.iter().map(CheckRow).collect();
    output::rows(&session.ui, session.format, &rows, "No checks")?;
    for target in &survey.targets {
        let (passed_over, why) = match &target.choice {
            Choice::Backup { passed_over, why, .. } => (passed_over.as_slice(), why.as_slice()),
            Choice::Fresh(why) | Choice::Leave(why) => (&[][..], why.as_slice()),
            Choice::Deleted(_) | Choice::Nothing(_) => continue,
        };
        let etcd = &target.catalog.store.etcd;
        for one in why {
            session.ui.note(&format!("{etcd}: not good: {one}"));
        }
        for one in passed_over {
            session.ui.note(&format!("{etcd}: skipped {one}"));
        }
    }
    if let Some((record, why)) = &survey.void {
        session.ui.note(&format!(
            "the record of the run started at {:.0} is ignored: {why}",
            record.started
        ));
    }
    for cure in checks::cures(&survey.checks) {
        session.ui.note(&cure);
    }
    Ok(())
}

/// Whether the output is text for a person.
pub fn is_text(format: Format) -> bool {
    matches!(format, Format::Table | Format::Wide)
}

/// The next step where no check blocks.
fn next(survey: &Survey<'_>) -> String {
    const RUN: &str = "kubectl etcd-restore run --yes";
    let at_risk: Vec<&str> = survey.at_risk().iter().map(|etcd| etcd.etcd.as_str()).collect();
    if at_risk.is_empty() {
        return format!("no check blocks; next: {RUN}");
    }
    format!(
        "no check blocks; etcd {} not proven dead: {RUN} asks for the cluster's name",
        match at_risk.as_slice() {
            [one] => format!("{one} is"),
            several => format!("{} are", several.join(" and ")),
        }
    )
}

/// Runs `plan`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    let others = OtherEtcds::find(context).await?;
    let request = SurveyRequest {
        wanted: &args.wanted,
        fresh: &args.fresh,
        access: &args.access,
        max_age: args.age.max_age,
        resume: true,
        one_by_one: false,
        others: &others,
    };
    let survey = survey(&request, &catalogs, context).await?;
    match session.format {
        Format::Json | Format::Yaml => output::structured(&session.ui, session.format, &Planned::of(&survey))?,
        _ => show(&survey, context)?,
    }
    match blocked(&survey) {
        Some(blocked) => Err(blocked.into()),
        None => {
            if is_text(session.format) {
                session.ui.note(&next(&survey));
            }
            Ok(Exit::Done)
        }
    }
}

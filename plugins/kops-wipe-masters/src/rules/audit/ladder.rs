//! The ladder: of the cures the least that works, and why no lower one does. Pure, over a few facts.

use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::ladder::Rung;
use serde::Serialize;

/// What is known of the cluster, as far as it decides on the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The control plane exists in AWS: a group, an instance or a volume.
    pub exists: bool,
    /// Whether anything was found at all that is not in order.
    pub problems: bool,
    pub etcds: Vec<EtcdSituation>,
    pub certificates: CertificateState,
}

/// The certificates on the masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateState {
    /// Seen, and fine.
    Good,
    /// No certificate was seen, and no master is so old that its own must have ended.
    NotSeen,
    /// They end soon.
    EndSoon,
    /// They have ended, or are of another CA.
    Bad,
}

/// What etcd itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// No member was reached.
    NotSeen,
    /// A member answers that knows a leader.
    Quorum,
    /// Members answer, and none knows a leader.
    NoLeader,
}

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSituation {
    pub etcd: String,
    /// How many it should have; 0 where that is not known.
    pub members: usize,
    /// Members whose volume is on a running master of their own.
    pub mounted: usize,
    /// Members that have a volume.
    pub with_data: usize,
    /// Members whose master runs.
    pub masters: usize,
    /// Volumes are tagged as the wrong member, or two are on one master.
    pub mixed: bool,
    pub answers: Answers,
    pub no_space: bool,
    /// Members with the alarm CORRUPT.
    pub corrupt: usize,
    /// Registered members that stay learners, or that etcd-manager does not have.
    pub odd: usize,
    /// There is a good backup.
    pub backup: bool,
    /// A restore was queued long ago and did not end.
    pub restore_failed: bool,
}

impl EtcdSituation {
    const fn quorum(&self) -> usize {
        self.members / 2 + 1
    }

    /// Members whose data can be used.
    const fn sound(&self) -> usize {
        self.with_data.saturating_sub(self.corrupt)
    }

    const fn serves(&self) -> bool {
        match self.answers {
            Answers::Quorum => true,
            Answers::NoLeader => false,
            // What AWS shows is the next best.
            Answers::NotSeen => self.members == 0 || self.mounted >= self.quorum(),
        }
    }

    /// Why it cannot have quorum again with the data that its members have.
    fn lost(&self, certificates: CertificateState) -> Option<String> {
        let Self { etcd, members, .. } = self;
        if self.corrupt > 0 && self.members > 0 && self.sound() < self.quorum() {
            return Some(format!(
                "etcd {etcd} is corrupt in {} of {members} members, and too few sound ones are left",
                self.corrupt
            ));
        }
        if self.serves() || self.members == 0 {
            return None;
        }
        if self.sound() < self.quorum() {
            return Some(format!(
                "etcd {etcd} cannot regain quorum: {} of {members} members have a volume with data",
                self.sound()
            ));
        }
        // All is where it belongs, no certificate is in the way, and yet nobody leads.
        let nothing_left_to_mount = self.mounted >= self.with_data && !self.mixed && self.masters >= self.members;
        (nothing_left_to_mount && certificates != CertificateState::Bad).then(|| {
            format!("etcd {etcd} has no leader although all its volumes are mounted: read its log before anything else")
        })
    }

    /// Whether it cannot have quorum again with the data that its members have.
    pub fn is_lost(&self, certificates: CertificateState) -> bool {
        self.lost(certificates).is_some()
    }

    fn needs_tags(&self) -> bool {
        self.mixed || self.mounted < self.with_data || self.masters < self.members
    }

    const fn needs_a_member(&self) -> bool {
        self.with_data < self.members || self.corrupt > 0 || self.odd > 0
    }

    /// etcd-manager restores only with all its peers: with fewer the backup is merged into the living etcd.
    const fn restores_in_place(&self) -> bool {
        self.masters >= self.members && !self.restore_failed
    }
}

/// What is to be done about a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Take it. Where several are to be taken, the lower one first.
    Take,
    /// It cures nothing here, or not all.
    NotEnough,
    /// A lower one is enough.
    NotNeeded,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::NotEnough => "not enough",
            Self::NotNeeded => "not needed",
        }
    }
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub rung: Rung,
    pub verdict: Verdict,
    pub why: String,
}

/// The whole ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// The highest rung that has to be taken; `None` where none works: there is nothing to restore from.
    pub smallest: Option<Rung>,
    /// All rungs, the lowest first.
    pub steps: Vec<Step>,
}

/// A rung that has to be taken, and why.
type Need = (Rung, String);

/// The ladder of a situation.
pub fn ladder(situation: &Situation) -> Ladder {
    let needs = needs(situation);
    let smallest = match &needs {
        Ok(needs) => Some(needs.iter().map(|(rung, _)| *rung).max().unwrap_or(Rung::Nothing)),
        Err(_) => None,
    };
    let steps = Rung::ALL.into_iter().map(|rung| match (&needs, smallest) {
        (Ok(needs), Some(smallest)) => step(situation, needs, smallest, rung),
        (Ok(_), None) | (Err(_), _) => Step {
            rung,
            verdict: Verdict::NotEnough,
            why: match (&needs, rung) {
                (Err(why), Rung::SalvageAndRestore | Rung::WipeAndRestore) => {
                    format!("{why}, and there is no good backup to restore")
                }
                _ => cannot(situation, rung),
            },
        },
    });
    Ladder {
        smallest,
        steps: steps.collect(),
    }
}

/// What has to be done, or why nothing can be.
fn needs(situation: &Situation) -> Result<Vec<Need>, String> {
    let mut needs: Vec<Need> = Vec::new();
    if !situation.exists {
        let main = situation.etcds.iter().find(|etcd| etcd.etcd == MAIN);
        return match main.is_none_or(|main| main.backup) {
            true => Ok(vec![(
                Rung::SalvageAndRestore,
                "the control plane is gone: kops makes it anew, nothing is left to wipe".to_owned(),
            )]),
            false => Err("the control plane is gone".to_owned()),
        };
    }
    for etcd in &situation.etcds {
        let Some(why) = etcd.lost(situation.certificates) else {
            lesser(etcd, &mut needs);
            continue;
        };
        if etcd.etcd != MAIN {
            needs.push((
                Rung::SalvageAndRestore,
                format!("{why}: restore only this etcd cluster"),
            ));
        } else if etcd.restores_in_place() && (etcd.backup || etcd.sound() > 0) {
            needs.push((Rung::SalvageAndRestore, why));
        } else if !etcd.restores_in_place() && etcd.backup {
            let obstacle = in_place(etcd);
            return Ok(vec![(Rung::WipeAndRestore, format!("{why}, and {obstacle}"))]);
        } else {
            return Err(why);
        }
        if etcd.mixed {
            needs.push((Rung::Tags, mixed(etcd)));
        }
    }
    match situation.certificates {
        CertificateState::Good | CertificateState::NotSeen => {}
        CertificateState::EndSoon => needs.push((
            Rung::Certificates,
            "certificates end soon, or may be of another CA".to_owned(),
        )),
        CertificateState::Bad => needs.push((
            Rung::Certificates,
            "certificates have ended, or are of another CA".to_owned(),
        )),
    }
    Ok(needs)
}

/// What an etcd needs that can live on with its own data.
fn lesser(etcd: &EtcdSituation, needs: &mut Vec<Need>) {
    let name = &etcd.etcd;
    if etcd.needs_tags() {
        needs.push((
            Rung::Tags,
            match etcd.mixed {
                true => mixed(etcd),
                false => format!(
                    "etcd {name}: {} of {} volumes with data are mounted, masters of {} of {} members run",
                    etcd.mounted, etcd.with_data, etcd.masters, etcd.members
                ),
            },
        ));
    }
    if etcd.no_space {
        needs.push((
            Rung::Space,
            format!("etcd {name} has the alarm NOSPACE: it refuses writes"),
        ));
    }
    if etcd.needs_a_member() {
        let why = match (etcd.with_data < etcd.members, etcd.corrupt > 0) {
            (true, _) => format!(
                "etcd {name}: {} of {} members have a volume, the others keep quorum",
                etcd.with_data, etcd.members
            ),
            (false, true) => format!("etcd {name}: the data of a member is corrupt, the others keep quorum"),
            (false, false) => format!("etcd {name}: a member is a learner, or is none of etcd-manager's"),
        };
        needs.push((Rung::OneMember, why));
    }
}

fn mixed(etcd: &EtcdSituation) -> String {
    format!("etcd {}: volumes are tagged or attached as another member's", etcd.etcd)
}

/// Why it cannot be restored without a wipe.
fn in_place(etcd: &EtcdSituation) -> String {
    match etcd.restore_failed {
        true => "a restore was queued and did not end".to_owned(),
        false => format!(
            "masters of only {} of {} members run: etcd-manager restores with all of them",
            etcd.masters, etcd.members
        ),
    }
}

fn step(situation: &Situation, needs: &[Need], smallest: Rung, rung: Rung) -> Step {
    let own: Vec<&str> = needs
        .iter()
        .filter(|(needed, _)| *needed == rung)
        .map(|(_, why)| why.as_str())
        .collect();
    let (verdict, why) = if rung == smallest && rung == Rung::Nothing {
        let why = match situation.problems {
            true => "masters, volumes and etcd stay as they are: run the commands above",
            false => "no problem was seen",
        };
        (Verdict::Take, why.to_owned())
    } else if !own.is_empty() {
        (Verdict::Take, own.join("; "))
    } else if rung > smallest {
        (Verdict::NotNeeded, format!("`{}` is enough", smallest.title()))
    } else {
        (Verdict::NotEnough, cannot(situation, rung))
    };
    Step { rung, verdict, why }
}

/// Why a rung cures nothing here.
fn cannot(situation: &Situation, rung: Rung) -> String {
    let lost = situation
        .etcds
        .iter()
        .find_map(|etcd| etcd.lost(situation.certificates).map(|why| (etcd, why)));
    match rung {
        Rung::Nothing => "what was found does not go away by itself".to_owned(),
        Rung::Tags => match &lost {
            Some((etcd, _)) => format!(
                "{} of {} volumes with data of etcd {} are mounted already, which is too few or of no use",
                etcd.mounted.min(etcd.with_data),
                etcd.with_data,
                etcd.etcd
            ),
            None => "every volume is mounted by its own master".to_owned(),
        },
        Rung::Space => "no etcd was seen with the alarm NOSPACE".to_owned(),
        Rung::OneMember => match &lost {
            Some((etcd, _)) => format!("etcd {} has no quorum that could take a new member", etcd.etcd),
            None => "no member is lost".to_owned(),
        },
        Rung::Certificates => match situation.certificates {
            CertificateState::NotSeen => "no certificate was seen, and no master is older than its own".to_owned(),
            _ => "the certificates are not the cause".to_owned(),
        },
        Rung::SalvageAndRestore => match situation.etcds.iter().find(|etcd| etcd.etcd == MAIN) {
            Some(main) if !main.restores_in_place() => in_place(main),
            _ => "nothing is to be restored".to_owned(),
        },
        Rung::WipeAndRestore => "nothing is to be restored".to_owned(),
    }
}

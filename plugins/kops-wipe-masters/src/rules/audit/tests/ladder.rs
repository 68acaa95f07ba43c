//! The ladder as a table of situations, and its properties.

use proptest::prelude::*;
use runbook_kit::model::ladder::Rung::{
    self, Certificates, Nothing, OneMember, SalvageAndRestore, Space, Tags, WipeAndRestore,
};

use crate::rules::audit::ladder::{Answers, CertificateState, EtcdSituation, Situation, Verdict, ladder};

/// Three members, all well.
fn well(name: &str) -> EtcdSituation {
    EtcdSituation {
        etcd: name.to_owned(),
        members: 3,
        mounted: 3,
        with_data: 3,
        masters: 3,
        mixed: false,
        answers: Answers::NotSeen,
        no_space: false,
        corrupt: 0,
        odd: 0,
        backup: true,
        restore_failed: false,
    }
}

fn healthy() -> Situation {
    Situation {
        exists: true,
        problems: false,
        etcds: vec![well("main"), well("events")],
        certificates: CertificateState::Good,
    }
}

/// A healthy cluster with a problem in main.
fn main(change: impl FnOnce(&mut EtcdSituation)) -> Situation {
    let mut situation = healthy();
    situation.problems = true;
    change(&mut situation.etcds[0]);
    situation
}

fn events(change: impl FnOnce(&mut EtcdSituation)) -> Situation {
    let mut situation = healthy();
    situation.problems = true;
    change(&mut situation.etcds[1]);
    situation
}

impl Situation {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn volumes(etcd: &mut EtcdSituation, mounted: usize, with_data: usize) {
    (etcd.mounted, etcd.with_data) = (mounted, with_data);
}

fn single(etcd: &mut EtcdSituation) {
    (etcd.members, etcd.mounted, etcd.with_data, etcd.masters) = (1, 1, 1, 1);
}

fn five(etcd: &mut EtcdSituation) {
    (etcd.members, etcd.mounted, etcd.with_data, etcd.masters) = (5, 5, 5, 5);
}

/// What is wrong, and the rungs to take; none where nothing works.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(&'static str, Situation, Option<&'static [Rung]>)> {
    use CertificateState::{Bad, EndSoon, NotSeen};
    vec![
        ("nothing is wrong", healthy(), Some(&[Nothing])),
        (
            "only files of the store are wrong",
            healthy().with(|all| all.problems = true),
            Some(&[Nothing]),
        ),
        (
            "nothing was seen of certificates",
            healthy().with(|all| all.certificates = NotSeen),
            Some(&[Nothing]),
        ),
        (
            "no good backup, and all is well",
            main(|etcd| etcd.backup = false),
            Some(&[Nothing]),
        ),
        (
            "a restore is queued for hours, and etcd serves",
            main(|etcd| etcd.restore_failed = true),
            Some(&[Nothing]),
        ),
        // Tags.
        (
            "two volumes have one tag",
            main(|etcd| etcd.mixed = true),
            Some(&[Tags]),
        ),
        (
            "one volume is not mounted",
            main(|etcd| volumes(etcd, 2, 3)),
            Some(&[Tags]),
        ),
        (
            "two volumes are not mounted: no quorum, all data there",
            main(|etcd| volumes(etcd, 1, 3)),
            Some(&[Tags]),
        ),
        (
            "no volume is mounted, no backup is good",
            main(|etcd| {
                volumes(etcd, 0, 3);
                etcd.backup = false;
            }),
            Some(&[Tags]),
        ),
        (
            "no leader, and a volume is not mounted",
            main(|etcd| {
                volumes(etcd, 2, 3);
                etcd.answers = Answers::NoLeader;
            }),
            Some(&[Tags]),
        ),
        (
            "no leader, and volumes are mixed up",
            main(|etcd| {
                etcd.mixed = true;
                etcd.answers = Answers::NoLeader;
            }),
            Some(&[Tags]),
        ),
        (
            "a master does not run",
            main(|etcd| {
                volumes(etcd, 2, 3);
                etcd.masters = 2;
            }),
            Some(&[Tags]),
        ),
        (
            "two masters are stopped with their volumes",
            main(|etcd| {
                volumes(etcd, 1, 3);
                etcd.masters = 1;
            }),
            Some(&[Tags]),
        ),
        (
            "the only master is stopped",
            main(|etcd| {
                single(etcd);
                (etcd.mounted, etcd.masters) = (0, 0);
            }),
            Some(&[Tags]),
        ),
        // Space.
        (
            "etcd is full",
            main(|etcd| {
                etcd.no_space = true;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[Space]),
        ),
        (
            "events is full",
            events(|etcd| {
                etcd.no_space = true;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[Space]),
        ),
        (
            "full, and a volume has another's tag",
            main(|etcd| {
                etcd.no_space = true;
                etcd.mixed = true;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[Tags, Space]),
        ),
        (
            "full, and no good backup",
            main(|etcd| {
                etcd.no_space = true;
                etcd.backup = false;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[Space]),
        ),
        // One member.
        (
            "one volume is lost",
            main(|etcd| volumes(etcd, 2, 2)),
            Some(&[OneMember]),
        ),
        (
            "one volume of events is lost",
            events(|etcd| volumes(etcd, 2, 2)),
            Some(&[OneMember]),
        ),
        (
            "one is lost and one is not mounted",
            main(|etcd| volumes(etcd, 1, 2)),
            Some(&[Tags, OneMember]),
        ),
        (
            "two of five are lost",
            main(|etcd| {
                five(etcd);
                volumes(etcd, 3, 3);
            }),
            Some(&[OneMember]),
        ),
        (
            "one member is corrupt",
            main(|etcd| {
                etcd.corrupt = 1;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[OneMember]),
        ),
        (
            "two of five are corrupt",
            main(|etcd| {
                five(etcd);
                etcd.corrupt = 2;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[OneMember]),
        ),
        (
            "a learner is stuck",
            main(|etcd| {
                etcd.odd = 1;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[OneMember]),
        ),
        (
            "a lost member, and full",
            main(|etcd| {
                volumes(etcd, 2, 2);
                etcd.no_space = true;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[Space, OneMember]),
        ),
        (
            "AWS shows two volumes fewer, and etcd has a leader",
            main(|etcd| {
                volumes(etcd, 1, 1);
                etcd.answers = Answers::Quorum;
            }),
            Some(&[OneMember]),
        ),
        // Certificates.
        (
            "certificates end soon",
            healthy().with(|all| all.certificates = EndSoon),
            Some(&[Certificates]),
        ),
        (
            "certificates have ended",
            healthy().with(|all| all.certificates = Bad),
            Some(&[Certificates]),
        ),
        (
            "certificates have ended, and so nobody leads",
            main(|etcd| etcd.answers = Answers::NoLeader).with(|all| all.certificates = Bad),
            Some(&[Certificates]),
        ),
        (
            "certificates have ended, one volume is lost",
            main(|etcd| volumes(etcd, 2, 2)).with(|all| all.certificates = Bad),
            Some(&[OneMember, Certificates]),
        ),
        (
            "certificates have ended, no backup is good",
            main(|etcd| etcd.backup = false).with(|all| all.certificates = Bad),
            Some(&[Certificates]),
        ),
        // Salvage and restore.
        (
            "two of three volumes are lost",
            main(|etcd| volumes(etcd, 1, 1)),
            Some(&[SalvageAndRestore]),
        ),
        (
            "two are lost, no backup is good: the third has the data",
            main(|etcd| {
                volumes(etcd, 1, 1);
                etcd.backup = false;
            }),
            Some(&[SalvageAndRestore]),
        ),
        (
            "all volumes are lost, the masters run",
            main(|etcd| volumes(etcd, 0, 0)),
            Some(&[SalvageAndRestore]),
        ),
        (
            "two of three are corrupt",
            main(|etcd| {
                etcd.corrupt = 2;
                etcd.answers = Answers::Quorum;
            }),
            Some(&[SalvageAndRestore]),
        ),
        (
            "all is mounted, certificates are fine, nobody leads",
            main(|etcd| etcd.answers = Answers::NoLeader),
            Some(&[SalvageAndRestore]),
        ),
        (
            "all of events is lost",
            events(|etcd| volumes(etcd, 0, 0)),
            Some(&[SalvageAndRestore]),
        ),
        (
            "events is lost, and has no backup: it is seeded anew",
            events(|etcd| {
                volumes(etcd, 0, 0);
                etcd.backup = false;
            }),
            Some(&[SalvageAndRestore]),
        ),
        (
            "events is lost, and a master does not run",
            events(|etcd| {
                volumes(etcd, 1, 1);
                etcd.masters = 2;
            }),
            Some(&[SalvageAndRestore]),
        ),
        (
            "quorum is lost, and certificates have ended",
            main(|etcd| volumes(etcd, 1, 1)).with(|all| all.certificates = Bad),
            Some(&[Certificates, SalvageAndRestore]),
        ),
        (
            "the control plane is gone",
            healthy().with(|all| {
                all.exists = false;
                all.problems = true;
            }),
            Some(&[SalvageAndRestore]),
        ),
        // Wipe and restore.
        (
            "two volumes are lost with their masters",
            main(|etcd| {
                volumes(etcd, 1, 1);
                etcd.masters = 1;
            }),
            Some(&[WipeAndRestore]),
        ),
        (
            "a restore without a wipe did not end",
            main(|etcd| {
                volumes(etcd, 0, 0);
                etcd.restore_failed = true;
            }),
            Some(&[WipeAndRestore]),
        ),
        (
            "the only master and its volume are gone, its group is left",
            main(|etcd| {
                single(etcd);
                volumes(etcd, 0, 0);
                etcd.masters = 0;
            }),
            Some(&[WipeAndRestore]),
        ),
        // Nothing works.
        (
            "all is lost, and no backup is good",
            main(|etcd| {
                volumes(etcd, 0, 0);
                etcd.backup = false;
            }),
            None,
        ),
        (
            "quorum is lost, masters do not run, no backup is good",
            main(|etcd| {
                volumes(etcd, 1, 1);
                etcd.masters = 1;
                etcd.backup = false;
            }),
            None,
        ),
        (
            "the control plane is gone, and no backup is good",
            main(|etcd| etcd.backup = false).with(|all| all.exists = false),
            None,
        ),
    ]
}

#[test]
fn each_situation_has_its_cheapest_rung_that_works() {
    let table = table();
    assert!(table.len() >= 30);
    for (what, situation, wanted) in table {
        let found = ladder(&situation);
        let take: Vec<Rung> = found
            .steps
            .iter()
            .filter(|step| step.verdict == Verdict::Take)
            .map(|step| step.rung)
            .collect();
        assert_eq!(take, wanted.unwrap_or_default(), "{what}: {found:#?}");
        assert_eq!(found.smallest, wanted.and_then(|rungs| rungs.last().copied()), "{what}");
    }
}

fn etcd_of(name: &'static str) -> impl Strategy<Value = EtcdSituation> {
    let answers = prop::sample::select(vec![Answers::NotSeen, Answers::Quorum, Answers::NoLeader]);
    (
        prop::sample::select(vec![1_usize, 3, 5]),
        (0_usize..=5, 0_usize..=5, 0_usize..=5, 0_usize..=2, 0_usize..=1),
        answers,
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            move |(members, (mounted, with_data, masters, corrupt, odd), answers, flags)| {
                let (mixed, no_space, backup, restore_failed) = flags;
                let with_data = with_data.min(members);
                let mounted = mounted.min(with_data);
                EtcdSituation {
                    etcd: name.to_owned(),
                    members,
                    mounted,
                    with_data,
                    masters: masters.min(members).max(mounted),
                    mixed,
                    answers,
                    no_space,
                    corrupt: corrupt.min(members),
                    odd,
                    backup,
                    restore_failed,
                }
            },
        )
}

fn any_situation() -> impl Strategy<Value = Situation> {
    use CertificateState::{Bad, EndSoon, Good, NotSeen};
    let certificates = prop::sample::select(vec![Good, NotSeen, EndSoon, Bad]);
    (etcd_of("main"), etcd_of("events"), certificates).prop_map(|(main, events, certificates)| Situation {
        exists: true,
        problems: true,
        etcds: vec![main, events],
        certificates,
    })
}

/// Whether the members of an etcd have the data of a quorum, counted anew: what it would be if every volume were mounted.
fn could_serve(etcd: &EtcdSituation) -> bool {
    let sound = etcd.with_data.saturating_sub(etcd.corrupt);
    2 * sound > etcd.members || (etcd.answers == Answers::Quorum && etcd.corrupt == 0)
}

/// No rung is above it where nothing works.
fn height(rung: Option<Rung>) -> usize {
    rung.map_or(Rung::ALL.len(), |rung| {
        Rung::ALL.iter().position(|one| *one == rung).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_wipe_where_a_lower_rung_works_and_no_lower_rung_that_cannot(situation in any_situation()) {
        let found = ladder(&situation);
        let (main, events) = (&situation.etcds[0], &situation.etcds[1]);
        let all_run = main.masters >= main.members;
        if let Some(Rung::WipeAndRestore) = found.smallest {
            // Data, or the masters for a restore without a wipe: something of it must be missing, and a backup there.
            prop_assert!(!could_serve(main) || main.answers == Answers::NoLeader);
            prop_assert!(!all_run || main.restore_failed);
            prop_assert!(main.backup);
        }
        if found.smallest.is_some_and(|rung| rung < Rung::SalvageAndRestore) {
            // Neither tags nor space nor members nor certificates bring data back.
            prop_assert!(could_serve(main) && could_serve(events), "{found:#?}");
        }
        if found.smallest == Some(Rung::Nothing) {
            prop_assert!(situation.certificates <= CertificateState::NotSeen);
            prop_assert!(!main.no_space && !events.no_space && !main.mixed && !events.mixed);
        }
        // A rung that is to be taken has a cause that it cures.
        for step in found.steps.iter().filter(|step| step.verdict == Verdict::Take) {
            let any = |is: fn(&EtcdSituation) -> bool| situation.etcds.iter().any(is);
            prop_assert!(match step.rung {
                Rung::Tags => any(|etcd| etcd.mixed || etcd.mounted < etcd.with_data || etcd.masters < etcd.members),
                Rung::Space => any(|etcd| etcd.no_space),
                Rung::OneMember => any(|etcd| etcd.with_data < etcd.members || etcd.corrupt > 0 || etcd.odd > 0),
                Rung::Certificates => situation.certificates >= CertificateState::EndSoon,
                Rung::Nothing | Rung::SalvageAndRestore | Rung::WipeAndRestore => true,
            }, "{step:?}");
        }
        // Every rung has its say, in order; those above the smallest are not needed, and nothing is taken where nothing works.
        prop_assert_eq!(found.steps.iter().map(|step| step.rung).collect::<Vec<_>>(), Rung::ALL);
        for step in &found.steps {
            prop_assert!(!step.why.is_empty());
            let above = found.smallest.is_some_and(|smallest| step.rung > smallest);
            prop_assert_eq!(step.verdict == Verdict::NotNeeded, above, "{:?}", step);
        }
        if let Some(smallest) = found.smallest {
            let step = found.steps.iter().find(|step| step.rung == smallest).unwrap();
            prop_assert_eq!(step.verdict, Verdict::Take);
        } else {
            prop_assert!(found.steps.iter().all(|step| step.verdict == Verdict::NotEnough));
        }
    }

    /// What gets better never needs a higher rung.
    #[test]
    fn a_better_fact_never_needs_a_higher_rung(situation in any_situation(), which in 0_usize..8) {
        let mut better = situation.clone();
        let main = &mut better.etcds[0];
        match which {
            0 => main.backup = true,
            1 => main.restore_failed = false,
            2 => main.no_space = false,
            3 => main.corrupt = main.corrupt.saturating_sub(1),
            4 => main.odd = 0,
            5 => main.with_data = (main.with_data + 1).min(main.members),
            6 => main.masters = main.members,
            // That a member answers with a leader says more than all that AWS shows.
            _ => main.answers = Answers::Quorum,
        }
        // Where nobody leads, a fact less in the way leaves nothing to mend but the data: that is no worse situation.
        if situation.etcds[0].answers == Answers::NoLeader && (2..7).contains(&which) {
            return Ok(());
        }
        prop_assert!(
            height(ladder(&better).smallest) <= height(ladder(&situation).smallest),
            "{situation:#?} {:#?} {:#?}", ladder(&situation), ladder(&better)
        );
    }
}

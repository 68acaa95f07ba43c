use super::*;

const COMMAND: &str = "2026-11-22T15:20:06Z-000000";
const BACKUP: &str = "2026-11-22T15:18:01Z-000001";

fn now(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_360_000 + second).unwrap()
}

fn answer(cluster: u64, revision: i64) -> Answer {
    Answer {
        cluster,
        revision,
        leader: true,
    }
}

fn queue(commands: &[&str]) -> Result<StoreSeen, String> {
    let commands = commands.iter().map(|name| QueuedSeen {
        queued: None,
        name: (*name).to_owned(),
        backup: Ok(BACKUP.to_owned()),
    });
    Ok(StoreSeen {
        commands: commands.collect(),
        newest: Some("2026-11-22T15:19:01Z-000002".to_owned()),
        created: true,
    })
}

fn seen(commands: &[&str], etcd: EtcdSeen) -> Seen {
    Seen {
        store: queue(commands),
        etcd,
        log: None,
        api_ready: None,
    }
}

fn silent() -> EtcdSeen {
    EtcdSeen::Silent("connection refused".to_owned())
}

fn submitted() -> Submitted<'static> {
    Submitted {
        command: COMMAND,
        backup: Some(BACKUP),
        ..Submitted::default()
    }
}

fn unseen() -> EtcdSeen {
    EtcdSeen::NotAsked("no way to it".to_owned())
}

/// The states that a row of looks leads through.
fn walk(looks: impl IntoIterator<Item = Seen>) -> (Vec<State>, Follow) {
    let (mut states, mut follow) = (Vec::new(), Follow::default());
    for (second, look) in looks.into_iter().enumerate() {
        follow = follow.step(&look, now(i64::try_from(second).unwrap()));
        states.push(follow.state);
    }
    (states, follow)
}

#[test]
fn after_a_wipe_every_state_is_passed_in_turn() {
    let (states, follow) = walk([
        seen(&[], silent()),
        seen(&[COMMAND], silent()),
        seen(&[COMMAND], EtcdSeen::Quarantined(answer(7, 1))),
        seen(&[COMMAND], EtcdSeen::Quarantined(answer(7, 90))),
        seen(&[], EtcdSeen::Quarantined(answer(7, 213))),
        seen(&[], silent()),
        seen(&[], EtcdSeen::Serving(answer(7, 213))),
    ]);
    use State::{Queued, Restored, Restoring, Serving, Waiting};
    assert_eq!(
        states,
        [Waiting, Queued, Restoring, Restoring, Restored, Restored, Serving]
    );
    assert!(!follow.cancelled);
    assert_eq!(follow.since, Some(now(6)));
    assert_eq!(follow.backup.as_deref(), Some(BACKUP));
}

#[test]
fn with_a_store_alone_it_says_no_more_than_it_knows() {
    let (states, follow) = walk([
        seen(&[], unseen()),
        seen(&[COMMAND], unseen()),
        seen(&[], unseen()),
        Seen {
            store: Ok(StoreSeen {
                newest: Some("2026-11-22T15:25:00Z-000001".to_owned()),
                ..StoreSeen::default()
            }),
            ..seen(&[], unseen())
        },
    ]);
    use State::{Gone, Idle, Queued, Restored};
    assert_eq!(states, [Idle, Queued, Gone, Restored]);
    assert_eq!(follow.restored, Some(RestoreProof::NewBackup));
    assert_eq!(follow.new_backup.as_deref(), Some("2026-11-22T15:25:00Z-000001"));
    assert_eq!(follow.restart(&seen(&[COMMAND], unseen())), Restart::NotNeeded);
}

#[test]
fn a_ready_api_tells_that_its_etcd_serves() {
    let ready = |commands: &[&str]| Seen {
        api_ready: Some(true),
        ..seen(commands, unseen())
    };
    let (states, follow) = walk([seen(&[COMMAND], unseen()), seen(&[], unseen()), ready(&[])]);
    assert_eq!(states, [State::Queued, State::Gone, State::Serving]);
    // It serves: by what it was restored, if it was, nobody has seen.
    assert_eq!(follow.restored, None);
    let (_, follow) = walk([ready(&[COMMAND])]);
    assert_eq!(follow.restart(&ready(&[COMMAND])), Restart::Leader);
}

#[test]
fn a_command_on_a_living_etcd_waits_for_a_new_leader() {
    let alive = seen(&[COMMAND], EtcdSeen::Serving(answer(3, 500)));
    let (states, follow) = walk([alive.clone(), alive.clone()]);
    assert_eq!(states, [State::Queued, State::Queued]);
    assert_eq!(follow.restart(&alive), Restart::Leader);
    let taken = follow.step(&seen(&[COMMAND], silent()), now(9));
    assert_eq!(taken.state, State::Restoring);
    assert_eq!(taken.restart(&seen(&[COMMAND], silent())), Restart::NotNeeded);
    let done = taken.step(&seen(&[], EtcdSeen::Serving(answer(4, 213))), now(19));
    assert_eq!((done.state, done.cancelled), (State::Serving, false));
    assert_eq!(done.restored, Some(RestoreProof::AnotherEtcd));
}

#[test]
fn a_command_that_goes_while_the_same_etcd_serves_was_cancelled() {
    let alive = |commands: &[&str]| seen(commands, EtcdSeen::Serving(answer(3, 500)));
    let (_, follow) = walk([alive(&[COMMAND]), alive(&[COMMAND]), alive(&[])]);
    assert_eq!((follow.state, follow.cancelled), (State::Serving, true));
}

#[test]
fn an_etcd_that_served_in_the_only_look_at_a_command_may_be_the_restored_one() {
    // The store was listed before the command was deleted, and etcd asked when clients were let in.
    let restored = |commands: &[&str]| seen(commands, EtcdSeen::Serving(answer(4, 213)));
    let (_, follow) = walk([restored(&[COMMAND]), restored(&[])]);
    assert_eq!((follow.state, follow.cancelled), (State::Serving, false));
    let mut backed_up = restored(&[]);
    backed_up.store.as_mut().unwrap().newest = Some("2026-11-22T15:21:01Z-000003".to_owned());
    assert_eq!(follow.step(&backed_up, now(9)).restored, Some(RestoreProof::NewBackup));
    // Where another one is known to have served when it was ordered, it is restored.
    let known = Follow::of_command(&Submitted {
        served: Some(3),
        ..submitted()
    });
    let done = known.step(&restored(&[COMMAND]), now(0)).step(&restored(&[]), now(1));
    assert_eq!(
        (done.restored, done.cancelled),
        (Some(RestoreProof::AnotherEtcd), false)
    );
}

#[test]
fn a_cause_said_twice_is_a_loop_and_one_missing_peer_is_none() {
    let said = |cause| Seen {
        log: Some(vec![
            LogEvent::TookCommand,
            LogEvent::Failed(cause, "the line".to_owned()),
        ]),
        ..seen(&[COMMAND], unseen())
    };
    let peers = || said(LoopCause::TooFewPeers);
    assert_eq!(walk([peers(), peers()]).1.state, State::Restoring);
    assert_eq!(walk([peers(), peers(), peers()]).1.state, State::Looping);
    let (states, follow) = walk([said(LoopCause::BackupUnreadable), said(LoopCause::BackupUnreadable)]);
    assert_eq!(states, [State::Restoring, State::Looping]);
    let cause = follow.cause.clone().unwrap();
    assert_eq!(
        (cause.cause, cause.line.as_deref()),
        (LoopCause::BackupUnreadable, Some("the line"))
    );
    // Cancelled: the loop is over.
    assert_eq!(follow.step(&seen(&[], unseen()), now(9)).cause, None);
}

#[test]
fn new_etcds_coming_and_going_under_one_command_are_a_loop_whose_cause_their_data_tells() {
    let pass = |cluster, revision| seen(&[COMMAND], EtcdSeen::Quarantined(answer(cluster, revision)));
    let (states, follow) = walk([
        pass(1, 1),
        pass(1, 1),
        pass(2, 1),
        seen(&[COMMAND], silent()),
        pass(3, 1),
    ]);
    assert_eq!(states[..4], [State::Restoring; 4]);
    assert_eq!(follow.cause.unwrap().cause, LoopCause::Unknown);
    let (_, follow) = walk([pass(1, 200), pass(2, 1), pass(2, 200), pass(3, 1)]);
    assert_eq!(follow.cause.unwrap().cause, LoopCause::CommandStays);
    // A failure that was logged once is its cause then, but not the one that is normal after a wipe.
    let said = |cause| Seen {
        log: Some(vec![LogEvent::Failed(cause, "the line".to_owned())]),
        ..pass(1, 1)
    };
    for (logged, found) in [
        (LoopCause::BackupUnreadable, LoopCause::BackupUnreadable),
        (LoopCause::TooFewPeers, LoopCause::Unknown),
    ] {
        let (states, follow) = walk([said(logged), pass(2, 1), pass(3, 1)]);
        assert_eq!(states[..2], [State::Restoring; 2]);
        assert_eq!(follow.cause.unwrap().cause, found);
    }
}

#[test]
fn a_run_that_was_left_is_followed_where_it_stands() {
    let left = Follow::of_command(&submitted());
    assert_eq!(left.step(&seen(&[COMMAND], silent()), now(0)).state, State::Queued);
    assert_eq!(left.step(&seen(&[], silent()), now(0)).state, State::Gone);
    assert_eq!(left.step(&seen(&[], unseen()), now(0)).state, State::Gone);
    let served = || seen(&[], EtcdSeen::Serving(answer(4, 213)));
    let done = left.step(&served(), now(0));
    assert_eq!(
        (done.state, done.cancelled, done.restored),
        (State::Serving, false, None)
    );
    // What was noted when it was ordered makes it a sign.
    let noted = |submitted: Submitted<'_>| Follow::of_command(&submitted).step(&served(), now(0)).restored;
    let of_another = Submitted {
        served: Some(3),
        ..submitted()
    };
    assert_eq!(noted(of_another), Some(RestoreProof::AnotherEtcd));
    let after_a_wipe = Submitted {
        no_members: true,
        ..submitted()
    };
    assert_eq!(noted(after_a_wipe), Some(RestoreProof::ServesAnew));
    let before_a_backup = Submitted {
        newest: Some(Some("2026-11-22T15:18:01Z-000001")),
        ..submitted()
    };
    assert_eq!(noted(before_a_backup), Some(RestoreProof::NewBackup));
    let the_same = Submitted {
        served: Some(4),
        newest: Some(None),
        no_members: true,
        ..submitted()
    };
    assert_eq!(noted(the_same), None);
}

#[test]
fn a_command_that_goes_while_nobody_answers_is_not_called_restored() {
    let (states, follow) = walk([
        seen(&[COMMAND], silent()),
        seen(&[], silent()),
        seen(&[], silent()),
        seen(&[], unseen()),
    ]);
    use State::{Gone, Queued};
    assert_eq!(states, [Queued, Gone, Gone, Gone]);
    assert_eq!((follow.restored, follow.taken()), (None, false));
    assert!(!follow.waits_for().contains("to serve"));
}

#[test]
fn backups_of_an_etcd_that_lives_are_no_sign_of_a_restore() {
    let alive = |commands: &[&str], newest: &str| {
        let mut look = seen(commands, EtcdSeen::Serving(answer(3, 500)));
        look.store.as_mut().unwrap().newest = Some(newest.to_owned());
        look
    };
    // It goes on to take them while the command lies there untouched, and after it was cancelled.
    let (_, follow) = walk([
        alive(&[COMMAND], "2026-11-22T15:30:00Z-000001"),
        alive(&[COMMAND], "2026-11-22T15:45:00Z-000001"),
        alive(&[], "2026-11-22T15:45:00Z-000001"),
        alive(&[], "2026-11-22T16:00:00Z-000001"),
    ]);
    assert_eq!((follow.restored, follow.cancelled), (None, true));
    // Out of sight: only one that came after the last look at the command counts.
    let unseen_with = |commands: &[&str], newest: &str| Seen {
        etcd: unseen(),
        ..alive(commands, newest)
    };
    let (states, follow) = walk([
        unseen_with(&[COMMAND], "2026-11-22T15:30:00Z-000001"),
        unseen_with(&[COMMAND], "2026-11-22T15:45:00Z-000001"),
        unseen_with(&[], "2026-11-22T15:45:00Z-000001"),
    ]);
    assert_eq!((states.last(), follow.restored), (Some(&State::Gone), None));
}

#[test]
fn an_etcd_that_comes_out_of_quarantine_empty_was_not_restored() {
    let looks = || {
        [
            seen(&[COMMAND], EtcdSeen::Quarantined(answer(7, 1))),
            seen(&[], EtcdSeen::Quarantined(answer(7, 1))),
            seen(&[], EtcdSeen::Serving(answer(7, 1))),
        ]
    };
    let (states, follow) = walk(looks());
    use State::{Gone, Restoring, Serving};
    assert_eq!(states, [Restoring, Gone, Serving]);
    assert_eq!(follow.restored, None);
    assert!(follow.problem.unwrap().contains("is empty"));
    // Of a backup that holds nothing that is all there is to see.
    let empty = Submitted {
        empty: true,
        ..submitted()
    };
    let mut follow = Follow::of_command(&empty);
    for look in looks() {
        follow = follow.step(&look, now(0));
    }
    assert_eq!(follow.restored, Some(RestoreProof::QuarantineLifted));
}

#[test]
fn a_log_that_says_so_is_a_sign_and_only_after_the_command_was_taken() {
    let said = |commands: &[&str], events: &[LogEvent]| Seen {
        log: Some(events.to_vec()),
        ..seen(commands, unseen())
    };
    let (states, follow) = walk([
        said(&[COMMAND], &[LogEvent::TookCommand]),
        said(&[], &[LogEvent::Serves]),
    ]);
    assert_eq!(states, [State::Restoring, State::Restored]);
    assert_eq!(follow.restored, Some(RestoreProof::Log));
    let (_, follow) = walk([said(&[COMMAND], &[LogEvent::Serves]), said(&[], &[])]);
    assert_eq!(follow.restored, None);
}

#[test]
fn an_etcd_without_a_quorum_does_not_serve() {
    let lone = Answer {
        leader: false,
        ..answer(3, 500)
    };
    let (states, follow) = walk([seen(&[], EtcdSeen::Serving(lone))]);
    assert_eq!(states, [State::Idle]);
    assert!(follow.problem.unwrap().contains("no leader"));
    // It has members: its manager does not read the queue by itself.
    let queued = seen(&[COMMAND], EtcdSeen::Serving(lone));
    assert_eq!(walk([queued.clone()]).1.restart(&queued), Restart::Leader);
}

#[test]
fn a_broken_command_is_said_to_block() {
    let mut look = seen(&[COMMAND], silent());
    look.store.as_mut().unwrap().commands[0].backup = Err("unknown field `note`".to_owned());
    let (_, follow) = walk([look]);
    assert_eq!(follow.state, State::Queued);
    assert!(follow.problem.unwrap().contains("blocks the leader"));
}

#[test]
fn a_store_out_of_reach_changes_nothing() {
    let (_, follow) = walk([seen(&[COMMAND], silent())]);
    let lost = follow.step(
        &Seen {
            store: Err("no route".to_owned()),
            ..seen(&[], silent())
        },
        now(5),
    );
    assert_eq!((lost.state, lost.since), (State::Queued, follow.since));
    assert!(lost.problem.unwrap().contains("no route"));
}

#[test]
fn a_log_alone_tells_that_it_waits() {
    let look = Seen {
        log: Some(vec![LogEvent::WaitsForCommand]),
        ..seen(&[], unseen())
    };
    assert_eq!(walk([look]).1.state, State::Waiting);
}

proptest::proptest! {
    #[test]
    fn whatever_is_seen_a_queue_without_commands_never_loops_and_nothing_panics(
        looks in proptest::collection::vec((proptest::bool::ANY, 0_u8..4, 0_u64..4, 0_i64..3, 0_u8..8), 0..40)
    ) {
        let mut follow = Follow::default();
        for (second, (queued, etcd, cluster, revision, said)) in looks.into_iter().enumerate() {
            let etcd = match etcd {
                0 => unseen(),
                1 => silent(),
                2 => EtcdSeen::Quarantined(answer(cluster, revision)),
                _ => EtcdSeen::Serving(answer(cluster, revision)),
            };
            let mut look = seen(if queued { &[COMMAND] } else { &[] }, etcd);
            look.log = match said {
                0 => Some(vec![LogEvent::TookCommand]),
                1 => Some(vec![LogEvent::WaitsForCommand]),
                2 => Some(vec![LogEvent::Failed(LoopCause::RestoreFailed, String::new())]),
                3 => Some(vec![LogEvent::Serves]),
                _ => None,
            };
            follow = follow.step(&look, now(i64::try_from(second).unwrap()));
            let with_command = matches!(follow.state, State::Queued | State::Restoring | State::Looping);
            proptest::prop_assert_eq!(with_command, queued, "{:?}", follow);
            proptest::prop_assert_eq!(follow.cause.is_some(), follow.state == State::Looping);
            // What is called restored has a sign of it.
            proptest::prop_assert!(follow.command.is_none() || follow.state != State::Restored || follow.restored.is_some());
        }
    }
}

//! Properties of the findings for any volumes.

use proptest::prelude::*;

use super::*;

fn member() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d", "", "a/b"])
}

fn place() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![None, Some("i-a"), Some("i-b"), Some("i-c"), Some("i-x")])
}

fn state() -> impl Strategy<Value = InstanceState> {
    use InstanceState::{Pending, Running, ShuttingDown, Stopped, Terminated, Unknown};
    prop::sample::select(vec![
        Running,
        Running,
        Running,
        Stopped,
        Pending,
        ShuttingDown,
        Terminated,
        Unknown,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// For any tags and attachments: reported objects exist, and no wipe is advised without need.
    #[test]
    fn no_wipe_is_advised_with_quorum_and_every_object_exists(
        volumes in prop::collection::vec((member(), place(), prop::sample::select(vec!["main", "events"])), 0..10),
        states in prop::array::uniform3(state()),
        has_backup in any::<bool>(),
        spec in any::<bool>(),
    ) {
        let mut inventory = machines();
        inventory.volumes.clear();
        for (at, (member, on, etcd)) in volumes.iter().enumerate() {
            inventory.volumes.push(volume(&format!("vol-{at}"), etcd, member, "a", *on));
        }
        for (instance, state) in inventory.instances.iter_mut().zip(states) {
            instance.state = state;
        }
        let mut facts = facts(&inventory);
        if !has_backup {
            facts.etcds[0].state.best = Err(NoBackup::None);
        }
        if !spec {
            for etcd in &mut facts.etcds {
                etcd.members.clear();
            }
        }
        let found = findings(&facts);
        prop_assert_eq!(&found, &findings(&facts));
        let things: BTreeSet<String> = inventory
            .volumes
            .iter()
            .map(|volume| volume.id.clone())
            .chain(inventory.instances.iter().map(|instance| instance.id.clone()))
            .chain(volumes.iter().map(|(member, ..)| (*member).to_owned()))
            .chain(volumes.iter().filter_map(|(_, on, _)| on.map(str::to_owned)))
            .chain(ZONES.iter().flat_map(|zone| [(*zone).to_owned(), format!("control-plane-{zone}")]))
            .collect();
        for one in found.iter().filter(|one| one.finding.is_about_machines()) {
            for object in &one.objects {
                prop_assert!(things.contains(object), "{one:?}");
            }
            prop_assert!(!one.what.is_empty() && !one.causes.is_empty() && (one.command.is_some() || one.note.is_some()));
        }
        let cure = smallest(&facts, &found);
        let statuses: Vec<QuorumStatus> = facts.etcds.iter().map(|etcd| QuorumStatus::of(&facts, etcd)).collect();
        let main = &statuses[0];
        if main.members > 0 && main.mounted >= main.quorum() {
            prop_assert!(!matches!(cure.cure, Cure::Wipe | Cure::Rebuild | Cure::KeepEverything), "{cure:?}");
        }
        if !has_backup {
            prop_assert!(cure.cure != Cure::Wipe, "{cure:?}");
        }
        prop_assert!(main.mounted <= main.with_data && main.with_data <= main.members);
    }
}

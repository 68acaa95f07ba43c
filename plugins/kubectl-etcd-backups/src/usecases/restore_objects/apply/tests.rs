use std::path::Path;

use runbook_kit::cli::confirm;
use runbook_kit::model::kubernetes::for_apply::{Along, Stage};
use runbook_kit::model::kubernetes::served::ServedResource;
use runbook_kit::ports::cluster_objects::Refusal;
use runbook_kit::testing::{MemoryObjects, ObjectTrick};
use serde_json::json;

use super::*;
use crate::rules::restore_objects::journal::{self, Changed, Head, parse};
use crate::rules::restore_objects::object::{Content, Ready, Wanted};
use crate::rules::restore_objects::plan::plan;
use crate::usecases::restore_objects::{check, observe, undo};

/// A journal in memory, which may fail after some lines.
#[derive(Default)]
struct Memory {
    text: String,
    fails_after: Option<usize>,
}

impl Journal for Memory {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.fails_after == Some(0) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.fails_after = self.fails_after.map(|lines| lines - 1);
        self.text.push_str(line);
        self.text.push('\n');
        Ok(())
    }
}

fn resource(plural: &str, kind: &str, namespaced: bool) -> ServedResource {
    ServedResource {
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced,
        verbs: ["create", "delete", "get", "list", "patch"].map(str::to_owned).to_vec(),
        preferred: true,
        ..ServedResource::default()
    }
}

fn maps() -> ServedResource {
    resource("configmaps", "ConfigMap", true)
}

fn namespaces() -> ServedResource {
    resource("namespaces", "Namespace", false)
}

fn api() -> MemoryObjects {
    MemoryObjects::serving([maps(), namespaces()])
}

fn map(name: &str, data: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"a": data}})
}

fn id(name: &str) -> ObjectId {
    ObjectId::new("", "configmaps", Some("shop"), name)
}

/// Namespace `shop`, and in it these.
fn wanted(names: &[&str]) -> Vec<Wanted> {
    let one = |id, stage, object| Wanted {
        id,
        stage,
        implied: false,
        content: Content::Ready(Ready {
            object,
            ..Ready::default()
        }),
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let mut wanted = vec![one(ObjectId::namespace("shop"), Stage::Namespaces, namespace)];
    wanted.extend(
        names
            .iter()
            .map(|name| one(id(name), Stage::Foundations, map(name, "1"))),
    );
    wanted
}

async fn planned(api: &MemoryObjects, names: &[&str], overwrite: bool) -> Vec<Item> {
    let served = api.resources().await.unwrap();
    let wanted = wanted(names);
    let living = observe::living(api, served, &wanted, Clone::clone).await.unwrap();
    let items = plan(wanted, &living, &Along::default(), overwrite);
    check::check(api, items, &Along::default(), &|_| {}).await.unwrap()
}

async fn applied(api: &MemoryObjects, items: &[Item], journal: &mut Memory) -> Applied {
    let consent = confirm::plain(true).unwrap();
    Run::new(api, journal, Duration::from_secs(5), &consent, &|_| {})
        .apply(items)
        .await
}

/// Restores these, and gives the journal.
async fn restored(api: &MemoryObjects, names: &[&str], overwrite: bool) -> (Applied, journal::Journal) {
    let items = planned(api, names, overwrite).await;
    let mut journal = Memory::default();
    let applied = applied(api, &items, &mut journal).await;
    (applied, read(&journal))
}

fn read(journal: &Memory) -> journal::Journal {
    let head = Head::new("2026-11-22T15:18:01Z".parse().unwrap(), "https://memory", None, "b");
    parse(format!("{}\n{}", head.line().unwrap(), journal.text).as_bytes()).unwrap()
}

async fn undone(api: &MemoryObjects, journal: &journal::Journal) -> Vec<String> {
    let served = api.resources().await.unwrap();
    let items = undo::look(api, &served, journal, false).await.unwrap();
    let consent = confirm::plain(true).unwrap();
    let (outcomes, stopped) = undo::undo(api, &served, &items, &consent, &|_| {}).await;
    assert!(stopped.is_none(), "{stopped:?}");
    outcomes
        .iter()
        .map(|(id, outcome)| format!("{id} {outcome:?}"))
        .collect()
}

fn outcome(applied: &Applied) -> (usize, bool) {
    (applied.outcomes.len(), applied.stopped.is_some())
}

#[tokio::test]
async fn twice_is_nothing_and_undone_it_is_gone() {
    let api = api();
    let (first, journal) = restored(&api, &["a", "b"], false).await;
    assert_eq!(outcome(&first), (3, false));
    assert_eq!(
        api.names(),
        ["configmaps/shop/a", "configmaps/shop/b", "namespaces/shop"]
    );
    let again = planned(&api, &["a", "b"], true).await;
    assert!(again.iter().all(|item| item.action == Action::Same), "{again:?}");
    let undone_first = undone(&api, &journal).await;
    assert_eq!(undone_first.len(), 3, "{undone_first:?}");
    assert_eq!(api.names(), [""; 0]);
    assert_eq!(undone(&api, &journal).await, [""; 0]);
}

#[tokio::test]
async fn what_existed_before_is_neither_changed_nor_deleted() {
    let api = api();
    api.put(&namespaces(), json!({"metadata": {"name": "shop"}}));
    api.put(&maps(), map("a", "of the user"));
    let before = api.object(&maps(), "shop", "a");
    let (_, journal) = restored(&api, &["a", "b"], false).await;
    assert_eq!(api.object(&maps(), "shop", "a"), before);
    assert_eq!(undone(&api, &journal).await, ["configmaps/shop/b Deleted"]);
    assert_eq!(api.object(&maps(), "shop", "a"), before);
}

#[tokio::test]
async fn what_is_overwritten_is_put_back() {
    let api = api();
    api.put(&namespaces(), json!({"metadata": {"name": "shop"}}));
    let mut mine = map("a", "of the user");
    mine["data"]["more"] = "x".into();
    api.put(&maps(), mine.clone());
    let (applied, journal) = restored(&api, &["a"], true).await;
    assert_eq!(applied.outcomes[&id("a")], Outcome::Overwritten);
    assert_eq!(api.object(&maps(), "shop", "a").unwrap()["data"], json!({"a": "1"}));
    // The memory notes no managers when it patches.
    let mut object = api.object(&maps(), "shop", "a").unwrap();
    object["metadata"]["managedFields"] = json!([{"manager": "kubectl-etcd-backups"}]);
    api.put(&maps(), object);
    assert_eq!(undone(&api, &journal).await, ["configmaps/shop/a PutBack"]);
    assert_eq!(api.object(&maps(), "shop", "a").unwrap()["data"], mine["data"]);
}

#[tokio::test]
async fn what_somebody_writes_meanwhile_is_his() {
    let api = api();
    api.put(&namespaces(), json!({"metadata": {"name": "shop"}}));
    api.put(&maps(), map("old", "2"));
    let items = planned(&api, &["new", "old"], true).await;
    let mut journal = Memory::default();
    api.before_writes([
        ObjectTrick::Put(maps(), map("new", "of another")),
        ObjectTrick::Put(maps(), map("old", "of another")),
    ]);
    let applied = applied(&api, &items, &mut journal).await;
    assert_eq!(applied.outcomes[&id("new")], Outcome::ExistsByNow);
    assert_eq!(
        applied.outcomes[&id("old")],
        Outcome::Refused("was changed meanwhile".to_owned())
    );
    assert_eq!(api.written(), [""; 0]);
    assert_eq!(read(&journal).done, []);
}

#[tokio::test]
async fn one_refused_object_does_not_keep_the_others_back() {
    let api = api();
    let items = planned(&api, &["a", "b"], false).await;
    let forbidden = Refusal {
        code: 403,
        reason: "Forbidden".to_owned(),
        message: "no".to_owned(),
        causes: Vec::new(),
    };
    api.before_writes([ObjectTrick::None, ObjectTrick::Refuse(forbidden.clone())]);
    let done = applied(&api, &items, &mut Memory::default()).await;
    assert_eq!(done.outcomes[&id("a")], Outcome::Refused("not allowed: no".to_owned()));
    assert_eq!(done.outcomes[&id("b")], Outcome::Created);

    let api = self::api();
    let items = planned(&api, &["a"], false).await;
    api.before_writes([ObjectTrick::Refuse(forbidden)]);
    let done = applied(&api, &items, &mut Memory::default()).await;
    assert_eq!(
        done.outcomes[&id("a")],
        Outcome::Skipped("namespaces/shop could not be created".to_owned())
    );
}

#[tokio::test]
async fn an_api_that_goes_away_leaves_a_journal_that_says_what_is_not_known() {
    for (trick, in_doubt, known) in [
        (
            ObjectTrick::Fail(KubeErrorKind::Unreachable("reset".to_owned())),
            true,
            1,
        ),
        (ObjectTrick::LoseAnswer(KubeErrorKind::Timeout(60)), true, 1),
        (ObjectTrick::Fail(KubeErrorKind::Unauthorized), false, 1),
    ] {
        let api = api();
        let items = planned(&api, &["a", "b"], false).await;
        let mut journal = Memory::default();
        api.before_writes([ObjectTrick::None, trick]);
        let applied = applied(&api, &items, &mut journal).await;
        let stopped = applied.stopped.unwrap();
        assert_eq!((stopped.at, stopped.in_doubt), (id("a"), in_doubt));
        let journal = read(&journal);
        let certain = journal
            .done
            .iter()
            .filter(|done| matches!(done.change, Changed::Created { .. }));
        assert_eq!(certain.count(), known);
        assert_eq!(journal.done.len(), known + usize::from(in_doubt));
        // What is in doubt is left, and so is the namespace that it lies in.
        let there = api.names().len();
        let undone = undone(&api, &journal).await;
        assert_eq!(api.names().len(), if there == 2 { 2 } else { 0 }, "{undone:?}");
    }
}

#[tokio::test]
async fn without_a_journal_nothing_is_changed() {
    let api = api();
    let items = planned(&api, &["a"], false).await;
    let mut full = Memory {
        fails_after: Some(0),
        ..Memory::default()
    };
    let done = applied(&api, &items, &mut full).await;
    assert!(!done.stopped.unwrap().in_doubt);
    assert_eq!(api.names(), [""; 0]);
    // The namespace is created, and cannot be noted.
    let mut full = Memory {
        fails_after: Some(1),
        ..Memory::default()
    };
    let done = applied(&api, &items, &mut full).await;
    assert!(done.stopped.unwrap().in_doubt);
    assert_eq!(api.names(), ["namespaces/shop"]);
}

#[tokio::test]
async fn a_namespace_that_was_made_anew_or_filled_is_not_undone() {
    let api = api();
    let (_, journal) = restored(&api, &["a"], false).await;
    api.put(&maps(), map("of another", "1"));
    let left = undone(&api, &journal).await;
    assert_eq!(left, ["configmaps/shop/a Deleted"]);
    assert_eq!(api.names(), ["configmaps/shop/of another", "namespaces/shop"]);

    let api = self::api();
    let (_, journal) = restored(&api, &["a"], false).await;
    for (resource, object) in [
        (namespaces(), json!({"metadata": {"name": "shop"}})),
        (maps(), map("a", "1")),
    ] {
        api.put(&resource, object);
    }
    assert_eq!(undone(&api, &journal).await, [""; 0]);
    assert_eq!(api.names(), ["configmaps/shop/a", "namespaces/shop"]);
}

#[tokio::test]
async fn what_comes_while_it_is_undone_saves_its_namespace() {
    let api = api();
    let (_, journal) = restored(&api, &["a"], false).await;
    api.before_writes([ObjectTrick::Put(maps(), map("late", "1"))]);
    let left = undone(&api, &journal).await;
    assert_eq!(
        left,
        [
            "configmaps/shop/a Deleted",
            "namespaces/shop Left(\"holds what is not deleted: configmaps/shop/late\")"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_waited_for() {
    let api = api();
    let items = planned(&api, &["a"], false).await;
    let account = Refusal {
        code: 403,
        reason: "Forbidden".to_owned(),
        message: "pods \"a\" is forbidden: error looking up service account shop/default: not found".to_owned(),
        causes: Vec::new(),
    };
    let tries = std::iter::repeat_n(ObjectTrick::Refuse(account.clone()), 3);
    api.before_writes([ObjectTrick::None].into_iter().chain(tries));
    let done = applied(&api, &items, &mut Memory::default()).await;
    assert_eq!(done.outcomes[&id("a")], Outcome::Created);

    let api = self::api();
    let items = planned(&api, &["a"], false).await;
    let for_ever = std::iter::repeat_n(ObjectTrick::Refuse(account), 100);
    api.before_writes([ObjectTrick::None].into_iter().chain(for_ever));
    let done = applied(&api, &items, &mut Memory::default()).await;
    assert!(matches!(&done.outcomes[&id("a")], Outcome::Refused(why) if why.contains("service account")));
}

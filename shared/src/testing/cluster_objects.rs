//! Objects of a Kubernetes API in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::consent::Consent;
use crate::model::kubernetes::merge_patch;
use crate::model::kubernetes::served::{Served, ServedResource};
use crate::ports::cluster_api::{KubeError, KubeErrorKind};
use crate::ports::cluster_objects::{
    Answer, ClusterObjects, FIELD_MANAGER, ObjectDeletion, ObjectPage, ObjectPlace, Refusal,
};

/// Objects in memory, with UIDs, versions and preconditions as far as [`ClusterObjects`] shows them. There is no validation, and
/// nothing that a controller would do.
#[derive(Default)]
pub struct MemoryObjects {
    state: Mutex<State>,
}

/// Group, plural, namespace (empty without), name.
type Key = (String, String, String, String);

#[derive(Default)]
struct State {
    served: Served,
    objects: BTreeMap<Key, Value>,
    clock: u64,
    page: usize,
    before_writes: VecDeque<ObjectTrick>,
    refuses_reads: Option<KubeErrorKind>,
    written: Vec<String>,
}

/// What happens right before a change is carried out. Trials (`would_…`) do not count.
#[derive(Clone, Debug)]
pub enum ObjectTrick {
    /// Nothing.
    None,
    /// Somebody else writes this object of this resource.
    Put(ServedResource, Value),
    /// Somebody else deletes `namespace/name` of this resource.
    Remove(ServedResource, String, String),
    /// The API refuses.
    Refuse(Refusal),
    /// The connection breaks, and nothing is carried out.
    Fail(KubeErrorKind),
    /// The change is carried out, and the connection breaks before the answer arrives.
    LoseAnswer(KubeErrorKind),
}

impl MemoryObjects {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves these resources.
    #[must_use]
    pub fn serving(resources: impl IntoIterator<Item = ServedResource>) -> Self {
        let memory = Self::default();
        let mut state = memory.state();
        state.page = 500;
        state.served.resources = resources.into_iter().collect();
        drop(state);
        memory
    }

    /// Serves one resource more.
    pub fn serve(&self, resource: ServedResource) {
        self.state().served.resources.push(resource);
    }

    /// At most so many objects in one answer.
    pub fn page_size(&self, objects: usize) {
        self.state().page = objects;
    }

    /// Writes an object, whatever was there. Its UID is kept where it has one.
    pub fn put(&self, resource: &ServedResource, object: Value) {
        self.state().put(resource, object);
    }

    /// What happens before the changes to come, in their order.
    pub fn before_writes(&self, tricks: impl IntoIterator<Item = ObjectTrick>) {
        self.state().before_writes.extend(tricks);
    }

    /// From now on every read fails so.
    pub fn refuse_reads(&self, kind: KubeErrorKind) {
        self.state().refuses_reads = Some(kind);
    }

    /// The object.
    #[must_use]
    pub fn object(&self, resource: &ServedResource, namespace: &str, name: &str) -> Option<Value> {
        self.state().objects.get(&key(resource, namespace, name)).cloned()
    }

    /// All objects as `plural/namespace/name`, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let state = self.state();
        let name = |(_, plural, namespace, name): &Key| match namespace.as_str() {
            "" => format!("{plural}/{name}"),
            namespace => format!("{plural}/{namespace}/{name}"),
        };
        let mut names: Vec<String> = state.objects.keys().map(name).collect();
        names.sort();
        names
    }

    /// The changes that were carried out, in their order: `create configmaps/shop/a`.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        self.state().written.clone()
    }

    fn read(&self, action: &str) -> Result<MutexGuard<'_, State>, KubeError> {
        let state = self.state();
        match &state.refuses_reads {
            Some(kind) => Err(kube_error(action, kind.clone())),
            None => Ok(state),
        }
    }

    fn change<T>(
        &self,
        action: &str,
        change: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<Result<T, Refusal>, KubeError> {
        let mut state = self.state();
        let mut lost = None;
        match state.before_writes.pop_front().unwrap_or(ObjectTrick::None) {
            ObjectTrick::None => {}
            ObjectTrick::Put(resource, object) => state.put(&resource, object),
            ObjectTrick::Remove(resource, namespace, name) => {
                state.objects.remove(&key(&resource, &namespace, &name));
            }
            ObjectTrick::Refuse(refusal) => return Ok(Err(refusal)),
            ObjectTrick::Fail(kind) => return Err(kube_error(action, kind)),
            ObjectTrick::LoseAnswer(kind) => lost = Some(kind),
        }
        let answer = change(&mut state);
        if answer.is_ok() {
            state.written.push(action.to_owned());
        }
        match lost {
            Some(kind) => Err(kube_error(action, kind)),
            None => Ok(answer),
        }
    }
}

fn kube_error(action: &str, kind: KubeErrorKind) -> KubeError {
    KubeError {
        action: action.to_owned(),
        server: "https://memory".to_owned(),
        kind,
    }
}

fn key(resource: &ServedResource, namespace: &str, name: &str) -> Key {
    let namespace = if resource.namespaced { namespace } else { "" };
    let parts = [&resource.group, &resource.plural, namespace, name].map(str::to_owned);
    parts.into()
}

fn key_of(place: ObjectPlace<'_>) -> Key {
    key(place.resource, place.namespace.unwrap_or_default(), place.name)
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn refused(code: u16, reason: &str, message: String) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        message,
        causes: Vec::new(),
    }
}

impl State {
    fn put(&mut self, resource: &ServedResource, mut object: Value) {
        self.clock += 1;
        let key = key(
            resource,
            text(&object, "/metadata/namespace"),
            text(&object, "/metadata/name"),
        );
        let uid = match text(&object, "/metadata/uid") {
            "" => format!("uid-{}", self.clock),
            uid => uid.to_owned(),
        };
        let of_api = json!({
            "apiVersion": resource.api_version(), "kind": resource.kind,
            "metadata": {"uid": uid, "resourceVersion": self.clock.to_string()},
        });
        merge_patch::merge(&mut object, &of_api);
        self.objects.insert(key, object);
    }

    fn create(&mut self, place: ObjectPlace<'_>, object: &Value, keep: bool) -> Answer {
        let key = key_of(place);
        if self.objects.contains_key(&key) {
            return Err(refused(409, "AlreadyExists", format!("{place} already exists")));
        }
        if let Some(namespace) = place.namespace {
            let of_namespace =
                |(group, plural, _, name): &Key| group.is_empty() && plural == "namespaces" && name == namespace;
            if !self.objects.keys().any(of_namespace) {
                return Err(refused(
                    404,
                    "NotFound",
                    format!("namespaces \"{namespace}\" not found"),
                ));
            }
        }
        let mut object = object.clone();
        let of_api = json!({"metadata": {
            "uid": null, "namespace": place.namespace, "name": place.name,
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Update"}],
        }});
        merge_patch::merge(&mut object, &of_api);
        if !keep {
            return Ok(object);
        }
        self.put(place.resource, object);
        self.objects.get(&key).cloned().ok_or_else(Refusal::default)
    }

    fn patch(&mut self, place: ObjectPlace<'_>, patch: &Value, keep: bool) -> Answer {
        let Some(found) = self.objects.get(&key_of(place)) else {
            return Err(refused(404, "NotFound", format!("{place} not found")));
        };
        for field in ["/metadata/resourceVersion", "/metadata/uid"] {
            let wanted = text(patch, field);
            if !wanted.is_empty() && wanted != text(found, field) {
                return Err(refused(409, "Conflict", format!("{place} has been modified")));
            }
        }
        let mut patched = found.clone();
        merge_patch::merge(&mut patched, patch);
        if keep {
            self.put(place.resource, patched.clone());
            return self.objects.get(&key_of(place)).cloned().ok_or_else(Refusal::default);
        }
        Ok(patched)
    }
}

#[async_trait]
impl ClusterObjects for MemoryObjects {
    fn server(&self) -> &str {
        "https://memory"
    }

    async fn resources(&self) -> Result<Served, KubeError> {
        Ok(self.read("GET /apis")?.served.clone())
    }

    async fn list(
        &self,
        resource: &ServedResource,
        namespace: Option<&str>,
        next: Option<&str>,
    ) -> Result<ObjectPage, KubeError> {
        let state = self.read(&format!("list {}", resource.label()))?;
        let wanted = |(group, plural, within, _): &Key| {
            *group == resource.group && *plural == resource.plural && namespace.is_none_or(|wanted| wanted == within)
        };
        let found = state.objects.iter().filter(|(key, _)| wanted(key));
        let at: usize = next.and_then(|next| next.parse().ok()).unwrap_or(0);
        let mut found = found.skip(at);
        let items: Vec<Value> = found
            .by_ref()
            .take(state.page)
            .map(|(_, object)| object.clone())
            .collect();
        let next = found.next().map(|_| (at + items.len()).to_string());
        Ok(ObjectPage { items, next })
    }

    async fn get(&self, place: ObjectPlace<'_>) -> Result<Option<Value>, KubeError> {
        Ok(self.read(&format!("get {place}"))?.objects.get(&key_of(place)).cloned())
    }

    async fn would_create(&self, place: ObjectPlace<'_>, object: &Value) -> Result<Answer, KubeError> {
        Ok(self.state().create(place, object, false))
    }

    async fn create(&self, place: ObjectPlace<'_>, object: &Value, _consent: &Consent) -> Result<Answer, KubeError> {
        self.change(&format!("create {place}"), |state| state.create(place, object, true))
    }

    async fn would_patch(&self, place: ObjectPlace<'_>, patch: &Value) -> Result<Answer, KubeError> {
        Ok(self.state().patch(place, patch, false))
    }

    async fn patch(&self, place: ObjectPlace<'_>, patch: &Value, _consent: &Consent) -> Result<Answer, KubeError> {
        self.change(&format!("change {place}"), |state| state.patch(place, patch, true))
    }

    async fn delete(
        &self,
        place: ObjectPlace<'_>,
        uid: &str,
        resource_version: Option<&str>,
        _consent: &Consent,
    ) -> Result<ObjectDeletion, KubeError> {
        let answer = self.change(&format!("delete {place}"), |state| {
            let Some(found) = state.objects.get(&key_of(place)) else {
                return Err(refused(404, "NotFound", format!("{place} not found")));
            };
            let is_another_version = |wanted: &str| wanted != text(found, "/metadata/resourceVersion");
            if text(found, "/metadata/uid") != uid || resource_version.is_some_and(is_another_version) {
                return Err(refused(409, "Conflict", format!("{place} has been modified")));
            }
            state.objects.remove(&key_of(place));
            Ok(())
        })?;
        Ok(match answer {
            Ok(()) => ObjectDeletion::Deleted,
            Err(refusal) => match refusal.code {
                404 => ObjectDeletion::Gone,
                409 => ObjectDeletion::Changed,
                _ => ObjectDeletion::Refused(refusal),
            },
        })
    }
}

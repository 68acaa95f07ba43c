//! Fills an API server with objects of every kind.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};
use support::KubeApiServer;

use crate::api::{Refusal, Resource, send};
use crate::grow::{Covered, Grower};
use crate::seeds;
use crate::types::Types;

/// What intercepts or lists further objects once it is there.
const LAST: [&str; 3] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
];
/// Others are made of what is in these, so they come first.
const FIRST: [&str; 1] = ["pods"];

/// Creates them, and yields which fields they have. A seed or a first growth that is refused is a failure of the test.
pub fn fill(server: &KubeApiServer, resources: &[Resource], types: &Types) -> Covered {
    prepare(server);
    let refused: Vec<String> = resources
        .iter()
        .filter_map(|resource| {
            let one = One {
                server,
                resource,
                types,
                covered: &Covered::default(),
            };
            let path = format!("{}?dryRun=All", one.path(""));
            let refusal = one.send("POST", &path, &one.seed(0)).err()?;
            Some(format!("{}: {}", resource.name(), refusal.text))
        })
        .collect();
    assert!(refused.is_empty(), "seeds are refused:\n{}", refused.join("\n"));
    let (last, mut rest): (Vec<_>, Vec<_>) = resources.iter().partition(|resource| LAST.contains(&resource.group()));
    rest.sort_by_key(|resource| !FIRST.contains(&resource.name().as_str()));
    let covered = Covered::default();
    for resources in [rest, last] {
        let queue = Mutex::new(VecDeque::from(resources));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap().pop_front();
                        let Some(resource) = next else { return };
                        let one = One {
                            server,
                            resource,
                            types,
                            covered: &covered,
                        };
                        one.fill();
                    }
                });
            }
        });
    }
    covered
}

/// What admission wants to be there.
fn prepare(server: &KubeApiServer) {
    server
        .create("/api/v1/namespaces", &json!({"metadata": {"name": "limited"}}))
        .unwrap();
    let account = json!({"metadata": {"name": "default"}});
    server
        .create("/api/v1/namespaces/default/serviceaccounts", &account)
        .unwrap();
}

struct One<'a> {
    server: &'a KubeApiServer,
    resource: &'a Resource,
    types: &'a Types,
    covered: &'a Covered,
}

impl One<'_> {
    fn fill(&self) {
        let root = self.types.kind(&self.resource.api_version, &self.resource.kind);
        let root = root.unwrap_or_else(|| panic!("{} is not in the table", self.resource.name()));
        let path = self.path("");
        let ask = |object: &Value| self.send("POST", &format!("{path}?dryRun=All"), object).map(drop);
        let seed = self.seed(0);
        let grower = Grower {
            types: self.types,
            covered: self.covered,
            ask: &ask,
            root,
            wanted: &|name| name != "metadata" && !(name == "status" && self.resource.has_status),
        };
        let mut count = 0;
        for object in grower.grow(&seed) {
            let object = renamed(&object, &seed, &self.seed(count));
            match self.send("POST", &path, &object) {
                Ok(_) => count += 1,
                // Two may want the same port or address.
                Err(refusal) => assert!(count > 0, "{}: {}\n{object}", self.resource.name(), refusal.text),
            }
        }
        if self.resource.has_status {
            self.fill_status(root, count);
        }
    }

    fn fill_status(&self, root: &str, mut count: usize) {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        let status_path = |object: &Value| format!("{}/status", self.path(&name(object)));
        let base = self.server.get(&self.path(&name(&self.seed(0)))).unwrap();
        let path = status_path(&base);
        let ask = |object: &Value| self.send("PUT", &format!("{path}?dryRun=All"), object).map(drop);
        let grower = Grower {
            types: self.types,
            covered: self.covered,
            ask: &ask,
            root,
            wanted: &|name| name == "status",
        };
        for (at, grown) in grower.grow(&base).into_iter().enumerate() {
            if at >= count {
                if let Err(refusal) = self.send("POST", &self.path(""), &self.seed(at)) {
                    panic!("{}: {}", self.resource.name(), refusal.text);
                }
                count += 1;
            }
            let mut object = self.server.get(&self.path(&name(&self.seed(at)))).unwrap();
            object["status"] = grown["status"].clone();
            if let Err(refusal) = self.send("PUT", &status_path(&object), &object) {
                assert!(at > 0, "status of {}: {}", self.resource.name(), refusal.text);
            }
        }
    }

    fn seed(&self, n: usize) -> Value {
        let name = self.resource.name();
        let mut seed = seeds::of(&name, n).unwrap_or_else(|| panic!("there is no seed of the served kind {name}"));
        seed["apiVersion"] = json!(self.resource.api_version);
        seed["kind"] = json!(self.resource.kind);
        seed
    }

    fn path(&self, name: &str) -> String {
        let namespace = self
            .resource
            .namespaced
            .then(|| seeds::namespace(&self.resource.name()));
        self.resource.path(&self.resource.api_version, namespace, name)
    }

    fn send(&self, method: &str, path: &str, object: &Value) -> Result<Value, Refusal> {
        send(self.server, method, path, object)
    }
}

/// `object`, which grew from `old`, with what `new` has in place of it: names, mostly.
fn renamed(object: &Value, old: &Value, new: &Value) -> Value {
    match (object, old, new) {
        (Value::Object(object), Value::Object(old), Value::Object(new)) => {
            let entry = |(name, value): (&String, &Value)| match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => (name.clone(), renamed(value, old, new)),
                _ => (name.clone(), value.clone()),
            };
            Value::Object(object.iter().map(entry).collect())
        }
        (object, old, new) if old == new => object.clone(),
        (_, _, new) => new.clone(),
    }
}

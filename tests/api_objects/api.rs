//! What an API server serves, and what it says of objects.

use serde_json::Value;
use support::KubeApiServer;

/// A resource that is served and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `apps/v1`: the preferred version.
    pub api_version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub has_status: bool,
}

impl Resource {
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `deployments.apps`.
    pub fn name(&self) -> String {
        match self.group() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Where it is served in some version.
    pub fn path(&self, api_version: &str, namespace: Option<&str>, name: &str) -> String {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let namespace = namespace
            .map(|namespace| format!("/namespaces/{namespace}"))
            .unwrap_or_default();
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("/{name}")
        };
        let path = format!("{root}/{api_version}{namespace}/{}{name}", self.plural);
        path.replace(' ', "%20")
    }
}

/// Every resource with objects that can be created and read, in each group's preferred version that has it, sorted; and
/// the names of those that cannot.
pub fn discover(server: &KubeApiServer) -> (Vec<Resource>, Vec<String>) {
    let groups = server.get("/apis").unwrap();
    let mut versions = vec!["v1".to_owned()];
    for group in groups["groups"].as_array().unwrap() {
        // The API server lists a group's versions as it prefers them.
        let listed = group["versions"].as_array().unwrap();
        versions.extend(
            listed
                .iter()
                .map(|version| version["groupVersion"].as_str().unwrap().to_owned()),
        );
    }
    let (mut stored, mut others): (Vec<Resource>, Vec<String>) = (Vec::new(), Vec::new());
    for api_version in versions {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let list = server.get(&format!("{root}/{api_version}")).unwrap();
        let resources = list["resources"].as_array().unwrap();
        for resource in resources {
            let name = resource["name"].as_str().unwrap();
            let verbs = resource["verbs"].as_array().unwrap();
            let found = Resource {
                api_version: api_version.clone(),
                kind: resource["kind"].as_str().unwrap().to_owned(),
                plural: name.to_owned(),
                namespaced: resource["namespaced"].as_bool().unwrap(),
                has_status: resources
                    .iter()
                    .any(|other| other["name"] == format!("{name}/status").as_str()),
            };
            if name.contains('/')
                || !["create", "get"]
                    .iter()
                    .all(|verb| verbs.iter().any(|have| have == verb))
            {
                others.push(found.name());
            } else if !stored.iter().any(|other| other.name() == found.name()) {
                stored.push(found);
            }
        }
    }
    stored.sort_by_key(Resource::name);
    others.sort();
    others.dedup();
    (stored, others)
}

/// Why an API server does not take an object.
#[derive(Debug, Default)]
pub struct Refusal {
    pub text: String,
    pub causes: Vec<Cause>,
}

#[derive(Debug)]
pub struct Cause {
    pub field: String,
    pub reason: String,
    pub message: String,
}

impl Cause {
    /// What the message names as supported: `supported values: "Always", "Never"`.
    pub fn supported(&self) -> Vec<String> {
        let Some((_, list)) = self
            .message
            .split_once("supported values: ")
            .or(self.message.split_once("must be one of"))
        else {
            return Vec::new();
        };
        let quoted = list.split('"').skip(1).step_by(2);
        quoted.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }
}

/// Sends an object.
pub fn send(server: &KubeApiServer, method: &str, path: &str, object: &Value) -> Result<Value, Refusal> {
    let response = server.answer(method, path, object.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if (200..300).contains(&response.status) {
        return Ok(answer);
    }
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let causes = answer["details"]["causes"].as_array().into_iter().flatten();
    Err(Refusal {
        text: text(&answer, "message"),
        causes: causes
            .map(|cause| Cause {
                field: text(cause, "field"),
                reason: text(cause, "reason"),
                message: text(cause, "message"),
            })
            .collect(),
    })
}

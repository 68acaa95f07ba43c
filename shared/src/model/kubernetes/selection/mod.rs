//! Which objects of a backup are meant, in kubectl's grammar: `deploy`, `deploy,svc`, `deploy/web`, `deploy web db`, `all`,
//! `-n`, `-A`, `-l`. The grammar is that of kubernetes/kubernetes, `staging/src/k8s.io/cli-runtime/pkg/resource/builder.go`;
//! a name with more slashes, or one at its start, is an [`ObjectRef`].
//!
//! [`Request::parse`] needs nothing but the command line; [`Request::resolve`] needs to know the [`Resources`] of the backup.

mod labels;
mod resources;

use super::key::ObjectKey;
use super::object_ref::{ObjectRef, ObjectRefError};

pub use labels::{LabelSelector, LabelSelectorError};
pub use resources::{Resource, ResourceError, Resources};

/// How many other places of an object are named.
const ELSEWHERE: usize = 5;

/// The namespaces in which objects are looked for. Objects that are in none are found in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// One.
    One(String),
    /// All.
    All,
}

/// What was requested, as far as it can be understood without the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    wanted: Vec<Wanted<String>>,
    namespaces: Namespaces,
    labels: Option<LabelSelector>,
}

/// The objects that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    wanted: Vec<Wanted<Vec<Resource>>>,
    namespaces: Namespaces,
    labels: Option<LabelSelector>,
}

/// One part of a request. `R` names its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted<R> {
    /// All objects; with one namespace this namespace and what is in it.
    Everything,
    /// All objects of resources.
    Every { text: String, resources: R },
    /// The objects of one name.
    Named { text: String, resources: R, name: String },
    /// One object, named by itself.
    Object(ObjectRef),
}

/// Why a command line requests nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No resource, and not all of them.
    #[error("no resource is named")]
    Nothing,
    /// All resources, and some.
    #[error("--all means all resources: `{0}` is more than that")]
    AllAndMore(String),
    /// `deploy/web db`
    #[error("`{0}` stands among names with a slash: write each as RESOURCE/NAME")]
    Mixed(String),
    /// `deploy/`, `deploy,svc/web`
    #[error("`{0}` is no RESOURCE/NAME with one resource and one name")]
    NoPair(String),
    /// `deploy,,svc`
    #[error("`{0}` has an empty part between its commas")]
    EmptyPart(String),
    /// Names and a selector of labels.
    #[error("`{0}` is a name: names and -l cannot be combined")]
    NameAndLabels(String),
    /// A name that cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectRefError),
}

/// A part of a request of which there is nothing in the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As it was requested.
    pub text: String,
    /// Whether one object was named, rather than all of a resource.
    pub named: bool,
    /// Objects that may have been meant, best first.
    pub near: Vec<String>,
    /// Namespaces in which there are such objects, sorted.
    pub namespaces: Vec<String>,
}

impl Request {
    /// Reads the arguments of a command line. `all` without arguments is everything.
    ///
    /// # Errors
    /// Where kubectl refuses it, too.
    pub fn parse(
        arguments: &[String],
        all: bool,
        namespaces: Namespaces,
        labels: Option<LabelSelector>,
    ) -> Result<Self, RequestError> {
        let with_slash = arguments.iter().filter(|argument| argument.contains('/')).count();
        let wanted = match arguments {
            [] if all => vec![Wanted::Everything],
            [] => return Err(RequestError::Nothing),
            _ if with_slash > 0 => {
                if let Some(name) = arguments.iter().find(|argument| !argument.contains('/')) {
                    return Err(RequestError::Mixed(name.clone()));
                }
                arguments
                    .iter()
                    .map(|argument| pair(argument))
                    .collect::<Result<_, _>>()?
            }
            [types, names @ ..] => typed(types, names)?,
        };
        let name = wanted.iter().find_map(|wanted| match wanted {
            Wanted::Named { text, .. } => Some(text.clone()),
            Wanted::Object(object) => Some(object.to_string()),
            Wanted::Everything | Wanted::Every { .. } => None,
        });
        match name {
            Some(name) if labels.is_some() => Err(RequestError::NameAndLabels(name)),
            Some(name) if all => Err(RequestError::AllAndMore(name)),
            _ => Ok(Self {
                wanted,
                namespaces,
                labels,
            }),
        }
    }

    /// Finds out which resources are meant.
    ///
    /// # Errors
    /// Where a word is no resource of this backup, or several.
    pub fn resolve(&self, resources: &Resources) -> Result<Selection, ResourceError> {
        let resolved = |wanted: &Wanted<String>| {
            Ok(match wanted {
                Wanted::Everything => Wanted::Everything,
                Wanted::Every { text, resources: word } => Wanted::Every {
                    text: text.clone(),
                    resources: resources.find(word)?,
                },
                Wanted::Named {
                    text,
                    resources: word,
                    name,
                } => match resources.find(word) {
                    Ok(resources) => Wanted::Named {
                        text: text.clone(),
                        resources,
                        name: name.clone(),
                    },
                    // A key with one slash, which is no object of Kubernetes.
                    Err(error) => Wanted::Object(ObjectRef::parse(text).map_err(|_| error)?),
                },
                Wanted::Object(object) => Wanted::Object(object.clone()),
            })
        };
        Ok(Selection {
            wanted: self.wanted.iter().map(resolved).collect::<Result<_, _>>()?,
            namespaces: self.namespaces.clone(),
            labels: self.labels.clone(),
        })
    }

    /// Where objects are looked for.
    #[must_use]
    pub const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Whether everything is meant, rather than some resources.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.wanted.contains(&Wanted::Everything)
    }

    /// Whether one object was named, and nothing else.
    #[must_use]
    pub fn is_one_object(&self) -> bool {
        matches!(self.wanted.as_slice(), [Wanted::Named { .. } | Wanted::Object(_)])
    }
}

/// `deploy/web`, or the name of an object that is no pair.
fn pair(text: &str) -> Result<Wanted<String>, RequestError> {
    match text.split_once('/') {
        Some((resource, name)) if !resource.is_empty() && !name.contains('/') => {
            if name.is_empty() || resource.contains(',') {
                return Err(RequestError::NoPair(text.to_owned()));
            }
            Ok(Wanted::Named {
                text: text.to_owned(),
                resources: resource.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Ok(Wanted::Object(ObjectRef::parse(text)?)),
    }
}

/// `deploy,svc` or `deploy,svc web db`.
fn typed(types: &str, names: &[String]) -> Result<Vec<Wanted<String>>, RequestError> {
    let mut wanted = Vec::new();
    for word in types.split(',') {
        if word.is_empty() {
            return Err(RequestError::EmptyPart(types.to_owned()));
        }
        if names.is_empty() {
            wanted.push(Wanted::Every {
                text: word.to_owned(),
                resources: word.to_owned(),
            });
        }
        wanted.extend(names.iter().map(|name| Wanted::Named {
            text: format!("{word}/{name}"),
            resources: word.to_owned(),
            name: name.clone(),
        }));
    }
    Ok(wanted)
}

impl Selection {
    /// The parts of the request that mean the object of `key`, which was read from the raw key `raw`. Labels are not looked
    /// at: see [`Selection::labels`].
    pub fn parts_of<'s>(&'s self, raw: &'s [u8], key: &'s ObjectKey<'_>) -> impl Iterator<Item = usize> + 's {
        let means = move |(part, wanted): (usize, &Wanted<Vec<Resource>>)| self.means(wanted, raw, key).then_some(part);
        self.wanted.iter().enumerate().filter_map(means)
    }

    /// Whether the object of `key` is meant, as far as its key tells.
    #[must_use]
    pub fn takes(&self, raw: &[u8], key: &ObjectKey<'_>) -> bool {
        self.parts_of(raw, key).next().is_some()
    }

    /// Whether objects of a resource may be meant.
    #[must_use]
    pub fn may_take(&self, resource: &Resource, namespaced: bool) -> bool {
        self.wanted.iter().any(|wanted| match wanted {
            Wanted::Everything => {
                self.namespaces == Namespaces::All
                    || namespaced
                    || (resource.plural == "namespaces" && resource.group.is_empty())
            }
            Wanted::Every { resources, .. } | Wanted::Named { resources, .. } => resources.contains(resource),
            Wanted::Object(object) => object.may_be_of(&resource.plural, &resource.group),
        })
    }

    /// The one namespace in which all objects are looked for, if it is only one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let names_its_own = |wanted: &Wanted<_>| matches!(wanted, Wanted::Object(_));
        match &self.namespaces {
            Namespaces::One(namespace) if !self.wanted.iter().any(names_its_own) => Some(namespace),
            _ => None,
        }
    }

    /// What the labels of an object must be.
    #[must_use]
    pub const fn labels(&self) -> Option<&LabelSelector> {
        self.labels.as_ref()
    }

    /// Whether everything is meant, which one etcd cluster alone cannot have.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.wanted.contains(&Wanted::Everything)
    }

    /// How many parts the request has.
    #[must_use]
    pub const fn parts(&self) -> usize {
        self.wanted.len()
    }

    fn means(&self, wanted: &Wanted<Vec<Resource>>, raw: &[u8], key: &ObjectKey<'_>) -> bool {
        match wanted {
            Wanted::Everything => match &self.namespaces {
                Namespaces::All => key.is_kubernetes(),
                Namespaces::One(namespace) => {
                    key.namespace == Some(namespace) || (key.is("namespaces") && key.name == *namespace)
                }
            },
            Wanted::Every { resources, .. } => self.is_within(key) && is_of(resources, key),
            Wanted::Named { resources, name, .. } => self.is_within(key) && key.name == *name && is_of(resources, key),
            Wanted::Object(object) => object.matches(raw, key),
        }
    }

    fn is_within(&self, key: &ObjectKey<'_>) -> bool {
        match (&self.namespaces, key.namespace) {
            (Namespaces::All, _) | (_, None) => true,
            (Namespaces::One(wanted), Some(found)) => wanted == found,
        }
    }

    /// Tells of a part of which nothing was found where there is something like it among `keys`.
    pub fn missing<'k>(&self, part: usize, keys: impl Iterator<Item = &'k [u8]> + Clone) -> Option<Missing> {
        let missing = match self.wanted.get(part)? {
            Wanted::Everything => Missing {
                text: match &self.namespaces {
                    Namespaces::One(namespace) => format!("namespace {namespace}"),
                    Namespaces::All => "object of Kubernetes".to_owned(),
                },
                named: false,
                near: Vec::new(),
                namespaces: Vec::new(),
            },
            Wanted::Every { text, resources } => Missing {
                text: text.clone(),
                named: false,
                near: Vec::new(),
                namespaces: self.namespaces_of(keys, |key| is_of(resources, key)),
            },
            Wanted::Named { text, resources, name } => {
                let namespaces = self.namespaces_of(keys.clone(), |key| key.name == *name && is_of(resources, key));
                let near = match resources.first() {
                    Some(resource) if namespaces.is_empty() => self.near_misses(resource, name, keys),
                    _ => Vec::new(),
                };
                Missing {
                    text: text.clone(),
                    named: true,
                    near,
                    namespaces,
                }
            }
            Wanted::Object(object) => Missing {
                text: object.to_string(),
                named: true,
                near: object.near_misses(keys, ELSEWHERE),
                namespaces: Vec::new(),
            },
        };
        Some(missing)
    }

    fn near_misses<'k>(
        &self,
        resource: &Resource,
        name: &str,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
    ) -> Vec<String> {
        let near = |text: String| {
            let object = ObjectRef::parse(&text).ok();
            object.map_or_else(Vec::new, |object| object.near_misses(keys.clone(), ELSEWHERE))
        };
        let within = match &self.namespaces {
            Namespaces::One(namespace) => near(format!("{}/{namespace}/{name}", resource.label())),
            Namespaces::All => Vec::new(),
        };
        match within.is_empty() {
            true => near(format!("{}/{name}", resource.label())),
            false => within,
        }
    }

    fn namespaces_of<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
        means: impl Fn(&ObjectKey<'_>) -> bool,
    ) -> Vec<String> {
        let mut namespaces: Vec<String> = keys
            .map(ObjectKey::parse)
            .filter(means)
            .filter_map(|key| key.namespace.map(str::to_owned))
            .collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }
}

fn is_of(resources: &[Resource], key: &ObjectKey<'_>) -> bool {
    resources.iter().any(|resource| resource.is_of(key))
}

#[cfg(test)]
mod tests;

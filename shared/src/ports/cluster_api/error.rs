//! Errors of the Kubernetes API, and their hints.

use crate::failure::Failure;

/// A request to the Kubernetes API failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{action}{}: {kind}", at(server))]
pub struct KubeError {
    /// What was tried: `list pods in kube-system`, …
    pub action: String,
    /// The API server's URL; the kubeconfig's context where that could not be used; empty where no kubeconfig was read.
    pub server: String,
    /// Why it failed.
    pub kind: KubeErrorKind,
}

fn at(server: &str) -> String {
    if server.is_empty() {
        String::new()
    } else {
        format!(" ({server})")
    }
}

/// The reasons, by what a user can do about them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeErrorKind {
    /// No kubeconfig, no such context, or something in it that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The kubeconfig's server is an `http://` one, and not on this machine.
    #[error("no request is sent without TLS: it would expose the credentials")]
    NoTls,
    /// The credentials are not accepted: expired, most likely.
    #[error("the API does not accept the kubeconfig's credentials")]
    Unauthorized,
    /// The user may not do this.
    #[error("the user of the kubeconfig is not allowed to do this")]
    Forbidden,
    /// No such object.
    #[error("not found")]
    NotFound,
    /// The object is not the one, or not in the version, that the caller has seen.
    #[error("it was changed meanwhile")]
    Conflict,
    /// The API server's certificate is not signed by the kubeconfig's CA.
    #[error("the API server's certificate is not trusted: {0}")]
    NotTrusted(String),
    /// No connection.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0} s")]
    Timeout(u64),
    /// The API no longer knows the version of a list that was being read.
    #[error("the list changed for too long while it was read")]
    Expired,
    /// Anything else, with the API's message.
    #[error("{0}")]
    Other(String),
}

impl KubeError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        // Requests on the way to etcd, which can be reached in other ways.
        let to_etcd = self.action.starts_with("port-forward") || self.action.starts_with("list pods");
        Some(match &self.kind {
            KubeErrorKind::Config(_) => "check --kubeconfig, KUBECONFIG and --context; \
                `kops export kubeconfig --admin` writes one"
                .to_owned(),
            KubeErrorKind::NoTls => {
                "`kops export kubeconfig --admin` writes an https:// server; a `kubectl proxy` on this machine \
                may be http://"
                    .to_owned()
            }
            KubeErrorKind::Unauthorized => {
                "run `kops export kubeconfig --admin`: its credentials expire after 18 hours".to_owned()
            }
            KubeErrorKind::Forbidden if self.action.starts_with("port-forward") => {
                "grant the verbs get and create on pods/portforward in kube-system, or use --via ssh or direct"
                    .to_owned()
            }
            KubeErrorKind::Forbidden => format!("grant the user of this context to {}", self.action),
            KubeErrorKind::NotTrusted(_) => "check that --context is of this cluster".to_owned(),
            KubeErrorKind::Unreachable(_) | KubeErrorKind::Timeout(_) if to_etcd => {
                "while the API is down, use --via ssh or direct".to_owned()
            }
            KubeErrorKind::Unreachable(_) | KubeErrorKind::Timeout(_) => {
                "check --context and the network; `kubectl etcd-restore` shows the state of the cluster".to_owned()
            }
            KubeErrorKind::Expired => "repeat the command".to_owned(),
            KubeErrorKind::NotFound | KubeErrorKind::Conflict | KubeErrorKind::Other(_) => return None,
        })
    }
}

impl Failure for KubeError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_etcd_has_other_cures_than_the_api_itself() {
        let hint = |action: &str, kind| {
            let server = "https://api.k8s.example.com".to_owned();
            let action = action.to_owned();
            KubeError { action, server, kind }.hint().unwrap()
        };
        let down = || KubeErrorKind::Unreachable("refused".to_owned());
        assert!(hint("list pods in kube-system", down()).contains("--via"));
        assert!(!hint("list nodes", down()).contains("--via"));
        assert!(hint("list nodes", KubeErrorKind::Unauthorized).contains("18 hours"));
        assert_eq!(
            hint("delete nodes", KubeErrorKind::Forbidden),
            "grant the user of this context to delete nodes"
        );
    }
}

//! What the Kubernetes API's refusals mean, and what helps.

use std::time::Duration;

use kube::client::UpgradeConnectionError;
use kube::config::KubeconfigError;

/// The Kubernetes API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action} ({server}): {kind}")]
pub struct KubeError {
    /// What was tried: `list pods in kube-system`, …
    pub action: String,
    /// The API server's URL; the kubeconfig's context where that could not be used.
    pub server: String,
    /// Why it failed.
    pub kind: KubeErrorKind,
}

/// The reasons that a user can do something about, told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeErrorKind {
    /// No kubeconfig, no such context, or something in it that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The credentials are not accepted: expired, most likely.
    #[error("the API does not accept the kubeconfig's credentials")]
    Unauthorized,
    /// The user may not do this.
    #[error("the user of the kubeconfig may not do this")]
    Forbidden,
    /// No such object.
    #[error("not found")]
    NotFound,
    /// The API server's certificate is not signed by the kubeconfig's CA.
    #[error("the API server's certificate is not trusted: {0}")]
    NotTrusted(String),
    /// Nobody answers there.
    #[error("the API cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0} s")]
    Timeout(u64),
    /// Anything else, in the API's words.
    #[error("{0}")]
    Other(String),
}

impl KubeError {
    pub(super) fn config(error: &KubeconfigError) -> Self {
        // A parser's words may quote what it read, and that may be a token.
        let kind = match error {
            KubeconfigError::Parse(_) => "the kubeconfig is no YAML of kubectl's".to_owned(),
            other => other.to_string(),
        };
        Self {
            action: "use the kubeconfig".to_owned(),
            server: "no connection was made".to_owned(),
            kind: KubeErrorKind::Config(kind),
        }
    }

    pub(super) fn of(action: &str, server: &str, error: kube::Error) -> Self {
        Self {
            action: action.to_owned(),
            server: server.to_owned(),
            kind: kind_of(error),
        }
    }

    pub(super) fn timeout(action: &str, server: &str, limit: Duration) -> Self {
        Self {
            action: action.to_owned(),
            server: server.to_owned(),
            kind: KubeErrorKind::Timeout(limit.as_secs()),
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &self.kind {
            KubeErrorKind::Config(_) => "check --kubeconfig, KUBECONFIG and --context; \
                `kops export kubeconfig --admin` writes one"
                .to_owned(),
            KubeErrorKind::Unauthorized => {
                "run `kops export kubeconfig --admin`: its credentials expire after 18 hours".to_owned()
            }
            KubeErrorKind::Forbidden if self.action.starts_with("port-forward") => {
                "grant the verbs get and create on pods/portforward in kube-system, or go by --via ssh or direct"
                    .to_owned()
            }
            KubeErrorKind::Forbidden => format!("grant the user of this context to {}", self.action),
            KubeErrorKind::NotTrusted(_) => "check --context: is it of this cluster?".to_owned(),
            KubeErrorKind::Unreachable(_) | KubeErrorKind::Timeout(_) => {
                "with the API down go by --via ssh or direct".to_owned()
            }
            KubeErrorKind::NotFound | KubeErrorKind::Other(_) => return None,
        })
    }
}

fn kind_of(error: kube::Error) -> KubeErrorKind {
    match &error {
        kube::Error::Api(status) => of_code(status.code, &status.message),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => {
            of_code(code.as_u16(), &error.to_string())
        }
        kube::Error::Auth(reason) => KubeErrorKind::Config(reason.to_string()),
        kube::Error::HyperError(_) | kube::Error::Service(_) => of_transport(&error),
        _ => KubeErrorKind::Other(error.to_string()),
    }
}

fn of_code(code: u16, message: &str) -> KubeErrorKind {
    match code {
        401 => KubeErrorKind::Unauthorized,
        403 => KubeErrorKind::Forbidden,
        404 => KubeErrorKind::NotFound,
        _ => KubeErrorKind::Other(message.to_owned()),
    }
}

fn of_transport(error: &kube::Error) -> KubeErrorKind {
    let mut innermost = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let tls = next
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(reason)) = tls {
            return KubeErrorKind::NotTrusted(reason.to_string());
        }
        innermost = next.to_string();
        cause = next.source();
    }
    KubeErrorKind::Unreachable(innermost)
}

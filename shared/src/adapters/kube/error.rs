//! From the SDK's errors to the port's.

use std::time::Duration;

use kube::client::UpgradeConnectionError;
use kube::config::KubeconfigError;

use crate::ports::cluster_api::{KubeError, KubeErrorKind};

pub(super) fn config(error: &KubeconfigError) -> KubeError {
    // A parser's message may quote its input, which may be a token.
    let kind = match error {
        KubeconfigError::ReadConfig(reason, file) => format!("{}: {reason}", file.display()),
        KubeconfigError::Parse(_) => "the kubeconfig is not valid".to_owned(),
        other => other.to_string(),
    };
    KubeError {
        action: "read the kubeconfig".to_owned(),
        server: String::new(),
        kind: KubeErrorKind::Config(kind),
    }
}

pub(super) fn in_the_clear(server: &str) -> KubeError {
    KubeError {
        action: "connect to".to_owned(),
        server: server.to_owned(),
        kind: KubeErrorKind::NoTls,
    }
}

pub(super) fn of(action: &str, server: &str, error: kube::Error) -> KubeError {
    KubeError {
        action: action.to_owned(),
        server: server.to_owned(),
        kind: kind_of(error),
    }
}

pub(super) fn timeout(action: &str, server: &str, limit: Duration) -> KubeError {
    KubeError {
        action: action.to_owned(),
        server: server.to_owned(),
        kind: KubeErrorKind::Timeout(limit.as_secs()),
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
        409 => KubeErrorKind::Conflict,
        410 => KubeErrorKind::Expired,
        _ => KubeErrorKind::Other(message.to_owned()),
    }
}

fn of_transport(error: &kube::Error) -> KubeErrorKind {
    let mut innermost = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = tls_of(next) {
            return KubeErrorKind::NotTrusted(reason.to_string());
        }
        innermost = next.to_string();
        cause = next.source();
    }
    KubeErrorKind::Unreachable(innermost)
}

/// What TLS said. An error of I/O holds it as its content, which is none of its causes, and may hold another one of I/O instead.
fn tls_of<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    tls_of(error.downcast_ref::<std::io::Error>()?.get_ref()?)
}

//! Connects a plugin to etcd.

use crate::adapters::etcd::access::{self, AccessError, Connected, KeySource, Ways};
use crate::adapters::etcd::liveness;
use crate::failure::AnyFailure;
use crate::model::backup::goodness::MAIN;
use crate::model::etcd_access::{EtcdAccess, Via, named_endpoint};
use crate::model::liveness::ProbeResult;
use crate::session::Session;

/// Connects as the flags say. Where no certificates are given, a temporary one is created from the state store.
///
/// # Errors
/// Why no way led there.
pub async fn etcd(session: &Session, args: &EtcdAccess, etcd: &str) -> Result<Connected, AnyFailure> {
    let connected = by_ways(session, args, etcd).await??;
    for failed in &connected.passed_over {
        session.ui.note(&format!("passed over: {failed}"));
    }
    for doubt in &connected.doubts {
        session.ui.warn(doubt);
    }
    session.ui.note(&format!("etcd {etcd}: {}", connected.way));
    Ok(connected)
}

/// Probes an etcd cluster. An endpoint without a name is main's.
pub async fn probe_etcd(session: &Session, args: &EtcdAccess, etcd: &str) -> ProbeResult {
    let mut args = args.clone();
    if etcd != MAIN {
        args.endpoints.retain(|text| named_endpoint(text).0.is_some());
    }
    match by_ways(session, &args, etcd).await {
        Ok(connected) => liveness::probe(connected, etcd).await,
        Err(error) => liveness::not_asked(error.as_ref()),
    }
}

/// The outer error: no way could be tried. The inner one: none worked.
async fn by_ways(
    session: &Session,
    args: &EtcdAccess,
    etcd: &str,
) -> Result<Result<Connected, AccessError>, AnyFailure> {
    // Over ssh the host's own certificates are used.
    let keys = if args.via == Via::Ssh || args.cacert.is_some() || args.plain_http {
        None
    } else {
        session.key_store().await?
    };
    let (kubeconfig, context) = session.kube();
    Ok(access::connect(&Ways {
        args,
        etcd,
        kubeconfig,
        context,
        keys: keys.map(|key_store| KeySource {
            objects: session.objects(),
            key_store,
        }),
    })
    .await)
}

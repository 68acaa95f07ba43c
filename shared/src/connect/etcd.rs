//! Connects a plugin to etcd.

use crate::adapters::etcd::access::{self, Connected, KeySource, Ways};
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
    let ways = ways(session, args, etcd).await?;
    let connected = access::connect(&ways).await?;
    tell(session, etcd, &connected);
    Ok(connected)
}

/// The same to every member that the way leads to and that answers, without telling how; at least one.
///
/// # Errors
/// Why none answers.
pub async fn reach_each(session: &Session, args: &EtcdAccess, etcd: &str) -> Result<Vec<Connected>, AnyFailure> {
    let ways = ways(session, args, etcd).await?;
    Ok(access::connect_each(&ways).await?)
}

/// The same, and tells how.
///
/// # Errors
/// Why none answers.
pub async fn each_member(session: &Session, args: &EtcdAccess, etcd: &str) -> Result<Vec<Connected>, AnyFailure> {
    let connected = reach_each(session, args, etcd).await?;
    for one in &connected {
        tell(session, etcd, one);
    }
    Ok(connected)
}

fn tell(session: &Session, etcd: &str, connected: &Connected) {
    for failed in &connected.passed_over {
        session.ui.note(&format!("passed over: {failed}"));
    }
    for doubt in &connected.doubts {
        session.ui.warn(doubt);
    }
    session.ui.note(&format!("etcd {etcd}: {}", connected.way));
}

/// Probes an etcd cluster. An endpoint without a name is main's.
pub async fn probe_etcd(session: &Session, args: &EtcdAccess, etcd: &str) -> ProbeResult {
    let mut args = args.clone();
    if etcd != MAIN {
        args.endpoints.retain(|text| named_endpoint(text).0.is_some());
    }
    match ways(session, &args, etcd).await {
        Ok(ways) => liveness::probe(access::connect(&ways).await, etcd).await,
        Err(error) => liveness::not_asked(error.as_ref()),
    }
}

/// What the ways there need. An error means that none can be tried.
async fn ways<'a>(session: &'a Session, args: &'a EtcdAccess, etcd: &'a str) -> Result<Ways<'a>, AnyFailure> {
    // Over ssh the host's own certificates are used.
    let keys = if args.via == Via::Ssh || args.cacert.is_some() || args.plain_http {
        None
    } else {
        session.key_store().await?
    };
    let (kubeconfig, context) = session.kube();
    Ok(Ways {
        args,
        etcd,
        kubeconfig,
        context,
        keys: keys.map(|key_store| KeySource {
            objects: session.objects(),
            key_store,
        }),
    })
}

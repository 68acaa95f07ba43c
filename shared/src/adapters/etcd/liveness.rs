//! Whether an etcd responds.

use super::access::{AccessError, Connected};
use crate::failure::{Failure, chain};
use crate::model::liveness::ProbeResult;
use crate::ports::{EtcdError, EtcdErrorKind};

/// Below none of Kubernetes' prefixes.
const NO_KEY: &[u8] = b"kops-recovery/asks-whether-you-are-there";

/// The result of a request to etcd cluster `etcd`.
pub async fn probe(connected: Result<Connected, AccessError>, etcd: &str) -> ProbeResult {
    let connected = match connected {
        Ok(connected) => connected,
        Err(error) => return of_access(&error),
    };
    let way = &connected.way;
    // A linearizable read of a key that does not exist: without a quorum there is no answer to it, and what the
    // member itself says of its leader may be seconds old.
    match connected.kv.get(NO_KEY).await {
        Ok(_) => ProbeResult::Answers(format!("etcd {etcd} serves ({way})")),
        Err(error) => of_etcd(&error),
    }
}

/// No way to connect was found.
pub fn not_asked(error: &dyn Failure) -> ProbeResult {
    ProbeResult::NotChecked {
        why: chain(error),
        cure: cure(error.hint()),
    }
}

fn cure(hint: Option<String>) -> String {
    hint.unwrap_or_else(|| "pass --via, with --host or --endpoints".to_owned())
}

fn of_access(error: &AccessError) -> ProbeResult {
    match error {
        AccessError::Etcd(error) => of_etcd(error),
        AccessError::Several(errors) => {
            let strongest = ProbeResult::strongest(errors.iter().map(of_access));
            strongest.unwrap_or_else(|| of_access(&AccessError::NoWay))
        }
        // An error on the way there says nothing about etcd.
        other => ProbeResult::NotChecked {
            why: chain(other),
            cure: cure(other.hint()),
        },
    }
}

fn of_etcd(error: &EtcdError) -> ProbeResult {
    let why = error.to_string();
    match &error.kind {
        EtcdErrorKind::NoCertificate
        | EtcdErrorKind::CertificateRefused
        | EtcdErrorKind::ServerCertificateExpired
        | EtcdErrorKind::Denied(_)
        | EtcdErrorKind::Other(_) => ProbeResult::Answers(why),
        EtcdErrorKind::NoLeader => ProbeResult::NoLeader(why),
        // A refusal may be the tunnel's, the proxy's or this machine's own. Connected and then without an answer: a member without a
        // quorum does so, too, until its limit. TLS that breaks off may have been broken on the way.
        EtcdErrorKind::Unreachable | EtcdErrorKind::Timeout { .. } | EtcdErrorKind::Lost | EtcdErrorKind::HungUp => {
            ProbeResult::NoResponse(why)
        }
        EtcdErrorKind::CertificateExpired
        | EtcdErrorKind::ServerNotTrusted(_)
        | EtcdErrorKind::NotTls
        | EtcdErrorKind::WantsTls => ProbeResult::NotChecked {
            cure: cure(error.hint()),
            why,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etcd(kind: EtcdErrorKind) -> AccessError {
        AccessError::Etcd(EtcdError {
            action: "connect to",
            at: "10.0.0.7:4001".to_owned(),
            kind,
            source: None,
        })
    }

    #[test]
    fn a_refusal_by_etcd_itself_is_an_answer_and_a_hurdle_on_the_way_is_none() {
        assert!(matches!(
            of_access(&etcd(EtcdErrorKind::NoCertificate)),
            ProbeResult::Answers(_)
        ));
        assert!(matches!(
            of_access(&etcd(EtcdErrorKind::NoLeader)),
            ProbeResult::NoLeader(_)
        ));
        for nothing in [EtcdErrorKind::Unreachable, EtcdErrorKind::Lost, EtcdErrorKind::HungUp] {
            assert!(matches!(of_access(&etcd(nothing)), ProbeResult::NoResponse(_)));
        }
        let foreign = etcd(EtcdErrorKind::ServerNotTrusted("unknown issuer".into()));
        assert!(matches!(of_access(&foreign), ProbeResult::NotChecked { .. }));
        assert!(matches!(of_access(&AccessError::NoWay), ProbeResult::NotChecked { .. }));
    }

    #[test]
    fn of_several_ways_the_one_that_answers_counts() {
        let several = AccessError::Several(vec![
            AccessError::NoWay,
            etcd(EtcdErrorKind::Unreachable),
            etcd(EtcdErrorKind::Denied("no".into())),
        ]);
        assert!(matches!(of_access(&several), ProbeResult::Answers(_)));
    }
}

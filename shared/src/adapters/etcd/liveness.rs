//! Whether an etcd answers, by whatever way the flags and the environment allow.

use super::access::{AccessError, connect_ways_of};
use crate::cli::etcd::EtcdAccessArgs;
use crate::domain::liveness::Liveness;
use crate::error::{AnyFailure, Failure};
use crate::ports::{EtcdError, EtcdErrorKind};
use crate::session::Session;
use crate::ui::chain;

/// Below none of Kubernetes' prefixes.
const NO_KEY: &[u8] = b"kops-recovery/asks-whether-you-are-there";

/// Asks etcd cluster `etcd`.
pub async fn liveness(session: &Session, args: &EtcdAccessArgs, etcd: &str) -> Liveness {
    let connected = match connect_ways_of(session, args, etcd).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return of_access(&error),
        Err(error) => return not_asked(&error),
    };
    let way = &connected.way;
    // A read that all members stand behind, of a key that nobody has: without a quorum there is no answer to it, and what the
    // member itself says of its leader may be seconds old.
    match connected.kv.get(NO_KEY).await {
        Ok(_) => Liveness::Answers(format!("etcd {etcd} serves ({way})")),
        Err(error) => of_etcd(&error),
    }
}

fn not_asked(error: &AnyFailure) -> Liveness {
    Liveness::NotAsked {
        why: chain(error.as_ref()),
        cure: cure(error.hint()),
    }
}

fn cure(hint: Option<String>) -> String {
    hint.unwrap_or_else(|| "pass --via, with --host or --endpoints".to_owned())
}

fn of_access(error: &AccessError) -> Liveness {
    match error {
        AccessError::Etcd(error) => of_etcd(error),
        AccessError::Several(errors) => {
            let strongest = Liveness::strongest(errors.iter().map(of_access));
            strongest.unwrap_or_else(|| of_access(&AccessError::NoWay))
        }
        // Whatever stood on the way there says nothing about etcd.
        other => Liveness::NotAsked {
            why: chain(other),
            cure: cure(other.hint()),
        },
    }
}

fn of_etcd(error: &EtcdError) -> Liveness {
    let why = error.to_string();
    match &error.kind {
        EtcdErrorKind::NoCertificate
        | EtcdErrorKind::CertificateRefused
        | EtcdErrorKind::HungUp
        | EtcdErrorKind::ServerCertificateExpired
        | EtcdErrorKind::Denied(_)
        | EtcdErrorKind::Other(_) => Liveness::Answers(why),
        EtcdErrorKind::NoLeader => Liveness::Limps(why),
        EtcdErrorKind::Unreachable => Liveness::Dead(why),
        // Connected and then without an answer: a member without a quorum does so, too, until its limit.
        EtcdErrorKind::Timeout { .. } | EtcdErrorKind::Lost => Liveness::Silent(why),
        EtcdErrorKind::CertificateExpired
        | EtcdErrorKind::ServerNotTrusted(_)
        | EtcdErrorKind::NotTls
        | EtcdErrorKind::WantsTls => Liveness::NotAsked {
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
            Liveness::Answers(_)
        ));
        assert!(matches!(of_access(&etcd(EtcdErrorKind::NoLeader)), Liveness::Limps(_)));
        assert!(matches!(
            of_access(&etcd(EtcdErrorKind::Unreachable)),
            Liveness::Dead(_)
        ));
        assert!(matches!(of_access(&etcd(EtcdErrorKind::Lost)), Liveness::Silent(_)));
        let foreign = etcd(EtcdErrorKind::ServerNotTrusted("unknown issuer".into()));
        assert!(matches!(of_access(&foreign), Liveness::NotAsked { .. }));
        assert!(matches!(of_access(&AccessError::NoWay), Liveness::NotAsked { .. }));
    }

    #[test]
    fn of_several_ways_the_one_that_answers_counts() {
        let several = AccessError::Several(vec![
            AccessError::NoWay,
            etcd(EtcdErrorKind::Unreachable),
            etcd(EtcdErrorKind::Denied("no".into())),
        ]);
        assert!(matches!(of_access(&several), Liveness::Answers(_)));
    }
}

//! The port's verbs about members, by `etcd-client`.

use async_trait::async_trait;
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, CompactionOptions};

use super::client::EtcdClient;
use crate::consent::Consent;
use crate::ports::etcd_members::{AlarmKind, EtcdAlarm, EtcdMember, EtcdMembers};
use crate::ports::{EtcdError, EtcdErrorKind};

/// How etcd words that a revision was compacted already. Source: etcd-io/etcd `api/v3rpc/rpctypes/error.go`.
const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
/// The same, that there is no member with this id.
const NO_MEMBER: &str = "etcdserver: member not found";

#[async_trait]
impl EtcdMembers for EtcdClient {
    async fn members(&self) -> Result<Vec<EtcdMember>, EtcdError> {
        let mut cluster = self.member.cluster_client();
        let answer = self.ask("list the members of", cluster.member_list()).await?;
        let mut members: Vec<EtcdMember> = answer
            .members()
            .iter()
            .map(|member| EtcdMember {
                id: member.id(),
                name: member.name().to_owned(),
                peer_urls: member.peer_urls().to_vec(),
                client_urls: member.client_urls().to_vec(),
                learner: member.is_learner(),
            })
            .collect();
        members.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(members)
    }

    async fn alarms(&self) -> Result<Vec<EtcdAlarm>, EtcdError> {
        let mut member = self.member.maintenance_client();
        let asked = member.alarm(AlarmAction::Get, AlarmType::None, None);
        let answer = self.ask("ask the alarms of", asked).await?;
        let mut alarms: Vec<EtcdAlarm> = answer
            .alarms()
            .iter()
            .filter_map(|alarm| {
                Some(EtcdAlarm {
                    member: alarm.member_id(),
                    kind: kind(alarm.alarm())?,
                })
            })
            .collect();
        alarms.sort();
        Ok(alarms)
    }

    async fn compact(&self, revision: i64, _consent: &Consent) -> Result<(), EtcdError> {
        let mut keys = self.unlimited.kv_client();
        let physical = CompactionOptions::new().with_physical();
        let asked = keys.compact(revision, Some(physical));
        match self.ask_unlimited("compact", asked).await {
            Err(error) if matches!(&error.kind, EtcdErrorKind::Other(text) if text.starts_with(COMPACTED)) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn defragment(&self, _consent: &Consent) -> Result<(), EtcdError> {
        let mut member = self.unlimited.maintenance_client();
        self.ask_unlimited("defragment", member.defragment()).await.map(drop)
    }

    async fn disarm(&self, alarm: &EtcdAlarm, _consent: &Consent) -> Result<(), EtcdError> {
        let mut options = AlarmOptions::new();
        options.with_member(alarm.member);
        let word = match alarm.kind {
            AlarmKind::NoSpace => AlarmType::Nospace,
            AlarmKind::Corrupt => AlarmType::Corrupt,
        };
        let mut member = self.member.maintenance_client();
        let asked = member.alarm(AlarmAction::Deactivate, word, Some(options));
        self.ask("disarm an alarm of", asked).await.map(drop)
    }

    async fn remove_member(&self, id: u64, _consent: &Consent) -> Result<(), EtcdError> {
        let mut cluster = self.member.cluster_client();
        match self.ask("remove a member of", cluster.member_remove(id)).await {
            Err(error) if matches!(&error.kind, EtcdErrorKind::Other(text) if text.starts_with(NO_MEMBER)) => Ok(()),
            other => other.map(drop),
        }
    }
}

const fn kind(alarm: AlarmType) -> Option<AlarmKind> {
    match alarm {
        AlarmType::Nospace => Some(AlarmKind::NoSpace),
        AlarmType::Corrupt => Some(AlarmKind::Corrupt),
        AlarmType::None => None,
    }
}

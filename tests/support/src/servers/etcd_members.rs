//! What somebody does to the members of an etcd cluster.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::etcd::{Etcd, Member};
use super::etcd_tls::ServerTls;
use crate::components::{self, EtcdVersion};
use crate::error::Error;

impl Etcd {
    /// Starts one more member, of this name, on an empty disk, and adds it to the cluster that this one is of, as etcd-manager does. A
    /// learner has no vote.
    ///
    /// # Errors
    /// When the cluster refuses, or the member does not start.
    pub fn join(
        &self,
        version: EtcdVersion,
        name: &str,
        learner: bool,
        tls: Option<&ServerTls>,
    ) -> Result<Self, Error> {
        let mut member = Member::anew(tls)?;
        member.name = name.to_owned();
        member.joins = true;
        let own = member.peer_url();
        let adding = json!({ "peerURLs": [own], "isLearner": learner });
        let begun = Instant::now();
        // etcd wants to have seen all members for five seconds, which a busy machine interrupts.
        let answer = loop {
            match self.call("cluster/member/add", &adding) {
                Err(Error::HttpStatus { status: 503, .. }) if begun.elapsed() < Duration::from_secs(240) => {
                    thread::sleep(Duration::from_millis(500));
                }
                answer => break answer?,
            }
        };
        let others = answer.get("members").and_then(Value::as_array).into_iter().flatten();
        let mut cluster: Vec<String> = others
            .filter_map(|other| {
                let name = other.get("name")?.as_str().filter(|name| !name.is_empty())?;
                Some(format!("{name}={}", other.get("peerURLs")?.get(0)?.as_str()?))
            })
            .collect();
        cluster.push(member.peer_entry());
        member.cluster = cluster.join(",");
        Self::start_member(&components::etcd(version)?, &member)
    }

    /// Registers a member that never starts, at this peer URL, and gives its id in hexadecimal digits. Others that never started go: etcd
    /// has one learner at a time.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn register(&self, peer_url: &str) -> Result<String, Error> {
        let listed = self.call("cluster/member/list", &json!({}))?;
        let listed = listed.get("members").and_then(Value::as_array).into_iter().flatten();
        for never in listed.filter(|member| member.get("name").is_none()) {
            self.call("cluster/member/remove", &json!({ "ID": never.get("ID") }))?;
        }
        let added = self.call(
            "cluster/member/add",
            &json!({ "peerURLs": [peer_url], "isLearner": true }),
        )?;
        let id = added
            .get("member")
            .and_then(|member| member.get("ID")?.as_str()?.parse::<u64>().ok());
        id.map(|id| format!("{id:x}")).ok_or_else(|| Error::Answer {
            from: "etcd".to_owned(),
            answer: added.to_string(),
        })
    }

    /// Raises an alarm, `NOSPACE` or `CORRUPT`, of this member.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn raise(&self, alarm: &str) -> Result<(), Error> {
        let body = json!({ "action": "ACTIVATE", "memberID": self.id()?, "alarm": alarm });
        self.call("maintenance/alarm", &body).map(drop)
    }

    /// Its id as a member, in decimal digits.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn id(&self) -> Result<String, Error> {
        self.id_in_header("maintenance/status", "member_id")
    }

    /// The id of the leader that it knows, which may just have died.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn leader(&self) -> Result<Option<String>, Error> {
        let status = self.call("maintenance/status", &json!({}))?;
        Ok(status.get("leader").and_then(Value::as_str).map(str::to_owned))
    }

    /// The names of the registered members; empty for those that never started.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn member_names(&self) -> Result<Vec<String>, Error> {
        let answer = self.call("cluster/member/list", &json!({}))?;
        let members = answer.get("members").and_then(Value::as_array).into_iter().flatten();
        let name = |member: &Value| {
            member
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut names: Vec<String> = members.map(name).collect();
        names.sort();
        Ok(names)
    }
}

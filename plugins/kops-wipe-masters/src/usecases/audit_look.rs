//! Looks beyond AWS and the backups: at certificates, living etcds, the state store's settings, copies elsewhere. Bounded in time; what cannot be
//! seen is told with the reason.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use futures::future::join_all;
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::certificate::Authority;
use runbook_kit::model::etcd_access::{EtcdAccess, client_port, named_endpoint};
use runbook_kit::model::exposure::Known;
use runbook_kit::model::fleet::InstanceState;
use runbook_kit::model::fleet::wipe::Selection;
use runbook_kit::model::kops::cluster::ClusterSpec;
use runbook_kit::model::kops::keyset::clients_ca_name;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::authorities::{self, Authorities};
use runbook_kit::usecases::catalog::{self, Catalog};
use runbook_kit::usecases::discover::Discovered;
use runbook_kit::usecases::etcd_members::{self, Members};
use runbook_kit::usecases::liveness::newest;

use crate::context::Context;
use crate::rules::audit::observed::{CopySeen, EtcdSeen, MemberSeen, Observed, Server, StatusSeen, sort_out};
use crate::usecases::prepare;

/// Where kops' API servers listen on their own hosts, and who signs for them.
const API: (u16, &str) = (443, "kubernetes-ca");
/// For each try, unless the user asks for more.
const EACH: Duration = Duration::from_secs(3);
/// For all members of an etcd cluster.
const ALL: Duration = Duration::from_secs(15);

/// What to look at besides AWS and the state store.
#[derive(Clone, Debug, Default, Args)]
pub struct LookArgs {
    /// Look also whether copies of the backups arrive there, as `kubectl etcd-backups copy --to URL` makes them
    #[arg(long, value_name = "URL")]
    pub copy: Option<StoreUrl>,
    #[command(flatten)]
    pub access: EtcdAccess,
}

/// Where to look.
pub struct Place<'a> {
    pub state: &'a StoreUrl,
    pub cluster: &'a str,
    pub found: &'a Discovered,
    pub selection: &'a Selection,
    pub catalogs: &'a [Catalog],
}

/// All at once.
pub async fn look(context: &Context, args: &LookArgs, place: &Place<'_>) -> Observed {
    let objects = context.session.objects();
    context
        .session
        .ui
        .note("looking at certificates, etcd and the settings of the state store");
    let etcds: Vec<String> = place
        .catalogs
        .iter()
        .map(|catalog| catalog.store.etcd.clone())
        .collect();
    let ((authorities, servers), members, versioned, of_state, here, copy) = tokio::join!(
        certificates(context, args, place, &etcds),
        join_all(etcds.iter().map(|etcd| members(context, args, place, etcd))),
        objects.versioned(place.state),
        prepare::kops_version(context, place.state, place.cluster),
        context.local_kops(),
        copies(context, args, place),
    );
    let mut not_seen = NotSeen::default();
    match &authorities {
        Ok(all) => {
            for problem in &all.problems {
                not_seen.add("a CA of the key store", problem);
            }
        }
        Err(why) => not_seen.add("the CAs of the key store", why),
    }
    let mut observed = Observed {
        authorities: authorities.unwrap_or_default().found,
        kops_of_state: of_state,
        kops_here: here,
        gossip: place.found.spec.as_ref().is_some_and(ClusterSpec::uses_gossip),
        wanted_etcd: place
            .catalogs
            .iter()
            .filter_map(|catalog| Some((catalog.store.etcd.clone(), catalog.store.etcd_version.clone()?)))
            .collect(),
        ..Observed::default()
    };
    for (what, server) in servers {
        match server {
            Ok(server) => observed.servers.push(server),
            Err(why) => not_seen.add(&format!("the certificate of {what}"), &why),
        }
    }
    let (own, strangers) = sort_out(observed.servers);
    observed.servers = own;
    for (what, why) in strangers {
        not_seen.add(&format!("the certificate of {what}"), &why);
    }
    for (etcd, seen) in etcds.into_iter().zip(members) {
        match seen {
            Ok(seen) => {
                for member in seen.members.iter().filter(|member| member.status.is_none()) {
                    not_seen.add(
                        &format!("member {} of etcd {etcd}", member.shown()),
                        "the flags lead to no endpoint, host or pod of it that answers",
                    );
                }
                if seen.alarms.is_none() {
                    not_seen.add(&format!("the alarms of etcd {etcd}"), "that takes a quorum");
                }
                observed.etcds.insert(etcd, seen);
            }
            Err(why) => not_seen.add(&format!("the members of etcd {etcd}"), &why),
        }
    }
    if let (Known::Unknown(why), StoreUrl::S3 { .. }) = (&versioned, place.state) {
        not_seen.add("whether the state store keeps older versions", why);
    }
    observed.versioned = Some(versioned);
    match copy {
        Ok(copy) => observed.copy = copy,
        Err(why) => {
            observed.copy = CopySeen::NotRead;
            not_seen.add("the copies of the backups", &why);
        }
    }
    if observed.kops_here.is_none() {
        not_seen.add("the version of kops here", "no kops on PATH tells it");
    }
    observed.not_seen = not_seen.lines();
    observed
}

/// What was not seen, by reason.
#[derive(Default)]
struct NotSeen(BTreeMap<String, Vec<String>>);

impl NotSeen {
    fn add(&mut self, what: &str, why: &str) {
        self.0.entry(why.to_owned()).or_default().push(what.to_owned());
    }

    fn lines(self) -> Vec<String> {
        let lines = self
            .0
            .into_iter()
            .map(|(why, what)| format!("{}, because {why}", what.join(", ")));
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    }
}

/// A place to look at.
struct Target {
    what: String,
    etcd: Option<String>,
    instance: Option<String>,
    hosts: Vec<IpAddr>,
    port: u16,
    keyset: String,
}

type Looked = (String, Result<Server, String>);

async fn certificates(
    context: &Context,
    args: &LookArgs,
    place: &Place<'_>,
    etcds: &[String],
) -> (Result<Authorities, String>, Vec<Looked>) {
    let key_store = match &place.found.spec {
        Some(spec) => spec.key_store_in(place.state).map_err(|error| error.to_string()),
        None => Ok(place.state.join(place.cluster).join("pki")),
    };
    let certificates = context.certificates.as_ref();
    let authorities = match key_store {
        Ok(at) => authorities::authorities(context.session.objects(), &at, certificates).await,
        Err(why) => Err(why),
    };
    let known: &[Authority] = authorities.as_ref().map_or(&[], |all| all.found.as_slice());
    let looks = targets(args, place, etcds).into_iter().map(|target| async move {
        // Of several addresses usually one leads there.
        let tries = target
            .hosts
            .iter()
            .map(|host| certificates.served(*host, target.port, known));
        let mut answers = target.hosts.iter().zip(join_all(tries).await);
        let name = format!(
            "{}{}",
            target.what,
            target
                .instance
                .as_ref()
                .map(|id| format!(" on {id}"))
                .unwrap_or_default()
        );
        let mut last = "it has no address".to_owned();
        let found = answers.find_map(|(host, answer)| match answer {
            Ok(served) => Some((host, served)),
            Err(why) => {
                last = why;
                None
            }
        });
        let server = found.map(|(host, served)| Server {
            what: target.what,
            etcd: target.etcd,
            instance: target.instance,
            host: host.to_string(),
            port: target.port,
            keyset: target.keyset,
            served,
        });
        (name, server.ok_or(last))
    });
    let servers = join_all(looks).await;
    (authorities, servers)
}

/// The API server and the etcds of each running master; and the endpoints that the user names.
fn targets(args: &LookArgs, place: &Place<'_>, etcds: &[String]) -> Vec<Target> {
    let mut targets = Vec::new();
    let of_etcd = |etcd: &String| (format!("etcd {etcd}"), Some(etcd.clone()), clients_ca_name(etcd));
    let masters = place.selection.instances.iter().map(|chosen| &chosen.thing);
    for master in masters.filter(|master| master.state == InstanceState::Running) {
        let addresses = master.private_ips.iter().chain(&master.public_ip);
        let hosts: Vec<IpAddr> = addresses.filter_map(|address| address.parse().ok()).collect();
        targets.push(Target {
            what: "kube-apiserver".to_owned(),
            etcd: None,
            instance: Some(master.id.clone()),
            hosts: hosts.clone(),
            port: API.0,
            keyset: API.1.to_owned(),
        });
        for name in etcds {
            let Some(port) = client_port(name) else {
                continue;
            };
            let (what, etcd, keyset) = of_etcd(name);
            targets.push(Target {
                what,
                etcd,
                instance: Some(master.id.clone()),
                hosts: hosts.clone(),
                port,
                keyset,
            });
        }
    }
    for text in &args.access.endpoints {
        let (name, url) = named_endpoint(text);
        let named = name.map_or_else(|| etcds.first().cloned(), |name| Some(name.to_owned()));
        if let (Some(named), Some((host, port))) = (named, address_of(url)) {
            let (what, etcd, keyset) = of_etcd(&named);
            targets.push(Target {
                what: format!("{what} at {url}"),
                etcd,
                instance: None,
                hosts: vec![host],
                port,
                keyset,
            });
        }
    }
    targets
}

/// Of `https://10.0.0.7:4001`; a host name is left to its resolver.
fn address_of(url: &str) -> Option<(IpAddr, u16)> {
    if url.starts_with("http://") {
        return None;
    }
    let rest = url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/');
    let address: std::net::SocketAddr = rest.parse().ok()?;
    Some((address.ip(), address.port()))
}

async fn members(context: &Context, args: &LookArgs, place: &Place<'_>, etcd: &str) -> Result<EtcdSeen, String> {
    let mut access = args.access.clone();
    if access.etcd_timeout == EtcdAccess::default().etcd_timeout {
        access.etcd_timeout = EACH;
    }
    if place.selection.is_empty() && access.endpoints.is_empty() && access.host.is_empty() {
        return Err("the control plane does not exist".to_owned());
    }
    let asked = async {
        let reached = context.each_member(&access, etcd).await?;
        Ok::<_, AnyFailure>(etcd_members::ask(reached).await?)
    };
    match tokio::time::timeout(ALL.max(access.etcd_timeout), asked).await {
        Ok(Ok(members)) => Ok(seen(&members)),
        Ok(Err(error)) => Err(chain(error.as_ref())),
        Err(_) => Err("they did not answer in time".to_owned()),
    }
}

fn seen(members: &Members) -> EtcdSeen {
    let alarms = members.alarms.as_ref();
    EtcdSeen {
        members: members
            .registered
            .iter()
            .map(|member| MemberSeen {
                id: member.id,
                name: member.name.clone(),
                learner: member.learner,
                status: members.answering.get(&member.id).map(|one| StatusSeen {
                    version: one.status.version.clone(),
                    has_leader: one.status.leader.is_some(),
                    db_size: one.status.db_size,
                    in_use: one.status.in_use,
                    quota: one.status.quota,
                }),
            })
            .collect(),
        alarms: alarms.map(|alarms| alarms.iter().map(|alarm| (alarm.member, alarm.kind)).collect()),
    }
}

/// The newest copy of each etcd cluster's backups: they lie there as in a state store.
async fn copies(context: &Context, args: &LookArgs, place: &Place<'_>) -> Result<CopySeen, String> {
    let Some(at) = &args.copy else {
        return Ok(CopySeen::NotAsked);
    };
    let stores: Vec<_> = place
        .catalogs
        .iter()
        .map(|catalog| {
            let mut store = catalog.store.clone();
            store.base = at.join(place.cluster).join("backups/etcd").join(&store.etcd);
            store.recovery = None;
            store
        })
        .collect();
    let read = catalog::read(context.session.objects(), &stores, context.session.now()).await;
    let read = read.map_err(|error| chain(&error))?;
    let newest = read.iter().map(|copy| {
        (
            copy.store.etcd.clone(),
            newest(copy).map(|newest| newest.name.created()),
        )
    });
    Ok(CopySeen::Looked {
        at: at.to_string(),
        newest: newest.collect(),
    })
}

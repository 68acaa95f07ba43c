//! Finds the cluster's instances, and inspects them over ssh.

pub mod scripts;

use futures::future::join_all;
use runbook_kit::cli::ssh::{SshAddress, SshArgs};
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::ports::hosts::{HostError, HostErrorKind, Hosts, Script, ScriptResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::rules::host_facts::{self, Container, HostFacts, Runtime};
use crate::rules::machines::{Machine, Public, Role, select};

/// The hosts that the user names, else the cluster's running instances of these roles, from AWS.
pub async fn find(args: &SshArgs, roles: &[Role], context: &Context) -> Result<Vec<Machine>, AnyFailure> {
    let role = roles.first().copied().unwrap_or(Role::Master);
    if !args.host.is_empty() {
        return Ok(args.host.iter().map(|host| Machine::named(host, role)).collect());
    }
    let cluster = context.explicit_name().await?;
    let instances = context.fleet().instances_of(&cluster).await?;
    let volumes = if roles.contains(&Role::Master) {
        context.fleet().volumes_of(&cluster).await?
    } else {
        Vec::new()
    };
    let found = select(&instances, &volumes, roles, address(args));
    if found.is_empty() {
        let role = role.word();
        return Err(CommandError::failed(format!(
            "AWS has no running {role} instance of {cluster} with an address"
        ))
        .hint("check --profile and --region, or name the hosts with --host")
        .into());
    }
    Ok(found)
}

/// Whether to use the public address.
fn address(args: &SshArgs) -> Public {
    match args.ssh_address {
        SshAddress::Private => Public::Never,
        SshAddress::Public => Public::Only,
        SshAddress::Auto if args.ssh_jump.is_some() => Public::Never,
        SshAddress::Auto => Public::IfAny,
    }
}

/// Inspects all hosts in parallel.
pub async fn inspect(machines: &[Machine], hosts: &dyn Hosts) -> Vec<Result<HostFacts, HostError>> {
    join_all(machines.iter().map(|machine| inspect_one(machine, hosts))).await
}

/// Inspects one host.
pub async fn inspect_one(machine: &Machine, hosts: &dyn Hosts) -> Result<HostFacts, HostError> {
    let script = scripts::inspect();
    let (lines, ended) = read_lines(hosts, &machine.host, &script).await?;
    if ended.code != 0 {
        return Err(failed(machine, &script, &ended));
    }
    Ok(host_facts::parse(&lines))
}

/// The output of a script that changes nothing.
pub async fn read_lines(
    hosts: &dyn Hosts,
    host: &str,
    script: &Script,
) -> Result<(Vec<String>, ScriptResult), HostError> {
    let lines = Mutex::new(Vec::new());
    let keep = |line: &str| {
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.to_owned());
    };
    let ended = hosts.read(host, script, &keep).await?;
    Ok((lines.into_inner().unwrap_or_else(PoisonError::into_inner), ended))
}

/// Stops a container; `true` where it had to be killed.
pub async fn stop(
    machine: &Machine,
    container: &Container,
    runtime: Runtime,
    hosts: &dyn Hosts,
    consent: &Consent,
) -> Result<bool, HostError> {
    let script = scripts::stop(container, runtime);
    let killed = AtomicBool::new(false);
    let hear = |line: &str| {
        if line == "killed" {
            killed.store(true, Ordering::Relaxed);
        }
    };
    let ended = hosts.change(&machine.host, &script, &hear, consent).await?;
    match ended.code {
        0 => Ok(killed.into_inner()),
        _ => Err(failed(machine, &script, &ended)),
    }
}

/// What is said of one that had to be killed. kube-apiserver waits for open watches, and every kubelet has some: up to its
/// `--request-timeout`, 60 s (kubernetes/kubernetes `staging/src/k8s.io/apiserver/pkg/server/genericapiserver.go` v1.34).
pub fn killed(container: &Container) -> String {
    let name = &container.name;
    let why = match name.as_str() {
        "kube-apiserver" => ": it waits up to 60 s for open watches, and has no state of its own",
        _ => "",
    };
    let grace = scripts::grace_s(container);
    format!("{name} did not end within {grace} s of SIGTERM and was killed{why}")
}

/// The error of a host without a working container tool.
pub fn no_runtime(machine: &Machine, reason: &str) -> HostError {
    HostError {
        host: machine.host.clone(),
        kind: HostErrorKind::Failed(reason.to_owned()),
    }
}

/// The error of a script that failed.
pub fn failed(machine: &Machine, script: &Script, ended: &ScriptResult) -> HostError {
    let words = ended.said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let words = words.map_or_else(|| format!("exit code {}", ended.code), str::to_owned);
    HostError {
        host: machine.host.clone(),
        kind: HostErrorKind::Failed(format!("`{}`: {words}", script.what)),
    }
}

//! A look at the masterleases, beside etcdctl's look at the same keys: what the detour through our program costs.

use std::path::Path;
use std::process::Command;

use support::{Ca, Etcd, EtcdVersion, KeyKind, ServerTls, Usage, components};

use super::measure::{measure, median};
use super::{Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "masterleases",
    package: "kubectl-masterleases",
    run,
};

const RUNS: usize = 41;

fn run(binary: &Path) -> Rows {
    let ca = Ca::new("etcd-clients-ca", KeyKind::Rsa)?;
    let tls = ServerTls::new(&ca, &[&ca])?;
    let etcd = Etcd::start_tls(EtcdVersion::V3_6, &tls)?;
    for ip in ["10.245.21.57", "10.245.21.58", "10.245.21.59"] {
        etcd.announce(ip)?;
    }
    let (certificate, key) = ca.issue(Usage::Client)?.write(tls.folder(), "client")?;
    let ca = support::pki::write(tls.folder(), "ca.crt", ca.certificate())?;
    let etcdctl = components::etcdctl()?;
    let with_certificates = |command: &mut Command| {
        command.env("ETCDCTL_ENDPOINTS", etcd.tls_endpoint().unwrap_or_default());
        command.env("ETCDCTL_CACERT", &ca);
        command.env("ETCDCTL_CERT", &certificate).env("ETCDCTL_KEY", &key);
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // In turns, so that a busy moment of the machine hits both.
    for _ in 0..RUNS {
        let mut list = Command::new(binary);
        with_certificates(list.args(["list", "--observe", "0"]));
        ours.push(measure(&mut list)?.time);
        let mut get = Command::new(&etcdctl);
        with_certificates(get.args(["get", "--prefix", "/registry/masterleases/"]));
        theirs.push(measure(&mut get)?.time);
    }
    let (ours, theirs) = (median(&mut ours).as_secs_f64(), median(&mut theirs).as_secs_f64());
    let row = |what: &str, value: String, aim| Row {
        what: what.to_owned(),
        value,
        aim,
    };
    Ok(vec![
        row(
            "`kubectl masterleases list --observe 0`",
            format!("{:.1} ms", ours * 1e3),
            "",
        ),
        row(
            "`etcdctl get --prefix` of the same keys",
            format!("{:.1} ms", theirs * 1e3),
            "",
        ),
        row("ours to theirs", format!("{:.2}", ours / theirs), "≤ 1.0"),
    ])
}

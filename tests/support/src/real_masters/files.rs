//! The files of a master, as kops' nodeup writes them: configurations, certificates, static pods.

use std::path::Path;

use super::host::HostOptions;
use super::image::{ETCD_3_5, ETCD_3_6, ETCD_MANAGER, KUBE_APISERVER, PAUSE};
use super::namespaces::BRIDGE;
use crate::error::Error;
use crate::pki::{Usage, write};
use crate::servers::TOKEN;

/// One etcd cluster, as kops' manifest has it: name, log, ports of clients, peers, quarantine and etcd-manager, its key in /etc/hosts.
pub(super) struct EtcdPorts {
    pub(super) etcd: &'static str,
    log: &'static str,
    key: &'static str,
    ports: [u16; 4],
}

pub(super) const ETCDS: [EtcdPorts; 2] = [
    EtcdPorts {
        etcd: "main",
        log: "etcd",
        key: "etcd",
        ports: [4001, 2380, 3994, 3996],
    },
    EtcdPorts {
        etcd: "events",
        log: "etcd-events",
        key: "etcd-events",
        ports: [4002, 2381, 3995, 3997],
    },
];

/// Writes all of them below `folder`, which becomes the master's own `/etc` and `/srv`.
pub(super) fn write_all(folder: &Path, options: &HostOptions<'_>) -> Result<(), Error> {
    let (etc, srv) = (folder.join("etc"), folder.join("srv/kubernetes/kube-apiserver"));
    let put = |folder: &Path, name: &str, text: &str| write(folder, name, text).map(drop);
    let address = options.address;
    put(
        &etc.join("containerd"),
        "config.toml",
        &format!(
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{PAUSE}\"\n  restrict_oom_score_adj = true\n"
        ),
    )?;
    // All pods are on the host's network; without any network that is set up kubelet reports its Node as not ready.
    put(
        &etc.join("cni/net.d"),
        "10-none.conflist",
        r#"{"cniVersion":"0.4.0","name":"none","plugins":[{"type":"loopback"}]}"#,
    )?;
    put(&etc.join("kubernetes"), "kubelet.yaml", &kubelet(options))?;
    put(
        &etc.join("kubernetes"),
        "kubelet.kubeconfig",
        &format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: local\nclusters:\n- name: local\n  cluster:\n    server: https://127.0.0.1\n    \
         certificate-authority: /srv/kubernetes/kube-apiserver/ca.crt\nusers:\n- name: kubelet\n  user:\n    token: {}\n\
         contexts:\n- name: local\n  context:\n    cluster: local\n    user: kubelet\n",
            options.node
        ),
    )?;
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    for etcd in &ETCDS {
        hosts.push_str(&format!(
            "# Begin host entries managed by etcd-manager[{}] - do not edit\n",
            etcd.key
        ));
        for (peer, member) in options.peers {
            hosts.push_str(&format!("{peer}\t{}-{member}.internal.{}\n", etcd.key, options.cluster));
        }
        hosts.push_str(&format!("# End host entries managed by etcd-manager[{}]\n", etcd.key));
    }
    put(&etc, "hosts", &hosts)?;

    put(&srv, "ca.crt", options.cluster_ca.certificate())?;
    options.cluster_ca.issue(Usage::ApiServer)?.write(&srv, "server")?;
    // By it kubelet knows who asks it for a stream to a pod.
    options.cluster_ca.issue(Usage::Client)?.write(&srv, "kubelet-api")?;
    options.accounts.write(&srv, "service-account")?;
    put(&srv, "etcd-ca.crt", options.etcd_ca.certificate())?;
    options.etcd_ca.issue(Usage::Client)?.write(&srv, "etcd-client")?;
    let mut tokens = format!("{TOKEN},admin,admin,system:masters\n");
    for (node, _) in options.nodes {
        tokens.push_str(&format!("{node},system:node:{node},{node},system:nodes\n"));
    }
    put(&srv, "tokens.csv", &tokens)?;
    // etcd-manager's name its member, by which an operator beside the masters reaches it; here it is the address.
    let usage = address.parse().map_or(Usage::Server, Usage::ServerAt);
    let pods = etc.join("kubernetes/manifests");
    for etcd in &ETCDS {
        let pki = etc.join(format!("kubernetes/pki/etcd-manager-{}", etcd.etcd));
        options.etcd_ca.issue(usage)?.write(&pki, "server")?;
        options.etcd_ca.issue(Usage::Client)?.write(&pki, "client")?;
        put(&pki, "clients-ca.crt", options.etcd_ca.certificate())?;
        put(
            &pods,
            &format!("etcd-manager-{}.manifest", etcd.etcd),
            &etcd_manager(options, etcd),
        )?;
    }
    put(&pods, "kube-apiserver.manifest", &kube_apiserver(address))
}

/// What this kernel and this folder want, beside what kops has.
fn kubelet(options: &HostOptions<'_>) -> String {
    let (zone, node) = (options.zone, options.node);
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\n\
         containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\nproviderID: aws:///{zone}/{node}\n\
         cgroupDriver: cgroupfs\ncgroupsPerQOS: false\nenforceNodeAllocatable: []\nfailCgroupV1: false\nfailSwapOn: false\n\
         localStorageCapacityIsolation: false\nimageGCHighThresholdPercent: 100\nevictionHard: {{memory.available: 0%, nodefs.available: 0%, \
         nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}}\n\
         authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: false}}, x509: {{clientCAFile: \
         /srv/kubernetes/kube-apiserver/ca.crt}}}}\nauthorization: {{mode: AlwaysAllow}}\n"
    )
}

fn mount(name: &str, path: &str, at: &str, kind: &str) -> (String, String) {
    (
        format!("    - mountPath: {at}\n      name: {name}\n"),
        format!("  - hostPath:\n      path: {path}\n      type: {kind}\n    name: {name}\n"),
    )
}

fn pod(name: &str, labels: &str, host_pid: bool, container: &str, mounts: &[(String, String)]) -> String {
    let (inside, volumes): (String, String) = mounts.iter().cloned().unzip();
    let host_pid = if host_pid { "  hostPID: true\n" } else { "" };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n{labels}  name: {name}\n  namespace: kube-system\nspec:\n  containers:\n{container}    \
         volumeMounts:\n{inside}  hostNetwork: true\n{host_pid}  priorityClassName: system-cluster-critical\n  tolerations:\n  - key: \
         CriticalAddonsOnly\n    operator: Exists\n  volumes:\n{volumes}"
    )
}

fn etcd_manager(options: &HostOptions<'_>, etcd: &EtcdPorts) -> String {
    let EtcdPorts {
        etcd,
        log,
        key,
        ports: [client, peer, quarantine, grpc],
    } = etcd;
    let name = format!("etcd-manager-{etcd}");
    let leader = options
        .peers
        .iter()
        .min_by_key(|(_, member)| *member)
        .map_or("", |(address, _)| *address);
    let container = format!(
        "  - args:\n    - --log-file=/var/log/{log}.log\n    - --also-stdout\n    - /ko-app/etcd-manager\n    - --backup-store={store}/{etcd}\n    - \
         --client-urls=https://__name__:{client}\n    - --cluster-name={key}\n    - --containerized=true\n    - \
         --dns-suffix=.internal.{cluster}\n    - --grpc-port={grpc}\n    - --peer-urls=https://__name__:{peer}\n    - \
         --quarantine-client-urls=https://__name__:{quarantine}\n    - --v=6\n    - --volume-provider=aws\n    command:\n    - /go-runner\n    env:\n    \
         - name: S3_ENDPOINT\n      value: {s3}\n    - name: STAND_IN_MEMBER\n      value: {key}-{member}\n    - name: STAND_IN_ADDRESS\n      value: \
         {address}\n    - name: STAND_IN_LEADER\n      value: {leader}\n    - name: KUBEBUILDER_ASSETS\n      value: {ETCD_3_5}\n    - name: PATH\n      \
         value: {ETCD_3_6}\n    image: {ETCD_MANAGER}\n    name: etcd-manager\n    resources:\n      requests:\n        cpu: 200m\n        memory: \
         100Mi\n    securityContext:\n      privileged: true\n",
        store = options.backups,
        cluster = options.cluster,
        s3 = options.s3.replace("127.0.0.1", BRIDGE),
        member = options.member,
        address = options.address,
    );
    let log = format!("/var/log/{log}.log");
    let data = format!("/mnt/master-{}", options.volume(etcd));
    let pki = format!("/etc/kubernetes/pki/etcd-manager-{etcd}");
    let mounts = [
        mount("data", &data, "/rootfs/mnt/data", "DirectoryOrCreate"),
        mount("pki", &pki, "/etc/kubernetes/pki/etcd-manager", "DirectoryOrCreate"),
        mount("varlogetcd", &log, &log, "FileOrCreate"),
    ];
    pod(&name, &format!("    k8s-app: {name}\n"), true, &container, &mounts)
}

fn kube_apiserver(address: &str) -> String {
    let keys = "/srv/kubernetes/kube-apiserver";
    let arguments: String = [
        "--log-file=/var/log/kube-apiserver.log",
        "--also-stdout",
        "/usr/local/bin/kube-apiserver",
        "--allow-privileged=true",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--bind-address=0.0.0.0",
        "--enable-admission-plugins=NodeRestriction",
        "--etcd-servers=https://127.0.0.1:4001",
        "--etcd-servers-overrides=/events#https://127.0.0.1:4002",
        "--secure-port=443",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=100.64.0.0/13",
        "--kubelet-preferred-address-types=InternalIP",
    ]
    .iter()
    .map(|argument| format!("    - {argument}\n"))
    .collect();
    let files: String = [
        ("etcd-cafile", "etcd-ca.crt"),
        ("etcd-certfile", "etcd-client.crt"),
        ("etcd-keyfile", "etcd-client.key"),
        ("kubelet-client-certificate", "kubelet-api.crt"),
        ("kubelet-client-key", "kubelet-api.key"),
        ("service-account-key-file", "service-account.crt"),
        ("service-account-signing-key-file", "service-account.key"),
        ("tls-cert-file", "server.crt"),
        ("tls-private-key-file", "server.key"),
        ("token-auth-file", "tokens.csv"),
    ]
    .iter()
    .map(|(flag, file)| format!("    - --{flag}={keys}/{file}\n"))
    .collect();
    let container = format!(
        "  - args:\n{arguments}    - --advertise-address={address}\n{files}    command:\n    - /go-runner\n    image: {KUBE_APISERVER}\n    name: \
         kube-apiserver\n    resources:\n      requests:\n        cpu: 150m\n"
    );
    let log = "/var/log/kube-apiserver.log";
    let mounts = [
        mount("srvkapi", keys, keys, "Directory"),
        mount("logfile", log, log, "FileOrCreate"),
    ];
    pod(
        "kube-apiserver",
        "    k8s-app: kube-apiserver\n",
        false,
        &container,
        &mounts,
    )
}

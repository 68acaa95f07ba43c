//! `runbook`: the cluster's own names, and nothing but Markdown on stdout.

use support::runbook::{self, RunbookBlock};
use support::store::{self, CLUSTER};
use support::{AwsAccount, ContainerRuntime, Etcd, EtcdVersion, KopsCluster, MastersSimulator, Moto, Paste, S3};

use crate::env::{Env, plugin};

#[test]
fn it_names_bucket_groups_and_the_masters_that_aws_has() {
    let env = Env::new(ContainerRuntime::Containerd);
    let moto = Moto::start().unwrap();
    let built = KopsCluster::new(CLUSTER).build(&AwsAccount::of(&moto)).unwrap();
    let ended = env
        .cmd("runbook --ssh-user ubuntu --ssh-address private")
        .envs(moto.env())
        .run()
        .unwrap()
        .success();
    let text = &ended.stdout;
    assert!(text.starts_with(&format!("# Recovery of {CLUSTER}\n")), "{text}");
    for master in &built.masters {
        assert!(
            text.contains(&format!("| {} | {} |", master.private_ip, master.instance)),
            "{text}"
        );
        // Step 3 deletes it: what is pasted asks for those of then.
        let pasted = runbook::blocks(text);
        assert!(
            pasted.iter().all(|block| !block.text.contains(&master.private_ip)),
            "{text}"
        );
    }
    for words in [
        "control-plane-us-east-1a.masters.super.k8s.local",
        "/super.k8s.local/backups/etcd/events restore-backup \"${BACKUP_events:?}\"",
        "kops update cluster --name super.k8s.local --yes",
        "ssh -l ubuntu ",
        "Account 123456789012, region us-east-1",
        "etcdctl_on \"$master\" 4001 get --prefix /registry/masterleases/",
        "kubectl masterleases prune --yes",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert!(
        !text.contains("SSH_USER") && !text.contains("AWS_REGION=REGION"),
        "{text}"
    );

    let blind = env
        .cmd("runbook")
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_REGION")
        .run()
        .unwrap()
        .success();
    let blind = blind
        .stderr_has("the current masters are omitted")
        .stderr_has("the account is a placeholder");
    assert!(blind.stdout.contains("ssh -l SSH_USER "), "{}", blind.stdout);
    assert!(blind.stdout.contains("it shows ACCOUNT"), "{}", blind.stdout);
    env.cmd("runbook -o json").run().unwrap().code(2).stderr_has("Markdown");
}

/// The blocks of some ways of some steps as one shell, which says where each begins and how it ended.
fn played(blocks: &[RunbookBlock], which: impl Fn(&RunbookBlock) -> bool) -> String {
    let mut text = String::new();
    for block in blocks.iter().filter(|block| which(block)) {
        text.push_str(&format!(
            "echo; echo '@begin {}'\n{}code=$?; echo; echo \"@end $code\"\n",
            block.about.replace('\'', ""),
            block.text
        ));
    }
    text
}

/// What each block showed, and its exit code.
fn shown(stdout: &str) -> Vec<(String, String, i32)> {
    let mut found = Vec::new();
    for part in stdout.split("\n@begin ").skip(1) {
        let (about, rest) = part.split_once('\n').unwrap();
        let (screen, end) = rest.rsplit_once("\n@end ").unwrap();
        let code = end.lines().next().unwrap().parse().unwrap();
        found.push((about.to_owned(), screen.trim().to_owned(), code));
    }
    found
}

fn screen<'s>(shown: &'s [(String, String, i32)], about: &str) -> &'s str {
    let found = shown.iter().find(|(title, ..)| title.contains(about));
    &found.unwrap_or_else(|| panic!("no block {about} in {shown:#?}")).1
}

/// An operator with the manual way's programs: AWS' own command line, etcdutl, ssh. What cannot be had here, kubectl's API and
/// etcd-manager-ctl, writes down how it was called.
fn operator(moto: &Moto, hosts: &MastersSimulator) -> Paste {
    let mut paste = Paste::new().unwrap();
    for (name, value) in moto.env() {
        paste.env(name, value);
    }
    let etcdutl = support::components::ensure("etcd").unwrap().unwrap().remove(2);
    paste
        .program("etcdutl", &format!("exec {} \"$@\"", etcdutl.display()))
        .unwrap();
    let ssh = hosts.path().join("ssh");
    paste.program("ssh", &format!("exec {} \"$@\"", ssh.display())).unwrap();
    let log = paste.folder().join("called");
    for program in ["etcd-manager-ctl", "kubectl"] {
        let write = format!("echo \"{program} $*\" >> {}", log.display());
        paste.program(program, &write).unwrap();
    }
    paste
}

const BUCKET: &str = "kops-state";

#[test]
fn the_manual_way_does_what_it_says() {
    let moto = Moto::start().unwrap();
    store::serve_state_store(&moto, BUCKET, "state-store-restored").unwrap();
    let account = AwsAccount::of(&moto);
    let kops = KopsCluster::new(CLUSTER);
    let built = kops.build(&account).unwrap();
    let other = KopsCluster::new("x.super.k8s.local").build(&account).unwrap();
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let text = plugin("runbook --name super.k8s.local --state s3://kops-state --ssh-address private --ssh-user")
        .arg(&user)
        .envs(moto.env())
        .run()
        .unwrap()
        .success()
        .stdout;
    let blocks = runbook::blocks(&text);

    // Up to the wipe.
    let addresses = |built: &support::aws::Built| -> Vec<String> {
        built.masters.iter().map(|master| master.private_ip.clone()).collect()
    };
    let of_old = addresses(&built);
    let old: Vec<&str> = of_old.iter().map(String::as_str).collect();
    let old_hosts = MastersSimulator::start(&old, ContainerRuntime::Ctr).unwrap();
    for (at, address) in old.iter().enumerate() {
        let host = old_hosts.host(at).unwrap();
        host.set("addresses", address).unwrap();
        let log = host.file("/var/log/etcd.log");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        std::fs::write(&log, format!("a line of {}\n", address)).unwrap();
        std::fs::write(host.file("/var/log/kube-apiserver.log"), "").unwrap();
    }
    let before = account.picture().unwrap();
    let paste = operator(&moto, &old_hosts);
    let hand = |block: &RunbookBlock| block.step == 0 || block.way == "By hand";
    let ended = paste
        .paste(&played(&blocks, |block| hand(block) && block.step <= 3))
        .unwrap();
    let seen = shown(&ended.stdout);
    assert!(seen.iter().all(|(.., code)| *code == 0), "{seen:#?}\n{}", ended.stderr);
    assert_eq!(screen(&seen, "The AWS account"), "123456789012");
    let hostnames = screen(&seen, "Check that the instances can be reached");
    assert!(old.iter().all(|address| hostnames.contains(address)), "{hostnames}");
    let said = screen(&seen, "The logs of the control plane");
    assert!(
        old.iter().all(|address| said.contains(&format!("a line of {address}"))),
        "{said}"
    );
    let newest = screen(&seen, "The newest backup of main");
    assert_eq!(newest, "2026-11-22T15:20:36Z-000001");
    let keys = screen(&seen, "Check the content of the backup of main");
    assert!(keys.contains("TOTAL KEYS") || keys.contains("HASH"), "{keys}");
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        let kept = format!("{CLUSTER}/backups/recovery/main/{newest}/{file}");
        assert!(moto.exists(BUCKET, &kept).unwrap(), "{kept}");
    }
    // Every thing of the control plane is gone, after a snapshot of each volume, and no other thing.
    let masters: Vec<&str> = built.masters.iter().map(|master| master.instance.as_str()).collect();
    assert!(
        masters
            .iter()
            .all(|id| screen(&seen, "The instances to delete").contains(id))
    );
    let after = account.picture().unwrap();
    let gone: Vec<&str> = built
        .masters
        .iter()
        .flat_map(|master| [master.instance.as_str(), master.group.as_str()])
        .chain(built.etcd_volumes.iter().map(|volume| volume.id.as_str()))
        .collect();
    let left: Vec<&&str> = gone.iter().filter(|id| !before.has(id) || after.has(id)).collect();
    assert!(left.is_empty(), "{left:?} of {gone:?}: {seen:#?}");
    // A root volume goes with its master, as on AWS.
    let mut rest = before.without(gone);
    rest.0.retain(|_, what| !masters.iter().any(|id| what.contains(id)));
    assert_eq!(rest, after);
    assert!(other.masters.iter().all(|master| after.has(&master.instance)));
    let snapshots = screen(&seen, "A snapshot of each volume");
    assert!(
        built.etcd_volumes.iter().all(|volume| snapshots.contains(&volume.id)),
        "{snapshots}"
    );

    // kops makes new masters, at other addresses; from here on the runbook is about those.
    drop(old_hosts);
    let mut new = support::aws::Built::default();
    kops.build_masters(&account, &mut new).unwrap();
    let of_new = addresses(&new);
    let names: Vec<&str> = of_new.iter().map(String::as_str).collect();
    let hosts = MastersSimulator::start(&names, ContainerRuntime::Ctr).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    for address in ["10.9.9.1", names[0]] {
        etcd.put(&[support::Put::new(format!("/registry/masterleases/{address}"), b"x")])
            .unwrap();
    }
    let etcdctl = support::components::etcdctl().unwrap();
    for at in 0..3 {
        let host = hosts.host(at).unwrap();
        // The host's certificates and port are this etcd's own; what is asked is what the runbook asks.
        let reach = format!(
            "case \"$*\" in --endpoints=https://127.0.0.1:4001\\ --cacert=*/etcd-ca.crt\\ --cert=*\\ --key=*) shift 4;; *) exit 9;; esac\n\
             exec {} --endpoints={} \"$@\"",
            etcdctl.display(),
            etcd.endpoint()
        );
        host.sshd().add_program("etcdctl", &reach).unwrap();
        for log in ["etcd.log", "etcd-events.log", "kube-apiserver.log"] {
            let log = host.file(&format!("/var/log/{log}"));
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(log, "").unwrap();
        }
    }
    let paste = operator(&moto, &hosts);
    let chosen = |block: &RunbookBlock| block.about.starts_with("The newest backup of");
    let then: Vec<RunbookBlock> = blocks
        .iter()
        .filter(|block| hand(block) && (block.step == 0 || chosen(block) || (5..=7).contains(&block.step)))
        .map(|block| RunbookBlock {
            text: block.text.replace("ADDRESS_OF_AN_OLD_MASTER", "10.9.9.1"),
            ..block.clone()
        })
        .collect();
    let ended = paste.paste(&played(&then, |_| true)).unwrap();
    let seen = shown(&ended.stdout);
    assert!(seen.iter().all(|(.., code)| *code == 0), "{seen:#?}\n{}", ended.stderr);
    for at in 0..3 {
        let ctr = "ctr -n k8s.io tasks kill -s SIGTERM";
        let calls = hosts.host(at).unwrap().calls();
        assert_eq!(
            calls,
            [
                format!("{ctr} aaa111"),
                format!("{ctr} bbb222"),
                format!("{ctr} ccc333"),
                "systemctl restart kubelet".to_owned()
            ]
        );
    }
    let believed = screen(&seen, "The masterleases in etcd");
    assert!(
        believed.contains("10.9.9.1") && believed.contains(names[0]),
        "{believed}"
    );
    assert_eq!(screen(&seen, "Delete the key of each old address"), "1");
    let left = etcd.keys(b"/registry/masterleases/").unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].key.ends_with(names[0].as_bytes()));
    let called = std::fs::read_to_string(paste.folder().join("called")).unwrap();
    for (etcd, backup) in [("main", newest), ("events", "2026-11-22T15:20:3")] {
        let queued = format!(
            "etcd-manager-ctl --backup-store=s3://{BUCKET}/{CLUSTER}/backups/etcd/{etcd} restore-backup {backup}"
        );
        assert!(called.contains(&queued), "{called}");
    }
    assert!(called.contains("kubectl get --raw /readyz"), "{called}");
}

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::process::Command;

use super::*;
use crate::rules::runbook::facts::{EtcdFacts, Master};

fn facts() -> Facts {
    let etcd = |name: &str, port| EtcdFacts {
        name: name.to_owned(),
        base: format!("s3://kops-state/k8s.example.com/backups/etcd/{name}"),
        port: Some(port),
        version: Some("3.5.35".to_owned()),
        members: vec![("a".to_owned(), Some("control-plane-us-east-1a".to_owned()))],
        replaces: true,
    };
    Facts {
        cluster: "k8s.example.com".to_owned(),
        state: Some("s3://kops-state".to_owned()),
        account: Some("123456789012".to_owned()),
        region: Some("us-east-1".to_owned()),
        kops: Some("1.35.1".to_owned()),
        etcds: vec![etcd("main", 4001), etcd("events", 4002)],
        masters: vec![Master {
            host: "10.0.0.7".to_owned(),
            instance: Some("i-0123".to_owned()),
            member: Some("a".to_owned()),
        }],
        user: Some("ubuntu".to_owned()),
        jump: Some("bastion.example.com".to_owned()),
        written: "2026-11-22T15:21:36Z".parse().unwrap(),
    }
}

/// Each block of a text, and the step that it is of.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let (mut step, mut found, mut inside): (usize, Vec<(usize, String)>, bool) = (0, Vec::new(), false);
    for line in text.lines() {
        match line {
            "```sh" => {
                inside = true;
                found.push((step, String::new()));
            }
            "```" => inside = false,
            line if inside => {
                let block = &mut found.last_mut().unwrap().1;
                block.push_str(line);
                block.push('\n');
            }
            line => {
                if let Some(number) = line.strip_prefix("## ").and_then(|title| title.split('.').next()) {
                    step = number.parse().unwrap_or(step);
                }
            }
        }
    }
    found
}

fn nothing_known() -> Facts {
    Facts {
        state: None,
        account: None,
        region: None,
        kops: None,
        masters: Vec::new(),
        user: None,
        jump: None,
        ..facts()
    }
}

#[test]
fn every_step_has_real_names_and_a_way_by_hand() {
    insta::assert_snapshot!(markdown(&facts()));
}

#[test]
fn the_ladder_comes_before_everything_that_is_pasted() {
    for facts in [facts(), nothing_known()] {
        let text = markdown(&facts);
        let ladder = text.find("## The ladder").unwrap();
        assert!(ladder < text.find("```sh").unwrap());
        let rungs: Vec<usize> = [
            "nothing",
            "tags",
            "space",
            "one member",
            "certificates",
            "salvage and restore",
            "wipe and restore",
        ]
        .iter()
        .map(|rung| text.find(&format!("\n| {rung} | ")).unwrap())
        .collect();
        assert!(rungs.is_sorted() && rungs[0] > ladder, "{rungs:?}");
    }
}

#[test]
fn what_is_not_known_is_a_placeholder() {
    let text = markdown(&nothing_known());
    for words in [
        "export KOPS_STATE_STORE=STATE_STORE",
        "export AWS_REGION=REGION",
        "it shows ACCOUNT",
        "ssh -l SSH_USER \"$1\" \"$2\"",
        "kops KOPS_VERSION",
        "Go on when: each instance prints its host name",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    // Every way to end a container, since nobody knows which one the masters have.
    for tool in ["crictl stop", "ctr -n k8s.io tasks kill", "docker stop"] {
        assert!(text.contains(tool), "{tool}");
    }
}

#[test]
fn containers_are_ended_by_what_the_masters_kops_leaves_there() {
    let of = |kops: &str| {
        markdown(&Facts {
            kops: Some(kops.to_owned()),
            ..facts()
        })
    };
    let (young, old) = (of("1.34.0"), of("1.33.1"));
    assert!(young.contains("ctr -n k8s.io tasks kill") && !young.contains("crictl") && !young.contains("docker"));
    assert!(old.contains("crictl stop") && !old.contains("ctr -n") && !old.contains("docker"));
}

#[test]
fn a_member_replaces_itself_only_where_that_is_known() {
    let mut facts = facts();
    assert!(markdown(&facts).contains("etcd-manager replaces the third by itself"));
    facts.etcds[1].replaces = false;
    let text = markdown(&facts);
    assert!(
        !text.contains("replaces the third by itself") && text.contains("`kubectl etcd-restore member replace NAME`")
    );
}

#[test]
fn nothing_that_is_pasted_is_of_the_day_it_was_written() {
    let text = markdown(&facts());
    for (step, block) in blocks(&text) {
        // Masters are asked for, since step 3 deletes those of then; backups are chosen.
        assert!(
            !block.contains("10.0.0.7") && !block.contains("i-0123"),
            "step {step}: {block}"
        );
        assert!(!block.contains("2026-"), "step {step}: {block}");
        // Either the one or the other.
        assert!(!(block.contains(" run ") && block.contains(" queue ")), "{block}");
        // An interactive zsh knows no comments.
        let outside = block.lines().take_while(|line| !line.contains("<<'END'"));
        assert!(
            outside.into_iter().all(|line| !line.contains('#')),
            "step {step}: {block}"
        );
    }
    assert!(text.contains("BACKUP_main=$(kubectl etcd-backups show latest-good --etcd main -o name)"));
    for words in [
        "restore-volumes",
        "terraform state rm",
        "terraform apply",
        "123456789012",
        "-l ubuntu",
        "**Stop**",
    ] {
        assert!(text.contains(words), "{words}");
    }
    assert_eq!(
        text.matches("**Stop** ").count(),
        9,
        "one for each step, and one before all"
    );
    assert_eq!(text.matches("```sh").count(), text.matches("Go on when: ").count());
}

#[test]
fn every_block_is_read_by_a_shell_whatever_the_names_are() {
    const HOSTILE: &str = "x;touch evil|sh;$(touch evil)`touch evil`\"' &";
    let mut hostile = facts();
    hostile.cluster = HOSTILE.to_owned();
    hostile.state = Some(format!("s3://{HOSTILE}"));
    hostile.user = Some(HOSTILE.to_owned());
    hostile.jump = Some(HOSTILE.to_owned());
    for etcd in &mut hostile.etcds {
        etcd.base = format!("s3://{HOSTILE}/{}", etcd.name);
        etcd.members = vec![(HOSTILE.to_owned(), Some(HOSTILE.to_owned()))];
    }
    hostile.etcds[1].name = HOSTILE.to_owned();
    let mut file = facts();
    file.state = Some("file:///srv/kops state".to_owned());
    file.etcds[0].base = "file:///srv/kops state/main".to_owned();
    for facts in [facts(), nothing_known(), hostile, file] {
        let blocks = blocks(&markdown(&facts));
        assert!(blocks.len() > 50);
        // Nothing is asked and nothing changed: every program only says that it was called, and a shell reads each block whole.
        let folder = tempfile::tempdir().unwrap();
        for (step, block) in blocks {
            let read = Command::new("sh").args(["-n", "-c", &block]).output().unwrap();
            assert!(
                read.status.success() && read.stderr.is_empty(),
                "step {step}: {block}: {read:?}"
            );
            let ran = Command::new("/bin/sh")
                .args(["-c", &block])
                .current_dir(folder.path())
                .env_clear()
                .env("PATH", "/nowhere")
                .output()
                .unwrap();
            // The programs are not there; `touch` is not either, but a shell that obeyed would say so.
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(
                !said.contains("touch:") && !folder.path().join("evil").exists(),
                "step {step}: {block}: {said}"
            );
        }
    }
}

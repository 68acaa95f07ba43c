use super::*;
use crate::model::fleet::wipe::Chosen;
use crate::model::fleet::{Group, Instance, Volume};

fn spec(more: &str) -> ClusterSpec {
    let text = format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {{name: a.example.com}}\nspec: {{{more}}}\n"
    );
    ClusterSpec::parse(text.as_bytes()).unwrap()
}

fn chosen<T>(thing: T) -> Chosen<T> {
    Chosen {
        thing,
        reason: String::new(),
    }
}

/// One master with its group and volume.
fn selection(vpc: &str, subnet: &str, zone: &str) -> Selection {
    Selection {
        groups: vec![chosen(Group {
            name: "g".into(),
            subnets: vec![subnet.into()],
            ..Group::default()
        })],
        instances: vec![chosen(Instance {
            id: "i-1".into(),
            vpc: Some(vpc.into()),
            subnet: Some(subnet.into()),
            zone: zone.into(),
            ..Instance::default()
        })],
        volumes: vec![chosen(Volume {
            id: "vol-1".into(),
            zone: zone.into(),
            ..Volume::default()
        })],
        ..Selection::default()
    }
}

/// `name/severity` of what was found, or `name/ok`.
fn found(spec: &ClusterSpec, selection: &Selection, existing: &[&str]) -> Vec<String> {
    let caller = Caller {
        account: "123456789012".into(),
        alias: Some("staging".into()),
        region: "us-east-1".into(),
        ..Caller::default()
    };
    let existing = existing.iter().map(|id| (*id).to_owned()).collect();
    let checks = check_networks(spec, &caller, selection, &existing);
    let word = |check: Check| match check.ok {
        true => format!("{}/ok", check.name),
        false => format!("{}/{:?}", check.name, check.severity),
    };
    checks.into_iter().map(word).collect()
}

#[test]
fn a_contradiction_blocks_and_a_spec_without_ids_warns() {
    const SUBNET: &str = "{name: a, zone: us-east-1a, id: subnet-1}";
    let own = "subnets: [{name: a, zone: us-east-1a}]".to_owned();
    let vpc = format!("networkID: vpc-1, {own}");
    let subnets = format!("networkID: vpc-1, subnets: [{SUBNET}]");
    let some = format!("networkID: vpc-1, subnets: [{SUBNET}, {{name: b, zone: us-east-1b}}]");
    let here = ("vpc-1", "subnet-1", "us-east-1a");
    let both: &[&str] = &["vpc-1", "subnet-1"];
    for (says, (network, subnet, zone), has, wanted) in [
        // The VPC is kops' own: the spec has no ID.
        (&own, here, &[][..], &["network/Warn"][..]),
        (&vpc, here, &["vpc-1"], &["network/ok"]),
        (&subnets, here, both, &["network/ok"]),
        (&some, here, both, &["network/ok"]),
        // The account has no such VPC, or the masters are in another one.
        (&vpc, here, &[], &["network/Block"]),
        (
            &vpc,
            ("vpc-2", "subnet-1", "us-east-1a"),
            &["vpc-1"],
            &["network/Block"],
        ),
        (&subnets, here, &["vpc-1"], &["network/Block"]),
        (&subnets, ("vpc-1", "subnet-2", "us-east-1a"), both, &["network/Block"]),
        // Not every subnet has an ID.
        (&some, ("vpc-1", "subnet-2", "us-east-1a"), both, &["network/ok"]),
        // Zones.
        (
            &own,
            ("vpc-1", "subnet-1", "us-east-1f"),
            &[],
            &["zones/Block", "network/Warn"],
        ),
        (
            &vpc,
            ("vpc-1", "subnet-1", "us-east-1f"),
            &["vpc-1"],
            &["zones/Block", "network/ok"],
        ),
    ] {
        let selection = selection(network, subnet, zone);
        assert_eq!(
            found(&spec(says), &selection, has),
            wanted,
            "{says}: {network} {subnet} {zone} {has:?}"
        );
    }
}

#[test]
fn a_volume_in_a_former_zone_only_warns() {
    let spec = spec("subnets: [{name: a, zone: us-east-1a}]");
    let mut selection = selection("vpc-1", "subnet-1", "us-east-1a");
    selection.volumes.push(chosen(Volume {
        id: "vol-2".into(),
        zone: "us-east-1b".into(),
        ..Volume::default()
    }));
    assert_eq!(found(&spec, &selection, &[]), ["zones/Warn", "network/Warn"]);
}

#[test]
fn the_account_is_named_with_its_alias() {
    let caller = Caller {
        account: "123456789012".into(),
        alias: Some("staging".into()),
        region: "us-east-1".into(),
        ..Caller::default()
    };
    let spec = spec("networkID: vpc-of-prod");
    let checks = check_networks(&spec, &caller, &Selection::default(), &BTreeSet::new());
    let message = &checks[0].message;
    assert!(
        message.contains("vpc-of-prod, which account 123456789012 (staging) does not have in us-east-1"),
        "{message}"
    );
}

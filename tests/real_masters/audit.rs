//! `kops-wipe-masters audit` shakes hands with the real API servers.

use serde_json::Value;
use support::{Ca, KeyKind};

use crate::world::World;

/// What is said of certificates at port 443, as `certificate-ending 10.0.0.1:443`.
fn of_api_servers(world: &World) -> Vec<String> {
    let ended = world.plugin("kops-wipe-masters", "audit -o json").run().unwrap();
    let rows: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let mut told = Vec::new();
    for row in rows.as_array().unwrap() {
        let finding = row["finding"].as_str().unwrap();
        let objects = row["objects"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let at_443 = objects.filter(|object| finding.starts_with("certificate-") && object.ends_with(":443"));
        told.extend(at_443.map(|object| format!("{finding} {object}")));
    }
    told.sort();
    told
}

/// The certificates are good for a day, which is soon.
pub fn certificates(world: &mut World) {
    let all = |world: &World, finding: &str| -> Vec<String> {
        let mut told: Vec<String> = world
            .masters
            .all()
            .map(|master| format!("{finding} {}:443", master.address()))
            .collect();
        told.sort();
        told
    };
    world.come_up();
    assert_eq!(of_api_servers(world), all(world, "certificate-ending"));
    world.keep_cluster_ca(&Ca::new("kubernetes-ca", KeyKind::Ec).unwrap());
    assert_eq!(of_api_servers(world), all(world, "certificate-of-another-ca"));
    world.keep_own_cluster_ca();
}

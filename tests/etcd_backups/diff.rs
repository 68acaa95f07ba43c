//! `diff` of two backups: selections and fields.

use serde_json::json;
use support::Put;
use support::{Etcd, EtcdVersion, backup};

use crate::env::{Env, RESTORED};

const HEALTHY: &str = "main=2026-11-22T15:18";
const ACCIDENT: &str = "main=2026-11-22T15:19";

#[test]
fn objects_are_selected_as_for_kubectl_get() {
    let env = Env::new(RESTORED);
    let names = |arguments: &[&str]| {
        let arguments = [&["diff", HEALTHY, ACCIDENT, "-o", "name"], arguments].concat();
        let ended = env.backups(&arguments).run().unwrap().success();
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["-n", "billing"]).len(), 15);
    assert_eq!(
        names(&["-n", "shop"]),
        ["deployments/shop/web", "configmaps/shop/after-accident"]
    );
    assert_eq!(names(&["deploy"]), ["deployments/shop/web"]);
    assert_eq!(names(&["deploy,cm", "-n", "billing"]), [""; 0]);
    assert_eq!(
        names(&["secret/s1", "cm/after-accident"]),
        ["secrets/billing/s1", "configmaps/shop/after-accident"]
    );
    assert_eq!(names(&["secrets", "s1", "s2", "-A"]).len(), 2);
    let none = ["diff", HEALTHY, ACCIDENT, "deploy", "none"];
    let none = env.backups(&none).run().unwrap().success();
    let _ = none.stdout_has("No differences").stderr_has("neither backup holds");
    for (arguments, why) in [
        (&["widgets"][..], "no resource type `widgets`"),
        (&["deploy/web", "secrets"], "names with a slash"),
        (&["-n", "shop", "-A"], "cannot be used with"),
        (&["--show-managed-fields"], "--fields"),
    ] {
        let arguments = [&["diff", HEALTHY, ACCIDENT], arguments].concat();
        let _ = env.backups(&arguments).run().unwrap().code(2).stderr_has(why);
    }
    // A resource that only one of the etcd clusters knows.
    let events = ["diff", "2026-11-22T15:17", "2026-11-22T15:18", "deploy", "-o", "json"];
    let rows = env.backups(&events).run().unwrap().success().json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[test]
fn fields_of_changed_objects_are_shown_and_values_of_secrets_are_not() {
    let env = Env::new(RESTORED);
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let take = |name: &str, image: &str, password: &str| {
        let shop = json!({ "apiVersion": "example.com/v1", "kind": "Shop", "metadata": { "name": "s", "namespace": "shop" },
            "spec": { "containers": [{ "name": "web", "image": image }], "text": "x".repeat(500) + image } });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "shop" },
            "data": { "password": password } });
        let puts = [
            Put::new("/registry/example.com/shops/shop/s", shop.to_string()),
            Put::new("/registry/secrets/shop/s", secret.to_string()),
        ];
        etcd.put(&puts).unwrap();
        backup::write(&etcd, &env.base("main").join(name)).unwrap();
    };
    take("2026-11-22T15:21:00Z-000001", "web:1", "aHVudGVyMg==");
    take("2026-11-22T15:21:10Z-000001", "web:2", "bmV3");
    let diff = |arguments: &[&str]| {
        let backups = ["diff", "main=2026-11-22T15:21:00Z", "main=2026-11-22T15:21:10Z"];
        env.backups(&[&backups, arguments].concat()).run().unwrap().success()
    };
    let plain = diff(&["-o", "json"]).json();
    let with_fields = diff(&["-o", "json", "--fields"]).json();
    assert_eq!(
        with_fields[0]["changed"][0]["fields"],
        json!([
            { "pointer": "/spec/containers/0/image", "old": "web:1", "new": "web:2" },
            { "pointer": "/spec/text", "old": "…xxxxxxxxxxxweb:1 (505 bytes)", "new": "…xxxxxxxxxxxweb:2 (505 bytes)", "cut": true },
        ])
    );
    let mut without = with_fields.clone();
    for changed in without[0]["changed"].as_array_mut().unwrap() {
        assert!(changed.as_object_mut().unwrap().remove("fields").is_some());
    }
    assert_eq!(without, plain, "nothing else is different");
    let text = diff(&["--fields"]).stdout;
    insta::assert_snapshot!(text.split_once("\n\n").unwrap().1);
    assert!(![text, with_fields.to_string()].concat().contains("bmV3"));
}

use proptest::prelude::*;

use super::*;

const KEYS: [&str; 11] = [
    "/registry/clusterroles/web",
    "/registry/configmaps/shop/web",
    "/registry/deployments/bank/web",
    "/registry/deployments/default/front",
    "/registry/deployments/shop/db",
    "/registry/deployments/shop/web",
    "/registry/masterleases/10.0.0.1",
    "/registry/namespaces/shop",
    "/registry/pods/shop/web-1",
    "/registry/services/specs/shop/web",
    "cilium/state",
];

fn request(line: &str) -> Result<Request, RequestError> {
    let (mut all, mut namespaces, mut labels) = (false, Namespaces::One("default".to_owned()), None);
    let mut arguments = Vec::new();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--all" => all = true,
            "-A" => namespaces = Namespaces::All,
            "-n" => namespaces = Namespaces::One(words.next().unwrap().to_owned()),
            "-l" => labels = Some(words.next().unwrap().parse().unwrap()),
            _ => arguments.push(word.to_owned()),
        }
    }
    Request::parse(&arguments, all, namespaces, labels)
}

fn selection(line: &str) -> Selection {
    let mut resources = Resources::default();
    resources.add(&[], KEYS.iter().map(|key| key.as_bytes()));
    request(line).unwrap().resolve(&resources).unwrap()
}

fn selected(line: &str) -> Vec<String> {
    let selection = selection(line);
    let keys = KEYS.map(|key| (key.as_bytes(), ObjectKey::parse(key.as_bytes())));
    keys.iter()
        .filter(|(raw, key)| selection.takes(raw, key))
        .map(|(_, key)| key.to_string())
        .collect()
}

fn missing(line: &str) -> Missing {
    selection(line)
        .missing(0, KEYS.iter().map(|key| key.as_bytes()))
        .unwrap()
}

#[test]
fn selects_what_kubectl_would() {
    for (line, objects) in [
        ("deploy -n shop", &["deployments/shop/db", "deployments/shop/web"][..]),
        ("deploy", &["deployments/default/front"]),
        (
            "deploy,svc -n shop",
            &["deployments/shop/db", "deployments/shop/web", "services/shop/web"],
        ),
        ("deploy/web -n shop", &["deployments/shop/web"]),
        (
            "deploy/web svc/web -n shop",
            &["deployments/shop/web", "services/shop/web"],
        ),
        (
            "deploy web db -n shop",
            &["deployments/shop/db", "deployments/shop/web"],
        ),
        ("deploy,svc web -n shop", &["deployments/shop/web", "services/shop/web"]),
        ("deploy/web -A", &["deployments/bank/web", "deployments/shop/web"]),
        ("deployments.apps/web -n shop", &["deployments/shop/web"]),
        // What is in no namespace is found from any.
        (
            "clusterrole,deploy -n bank",
            &["clusterroles/web", "deployments/bank/web"],
        ),
        ("clusterrole/web", &["clusterroles/web"]),
        (
            "all -n shop",
            &[
                "deployments/shop/db",
                "deployments/shop/web",
                "pods/shop/web-1",
                "services/shop/web",
            ],
        ),
        ("deploy --all -n bank", &["deployments/bank/web"]),
        ("deploy -l app=web -n bank", &["deployments/bank/web"]),
        // The whole namespace, itself included.
        (
            "--all -n shop",
            &[
                "configmaps/shop/web",
                "deployments/shop/db",
                "deployments/shop/web",
                "namespaces/shop",
                "pods/shop/web-1",
                "services/shop/web",
            ],
        ),
        // Names by themselves, whatever the namespace.
        ("deploy/shop/web", &["deployments/shop/web"]),
        (
            "deploy/shop/web svc/web -n shop",
            &["deployments/shop/web", "services/shop/web"],
        ),
        ("/registry/deployments/shop/web", &["deployments/shop/web"]),
        ("minions/i-1", &[]),
        ("cilium/state", &["cilium/state"]),
    ] {
        assert_eq!(selected(line), objects, "{line}");
    }
    assert_eq!(selected("-A --all").len(), KEYS.len() - 1);
}

#[test]
fn refuses_what_kubectl_refuses() {
    for (line, error) in [
        ("", "no resource is named"),
        ("-n shop", "no resource is named"),
        (
            "deploy/web db",
            "`db` stands among names with a slash: write each as RESOURCE/NAME",
        ),
        (
            "deploy,svc/web",
            "`deploy,svc/web` is no RESOURCE/NAME with one resource and one name",
        ),
        (
            "deploy/",
            "`deploy/` is no RESOURCE/NAME with one resource and one name",
        ),
        ("deploy,,svc", "`deploy,,svc` has an empty part between its commas"),
        (
            "deploy web -l app=web",
            "`deploy/web` is a name: names and -l cannot be combined",
        ),
        (
            "deploy/web --all",
            "--all means all resources: `deploy/web` is more than that",
        ),
        ("a//b", "`a//b` has an empty part between its slashes"),
    ] {
        assert_eq!(request(line).unwrap_err().to_string(), error, "{line}");
    }
}

#[test]
fn one_object_is_told_from_several() {
    for (line, one) in [
        ("deploy/web", true),
        ("deploy web", true),
        ("deploy/shop/web", true),
        ("deploy web db", false),
        ("deploy", false),
        ("-A --all", false),
    ] {
        assert_eq!(request(line).unwrap().is_one_object(), one, "{line}");
    }
}

#[test]
fn what_is_missing_is_looked_for_elsewhere() {
    assert_eq!(missing("deploy/web").namespaces, ["bank", "shop"]);
    assert_eq!(missing("deploy/web").near, [""; 0]);
    assert_eq!(
        missing("deploy/wob -n shop").near,
        ["deployments/shop/web", "deployments/shop/db"]
    );
    assert_eq!(missing("pods").namespaces, ["shop"]);
    assert!(!missing("pods").named);
    assert_eq!(missing("--all -n nowhere").text, "namespace nowhere");
    assert_eq!(
        missing("deploy/shop/wob").near.first().map(String::as_str),
        Some("deployments/shop/web")
    );
}

proptest! {
    #[test]
    fn any_line_is_refused_or_selects(arguments in proptest::collection::vec("[a-z/,. *-]{0,8}", 0..3), key: Vec<u8>) {
        if let Ok(request) = Request::parse(&arguments, false, Namespaces::All, None) {
            let mut resources = Resources::default();
            resources.add(&[], [key.as_slice()].into_iter());
            if let Ok(selection) = request.resolve(&resources) {
                let _ = selection.takes(&key, &ObjectKey::parse(&key));
                for part in 0..selection.parts() {
                    let _ = selection.missing(part, [key.as_slice()].into_iter());
                }
            }
        }
    }
}

#[test]
fn resources_that_cannot_be_meant_need_not_be_read() {
    let lines = [
        "--all -A",
        "--all -n shop",
        "deploy -n shop",
        "all -n shop",
        "deploy/web -n shop",
        "deploy,svc web -n shop",
        "deployments/shop/web",
        "/registry/deployments/shop/web",
        "clusterrole web",
    ];
    for line in lines {
        let selection = selection(line);
        for raw in KEYS {
            let key = ObjectKey::parse(raw.as_bytes());
            let resource = Resource {
                plural: key.resource.to_owned(),
                group: key.group.to_owned(),
            };
            let may = selection.may_take(&resource, key.namespace.is_some());
            assert!(may || !selection.takes(raw.as_bytes(), &key), "{line}: {raw}");
        }
    }
    let pods = Resource {
        plural: "pods".to_owned(),
        group: String::new(),
    };
    let nodes = Resource {
        plural: "nodes".to_owned(),
        group: String::new(),
    };
    for (line, of_pods, of_nodes) in [
        ("--all -A", true, true),
        ("--all -n shop", true, false),
        ("deploy -n shop", false, false),
        ("po/web -n shop", true, false),
        ("deployments/shop/web", false, false),
        ("/registry/pods/shop/web", true, false),
    ] {
        let selection = selection(line);
        let may = (selection.may_take(&pods, true), selection.may_take(&nodes, false));
        assert_eq!(may, (of_pods, of_nodes), "{line}");
    }
}

#[test]
fn one_namespace_is_told_unless_an_object_names_its_own() {
    assert_eq!(selection("deploy -n shop").namespace(), Some("shop"));
    assert_eq!(selection("deploy -A").namespace(), None);
    assert_eq!(selection("deployments/shop/web -n bank").namespace(), None);
}

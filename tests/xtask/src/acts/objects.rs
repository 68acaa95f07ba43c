//! One namespace is gone, and the cluster is well: the namespace is brought back out of the last backup, and no control plane is wiped.

use std::error::Error;

use super::cluster::{Cluster, Control};
use crate::rehearse::{Act, Stage};

/// See the module.
pub const ACT: Act = Act {
    name: "objects",
    title: "one namespace is gone, and comes back",
    plugins: &["kubectl-etcd-backups"],
    components: &["etcd", "kube-apiserver", "sshd"],
    real_masters: false,
    play,
};

const NAMESPACE: &str = "/api/v1/namespaces/shop";

fn play(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("A healthy cluster: state store in S3 (moto), a real kube-apiserver on a real etcd, backed up by a stand-in for etcd-manager");
    let cluster = Cluster::new(stage.folder())?;
    let operator = stage.with(&cluster.environment())?;
    let control = Control::start(&cluster, &cluster.built)?;
    let servers = control.serve(&cluster, 0..1)?;
    let server = servers.first().ok_or("no API server")?;
    cluster.api_is_at(server);
    cluster.deploy_the_shop(server)?;
    control.back_up()?;

    operator.tell("Somebody deletes the namespace shop");
    server.delete("/apis/apps/v1/namespaces/shop/deployments/web")?;
    server.delete(&format!("{NAMESPACE}/secrets/payment"))?;
    // What the namespace's controller does, which does not play here.
    let mut namespace = server.delete(NAMESPACE)?;
    if let Some(spec) = namespace.get_mut("spec").and_then(serde_json::Value::as_object_mut) {
        spec.insert("finalizers".to_owned(), serde_json::json!([]));
    }
    server.replace(&format!("{NAMESPACE}/finalize"), &namespace)?;

    operator.tell("What was lost since the last backup?");
    operator.backups("diff main=latest-good --live -n shop", 0)?;
    operator.tell("What would be restored? The API is asked whether it would take it; nothing is changed");
    operator.backups("restore-objects latest-good -n shop", 0)?;
    operator.backups("restore-objects latest-good -n shop --yes --undo-file undo.jsonl", 0)?;
    for path in [
        "/apis/apps/v1/namespaces/shop/deployments/web",
        "/api/v1/namespaces/shop/secrets/payment",
    ] {
        server.get(path)?;
    }
    operator.note("\nThe API, asked directly: Deployment and Secret of the namespace shop are there");
    operator.tell("Once more is nothing more, and what was done can be taken back");
    operator.backups("restore-objects latest-good -n shop --yes", 0)?;
    operator.backups("restore-objects --undo undo.jsonl", 0)?;
    operator.stay()
}

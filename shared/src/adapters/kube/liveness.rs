//! Whether the API of a cluster responds.

use crate::model::shell::quoted;
use kube::config::Kubeconfig;

use super::{KubeClient, KubeOptions, error};
use crate::adapters::kube::ca_match::CaMatch;
use crate::model::liveness::ProbeResult;
use crate::ports::cluster_api::{ClusterApi, KubeError, KubeErrorKind};

/// A kubectl context, and whether it is known to be of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    context: String,
    /// The user named it, or it has the cluster's name as kops gives it.
    certain: bool,
}

/// Asks the API of `cluster`. The context is the one that `--context` names, else the one of the cluster's name, as
/// `kops export kubeconfig` writes it; the current one only of a file that `--kubeconfig` names. A kubeconfig's only context is asked, too:
/// its response counts, no response says nothing. `whose` checks whose API it is.
pub async fn liveness(
    options: KubeOptions,
    cluster: &str,
    whose: impl AsyncFnOnce(&KubeClient) -> CaMatch,
    detail: impl FnOnce(&str),
) -> ProbeResult {
    let KubeOptions {
        kubeconfig,
        context,
        timeout,
    } = options;
    let read = match &kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let read = match read {
        Ok(read) => read,
        Err(problem) => return of_error(&error::config(&problem)),
    };
    let Some(chosen) = choose(&read, context, cluster, kubeconfig.is_some()) else {
        return ProbeResult::NotChecked {
            why: format!("the kubeconfig has no context {cluster}"),
            cure: format!(
                "run `kops export kubeconfig --admin --name {}`, or pass --context",
                quoted(cluster)
            ),
        };
    };
    detail(&format!("checking the API of kubectl context {}", chosen.context));
    let options = KubeOptions {
        kubeconfig,
        context: Some(chosen.context.clone()),
        timeout,
    };
    let answer = match KubeClient::connect(&options).await {
        Ok(client) => match client.readyz().await {
            Ok(readiness) => {
                let server = ClusterApi::server(&client);
                let words = readiness.describe();
                let answer = format!("{server} (context {}) answers: {words}", chosen.context);
                of_whom(answer, whose(&client).await, cluster)
            }
            Err(problem) => match of_error(&problem) {
                ProbeResult::Answers(answer) => of_whom(answer, whose(&client).await, cluster),
                other => other,
            },
        },
        Err(problem) => of_error(&problem),
    };
    match answer {
        ProbeResult::NoResponse(why) if !chosen.certain => ProbeResult::NotChecked {
            why: format!(
                "context {} may be of another cluster than {cluster}, and does not respond ({why})",
                chosen.context
            ),
            cure: format!(
                "run `kops export kubeconfig --admin --name {}`, or pass --context",
                quoted(cluster)
            ),
        },
        answer => answer,
    }
}

/// A response counts only if it is proven to come from the cluster.
fn of_whom(answer: String, matched: CaMatch, cluster: &str) -> ProbeResult {
    let cure = format!("run `kops export kubeconfig --admin --name {cluster}`, or pass --context");
    match matched {
        CaMatch::Same => ProbeResult::Answers(answer),
        CaMatch::Different { place } => ProbeResult::NotChecked {
            why: format!("the kubeconfig is of another cluster: {answer}, but its CA is not in {place}"),
            cure,
        },
        CaMatch::Unknown(why) => ProbeResult::NotChecked {
            why: format!("{answer}, but could not verify that it is the API of this cluster: {why}"),
            cure,
        },
    }
}

fn choose(read: &Kubeconfig, given: Option<String>, cluster: &str, own_file: bool) -> Option<Chosen> {
    let certain = |context: String| Chosen { context, certain: true };
    if let Some(context) = given {
        return Some(certain(context));
    }
    if read.contexts.iter().any(|context| context.name == cluster) {
        return Some(certain(cluster.to_owned()));
    }
    if own_file && let Some(current) = &read.current_context {
        return Some(certain(current.clone()));
    }
    match read.contexts.as_slice() {
        [only] => Some(Chosen {
            context: only.name.clone(),
            certain: false,
        }),
        _ => None,
    }
}

fn of_error(error: &KubeError) -> ProbeResult {
    let why = error.to_string();
    let not_asked = |cure: &str| ProbeResult::NotChecked {
        why: why.clone(),
        cure: error.hint().unwrap_or_else(|| cure.to_owned()),
    };
    match &error.kind {
        // An API server that refuses is alive.
        KubeErrorKind::Unauthorized
        | KubeErrorKind::Forbidden
        | KubeErrorKind::NotFound
        | KubeErrorKind::Conflict
        | KubeErrorKind::Expired
        | KubeErrorKind::Other(_) => ProbeResult::Answers(why),
        KubeErrorKind::Config(_) | KubeErrorKind::NoTls | KubeErrorKind::NotTrusted(_) => {
            not_asked("check --kubeconfig and --context")
        }
        // A refusal by a load balancer, proxy or tunnel is not a refusal by the masters.
        KubeErrorKind::Unreachable(_) | KubeErrorKind::Timeout(_) => ProbeResult::NoResponse(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(contexts: &[&str], current: Option<&str>) -> Kubeconfig {
        let list: String = contexts
            .iter()
            .map(|name| format!("- name: {name}\n  context: {{cluster: c, user: u}}\n"))
            .collect();
        let current = current.map_or_else(String::new, |name| format!("current-context: {name}\n"));
        Kubeconfig::from_yaml(&format!("apiVersion: v1\nkind: Config\n{current}contexts:\n{list}")).unwrap()
    }

    fn chosen(contexts: &[&str], current: Option<&str>, given: Option<&str>, own_file: bool) -> Option<(String, bool)> {
        let read = kubeconfig(contexts, current);
        choose(&read, given.map(str::to_owned), "k8s.example.com", own_file)
            .map(|chosen| (chosen.context, chosen.certain))
    }

    #[test]
    fn the_current_context_of_the_users_own_kubeconfig_is_never_taken_for_the_clusters() {
        let of = |name: &str, certain| Some((name.to_owned(), certain));
        let here = "k8s.example.com";
        assert_eq!(chosen(&["a", here], Some("a"), None, false), of(here, true));
        assert_eq!(chosen(&["a", here], Some("a"), Some("a"), false), of("a", true));
        assert_eq!(chosen(&["a", "b"], Some("a"), None, false), None);
        assert_eq!(chosen(&["a"], Some("a"), None, false), of("a", false));
        // A file that was named was meant.
        assert_eq!(chosen(&["a", "b"], Some("a"), None, true), of("a", true));
        assert_eq!(chosen(&["a", "b"], None, None, true), None);
    }

    #[test]
    fn an_answer_counts_only_for_the_cluster_that_it_is_proven_to_come_from() {
        let of = |whose| of_whom("https://x/ answers: ready".to_owned(), whose, "c");
        assert_eq!(
            of(CaMatch::Same),
            ProbeResult::Answers("https://x/ answers: ready".to_owned())
        );
        let others = of(CaMatch::Different {
            place: "s3://k/ca".to_owned(),
        });
        assert!(
            matches!(&others, ProbeResult::NotChecked { why, .. } if why.starts_with("the kubeconfig is of another cluster: "))
        );
        let unknown = of(CaMatch::Unknown("access denied".to_owned()));
        assert!(
            matches!(&unknown, ProbeResult::NotChecked { why, .. } if why.ends_with("the API of this cluster: access denied"))
        );
    }

    #[test]
    fn whatever_answers_is_alive_and_what_says_nothing_is_not_dead() {
        let of = |kind: KubeErrorKind| {
            of_error(&KubeError {
                action: "GET /readyz".to_owned(),
                server: "https://api".to_owned(),
                kind,
            })
        };
        assert!(matches!(of(KubeErrorKind::Unauthorized), ProbeResult::Answers(_)));
        assert!(matches!(
            of(KubeErrorKind::Other("teapot".into())),
            ProbeResult::Answers(_)
        ));
        for words in [
            "tcp connect error: Connection refused (os error 111)",
            "connection reset by peer",
            "dns error: failed to lookup address",
            "No route to host (os error 113)",
        ] {
            assert!(matches!(
                of(KubeErrorKind::Unreachable(words.into())),
                ProbeResult::NoResponse(_)
            ));
        }
        assert!(matches!(of(KubeErrorKind::Timeout(10)), ProbeResult::NoResponse(_)));
        // A server of another cluster says nothing about this one.
        let foreign = KubeErrorKind::NotTrusted("unknown issuer".into());
        assert!(matches!(of(foreign), ProbeResult::NotChecked { .. }));
        let none = KubeErrorKind::Config("no kubeconfig".into());
        assert!(matches!(of(none), ProbeResult::NotChecked { .. }));
    }
}

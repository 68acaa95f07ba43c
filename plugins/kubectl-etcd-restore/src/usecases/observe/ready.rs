//! Waits until the Kubernetes API has been ready several times in a row.

use std::time::Duration;

use runbook_kit::failure::{CommandError, chain};
use runbook_kit::model::kubernetes::cluster::Readiness;
use runbook_kit::ports::cluster_api::ClusterApi;
use tokio::time::{Instant, sleep};

/// Polling interval.
const TICK: Duration = Duration::from_secs(2);

/// Polls until the API was ready `times` times in a row. 401 counts: the API server responds, but does not accept the credentials. Each new answer
/// is reported once.
///
/// # Errors
/// Where it was not ready in time, with the last answer.
pub async fn wait(
    api: &dyn ClusterApi,
    times: u32,
    limit: Duration,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Readiness, CommandError> {
    let begun = Instant::now();
    let (mut in_a_row, mut last) = (0, String::new());
    loop {
        let answer = api.readyz().await;
        let words = match &answer {
            Ok(readiness) => readiness.describe(),
            Err(error) => chain(error),
        };
        if words != last {
            told(&words);
            last.clone_from(&words);
        }
        match answer {
            Ok(readiness) if readiness.may_serve() => {
                in_a_row += 1;
                if in_a_row >= times {
                    return Ok(readiness);
                }
            }
            _ => in_a_row = 0,
        }
        if begun.elapsed() >= limit {
            let message = format!(
                "the API at {} was not ready {times} times in a row within {} s: {last}",
                api.server(),
                limit.as_secs()
            );
            return Err(CommandError::after_change(message).hint(
                "check `kubectl etcd-restore logs kube-apiserver`; after a rebuild of the control plane, check that the API's name \
                 resolves to the new instances",
            ));
        }
        sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use runbook_kit::ports::KubeErrorKind;
    use runbook_kit::testing::MemoryApi;

    use super::*;

    fn starting() -> Readiness {
        Readiness::NotReady {
            status: 500,
            failing: vec!["etcd".to_owned()],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_good_answer_is_not_enough() {
        let api = MemoryApi::default();
        let down = || Err(KubeErrorKind::Unreachable("Connection refused".to_owned()));
        api.readiness([
            down(),
            Ok(starting()),
            Ok(Readiness::Ready),
            down(),
            Ok(Readiness::Alive { status: 401 }),
            Ok(Readiness::Ready),
        ]);
        let heard = Mutex::new(Vec::new());
        let told = |words: &str| heard.lock().unwrap().push(words.to_owned());
        let ready = wait(&api, 3, Duration::from_secs(60), &told).await.unwrap();
        assert_eq!(ready, Readiness::Ready);
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.len(), 6, "{heard:?}");
        assert_eq!(heard[1], "not ready: etcd");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_answer() {
        let api = MemoryApi::default();
        api.readiness([Ok(starting())]);
        let never = wait(&api, 3, Duration::from_secs(60), &|_| {}).await.unwrap_err();
        assert!(never.to_string().ends_with("within 60 s: not ready: etcd"), "{never}");
    }
}

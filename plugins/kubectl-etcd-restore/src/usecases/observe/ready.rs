//! Waits until the Kubernetes API has been ready several times in a row.

use std::time::Duration;

use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::failure::chain;
use runbook_kit::model::kubernetes::cluster::Readiness;
use runbook_kit::ports::cluster_api::ClusterApi;
use tokio::time::{Instant, sleep};

/// Between two questions.
const TICK: Duration = Duration::from_secs(2);

/// It was not, in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API at {server} was not ready {times} times in a row within {} s: {last}", waited.as_secs())]
pub struct NeverReady {
    pub server: String,
    pub times: u32,
    pub waited: Duration,
    pub last: String,
}

impl Failure for NeverReady {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(
            "follow `kubectl etcd-restore logs kube-apiserver`; if masters were made anew, check that the API's name leads to \
             the new ones"
                .to_owned(),
        )
    }
}

/// Asks until `times` answers in a row say that it serves. 401 counts: an API server answers, and does not know us. Each new
/// answer is told once.
///
/// # Errors
/// [`NeverReady`], with the last answer.
pub async fn wait(
    api: &dyn ClusterApi,
    times: u32,
    limit: Duration,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Readiness, NeverReady> {
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
            return Err(NeverReady {
                server: api.server().to_owned(),
                times,
                waited: limit,
                last,
            });
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
    async fn it_ends_and_says_the_last_answer() {
        let api = MemoryApi::default();
        api.readiness([Ok(starting())]);
        let never = wait(&api, 3, Duration::from_secs(60), &|_| {}).await.unwrap_err();
        assert!(never.to_string().ends_with("within 60 s: not ready: etcd"), "{never}");
    }
}

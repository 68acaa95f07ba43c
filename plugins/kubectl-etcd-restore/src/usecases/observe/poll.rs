//! Asks again while an earlier question is still open: one that is never answered holds up no later one.

use std::convert::Infallible;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Asks every `every`, with at most `most` questions open at once, until it is dropped. `take` gets each answer with the time of its question, but
/// none to an older question than that of an answer before.
pub async fn poll<T, F: Future<Output = T>>(
    every: Duration,
    most: usize,
    ask: impl Fn() -> F,
    mut take: impl FnMut(T, Instant),
) -> Infallible {
    let mut open = FuturesUnordered::new();
    let mut newest: Option<Instant> = None;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick(), if open.len() < most => {
                let (asked, began) = (ask(), Instant::now());
                open.push(async move { (asked.await, began) });
            }
            Some((answer, began)) = open.next() => {
                if newest.is_none_or(|newest| began > newest) {
                    newest = Some(began);
                    take(answer, began);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Asks every second for 12 s; each question takes the seconds that `takes` has for its number.
    async fn asked(most: usize, takes: impl Fn(u64) -> u64) -> Vec<u64> {
        let (number, answers) = (Cell::new(0), RefCell::new(Vec::new()));
        let ask = || {
            let own = number.replace(number.get() + 1);
            let wait = Duration::from_secs(takes(own));
            async move {
                sleep(wait).await;
                own
            }
        };
        let polled = poll(Duration::from_secs(1), most, ask, |answer, _| {
            answers.borrow_mut().push(answer)
        });
        let _elapsed = timeout(Duration::from_millis(12_500), polled).await;
        answers.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_never_answered_holds_up_no_later_one() {
        let answers = asked(4, |number| if number == 2 { 3600 } else { 0 }).await;
        assert_eq!(answers, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_to_an_older_question_does_not_count() {
        let answers = asked(4, |number| if number == 2 { 4 } else { 0 }).await;
        assert!(!answers.contains(&2) && answers.is_sorted(), "{answers:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_questions_are_open_than_allowed() {
        assert_eq!(asked(2, |_| 5).await, [0, 1, 2, 3]);
    }
}

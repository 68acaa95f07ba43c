//! Much work by few hands.

use std::sync::Mutex;
use std::thread;

/// How many trials at once: most of them wait.
const AT_ONCE: usize = 8;

/// Does all of `work` by so many threads, in its order.
pub fn all_at_once<W: Send, R: Send>(work: Vec<W>, each: impl Fn(W) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(work.into_iter());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(work) = next else { return };
                    let result = each(work);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

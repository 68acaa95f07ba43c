//! Collects problems, a bounded number of them.

use super::problem::{Fault, Place, Problem};

/// A broken database can have millions of faults; these are reported.
const LISTED: usize = 50;

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    listed: Vec<Problem>,
    more: Option<(Place, u64)>,
    damaged: bool,
}

impl Problems {
    /// A fault that costs no data: the content can still be told.
    pub fn note(&mut self, problem: Problem) {
        if self.listed.len() < LISTED {
            self.listed.push(problem);
        } else {
            let (_, count) = self.more.get_or_insert((problem.place, 0));
            *count += 1;
        }
    }

    /// A fault behind which data is lost.
    pub fn damage(&mut self, problem: Problem) {
        self.damaged = true;
        self.note(problem);
    }

    /// Whether data is lost.
    pub const fn damaged(&self) -> bool {
        self.damaged
    }

    /// All that are listed, in the order found, and how many are not.
    pub fn into_list(self) -> Vec<Problem> {
        let mut list = self.listed;
        list.extend(self.more.map(|(place, count)| Problem {
            place,
            fault: Fault::More { count },
        }));
        list
    }
}

//! How much time compiling may take of a run's: machine code has to pay for itself, and where thousands of loops become
//! hot one after the other it never does.
//!
//! A share of the time that has passed is there to be spent (as with the thresholds of Hölzle and Ungar, 1994, which decay
//! with time); what asks while there is none asks again later. What must stay true: the answer changes when something is
//! compiled, never what the program does.

use std::time::{Duration, Instant};

/// Spent without asking: a few small regions.
const FREE: Duration = Duration::from_millis(2);
/// One part in so many of the time since the start may be spent on compiling.
const SHARE: u32 = 3;

/// Time of one instance's compiler.
#[derive(Debug)]
pub(crate) struct Budget {
    since: Instant,
    bounded: bool,
    spent: Duration,
}

impl Budget {
    /// Nothing spent.
    pub fn new(bounded: bool) -> Budget {
        Budget {
            since: Instant::now(),
            bounded,
            spent: Duration::ZERO,
        }
    }

    /// Whether more may be compiled now.
    pub fn allows(&self) -> bool {
        !self.bounded || self.spent <= FREE || self.spent <= self.since.elapsed() / SHARE
    }

    /// Notes what compiling took.
    pub fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// All that was spent.
    pub fn spent(&self) -> Duration {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_has_to_be_waited_for() {
        let mut budget = Budget::new(true);
        assert!(budget.allows());
        budget.spend(FREE);
        assert!(budget.allows());
        budget.spend(Duration::from_secs(3_600));
        assert!(!budget.allows());
        // As if three hours and more had passed.
        let before = Instant::now().checked_sub(Duration::from_secs(3 * 3_600 + 60));
        if let Some(before) = before {
            budget.since = before;
            assert!(budget.allows());
        }
        assert_eq!(budget.spent(), FREE + Duration::from_secs(3_600));
    }

    #[test]
    fn without_a_bound_there_is_always_more() {
        let mut budget = Budget::new(false);
        budget.spend(Duration::from_secs(3_600));
        assert!(budget.allows());
    }
}

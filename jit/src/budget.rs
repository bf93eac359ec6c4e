//! How much time compiling may take of a run's: machine code has to pay for itself, and where thousands of loops become
//! hot one after the other it never does.
//!
//! A share of the time that has passed is there to be spent (as with the thresholds of Hölzle and Ungar, 1994, which decay
//! with time); what asks while there is too little asks again later. What compiling would take is told from what it took
//! before. What must stay true: the answer changes when something is compiled, never what the program does.

use std::time::{Duration, Instant};

/// What the first compiling takes more, since the back end and its code come into memory.
const FIRST: Duration = Duration::from_micros(1_500);
/// Up to here a place has to be hot but once.
const FREE: Duration = Duration::from_millis(1);
/// One part in so many of the time since the start may be spent on compiling.
const SHARE: u32 = 3;
/// What a word of bytecode takes, as long as nothing was compiled, and how much that is worth: so many words.
const WORD: Duration = Duration::from_micros(6);
const WORDS: u32 = 200;

/// What an instruction takes more when it is recorded.
const RECORDED: Duration = Duration::from_nanos(40);
/// Nanoseconds that machine code saves in each round of a loop or call, and least and most rounds until it is made.
const ROUND: u32 = 12;
const LEAST: u32 = 15_000;
const MOST: u32 = 60_000;
/// Microseconds that an exit costs, with what the interpreter does until machine code is entered again.
const EXIT: u32 = 2;

/// Time of one instance's compiler.
#[derive(Debug)]
pub(crate) struct Budget {
    since: Instant,
    bounded: bool,
    spent: Duration,
    words: u32,
    regions: u32,
}

impl Budget {
    /// Nothing spent.
    pub fn new(bounded: bool) -> Budget {
        Budget {
            since: Instant::now(),
            bounded,
            spent: Duration::ZERO,
            words: 0,
            regions: 0,
        }
    }

    /// What compiling so many words of bytecode is likely to take.
    pub fn estimate(&self, words: u32) -> Duration {
        if self.words == 0 {
            return FIRST + WORD * words;
        }
        let words_before = self.words.saturating_add(WORDS);
        (self.spent + WORD * WORDS).mul_f64(f64::from(words) / f64::from(words_before))
    }

    /// Whether so much may be spent now.
    pub fn allows(&self, cost: Duration) -> bool {
        !self.bounded || self.spent + cost <= self.since.elapsed() / SHARE
    }

    /// How often more a place has to be hot until compiling it is likely to have been worth it, once more was spent than
    /// is free: what was lost there is then about what compiling takes.
    pub fn rounds(&self) -> Option<u32> {
        if !self.bounded || self.spent <= FREE {
            return None;
        }
        let each = self.spent / self.regions.max(1);
        let rounds = u32::try_from((each / ROUND).as_nanos()).unwrap_or(u32::MAX);
        Some(rounds.clamp(LEAST, MOST))
    }

    /// How many exits take as long as compiling that would save them.
    pub fn patience(&self, cost: Duration) -> u64 {
        if self.bounded {
            u64::try_from((cost / EXIT).as_micros()).unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    /// Notes what compiling so many words took.
    pub fn spend(&mut self, time: Duration, words: u32) {
        self.spent += time;
        self.words = self.words.saturating_add(words);
        self.regions = self.regions.saturating_add(1);
    }

    /// Notes that so many instructions were recorded.
    pub fn record(&mut self, instructions: u32) {
        self.spent += RECORDED * instructions;
    }

    /// All that was spent.
    pub fn spent(&self) -> Duration {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_is_spent_has_to_be_waited_for() {
        let mut budget = Budget::new(true);
        assert!(!budget.allows(HOUR) && budget.rounds().is_none());
        budget.spend(FREE, 1);
        assert!(!budget.allows(HOUR) && budget.rounds().is_none());
        budget.spend(HOUR, 1);
        assert!(!budget.allows(Duration::ZERO));
        assert_eq!(budget.rounds(), Some(MOST));
        // As if three hours and more had passed.
        let before = Instant::now().checked_sub(3 * HOUR + Duration::from_secs(60));
        if let Some(before) = before {
            budget.since = before;
            assert!(budget.allows(Duration::ZERO) && !budget.allows(HOUR));
        }
        assert_eq!(budget.spent(), FREE + HOUR);
        budget.record(1_000);
        assert_eq!(budget.spent(), FREE + HOUR + RECORDED * 1_000);
    }

    #[test]
    fn without_a_bound_there_is_always_more() {
        let mut budget = Budget::new(false);
        budget.spend(HOUR, 1);
        assert!(budget.allows(HOUR) && budget.rounds().is_none());
        assert_eq!(budget.patience(HOUR), 0);
    }

    #[test]
    fn what_compiling_takes_is_told_from_what_it_took() {
        let mut budget = Budget::new(true);
        assert_eq!(budget.estimate(100), FIRST + WORD * 100);
        budget.spend(Duration::from_secs(10), 1_000_000);
        let about = budget.estimate(1_000);
        assert!(about > Duration::from_millis(9) && about < Duration::from_millis(12));
        assert_eq!(budget.patience(Duration::from_millis(7)), 3_500);
        budget.spend(HOUR, u32::MAX);
        assert!(budget.estimate(u32::MAX) > HOUR / 2);
    }
}

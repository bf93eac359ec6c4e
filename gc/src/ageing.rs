//! Ageing: whether what survives its first young collection stays young for a second one, or becomes old at once.
//!
//! What dies in the second round never becomes garbage of the old space, and keeps nothing alive there. What does not die
//! is copied twice, and what refers to it is scanned twice. Which of the two a program's objects do is measured, and
//! ageing given up for a while where too little dies.
//!
//! What must stay true: decisions follow from bytes alone and never from clocks, so that collections of a program are the same in
//! each run; survivors stay young only where the limit has room for the worst that can come of it.

use crate::account::Spaces;
use crate::collect::Work;
use crate::heap::{GcMode, Heap};

/// Bytes in their second round that tell enough.
const ENOUGH: u64 = 256 << 10;
/// Collections without ageing, at first and at most. Each time in a row that it does not pay there are twice as many.
const PAUSE: u32 = 16;
const LONGEST_PAUSE: u32 = 512;

/// Who becomes old when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ageing {
    /// Survivors stay young for a second collection where that pays.
    #[default]
    Measured,
    /// They do wherever the limit has room.
    Always,
    /// They never do.
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Survivors age.
    On,
    /// Those of the next collection do.
    Try,
    /// Those of the next collection do not, before it is known how many of the last one's live through it.
    Test,
    /// They do not, for so many collections.
    Off(u32),
}

/// What is known of a heap's survivors.
pub(crate) struct Age {
    rule: Ageing,
    state: State,
    pause: u32,
    /// What was decided last.
    ages: bool,
    /// Bytes in their second round, and how many of them lived through it.
    tried: u64,
    lived: u64,
    /// Bytes of old objects that were scanned again for them, and how many the next collection scans again.
    scanned: u64,
    again: u64,
}

impl Age {
    /// Nothing is known.
    pub fn new(rule: Ageing) -> Age {
        Age {
            rule,
            state: State::Try,
            pause: PAUSE,
            ages: true,
            tried: 0,
            lived: 0,
            scanned: 0,
            again: 0,
        }
    }

    /// Whether what survives the next young collection should stay young. A heap that never grew beyond its first chunk
    /// is not worth another one.
    pub fn wanted(&self, grown: bool) -> bool {
        match self.rule {
            Ageing::Measured => grown && matches!(self.state, State::On | State::Try),
            Ageing::Always => true,
            Ageing::Never => false,
        }
    }

    /// Whether a young collection that did this, and is not noted yet, is like those before and after it, so that the
    /// size of the nursery may go by it.
    pub fn is_usual(&self, work: &Work) -> bool {
        match self.state {
            _ if self.rule != Ageing::Measured => true,
            State::On => true,
            State::Off(_) => work.aged == 0,
            State::Try | State::Test => false,
        }
    }

    /// Notes a young collection. Whether those that come are of another kind than those before it: what is known of
    /// their work counts no more.
    pub fn note(&mut self, work: &Work) -> bool {
        let before = self.ages;
        self.take(work);
        before != self.ages
    }

    fn take(&mut self, work: &Work) {
        self.tried += work.aged;
        self.lived += work.lived;
        self.scanned += std::mem::replace(&mut self.again, work.again);
        match self.state {
            State::Off(0) => self.start(State::Try),
            State::Off(left) => self.state = State::Off(left - 1),
            // More to scan again than can die: that cannot pay.
            State::Try if work.again > work.stayed => self.give_up(),
            State::Try if work.stayed > ENOUGH => self.state = State::Test,
            State::Try => self.go_on(),
            State::On if self.tried < ENOUGH && self.scanned < ENOUGH => {}
            State::On | State::Test => self.judge(),
        }
    }

    /// Notes a full collection, which does not tell survivors apart.
    pub fn note_full(&mut self) {
        self.again = 0;
        if self.state == State::Test {
            self.start(State::Try);
        }
    }

    fn start(&mut self, state: State) {
        self.state = state;
        (self.tried, self.lived, self.scanned) = (0, 0, 0);
    }

    /// What died was not copied into the old space, and would have been garbage there; what lived was copied twice.
    fn judge(&mut self) {
        if 2 * self.lived + self.scanned <= self.tried {
            self.pause = PAUSE;
            self.go_on();
        } else {
            self.give_up();
        }
    }

    fn go_on(&mut self) {
        self.ages = true;
        self.start(State::On);
    }

    fn give_up(&mut self) {
        self.ages = false;
        self.start(State::Off(self.pause));
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
    }
}

impl Heap {
    /// Whether the survivors of the young collection that begins stay young: wanted, and the limit has room for the
    /// worst that can come of it, in this collection and until the next.
    pub(crate) fn ages(&self, stress: bool) -> bool {
        let wanted = if stress {
            // Most do, so that both kinds follow each other in each order.
            matches!(self.mode, GcMode::StressMinor(_)) && self.stats.collections() % 4 != 2
        } else {
            self.age.wanted(self.grown)
        };
        if !wanted {
            return false;
        }
        let now = self.spaces();
        let (more, stay) = (
            self.reserve_blocks(self.aged_used),
            self.reserve_blocks(self.young_used()),
        );
        let after = Spaces {
            young: self.young_bytes_due(),
            aged: stay,
            aged_used: self.young_used(),
            old: now.old + more,
            old_used: now.old_used + self.aged_used,
        };
        let beside = match self.blocks {
            Some(_) => self.beside_blocks(after.old),
            None => 0,
        };
        let held = now.young + now.aged + after.old + stay + beside;
        self.required_beside(0).saturating_add(held) <= self.limit
            && self.required_of(&after, 0) <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Young collections with so many survivors, of which so many per cent live through a second one, and for which so
    /// many bytes of old objects are scanned again: bytes that stayed young in all, and in the last tenth of them.
    fn stayed(collections: u64, survivors: u64, percent: u64, again: u64) -> (u64, u64) {
        let mut age = Age::new(Ageing::Measured);
        let (mut aged, mut sum, mut last) = (0, 0, 0);
        for i in 0..collections {
            let stayed = if age.wanted(true) { survivors } else { 0 };
            let lived = aged * percent / 100;
            age.note(&Work {
                young: 4 << 20,
                aged,
                lived,
                promoted: lived + survivors - stayed,
                stayed,
                again: if stayed > 0 { again } else { 0 },
                ..Work::default()
            });
            sum += stayed;
            last += if i >= collections / 10 * 9 { stayed } else { 0 };
            aged = stayed;
        }
        (sum / survivors, last / survivors)
    }

    #[test]
    fn what_dies_in_its_second_round_ages() {
        for survivors in [1 << 10, 100 << 10, 2 << 20] {
            let (all, last) = stayed(1000, survivors, 40, 0);
            assert!(all >= 999 && last == 100, "{all} and {last}");
        }
    }

    #[test]
    fn what_lives_on_is_copied_twice_now_and_then_only() {
        let (all, last) = stayed(10_000, 1 << 20, 60, 0);
        assert!((10..40).contains(&all) && last <= 2, "{all} and {last}");
        // Few survivors are asked for longer, until there is enough to tell.
        let (all, last) = stayed(10_000, 10 << 10, 60, 0);
        assert!((200..1000).contains(&all) && last < 100, "{all}, {last}");
    }

    #[test]
    fn what_is_scanned_twice_counts() {
        let (_, last) = stayed(10_000, 40 << 10, 10, 30 << 10);
        assert_eq!(last, 1000);
        let (all, _) = stayed(10_000, 40 << 10, 10, 400 << 10);
        assert!((10..40).contains(&all), "{all}");
    }

    #[test]
    fn the_nursery_goes_by_what_is_usual() {
        let mut age = Age::new(Ageing::Measured);
        let mut usual = Vec::new();
        let mut aged = 0;
        for i in 0..24 {
            let stayed = if age.wanted(true) { 1 << 20 } else { 0 };
            let lived = if i < 20 { aged } else { 0 };
            let work = Work {
                aged,
                lived,
                stayed,
                ..Work::default()
            };
            usual.push((age.is_usual(&work), age.note(&work)));
            aged = stayed;
        }
        // Two to find out, some without, two to find out again, and then with.
        let (no, yes) = ((false, false), (true, false));
        let mut expected = vec![no, (false, true)];
        expected.extend([yes; 17]);
        expected.extend([no, (false, true), yes, yes, yes]);
        assert_eq!(usual, expected);
    }

    #[test]
    fn what_changes_is_found_out() {
        let mut age = Age::new(Ageing::Measured);
        let mut aged = 0;
        let mut run = |percent: u64| {
            let mut n = 0;
            for _ in 0..2000 {
                let stayed = if age.wanted(true) { 1 << 20 } else { 0 };
                age.note(&Work {
                    young: 4 << 20,
                    aged,
                    lived: aged * percent / 100,
                    stayed,
                    ..Work::default()
                });
                n += u64::from(stayed > 0);
                aged = stayed;
            }
            n
        };
        assert!(run(100) < 20);
        assert!(run(0) > 2000 - LONGEST_PAUSE as u64 - 4);
        assert!(run(100) < 20);
    }

    #[test]
    fn rules_and_small_heaps() {
        let full = |rule| {
            let mut age = Age::new(rule);
            age.state = State::Test;
            age.note_full();
            assert_eq!(age.state, State::Try);
            age
        };
        let age = full(Ageing::Measured);
        assert!(age.wanted(true) && !age.wanted(false));
        let age = full(Ageing::Always);
        assert!(age.wanted(true) && age.wanted(false));
        let age = full(Ageing::Never);
        assert!(!age.wanted(true) && !age.wanted(false));
    }
}

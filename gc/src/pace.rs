//! How much is allocated between two young collections: enough that few objects are alive at the end of it, little
//! enough that a collection is short.
//!
//! Where survivors are a constant share of what is allocated, a smaller nursery has shorter pauses and costs nothing
//! else. Where they are not (trees that live for about a megabyte of allocation), a smaller one has pauses that are
//! no shorter and promotes the more. Which of the two a program does is measured: the work of a few collections
//! at one size is compared with what is known of the next smaller and larger size, and sizes of which nothing is known
//! are tried where that can pay.
//!
//! What must stay true: the sizes follow from bytes alone and never from clocks, so that collections of a program are the
//! same in each run.

/// The sizes.
const SIZES: [u64; 4] = [512 << 10, 1 << 20, 2 << 20, 4 << 20];
/// The size at first: what is allocated fits the second-level cache of most processors.
const FIRST: usize = 1;
/// The largest.
pub(crate) const LARGEST: u64 = SIZES[SIZES.len() - 1];
/// Work of a collection that is short enough, in bytes that are copied or, where they are, scanned: about half a
/// millisecond. (Copying takes as long for each byte as a scan of cards here and there.)
const SHORT: u64 = 768 << 10;
/// Collections after which the size is thought over.
const ROUND: u64 = 4;
/// Rounds for which what is known of another size counts.
const KNOWN_FOR: u32 = 16;

/// What is known of a size.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Mean work of a collection.
    work: u64,
    /// Rounds for which that counts.
    rounds: u32,
}

/// See the module.
pub(crate) struct Pace {
    at: usize,
    /// Number of sizes that may be used.
    sizes: usize,
    known: [Known; SIZES.len()],
    collections: u64,
    work: u64,
    young: u64,
    copied: u64,
}

impl Pace {
    /// Sizes up to `most` (the smallest in any case).
    pub fn new(most: u64) -> Pace {
        let sizes = SIZES.iter().filter(|&&size| size <= most).count().max(1);
        Pace {
            at: FIRST.min(sizes - 1),
            sizes,
            known: [Known::default(); SIZES.len()],
            collections: 0,
            work: 0,
            young: 0,
            copied: 0,
        }
    }

    /// Bytes between two collections.
    pub fn bytes(&self) -> u64 {
        SIZES[self.at]
    }

    /// Notes a young collection: bytes there were, bytes of them copied, and bytes of older objects that were scanned.
    pub fn note(&mut self, young: u64, copied: u64, scanned: u64) {
        if young < self.bytes() / 2 {
            // Something else asked for it.
            return;
        }
        self.collections += 1;
        self.young += young;
        self.copied += copied;
        self.work += copied + scanned;
        if self.collections == ROUND || copied + scanned > 2 * SHORT && self.at > 0 {
            self.think();
        }
    }

    /// Forgets what is known: collections do other work from now on.
    pub fn forget(&mut self) {
        self.known = [Known::default(); SIZES.len()];
        (self.collections, self.work, self.young, self.copied) = (0, 0, 0, 0);
    }

    /// What is known of a size.
    fn known(&self, at: usize) -> Option<u64> {
        let known = self.known.get(at)?;
        (known.rounds > 0).then_some(known.work)
    }

    fn think(&mut self) {
        for known in &mut self.known {
            known.rounds = known.rounds.saturating_sub(1);
        }
        let work = self.work / self.collections;
        let rounds = KNOWN_FOR;
        self.known[self.at] = Known { work, rounds };
        let many = self.copied > self.young / 8;
        // A smaller nursery has to be worth it, as a larger one may not be much worse.
        let shorter = |smaller: u64, larger: u64| 5 * smaller <= 3 * larger;
        let smaller = self.at.checked_sub(1);
        let too_long =
            |at: &usize| work > SHORT && self.known(*at).is_none_or(|w| shorter(w, work));
        let larger = match self.known(self.at + 1) {
            Some(more) => more <= SHORT || !shorter(work, more),
            None => many || 2 * work <= SHORT,
        };
        if let Some(at) = smaller.filter(too_long) {
            self.at = at;
        } else if larger && self.at + 1 < self.sizes {
            self.at += 1;
        }
        (self.collections, self.work, self.young, self.copied) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collections of a program of which `copied` gives the survivors of a nursery: the mean size of the last half.
    fn mean(collections: u64, most: u64, copied: impl Fn(u64) -> u64) -> u64 {
        let mut pace = Pace::new(most);
        let mut sum = 0;
        for i in 0..collections {
            let young = pace.bytes();
            if i >= collections / 2 {
                sum += young;
            }
            pace.note(young, copied(young), 0);
        }
        sum / collections.div_ceil(2)
    }

    #[test]
    fn what_dies_young_has_the_largest_nursery() {
        assert_eq!(mean(100, LARGEST, |_| 1000), LARGEST);
        assert_eq!(mean(100, 1 << 20, |_| 1000), 1 << 20);
        assert_eq!(mean(100, 64 << 10, |_| 1000), 512 << 10);
    }

    #[test]
    fn what_survives_for_a_while_has_a_large_nursery() {
        // A structure that is dropped whenever it is complete.
        for size in [300 << 10, 700 << 10, 850 << 10] {
            let nursery = mean(1000, LARGEST, |young| young.min(size));
            assert!(nursery > 3 << 20, "{nursery} for {size}");
        }
    }

    #[test]
    fn what_survives_for_good_has_a_small_nursery() {
        for percent in [30, 50, 80, 100] {
            let nursery = mean(10_000, LARGEST, |young| young / 100 * percent);
            assert!(nursery < 5 << 18 || percent < 50, "{nursery} for {percent}");
            assert!(nursery / 100 * percent < SHORT * 11 / 10);
        }
    }

    #[test]
    fn what_changes_is_found_out() {
        let mut pace = Pace::new(LARGEST);
        for _ in 0..100 {
            pace.note(pace.bytes(), pace.bytes(), 0);
        }
        assert!(pace.bytes() <= 1 << 20);
        for _ in 0..1000 {
            pace.note(pace.bytes(), pace.bytes().min(300 << 10), 0);
        }
        assert_eq!(pace.bytes(), LARGEST);
        // Stores into old objects are work as well.
        for _ in 0..1000 {
            pace.note(pace.bytes(), 0, pace.bytes() / 8 * 7);
        }
        assert_eq!(pace.bytes(), 512 << 10);
    }
}

//! The remembered set: old objects that may refer to young ones. The header of each says that it is in the set.
//!
//! What must stay true: the set has no more entries than are charged from the start, since the barrier cannot fail; what
//! does not fit is found by a full collection, which is the next one then.

/// The set grows by so many entries at a time.
const STEP: usize = 16 << 10;
/// Fewest entries that it may have.
const MIN: u64 = 2 << 10;
/// Most entries that it may have, whatever the limit.
const MAX: u64 = 2 << 20;
/// Bytes of the limit for each entry.
const BYTES_PER_ENTRY: u64 = 256;

/// See the module.
pub(crate) struct Remembered {
    objects: Vec<u32>,
    max: usize,
    overflowed: bool,
}

impl Remembered {
    /// An empty set for a heap with this limit.
    pub fn new(limit: u64) -> Remembered {
        Remembered {
            objects: Vec::new(),
            max: (limit / BYTES_PER_ENTRY).clamp(MIN, MAX) as usize,
            overflowed: false,
        }
    }

    /// Adds an object that is not in it and whose header says that it is.
    pub fn push(&mut self, r: u32) {
        if self.objects.len() == self.objects.capacity() {
            if self.objects.len() >= self.max {
                self.overflowed = true;
                return;
            }
            let more = STEP.min(self.max - self.objects.len());
            self.objects.reserve_exact(more);
        }
        self.objects.push(r);
    }

    /// The objects.
    pub fn objects(&self) -> &[u32] {
        &self.objects
    }

    /// Puts an object at a place before the number of those there are.
    pub fn put(&mut self, at: usize, r: u32) {
        self.objects[at] = r;
    }

    /// Keeps the first so many.
    pub fn truncate(&mut self, n: usize) {
        self.objects.truncate(n);
    }

    /// There were more than the set may hold: the next collection is a full one.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Empties the set: no object says any more that it is in it.
    pub fn clear(&mut self) {
        self.objects.clear();
        self.overflowed = false;
    }

    /// Gives back what is not needed now.
    pub fn shrink(&mut self) {
        self.objects.shrink_to(STEP);
    }

    /// Bytes that are held.
    pub fn held(&self) -> u64 {
        4 * self.objects.capacity() as u64
    }

    /// Bytes that may be held.
    pub fn most(&self) -> u64 {
        4 * self.max as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_charged_and_no_more() {
        let mut set = Remembered::new(10 << 20);
        let max = 40 << 10;
        assert_eq!(set.most(), 4 * u64::from(max));
        for r in 0..max {
            assert!(!set.overflowed() && set.held() <= set.most());
            set.push(r);
        }
        assert_eq!((set.held(), set.overflowed()), (set.most(), false));
        set.push(max);
        assert!(set.overflowed() && set.objects().len() == max as usize);
        assert_eq!(set.held(), set.most());
        set.truncate(3);
        set.shrink();
        assert!(set.overflowed() && set.held() == 4 * STEP as u64);
        set.clear();
        assert!(!set.overflowed() && set.objects().is_empty());
    }
}

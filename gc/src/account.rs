//! The account of bytes against the limit, and how much is allocated between two collections.
//!
//! What must stay true: `required` is at least what is held at any moment of any collection that may come, so that
//! nothing in the middle of one can lack memory; what the embedder charges is part of it.

use crate::blocks::LINE;
use crate::cage::PAGE_SHIFT;
use crate::heap::{Heap, MIN_GROWTH, SMALL_CHUNK};

/// What walking a frame or a slot of the roots costs, in bytes of allocation that take as long.
const ROOT_COST: u64 = 64;
/// Roots make the nursery grow to at most this.
const MAX_ROOTED_BUDGET: u64 = 64 << 20;

/// Fewest entries that the stack of marked objects may have.
pub(crate) const MIN_STACK: u64 = 16 << 10;
/// Bytes of old space for each entry that it may have.
const BYTES_PER_ENTRY: u64 = 256;

/// Bytes of an entry in the list of pages of large arrays that were stored into.
const DIRTY_ENTRY: u64 = size_of::<(u32, u32)>() as u64;
/// Entries of that list for which nobody is charged.
pub(crate) const DIRTY_STEP: usize = 64;

/// Sizes of the spaces of objects that move, in bytes.
pub(crate) struct Spaces {
    /// Chunks of what was allocated since the last collection.
    pub young: u64,
    /// Chunks of survivors that are young still, and the objects in them.
    pub aged: u64,
    pub aged_used: u64,
    /// Chunks of what is old, and the objects in them.
    pub old: u64,
    pub old_used: u64,
}

impl Heap {
    /// Bytes to copy into that suffice for `used` bytes of small objects, whatever their order: each
    /// chunk but the last is left with less than one small object's room.
    pub(crate) fn reserve(&self, used: u64) -> u64 {
        if used == 0 {
            0
        } else if used <= SMALL_CHUNK {
            SMALL_CHUNK
        } else {
            used.div_ceil(self.chunk_bytes - self.small_max) * self.chunk_bytes
        }
    }

    /// What the heap would hold at worst, at any moment of any collection or between two, after
    /// `young` more bytes of young chunks and `fixed` more bytes that do not move. (A collection that lets survivors
    /// stay young happens only where the limit has room for it: `Heap::ages`.)
    pub(crate) fn required(&self, young: u64, fixed: u64) -> u64 {
        let mut spaces = self.spaces();
        spaces.young += young;
        self.required_of(&spaces, fixed)
    }

    /// The spaces of objects that move.
    pub(crate) fn spaces(&self) -> Spaces {
        Spaces {
            young: self.young_bytes,
            aged: self.aged_bytes,
            aged_used: self.aged_used,
            old: self.old_bytes,
            old_used: self.old_used,
        }
    }

    /// What `required` counts that is not in the spaces of objects that move, with `fixed` more bytes of it.
    pub(crate) fn required_beside(&self, fixed: u64) -> u64 {
        let large = self.large_bytes.saturating_add(fixed);
        large
            .saturating_add(self.external.bytes())
            .saturating_add(self.host)
            .saturating_add(self.remembered.most())
            .saturating_add((large >> PAGE_SHIFT) * DIRTY_ENTRY)
    }

    /// What the heap would hold at worst if these were its spaces, and `fixed` more bytes did not move.
    pub(crate) fn required_of(&self, spaces: &Spaces, fixed: u64) -> u64 {
        let apart = self.required_beside(fixed);
        let held = spaces.young + spaces.aged;
        let movable = spaces.young + spaces.aged_used;
        if self.blocks.is_some() {
            // Young survivors go into fresh blocks at worst; old objects move only where there is room.
            let old = spaces.old + self.reserve_blocks(movable);
            return apart.saturating_add(held + old + self.beside_blocks(old));
        }
        // A young collection that makes all of them old turns them into at most `reserve(movable)` of old chunks. A
        // full one copies everything into `copy`, from which the next one copies into as much again.
        let copy = self.reserve(spaces.old_used + movable);
        let before = spaces.old + self.reserve(movable).max(held);
        apart.saturating_add(before.max(copy) + copy)
    }

    pub(crate) fn fits(&self, young: u64, fixed: u64) -> bool {
        self.required(young, fixed) <= self.limit
    }

    /// Bytes of whole chunks that suffice for `used` bytes of small objects.
    pub(crate) fn reserve_blocks(&self, used: u64) -> u64 {
        used.div_ceil(self.chunk_bytes - self.small_max) * self.chunk_bytes
    }

    /// What tables and the stack of a collection take for `old` bytes of blocks.
    pub(crate) fn beside_blocks(&self, old: u64) -> u64 {
        old / 64 + old / LINE + 4 * stack_entries(old)
    }

    /// What of that is held now.
    fn held_beside_blocks(&self) -> u64 {
        if self.blocks.is_none() {
            return 0;
        }
        self.old_bytes / 64 + self.old_bytes / LINE + 4 * self.mark_stack.capacity() as u64
    }

    /// Bytes that count against the limit and are held now.
    pub(crate) fn held(&self) -> u64 {
        let dirty = DIRTY_ENTRY * self.dirty.capacity().saturating_sub(DIRTY_STEP) as u64;
        let beside = self.remembered.held() + dirty + self.held_beside_blocks();
        self.committed + self.external.bytes() + self.host + beside
    }

    pub(crate) fn note_peak(&mut self) {
        self.stats.peak = self.stats.peak.max(self.held());
    }

    /// Charges memory that the embedder is about to take for this heap's program. Collects nothing; false, and
    /// nothing is charged, when it does not fit the limit.
    #[must_use]
    pub fn charge_host(&mut self, bytes: u64) -> bool {
        if !self.fits(0, bytes) {
            return false;
        }
        self.host += bytes;
        self.trim_pool_for(0);
        self.note_peak();
        true
    }

    /// Takes back what was charged for the embedder's memory.
    pub fn refund_host(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.host);
        self.host = self.host.saturating_sub(bytes);
    }

    /// Bytes that are free without a collection: within the limit, copy headroom kept.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.required(0, 0))
    }

    /// Bytes of objects allocated since the last full collection.
    #[must_use]
    pub fn allocated_since_full(&self) -> u64 {
        self.stats.bytes_allocated + self.uncounted() - self.allocated_at_full
    }

    /// Adapts the budget to what the roots cost to walk.
    pub(crate) fn note_roots(&mut self, walked: u64) {
        let most = (self.limit / 8).min(MAX_ROOTED_BUDGET);
        self.rooted_budget = walked.saturating_mul(ROOT_COST).min(most);
    }

    /// Bytes of young chunks between two collections.
    pub(crate) fn young_bytes_due(&self) -> u64 {
        // Survivors that are young still are copied once more then: where they are more than a quarter, they leave less time for others.
        let most = self.pace.bytes();
        let again = self.aged_used.saturating_sub(most / 4);
        self.young_budget
            .min(most.saturating_sub(again).max(most / 2))
            .max(self.rooted_budget)
    }
}

/// Entries that the stack may have for `old` bytes of blocks.
pub(crate) fn stack_entries(old: u64) -> u64 {
    (old / BYTES_PER_ENTRY).max(MIN_STACK)
}

/// The threshold for the next full collection.
pub(crate) fn next_full(live: u64, growth: bool) -> u64 {
    if growth {
        live + (live / 4).max(SMALL_CHUNK)
    } else {
        live + live.max(MIN_GROWTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::HeapConfig;

    #[test]
    fn the_stack_of_marked_objects_is_as_long_as_is_charged() {
        let mut heap = Heap::new(HeapConfig::default()).expect("cage");
        for (old, entries) in [(0, 16 << 10), (100 << 20, 400 << 10), (50 << 20, 200 << 10)] {
            heap.old_bytes = old;
            let (stack, most) = heap.take_stack();
            assert_eq!(most, entries);
            assert!(stack.capacity() >= most && stack.is_empty());
            heap.mark_stack = stack;
            let charged = heap.beside_blocks(old) - old / 64 - old / LINE;
            assert_eq!(charged, 4 * most as u64);
        }
        heap.old_bytes = 0;
    }
}

//! The mark-region old space: its side tables, its allocator, and the sweep (Blackburn and McKinley, PLDI 2008).
//!
//! Blocks are the chunks of the old space, cut into lines of 128 bytes. A bit for each granule says where objects
//! start that the last full collection found or that were made old since; a byte for each line says whether such
//! an object lies in it, and which collection said so. Objects that become old go into holes (runs of free lines) and,
//! where they do not fit, into fresh blocks. Lines are marked exactly: each line that an object touches.
//!
//! What must stay true: a line with a marked object in it is not free; free lines have no marks; a block that is
//! being evacuated gives no holes; a fresh block is filled from its start and gives no holes until the collection
//! ends, so `Heap::reserve_blocks` of fresh blocks suffice whatever the holes are like.

use crate::cage::PAGE_GRANULES;
use crate::chunk::{Chunk, FROM_OLD, PageTable};
use crate::side::Side;

/// `log2` of the granules in a line.
pub(crate) const LINE_SHIFT: u32 = 4;
/// Granules in a line.
pub(crate) const LINE_GRANULES: u32 = 1 << LINE_SHIFT;
/// Bytes in a line.
pub(crate) const LINE: u64 = (LINE_GRANULES as u64) << crate::layout::GRANULE_SHIFT;

/// Marks and lines of the old space, and where the next object goes.
pub(crate) struct Blocks {
    pub side: Side,
    /// What the last full collection (or the one that goes on) writes into lines: 1 or 2; 0 is free.
    pub epoch: u8,
    hole: u32,
    hole_end: u32,
    /// Where the search for the next hole goes on: block, line within it.
    cursor: (usize, u32),
    fresh: u32,
    fresh_end: u32,
    fresh_block: usize,
}

/// Number of the line that a reference lies in.
fn line_of(r: u32) -> usize {
    (r >> LINE_SHIFT) as usize
}

/// The lines of a block.
pub(crate) fn lines_of(block: &Chunk) -> std::ops::Range<usize> {
    let first = line_of(block.start());
    first..first + (block.bytes() / LINE) as usize
}

/// The words of the table of marks that a block has.
pub(crate) fn words_of(block: &Chunk) -> std::ops::Range<usize> {
    let first = block.start() as usize / 64;
    first..first + (block.bytes() as usize >> crate::layout::GRANULE_SHIFT) / 64
}

/// The marked objects of a word of that table, in order.
pub(crate) fn marked_in(word: usize, mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some((word * 64) as u32 + bit)
    })
}

impl Blocks {
    pub fn new(side: Side) -> Blocks {
        Blocks {
            side,
            epoch: 1,
            hole: 0,
            hole_end: 0,
            cursor: (0, 0),
            fresh: 0,
            fresh_end: 0,
            fresh_block: usize::MAX,
        }
    }

    /// A full collection begins: nothing is marked, and holes are looked for from the start.
    pub fn begin(&mut self, old: &[Chunk]) {
        self.epoch = 3 - self.epoch;
        for block in old {
            self.side.clear_marks(block);
        }
        self.restart();
    }

    /// Looks for holes from the start: blocks were swept, or changed place in the list.
    pub fn restart(&mut self) {
        (self.hole, self.hole_end, self.cursor) = (0, 0, (0, 0));
    }

    /// Notes that an object of so many granules is live.
    #[inline(always)]
    pub fn mark_lines(&mut self, r: u32, granules: u32) {
        let (first, last) = (line_of(r), line_of(r + (granules - 1)));
        self.side.set_line(first, self.epoch);
        for line in first + 1..=last {
            self.side.set_line(line, self.epoch);
        }
    }

    /// Room for an object in a hole or in the fresh block; `None` where a fresh block is needed.
    #[inline(always)]
    pub fn alloc(&mut self, granules: u32, old: &[Chunk], pages: &PageTable) -> Option<u32> {
        match self.alloc_in_hole(granules, old, pages) {
            Some(r) => Some(r),
            None => self.alloc_in_fresh(granules),
        }
    }

    /// Room in a hole.
    #[inline(always)]
    pub fn alloc_in_hole(
        &mut self,
        granules: u32,
        old: &[Chunk],
        pages: &PageTable,
    ) -> Option<u32> {
        if self.hole_end - self.hole < granules && !self.find_hole(granules, old, pages) {
            return None;
        }
        let r = self.hole;
        self.hole += granules;
        Some(r)
    }

    /// Room in the fresh block.
    #[inline(always)]
    pub fn alloc_in_fresh(&mut self, granules: u32) -> Option<u32> {
        if self.fresh_end - self.fresh < granules {
            return None;
        }
        let r = self.fresh;
        self.fresh += granules;
        Some(r)
    }

    /// Goes to the next hole that an object of so many granules fits into. Objects that are longer than a line look
    /// at the present one only, lest they skip what small ones could use.
    #[cold]
    #[inline(never)]
    fn find_hole(&mut self, granules: u32, old: &[Chunk], pages: &PageTable) -> bool {
        if granules > LINE_GRANULES {
            return false;
        }
        while let Some(block) = old.get(self.cursor.0) {
            let lines = lines_of(block);
            let excluded =
                self.cursor.0 == self.fresh_block || pages.of_page(block.first) == FROM_OLD;
            let from = lines.start + self.cursor.1 as usize;
            if excluded || from >= lines.end {
                self.cursor = (self.cursor.0 + 1, 0);
                continue;
            }
            let Some(first) = self.side.free_from(from, lines.end) else {
                self.cursor = (self.cursor.0 + 1, 0);
                continue;
            };
            let end = self.side.used_from(first, lines.end);
            self.cursor.1 = (end - lines.start) as u32;
            self.hole = (first << LINE_SHIFT) as u32;
            // The last granule of the largest cage is left alone: its last line is shorter than others.
            self.hole_end = u32::try_from((end as u64) << LINE_SHIFT).unwrap_or(u32::MAX);
            if self.hole_end - self.hole >= granules {
                return true;
            }
        }
        (self.hole, self.hole_end) = (0, 0);
        false
    }

    /// Goes on in a fresh block, which is the last of `old`.
    pub fn open(&mut self, old: &[Chunk]) {
        if let Some(block) = old.last() {
            self.side.touch(block);
            self.side.clear_marks(block);
            self.side.clear_lines(block);
            self.fresh = block.start();
            self.fresh_end = block.bump_end();
            self.fresh_block = old.len() - 1;
        }
    }

    /// A collection ends: what is left of the fresh block is a hole like others, and the next to be used.
    pub fn close(&mut self) {
        if self.fresh_end - self.fresh > self.hole_end - self.hole {
            (self.hole, self.hole_end) = (self.fresh, self.fresh_end);
        }
        (self.fresh, self.fresh_end, self.fresh_block) = (0, 0, usize::MAX);
    }

    /// Frees the lines of a block in which the collection that ends found nothing: how many hold something.
    pub fn sweep(&mut self, block: &Chunk) -> usize {
        self.side.sweep_lines(lines_of(block), self.epoch)
    }

    /// Lines of a block that hold something.
    pub fn used_lines(&self, block: &Chunk) -> usize {
        self.side.count_used(lines_of(block))
    }

    /// Calls `found` with the start of each marked object of a block, in order, until it says to stop.
    pub fn objects(&self, block: &Chunk, mut found: impl FnMut(u32) -> bool) {
        for word in words_of(block) {
            for r in marked_in(word, self.side.mark_word(word)) {
                if !found(r) {
                    return;
                }
            }
        }
    }
}

const _: () =
    assert!(PAGE_GRANULES.is_multiple_of(64) && PAGE_GRANULES.is_multiple_of(LINE_GRANULES));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cage::{Cage, MAX_CAGE, MIN_CAGE};

    #[test]
    fn the_last_line_of_the_largest_cage_lacks_a_granule() {
        let mut blocks = Blocks::new(Side::new(MAX_CAGE).expect("address space"));
        // A table that ends before the block's pages, which are nothing special then.
        let cage = Cage::new(MIN_CAGE).expect("address space");
        let pages = cage.table();
        let all = u32::try_from(MAX_CAGE >> crate::cage::PAGE_SHIFT).expect("pages");
        let block = Chunk::new(all - 4, 4);
        let lines = lines_of(&block);
        for line in lines.start..lines.end - 1 {
            blocks.side.set_line(line, 1);
        }
        let old = [block];
        // A line's worth of granules does not fit any more, and the search ends.
        assert_eq!(blocks.alloc_in_hole(LINE_GRANULES, &old, &pages), None);
        blocks.restart();
        let last = u32::MAX - (LINE_GRANULES - 1);
        let first = blocks.alloc_in_hole(LINE_GRANULES - 1, &old, &pages);
        assert_eq!(first, Some(last));
        blocks.mark_lines(last, LINE_GRANULES - 1);
        assert_eq!(blocks.used_lines(&block), lines.len());
        assert_eq!(blocks.alloc_in_hole(1, &old, &pages), None);
    }
}

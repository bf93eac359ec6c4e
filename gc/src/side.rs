//! Tables beside the cage: a mark for each granule and a byte for each line. They are mapped for the whole cage, and
//! cost memory where blocks are: who opens a block says so before (`touch`), and after a full collection the parts in which
//! no block is left are given back (`keep`).
//!
//! What must stay true: every access is checked against the tables' lengths; the mappings are this heap's alone; what
//! belongs to no block is zero or about to be cleared.

use crate::blocks::{LINE, LINE_GRANULES, lines_of, words_of};
use crate::cage::{CageError, forget_table, map_table, unmap_table};
use crate::chunk::Chunk;
use crate::layout::{GRANULE, GRANULE_SHIFT};
use std::ops::Range;

/// Bytes of the cage whose part of each table is given back at a time: two pages of marks, one of lines.
const UNIT: usize = 512 << 10;
/// Marks of a unit, in bytes.
const UNIT_MARKS: usize = UNIT / GRANULE / 8;
/// Lines of a unit, a byte each.
const UNIT_LINES: usize = UNIT / LINE as usize;

/// See the module.
pub(crate) struct Side {
    /// A bit for each unit whose part of the tables may have memory.
    touched: Vec<u64>,
    marks: *mut u64,
    words: usize,
    lines: *mut u8,
    count: usize,
}

// SAFETY: the tables are this heap's alone.
unsafe impl Send for Side {}

impl Side {
    /// Tables for a cage of `size` bytes, all zero.
    pub fn new(size: usize) -> Result<Side, CageError> {
        let granules = size / GRANULE;
        let (words, count) = (granules / 64, granules / LINE_GRANULES as usize);
        let marks = map_table(words * 8)?;
        let lines = match map_table(count) {
            Ok(lines) => lines,
            Err(e) => {
                // SAFETY: made above, used by nobody.
                unsafe { unmap_table(marks, words * 8) };
                return Err(e);
            }
        };
        Ok(Side {
            touched: vec![0; size.div_ceil(UNIT).div_ceil(64)],
            marks: marks.cast(),
            words,
            lines,
            count,
        })
    }

    /// A block will be written to.
    pub fn touch(&mut self, block: &Chunk) {
        set_units(&mut self.touched, block);
    }

    /// Gives back what the tables hold for memory in which none of these blocks is.
    pub fn keep(&mut self, blocks: &[Chunk]) {
        let mut kept = vec![0; self.touched.len()];
        for block in blocks {
            set_units(&mut kept, block);
        }
        let mut unit = 0;
        while let Some(first) = self.next_gone(&kept, unit, true) {
            unit = self
                .next_gone(&kept, first, false)
                .unwrap_or(64 * kept.len());
            self.forget(first, unit);
        }
        self.touched = kept;
    }

    /// The first unit from `unit` on that was touched and is not kept, or that is not such a one.
    fn next_gone(&self, kept: &[u64], unit: usize, gone: bool) -> Option<usize> {
        (unit..64 * kept.len()).find(|&unit| {
            let word = self.touched[unit / 64] & !kept[unit / 64];
            (word >> (unit % 64) & 1 == 1) == gone
        })
    }

    /// Gives back what a range of units has.
    fn forget(&mut self, first: usize, end: usize) {
        let marks = first * UNIT_MARKS..(end * UNIT_MARKS).min(self.words * 8);
        let lines = first * UNIT_LINES..(end * UNIT_LINES).min(self.count);
        // SAFETY: both ranges lie in our tables, and `self` is borrowed mutably.
        unsafe {
            forget_table(self.marks.cast::<u8>().add(marks.start), marks.len());
            forget_table(self.lines.add(lines.start), lines.len());
        }
    }

    #[inline(always)]
    fn marks(&self) -> &[u64] {
        // SAFETY: the mapping has so many words for as long as `self` lives, and is borrowed with it.
        unsafe { std::slice::from_raw_parts(self.marks, self.words) }
    }

    #[inline(always)]
    fn marks_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.marks, self.words) }
    }

    #[inline(always)]
    fn lines(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines, self.count) }
    }

    #[inline(always)]
    fn lines_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines, self.count) }
    }

    /// Marks the object at `r`; whether it was marked before.
    #[inline(always)]
    pub fn mark(&mut self, r: u32) -> bool {
        let word = &mut self.marks_mut()[r as usize / 64];
        let bit = 1 << (r % 64);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    /// Whether the object at `r` is marked.
    #[inline(always)]
    pub fn is_marked(&self, r: u32) -> bool {
        let word = self.marks().get(r as usize / 64);
        word.is_some_and(|w| w >> (r % 64) & 1 == 1)
    }

    /// Marks of 64 granules.
    pub fn mark_word(&self, word: usize) -> u64 {
        self.marks()[word]
    }

    /// Takes all marks of a block away.
    pub fn clear_marks(&mut self, block: &Chunk) {
        self.marks_mut()[words_of(block)].fill(0);
    }

    /// Frees all lines of a block.
    pub fn clear_lines(&mut self, block: &Chunk) {
        self.lines_mut()[lines_of(block)].fill(0);
    }

    /// Sets a line.
    #[inline(always)]
    pub fn set_line(&mut self, line: usize, value: u8) {
        self.lines_mut()[line] = value;
    }

    /// What a line has.
    pub fn line(&self, line: usize) -> u8 {
        self.lines()[line]
    }

    /// The first free line of a range.
    pub fn free_from(&self, from: usize, end: usize) -> Option<usize> {
        let at = self.lines()[from..end].iter().position(|&l| l == 0)?;
        Some(from + at)
    }

    /// The first line of a range that is not free, or its end.
    pub fn used_from(&self, from: usize, end: usize) -> usize {
        let at = self.lines()[from..end].iter().position(|&l| l != 0);
        at.map_or(end, |at| from + at)
    }

    /// How many lines of a range are not free.
    pub fn count_used(&self, range: Range<usize>) -> usize {
        self.lines()[range]
            .iter()
            .map(|&l| usize::from(l != 0))
            .sum()
    }

    /// Frees the lines of a range that do not have `epoch`; how many have it.
    pub fn sweep_lines(&mut self, range: Range<usize>, epoch: u8) -> usize {
        let mut kept = 0;
        for line in &mut self.lines_mut()[range] {
            let live = *line == epoch;
            kept += usize::from(live);
            *line = if live { epoch } else { 0 };
        }
        kept
    }
}

/// Sets the bits of the units that a block lies in.
fn set_units(units: &mut [u64], block: &Chunk) {
    let first = (block.start() as usize) << GRANULE_SHIFT;
    let last = first + block.bytes() as usize - 1;
    for unit in first / UNIT..=last / UNIT {
        units[unit / 64] |= 1 << (unit % 64);
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: the mappings are ours, and borrows of them end with `self`.
        unsafe {
            unmap_table(self.marks.cast(), self.words * 8);
            unmap_table(self.lines, self.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cage::PAGE_SHIFT;

    /// Pages of a block of 256 KiB.
    const BLOCK: u32 = (256 << 10) >> PAGE_SHIFT;

    /// Pages of a table that have memory.
    fn resident(at: *mut u8, len: usize) -> usize {
        let mut pages = vec![0; len / 4096];
        // SAFETY: the table is mapped, and there is a byte for each of its pages.
        let done = unsafe { libc::mincore(at.cast(), len, pages.as_mut_ptr()) };
        assert_eq!(done, 0);
        pages.iter().filter(|&&page| page & 1 == 1).count()
    }

    #[test]
    fn what_blocks_that_are_gone_had_is_given_back() {
        let size = 1 << 30;
        let mut side = Side::new(size).expect("address space");
        // All of the cage but its first page, in blocks of 256 KiB.
        let block = |i| Chunk::new(1 + BLOCK * i, BLOCK);
        let blocks: Vec<Chunk> = (0..4095).map(block).collect();
        for block in &blocks {
            side.touch(block);
            side.mark(block.start());
            side.set_line(lines_of(block).start, 1);
        }
        let held = |side: &Side| {
            let marks = resident(side.marks.cast(), side.words * 8);
            (marks, resident(side.lines, side.count))
        };
        let before = held(&side);
        let kept = [blocks[3], blocks[100], blocks[101], blocks[4094]];
        side.keep(&kept);
        let after = held(&side);
        let fewer = |after: usize, before: usize| after > 0 && after < before / 20;
        assert!(fewer(after.0, before.0), "{after:?} pages of {before:?}");
        assert!(fewer(after.1, before.1), "{after:?} pages of {before:?}");
        for (i, block) in blocks.iter().enumerate() {
            let near = kept
                .iter()
                .any(|k| k.first.abs_diff(block.first) <= 2 * BLOCK);
            let is_kept = kept.iter().any(|k| k.first == block.first);
            assert!(side.is_marked(block.start()) || !is_kept, "block {i}");
            assert!(!side.is_marked(block.start()) || near, "block {i}");
        }
        // Reading takes memory as well, so this is not counted.
        side.keep(&[]);
        assert!(blocks.iter().all(|b| !side.is_marked(b.start())));
    }
}

//! Tables beside the cage: a mark for each granule and a byte for each line. They are mapped for the whole cage, and
//! cost memory where blocks are.
//!
//! What must stay true: every access is checked against the tables' lengths; the mappings are this heap's alone.

use crate::blocks::{LINE_GRANULES, lines_of, words_of};
use crate::cage::{CageError, map_table, unmap_table};
use crate::chunk::Chunk;
use crate::layout::GRANULE;
use std::ops::Range;

/// See the module.
pub(crate) struct Side {
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
            marks: marks.cast(),
            words,
            lines,
            count,
        })
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

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: the mappings are ours, and borrows of them end with `self`.
        unsafe {
            unmap_table(self.marks.cast(), self.words * 8);
            unmap_table(self.lines, self.count);
        }
    }
}

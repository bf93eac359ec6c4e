//! Where copies go: the chunks of a space that objects are copied into one after the other, and how far the copies
//! were scanned (Cheney, CACM 1970).
//!
//! What must stay true: the copies between the place that was scanned to and the bump pointer are all that was not
//! scanned; the chunk that is being filled is the last.

use crate::chunk::{Chunk, PageTable};
use std::ops::Range;

/// See the module.
pub(crate) struct Copies {
    chunks: Vec<Chunk>,
    /// Where the next copy goes: in the last chunk.
    ptr: u32,
    end: u32,
    /// Copies before this point were scanned: index of the chunk, and reference (0: the chunk's start).
    scan_chunk: usize,
    scan: u32,
    copied: u64,
    state: u8,
}

impl Copies {
    /// Copies after what is in `chunks`; the pages of further ones get this state.
    pub fn new(chunks: Vec<Chunk>, state: u8) -> Copies {
        let last = chunks.last();
        Copies {
            ptr: last.map_or(0, |c| c.top),
            end: last.map_or(0, Chunk::bump_end),
            scan_chunk: chunks.len().saturating_sub(1),
            scan: last.map_or(0, |c| c.top),
            chunks,
            copied: 0,
            state,
        }
    }

    /// Room for a copy of so many granules in the last chunk.
    #[inline(always)]
    pub fn alloc(&mut self, granules: u32) -> Option<u32> {
        let to = self.ptr;
        if self.end - to < granules {
            return None;
        }
        self.ptr = to + granules;
        Some(to)
    }

    /// Goes on in an empty chunk.
    pub fn open(&mut self, mut chunk: Chunk, pages: &mut PageTable) {
        self.close();
        chunk.top = chunk.start();
        chunk.dirty = true;
        pages.set_chunk(&chunk, self.state);
        self.ptr = chunk.top;
        self.end = chunk.bump_end();
        self.chunks.push(chunk);
    }

    fn close(&mut self) {
        if let Some(chunk) = self.chunks.last_mut() {
            self.copied += ((self.ptr - chunk.top) as u64) << crate::layout::GRANULE_SHIFT;
            chunk.top = self.ptr;
        }
    }

    /// Copies that were not scanned: they lie one after the other, and count as scanned now.
    #[inline(always)]
    pub fn unscanned(&mut self) -> Option<Range<u32>> {
        while let Some(chunk) = self.chunks.get(self.scan_chunk) {
            let last = self.scan_chunk + 1 == self.chunks.len();
            let end = if last { self.ptr } else { chunk.top };
            let from = self.scan.max(chunk.start());
            if from < end {
                self.scan = end;
                return Some(from..end);
            }
            if last {
                break;
            }
            (self.scan_chunk, self.scan) = (self.scan_chunk + 1, 0);
        }
        None
    }

    /// Ends the collection: the chunks, and bytes copied.
    pub fn finish(mut self) -> (Vec<Chunk>, u64) {
        self.close();
        (self.chunks, self.copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cage::{Cage, MIN_CAGE, PAGE_GRANULES};
    use crate::chunk::{OLD, YOUNG};

    #[test]
    fn each_copy_is_scanned_once() {
        let cage = Cage::new(MIN_CAGE).expect("cage");
        let mut pages = cage.table();
        // Behind what an older collection left, of which one chunk is full.
        let (full, mut half) = (Chunk::new(1, 1), Chunk::new(2, 1));
        half.top += 100;
        let mut copies = Copies::new(vec![full, half], OLD);
        assert_eq!(copies.unscanned(), None);
        let at = half.top;
        assert_eq!(copies.alloc(10), Some(at));
        assert_eq!(copies.unscanned(), Some(at..at + 10));
        assert_eq!(copies.unscanned(), None);
        // The rest of a chunk is seen after the next one was begun, and then that one.
        assert_eq!(copies.alloc(5), Some(at + 10));
        assert_eq!(copies.alloc(PAGE_GRANULES), None);
        copies.open(Chunk::new(9, 1), &mut pages);
        let start = 9 * PAGE_GRANULES;
        assert_eq!(copies.alloc(PAGE_GRANULES), Some(start));
        assert_eq!(copies.unscanned(), Some(at + 10..at + 15));
        assert_eq!(copies.unscanned(), Some(start..start + PAGE_GRANULES));
        assert_eq!(copies.unscanned(), None);
        assert_eq!(pages.of(start), OLD);
        let (chunks, copied) = copies.finish();
        assert_eq!(
            (chunks.len(), copied),
            (3, 8 * (15 + u64::from(PAGE_GRANULES)))
        );
        assert_eq!((chunks[1].top, chunks[2].used()), (at + 15, 16 << 10));

        let mut copies = Copies::new(Vec::new(), YOUNG);
        assert_eq!((copies.alloc(1), copies.unscanned()), (None, None));
        copies.open(Chunk::new(20, 1), &mut pages);
        assert_eq!(copies.unscanned(), None);
        assert_eq!(copies.alloc(1), Some(20 * PAGE_GRANULES));
        assert!(copies.unscanned().is_some_and(|r| r.len() == 1));
    }
}

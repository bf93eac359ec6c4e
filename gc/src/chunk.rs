//! Chunks (runs of pages that objects are bumped into), large objects' runs, and the table that says
//! for each page what it is used for.
//!
//! What must stay true: the pages of a chunk all carry the state of the space that owns it; the first
//! page of a large object's run carries a `LARGE_*` state and its other pages `LARGE_REST`; page 0 and
//! pages that nobody owns are `FREE`. The collector decides by this table alone whether to move an
//! object, so an immediate (page 0) or a reference outside the cage is simply left alone.

use crate::cage::{PAGE, PAGE_GRANULES, PAGE_SHIFT, PART, PART_GRANULES};
use crate::layout::GRANULE_SHIFT;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

// The order tells a collection most: what is at most `LARGE_REST` stays and is not looked at, and from `FROM` on objects
// are moved away.

/// Nobody's, or owned but holding no objects (pooled, quarantined).
pub const FREE: u8 = 0;
/// Holds objects allocated since the last collection. (Young are those in `AGED` chunks as well.)
pub const YOUNG: u8 = 1;
/// Holds objects that are old.
pub const OLD: u8 = 2;
/// Head of a large object that is kept for now.
pub const LARGE_KEPT: u8 = 3;
/// Later page of a large object.
pub const LARGE_REST: u8 = 4;
/// Holds objects that survived one young collection and are young still.
pub const AGED: u8 = 5;
/// Head of a large object that dies unless this (or the next) collection reaches it.
pub const LARGE_WHITE: u8 = 6;
/// A block whose objects are being marked where they are; seen only during a full collection.
pub const MARKING: u8 = 7;
/// A block of the mark-region space whose objects are being moved out; seen only during a collection.
pub const FROM_OLD: u8 = 8;
/// Being evacuated; seen only during a collection.
pub const FROM: u8 = 9;
/// Cut into parts, each of which is the young chunk of some heap. No heap has references into another's part, so
/// whoever finds one knows that it leads into its own.
pub const SHARED: u8 = 10;
/// Was `AGED` and is being evacuated: what is in it has been through two collections now. Seen only during a collection.
pub const FROM_AGED: u8 = 11;

/// `log2` of the bytes of a card: a page of a large array has a bit for each.
pub const CARD_SHIFT: u32 = PAGE_SHIFT - 6;

/// What a chunk has instead of a part's number when it is a run of pages.
const WHOLE: u8 = u8::MAX;

/// A contiguous run of pages, or a part of a page, that objects are bumped into.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Number of the first page.
    pub first: u32,
    /// Number of pages; of a part 1.
    pub pages: u32,
    /// Which part of the page.
    part: u8,
    /// Reference just after the last object. Stale while a bump pointer works on this chunk.
    pub top: u32,
    /// Whether the memory may hold something other than zero.
    pub dirty: bool,
}

impl Chunk {
    /// A fresh chunk over a run of zero pages.
    pub fn new(first: u32, pages: u32) -> Chunk {
        Chunk {
            first,
            pages,
            part: WHOLE,
            top: first * PAGE_GRANULES,
            dirty: false,
        }
    }

    /// A fresh chunk over a part of a page, which is zero.
    pub fn of_part(start: u32) -> Chunk {
        Chunk {
            first: start / PAGE_GRANULES,
            pages: 1,
            part: (start % PAGE_GRANULES / PART_GRANULES) as u8,
            top: start,
            dirty: false,
        }
    }

    /// Whether it is a part of a page.
    pub fn is_part(&self) -> bool {
        self.part != WHOLE
    }

    /// First reference.
    pub fn start(&self) -> u32 {
        let start = self.first * PAGE_GRANULES;
        if self.is_part() {
            start + u32::from(self.part) * PART_GRANULES
        } else {
            start
        }
    }

    /// Reference after the last page. The last page of the largest cage is handed out as well, so this
    /// may be 2^32; bump pointers therefore keep one granule back (see `bump_end`).
    fn end(&self) -> u64 {
        self.start() as u64 + (self.bytes() >> GRANULE_SHIFT)
    }

    /// Where bumping ends: the end of the chunk, or one granule before it where that is not a u32.
    pub fn bump_end(&self) -> u32 {
        u32::try_from(self.end()).unwrap_or(u32::MAX)
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        if self.is_part() {
            PART as u64
        } else {
            (self.pages as u64) << PAGE_SHIFT
        }
    }

    /// Bytes that hold objects.
    pub fn used(&self) -> u64 {
        ((self.top - self.start()) as u64) << GRANULE_SHIFT
    }
}

/// A large object: alone in its run of pages, never moved.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// Number of the first page.
    pub first: u32,
    /// Number of pages.
    pub pages: u32,
}

impl Large {
    /// The object's reference.
    pub fn start(&self) -> u32 {
        self.first * PAGE_GRANULES
    }

    /// Size of the run in bytes.
    pub fn bytes(&self) -> u64 {
        (self.pages as u64) << PAGE_SHIFT
    }
}

/// Pages that `bytes` take.
pub fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE as u64)
}

/// What each page of the cage is used for. Heaps on several threads have the same table; each changes the entries
/// of its own pages only, and what it may read of others' tells it no more than that they are not its own.
#[derive(Clone, Copy)]
pub struct PageTable {
    states: *mut u8,
    cards: *mut u64,
    pages: u32,
}

// SAFETY: a table is an address; every access to it is atomic.
unsafe impl Send for PageTable {}

impl PageTable {
    /// The table in the mappings at `states` and `cards`, which were all zero (`FREE`, no cards) at first. Untouched
    /// parts cost no memory.
    ///
    /// # Safety
    /// There is a byte for each page at `states`, and a word at `cards`, for as long as the table is used.
    pub unsafe fn new(states: *mut u8, cards: *mut u64, pages: u32) -> PageTable {
        PageTable {
            states,
            cards,
            pages,
        }
    }

    #[inline(always)]
    fn cards_of(&self, page: u32) -> Option<&AtomicU64> {
        // SAFETY: the table has this entry, which is accessed atomically only.
        (page < self.pages).then(|| unsafe { AtomicU64::from_ptr(self.cards.add(page as usize)) })
    }

    /// Cards of a page that were stored into.
    pub fn cards(&self, page: u32) -> u64 {
        self.cards_of(page).map_or(0, |c| c.load(Relaxed))
    }

    /// Sets the cards of a page that were stored into.
    pub fn set_cards(&mut self, page: u32, cards: u64) {
        if let Some(entry) = self.cards_of(page) {
            entry.store(cards, Relaxed);
        }
    }

    #[inline(always)]
    fn state(&self, page: u32) -> Option<&AtomicU8> {
        // SAFETY: the table has this entry, which is accessed atomically only.
        (page < self.pages).then(|| unsafe { AtomicU8::from_ptr(self.states.add(page as usize)) })
    }

    /// State of the page that `reference` points into; `FREE` outside the cage.
    #[inline(always)]
    pub fn of(&self, reference: u32) -> u8 {
        self.of_page(reference / PAGE_GRANULES)
    }

    /// State of a page; `FREE` outside the cage.
    #[inline(always)]
    pub fn of_page(&self, page: u32) -> u8 {
        match self.state(page) {
            Some(state) => state.load(Relaxed),
            None => FREE,
        }
    }

    /// Sets the state of a run of pages.
    pub fn set(&mut self, first: u32, pages: u32, state: u8) {
        for page in first..first + pages {
            if let Some(entry) = self.state(page) {
                entry.store(state, Relaxed);
            }
        }
    }

    /// Sets the state of a chunk's pages. Parts are `SHARED` for life.
    pub fn set_chunk(&mut self, chunk: &Chunk, state: u8) {
        if !chunk.is_part() {
            self.set(chunk.first, chunk.pages, state);
        }
    }

    /// Sets the states of a large object's run: `head` for the first page.
    pub fn set_large(&mut self, large: Large, head: u8) {
        self.set(large.first, large.pages, LARGE_REST);
        self.set(large.first, 1, head);
    }
}

//! Chunks (runs of pages that objects are bumped into), large objects' runs, and the table that says
//! for each page what it is used for.
//!
//! What must stay true: the pages of a chunk all carry the state of the space that owns it; the first
//! page of a large object's run carries a `LARGE_*` state and its other pages `LARGE_REST`; page 0 and
//! pages that nobody owns are `FREE`. The collector decides by this table alone whether to move an
//! object, so an immediate (page 0) or a reference outside the cage is simply left alone.

use crate::cage::{PAGE, PAGE_GRANULES, PAGE_SHIFT};
use crate::layout::GRANULE_SHIFT;

/// Nobody's, or owned but holding no objects (pooled, quarantined).
pub const FREE: u8 = 0;
/// Holds objects allocated since the last collection.
pub const YOUNG: u8 = 1;
/// Holds objects that survived a collection.
pub const OLD: u8 = 2;
/// Being evacuated; seen only during a collection.
pub const FROM: u8 = 3;
/// Head of a large object that is kept for now.
pub const LARGE_KEPT: u8 = 4;
/// Head of a large object that dies unless this (or the next) collection reaches it.
pub const LARGE_WHITE: u8 = 5;
/// Later page of a large object.
pub const LARGE_REST: u8 = 6;
/// As `LARGE_KEPT`; the first page of an old array that was stored into since the last collection.
pub const LARGE_KEPT_DIRTY: u8 = 7;
/// As `LARGE_REST`; a later page of an old array that was stored into since the last collection.
pub const LARGE_REST_DIRTY: u8 = 8;

/// A contiguous run of pages that objects are bumped into.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Number of the first page.
    pub first: u32,
    /// Number of pages.
    pub pages: u32,
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
            top: first * PAGE_GRANULES,
            dirty: false,
        }
    }

    /// First reference.
    pub fn start(&self) -> u32 {
        self.first * PAGE_GRANULES
    }

    /// Reference after the last page. The last page of the largest cage is handed out as well, so this
    /// may be 2^32; bump pointers therefore keep one granule back (see `bump_end`).
    fn end(&self) -> u64 {
        (self.first as u64 + self.pages as u64) * PAGE_GRANULES as u64
    }

    /// Where bumping ends: the end of the chunk, or one granule before it where that is not a u32.
    pub fn bump_end(&self) -> u32 {
        u32::try_from(self.end()).unwrap_or(u32::MAX)
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        (self.pages as u64) << PAGE_SHIFT
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

/// What each page of the cage is used for.
pub struct PageTable(Vec<u8>);

impl PageTable {
    /// A table for a cage of so many pages, all `FREE`. Untouched parts cost no memory.
    pub fn new(pages: u32) -> PageTable {
        PageTable(vec![FREE; pages as usize])
    }

    /// State of the page that `reference` points into; `FREE` outside the cage.
    #[inline(always)]
    pub fn of(&self, reference: u32) -> u8 {
        self.of_page(reference / PAGE_GRANULES)
    }

    /// State of a page; `FREE` outside the cage.
    #[inline(always)]
    pub fn of_page(&self, page: u32) -> u8 {
        match self.0.get(page as usize) {
            Some(&state) => state,
            None => FREE,
        }
    }

    /// Sets the state of a run of pages.
    pub fn set(&mut self, first: u32, pages: u32, state: u8) {
        self.0[first as usize..(first + pages) as usize].fill(state);
    }

    /// Sets the states of a large object's run: `head` for the first page.
    pub fn set_large(&mut self, large: Large, head: u8) {
        self.set(large.first, large.pages, LARGE_REST);
        self.set(large.first, 1, head);
    }
}

//! Collections, young and full, and who is told of them; those of a heap whose old space copies (those of a
//! mark-region one are in `mark.rs`). Without recursion.
//!
//! The chunks being evacuated are marked `FROM` in the page table; every reference into them is replaced
//! by one to a copy in the old space, large objects that are reached are kept in place, and the copies
//! are scanned in the order they were made. A young collection evacuates the young chunks only; its
//! roots are the given ones, the handles and the remembered set. Every survivor becomes old.
//!
//! What must stay true: before anything moves, the pool holds the chunks that the copies can need, so
//! nothing in the middle of a collection can fail; one that fails before that leaves the heap, the kind of its old
//! space too, as it was; afterwards no reference leads to a `FROM` page, no object is remembered, and the young
//! space is empty.

use crate::account::next_full;
use crate::cage::{Cage, PAGE_SHIFT};
use crate::chunk::{Chunk, FREE, FROM, LARGE_KEPT, LARGE_WHITE, OLD, PageTable, SHARED};
use crate::external::ExternalTable;
use crate::heap::{GcMode, Heap, OutOfMemory, OutOfMemoryCause, Roots, SMALL_CHUNK};
use crate::layout::{GC_BITS, GC_OLD, GRANULE_SHIFT, Header};
use crate::scan::{Scan, copy_object, size_at};
use crate::stats::Collection;
use std::time::Instant;

/// Byte that evacuated memory is filled with in stress modes.
pub const POISON: u8 = 0xdb;

/// What a collection looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Minor,
    Full,
}

impl Heap {
    /// Collects the whole heap. Fails, changing nothing, when the system has no memory to copy into.
    pub fn collect(&mut self, roots: &mut dyn Roots) -> Result<(), OutOfMemory> {
        self.collect_as(Kind::Full, roots)
    }

    /// Collects what was allocated since the last collection (everything, in a heap that is not
    /// generational). Fails, changing nothing, when the system has no memory to copy into.
    pub fn collect_minor(&mut self, roots: &mut dyn Roots) -> Result<(), OutOfMemory> {
        self.collect_as(
            if self.generational {
                Kind::Minor
            } else {
                Kind::Full
            },
            roots,
        )
    }

    fn collect_as(&mut self, kind: Kind, roots: &mut dyn Roots) -> Result<(), OutOfMemory> {
        if self.mode == GcMode::Off {
            return Ok(());
        }
        let limit = self.limit;
        self.run_collection(kind, roots)
            .map_err(|cause| OutOfMemory {
                requested: 0,
                limit,
                cause,
            })
    }

    pub(crate) fn run_collection(
        &mut self,
        kind: Kind,
        roots: &mut dyn Roots,
    ) -> Result<(), OutOfMemoryCause> {
        let stress = matches!(self.mode, GcMode::Stress(_) | GcMode::StressMinor(_));
        let kind = if self.remembers_all { Kind::Full } else { kind };
        if stress {
            self.assert_sound("before", roots);
        }
        let start = Instant::now();
        let before = self.used_bytes();
        let copied = self.stats.bytes_copied;
        self.collect_now(kind, stress, roots)?;
        let pause_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match kind {
            Kind::Minor => self.stats.minor.add(pause_ns),
            Kind::Full => self.stats.full.add(pause_ns),
        }
        if let Some(log) = self.log {
            log(&Collection {
                number: self.stats.collections(),
                full: kind == Kind::Full,
                pause_ns,
                before,
                after: self.stats.live_after_last,
                copied: self.stats.bytes_copied - copied,
                committed: self.committed,
                external: self.external.bytes(),
            });
        }
        if stress {
            self.assert_sound("after", roots);
        }
        if self.watch.growth && kind == Kind::Full {
            roots.collected(self);
        }
        Ok(())
    }

    fn assert_sound(&mut self, when: &str, roots: &mut dyn Roots) {
        if let Err(e) = self.check(roots) {
            panic!(
                "heap check {when} collection {}: {e}",
                self.stats.collections()
            );
        }
    }

    fn collect_now(
        &mut self,
        kind: Kind,
        stress: bool,
        roots: &mut dyn Roots,
    ) -> Result<(), OutOfMemoryCause> {
        let full = kind == Kind::Full;
        self.close_young();
        for chunk in std::mem::take(&mut self.quarantine) {
            self.release(chunk);
        }
        let new = if full && self.blocks.is_none() {
            self.wants_blocks()
        } else {
            None
        };
        if new.is_some() || self.blocks.is_some() {
            return self.collect_blocks(kind, new, stress, roots);
        }
        let young: u64 = self.young.iter().map(Chunk::used).sum();
        let mut movable = young;
        if full {
            movable += self.old_used;
        }
        let tail = match self.old.last() {
            Some(chunk) if !full => ((chunk.bump_end() - chunk.top) as u64) << GRANULE_SHIFT,
            _ => 0,
        };
        let spare = self
            .prepare_copy_space(movable, tail)
            .ok_or(OutOfMemoryCause::System)?;

        let mut from = std::mem::take(&mut self.young);
        self.core.alloc_ptr = 0;
        self.core.alloc_end = 0;
        self.window_end = 0;
        self.young_bytes = 0;
        if full {
            from.append(&mut self.old);
            for &large in &self.large {
                self.pages.set(large.first, 1, LARGE_WHITE);
            }
        }
        for chunk in &from {
            self.pages.set_chunk(chunk, FROM);
        }

        let old_chunks = self.old.len();
        let (scan_chunk, scan) = match self.old.last() {
            Some(chunk) => (old_chunks - 1, chunk.top),
            None => (0, 0),
        };
        let mut e = Evacuation {
            base: self.core.base,
            cage: &self.cage,
            to_ptr: self.old.last().map_or(0, |c| c.top),
            to_end: self.old.last().map_or(0, Chunk::bump_end),
            pages: self.pages,
            to: &mut self.old,
            pool: &mut self.pool,
            spare,
            external: &mut self.external,
            gray_large: Vec::new(),
            full,
            scanned: 0,
            scan_chunk,
            scan,
            copied: 0,
        };
        // SAFETY: the roots and handles hold live references (their contracts), objects refer to live
        // objects only, and headers describe their objects, so everything reached is an object whose
        // pages are committed. The copy space suffices: see `Heap::required`.
        unsafe {
            if !full {
                e.scanned = e.scan_written(&self.remembered, &self.dirty);
            }
            e.scan_roots(roots, &mut self.handles);
            e.scan_all();
        }
        let (copied, scanned, unused) = e.finish();
        self.stats.remembered = self.remembered.len() as u64;
        self.forget_cards();
        self.forget_remembered();
        self.note_roots(roots.walked());
        if let Some(chunk) = unused {
            self.release(chunk);
        }

        self.sweep_large(full, stress);
        self.external.sweep(full);
        self.retire(from, stress);
        self.old_used = self.old.iter().map(Chunk::used).sum();
        self.old_bytes = self.old.iter().map(Chunk::bytes).sum();
        self.finish_collection(full, young, copied, scanned);
        Ok(())
    }

    /// What both kinds of old space do at the end: counters, thresholds, and how much of what is free is kept.
    pub(crate) fn finish_collection(&mut self, full: bool, young: u64, copied: u64, scanned: u64) {
        let live = self.old_used + self.large_bytes;
        self.stats.live_after_last = live;
        self.stats.bytes_copied += copied;
        if !full {
            self.stats.bytes_promoted += copied;
            self.pace.note(young, copied, scanned);
        }
        self.stats.fragmented = self.old_bytes - self.old_used;
        if full {
            let live = live + self.external.bytes();
            self.full_threshold = next_full(live, self.watch.growth);
            self.allocated_at_full = self.stats.bytes_allocated;
        }
        let keeps_pool = self.grown || self.chunk_bytes == SMALL_CHUNK;
        self.trim_pool(if keeps_pool {
            self.reserve(self.young_budget) * 2 + live / 4
        } else {
            0
        });
    }

    /// Fills the pool with the chunks that copying `movable` bytes can need when `tail` bytes are left in
    /// the chunk that copies go to first. The single small chunk that few bytes need is returned apart.
    fn prepare_copy_space(&mut self, movable: u64, tail: u64) -> Option<Option<Chunk>> {
        if movable <= tail {
            return Some(None);
        }
        if movable <= SMALL_CHUNK {
            return Some(Some(self.new_chunk(SMALL_CHUNK)?));
        }
        let chunks = self.reserve(movable).div_ceil(self.chunk_bytes) as usize;
        self.fill_pool(chunks).then_some(None)
    }

    /// Fills the pool up to so many chunks.
    pub(crate) fn fill_pool(&mut self, chunks: usize) -> bool {
        // What is in the pool stays there, so only retained runs can make way.
        let more = chunks.saturating_sub(self.pool.len()) as u64 * self.chunk_bytes;
        self.trim_retained_for(more);
        let pages = (self.chunk_bytes >> PAGE_SHIFT) as u32;
        while self.pool.len() < chunks {
            match self.commit_pages(pages) {
                Some(first) => self.pool.push(Chunk::new(first, pages)),
                None => return false,
            }
        }
        self.note_peak();
        true
    }

    pub(crate) fn sweep_large(&mut self, full: bool, stress: bool) {
        if full {
            // What was cut up is joined again in the cage.
            self.release_retained();
        }
        let from = if full { 0 } else { self.large_young_from };
        let swept = self.large.split_off(from);
        for large in swept {
            if self.pages.of(large.start()) == LARGE_KEPT {
                self.large.push(large);
            } else {
                self.large_bytes -= large.bytes();
                self.retain(large, stress);
            }
        }
        self.large_young_from = self.large.len();
        self.large_young_bytes = 0;
    }

    /// Puts evacuated chunks into the pool, or into quarantine in stress modes.
    pub(crate) fn retire(&mut self, from: Vec<Chunk>, stress: bool) {
        // In reverse, so that the pool gives them out in the order they were used in.
        for mut chunk in from.into_iter().rev() {
            self.pages.set_chunk(&chunk, FREE);
            if stress && !chunk.is_part() {
                // SAFETY: the chunk is committed and ours, and every live object in it was copied.
                unsafe {
                    let p = self
                        .core
                        .base
                        .add((chunk.start() as usize) << GRANULE_SHIFT);
                    p.write_bytes(POISON, chunk.used() as usize);
                    self.cage.deny_access(chunk.first, chunk.pages);
                }
                self.quarantine.push(chunk);
            } else if chunk.bytes() == self.chunk_bytes {
                chunk.dirty = true;
                self.pool.push(chunk);
            } else {
                self.release(chunk);
            }
        }
    }
}

/// One collection under way.
struct Evacuation<'a> {
    base: *mut u8,
    cage: &'a Cage,
    /// Where the next copy goes: in the last chunk of `to`.
    to_ptr: u32,
    to_end: u32,
    pages: PageTable,
    to: &'a mut Vec<Chunk>,
    pool: &'a mut Vec<Chunk>,
    spare: Option<Chunk>,
    external: &'a mut ExternalTable,
    /// Large objects that were reached and not scanned yet.
    gray_large: Vec<u32>,
    full: bool,
    /// Bytes of old and of large objects that were scanned.
    scanned: u64,
    /// Copies before this point were scanned: index in `to`, and reference (0: the chunk's start).
    scan_chunk: usize,
    scan: u32,
    copied: u64,
}

impl Scan for Evacuation<'_> {
    #[inline(always)]
    fn base(&self) -> *mut u8 {
        self.base
    }

    #[inline(always)]
    fn external(&mut self) -> &mut ExternalTable {
        self.external
    }

    #[inline(always)]
    fn pages(&mut self) -> &mut PageTable {
        &mut self.pages
    }

    #[inline(always)]
    fn large(&mut self) -> &mut Vec<u32> {
        &mut self.gray_large
    }

    #[inline(always)]
    fn full(&self) -> bool {
        self.full
    }

    #[inline(always)]
    unsafe fn forward(&mut self, r: u32) -> u32 {
        match self.pages.of(r) {
            // SAFETY: passed on.
            FROM | SHARED => unsafe { self.copy(r) },
            LARGE_WHITE => {
                // SAFETY: passed on.
                unsafe { self.keep_large(r) };
                r
            }
            _ => r,
        }
    }
}

impl Evacuation<'_> {
    /// # Safety
    /// `r` leads to an object in a `FROM` chunk.
    #[inline(always)]
    unsafe fn copy(&mut self, r: u32) -> u32 {
        let source = self.at(r).cast::<u64>();
        // SAFETY: an object's header is readable.
        let header = Header(unsafe { source.read() });
        if let Some(to) = header.forwarding() {
            return to;
        }
        // SAFETY: as above.
        let granules = (unsafe { size_at(source.cast(), header) } >> GRANULE_SHIFT) as u32;
        if self.to_end - self.to_ptr < granules {
            self.next_chunk(granules);
        }
        let to = self.to_ptr;
        self.to_ptr = to + granules;
        let target = self.at(to).cast::<u64>();
        // SAFETY: the object's `granules` words are readable, and as many are ours at the target.
        unsafe {
            copy_object(source, target, granules, header.0 & !GC_BITS | GC_OLD);
            source.write(Header::forwarded(to).0);
        }
        to
    }

    #[cold]
    #[inline(never)]
    fn next_chunk(&mut self, granules: u32) {
        self.close();
        let Some(mut chunk) = self.spare.take().or_else(|| self.pool.pop()) else {
            // `prepare_copy_space` counted; a heap that gets here was written to behind our back.
            panic!("heap corrupt: more objects to copy than were allocated");
        };
        if !chunk.dirty && chunk.bytes() > SMALL_CHUNK {
            self.cage.populate(chunk.first, chunk.pages);
        }
        chunk.top = chunk.start();
        chunk.dirty = true;
        assert!(
            chunk.bump_end() - chunk.top >= granules,
            "heap corrupt: object larger than its chunk"
        );
        self.pages.set_chunk(&chunk, OLD);
        self.to_ptr = chunk.top;
        self.to_end = chunk.bump_end();
        self.to.push(chunk);
    }

    fn close(&mut self) {
        if let Some(chunk) = self.to.last_mut() {
            self.copied += ((self.to_ptr - chunk.top) as u64) << GRANULE_SHIFT;
            chunk.top = self.to_ptr;
        }
    }

    /// Scans copies and kept large objects until there are none left.
    ///
    /// # Safety
    /// All objects hold live references.
    unsafe fn scan_all(&mut self) {
        loop {
            while let Some(chunk) = self.to.get(self.scan_chunk).copied() {
                let last = self.scan_chunk + 1 == self.to.len();
                let end = if last { self.to_ptr } else { chunk.top };
                let mut scan = if self.scan == 0 {
                    chunk.start()
                } else {
                    self.scan
                };
                while scan < end {
                    // SAFETY: objects lie one after the other up to `end`.
                    scan += (unsafe { self.scan_object(scan) } >> GRANULE_SHIFT) as u32;
                }
                self.scan = scan;
                if self.scan_chunk + 1 < self.to.len() {
                    // The chunk may have grown before the next one was started.
                    if self.to[self.scan_chunk].top == scan {
                        self.scan_chunk += 1;
                        self.scan = 0;
                    }
                } else if scan == self.to_ptr {
                    break;
                }
            }
            match self.gray_large.pop() {
                // SAFETY: large objects that were reached are live.
                Some(entry) => self.scanned += unsafe { self.scan_large(entry) },
                None => return,
            }
        }
    }

    /// Ends the collection: bytes copied, bytes scanned where they are, and the small chunk if it was not needed.
    fn finish(mut self) -> (u64, u64, Option<Chunk>) {
        self.close();
        (self.copied, self.scanned, self.spare)
    }
}

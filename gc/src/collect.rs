//! Collections, young and full, and who is told of them; those of a heap whose old space copies (those of a
//! mark-region one are in `mark.rs`). Without recursion.
//!
//! The chunks being evacuated are marked `FROM` in the page table; every reference into them is replaced
//! by one to a copy, large objects that are reached are kept in place, and the copies
//! are scanned in the order they were made. A young collection evacuates the young chunks only; its
//! roots are the given ones, the handles, the remembered set and cards. Where survivors age (`ageing.rs`), what was allocated since
//! the last collection is copied into `AGED` chunks and stays young, and what was in those (`FROM_AGED`) becomes
//! old; otherwise, and in full collections, every survivor becomes old. Large objects become old when they survive.
//!
//! What must stay true: before anything moves, the pool holds the chunks that the copies can need, so
//! nothing in the middle of a collection can fail; one that fails before that leaves the heap, the kind of its old
//! space too, as it was; afterwards no reference leads to a `FROM` page, the young chunks are empty, and what is remembered
//! (or has cards) are the old objects that refer to survivors which are young still.

use crate::account::next_full;
use crate::cage::{Cage, PAGE_SHIFT};
use crate::chunk::{AGED, Chunk, FREE, FROM, FROM_AGED, LARGE_KEPT, LARGE_REST, LARGE_WHITE, OLD};
use crate::copies::Copies;
use crate::heap::{GcMode, Heap, OutOfMemory, OutOfMemoryCause, Roots, SMALL_CHUNK};
use crate::layout::{GC_BITS, GC_OLD, GRANULE_SHIFT, Header};
use crate::scan::{Scan, Shared, copy_object, size_at};
use crate::stats::Collection;
use std::time::Instant;

/// Byte that evacuated memory is filled with in stress modes.
pub const POISON: u8 = 0xdb;

/// What a collection looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// What is young.
    Minor,
    /// The same, and nothing stays young.
    Promote,
    /// Everything.
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
        let kind = if self.remembered.overflowed() {
            Kind::Full
        } else {
            kind
        };
        if stress {
            self.assert_sound("before", roots);
        }
        let start = Instant::now();
        let before = self.used_bytes();
        let (copied, aged) = (self.stats.bytes_copied, self.stats.bytes_aged);
        self.collect_now(kind, stress, roots)?;
        let pause_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match kind {
            Kind::Minor | Kind::Promote => self.stats.minor.add(pause_ns),
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
                aged: self.stats.bytes_aged - aged,
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
        let ages = kind == Kind::Minor && self.ages(stress);
        if new.is_some() || self.blocks.is_some() {
            return self.collect_blocks(kind, new, ages, stress, roots);
        }
        let (young, aged) = (self.young_used(), self.aged_used);
        let movable = young + aged + if full { self.old_used } else { 0 };
        let tail = match self.old.last() {
            Some(chunk) if !full => ((chunk.bump_end() - chunk.top) as u64) << GRANULE_SHIFT,
            _ => 0,
        };
        let spare = if ages {
            self.prepare_ageing(if aged <= tail { 0 } else { aged })
        } else {
            self.prepare_copy_space(movable, tail)
        };
        let spare = spare.ok_or(OutOfMemoryCause::System)?;

        let mut from = self.take_young();
        let mut old = std::mem::take(&mut self.old);
        if full {
            for &large in &self.large {
                self.pages.set(large.first, 1, LARGE_WHITE);
            }
            for chunk in &old {
                self.pages.set_chunk(chunk, FROM);
            }
            from.append(&mut old);
        }
        let (work, unused) = if ages {
            self.evacuate::<true>(full, old, spare, roots)
        } else {
            self.evacuate::<false>(full, old, spare, roots)
        };
        if let Some(chunk) = unused {
            self.release(chunk);
        }
        self.settle(full, stress, roots.walked());
        self.retire(from, stress);
        self.old_used = self.old.iter().map(Chunk::used).sum();
        self.old_bytes = self.old.iter().map(Chunk::bytes).sum();
        let work = Work {
            young,
            aged,
            ..work
        };
        self.finish_collection(full, &work);
        Ok(())
    }

    /// Copies all that is reached in `FROM` chunks; the small chunk if it was not needed.
    fn evacuate<const AGES: bool>(
        &mut self,
        full: bool,
        old: Vec<Chunk>,
        spare: Option<Chunk>,
        roots: &mut dyn Roots,
    ) -> (Work, Option<Chunk>) {
        let mut e = Evacuation::<AGES> {
            shared: Shared::new(
                self.core.base,
                (&self.cage, self.pages),
                &mut self.pool,
                &mut self.external,
                &mut self.remembered,
                full,
            ),
            old: Copies::new(old, OLD),
            spare,
        };
        // SAFETY: the roots and handles hold live references (their contracts), objects refer to live
        // objects only, and headers describe their objects, so everything reached is an object whose
        // pages are committed. The copy space suffices: see `Heap::required` and `Heap::ages`.
        unsafe {
            if !full {
                e.shared.work.scanned = e.scan_written(&self.dirty);
            }
            e.scan_roots(roots, &mut self.handles);
            e.scan_all();
        }
        let (mut work, unused) = (e.shared.work, e.spare.take());
        let (old, promoted) = e.old.finish();
        let (aged, stayed) = e.shared.aged.finish();
        (work.promoted, work.stayed) = (promoted, stayed);
        self.old = old;
        self.put_aged(aged);
        (work, unused)
    }

    /// Takes the young chunks for evacuation, those of survivors too.
    pub(crate) fn take_young(&mut self) -> Vec<Chunk> {
        let mut from = std::mem::take(&mut self.young);
        self.core.alloc_ptr = 0;
        self.core.alloc_end = 0;
        self.window_end = 0;
        self.young_bytes = 0;
        for chunk in &from {
            self.pages.set_chunk(chunk, FROM);
        }
        for chunk in std::mem::take(&mut self.aged) {
            self.pages.set_chunk(&chunk, FROM_AGED);
            from.push(chunk);
        }
        from
    }

    /// The chunks of what survived and is young still.
    pub(crate) fn put_aged(&mut self, chunks: Vec<Chunk>) {
        self.aged = chunks;
        self.aged_bytes = self.aged.iter().map(Chunk::bytes).sum();
        self.aged_used = self.aged.iter().map(Chunk::used).sum();
    }

    /// What both kinds of old space do when all was scanned and nothing was given back yet: what barriers noted is
    /// forgotten but for what leads to survivors, and what was not reached goes.
    pub(crate) fn settle(&mut self, full: bool, stress: bool, walked: u64) {
        self.stats.remembered = self.remembered.objects().len() as u64;
        self.settle_cards(full);
        if full {
            self.remembered.clear();
        }
        self.remembered.shrink();
        self.note_roots(walked);
        self.sweep_large(full, stress);
        self.external.sweep(full);
    }

    /// What both kinds of old space do at the end: counters, thresholds, and how much of what is free is kept.
    pub(crate) fn finish_collection(&mut self, full: bool, work: &Work) {
        let live = self.old_used + self.aged_used + self.large_bytes;
        self.stats.live_after_last = live;
        self.stats.bytes_copied += work.copied();
        if !full {
            self.stats.bytes_promoted += work.promoted;
            self.stats.bytes_aged += work.stayed;
            if self.age.is_usual(work) {
                self.pace.note(work.young, work.copied(), work.scanned);
            }
            if self.age.note(work) {
                self.pace.forget();
            }
        } else {
            self.age.note_full();
        }
        self.stats.fragmented = self.old_bytes - self.old_used;
        if full {
            let live = live + self.external.bytes();
            self.full_threshold = next_full(live, self.watch.growth);
            self.allocated_at_full = self.stats.bytes_allocated;
        }
        // What the heap grows by until the next full collection is likely to be what it grew by before: to give that back and
        // take it again costs more than all of the collecting.
        if !self.grown && self.chunk_bytes != SMALL_CHUNK {
            self.trim_pool(0);
        } else if full {
            let growth = self.full_threshold.saturating_sub(live);
            self.trim_pool(self.reserve(self.young_budget) * 2 + growth);
        }
    }

    /// Fills the pool with the chunks that survivors can need when `promoted` bytes of them do not fit the chunk that old
    /// copies go to first, and all that was allocated since the last collection stays young.
    pub(crate) fn prepare_ageing(&mut self, promoted: u64) -> Option<Option<Chunk>> {
        let need = self.reserve_blocks(promoted) + self.reserve_blocks(self.young_used());
        let chunks = (need / self.chunk_bytes) as usize;
        self.fill_pool(chunks).then_some(None)
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
        // Taken from the end: first those that have memory behind them.
        self.pool.sort_by_key(|chunk| chunk.dirty);
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

/// What a collection did, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Work {
    /// Allocated since the last.
    pub young: u64,
    /// Survivors of the last that were young still.
    pub aged: u64,
    /// Of these survived this one.
    pub lived: u64,
    /// Copied into the old space.
    pub promoted: u64,
    /// Copied and young still.
    pub stayed: u64,
    /// Old and large objects that were scanned where they are.
    pub scanned: u64,
    /// Old objects that the next young collection scans for what stayed young.
    pub again: u64,
    /// What lives of a mark-region old space, as far as a collection finds it.
    pub live: u64,
}

impl Work {
    /// Copied.
    pub fn copied(&self) -> u64 {
        self.promoted + self.stayed
    }
}

/// One collection under way. `AGES`: what is in `FROM` chunks stays young.
struct Evacuation<'a, const AGES: bool> {
    shared: Shared<'a>,
    old: Copies,
    spare: Option<Chunk>,
}

impl<'h, const AGES: bool> Scan<'h> for Evacuation<'h, AGES> {
    const AGES: bool = AGES;

    #[inline(always)]
    fn shared(&self) -> &Shared<'h> {
        &self.shared
    }

    #[inline(always)]
    fn shared_mut(&mut self) -> &mut Shared<'h> {
        &mut self.shared
    }

    #[inline(always)]
    unsafe fn forward(&mut self, r: u32) -> u32 {
        let state = self.shared.pages.of(r);
        if state <= LARGE_REST {
            return r;
        }
        if state >= FROM {
            // SAFETY: passed on.
            return unsafe { self.copy(r, state) };
        }
        match state {
            AGED if AGES => self.shared.met_young = true,
            // SAFETY: passed on.
            LARGE_WHITE => unsafe { self.keep_large(r) },
            _ => {}
        }
        r
    }
}

impl<const AGES: bool> Evacuation<'_, AGES> {
    /// # Safety
    /// `r` leads to an object in a chunk with this state, which is `FROM` or above.
    #[inline(always)]
    unsafe fn copy(&mut self, r: u32, state: u8) -> u32 {
        let source = self.at(r).cast::<u64>();
        // SAFETY: an object's header is readable.
        let header = Header(unsafe { source.read() });
        if let Some(to) = header.forwarding() {
            self.shared.met_young |= AGES && header.0 & GC_OLD == 0;
            return to;
        }
        // SAFETY: as above.
        let granules = (unsafe { size_at(source.cast(), header) } >> GRANULE_SHIFT) as u32;
        if state == FROM_AGED {
            self.shared.work.lived += u64::from(granules) << GRANULE_SHIFT;
        }
        let stays = AGES && state != FROM_AGED;
        self.shared.met_young |= stays;
        let space = if stays {
            &mut self.shared.aged
        } else {
            &mut self.old
        };
        let bits = if stays { 0 } else { GC_OLD };
        let to = match space.alloc(granules) {
            Some(to) => to,
            None => self.alloc_in_next(stays, granules),
        };
        let target = self.at(to).cast::<u64>();
        // SAFETY: the object's `granules` words are readable, and as many are ours at the target.
        unsafe {
            copy_object(source, target, granules, header.0 & !GC_BITS | bits);
            source.write(Header::forwarded(to, bits).0);
        }
        to
    }

    /// Room in a further chunk.
    #[cold]
    #[inline(never)]
    fn alloc_in_next(&mut self, stays: bool, granules: u32) -> u32 {
        let chunk = next_chunk(
            self.spare.take().or_else(|| self.shared.pool.pop()),
            self.shared.cage,
        );
        let space = if stays {
            &mut self.shared.aged
        } else {
            &mut self.old
        };
        space.open(chunk, &mut self.shared.pages);
        match space.alloc(granules) {
            Some(to) => to,
            None => panic!("heap corrupt: object larger than its chunk"),
        }
    }

    /// Scans copies and kept large objects until there are none left.
    ///
    /// # Safety
    /// All objects hold live references.
    unsafe fn scan_all(&mut self) {
        loop {
            while let Some(copies) = self.old.unscanned() {
                let mut r = copies.start;
                while r < copies.end {
                    // SAFETY: objects lie one after the other up to the end.
                    r += (unsafe { self.scan_old(r) } >> GRANULE_SHIFT) as u32;
                }
            }
            if AGES && let Some(copies) = self.shared.aged.unscanned() {
                let mut r = copies.start;
                while r < copies.end {
                    // SAFETY: as above.
                    r += (unsafe { self.scan_object(r) } >> GRANULE_SHIFT) as u32;
                }
                continue;
            }
            match self.shared.large.pop() {
                // SAFETY: large objects that were reached are live.
                Some(entry) => self.shared.work.scanned += unsafe { self.scan_large(entry) },
                None => return,
            }
        }
    }
}

/// The next chunk to copy into, with memory.
///
/// # Panics
/// When there is none. What collections need was counted; a heap that gets here was written to behind our back.
pub(crate) fn next_chunk(chunk: Option<Chunk>, cage: &Cage) -> Chunk {
    let Some(chunk) = chunk else {
        panic!("heap corrupt: more objects to copy than were allocated");
    };
    if !chunk.dirty && chunk.bytes() > SMALL_CHUNK {
        cage.populate(chunk.first, chunk.pages);
    }
    chunk
}

//! The heap of one isolate: configuration, spaces, and the account of bytes against the limit.
//!
//! Spaces: *young* chunks hold what was allocated since the last collection, *aged* ones what survived one and is young
//! still, *old* chunks what is not young any more, *large* runs hold one object each and never move, the *pool* and the
//! *retained* runs hold nothing.
//!
//! What must stay true: at every moment outside a collection `required(0, 0) <= limit`, where
//! `required` counts everything held plus the space that the worst possible collection copies into. A
//! collection therefore never lacks memory. The last young chunk is the one that `core` bumps in; its
//! bytes from `core.alloc_ptr` to `window_end` are zero.

use crate::ageing::{Age, Ageing};
use crate::blocks::Blocks;
use crate::cage::{Cage, CageError, PAGE_SHIFT, PART};
use crate::chunk::{Chunk, FREE, Large, PageTable, YOUNG};
use crate::external::ExternalTable;
use crate::handles::{Handle, HandleTable, TooManyHandles};
use crate::idle::{self, KEPT_BYTES};
use crate::layout::{GRANULE_SHIFT, Ref};
use crate::mark::Defragment;
use crate::pace::{LARGEST, Pace};
use crate::remembered::Remembered;
use crate::stats::{CollectionLog, Stats};
use std::fmt;
use std::sync::Arc;

/// Smallest chunk: the first of a heap, and every one of a heap with a low limit.
pub(crate) const SMALL_CHUNK: u64 = 64 << 10;
/// Largest object in bytes that may be allocated inline, whatever the heap's limit.
pub const INLINE_MAX: usize = (SMALL_CHUNK / 8) as usize;
const BIG_CHUNK: u64 = 256 << 10;
/// Heaps with at least this limit use big chunks.
const BIG_CHUNK_FROM: u64 = 8 << 20;
/// Lowest limit that a heap takes; lower ones are raised to it.
pub const MIN_LIMIT: u64 = 512 << 10;
/// Highest limit: the cage's largest size.
pub const MAX_LIMIT: u64 = crate::cage::MAX_CAGE as u64;
/// From this size on the old space is mark-region unless a heap is made otherwise.
pub const BLOCKS_FROM: u64 = 32 << 20;
/// The heap may grow by at least this much between two full collections.
pub(crate) const MIN_GROWTH: u64 = 16 << 20;

/// Large objects of at most so many pages get their memory at once and leave it to the next; longer
/// ones may be sparse.
pub(crate) const RETAIN_MAX: u32 = 64;

/// When collections happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GcMode {
    /// When it pays, and when the limit asks for it.
    #[default]
    Normal,
    /// A full one at every n-th allocation (0 counts as 1). Everything moves (out of a mark-region old space in turn
    /// everything, every other block and nothing), what is left behind is poisoned and, in whole chunks, protected,
    /// and the whole heap is checked before and after.
    Stress(u32),
    /// As `Stress`, but young collections, with a full one every eighth time.
    StressMinor(u32),
    /// Never: an oracle for tests.
    Off,
}

/// What a heap is made with.
#[derive(Clone, Copy, Debug)]
pub struct HeapConfig {
    /// Limit in bytes on everything that the heap holds: memory for objects, copy headroom and external
    /// buffers. Clamped to [`MIN_LIMIT`]..=[`MAX_LIMIT`].
    pub limit: u64,
    /// When collections happen.
    pub mode: GcMode,
    /// Whether young objects are collected apart. Without, every collection is a full one.
    pub generational: bool,
    /// Whether survivors of a young collection stay young for another one.
    pub ageing: Ageing,
    /// Most root handles at a time.
    pub max_handles: u32,
    /// Who is told of each collection.
    pub log: Option<CollectionLog>,
    /// What roots are told of.
    pub watch: Watch,
    /// The old space is a copying one while fewer bytes of objects than this are in it, then a mark-region one.
    pub blocks_from: u64,
}

impl Default for HeapConfig {
    fn default() -> HeapConfig {
        HeapConfig {
            limit: 1 << 30,
            mode: GcMode::Normal,
            generational: true,
            ageing: Ageing::default(),
            max_handles: 1 << 20,
            log: None,
            watch: Watch::default(),
            blocks_from: BLOCKS_FROM,
        }
    }
}

/// Why an allocation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfMemoryCause {
    /// The heap's limit.
    Limit,
    /// The system gave no more memory, or the cage has no run of that length.
    System,
    /// `fail_after` asked for it.
    Injected,
}

/// An allocation failed; the heap is as usable as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub requested: u64,
    /// The heap's limit.
    pub limit: u64,
    /// Why.
    pub cause: OutOfMemoryCause,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            OutOfMemoryCause::Limit => write!(f, "memory limit of {} bytes reached", self.limit),
            OutOfMemoryCause::System => {
                write!(f, "the system has no memory for {} bytes", self.requested)
            }
            OutOfMemoryCause::Injected => f.write_str("allocation failed on request"),
        }
    }
}

impl std::error::Error for OutOfMemory {}

/// Shows a collection the slots that hold references.
///
/// # Safety
/// `visit` must call `f` with every slot outside the heap (root handles apart) whose reference anybody
/// will use after an allocation, each slot at most once per call. A slot holds an immediate or a
/// zero-extended reference to a live object of the heap being collected; `f` may change it, and the
/// changed value must be what is used from then on. `visit` must not panic and must not touch the heap.
pub unsafe trait Roots {
    /// Calls `f` with each slot.
    fn visit(&mut self, f: &mut dyn FnMut(&mut u64));

    /// How much the last `visit` walked: frames and slots. Collections are the rarer the more that is.
    fn walked(&self) -> u64 {
        0
    }

    /// Told of each allocation before it is made, where [`Watch::allocations`] asks for it. Must not touch the heap.
    fn allocated(&mut self, _bytes: u64) {}

    /// Told of each full collection after it, where [`Watch::growth`] asks for it.
    fn collected(&mut self, _heap: &Heap) {}
}

/// What roots are told of. Not for speed: each costs much.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Watch {
    /// Each allocation; all of them take the slow path.
    pub allocations: bool,
    /// Full collections, of which there is one whenever the heap has grown by a quarter.
    pub growth: bool,
}

/// No roots but the handles.
pub struct NoRoots;

// SAFETY: there are no slots.
unsafe impl Roots for NoRoots {
    fn visit(&mut self, _: &mut dyn FnMut(&mut u64)) {}
}

/// A slice of registers as roots.
pub struct SliceRoots<'a>(&'a mut [u64]);

impl<'a> SliceRoots<'a> {
    /// Roots in `slots`.
    ///
    /// # Safety
    /// Each slot holds an immediate or a live reference, and no other reference outside the heap is used
    /// after the call that these roots are given to.
    pub unsafe fn new(slots: &'a mut [u64]) -> SliceRoots<'a> {
        SliceRoots(slots)
    }
}

// SAFETY: shows every slot once; what they hold is the promise of the caller of `new`.
unsafe impl Roots for SliceRoots<'_> {
    fn visit(&mut self, f: &mut dyn FnMut(&mut u64)) {
        self.0.iter_mut().for_each(f);
    }
}

/// What inline allocation needs: the interpreter and machine code read and write this directly.
///
/// To allocate `n` granules, at most [`INLINE_MAX`] bytes: when `alloc_end - alloc_ptr >= n`, the object is at
/// reference `alloc_ptr`, which is then advanced by `n`; else `alloc_slow`. All bytes between the two are
/// zero. Anything larger goes through `alloc_slow` in any case: the space that a collection copies into
/// is reckoned with small objects in chunks.
#[repr(C)]
#[derive(Debug)]
pub struct HeapCore {
    /// Address of reference 0.
    pub base: *mut u8,
    /// Reference of the next object.
    pub alloc_ptr: u32,
    /// Reference at which the fast path ends.
    pub alloc_end: u32,
}

/// One isolate's heap. The first field is the [`HeapCore`].
#[repr(C)]
pub struct Heap {
    pub(crate) core: HeapCore,
    /// End of the zeroed part of the current young chunk (`core.alloc_end` is lower when every
    /// allocation has to take the slow path).
    pub(crate) window_end: u32,
    pub(crate) cage: Arc<Cage>,
    /// Bytes of the cage that this heap holds.
    pub(crate) committed: u64,
    /// Whether no other heap is in the cage.
    pub(crate) alone: bool,
    pub(crate) pages: PageTable,
    pub(crate) young: Vec<Chunk>,
    pub(crate) young_bytes: u64,
    pub(crate) aged: Vec<Chunk>,
    pub(crate) aged_bytes: u64,
    pub(crate) aged_used: u64,
    pub(crate) old: Vec<Chunk>,
    pub(crate) old_bytes: u64,
    pub(crate) old_used: u64,
    pub(crate) large: Vec<Large>,
    pub(crate) large_bytes: u64,
    /// Index in `large` of the first that was allocated since the last collection.
    pub(crate) large_young_from: usize,
    pub(crate) large_young_bytes: u64,
    pub(crate) pool: Vec<Chunk>,
    /// Runs of dead large objects, kept for the next ones: getting memory from the system costs many
    /// times what zeroing it does.
    pub(crate) retained: Vec<Large>,
    pub(crate) retained_bytes: u64,
    /// Evacuated chunks of the last collection of a stress mode: poisoned and protected.
    pub(crate) quarantine: Vec<Chunk>,
    pub(crate) remembered: Remembered,
    /// Pages of old large arrays that were stored into: array, number of the page.
    pub(crate) dirty: Vec<(u32, u32)>,
    pub(crate) external: ExternalTable,
    pub(crate) handles: HandleTable,
    /// Bytes outside of the heap that the embedder holds on its account.
    pub(crate) host: u64,
    /// Tables of the old space, once it is mark-region (during a collection they are the collection's).
    pub(crate) blocks: Option<Box<Blocks>>,
    /// The old space is copying while it has fewer bytes.
    pub(crate) blocks_from: u64,
    pub(crate) defragment: Defragment,
    pub(crate) mark_stack: Vec<u32>,
    pub(crate) limit: u64,
    pub(crate) mode: GcMode,
    pub(crate) generational: bool,
    pub(crate) chunk_bytes: u64,
    pub(crate) small_max: u64,
    pub(crate) young_budget: u64,
    /// What the roots of the last collection ask of the budget.
    pub(crate) rooted_budget: u64,
    /// What the work of young collections asks of it.
    pub(crate) pace: Pace,
    /// Whether survivors stay young.
    pub(crate) age: Age,
    pub(crate) full_threshold: u64,
    /// Whether a second young chunk was ever needed.
    pub(crate) grown: bool,
    pub(crate) fail_after: Option<u64>,
    pub(crate) stress_count: u32,
    /// Bytes allocated when the last full collection ended.
    pub(crate) allocated_at_full: u64,
    pub(crate) stats: Stats,
    pub(crate) log: Option<CollectionLog>,
    pub(crate) watch: Watch,
}

impl Heap {
    /// A heap that holds nothing and has committed nothing.
    pub fn new(config: HeapConfig) -> Result<Heap, CageError> {
        let limit = config.limit.clamp(MIN_LIMIT, MAX_LIMIT);
        let cage = idle::take(Cage::size_for_limit(limit))?;
        Ok(Heap::build(cage, config, true))
    }

    /// A heap in a cage that others may share: the heap of a task. It holds nothing and has committed nothing; while
    /// it holds little it takes little, and what it had is zeroed before another heap gets it.
    #[must_use]
    pub fn new_in(cage: &Arc<Cage>, config: HeapConfig) -> Heap {
        Heap::build(Arc::clone(cage), config, false)
    }

    fn build(cage: Arc<Cage>, config: HeapConfig, alone: bool) -> Heap {
        let limit = config.limit.clamp(MIN_LIMIT, MAX_LIMIT);
        let chunk_bytes = if limit >= BIG_CHUNK_FROM {
            BIG_CHUNK
        } else {
            SMALL_CHUNK
        };
        let young_budget = if config.watch.growth {
            SMALL_CHUNK
        } else {
            (limit / 16).clamp(SMALL_CHUNK, LARGEST)
        };
        Heap {
            core: HeapCore {
                base: cage.base(),
                alloc_ptr: 0,
                alloc_end: 0,
            },
            window_end: 0,
            pages: cage.table(),
            cage,
            committed: 0,
            alone,
            young: Vec::new(),
            young_bytes: 0,
            aged: Vec::new(),
            aged_bytes: 0,
            aged_used: 0,
            old: Vec::new(),
            old_bytes: 0,
            old_used: 0,
            large: Vec::new(),
            large_bytes: 0,
            large_young_from: 0,
            large_young_bytes: 0,
            pool: Vec::new(),
            retained: Vec::new(),
            retained_bytes: 0,
            quarantine: Vec::new(),
            remembered: Remembered::new(limit),
            dirty: Vec::new(),
            external: ExternalTable::default(),
            handles: HandleTable::new(config.max_handles),
            host: 0,
            blocks: None,
            blocks_from: config.blocks_from,
            defragment: Defragment::Sparse,
            mark_stack: Vec::new(),
            limit,
            mode: config.mode,
            generational: config.generational,
            chunk_bytes,
            small_max: chunk_bytes / 8,
            young_budget,
            rooted_budget: 0,
            pace: Pace::new(young_budget),
            age: Age::new(config.ageing),
            full_threshold: if config.watch.growth { 0 } else { MIN_GROWTH },
            grown: false,
            fail_after: None,
            stress_count: 0,
            allocated_at_full: 0,
            stats: Stats::default(),
            log: config.log,
            watch: config.watch,
        }
    }

    /// The inline allocator's state. The pointer is good as long as the heap is not moved.
    pub fn core(&mut self) -> *mut HeapCore {
        &raw mut self.core
    }

    /// Address of reference 0; the same for the heap's whole life.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.core.base
    }

    /// The cage.
    pub fn cage(&self) -> &Cage {
        &self.cage
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// When collections happen.
    pub fn mode(&self) -> GcMode {
        self.mode
    }

    /// Changes when collections happen.
    pub fn set_mode(&mut self, mode: GcMode) {
        self.mode = mode;
        self.stress_count = 0;
        self.set_alloc_end();
    }

    /// Makes one allocation fail: the next after `n` more. `None` takes that back.
    pub fn fail_after(&mut self, n: Option<u64>) {
        self.fail_after = n;
        self.set_alloc_end();
    }

    /// Makes a root handle that holds `value`.
    ///
    /// # Safety
    /// `value` is an immediate or a reference to a live object of this heap.
    pub unsafe fn handle(&mut self, value: Ref) -> Result<Handle, TooManyHandles> {
        self.handles.create(value)
    }

    /// What a handle holds; `None` when it was dropped.
    pub fn get(&self, handle: Handle) -> Option<Ref> {
        self.handles.get(handle)
    }

    /// Makes a handle hold `value`; false when it was dropped.
    ///
    /// # Safety
    /// As for [`Heap::handle`].
    pub unsafe fn set(&mut self, handle: Handle, value: Ref) -> bool {
        self.handles.set(handle, value)
    }

    /// Drops a handle; false when it was dropped before.
    pub fn drop_handle(&mut self, handle: Handle) -> bool {
        self.handles.drop_handle(handle)
    }

    /// Number of root handles.
    pub fn handle_count(&self) -> usize {
        self.handles.count()
    }

    /// The external buffers.
    pub fn external(&self) -> &ExternalTable {
        &self.external
    }

    /// Bytes of objects in the current young chunk that are in no counter yet.
    pub(crate) fn uncounted(&self) -> u64 {
        match self.young.last() {
            Some(chunk) => ((self.core.alloc_ptr - chunk.top) as u64) << GRANULE_SHIFT,
            None => 0,
        }
    }

    /// Bytes of objects, dead ones included (small ones exactly, large ones by page).
    pub(crate) fn used_bytes(&self) -> u64 {
        self.young_used() + self.uncounted() + self.aged_used + self.old_used + self.large_bytes
    }

    /// Bytes of objects in young chunks (what is in no counter yet apart).
    pub(crate) fn young_used(&self) -> u64 {
        self.young.iter().map(Chunk::used).sum()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats {
            bytes_allocated: self.stats.bytes_allocated + self.uncounted(),
            committed: self.committed,
            external: self.external.bytes(),
            host: self.host,
            ..self.stats.clone()
        }
    }

    /// How many collections there were: addresses of objects mean the same as long as it stays the same.
    pub fn collections(&self) -> u64 {
        self.stats.collections()
    }

    pub(crate) fn slow_always(&self) -> bool {
        matches!(self.mode, GcMode::Stress(_) | GcMode::StressMinor(_))
            || self.fail_after.is_some()
            || self.watch.allocations
    }

    pub(crate) fn set_alloc_end(&mut self) {
        self.core.alloc_end = if self.slow_always() {
            self.core.alloc_ptr
        } else {
            self.window_end
        };
    }

    /// Commits pages, giving pooled chunks back first where the limit asks for it. The caller has made
    /// sure that the bytes fit.
    pub(crate) fn commit(&mut self, pages: u32) -> Option<u32> {
        let bytes = (pages as u64) << PAGE_SHIFT;
        self.trim_pool_for(bytes);
        let first = match self.commit_pages(pages) {
            Some(first) => first,
            None => {
                self.trim_pool(0);
                self.release_retained();
                self.commit_pages(pages)?
            }
        };
        self.note_peak();
        Some(first)
    }

    /// Takes pages of the cage.
    pub(crate) fn commit_pages(&mut self, pages: u32) -> Option<u32> {
        let first = self.cage.commit(pages)?;
        self.committed += (pages as u64) << PAGE_SHIFT;
        Some(first)
    }

    /// Gives pages of the cage back.
    ///
    /// # Safety
    /// As for [`Cage::release`].
    unsafe fn release_pages(&mut self, first: u32, pages: u32) {
        self.committed -= (pages as u64) << PAGE_SHIFT;
        // SAFETY: passed on.
        unsafe { self.cage.release(first, pages) };
    }

    /// Gives pooled chunks and retained runs back until `bytes` more stay within the limit.
    pub(crate) fn trim_pool_for(&mut self, bytes: u64) {
        let over = (self.held() + bytes).saturating_sub(self.limit);
        self.release_pooled(over.div_ceil(self.chunk_bytes));
        self.trim_retained_for(bytes);
    }

    /// Gives retained runs back until `bytes` more stay within the limit.
    pub(crate) fn trim_retained_for(&mut self, bytes: u64) {
        while self.held() + bytes > self.limit
            && let Some(large) = self.retained.pop()
        {
            self.retained_bytes -= large.bytes();
            self.release_large(large);
        }
    }

    /// Gives all retained runs back.
    pub(crate) fn release_retained(&mut self) {
        for large in std::mem::take(&mut self.retained) {
            self.release_large(large);
        }
        self.retained_bytes = 0;
    }

    /// A retained run of so many pages, or the start of a longer one. Its memory is not zero.
    pub(crate) fn take_retained(&mut self, pages: u32) -> Option<u32> {
        let fits = |run: &Large| run.pages >= pages;
        let at = self.retained.iter().rposition(|run| run.pages == pages);
        let at = at.or_else(|| self.retained.iter().rposition(fits))?;
        let run = &mut self.retained[at];
        let first = run.first;
        if run.pages == pages {
            self.retained.swap_remove(at);
        } else {
            run.first += pages;
            run.pages -= pages;
        }
        self.retained_bytes -= (pages as u64) << PAGE_SHIFT;
        Some(first)
    }

    pub(crate) fn release_large(&mut self, large: Large) {
        self.pages.set(large.first, large.pages, FREE);
        // SAFETY: the run is in no space any more, so no live reference points into it.
        unsafe { self.release_pages(large.first, large.pages) };
    }

    /// Keeps the run of a dead large object, or gives it back when it is long or enough are kept.
    pub(crate) fn retain(&mut self, large: Large, stress: bool) {
        let fits = self.retained_bytes + large.bytes() <= 2 * self.young_budget;
        if stress || large.pages > RETAIN_MAX || !fits {
            self.release_large(large);
        } else {
            self.pages.set(large.first, large.pages, FREE);
            self.retained_bytes += large.bytes();
            self.retained.push(large);
        }
    }

    /// Gives pooled chunks back until at most `keep` bytes are pooled.
    pub(crate) fn trim_pool(&mut self, keep: u64) {
        self.release_pooled((self.pool.len() as u64).saturating_sub(keep / self.chunk_bytes));
    }

    /// Gives so many pooled chunks back, those that nobody has written to first.
    fn release_pooled(&mut self, chunks: u64) {
        let chunks = self.pool.len().min(chunks as usize);
        for chunk in self.pool.drain(..chunks).collect::<Vec<_>>() {
            self.release(chunk);
        }
    }

    pub(crate) fn release(&mut self, chunk: Chunk) {
        self.pages.set_chunk(&chunk, FREE);
        // SAFETY: the chunk is in no space any more, so no live reference points into it. Of a part, no more than
        // the objects' bytes were written.
        unsafe {
            if chunk.is_part() {
                self.committed -= chunk.bytes();
                self.cage.release_part(chunk.start(), chunk.used() as usize);
            } else {
                self.release_pages(chunk.first, chunk.pages);
            }
        }
    }

    /// An empty chunk of `bytes`, from the pool or fresh.
    pub(crate) fn new_chunk(&mut self, bytes: u64) -> Option<Chunk> {
        if bytes == self.chunk_bytes
            && let Some(mut chunk) = self.pool.pop()
        {
            chunk.top = chunk.start();
            return Some(chunk);
        }
        if bytes == PART as u64 {
            self.trim_pool_for(bytes);
            let start = self.cage.commit_part()?;
            self.committed += bytes;
            self.note_peak();
            return Some(Chunk::of_part(start));
        }
        let pages = (bytes >> PAGE_SHIFT) as u32;
        Some(Chunk::new(self.commit(pages)?, pages))
    }

    /// Starts bumping in a new young chunk. The caller has made sure that it fits.
    pub(crate) fn add_young_chunk(&mut self, bytes: u64) -> bool {
        let Some(chunk) = self.new_chunk(bytes) else {
            return false;
        };
        if !chunk.dirty && bytes > SMALL_CHUNK {
            self.cage.populate(chunk.first, chunk.pages);
        }
        self.close_young();
        // A part is followed by a small chunk.
        self.grown |= self.young.last().is_some_and(|c| !c.is_part());
        self.pages.set_chunk(&chunk, YOUNG);
        self.young_bytes += chunk.bytes();
        self.core.alloc_ptr = chunk.start();
        // Zero memory is one window; a reused chunk is zeroed bit by bit as it is used.
        self.window_end = if chunk.dirty {
            chunk.start()
        } else {
            chunk.bump_end()
        };
        self.young.push(chunk);
        self.set_alloc_end();
        true
    }

    /// Writes the bump pointer back into the chunk it worked on.
    pub(crate) fn close_young(&mut self) {
        if let Some(chunk) = self.young.last_mut() {
            let before = chunk.used();
            chunk.top = self.core.alloc_ptr;
            self.stats.bytes_allocated += chunk.used() - before;
        }
    }

    /// Size of the next young chunk.
    pub(crate) fn next_chunk_bytes(&self, object: u64) -> u64 {
        if self.grown || self.young.last().is_some_and(|c| !c.is_part()) {
            self.chunk_bytes
        } else if object <= PART as u64 / 4
            && self.young.is_empty()
            && self.aged.is_empty()
            && self.old.is_empty()
        {
            PART as u64
        } else {
            SMALL_CHUNK
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let kept = self.committed <= KEPT_BYTES && self.quarantine.is_empty();
        if self.alone && !kept {
            // The cage goes with it.
            return;
        }
        self.close_young();
        // Others will have the pages, and take no card for their own.
        self.settle_cards(true);
        let lists = [
            &mut self.young,
            &mut self.aged,
            &mut self.old,
            &mut self.pool,
            &mut self.quarantine,
        ];
        let chunks: Vec<Chunk> = lists.into_iter().flat_map(std::mem::take).collect();
        for chunk in chunks {
            self.release(chunk);
        }
        self.release_retained();
        for large in std::mem::take(&mut self.large) {
            self.release_large(large);
        }
        if self.alone {
            idle::keep(Arc::clone(&self.cage));
        }
    }
}

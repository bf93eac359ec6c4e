//! Allocation: the fast path, the slow path that may collect, and constructors for each format.
//!
//! What must stay true: memory handed out is zero; it is at least 8 bytes and a multiple of 8; the
//! header is written before anything else happens to the heap. A failed allocation leaves the heap as
//! usable as before (collections may have happened).

use crate::cage::PAGE_SHIFT;
use crate::chunk::{LARGE_WHITE, Large, pages_for};
use crate::collect::Kind;
use crate::external::ExternalTable;
use crate::heap::{GcMode, Heap, OutOfMemory, OutOfMemoryCause, RETAIN_MAX, Roots};
use crate::layout::{
    self, EXT_INDEX_OFFSET, EXT_STR_SIZE, Format, GC_BITS, GC_OLD, GRANULE_SHIFT, Header,
    LENGTH_OFFSET, Ref,
};
use crate::mark::Defragment;
use std::sync::Arc;

/// Granules of a reused chunk that are zeroed at a time: small enough to be still in the first-level
/// cache when the objects are written.
const WINDOW: u32 = (16 << 10) >> GRANULE_SHIFT;

impl Heap {
    /// The fast path: a new object of `bytes`, or `Ref::NULL` when the slow path has to be taken.
    ///
    /// # Safety
    /// `bytes` is a multiple of 8, not 0 and at most [`crate::INLINE_MAX`] (or this heap's bound on small
    /// objects), and the caller writes a header that describes exactly that
    /// many bytes before it uses the heap again.
    #[inline(always)]
    pub unsafe fn try_alloc_raw(&mut self, bytes: usize) -> Ref {
        let at = self.core.alloc_ptr;
        let granules = bytes >> GRANULE_SHIFT;
        if ((self.core.alloc_end - at) as usize) < granules {
            return Ref::NULL;
        }
        self.core.alloc_ptr = at + granules as u32;
        Ref(at)
    }

    /// The slow path: a new object of `bytes` (rounded up to 8), zeroed; may collect. The caller writes
    /// the header before it uses the heap again.
    #[cold]
    #[inline(never)]
    pub fn alloc_slow(&mut self, bytes: u64, roots: &mut dyn Roots) -> Result<Ref, OutOfMemory> {
        if bytes > self.limit {
            return Err(self.out_of_memory(bytes, OutOfMemoryCause::Limit));
        }
        let bytes = layout::round_up(bytes).max(8);
        if let Some(n) = self.fail_after {
            self.fail_after(n.checked_sub(1));
            if n == 0 {
                return Err(self.out_of_memory(bytes, OutOfMemoryCause::Injected));
            }
        }
        self.stress(bytes, roots)?;
        if self.watch.allocations {
            roots.allocated(bytes);
        }
        if bytes > self.small_max {
            return self.alloc_large(bytes, roots);
        }
        let granules = (bytes >> GRANULE_SHIFT) as u32;
        if let Some(r) = self.bump(granules) {
            return Ok(r);
        }
        if self.young_is_full(self.next_chunk_bytes(bytes)) {
            self.collect_when_due(bytes, roots)?;
        }
        self.make_room(self.next_chunk_bytes(bytes), 0, bytes, roots)?;
        if !self.add_young_chunk(self.next_chunk_bytes(bytes)) {
            self.run_collection(Kind::Full, roots)
                .map_err(|cause| self.out_of_memory(bytes, cause))?;
            if !self.add_young_chunk(self.next_chunk_bytes(bytes)) {
                return Err(self.out_of_memory(bytes, OutOfMemoryCause::System));
            }
        }
        self.bump(granules)
            .ok_or(self.out_of_memory(bytes, OutOfMemoryCause::System))
    }

    /// Bumps in the current chunk, zeroing more of it when that is needed.
    fn bump(&mut self, granules: u32) -> Option<Ref> {
        let chunk = self.young.last()?;
        let at = self.core.alloc_ptr;
        if self.window_end - at < granules {
            let chunk_end = chunk.bump_end();
            if chunk_end - at < granules {
                return None;
            }
            let end = self
                .window_end
                .saturating_add(WINDOW)
                .max(at + granules)
                .min(chunk_end);
            let from = self.window_end;
            // SAFETY: both ends lie in the current chunk, which is committed and ours, above every
            // object that was handed out in it.
            unsafe {
                let p = self.core.base.add((from as usize) << GRANULE_SHIFT);
                p.write_bytes(0, ((end - from) as usize) << GRANULE_SHIFT);
            }
            self.window_end = end;
        }
        self.core.alloc_ptr = at + granules;
        self.set_alloc_end();
        Some(Ref(at))
    }

    fn alloc_large(&mut self, bytes: u64, roots: &mut dyn Roots) -> Result<Ref, OutOfMemory> {
        let pages = pages_for(bytes);
        let size = pages << PAGE_SHIFT;
        if self.young_is_full(0) {
            self.collect_when_due(bytes, roots)?;
        }
        self.make_room(0, size, bytes, roots)?;
        // The size fits the limit, which is at most the cage's size, so the page count fits 32 bits.
        let pages = pages as u32;
        let retained = if pages <= RETAIN_MAX {
            self.take_retained(pages)
        } else {
            None
        };
        let first = match retained {
            Some(first) => {
                // SAFETY: the run is committed and ours, and nothing refers into it.
                unsafe {
                    let at = (first as usize) << PAGE_SHIFT;
                    self.core.base.add(at).write_bytes(0, size as usize);
                }
                first
            }
            None => self.commit_large(pages, bytes, roots)?,
        };
        let large = Large { first, pages };
        self.pages.set_large(large, LARGE_WHITE);
        self.large.push(large);
        self.large_bytes += size;
        self.large_young_bytes += size;
        self.stats.bytes_allocated += bytes;
        Ok(Ref(large.start()))
    }

    fn commit_large(
        &mut self,
        pages: u32,
        bytes: u64,
        roots: &mut dyn Roots,
    ) -> Result<u32, OutOfMemory> {
        let first = match self.commit(pages) {
            Some(first) => first,
            None => {
                self.run_collection(Kind::Full, roots)
                    .map_err(|cause| self.out_of_memory(bytes, cause))?;
                self.commit(pages)
                    .ok_or(self.out_of_memory(bytes, OutOfMemoryCause::System))?
            }
        };
        if pages <= RETAIN_MAX {
            self.cage.populate(first, pages);
        }
        Ok(first)
    }

    /// Whether so much was allocated since the last collection that a young one pays, should `more`
    /// bytes of chunks come.
    fn young_is_full(&self, more: u64) -> bool {
        if self.mode == GcMode::Off {
            return false;
        }
        let live = self.old_used + self.large_bytes + self.external.bytes();
        let budget = if self.generational {
            self.young_bytes_due()
        } else {
            self.young_bytes_due().max(live)
        };
        let apart = self.large_young_bytes + self.external.young_bytes();
        self.young_bytes + more > budget || apart > (2 * budget).max(live / 2)
    }

    /// A young collection, or a full one when the old generation has grown enough.
    fn collect_when_due(&mut self, bytes: u64, roots: &mut dyn Roots) -> Result<(), OutOfMemory> {
        let old = self.old_used + self.large_bytes + self.external.bytes();
        let kind = if !self.generational || old >= self.full_threshold {
            Kind::Full
        } else {
            Kind::Minor
        };
        self.run_collection(kind, roots)
            .map_err(|cause| self.out_of_memory(bytes, cause))
    }

    /// Charges memory that the embedder is about to take, collecting where it does not fit otherwise.
    pub fn charge_host_or_collect(
        &mut self,
        bytes: u64,
        roots: &mut dyn Roots,
    ) -> Result<(), OutOfMemory> {
        self.make_room(0, bytes, bytes, roots)?;
        if self.charge_host(bytes) {
            Ok(())
        } else {
            Err(self.out_of_memory(bytes, OutOfMemoryCause::Limit))
        }
    }

    /// Makes sure that `young` bytes of chunks or `fixed` bytes that do not move fit the limit.
    ///
    /// Close to the limit collections come often and free little: when a young one leaves less than a
    /// fortieth free a full one follows, and when that leaves less than a twentieth the heap is full.
    fn make_room(
        &mut self,
        young: u64,
        fixed: u64,
        bytes: u64,
        roots: &mut dyn Roots,
    ) -> Result<(), OutOfMemory> {
        if self.fits(young, fixed) {
            return Ok(());
        }
        if self.mode != GcMode::Off && fixed <= self.limit {
            if self.generational {
                self.run_collection(Kind::Promote, roots)
                    .map_err(|c| self.out_of_memory(bytes, c))?;
                if self.room() >= self.limit / 40 && self.fits(young, fixed) {
                    return Ok(());
                }
            }
            self.run_collection(Kind::Full, roots)
                .map_err(|c| self.out_of_memory(bytes, c))?;
            if self.room() >= self.limit / 20 && self.fits(young, fixed) {
                return Ok(());
            }
            if self.blocks.is_some() {
                // What is left may be scattered: move it together.
                self.defragment = Defragment::All;
                let done = self.run_collection(Kind::Full, roots);
                self.defragment = Defragment::Sparse;
                done.map_err(|c| self.out_of_memory(bytes, c))?;
                if self.room() >= self.limit / 20 && self.fits(young, fixed) {
                    return Ok(());
                }
            }
        }
        Err(self.out_of_memory(bytes, OutOfMemoryCause::Limit))
    }

    fn stress(&mut self, bytes: u64, roots: &mut dyn Roots) -> Result<(), OutOfMemory> {
        let (n, minor) = match self.mode {
            GcMode::Stress(n) => (n, false),
            GcMode::StressMinor(n) => (n, true),
            GcMode::Normal | GcMode::Off => return Ok(()),
        };
        self.stress_count += 1;
        if self.stress_count < n {
            return Ok(());
        }
        self.stress_count = 0;
        let kind = if minor && self.stats.collections() % 8 != 7 {
            Kind::Minor
        } else {
            Kind::Full
        };
        self.run_collection(kind, roots)
            .map_err(|cause| self.out_of_memory(bytes, cause))
    }

    fn out_of_memory(&self, requested: u64, cause: OutOfMemoryCause) -> OutOfMemory {
        OutOfMemory {
            requested,
            limit: self.limit,
            cause,
        }
    }

    #[inline(always)]
    fn alloc(&mut self, bytes: u64, roots: &mut dyn Roots) -> Result<Ref, OutOfMemory> {
        if bytes <= self.small_max {
            // SAFETY: sizes from the layout are multiples of 8 and not 0, and every caller in this file
            // writes the header that the size was computed from at once.
            let r = unsafe { self.try_alloc_raw(bytes as usize) };
            if !r.is_null() {
                return Ok(r);
            }
        }
        self.alloc_slow(bytes, roots)
    }

    #[inline(always)]
    fn write_new_header(&mut self, r: Ref, header: Header) {
        // SAFETY: `r` was handed out just now with room for at least the header.
        unsafe { self.core.base.add(r.offset()).cast::<u64>().write(header.0) };
    }

    /// A new record, all fields zero.
    ///
    /// # Panics
    /// When the header is not a record's.
    #[inline]
    pub fn alloc_record(
        &mut self,
        header: Header,
        roots: &mut dyn Roots,
    ) -> Result<Ref, OutOfMemory> {
        assert!(
            header.format_bits() == Format::Record as u64,
            "not a record"
        );
        let r = self.alloc(header.record_bytes() as u64, roots)?;
        self.write_new_header(r, Header(header.0 & !GC_BITS));
        Ok(r)
    }

    /// A new array (or `Str`, whose bytes are to be filled in) of `len` zero elements.
    ///
    /// # Panics
    /// When the format has no elements.
    #[inline]
    pub fn alloc_array(
        &mut self,
        format: Format,
        type_id: u32,
        len: u32,
        roots: &mut dyn Roots,
    ) -> Result<Ref, OutOfMemory> {
        assert!(format.is_array(), "not an array");
        let size = layout::array_size(format, len);
        let r = self.alloc(size, roots)?;
        let mut header = Header::of(format, type_id);
        if format == Format::RefArray && size > self.small_max {
            // Cards say from the start what is stored into it, so that no collection scans all of it for that.
            header.0 |= GC_OLD;
        }
        self.write_new_header(r, header);
        // SAFETY: arrays have at least 16 bytes; `r` was handed out just now.
        unsafe {
            self.core
                .base
                .add(r.offset() + LENGTH_OFFSET)
                .cast::<u32>()
                .write(len)
        };
        Ok(r)
    }

    /// A new inline string with these bytes (which the caller keeps UTF-8).
    pub fn alloc_str(
        &mut self,
        type_id: u32,
        bytes: &[u8],
        roots: &mut dyn Roots,
    ) -> Result<Ref, OutOfMemory> {
        let Ok(len) = u32::try_from(bytes.len()) else {
            return Err(self.out_of_memory(bytes.len() as u64, OutOfMemoryCause::Limit));
        };
        let r = self.alloc_array(Format::Str, type_id, len, roots)?;
        // SAFETY: the object was made with room for `len` bytes of data, and heap memory cannot be
        // borrowed as `bytes` while `self` is borrowed mutably.
        unsafe {
            let data = self.core.base.add(r.offset() + layout::DATA_OFFSET);
            data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(r)
    }

    /// A new string whose bytes (which the caller keeps UTF-8) stay in an external buffer.
    pub fn alloc_ext_str(
        &mut self,
        type_id: u32,
        buffer: Arc<[u8]>,
        roots: &mut dyn Roots,
    ) -> Result<Ref, OutOfMemory> {
        let charge = ExternalTable::charge_for(buffer.len());
        let Ok(len) = u32::try_from(buffer.len()) else {
            return Err(self.out_of_memory(charge, OutOfMemoryCause::Limit));
        };
        if self.young_is_full(0) {
            self.collect_when_due(charge, roots)?;
        }
        self.make_room(0, charge, charge, roots)?;
        self.external.charge(charge);
        self.trim_pool_for(0);
        if self.watch.allocations {
            roots.allocated(charge);
        }
        // The object first: allocating it may collect, and a buffer that nothing mentions is swept.
        let r = match self.alloc(EXT_STR_SIZE as u64, roots) {
            Ok(r) => r,
            Err(e) => {
                self.external.refund(charge);
                return Err(e);
            }
        };
        self.trim_pool_for(0);
        self.note_peak();
        let index = self.external.insert(buffer);
        self.write_new_header(r, Header::of(Format::ExtStr, type_id));
        // SAFETY: `r` was handed out just now with `EXT_STR_SIZE` bytes.
        unsafe {
            let p = self.core.base.add(r.offset());
            p.add(LENGTH_OFFSET).cast::<u32>().write(len);
            p.add(EXT_INDEX_OFFSET).cast::<u64>().write(index);
        }
        Ok(r)
    }
}

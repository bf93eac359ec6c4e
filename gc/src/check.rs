//! The heap checker: walks every space and says what is wrong first.
//!
//! Checked: headers, sizes, and that objects fill their chunks exactly; that each reference (in objects
//! dead or alive, roots and handles) is an immediate or leads to the start of an object; that each old
//! object with a young reference is remembered; that each external index names a buffer of the length
//! that the string says, and as old; that the account of bytes agrees with the spaces.
//!
//! What must stay true: it changes nothing, and reads inside committed chunks only, whatever it finds.

use crate::access::card_of_element;
use crate::blocks::{Blocks, LINE_SHIFT};
use crate::cage::PAGE_GRANULES;
use crate::chunk::{AGED, Chunk, LARGE_KEPT, LARGE_REST, LARGE_WHITE, OLD, SHARED, YOUNG};
use crate::heap::{Heap, Roots};
use crate::layout::{
    self, DATA_OFFSET, EXT_INDEX_OFFSET, Format, GC_BITS, GC_OLD, GC_REMEMBERED, GRANULE_SHIFT,
    Header, LENGTH_OFFSET, RECORD_REFS, Ref,
};
use std::collections::HashSet;
use std::fmt;

/// What the checker found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeapError {
    /// An object's header (second) is none.
    BadHeader(Ref, u64),
    /// An object does not end inside its space.
    BadSize(Ref, u64),
    /// The collector's bits of a header do not suit the object's space.
    BadBits(Ref, u64),
    /// Slot (second) of an object holds a reference (third) to no object.
    BadRef(Ref, u32, u32),
    /// An old object that is not remembered refers to a young one (third) in a slot (second).
    MissedBarrier(Ref, u32, u32),
    /// A root or handle holds a reference to no object.
    BadRoot(u64),
    /// An external index (second) names no buffer of the string's length.
    BadExternal(Ref, u64),
    /// The page table says something else about a page (first) than the spaces.
    BadPage(u32),
    /// A line in which an object of a block lies is free.
    BadLine(Ref),
    /// The account of bytes (what, counted, kept).
    BadAccount(&'static str, u64, u64),
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HeapError::BadHeader(r, h) => {
                write!(f, "object {:#x} has no valid header: {h:#x}", r.0)
            }
            HeapError::BadSize(r, n) => {
                write!(f, "object {:#x} of {n} bytes leaves its space", r.0)
            }
            HeapError::BadBits(r, h) => {
                write!(f, "object {:#x} has the wrong collector bits: {h:#x}", r.0)
            }
            HeapError::BadRef(r, i, v) => {
                write!(
                    f,
                    "slot {i} of object {:#x} refers to no object: {v:#x}",
                    r.0
                )
            }
            HeapError::MissedBarrier(r, i, v) => {
                write!(
                    f,
                    "slot {i} of old object {:#x} refers to young {v:#x}, not remembered",
                    r.0
                )
            }
            HeapError::BadRoot(v) => write!(f, "root refers to no object: {v:#x}"),
            HeapError::BadExternal(r, i) => {
                write!(
                    f,
                    "string {:#x} names no external buffer of its length: {i}",
                    r.0
                )
            }
            HeapError::BadPage(p) => write!(f, "page {p} has the wrong state"),
            HeapError::BadLine(r) => write!(f, "a line of object {:#x} is free", r.0),
            HeapError::BadAccount(what, counted, kept) => {
                write!(f, "{what}: counted {counted}, kept {kept}")
            }
        }
    }
}

impl std::error::Error for HeapError {}

/// Starts of the objects in one space's run.
struct Starts {
    first: u32,
    bits: Vec<u64>,
}

/// Where objects start, and which remembered objects there are.
struct Census {
    runs: Vec<Starts>,
    remembered: HashSet<u32>,
    /// Pages of old large arrays that the next young collection scans.
    dirty: HashSet<u32>,
}

impl Census {
    fn is_object(&self, r: u32) -> bool {
        let at = self.runs.partition_point(|run| run.first <= r);
        let Some(run) = at.checked_sub(1).and_then(|i| self.runs.get(i)) else {
            return false;
        };
        let bit = (r - run.first) as usize;
        run.bits
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

impl Heap {
    /// Checks the whole heap. Changes nothing.
    pub fn check(&mut self, roots: &mut dyn Roots) -> Result<(), HeapError> {
        self.close_young();
        let census = self.census()?;
        self.check_account()?;
        for chunk in self.young.iter().chain(&self.aged).chain(&self.old) {
            if self.in_block(chunk) {
                self.each_marked(chunk, |r| self.check_object(&census, r).map(|_| ()))?;
                continue;
            }
            let mut at = chunk.start();
            while at < chunk.top {
                at += (self.check_object(&census, at)? >> GRANULE_SHIFT) as u32;
            }
        }
        for large in &self.large {
            self.check_object(&census, large.start())?;
        }
        let mut bad = None;
        roots.visit(&mut |slot| {
            if *slot >= layout::FIRST_ADDRESS as u64
                && !u32::try_from(*slot).is_ok_and(|r| census.is_object(r))
            {
                bad.get_or_insert(*slot);
            }
        });
        for value in self.handles.values() {
            if value.is_address() && !census.is_object(value.0) {
                bad.get_or_insert(value.to_word());
            }
        }
        bad.map_or(Ok(()), |value| Err(HeapError::BadRoot(value)))
    }

    /// Reads a word of a committed run.
    fn word(&self, r: u32) -> u64 {
        // SAFETY: callers in this file pass references below the top of a chunk, or into the run of a
        // large object, all of which are committed.
        unsafe { self.address(Ref(r)).cast::<u64>().read() }
    }

    fn half(&self, r: u32, offset: usize) -> u32 {
        // SAFETY: callers in this file stay inside an object whose size was checked by `census`, or read its length
        // word, for which `size_of` found room.
        unsafe { self.address(Ref(r)).add(offset).cast::<u32>().read() }
    }

    fn census(&self) -> Result<Census, HeapError> {
        let mut runs = Vec::new();
        let spaces = [(&self.young, YOUNG), (&self.aged, AGED), (&self.old, OLD)];
        for (chunks, state) in spaces {
            for chunk in chunks {
                let state_of_page = if chunk.is_part() { SHARED } else { state };
                for page in chunk.first..chunk.first + chunk.pages {
                    self.check_page(page, &[state_of_page])?;
                }
                runs.push(self.starts_in(chunk, state)?);
            }
        }
        for (i, large) in self.large.iter().enumerate() {
            let young = i >= self.large_young_from;
            self.check_page(large.first, &[if young { LARGE_WHITE } else { LARGE_KEPT }])?;
            for page in large.first + 1..large.first + large.pages {
                self.check_page(page, &[LARGE_REST])?;
            }
            let r = large.start();
            let header = self.word(r);
            let size = self.size_of(r, large.bytes())?;
            if size > large.bytes() {
                return Err(HeapError::BadSize(Ref(r), size));
            }
            // New arrays of references are called old, since they have cards.
            let carded = Header(header).format() == Some(Format::RefArray);
            if (header & GC_OLD != 0) != (!young || carded) {
                return Err(HeapError::BadBits(Ref(r), header));
            }
            runs.push(Starts {
                first: r,
                bits: vec![1],
            });
        }
        runs.sort_unstable_by_key(|run| run.first);
        Ok(Census {
            runs,
            remembered: self.remembered.objects().iter().copied().collect(),
            dirty: self.dirty.iter().map(|&(_, page)| page).collect(),
        })
    }

    fn check_page(&self, page: u32, states: &[u8]) -> Result<(), HeapError> {
        if states.contains(&self.pages.of(page * PAGE_GRANULES)) {
            Ok(())
        } else {
            Err(HeapError::BadPage(page))
        }
    }

    /// Whether a chunk is a block of a mark-region old space.
    fn in_block(&self, chunk: &Chunk) -> bool {
        self.blocks.is_some() && self.pages.of_page(chunk.first) == OLD
    }

    /// Calls `f` with each marked object of a block until one fails.
    fn each_marked(
        &self,
        block: &Chunk,
        mut f: impl FnMut(u32) -> Result<(), HeapError>,
    ) -> Result<(), HeapError> {
        let mut done = Ok(());
        if let Some(blocks) = &self.blocks {
            blocks.objects(block, |r| {
                done = f(r);
                done.is_ok()
            });
        }
        done
    }

    /// Marked objects of a block: they do not overlap, and all their lines are taken.
    fn marked_in(&self, block: &Chunk) -> Result<Starts, HeapError> {
        let end = block.bump_end();
        let mut bits = vec![0; (block.bytes() as usize >> GRANULE_SHIFT).div_ceil(64)];
        let mut free = block.start();
        self.each_marked(block, |r| {
            let room = ((end - r) as u64) << GRANULE_SHIFT;
            let size = self.size_of(r, room)?;
            if r < free || size > room {
                return Err(HeapError::BadSize(Ref(r), size));
            }
            free = r + (size >> GRANULE_SHIFT) as u32;
            let header = self.word(r);
            if header & (GC_BITS & !GC_REMEMBERED) != GC_OLD {
                return Err(HeapError::BadBits(Ref(r), header));
            }
            let blocks = self.blocks.as_deref();
            let lines = r >> LINE_SHIFT..=(free - 1) >> LINE_SHIFT;
            let taken = |b: &Blocks| lines.clone().all(|l| b.side.line(l as usize) == b.epoch);
            if !blocks.is_some_and(taken) {
                return Err(HeapError::BadLine(Ref(r)));
            }
            let bit = (r - block.start()) as usize;
            bits[bit / 64] |= 1 << (bit % 64);
            Ok(())
        })?;
        Ok(Starts {
            first: block.start(),
            bits,
        })
    }

    fn starts_in(&self, chunk: &Chunk, state: u8) -> Result<Starts, HeapError> {
        if state == OLD && self.blocks.is_some() {
            return self.marked_in(chunk);
        }
        let mut bits = vec![0; (chunk.used() as usize >> GRANULE_SHIFT).div_ceil(64)];
        let mut at = chunk.start();
        while at < chunk.top {
            let room = ((chunk.top - at) as u64) << GRANULE_SHIFT;
            let size = self.size_of(at, room)?;
            if size > room {
                return Err(HeapError::BadSize(Ref(at), size));
            }
            let header = self.word(at);
            let suits = match state {
                YOUNG | AGED => header & GC_BITS == 0,
                _ => header & (GC_BITS & !GC_REMEMBERED) == GC_OLD,
            };
            if !suits {
                return Err(HeapError::BadBits(Ref(at), header));
            }
            let bit = (at - chunk.start()) as usize;
            bits[bit / 64] |= 1 << (bit % 64);
            at += (size >> GRANULE_SHIFT) as u32;
        }
        Ok(Starts {
            first: chunk.start(),
            bits,
        })
    }

    /// Size of the object at `r`, in a run that has `room` more bytes.
    fn size_of(&self, r: u32, room: u64) -> Result<u64, HeapError> {
        let header = Header(self.word(r));
        let array = header.format().is_some_and(Format::is_array);
        if array && room < DATA_OFFSET as u64 {
            return Err(HeapError::BadSize(Ref(r), DATA_OFFSET as u64));
        }
        let len = if array {
            self.half(r, LENGTH_OFFSET)
        } else {
            0
        };
        layout::object_size(header, len).ok_or(HeapError::BadHeader(Ref(r), header.0))
    }

    fn check_object(&self, census: &Census, r: u32) -> Result<u64, HeapError> {
        let header = Header(self.word(r));
        let remembered = header.0 & GC_REMEMBERED != 0;
        let overflowed = self.remembered.overflowed();
        if remembered != census.remembered.contains(&r) && !(remembered && overflowed) {
            return Err(HeapError::BadBits(Ref(r), header.0));
        }
        let size = self.size_of(r, u64::MAX)?;
        let array = header.format() == Some(Format::RefArray);
        let (first, count) = match header.format() {
            Some(Format::Record) => (RECORD_REFS, header.nrefs()),
            Some(Format::RefArray) => (DATA_OFFSET, self.half(r, LENGTH_OFFSET)),
            Some(Format::ExtStr) => {
                let low = self.half(r, EXT_INDEX_OFFSET) as u64;
                let index = low | (self.half(r, EXT_INDEX_OFFSET + 4) as u64) << 32;
                let len = self.half(r, LENGTH_OFFSET) as usize;
                let old = header.0 & GC_OLD != 0;
                if self.external.get(index).is_none_or(|b| b.len() != len)
                    || self.external.is_old(index) != old
                {
                    return Err(HeapError::BadExternal(Ref(r), index));
                }
                return Ok(size);
            }
            _ => return Ok(size),
        };
        for i in 0..count {
            let value = self.half(r, first + 4 * i as usize);
            if value < layout::FIRST_ADDRESS {
                continue;
            }
            if !census.is_object(value) {
                return Err(HeapError::BadRef(Ref(r), i, value));
            }
            let young = matches!(self.pages.of(value), YOUNG | AGED | SHARED | LARGE_WHITE)
                || self.word(value) & GC_OLD == 0;
            let (page, card) = card_of_element(Ref(r), i);
            let dirty = census.dirty.contains(&page) && self.pages.cards(page) >> card & 1 == 1;
            let remembered = header.0 & GC_REMEMBERED != 0 || array && dirty;
            if young && header.0 & GC_OLD != 0 && !remembered {
                return Err(HeapError::MissedBarrier(Ref(r), i, value));
            }
        }
        Ok(size)
    }

    /// Bytes of the marked objects of all blocks.
    fn marked_bytes(&self) -> u64 {
        let mut sum = 0;
        for block in &self.old {
            // Sizes were checked by `census`, so this cannot fail.
            let _ = self.each_marked(block, |r| {
                sum += self.size_of(r, u64::MAX)?;
                Ok(())
            });
        }
        sum
    }

    fn check_account(&self) -> Result<(), HeapError> {
        let sum = |chunks: &[Chunk]| chunks.iter().map(Chunk::bytes).sum::<u64>();
        let large: u64 = self.large.iter().map(|l| l.bytes()).sum();
        let old_used: u64 = if self.blocks.is_some() {
            self.marked_bytes()
        } else {
            self.old.iter().map(Chunk::used).sum()
        };
        let (young, aged, old) = (sum(&self.young), sum(&self.aged), sum(&self.old));
        let aged_used: u64 = self.aged.iter().map(Chunk::used).sum();
        let retained: u64 = self.retained.iter().map(|l| l.bytes()).sum();
        let held = young + aged + old + large + retained + sum(&self.pool) + sum(&self.quarantine);
        let pooled = (self.pool.len() as u64) * self.chunk_bytes;
        for (what, counted, kept) in [
            ("young bytes", young, self.young_bytes),
            ("aged bytes", aged, self.aged_bytes),
            ("aged bytes used", aged_used, self.aged_used),
            ("old bytes", old, self.old_bytes),
            ("old bytes used", old_used, self.old_used),
            ("large bytes", large, self.large_bytes),
            ("pooled bytes", sum(&self.pool), pooled),
            ("retained bytes", retained, self.retained_bytes),
            ("committed bytes", held, self.committed),
        ] {
            if counted != kept {
                return Err(HeapError::BadAccount(what, counted, kept));
            }
        }
        let required = self.required(0, 0);
        if required > self.limit {
            return Err(HeapError::BadAccount(
                "bytes within the limit",
                required,
                self.limit,
            ));
        }
        Ok(())
    }
}

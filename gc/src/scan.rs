//! What both kinds of collection do with an object: forward each of its references.
//!
//! What must stay true: nothing here recurses; slots are read and written inside the object that the header
//! describes; an old object that refers to one that stays young is in the remembered set afterwards, or the card with
//! the reference is set.

use crate::cage::{Cage, PAGE, PAGE_GRANULES, PAGE_SHIFT};
use crate::chunk::{AGED, CARD_SHIFT, Chunk, LARGE_KEPT, LARGE_WHITE, PageTable};
use crate::collect::Work;
use crate::copies::Copies;
use crate::external::ExternalTable;
use crate::handles::HandleTable;
use crate::heap::Roots;
use crate::layout::{
    self, DATA_OFFSET, EXT_INDEX_OFFSET, Format, GC_BITS, GC_OLD, GC_REMEMBERED, GRANULE_SHIFT,
    Header, LENGTH_OFFSET, RECORD_REFS,
};
use crate::remembered::Remembered;

/// How many slots ahead of the scan objects are prefetched (in arrays and long records).
const AHEAD: usize = 8;

/// Set in the reference of a large object (which starts a page) of which only what has cards is to be scanned.
const CARDS_ONLY: u32 = 1;

/// What every collection has, whatever the old space.
pub(crate) struct Shared<'h> {
    /// Address of reference 0.
    pub base: *mut u8,
    /// Where chunks are.
    pub cage: &'h Cage,
    /// What the pages of the cage are used for.
    pub pages: PageTable,
    /// Chunks for copies.
    pub pool: &'h mut Vec<Chunk>,
    /// The external buffers.
    pub external: &'h mut ExternalTable,
    /// The remembered set.
    pub remembered: &'h mut Remembered,
    /// Whether the whole heap is collected.
    pub full: bool,
    /// Copies of what stays young.
    pub aged: Copies,
    /// Large objects that were reached and not scanned yet: references, with `CARDS_ONLY`.
    pub large: Vec<u32>,
    /// Set when a reference is forwarded to an object that stays young.
    pub met_young: bool,
    /// What was done.
    pub work: Work,
}

impl<'h> Shared<'h> {
    /// Nothing is done.
    pub fn new(
        base: *mut u8,
        (cage, pages): (&'h Cage, PageTable),
        pool: &'h mut Vec<Chunk>,
        external: &'h mut ExternalTable,
        remembered: &'h mut Remembered,
        full: bool,
    ) -> Shared<'h> {
        Shared {
            base,
            cage,
            pages,
            pool,
            external,
            remembered,
            full,
            aged: Copies::new(Vec::new(), AGED),
            large: Vec::new(),
            met_young: false,
            work: Work::default(),
        }
    }
}

/// A collection under way.
pub(crate) trait Scan<'h> {
    /// Whether survivors may stay young.
    const AGES: bool;

    /// What every collection has.
    fn shared(&self) -> &Shared<'h>;

    /// The same, to change it.
    fn shared_mut(&mut self) -> &mut Shared<'h>;

    /// Where the object is after the collection.
    ///
    /// # Safety
    /// `r` is an immediate or leads to an object of this heap.
    unsafe fn forward(&mut self, r: u32) -> u32;

    /// Address of a reference.
    #[inline(always)]
    fn at(&self, r: u32) -> *mut u8 {
        self.shared()
            .base
            .wrapping_add((r as usize) << GRANULE_SHIFT)
    }

    /// Forwards what the roots and handles hold.
    ///
    /// # Safety
    /// They hold immediates or live references.
    unsafe fn scan_roots(&mut self, roots: &mut dyn Roots, handles: &mut HandleTable) {
        // SAFETY: the caller's promise.
        unsafe {
            roots.visit(&mut |slot| {
                if let Ok(r) = u32::try_from(*slot) {
                    *slot = u64::from(self.forward(r));
                }
            });
            for slot in handles.values() {
                slot.0 = self.forward(slot.0);
            }
        }
    }

    /// Scans the old objects that were stored into: the remembered set, and what of large arrays has cards. How many
    /// bytes that were, about.
    ///
    /// # Safety
    /// They lead to old objects; `dirty` has pages of arrays of references.
    unsafe fn scan_written(&mut self, dirty: &[(u32, u32)]) -> u64 {
        let mut bytes = 0;
        // SAFETY: the caller's promise.
        unsafe {
            for &(array, page) in dirty {
                // New ones are scanned when they are reached.
                if self.shared_mut().pages.of(array) == LARGE_KEPT {
                    bytes += self.scan_cards(array, page);
                }
            }
            let mut kept = 0;
            for i in 0..self.shared().remembered.objects().len() {
                let r = self.shared().remembered.objects()[i];
                // A new array that is called old is scanned when it is reached; it may be dead.
                if self.shared_mut().pages.of(r) == LARGE_WHITE {
                    continue;
                }
                let size = self.scan_remembered(r);
                bytes += size;
                if self.shared().met_young {
                    self.shared_mut().work.again += size;
                    self.set_remembered(r);
                    self.shared_mut().remembered.put(kept, r);
                    kept += 1;
                }
            }
            self.shared_mut().remembered.truncate(kept);
        }
        bytes
    }

    /// Keeps a large object that was reached for the first time.
    ///
    /// # Safety
    /// `r` leads to the object of a `LARGE_WHITE` run.
    #[cold]
    #[inline(never)]
    unsafe fn keep_large(&mut self, r: u32) {
        let p = self.at(r).cast::<u64>();
        // SAFETY: an object's header is readable and writable.
        let before = unsafe {
            let before = p.read();
            p.write(before & !GC_BITS | GC_OLD);
            before
        };
        self.shared_mut()
            .pages
            .set(r / PAGE_GRANULES, 1, LARGE_KEPT);
        // A new array that is called old has had cards from the start, unless all of it was remembered.
        let cards_only = !self.shared().full && before & (GC_OLD | GC_REMEMBERED) == GC_OLD;
        self.shared_mut()
            .large
            .push(if cards_only { r | CARDS_ONLY } else { r });
    }

    /// Scans a large object that was reached, an entry of `large`; bytes of it that were looked at.
    ///
    /// # Safety
    /// It leads to a live large object; with `CARDS_ONLY` to a reference array.
    unsafe fn scan_large(&mut self, entry: u32) -> u64 {
        let r = entry & !CARDS_ONLY;
        // SAFETY: the caller's promise; an array has a length word.
        unsafe {
            if entry & CARDS_ONLY == 0 {
                return self.scan_old(r);
            }
            let header = Header(self.at(r).cast::<u64>().read());
            let pages = size_at(self.at(r), header).div_ceil(PAGE as u64) as u32;
            let first = r / PAGE_GRANULES;
            (first..first + pages)
                .map(|page| self.scan_cards(r, page))
                .sum()
        }
    }

    /// Scans an object of the remembered set and says in its header that it is not in it; its size in bytes. Whether
    /// it leads to young objects is in `met_young`.
    ///
    /// # Safety
    /// `r` leads to an old object.
    unsafe fn scan_remembered(&mut self, r: u32) -> u64 {
        self.shared_mut().met_young = false;
        // SAFETY: an object's header is readable and writable.
        unsafe {
            let p = self.at(r).cast::<u64>();
            p.write(p.read() & !GC_REMEMBERED);
            self.scan_object(r)
        }
    }

    /// Says in the header of an object that it is in the remembered set; whether it said so before.
    ///
    /// # Safety
    /// `r` leads to an old object.
    unsafe fn set_remembered(&mut self, r: u32) -> bool {
        // SAFETY: an object's header is readable and writable.
        unsafe {
            let p = self.at(r).cast::<u64>();
            let before = p.read();
            p.write(before | GC_REMEMBERED);
            before & GC_REMEMBERED != 0
        }
    }

    /// Scans an old object, and remembers it where it leads to one that stays young; its size in bytes.
    ///
    /// # Safety
    /// `r` leads to an old object whose references are live.
    #[inline(always)]
    unsafe fn scan_old(&mut self, r: u32) -> u64 {
        self.shared_mut().met_young = false;
        // SAFETY: the caller's promise.
        let bytes = unsafe { self.scan_object(r) };
        if Self::AGES && self.shared().met_young {
            // SAFETY: as above.
            unsafe { self.remember(r, bytes) };
        }
        bytes
    }

    /// # Safety
    /// `r` leads to an old object, which has so many bytes.
    #[cold]
    #[inline(never)]
    unsafe fn remember(&mut self, r: u32, bytes: u64) {
        // SAFETY: the caller's promise.
        if !unsafe { self.set_remembered(r) } {
            self.shared_mut().work.again += bytes;
            self.shared_mut().remembered.push(r);
        }
    }

    /// Scans the elements of a large array that lie in the cards of one page that were stored into; their bytes, about.
    /// Cards stay where there are references to objects that stay young.
    ///
    /// # Safety
    /// `array` leads to a reference array, in whose run the page lies.
    unsafe fn scan_cards(&mut self, array: u32, page: u32) -> u64 {
        let mut cards = self.shared_mut().pages.cards(page);
        let bytes = u64::from(cards.count_ones()) << CARD_SHIFT;
        let mut kept = 0;
        let from = ((page - array / PAGE_GRANULES) as u64) << PAGE_SHIFT;
        let data = DATA_OFFSET as u64;
        // SAFETY: the array has a length word, and the elements scanned are below its length.
        unsafe {
            let len = self.at(array).add(LENGTH_OFFSET).cast::<u32>().read() as u64;
            while cards != 0 {
                let lowest = cards & cards.wrapping_neg();
                let card = from + ((cards.trailing_zeros() as u64) << CARD_SHIFT);
                cards &= cards - 1;
                self.shared_mut().met_young = false;
                let start = card.max(data);
                let end = (card + (1 << CARD_SHIFT)).min(data + 4 * len);
                let slots = self.at(array).add(start as usize).cast::<u32>();
                // Nothing is prefetched: most of what an old array refers to is old, and not looked at.
                for i in 0..(end.saturating_sub(start) / 4) as usize {
                    self.scan_slot(slots.add(i));
                }
                if self.shared().met_young {
                    kept |= lowest;
                }
            }
        }
        self.shared_mut().work.again += u64::from(kept.count_ones()) << CARD_SHIFT;
        self.shared_mut().pages.set_cards(page, kept);
        bytes
    }

    /// Forwards the references of one object; its size in bytes.
    ///
    /// # Safety
    /// `r` leads to an object whose references are live.
    #[inline(always)]
    unsafe fn scan_object(&mut self, r: u32) -> u64 {
        let p = self.at(r);
        // SAFETY: the header (and, where it says so, the length word and the elements) belongs to the
        // object and is readable and writable.
        unsafe {
            let header = Header(p.cast::<u64>().read());
            match header.format() {
                Some(Format::Record) => {
                    self.scan_slots(p.add(RECORD_REFS).cast(), header.nrefs());
                    header.record_bytes() as u64
                }
                Some(Format::RefArray) => {
                    let len = p.add(LENGTH_OFFSET).cast::<u32>().read();
                    self.scan_slots(p.add(DATA_OFFSET).cast(), len);
                    layout::array_size(Format::RefArray, len)
                }
                Some(Format::ExtStr) => {
                    let index = p.add(EXT_INDEX_OFFSET).cast::<u64>().read();
                    self.shared_mut()
                        .external
                        .mark(index, header.0 & GC_OLD != 0);
                    layout::EXT_STR_SIZE as u64
                }
                _ => size_at(p, header),
            }
        }
    }

    /// # Safety
    /// `slots` leads to `n` reference slots of an object.
    #[inline(always)]
    unsafe fn scan_slots(&mut self, slots: *mut u32, n: u32) {
        let n = n as usize;
        for i in 0..n {
            // SAFETY: `i < n`; what the slot holds is live.
            unsafe {
                if i + AHEAD < n {
                    prefetch(self.at(slots.add(i + AHEAD).read()));
                }
                self.scan_slot(slots.add(i));
            }
        }
    }

    /// # Safety
    /// `slot` leads to a reference slot of an object.
    #[inline(always)]
    unsafe fn scan_slot(&mut self, slot: *mut u32) {
        // SAFETY: the caller's promise; what the slot holds is live.
        unsafe {
            let before = slot.read();
            let after = self.forward(before);
            if after != before {
                slot.write(after);
            }
        }
    }
}

/// Starts loading what is at `p` where the machine can be asked to.
#[inline(always)]
pub(crate) fn prefetch(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect that a program can see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Size of the object at `p`.
///
/// # Safety
/// `p` leads to an object with this header.
#[inline(always)]
pub(crate) unsafe fn size_at(p: *const u8, header: Header) -> u64 {
    match header.format() {
        Some(Format::Record) => header.record_bytes() as u64,
        Some(Format::ExtStr) => layout::EXT_STR_SIZE as u64,
        Some(Format::Forwarded) | None => corrupt_header(header),
        Some(array) => {
            // SAFETY: arrays and strings have a length word.
            let len = unsafe { p.add(LENGTH_OFFSET).cast::<u32>().read() };
            layout::array_size(array, len)
        }
    }
}

#[cold]
#[inline(never)]
fn corrupt_header(header: Header) -> ! {
    panic!("heap corrupt: header {:#x}", header.0);
}

/// Copies the `granules` words of an object, whose header becomes `header`.
///
/// # Safety
/// Both lead to so many words, which do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_object(source: *const u64, target: *mut u64, granules: u32, header: u64) {
    // SAFETY: the caller's promise. The small sizes are spelled out because calling memcpy for them costs more than
    // the copy.
    unsafe {
        target.write(header);
        let (s, t) = (source.add(1), target.add(1));
        match granules {
            1 => {}
            2 => copy_words::<1>(s, t),
            3 => copy_words::<2>(s, t),
            4 => copy_words::<3>(s, t),
            5 => copy_words::<4>(s, t),
            6 => copy_words::<5>(s, t),
            n => t.copy_from_nonoverlapping(s, n as usize - 1),
        }
    }
}

/// # Safety
/// Both lead to `N` words, which do not overlap.
#[inline(always)]
unsafe fn copy_words<const N: usize>(source: *const u64, target: *mut u64) {
    // SAFETY: the caller's promise.
    unsafe {
        target
            .cast::<[u64; N]>()
            .write(source.cast::<[u64; N]>().read())
    };
}

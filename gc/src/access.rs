//! Reading and writing objects, the write barrier, and bytes of strings.
//!
//! All of this trusts the reference that it is given; that is the contract of every function here,
//! spelled out once: **the object contract** — `obj` is a reference to a live object of this heap, of
//! the format that the function is for, obtained or updated since the last allocation or collection,
//! and indices are below the object's counts.
//!
//! What must stay true: a reference stored into an object that an allocation may have made old since
//! its own is followed (or preceded) by the write barrier, with no allocation between. Borrows of bytes
//! are bound to the heap's borrow, so they end before anything can move.

use crate::account::DIRTY_STEP;
use crate::cage::{PAGE, PAGE_SHIFT};
use crate::chunk::{AGED, CARD_SHIFT, LARGE_KEPT, LARGE_REST, LARGE_WHITE, SHARED, YOUNG};
use crate::heap::Heap;
use crate::layout::{
    self, DATA_OFFSET, EXT_INDEX_OFFSET, Format, GC_OLD, GC_REMEMBERED, HASH_OFFSET, Header,
    LENGTH_OFFSET, Ref,
};
use std::sync::Arc;

/// What was asked of an object that is not of the format for it.
const WRONG_FORMAT: &[u8] = &[];

/// Number of the page that an element of a reference array lies in, and of the card within it.
pub(crate) fn card_of_element(obj: Ref, index: u32) -> (u32, u32) {
    let at = obj.offset() + DATA_OFFSET + 4 * index as usize;
    let card = (at % PAGE) >> CARD_SHIFT;
    ((at >> PAGE_SHIFT) as u32, card as u32)
}

impl Heap {
    /// Address of an object; of reference 0 plus the offset for anything else.
    #[inline(always)]
    pub fn address(&self, obj: Ref) -> *mut u8 {
        self.core.base.wrapping_add(obj.offset())
    }

    /// The header.
    ///
    /// # Safety
    /// The object contract (any format).
    #[inline(always)]
    pub unsafe fn header(&self, obj: Ref) -> Header {
        // SAFETY: an object starts with its header.
        Header(unsafe { self.address(obj).cast::<u64>().read() })
    }

    /// Notes that a reference was (or is about to be) stored into `obj`. Needed for each store but those
    /// into an object that was allocated after the last allocation that could collect.
    ///
    /// # Safety
    /// The object contract (any format).
    #[inline(always)]
    pub unsafe fn write_barrier(&mut self, obj: Ref) {
        // SAFETY: as for `header`; the collector's bits are in the first byte.
        let bits = unsafe { self.address(obj).read() } as u64;
        if bits & (GC_OLD | GC_REMEMBERED) == GC_OLD {
            // SAFETY: passed on.
            unsafe { self.remember(obj) };
        }
    }

    /// The barrier for element `index` of a reference array. Of large arrays only the card with the
    /// element is remembered.
    ///
    /// # Safety
    /// The object contract (`RefArray`).
    #[inline(always)]
    pub unsafe fn write_barrier_element(&mut self, obj: Ref, index: u32, new: Ref) {
        // SAFETY: as for `write_barrier`.
        let bits = unsafe { self.address(obj).read() } as u64;
        if bits & (GC_OLD | GC_REMEMBERED) == GC_OLD {
            // SAFETY: passed on.
            unsafe { self.remember_element(obj, index, new) };
        }
    }

    /// The slow path of the barrier for elements.
    ///
    /// # Safety
    /// The object contract (`RefArray`), and the object is old and not remembered.
    #[cold]
    #[inline(never)]
    pub unsafe fn remember_element(&mut self, obj: Ref, index: u32, new: Ref) {
        if !self.is_young(new) {
            return;
        }
        if self.has_cards(obj) {
            let (page, card) = card_of_element(obj, index);
            self.dirty_cards(obj, page, 1 << card);
        } else {
            // SAFETY: passed on.
            unsafe { self.remember(obj) };
        }
    }

    /// Whether the next young collection may move the object or drop it.
    #[inline(always)]
    fn is_young(&self, r: Ref) -> bool {
        matches!(self.pages.of(r.0), YOUNG | AGED | SHARED | LARGE_WHITE)
    }

    /// Whether it is a card that remembers what is stored into an array whose header says that it is old.
    #[inline(always)]
    fn has_cards(&self, array: Ref) -> bool {
        matches!(self.pages.of(array.0), LARGE_KEPT | LARGE_WHITE)
    }

    /// The barrier for `n` elements from `index` of a reference array.
    ///
    /// # Safety
    /// The object contract (`RefArray`), and the range lies inside.
    pub unsafe fn write_barrier_range(&mut self, obj: Ref, index: u32, n: u32) {
        // SAFETY: passed on.
        unsafe {
            if n == 0 || self.header(obj).0 & (GC_OLD | GC_REMEMBERED) != GC_OLD {
                return;
            }
            if self.has_cards(obj) {
                let (first, from) = card_of_element(obj, index);
                let (last, to) = card_of_element(obj, index + (n - 1));
                for page in first..=last {
                    let low = if page == first {
                        u64::MAX << from
                    } else {
                        u64::MAX
                    };
                    let high = if page == last {
                        u64::MAX >> (63 - to)
                    } else {
                        u64::MAX
                    };
                    self.dirty_cards(obj, page, low & high);
                }
            } else {
                self.remember(obj);
            }
        }
    }

    /// The barrier for `n` elements that are to be copied between reference arrays. Where the source is old its cards
    /// (or that it has none) say which of the target's are needed: a list that grows takes them along.
    ///
    /// # Safety
    /// The object contract (`RefArray`) for both, and both ranges lie inside.
    unsafe fn write_barrier_copy(&mut self, from: Ref, from_at: u32, to: Ref, to_at: u32, n: u32) {
        // SAFETY: passed on.
        unsafe {
            if n == 0 || self.header(to).0 & (GC_OLD | GC_REMEMBERED) != GC_OLD {
                return;
            }
            if self.header(from).0 & (GC_OLD | GC_REMEMBERED) != GC_OLD {
                self.write_barrier_range(to, to_at, n);
                return;
            }
            // What is old, not remembered and without cards refers to nothing young.
            if !self.has_cards(from) {
                return;
            }
            let offset = |at: u32| DATA_OFFSET as u64 + 4 * u64::from(at);
            let (start, end) = (offset(to_at), offset(to_at) + 4 * u64::from(n));
            let source = |at: u64| at + offset(from_at) - offset(to_at);
            let (first, last) = (start >> CARD_SHIFT, (end - 1) >> CARD_SHIFT);
            for i in 0..=last - first {
                // Within one array no card is looked at that was set on the way.
                let card = if from_at < to_at { last - i } else { first + i };
                let low = (card << CARD_SHIFT).max(start);
                let high = ((card + 1) << CARD_SHIFT).min(end) - 4;
                let set = [low, high].iter().any(|&at| {
                    let at = from.offset() + source(at) as usize;
                    let bits = self.pages.cards((at >> PAGE_SHIFT) as u32);
                    bits >> ((at % PAGE) >> CARD_SHIFT) & 1 == 1
                });
                if set {
                    let (page, card) = card_of_element(to, ((low - offset(0)) / 4) as u32);
                    if self.has_cards(to) {
                        self.dirty_cards(to, page, 1 << card);
                    } else {
                        self.remember(to);
                        return;
                    }
                }
            }
        }
    }

    /// Stores one value into the first `n` elements of a reference array, with the barrier.
    ///
    /// # Safety
    /// The object contract (`RefArray`), and so many elements lie inside.
    pub unsafe fn fill_refs(&mut self, array: Ref, n: u32, value: Ref) {
        // SAFETY: passed on; the elements lie inside the object.
        unsafe {
            if self.is_young(value) {
                self.write_barrier_range(array, 0, n);
            }
            let data = self.data_ptr(array).cast::<u32>();
            std::slice::from_raw_parts_mut(data, n as usize).fill(value.0);
        }
    }

    fn dirty_cards(&mut self, obj: Ref, page: u32, cards: u64) {
        let before = self.pages.cards(page);
        if !matches!(
            self.pages.of_page(page),
            LARGE_KEPT | LARGE_WHITE | LARGE_REST
        ) {
            return;
        }
        self.pages.set_cards(page, before | cards);
        if before != 0 {
            // It is in the list.
            return;
        }
        if self.dirty.len() == self.dirty.capacity() {
            // There is an entry for each page of a large object at most, which is charged with the object.
            let most = (self.large_bytes >> PAGE_SHIFT) as usize;
            let more = (2 * self.dirty.len()).clamp(DIRTY_STEP, most.max(DIRTY_STEP));
            self.dirty
                .reserve_exact(more.saturating_sub(self.dirty.len()));
        }
        self.dirty.push((obj.0, page));
    }

    /// The barrier's slow path: puts an old object into the remembered set.
    ///
    /// # Safety
    /// The object contract (any format), and the object is old and not remembered.
    #[cold]
    #[inline(never)]
    pub unsafe fn remember(&mut self, obj: Ref) {
        // SAFETY: as for `header`.
        unsafe {
            let p = self.address(obj).cast::<u64>();
            p.write(p.read() | GC_REMEMBERED);
        }
        self.remembered.push(obj.0);
    }

    /// Reference field `i` of a record.
    ///
    /// # Safety
    /// The object contract (`Record`).
    #[inline(always)]
    pub unsafe fn ref_field(&self, obj: Ref, i: u32) -> Ref {
        // SAFETY: the field lies inside the object.
        Ref(unsafe {
            self.address(obj)
                .add(layout::ref_offset(i))
                .cast::<u32>()
                .read()
        })
    }

    /// Stores a reference field of a record, with the barrier.
    ///
    /// # Safety
    /// The object contract (`Record`); `value` is an immediate or a live reference of this heap.
    #[inline(always)]
    pub unsafe fn set_ref_field(&mut self, obj: Ref, i: u32, value: Ref) {
        // SAFETY: passed on.
        unsafe {
            self.write_barrier(obj);
            self.init_ref_field(obj, i, value);
        }
    }

    /// Stores a reference field of a record that was allocated after the last allocation that could
    /// collect: without the barrier.
    ///
    /// # Safety
    /// As for [`Heap::set_ref_field`], and the object is that fresh (or the barrier is called apart).
    #[inline(always)]
    pub unsafe fn init_ref_field(&mut self, obj: Ref, i: u32, value: Ref) {
        // SAFETY: the field lies inside the object.
        unsafe {
            self.address(obj)
                .add(layout::ref_offset(i))
                .cast::<u32>()
                .write(value.0)
        };
    }

    /// Scalar word `j` of a record.
    ///
    /// # Safety
    /// The object contract (`Record`).
    #[inline(always)]
    pub unsafe fn word_field(&self, obj: Ref, j: u32) -> u64 {
        // SAFETY: the field lies inside the object.
        unsafe {
            let offset = layout::word_offset(self.header(obj).nrefs(), j);
            self.address(obj).add(offset).cast::<u64>().read()
        }
    }

    /// Stores a scalar word of a record.
    ///
    /// # Safety
    /// The object contract (`Record`).
    #[inline(always)]
    pub unsafe fn set_word_field(&mut self, obj: Ref, j: u32, value: u64) {
        // SAFETY: the field lies inside the object.
        unsafe {
            let offset = layout::word_offset(self.header(obj).nrefs(), j);
            self.address(obj).add(offset).cast::<u64>().write(value);
        }
    }

    /// Length of an array in elements, of a string in bytes.
    ///
    /// # Safety
    /// The object contract (any format but `Record`).
    #[inline(always)]
    pub unsafe fn len(&self, obj: Ref) -> u32 {
        // SAFETY: every format but records has a length word.
        unsafe { self.address(obj).add(LENGTH_OFFSET).cast::<u32>().read() }
    }

    /// Address of the elements of an array or of the bytes of an inline string.
    #[inline(always)]
    pub fn data_ptr(&self, obj: Ref) -> *mut u8 {
        self.address(obj).wrapping_add(DATA_OFFSET)
    }

    /// Element `i` of a reference array.
    ///
    /// # Safety
    /// The object contract (`RefArray`).
    #[inline(always)]
    pub unsafe fn ref_at(&self, obj: Ref, i: u32) -> Ref {
        // SAFETY: the element lies inside the object.
        Ref(unsafe { self.data_ptr(obj).cast::<u32>().add(i as usize).read() })
    }

    /// Stores element `i` of a reference array, with the barrier.
    ///
    /// # Safety
    /// The object contract (`RefArray`); `value` is an immediate or a live reference of this heap.
    #[inline(always)]
    pub unsafe fn set_ref_at(&mut self, obj: Ref, i: u32, value: Ref) {
        // SAFETY: passed on; the element lies inside the object.
        unsafe {
            self.write_barrier_element(obj, i, value);
            self.data_ptr(obj)
                .cast::<u32>()
                .add(i as usize)
                .write(value.0);
        }
    }

    /// Copies `n` elements between arrays of one format (or bytes between inline strings and byte
    /// arrays), as memmove does, with the barrier.
    ///
    /// # Safety
    /// The object contract for both, element sizes are equal, both are reference arrays or neither is,
    /// and both ranges lie inside.
    pub unsafe fn copy_elements(&mut self, from: Ref, from_at: u32, to: Ref, to_at: u32, n: u32) {
        // SAFETY: passed on; both ranges lie inside their objects.
        unsafe {
            let header = self.header(to);
            let size = header.format().map_or(0, Format::element_size);
            if header.format_bits() == Format::RefArray as u64 {
                self.write_barrier_copy(from, from_at, to, to_at, n);
            }
            let source = self.data_ptr(from).add(from_at as usize * size);
            let target = self.data_ptr(to).add(to_at as usize * size);
            target.copy_from(source, n as usize * size);
        }
    }

    /// The bytes of a string or byte array.
    ///
    /// # Safety
    /// The object contract (`Str`, `ExtStr` or `Bytes`).
    #[inline]
    pub unsafe fn str_bytes(&self, obj: Ref) -> &[u8] {
        // SAFETY: inline bytes belong to the object and nothing writes or moves them while `self` is
        // borrowed.
        unsafe {
            match self.header(obj).format() {
                Some(Format::Str | Format::Bytes) => {
                    std::slice::from_raw_parts(self.data_ptr(obj), self.len(obj) as usize)
                }
                Some(Format::ExtStr) => self.external_buffer(obj).map_or(WRONG_FORMAT, |b| b),
                _ => WRONG_FORMAT,
            }
        }
    }

    /// The bytes of a byte array, to be written.
    ///
    /// # Safety
    /// The object contract (`Bytes`, or a `Str` that nobody has read yet).
    #[inline]
    pub unsafe fn bytes_mut(&mut self, obj: Ref) -> &mut [u8] {
        // SAFETY: the bytes belong to the object, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.data_ptr(obj), self.len(obj) as usize) }
    }

    /// The external buffer of an `ExtStr`; its index is checked.
    ///
    /// # Safety
    /// The object contract (`ExtStr`).
    #[inline]
    pub unsafe fn external_buffer(&self, obj: Ref) -> Option<&Arc<[u8]>> {
        // SAFETY: the index lies inside the object.
        let index = unsafe { self.address(obj).add(EXT_INDEX_OFFSET).cast::<u64>().read() };
        self.external.get(index)
    }

    /// The cached hash of a string; 0 when it was not computed.
    ///
    /// # Safety
    /// The object contract (`Str` or `ExtStr`).
    #[inline(always)]
    pub unsafe fn str_hash(&self, obj: Ref) -> u32 {
        // SAFETY: the word lies inside the object.
        unsafe { self.address(obj).add(HASH_OFFSET).cast::<u32>().read() }
    }

    /// Caches the hash of a string.
    ///
    /// # Safety
    /// The object contract (`Str` or `ExtStr`).
    #[inline(always)]
    pub unsafe fn set_str_hash(&mut self, obj: Ref, hash: u32) {
        // SAFETY: the word lies inside the object.
        unsafe { self.address(obj).add(HASH_OFFSET).cast::<u32>().write(hash) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cage::Cage;
    use crate::heap::{HeapConfig, NoRoots};

    #[test]
    fn a_heap_leaves_no_cards_behind() {
        let cage = Arc::new(Cage::new(1 << 24).expect("cage"));
        let mut heap = Heap::new_in(&cage, HeapConfig::default());
        let array = heap.alloc_array(Format::RefArray, 1, 20_000, &mut NoRoots);
        let array = array.expect("room");
        // SAFETY: live references; the array is large, so it does not move.
        unsafe {
            heap.handle(array).expect("a handle");
            heap.collect(&mut NoRoots).expect("room");
            let young = heap.alloc_array(Format::Bytes, 1, 1, &mut NoRoots);
            heap.set_ref_at(array, 10_000, young.expect("room"));
        }
        let (page, card) = card_of_element(array, 10_000);
        assert_eq!(cage.table().cards(page), 1 << card);
        drop(heap);
        assert_eq!(cage.table().cards(page), 0);
    }

    /// Cards that are set of a large array.
    fn cards_of(heap: &Heap, array: Ref) -> u32 {
        let first = (array.offset() >> PAGE_SHIFT) as u32;
        let pages = (first..).take_while(|&p| p == first || heap.pages.of_page(p) == LARGE_REST);
        pages.map(|p| heap.pages.cards(p).count_ones()).sum()
    }

    #[test]
    fn cards_go_along_with_what_is_copied() {
        const LEN: u32 = 40_000;
        const FEW: u32 = 3;
        let mut heap = Heap::new(HeapConfig::default()).expect("cage");
        let mut state = 1u64;
        let mut random = |n: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) as u32 % n
        };
        for round in 0..200 {
            // SAFETY: live references; the arrays are large, so they do not move; ranges lie inside.
            unsafe {
                let array = |heap: &mut Heap| {
                    let made = heap.alloc_array(Format::RefArray, 1, LEN, &mut NoRoots);
                    heap.handle(made.expect("room")).expect("a handle")
                };
                let (a, b) = (array(&mut heap), array(&mut heap));
                if round % 2 == 0 {
                    heap.collect_minor(&mut NoRoots).expect("room");
                }
                let young = heap.alloc_array(Format::Bytes, 1, 1, &mut NoRoots);
                let young = young.expect("room");
                let from = heap.get(a).expect("a handle");
                let to = if round % 3 == 0 {
                    from
                } else {
                    heap.get(b).expect("a handle")
                };
                let n = 1 + random(LEN - 600);
                let (x, y) = (random(600), random(600));
                // At both ends of cards and of the range, where mistakes would be.
                for at in [x, x + n - 1, x + random(n)] {
                    heap.set_ref_at(from, at, young);
                }
                heap.copy_elements(from, x, to, y, n);
                heap.check(&mut NoRoots).expect("sound heap");
                let most = if to == from { 3 * FEW } else { 2 * FEW };
                assert!(cards_of(&heap, to) <= most, "{} cards", cards_of(&heap, to));
                heap.collect_minor(&mut NoRoots).expect("room");
                let after = heap.ref_at(to, y + n - 1);
                assert!(after.is_address() && heap.header(after).0 & GC_OLD != 0);
                assert!(heap.drop_handle(a) && heap.drop_handle(b));
            }
        }
    }

    #[test]
    fn cards_stay_while_what_they_lead_to_is_young() {
        for blocks_from in [0, u64::MAX] {
            let config = HeapConfig {
                ageing: crate::Ageing::Always,
                blocks_from,
                ..HeapConfig::default()
            };
            let mut heap = Heap::new(config).expect("cage");
            heap.collect(&mut NoRoots).expect("room");
            // SAFETY: live references; the array is large, so it does not move.
            unsafe {
                let array = heap.alloc_array(Format::RefArray, 1, 40_000, &mut NoRoots);
                let array = array.expect("room");
                heap.handle(array).expect("a handle");
                for i in [5, 6, 30_000] {
                    let young = heap.alloc_array(Format::Bytes, 1, 1, &mut NoRoots);
                    heap.set_ref_at(array, i, young.expect("room"));
                }
                for (cards, pages) in [(2, 2), (2, 2), (0, 0), (0, 0)] {
                    heap.check(&mut NoRoots).expect("sound heap");
                    assert_eq!((cards_of(&heap, array), heap.dirty.len()), (cards, pages));
                    heap.collect_minor(&mut NoRoots).expect("room");
                }
                // What was cut off in between is not looked for again.
                let young = heap.alloc_array(Format::Bytes, 1, 1, &mut NoRoots);
                heap.set_ref_at(array, 9, young.expect("room"));
                heap.collect_minor(&mut NoRoots).expect("room");
                assert_eq!(cards_of(&heap, array), 1);
                heap.set_ref_at(array, 9, Ref::NULL);
                let promoted = heap.stats().bytes_promoted;
                heap.collect_minor(&mut NoRoots).expect("room");
                assert_eq!(heap.stats().bytes_promoted, promoted);
                assert_eq!((cards_of(&heap, array), heap.dirty.len()), (0, 0));
            }
        }
    }

    #[test]
    fn a_large_array_is_charged_with_the_list_of_its_pages() {
        let mut heap = Heap::new(HeapConfig::default()).expect("cage");
        let len = 4 << 20;
        let before = heap.required(0, 0);
        let made = heap.alloc_array(Format::RefArray, 1, len, &mut NoRoots);
        let array = made.expect("room");
        let charged = heap.required(0, 0) - before;
        assert_eq!(charged, heap.large_bytes + heap.large_bytes / (2 << 10));
        // SAFETY: the array is large, so it does not move; indices are below its length.
        unsafe {
            heap.handle(array).expect("a handle");
            heap.collect(&mut NoRoots).expect("room");
            let held = heap.held();
            for i in (0..len).step_by(4 << 10).chain([len - 1]) {
                let young = heap.alloc_array(Format::Bytes, 1, 1, &mut NoRoots);
                heap.set_ref_at(array, i, young.expect("room"));
            }
            assert_eq!(heap.dirty.len() as u64, heap.large_bytes >> PAGE_SHIFT);
            assert_eq!(heap.dirty.capacity(), heap.dirty.len());
            let (young, listed) = (heap.young_bytes, 8 * heap.dirty.len() as u64);
            assert_eq!(heap.held(), held + young + listed - 8 * DIRTY_STEP as u64);
        }
        heap.collect_minor(&mut NoRoots).expect("room");
        assert!(heap.dirty.is_empty() && heap.dirty.capacity() <= DIRTY_STEP);
    }
}

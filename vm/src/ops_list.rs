//! Handlers of list access. A list is a record (reference: backing array or 0; word: length); the backing
//! array's own length is the capacity, and every element of it is valid (zero above the length).

use crate::dispatch::{FIRST, S, handler};
use jet_gc::layout::{DATA_OFFSET, GC_OLD, GC_REMEMBERED, LENGTH_OFFSET, ref_offset, word_offset};
use jet_gc::{Format, Header};

/// Header of every list.
pub const LIST_HEADER: Header = Header::record(0, 0, 1, 1);
/// Byte offset of a list's backing reference.
pub const LIST_DATA: usize = ref_offset(0);
/// Byte offset of a list's length.
pub const LIST_LEN: usize = word_offset(LIST_HEADER.nrefs(), 0);

/// Element storage.
pub(crate) trait Elem {
    /// Whether elements are references (stores need the write barrier).
    const REF: bool;
    /// Bytes of an element.
    const SIZE: usize;
    /// Format of the backing array.
    const FORMAT: Format;
    /// # Safety
    /// `p` is the address of an element.
    unsafe fn load(p: *const u8) -> u64;
    /// # Safety
    /// `p` is the address of an element.
    unsafe fn store(p: *mut u8, v: u64);
}
macro_rules! elems {
    ($($(#[$m:meta])* $name:ident $t:ty, $is_ref:literal, $format:ident;)*) => { $(
        $(#[$m])*
        pub(crate) struct $name;
        impl Elem for $name {
            const REF: bool = $is_ref;
            const SIZE: usize = size_of::<$t>();
            const FORMAT: Format = Format::$format;
            #[inline(always)]
            unsafe fn load(p: *const u8) -> u64 {
                // SAFETY: the caller's promise; arrays are aligned to their elements.
                unsafe { p.cast::<$t>().read() as u64 }
            }
            #[inline(always)]
            unsafe fn store(p: *mut u8, v: u64) {
                // SAFETY: the caller's promise; arrays are aligned to their elements.
                unsafe { p.cast::<$t>().write(v as $t) }
            }
        }
    )* };
}
elems! {
    /// 8-byte scalars.
    Words u64, false, Words;
    /// Bytes.
    Bytes u8, false, Bytes;
    /// 4-byte scalars.
    U32s u32, false, U32s;
    /// References.
    Refs u32, true, RefArray;
}

impl S {
    /// Address of element 0 of a list's backing array.
    ///
    /// # Safety
    /// `list` is the address of a list.
    #[inline(always)]
    pub unsafe fn backing(self, list: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.object(u64::from(list.add(LIST_DATA).cast::<u32>().read())) }
    }
}

/// Whether storing a reference into the object at `p` must be told to the collector.
///
/// # Safety
/// `p` is the address of an object.
#[inline(always)]
pub(crate) unsafe fn needs_barrier(p: *const u8) -> bool {
    // SAFETY: the lowest byte of a header.
    unsafe { u64::from(*p) & (GC_OLD | GC_REMEMBERED) == GC_OLD }
}

/// Length of the list at `p`.
///
/// # Safety
/// `p` is the address of a list.
#[inline(always)]
pub(crate) unsafe fn list_len(p: *const u8) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { p.add(LIST_LEN).cast::<u64>().read() }
}

handler! { fn list_len_op[const ACC: u8](s) {
    s.put(list_len(s.object(s.rb::<ACC, FIRST>())))
} }
// An empty list needs no backing array.
handler! { fn list_new[E: Elem](s) {
    let left = s.fuel - s.l() as i64;
    let core = (*s.ctx).core;
    let r = (*core).alloc_ptr;
    if s.reg(s.b()) != 0 || left < 0 || (*core).alloc_end - r < LIST_HEADER.record_granules() {
        return s.tail(crate::slow::slow_op::<crate::lists::New<E>>);
    }
    (*core).alloc_ptr = r + LIST_HEADER.record_granules();
    s.object(u64::from(r)).cast::<u64>().write(LIST_HEADER.0);
    S { fuel: left, ..s }.put(u64::from(r))
} }
handler! { fn list_get[E: Elem, const ACC: u8](s) {
    let list = s.object(s.rb::<ACC, FIRST>());
    let i = s.rc::<ACC>();
    if i >= list_len(list) {
        return s.fault();
    }
    let p = s.backing(list).add(DATA_OFFSET + i as usize * E::SIZE);
    s.put(E::load(p))
} }
handler! { fn list_set[E: Elem, const ACC: u8](s) {
    let list = s.object(s.reg(s.a()));
    let i = s.rb::<ACC, FIRST>();
    if i >= list_len(list) {
        return s.fault();
    }
    let array = s.backing(list);
    if E::REF && needs_barrier(array) {
        return s.tail(list_set_barrier);
    }
    E::store(array.add(DATA_OFFSET + i as usize * E::SIZE), s.rc::<ACC>());
    s.skip(1)
} }
handler! { #[cold] #[inline(never)] fn list_set_barrier[](s) {
    let list = s.object(s.reg(s.a()));
    let array = list.add(LIST_DATA).cast::<u32>().read();
    set_element(s.ctx, array, s.reg(s.b()) as u32, s.reg(s.c()) as u32);
    s.skip(1)
} }

/// Stores a reference into an array, telling the collector.
///
/// # Safety
/// `array` is an array of references with more than `i` elements, `value` valid in it.
#[inline(never)]
pub(crate) unsafe fn set_element(ctx: *mut crate::ctx::Ctx, array: u32, i: u32, value: u32) {
    // SAFETY: the caller's promise; nobody else uses the heap meanwhile.
    unsafe {
        (*ctx)
            .heap_box
            .set_ref_at(jet_gc::Ref(array), i, jet_gc::Ref(value));
    }
}

handler! { fn list_push[E: Elem](s) {
    let list = s.object(s.reg(s.a()));
    let len = list_len(list);
    let data = list.add(LIST_DATA).cast::<u32>().read();
    let array = s.object(u64::from(data));
    if data == 0
        || len >= u64::from(array.add(LENGTH_OFFSET).cast::<u32>().read())
        || (E::REF && needs_barrier(array))
    {
        return s.tail(crate::slow::slow_op::<crate::lists::Push<E>>);
    }
    E::store(array.add(DATA_OFFSET + len as usize * E::SIZE), s.reg(s.b()));
    list.add(LIST_LEN).cast::<u64>().write(len + 1);
    s.skip(1)
} }
handler! { fn list_pop[E: Elem](s) {
    let list = s.object(s.reg(s.b()));
    let len = list_len(list);
    if len == 0 {
        return s.fault();
    }
    let p = s.backing(list).add(DATA_OFFSET + (len - 1) as usize * E::SIZE);
    let value = E::load(p);
    if E::REF {
        E::store(p, 0);
    }
    list.add(LIST_LEN).cast::<u64>().write(len - 1);
    s.put(value)
} }
handler! { fn list_swap[E: Elem](s) {
    let list = s.object(s.reg(s.a()));
    let len = list_len(list);
    let (i, j) = (s.reg(s.b()), s.reg(s.c()));
    if i >= len || j >= len {
        return s.fault();
    }
    let array = s.backing(list);
    let p = array.add(DATA_OFFSET + i as usize * E::SIZE);
    let q = array.add(DATA_OFFSET + j as usize * E::SIZE);
    let (x, y) = (E::load(p), E::load(q));
    if E::REF && needs_barrier(array) {
        // Which of a large array's cards hold young references changes with the swap.
        return s.tail(list_swap_barrier);
    }
    E::store(p, y);
    E::store(q, x);
    s.skip(1)
} }
handler! { #[cold] #[inline(never)] fn list_swap_barrier[](s) {
    let list = s.object(s.reg(s.a()));
    let array = list.add(LIST_DATA).cast::<u32>().read();
    let (i, j) = (s.reg(s.b()) as u32, s.reg(s.c()) as u32);
    let p = s.backing(list).add(DATA_OFFSET);
    let x = p.add(i as usize * 4).cast::<u32>().read();
    let y = p.add(j as usize * 4).cast::<u32>().read();
    set_element(s.ctx, array, i, y);
    set_element(s.ctx, array, j, x);
    s.skip(1)
} }

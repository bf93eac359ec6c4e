//! Handlers of records: structs, tuples, enum variants, captures. Field offsets in bytes stand in the
//! lanes; the arguments of a `new` were put in layout order (references, then words) by the loader, which
//! put the object's header into the slot of the first extension word, its size in granules into lane 0,
//! and the counts of references and words into lanes `b` and `c`.

use crate::dispatch::{FIRST, S, handler, tag, type_id};
use crate::ops_list::needs_barrier;
use jet_gc::layout::{FIRST_ADDRESS, RECORD_REFS, ref_index, word_offset};

handler! { fn get_word[const ACC: u8](s) {
    let p = s.object(s.rb::<ACC, FIRST>());
    s.put(p.add(s.c()).cast::<u64>().read())
} }
handler! { fn get_ref[const ACC: u8](s) {
    let p = s.object(s.rb::<ACC, FIRST>());
    s.put(u64::from(p.add(s.c()).cast::<u32>().read()))
} }
handler! { fn capture_word[](s) {
    let p = s.object(s.reg(0));
    s.put(p.add(s.c()).cast::<u64>().read())
} }
handler! { fn capture_ref[](s) {
    let p = s.object(s.reg(0));
    s.put(u64::from(p.add(s.c()).cast::<u32>().read()))
} }
// Lane b: the offset; lane c: the value.
handler! { fn set_word[const ACC: u8](s) {
    let p = s.object(s.reg(s.a()));
    p.add(s.b()).cast::<u64>().write(s.rc::<ACC>());
    s.skip(1)
} }
handler! { fn set_ref[const ACC: u8](s) {
    let p = s.object(s.reg(s.a()));
    if needs_barrier(p) {
        return s.tail(set_ref_barrier);
    }
    p.add(s.b()).cast::<u32>().write(s.rc::<ACC>() as u32);
    s.skip(1)
} }
handler! { #[cold] #[inline(never)] fn set_ref_barrier[](s) {
    set_field(s.ctx, s.reg(s.a()) as u32, ref_index(s.b()), s.reg(s.c()) as u32);
    s.skip(1)
} }

/// Stores a reference into a record, telling the collector.
///
/// # Safety
/// `object` is a record with more than `i` references, `value` valid in it.
#[inline(never)]
pub(crate) unsafe fn set_field(ctx: *mut crate::ctx::Ctx, object: u32, i: u32, value: u32) {
    // SAFETY: the caller's promise; nobody else uses the heap meanwhile.
    unsafe {
        (*ctx)
            .heap_box
            .set_ref_field(jet_gc::Ref(object), i, jet_gc::Ref(value));
    }
}

// Payload of a nullable enum: the register itself, if it is not `none`.
handler! { fn payload_nullable[](s) {
    let r = s.reg(s.b());
    if r == 0 {
        return s.fault();
    }
    s.put(r)
} }
// The `none` variant has no payload, so this is never verified code; kept total all the same.
handler! { fn always_fault[](s) { s.fault() } }
// Payload of a boxed enum or error: lane 0 is the variant, lane c the offset.
handler! { fn payload_boxed[const IS_REF: bool](s) {
    let r = s.reg(s.b());
    let p = s.object(r);
    if r < u64::from(FIRST_ADDRESS) || tag(p) != s.l() {
        return s.fault();
    }
    s.put(if IS_REF {
        u64::from(p.add(s.c()).cast::<u32>().read())
    } else {
        p.add(s.c()).cast::<u64>().read()
    })
} }
// Lane c: the nominal id that the header must show.
handler! { fn err_cast[](s) {
    let r = s.reg(s.b());
    if type_id(s.object(r)) != s.c() {
        return s.fault();
    }
    s.put(r)
} }

impl S {
    /// Inline allocation of a record with the header in the first extension word; 0 when the slow path
    /// has to be taken.
    ///
    /// # Safety
    /// The instruction is one of this module's `new` forms.
    #[inline(always)]
    unsafe fn bump(self) -> u32 {
        // SAFETY: the core outlives the run; the loader put the size of this header's record in lane 0.
        unsafe {
            let core = (*self.ctx).core;
            let r = (*core).alloc_ptr;
            let n = self.l() as u32;
            if (*core).alloc_end - r < n {
                return 0;
            }
            (*core).alloc_ptr = r + n;
            let header = (*self.pc.add(1)).slot.addr() as u64;
            self.object(u64::from(r)).cast::<u64>().write(header);
            r
        }
    }
}

handler! { fn new_fixed[const REFS: usize, const WORDS: usize](s) {
    let r = s.bump();
    if r == 0 {
        return s.tail(crate::slow::slow_op::<crate::slow::NewRecord>);
    }
    let object = s.object(u64::from(r));
    let p = object.add(RECORD_REFS);
    let mut k = 0;
    while k < REFS {
        p.cast::<u32>().add(k).write(s.arg(k) as u32);
        k += 1;
    }
    let q = object.add(word_offset(REFS as u32, 0)).cast::<u64>();
    let mut k = 0;
    while k < WORDS {
        q.add(k).write(s.arg(REFS + k));
        k += 1;
    }
    s.put_skip(u64::from(r), 2)
} }
handler! { fn new_any[](s) {
    let r = s.bump();
    if r == 0 {
        return s.tail(crate::slow::slow_op::<crate::slow::NewRecord>);
    }
    let (refs, words) = (s.b(), s.c());
    let object = s.object(u64::from(r));
    let p = object.add(RECORD_REFS);
    let mut k = 0;
    while k < refs {
        p.cast::<u32>().add(k).write(s.arg(k) as u32);
        k += 1;
    }
    let q = object.add(word_offset(refs as u32, 0)).cast::<u64>();
    let mut k = 0;
    while k < words {
        q.add(k).write(s.arg(refs + k));
        k += 1;
    }
    s.put_skip(u64::from(r), 1 + (refs + words).div_ceil(4).max(1))
} }

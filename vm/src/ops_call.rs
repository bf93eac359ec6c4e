//! Handlers of calls and returns.
//!
//! A frame's header is two words below its register 0: at -2 the call instruction's lanes (lane `a` is the
//! result register), at -1 the return address (48 bits) over the distance in words from the caller's
//! register 0 to this frame's (16 bits). The loader put the latter word, complete, into the slot of the
//! call's first extension word; lanes `b` and `c` of a direct call are the distance in words from the call
//! to the callee's first instruction. Arguments are copied; other registers hold anything until written.
//! A call that can fail is followed by `on_error`; its return address is the word behind that, and an error
//! return goes one word lower.

use crate::code::{HEADER_WORDS, Word};
use crate::ctx::Ctx;
use crate::dispatch::{FAILED, FINISHED, S, handler, type_id};
use jet_gc::layout::ref_offset;

impl S {
    /// The callee's register 0.
    ///
    /// # Safety
    /// The instruction is a call.
    #[inline(always)]
    unsafe fn window(self) -> *mut u64 {
        // SAFETY: the low lane of the first extension word's slot is the frame distance.
        unsafe {
            let link = (*self.pc.add(1)).slot.addr();
            self.regs.add(link & 0xffff)
        }
    }

    /// Enters the function at `entry` with its register 0 at `callee`.
    ///
    /// # Safety
    /// The arguments are in place and the limits were checked.
    #[inline(always)]
    unsafe fn enter<const COUNT: bool>(
        mut self,
        entry: *const Word,
        callee: *mut u64,
        depth: i64,
    ) -> u64 {
        // SAFETY: the header's place is inside the stack, between the two frames.
        unsafe {
            (*self.ctx).depth_left = depth;
            let lanes = (&raw const (*self.pc).l).cast::<u64>().read();
            callee.sub(HEADER_WORDS).write(lanes);
            callee.sub(1).write((*self.pc.add(1)).slot.addr() as u64);
            self.pc = entry;
            self.regs = callee;
            if COUNT {
                let cell = crate::native::counter(self.ctx, entry);
                let n = *cell;
                if n == 0 {
                    return self.tail(crate::native::hot);
                }
                *cell = n - 1;
            }
            self.go()
        }
    }
}

/// Checks that a call makes before it does anything: fuel, depth, stack.
macro_rules! checked {
    ($s:ident, $callee:ident, $depth:ident) => {
        let left = $s.fuel - $s.l() as i64;
        if left < 0 {
            return $s.tail(crate::fuel::slice_end);
        }
        let $callee = $s.window();
        let $depth = (*$s.ctx).depth_left - 1;
        if $callee > (*$s.ctx).stack_limit || $depth < 0 {
            return $s.tail(crate::trap::depth);
        }
        let $s = S { fuel: left, ..$s };
    };
}

// N: 0..=4 arguments.
handler! { fn call[const N: usize, const COUNT: bool](s) {
    checked!(s, callee, depth);
    let mut k = 0;
    while k < N {
        callee.add(k).write(s.arg(k));
        k += 1;
    }
    let entry = s.pc.offset(s.imm32() as isize);
    s.enter::<COUNT>(entry, callee, depth)
} }
// The number of arguments is the slot of the second extension word.
handler! { fn call_many[const COUNT: bool](s) {
    checked!(s, callee, depth);
    let n = (*s.pc.add(2)).slot.addr();
    let mut k = 0;
    while k < n {
        callee.add(k).write(s.arg(k));
        k += 1;
    }
    let entry = s.pc.offset(s.imm32() as isize);
    s.enter::<COUNT>(entry, callee, depth)
} }
/// Stands for a number of arguments that is in lane `c`.
pub(crate) const ANY: usize = usize::MAX;

// Lane b: the closure; lane c: the number of arguments.
handler! { fn call_fn[const N: usize, const COUNT: bool](s) {
    let closure = s.reg(s.b());
    let id = type_id(s.object(closure));
    if id == crate::ctx::BOUND_FN as usize {
        return s.tail(call_bound);
    }
    checked!(s, callee, depth);
    let f = (*s.ctx).functions.add(id);
    // Without environment the arguments start at register 0 and overwrite it.
    callee.write(closure);
    let n = if N == ANY { s.c() } else { N };
    let first = callee.add((*f).env as usize);
    let mut k = 0;
    while k < n {
        first.add(k).write(s.arg(k));
        k += 1;
    }
    s.enter::<COUNT>((*f).entry, callee, depth)
} }
// A bound function is a record: the storable function, then its capabilities.
handler! { #[inline(never)] fn call_bound[](s) {
    checked!(s, callee, depth);
    let bound = s.object(s.reg(s.b()));
    let refs = jet_gc::Header(bound.cast::<u64>().read()).nrefs();
    let inner = u64::from(bound.add(ref_offset(0)).cast::<u32>().read());
    let f = (*s.ctx).functions.add(type_id(s.object(inner)));
    callee.write(inner);
    let mut at = callee.add((*f).env as usize);
    let mut k = 1;
    while k < refs {
        at.write(u64::from(bound.add(ref_offset(k)).cast::<u32>().read()));
        at = at.add(1);
        k += 1;
    }
    let n = s.c();
    let mut k = 0;
    while k < n {
        at.write(s.arg(k));
        at = at.add(1);
        k += 1;
    }
    (*s.ctx).bound = true;
    s.enter::<false>((*f).entry, callee, depth)
} }
// Lane b: the site (its row of entry points by type); lane c: number of arguments, of which the one whose
// place is in the slot's site is the object.
handler! { fn call_dyn[const N: usize, const COUNT: bool](s) {
    checked!(s, callee, depth);
    let site = (*s.ctx).sites.add(s.b());
    let object = s.arg((*site).object);
    let id = type_id(s.object(object));
    let entry = *(*site).row.add(id - (*site).first as usize);
    let n = if N == ANY { s.c() } else { N };
    let mut k = 0;
    while k < n {
        callee.add(k).write(s.arg(k));
        k += 1;
    }
    s.enter::<COUNT>(entry, callee, depth)
} }

handler! { fn ret[const ACC: u8](s) {
    let left = s.fuel - s.l() as i64;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    let value = s.ra::<ACC>();
    leave(s, left, value)
} }
handler! { fn raise[](s) {
    let left = s.fuel - s.l() as i64;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    let error = s.reg(s.a());
    leave_error(s, left, error)
} }

/// Returns `value` to the caller.
///
/// # Safety
/// `s` is in a frame whose header is complete.
#[inline(always)]
pub(crate) unsafe fn leave(s: S, fuel: i64, value: u64) -> u64 {
    // SAFETY: headers are written by `enter` or the instance, and never by verified code.
    unsafe {
        let link = s.regs.sub(1).read();
        let dst = usize::from(s.regs.sub(HEADER_WORDS).cast::<u16>().add(1).read());
        let regs = s.regs.sub((link & 0xffff) as usize);
        (*s.ctx).depth_left += 1;
        regs.add(dst).write(value);
        let pc = core::ptr::with_exposed_provenance::<Word>((link >> 16) as usize);
        S {
            pc,
            regs,
            fuel,
            acc: value,
            ..s
        }
        .go()
    }
}

/// Returns `error` to the caller's `on_error`.
///
/// # Safety
/// As [`leave`], and the call can fail.
#[inline(always)]
pub(crate) unsafe fn leave_error(s: S, fuel: i64, error: u64) -> u64 {
    // SAFETY: as in `leave`; the word before the return address is `on_error`.
    unsafe {
        let link = s.regs.sub(1).read();
        let regs = s.regs.sub((link & 0xffff) as usize);
        (*s.ctx).depth_left += 1;
        let pc = core::ptr::with_exposed_provenance::<Word>((link >> 16) as usize).sub(1);
        S {
            pc,
            regs,
            fuel,
            acc: error,
            ..s
        }
        .go()
    }
}

// Reached by an error return only; the error is in the accumulator.
handler! { fn on_error[const BACK: u8](s) {
    if BACK != 0 {
        let left = s.fuel - s.cost::<BACK>();
        if left < 0 {
            return s.tail(crate::fuel::slice_end);
        }
        s.set(s.a(), s.acc);
        return S { fuel: left, ..s }.jump(s.imm32());
    }
    s.set(s.a(), s.acc);
    s.jump(s.imm32())
} }

// Where the entry function's frame returns to: an error, then (one word on) a value.
handler! { fn halt_error[](s) { stop(s, FAILED) } }
handler! { fn halt[](s) { stop(s, FINISHED) } }

/// Ends the run: saves what the embedder reads.
///
/// # Safety
/// As all handlers.
#[inline(always)]
unsafe fn stop(s: S, status: u64) -> u64 {
    // SAFETY: the context outlives the run.
    unsafe {
        let ctx: *mut Ctx = s.ctx;
        (*ctx).fuel = s.fuel;
        (*ctx).acc = s.acc;
        (*ctx).pc = s.pc;
        (*ctx).regs = s.regs;
        status
    }
}

// A charge op whose cost does not fit a lane: the whole cost is in the table of big costs at index lane 0,
// the real handler in the table beside it, which sees lane 0 of a copy of the instruction that costs nothing.
handler! { #[inline(never)] fn charge_big[](s) {
    let big = (*s.ctx).big_charges.add(s.l());
    let left = s.fuel - (*big).cost;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    // The handler's own charge of lane 0 is given back in advance.
    S { fuel: left + s.l() as i64, ..s }.tail((*big).handler)
} }

//! Handlers of jumps. `BACK`: 0 forward (free), 1 backward with its cost in lane 0, 2 backward with its
//! cost in the table of big costs at lane 0, 3 as 1 where the target counts for the compiler.

use crate::dispatch::{FIRST, S, handler, keep_branch, tag, type_id};
use crate::ops_num::Cmp;
use jet_gc::layout::FIRST_ADDRESS;

/// Backward with its cost in lane 0, and the target counts.
pub(crate) const COUNTED: u8 = 3;

impl S {
    /// Takes a jump by `words`, charging first where it goes back.
    ///
    /// # Safety
    /// As [`S::jump`].
    #[inline(always)]
    pub unsafe fn take<const BACK: u8>(mut self, words: i64) -> u64 {
        keep_branch();
        // SAFETY: the caller's promise; a big cost's index is in range.
        unsafe {
            if BACK != 0 {
                let left = self.fuel - self.cost::<BACK>();
                if left < 0 {
                    return self.tail(crate::fuel::slice_end);
                }
                self.fuel = left;
            }
            if BACK == COUNTED {
                let target = self.pc.offset(words as isize);
                let cell = crate::native::counter(self.ctx, target);
                let n = *cell;
                if n == 0 {
                    return S { pc: target, ..self }.tail(crate::native::hot);
                }
                *cell = n - 1;
            }
            self.jump(words)
        }
    }

    /// Static cost of the charge point.
    ///
    /// # Safety
    /// As the module of [`S`] says.
    #[inline(always)]
    pub unsafe fn cost<const BACK: u8>(self) -> i64 {
        // SAFETY: the loader filled in the lane.
        unsafe {
            if BACK == 2 {
                *(*self.ctx).big_costs.add(self.l())
            } else {
                self.l() as i64
            }
        }
    }
}

handler! { fn jmp[const BACK: u8](s) { s.take::<BACK>(s.imm32()) } }
handler! { fn jmp_if[const BACK: u8, const ACC: u8](s) {
    if s.ra::<ACC>() != 0 { s.take::<BACK>(s.imm32()) } else { s.skip(1) }
} }
handler! { fn jmp_if_not[const BACK: u8, const ACC: u8](s) {
    if s.ra::<ACC>() == 0 { s.take::<BACK>(s.imm32()) } else { s.skip(1) }
} }
handler! { fn jcmp[C: Cmp, const BACK: u8, const ACC: u8](s) {
    let y = if ACC == crate::dispatch::SECOND { s.acc } else { s.reg(s.b()) };
    if C::test(s.ra::<ACC>(), y) { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }
handler! { fn jcmp_imm[C: Cmp, const BACK: u8, const ACC: u8](s) {
    if C::test(s.ra::<ACC>(), s.imm_b() as u64) { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }
// Lane `b` unsigned: a variant index.
handler! { fn jtag_word[const NEGATE: bool, const BACK: u8](s) {
    if (s.reg(s.a()) == s.b() as u64) != NEGATE { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }
// The variant is the one without payload of a nullable enum exactly if the register is zero.
handler! { fn jnull[const NEGATE: bool, const BACK: u8](s) {
    if (s.reg(s.a()) == 0) != NEGATE { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }
// Variant with payload of a boxed enum, or any variant of an error.
handler! { fn jtag_boxed[const NEGATE: bool, const BACK: u8](s) {
    let r = s.reg(s.a());
    let is = r >= u64::from(FIRST_ADDRESS) && tag(s.object(r)) == s.b();
    if is != NEGATE { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }
// Error types are told apart by the header, which holds the type id that is in lane b.
handler! { fn jerr_is[const BACK: u8](s) {
    let r = s.reg(s.a());
    if type_id(s.object(r)) == s.b() { s.take::<BACK>(s.imm_c()) } else { s.skip(1) }
} }

/// How a switch finds its value.
pub(crate) trait Selector {
    /// # Safety
    /// The register holds a value of the type that the loader chose this selector for.
    unsafe fn value(s: S, reg: u64) -> u64;
}
/// An int or an enum without payloads.
pub(crate) struct SelWord;
/// A nullable enum whose `none` is variant 0.
pub(crate) struct SelNone0;
/// A nullable enum whose `none` is variant 1.
pub(crate) struct SelNone1;
/// A boxed enum or an error.
pub(crate) struct SelBoxed;

impl Selector for SelWord {
    #[inline(always)]
    unsafe fn value(_: S, reg: u64) -> u64 {
        reg
    }
}
impl Selector for SelNone0 {
    #[inline(always)]
    unsafe fn value(_: S, reg: u64) -> u64 {
        u64::from(reg != 0)
    }
}
impl Selector for SelNone1 {
    #[inline(always)]
    unsafe fn value(_: S, reg: u64) -> u64 {
        u64::from(reg == 0)
    }
}
impl Selector for SelBoxed {
    #[inline(always)]
    unsafe fn value(s: S, reg: u64) -> u64 {
        if reg < u64::from(FIRST_ADDRESS) {
            reg
        } else {
            // SAFETY: an object of an enum.
            unsafe { tag(s.object(reg)) as u64 }
        }
    }
}

handler! { fn switch[T: Selector, const BIG: bool](s) {
    let value = T::value(s, s.reg(s.a()));
    let n = s.b() as u64;
    if value >= n {
        // Words behind: max(1, ceil(n / 2)).
        return s.skip(1 + (s.b().div_ceil(2)).max(1));
    }
    let pair = (&raw const (*s.pc.add(1 + (value / 2) as usize)).l).cast::<i32>();
    let words = i64::from(pair.add((value % 2) as usize).read());
    if words > 0 {
        s.take::<0>(words)
    } else if BIG {
        s.take::<2>(words)
    } else {
        s.take::<1>(words)
    }
} }
handler! { fn get_tag[T: Selector](s) { s.put(T::value(s, s.rb::<0, FIRST>())) } }

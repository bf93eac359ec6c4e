//! Dispatch: the machine state that handlers pass to each other, the macro that defines a handler, and
//! operand access.
//!
//! A handler ends by calling the next one in tail position with all its state in arguments. That call
//! becomes a jump only while a handler has no local with a destructor, no local whose address escapes and
//! at most six integer arguments; whatever needs more lives in a function of its own ([`crate::slow`]) or in a
//! cold handler. In loop mode (`not(jet_threaded)`) the same bodies store the state in [`Ctx`] and return
//! [`CONTINUE`].
//!
//! What must stay true (the safety argument of all handlers): the code was built by [`crate::load`] from
//! a verified program, so every register index is below the frame's size, every extension word exists,
//! every reference register that is read holds a live object of its declared type (or an immediate where
//! the type allows one), and the word after any instruction that falls through is an instruction.

use jet_gc::Header;
use jet_gc::layout::{FORMAT_MASK, GRANULE_SHIFT, TAG_OFFSET};

use crate::code::Word;
use crate::ctx::Ctx;

/// Returned by a handler in loop mode: state is in the context, call the next one.
pub(crate) const CONTINUE: u64 = 0;
/// The entry function returned on its value edge; the value is in `Ctx::acc`.
pub(crate) const FINISHED: u64 = 1;
/// The entry function returned on its error edge; the error is in `Ctx::acc`.
pub(crate) const FAILED: u64 = 2;
/// A trap was recorded in `Ctx::trap`.
pub(crate) const TRAPPED: u64 = 3;
/// A host call will answer later; `Ctx::waiting` says which.
pub(crate) const WAITING: u64 = 4;

/// A handler. All pointers are valid for the run; see the module's invariant. (The calling convention of C has
/// registers for all arguments on every machine that the heap's cage is implemented for.)
pub(crate) type Handler =
    unsafe extern "C" fn(*const Word, *mut u64, *mut u8, *mut Ctx, i64, u64, f64) -> u64;

/// Defines a handler: `handler! { fn name[generics](s) { body } }`. The body runs with `s: S` and may do
/// what the module's invariant allows.
macro_rules! handler {
    ($(#[$m:meta])* fn $name:ident [$($g:tt)*] ($s:ident) $body:block) => {
        $(#[$m])*
        pub(crate) unsafe extern "C" fn $name<$($g)*>(
            pc: *const $crate::code::Word,
            regs: *mut u64,
            heap: *mut u8,
            ctx: *mut $crate::ctx::Ctx,
            fuel: i64,
            acc: u64,
            facc: f64,
        ) -> u64 {
            let $s = $crate::dispatch::S { pc, regs, heap, ctx, fuel, acc, facc };
            // SAFETY: called by dispatch only, under the invariant of `crate::dispatch`.
            unsafe { $body }
        }
    };
}
pub(crate) use handler;

/// Operand comes from its register.
pub(crate) const NONE: u8 = 0;
/// The first register operand is in the accumulator.
pub(crate) const FIRST: u8 = 1;
/// The second register operand is in the accumulator.
pub(crate) const SECOND: u8 = 2;

/// The machine state, in the order in which handlers take it.
#[derive(Clone, Copy)]
pub(crate) struct S {
    /// The running instruction.
    pub pc: *const Word,
    /// Register 0 of the running frame.
    pub regs: *mut u64,
    /// Base of the heap's cage.
    pub heap: *mut u8,
    /// Everything else.
    pub ctx: *mut Ctx,
    /// What is left of the fuel slice.
    pub fuel: i64,
    /// The value that the previous instruction wrote, where the loader relies on it; the value or error
    /// that a return carries.
    pub acc: u64,
    /// The same for floats.
    pub facc: f64,
}

/// Keeps a branch a branch: the compiler must not turn two continuations that differ in `pc` alone into a
/// conditional move, which would make the next fetch wait for the data.
#[inline(always)]
pub(crate) fn keep_branch() {
    #[cfg(not(miri))]
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

// Every method is for handlers only, under the module's invariant; none takes the address of `self`, and
// all are inlined, so that the state stays in registers.
impl S {
    /// Runs the instruction at `pc`.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn go(self) -> u64 {
        #[cfg(jet_threaded)]
        // SAFETY: `pc` is an instruction, whose slot is its handler.
        unsafe {
            ((*self.pc).handler())(
                self.pc, self.regs, self.heap, self.ctx, self.fuel, self.acc, self.facc,
            )
        }
        #[cfg(not(jet_threaded))]
        // SAFETY: the context outlives the run, and nobody else refers to it now.
        unsafe {
            let ctx = &mut *self.ctx;
            ctx.pc = self.pc;
            ctx.regs = self.regs;
            ctx.fuel = self.fuel;
            ctx.acc = self.acc;
            ctx.facc = self.facc;
            CONTINUE
        }
    }

    /// Runs the handler `h` in this state instead.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn tail(self, h: Handler) -> u64 {
        // SAFETY: same state, same invariant.
        unsafe {
            h(
                self.pc, self.regs, self.heap, self.ctx, self.fuel, self.acc, self.facc,
            )
        }
    }

    /// Goes on `words` further.
    ///
    /// # Safety
    /// There is an instruction.
    #[inline(always)]
    pub unsafe fn skip(mut self, words: usize) -> u64 {
        // SAFETY: the caller's promise.
        unsafe {
            self.pc = self.pc.add(words);
            self.go()
        }
    }

    /// Writes `value` to register lane `a` and goes on, with the value in the accumulator.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn put(mut self, value: u64) -> u64 {
        // SAFETY: lane `a` is a register.
        unsafe {
            self.set(self.a(), value);
            self.acc = value;
            self.skip(1)
        }
    }

    /// Writes `value` to register lane `a` and goes on `words` further.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn put_skip(mut self, value: u64, words: usize) -> u64 {
        // SAFETY: lane `a` is a register.
        unsafe {
            self.set(self.a(), value);
            self.acc = value;
            self.skip(words)
        }
    }

    /// Writes float `value` to register lane `a` and goes on, with the value in the float accumulator.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn put_float(mut self, value: f64) -> u64 {
        // SAFETY: lane `a` is a register.
        unsafe {
            self.regs.add(self.a()).cast::<f64>().write(value);
            self.facc = value;
            self.skip(1)
        }
    }

    /// Float register `i`.
    ///
    /// # Safety
    /// `i` is a register of the running function.
    #[inline(always)]
    pub unsafe fn freg(self, i: usize) -> f64 {
        // SAFETY: the caller's promise.
        unsafe { self.regs.add(i).cast::<f64>().read() }
    }

    /// Float register lane `a`, the first operand.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn fa<const ACC: u8>(self) -> f64 {
        // SAFETY: lane `a` is a register.
        unsafe {
            if ACC == FIRST {
                self.facc
            } else {
                self.freg(self.a())
            }
        }
    }

    /// Float register lane `b`; `WHICH` is its place among the operands that are read.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn fb<const ACC: u8, const WHICH: u8>(self) -> f64 {
        // SAFETY: lane `b` is a register.
        unsafe {
            if ACC == WHICH {
                self.facc
            } else {
                self.freg(self.b())
            }
        }
    }

    /// Float register lane `c`, the second operand.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn fc<const ACC: u8>(self) -> f64 {
        // SAFETY: lane `c` is a register.
        unsafe {
            if ACC == SECOND {
                self.facc
            } else {
                self.freg(self.c())
            }
        }
    }

    /// Traps at this instruction; what went wrong is found from it and its operands.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn fault(self) -> u64 {
        // SAFETY: same state.
        unsafe { self.tail(crate::trap::fault) }
    }

    /// Side operand of 16 bits (lane 0, where the opcode was).
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn l(self) -> usize {
        // SAFETY: `pc` is valid.
        unsafe { usize::from((*self.pc).l) }
    }

    /// Lane `a`.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn a(self) -> usize {
        // SAFETY: `pc` is valid.
        unsafe { usize::from((*self.pc).a) }
    }

    /// Lane `b`.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn b(self) -> usize {
        // SAFETY: `pc` is valid.
        unsafe { usize::from((*self.pc).b) }
    }

    /// Lane `c`.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn c(self) -> usize {
        // SAFETY: `pc` is valid.
        unsafe { usize::from((*self.pc).c) }
    }

    /// Lane `b`, signed.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn imm_b(self) -> i64 {
        // SAFETY: `pc` is valid.
        unsafe { i64::from((*self.pc).b as i16) }
    }

    /// Lane `c`, signed.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn imm_c(self) -> i64 {
        // SAFETY: `pc` is valid.
        unsafe { i64::from((*self.pc).c as i16) }
    }

    /// Lanes `b` and `c` as one signed operand.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn imm32(self) -> i64 {
        // SAFETY: `pc` is valid; the two lanes are adjacent and 4-aligned.
        unsafe { i64::from((&raw const (*self.pc).b).cast::<i32>().read()) }
    }

    /// Register `i`.
    ///
    /// # Safety
    /// `i` is a register of the running function.
    #[inline(always)]
    pub unsafe fn reg(self, i: usize) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { *self.regs.add(i) }
    }

    /// Writes register `i`.
    ///
    /// # Safety
    /// `i` is a register of the running function.
    #[inline(always)]
    pub unsafe fn set(self, i: usize, value: u64) {
        // SAFETY: the caller's promise.
        unsafe { *self.regs.add(i) = value }
    }

    /// Register lane `a`, read (from the accumulator if `ACC` says so).
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn ra<const ACC: u8>(self) -> u64 {
        // SAFETY: lane `a` is a register.
        unsafe {
            if ACC == FIRST {
                self.acc
            } else {
                self.reg(self.a())
            }
        }
    }

    /// Register lane `b`; `WHICH` is its place among the operands that are read.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn rb<const ACC: u8, const WHICH: u8>(self) -> u64 {
        // SAFETY: lane `b` is a register.
        unsafe {
            if ACC == WHICH {
                self.acc
            } else {
                self.reg(self.b())
            }
        }
    }

    /// Register lane `c`, the second operand.
    ///
    /// # Safety
    /// As the module says.
    #[inline(always)]
    pub unsafe fn rc<const ACC: u8>(self) -> u64 {
        // SAFETY: lane `c` is a register.
        unsafe {
            if ACC == SECOND {
                self.acc
            } else {
                self.reg(self.c())
            }
        }
    }

    /// Register that is argument `k` of the instruction (in its extension words).
    ///
    /// # Safety
    /// The instruction has more than `k` arguments.
    #[inline(always)]
    pub unsafe fn arg_ix(self, k: usize) -> usize {
        // SAFETY: the extension words follow; each holds four lanes behind its slot.
        unsafe {
            let word = self.pc.add(1 + k / 4);
            usize::from((&raw const (*word).l).add(k % 4).read())
        }
    }

    /// Value of argument `k`.
    ///
    /// # Safety
    /// The instruction has more than `k` arguments.
    #[inline(always)]
    pub unsafe fn arg(self, k: usize) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { self.reg(self.arg_ix(k)) }
    }

    /// Address of the object that a reference names.
    ///
    /// # Safety
    /// `reference` is one of this heap (an immediate gives an address that must not be used).
    #[inline(always)]
    pub unsafe fn object(self, reference: u64) -> *mut u8 {
        // SAFETY: references stay inside the cage.
        unsafe { self.heap.add((reference as u32 as usize) << GRANULE_SHIFT) }
    }

    /// Jumps by `words` relative to this instruction.
    ///
    /// # Safety
    /// The target is an instruction of the same function.
    #[inline(always)]
    pub unsafe fn jump(mut self, words: i64) -> u64 {
        // SAFETY: the caller's promise.
        unsafe {
            self.pc = self.pc.offset(words as isize);
            self.go()
        }
    }
}

/// Type id of the object at `p`.
///
/// # Safety
/// `p` is the address of an object.
#[inline(always)]
pub(crate) unsafe fn type_id(p: *const u8) -> usize {
    // SAFETY: an object starts with its header.
    Header(unsafe { p.cast::<u64>().read() }).type_id() as usize
}

/// Variant of the enum's or error's object at `p`.
///
/// # Safety
/// `p` is the address of an object.
#[inline(always)]
pub(crate) unsafe fn tag(p: *const u8) -> usize {
    // SAFETY: a byte of the header.
    usize::from(unsafe { p.add(TAG_OFFSET).read() })
}

/// Number of the format of the object at `p`.
///
/// # Safety
/// `p` is the address of an object.
#[inline(always)]
pub(crate) unsafe fn format(p: *const u8) -> u8 {
    // SAFETY: the lowest byte of the header.
    unsafe { p.read() & FORMAT_MASK as u8 }
}

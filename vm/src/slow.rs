//! Operations that need more than a handler may have: they allocate, charge by work or trap with a text.
//!
//! A slow operation runs in a function of its own on a [`Vm`] view. What must stay true: the view's `pc` and
//! `regs` are those of the instruction, so a collection sees its operands as roots; an operation re-reads
//! operands after each allocation and keeps other objects in temporaries ([`Vm::keep`]), which are dropped
//! when it ends; fuel is charged before the work.

use jet_bytecode::opcodes::TrapKind;
use jet_gc::OutOfMemory;
use jet_gc::{Format, Header, Ref};

use crate::code::Word;
use crate::ctx::Ctx;
use crate::dispatch::{S, TRAPPED, handler};

/// The operation did not complete: a trap was recorded (or the run waits). Nothing may go on.
#[derive(Debug)]
pub(crate) struct Stop;
/// What slow operations return.
pub(crate) type Done<T = ()> = Result<T, Stop>;

/// A slow operation of the instruction set.
pub(crate) trait SlowOp {
    /// Executes the instruction at `vm.pc`; the result is how many words to go on.
    fn run(vm: &mut Vm<'_>) -> Done<usize>;
}

handler! { fn slow_op[O: SlowOp](s) {
    let words = run_slow::<O>(s.ctx, s.pc, s.regs, s.fuel);
    if words == 0 {
        return TRAPPED;
    }
    // Lane `a` of every slow operation is a register. A fast handler that fell back to one has promised its
    // result to the next instruction.
    let acc = s.reg(s.a());
    S { pc: s.pc.add(words), fuel: (*s.ctx).fuel, acc, facc: 0.0, ..s }.go()
} }

/// The words to go on, or 0.
///
/// # Safety
/// Called by a handler with its state.
#[inline(never)]
unsafe fn run_slow<O: SlowOp>(ctx: *mut Ctx, pc: *const Word, regs: *mut u64, fuel: i64) -> usize {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    ctx.fuel = fuel;
    let mut vm = Vm::new(ctx, pc, regs);
    let words = O::run(&mut vm).unwrap_or(0);
    ctx.roots.temps.clear();
    words
}

/// View of the machine for a slow operation.
pub(crate) struct Vm<'a> {
    /// The context.
    pub ctx: &'a mut Ctx,
    /// The instruction.
    pub pc: *const Word,
    /// The frame.
    pub regs: *mut u64,
}

impl<'a> Vm<'a> {
    /// A view of the frame at `regs`, at instruction `pc`.
    pub fn new(ctx: &'a mut Ctx, pc: *const Word, regs: *mut u64) -> Vm<'a> {
        ctx.pc = pc;
        ctx.regs = regs;
        ctx.roots.pc = pc;
        ctx.roots.regs = regs;
        Vm { ctx, pc, regs }
    }

    /// The instruction word.
    pub fn word(&self) -> Word {
        // SAFETY: `pc` is an instruction.
        unsafe { *self.pc }
    }

    /// Lane `a`.
    pub fn a(&self) -> usize {
        usize::from(self.word().a)
    }

    /// Lane `b`.
    pub fn b(&self) -> usize {
        usize::from(self.word().b)
    }

    /// Lane `c`.
    pub fn c(&self) -> usize {
        usize::from(self.word().c)
    }

    /// Register `i` (an operand of the instruction).
    pub fn reg(&self, i: usize) -> u64 {
        // SAFETY: operands are registers of the frame.
        unsafe { *self.regs.add(i) }
    }

    /// Register `i` as reference.
    pub fn obj(&self, i: usize) -> Ref {
        Ref::from_word(self.reg(i))
    }

    /// Writes register `i` (an operand of the instruction).
    pub fn set(&mut self, i: usize, value: u64) {
        // SAFETY: operands are registers of the frame.
        unsafe { *self.regs.add(i) = value }
    }

    /// Writes the result.
    pub fn result(&mut self, value: u64) {
        self.set(self.a(), value);
    }

    /// Register that is argument `k` in the extension words.
    pub fn arg_ix(&self, k: usize) -> usize {
        // SAFETY: callers pass places below the instruction's count.
        unsafe {
            let word = self.pc.add(1 + k / 4);
            usize::from((&raw const (*word).l).add(k % 4).read())
        }
    }

    /// Value of argument `k`.
    pub fn arg(&self, k: usize) -> u64 {
        self.reg(self.arg_ix(k))
    }

    /// Records a trap at this instruction.
    #[cold]
    pub fn trap(&mut self, kind: TrapKind, message: impl Into<String>) -> Stop {
        crate::trap::record(self.ctx, kind, message.into());
        Stop
    }

    /// Charges dynamic cost.
    pub fn charge(&mut self, cost: u64) -> Done {
        if cost == 0 {
            return Ok(());
        }
        crate::fuel::charge(self.ctx, cost).map_err(|(kind, text)| self.trap(kind, text))
    }

    /// Charges the static cost of this charge op, and dynamic cost.
    pub fn charge_point(&mut self, work: u64) -> Done {
        let index = self.ctx.loaded.code.index_of(self.pc);
        let cost = u64::from(self.ctx.loaded.costs[index]);
        self.charge(cost + work)
    }

    /// Keeps a reference alive until the operation ends; the result is its place for [`Vm::kept`].
    pub fn keep(&mut self, r: Ref) -> usize {
        self.ctx.roots.temps.push(r.to_word());
        self.ctx.roots.temps.len() - 1
    }

    /// A kept reference, where it is now.
    pub fn kept(&self, place: usize) -> Ref {
        Ref::from_word(self.ctx.roots.temps[place])
    }

    /// Changes a kept reference.
    pub fn keep_again(&mut self, place: usize, r: Ref) {
        self.ctx.roots.temps[place] = r.to_word();
    }

    /// The trap for an allocation that failed.
    #[cold]
    pub fn out_of_memory(&mut self, e: OutOfMemory) -> Stop {
        let ctx = &mut *self.ctx;
        ctx.roots.look(&ctx.heap_box, true);
        self.trap(TrapKind::Memory, e.to_string())
    }

    /// A new record with zero fields.
    pub fn record(&mut self, header: Header) -> Done<Ref> {
        let r = self.ctx.heap_box.alloc_record(header, &mut self.ctx.roots);
        r.map_err(|e| self.out_of_memory(e))
    }

    /// A new array of zeros.
    pub fn array(&mut self, format: Format, len: u64) -> Done<Ref> {
        let Ok(n) = u32::try_from(len) else {
            return Err(self.too_large(len));
        };
        let r = self
            .ctx
            .heap_box
            .alloc_array(format, 0, n, &mut self.ctx.roots);
        r.map_err(|e| self.out_of_memory(e))
    }

    /// The trap for more elements or bytes than an object can have.
    #[cold]
    pub fn too_large(&mut self, len: u64) -> Stop {
        let limit = self.ctx.heap_box.limit();
        self.trap(
            TrapKind::Memory,
            format!("{len} elements do not fit the memory limit of {limit} bytes"),
        )
    }

    /// Address of an object.
    pub fn address(&self, r: Ref) -> *mut u8 {
        self.ctx.heap_box.address(r)
    }
}

/// `new` when the nursery is full (see [`crate::ops_record`] for the lanes).
pub(crate) struct NewRecord;

impl SlowOp for NewRecord {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        // SAFETY: the first extension word's slot is the header.
        let header = Header(unsafe { (*vm.pc.add(1)).slot.addr() } as u64);
        let r = vm.record(header)?;
        let (refs, words) = (vm.b(), vm.c());
        for k in 0..refs {
            let value = Ref::from_word(vm.arg(k));
            // SAFETY: a fresh record with that many references; no allocation since.
            unsafe { vm.ctx.heap_box.init_ref_field(r, k as u32, value) };
        }
        for k in 0..words {
            let value = vm.arg(refs + k);
            // SAFETY: a fresh record with that many words.
            unsafe { vm.ctx.heap_box.set_word_field(r, k as u32, value) };
        }
        vm.result(r.to_word());
        Ok(1 + (refs + words).div_ceil(4).max(1))
    }
}

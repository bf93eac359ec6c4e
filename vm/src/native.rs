//! Where the interpreter and machine code meet: entering machine code, coming back from it, executing one
//! instruction for it, and recording.
//!
//! Where a program counts, its code stands in memory twice. The copy has the same lanes; every instruction's
//! handler there is [`step`], and the return links of its calls lead into the copy. Whoever executes in
//! the copy passes through `step` before each instruction, which does what `Ctx::mode` says: `GO` on in the
//! original, `STOP` and return to [`step_one`], or `RECORD` and execute the original's handler, which stays
//! in the copy. A place in the copy has the index of its original everywhere else.
//!
//! What must stay true: machine code returns only with all frames, `pc`, `regs` and `fuel` as the
//! interpreter would have them at an instruction; at most one of recording and machine code is going on in a
//! frame; tables of counters and entries cover the copy too, where counters never run out.

use crate::code::{HEADER_WORDS, Word};
use crate::ctx::Ctx;
use crate::dispatch::{CONTINUE, S, handler};
use crate::plug::{Back, Jit, LEFT, LOW_FUEL, Plug, RAISED, STOPPED};
use jet_bytecode::analysis::decode::instrs;
use jet_bytecode::linked::Program;

/// `Ctx::mode`: the copy leads back to the original.
const GO: u64 = 0;
/// `Ctx::mode`: one instruction was executed for machine code.
const STOP: u64 = 1;
/// `Ctx::mode`: each instruction is told to the compiler.
const RECORD: u64 = 2;

/// Returned by [`step`] to [`step_one`].
const STEPPED: u64 = 5;

/// How much of the native stack machine code may use.
const NATIVE_STACK: usize = 256 << 10;

/// The compiler of an instance with its tables, which cover the copy and have an address for life.
pub(crate) struct Engine {
    /// The compiler.
    pub jit: Box<dyn Jit>,
    counters: Box<[u32]>,
    natives: Box<[*const ()]>,
}

impl Engine {
    /// The compiler, and what it may see and change.
    fn parts(&mut self, bound: bool) -> (&mut dyn Jit, Plug<'_>) {
        let plug = Plug {
            bound,
            counters: &mut self.counters,
            natives: &mut self.natives,
        };
        (&mut *self.jit, plug)
    }
}

/// An entry to machine code: (context, registers, cage, fuel). The compiler's back end uses the same convention.
type Entry = unsafe extern "C" fn(*mut Ctx, *mut u64, *mut u8, i64) -> Back;

/// Fills the second half of `words` with the copy of the first `all`.
pub(crate) fn copy(words: &mut [Word], all: usize, back: &[u16], program: &Program) {
    let (original, copy) = words.split_at_mut(all);
    copy.copy_from_slice(original);
    for (word, _) in copy.iter_mut().zip(back).filter(|(_, back)| **back == 0) {
        word.slot = step as *const ();
    }
    let distance = (all * size_of::<Word>()) << 16;
    let mut start = 0;
    for f in &program.functions {
        for i in instrs(&f.code).map_while(Result::ok) {
            if i.is_call() {
                let word = &mut copy[start + i.pc as usize + 1];
                word.slot = std::ptr::without_provenance(word.slot.addr() + distance);
            }
        }
        start += f.code.len();
    }
    // The special words behind the copy are reached by nobody.
}

/// Puts the compiler into a context whose code counts.
pub(crate) fn attach(ctx: &mut Ctx, jit: Option<Box<dyn Jit>>) {
    let loaded = std::sync::Arc::clone(&ctx.loaded);
    if !loaded.code.counts {
        return;
    }
    let all = loaded.code.total;
    let mut counters = vec![u32::MAX; 2 * all].into_boxed_slice();
    let natives = vec![std::ptr::null::<()>(); 2 * all].into_boxed_slice();
    let base = loaded.code.words.as_ptr().addr();
    ctx.hot_bias = counters
        .as_mut_ptr()
        .expose_provenance()
        .wrapping_sub(base >> 2);
    ctx.native_bias = natives.as_ptr().expose_provenance().wrapping_sub(base >> 1);
    ctx.copy_bytes = all * size_of::<Word>();
    let jit = jit.filter(|_| !loaded.is_observed());
    let Some(mut jit) = jit else {
        // Nobody to ask: counters stay where they do not run out soon, and `hot` says never.
        ctx.jit = Some(Box::new(Engine {
            jit: Box::new(NoJit),
            counters,
            natives,
        }));
        return;
    };
    let (loops, entries) = jit.thresholds();
    counters[..all].fill(loops);
    for start in &loaded.code.starts {
        counters[*start as usize] = entries;
    }
    jit.attach(&loaded);
    ctx.stress = jit.stress_interval();
    ctx.jit = Some(Box::new(Engine {
        jit,
        counters,
        natives,
    }));
}

/// Stands where a program was loaded with counters and no compiler was given.
struct NoJit;
impl Jit for NoJit {
    fn thresholds(&self) -> (u32, u32) {
        (u32::MAX, u32::MAX)
    }
    fn attach(&mut self, _: &std::sync::Arc<crate::load::Loaded>) {}
    fn hot(&mut self, at: usize, plug: &mut Plug<'_>) -> bool {
        plug.count(at, u32::MAX);
        false
    }
    fn left(&self, _: u64) -> Option<&crate::plug::Left> {
        None
    }
    fn exited(&mut self, _: u64, _: &mut Plug<'_>) -> bool {
        false
    }
    fn step(&mut self, _: usize, _: usize, _: &mut Plug<'_>) -> bool {
        false
    }
    fn abandon(&mut self) {}
    fn stress_interval(&mut self) -> u64 {
        0
    }
    fn stats(&self) -> crate::plug::JitStats {
        crate::plug::JitStats::default()
    }
}

/// A run begins: nothing is recorded.
pub(crate) fn begin(ctx: &mut Ctx) {
    end_recording(ctx);
    if let Some(engine) = &mut ctx.jit {
        engine.jit.abandon();
    }
}

/// Notes how far the native stack may be used from here.
///
/// # Safety
/// `ctx` is the context of the run that begins.
pub(crate) unsafe fn note_stack(ctx: *mut Ctx) {
    let here = 0u8;
    let top = (&raw const here).addr();
    // SAFETY: the caller's promise.
    unsafe { (*ctx).native_limit = top.saturating_sub(NATIVE_STACK) as u64 };
}

/// The counter of a word.
///
/// # Safety
/// The context's code counts, and `pc` is a word of it.
#[inline(always)]
pub(crate) unsafe fn counter(ctx: *mut Ctx, pc: *const Word) -> *mut u32 {
    // SAFETY: the caller's promise; the table has a counter for each word, copy included.
    unsafe {
        core::ptr::with_exposed_provenance_mut((pc.addr() >> 2).wrapping_add((*ctx).hot_bias))
    }
}

// A counter has run out. The frame is complete, its fuel is paid, and `pc` is the loop head or entry.
handler! { #[inline(never)] fn hot[](s) {
    let slot = (s.pc.addr() >> 1).wrapping_add((*s.ctx).native_bias);
    let code = core::ptr::with_exposed_provenance::<*const ()>(slot).read();
    if code.is_null() {
        return s.tail(ask);
    }
    let enter = core::mem::transmute::<*const (), Entry>(code);
    (*s.ctx).meter.enter_native(s.fuel);
    let back = enter(s.ctx, s.regs, s.heap, s.fuel);
    let left = if back.fuel >= 0 { back.fuel } else { (*s.ctx).fuel };
    (*s.ctx).meter.leave_native(left);
    if back.fuel >= 0 {
        return crate::ops_call::leave(s, back.fuel, back.value);
    }
    match back.fuel {
        LEFT => s.tail(resume),
        RAISED => crate::ops_call::leave_error(s, (*s.ctx).fuel, back.value),
        _ => back.value,
    }
} }

// No machine code yet: the compiler decides.
handler! { #[cold] #[inline(never)] fn ask[](s) {
    let record = consult(s.ctx, s.pc);
    let pc = if record { s.pc.byte_add((*s.ctx).copy_bytes) } else { s.pc };
    S { pc, ..s }.go()
} }

/// # Safety
/// Called by a handler.
#[inline(never)]
unsafe fn consult(ctx: *mut Ctx, pc: *const Word) -> bool {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    let at = ctx.loaded.code.index_of(pc);
    let Some(engine) = &mut ctx.jit else {
        return false;
    };
    let (jit, mut plug) = engine.parts(false);
    if ctx.mode != GO {
        plug.count(at, 64);
        return false;
    }
    let record = jit.hot(at, &mut plug);
    if record {
        start_recording(ctx);
    }
    record
}

fn start_recording(ctx: &mut Ctx) {
    ctx.mode = RECORD;
    ctx.bound = false;
    ctx.functions = ctx.loaded.code.copy_functions.as_ptr();
    ctx.sites = ctx.loaded.copy_sites.as_ptr();
}

fn end_recording(ctx: &mut Ctx) {
    ctx.mode = GO;
    ctx.functions = ctx.loaded.code.functions.as_ptr();
    ctx.sites = ctx.loaded.sites.as_ptr();
}

// Machine code left: go on where it says.
handler! { #[inline(never)] fn resume[](s) {
    let (acc, facc) = settle(s.ctx);
    let ctx = s.ctx;
    S { pc: (*ctx).pc, regs: (*ctx).regs, fuel: (*ctx).fuel, acc, facc, ..s }.go()
} }

/// Completes the frames that machine code left, counts the exit and finds what the accumulators hold at the place
/// that it left to.
///
/// # Safety
/// Called by a handler after machine code left.
#[inline(never)]
unsafe fn settle(ctx: *mut Ctx) -> (u64, f64) {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    if let Some(engine) = &ctx.jit
        && let Some(left) = engine.jit.left(ctx.exit)
    {
        // SAFETY: the region has checked that the stack has room for its inlined frames; `regs` is its root's.
        unsafe {
            for frame in left.frames.iter() {
                let at = ctx.regs.add(frame.base as usize);
                at.sub(HEADER_WORDS).write(frame.header[0]);
                at.sub(1).write(frame.header[1]);
            }
            ctx.regs = ctx.regs.add(left.base as usize);
        }
        ctx.depth_left -= left.frames.len() as i64;
        ctx.pc = &raw const ctx.loaded.code.words[left.at];
    }
    let at = ctx.loaded.code.index_of(ctx.pc);
    ctx.top_up_stack(ctx.regs);
    // SAFETY: `regs` is the frame of that instruction.
    let held = unsafe { held(ctx, at, ctx.regs) };
    if ctx.fuel < LOW_FUEL {
        // Machine code asks for fuel well ahead. Where there is none (or the run is to end), the
        // interpreter finds out at the right instruction.
        let _ = crate::fuel::refill(ctx);
    }
    let exit = std::mem::take(&mut ctx.exit);
    if ctx.stress == 0
        && let Some(engine) = &mut ctx.jit
    {
        ctx.stress = engine.jit.stress_interval();
    }
    if exit != 0
        && ctx.mode == GO
        && let Some(engine) = &mut ctx.jit
    {
        let (jit, mut plug) = engine.parts(false);
        if jit.exited(exit, &mut plug) {
            start_recording(ctx);
            ctx.pc = ctx.pc.wrapping_byte_add(ctx.copy_bytes);
        }
    }
    held
}

/// What the accumulators hold before the instruction at `at`, from the frame.
///
/// # Safety
/// `regs` is a frame of the function, with all live registers in place.
unsafe fn held(ctx: &Ctx, at: usize, regs: *mut u64) -> (u64, f64) {
    let code = &ctx.loaded.code;
    if code.on_error[at] {
        return (ctx.acc, 0.0);
    }
    let [acc, facc] = code.acc[at];
    // SAFETY: the loader named registers of the function; one that matters is live.
    unsafe {
        let word = |r: u16| {
            if r == u16::MAX {
                0
            } else {
                *regs.add(usize::from(r))
            }
        };
        (word(acc), f64::from_bits(word(facc)))
    }
}

// Handler of every instruction of the copy.
handler! { fn step[](s) {
    let ctx = s.ctx;
    let original = s.pc.byte_sub((*ctx).copy_bytes);
    match (*ctx).mode {
        RECORD => {
            if note(ctx, original, s.regs) {
                return s.tail((*original).handler());
            }
            S { pc: original, ..s }.go()
        }
        STOP => {
            (*ctx).pc = s.pc;
            (*ctx).regs = s.regs;
            (*ctx).fuel = s.fuel;
            STEPPED
        }
        _ => S { pc: original, ..s }.go(),
    }
} }

/// # Safety
/// Called by a handler.
#[inline(never)]
unsafe fn note(ctx: *mut Ctx, original: *const Word, regs: *mut u64) -> bool {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    let at = ctx.loaded.code.index_of(original);
    let Some(engine) = &mut ctx.jit else {
        return false;
    };
    let (jit, mut plug) = engine.parts(std::mem::take(&mut ctx.bound));
    let goes_on = jit.step(at, regs.addr(), &mut plug);
    if !goes_on {
        end_recording(ctx);
    }
    goes_on
}

macro_rules! helpers {
    ($($(#[$m:meta])* fn $name:ident($($p:ident: $t:ty),*) -> $r:ty $body:block)*) => { $(
        $(#[$m])*
        pub(crate) unsafe extern "C" fn $name($($p: $t),*) -> $r {
            // SAFETY: called by machine code under the promises of `crate::native`.
            unsafe { $body }
        }
    )* };
}
helpers! {
    /// Executes the instruction at `pc`, which does not transfer control, in the frame at `regs`; `words` is
    /// its length.
    ///
    /// # Safety
    /// All frames are complete, with live references and the instruction's operands in place.
    fn step_one(ctx: *mut Ctx, pc: *const Word, regs: *mut u64, fuel: i64, words: u64) -> Back {
        let before = (*ctx).mode;
        let copy = pc.byte_add((*ctx).copy_bytes);
        let code: &crate::code::Code = &(&*ctx).loaded.code;
        let (acc, facc) = held(&*ctx, code.index_of(pc), regs);
        (*ctx).mode = STOP;
        let mut fuel = fuel;
        let status = loop {
            let heap = (*ctx).heap;
            let status = ((*pc).handler())(copy, regs, heap, ctx, fuel, acc, facc);
            let went_on = status == STEPPED || status == CONTINUE;
            if went_on && (*ctx).pc == copy {
                // A new slice of fuel: once more.
                fuel = (*ctx).fuel;
                continue;
            }
            break if went_on { STEPPED } else { status };
        };
        (*ctx).mode = before;
        if status != STEPPED {
            return Back { fuel: STOPPED, value: status };
        }
        if (*ctx).pc == copy.add(words as usize) && (*ctx).regs == regs {
            return Back { fuel: (*ctx).fuel, value: 0 };
        }
        let code: &crate::code::Code = &(&*ctx).loaded.code;
        (*ctx).pc = &raw const code.words[code.index_of((*ctx).pc)];
        (*ctx).exit = 0;
        Back { fuel: LEFT, value: 0 }
    }
    /// # Safety
    /// `object` is a record with more than `i` references, `value` valid in it.
    fn set_field(ctx: *mut Ctx, object: u64, i: u64, value: u64) -> () {
        crate::ops_record::set_field(ctx, object as u32, i as u32, value as u32);
    }
    /// # Safety
    /// `array` is an array of references with more than `i` elements, `value` valid in it.
    fn set_element(ctx: *mut Ctx, array: u64, i: u64, value: u64) -> () {
        crate::ops_list::set_element(ctx, array as u32, i as u32, value as u32);
    }
    /// # Safety
    /// Both are inline strings in the cage at `heap`.
    fn str_find(heap: *mut u8, s: u64, pattern: u64, from: u64) -> u64 {
        let [s, pattern] = [s, pattern].map(|s| crate::strings::inline_text(heap, s));
        let found = usize::try_from(from).ok();
        crate::builtins::text::offset(found.and_then(|i| crate::builtins::text::first_from(s, pattern, i)))
    }
    /// # Safety
    /// It is an inline string of the context's heap.
    fn str_part(ctx: *mut Ctx, s: u64, from: u64, to: u64) -> u64 {
        crate::strings::part(ctx, s, from, to)
    }
    /// # Safety
    /// Both are inline strings of one length in the cage at `heap`.
    fn str_same(heap: *mut u8, a: u64, b: u64) -> u64 {
        u64::from(crate::strings::same_text(heap, a, b))
    }
}

/// `**` of floats.
pub(crate) extern "C" fn pow(x: f64, y: f64) -> f64 {
    crate::ops_float::pow(x, y)
}

/// `%` of floats.
pub(crate) extern "C" fn rem(x: f64, y: f64) -> f64 {
    crate::ops_float::rem(x, y)
}

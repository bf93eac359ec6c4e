//! Traps: what ended a run, where, in words for people.
//!
//! What must stay true: debug tables are hostile text, so a file or line that does not exist is "?" and 0;
//! the stack of a trap is capped, whatever its depth.

use jet_bytecode::analysis::decode::decode;
use jet_bytecode::opcodes::{Op, TrapKind};

use crate::code::Word;
use crate::ctx::Ctx;
use crate::dispatch::{S, TRAPPED, handler};
use crate::frames::{FrameAt, caller};
use crate::host::LimitKind;
use crate::load::Loaded;
use crate::slow::Vm;

/// Innermost frames that a trap lists.
const INNER: usize = 24;
/// Outermost frames that a trap lists when it left some out.
const OUTER: usize = 8;

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceFrame {
    /// Function, with its package.
    pub function: String,
    /// Source file.
    pub file: String,
    /// Line from 1; 0 when unknown.
    pub line: u32,
    /// Column from 1; 0 when unknown.
    pub col: u32,
}

/// Why a run ended other than by returning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What kind.
    pub kind: TrapKind,
    /// What happened, to what.
    pub message: String,
    /// Frames, innermost first.
    pub stack: Vec<TraceFrame>,
    /// Frames left out, and behind how many of `stack`.
    pub elided: Option<(usize, u64)>,
}

/// The limit that a trap kind stands for.
pub fn limit_of(kind: TrapKind) -> Option<LimitKind> {
    Some(match kind {
        TrapKind::Depth => LimitKind::Depth,
        TrapKind::Fuel => LimitKind::Fuel,
        TrapKind::Memory => LimitKind::Memory,
        TrapKind::Time => LimitKind::Time,
        TrapKind::Output => LimitKind::Output,
        TrapKind::Handles => LimitKind::Handles,
        _ => return None,
    })
}

/// Records a trap at `ctx.pc` in the frame at `ctx.regs`.
#[cold]
pub(crate) fn record(ctx: &mut Ctx, kind: TrapKind, message: String) {
    let (stack, elided) = backtrace(ctx);
    ctx.trap = Some(Box::new(Trap {
        kind,
        message,
        stack,
        elided,
    }));
}

fn backtrace(ctx: &Ctx) -> (Vec<TraceFrame>, Option<(usize, u64)>) {
    let loaded = &ctx.loaded;
    let mut inner = Vec::new();
    let mut outer = std::collections::VecDeque::new();
    let mut left_out = 0u64;
    let mut at = FrameAt {
        index: loaded.code.index_of(ctx.pc),
        regs: ctx.regs,
    };
    loop {
        if at.index < loaded.code.specials() {
            if inner.len() < INNER {
                inner.push(at.index);
            } else {
                if outer.len() == OUTER {
                    outer.pop_front();
                    left_out += 1;
                }
                outer.push_back(at.index);
            }
        }
        // SAFETY: the frames below the current one are complete.
        match unsafe { caller(loaded, ctx.roots.entry, at.regs) } {
            Some(next) => at = next,
            None => break,
        }
    }
    let elided = (left_out > 0).then_some((inner.len(), left_out));
    let stack = inner
        .into_iter()
        .chain(outer)
        .map(|index| place(loaded, index))
        .collect();
    (stack, elided)
}

/// The place of an instruction.
pub(crate) fn place(loaded: &Loaded, index: usize) -> TraceFrame {
    let (f, pc) = loaded.code.locate(index);
    let program = &loaded.program;
    let function = &program.functions[f];
    let name = program.function_name(jet_bytecode::linked::FnId(f as u32));
    let entry = function.line_at(pc);
    let file = entry.and_then(|e| {
        let package = program.packages.get(function.package.index())?;
        package.files.get(usize::from(e.file)).cloned()
    });
    TraceFrame {
        function: name,
        file: file.unwrap_or_else(|| String::from("?")),
        line: entry.map_or(0, |e| e.line),
        col: entry.map_or(0, |e| e.col),
    }
}

// The instruction at `pc` cannot be carried out: say why, from its operands.
handler! { #[cold] #[inline(never)] fn fault[](s) {
    let ctx = &mut *s.ctx;
    ctx.fuel = s.fuel;
    ctx.pc = s.pc;
    ctx.regs = s.regs;
    explain(ctx);
    TRAPPED
} }
// No room for the callee's frame: more of the stack is charged, or it is one frame too many.
handler! { #[cold] #[inline(never)] fn depth[](s) {
    let handler = make_room(s.ctx, s.pc, s.regs, s.fuel);
    if handler.is_null() {
        return TRAPPED;
    }
    // The instruction once more. Not through its word, which may be a copy that tells the recorder.
    let handler = core::mem::transmute::<*const (), crate::dispatch::Handler>(handler);
    S { fuel: (*s.ctx).fuel, ..s }.tail(handler)
} }

/// What of the cost of the call is paid before its own handler runs: of one whose cost does not fit its
/// lane everything but what the lane holds (see [`crate::ops_call::charge_big`]).
fn paid_ahead(vm: &Vm<'_>) -> i64 {
    let loaded = &vm.ctx.loaded;
    let cost = loaded.costs[loaded.code.index_of(vm.pc)];
    if u16::try_from(cost).is_ok() {
        return 0;
    }
    i64::from(cost) - i64::from(vm.word().l)
}

/// The handler of the call at `pc` if there is room for it now, else null and a trap.
///
/// # Safety
/// Called by a handler with its state.
#[inline(never)]
unsafe fn make_room(ctx: *mut Ctx, pc: *const Word, regs: *mut u64, fuel: i64) -> *const () {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    ctx.fuel = fuel;
    let mut vm = Vm::new(ctx, pc, regs);
    // The call begins again, or does not happen: what it paid in advance is given back.
    vm.ctx.fuel += paid_ahead(&vm);
    if vm.ctx.depth_left > 0 {
        match vm.grow_stack() {
            Ok(true) => {
                let code = &vm.ctx.loaded.code;
                return code.words[code.index_of(pc)].slot;
            }
            Ok(false) => {}
            Err(_) => return std::ptr::null(),
        }
    }
    let why = if ctx.depth_left <= 0 {
        "calls are nested too deep"
    } else {
        "the stack is full"
    };
    record(ctx, TrapKind::Depth, String::from(why));
    std::ptr::null()
}

#[inline(never)]
fn explain(ctx: &mut Ctx) {
    let index = ctx.loaded.code.index_of(ctx.pc);
    let (f, pc) = ctx.loaded.code.locate(index);
    let function = &ctx.loaded.program.functions[f];
    let Ok(instr) = decode(&function.code, pc) else {
        return record(ctx, TrapKind::Unreachable, String::from("no instruction"));
    };
    // SAFETY: operands of the instruction are registers of the current frame.
    let reg = |r: u16| unsafe { *ctx.regs.add(usize::from(r)) };
    let (b, c) = (reg_or_zero(&instr, 1, &reg), reg_or_zero(&instr, 2, &reg));
    let (bi, ci) = (b as i64, c as i64);
    let overflow = |text: String| (TrapKind::Overflow, format!("integer overflow: {text}"));
    let (kind, message) = match instr.op {
        Op::AddInt => overflow(format!("{bi} + {ci}")),
        Op::AddImm => overflow(format!("{bi} + {}", instr.c as i16)),
        Op::SubInt => overflow(format!("{bi} - {ci}")),
        Op::MulInt => overflow(format!("{bi} * {ci}")),
        Op::NegInt => overflow(format!("-({bi})")),
        Op::PowInt if ci < 0 => (
            TrapKind::Conversion,
            format!("negative exponent: {bi} ** {ci}"),
        ),
        Op::PowInt => overflow(format!("{bi} ** {ci}")),
        Op::DivInt | Op::RemInt => {
            let sign = if instr.op == Op::DivInt { '/' } else { '%' };
            if ci == 0 {
                (
                    TrapKind::ZeroDivide,
                    format!("division by zero: {bi} {sign} 0"),
                )
            } else {
                overflow(format!("{bi} {sign} {ci}"))
            }
        }
        Op::Shl | Op::Shr | Op::Ushr => (
            TrapKind::Shift,
            format!("shift by {ci}: the amount must be in 0..64"),
        ),
        Op::FloatToInt => (
            TrapKind::Conversion,
            format!(
                "{} does not fit an int",
                crate::format::float_text(f64::from_bits(b))
            ),
        ),
        Op::IntToByte => (
            TrapKind::Conversion,
            format!("{bi} does not fit a byte: it must be in 0..256"),
        ),
        Op::IntToChar => (
            TrapKind::Conversion,
            format!("{bi} is not a Unicode scalar value"),
        ),
        Op::ListGet | Op::ListRemove => bounds(ci, list_len(ctx, b)),
        Op::ListSet => bounds(bi, list_len(ctx, reg(instr.a))),
        Op::ListSwap => {
            let len = list_len(ctx, reg(instr.a));
            bounds(if b < len { ci } else { bi }, len)
        }
        Op::ListPop => (TrapKind::Bounds, String::from("the list is empty")),
        Op::StrByte => {
            let len = crate::strings::len_of(ctx, b);
            (
                TrapKind::Bounds,
                format!("index {ci} out of bounds: the string has {len} bytes"),
            )
        }
        Op::GetPayload | Op::ErrCast => (
            TrapKind::Variant,
            String::from("the value is another variant"),
        ),
        Op::Trap => trap_op(instr.a),
        _ => (TrapKind::Unreachable, format!("{:?} failed", instr.op)),
    };
    record(ctx, kind, message);
}

fn reg_or_zero(
    instr: &jet_bytecode::analysis::decode::Instr,
    lane: usize,
    reg: &impl Fn(u16) -> u64,
) -> u64 {
    use jet_bytecode::opcodes::Lane;
    match instr.op.info().lanes[lane] {
        Lane::Read(_) => reg(instr.lanes()[lane]),
        _ => 0,
    }
}

fn list_len(ctx: &Ctx, list: u64) -> u64 {
    // SAFETY: a list register of the faulting instruction.
    unsafe { crate::ops_list::list_len(ctx.heap_box.address(jet_gc::Ref::from_word(list))) }
}

/// The kind and text of an index out of bounds.
pub(crate) fn bounds(index: i64, len: u64) -> (TrapKind, String) {
    let elements = if len == 1 { "element" } else { "elements" };
    (
        TrapKind::Bounds,
        format!("index {index} out of bounds: the list has {len} {elements}"),
    )
}

fn trap_op(kind: u16) -> (TrapKind, String) {
    let kind = TrapKind::from_u16(kind).unwrap_or(TrapKind::Unreachable);
    let text = match kind {
        TrapKind::Overflow => "integer overflow",
        TrapKind::ZeroDivide => "division by zero",
        TrapKind::Bounds => "index out of bounds",
        TrapKind::Shift => "shift amount outside 0..64",
        TrapKind::Conversion => "conversion out of range",
        TrapKind::MissingKey => "the key is not in the map: use get(k) if it may be missing",
        TrapKind::Panic => "panic",
        TrapKind::Variant => "the value is another variant",
        TrapKind::Changed => "the collection changed while it was iterated",
        TrapKind::Handle => "the handle is not valid here",
        TrapKind::Revoked => "the grant was revoked",
        TrapKind::Cancelled => "cancelled",
        TrapKind::Unreachable => "unreachable code was reached",
        // A program cannot claim that a limit was reached.
        TrapKind::Depth
        | TrapKind::Fuel
        | TrapKind::Memory
        | TrapKind::Time
        | TrapKind::Output
        | TrapKind::Handles => return (TrapKind::Panic, format!("trap {}", kind.name())),
    };
    (kind, String::from(text))
}

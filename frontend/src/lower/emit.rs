//! Instruction buffer of one function: symbolic labels, cold blocks behind the hot path, registers by
//! type, constants hoisted out of loops, and a few jump clean-ups before the builder encodes it.
//!
//! What must stay true: code after an unconditional transfer is dropped unless a label there is wanted;
//! a register handed back by `free` is used again for its own type only; second-class registers are
//! never handed back, so each has one static definition.

use super::share::share;
use jet_bytecode::builder::{BuildError, FinishedFunction, FnRef, FunctionBuilder};
use jet_bytecode::module::{FnKind, Sig, TypeIx};
use jet_bytecode::opcodes::{Lane, Op};
use rustc_hash::FxHashMap;

/// A register.
pub(super) type Reg = u16;

/// A jump target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) struct Lbl(u32);

#[cfg(test)]
impl Lbl {
    /// A label for tests.
    pub(super) fn first() -> Lbl {
        Lbl(0)
    }
}

/// Where a list stands in the buffer's list of arguments or of switch targets: start and length.
type Part = (u32, u32);

#[derive(Clone, Copy, Debug)]
pub(super) enum Ins {
    Bind(Lbl),
    Plain(Op, u16, u16, u16),
    Imm(Reg, i32),
    Const(Reg, u32),
    Jump(Op, u16, u16, Lbl),
    OnError(Reg, Lbl),
    Switch(Reg, Part),
    Args(Op, u16, u16, Part),
    Fn(Op, Reg, FnRef, Part),
}

/// Functions with more registers share them.
const MANY_REGISTERS: usize = 800;

/// Shows the operands that are registers.
fn lanes(op: Op, operands: [Option<&mut u16>; 3], f: impl Fn(&mut Reg)) {
    for (lane, operand) in op.info().lanes.iter().zip(operands) {
        if let (Lane::Read(_) | Lane::Write(_), Some(r)) = (lane, operand) {
            f(r);
        }
    }
}

/// A part of a list.
fn part<T>(list: &[T], (start, len): Part) -> &[T] {
    let start = start as usize;
    list.get(start..start + len as usize).unwrap_or(&[])
}

/// Appends to a list; gives where.
fn append<T: Copy>(list: &mut Vec<T>, more: &[T]) -> Part {
    let start = list.len() as u32;
    list.extend_from_slice(more);
    (start, more.len() as u32)
}

type Line = Option<(u16, u32, u32)>;
type Buf = Vec<(Ins, Line)>;

/// A constant that can be hoisted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum ConstVal {
    /// Immediate.
    Imm(i32),
    /// Entry of the pool.
    Pool(u32),
}

/// Where constants of the running outermost loop go.
#[derive(Debug)]
struct Hoist {
    depth: usize,
    pos: usize,
    cache: FxHashMap<(TypeIx, ConstVal), Reg>,
}

/// The buffer.
#[derive(Debug)]
pub(super) struct Emit {
    buf: Buf,
    outer: Vec<(Buf, bool)>,
    cold: Vec<Buf>,
    /// Arguments of all instructions.
    args: Vec<Reg>,
    /// Targets of all switches.
    targets: Vec<Lbl>,
    wanted: Vec<bool>,
    regs: Vec<TypeIx>,
    unique: Vec<bool>,
    free: FxHashMap<TypeIx, Vec<Reg>>,
    dead: bool,
    line: Line,
    hoist: Option<Hoist>,
    overflow: bool,
}

impl Emit {
    pub(super) fn new() -> Emit {
        Emit {
            buf: Vec::new(),
            outer: Vec::new(),
            cold: Vec::new(),
            args: Vec::new(),
            targets: Vec::new(),
            wanted: Vec::new(),
            regs: Vec::new(),
            unique: Vec::new(),
            free: FxHashMap::default(),
            dead: false,
            line: None,
            hoist: None,
            overflow: false,
        }
    }

    /// Whether control cannot reach this place.
    pub(super) fn dead(&self) -> bool {
        self.dead
    }

    pub(super) fn set_line(&mut self, file: u16, line: u32, col: u32) {
        self.line = Some((file, line, col));
    }

    /// Instructions so far.
    pub(super) fn len(&self) -> usize {
        let outer: usize = self.outer.iter().map(|(b, _)| b.len()).sum();
        outer + self.buf.len() + self.cold.iter().map(Vec::len).sum::<usize>()
    }

    // Registers.

    /// A register of this type that was never used.
    pub(super) fn fresh(&mut self, ty: TypeIx, unique: bool) -> Reg {
        let Ok(r) = u16::try_from(self.regs.len()) else {
            self.overflow = true;
            return 0;
        };
        self.regs.push(ty);
        self.unique.push(unique);
        r
    }

    /// A register of this type, perhaps one that was freed.
    pub(super) fn alloc(&mut self, ty: TypeIx, unique: bool) -> Reg {
        if !unique && let Some(r) = self.free.get_mut(&ty).and_then(Vec::pop) {
            return r;
        }
        self.fresh(ty, unique)
    }

    /// Hands a register back.
    pub(super) fn free(&mut self, r: Reg) {
        // Registers beyond the last one all have one number; the function is refused at its end.
        if self.overflow {
            return;
        }
        let i = usize::from(r);
        if self.unique.get(i) == Some(&false)
            && let Some(ty) = self.regs.get(i)
        {
            let list = self.free.entry(*ty).or_default();
            debug_assert!(!list.contains(&r), "register freed twice");
            list.push(r);
        }
    }

    pub(super) fn reg_type(&self, r: Reg) -> Option<TypeIx> {
        self.regs.get(usize::from(r)).copied()
    }

    // Labels and blocks.

    pub(super) fn label(&mut self) -> Lbl {
        self.wanted.push(false);
        Lbl((self.wanted.len() - 1) as u32)
    }

    fn want(&mut self, l: Lbl) {
        if let Some(w) = self.wanted.get_mut(l.0 as usize) {
            *w = true;
        }
    }

    /// Binds a label whose jumps were all emitted before.
    pub(super) fn bind(&mut self, l: Lbl) {
        if self.wanted.get(l.0 as usize) == Some(&true) {
            self.dead = false;
            self.buf.push((Ins::Bind(l), None));
        }
    }

    /// Binds a label that later code may jump to.
    pub(super) fn bind_back(&mut self, l: Lbl) {
        self.want(l);
        self.bind(l);
    }

    /// Starts a block that stands behind everything else, entered at `l` only.
    pub(super) fn begin_cold(&mut self, l: Lbl) {
        let buf = std::mem::take(&mut self.buf);
        self.outer.push((buf, self.dead));
        self.dead = true;
        self.bind(l);
    }

    /// Ends it; it must have ended with a transfer of control.
    pub(super) fn end_cold(&mut self) {
        if let Some((buf, dead)) = self.outer.pop() {
            let mine = std::mem::replace(&mut self.buf, buf);
            self.cold.push(mine);
            self.dead = dead;
        }
    }

    /// Marks this place as the one before the outermost loop; true if it was free.
    pub(super) fn begin_hoist(&mut self) -> bool {
        if self.hoist.is_some() || self.dead {
            return false;
        }
        self.hoist = Some(Hoist {
            depth: self.outer.len(),
            pos: self.buf.len(),
            cache: FxHashMap::default(),
        });
        true
    }

    pub(super) fn end_hoist(&mut self) {
        if let Some(h) = self.hoist.take() {
            let mut regs: Vec<Reg> = h.cache.into_values().collect();
            regs.sort_unstable();
            for r in regs {
                self.free(r);
            }
        }
    }

    /// A register that holds a constant for the whole outermost loop, if there is one.
    pub(super) fn hoisted(&mut self, ty: TypeIx, v: ConstVal) -> Option<Reg> {
        if self.dead {
            return None;
        }
        let h = self.hoist.as_ref()?;
        if let Some(r) = h.cache.get(&(ty, v)) {
            return Some(*r);
        }
        if h.cache.len() >= 64 || self.regs.len() > 700 {
            return None;
        }
        let (depth, pos) = (h.depth, h.pos);
        let r = self.fresh(ty, false);
        let ins = match v {
            ConstVal::Imm(i) => Ins::Imm(r, i),
            ConstVal::Pool(k) => Ins::Const(r, k),
        };
        let buf = if depth == self.outer.len() {
            &mut self.buf
        } else {
            &mut self.outer.get_mut(depth)?.0
        };
        let line = buf.get(pos).and_then(|(_, l)| *l);
        buf.insert(pos.min(buf.len()), (ins, line));
        let h = self.hoist.as_mut()?;
        h.pos += 1;
        h.cache.insert((ty, v), r);
        Some(r)
    }

    // Instructions.

    fn push(&mut self, ins: Ins) {
        if !self.dead {
            self.buf.push((ins, self.line));
        }
    }

    pub(super) fn op(&mut self, op: Op, a: u16, b: u16, c: u16) {
        self.push(Ins::Plain(op, a, b, c));
        if matches!(op, Op::Ret | Op::Raise | Op::Panic | Op::Trap) {
            self.dead = true;
        }
    }

    pub(super) fn mov(&mut self, dst: Reg, src: Reg) {
        if dst != src {
            self.op(Op::Mov, dst, src, 0);
        }
    }

    pub(super) fn imm(&mut self, dst: Reg, v: i32) {
        self.push(Ins::Imm(dst, v));
    }

    pub(super) fn constant(&mut self, dst: Reg, v: ConstVal) {
        match v {
            ConstVal::Imm(i) => self.push(Ins::Imm(dst, i)),
            ConstVal::Pool(k) => self.push(Ins::Const(dst, k)),
        }
    }

    pub(super) fn jump(&mut self, op: Op, a: u16, b: u16, to: Lbl) {
        if !self.dead {
            self.want(to);
            self.push(Ins::Jump(op, a, b, to));
            if op == Op::Jmp {
                self.dead = true;
            }
        }
    }

    pub(super) fn jmp(&mut self, to: Lbl) {
        self.jump(Op::Jmp, 0, 0, to);
    }

    pub(super) fn on_error(&mut self, r: Reg, to: Lbl) {
        if !self.dead {
            self.want(to);
            self.push(Ins::OnError(r, to));
        }
    }

    pub(super) fn switch(&mut self, r: Reg, to: &[Lbl]) {
        if !self.dead {
            to.iter().for_each(|l| self.want(*l));
            let targets = append(&mut self.targets, to);
            self.push(Ins::Switch(r, targets));
        }
    }

    pub(super) fn args(&mut self, op: Op, a: u16, b: u16, args: &[Reg]) {
        if !self.dead {
            let args = append(&mut self.args, args);
            self.push(Ins::Args(op, a, b, args));
        }
    }

    pub(super) fn func(&mut self, op: Op, dst: Reg, f: FnRef, args: &[Reg]) {
        if !self.dead {
            let args = append(&mut self.args, args);
            self.push(Ins::Fn(op, dst, f, args));
        }
    }

    /// Lets values that are never needed together share registers.
    fn share(&mut self, code: &mut Buf, leading: usize) {
        let plain: Vec<Ins> = code.iter().map(|(ins, _)| *ins).collect();
        let fixed = |r: usize| r < leading || self.unique.get(r) != Some(&false);
        let shared = share(&plain, &self.args, &self.targets, &self.regs, fixed);
        let Some((new, left)) = shared else {
            return;
        };
        let renumber = |r: &mut Reg| *r = new.get(usize::from(*r)).copied().unwrap_or(*r);
        for (ins, _) in code.iter_mut() {
            match ins {
                Ins::Bind(_) => {}
                Ins::Plain(op, a, b, c) => lanes(*op, [Some(a), Some(b), Some(c)], renumber),
                Ins::Jump(op, a, b, _) | Ins::Args(op, a, b, _) => {
                    lanes(*op, [Some(a), Some(b), None], renumber);
                }
                Ins::Fn(op, a, _, _) => lanes(*op, [Some(a), None, None], renumber),
                Ins::Imm(r, _) | Ins::Const(r, _) | Ins::OnError(r, _) | Ins::Switch(r, _) => {
                    renumber(r);
                }
            }
        }
        self.args.iter_mut().for_each(renumber);
        self.regs = left;
    }

    /// Encodes the function. `leading` is how many registers the call fills.
    pub(super) fn finish(
        mut self,
        name: String,
        kind: FnKind,
        sig: Sig,
        captures: Vec<TypeIx>,
        leading: usize,
    ) -> Result<FinishedFunction, BuildError> {
        if self.overflow {
            return Err(BuildError::TooManyRegisters);
        }
        let mut code = std::mem::take(&mut self.buf);
        for c in std::mem::take(&mut self.cold) {
            code.extend(c);
        }
        tidy(&mut code, &mut self.targets, self.wanted.len());
        if self.regs.len() > MANY_REGISTERS {
            self.share(&mut code, leading);
        }
        let (head, rest) = self.regs.split_at(leading.min(self.regs.len()));
        let mut b = FunctionBuilder::new(name, kind, sig, captures, head.to_vec());
        for ty in rest {
            b.reg(*ty);
        }
        let labels: Vec<_> = (0..self.wanted.len()).map(|_| b.label()).collect();
        // A label past the end of the table cannot be made; the first one stands in for the compiler's sake.
        let spare = b.label();
        let at = |l: Lbl| labels.get(l.0 as usize).copied().unwrap_or(spare);
        for (ins, line) in code {
            if let Some((f, l, c)) = line {
                b.line(f, l, c);
            }
            match ins {
                Ins::Bind(l) => b.bind(at(l)),
                Ins::Plain(op, x, y, z) => b.emit(op, x, y, z),
                Ins::Imm(r, v) => b.const_imm(r, v),
                Ins::Const(r, k) => b.load_const(r, k),
                Ins::Jump(op, x, y, l) => b.jump(op, x, y, at(l)),
                Ins::OnError(r, l) => b.on_error(r, at(l)),
                Ins::Switch(r, ls) => {
                    let ls: Vec<_> = part(&self.targets, ls).iter().map(|l| at(*l)).collect();
                    b.switch(r, &ls);
                }
                Ins::Args(op, x, y, args) => b.emit_args(op, x, y, part(&self.args, args)),
                Ins::Fn(op, r, f, args) => b.emit_fn(op, r, f, part(&self.args, args)),
            }
        }
        b.finish()
    }
}

/// Threads jumps to jumps, turns a conditional jump over a jump round, drops jumps to the next
/// instruction.
fn tidy(code: &mut Buf, targets: &mut [Lbl], nlabels: usize) {
    let mut place = vec![usize::MAX; nlabels];
    for (i, (ins, _)) in code.iter().enumerate() {
        if let Ins::Bind(l) = ins
            && let Some(p) = place.get_mut(l.0 as usize)
        {
            *p = i;
        }
    }
    // Where each label leads once jumps to jumps are followed.
    let skip_binds = |code: &Buf, mut i: usize| {
        while let Some((Ins::Bind(_), _)) = code.get(i) {
            i += 1;
        }
        i
    };
    let lead: Vec<Lbl> = (0..nlabels as u32)
        .map(|n| {
            let mut l = Lbl(n);
            for _ in 0..8 {
                let at = place.get(l.0 as usize).copied().unwrap_or(usize::MAX);
                match code.get(skip_binds(code, at)) {
                    Some((Ins::Jump(Op::Jmp, _, _, to), _)) if *to != l => l = *to,
                    _ => break,
                }
            }
            l
        })
        .collect();
    let to = |l: &Lbl| lead.get(l.0 as usize).copied().unwrap_or(*l);
    for (ins, _) in code.iter_mut() {
        match ins {
            Ins::Jump(_, _, _, l) | Ins::OnError(_, l) => *l = to(l),
            _ => {}
        }
    }
    targets.iter_mut().for_each(|l| *l = to(l));
    let binds_right_behind = |code: &Buf, at: usize, l: Lbl| {
        let mut i = at + 1;
        while let Some((Ins::Bind(b), _)) = code.get(i) {
            if *b == l {
                return true;
            }
            i += 1;
        }
        false
    };
    let mut drop = vec![false; code.len()];
    for i in 0..code.len() {
        let (Some((Ins::Jump(op, a, b, l), _)), next) = (code.get(i), code.get(i + 1)) else {
            continue;
        };
        let (op, a, b, l) = (*op, *a, *b, *l);
        if op == Op::Jmp {
            if binds_right_behind(code, i, l)
                && let Some(d) = drop.get_mut(i)
            {
                *d = true;
            }
        } else if let Some((Ins::Jump(Op::Jmp, _, _, far), _)) = next
            && binds_right_behind(code, i + 1, l)
            && let Some((op, a, b)) = inverse(op, a, b)
        {
            let far = *far;
            if let Some((ins, _)) = code.get_mut(i) {
                *ins = Ins::Jump(op, a, b, far);
            }
            if let Some(d) = drop.get_mut(i + 1) {
                *d = true;
            }
        }
    }
    let mut it = drop.iter();
    code.retain(|_| !it.next().copied().unwrap_or(false));
}

/// The jump that is taken exactly when this one is not.
pub(super) fn inverse(op: Op, a: u16, b: u16) -> Option<(Op, u16, u16)> {
    Some(match op {
        Op::JmpIf => (Op::JmpIfNot, a, b),
        Op::JmpIfNot => (Op::JmpIf, a, b),
        Op::JEq => (Op::JNe, a, b),
        Op::JNe => (Op::JEq, a, b),
        Op::JLt => (Op::JLe, b, a),
        Op::JLe => (Op::JLt, b, a),
        Op::JEqImm => (Op::JNeImm, a, b),
        Op::JNeImm => (Op::JEqImm, a, b),
        Op::JLtImm => (Op::JGeImm, a, b),
        Op::JGeImm => (Op::JLtImm, a, b),
        Op::JLeImm => (Op::JGtImm, a, b),
        Op::JGtImm => (Op::JLeImm, a, b),
        Op::JEqFloat => (Op::JNeFloat, a, b),
        Op::JNeFloat => (Op::JEqFloat, a, b),
        Op::JLtFloat => (Op::JNltFloat, a, b),
        Op::JNltFloat => (Op::JLtFloat, a, b),
        Op::JLeFloat => (Op::JNleFloat, a, b),
        Op::JNleFloat => (Op::JLeFloat, a, b),
        Op::JTag => (Op::JNotTag, a, b),
        Op::JNotTag => (Op::JTag, a, b),
        _ => return None,
    })
}

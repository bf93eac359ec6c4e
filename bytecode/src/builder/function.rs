//! One function's code: registers, labels, jumps that find their length, joins.
//!
//! What must stay true: instructions are kept with their labels until `finish`, which removes what cannot be
//! reached, then sizes jumps, then encodes; joins are computed from the encoded words.

use super::{BuildError, MAX_CODE_WORDS, MAX_REGS, Reg};
use crate::analysis::decode::instrs;
use crate::analysis::liveness::joins_of;
use crate::module::*;
use crate::opcodes::{Lane, Op, Word, arg_words, switch_words};

/// A jump target that is known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u32);

/// A function to be called, before the number of imports is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FnRef {
    /// By index into the imports.
    Import(u16),
    /// By index into the package's own functions.
    Local(u16),
}

/// Start and length.
type Part = (u32, u32);

fn part<T>(list: &[T], (start, len): Part) -> &[T] {
    let start = start as usize;
    list.get(start..start + len as usize).unwrap_or(&[])
}

#[derive(Clone, Copy, Debug)]
struct Item {
    op: Op,
    a: u16,
    b: u16,
    c: u16,
    /// Where its arguments and labels stand in the function's lists.
    args: Part,
    labels: Part,
    function: Option<FnRef>,
    line: Option<(u16, u32, u32)>,
    long: bool,
}

/// Builds one function.
#[derive(Clone, Debug)]
pub struct FunctionBuilder {
    name: String,
    kind: FnKind,
    sig: Sig,
    captures: Vec<TypeIx>,
    regs: Vec<TypeIx>,
    items: Vec<Item>,
    /// Arguments and labels of all items.
    args: Vec<u16>,
    targets: Vec<Label>,
    /// By label: the item that it stands before.
    labels: Vec<Option<u32>>,
    last_bound: Option<u32>,
    line: Option<(u16, u32, u32)>,
    words: usize,
    error: Option<BuildError>,
}

/// A function with its calls still by [`FnRef`]; `PackageBuilder::define` takes it.
#[derive(Clone, Debug)]
pub struct FinishedFunction {
    pub(super) function: Function,
    pub(super) relocs: Vec<(u32, FnRef)>,
}

impl FinishedFunction {
    /// The function; its calls have zero for the callee.
    pub fn function(&self) -> &Function {
        &self.function
    }
}

impl FunctionBuilder {
    /// Starts a function. `leading` are the types of the registers that a call fills: environment (literals),
    /// the capabilities of `sig.uses`, the parameters. They get registers 0, 1, …
    pub fn new(
        name: impl Into<String>,
        kind: FnKind,
        sig: Sig,
        captures: Vec<TypeIx>,
        leading: Vec<TypeIx>,
    ) -> Self {
        FunctionBuilder {
            name: name.into(),
            kind,
            sig,
            captures,
            regs: leading,
            items: Vec::new(),
            args: Vec::new(),
            targets: Vec::new(),
            labels: Vec::new(),
            last_bound: None,
            line: None,
            words: 0,
            error: None,
        }
    }

    fn fail(&mut self, e: BuildError) {
        self.error.get_or_insert(e);
    }

    /// The first error so far, which `finish` will return.
    pub fn error(&self) -> Option<&BuildError> {
        self.error.as_ref()
    }

    /// A new register of this type.
    pub fn reg(&mut self, ty: TypeIx) -> Reg {
        if self.regs.len() >= MAX_REGS {
            self.fail(BuildError::TooManyRegisters);
            return 0;
        }
        self.regs.push(ty);
        (self.regs.len() - 1) as u16
    }

    /// The type of a register.
    pub fn reg_type(&self, reg: Reg) -> Option<TypeIx> {
        self.regs.get(usize::from(reg)).copied()
    }

    /// A new label, not yet bound.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label((self.labels.len() - 1) as u32)
    }

    /// Binds a label to this place.
    pub fn bind(&mut self, label: Label) {
        let at = self.items.len() as u32;
        if let Some(slot) = self.labels.get_mut(label.0 as usize) {
            *slot = Some(at);
            self.last_bound = Some(at);
        }
    }

    /// Sets the source position of the instructions that follow.
    pub fn line(&mut self, file: u16, line: u32, col: u32) {
        self.line = Some((file, line, col));
    }

    fn push(&mut self, op: Op, lanes: [u16; 3]) -> Option<&mut Item> {
        if self.words > 4 * MAX_CODE_WORDS {
            self.fail(BuildError::CodeTooLong);
            return None;
        }
        self.words += 1;
        let [a, b, c] = lanes;
        self.items.push(Item {
            op,
            a,
            b,
            c,
            args: (0, 0),
            labels: (0, 0),
            function: None,
            line: self.line,
            long: false,
        });
        self.items.last_mut()
    }

    /// Emits an instruction without jump, constant or arguments. Unused lanes are given as 0.
    pub fn emit(&mut self, op: Op, a: u16, b: u16, c: u16) {
        let bad = op
            .info()
            .lanes
            .iter()
            .any(|l| matches!(l, Lane::Jump16 | Lane::Jump32 | Lane::Count));
        if bad {
            return self.fail(BuildError::BadOperands(op));
        }
        self.push(op, [a, b, c]);
    }

    /// Emits `const_imm`.
    pub fn const_imm(&mut self, dst: Reg, value: i32) {
        let v = value as u32;
        self.push(Op::ConstImm, [dst, v as u16, (v >> 16) as u16]);
    }

    /// Emits `load_const`.
    pub fn load_const(&mut self, dst: Reg, constant: u32) {
        let k = [dst, constant as u16, (constant >> 16) as u16];
        self.push(Op::LoadConst, k);
    }

    /// Emits a jump of any kind but `switch` and `on_error`: `a` and `b` as in the table (0 where unused).
    pub fn jump(&mut self, op: Op, a: u16, b: u16, to: Label) {
        let wide = op.info().lanes.contains(&Lane::Jump32);
        if op == Op::OnError || !(wide || op.info().lanes.contains(&Lane::Jump16)) {
            return self.fail(BuildError::BadOperands(op));
        }
        let labels = self.place_labels(&[to]);
        if let Some(item) = self.push(op, [a, if wide { 0 } else { b }, 0]) {
            item.labels = labels;
        }
    }

    /// Emits `jmp`.
    pub fn jmp(&mut self, to: Label) {
        self.jump(Op::Jmp, 0, 0, to);
    }

    /// Emits `switch` on `value` over 0, 1, …; other values fall through.
    pub fn switch(&mut self, value: Reg, to: &[Label]) {
        let Ok(n) = u16::try_from(to.len()) else {
            return self.fail(BuildError::TooManyArguments);
        };
        self.words += switch_words(n);
        let labels = self.place_labels(to);
        if let Some(item) = self.push(Op::Switch, [value, n, 0]) {
            item.labels = labels;
        }
    }

    /// Emits an instruction with arguments, whose index (lane `b`) is no function.
    pub fn emit_args(&mut self, op: Op, a: u16, b: u16, args: &[Reg]) {
        let Ok(n) = u16::try_from(args.len()) else {
            return self.fail(BuildError::TooManyArguments);
        };
        let lanes = op.info().lanes;
        if op == Op::Switch || lanes.last() != Some(&Lane::Count) {
            return self.fail(BuildError::BadOperands(op));
        }
        self.words += arg_words(n);
        let start = self.args.len() as u32;
        self.args.extend_from_slice(args);
        if let Some(item) = self.push(op, [a, b, n]) {
            item.args = (start, u32::from(n));
        }
    }

    /// Emits `call`, `make_fn` or `make_borrowed` of a function.
    pub fn emit_fn(&mut self, op: Op, dst: Reg, function: FnRef, args: &[Reg]) {
        if !matches!(op, Op::Call | Op::MakeFn | Op::MakeBorrowed) {
            return self.fail(BuildError::BadOperands(op));
        }
        let before = self.items.len();
        self.emit_args(op, dst, 0, args);
        if let Some(item) = self.items.get_mut(before) {
            item.function = Some(function);
        }
    }

    /// Emits `on_error`, to stand directly behind a call that can fail.
    pub fn on_error(&mut self, error: Reg, to: Label) {
        let labels = self.place_labels(&[to]);
        if let Some(item) = self.push(Op::OnError, [error, 0, 0]) {
            item.labels = labels;
        }
    }

    fn place_labels(&mut self, labels: &[Label]) -> Part {
        let start = self.targets.len() as u32;
        self.targets.extend_from_slice(labels);
        (start, labels.len() as u32)
    }

    fn labels_of(&self, item: &Item) -> &[Label] {
        part(&self.targets, item.labels)
    }

    fn target(&self, label: Label) -> Option<usize> {
        let at = self.labels.get(label.0 as usize).copied().flatten()?;
        Some(at as usize)
    }

    /// Marks the items that control can reach.
    fn reachable(&self) -> Result<Vec<bool>, BuildError> {
        let mut seen = vec![false; self.items.len()];
        let mut work = vec![0usize];
        while let Some(mut at) = work.pop() {
            loop {
                let (Some(item), Some(mark)) = (self.items.get(at), seen.get_mut(at)) else {
                    return Err(BuildError::FallsOff);
                };
                if std::mem::replace(mark, true) {
                    break;
                }
                for l in self.labels_of(item) {
                    work.push(self.target(*l).ok_or(BuildError::UnboundLabel)?);
                }
                if ends(item.op) {
                    break;
                }
                at += 1;
            }
        }
        Ok(seen)
    }

    /// Finishes the function: removes unreachable code, sizes jumps, computes joins.
    pub fn finish(mut self) -> Result<FinishedFunction, BuildError> {
        if let Some(e) = self.error.take() {
            return Err(e);
        }
        if self.regs.len() > MAX_REGS {
            return Err(BuildError::TooManyRegisters);
        }
        let seen = self.reachable()?;
        // Renumber labels onto the items that remain.
        let mut place = Vec::with_capacity(seen.len() + 1);
        let mut kept = 0u32;
        for s in &seen {
            place.push(kept);
            kept += u32::from(*s);
        }
        place.push(kept);
        for l in self.labels.iter_mut().flatten() {
            *l = place.get(*l as usize).copied().unwrap_or(kept);
        }
        let mut keep = seen.iter();
        self.items.retain(|_| keep.next().copied().unwrap_or(false));
        let starts = self.relax()?;
        let (code, relocs, lines) = self.encode(&starts)?;
        if code.len() > MAX_CODE_WORDS {
            return Err(BuildError::CodeTooLong);
        }
        let last = instrs(&code).map_while(Result::ok).last();
        if last.is_none_or(|i| i.falls_through()) {
            return Err(BuildError::FallsOff);
        }
        let joins = joins_of(&code, self.regs.len());
        Ok(FinishedFunction {
            function: Function {
                name: self.name,
                kind: self.kind,
                sig: self.sig,
                captures: self.captures,
                regs: self.regs,
                code,
                joins,
                lines,
            },
            relocs,
        })
    }

    /// Decides which short jumps become long; returns the first word of each item.
    fn relax(&mut self) -> Result<Vec<i64>, BuildError> {
        loop {
            let mut starts = Vec::with_capacity(self.items.len() + 1);
            let mut pc = 0i64;
            for item in &self.items {
                starts.push(pc);
                pc += item.words();
            }
            starts.push(pc);
            if pc > 8 * MAX_CODE_WORDS as i64 {
                return Err(BuildError::CodeTooLong);
            }
            let mut changed = false;
            for i in 0..self.items.len() {
                let far = match (self.items.get(i), starts.get(i)) {
                    (Some(item), Some(start)) if item.is_short() && !item.long => {
                        let to = self.labels_of(item).first().and_then(|l| self.target(*l));
                        let to = to.and_then(|t| starts.get(t));
                        let to = to.ok_or(BuildError::UnboundLabel)?;
                        i16::try_from(to - start).is_err()
                    }
                    _ => false,
                };
                if far && let Some(item) = self.items.get_mut(i) {
                    item.long = true;
                    changed = true;
                }
            }
            if !changed {
                return Ok(starts);
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn encode(
        &self,
        starts: &[i64],
    ) -> Result<(Vec<u64>, Vec<(u32, FnRef)>, Vec<LineEntry>), BuildError> {
        let words = starts.last().copied().unwrap_or(0);
        let mut code: Vec<u64> = Vec::with_capacity(usize::try_from(words).unwrap_or(0));
        let mut relocs = Vec::new();
        let mut lines: Vec<LineEntry> = Vec::new();
        let offset = |label: &Label, from: usize| -> Result<i32, BuildError> {
            let to = self.target(*label).and_then(|t| starts.get(t));
            let to = to.ok_or(BuildError::UnboundLabel)?;
            i32::try_from(to - from as i64).map_err(|_| BuildError::CodeTooLong)
        };
        for item in &self.items {
            let pc = code.len();
            if let Some((file, line, col)) = item.line {
                let same = |l: &LineEntry| (l.file, l.line, l.col) == (file, line, col);
                if !lines.last().is_some_and(same) {
                    lines.push(LineEntry {
                        pc: pc as u32,
                        file,
                        line,
                        col,
                    });
                }
            }
            if let Some(f) = item.function {
                relocs.push((pc as u32, f));
            }
            let (op, a) = (item.op, item.a);
            if op == Op::Switch {
                code.push(Word::abc(op, a, item.b, 0).0);
                let labels = self.labels_of(item);
                let mut half = Vec::with_capacity(labels.len());
                for l in labels {
                    half.push(offset(l, pc)? as u32);
                }
                half.resize(switch_words(item.b) * 2, 0);
                for pair in half.chunks(2) {
                    let low = pair.first().copied().unwrap_or(0);
                    let high = pair.get(1).copied().unwrap_or(0);
                    code.push(u64::from(low) | u64::from(high) << 32);
                }
                continue;
            }
            match self.labels_of(item).first() {
                Some(l) if !item.is_short() => {
                    code.push(Word::a32(op, a, offset(l, pc)? as u32).0);
                }
                Some(l) if !item.long => {
                    let o = offset(l, pc)? as i16;
                    code.push(Word::abc(op, a, item.b, o as u16).0);
                }
                Some(l) => match inverse(op, a, item.b) {
                    Some((op, a, b)) => {
                        code.push(Word::abc(op, a, b, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, offset(l, pc + 1)? as u32).0);
                    }
                    None => {
                        code.push(Word::abc(op, a, item.b, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, offset(l, pc + 2)? as u32).0);
                    }
                },
                None => {
                    code.push(Word::abc(op, a, item.b, item.c).0);
                    if op.info().lanes.last() == Some(&Lane::Count) {
                        let mut args = part(&self.args, item.args).iter();
                        for _ in 0..arg_words(item.c) {
                            let lanes = [(); 4].map(|()| args.next().copied().unwrap_or(0));
                            code.push(Word::lanes(lanes).0);
                        }
                    }
                }
            }
        }
        Ok((code, relocs, lines))
    }
}

impl Item {
    fn is_short(&self) -> bool {
        self.op.info().lanes.contains(&Lane::Jump16)
    }

    fn words(&self) -> i64 {
        if self.op == Op::Switch {
            return 1 + switch_words(self.b) as i64;
        }
        if self.long {
            return if inverse(self.op, self.a, self.b).is_some() {
                2
            } else {
                3
            };
        }
        if self.op.info().lanes.last() == Some(&Lane::Count) {
            return 1 + arg_words(self.c) as i64;
        }
        1
    }
}

fn ends(op: Op) -> bool {
    matches!(op, Op::Jmp | Op::Ret | Op::Raise | Op::Panic | Op::Trap)
}

/// The jump that is taken exactly when this one is not.
fn inverse(op: Op, a: u16, b: u16) -> Option<(Op, u16, u16)> {
    Some(match op {
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

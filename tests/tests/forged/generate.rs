//! Random programs that verify: functions of random instructions over registers that are all initialised
//! at the start.
//!
//! Indices, divisors and variants are mostly guarded, so that runs get far before they trap. What must stay
//! true: one seed gives one program.

use jet_bytecode::builder::{FunctionBuilder, Label, Reg};
use jet_bytecode::builtins::{BType, BUILTINS};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Class, Lane, OPS, Op};

use super::programs::{Rng, World};

/// Payload of each variant of the world's `Shape`, as places in a list of types.
const SHAPE: [&[usize]; 4] = [&[], &[0], &[1, 2], &[3]];

/// A function that is being filled.
struct Gen<'a> {
    w: &'a mut World,
    f: FunctionBuilder,
    rng: &'a mut Rng,
    regs: Vec<(TypeIx, Reg)>,
    caps: Vec<Reg>,
    labels: Vec<Label>,
    /// Scratch ints, a zero and a mask.
    t: [Reg; 4],
    raises: bool,
}

/// A random program: `step` and `main` are random.
pub fn random(seed: u64) -> Bundle {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut w = World::new();
    let (int, str_, node, unit, refused) = (w.int, w.str_, w.node, w.unit, w.refused);
    let (strs, file) = (w.lists[5].0, w.file);
    let f = w.builder(
        "step",
        None,
        &[int, str_, node, file],
        true,
        strs,
        &[refused],
    );
    let given = vec![(int, 1), (str_, 2), (node, 3), (file, 4)];
    let done = Gen::fill(&mut w, f, &mut rng, given, strs, true);
    let step = w.step;
    w.p.define(step, done.finish().unwrap());
    let f = w.builder("main", None, &[], true, unit, &[]);
    let done = Gen::fill(&mut w, f, &mut rng, vec![], unit, false);
    let main = w.add("main", done);
    w.p.entry(main, vec![vec!["main".into()]]);
    Bundle {
        packages: vec![w.p.finish().unwrap()],
    }
}

impl Gen<'_> {
    fn fill(
        w: &mut World,
        mut f: FunctionBuilder,
        rng: &mut Rng,
        given: Vec<(TypeIx, Reg)>,
        ret: TypeIx,
        raises: bool,
    ) -> FunctionBuilder {
        let t = [f.reg(w.int), f.reg(w.int), f.reg(w.int), f.reg(w.int)];
        let mut g = Gen {
            w,
            f,
            rng,
            regs: given,
            caps: vec![0],
            labels: vec![],
            t,
            raises,
        };
        g.start();
        let n = 8 + g.rng.below(50);
        g.labels = (0..n).map(|_| g.f.label()).collect();
        for i in 0..n {
            let label = g.labels[i];
            g.f.bind(label);
            g.instruction();
        }
        let r = g.reg(ret);
        g.f.emit(Op::Ret, r, 0, 0);
        g.f
    }

    fn new_reg(&mut self, ty: TypeIx) -> Reg {
        let r = self.f.reg(ty);
        self.regs.push((ty, r));
        r
    }

    /// A random register of a type; every type of the world has some.
    fn reg(&mut self, ty: TypeIx) -> Reg {
        let of: Vec<Reg> = self
            .regs
            .iter()
            .filter(|r| r.0 == ty)
            .map(|r| r.1)
            .collect();
        *self.rng.pick(&of)
    }

    fn cap(&mut self) -> Reg {
        *self.rng.pick(&self.caps)
    }

    /// Initialises registers of every type.
    fn start(&mut self) {
        self.f.const_imm(self.t[0], 0);
        self.f.const_imm(self.t[1], 0);
        self.f.const_imm(self.t[2], 0);
        self.f.const_imm(self.t[3], 63);
        let w = &*self.w;
        let (unit, bool_, byte, char_, int) = (w.unit, w.bool_, w.byte, w.char_, w.int);
        let (float, str_, node, opt, shape) = (w.float, w.str_, w.node, w.opt, w.shape);
        let (color, pair, fake) = (w.color, w.pair, w.fake);
        let lists = w.lists.clone();
        let strs = lists[5].0;
        for ty in [unit, bool_, byte, char_, int, int, int, color] {
            let r = self.new_reg(ty);
            let most = if ty == unit {
                1
            } else if ty == int {
                12
            } else {
                2
            };
            self.f.const_imm(r, self.rng.below(most) as i32);
        }
        for k in 0..2 {
            let r = self.new_reg(float);
            let c = self.w.p.const_float(1.5 + f64::from(k));
            self.f.load_const(r, c);
        }
        for text in ["", "ab,c d", "héé\n"] {
            let r = self.new_reg(str_);
            let c = self.w.p.const_str(text);
            self.f.load_const(r, c);
        }
        for (list, _) in lists.iter().chain(&lists.clone()) {
            let r = self.new_reg(*list);
            self.f.emit(Op::ListNew, r, self.t[0], 0);
        }
        let o = self.new_reg(opt);
        self.f.emit_args(Op::New, o, 1, &[]);
        for _ in 0..2 {
            let r = self.new_reg(node);
            let args = [
                o,
                self.reg(int),
                self.reg(strs),
                self.reg(float),
                self.reg(color),
            ];
            self.f.emit_args(Op::New, r, 0, &args);
        }
        let (a, b) = (self.new_reg(opt), self.reg(node));
        self.f.emit_args(Op::New, a, 0, &[b]);
        for v in [0, 1] {
            let r = self.new_reg(shape);
            let args: Vec<Reg> = if v == 1 {
                vec![self.reg(float)]
            } else {
                vec![]
            };
            self.f.emit_args(Op::New, r, v, &args);
        }
        let r = self.new_reg(pair);
        let args = [
            self.reg(int),
            self.reg(str_),
            self.reg(float),
            self.reg(strs),
        ];
        self.f.emit_args(Op::New, r, 0, &args);
        let r = self.new_reg(self.w.refused_ty);
        let n = self.reg(int);
        self.f.emit_args(Op::New, r, 0, &[n]);
        let l = self.new_reg(self.w.lost_ty);
        let args = [self.reg(str_), self.reg(strs)];
        self.f.emit_args(Op::New, l, 1, &args);
        let e = self.new_reg(self.w.errs);
        self.f.emit(Op::Mov, e, l, 0);
        let d = self.new_reg(self.w.dyn_show);
        let n = self.reg(node);
        self.f.emit(Op::MakeDyn, d, n, 0);
        let k = self.new_reg(fake);
        let args = [self.reg(strs), self.reg(int)];
        self.f.emit_args(Op::New, k, 0, &args);
        // Second-class registers have one definition each.
        let a = self.f.reg(self.w.narrow);
        let args = [0, self.reg(node), self.reg(int)];
        self.f.emit_args(Op::NewAtt, a, 0, &args);
        let c = self.f.reg(self.w.out_ty);
        self.f.emit(Op::AsCap, c, a, 0);
        let c2 = self.f.reg(self.w.out_ty);
        self.f.emit(Op::AsCap, c2, k, 0);
        let b = self.f.reg(self.w.narrow);
        let args = [c, self.reg(node), self.reg(int)];
        self.f.emit_args(Op::NewAtt, b, 0, &args);
        let c3 = self.f.reg(self.w.out_ty);
        self.f.emit(Op::AsCap, c3, b, 0);
        self.caps = vec![0, c, c2, c3];
        // Enums that stand for it, and every capability by way of the child and back.
        for (k, ty) in self.w.modes.into_iter().enumerate() {
            let m = if k == 0 {
                self.new_reg(ty)
            } else {
                self.reg(ty)
            };
            let on = [self.reg(strs), self.reg(int)];
            if k == 0 {
                let v = self.rng.below(2);
                self.f
                    .emit_args(Op::New, m, v as u16, if v == 1 { &on } else { &[] });
            }
            let c = self.f.reg(self.w.out_ty);
            self.f.emit(Op::AsCap, c, m, 0);
            self.caps.push(c);
        }
        let from = self.cap();
        let q = self.f.reg(self.w.quiet_ty);
        self.f.emit(Op::Recap, q, from, 0);
        let back = self.f.reg(self.w.out_ty);
        self.f.emit(Op::Recap, back, q, 0);
        self.caps.push(back);
        if !self.raises {
            // The host's; `step` is handed one, since its capability may be a fake.
            let file = self.new_reg(self.w.file);
            self.f.emit_args(Op::CapCall, file, 3, &[0]);
        }
        let own = self.new_reg(self.w.own);
        let args = [self.reg(int), self.reg(str_), self.reg(node)];
        self.f.emit_fn(Op::MakeFn, own, self.w.lit, &args);
        let uses = self.new_reg(self.w.own_uses);
        let s = self.reg(str_);
        self.f.emit_fn(Op::MakeFn, uses, self.w.lit_uses, &[s]);
        let b = self.new_reg(self.w.borrowed);
        self.f.emit_args(Op::BindFn, b, uses, &[c]);
        let b = self.new_reg(self.w.borrowed);
        let args = [self.reg(str_), c3];
        self.f.emit_fn(Op::MakeBorrowed, b, self.w.lit_cap, &args);
    }

    fn target(&mut self) -> Label {
        let labels = self.labels.clone();
        *self.rng.pick(&labels)
    }

    /// Puts an index below the list's length (or `extra` more) into scratch 1; jumps to the label if empty.
    fn index(&mut self, list: Reg, extra: u16, none: Label) -> Reg {
        let [zero, i, n, mask] = self.t;
        let from = self.reg(self.w.int);
        self.f.emit(Op::ListLen, n, list, 0);
        self.f.emit(Op::AddImm, n, n, extra);
        self.f.jump(Op::JEq, n, zero, none);
        self.f.emit(Op::AndInt, i, from, mask);
        self.f.emit(Op::RemInt, i, i, n);
        i
    }

    /// A register for a class of the opcode table.
    fn of_class(&mut self, class: Class, word: TypeIx) -> Reg {
        if class == Class::Cap {
            return self.cap();
        }
        let w = &*self.w;
        let ty = match class {
            Class::Int => w.int,
            Class::Float => w.float,
            Class::Bool => w.bool_,
            Class::Byte => w.byte,
            Class::Char => w.char_,
            Class::Str => w.str_,
            Class::List => w.lists[self.rng.below(w.lists.len())].0,
            Class::Ref => w.node,
            Class::Enum => *self.rng.pick(&[w.opt, w.shape, w.color, w.lost_ty]),
            Class::ErrorSet => w.errs,
            _ => word,
        };
        self.reg(ty)
    }

    fn instruction(&mut self) {
        let skip = self.f.label();
        match self.rng.below(34) {
            0..=4 => self.simple(),
            5 => self.jump(),
            6..=13 => self.list(skip),
            14..=16 => self.record(),
            17 => self.payload(skip),
            18..=20 => self.builtin(skip),
            21..=24 => self.call(skip),
            25 => self.closure(),
            26 => {
                let ty = *self.rng.pick(&self.regs.clone());
                let first_class = ![self.w.own, self.w.own_uses, self.w.borrowed].contains(&ty.0);
                let to = self.reg(ty.0);
                let op = if first_class && self.rng.below(2) == 0 {
                    Op::DeepCopy
                } else {
                    Op::Mov
                };
                if ty.0 != self.w.borrowed {
                    self.f.emit(op, to, ty.1, 0);
                }
            }
            27 => {
                let (s, d) = (self.w.str_, self.w.str_);
                let args: Vec<Reg> = (0..self.rng.below(7)).map(|_| self.reg(s)).collect();
                let d = self.reg(d);
                self.f.emit_args(Op::StrConcatN, d, 0, &args);
            }
            28 => {
                let (a, b) = (self.reg(self.w.str_), self.reg(self.w.str_));
                self.f.emit(Op::StrConcat, a, a, b);
            }
            29 => {
                let r = self.reg(self.w.int);
                let values = [0, 1, 2, 5, 40, 300, -1, i32::MAX];
                let v = *self.rng.pick(&values);
                self.f.const_imm(r, v);
            }
            30 => {
                let (e, l) = (self.reg(self.w.errs), self.reg(self.w.lost_ty));
                let to = self.f.label();
                self.f.emit(Op::Mov, e, l, 0);
                self.f.jump(Op::JErrIs, e, self.w.refused_ty, to);
                self.f.emit(Op::ErrCast, l, e, 0);
                self.f.bind(to);
            }
            31 if self.raises && self.rng.below(4) == 0 => {
                let (e, c) = (self.reg(self.w.refused_ty), self.reg(self.w.bool_));
                self.f.jump(Op::JmpIf, c, 0, skip);
                self.f.emit(Op::Raise, e, 0, 0);
            }
            32 => {
                let v = self.reg(self.w.int);
                let to: Vec<Label> = (0..1 + self.rng.below(4)).map(|_| self.target()).collect();
                self.f.switch(v, &to);
            }
            _ => {
                let (a, b) = (self.reg(self.w.int), self.reg(self.w.int));
                self.f.emit(Op::AndInt, a, b, self.t[3]);
            }
        }
        self.f.bind(skip);
    }

    /// An opcode that its classes type completely.
    fn simple(&mut self) {
        let ops: Vec<_> = OPS.iter().filter(|o| !o.special).collect();
        let info = **self.rng.pick(&ops);
        let traps = [
            Op::IntToChar,
            Op::IntToByte,
            Op::PowInt,
            Op::FloatToInt,
            Op::Shl,
            Op::Shr,
            Op::Ushr,
        ];
        if (traps.contains(&info.op)
            || matches!(info.op, Op::DivInt | Op::RemInt | Op::MulInt | Op::StrByte))
            && self.rng.below(12) != 0
        {
            return;
        }
        let mut lanes = [0u16; 3];
        for (lane, kind) in lanes.iter_mut().zip(info.lanes) {
            *lane = match kind {
                Lane::Write(c) | Lane::Read(c) => self.of_class(c, self.w.int),
                Lane::Imm16 => self.rng.below(9) as u16,
                _ => 0,
            };
        }
        self.f.emit(info.op, lanes[0], lanes[1], lanes[2]);
    }

    fn jump(&mut self) {
        let to = self.target();
        let int = self.w.int;
        let (a, b) = (self.reg(int), self.reg(int));
        match self.rng.below(7) {
            0 => self.f.jump(Op::JLt, a, b, to),
            1 => self.f.jump(Op::JNeImm, a, 3, to),
            2 => {
                let (x, y) = (self.reg(self.w.float), self.reg(self.w.float));
                self.f.jump(Op::JNltFloat, x, y, to);
            }
            3 => {
                let c = self.reg(self.w.bool_);
                self.f.jump(Op::JmpIfNot, c, 0, to);
            }
            4 => {
                let (s, v) = (self.reg(self.w.shape), self.rng.below(4) as u16);
                self.f.jump(Op::JTag, s, v, to);
            }
            5 => {
                let (o, v) = (self.reg(self.w.opt), self.rng.below(2) as u16);
                self.f.jump(Op::JNotTag, o, v, to);
            }
            _ => {
                let c = self.reg(self.w.color);
                self.f.switch(c, &[to]);
            }
        }
    }

    fn list(&mut self, skip: Label) {
        let lists = self.w.lists.clone();
        let (ty, elem) = *self.rng.pick(&lists);
        let (l, e) = (self.reg(ty), self.reg(elem));
        let other = self.reg(ty);
        let i = |g: &mut Self, extra| g.index(l, extra, skip);
        match self.rng.below(16) {
            0..=3 => self.f.emit(Op::ListPush, l, e, 0),
            4 => {
                let args: Vec<Reg> = (0..self.rng.below(9)).map(|_| self.reg(elem)).collect();
                self.f.emit_args(Op::ListOf, l, 0, &args);
            }
            5 => {
                let n = self.t[1];
                let c = self.rng.pick(&[0, 3, 60, 3000]);
                self.f.const_imm(n, *c);
                self.f.emit(Op::ListFill, l, n, e);
            }
            6 => {
                let i = i(self, 0);
                self.f.emit(Op::ListGet, e, l, i);
            }
            7 => {
                let i = i(self, 0);
                self.f.emit(Op::ListSet, l, i, e);
            }
            8 => {
                i(self, 0);
                self.f.emit(Op::ListPop, e, l, 0);
            }
            9 => {
                let i = i(self, 1);
                self.f.emit(Op::ListInsert, l, i, e);
            }
            10 => {
                let i = i(self, 0);
                self.f.emit(Op::ListRemove, e, l, i);
            }
            11 => {
                let i = i(self, 0);
                self.f.emit(Op::ListSwap, l, i, i);
            }
            12 => {
                let i = i(self, 1);
                self.f.emit(Op::ListTruncate, l, i, 0);
            }
            13 => self.f.emit(Op::ListExtend, l, other, 0),
            14 => {
                let i = i(self, 1);
                self.f.emit_args(Op::ListSlice, other, l, &[self.t[0], i]);
            }
            _ => {
                let n = self.reg(self.w.bool_);
                let _ = n;
                self.f.emit(Op::ListNew, l, self.t[3], 0);
            }
        }
    }

    fn record(&mut self) {
        let w = &*self.w;
        let (int, str_, float, color, node) = (w.int, w.str_, w.float, w.color, w.node);
        let (opt, shape, pair, fake) = (w.opt, w.shape, w.pair, w.fake);
        let (strs, shapes) = (w.lists[5].0, w.lists[9].0);
        let fields = [opt, int, strs, float, color];
        let (a, b) = (self.reg(node), self.reg(node));
        match self.rng.below(10) {
            0 | 1 => {
                let args: Vec<Reg> = fields.iter().map(|t| self.reg(*t)).collect();
                self.f.emit_args(Op::New, a, 0, &args);
            }
            2 => {
                let k = self.rng.below(5);
                let v = self.reg(fields[k]);
                self.f.emit(Op::GetField, v, a, k as u16);
            }
            3 | 4 => {
                let k = self.rng.below(4);
                let v = self.reg(fields[k]);
                self.f.emit(Op::SetField, a, k as u16, v);
            }
            5 => {
                let o = self.reg(opt);
                if self.rng.below(4) == 0 {
                    self.f.emit_args(Op::New, o, 1, &[]);
                } else {
                    self.f.emit_args(Op::New, o, 0, &[b]);
                }
            }
            6 => {
                let types = [float, str_, node, shapes];
                let s = self.reg(shape);
                let v = self.rng.below(4);
                let args: Vec<Reg> = SHAPE[v].iter().map(|t| self.reg(types[*t])).collect();
                self.f.emit_args(Op::New, s, v as u16, &args);
            }
            7 => {
                let p = self.reg(pair);
                let args = [
                    self.reg(int),
                    self.reg(str_),
                    self.reg(float),
                    self.reg(strs),
                ];
                self.f.emit_args(Op::New, p, 0, &args);
                self.f.emit(Op::GetField, args[3], p, 3);
            }
            8 => {
                let (k, v) = (self.reg(fake), self.reg(strs));
                self.f.emit(Op::SetField, k, 0, v);
            }
            _ => {
                let d = self.reg(self.w.dyn_show);
                self.f.emit(Op::MakeDyn, d, a, 0);
            }
        }
    }

    fn payload(&mut self, skip: Label) {
        let w = &*self.w;
        let types = [w.float, w.str_, w.node, w.lists[9].0];
        let guarded = self.rng.below(20) != 0;
        if self.rng.below(2) == 0 {
            let (o, n) = (self.reg(self.w.opt), self.reg(self.w.node));
            if guarded {
                self.f.jump(Op::JNotTag, o, 0, skip);
            }
            self.f.emit(Op::GetPayload, n, o, 0);
            return;
        }
        let s = self.reg(self.w.shape);
        let v = 1 + self.rng.below(3);
        let k = self.rng.below(SHAPE[v].len());
        let to = self.reg(types[SHAPE[v][k]]);
        if guarded {
            self.f.jump(Op::JNotTag, s, v as u16, skip);
        }
        self.f.emit(Op::GetPayload, to, s, (v * 256 + k) as u16);
    }

    fn builtin(&mut self, skip: Label) {
        let n = self.rng.below(BUILTINS.len());
        let row = &BUILTINS[n];
        let quiet = [
            "str_slice",
            "str_repeat",
            "str_to_int",
            "str_to_float",
            "str_from_bytes",
        ];
        let loud = quiet.contains(&row.name)
            || row.name.starts_with("format")
            || ["char_to_digit", "str_char_at", "str_find"].contains(&row.name);
        let [zero, i, _, mask] = self.t;
        if row.name == "str_repeat" || row.name == "str_slice" {
            let (s, from, to) = (
                self.reg(self.w.str_),
                self.reg(self.w.int),
                self.reg(self.w.str_),
            );
            let int = i;
            self.f.emit(Op::AndInt, int, from, mask);
            if row.name == "str_repeat" {
                self.f.emit_args(Op::Builtin, to, n as u16, &[s, int]);
            } else {
                self.f.emit(Op::StrLen, int, s, 0);
                self.f.emit_args(Op::Builtin, to, n as u16, &[s, zero, int]);
            }
            return;
        }
        if loud && self.rng.below(10) != 0 {
            return;
        }
        let _ = skip;
        let ty = |g: &Self, b: BType| match b {
            BType::Unit => g.w.unit,
            BType::Bool => g.w.bool_,
            BType::Char => g.w.char_,
            BType::Int => g.w.int,
            BType::Float => g.w.float,
            BType::Str => g.w.str_,
            BType::ListByte => g.w.lists[1].0,
            BType::ListChar => g.w.lists[2].0,
            BType::ListStr => g.w.lists[5].0,
        };
        let mut args = Vec::new();
        for b in row.params {
            let t = ty(self, *b);
            args.push(self.reg(t));
        }
        let t = ty(self, row.result);
        let dst = self.reg(t);
        self.f.emit_args(Op::Builtin, dst, n as u16, &args);
    }

    fn call(&mut self, skip: Label) {
        let c = self.cap();
        let w = &*self.w;
        let (int, str_, node, unit, file) = (w.int, w.str_, w.node, w.unit, w.file);
        let strs = w.lists[5].0;
        let (i, s, n, l) = (
            self.reg(int),
            self.reg(str_),
            self.reg(node),
            self.reg(strs),
        );
        let e = self.reg(self.w.refused_ty);
        let to = if self.rng.below(2) == 0 {
            skip
        } else {
            self.target()
        };
        match self.rng.below(8) {
            0 | 1 => {
                let h = self.reg(file);
                self.f.emit_fn(Op::Call, l, self.w.step, &[c, i, s, n, h]);
                self.f.on_error(e, to);
            }
            2 => {
                let u = self.reg(unit);
                self.f.emit_args(Op::CapCall, u, 0, &[c, i]);
            }
            3 => {
                self.f.emit_args(Op::CapCall, i, 1, &[c, s]);
                self.f.on_error(e, to);
            }
            4 => self.f.emit_args(Op::CapCall, l, 2, &[c, l]),
            5 => {
                let d = self.reg(self.w.dyn_show);
                self.f.emit_args(Op::CallDyn, s, 0, &[c, d, i]);
            }
            6 => {
                // Handles are sealed: mostly by the binding that read gets.
                let h = self.reg(file);
                let c = *self.rng.pick(&[0, 0, c]);
                self.f.emit_args(Op::CapCall, i, 4, &[c, h, i]);
            }
            _ if self.raises => {}
            _ => {
                let h = self.f.reg(file);
                let c = self.caps[1];
                self.f.emit_args(Op::CapCall, h, 3, &[c]);
                self.f.emit_args(Op::CapCall, i, 4, &[c, h, i]);
            }
        }
    }

    fn closure(&mut self) {
        let w = &*self.w;
        let (int, own, uses, borrowed) = (w.int, w.own, w.own_uses, w.borrowed);
        let (i, a) = (self.reg(int), self.reg(int));
        match self.rng.below(5) {
            0 => {
                let f = self.reg(own);
                self.f.emit_args(Op::CallFn, i, f, &[a]);
            }
            1 => {
                let (f, c) = (self.reg(uses), self.cap());
                self.f.emit_args(Op::CallFn, i, f, &[c, a]);
            }
            2 | 3 => {
                let f = self.reg(borrowed);
                self.f.emit_args(Op::CallFn, i, f, &[a]);
            }
            _ => {
                let f = self.reg(own);
                let args = [i, self.reg(self.w.str_), self.reg(self.w.node)];
                self.f.emit_fn(Op::MakeFn, f, self.w.lit, &args);
            }
        }
    }
}

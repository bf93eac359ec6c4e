//! A small world of types, capabilities and functions that the tests build programs in, and one valid
//! bundle that uses every opcode.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use jet_bytecode::builder::*;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;

pub struct World {
    pub pb: PackageBuilder,
    pub unit: TypeIx,
    pub bool_: TypeIx,
    pub byte: TypeIx,
    pub char_: TypeIx,
    pub int: TypeIx,
    pub float: TypeIx,
    pub str_: TypeIx,
    pub ints: TypeIx,
    pub strs: TypeIx,
    pub pair: TypeIx,
    pub env: TypeIx,
    pub point: TypeIx,
    pub opt: TypeIx,
    pub color: TypeIx,
    pub e1: NominalIx,
    pub e2: NominalIx,
    pub err1: TypeIx,
    pub err2: TypeIx,
    pub errs: TypeIx,
    pub out: CapIx,
    pub child: CapIx,
    pub net: CapIx,
    pub out_ty: TypeIx,
    pub child_ty: TypeIx,
    pub net_ty: TypeIx,
    pub att_n: NominalIx,
    pub att: TypeIx,
    pub point_n: NominalIx,
    pub show: TraitIx,
    pub dyn_show: TypeIx,
    pub own: TypeIx,
    pub own_uses: TypeIx,
    pub borrowed: TypeIx,
    pub parse: FnRef,
    pub say: FnRef,
    pub both: FnRef,
    pub lit: FnRef,
    pub lit_cap: FnRef,
    pub lit_uses: FnRef,
    pub att_print: FnRef,
    pub att_read: FnRef,
}

pub fn field(name: &str, ty: TypeIx, mutable: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        mutable,
    }
}

pub fn variant(name: &str, fields: Vec<Field>) -> Variant {
    Variant {
        name: name.into(),
        fields,
    }
}

impl World {
    /// Types, capabilities, an attenuator, and a few functions to call.
    pub fn new() -> World {
        let mut pb = PackageBuilder::new("app", "0.1.0");
        let unit = pb.ty(Type::Unit);
        let bool_ = pb.ty(Type::Bool);
        let byte = pb.ty(Type::Byte);
        let char_ = pb.ty(Type::Char);
        let int = pb.ty(Type::Int);
        let float = pb.ty(Type::Float);
        let str_ = pb.ty(Type::Str);
        let env = pb.ty(Type::Env);
        let ints = pb.ty(Type::List(int));
        let strs = pb.ty(Type::List(str_));
        let pair = pb.ty(Type::Tuple(vec![int, str_]));
        let point_n = pb.nominal(0, "Point");
        let point = pb.ty(Type::Nominal(point_n));
        pb.define_nominal(
            point_n,
            NominalKind::Struct(vec![field("x", int, false), field("y", int, true)]),
        );
        let opt_n = pb.nominal(0, "Option[app.Point]");
        let opt = pb.ty(Type::Nominal(opt_n));
        pb.define_nominal(
            opt_n,
            NominalKind::Enum(vec![
                variant("None", vec![]),
                variant("Some", vec![field("0", point, false)]),
            ]),
        );
        let color_n = pb.nominal(0, "Color");
        let color = pb.ty(Type::Nominal(color_n));
        pb.define_nominal(
            color_n,
            NominalKind::Enum(vec![variant("Red", vec![]), variant("Green", vec![])]),
        );
        let e1 = pb.nominal(0, "ParseError");
        let err1 = pb.ty(Type::Nominal(e1));
        pb.define_nominal(
            e1,
            NominalKind::Error(vec![
                variant("Empty", vec![]),
                variant("BadDigit", vec![field("at", int, false)]),
            ]),
        );
        let e2 = pb.nominal(0, "IoError");
        let err2 = pb.ty(Type::Nominal(e2));
        pb.define_nominal(e2, NominalKind::Error(vec![variant("Other", vec![])]));
        let errs = pb.error_type(vec![e1, e2]).unwrap();
        let out = pb.cap(0, "Out");
        let out_methods = vec![
            Method {
                name: "print".into(),
                sig: pb.sig(vec![str_], vec![], unit, vec![]),
            },
            Method {
                name: "read".into(),
                sig: pb.sig(vec![str_], vec![], str_, vec![e2]),
            },
        ];
        pb.define_cap(out, None, out_methods.clone());
        let child = pb.cap(0, "Quiet");
        pb.define_cap(child, Some(out), out_methods);
        let net = pb.cap(0, "Net");
        let get = Method {
            name: "get".into(),
            sig: pb.sig(vec![str_], vec![], str_, vec![]),
        };
        pb.define_cap(net, None, vec![get]);
        let out_ty = pb.ty(Type::Cap(out));
        let child_ty = pb.ty(Type::Cap(child));
        let net_ty = pb.ty(Type::Cap(net));
        let att_n = pb.nominal(0, "Narrow");
        let att = pb.ty(Type::Nominal(att_n));
        pb.define_nominal(
            att_n,
            NominalKind::Struct(vec![
                field("user", int, false),
                field("count", int, true),
                field("out", out_ty, false),
            ]),
        );
        let show = pb.trait_(0, "Show");
        let show_sig = pb.sig(vec![], vec![], str_, vec![]);
        pb.define_trait(
            show,
            vec![Method {
                name: "show".into(),
                sig: show_sig,
            }],
        );
        let dyn_show = pb.ty(Type::Dyn(show));
        let int_to_int = pb.sig(vec![int], vec![], int, vec![]);
        let int_to_int_uses = pb.sig(vec![int], vec![out], int, vec![]);
        let own = pb.ty(Type::Fn(int_to_int.clone()));
        let own_uses = pb.ty(Type::Fn(int_to_int_uses));
        let borrowed = pb.ty(Type::BorrowedFn(int_to_int));
        let mut w = World {
            pb,
            unit,
            bool_,
            byte,
            char_,
            int,
            float,
            str_,
            ints,
            strs,
            pair,
            env,
            point,
            opt,
            color,
            e1,
            e2,
            err1,
            err2,
            errs,
            out,
            child,
            net,
            out_ty,
            child_ty,
            net_ty,
            att_n,
            att,
            point_n,
            show,
            dyn_show,
            own,
            own_uses,
            borrowed,
            parse: FnRef::Local(0),
            say: FnRef::Local(0),
            both: FnRef::Local(0),
            lit: FnRef::Local(0),
            lit_cap: FnRef::Local(0),
            lit_uses: FnRef::Local(0),
            att_print: FnRef::Local(0),
            att_read: FnRef::Local(0),
        };
        w.helpers();
        w
    }

    /// Builds a named function.
    pub fn named(
        &mut self,
        name: &str,
        params: &[TypeIx],
        uses: &[CapIx],
        ret: TypeIx,
        errors: &[NominalIx],
        body: impl FnOnce(&mut FunctionBuilder, &mut World),
    ) -> FnRef {
        self.function(FnKind::Named, name, &[], params, uses, ret, errors, body)
    }

    /// Builds a literal.
    pub fn literal(
        &mut self,
        name: &str,
        captures: &[TypeIx],
        uses: &[CapIx],
        body: impl FnOnce(&mut FunctionBuilder, &mut World),
    ) -> FnRef {
        let int = self.int;
        self.function(
            FnKind::Literal,
            name,
            captures,
            &[int],
            uses,
            int,
            &[],
            body,
        )
    }

    #[allow(clippy::too_many_arguments)]
    pub fn function(
        &mut self,
        kind: FnKind,
        name: &str,
        captures: &[TypeIx],
        params: &[TypeIx],
        uses: &[CapIx],
        ret: TypeIx,
        errors: &[NominalIx],
        body: impl FnOnce(&mut FunctionBuilder, &mut World),
    ) -> FnRef {
        let at = self.pb.declare(name);
        let sig = self
            .pb
            .sig(params.to_vec(), uses.to_vec(), ret, errors.to_vec());
        let mut leading = Vec::new();
        if kind == FnKind::Literal {
            leading.push(self.env);
        }
        for c in &sig.uses {
            leading.push(self.pb.ty(Type::Cap(*c)));
        }
        leading.extend(params);
        let mut f = FunctionBuilder::new(name, kind, sig, captures.to_vec(), leading);
        body(&mut f, self);
        let done = f.finish().unwrap();
        self.pb.define(at, done);
        at
    }

    fn helpers(&mut self) {
        let (int, str_, unit, point, att, out_ty) = (
            self.int,
            self.str_,
            self.unit,
            self.point,
            self.att,
            self.out_ty,
        );
        let (e1, e2, out) = (self.e1, self.e2, self.out);
        self.parse = self.named("parse", &[str_], &[], int, &[e1], |f, w| {
            let e = f.reg(w.err1);
            let n = f.reg(int);
            let ok = f.label();
            f.emit(Op::StrLen, n, 0, 0);
            f.jump(Op::JNeImm, n, 0, ok);
            f.emit_args(Op::New, e, 0, &[]);
            f.emit(Op::Raise, e, 0, 0);
            f.bind(ok);
            f.emit(Op::Ret, n, 0, 0);
        });
        self.say = self.named("say", &[str_], &[out], unit, &[], |f, w| {
            let u = f.reg(w.unit);
            f.emit_args(Op::CapCall, u, 0, &[0, 1]);
            f.emit(Op::Ret, u, 0, 0);
        });
        let parse = self.parse;
        self.both = self.named("both", &[str_], &[out], int, &[e1, e2], |f, w| {
            let (n, s, e) = (f.reg(int), f.reg(str_), f.reg(w.err1));
            let (es, one) = (f.reg(w.errs), f.reg(w.err2));
            let (bad, worse) = (f.label(), f.label());
            f.emit_args(Op::CapCall, s, 1, &[0, 1]);
            f.on_error(es, worse);
            f.emit_fn(Op::Call, n, parse, &[s]);
            f.on_error(e, bad);
            f.emit(Op::Ret, n, 0, 0);
            f.bind(bad);
            f.emit(Op::Mov, es, e, 0);
            f.emit(Op::Raise, es, 0, 0);
            f.bind(worse);
            let other = f.label();
            f.jump(Op::JErrIs, es, w.err1, other);
            f.emit(Op::ErrCast, one, es, 0);
            f.emit(Op::Raise, one, 0, 0);
            f.bind(other);
            f.emit(Op::Raise, es, 0, 0);
        });
        self.lit = self.literal("lit", &[int], &[], |f, w| {
            let (a, b) = (f.reg(w.int), f.reg(w.int));
            f.emit(Op::GetCapture, a, 0, 0);
            f.emit(Op::AddInt, b, a, 1);
            f.emit(Op::Ret, b, 0, 0);
        });
        self.lit_cap = self.literal("lit_cap", &[out_ty], &[], |f, w| {
            let (c, s, u) = (f.reg(w.out_ty), f.reg(w.str_), f.reg(w.unit));
            f.emit(Op::GetCapture, c, 0, 0);
            let k = w.pb.const_str("hello");
            f.load_const(s, k);
            f.emit_args(Op::CapCall, u, 0, &[c, s]);
            f.emit(Op::Ret, 1, 0, 0);
        });
        self.lit_uses = self.literal("lit_uses", &[], &[out], |f, w| {
            let (s, u) = (f.reg(w.str_), f.reg(w.unit));
            let k = w.pb.const_str("hello");
            f.load_const(s, k);
            f.emit_args(Op::CapCall, u, 0, &[1, s]);
            f.emit(Op::Ret, 2, 0, 0);
        });
        self.att_print = self.named("Narrow.print", &[att, str_], &[], unit, &[], |f, w| {
            let (c, n, u) = (f.reg(w.out_ty), f.reg(w.int), f.reg(w.unit));
            f.emit(Op::GetField, n, 0, 1);
            f.emit(Op::AddImm, n, n, 1);
            f.emit(Op::SetField, 0, 1, n);
            f.emit(Op::GetCap, c, 0, 2);
            f.emit_args(Op::CapCall, u, 0, &[c, 1]);
            f.emit(Op::Ret, u, 0, 0);
        });
        self.att_read = self.named("Narrow.read", &[att, str_], &[], str_, &[e2], |f, _| {
            f.emit(Op::Ret, 1, 0, 0);
        });
        let methods = vec![self.att_print, self.att_read];
        self.pb.implement(self.att_n, Interface::Cap(out), methods);
        let show = self.named("Point.show", &[point], &[], str_, &[], |f, w| {
            let (n, s) = (f.reg(w.int), f.reg(w.str_));
            f.emit(Op::GetField, n, 0, 0);
            let to = jet_bytecode::builtins::Builtin::IntToStr as u16;
            f.emit_args(Op::Builtin, s, to, &[n]);
            f.emit(Op::Ret, s, 0, 0);
        });
        self.pb
            .implement(self.point_n, Interface::Trait(self.show), vec![show]);
    }

    pub fn finish(self) -> Bundle {
        Bundle {
            packages: vec![self.pb.finish().unwrap()],
        }
    }
}

/// A valid bundle that uses every opcode, with an entry.
pub fn everything() -> Bundle {
    let mut w = World::new();
    let (unit, out, strs) = (w.unit, w.out, w.strs);
    let file = w.pb.file("src/main.jet");
    arithmetic(&mut w);
    jumps(&mut w);
    data(&mut w);
    functions(&mut w);
    let say = w.say;
    let main = w.named("main", &[strs], &[out], unit, &[], |f, w| {
        f.line(file, 3, 5);
        let (i, n, s, u) = (f.reg(w.int), f.reg(w.int), f.reg(w.str_), f.reg(w.unit));
        let (top, done) = (f.label(), f.label());
        f.const_imm(i, 0);
        f.bind(top);
        f.line(file, 4, 5);
        f.emit(Op::ListLen, n, 1, 0);
        f.jump(Op::JLe, n, i, done);
        f.emit(Op::ListGet, s, 1, i);
        f.emit_fn(Op::Call, u, say, &[0, s]);
        f.emit(Op::AddImm, i, i, 1);
        f.jmp(top);
        f.bind(done);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
    });
    w.pb.entry(main, vec![vec!["main".into(), "app.say".into()]]);
    w.finish()
}

fn arithmetic(w: &mut World) {
    let (int, float, bool_) = (w.int, w.float, w.bool_);
    w.named("arith", &[int, int, float, float], &[], int, &[], |f, w| {
        use Op::*;
        let (a, x, p) = (f.reg(int), f.reg(float), f.reg(bool_));
        let (by, ch, st) = (f.reg(w.byte), f.reg(w.char_), f.reg(w.str_));
        for op in [
            AddInt, SubInt, MulInt, DivInt, RemInt, PowInt, AddWrap, SubWrap, MulWrap, AndInt,
            OrInt, XorInt, Shl, Shr, Ushr, HashMix,
        ] {
            f.emit(op, a, 0, 1);
        }
        for op in [NegInt, NotInt, AddImm, WordToInt, HashWord] {
            f.emit(op, a, 0, 0);
        }
        for op in [EqWord, NeWord, LtWord, LeWord] {
            f.emit(op, p, 0, 1);
        }
        for op in [EqFloat, NeFloat, LtFloat, LeFloat] {
            f.emit(op, p, 2, 3);
        }
        f.emit(CmpFloat, a, 2, 3);
        f.emit(NotBool, p, p, 0);
        for op in [AddFloat, SubFloat, MulFloat, DivFloat, RemFloat, PowFloat] {
            f.emit(op, x, 2, 3);
        }
        for op in [NegFloat, SqrtFloat] {
            f.emit(op, x, 2, 0);
        }
        f.emit(IntToFloat, x, 0, 0);
        f.emit(FloatToInt, a, 2, 0);
        f.emit(IntToByte, by, a, 0);
        f.emit(IntToChar, ch, a, 0);
        let k = w.pb.const_int(1 << 40);
        f.load_const(a, k);
        let k = w.pb.const_float(1.5);
        f.load_const(x, k);
        let k = w.pb.const_str("text");
        f.load_const(st, k);
        f.emit(StrConcat, st, st, st);
        f.emit_args(StrConcatN, st, 0, &[st, st, st, st, st]);
        f.emit(StrLen, a, st, 0);
        f.emit(StrByte, a, st, a);
        f.emit(StrEq, p, st, st);
        f.emit(StrCmp, a, st, st);
        f.emit(HashStr, a, st, 0);
        f.emit(Ret, a, 0, 0);
    });
}

fn jumps(w: &mut World) {
    let (int, float, bool_, color) = (w.int, w.float, w.bool_, w.color);
    w.named(
        "jumps",
        &[int, int, float, bool_, color],
        &[],
        int,
        &[],
        |f, w| {
            use Op::*;
            let end = f.label();
            for op in [JEq, JNe, JLt, JLe] {
                f.jump(op, 0, 1, end);
            }
            for op in [JEqImm, JNeImm, JLtImm, JLeImm, JGtImm, JGeImm] {
                f.jump(op, 0, 7, end);
            }
            for op in [JEqFloat, JNeFloat, JLtFloat, JLeFloat, JNltFloat, JNleFloat] {
                f.jump(op, 2, 2, end);
            }
            f.jump(JmpIf, 3, 0, end);
            f.jump(JmpIfNot, 3, 0, end);
            f.jump(JTag, 4, 1, end);
            f.jump(JNotTag, 4, 0, end);
            let (a, b, c) = (f.label(), f.label(), f.label());
            f.switch(0, &[a, b, c]);
            f.jmp(a);
            f.bind(a);
            f.bind(b);
            let s = f.reg(w.str_);
            let k = w.pb.const_str("no");
            f.load_const(s, k);
            f.emit(Panic, s, 0, 0);
            f.bind(c);
            f.emit(Trap, 18, 0, 0);
            f.bind(end);
            f.emit(Ret, 0, 0, 0);
        },
    );
}

fn data(w: &mut World) {
    let (int, ints, point, opt) = (w.int, w.ints, w.point, w.opt);
    w.named("data", &[int, ints], &[], int, &[], |f, w| {
        use Op::*;
        let (l, n, p, o) = (f.reg(ints), f.reg(int), f.reg(point), f.reg(opt));
        let (t, c, b) = (f.reg(w.pair), f.reg(w.color), f.reg(w.bool_));
        let s = f.reg(w.str_);
        f.emit(ListNew, l, 0, 0);
        f.emit_args(ListOf, l, 0, &[0, 0, 0]);
        f.emit(ListFill, l, 0, 0);
        f.emit(ListLen, n, l, 0);
        f.emit(ListGet, n, l, 0);
        f.emit(ListSet, l, 0, n);
        f.emit(ListPush, l, n, 0);
        f.emit(ListPop, n, l, 0);
        f.emit(ListInsert, l, 0, n);
        f.emit(ListRemove, n, l, 0);
        f.emit(ListSwap, l, 0, n);
        f.emit(ListTruncate, l, n, 0);
        f.emit(ListExtend, l, 1, 0);
        f.emit_args(ListSlice, l, 1, &[0, n]);
        f.emit(DeepCopy, l, 1, 0);
        f.emit(EqRef, b, l, 1);
        f.emit_args(New, p, 0, &[n, n]);
        f.emit_args(New, o, 0, &[]);
        f.emit_args(New, o, 1, &[p]);
        f.emit(GetTag, n, o, 0);
        f.emit(GetPayload, p, o, 1 << 8);
        f.emit(GetField, n, p, 1);
        f.emit(SetField, p, 1, n);
        let k = w.pb.const_str("x");
        f.load_const(s, k);
        f.emit_args(New, t, 0, &[n, s]);
        f.emit(GetField, s, t, 1);
        f.const_imm(c, 1);
        f.emit(Mov, n, 0, 0);
        f.emit(Ret, n, 0, 0);
    });
}

fn functions(w: &mut World) {
    let (int, str_, out, point) = (w.int, w.str_, w.out, w.point);
    w.named(
        "functions",
        &[int, str_, point],
        &[out],
        int,
        &[],
        |f, w| {
            use Op::*;
            let (own, own_uses) = (f.reg(w.own), f.reg(w.own_uses));
            let (b1, b2, n) = (f.reg(w.borrowed), f.reg(w.borrowed), f.reg(int));
            f.emit_fn(MakeFn, own, w.lit, &[1]);
            f.emit_fn(MakeFn, own_uses, w.lit_uses, &[]);
            f.emit_fn(MakeBorrowed, b1, w.lit_cap, &[0]);
            f.emit_args(BindFn, b2, own_uses, &[0]);
            f.emit_args(BindFn, b2, own, &[]);
            f.emit_args(CallFn, n, own, &[1]);
            f.emit_args(CallFn, n, own_uses, &[0, 1]);
            f.emit_args(CallFn, n, b1, &[1]);
            let (d, s) = (f.reg(w.dyn_show), f.reg(str_));
            f.emit(MakeDyn, d, 3, 0);
            f.emit_args(CallDyn, s, 0, &[d]);
            let (att, as_out) = (f.reg(w.att), f.reg(w.out_ty));
            let (quiet, back) = (f.reg(w.child_ty), f.reg(w.out_ty));
            f.emit_args(NewAtt, att, 0, &[n, n, 0]);
            f.emit(AsCap, as_out, att, 0);
            f.emit(Recap, quiet, as_out, 0);
            f.emit(Recap, back, quiet, 0);
            let u = f.reg(w.unit);
            f.emit_fn(Call, u, w.say, &[back, s]);
            f.emit(EndCap, as_out, 0, 0);
            f.emit(Ret, n, 0, 0);
        },
    );
}

//! Programs that the verifier must refuse, each by the right rule; every rule has at least one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{World, everything, field, variant};
use jet_bytecode::builder::*;
use jet_bytecode::format::package_hash;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify::{RULES, Rule, VerifyLimits, verify, verify_with};

#[derive(Default)]
struct Cases {
    seen: Vec<Rule>,
    wrong: Vec<String>,
}

impl Cases {
    fn bundle(&mut self, rule: Rule, what: &str, b: Bundle) {
        self.seen.push(rule);
        match verify(b) {
            Err(e) if e.rule == rule => {
                assert!(!e.to_string().is_empty());
            }
            Err(e) => self.wrong.push(format!("{rule:?}, {what}: {e}")),
            Ok(_) => self.wrong.push(format!("{rule:?}, {what}: accepted")),
        }
    }

    /// Changes the valid bundle.
    fn change(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut Package)) {
        let mut b = everything();
        f(&mut b.packages[0]);
        self.bundle(rule, what, b);
    }

    /// Adds to the world.
    fn world(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut World)) {
        let mut w = World::new();
        f(&mut w);
        self.bundle(rule, what, w.finish());
    }

    /// A function `(int, string) -> int uses Out ! IoError` with this body; it returns r1 at the end.
    /// r0 is the capability, r1 the int, r2 the string.
    fn body(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut FunctionBuilder, &mut World)) {
        self.world(rule, what, |w| {
            let (int, str_, out, e2) = (w.int, w.str_, w.out, w.e2);
            w.named("bad", &[int, str_], &[out], int, &[e2], |b, w| {
                f(b, w);
                b.emit(Op::Ret, 1, 0, 0);
            });
        });
    }

    /// A function `(int) -> int` of these words, with these joins; r0 is the parameter, r1 another int.
    fn raw(&mut self, rule: Rule, what: &str, code: Vec<Word>, joins: Vec<(u32, Vec<u16>)>) {
        let w = World::new();
        let (int, sig) = (w.int, w.pb.sig(vec![w.int], vec![], w.int, vec![]));
        let mut b = w.finish();
        b.packages[0].functions.push(Function {
            name: "raw".into(),
            kind: FnKind::Named,
            sig,
            captures: vec![],
            regs: vec![int, int],
            code: code.into_iter().map(|w| w.0).collect(),
            joins: joins
                .into_iter()
                .map(|(pc, live)| Join { pc, live })
                .collect(),
            lines: vec![],
        });
        self.bundle(rule, what, b);
    }
}

fn ret() -> Word {
    Word::abc(Op::Ret, 0, 0, 0)
}

fn find(p: &mut Package, name: &str) -> usize {
    p.functions.iter().position(|f| f.name == name).unwrap()
}

#[test]
fn every_rule_refuses() {
    let mut c = Cases::default();
    structure(&mut c);
    formation(&mut c);
    records(&mut c);
    frames(&mut c);
    flow(&mut c);
    operands(&mut c);
    calls(&mut c);
    packages(&mut c);
    // Work: the same program under a small limit.
    let limits = VerifyLimits {
        work: 100,
        ..VerifyLimits::default()
    };
    assert_eq!(
        verify_with(everything(), limits).unwrap_err().rule,
        Rule::Work
    );
    c.seen.push(Rule::Work);
    assert!(c.wrong.is_empty(), "{}", c.wrong.join("\n"));
    assert!(c.seen.len() >= 100, "{} cases", c.seen.len());
    let untested: Vec<_> = RULES.iter().filter(|r| !c.seen.contains(r)).collect();
    assert!(untested.is_empty(), "no test for {untested:?}");
}

fn structure(c: &mut Cases) {
    use Rule::*;
    c.bundle(Count, "no package", Bundle::default());
    c.change(Count, "registers", |p| {
        p.functions[0].regs = vec![0; 1025];
    });
    c.change(Count, "parameters", |p| {
        p.functions[0].sig.params = vec![0; 256];
    });
    c.change(Index, "field type", |p| {
        if let NominalKind::Struct(fs) = &mut p.nominals[0].kind {
            fs[0].ty = 9999;
        }
    });
    c.change(Index, "register type", |p| p.functions[0].regs.push(9999));
    c.change(Index, "nominal of type", |p| {
        p.types.push(Type::Nominal(9999));
    });
    c.change(Index, "capability of type", |p| {
        p.types.push(Type::Cap(9999))
    });
    c.change(Index, "trait of type", |p| p.types.push(Type::Dyn(9999)));
    c.change(Index, "declaring package", |p| p.nominals[0].package = 7);
    c.change(Index, "parent", |p| p.caps[0].parent = Some(99));
    c.change(Index, "method of record", |p| {
        p.impls[0].methods[0] = 9999;
    });
    c.change(Index, "entry", |p| {
        p.entry.as_mut().unwrap().function = 9999;
    });
    c.change(Name, "empty", |p| p.functions[0].name.clear());
    c.change(Name, "direction mark", |p| {
        p.functions[0].name = "f\u{202e}x".into();
    });
    c.change(Name, "escape", |p| p.files[0] = "\x1b[2J".into());
    c.change(Name, "package with a dot", |p| p.name = "a.B".into());
    c.change(Duplicate, "type", |p| p.types.push(Type::Int));
    c.change(Duplicate, "function", |p| {
        p.functions[1].name = p.functions[0].name.clone();
    });
    c.change(Duplicate, "constant", |p| {
        let k = p.consts[0].clone();
        p.consts.push(k);
    });
    c.change(Duplicate, "nominal", |p| {
        let n = p.nominals[0].clone();
        p.nominals.push(n);
    });
    c.change(Duplicate, "record", |p| {
        let i = p.impls[0].clone();
        p.impls.push(i);
    });
    c.change(TypeOrder, "list of itself", |p| {
        let n = p.types.len() as u16;
        p.types.push(Type::List(n));
    });
    c.change(TypeOrder, "later type", |p| {
        let n = p.types.len() as u16;
        p.types.push(Type::List(n + 1));
        p.types.push(Type::List(n));
    });
    c.change(Nesting, "65 lists", |p| {
        let mut t = p.types.iter().position(|t| *t == Type::Bool).unwrap() as u16;
        for _ in 0..64 {
            p.types.push(Type::List(t));
            t = p.types.len() as u16 - 1;
        }
    });
    c.change(TypeForm, "tuple of one", |p| {
        p.types.push(Type::Tuple(vec![0]));
    });
    c.world(TypeForm, "error set of one", |w| {
        w.pb.ty(Type::ErrorSet(vec![w.e1]));
    });
    c.world(TypeForm, "borrowed with uses", |w| {
        let sig = w.pb.sig(vec![], vec![w.out], w.unit, vec![]);
        w.pb.ty(Type::BorrowedFn(sig));
    });
    c.world(Order, "uses", |w| {
        let mut sig = w.pb.sig(vec![], vec![w.out, w.net], w.unit, vec![]);
        sig.uses.reverse();
        w.pb.ty(Type::Fn(sig));
    });
    c.world(Order, "errors", |w| {
        w.pb.ty(Type::ErrorSet(vec![w.e2, w.e1]));
    });
    c.world(ErrorsOnly, "struct raised", |w| {
        let sig = w.pb.sig(vec![], vec![], w.unit, vec![w.point_n]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(EnumForm, "no variant", |w| {
        let n = w.pb.nominal(0, "Never");
        w.pb.define_nominal(n, NominalKind::Enum(vec![]));
    });
    c.world(EnumForm, "256 variants", |w| {
        let n = w.pb.nominal(0, "Many");
        let vs = (0..256).map(|i| variant(&format!("v{i}"), vec![]));
        w.pb.define_nominal(n, NominalKind::Enum(vs.collect()));
    });
    c.world(EnumForm, "mutable payload", |w| {
        let n = w.pb.nominal(0, "E");
        let v = variant("A", vec![field("x", w.int, true)]);
        w.pb.define_nominal(n, NominalKind::Enum(vec![v]));
    });
    c.world(RecordSize, "fields", |w| {
        let n = w.pb.nominal(0, "Wide");
        let fs = vec![field("x", w.int, false); 4096];
        w.pb.define_nominal(n, NominalKind::Struct(fs));
    });
    c.change(Constant, "NaN", |p| {
        p.consts.push(Const::Float(f64::NAN.to_bits() | 1));
    });
    c.change(DebugTable, "place", |p| {
        let i = find(p, "main");
        p.functions[i].lines[1].pc = 1000;
    });
    c.change(DebugTable, "file", |p| {
        let i = find(p, "main");
        p.functions[i].lines[1].file = 7;
    });
}

fn formation(c: &mut Cases) {
    use Rule::*;
    c.world(FirstClass, "list of capabilities", |w| {
        w.pb.ty(Type::List(w.out_ty));
    });
    c.world(FirstClass, "tuple with attenuator", |w| {
        w.pb.ty(Type::Tuple(vec![w.int, w.att]));
    });
    c.world(FirstClass, "list of environments", |w| {
        w.pb.ty(Type::List(w.env));
    });
    c.world(FirstClass, "borrowed in a field", |w| {
        let n = w.pb.nominal(0, "Holder");
        let f = field("f", w.borrowed, false);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(FirstClass, "attenuator as payload", |w| {
        let n = w.pb.nominal(0, "Option[app.Narrow]");
        let v = variant("Some", vec![field("0", w.att, false)]);
        w.pb.define_nominal(n, NominalKind::Enum(vec![v]));
    });
    c.world(FirstClass, "capability in an error", |w| {
        let n = w.pb.nominal(0, "Leak");
        let v = variant("Some", vec![field("0", w.out_ty, false)]);
        w.pb.define_nominal(n, NominalKind::Error(vec![v]));
    });
    c.world(FirstClass, "capability as result", |w| {
        let sig = w.pb.sig(vec![], vec![], w.out_ty, vec![]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(FirstClass, "borrowed as result", |w| {
        let (b, int) = (w.borrowed, w.int);
        w.named("give", &[b, int], &[], b, &[], |f, _| {
            f.emit(Op::Ret, 0, 0, 0);
        });
    });
    c.world(AttenuatorField, "mutable capability", |w| {
        let n = w.pb.nominal(0, "Swap");
        let f = field("c", w.out_ty, true);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(AttenuatorField, "mutable attenuator", |w| {
        let n = w.pb.nominal(0, "Swap");
        let f = field("c", w.att, true);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(AttenuatorField, "borrowed function", |w| {
        let n = w.pb.nominal(0, "Callback");
        let fs = vec![field("c", w.out_ty, false), field("f", w.borrowed, false)];
        w.pb.define_nominal(n, NominalKind::Struct(fs));
    });
    c.world(Parameter, "capability", |w| {
        let sig = w.pb.sig(vec![w.out_ty], vec![], w.unit, vec![]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(Parameter, "attenuator of a borrowed function", |w| {
        let sig = w.pb.sig(vec![w.att], vec![], w.unit, vec![]);
        w.pb.ty(Type::BorrowedFn(sig));
    });
    c.world(Parameter, "capability of a named function", |w| {
        let (cap, unit) = (w.out_ty, w.unit);
        w.named("take", &[cap], &[], unit, &[], |f, _| {
            let u = f.reg(unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
    });
    let cap_with = |w: &mut World, params: Vec<TypeIx>, uses: Vec<CapIx>| {
        let sig = w.pb.sig(params, uses, w.unit, vec![]);
        let cap = w.pb.cap(0, "Odd");
        let m = Method {
            name: "m".into(),
            sig,
        };
        w.pb.define_cap(cap, None, vec![m]);
    };
    c.world(CapMethod, "uses", |w| cap_with(w, vec![], vec![w.out]));
    c.world(CapMethod, "function", |w| cap_with(w, vec![w.own], vec![]));
    c.world(CapMethod, "borrowed", |w| {
        cap_with(w, vec![w.borrowed], vec![]);
    });
    c.world(CapMethod, "dynamic object", |w| {
        cap_with(w, vec![w.dyn_show], vec![]);
    });
    c.world(CapMethod, "struct that holds a function", |w| {
        let n = w.pb.nominal(0, "Holder");
        let f = field("f", w.own, false);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
        let t = w.pb.ty(Type::Nominal(n));
        let t = w.pb.ty(Type::List(t));
        cap_with(w, vec![t], vec![]);
    });
    c.world(CapMethod, "handles in a list", |w| {
        let n = w.pb.nominal(0, "File");
        w.pb.define_nominal(n, NominalKind::Handle);
        let t = w.pb.ty(Type::Nominal(n));
        let t = w.pb.ty(Type::List(t));
        cap_with(w, vec![t], vec![]);
    });
    c.world(Parent, "other methods", |w| {
        let cap = w.pb.cap(0, "Fake");
        w.pb.define_cap(cap, Some(w.out), vec![]);
    });
    c.world(Parent, "cycle", |w| {
        let (a, b) = (w.pb.cap(0, "A"), w.pb.cap(0, "B"));
        w.pb.define_cap(a, Some(b), vec![]);
        w.pb.define_cap(b, Some(a), vec![]);
    });
}

fn records(c: &mut Cases) {
    use Rule::*;
    c.world(ImplForm, "attenuator implements a trait", |w| {
        let show = w.named("Narrow.show", &[w.att], &[], w.str_, &[], |f, w| {
            let s = f.reg(w.str_);
            let k = w.pb.const_str("");
            f.load_const(s, k);
            f.emit(Op::Ret, s, 0, 0);
        });
        w.pb.implement(w.att_n, Interface::Trait(w.show), vec![show]);
    });
    c.change(ImplForm, "missing method", |p| {
        p.impls[0].methods.pop();
    });
    c.world(ImplForm, "error implements a capability", |w| {
        let methods = vec![w.att_print, w.att_read];
        w.pb.implement(w.e1, Interface::Cap(w.out), methods);
    });
    c.world(ImplForm, "enum implements a trait", |w| {
        let (color, str_) = (w.color, w.str_);
        let show = w.named("Color.show", &[color], &[], str_, &[], |f, w| {
            let s = f.reg(str_);
            let k = w.pb.const_str("");
            f.load_const(s, k);
            f.emit(Op::Ret, s, 0, 0);
        });
        let n = w.pb.nominal(0, "Color");
        w.pb.implement(n, Interface::Trait(w.show), vec![show]);
    });
    c.change(ImplSignature, "other methods' order", |p| {
        p.impls[0].methods.reverse();
    });
    c.world(ImplSignature, "uses more than the interface", |w| {
        let (point, str_, unit, net, e2) = (w.point, w.str_, w.unit, w.net, w.e2);
        let print = w.named("P.print", &[point, str_], &[net], unit, &[], |f, _| {
            let u = f.reg(unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
        let read = w.named("P.read", &[point, str_], &[], str_, &[e2], |f, _| {
            f.emit(Op::Ret, 1, 0, 0);
        });
        w.pb.implement(w.point_n, Interface::Cap(w.out), vec![print, read]);
    });
    c.change(Entry, "request without path", |p| {
        p.entry.as_mut().unwrap().paths.clear();
    });
    c.change(Entry, "other signature", |p| {
        let say = find(p, "say") as u16;
        p.entry.as_mut().unwrap().function = say;
    });
    c.change(Entry, "literal", |p| {
        let lit = find(p, "lit_uses") as u16;
        p.entry.as_mut().unwrap().function = lit;
    });
}

fn frames(c: &mut Cases) {
    use Rule::*;
    c.change(Registers, "permuted parameters", |p| {
        let i = find(p, "say");
        p.functions[i].regs.swap(0, 1);
    });
    c.change(Registers, "missing", |p| {
        let i = find(p, "say");
        p.functions[i].regs.truncate(1);
    });
    c.change(Environment, "in a named function", |p| {
        let env = p.types.iter().position(|t| *t == Type::Env).unwrap();
        p.functions[0].regs.push(env as u16);
    });
    c.change(Environment, "captures of a named function", |p| {
        let i = find(p, "parse");
        p.functions[i].captures.push(0);
    });
    c.world(AttenuatorParameter, "no method", |w| {
        let (att, unit) = (w.att, w.unit);
        w.named("take", &[att], &[], unit, &[], |f, _| {
            let u = f.reg(unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
    });
    c.world(AttenuatorParameter, "second", |w| {
        let (att, int) = (w.att, w.int);
        w.named("take", &[int, att], &[], int, &[], |f, _| {
            f.emit(Op::Ret, 0, 0, 0);
        });
    });
}

fn flow(c: &mut Cases) {
    use Rule::*;
    c.raw(CodeSize, "empty", vec![], vec![]);
    c.raw(Decode, "opcode", vec![Word(9999), ret()], vec![]);
    let call = Word::abc(Op::Call, 0, 0, 9);
    c.raw(Decode, "extension missing", vec![call, ret()], vec![]);
    let lane = Word::abc(Op::Ret, 0, 1, 0);
    c.raw(Operand, "unused lane", vec![lane], vec![]);
    let concat = Word::abc(Op::ListOf, 1, 0, 1);
    let extra = vec![concat, Word::lanes([0, 0, 5, 0]), ret()];
    c.raw(Operand, "extension lane", extra, vec![]);
    let far = Word::abc(Op::Mov, 2, 0, 0);
    c.raw(RegisterIndex, "undeclared", vec![far, ret()], vec![]);
    c.change(RegisterIndex, "environment read", |p| {
        let i = find(p, "lit");
        p.functions[i].code[1] = Word::abc(Op::Mov, 2, 0, 0).0;
    });
    let jump = |o: i32| Word::a32(Op::Jmp, 0, o as u32);
    c.raw(JumpTarget, "outside", vec![jump(5), ret()], vec![]);
    c.raw(JumpTarget, "before", vec![jump(-1), ret()], vec![]);
    let middle = vec![
        Word::abc(Op::JEqImm, 0, 0, 2),
        Word::abc(Op::Builtin, 1, 0, 0),
        Word(0),
        ret(),
    ];
    c.raw(JumpTarget, "middle", middle, vec![(2, vec![0])]);
    c.change(JumpTarget, "on_error", |p| {
        let i = find(p, "both");
        let f = &mut p.functions[i];
        // The first on_error of `both` is at 2; let its own error edge lead to the second.
        let at = f
            .code
            .iter()
            .rposition(|w| Word(*w).op() == Some(Op::OnError))
            .unwrap();
        f.code[2] = Word::a32(Op::OnError, 5, (at - 2) as u32).0;
    });
    let dead = vec![jump(2), ret(), ret()];
    c.raw(Unreachable, "behind a jump", dead, vec![(2, vec![0])]);
    let circle = vec![ret(), jump(1), jump(-1)];
    let joins = vec![(1, vec![]), (2, vec![])];
    c.raw(Unreachable, "circle", circle, joins);
    let mov = Word::abc(Op::Mov, 1, 0, 0);
    c.raw(FallsOff, "end", vec![mov], vec![]);
    c.raw(Joins, "missing", vec![jump(1), ret()], vec![]);
    let two = vec![(0, vec![]), (1, vec![0])];
    c.raw(Joins, "extra", vec![jump(1), ret()], two);
    let twice = vec![(1, vec![0, 0])];
    c.raw(Joins, "register twice", vec![jump(1), ret()], twice);
    let undeclared = vec![(1, vec![9])];
    c.raw(Joins, "undeclared", vec![jump(1), ret()], undeclared);
    let unset = vec![Word::abc(Op::Ret, 1, 0, 0)];
    c.raw(Uninitialised, "never", unset.clone(), vec![]);
    let one_path = vec![
        Word::abc(Op::JEqImm, 0, 0, 2),
        Word::abc(Op::Mov, 1, 0, 0),
        unset[0],
    ];
    c.raw(
        JoinAssigned,
        "on one path",
        one_path.clone(),
        vec![(2, vec![0, 1])],
    );
    let narrow = vec![(2, vec![0])];
    c.raw(Uninitialised, "not in the join", one_path, narrow);
    c.world(JoinAssigned, "result on the error edge", |w| {
        let (str_, int, parse) = (w.str_, w.int, w.parse);
        w.named("bad", &[str_], &[], int, &[], |f, w| {
            let (n, e) = (f.reg(int), f.reg(w.err1));
            let l = f.label();
            f.emit_fn(Op::Call, n, parse, &[0]);
            f.on_error(e, l);
            f.bind(l);
            f.emit(Op::Ret, n, 0, 0);
        });
    });
    c.world(JoinAssigned, "error on the value edge", |w| {
        let (str_, int, parse, e1) = (w.str_, w.int, w.parse, w.e1);
        w.named("bad", &[str_], &[], int, &[e1], |f, w| {
            let (n, e) = (f.reg(int), f.reg(w.err1));
            let l = f.label();
            f.emit_fn(Op::Call, n, parse, &[0]);
            f.on_error(e, l);
            f.bind(l);
            f.emit(Op::Raise, e, 0, 0);
        });
    });
    c.body(ErrorEdge, "missing", |f, w| {
        let s = f.reg(w.str_);
        f.emit_args(Op::CapCall, s, 1, &[0, 2]);
    });
    c.body(ErrorEdge, "call cannot fail", |f, w| {
        let (u, e) = (f.reg(w.unit), f.reg(w.err2));
        let l = f.label();
        f.emit_args(Op::CapCall, u, 0, &[0, 2]);
        f.on_error(e, l);
        f.bind(l);
    });
    c.body(OneDefinition, "capability parameter overwritten", |f, w| {
        let att = f.reg(w.att);
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit(Op::AsCap, 0, att, 0);
    });
    c.body(OneDefinition, "two definitions", |f, w| {
        let q = f.reg(w.child_ty);
        f.emit(Op::Recap, q, 0, 0);
        f.emit(Op::Recap, q, 0, 0);
    });
}

fn operands(c: &mut Cases) {
    use Rule::*;
    c.body(Class, "int plus string", |f, _| f.emit(Op::AddInt, 1, 1, 2));
    c.body(Class, "string into int", |f, _| f.emit(Op::StrLen, 2, 2, 0));
    c.body(Class, "capability as word", |f, w| {
        let b = f.reg(w.bool_);
        f.emit(Op::EqWord, b, 0, 0);
    });
    c.body(Class, "hash of a reference", |f, _| {
        f.emit(Op::HashWord, 1, 2, 0);
    });
    c.body(Class, "identity of attenuators", |f, w| {
        let (b, att) = (f.reg(w.bool_), f.reg(w.att));
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit(Op::EqRef, b, att, att);
    });
    c.body(Class, "capability copied as data", |f, w| {
        let c = f.reg(w.out_ty);
        f.emit(Op::DeepCopy, c, 0, 0);
    });
    c.body(Class, "constant of another type", |f, w| {
        let k = w.pb.const_str("x");
        f.load_const(1, k);
    });
    c.body(Class, "enum without payloads by `new`", |f, w| {
        let e = f.reg(w.color);
        f.emit_args(Op::New, e, 0, &[]);
    });
    c.body(Index, "constant", |f, _| f.load_const(1, 99));
    c.body(SameType, "mov", |f, _| f.emit(Op::Mov, 1, 2, 0));
    c.body(SameType, "capability moved to another", |f, w| {
        let n = f.reg(w.net_ty);
        f.emit(Op::Mov, n, 0, 0);
    });
    c.body(SameType, "error set into a smaller one", |f, w| {
        let (es, e) = (f.reg(w.errs), f.reg(w.err1));
        f.emit_args(Op::New, e, 0, &[]);
        f.emit(Op::Mov, es, e, 0);
        f.emit(Op::Mov, e, es, 0);
    });
    c.body(SameType, "words of two types", |f, w| {
        let (b, ch) = (f.reg(w.bool_), f.reg(w.char_));
        f.const_imm(ch, 65);
        f.emit(Op::EqWord, b, 1, ch);
    });
    c.body(SameType, "jump on two types", |f, w| {
        let b = f.reg(w.bool_);
        let l = f.label();
        f.const_imm(b, 1);
        f.jump(Op::JEq, 1, b, l);
        f.bind(l);
    });
    for (what, value) in [("bool", 2), ("surrogate", 0xd800)] {
        c.body(Immediate, what, |f, w| {
            let r = f.reg(if value == 2 { w.bool_ } else { w.char_ });
            f.const_imm(r, value);
        });
    }
    c.body(Immediate, "variant", |f, w| {
        let r = f.reg(w.color);
        f.const_imm(r, 2);
    });
    c.body(Immediate, "forged reference", |f, w| {
        let r = f.reg(w.point);
        f.const_imm(r, 4096);
    });
    c.body(Immediate, "forged capability", |f, w| {
        let r = f.reg(w.net_ty);
        f.const_imm(r, 0);
    });
    c.body(Variant, "tag", |f, w| {
        let (o, l) = (f.reg(w.opt), f.label());
        f.emit_args(Op::New, o, 0, &[]);
        f.jump(Op::JTag, o, 2, l);
        f.bind(l);
    });
    c.body(Variant, "payload", |f, w| {
        let (o, p) = (f.reg(w.opt), f.reg(w.point));
        f.emit_args(Op::New, o, 0, &[]);
        f.emit(Op::GetPayload, p, o, 0);
    });
    c.body(Variant, "of a struct", |f, w| {
        let p = f.reg(w.point);
        f.emit_args(Op::New, p, 1, &[1, 1]);
    });
    c.body(SwitchForm, "no target", |f, _| f.switch(1, &[]));
    c.body(SwitchForm, "string", |f, _| {
        let l = f.label();
        f.switch(2, &[l]);
        f.bind(l);
    });
    c.body(SwitchForm, "more targets than variants", |f, w| {
        let (o, l) = (f.reg(w.opt), f.label());
        f.emit_args(Op::New, o, 0, &[]);
        f.switch(o, &[l, l, l]);
        f.bind(l);
    });
    c.body(FieldIndex, "struct", |f, w| {
        let p = f.reg(w.point);
        f.emit_args(Op::New, p, 0, &[1, 1]);
        f.emit(Op::GetField, 1, p, 2);
    });
    c.body(Mutable, "fixed field", |f, w| {
        let p = f.reg(w.point);
        f.emit_args(Op::New, p, 0, &[1, 1]);
        f.emit(Op::SetField, p, 0, 1);
    });
    c.body(Element, "push", |f, w| {
        let l = f.reg(w.ints);
        f.emit(Op::ListNew, l, 1, 0);
        f.emit(Op::ListPush, l, 2, 0);
    });
    c.body(Element, "get", |f, w| {
        let l = f.reg(w.ints);
        f.emit(Op::ListNew, l, 1, 0);
        f.emit(Op::ListGet, 2, l, 1);
    });
    c.body(Element, "extend", |f, w| {
        let (l, m) = (f.reg(w.ints), f.reg(w.strs));
        f.emit(Op::ListNew, l, 1, 0);
        f.emit(Op::ListNew, m, 1, 0);
        f.emit(Op::ListExtend, l, m, 0);
    });
    c.body(Arguments, "slice", |f, w| {
        let l = f.reg(w.ints);
        f.emit(Op::ListNew, l, 1, 0);
        f.emit_args(Op::ListSlice, l, l, &[1]);
    });
    c.body(Arguments, "struct", |f, w| {
        let p = f.reg(w.point);
        f.emit_args(Op::New, p, 0, &[1]);
    });
    c.body(Arguments, "tuple", |f, w| {
        let t = f.reg(w.pair);
        f.emit_args(Op::New, t, 0, &[2, 1]);
    });
    c.body(ErrorMember, "narrowed to a stranger", |f, w| {
        let n = w.pb.nominal(0, "Strange");
        w.pb.define_nominal(n, NominalKind::Error(vec![variant("S", vec![])]));
        let strange = w.pb.ty(Type::Nominal(n));
        let (es, e, s) = (f.reg(w.errs), f.reg(w.err1), f.reg(strange));
        f.emit_args(Op::New, e, 0, &[]);
        f.emit(Op::Mov, es, e, 0);
        f.emit(Op::ErrCast, s, es, 0);
    });
    c.body(ErrorMember, "test for no error", |f, w| {
        let (es, e, l) = (f.reg(w.errs), f.reg(w.err1), f.label());
        f.emit_args(Op::New, e, 0, &[]);
        f.emit(Op::Mov, es, e, 0);
        f.jump(Op::JErrIs, es, w.int, l);
        f.bind(l);
    });
    c.world(TrapKind, "limit", |w| {
        let int = w.int;
        w.named("bad", &[], &[], int, &[], |f, _| {
            f.emit(Op::Trap, 9, 0, 0);
        });
    });
    c.world(TrapKind, "unknown", |w| {
        let int = w.int;
        w.named("bad", &[], &[], int, &[], |f, _| {
            f.emit(Op::Trap, 99, 0, 0);
        });
    });
}

fn calls(c: &mut Cases) {
    use Rule::*;
    c.body(Callee, "literal called by name", |f, w| {
        let lit = w.lit;
        f.emit_fn(Op::Call, 1, lit, &[1]);
    });
    c.body(Callee, "capability method", |f, w| {
        let u = f.reg(w.unit);
        f.emit_args(Op::CapCall, u, 7, &[0, 2]);
    });
    c.body(Callee, "data as capability", |f, w| {
        let u = f.reg(w.unit);
        f.emit_args(Op::CapCall, u, 0, &[2, 2]);
    });
    c.body(Callee, "trait method of data", |f, _| {
        f.emit_args(Op::CallDyn, 2, 0, &[2]);
    });
    c.body(Callee, "builtin", |f, _| {
        f.emit_args(Op::Builtin, 1, 9999, &[1]);
    });
    c.body(Arguments, "builtin", |f, _| {
        f.emit_args(Op::Builtin, 2, 0, &[2, 1]);
    });
    c.body(Result, "builtin", |f, _| {
        f.emit_args(Op::Builtin, 1, 0, &[2, 1, 1]);
    });
    c.body(Hidden, "dropped", |f, w| {
        let (say, u) = (w.say, f.reg(w.unit));
        f.emit_fn(Op::Call, u, say, &[2]);
    });
    c.body(Hidden, "another capability", |f, w| {
        let (say, u, q) = (w.say, f.reg(w.unit), f.reg(w.child_ty));
        f.emit(Op::Recap, q, 0, 0);
        f.emit_fn(Op::Call, u, say, &[q, 2]);
    });
    c.body(Hidden, "of a storable function", |f, w| {
        let (own, lit) = (f.reg(w.own_uses), w.lit_uses);
        f.emit_fn(Op::MakeFn, own, lit, &[]);
        f.emit_args(Op::CallFn, 1, own, &[1]);
    });
    c.body(Hidden, "bound to nothing", |f, w| {
        let (own, b, lit) = (f.reg(w.own_uses), f.reg(w.borrowed), w.lit_uses);
        f.emit_fn(Op::MakeFn, own, lit, &[]);
        f.emit_args(Op::BindFn, b, own, &[]);
    });
    c.body(Arguments, "arity", |f, w| {
        let (say, u) = (w.say, f.reg(w.unit));
        f.emit_fn(Op::Call, u, say, &[0, 2, 2]);
    });
    c.body(Arguments, "capability as dynamic call's extra", |f, w| {
        let (d, p) = (f.reg(w.dyn_show), f.reg(w.point));
        f.emit_args(Op::New, p, 0, &[1, 1]);
        f.emit(Op::MakeDyn, d, p, 0);
        f.emit_args(Op::CallDyn, 2, 0, &[d, 1]);
    });
    c.body(Hidden, "capability too many in a dynamic call", |f, w| {
        let (d, p) = (f.reg(w.dyn_show), f.reg(w.point));
        f.emit_args(Op::New, p, 0, &[1, 1]);
        f.emit(Op::MakeDyn, d, p, 0);
        f.emit_args(Op::CallDyn, 2, 0, &[0, d]);
    });
    c.body(Result, "call", |f, w| {
        let say = w.say;
        f.emit_fn(Op::Call, 1, say, &[0, 2]);
    });
    c.body(ErrorType, "another error", |f, w| {
        let (s, e, l) = (f.reg(w.str_), f.reg(w.err1), f.label());
        f.emit_args(Op::CapCall, s, 1, &[0, 2]);
        f.on_error(e, l);
        f.bind(l);
    });
    c.body(ErrorType, "one of several", |f, w| {
        let (e, l, both) = (f.reg(w.err2), f.label(), w.both);
        let n = f.reg(w.int);
        f.emit_fn(Op::Call, n, both, &[0, 2]);
        f.on_error(e, l);
        f.bind(l);
    });
    c.body(Return, "another type", |f, _| {
        let l = f.label();
        f.jump(Op::JEqImm, 1, 0, l);
        f.emit(Op::Ret, 2, 0, 0);
        f.bind(l);
    });
    c.body(Return, "undeclared error", |f, w| {
        let (e, l) = (f.reg(w.err1), f.label());
        f.jump(Op::JEqImm, 1, 0, l);
        f.emit_args(Op::New, e, 0, &[]);
        f.emit(Op::Raise, e, 0, 0);
        f.bind(l);
    });
    c.body(Return, "no error", |f, _| {
        let l = f.label();
        f.jump(Op::JEqImm, 1, 0, l);
        f.emit(Op::Raise, 1, 0, 0);
        f.bind(l);
    });
    c.body(Literal, "named function", |f, w| {
        let (own, parse) = (f.reg(w.own), w.parse);
        f.emit_fn(Op::MakeFn, own, parse, &[]);
    });
    c.body(Literal, "uses hidden by the type", |f, w| {
        let (own, lit) = (f.reg(w.own), w.lit_uses);
        f.emit_fn(Op::MakeFn, own, lit, &[]);
    });
    c.body(Literal, "borrowed of one that uses", |f, w| {
        let (b, lit) = (f.reg(w.borrowed), w.lit_uses);
        f.emit_fn(Op::MakeBorrowed, b, lit, &[]);
    });
    c.body(Capture, "capability stored", |f, w| {
        let (own, lit) = (f.reg(w.own), w.lit_cap);
        f.emit_fn(Op::MakeFn, own, lit, &[0]);
    });
    c.body(Capture, "in a named function", |f, _| {
        f.emit(Op::GetCapture, 1, 0, 0);
    });
    c.world(Capture, "at another type", |w| {
        let (int, out_ty) = (w.int, w.out_ty);
        w.literal("forge", &[int], &[], |f, _| {
            let c = f.reg(out_ty);
            f.emit(Op::GetCapture, c, 0, 0);
            f.emit(Op::Ret, 1, 0, 0);
        });
    });
    c.body(Arguments, "captures", |f, w| {
        let (own, lit) = (f.reg(w.own), w.lit);
        f.emit_fn(Op::MakeFn, own, lit, &[2]);
    });
    c.body(Receiver, "capability taken out", |f, w| {
        let (att, out) = (f.reg(w.att), f.reg(w.out_ty));
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit(Op::GetCap, out, att, 2);
    });
    c.body(Receiver, "data read from outside", |f, w| {
        let att = f.reg(w.att);
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit(Op::GetField, 1, att, 0);
    });
    c.body(Receiver, "data changed from outside", |f, w| {
        let att = f.reg(w.att);
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit(Op::SetField, att, 1, 1);
    });
    c.body(Receiver, "method called past the edge", |f, w| {
        let (att, u, m) = (f.reg(w.att), f.reg(w.unit), w.att_print);
        f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
        f.emit_fn(Op::Call, u, m, &[att, 2]);
    });
    c.world(Receiver, "opened by a literal of somebody else", |w| {
        let inner = opener(w);
        let (int, out) = (w.int, w.out);
        w.named("bad", &[int], &[out], int, &[], |f, w| {
            let (att, b) = (f.reg(w.att), f.reg(w.borrowed));
            f.emit_args(Op::NewAtt, att, 0, &[1, 1, 0]);
            f.emit_fn(Op::MakeBorrowed, b, inner, &[att]);
            f.emit(Op::Ret, 1, 0, 0);
        });
    });
    c.world(Receiver, "opened by a literal in a literal", |w| {
        let inner = opener(w);
        let (int, out, att) = (w.int, w.out, w.att);
        let outer = relay(w, inner);
        w.named("bad", &[int], &[out], int, &[], |f, w| {
            let (a, b) = (f.reg(att), f.reg(w.borrowed));
            f.emit_args(Op::NewAtt, a, 0, &[1, 1, 0]);
            f.emit_fn(Op::MakeBorrowed, b, outer, &[a]);
            f.emit(Op::Ret, 1, 0, 0);
        });
    });
    c.body(NewAttenuator, "by `new`", |f, w| {
        let att = f.reg(w.att);
        f.emit_args(Op::New, att, 0, &[1, 1, 0]);
    });
    c.body(Class, "data by `new_att`", |f, w| {
        let p = f.reg(w.point);
        f.emit_args(Op::NewAtt, p, 0, &[1, 1]);
    });
    c.body(Conversion, "capability without record", |f, w| {
        let (p, n) = (f.reg(w.point), f.reg(w.net_ty));
        f.emit_args(Op::New, p, 0, &[1, 1]);
        f.emit(Op::AsCap, n, p, 0);
    });
    c.body(Conversion, "dynamic object without record", |f, w| {
        let d = f.reg(w.dyn_show);
        f.emit(Op::MakeDyn, d, 2, 0);
    });
    c.body(Conversion, "unrelated capability", |f, w| {
        let n = f.reg(w.net_ty);
        f.emit(Op::Recap, n, 0, 0);
    });
    c.world(Conversion, "parent to a child with more", |w| {
        let mut methods = Vec::new();
        for (name, ret, errors) in [
            ("print", w.unit, vec![]),
            ("read", w.str_, vec![w.e2]),
            ("erase", w.unit, vec![]),
        ] {
            methods.push(Method {
                name: name.into(),
                sig: w.pb.sig(vec![w.str_], vec![], ret, errors),
            });
        }
        let more = w.pb.cap(0, "More");
        w.pb.define_cap(more, Some(w.out), methods);
        let (more_ty, int, out) = (w.pb.ty(Type::Cap(more)), w.int, w.out);
        w.named("bad", &[int], &[out], int, &[], |f, _| {
            let m = f.reg(more_ty);
            f.emit(Op::Recap, m, 0, 0);
            f.emit(Op::Ret, 1, 0, 0);
        });
    });
}

/// A literal that takes the capability out of a captured attenuator.
fn opener(w: &mut World) -> FnRef {
    let att = w.att;
    w.literal("opener", &[att], &[], |f, w| {
        let (a, c) = (f.reg(att), f.reg(w.out_ty));
        f.emit(Op::GetCapture, a, 0, 0);
        f.emit(Op::GetCap, c, a, 2);
        f.emit(Op::Ret, 1, 0, 0);
    })
}

/// A literal that hands its captured attenuator on to another.
fn relay(w: &mut World, inner: FnRef) -> FnRef {
    let att = w.att;
    w.literal("relay", &[att], &[], |f, w| {
        let (a, b) = (f.reg(att), f.reg(w.borrowed));
        f.emit(Op::GetCapture, a, 0, 0);
        f.emit_fn(Op::MakeBorrowed, b, inner, &[a]);
        f.emit(Op::Ret, 1, 0, 0);
    })
}

/// An attenuator's own method may hand itself to a literal that hands it to one that opens it.
#[test]
fn a_method_captures_its_receiver() {
    let mut w = World::new();
    let (unit, int, str_, e2, out, c) = (w.unit, w.int, w.str_, w.e2, w.out, w.out_ty);
    let n = w.pb.nominal(0, "Second");
    let fields = vec![field("out", c, false)];
    w.pb.define_nominal(n, NominalKind::Struct(fields));
    let second = w.pb.ty(Type::Nominal(n));
    let inner = w.literal("inner", &[second], &[], |f, w| {
        let (a, c) = (f.reg(second), f.reg(w.out_ty));
        f.emit(Op::GetCapture, a, 0, 0);
        f.emit(Op::GetCap, c, a, 0);
        f.emit(Op::Ret, 1, 0, 0);
    });
    let outer = w.literal("outer", &[second], &[], |f, w| {
        let (a, b) = (f.reg(second), f.reg(w.borrowed));
        f.emit(Op::GetCapture, a, 0, 0);
        f.emit_fn(Op::MakeBorrowed, b, inner, &[a]);
        f.emit(Op::Ret, 1, 0, 0);
    });
    let print = w.named("Second.print", &[second, str_], &[], unit, &[], |f, w| {
        let (b, n, u) = (f.reg(w.borrowed), f.reg(int), f.reg(unit));
        f.emit_fn(Op::MakeBorrowed, b, outer, &[0]);
        f.const_imm(n, 1);
        f.emit_args(Op::CallFn, n, b, &[n]);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
    });
    let read = w.named("Second.read", &[second, str_], &[], str_, &[e2], |f, _| {
        f.emit(Op::Ret, 1, 0, 0);
    });
    w.pb.implement(n, Interface::Cap(out), vec![print, read]);
    verify(w.finish()).unwrap();
}

/// A library with a struct, an instance of a generic, a trait and a capability; then a program that
/// describes them too and adds records.
fn two(app: impl FnOnce(&mut PackageBuilder, [u16; 4], FnRef)) -> Bundle {
    fn world(pb: &mut PackageBuilder, lib: u16) -> [u16; 4] {
        let unit = pb.ty(Type::Unit);
        let int = pb.ty(Type::Int);
        let plain = pb.nominal(lib, "Plain");
        pb.define_nominal(plain, NominalKind::Struct(vec![field("x", int, false)]));
        let boxed = pb.nominal(lib, "Box[int]");
        pb.define_nominal(boxed, NominalKind::Struct(vec![field("x", int, false)]));
        let sig = pb.sig(vec![], vec![], unit, vec![]);
        let m = vec![Method {
            name: "m".into(),
            sig,
        }];
        let t = pb.trait_(lib, "T");
        pb.define_trait(t, m.clone());
        let c = pb.cap(lib, "C");
        pb.define_cap(c, None, m);
        [plain, boxed, t, c]
    }
    fn method(pb: &mut PackageBuilder, name: &str, ty: NominalIx) -> FnRef {
        let (unit, ty) = (pb.ty(Type::Unit), pb.ty(Type::Nominal(ty)));
        let sig = pb.sig(vec![ty], vec![], unit, vec![]);
        let mut f = FunctionBuilder::new(name, FnKind::Named, sig, vec![], vec![ty]);
        let u = f.reg(unit);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
        let at = pb.declare(name);
        pb.define(at, f.finish().unwrap());
        at
    }
    let mut lib = PackageBuilder::new("lib", "1");
    let ids = world(&mut lib, 0);
    let [_, boxed, t, _] = ids;
    let m = method(&mut lib, "box_m", boxed);
    lib.implement(boxed, Interface::Trait(t), vec![m]);
    let lib = lib.finish().unwrap();
    let mut pb = PackageBuilder::new("app", "1");
    let dep = pb.dep("lib", package_hash(&lib).unwrap());
    let ids = world(&mut pb, dep);
    let m = method(&mut pb, "plain_m", ids[0]);
    app(&mut pb, ids, m);
    let [_, boxed, t, _] = ids;
    let _ = (boxed, t);
    Bundle {
        packages: vec![lib, pb.finish().unwrap()],
    }
}

fn packages(c: &mut Cases) {
    use Rule::*;
    verify(two(|_, _, _| {})).unwrap();
    let b = two(|pb, [plain, _, _, cap], m| {
        pb.implement(plain, Interface::Cap(cap), vec![m]);
    });
    c.bundle(ImplOrigin, "capability for another's type", b);
    let b = two(|pb, [plain, _, t, _], m| {
        pb.implement(plain, Interface::Trait(t), vec![m]);
    });
    c.bundle(ImplOrigin, "neither type nor trait", b);
    let b = two(|pb, [_, boxed, t, _], _| {
        let unit = pb.ty(Type::Unit);
        let ty = pb.ty(Type::Nominal(boxed));
        let sig = pb.sig(vec![ty], vec![], unit, vec![]);
        let mut f = FunctionBuilder::new("box_m", FnKind::Named, sig, vec![], vec![ty]);
        let u = f.reg(unit);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
        let m = pb.declare("box_m");
        pb.define(m, f.finish().unwrap());
        pb.implement(boxed, Interface::Trait(t), vec![m]);
    });
    c.bundle(ImplDuplicate, "two faces for one instance", b);
    let mut b = two(|_, _, _| {});
    b.packages[1].deps[0].hash[5] ^= 1;
    c.bundle(Dependency, "hash", b);
    let mut b = two(|_, _, _| {});
    b.packages[1].nominals[0].kind = NominalKind::Handle;
    c.bundle(Identity, "content", b);
    let mut b = two(|_, _, _| {});
    b.packages[1].caps[0].methods.clear();
    c.bundle(Identity, "interface", b);
    let b = two(|pb, _, _| {
        let unit = pb.ty(Type::Unit);
        let sig = pb.sig(vec![], vec![], unit, vec![]);
        pb.import(1, "box_m", sig);
    });
    c.bundle(Import, "signature", b);
}

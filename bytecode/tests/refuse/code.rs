//! Frames, flow, operands.

use super::common::variant;
use super::{Cases, find, ret};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify::Rule;

pub fn frames(c: &mut Cases) {
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

pub fn flow(c: &mut Cases) {
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

pub fn operands(c: &mut Cases) {
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

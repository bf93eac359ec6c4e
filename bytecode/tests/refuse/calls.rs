//! Calls, function values, authority.

use super::Cases;
use super::common::{World, field};
use jet_bytecode::builder::*;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{Rule, verify};

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

pub fn calls(c: &mut Cases) {
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

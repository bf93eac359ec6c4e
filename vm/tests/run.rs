//! Programs built by hand, run under every collector mode.

mod common;

use common::*;
use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::{FnKind, Interface, Method, NominalKind, Type};
use jet_bytecode::opcodes::{Op, TrapKind};
use jet_vm::host::{HostValue, LimitKind, Limits};
use jet_vm::{Config, Loaded, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// `main` puts out the sum of 0..n.
fn sum_to(n: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let mut f = p.main();
    let (sum, i, end) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    f.const_imm(sum, 0);
    f.const_imm(i, 0);
    f.const_imm(end, n);
    let (head, done) = (f.label(), f.label());
    f.bind(head);
    f.jump(Op::JLe, end, i, done);
    f.emit(Op::AddInt, sum, sum, i);
    f.emit(Op::AddImm, i, i, 1);
    f.jmp(head);
    f.bind(done);
    p.put(&mut f, INT, sum);
    p.finish_main(f)
}

fn add_fib(p: &mut Prog) -> jet_bytecode::builder::FnRef {
    let fib = p.p.declare("fib");
    let mut f = p.function("fib", &[p.int], false, p.int, vec![]);
    let (a, b) = (f.reg(p.int), f.reg(p.int));
    let rec = f.label();
    f.jump(Op::JGeImm, 0, 2, rec);
    f.emit(Op::Ret, 0, 0, 0);
    f.bind(rec);
    f.emit(Op::AddImm, a, 0, -1i16 as u16);
    f.emit_fn(Op::Call, a, fib, &[a]);
    f.emit(Op::AddImm, b, 0, -2i16 as u16);
    f.emit_fn(Op::Call, b, fib, &[b]);
    f.emit(Op::AddInt, a, a, b);
    f.emit(Op::Ret, a, 0, 0);
    p.p.define(fib, f.finish().unwrap());
    fib
}

#[test]
fn loops_and_calls() {
    assert_eq!(run(&sum_to(10)).ints(), [45]);
    let mut p = Prog::new();
    let fib = add_fib(&mut p);
    let mut f = p.main();
    let r = f.reg(p.int);
    f.const_imm(r, 20);
    f.emit_fn(Op::Call, r, fib, &[r]);
    p.put(&mut f, INT, r);
    assert_eq!(run(&p.finish_main(f)).ints(), [6765]);
}

#[test]
fn ten_million_dispatches_on_a_small_stack() {
    let loaded = sum_to(2_500_000);
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    let ran = thread.spawn(move || run_with(&loaded, Config::default()).ints());
    assert_eq!(ran.unwrap().join().unwrap(), [2_500_000 * 2_499_999 / 2]);
}

#[test]
fn fuel_is_exact() {
    let ran = run(&sum_to(1000));
    let used = ran.stats.fuel;
    let limited = |fuel| {
        let limits = Limits {
            fuel: Some(fuel),
            ..Limits::default()
        };
        run_with(
            &sum_to(1000),
            Config {
                limits,
                ..Config::default()
            },
        )
    };
    let enough = limited(used);
    assert!(matches!(enough.outcome, Outcome::Finished));
    assert_eq!(enough.stats.fuel, used);
    let short = limited(used - 1);
    assert!(matches!(short.outcome, Outcome::Limit(LimitKind::Fuel, _)));
    assert!(short.stats.fuel < used);
    assert_eq!(short.trap().stack[0].function, "app.main");
}

#[test]
fn endless_loops_end() {
    let mut p = Prog::new();
    let mut f = p.main();
    let head = f.label();
    f.bind(head);
    f.jmp(head);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    let limits = Limits {
        time: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let ran = run_with(&loaded, config);
    assert!(matches!(ran.outcome, Outcome::Limit(LimitKind::Time, _)));
}

#[test]
fn recursion_ends() {
    let mut p = Prog::new();
    let down = p.p.declare("down");
    let mut f = p.function("down", &[p.int], false, p.int, vec![]);
    f.emit_fn(Op::Call, 0, down, &[0]);
    f.emit(Op::Ret, 0, 0, 0);
    p.p.define(down, f.finish().unwrap());
    let mut f = p.main();
    let r = f.reg(p.int);
    f.const_imm(r, 20);
    f.emit_fn(Op::Call, r, down, &[r]);
    let loaded = p.finish_main(f);
    let ran = run_with(&loaded, Config::default());
    assert!(matches!(ran.outcome, Outcome::Limit(LimitKind::Depth, _)));
    let trap = ran.trap();
    assert_eq!(trap.stack.last().unwrap().function, "app.main");
    assert_eq!(trap.elided.unwrap().1 + trap.stack.len() as u64, 200_000);
}

/// Runs `body` in `main`, which must trap; gives kind and message.
fn trap_of(body: impl FnOnce(&mut Prog, &mut FunctionBuilder)) -> (TrapKind, String) {
    let mut p = Prog::new();
    let mut f = p.main();
    body(&mut p, &mut f);
    let ran = run(&p.finish_main(f));
    let trap = ran.trap();
    assert_eq!(trap.stack[0].file, "app.jet");
    (trap.kind, trap.message.clone())
}

/// Traps of an int operation.
fn int_trap(op: Op, x: i64, y: i64) -> (TrapKind, String) {
    trap_of(|p, f| {
        let (a, b, c) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
        let (kx, ky) = (p.p.const_int(x), p.p.const_int(y));
        f.load_const(b, kx);
        f.load_const(c, ky);
        f.emit(op, a, b, c);
        p.put(f, INT, a);
    })
}

#[test]
fn traps_say_what_happened() {
    let overflow = |text: &str| (TrapKind::Overflow, format!("integer overflow: {text}"));
    assert_eq!(
        int_trap(Op::AddInt, i64::MAX, 1),
        overflow("9223372036854775807 + 1")
    );
    assert_eq!(
        int_trap(Op::DivInt, i64::MIN, -1),
        overflow("-9223372036854775808 / -1")
    );
    assert_eq!(
        int_trap(Op::RemInt, 7, 0),
        (TrapKind::ZeroDivide, "division by zero: 7 % 0".into())
    );
    assert_eq!(int_trap(Op::PowInt, 10, 19), overflow("10 ** 19"));
    assert_eq!(int_trap(Op::Shl, 1, 64).0, TrapKind::Shift);
    assert_eq!(int_trap(Op::Shr, 1, -1).0, TrapKind::Shift);
    let index = |i: i32| {
        trap_of(|p, f| {
            let (xs, k, v) = (f.reg(p.ints), f.reg(p.int), f.reg(p.int));
            f.const_imm(k, i);
            f.const_imm(v, 1);
            f.emit_args(Op::ListOf, xs, 0, &[v, v, v]);
            f.emit(Op::ListGet, v, xs, k);
            p.put(f, INT, v);
        })
    };
    assert_eq!(
        index(5),
        (
            TrapKind::Bounds,
            "index 5 out of bounds: the list has 3 elements".into()
        )
    );
    assert_eq!(
        index(-1).1,
        "index -1 out of bounds: the list has 3 elements"
    );
    let panic = trap_of(|p, f| {
        let t = f.reg(p.str);
        let k = p.p.const_str("no way");
        f.load_const(t, k);
        f.emit(Op::Panic, t, 0, 0);
        let l = f.label();
        f.bind(l);
    });
    assert_eq!(panic, (TrapKind::Panic, "no way".into()));
    let float = trap_of(|p, f| {
        let (x, n) = (f.reg(p.float), f.reg(p.int));
        let k = p.p.const_float(1e300);
        f.load_const(x, k);
        f.emit(Op::FloatToInt, n, x, 0);
        p.put(f, INT, n);
    });
    assert_eq!(float.1, "1e+300 does not fit an int");
}

#[test]
fn lists() {
    let mut p = Prog::new();
    let strs = p.p.ty(Type::List(p.str));
    let mut f = p.main();
    let (n, i, j) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let (t, ss, part) = (f.reg(p.str), f.reg(strs), f.reg(strs));
    f.const_imm(n, 0);
    f.emit(Op::ListNew, ss, n, 0);
    f.const_imm(i, 0);
    let (head, done) = (f.label(), f.label());
    f.bind(head);
    f.jump(Op::JGeImm, i, 100, done);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::ListPush, ss, t, 0);
    f.emit(Op::AddImm, i, i, 1);
    f.jmp(head);
    f.bind(done);
    f.const_imm(i, 10);
    f.const_imm(n, 14);
    f.emit_args(Op::ListSlice, part, ss, &[i, n]);
    f.const_imm(i, 1);
    f.emit(Op::ListRemove, t, part, i);
    f.emit(Op::ListInsert, part, i, t);
    f.const_imm(j, 3);
    f.emit(Op::ListSwap, part, i, j);
    f.emit(Op::ListExtend, part, part, 0);
    f.emit(Op::ListPop, t, part, 0);
    f.emit(Op::ListPush, part, t, 0);
    f.const_imm(n, 7);
    f.emit(Op::ListTruncate, part, n, 0);
    f.const_imm(i, 0);
    f.emit(Op::ListSet, part, i, t);
    let joined = f.reg(p.str);
    let k = p.p.const_str("+");
    f.load_const(t, k);
    f.emit_args(Op::Builtin, joined, Builtin::StrJoin as u16, &[part, t]);
    p.put(&mut f, TEXT, joined);
    assert_eq!(run(&p.finish_main(f)).texts(), ["11+13+12+11+10+13+12"]);
}

#[test]
fn records_survive_collections() {
    // A linked list of boxed options with float and string payloads, changed through a field.
    let mut p = Prog::new();
    let node = p.p.nominal(0, "Node");
    let link = p.p.nominal(0, "Option[Node]");
    let (node_ty, link_ty) = (p.p.ty(Type::Nominal(node)), p.p.ty(Type::Nominal(link)));
    let fields = vec![
        field("text", p.str, true),
        field("n", p.int, true),
        field("next", link_ty, true),
        field("x", p.float, false),
    ];
    p.p.define_nominal(node, NominalKind::Struct(fields));
    p.p.define_nominal(
        link,
        NominalKind::Enum(vec![
            variant("None", vec![]),
            variant("Some", vec![field("value", node_ty, false)]),
        ]),
    );
    let mut f = p.main();
    let (list, at) = (f.reg(link_ty), f.reg(link_ty));
    let (first, one) = (f.reg(node_ty), f.reg(node_ty));
    let (i, sum, v, len) = (f.reg(p.int), f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let (t, x) = (f.reg(p.str), f.reg(p.float));
    f.emit_args(Op::New, list, 0, &[]);
    f.const_imm(i, 0);
    f.const_imm(sum, 0);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::IntToFloat, x, i, 0);
    f.emit_args(Op::New, first, 0, &[t, i, list, x]);
    let (build, walk, done) = (f.label(), f.label(), f.label());
    f.bind(build);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::IntToFloat, x, i, 0);
    f.emit_args(Op::New, one, 0, &[t, i, list, x]);
    f.emit_args(Op::New, list, 1, &[one]);
    f.emit(Op::SetField, first, 2, list);
    f.emit(Op::SetField, first, 0, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLtImm, i, 200, build);
    f.emit(Op::GetField, at, first, 2);
    f.bind(walk);
    f.jump(Op::JTag, at, 0, done);
    f.emit(Op::GetPayload, one, at, 256);
    f.emit(Op::GetField, v, one, 1);
    f.emit(Op::AddInt, sum, sum, v);
    f.emit(Op::GetField, x, one, 3);
    f.emit(Op::FloatToInt, v, x, 0);
    f.emit(Op::AddInt, sum, sum, v);
    f.emit(Op::GetField, t, one, 0);
    f.emit(Op::StrLen, len, t, 0);
    f.emit(Op::AddInt, sum, sum, len);
    f.emit(Op::GetField, at, one, 2);
    f.jmp(walk);
    f.bind(done);
    p.put(&mut f, INT, sum);
    let digits = 10 + 2 * 90 + 3 * 100;
    assert_eq!(run(&p.finish_main(f)).ints(), [199 * 200 + digits]);
}

#[test]
fn enums() {
    // enum Shape: Dot, Box(w, h), Named(text, w), Line
    let mut p = Prog::new();
    let shape = p.p.nominal(0, "Shape");
    let ty = p.p.ty(Type::Nominal(shape));
    let variants = vec![
        variant("Dot", vec![]),
        variant(
            "Box",
            vec![field("w", p.int, false), field("h", p.int, false)],
        ),
        variant(
            "Named",
            vec![field("w", p.int, false), field("t", p.str, false)],
        ),
        variant("Line", vec![]),
    ];
    p.p.define_nominal(shape, NominalKind::Enum(variants));
    let mut f = p.function("size", &[ty], false, p.int, vec![]);
    let (a, b) = (f.reg(p.int), f.reg(p.int));
    let t = f.reg(p.str);
    let arms: Vec<_> = (0..3).map(|_| f.label()).collect();
    f.switch(0, &arms);
    f.const_imm(a, -4);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[0]);
    f.const_imm(a, -1);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[1]);
    f.emit(Op::GetPayload, a, 0, 256);
    f.emit(Op::GetPayload, b, 0, 257);
    f.emit(Op::MulInt, a, a, b);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[2]);
    f.emit(Op::GetPayload, t, 0, 513);
    f.emit(Op::StrLen, a, t, 0);
    f.emit(Op::Ret, a, 0, 0);
    let size = p.add("size", f);
    let mut f = p.main();
    let (s, w, h) = (f.reg(ty), f.reg(p.int), f.reg(p.int));
    let t = f.reg(p.str);
    f.const_imm(w, 6);
    f.const_imm(h, 7);
    let k = p.p.const_str("hello");
    f.load_const(t, k);
    for (v, args) in [(0, vec![]), (1, vec![w, h]), (2, vec![w, t]), (3, vec![])] {
        f.emit_args(Op::New, s, v, &args);
        let r = f.reg(p.int);
        f.emit_fn(Op::Call, r, size, &[s]);
        p.put(&mut f, INT, r);
        f.emit(Op::GetTag, r, s, 0);
        p.put(&mut f, INT, r);
        let (yes, end) = (f.label(), f.label());
        f.const_imm(r, 0);
        f.jump(Op::JTag, s, 2, yes);
        f.jump(Op::JNotTag, s, 3, end);
        f.bind(yes);
        f.const_imm(r, 1);
        f.bind(end);
        p.put(&mut f, INT, r);
    }
    let want = [-1, 0, 0, 42, 1, 0, 5, 2, 1, -4, 3, 1];
    assert_eq!(run(&p.finish_main(f)).ints(), want);
}

#[test]
fn error_edges() {
    let mut p = Prog::new();
    let other = p.p.nominal(0, "Other");
    p.p.define_nominal(
        other,
        NominalKind::Error(vec![
            variant("Plain", vec![]),
            variant("Text", vec![field("t", p.str, false)]),
        ]),
    );
    let other_ty = p.p.ty(Type::Nominal(other));
    let set = p.p.error_type(vec![p.refused, other]).unwrap();
    // pick(n): 0 -> 5; 1 -> Refused.Number(n); 2 -> Other.Text
    let mut f = p.function("pick", &[p.int], false, p.int, vec![p.refused, other]);
    let (e, o, s) = (f.reg(p.refused_ty), f.reg(other_ty), f.reg(set));
    let t = f.reg(p.str);
    let (l1, l2) = (f.label(), f.label());
    f.jump(Op::JEqImm, 0, 1, l1);
    f.jump(Op::JEqImm, 0, 2, l2);
    f.emit(Op::AddImm, 0, 0, 5);
    f.emit(Op::Ret, 0, 0, 0);
    f.bind(l1);
    f.emit_args(Op::New, e, 0, &[0]);
    f.emit(Op::Mov, s, e, 0);
    f.emit(Op::Raise, s, 0, 0);
    f.bind(l2);
    let k = p.p.const_str("why");
    f.load_const(t, k);
    f.emit_args(Op::New, o, 1, &[t]);
    f.emit(Op::Mov, s, o, 0);
    f.emit(Op::Raise, s, 0, 0);
    let pick = p.add("pick", f);
    let mut f = p.main();
    for n in 0..3 {
        let (r, e, o, s) = (
            f.reg(p.int),
            f.reg(p.refused_ty),
            f.reg(other_ty),
            f.reg(set),
        );
        let t = f.reg(p.str);
        let (bad, is_other, end) = (f.label(), f.label(), f.label());
        f.const_imm(r, n);
        f.emit_fn(Op::Call, r, pick, &[r]);
        f.on_error(s, bad);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(bad);
        f.jump(Op::JErrIs, s, other_ty, is_other);
        f.emit(Op::ErrCast, e, s, 0);
        f.emit(Op::GetPayload, r, e, 0);
        f.emit(Op::AddImm, r, r, 100);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(is_other);
        f.emit(Op::ErrCast, o, s, 0);
        f.emit(Op::GetPayload, t, o, 256);
        f.emit(Op::StrLen, r, t, 0);
        f.emit(Op::AddImm, r, r, 200);
        p.put(&mut f, INT, r);
        f.bind(end);
    }
    // The host's error edge.
    for n in [21, -3] {
        let (r, e) = (f.reg(p.int), f.reg(p.refused_ty));
        let (bad, end) = (f.label(), f.label());
        f.const_imm(r, n);
        f.emit_args(Op::CapCall, r, CHECK, &[0, r]);
        f.on_error(e, bad);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(bad);
        f.emit(Op::GetPayload, r, e, 0);
        p.put(&mut f, INT, r);
        f.bind(end);
    }
    assert_eq!(run(&p.finish_main(f)).ints(), [5, 101, 203, 42, -3]);
}

#[test]
fn main_may_fail() {
    let mut p = Prog::new();
    let mut f = p.function("main", &[], true, p.unit, vec![p.refused]);
    let (n, e) = (f.reg(p.int), f.reg(p.refused_ty));
    f.const_imm(n, 9);
    f.emit_args(Op::New, e, 0, &[n]);
    f.emit(Op::Raise, e, 0, 0);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    match run(&loaded).outcome {
        Outcome::Failed(failure) => {
            assert_eq!(failure.error, "Refused");
            assert_eq!(failure.variant, "Number");
            assert_eq!(failure.text, "Refused.Number(9)");
        }
        other => panic!("{other:?}"),
    };
}

#[test]
fn closures() {
    let mut p = Prog::new();
    let env = p.p.ty(Type::Env);
    // Storable: captured an int and a string; takes an int.
    let sig = p.p.sig(vec![p.int], vec![], p.int, vec![]);
    let fn_ty = p.p.ty(Type::Fn(sig.clone()));
    let borrowed = p.p.ty(Type::BorrowedFn(sig.clone()));
    let caps = vec![p.int, p.str];
    let mut f = FunctionBuilder::new("add", FnKind::Literal, sig.clone(), caps, vec![env, p.int]);
    let (a, t) = (f.reg(p.int), f.reg(p.str));
    f.emit(Op::GetCapture, a, 0, 0);
    f.emit(Op::AddInt, 1, 1, a);
    f.emit(Op::GetCapture, t, 1, 0);
    f.emit(Op::StrLen, a, t, 0);
    f.emit(Op::AddInt, 1, 1, a);
    f.emit(Op::Ret, 1, 0, 0);
    let add = p.add("add", f);
    // Borrowed: captured the capability, puts its argument out and gives it back.
    let mut f = FunctionBuilder::new(
        "tell",
        FnKind::Literal,
        sig.clone(),
        vec![p.out],
        vec![env, p.int],
    );
    let (c, u) = (f.reg(p.out), f.reg(p.unit));
    f.emit(Op::GetCapture, c, 0, 0);
    f.emit_args(Op::CapCall, u, INT, &[c, 1]);
    f.emit(Op::Ret, 1, 0, 0);
    let tell = p.add("tell", f);
    // Storable that its caller hands `Out`.
    let uses = p.p.sig(vec![p.int], vec![p.cap], p.int, vec![]);
    let uses_ty = p.p.ty(Type::Fn(uses.clone()));
    let mut f = FunctionBuilder::new(
        "with_out",
        FnKind::Literal,
        uses,
        vec![],
        vec![env, p.out, p.int],
    );
    let u = f.reg(p.unit);
    f.emit_args(Op::CapCall, u, INT, &[1, 2]);
    f.emit(Op::AddImm, 2, 2, 1);
    f.emit(Op::Ret, 2, 0, 0);
    let with_out = p.add("with_out", f);
    // apply(f, n) = f(f(n))
    let mut f = p.function("apply", &[borrowed, p.int], false, p.int, vec![]);
    f.emit_args(Op::CallFn, 1, 0, &[1]);
    f.emit_args(Op::CallFn, 1, 0, &[1]);
    f.emit(Op::Ret, 1, 0, 0);
    let apply = p.add("apply", f);
    let mut f = p.main();
    let (n, t, g) = (f.reg(p.int), f.reg(p.str), f.reg(fn_ty));
    let (b, h) = (f.reg(borrowed), f.reg(uses_ty));
    f.const_imm(n, 30);
    let k = p.p.const_str("four");
    f.load_const(t, k);
    f.emit_fn(Op::MakeFn, g, add, &[n, t]);
    f.emit_args(Op::CallFn, n, g, &[n]);
    p.put(&mut f, INT, n);
    f.emit_fn(Op::MakeBorrowed, b, tell, &[0]);
    f.emit_fn(Op::Call, n, apply, &[b, n]);
    f.emit_fn(Op::MakeFn, h, with_out, &[]);
    f.emit_args(Op::CallFn, n, h, &[0, n]);
    f.emit_args(Op::BindFn, b, h, &[0]);
    f.emit_fn(Op::Call, n, apply, &[b, n]);
    p.put(&mut f, INT, n);
    assert_eq!(run(&p.finish_main(f)).ints(), [64, 64, 64, 64, 65, 66, 67]);
}

#[test]
fn dynamic_calls() {
    let mut p = Prog::new();
    let shape = p.p.trait_(0, "Shape");
    let sig = p.p.sig(vec![p.int], vec![p.cap], p.int, vec![]);
    p.p.define_trait(
        shape,
        vec![Method {
            name: "area".into(),
            sig,
        }],
    );
    let dyn_ty = p.p.ty(Type::Dyn(shape));
    let mut objects = vec![];
    for k in 0..3u16 {
        let n = p.p.nominal(0, &format!("S{k}"));
        let ty = p.p.ty(Type::Nominal(n));
        let fields = vec![field("w", p.int, false), field("t", p.str, false)];
        p.p.define_nominal(n, NominalKind::Struct(fields));
        let name = format!("S{k}.area");
        let mut f = p.function(&name, &[ty, p.int], true, p.int, vec![]);
        let (w, u) = (f.reg(p.int), f.reg(p.unit));
        f.emit(Op::GetField, w, 1, 0);
        f.emit_args(Op::CapCall, u, INT, &[0, w]);
        f.emit(Op::MulInt, 2, 2, w);
        f.emit(Op::AddImm, 2, 2, k);
        f.emit(Op::Ret, 2, 0, 0);
        let area = p.add(&name, f);
        p.p.implement(n, Interface::Trait(shape), vec![area]);
        objects.push(ty);
    }
    let mut f = p.main();
    let (n, t, d) = (f.reg(p.int), f.reg(p.str), f.reg(dyn_ty));
    let k = p.p.const_str("t");
    f.load_const(t, k);
    for (i, ty) in objects.iter().enumerate().rev() {
        let s = f.reg(*ty);
        f.const_imm(n, 10 + i as i32);
        f.emit_args(Op::New, s, 0, &[n, t]);
        f.emit(Op::MakeDyn, d, s, 0);
        f.emit_args(Op::CallDyn, n, 0, &[0, d, n]);
        p.put(&mut f, INT, n);
    }
    assert_eq!(run(&p.finish_main(f)).ints(), [12, 146, 11, 122, 10, 100]);
}

#[test]
fn strings() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (s, t, u) = (f.reg(p.str), f.reg(p.str), f.reg(p.str));
    let (i, n) = (f.reg(p.int), f.reg(p.int));
    let b = f.reg(p.bool);
    let k = p.p.const_str("");
    f.load_const(s, k);
    let k = p.p.const_str("äb");
    f.load_const(t, k);
    f.const_imm(i, 0);
    let head = f.label();
    f.bind(head);
    f.emit(Op::StrConcat, s, s, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLtImm, i, 1000, head);
    f.emit(Op::StrLen, n, s, 0);
    f.emit_args(Op::Builtin, u, Builtin::IntToStr as u16, &[n]);
    p.put(&mut f, TEXT, u);
    f.emit_args(Op::Builtin, u, Builtin::StrRepeat as u16, &[t, i]);
    f.emit(Op::StrEq, b, s, u);
    f.emit(Op::WordToInt, n, b, 0);
    f.emit_args(Op::Builtin, u, Builtin::IntToStr as u16, &[n]);
    p.put(&mut f, TEXT, u);
    f.const_imm(i, 3);
    f.const_imm(n, 8);
    f.emit_args(Op::Builtin, u, Builtin::StrSlice as u16, &[s, i, n]);
    f.emit_args(Op::StrConcatN, u, 0, &[u, t, u, t, u]);
    p.put(&mut f, TEXT, u);
    f.emit_args(Op::Builtin, u, Builtin::StrToUpper as u16, &[u]);
    p.put(&mut f, TEXT, u);
    let k = p.p.const_str("*>10");
    f.load_const(t, k);
    f.emit_args(Op::Builtin, u, Builtin::FormatInt as u16, &[n, t]);
    p.put(&mut f, TEXT, u);
    let texts = run(&p.finish_main(f)).texts();
    assert_eq!(texts[..2], ["3000".to_string(), "1".to_string()]);
    let part = "äbä";
    assert_eq!(texts[2], format!("{part}äb{part}äb{part}"));
    assert_eq!(texts[3], texts[2].to_uppercase());
    assert_eq!(texts[4], "*********8");
}

#[test]
fn string_building_is_linear() {
    // 200,000 appends: quadratic copying would take minutes.
    let mut p = Prog::new();
    let mut f = p.main();
    let (s, t) = (f.reg(p.str), f.reg(p.str));
    let (i, end, n) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let k = p.p.const_str("");
    f.load_const(s, k);
    let k = p.p.const_str("0123456789");
    f.load_const(t, k);
    f.const_imm(i, 0);
    f.const_imm(end, 200_000);
    let head = f.label();
    f.bind(head);
    f.emit(Op::StrConcat, s, s, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, head);
    f.const_imm(i, 1_999_999);
    f.emit(Op::StrByte, n, s, i);
    p.put(&mut f, INT, n);
    let ran = run_with(&p.finish_main(f), Config::default());
    assert_eq!(ran.ints(), [57]);
    assert!(ran.stats.fuel < 2_000_000);
}

#[test]
fn memory_limit() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (xs, n) = (f.reg(p.ints), f.reg(p.int));
    f.const_imm(n, 0);
    f.emit(Op::ListNew, xs, n, 0);
    let head = f.label();
    f.bind(head);
    f.emit(Op::ListPush, xs, n, 0);
    f.jmp(head);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    let limits = Limits {
        memory: 4 << 20,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let ran = run_with(&loaded, config);
    assert!(matches!(ran.outcome, Outcome::Limit(LimitKind::Memory, _)));
}

#[test]
fn answers_may_come_later() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (n, t) = (f.reg(p.int), f.reg(p.str));
    for k in [1, 2] {
        f.const_imm(n, k);
        f.emit_args(Op::CapCall, t, LATER, &[0, n]);
        p.put(&mut f, TEXT, t);
    }
    assert_eq!(run(&p.finish_main(f)).texts(), ["later 1", "later 2"]);
}

#[test]
fn lists_cross_to_the_host() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (a, b, xs) = (f.reg(p.int), f.reg(p.int), f.reg(p.ints));
    f.const_imm(a, 1);
    f.const_imm(b, 2);
    f.emit_args(Op::ListOf, xs, 0, &[a, b, b]);
    f.emit_args(Op::CapCall, xs, INTS, &[0, xs]);
    f.const_imm(a, 2);
    f.emit(Op::ListGet, b, xs, a);
    p.put(&mut f, INT, b);
    assert_eq!(run(&p.finish_main(f)).ints(), [1]);
}

#[test]
fn handles_are_sealed() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (h, n) = (f.reg(p.file), f.reg(p.int));
    f.emit_args(Op::CapCall, h, OPEN, &[0]);
    f.emit_args(Op::CapCall, n, READ, &[0, h]);
    p.put(&mut f, INT, n);
    assert_eq!(run(&p.finish_main(f)).ints(), [77]);
}

/// An attenuator of `Out` that counts its calls, keeps a list and gives it out.
fn attenuated(direct_handle: bool) -> Arc<Loaded> {
    let mut p = Prog::new();
    let att = p.p.nominal(0, "Narrow");
    let ty = p.p.ty(Type::Nominal(att));
    let fields = vec![
        field("inner", p.out, false),
        field("calls", p.int, true),
        field("kept", p.ints, false),
    ];
    p.p.define_nominal(att, NominalKind::Struct(fields));
    let mut methods = vec![];
    let mut method = |p: &mut Prog,
                      name: &str,
                      params: &[u16],
                      ret,
                      errors,
                      body: &dyn Fn(&mut Prog, &mut FunctionBuilder)| {
        let mut all = vec![ty];
        all.extend_from_slice(params);
        let full = format!("Narrow.{name}");
        let mut f = p.function(&full, &all, false, ret, errors);
        body(p, &mut f);
        methods.push(p.add(&full, f));
    };
    let (unit, int, str, ints, float, file) = (p.unit, p.int, p.str, p.ints, p.float, p.file);
    method(&mut p, "int", &[int], unit, vec![], &|p, f| {
        let (c, n, u) = (f.reg(p.out), f.reg(p.int), f.reg(p.unit));
        f.emit(Op::GetField, n, 0, 1);
        f.emit(Op::AddImm, n, n, 1);
        f.emit(Op::SetField, 0, 1, n);
        f.emit(Op::GetCap, c, 0, 0);
        f.emit(Op::AddInt, 1, 1, n);
        f.emit_args(Op::CapCall, u, INT, &[c, 1]);
        f.emit(Op::Ret, u, 0, 0);
    });
    for (name, ty) in [("text", str), ("float", float)] {
        method(&mut p, name, &[ty], unit, vec![], &|p, f| {
            let u = f.reg(p.unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
    }
    let refused = p.refused;
    method(&mut p, "check", &[int], int, vec![refused], &|p, f| {
        let e = f.reg(p.refused_ty);
        f.emit_args(Op::New, e, 0, &[1]);
        f.emit(Op::Raise, e, 0, 0);
    });
    method(&mut p, "later", &[int], str, vec![], &|p, f| {
        let (c, t) = (f.reg(p.out), f.reg(p.str));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, t, LATER, &[c, 1]);
        f.emit(Op::Ret, t, 0, 0);
    });
    // Changes its argument, which must be a copy, and gives out its own list, which must be copied.
    method(&mut p, "ints", &[ints], ints, vec![], &|p, f| {
        let (xs, i) = (f.reg(p.ints), f.reg(p.int));
        f.const_imm(i, 0);
        f.emit(Op::ListPush, 1, i, 0);
        f.emit(Op::GetField, xs, 0, 2);
        f.emit(Op::Ret, xs, 0, 0);
    });
    method(&mut p, "open", &[], file, vec![], &|p, f| {
        let (c, h) = (f.reg(p.out), f.reg(p.file));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, h, OPEN, &[c]);
        f.emit(Op::Ret, h, 0, 0);
    });
    method(&mut p, "read", &[file], int, vec![], &|p, f| {
        let (c, n) = (f.reg(p.out), f.reg(p.int));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, n, READ, &[c, 1]);
        f.emit(Op::AddImm, n, n, 1);
        f.emit(Op::Ret, n, 0, 0);
    });
    p.p.implement(att, Interface::Cap(p.cap), methods);
    let mut f = p.main();
    let (a, cap) = (f.reg(ty), f.reg(p.out));
    let (xs, ys) = (f.reg(p.ints), f.reg(p.ints));
    let (n, i) = (f.reg(p.int), f.reg(p.int));
    f.const_imm(n, 5);
    f.const_imm(i, 0);
    f.emit_args(Op::ListOf, xs, 0, &[n]);
    f.emit_args(Op::NewAtt, a, 0, &[0, i, xs]);
    f.emit(Op::AsCap, cap, a, 0);
    // The attenuator's list is its own.
    f.emit(Op::ListPush, xs, n, 0);
    f.const_imm(n, 100);
    f.emit_args(Op::CapCall, 1, INT, &[cap, n]);
    f.emit_args(Op::CapCall, 1, INT, &[cap, n]);
    f.emit_args(Op::CapCall, ys, INTS, &[cap, xs]);
    f.emit(Op::ListLen, n, xs, 0);
    p.put(&mut f, INT, n);
    f.emit(Op::ListLen, n, ys, 0);
    p.put(&mut f, INT, n);
    f.emit(Op::ListPush, ys, n, 0);
    f.emit_args(Op::CapCall, ys, INTS, &[cap, xs]);
    f.emit(Op::ListLen, n, ys, 0);
    p.put(&mut f, INT, n);
    let e = f.reg(p.refused_ty);
    let (bad, end) = (f.label(), f.label());
    f.const_imm(n, 17);
    f.emit_args(Op::CapCall, n, CHECK, &[cap, n]);
    f.on_error(e, bad);
    f.jmp(end);
    f.bind(bad);
    f.emit(Op::GetPayload, n, e, 0);
    f.bind(end);
    p.put(&mut f, INT, n);
    let (h, t) = (f.reg(p.file), f.reg(p.str));
    f.emit_args(Op::CapCall, t, LATER, &[cap, n]);
    f.emit(Op::StrLen, n, t, 0);
    p.put(&mut f, INT, n);
    f.emit_args(Op::CapCall, h, OPEN, &[cap]);
    let by = if direct_handle { 0 } else { cap };
    f.emit_args(Op::CapCall, n, READ, &[by, h]);
    p.put(&mut f, INT, n);
    p.finish_main(f)
}

#[test]
fn attenuators() {
    let ran = run(&attenuated(false));
    assert_eq!(ran.ints(), [101, 102, 2, 1, 1, 17, 8, 78]);
    // A handle from the attenuator does not work with what is behind it.
    let ran = run(&attenuated(true));
    assert_eq!(ran.trap().kind, TrapKind::Handle);
    assert_eq!(ran.out.last(), Some(&HostValue::Int(8)));
}

#[test]
fn a_missing_grant_is_refused_before_anything_runs() {
    use jet_vm::{Instance, InstanceError};
    let made = Instance::new(sum_to(1), Config::default(), vec![]);
    match made {
        Err(InstanceError::NotGranted {
            capability, path, ..
        }) => {
            assert_eq!((capability.as_str(), path.len()), ("Out", 1));
        }
        other => panic!("{other:?}"),
    }
}

/// One argument of a builtin.
enum Arg {
    S(&'static str),
    I(i64),
    F(f64),
}

/// Calls a builtin with constants; the result is put out as text.
fn builtin(b: Builtin, args: &[Arg]) -> Result<String, String> {
    use jet_bytecode::builtins::{BType, BUILTINS};
    let mut p = Prog::new();
    let mut f = p.main();
    let row = &BUILTINS[b as usize];
    let (chars, bytes) = (p.p.ty(Type::Char), p.p.ty(Type::Byte));
    let ty = |p: &mut Prog, t: BType| match t {
        BType::Unit => p.unit,
        BType::Bool => p.bool,
        BType::Char => chars,
        BType::Int => p.int,
        BType::Float => p.float,
        BType::Str => p.str,
        BType::ListByte => p.p.ty(Type::List(bytes)),
        BType::ListChar => p.p.ty(Type::List(chars)),
        BType::ListStr => p.p.ty(Type::List(p.str)),
    };
    let mut regs = vec![];
    for (arg, t) in args.iter().zip(row.params) {
        let t = ty(&mut p, *t);
        let r = f.reg(t);
        let n = f.reg(p.int);
        match arg {
            Arg::S(s) => {
                let k = p.p.const_str(s);
                f.load_const(r, k);
            }
            Arg::F(x) => {
                let k = p.p.const_float(*x);
                f.load_const(r, k);
            }
            Arg::I(v) if t == chars => {
                f.const_imm(n, *v as i32);
                f.emit(Op::IntToChar, r, n, 0);
            }
            Arg::I(v) => {
                let k = p.p.const_int(*v);
                f.load_const(r, k);
            }
        }
        regs.push(r);
    }
    let result_ty = ty(&mut p, row.result);
    let (r, t, n) = (f.reg(result_ty), f.reg(p.str), f.reg(p.int));
    f.emit_args(Op::Builtin, r, b as u16, &regs);
    let shown = match row.result {
        BType::Str => r,
        BType::Float => {
            f.emit_args(Op::Builtin, t, Builtin::FloatToStr as u16, &[r]);
            t
        }
        BType::ListStr => {
            let k = p.p.const_str("|");
            f.load_const(t, k);
            f.emit_args(Op::Builtin, t, Builtin::StrJoin as u16, &[r, t]);
            t
        }
        BType::ListByte => {
            f.emit_args(Op::Builtin, t, Builtin::StrFromBytes as u16, &[r]);
            t
        }
        BType::ListChar => {
            f.emit_args(Op::Builtin, t, Builtin::StrFromChars as u16, &[r]);
            t
        }
        other => {
            let from = if other == BType::Int { r } else { n };
            if other != BType::Int {
                f.emit(Op::WordToInt, n, r, 0);
            }
            f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[from]);
            t
        }
    };
    p.put(&mut f, TEXT, shown);
    let ran = run(&p.finish_main(f));
    match &ran.outcome {
        Outcome::Finished => Ok(ran.texts().remove(0)),
        Outcome::Trapped(t) | Outcome::Limit(_, t) => Err(t.message.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn builtins() {
    use Arg::{F, I, S};
    let ok = |b, args: &[Arg], want: &str| {
        assert_eq!(builtin(b, args).as_deref(), Ok(want), "{b:?}");
    };
    let bad = |b, args: &[Arg], want: &str| {
        let got = builtin(b, args).unwrap_err();
        assert!(got.contains(want), "{b:?}: {got}");
    };
    let text = "Grüße, Welt";
    ok(Builtin::StrSlice, &[S(text), I(0), I(4)], "Grü");
    bad(
        Builtin::StrSlice,
        &[S(text), I(0), I(3)],
        "byte 3 is inside",
    );
    bad(Builtin::StrSlice, &[S(text), I(6), I(99)], "out of bounds");
    bad(Builtin::StrSlice, &[S(text), I(6), I(4)], "out of bounds");
    bad(Builtin::StrSlice, &[S(text), I(-1), I(4)], "out of bounds");
    bad(
        Builtin::StrSlice,
        &[S(text), I(i64::MIN), I(i64::MAX)],
        "out of bounds",
    );
    ok(Builtin::StrFind, &[S(text), S("W"), I(0)], "9");
    ok(Builtin::StrFind, &[S(text), S("G"), I(1)], "-1");
    ok(Builtin::StrFind, &[S(text), S("ü"), I(3)], "-1");
    ok(Builtin::StrFind, &[S(text), S(""), I(13)], "13");
    ok(Builtin::StrFind, &[S(text), S(""), I(14)], "-1");
    ok(Builtin::StrRfind, &[S("abcabc"), S("bc")], "4");
    ok(Builtin::StrToUpper, &[S(text)], "GRÜSSE, WELT");
    ok(Builtin::StrTrim, &[S("  x y \n")], "x y");
    ok(Builtin::StrTrimStart, &[S("  x ")], "x ");
    ok(Builtin::StrTrimEnd, &[S("   ")], "");
    ok(
        Builtin::StrReplace,
        &[S("a-b-c"), S("-"), S("--")],
        "a--b--c",
    );
    ok(Builtin::StrReplace, &[S("ab"), S(""), S(".")], ".a.b.");
    ok(Builtin::StrReplace, &[S("aaa"), S("a"), S("")], "");
    ok(Builtin::StrRepeat, &[S("ab"), I(3)], "ababab");
    ok(Builtin::StrRepeat, &[S(""), I(i64::MAX)], "");
    bad(Builtin::StrRepeat, &[S("x"), I(1 << 40)], "memory limit");
    bad(Builtin::StrRepeat, &[S("x"), I(-1)], "-1 copies");
    ok(Builtin::StrSplit, &[S("a,b,,c"), S(",")], "a|b||c");
    ok(Builtin::StrSplit, &[S("äb"), S("")], "ä|b");
    ok(Builtin::StrLines, &[S("a\r\nb\n\nc")], "a|b||c");
    ok(Builtin::StrSplitWhitespace, &[S(" a  b\t")], "a|b");
    ok(Builtin::StrChars, &[S(text)], text);
    ok(Builtin::StrBytes, &[S(text)], text);
    ok(Builtin::StrCharAt, &[S(text), I(2)], "252");
    bad(Builtin::StrCharAt, &[S(text), I(3)], "inside a character");
    bad(Builtin::StrCharAt, &[S("ab"), I(2)], "out of bounds");
    ok(Builtin::StrIsBoundary, &[S(text), I(3)], "0");
    ok(Builtin::StrIsInt, &[S("-12")], "1");
    ok(Builtin::StrIsInt, &[S("1_000")], "0");
    ok(
        Builtin::StrToInt,
        &[S("-9223372036854775808")],
        "-9223372036854775808",
    );
    bad(
        Builtin::StrToInt,
        &[S("9223372036854775808")],
        "is not an int",
    );
    ok(Builtin::StrToFloat, &[S("1e3")], "1000.0");
    ok(Builtin::FloatToStr, &[F(0.1)], "0.1");
    ok(Builtin::StrQuote, &[S("a\"\n")], "\"a\\\"\\n\"");
    ok(Builtin::FormatFloat, &[F(3.1459), S("8.2f")], "    3.15");
    ok(Builtin::FormatStr, &[S("ab"), S("^6")], "  ab  ");
    bad(Builtin::FormatInt, &[I(1), S("q")], "unknown type");
    ok(Builtin::CharToDigit, &[I('f' as i64), I(16)], "15");
    ok(Builtin::CharToDigit, &[I('g' as i64), I(16)], "-1");
    bad(Builtin::CharToDigit, &[I('1' as i64), I(37)], "base 37");
    ok(Builtin::CharToUpper, &[I('ß' as i64)], "SS");
    ok(Builtin::CharIsAlpha, &[I('ß' as i64)], "1");
    ok(Builtin::CharLen, &[I('ß' as i64)], "2");
    ok(Builtin::Round, &[F(-2.5)], "-3.0");
    ok(Builtin::Floor, &[F(-2.5)], "-3.0");
    ok(Builtin::Atan2, &[F(0.0), F(1.0)], "0.0");
    ok(Builtin::FloatBits, &[F(1.0)], "4607182418800017408");
}

/// A capability `Small` with one method, implemented by a fake: an enum with or without payload.
fn fake(payload: bool) -> Arc<Loaded> {
    let mut p = Prog::new();
    let small = p.p.cap(0, "Small");
    let sig = p.p.sig(vec![p.int], vec![], p.int, vec![]);
    p.p.define_cap(
        small,
        None,
        vec![Method {
            name: "next".into(),
            sig,
        }],
    );
    let small_ty = p.p.ty(Type::Cap(small));
    let fake = p.p.nominal(0, "Fake");
    let ty = p.p.ty(Type::Nominal(fake));
    let fields = if payload {
        vec![field("n", p.int, false)]
    } else {
        vec![]
    };
    p.p.define_nominal(
        fake,
        NominalKind::Enum(vec![variant("A", vec![]), variant("B", fields)]),
    );
    let mut f = p.function("Fake.next", &[ty, p.int], false, p.int, vec![]);
    let n = f.reg(p.int);
    f.emit(Op::GetTag, n, 0, 0);
    f.emit(Op::AddInt, 1, 1, n);
    if payload {
        let plain = f.label();
        f.jump(Op::JTag, 0, 0, plain);
        f.emit(Op::GetPayload, n, 0, 256);
        f.emit(Op::AddInt, 1, 1, n);
        f.bind(plain);
    }
    f.emit(Op::Ret, 1, 0, 0);
    let next = p.add("Fake.next", f);
    p.p.implement(fake, Interface::Cap(small), vec![next]);
    let sig = p.p.sig(vec![p.int], vec![small], p.int, vec![]);
    let mut f = FunctionBuilder::new("use", FnKind::Named, sig, vec![], vec![small_ty, p.int]);
    f.emit_args(Op::CapCall, 1, 0, &[0, 1]);
    f.emit_args(Op::CapCall, 1, 0, &[0, 1]);
    f.emit(Op::Ret, 1, 0, 0);
    let twice = p.add("use", f);
    let mut f = p.main();
    let (n, v) = (f.reg(p.int), f.reg(ty));
    for variant in 0..2 {
        let c = f.reg(small_ty);
        f.const_imm(n, 100);
        match (payload, variant) {
            (true, 1) => f.emit_args(Op::New, v, 1, &[n]),
            (true, v0) => f.emit_args(Op::New, v, v0, &[]),
            (false, v0) => f.const_imm(v, i32::from(v0)),
        }
        f.emit(Op::AsCap, c, v, 0);
        f.emit_fn(Op::Call, n, twice, &[c, n]);
        p.put(&mut f, INT, n);
    }
    p.finish_main(f)
}

#[test]
fn fakes() {
    assert_eq!(run(&fake(false)).ints(), [100, 102]);
    assert_eq!(run(&fake(true)).ints(), [100, 302]);
}

#[test]
fn grants_are_counted_and_revoked() {
    use jet_vm::Instance;
    use jet_vm::host::HostCapability;
    use std::sync::atomic::{AtomicBool, Ordering};
    let mut p = Prog::new();
    let mut f = p.main();
    let n = f.reg(p.int);
    for k in 0..3 {
        f.const_imm(n, k);
        p.put(&mut f, INT, n);
    }
    let loaded = p.finish_main(f);
    let revoked = Arc::new(AtomicBool::new(false));
    let calls = |calls: Option<u64>, bytes: Option<u64>, revoke: bool, deaf: bool| {
        let quota = jet_vm::Quota { calls, bytes };
        let host: Box<dyn HostCapability> = Box::new(out(&Log::default()));
        let binding = jet_vm::Binding {
            host,
            quota,
            revoked: Arc::clone(&revoked),
        };
        revoked.store(revoke, Ordering::Relaxed);
        let audited = Arc::new(std::sync::Mutex::new(vec![]));
        let sink = Arc::clone(&audited);
        let config = Config {
            audit: Some(Box::new(move |event: &jet_vm::AuditEvent<'_>| {
                let ends = match event.verdict {
                    jet_vm::Verdict::Ok => "ok",
                    jet_vm::Verdict::Error(..) => "error",
                    jet_vm::Verdict::Trap(_) => "stopped",
                };
                let call = format!("{}.{} {ends}", event.capability, event.method);
                sink.lock().unwrap().push(call);
                !deaf
            })),
            ..Config::default()
        };
        let mut instance = Instance::new(Arc::clone(&loaded), config, vec![binding]).unwrap();
        let outcome = instance.run(&[]);
        let seen = audited.lock().unwrap().clone();
        (outcome, seen)
    };
    let (outcome, seen) = calls(Some(2), None, false, false);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.kind == TrapKind::Revoked));
    assert_eq!(
        seen,
        ["app.Out.int ok", "app.Out.int ok", "app.Out.int stopped"]
    );
    let (outcome, seen) = calls(None, None, true, false);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.kind == TrapKind::Revoked));
    assert_eq!(seen, ["app.Out.int stopped"]);
    assert!(matches!(
        calls(Some(3), Some(0), false, false).0,
        Outcome::Finished
    ));
    // What could not be recorded is the last thing that happens.
    let (outcome, seen) = calls(None, None, false, true);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.message.contains("recorded")));
    assert_eq!(seen, ["app.Out.int ok", "app.Out.int stopped"]);
}

//! Loops, calls, fuel and traps: programs built by hand.

mod common;

use common::*;
use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::module::Bundle;
use jet_bytecode::opcodes::{Op, TrapKind};
use jet_bytecode::verify::{VerifyLimits, verify_with};
use jet_vm::host::{LimitKind, Limits};
use jet_vm::{Config, Loaded, Outcome};
use std::sync::Arc;
use std::time::Duration;

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
fn a_dear_call_is_paid_once_when_the_stack_grows() {
    let fuel = |depth: i32| {
        let mut p = Prog::new();
        let down = p.p.declare("down");
        let mut f = p.function("down", &[p.int], false, p.int, vec![]);
        let n = f.reg(p.int);
        // Frames of which few fill the part of the stack that is there at first.
        for _ in 0..200 {
            f.reg(p.int);
        }
        let more = f.label();
        f.jump(Op::JGeImm, 0, 1, more);
        f.emit(Op::Ret, 0, 0, 0);
        f.bind(more);
        f.emit(Op::AddImm, n, 0, -1i16 as u16);
        f.emit_fn(Op::Call, n, down, &[n]);
        f.emit(Op::Ret, n, 0, 0);
        p.p.define(down, f.finish().unwrap());
        let mut f = p.main();
        let r = f.reg(p.int);
        f.const_imm(r, depth);
        f.emit_fn(Op::Call, r, down, &[r]);
        p.put(&mut f, INT, r);
        f.const_imm(1, 0);
        f.emit(Op::Ret, 1, 0, 0);
        let main = p.add("main", f);
        p.p.entry(main, vec![vec!["main".into()]]);
        let mut package = p.p.finish().unwrap();
        // The call pays for as many of these as a lane cannot count, in a function that is longer than builders make.
        let down = package.functions.iter_mut().find(|f| f.name == "down");
        let code = &mut down.unwrap().code;
        let at = code.len() - 4;
        let word = code[at];
        assert_eq!(word as u16, Op::AddImm as u16);
        code.splice(at..at, std::iter::repeat_n(word, 70_000));
        let packages = vec![package];
        let limits = VerifyLimits {
            code_words: 1 << 17,
            ..VerifyLimits::default()
        };
        let verified = verify_with(Bundle { packages }, limits).unwrap();
        let loaded = Arc::new(Loaded::new(verified).unwrap());
        let ran = run_with(&loaded, Config::default());
        assert_eq!(ran.ints(), [0]);
        assert!(ran.stats.gc.host > 0 || depth < 100, "the stack has grown");
        ran.stats.fuel
    };
    let few = fuel(10);
    let each = fuel(11) - few;
    assert!(each > 70_000);
    assert_eq!(fuel(300), few + 290 * each);
}

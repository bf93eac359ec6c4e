//! Speed of the interpreter on four small loops. Run with
//! `cargo test --release -p jet-vm --test speed -- --ignored --nocapture`.

mod common;

use common::*;
use jet_bytecode::module::{NominalKind, Type};
use jet_bytecode::opcodes::Op;
use jet_vm::{Config, Loaded};
use std::sync::Arc;
use std::time::Instant;

fn fib(n: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let fib = add_fib(&mut p);
    let mut f = p.main();
    let r = f.reg(p.int);
    f.const_imm(r, n);
    f.emit_fn(Op::Call, r, fib, &[r]);
    p.put(&mut f, INT, r);
    p.finish_main(f)
}

/// sum = (sum + i * 3) ^ i over 0..n.
fn looping(n: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let mut f = p.main();
    let (sum, i, end, three, t) = (
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
    );
    f.const_imm(sum, 0);
    f.const_imm(i, 0);
    f.const_imm(end, n);
    f.const_imm(three, 3);
    let head = f.label();
    f.bind(head);
    f.emit(Op::MulInt, t, i, three);
    f.emit(Op::AddWrap, sum, sum, t);
    f.emit(Op::XorInt, sum, sum, i);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, head);
    p.put(&mut f, INT, sum);
    p.finish_main(f)
}

/// Counts primes below n, `rounds` times.
fn sieve(n: i32, rounds: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let bools = p.p.ty(Type::List(p.bool));
    let mut f = p.main();
    let flags = f.reg(bools);
    let (round, rs, count, i, k, end) = (
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
    );
    let (yes, no, b) = (f.reg(p.bool), f.reg(p.bool), f.reg(p.bool));
    f.const_imm(yes, 1);
    f.const_imm(no, 0);
    f.const_imm(end, n);
    f.const_imm(rs, rounds);
    f.const_imm(round, 0);
    f.const_imm(count, 0);
    let again = f.label();
    f.bind(again);
    f.emit(Op::ListFill, flags, end, yes);
    f.const_imm(count, 0);
    f.const_imm(i, 2);
    let (outer, skip, inner, test) = (f.label(), f.label(), f.label(), f.label());
    f.bind(outer);
    f.emit(Op::ListGet, b, flags, i);
    f.jump(Op::JmpIfNot, b, 0, skip);
    f.emit(Op::AddImm, count, count, 1);
    f.emit(Op::AddInt, k, i, i);
    f.jmp(test);
    f.bind(inner);
    f.emit(Op::ListSet, flags, k, no);
    f.emit(Op::AddInt, k, k, i);
    f.bind(test);
    f.jump(Op::JLt, k, end, inner);
    f.bind(skip);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, outer);
    f.emit(Op::AddImm, round, round, 1);
    f.jump(Op::JLt, round, rs, again);
    p.put(&mut f, INT, count);
    p.finish_main(f)
}

/// Builds a linked list of n nodes and sums it, `rounds` times.
fn linked(n: i32, rounds: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let node = p.p.nominal(0, "Node");
    let option = p.p.nominal(0, "Option[Node]");
    let node_ty = p.p.ty(Type::Nominal(node));
    let option_ty = p.p.ty(Type::Nominal(option));
    p.p.define_nominal(
        node,
        NominalKind::Struct(vec![
            field("value", p.int, false),
            field("next", option_ty, true),
        ]),
    );
    p.p.define_nominal(
        option,
        NominalKind::Enum(vec![
            variant("None", vec![]),
            variant("Some", vec![field("value", node_ty, false)]),
        ]),
    );
    let mut f = p.main();
    let (list, at) = (f.reg(option_ty), f.reg(option_ty));
    let n1 = f.reg(node_ty);
    let (i, end, sum, v, round, rs) = (
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
        f.reg(p.int),
    );
    f.const_imm(end, n);
    f.const_imm(rs, rounds);
    f.const_imm(round, 0);
    let (again, build, walk, done) = (f.label(), f.label(), f.label(), f.label());
    f.bind(again);
    f.const_imm(i, 0);
    f.const_imm(sum, 0);
    f.emit_args(Op::New, list, 0, &[]);
    f.bind(build);
    f.emit_args(Op::New, n1, 0, &[i, list]);
    f.emit_args(Op::New, list, 1, &[n1]);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, build);
    f.emit(Op::Mov, at, list, 0);
    f.bind(walk);
    f.jump(Op::JTag, at, 0, done);
    f.emit(Op::GetPayload, n1, at, 256);
    f.emit(Op::GetField, v, n1, 0);
    f.emit(Op::AddInt, sum, sum, v);
    f.emit(Op::GetField, at, n1, 1);
    f.jmp(walk);
    f.bind(done);
    f.emit(Op::AddImm, round, round, 1);
    f.jump(Op::JLt, round, rs, again);
    p.put(&mut f, INT, sum);
    p.finish_main(f)
}

/// x = x * a + b in floats, with a compare.
fn floats(n: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let mut f = p.main();
    let (x, a, b, one) = (
        f.reg(p.float),
        f.reg(p.float),
        f.reg(p.float),
        f.reg(p.float),
    );
    let (i, end) = (f.reg(p.int), f.reg(p.int));
    let (ka, kb, k1) = (
        p.p.const_float(0.999),
        p.p.const_float(0.5),
        p.p.const_float(100.0),
    );
    f.load_const(x, ka);
    f.load_const(a, ka);
    f.load_const(b, kb);
    f.load_const(one, k1);
    f.const_imm(i, 0);
    f.const_imm(end, n);
    let (head, skip) = (f.label(), f.label());
    f.bind(head);
    f.emit(Op::MulFloat, x, x, a);
    f.emit(Op::AddFloat, x, x, b);
    f.jump(Op::JNltFloat, one, x, skip);
    f.emit(Op::SubFloat, x, x, one);
    f.bind(skip);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, head);
    p.put(&mut f, FLOAT, x);
    p.finish_main(f)
}

#[test]
#[ignore = "measures"]
fn speed() {
    let programs = [
        ("fib", fib(35)),
        ("loop", looping(100_000_000)),
        ("sieve", sieve(1_000_000, 10)),
        ("linked", linked(100_000, 100)),
        ("floats", floats(50_000_000)),
    ];
    for (name, loaded) in programs {
        let mut best = f64::MAX;
        let mut out = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            let ran = run_with(&loaded, Config::default());
            best = best.min(start.elapsed().as_secs_f64());
            out = ran.out;
        }
        println!("{name:8} {best:.3} s {out:?}");
    }
}

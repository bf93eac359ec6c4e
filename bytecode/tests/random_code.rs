//! Random control flow through the builder: what it finishes verifies, liveness is exact, and fuel
//! charged on any walk is never less than what was executed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::World;
use jet_bytecode::analysis::decode::{Instr, decode, instrs};
use jet_bytecode::analysis::fuel;
use jet_bytecode::analysis::liveness::Liveness;
use jet_bytecode::linked::{LFunction, Program};
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::verify;
use quickcheck::QuickCheck;
use std::collections::BTreeSet;

/// A function of ints and strings with this control flow; each choice is an instruction and where
/// it may jump.
fn build(choices: &[(u8, u16, u16)]) -> jet_bytecode::module::Bundle {
    let mut w = World::new();
    let (int, str_, e1, parse) = (w.int, w.str_, w.e1, w.parse);
    w.named("random", &[int, str_], &[], int, &[e1], |f, w| {
        let ints = [0, f.reg(int), f.reg(int), f.reg(int)];
        let strs = [1, f.reg(str_), f.reg(str_), f.reg(str_)];
        let err = f.reg(w.err1);
        let flag = f.reg(w.bool_);
        for r in &ints[1..] {
            f.const_imm(*r, 7);
        }
        for r in &strs[1..] {
            f.emit(Op::Mov, *r, 1, 0);
        }
        f.emit_args(Op::New, err, 0, &[]);
        f.const_imm(flag, 1);
        let labels: Vec<_> = choices.iter().map(|_| f.label()).collect();
        for (i, (what, x, y)) in choices.iter().enumerate() {
            f.bind(labels[i]);
            let to = labels[usize::from(*x) % labels.len()];
            let to2 = labels[usize::from(*y) % labels.len()];
            let (a, b) = (ints[usize::from(x % 4)], ints[usize::from(y % 4)]);
            let (s, t) = (strs[usize::from(x / 4 % 4)], strs[usize::from(y / 4 % 4)]);
            match what % 14 {
                0..=2 => f.emit(Op::AddInt, a, b, ints[1]),
                3 => f.emit(Op::StrConcat, s, t, strs[2]),
                4 => f.emit(Op::Mov, s, t, 0),
                5 => f.emit_args(Op::StrConcatN, s, 0, &[t, s, t, s, t, s]),
                6 => f.jump(Op::JLtImm, a, 3, to),
                7 => f.jump(Op::JEq, a, b, to),
                8 => f.jump(Op::JmpIf, flag, 0, to),
                9 => f.jmp(to),
                10 => f.switch(a, &[to, to2, to]),
                11 => {
                    f.emit_fn(Op::Call, a, parse, &[s]);
                    f.on_error(err, to);
                }
                12 => f.emit(Op::Ret, a, 0, 0),
                _ => f.emit(Op::Raise, err, 0, 0),
            }
        }
        f.emit(Op::Ret, ints[2], 0, 0);
    });
    w.finish()
}

fn random_function(choices: &[(u8, u16, u16)]) -> (Program, usize) {
    let prog = verify(build(choices)).unwrap().into_program();
    let at = prog
        .functions
        .iter()
        .position(|f| f.name == "random")
        .unwrap();
    (prog, at)
}

fn successors(f: &LFunction, i: &Instr) -> Vec<u32> {
    let mut out: Vec<u32> = i.targets(&f.code).collect();
    if i.falls_through() {
        out.push(i.next_pc());
    }
    out
}

/// Liveness by its definition, register by register: a register is live behind an instruction if some
/// path reads it before writing it.
fn live_across(f: &LFunction, pc: u32) -> BTreeSet<u16> {
    let start = decode(&f.code, pc).unwrap();
    let mut out = BTreeSet::new();
    for r in 0..f.regs.len() as u16 {
        let mut seen = BTreeSet::new();
        // Places to look at, with whether the register keeps its value on the way there.
        let mut work = Vec::new();
        let step = |i: &Instr, work: &mut Vec<u32>| {
            let error = (i.next_pc() as usize) < f.code.len()
                && decode(&f.code, i.next_pc()).unwrap().op == Op::OnError;
            if i.is_call() && error {
                let on = decode(&f.code, i.next_pc()).unwrap();
                if i.a != r {
                    work.push(on.next_pc());
                }
                if on.a != r {
                    work.extend(on.targets(&f.code));
                }
            } else if i.writes() != Some(r) {
                work.extend(successors(f, i));
            }
        };
        step(&start, &mut work);
        while let Some(at) = work.pop() {
            if !seen.insert(at) {
                continue;
            }
            let i = decode(&f.code, at).unwrap();
            if i.reads(&f.code).any(|x| x == r) {
                out.insert(r);
                break;
            }
            step(&i, &mut work);
        }
    }
    out
}

#[test]
fn liveness_is_exact() {
    fn prop(choices: Vec<(u8, u16, u16)>) -> bool {
        let (prog, at) = random_function(&choices);
        let f = &prog.functions[at];
        let live = Liveness::new(&prog, f);
        for i in instrs(&f.code).map(Result::unwrap) {
            if !i.is_safepoint() {
                continue;
            }
            let mut got = BTreeSet::new();
            live.live_refs(f, i.pc, false, |r| {
                got.insert(r);
            });
            let is_ref = |r: &u16| {
                let ty = f.reg_type(*r).unwrap();
                jet_bytecode::layout::reg_kind(&prog, ty) == jet_bytecode::layout::RegKind::Ref
            };
            let want: BTreeSet<u16> = live_across(f, i.pc).into_iter().filter(is_ref).collect();
            assert_eq!(got, want, "at {}", i.pc);
        }
        true
    }
    QuickCheck::new()
        .tests(400)
        .quickcheck(prop as fn(Vec<(u8, u16, u16)>) -> bool);
}

#[test]
fn fuel_covers_every_walk() {
    fn prop(choices: Vec<(u8, u16, u16)>, mut seed: u64) -> bool {
        let (prog, at) = random_function(&choices);
        let f = &prog.functions[at];
        let costs = fuel::static_costs(&f.code);
        let (mut pc, mut executed, mut charged) = (0u32, 0u64, 0u64);
        for _ in 0..2000 {
            let i = decode(&f.code, pc).unwrap();
            executed += u64::from(fuel::weight(&i));
            let next = successors(f, &i);
            if fuel::is_charge_op(i.op) {
                assert_ne!(costs[pc as usize], 0);
                charged += u64::from(costs[pc as usize]);
                assert!(charged >= executed, "at {pc}");
            }
            if next.is_empty() {
                break;
            }
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let to = next[(seed >> 33) as usize % next.len()];
            let jumped = i.targets(&f.code).any(|t| t == to);
            if jumped && to <= pc {
                assert_ne!(costs[pc as usize], 0);
                charged += u64::from(costs[pc as usize]);
                assert!(charged >= executed, "at {pc}");
            }
            pc = to;
        }
        true
    }
    QuickCheck::new()
        .tests(1000)
        .quickcheck(prop as fn(Vec<(u8, u16, u16)>, u64) -> bool);
}

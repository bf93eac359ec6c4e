//! One test for each family of forged bytes: a valid program with one thing changed, and the rule that
//! refuses it.

use std::sync::Arc;

use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::format::{FormatError, decode, encode};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify::{Rule, verify};
use jet_vm::{GcMode, Loaded};

use super::fuzz::{limits, run, run_jit};
use super::programs::{World, builtin, field, variant};

/// `main` of the world, ended with unit, as a bundle.
pub fn program(body: impl FnOnce(&mut World, &mut FunctionBuilder)) -> Bundle {
    let mut w = World::new();
    let (unit, out) = (w.unit, w.out);
    let sig = w.p.sig(vec![], vec![out], unit, vec![]);
    let mut f = FunctionBuilder::new("main", FnKind::Named, sig, vec![], vec![w.out_ty]);
    body(&mut w, &mut f);
    let u = f.reg(unit);
    f.const_imm(u, 0);
    f.emit(Op::Ret, u, 0, 0);
    let main = w.p.declare("main");
    w.p.define(main, f.finish().unwrap());
    // The generator fills it otherwise.
    let strs = w.lists[5].0;
    let params = vec![w.int, w.str_, w.node, w.file];
    let mut regs = vec![w.out_ty];
    regs.extend(&params);
    let sig = w.p.sig(params, vec![out], strs, vec![]);
    let mut f = FunctionBuilder::new("step", FnKind::Named, sig, vec![], regs);
    let (n, l) = (f.reg(w.int), f.reg(strs));
    f.const_imm(n, 0);
    f.emit(Op::ListNew, l, n, 0);
    f.emit(Op::Ret, l, 0, 0);
    let step = w.step;
    w.p.define(step, f.finish().unwrap());
    w.p.entry(main, vec![vec![String::from("main")]]);
    Bundle {
        packages: vec![w.p.finish().unwrap()],
    }
}

/// `main` of a bundle.
fn main_of(b: &mut Bundle) -> &mut Function {
    let fs = &mut b.packages[0].functions;
    fs.iter_mut().find(|f| f.name == "main").unwrap()
}

/// The place of the n-th instruction with this opcode in `main`.
fn find(b: &mut Bundle, op: Op) -> usize {
    let code = &main_of(b).code;
    let at = jet_bytecode::analysis::decode::instrs(code)
        .map(Result::unwrap)
        .find(|i| i.op == op);
    at.unwrap().pc as usize
}

/// Changes a lane of the first instruction with this opcode; lane 0 is the opcode.
fn set_lane(b: &mut Bundle, op: Op, word: usize, lane: usize, value: u16) {
    let at = find(b, op) + word;
    let w = &mut main_of(b).code[at];
    let mut lanes = Word(*w).split();
    lanes[lane] = value;
    *w = Word::lanes(lanes).0;
}

#[track_caller]
pub fn refused(b: Bundle, rule: Rule) {
    // The file's own checks must not be what refuses it.
    if let Ok(bytes) = encode(&b) {
        assert_eq!(decode(&bytes).as_ref(), Ok(&b));
    }
    match verify(b) {
        Ok(_) => panic!("accepted; expected {rule:?}"),
        Err(e) => assert_eq!(e.rule, rule, "{e}"),
    }
}

/// Verifies, loads and runs under every collector mode, which must agree; gives the outcome.
#[track_caller]
pub fn runs(b: Bundle, fuel: u64, memory: u64) -> String {
    let verified = verify(b).unwrap_or_else(|e| panic!("{e}"));
    let loaded = Arc::new(Loaded::new(verified).unwrap());
    let first = run(&loaded, GcMode::Normal, limits(fuel, memory), false).unwrap();
    for gc in [
        GcMode::Stress(1),
        GcMode::StressMinor(1),
        GcMode::StressMinor(3),
    ] {
        let other = run(&loaded, gc, limits(fuel, memory), false).unwrap();
        assert_eq!(first.limit, other.limit, "{gc:?}");
        if first.limit.is_none() {
            assert_eq!(first, other, "{gc:?}");
        }
    }
    for seed in 1..4 {
        let gc = if seed == 3 {
            GcMode::Stress(1)
        } else {
            GcMode::Normal
        };
        let other = run_jit(&loaded, gc, limits(fuel, memory), false, seed).unwrap();
        assert_eq!(first.limit, other.limit, "machine code, seed {seed}");
        if first.limit.is_none() {
            assert_eq!(first, other, "machine code, seed {seed}");
        }
    }
    first.outcome
}

/// A program with most forms of instruction to forge.
fn victim() -> Bundle {
    program(|w, f| {
        let (int, str_, strs) = (w.int, w.str_, w.lists[5].0);
        let (a, b, s, l) = (f.reg(int), f.reg(int), f.reg(str_), f.reg(strs));
        let (node, opt, u, fl) = (f.reg(w.node), f.reg(w.opt), f.reg(w.unit), f.reg(w.float));
        let (color, e, shape) = (f.reg(w.color), f.reg(w.refused_ty), f.reg(w.shape));
        let (done, bad) = (f.label(), f.label());
        let k = w.p.const_str("text");
        f.const_imm(a, 1);
        f.const_imm(b, 2);
        f.const_imm(color, 1);
        f.load_const(s, k);
        let k = w.p.const_float(1.0);
        f.load_const(fl, k);
        f.emit_args(Op::ListOf, l, 0, &[s, s]);
        f.emit_args(Op::New, opt, 1, &[]);
        f.emit_args(Op::New, node, 0, &[opt, a, l, fl, color]);
        f.emit_args(Op::New, shape, 2, &[s, node]);
        f.emit(Op::GetField, b, node, 1);
        f.emit(Op::SetField, node, 1, a);
        f.emit(Op::GetTag, b, shape, 0);
        f.emit(Op::GetPayload, s, shape, 2 * 256);
        f.emit(Op::ListGet, s, l, a);
        f.emit_args(Op::Builtin, s, builtin("int_to_str"), &[a]);
        f.emit_args(Op::CapCall, u, 0, &[0, a]);
        f.emit_args(Op::CapCall, a, 1, &[0, s]);
        f.on_error(e, bad);
        f.jump(Op::JLt, a, b, done);
        f.emit(Op::AddInt, a, b, a);
        f.switch(a, &[done, bad]);
        f.bind(bad);
        f.bind(done);
    })
}

#[test]
fn the_victim_runs() {
    let outcome = runs(victim(), 10_000, 1 << 20);
    assert!(outcome.starts_with("Finished"), "{outcome}");
}

#[test]
fn out_of_range() {
    let big = [60, 1000, u16::MAX];
    for v in big {
        let case = |op, word, lane, rule| {
            let mut b = victim();
            set_lane(&mut b, op, word, lane, v);
            refused(b, rule);
        };
        case(Op::AddInt, 0, 1, Rule::RegisterIndex);
        case(Op::AddInt, 0, 2, Rule::RegisterIndex);
        case(Op::ListOf, 1, 0, Rule::RegisterIndex);
        case(Op::New, 1, 0, Rule::Operand);
        case(Op::LoadConst, 0, 2, Rule::Index);
        case(Op::GetField, 0, 3, Rule::FieldIndex);
        case(Op::SetField, 0, 2, Rule::FieldIndex);
        case(Op::GetPayload, 0, 3, Rule::Variant);
        case(Op::CapCall, 0, 2, Rule::Callee);
        case(Op::JLt, 0, 3, Rule::JumpTarget);
    }
    for (op, lane, rule) in [
        (Op::Builtin, 2, Rule::Callee),
        (Op::AddInt, 0, Rule::Decode),
        (Op::ListOf, 3, Rule::Decode),
    ] {
        let mut b = victim();
        set_lane(&mut b, op, 0, lane, u16::MAX);
        refused(b, rule);
    }
    let mut b = victim();
    b.packages[0].entry.as_mut().unwrap().function = 500;
    refused(b, Rule::Index);
    let mut b = victim();
    main_of(&mut b).regs[0] = 999;
    refused(b, Rule::Index);
}

#[test]
fn jumps_into_instructions() {
    // The extension word of the `switch`, which would be an instruction by its bits.
    let mut b = victim();
    let (from, to) = (find(&mut b, Op::JLt), find(&mut b, Op::Switch) + 1);
    set_lane(&mut b, Op::JLt, 0, 3, (to - from) as u16);
    refused(b, Rule::JumpTarget);
    let mut b = victim();
    let (from, to) = (find(&mut b, Op::JLt), find(&mut b, Op::OnError));
    set_lane(&mut b, Op::JLt, 0, 3, (to as i64 - from as i64) as u16);
    refused(b, Rule::JumpTarget);
}

#[test]
fn running_off_the_end() {
    let mut b = victim();
    let code = &mut main_of(&mut b).code;
    code.pop();
    refused(b, Rule::FallsOff);
    let mut b = victim();
    main_of(&mut b).code.clear();
    main_of(&mut b).joins.edit(Vec::clear);
    refused(b, Rule::CodeSize);
}

#[test]
fn uninitialised_registers() {
    // On one path.
    let mut b = program(|w, f| {
        let (a, b, done) = (f.reg(w.int), f.reg(w.int), f.label());
        f.const_imm(a, 1);
        f.const_imm(b, 1);
        f.jump(Op::JEqImm, a, 1, done);
        f.const_imm(b, 2);
        f.bind(done);
        f.emit(Op::AddInt, a, a, b);
    });
    // The first definition of `b` goes to `a` instead.
    main_of(&mut b).code[1] = Word::a32(Op::ConstImm, 1, 1).0;
    refused(b, Rule::JoinAssigned);
    // With another type after a join: a string's register read as a list.
    let mut b = victim();
    let at = find(&mut b, Op::ListGet);
    let s = Word(main_of(&mut b).code[at]).a();
    set_lane(&mut b, Op::ListGet, 0, 2, s);
    refused(b, Rule::Class);
    // The result of a call that failed.
    let mut b = program(|w, f| {
        let (n, s, e) = (f.reg(w.int), f.reg(w.str_), f.reg(w.refused_ty));
        let (bad, u) = (f.label(), f.reg(w.unit));
        let k = w.p.const_str("x");
        f.load_const(s, k);
        f.const_imm(n, 3);
        f.emit_args(Op::CapCall, n, 1, &[0, s]);
        f.on_error(e, bad);
        f.bind(bad);
        f.emit_args(Op::CapCall, u, 0, &[0, n]);
    });
    let code = &mut main_of(&mut b).code;
    let at = code
        .iter()
        .position(|w| Word(*w).op() == Some(Op::ConstImm));
    code[at.unwrap()] = Word::abc(Op::StrLen, 1, 2, 0).0;
    verify(b.clone()).unwrap();
    main_of(&mut b).code[at.unwrap()] = Word::abc(Op::Mov, 2, 2, 0).0;
    refused(b, Rule::JoinAssigned);
}

#[test]
fn arguments_and_authority() {
    let call = |op: &'static dyn Fn(&mut World, &mut FunctionBuilder)| {
        let b = program(|w, f| op(w, f));
        verify(b).err().map(|e| e.rule)
    };
    // A dropped, permuted or wrong hidden argument.
    assert_eq!(
        call(&|w, f| {
            let (i, s, n) = (f.reg(w.int), f.reg(w.str_), f.reg(w.unit));
            let k = w.p.const_str("x");
            f.const_imm(i, 0);
            f.load_const(s, k);
            f.const_imm(n, 0);
            f.emit_fn(Op::Call, i, w.step, &[i, s]);
        }),
        Some(Rule::Hidden)
    );
    // A capability made from an index or moved from a number.
    assert_eq!(
        call(&|w, f| {
            let (c, i) = (f.reg(w.out_ty), f.reg(w.int));
            f.const_imm(i, 0);
            f.emit(Op::Mov, c, i, 0);
        }),
        Some(Rule::SameType)
    );
    assert_eq!(
        call(&|w, f| {
            let c = f.reg(w.out_ty);
            f.const_imm(c, 0);
        }),
        Some(Rule::Immediate)
    );
    // A handle made by hand.
    assert_eq!(
        call(&|w, f| {
            let h = f.reg(w.file);
            f.emit_args(Op::New, h, 0, &[]);
        }),
        Some(Rule::Class)
    );
    // A storable function that captures a capability.
    assert_eq!(
        call(&|w, f| {
            let (o, s) = (f.reg(w.own), f.reg(w.str_));
            let k = w.p.const_str("x");
            f.load_const(s, k);
            f.emit_fn(Op::MakeFn, o, w.lit_cap, &[s, 0]);
        }),
        Some(Rule::Capture)
    );
    // An attenuator's field, from outside of its methods.
    assert_eq!(
        call(&|w, f| {
            let (a, c, opt) = (f.reg(w.narrow), f.reg(w.out_ty), f.reg(w.opt));
            let (n, i, l, fl) = (
                f.reg(w.node),
                f.reg(w.int),
                f.reg(w.lists[5].0),
                f.reg(w.float),
            );
            let color = f.reg(w.color);
            f.const_imm(i, 0);
            f.const_imm(color, 0);
            f.emit(Op::IntToFloat, fl, i, 0);
            f.emit(Op::ListNew, l, i, 0);
            f.emit_args(Op::New, opt, 1, &[]);
            f.emit_args(Op::New, n, 0, &[opt, i, l, fl, color]);
            f.emit_args(Op::NewAtt, a, 0, &[0, n, i]);
            f.emit(Op::GetCap, c, a, 0);
        }),
        Some(Rule::Receiver)
    );
    let mut b = victim();
    // More capabilities than the caller has: the callee's `uses` grows.
    let p = &mut b.packages[0];
    let step = p.functions.iter_mut().find(|f| f.name == "step").unwrap();
    step.sig.uses.clear();
    refused(b, Rule::Registers);
}

#[test]
fn imports_and_identity() {
    let mut b = victim();
    let mut second = b.packages[0].clone();
    second.name = String::from("other");
    second.entry = None;
    second.deps = vec![Dep {
        name: String::from("app"),
        hash: [7; 32],
    }];
    b.packages[0].entry = None;
    b.packages.push(second);
    refused(b.clone(), Rule::Dependency);
    b.packages[1].deps.clear();
    b.packages[1].name = String::from("app");
    refused(b, Rule::Duplicate);
}

#[test]
fn hostile_tables() {
    // A struct of itself is fine (by reference); a tuple of itself is not.
    let mut b = victim();
    let n = b.packages[0].types.len() as u16;
    b.packages[0].types.push(Type::Tuple(vec![n, n]));
    refused(b, Rule::TypeOrder);
    // Types that double: refused by depth, in no time.
    let mut b = victim();
    let types = &mut b.packages[0].types;
    let mut last = 0u16;
    for _ in 0..200 {
        types.push(Type::Tuple(vec![last, last]));
        last = types.len() as u16 - 1;
    }
    refused(b, Rule::Nesting);
    // A capability that is its own ancestor.
    let mut b = victim();
    b.packages[0].caps[0].parent = Some(0);
    refused(b, Rule::Parent);
    // A record that names functions of other types.
    let mut b = victim();
    b.packages[0].impls[0].methods.reverse();
    refused(b, Rule::ImplSignature);
}

#[test]
fn files() {
    let good = encode(&victim()).unwrap();
    for cut in [0, 5, 8, 41, 44, 100, good.len() - 1] {
        assert!(decode(&good[..cut]).is_err());
    }
    let mut bytes = good.clone();
    bytes.push(0);
    assert!(decode(&bytes).is_err());
    for at in [0, 6, 9, 41, 45, 70, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(decode(&bytes).is_err());
    }
    let mut b = victim();
    let unit = b.packages[0].types[0].clone();
    b.packages[0].types = vec![unit; 70_000];
    // Written or not, it is never read.
    match encode(&b) {
        Ok(bytes) => assert!(matches!(decode(&bytes), Err(FormatError::Content(_)))),
        Err(e) => assert!(matches!(e, FormatError::TooLarge(_))),
    }
}

#[test]
fn stale_registers_across_an_error_edge() {
    // The destination keeps its old value on the error edge, through a collection in the callee.
    let outcome = runs(
        program(|w, f| {
            let (s, e, bad) = (f.reg(w.str_), f.reg(w.refused_ty), f.label());
            let (n, u) = (f.reg(w.int), f.reg(w.unit));
            let k = w.p.const_str("four");
            f.load_const(s, k);
            f.emit(Op::StrConcat, s, s, s);
            f.emit(Op::StrConcat, s, s, s);
            f.const_imm(n, 7);
            // 16 bytes: 16 % 3 == 1, so the host refuses.
            f.emit_args(Op::CapCall, n, 1, &[0, s]);
            f.on_error(e, bad);
            f.const_imm(n, 0);
            f.bind(bad);
            f.emit_args(Op::CapCall, u, 0, &[0, n]);
            f.emit(Op::StrLen, n, s, 0);
            f.emit_args(Op::CapCall, u, 0, &[0, n]);
        }),
        100_000,
        1 << 20,
    );
    assert!(outcome.starts_with("Finished"), "{outcome}");
}

#[test]
fn objects_behind_every_representation() {
    // Boxed enum without and with payload, nullable both ways, enums as list elements, tuples of all.
    let outcome = runs(
        program(|w, f| {
            let two = w.p.nominal(0, "Two");
            w.p.define_nominal(
                two,
                NominalKind::Enum(vec![
                    variant("A", vec![field("x", w.int, false)]),
                    variant("B", vec![]),
                    variant(
                        "C",
                        vec![field("s", w.str_, false), field("y", w.int, false)],
                    ),
                ]),
            );
            let ty = w.p.ty(Type::Nominal(two));
            let list = w.p.ty(Type::List(ty));
            let (a, l, i, s) = (f.reg(ty), f.reg(list), f.reg(w.int), f.reg(w.str_));
            let u = f.reg(w.unit);
            let k = w.p.const_str("payload");
            f.load_const(s, k);
            f.const_imm(i, 5);
            f.emit_args(Op::New, a, 1, &[]);
            f.emit(Op::ListFill, l, i, a);
            f.emit_args(Op::New, a, 2, &[s, i]);
            f.emit(Op::ListPush, l, a, 0);
            f.emit(Op::ListGet, a, l, i);
            f.emit(Op::GetPayload, i, a, 2 * 256 + 1);
            f.emit(Op::GetPayload, s, a, 2 * 256);
            f.emit(Op::DeepCopy, l, l, 0);
            f.emit_args(Op::CapCall, u, 0, &[0, i]);
        }),
        100_000,
        1 << 20,
    );
    assert!(outcome.starts_with("Finished"), "{outcome}");
}

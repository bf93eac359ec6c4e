//! Valid programs: built, written, read, verified, shown; analyses give what they promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{World, everything, field, variant};
use jet_bytecode::analysis::cfg::Cfg;
use jet_bytecode::analysis::decode::instrs;
use jet_bytecode::analysis::fuel;
use jet_bytecode::analysis::liveness::Liveness;
use jet_bytecode::builder::*;
use jet_bytecode::format::{decode, encode, package_hash, root_hash};
use jet_bytecode::layout::{self, ElemKind, EnumRepr, RegKind};
use jet_bytecode::linked::*;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{OPS, Op};
use jet_bytecode::verify::verify;

#[test]
fn every_opcode_verifies_and_survives_the_file() {
    let bundle = everything();
    let used: std::collections::HashSet<Op> = bundle.packages[0]
        .functions
        .iter()
        .flat_map(|f| instrs(&f.code).map(|i| i.unwrap().op))
        .collect();
    let missing: Vec<_> = OPS.iter().filter(|r| !used.contains(&r.op)).collect();
    assert!(missing.is_empty(), "not covered: {missing:?}");

    let bytes = encode(&bundle).unwrap();
    assert_eq!(encode(&everything()).unwrap(), bytes, "same bytes again");
    let back = decode(&bytes).unwrap();
    assert_eq!(back, bundle);
    assert_eq!(root_hash(&bytes).unwrap().len(), 32);
    let prog = verify(back).unwrap();
    let entry = prog.entry.as_ref().unwrap();
    assert_eq!(prog.function_name(entry.function), "app.main");
    assert_eq!(entry.requests.len(), 1);
}

#[test]
fn disassembly_names_things() {
    let text = jet_bytecode::disasm::disassemble(&everything());
    for part in [
        "package app 0.1.0",
        "fn both(string) -> int uses Out ! ParseError | IoError",
        "cap_call",
        "; Out.print",
        "r0:Out",
        "; src/main.jet:4:5",
        "L0: (",
        "\"hello\"",
        "impl capability Out for Narrow",
        "entry main",
        "request: main → app.say",
        "int_to_str",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn opcode_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bytecode-ops.md");
    let now = jet_bytecode::disasm::opcode_reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    assert!(
        stored == now,
        "docs/bytecode-ops.md is stale: run the test with UPDATE_DOCS=1"
    );
}

#[test]
fn layouts_follow_the_contract() {
    let mut w = World::new();
    let boxed_n = w.pb.nominal(0, "Tree");
    let boxed = w.pb.ty(Type::Nominal(boxed_n));
    let kind = NominalKind::Enum(vec![
        variant("Leaf", vec![]),
        variant(
            "Node",
            vec![
                field("v", w.int, false),
                field("l", boxed, false),
                field("r", boxed, false),
                field("s", w.str_, false),
            ],
        ),
    ]);
    w.pb.define_nominal(boxed_n, kind);
    let prog = verify(w.finish()).unwrap();
    let by_name = |name: &str| {
        let i = prog.nominals.iter().position(|n| n.name == name).unwrap();
        NominalId(i as u32)
    };
    let repr = |name| layout::enum_repr(&prog, by_name(name));
    assert_eq!(repr("Color"), Some(EnumRepr::Immediate));
    assert_eq!(repr("Tree"), Some(EnumRepr::Boxed));
    assert_eq!(repr("ParseError"), Some(EnumRepr::Error));
    let nullable = EnumRepr::Nullable { none: 0, some: 1 };
    assert_eq!(repr("Option[app.Point]"), Some(nullable));
    assert_eq!(repr("Point"), None);
    let node = layout::nominal_record(&prog, by_name("Tree"), 1).unwrap();
    assert_eq!((node.nrefs, node.nwords), (3, 1));
    let offsets: Vec<u32> = (0..4).map(|i| node.offset(i).unwrap()).collect();
    assert_eq!(offsets, [24, 8, 12, 16]);
    assert_eq!(node.size(), 32);
    let ty = |t: LType| prog.find_type(&t).unwrap();
    assert_eq!(layout::reg_kind(&prog, ty(LType::Float)), RegKind::Float);
    assert_eq!(layout::elem_kind(&prog, ty(LType::Char)), ElemKind::U32s);
    assert_eq!(layout::elem_kind(&prog, ty(LType::Str)), ElemKind::Refs);
    let color = prog.nominal(by_name("Color")).unwrap().ty;
    assert_eq!(layout::elem_kind(&prog, color), ElemKind::Words);
    assert_eq!(
        prog.kind(prog.nominal(by_name("Narrow")).unwrap().ty),
        Kind::Att
    );
}

#[test]
fn liveness_at_safepoints() {
    let mut w = World::new();
    let (str_, out) = (w.str_, w.out);
    let lit = w.lit;
    w.named("live", &[str_, str_], &[out], str_, &[], |f, w| {
        // r0 capability, r1 and r2 strings.
        let (a, own, n) = (f.reg(w.str_), f.reg(w.own), f.reg(w.int));
        f.emit(Op::StrConcat, a, 1, 2);
        f.const_imm(n, 1);
        f.emit_fn(Op::MakeFn, own, lit, &[n]);
        f.emit(Op::StrConcat, a, a, 1);
        f.emit(Op::Ret, a, 0, 0);
    });
    let prog = verify(w.finish()).unwrap();
    let f = prog.functions.iter().find(|f| f.name == "live").unwrap();
    let live = Liveness::new(&prog, f);
    let at = |pc: u32, operands: bool| {
        let mut out = Vec::new();
        live.live_refs(f, pc, operands, |r| out.push(r));
        out
    };
    assert_eq!(at(0, true), [1, 2]);
    assert_eq!(at(0, false), [1]);
    assert_eq!(at(2, false), [1, 3], "dead closure, string still needed");
    assert_eq!(at(4, true), [1, 3]);
    assert_eq!(at(5, true), [3]);
    // In the fallible function the error edge keeps what it needs.
    let f = prog.functions.iter().find(|f| f.name == "both").unwrap();
    let live = Liveness::new(&prog, f);
    let mut out = Vec::new();
    live.live_refs(f, 0, false, |r| out.push(r));
    assert!(out.is_empty());
    // The environment is a root as long as captures are read.
    let f = prog.functions.iter().find(|f| f.name == "lit_cap").unwrap();
    let live = Liveness::new(&prog, f);
    let mut out = Vec::new();
    live.live_refs(f, 0, true, |r| out.push(r));
    assert_eq!(out, [0]);
}

/// Liveness by joins is the same at every place as the exact one that made them, stride or not.
#[test]
fn liveness_of_long_code() {
    let mut w = World::new();
    let (str_, int) = (w.str_, w.int);
    w.named("long", &[str_, str_, int], &[], str_, &[], |f, w| {
        let a = f.reg(w.str_);
        let (top, end) = (f.label(), f.label());
        f.emit(Op::Mov, a, 0, 0);
        f.bind(top);
        for _ in 0..200 {
            f.emit(Op::StrConcat, a, a, 0);
            f.jump(Op::JLtImm, 2, 5, end);
        }
        f.emit(Op::Mov, 0, 1, 0);
        f.jmp(top);
        f.bind(end);
        f.emit(Op::Ret, a, 0, 0);
    });
    let prog = verify(w.finish()).unwrap();
    let f = prog.functions.iter().find(|f| f.name == "long").unwrap();
    let live = Liveness::new(&prog, f);
    for i in instrs(&f.code).map(Result::unwrap) {
        if i.op == Op::StrConcat {
            let mut out = Vec::new();
            live.live_refs(f, i.pc, false, |r| out.push(r));
            let last = i.pc + 3 > f.code.len() as u32 - 3;
            assert_eq!(out, if last { vec![1] } else { vec![0, 1] }, "at {}", i.pc);
        }
    }
}

#[test]
fn fuel_is_the_longest_path() {
    let mut w = World::new();
    let int = w.int;
    w.named("fuel", &[int], &[], int, &[], |f, _| {
        let (top, skip, end) = (f.label(), f.label(), f.label());
        f.bind(top);
        f.jump(Op::JEqImm, 0, 9, end); // 0
        f.jump(Op::JLtImm, 0, 0, skip); // 1
        f.emit(Op::AddImm, 0, 0, 1); // 2
        f.bind(skip);
        f.emit(Op::AddImm, 0, 0, 1); // 3
        f.jump(Op::JLtImm, 0, 100, top); // 4: backward, 5 on the longest path
        f.jmp(top); // 5: not reset by the jump that was not taken
        f.bind(end);
        f.emit(Op::Ret, 0, 0, 0); // 6
    });
    let bundle = w.finish();
    let f = bundle.packages[0]
        .functions
        .iter()
        .find(|f| f.name == "fuel")
        .unwrap();
    assert_eq!(fuel::static_costs(&f.code), [0, 0, 0, 0, 5, 6, 2]);
    let cfg = Cfg::new(&f.code);
    let starts: Vec<u32> = cfg.blocks.iter().map(|b| b.start).collect();
    assert_eq!(starts, [0, 1, 2, 3, 5, 6]);
    assert_eq!(cfg.blocks[0].succs, [5, 1]);
    assert_eq!(cfg.blocks[3].succs, [0, 4]);
    assert_eq!(cfg.block_at(4), Some(3));
}

#[test]
fn far_jumps_are_relaxed() {
    for op in [
        Op::JEq,
        Op::JLt,
        Op::JTag,
        Op::JErrIs,
        Op::JLtFloat,
        Op::JGtImm,
    ] {
        let mut w = World::new();
        let params = [w.int, w.color, w.errs, w.float];
        let int = w.int;
        w.named("far", &params, &[], int, &[], |f, w| {
            let end = f.label();
            let (a, b) = match op {
                Op::JTag => (1, 1),
                Op::JErrIs => (2, w.err2),
                Op::JLtFloat => (3, 3),
                _ => (0, 0),
            };
            f.jump(op, a, b, end);
            for _ in 0..40_000 {
                f.emit(Op::AddImm, 0, 0, 1);
            }
            f.bind(end);
            f.emit(Op::Ret, 0, 0, 0);
        });
        verify(w.finish()).unwrap();
    }
}

#[test]
fn dead_code_goes_and_limits_hold() {
    let mut w = World::new();
    let int = w.int;
    w.named("dead", &[int], &[], int, &[], |f, _| {
        let (a, b) = (f.label(), f.label());
        f.emit(Op::Ret, 0, 0, 0);
        f.bind(a);
        f.jmp(b);
        f.bind(b);
        f.jmp(a);
    });
    let bundle = w.finish();
    let f = bundle.packages[0].functions.last().unwrap();
    assert_eq!(f.code.len(), 1);

    let w = World::new();
    let sig = w.pb.sig(vec![], vec![], w.int, vec![]);
    let build = || FunctionBuilder::new("f", FnKind::Named, sig.clone(), vec![], vec![]);
    let mut f = build();
    for _ in 0..1025 {
        f.reg(w.int);
    }
    assert_eq!(f.finish().unwrap_err(), BuildError::TooManyRegisters);
    let mut f = build();
    let r = f.reg(w.int);
    for _ in 0..70_000 {
        f.const_imm(r, 1);
    }
    f.emit(Op::Ret, r, 0, 0);
    assert_eq!(f.finish().unwrap_err(), BuildError::CodeTooLong);
    let mut f = build();
    let r = f.reg(w.int);
    f.const_imm(r, 1);
    assert_eq!(f.finish().unwrap_err(), BuildError::FallsOff);
    let mut f = build();
    let l = f.label();
    f.jmp(l);
    assert_eq!(f.finish().unwrap_err(), BuildError::UnboundLabel);
}

/// Two packages: a function and an instance type of the first used by the second.
pub fn two_packages() -> Bundle {
    let lib = everything_as_library();
    let hash = package_hash(&lib).unwrap();
    let mut pb = PackageBuilder::new("main", "1");
    let dep = pb.dep("app", hash);
    let unit = pb.ty(Type::Unit);
    let int = pb.ty(Type::Int);
    let str_ = pb.ty(Type::Str);
    let e1 = pb.nominal(dep, "ParseError");
    let at = field("at", int, false);
    pb.define_nominal(
        e1,
        NominalKind::Error(vec![
            variant("Empty", vec![]),
            variant("BadDigit", vec![at]),
        ]),
    );
    let err = pb.ty(Type::Nominal(e1));
    let sig = pb.sig(vec![str_], vec![], int, vec![e1]);
    let parse = pb.import(dep, "parse", sig);
    let main = pb.declare("main");
    let sig = pb.sig(vec![], vec![], unit, vec![e1]);
    let mut f = FunctionBuilder::new("main", FnKind::Named, sig, vec![], vec![]);
    let (s, n, u, e) = (f.reg(str_), f.reg(int), f.reg(unit), f.reg(err));
    let bad = f.label();
    let k = pb.const_str("42");
    f.load_const(s, k);
    f.emit_fn(Op::Call, n, parse, &[s]);
    f.on_error(e, bad);
    f.const_imm(u, 0);
    f.emit(Op::Ret, u, 0, 0);
    f.bind(bad);
    f.emit(Op::Raise, e, 0, 0);
    pb.define(main, f.finish().unwrap());
    pb.entry(main, vec![]);
    Bundle {
        packages: vec![lib, pb.finish().unwrap()],
    }
}

fn everything_as_library() -> Package {
    let mut p = everything().packages.remove(0);
    p.entry = None;
    p
}

#[test]
fn packages_link() {
    let bundle = two_packages();
    let back = decode(&encode(&bundle).unwrap()).unwrap();
    assert_eq!(back, bundle);
    let prog = verify(bundle).unwrap();
    let here = prog.resolve_fn(PackageId(1), 0).unwrap();
    assert_eq!(prog.function_name(here), "app.parse");
    let shared = prog.resolve_nominal(PackageId(1), 0).unwrap();
    assert_eq!(prog.nominal(shared).unwrap().package, PackageId(0));

    use jet_bytecode::verify::Rule;
    let refused = |change: &dyn Fn(&mut Bundle)| {
        let mut b = two_packages();
        change(&mut b);
        verify(b).unwrap_err().rule
    };
    let rule = refused(&|b| b.packages[1].deps[0].hash[0] ^= 1);
    assert_eq!(rule, Rule::Dependency);
    assert_eq!(refused(&|b| b.packages.reverse()), Rule::Dependency);
    let rule = refused(&|b| b.packages[1].imports[0].name = "purse".into());
    assert_eq!(rule, Rule::Import);
    let rule = refused(&|b| b.packages[1].imports[0].sig.errors.clear());
    assert_eq!(rule, Rule::Import);
    let rule = refused(&|b| b.packages[1].imports[0].package = 0);
    assert_eq!(rule, Rule::Import);
    let rule = refused(&|b| {
        if let NominalKind::Error(vs) = &mut b.packages[1].nominals[0].kind {
            vs[0].name = "Full".into();
        }
    });
    assert_eq!(rule, Rule::Identity);
    let rule = refused(&|b| {
        let hash = b.packages[1].deps[0].hash;
        let entry = b.packages[1].entry.clone();
        b.packages[0].entry = entry;
        if let Some(e) = &mut b.packages[0].entry {
            e.function = 0;
        }
        let new = package_hash(&b.packages[0]).unwrap();
        assert_ne!(new, hash);
        b.packages[1].deps[0].hash = new;
    });
    assert_eq!(rule, Rule::Entry);
}

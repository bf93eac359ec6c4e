//! Modules made to cost time or memory: each is refused, loads in bounded time, or meets a limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::format::{FormatError, decode, encode};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{Rule, verify};
use jet_vm::host::LimitKind;
use jet_vm::{GcMode, LoadError, Loaded};

use super::families::{program, runs};
use super::fuzz::{limits, run};
use super::programs::{builtin, field};

/// Fails if it took longer than a slow machine needs.
fn soon<T>(what: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = what();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    out
}

/// Doubles the string in register `s`, `n` times.
fn double(f: &mut FunctionBuilder, s: u16, n: usize) {
    for _ in 0..n {
        f.emit(Op::StrConcat, s, s, s);
    }
}

#[test]
fn large_records_in_a_small_heap() {
    // Records far larger than what the nursery's chunks are reckoned with, kept alive: collections must
    // find room for the copies.
    for (scalars, n) in [(true, 2740), (false, 3300)] {
        let outcome = runs(
            program(|w, f| {
                let ty = if scalars { w.int } else { w.str_ };
                let big = w.p.nominal(0, "Big");
                let fields = (0..n).map(|i| field(&format!("f{i}"), ty, false));
                w.p.define_nominal(big, NominalKind::Struct(fields.collect()));
                let big = w.p.ty(Type::Nominal(big));
                let list = w.p.ty(Type::List(big));
                let (r, l, i, v) = (f.reg(big), f.reg(list), f.reg(w.int), f.reg(ty));
                f.const_imm(i, 0);
                if scalars {
                    f.const_imm(v, 3);
                } else {
                    let k = w.p.const_str("x");
                    f.load_const(v, k);
                }
                f.emit(Op::ListNew, l, i, 0);
                let head = f.label();
                f.bind(head);
                f.emit_args(Op::New, r, 0, &vec![v; n]);
                f.emit(Op::ListPush, l, r, 0);
                f.emit(Op::AddImm, i, i, 1);
                f.jump(Op::JLtImm, i, 60, head);
            }),
            1 << 20,
            4 << 20,
        );
        assert!(outcome.starts_with("Finished"), "{outcome}");
    }
}

#[test]
fn text_that_no_memory_holds() {
    // A rope of 2 GiB in a small heap: a panic shows its beginning, everything else meets the limit.
    type Then<'a> = &'a dyn Fn(&mut FunctionBuilder, u16, u16, u16);
    let big = |then: Then<'_>| {
        program(|w, f| {
            let (s, t, n) = (f.reg(w.str_), f.reg(w.str_), f.reg(w.int));
            let k = w.p.const_str(&"\u{1}".repeat(512));
            f.load_const(s, k);
            f.emit(Op::Mov, t, s, 0);
            f.const_imm(n, 1 << 20);
            double(f, s, 22);
            then(f, s, t, n);
        })
    };
    let outcome = soon(|| {
        runs(
            big(&|f, s, _, _| f.emit(Op::Panic, s, 0, 0)),
            1 << 40,
            4 << 20,
        )
    });
    assert!(outcome.starts_with("Trapped") && outcome.len() < 40_000);
    let limited: [Then<'_>; 6] = [
        &|f, s, t, n| {
            f.emit(Op::StrByte, n, s, n);
            f.emit(Op::StrConcat, t, t, s);
        },
        &|f, s, _, _| double(f, s, 1),
        &|f, s, t, _| f.emit_args(Op::Builtin, t, builtin("str_quote"), &[s]),
        &|f, s, t, n| f.emit_args(Op::Builtin, t, builtin("str_repeat"), &[s, n]),
        &|f, s, _, n| f.emit(Op::HashStr, n, s, 0),
        &|f, s, t, _| f.emit_args(Op::StrConcatN, t, 0, &[s, t, s, s]),
    ];
    for then in limited {
        let outcome = soon(|| runs(big(then), 1 << 40, 4 << 20));
        assert!(outcome.starts_with("Limit(Memory"), "{outcome}");
    }
    // Text that grows when it is quoted, in a heap that holds the text but not the quotation.
    let outcome = runs(
        program(|w, f| {
            let (s, n) = (f.reg(w.str_), f.reg(w.int));
            let k = w.p.const_str("\u{1}");
            f.load_const(s, k);
            f.const_imm(n, 900_000);
            f.emit_args(Op::Builtin, s, builtin("str_repeat"), &[s, n]);
            f.emit_args(Op::Builtin, s, builtin("str_quote"), &[s]);
        }),
        1 << 30,
        4 << 20,
    );
    assert!(outcome.starts_with("Limit(Memory"), "{outcome}");
}

#[test]
fn huge_lists() {
    for n in [i64::MAX, 1 << 40, 1 << 32, u32::MAX as i64, 1 << 30] {
        for op in [Op::ListNew, Op::ListFill] {
            let b = program(|w, f| {
                let (l, i) = (f.reg(w.lists[3].0), f.reg(w.int));
                let k = w.p.const_int(n);
                f.load_const(i, k);
                f.emit(op, l, i, if op == Op::ListFill { i } else { 0 });
            });
            let outcome = soon(|| runs(b, u64::MAX, 4 << 20));
            assert!(outcome.starts_with("Limit(Memory"), "{n}: {outcome}");
        }
    }
    let b = program(|w, f| {
        let (l, i) = (f.reg(w.lists[3].0), f.reg(w.int));
        f.const_imm(i, -5);
        f.emit(Op::ListNew, l, i, 0);
        f.emit(Op::ListFill, l, i, i);
    });
    assert!(runs(b, 1000, 1 << 20).starts_with("Trapped"));
}

#[test]
fn cyclic_and_deep_data() {
    // A node in its own list of next nodes, and a chain as long as the heap allows: copied, not recursed.
    let b = program(|w, f| {
        let (n, o, i, l) = (
            f.reg(w.node),
            f.reg(w.opt),
            f.reg(w.int),
            f.reg(w.lists[5].0),
        );
        let (fl, c, head) = (f.reg(w.float), f.reg(w.color), f.label());
        f.const_imm(i, 0);
        f.const_imm(c, 0);
        f.emit(Op::IntToFloat, fl, i, 0);
        f.emit(Op::ListNew, l, i, 0);
        f.emit_args(Op::New, o, 1, &[]);
        f.emit_args(Op::New, n, 0, &[o, i, l, fl, c]);
        f.emit_args(Op::New, o, 0, &[n]);
        f.emit(Op::SetField, n, 0, o);
        f.emit(Op::DeepCopy, n, n, 0);
        f.bind(head);
        f.emit_args(Op::New, n, 0, &[o, i, l, fl, c]);
        f.emit_args(Op::New, o, 0, &[n]);
        f.emit(Op::AddImm, i, i, 1);
        f.jump(Op::JLtImm, i, 300, head);
        f.emit(Op::DeepCopy, n, n, 0);
        let a = f.reg(w.narrow);
        f.emit_args(Op::NewAtt, a, 0, &[0, n, i]);
    });
    assert!(runs(b, 1 << 20, 4 << 20).starts_with("Finished"));
}

#[test]
fn endless_recursion_with_the_largest_frame() {
    let b = program(|w, f| {
        let wide = w.p.declare("wide");
        let sig = w.p.sig(vec![w.int], vec![], w.int, vec![]);
        let mut g = FunctionBuilder::new("wide", FnKind::Named, sig, vec![], vec![w.int]);
        let regs: Vec<u16> = (1..1024).map(|_| g.reg(w.str_)).collect();
        let k = w.p.const_str("x");
        for r in &regs {
            g.load_const(*r, k);
        }
        let all = g.reg_type(regs[0]).unwrap();
        assert_eq!(all, w.str_);
        g.emit_fn(Op::Call, 0, wide, &[0]);
        g.emit_args(Op::StrConcatN, regs[0], 0, &regs);
        g.emit(Op::StrLen, 0, regs[0], 0);
        g.emit(Op::Ret, 0, 0, 0);
        w.p.define(wide, g.finish().unwrap());
        let i = f.reg(w.int);
        f.const_imm(i, 0);
        f.emit_fn(Op::Call, i, wide, &[i]);
    });
    let loaded = Arc::new(Loaded::new(verify(b).unwrap()).unwrap());
    let mut few = limits(1 << 30, 1 << 20);
    few.depth = 1_000_000;
    let ran = soon(|| run(&loaded, GcMode::Normal, few, false)).unwrap();
    // The frames count as memory.
    assert_eq!(ran.limit, Some(LimitKind::Memory));
}

#[test]
fn constants_are_within_the_limit() {
    let b = program(|w, f| {
        let s = f.reg(w.str_);
        let k = w.p.const_str(&"y".repeat(3 << 20));
        f.load_const(s, k);
    });
    let loaded = Arc::new(Loaded::new(verify(b).unwrap()).unwrap());
    assert!(run(&loaded, GcMode::Normal, limits(1000, 1 << 20), false).is_none());
    // Many small ones: what does not fit is refused before anything runs.
    let b = program(|w, _| {
        for i in 0..100_000 {
            w.p.const_str(&format!("{i:x}"));
        }
    });
    let loaded = soon(|| Arc::new(Loaded::new(verify(b).unwrap()).unwrap()));
    assert!(run(&loaded, GcMode::Normal, limits(1000, 1 << 20), false).is_none());
    assert!(run(&loaded, GcMode::Normal, limits(1000, 32 << 20), false).is_some());
}

#[test]
fn tables_of_types() {
    let mut b = program(|_, _| {});
    let types = &mut b.packages[0].types;
    let mut i = 0;
    while types.len() < 60_000 {
        let base = types.len() as u16 - 1 - i % 7;
        types.push(Type::Tuple(vec![base % 12, base % 11, i % 64, 4]));
        types.dedup();
        i += 1;
    }
    // Duplicates are found; what is left verifies fast.
    let _ = soon(|| verify(b));
    // Many packages of many small tables: refused before they are all decoded.
    let small = Package {
        name: String::from("p"),
        types: vec![Type::Unit; 65_000],
        ..Package::default()
    };
    let packages = (0..12).map(|i| Package {
        name: format!("p{i}"),
        ..small.clone()
    });
    let b = Bundle {
        packages: packages.collect(),
    };
    assert_eq!(encode(&b).err(), Some(FormatError::TooLarge("tables")));
    assert!(decode(&[]).is_err());
}

#[test]
fn related_capabilities() {
    // Thousands of capabilities with the same methods, each a child of the one before, and as many types
    // behind the first: the product of both is not written down.
    let b = program(|w, _| {
        let mut last = None;
        let mut first = 0;
        for i in 0..2500 {
            let cap = w.p.cap(0, &format!("C{i:05}"));
            w.p.define_cap(cap, last, vec![]);
            if i == 0 {
                first = cap;
            }
            last = Some(cap);
        }
        for i in 0..2500 {
            let n = w.p.nominal(0, &format!("F{i}"));
            w.p.define_nominal(n, NominalKind::Struct(vec![field("x", w.int, false)]));
            w.p.implement(n, Interface::Cap(first), vec![]);
        }
    });
    let verified = soon(|| verify(b)).unwrap();
    let loaded = soon(|| Loaded::new(verified));
    assert!(matches!(loaded, Err(LoadError::TooLarge(_))));
}

#[test]
fn switches_to_one_place() {
    // A table that names one place thousands of times, before calls that collect.
    let b = program(|w, f| {
        let i = f.reg(w.int);
        let strs: Vec<u16> = (0..900).map(|_| f.reg(w.str_)).collect();
        let k = w.p.const_str("x");
        for s in &strs {
            f.load_const(*s, k);
        }
        f.const_imm(i, 0);
        let (head, out) = (f.label(), f.label());
        f.bind(head);
        for s in &strs[..10] {
            f.emit(Op::StrConcat, *s, *s, strs[20]);
        }
        f.emit(Op::AddImm, i, i, 1);
        f.jump(Op::JGtImm, i, 3, out);
        f.switch(i, &[head; 50_000]);
        f.bind(out);
        f.emit_args(Op::StrConcatN, strs[0], 0, &strs);
    });
    soon(|| assert!(runs(b, 1 << 20, 1 << 20).starts_with("Finished")));
}

#[test]
fn verification_is_metered() {
    let mut b = program(|_, _| {});
    b.packages[0].functions[0].code = vec![0; 70_000];
    assert_eq!(verify(b).err().map(|e| e.rule), Some(Rule::CodeSize));
    // Moves between the largest error sets.
    let b = program(|w, f| {
        let errors: Vec<u16> = (0..250)
            .map(|i| {
                let e = w.p.nominal(0, &format!("E{i}"));
                let v = super::programs::variant("V", vec![]);
                w.p.define_nominal(e, NominalKind::Error(vec![v]));
                e
            })
            .collect();
        let all = w.p.error_type(errors.clone()).unwrap();
        let less = w.p.error_type(errors[1..].to_vec()).unwrap();
        let one = w.p.ty(Type::Nominal(errors[3]));
        let (x, y, e) = (f.reg(all), f.reg(less), f.reg(one));
        f.emit_args(Op::New, e, 0, &[]);
        f.emit(Op::Mov, y, e, 0);
        for _ in 0..60_000 {
            f.emit(Op::Mov, x, y, 0);
        }
    });
    let limits = jet_bytecode::verify::VerifyLimits {
        work: 50_000,
        ..Default::default()
    };
    let refused = jet_bytecode::verify::verify_with(b.clone(), limits);
    assert_eq!(refused.err().map(|e| e.rule), Some(Rule::Work));
    soon(|| verify(b)).unwrap();
}

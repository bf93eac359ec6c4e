//! Modules at the limits, some made to be slow: decoding, verifying and analysing stay linear.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use jet_bytecode::analysis::{fuel, liveness::Liveness};
use jet_bytecode::format::{FormatError, decode, encode};
use jet_bytecode::joins::Joins;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify::{Rule, VerifyLimits, verify, verify_with};
use std::time::Instant;

fn package(functions: Vec<Function>) -> Bundle {
    Bundle {
        packages: vec![Package {
            name: "app".into(),
            types: vec![Type::Int, Type::Str, Type::List(0)],
            functions,
            ..Package::default()
        }],
    }
}

fn function(name: String, params: usize, regs: Vec<TypeIx>, code: Vec<u64>) -> Function {
    Function {
        name,
        kind: FnKind::Named,
        sig: Sig {
            params: regs[..params].to_vec(),
            uses: vec![],
            ret: 0,
            errors: vec![],
        },
        captures: vec![],
        regs,
        code,
        joins: Joins::default(),
        lines: vec![],
    }
}

/// Every instruction a jump, all registers live everywhere: the most work a word can ask for.
fn web(name: String, words: u32) -> Function {
    let mut regs = vec![1; 1024];
    regs[0] = 0;
    let mut code = Vec::new();
    for r in 0..255u16 {
        for k in 1..=4 {
            let to = r + 255 * k;
            if (255..1024).contains(&to) {
                code.push(Word::abc(Op::Mov, to, 1 + r % 254, 0).0);
            }
        }
    }
    let start = code.len() as u32;
    while (code.len() as u32) < words - 1 {
        let here = code.len() as u32;
        let left = words - 1 - here;
        let forward = 1 + (here.wrapping_mul(2_654_435_761) >> 8) % left.min(30_000);
        code.push(Word::abc(Op::JEqImm, 0, here as u16, forward as u16).0);
    }
    code.push(Word::abc(Op::Ret, 0, 0, 0).0);
    let mut f = function(name, 255, regs, code);
    let mut targets: Vec<u32> = (start..words - 1)
        .map(|pc| pc + u32::from(Word(f.code[pc as usize]).c()))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    // Full joins are large in the file, so only some of them are full.
    let few: Vec<u16> = vec![0];
    let all: Vec<u16> = (0..1020).collect();
    f.joins = targets
        .into_iter()
        .map(|pc| (pc, if pc < start + 64 { &all } else { &few }.clone()))
        .collect();
    f
}

#[test]
fn largest_modules_are_linear() {
    let functions = (0..20).map(|i| web(format!("f{i}"), 1 << 16)).collect();
    let bundle = package(functions);
    let t = Instant::now();
    let bytes = encode(&bundle).unwrap();
    let t1 = Instant::now();
    let back = decode(&bytes).unwrap();
    let t2 = Instant::now();
    let prog = verify(back).unwrap();
    let t3 = Instant::now();
    let live = Liveness::new(&prog, &prog.functions[0]);
    let t4 = Instant::now();
    for pc in (1024..1 << 16).step_by(1000) {
        live.live_refs(&prog.functions[0], pc, true, |_| {});
    }
    let t5 = Instant::now();
    let costs = fuel::static_costs(&prog.functions[0].code);
    assert!(costs[(1 << 16) - 1] > 1000);
    eprintln!(
        "{} bytes: encode {:?}, decode {:?}, verify {:?}, liveness {:?}, queries {:?}, fuel {:?}",
        bytes.len(),
        t1 - t,
        t2 - t1,
        t3 - t2,
        t4 - t3,
        t5 - t4,
        t5.elapsed()
    );
    // Generous: a quadratic step would take hours.
    assert!(t.elapsed().as_secs() < 60);
}

#[test]
fn work_is_metered_and_size_limited() {
    let bundle = package(vec![web("f".into(), 1 << 16)]);
    let limits = VerifyLimits {
        work: 200_000,
        ..VerifyLimits::default()
    };
    assert_eq!(verify_with(bundle, limits).unwrap_err().rule, Rule::Work);
    let words = vec![Word::abc(Op::Ret, 0, 0, 0).0; (1 << 16) + 1];
    let bundle = package(vec![function("f".into(), 1, vec![0], words)]);
    assert_eq!(verify(bundle).unwrap_err().rule, Rule::CodeSize);
    let words = vec![Word::abc(Op::Ret, 0, 0, 0).0; 1 << 16];
    let functions = (0..40)
        .map(|i| function(format!("f{i}"), 1, vec![0], words.clone()))
        .collect();
    assert_eq!(
        encode(&package(functions)),
        Err(FormatError::TooLarge("size"))
    );
    assert_eq!(
        decode(&{
            let mut b = b"JETBC\0\0\0".to_vec();
            b.resize((16 << 20) + 1, 0);
            b
        }),
        Err(FormatError::TooLarge("size"))
    );
}

/// Functions of a large module are checked on several threads: the answer is that of one.
#[test]
fn threads_change_nothing() {
    let ret = Word::abc(Op::Ret, 0, 0, 0).0;
    let step = Word::abc(Op::AddInt, 0, 0, 0).0;
    let code: Vec<u64> = std::iter::repeat_n(step, 999).chain([ret]).collect();
    let all = |broken: &[usize]| {
        let functions = (0..100).map(|n| {
            let mut code = code.clone();
            if broken.contains(&n) {
                code[500] = Word::abc(Op::AddInt, 0, 0, 9).0;
            }
            function(format!("f{n}"), 1, vec![0], code)
        });
        package(functions.collect())
    };
    let with = |b: Bundle, threads: usize, work: u64| {
        let limits = VerifyLimits {
            threads,
            work,
            ..VerifyLimits::default()
        };
        verify_with(b, limits).map(|p| p.program().functions.len())
    };
    let plenty = VerifyLimits::default().work;
    for threads in [1, 2, 3, 16, 0, 1000] {
        assert_eq!(with(all(&[]), threads, plenty), Ok(100));
        for broken in [&[0][..], &[99], &[98, 99], &[3, 40, 70]] {
            let e = with(all(broken), threads, plenty).unwrap_err();
            assert_eq!(e.rule, Rule::RegisterIndex);
            assert_eq!(e.function, Some(format!("f{}", broken[0])));
            assert_eq!(e.pc, Some(500));
        }
        // What one thread may spend, all of them together may.
        let e = with(all(&[]), threads, 250_000).unwrap_err();
        assert_eq!(e.rule, Rule::Work, "{threads}");
        let least = (250_000..5_000_000).step_by(10_000);
        let mut least = least.filter(|w| with(all(&[]), 1, *w).is_ok());
        let enough = least.next().unwrap();
        assert_eq!(with(all(&[]), threads, enough), Ok(100));
        let short = with(all(&[]), threads, enough - 10_000);
        assert_eq!(short.map_err(|e| e.rule), Err(Rule::Work), "{threads}");
    }
}

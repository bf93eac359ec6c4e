//! Modules at the limits, some made to be slow: decoding, verifying and analysing stay linear.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use jet_bytecode::analysis::{fuel, liveness::Liveness};
use jet_bytecode::format::{FormatError, decode, encode};
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
        joins: vec![],
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
        .map(|pc| Join {
            pc,
            live: if pc < start + 64 {
                all.clone()
            } else {
                few.clone()
            },
        })
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

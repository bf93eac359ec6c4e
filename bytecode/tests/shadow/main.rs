//! Mutants of valid bundles under the shadow interpreter: what the verifier accepts keeps its promises.
//!
//! Structure-aware mutants change an operand, join, register, signature or record of a valid program; blind ones flip bytes
//! of the file and make its hashes right again. Each that is accepted is run, function by function. Two seconds by
//! default; longer, and with a log that goes on where the last run ended:
//!
//! ```text
//! JET_SHADOW_SECONDS=120 cargo test --release -p jet-bytecode --test shadow
//! ```
//!
//! `JET_SHADOW_SEED` starts at a seed, `JET_SHADOW_LOG` names the log (default `target/shadow-mutants.log`: one line a run,
//! with first seed and counts).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../tests/tests/forged/generate.rs"]
mod generate;
#[path = "../../../tests/tests/forged/programs.rs"]
mod programs;
#[path = "../../../tests/src/shadow/mod.rs"]
mod shadow;

use jet_bytecode::format::{decode, encode};
use jet_bytecode::linked::FnId;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Lane, OPS, Word};
use jet_bytecode::verify::{self, Rule, VerifyLimits, verify_with};
use programs::Rng;
use shadow::{End, Shadow, Stop};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What came of the mutants.
#[derive(Debug, Default)]
struct Seen {
    mutants: u64,
    refused_as_file: u64,
    refused: u64,
    accepted: u64,
    functions: u64,
    returned: u64,
    trapped: u64,
    limited: u64,
    checks: u64,
}

/// Runs every function of a program; says which promise was not kept.
fn beliefs(b: Bundle, seen: &mut Seen) -> Result<(), String> {
    let size = encode(&b).map_or(1 << 20, |bytes| bytes.len() as u64);
    // Work is bounded by the size of the file.
    let limits = VerifyLimits {
        work: size * 64 + 10_000,
        ..VerifyLimits::default()
    };
    let program = match verify_with(b, limits) {
        Ok(program) => program,
        Err(e) if e.rule == Rule::Work => return Err(format!("over the budget: {size} bytes")),
        Err(_) => {
            seen.refused += 1;
            return Ok(());
        }
    };
    seen.accepted += 1;
    for id in 0..program.functions.len() as u32 {
        let mut shadow = Shadow::new(&program, 1_000);
        let Some(end) = shadow.run(FnId(id)) else {
            continue;
        };
        seen.functions += 1;
        seen.checks += shadow.checks;
        match end {
            End::Value(_) | End::Error(_) => seen.returned += 1,
            End::Stopped(Stop::Trap(_)) => seen.trapped += 1,
            End::Stopped(Stop::Limit) => seen.limited += 1,
            End::Stopped(Stop::Violation(what)) => return Err(what),
        }
    }
    Ok(())
}

/// Replaces an operand by another of its kind, by what the opcode table says about it.
fn operand(p: &mut Package, rng: &mut Rng) {
    let n = rng.below(p.functions.len());
    let f = &p.functions[n];
    let all: Vec<_> = jet_bytecode::analysis::decode::instrs(&f.code)
        .map_while(Result::ok)
        .collect();
    if all.is_empty() {
        return;
    }
    let i = all[rng.below(all.len())];
    let (words, regs) = (f.code.len(), f.regs.len());
    let lanes: Vec<(usize, Lane)> = (1..).zip(i.op.info().lanes).collect();
    let args = i.args(&f.code).count();
    let pick = rng.below(3 + args.min(4));
    let (word, lane, kind) = match lanes.get(pick) {
        Some((lane, kind)) => (i.pc as usize, *lane, *kind),
        None => {
            let k = rng.below(args);
            let any = Lane::Read(jet_bytecode::opcodes::Class::Any);
            (i.pc as usize + 1 + k / 4, k % 4, any)
        }
    };
    let value = match kind {
        Lane::Read(_) | Lane::Write(_) => rng.below(regs) as u16,
        Lane::Imm16 | Lane::Imm32 => rng.next() as u16 & 0x1ff,
        Lane::Jump16 | Lane::Jump32 => (rng.below(words) as i64 - i64::from(i.pc)) as u16,
        Lane::Index => rng.below(40) as u16,
        Lane::Const32 => rng.below(p.consts.len()) as u16,
        Lane::Count => rng.below(6) as u16,
        Lane::Unused | Lane::High => return,
    };
    let w = &mut p.functions[n].code[word];
    let mut split = Word(*w).split();
    split[lane] = value;
    *w = Word::lanes(split).0;
}

/// Another opcode with the same shape of operands.
fn opcode(p: &mut Package, rng: &mut Rng) {
    let n = rng.below(p.functions.len());
    let code = &mut p.functions[n].code;
    let all: Vec<_> = jet_bytecode::analysis::decode::instrs(code)
        .map_while(Result::ok)
        .collect();
    if all.is_empty() {
        return;
    }
    let i = all[rng.below(all.len())];
    let shape = |lanes: [Lane; 3]| lanes.map(|l| std::mem::discriminant(&l));
    let same: Vec<_> = OPS
        .iter()
        .filter(|o| shape(o.lanes) == shape(i.op.info().lanes))
        .collect();
    let to = same[rng.below(same.len())].op as u16;
    let [_, a, b, c] = Word(code[i.pc as usize]).split();
    code[i.pc as usize] = Word::lanes([to, a, b, c]).0;
}

fn tables(p: &mut Package, rng: &mut Rng) {
    let types = p.types.len();
    let n = rng.below(p.functions.len());
    let count = p.functions.len();
    let f = &mut p.functions[n];
    match rng.below(9) {
        0 if !f.joins.is_empty() => {
            let k = rng.below(f.joins.len());
            let r = rng.below(f.regs.len()) as u16;
            let live = &mut f.joins[k].live;
            match live.binary_search(&r) {
                Ok(at) => drop(live.remove(at)),
                Err(at) => live.insert(at, r),
            }
        }
        1 => {
            let k = rng.below(f.regs.len());
            f.regs[k] = rng.below(types) as u16;
        }
        2 => f.sig.ret = rng.below(types) as u16,
        3 => f.captures.reverse(),
        4 if !f.sig.errors.is_empty() => drop(f.sig.errors.pop()),
        5 if !p.impls.is_empty() => {
            let k = rng.below(p.impls.len());
            let m = rng.below(p.impls[k].methods.len());
            if let Some(slot) = p.impls[k].methods.get_mut(m) {
                *slot = rng.below(count) as u16;
            }
        }
        6 => {
            let k = rng.below(p.nominals.len());
            match &mut p.nominals[k].kind {
                NominalKind::Struct(fs) if !fs.is_empty() => {
                    let at = rng.below(fs.len());
                    fs[at].ty = rng.below(types) as u16;
                    fs[at].mutable ^= rng.below(2) == 0;
                }
                NominalKind::Enum(vs) | NominalKind::Error(vs) => vs.reverse(),
                _ => {}
            }
        }
        7 => {
            let (a, b) = (rng.below(types), rng.below(types));
            p.types.swap(a, b);
        }
        _ => {
            let (a, b) = (rng.below(f.code.len()), rng.below(f.code.len()));
            f.code.swap(a, b);
        }
    }
}

/// Flips bytes of the file, and makes the hashes right again.
fn blind(bytes: &mut [u8], rng: &mut Rng) {
    const ENTRY: usize = 52;
    let count = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    let start = 44 + count * ENTRY;
    for _ in 0..1 + rng.below(3) {
        let at = start + rng.below(bytes.len() - start);
        match rng.below(3) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next() as u8,
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    for i in 0..count {
        let at = 44 + i * ENTRY;
        let number = |from: usize| {
            u64::from_le_bytes(bytes[at + from..at + from + 8].try_into().unwrap()) as usize
        };
        let (offset, len) = (number(4), number(12));
        let hash = *blake3::hash(&bytes[offset..offset + len]).as_bytes();
        bytes[at + 20..at + ENTRY].copy_from_slice(&hash);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..8]);
    hasher.update(&bytes[40..]);
    bytes[8..40].copy_from_slice(hasher.finalize().as_bytes());
}

/// One base program and its mutants.
fn round(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let base = match seed % 4 {
        0 => common::everything(),
        _ => generate::random(seed),
    };
    let bytes = encode(&base).unwrap();
    beliefs(base.clone(), seen)?;
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for k in 0..40 {
        seen.mutants += 1;
        let mutant = if k % 4 == 3 {
            let mut changed = bytes.clone();
            blind(&mut changed, &mut rng);
            match decode(&changed) {
                Ok(b) => b,
                Err(_) => {
                    seen.refused_as_file += 1;
                    continue;
                }
            }
        } else {
            let mut b = base.clone();
            let p = b.packages.last_mut().unwrap();
            for _ in 0..1 + rng.below(2) {
                match rng.below(8) {
                    0..=4 => operand(p, &mut rng),
                    5 => opcode(p, &mut rng),
                    _ => tables(p, &mut rng),
                }
            }
            b
        };
        beliefs(mutant, seen).map_err(|what| format!("mutant {k}: {what}"))?;
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn what_is_accepted_keeps_its_promises() {
    let seconds = number("JET_SHADOW_SECONDS");
    let log = std::env::var("JET_SHADOW_LOG").unwrap_or_else(|_| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/shadow-mutants.log");
        root.to_owned()
    });
    // Goes on behind the last line of the log.
    let last = std::fs::read_to_string(&log).unwrap_or_default();
    let behind = last.lines().last().and_then(|l| {
        let mut words = l.split_whitespace();
        let first: u64 = words.next()?.strip_prefix("seed=")?.parse().ok()?;
        let rounds: u64 = words.next()?.strip_prefix("rounds=")?.parse().ok()?;
        Some(first + rounds)
    });
    let first = number("JET_SHADOW_SEED")
        .or(behind.filter(|_| seconds.is_some()))
        .unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let mut seen = Seen::default();
    let mut failed = Vec::new();
    let mut rounds = 0;
    for seed in first.. {
        rounds += 1;
        match catch_unwind(AssertUnwindSafe(|| round(seed, &mut seen))) {
            Ok(Ok(())) => {}
            Ok(Err(what)) => failed.push(format!("seed {seed}: {what}")),
            Err(_) => failed.push(format!("seed {seed}: panic")),
        }
        if failed.len() >= 8 || Instant::now() >= end {
            break;
        }
    }
    println!("seed={first} rounds={rounds} {seen:?}");
    if seconds.is_some() {
        let line = format!(
            "seed={first} rounds={rounds} failed={} {seen:?}",
            failed.len()
        );
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(seen.accepted > 10 && seen.returned > 10, "{seen:?}");
}

/// The other direction: without a rule, the shadow interpreter notices what it would have refused.
#[cfg(feature = "rule-switches")]
#[test]
fn a_promise_that_is_not_kept_is_noticed() {
    use jet_bytecode::asm::assemble;
    use jet_bytecode::verify::watch;
    let head = "package \"a\" \"\"\ntype %int = int\ntype %str = string\ntype %ints = list %int\nconst %k = string \"x\"\n";
    for (rule, code) in [
        (
            Rule::Uninitialised,
            "fn \"f\" () -> %int\nregs %int\nret r0\nend",
        ),
        (
            Rule::SameType,
            "fn \"f\" () -> %int\nregs %str, %int\nload_const r0, %k\nmov r1, r0\nret r1\nend",
        ),
        (
            Rule::Element,
            "fn \"f\" (%int) -> %ints\nregs %int, %ints, %str\nload_const r2, %k\nlist_of r1, (r0, r2)\nret r1\nend",
        ),
        (
            Rule::Return,
            "fn \"f\" (%int) -> %str\nregs %int\nret r0\nend",
        ),
        (
            Rule::JoinAssigned,
            "fn \"f\" (%int) -> %int\nregs %int, %int\njeq_imm r0, 3, L\nconst_imm r1, 1\nL: \njoin (r0, r1)\nret r1\nend",
        ),
        (
            Rule::Class,
            "fn \"f\" (%int) -> %int\nregs %int\nstr_len r0, r0\nret r0\nend",
        ),
        (
            Rule::Arguments,
            "fn %f \"f\" (%int) -> %int\nregs %int, %str\nload_const r1, %k\ncall r0, %f, (r1)\nret r0\nend",
        ),
    ] {
        let bundle = assemble(&format!("{head}{code}")).unwrap().bundle;
        assert_eq!(verify::verify(bundle.clone()).unwrap_err().rule, rule);
        let program = watch(Some(rule), || verify::verify(bundle)).unwrap();
        let end = Shadow::new(&program, 100).run(FnId(0)).unwrap();
        assert!(
            matches!(end, End::Stopped(Stop::Violation(_))),
            "{rule:?}: {end:?}"
        );
    }
}

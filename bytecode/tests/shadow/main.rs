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
#[path = "../../../tests/tests/forged/mutate.rs"]
mod mutate;
#[path = "../../../tests/tests/forged/programs.rs"]
mod programs;
#[path = "../../../tests/src/shadow/mod.rs"]
mod shadow;

use jet_bytecode::format::encode;
use jet_bytecode::linked::FnId;
use jet_bytecode::module::Bundle;
use jet_bytecode::verify::{Rule, VerifyLimits, verify_with};
use mutate::Mutant;
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
        let (_, Mutant::Bundle(mutant)) = mutate::next(&base, &bytes, &mut rng) else {
            seen.refused_as_file += 1;
            continue;
        };
        beliefs(*mutant, seen).map_err(|what| format!("mutant {k}: {what}"))?;
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
        assert_eq!(
            jet_bytecode::verify::verify(bundle.clone())
                .unwrap_err()
                .rule,
            rule
        );
        let program = watch(Some(rule), || jet_bytecode::verify::verify(bundle)).unwrap();
        let end = Shadow::new(&program, 100).run(FnId(0)).unwrap();
        assert!(
            matches!(end, End::Stopped(Stop::Violation(_))),
            "{rule:?}: {end:?}"
        );
    }
}

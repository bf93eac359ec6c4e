//! Random programs and mutations of them, run under every collector mode with the heap checked.
//!
//! What must stay true: whatever decodes and verifies ends within its limits without a panic, and in the
//! same way in every collector mode. A few seconds by default; `JET_FUZZ_SECONDS` runs longer, from
//! `JET_FUZZ_SEED` on. A failure prints the seed that makes it again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jet_bytecode::format::{decode, encode};
use jet_bytecode::linked::FnId;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::OPS;
use jet_bytecode::verify::verify;
use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostType, HostValue,
    HostVariant, LimitKind, Limits, Ticket,
};
use jet_vm::{Binding, Config, GcMode, Instance, Loaded, Outcome};

use super::generate::random;
use super::programs::Rng;
use super::shadow::{End, Shadow, Stop};

static REFUSED: HostEnum = HostEnum {
    name: "Refused",
    variants: &[HostVariant {
        name: "Number",
        fields: &[("n", HostType::Int)],
    }],
};
static METHODS: &[HostMethod] = &[
    HostMethod {
        name: "note",
        params: &[HostType::Int],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "text",
        params: &[HostType::Str],
        ret: HostType::Int,
        errors: &[&REFUSED],
    },
    HostMethod {
        name: "echo",
        params: &[HostType::List(&HostType::Str)],
        ret: HostType::List(&HostType::Str),
        errors: &[],
    },
    HostMethod {
        name: "open",
        params: &[],
        ret: HostType::Handle("File"),
        errors: &[],
    },
    HostMethod {
        name: "read",
        params: &[HostType::Handle("File"), HostType::Int],
        ret: HostType::Int,
        errors: &[],
    },
];

/// What the program did, as far as the host saw.
pub type Log = Arc<Mutex<Vec<String>>>;

/// The host of `app.Out`. Now and then it answers with something else than it declared.
pub struct Out {
    pub log: Log,
    pub calls: u64,
    pub hostile: bool,
}

impl HostCapability for Out {
    fn interface(&self) -> (&'static str, &'static str) {
        ("app", "Out")
    }

    fn methods(&self) -> &'static [HostMethod] {
        METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], _: &mut HostCx<'_>) -> HostAnswer {
        self.calls += 1;
        self.log.lock().unwrap().push(format!("{method} {args:?}"));
        if self.hostile && self.calls.is_multiple_of(7) {
            let nested = (0..300).fold(HostValue::Unit, |v, _| HostValue::List(vec![v]));
            return HostAnswer::Now(Ok(match self.calls / 7 % 5 {
                0 => nested,
                1 => HostValue::Record(vec![HostValue::Int(1); 9]),
                2 => HostValue::Variant(200, vec![HostValue::Unit]),
                3 => HostValue::List(vec![HostValue::str("x"), HostValue::Int(3)]),
                _ => HostValue::Handle(u64::MAX),
            }));
        }
        HostAnswer::Now(match (method, args) {
            (0, _) => Ok(HostValue::Unit),
            (1, [HostValue::Str(s)]) if s.len() % 3 == 1 => Err(HostFailure::Error {
                error: "Refused",
                variant: 0,
                payload: vec![HostValue::Int(s.len() as i64)],
            }),
            (1, [HostValue::Str(s)]) => Ok(HostValue::Int(s.len() as i64)),
            (2, [list]) if self.calls.is_multiple_of(3) => {
                let (ticket, completer) = Ticket::new();
                completer.complete(Ok(list.clone()));
                return HostAnswer::Later(ticket);
            }
            (2, [list]) => Ok(list.clone()),
            (3, _) => Ok(HostValue::Handle(5)),
            (4, _) => Ok(HostValue::Int(4)),
            other => panic!("{other:?}"),
        })
    }

    fn scope_text(&self) -> String {
        String::from("everything")
    }
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub struct Ran {
    pub outcome: String,
    pub limit: Option<LimitKind>,
    pub fuel: u64,
    pub log: Vec<String>,
}

/// Limits of the runs here.
pub fn limits(fuel: u64, memory: u64) -> Limits {
    Limits {
        fuel: Some(fuel),
        memory,
        depth: 60,
        time: Some(Duration::from_secs(60)),
        output: 1 << 20,
        handles: 16,
    }
}

/// Runs `main` with `app.Out` granted.
pub fn run(loaded: &Arc<Loaded>, gc: GcMode, limits: Limits, hostile: bool) -> Option<Ran> {
    run_with(loaded, gc, limits, hostile, None)
}

/// The same with machine code made at once, left by force now and then; the seed says where.
pub fn run_jit(
    loaded: &Arc<Loaded>,
    gc: GcMode,
    limits: Limits,
    hostile: bool,
    seed: u64,
) -> Option<Ran> {
    let counting = Arc::new(loaded.again(true).ok()?);
    let options = jet_jit::Options {
        mode: jet_jit::Mode::Stress,
        seed,
        verify: true,
        ..jet_jit::Options::default()
    };
    let jit = Box::new(jet_jit::Compiler::new(options));
    run_with(&counting, gc, limits, hostile, Some(jit))
}

fn run_with(
    loaded: &Arc<Loaded>,
    gc: GcMode,
    limits: Limits,
    hostile: bool,
    jit: Option<Box<dyn jet_vm::plug::Jit>>,
) -> Option<Ran> {
    let log = Log::default();
    let out = Out {
        log: Arc::clone(&log),
        calls: 0,
        hostile,
    };
    let host: Box<dyn HostCapability> = Box::new(out);
    let config = Config {
        limits,
        gc,
        jit,
        ..Config::default()
    };
    let mut instance = Instance::new(Arc::clone(loaded), config, vec![Binding::from(host)]).ok()?;
    let outcome = instance.run(&[]);
    let limit = match &outcome {
        Outcome::Limit(kind, _) => Some(*kind),
        _ => None,
    };
    let log = log.lock().unwrap().clone();
    Some(Ran {
        outcome: format!("{outcome:?}"),
        limit,
        fuel: instance.stats().fuel,
        log,
    })
}

/// Counts of what a fuzz did.
#[derive(Debug, Default)]
struct Seen {
    programs: u64,
    mutants: u64,
    accepted: u64,
    finished: u64,
    runs: u64,
    fuel: u64,
    /// Promises of the verifier that were looked at.
    checks: u64,
}

/// Runs a bundle that verified in several modes.
fn compare(bundle: Bundle, stress: bool, seen: &mut Seen) {
    let Ok(verified) = verify(bundle) else { return };
    // What the verifier promised holds, function by function.
    for id in 0..verified.functions.len() as u32 {
        let mut shadow = Shadow::new(&verified, 500);
        if let Some(End::Stopped(Stop::Violation(what))) = shadow.run(FnId(id)) {
            panic!("{what}");
        }
        seen.checks += shadow.checks;
    }
    let Ok(loaded) = Loaded::new(verified) else {
        return;
    };
    let loaded = Arc::new(loaded);
    seen.accepted += 1;
    // Without stress the heap may fill up.
    let (fuel, memory) = if stress {
        (6_000, 4 << 20)
    } else {
        (300_000, 512 << 10)
    };
    let hostile = seen.accepted.is_multiple_of(5);
    let Some(first) = run(&loaded, GcMode::Normal, limits(fuel, memory), hostile) else {
        return;
    };
    seen.finished += u64::from(first.outcome.starts_with("Finished"));
    seen.fuel += first.fuel;
    if std::env::var_os("JET_FUZZ_SHOW").is_some() {
        println!("{} {:.160}", first.fuel, first.outcome);
    }
    seen.runs += 1;
    let seed = seen.accepted;
    let native = run_jit(&loaded, GcMode::Normal, limits(fuel, memory), hostile, seed).unwrap();
    seen.runs += 1;
    if first.limit != Some(LimitKind::Memory) && native.limit != Some(LimitKind::Memory) {
        assert_eq!(first, native, "machine code, seed {seed}");
    }
    // Whatever was mutated: what the verifier accepts hands over declared authority only.
    let mut loaded = Arc::into_inner(loaded).unwrap();
    loaded.observe();
    let loaded = Arc::new(loaded);
    let observed = run(&loaded, GcMode::Normal, limits(fuel, memory), hostile).unwrap();
    assert!(!observed.outcome.contains("monitor: "), "{observed:?}");
    if observed.limit != Some(LimitKind::Memory) && first.limit != Some(LimitKind::Memory) {
        assert_eq!(first, observed, "under the monitor");
    }
    if !stress {
        return;
    }
    for gc in [GcMode::Stress(1), GcMode::StressMinor(1)] {
        let other = run(&loaded, gc, limits(fuel, memory), hostile);
        seen.runs += 1;
        let other = other.unwrap();
        let by_memory = [&first, &other]
            .iter()
            .any(|r| r.limit == Some(LimitKind::Memory));
        if !by_memory {
            assert_eq!(first, other, "{gc:?}");
        }
    }
}

/// Changes something small of a bundle's code or tables.
fn mutate(bundle: &mut Bundle, rng: &mut Rng) {
    let Some(p) = bundle.packages.last_mut() else {
        return;
    };
    let n = p.functions.len();
    let f = &mut p.functions[rng.below(n)];
    let words = f.code.len();
    let at = rng.below(words);
    let regs = f.regs.len().max(1);
    match rng.below(12) {
        // A register or an index for another: often still well-typed.
        0..=5 => {
            let lane = 16 * (rng.below(4) as u32);
            let value = match rng.below(4) {
                0 => rng.next() & 0xffff,
                1 => rng.below(OPS.len()) as u64,
                _ => rng.below(regs) as u64,
            };
            f.code[at] = f.code[at] & !(0xffff << lane) | value << lane;
        }
        6 => f.code[at] ^= 1 << rng.below(64),
        7 => {
            let other = rng.below(words);
            f.code.swap(at, other);
        }
        8 if words > 1 => {
            f.code.remove(at);
            for j in &mut f.joins {
                j.pc -= u32::from(j.pc as usize > at);
            }
        }
        9 => {
            if !f.joins.is_empty() {
                let k = rng.below(f.joins.len());
                let join = &mut f.joins[k];
                let r = rng.below(regs) as u16;
                match join.live.binary_search(&r) {
                    Ok(i) => {
                        join.live.remove(i);
                    }
                    Err(i) => join.live.insert(i, r),
                }
            }
        }
        10 => {
            let k = rng.below(regs);
            f.regs[k] = rng.below(p.types.len()) as u16;
        }
        _ => match rng.below(6) {
            0 => f.sig.ret = rng.below(p.types.len()) as u16,
            1 => {
                let types = p.types.len();
                let k = rng.below(p.nominals.len());
                if let NominalKind::Struct(fs) = &mut p.nominals[k].kind {
                    let i = rng.below(fs.len());
                    fs[i].ty = rng.below(types) as u16;
                }
            }
            2 => {
                let k = rng.below(p.impls.len());
                let m = rng.below(p.impls[k].methods.len());
                p.impls[k].methods[m] = rng.below(n) as u16;
            }
            3 => {
                let k = rng.below(p.nominals.len());
                if let NominalKind::Enum(vs) = &mut p.nominals[k].kind {
                    vs.reverse();
                }
            }
            4 => {
                let (a, b) = (rng.below(p.types.len()), rng.below(p.types.len()));
                p.types.swap(a, b);
            }
            _ => f.captures.reverse(),
        },
    }
}

/// One program, as it is and mutated.
fn round(seed: u64, seen: &mut Seen) {
    let bundle = random(seed);
    seen.programs += 1;
    if let Err(e) = verify(bundle.clone()) {
        panic!("a program of the generator is refused: {e}");
    }
    let bytes = encode(&bundle).unwrap();
    assert_eq!(decode(&bytes).as_ref(), Ok(&bundle));
    compare(bundle.clone(), true, seen);
    let mut rng = Rng(seed | 1);
    for k in 0..24 {
        let mut mutant = bundle.clone();
        for _ in 0..1 + rng.below(2) {
            mutate(&mut mutant, &mut rng);
        }
        seen.mutants += 1;
        // The file's own checks count too: hashes are right, content is not.
        if let Ok(bytes) = encode(&mutant) {
            match decode(&bytes) {
                Ok(again) => compare(again, k % 4 == 0, seen),
                Err(e) => panic!("what was encoded does not decode: {e}"),
            }
        }
    }
}

#[test]
fn random_and_mutated_programs() {
    let variable = |name| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seconds = variable("JET_FUZZ_SECONDS");
    let first = variable("JET_FUZZ_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(5));
    let mut seen = Seen::default();
    let mut failed = Vec::new();
    for seed in first.. {
        let ran = catch_unwind(AssertUnwindSafe(|| round(seed, &mut seen)));
        if ran.is_err() {
            failed.push(seed);
        }
        if failed.len() >= 5 || Instant::now() >= end {
            break;
        }
    }
    println!("{seen:?}");
    assert!(failed.is_empty(), "JET_FUZZ_SEED one of {failed:?}");
    assert!(seen.accepted > seen.programs);
}

//! Random programs and mutants of them: what the verifier accepts keeps its promises.
//!
//! What must stay true: whatever decodes and verifies holds every belief under the shadow interpreter, ends within its
//! limits without a panic, hands over declared authority only, and runs in the same way in every collector mode. A few
//! seconds by default. Longer, with a log that goes on where the last run ended:
//!
//! ```text
//! JET_FUZZ_MUTANTS=1000000 cargo test --profile fuzz -p jet-tests --test forged random_and_mutated
//! ```
//!
//! `JET_FUZZ_SECONDS` ends by time instead, `JET_FUZZ_SEED` starts at a seed, `JET_FUZZ_LOG` names the log (default
//! `target/forged-fuzz.log`: a line for each part, with first seed and counts). What failed lies beside the log.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jet_bytecode::format::{decode, encode};
use jet_bytecode::linked::FnId;
use jet_bytecode::module::Bundle;
use jet_bytecode::verify::{Rule, VerifiedProgram, VerifyLimits, verify_with};
use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostType, HostValue,
    HostVariant, LimitKind, Limits, Ticket,
};
use jet_vm::{Binding, Config, GcMode, Instance, Loaded, Outcome};

use super::generate::random;
use super::mutate::{self, Mutant};
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
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    rounds: u64,
    mutants: u64,
    blind: u64,
    /// No file, or the decoder refuses it.
    no_file: u64,
    refused: u64,
    accepted: u64,
    /// Accepted, but the program asks for what is not granted or is too large.
    no_instance: u64,
    finished: u64,
    /// Runs under the virtual machine, and those of machine code among them.
    runs: u64,
    native: u64,
    fuel: u64,
    /// Promises of the verifier that were looked at.
    checks: u64,
    failed: u64,
}

impl Seen {
    fn fields(&self) -> [(&'static str, u64); 13] {
        [
            ("rounds", self.rounds),
            ("mutants", self.mutants),
            ("blind", self.blind),
            ("no_file", self.no_file),
            ("refused", self.refused),
            ("accepted", self.accepted),
            ("no_instance", self.no_instance),
            ("finished", self.finished),
            ("runs", self.runs),
            ("native", self.native),
            ("fuel", self.fuel),
            ("checks", self.checks),
            ("failed", self.failed),
        ]
    }

    fn text(&self) -> String {
        let fields = self.fields().map(|(name, n)| format!("{name}={n}"));
        fields.join(" ")
    }
}

/// What another run of a program may differ in from the first.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// In nothing.
    Same,
    /// Machine code may keep out of the heap what the first run put there, so it may get further in a full heap.
    Sinks,
    /// Collections that are forced need room for copies where the first run needed none yet, or make room earlier.
    Collects,
}

/// Whether two runs agree as far as they must. A limit excuses only where the mode touches what it limits, and wall time
/// never: fuel bounds each of these runs.
fn agree(first: &Ran, other: &Ran, mode: Mode) -> bool {
    let full = |r: &Ran| r.limit == Some(LimitKind::Memory);
    first == other || (mode != Mode::Same && full(first)) || (mode == Mode::Collects && full(other))
}

/// Verifies within a budget that the size of the file sets.
fn admit(bundle: Bundle, size: usize, seen: &mut Seen) -> Result<Option<VerifiedProgram>, String> {
    let limits = VerifyLimits {
        work: size as u64 * 64 + 10_000,
        ..VerifyLimits::default()
    };
    match verify_with(bundle, limits) {
        Ok(verified) => Ok(Some(verified)),
        Err(e) if e.rule == Rule::Work => Err(format!("over the budget for {size} bytes")),
        Err(_) => {
            seen.refused += 1;
            Ok(None)
        }
    }
}

/// Runs a bundle that verified in several modes. `native`: in machine code too.
fn compare(
    verified: VerifiedProgram,
    turn: u64,
    native: bool,
    seen: &mut Seen,
) -> Result<(), String> {
    // What the verifier promised holds, function by function.
    for id in 0..verified.functions.len() as u32 {
        let mut shadow = Shadow::new(&verified, 500);
        let end = shadow.run(FnId(id));
        seen.checks += shadow.checks;
        if let Some(End::Stopped(Stop::Violation(what))) = end {
            return Err(format!("a belief is violated: {what}"));
        }
    }
    seen.accepted += 1;
    let Ok(loaded) = Loaded::new(verified) else {
        seen.no_instance += 1;
        return Ok(());
    };
    let loaded = Arc::new(loaded);
    // Now and then a heap that may fill up, for a run that is longer.
    let small = turn.is_multiple_of(4);
    let (fuel, memory) = if small {
        (100_000, 512 << 10)
    } else {
        (2_000, 4 << 20)
    };
    let hostile = turn.is_multiple_of(5);
    let limits = || limits(fuel, memory);
    let Some(first) = run(&loaded, GcMode::Normal, limits(), hostile) else {
        seen.no_instance += 1;
        return Ok(());
    };
    seen.finished += u64::from(first.outcome.starts_with("Finished"));
    seen.fuel += first.fuel;
    seen.runs += 1;
    if first.limit == Some(LimitKind::Time) || first.fuel > fuel {
        return Err(format!("over its limits: {first:?}"));
    }
    let mut also = |what: &str, mode: Mode, other: Option<Ran>| match other {
        None => Err(format!("{what}: no instance")),
        Some(other) => {
            seen.runs += 1;
            match agree(&first, &other, mode) {
                true => Ok(()),
                false => Err(format!("{what}\n{first:?}\n{other:?}")),
            }
        }
    };
    let young = turn.is_multiple_of(2);
    // A collection at each allocation takes long; for most mutants, some thirty have to do.
    let every = if turn.is_multiple_of(8) && !small {
        1
    } else {
        1 + (first.fuel / 150) as u32
    };
    let stress = if young {
        GcMode::StressMinor(every)
    } else {
        GcMode::Stress(every)
    };
    also(
        "with collections",
        Mode::Collects,
        run(&loaded, stress, limits(), hostile),
    )?;
    if native {
        let other = run_jit(&loaded, GcMode::Normal, limits(), hostile, turn);
        also("machine code", Mode::Sinks, other)?;
        seen.native += 1;
    }
    // Whatever was mutated: what the verifier accepts hands over declared authority only.
    let mut observed = loaded.again(false).map_err(|e| e.to_string())?;
    observed.observe();
    let observed = run(&Arc::new(observed), GcMode::Normal, limits(), hostile);
    seen.runs += 1;
    match observed {
        Some(other) if agree(&first, &other, Mode::Same) => Ok(()),
        other => Err(format!("under the monitor\n{first:?}\n{other:?}")),
    }
}

/// Runs what may panic; says how it failed.
fn guarded(f: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("?")))
    })
}

/// One program, as it is and mutated; what failed, with the number of the mutant.
fn round(seed: u64, seen: &mut Seen) -> Vec<(u64, String)> {
    let mut failed = Vec::new();
    let bundle = random(seed);
    let bytes = encode(&bundle).unwrap();
    seen.rounds += 1;
    let whole = guarded(|| {
        if decode(&bytes).as_ref() != Ok(&bundle) {
            return Err("what was encoded decodes to something else".into());
        }
        match admit(bundle.clone(), bytes.len(), seen)? {
            Some(verified) => compare(verified, seed, seed.is_multiple_of(4), seen),
            None => Err("a program of the generator is refused".into()),
        }
    });
    failed.extend(whole.err().map(|why| (0, why)));
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for k in 1..=48 {
        seen.mutants += 1;
        let end = guarded(|| {
            let (blind, mutant) = mutate::next(&bundle, &bytes, &mut rng);
            seen.blind += u64::from(blind);
            let Mutant::Bundle(mutant) = mutant else {
                seen.no_file += 1;
                return Ok(());
            };
            match admit(*mutant, bytes.len(), seen)? {
                Some(verified) => compare(verified, seed + k, (seed + k).is_multiple_of(16), seen),
                None => Ok(()),
            }
        });
        failed.extend(end.err().map(|why| (k, why)));
    }
    seen.failed += failed.len() as u64;
    failed
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

/// The log of long runs: parts of them, one a line.
struct Parts {
    path: PathBuf,
    first: u64,
    seen: Seen,
    since: Instant,
}

impl Parts {
    fn path() -> PathBuf {
        let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/forged-fuzz.log");
        std::env::var_os("JET_FUZZ_LOG").map_or_else(|| PathBuf::from(default), PathBuf::from)
    }

    /// Behind the last seed of the log.
    fn next_seed() -> Option<u64> {
        let text = std::fs::read_to_string(Parts::path()).ok()?;
        let number = |word: Option<&str>, name: &str| {
            word?
                .strip_prefix(name)?
                .strip_prefix('=')?
                .parse::<u64>()
                .ok()
        };
        let mut words = text.lines().last()?.split(' ');
        Some(number(words.next(), "seed")? + number(words.next(), "rounds")?)
    }

    /// Writes what came since the last line, at the end of a minute or when told.
    fn line(&mut self, seen: &Seen, now: bool) {
        if seen.rounds == self.seen.rounds || !(now || self.since.elapsed().as_secs() >= 60) {
            return;
        }
        let fields = seen.fields().into_iter().zip(self.seen.fields());
        let fields: Vec<String> = fields
            .map(|((name, n), (_, b))| format!("{name}={}", n - b))
            .collect();
        let seconds = self.since.elapsed().as_secs();
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path);
        writeln!(
            file.unwrap(),
            "seed={} {} seconds={seconds}",
            self.first,
            fields.join(" ")
        )
        .unwrap();
        self.first += seen.rounds - self.seen.rounds;
        (self.seen, self.since) = (*seen, Instant::now());
    }
}

#[test]
fn random_and_mutated_programs() {
    let (seconds, mutants) = (variable("JET_FUZZ_SECONDS"), variable("JET_FUZZ_MUTANTS"));
    let long = seconds.is_some() || mutants.is_some();
    let behind = Parts::next_seed().filter(|_| long);
    let first = variable("JET_FUZZ_SEED").or(behind).unwrap_or(1);
    let time = match (seconds, mutants) {
        (Some(s), _) => Duration::from_secs(s),
        (None, Some(_)) => Duration::from_secs(1 << 30),
        _ => Duration::from_secs(5),
    };
    let end = Instant::now() + time;
    let mut seen = Seen::default();
    let mut parts = Parts {
        path: Parts::path(),
        first,
        seen,
        since: Instant::now(),
    };
    let mut failed = Vec::new();
    for seed in first.. {
        for (k, why) in round(seed, &mut seen) {
            let why = format!("seed {seed}, mutant {k}: {why}");
            println!("{why:.2000}");
            if long {
                let file = parts.path.with_extension(format!("{seed}-{k}.txt"));
                std::fs::write(file, &why).unwrap();
            }
            failed.push(why);
        }
        if long {
            parts.line(&seen, false);
        }
        let enough = mutants.is_some_and(|n| seen.mutants >= n);
        if failed.len() >= 50 || enough || Instant::now() >= end {
            break;
        }
    }
    if long {
        parts.line(&seen, true);
    }
    println!("seed={first} {}", seen.text());
    assert!(
        failed.is_empty(),
        "{} failed, {:.300}",
        failed.len(),
        failed[0]
    );
    assert!(seen.accepted > seen.rounds && seen.finished > 0);
}

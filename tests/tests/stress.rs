//! The stress matrix: programs of the suite, run in this process with collections at every Nth allocation (everything
//! moves, what was left is poisoned and protected, the heap is checked before and after), with both kinds of old
//! space, with full and with young collections; with the Kth allocation failing; and with none collected at all. Output,
//! ending, trap and fuel are those of the plain run, but for the run whose allocation failed, which ends cleanly.
//!
//! A slice runs here. All of it: `JET_STRESS=all cargo test --release -p jet-tests --test stress -- --nocapture`
//! (`JET_STRESS=N` takes every Nth program, `JET_ONLY=part-of-path` some, `JET_STRESS_FROM=N` goes on with the Nth; each
//! program is told with its number when it is done).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jet_tests::generate::oracle::{Compiled, Seen, compile, load, run as run_all};
use jet_vm::{Config, GcMode, Loaded};

fn run(
    loaded: &Arc<Loaded>,
    set: impl FnOnce(&mut Config),
    args: &[String],
) -> Result<Seen, String> {
    run_all(loaded, set, args).map(|(seen, _)| seen)
}

fn programs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    let (mut dirs, mut found) = (vec![root], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                // A folder with a main module is one program of several files, which other suites run.
                if !path.join("main.jet").exists() && !path.join("jet.toml").exists() {
                    dirs.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "jet")
                && path.to_string_lossy().contains(&only)
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The program, ready to run, and the period that it asks for (`#! stress N`, see `programs.rs`); nothing where it needs flags, input or a folder of its own, or what only a command
/// line grants.
fn ready(path: &Path) -> Option<(Arc<Loaded>, u32)> {
    let text = std::fs::read_to_string(path).ok()?;
    let directives = ["flags", "args", "stdin", "scratch", "limit"];
    let special = |line: &str| {
        directives
            .iter()
            .any(|d| line.starts_with(&format!("#! {d}")))
    };
    // Runs at the same time must not share files either.
    if text.lines().any(special) || text.contains("FileRead") || text.contains("FileWrite") {
        return None;
    }
    let period = text.lines().find_map(|l| l.strip_prefix("#! stress "));
    let period = period.map_or(1, |n| n.trim().parse().expect("a number"));
    let Ok(Compiled::Program(bundle, bytes)) = compile(&[("main".to_owned(), text)]) else {
        return None;
    };
    let [_, plain, ..] = load(*bundle, &bytes).ok()?;
    Some((plain, period))
}

struct Matrix {
    /// Runs, collections aside.
    runs: AtomicU64,
    failed_allocations: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Matrix {
    fn same(&self, name: &str, mode: &str, plain: &Seen, other: Result<Seen, String>) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let why = match other {
            Ok(other) if other.0 == plain.0 => return,
            Ok(other) => format!("{:?}\nplain {:?}", other.0, plain.0),
            Err(why) => why,
        };
        let mut wrong = self.wrong.lock().expect("nobody panics");
        wrong.push(format!("{name}, {mode}: {why}"));
    }

    /// One program with all modes whose number is `turn` modulo `every`.
    fn program(&self, path: &Path, every: u32, turn: u32) {
        let name = path.display().to_string();
        let Some((loaded, period)) = ready(path) else {
            return;
        };
        let Ok(plain) = run(&loaded, |_| (), &[]) else {
            return;
        };
        if plain.0.end.starts_with("trap memory") || plain.0.end.starts_with("trap time") {
            return;
        }
        // Objects have some 40 bytes: programs that make many are collected less often, and those of which much is alive,
        // which say so themselves, still less.
        let least = (1 + (plain.2 / 40 / 4_000) as u32).max(period);
        let mut mode = 0;
        for n in 1..=64u32 {
            for (kind, blocks, minor) in [
                ("full", false, false),
                ("young", false, true),
                ("full, blocks", true, false),
                ("young, blocks", true, true),
            ] {
                mode += 1;
                if mode % every != turn % every {
                    continue;
                }
                let n = n * least;
                let seen = run(
                    &loaded,
                    |c| {
                        c.gc = if minor {
                            GcMode::StressMinor(n)
                        } else {
                            GcMode::Stress(n)
                        };
                        if blocks {
                            c.blocks_from = 0;
                        }
                    },
                    &[],
                );
                self.same(&name, &format!("every {n}: {kind}"), &plain, seen);
            }
        }
        let never = |c: &mut Config| {
            c.gc = GcMode::Off;
            // Garbage stays, and needs room.
            c.limits.memory *= 8;
        };
        let seen = run(&loaded, never, &[]);
        self.same(&name, "never", &plain, seen);
        self.failing(&name, &loaded, &plain, every, turn);
    }

    /// Every Kth allocation fails in a run of its own: each K at first, then ever fewer.
    fn failing(&self, name: &str, loaded: &Arc<Loaded>, plain: &Seen, every: u32, turn: u32) {
        let mut k = u64::from(turn % every);
        loop {
            let seen = run(loaded, |c| c.fail_after = Some(k), &[]);
            match seen {
                Ok(seen) if seen.0.end.starts_with("trap memory") => {
                    self.failed_allocations.fetch_add(1, Ordering::Relaxed);
                    // What it printed before is the beginning of what it prints.
                    if !plain.0.out.starts_with(&seen.0.out) {
                        let mut wrong = self.wrong.lock().expect("nobody panics");
                        wrong.push(format!("{name}: allocation {k} fails: {:?}", seen.0));
                    }
                }
                other => {
                    return self.same(
                        name,
                        &format!("allocation {k} of fewer fails"),
                        plain,
                        other,
                    );
                }
            }
            k += u64::from(every) + k / 8;
        }
    }
}

#[test]
fn stress_matrix() {
    let asked = std::env::var("JET_STRESS").unwrap_or_default();
    // How many programs are left out between two, and of how many modes each has one.
    let (step, every) = match asked.as_str() {
        "all" => (1, 1),
        "" => (16, 37),
        n => (n.parse().expect("JET_STRESS is a number or all"), 1),
    };
    let programs = programs();
    let from = std::env::var("JET_STRESS_FROM").map_or(0, |n| n.parse().expect("a number"));
    let next = AtomicUsize::new(from);
    let matrix = Matrix {
        runs: AtomicU64::new(0),
        failed_allocations: AtomicU64::new(0),
        wrong: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    // A program has the same modes whichever thread gets it.
                    let at = next.fetch_add(step, Ordering::Relaxed);
                    let Some(path) = programs.get(at) else { break };
                    matrix.program(path, every, at as u32);
                    if every == 1 {
                        let runs = matrix.runs.load(Ordering::Relaxed);
                        let wrong = matrix.wrong.lock().expect("nobody panics").len();
                        let (all, name) = (programs.len(), path.display());
                        println!("{at} of {all}: {name}, {runs} runs, {wrong} wrong");
                    }
                }
            });
        }
    });
    let wrong = matrix.wrong.into_inner().expect("nobody panics");
    let (runs, failed) = (
        matrix.runs.into_inner(),
        matrix.failed_allocations.into_inner(),
    );
    println!(
        "{runs} runs, {failed} with an allocation that failed, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(runs > 20 && failed > 20 || std::env::var_os("JET_ONLY").is_some());
}

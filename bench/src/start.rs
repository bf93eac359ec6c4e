//! `start`: what it takes until a program runs. A whole process that loads, verifies and runs the smallest program,
//! beside LuaJIT; and a new instance of a verified module, beside wasmtime's of an empty module.
//!
//! Must stay true: contenders take turns, one process each, and a ratio comes from the medians of these pairs; processor
//! time is said beside elapsed time, which other processes disturb. What is not installed is said, not left out.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use jet_bytecode::{format, verify};
use jet_vm::host::console::Console;
use jet_vm::host::{HostCapability, Limits};
use jet_vm::{Binding, Config, Instance, Loaded, Outcome};

use crate::compare;
use crate::process::{Took, took};
use crate::stats;
use crate::verify::now;

const HELLO: &str = "fn main() uses Console:\n    Console.print(\"hello\")\n";

/// Options of `start`.
#[derive(Args)]
pub struct Options {
    /// Pairs of processes.
    #[arg(long, default_value_t = 100)]
    runs: usize,
    /// Instances in each measurement.
    #[arg(long, default_value_t = 500)]
    instances: usize,
    /// The binary to measure; without it the release build is made first.
    #[arg(long)]
    jetvm: Option<PathBuf>,
    /// The LuaJIT to measure.
    #[arg(long, default_value = "luajit")]
    luajit: PathBuf,
    /// Makes instances for so many seconds, for profilers.
    #[arg(long, hide = true)]
    spin: Option<u64>,
}

fn process(program: &Path, args: &[&str]) -> Result<Took, String> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let (ended, took) = took(&mut command)?;
    if !ended.status.success() || !(ended.stdout.is_empty() || ended.stdout == b"hello\n") {
        return Err(format!("{} {args:?}: {}", program.display(), ended.status));
    }
    Ok(took)
}

/// Whole processes, in turns.
fn processes(options: &Options, jetvm: &Path, bundle: &str) -> Result<(), String> {
    let contenders: [(&str, &Path, Vec<&str>); 4] = [
        ("jetvm run hello.jbc", jetvm, vec!["run", bundle]),
        (
            "the same, --jit=off",
            jetvm,
            vec!["run", "--jit=off", bundle],
        ),
        (
            "luajit -e 'print\"hello\"'",
            &options.luajit,
            vec!["-e", "print\"hello\""],
        ),
        ("true", Path::new("true"), vec![]),
    ];
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); contenders.len()];
    for _ in 0..options.runs.max(1) {
        for ((name, program, args), all) in contenders.iter().zip(&mut took) {
            match process(program, args) {
                Ok(one) => all.push(one),
                Err(why) if all.is_empty() && *name != contenders[0].0 => {
                    println!("skipped: {why}");
                }
                Err(why) => return Err(why),
            }
        }
    }
    let middle = |all: &[Took], of: fn(&Took) -> f64| {
        let all: Vec<f64> = all.iter().map(of).collect();
        (!all.is_empty()).then(|| stats::middle(&all))
    };
    let of = |all: &[Took]| (middle(all, |t| t.elapsed), middle(all, |t| t.processor));
    let peer = of(&took[2]);
    println!(
        "process ({} in turns)        ms elapsed   ratio   ms processor   ratio",
        took[0].len()
    );
    for ((name, ..), all) in contenders.iter().zip(&took) {
        let (Some(elapsed), Some(used)) = of(all) else {
            continue;
        };
        let ratio =
            |x: f64, to: Option<f64>| to.map_or_else(String::new, |p| format!("{:.2}", x / p));
        println!(
            "{name:<28} {elapsed:>10.2} {:>7} {used:>14.2} {:>7}",
            ratio(elapsed, peer.0),
            ratio(used, peer.1)
        );
    }
    Ok(())
}

fn config() -> Config {
    Config {
        limits: Limits::default(),
        ..Config::default()
    }
}

fn console() -> Vec<Binding> {
    let console = Console::new(
        Box::new(std::io::empty()),
        Box::new(std::io::sink()),
        Box::new(std::io::sink()),
    );
    let console: Box<dyn HostCapability> = Box::new(console);
    vec![Binding::from(console)]
}

fn instance(loaded: &Arc<Loaded>) -> Instance {
    match Instance::new(Arc::clone(loaded), config(), console()) {
        Ok(instance) => instance,
        Err(why) => panic!("no instance: {why:?}"),
    }
}

/// Microseconds of processor time and elapsed, of one of `n`; the median of several measurements.
fn each(n: usize, mut f: impl FnMut()) -> (f64, f64) {
    let n = n.max(1);
    let (mut used, mut elapsed) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        let (start, cpu) = (Instant::now(), now());
        (0..n).for_each(|_| f());
        used.push((now() - cpu) * 1e6 / n as f64);
        elapsed.push(start.elapsed().as_secs_f64() * 1e6 / n as f64);
    }
    (stats::middle(&used), stats::middle(&elapsed))
}

/// Instances of a module that is verified and loaded.
fn instances(options: &Options, bytes: &[u8]) -> Result<(), String> {
    let decoded = format::read(bytes).map_err(|e| e.to_string())?;
    let verified = verify::verify_decoded(decoded).map_err(|e| e.to_string())?;
    let loaded = Arc::new(Loaded::new(verified).map_err(|e| e.to_string())?);
    let only = || drop(black_box(instance(&loaded)));
    if let Some(seconds) = options.spin {
        let start = Instant::now();
        while start.elapsed().as_secs() < seconds {
            only();
        }
        return Ok(());
    }
    let made = each(options.instances, only);
    let ran = each(options.instances, || {
        let mut one = instance(&loaded);
        assert!(matches!(one.run(&[]), Outcome::Finished));
    });
    let theirs = wasmtime(options.instances)?;
    println!(
        "instance (median of 21 × {})   µs processor   µs elapsed   ratio",
        options.instances
    );
    let show = |name: &str, (used, elapsed): (f64, f64)| {
        let ratio = theirs.map_or_else(String::new, |(t, _)| format!("{:.2}", used / t));
        println!("{name:<32} {used:>10.2} {elapsed:>12.2} {ratio:>7}");
    };
    show("made and dropped", made);
    show("made, run, dropped", ran);
    match theirs {
        Some(theirs) => show("wasmtime, empty module", theirs),
        None => println!("wasmtime: build with --features wasmtime"),
    }
    Ok(())
}

/// Store and instance of an empty module.
#[cfg(feature = "wasmtime")]
fn wasmtime(n: usize) -> Result<Option<(f64, f64)>, String> {
    let engine = wasmtime::Engine::default();
    let module = wasmtime::Module::new(&engine, b"\0asm\x01\0\0\0").map_err(|e| e.to_string())?;
    Ok(Some(each(n, || {
        let mut store = wasmtime::Store::new(&engine, ());
        let made = wasmtime::Instance::new(&mut store, &module, &[]);
        assert!(black_box(made).is_ok());
    })))
}

#[cfg(not(feature = "wasmtime"))]
fn wasmtime(_: usize) -> Result<Option<(f64, f64)>, String> {
    Ok(None)
}

/// Runs the benchmark.
pub fn run(options: &Options) -> Result<(), String> {
    let jetvm = compare::jetvm(options.jetvm.as_deref())?;
    let dir = std::env::temp_dir().join(format!("jet-bench-start-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let (source, bundle) = (dir.join("hello.jet"), dir.join("hello.jbc"));
    let result = std::fs::write(&source, HELLO)
        .map_err(|e| e.to_string())
        .and_then(|()| {
            let (from, to) = (source.to_string_lossy(), bundle.to_string_lossy());
            process(&jetvm, &["build", &from, "-o", &to])?;
            let bytes = std::fs::read(&bundle).map_err(|e| e.to_string())?;
            if options.spin.is_none() {
                println!("hello.jbc: {} B", bytes.len());
                processes(options, &jetvm, &to)?;
            }
            instances(options, &bytes)
        });
    let _ = std::fs::remove_dir_all(&dir);
    result
}

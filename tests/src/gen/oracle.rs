//! Compiles and runs programs in this process, in several modes, and compares.

use super::program::{Ending, Program};
use jet_bytecode::format;
use jet_bytecode::opcodes::TrapKind;
use jet_bytecode::verify;
use jet_frontend::diag::Severity;
use jet_frontend::driver::{self, PackageInput, ProgramInput, SourceInput};
use jet_vm::host::console::Console;
use jet_vm::host::{HostCapability, Limits};
use jet_vm::{Binding, Config, GcMode, Instance, Loaded, Outcome};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What compiling came to.
#[derive(Debug)]
pub enum Compiled {
    /// A bundle.
    Bytes(Vec<u8>),
    /// Errors, as text.
    Refused(String),
}

/// The program as the driver takes it.
pub fn input(modules: &[(String, String)]) -> ProgramInput {
    let files = modules
        .iter()
        .map(|(module, text)| SourceInput {
            path: format!("{module}.jet"),
            module: module.clone(),
            text: text.clone(),
        })
        .collect();
    ProgramInput {
        implementations: Vec::new(),
        packages: vec![PackageInput {
            name: "main".into(),
            version: "0.0.0".into(),
            deps: Vec::new(),
            files,
        }],
    }
}

/// Compiles to the bytes of a bundle.
pub fn compile(modules: &[(String, String)]) -> Result<Compiled, String> {
    let out = driver::compile(&input(modules));
    match out.bundle {
        Some(bundle) => match format::encode(&bundle) {
            Ok(bytes) => Ok(Compiled::Bytes(bytes)),
            Err(e) => Err(format!("what was compiled has no encoding: {e:?}")),
        },
        None if out.has_errors() => {
            let text: Vec<String> = out
                .diagnostics
                .iter()
                .filter(|d| d.severity == Severity::Error)
                .map(|d| {
                    let (line, _) = out.sources.line_col(d.span);
                    let source = out.sources.file(d.span.file).map_or("", |f| f.line(line));
                    let at = out.sources.text(d.span);
                    format!(
                        "{} {} at `{at}` in {line}: {}",
                        d.code,
                        d.message,
                        source.trim()
                    )
                })
                .collect();
            Ok(Compiled::Refused(text.join("\n")))
        }
        None => Err("neither a bundle nor an error".into()),
    }
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(mut all) = self.0.lock() {
            all.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Standard output.
    pub out: String,
    /// How it ended, with message and place.
    pub end: String,
    /// Fuel used.
    pub fuel: u64,
}

/// Limits of a test run: no program of the suite comes near them.
pub fn limits() -> Limits {
    Limits {
        fuel: Some(3_000_000),
        memory: 64 << 20,
        depth: 2_000,
        time: Some(Duration::from_secs(20)),
        output: 1 << 20,
        handles: 8,
    }
}

/// A compiler that compiles at once and leaves its code by force now and then.
pub fn native(seed: u64) -> jet_jit::Options {
    jet_jit::Options {
        mode: jet_jit::Mode::Stress,
        seed,
        verify: true,
        ..jet_jit::Options::default()
    }
}

/// Runs a loaded program.
pub fn run(loaded: &Arc<Loaded>, gc: GcMode) -> Result<(Run, Ending), String> {
    run_with(loaded, gc, None)
}

/// Runs a loaded program, with machine code if the program counts.
pub fn run_with(
    loaded: &Arc<Loaded>,
    gc: GcMode,
    jit: Option<jet_jit::Options>,
) -> Result<(Run, Ending), String> {
    let sink = Sink::default();
    let console = Console::new(
        Box::new(std::io::empty()),
        Box::new(sink.clone()),
        Box::new(std::io::sink()),
    );
    let console: Box<dyn HostCapability> = Box::new(console);
    let config = Config {
        limits: limits(),
        gc,
        seed: 1,
        gc_log: None,
        jit: jit.map(|o| Box::new(jet_jit::Compiler::new(o)) as Box<dyn jet_vm::plug::Jit>),
        ..Config::default()
    };
    let mut instance = Instance::new(Arc::clone(loaded), config, vec![Binding::from(console)])
        .map_err(|e| format!("no instance: {e}"))?;
    let outcome = instance.run(&[]);
    let fuel = instance.stats().fuel;
    let (end, ending) = match outcome {
        Outcome::Finished => ("done".to_string(), Ending::Done),
        Outcome::Failed(f) => (format!("failed {}", f.text), Ending::Failed(f.text)),
        Outcome::Trapped(t) | Outcome::Limit(_, t) => {
            if matches!(
                t.kind,
                TrapKind::Unreachable
                    | TrapKind::Variant
                    | TrapKind::Cancelled
                    | TrapKind::Revoked
                    | TrapKind::Handle
            ) {
                return Err(format!(
                    "a trap that the checker excludes: {:?} {}",
                    t.kind, t.message
                ));
            }
            let at = t.stack.first().map(|f| format!("{}:{}", f.file, f.line));
            let mut kind = String::new();
            for c in format!("{:?}", t.kind).chars() {
                if c.is_ascii_uppercase() && !kind.is_empty() {
                    kind.push('_');
                }
                kind.push(c.to_ascii_lowercase());
            }
            (
                format!("trap {kind} {} {at:?}", t.message),
                Ending::Trap(kind),
            )
        }
        Outcome::Waiting(_) => return Err("the run waits".into()),
    };
    drop(instance);
    let bytes = sink.0.lock().map(|b| b.clone()).unwrap_or_default();
    let out = String::from_utf8(bytes).map_err(|_| "output is not UTF-8".to_string())?;
    Ok((Run { out, end, fuel }, ending))
}

/// Verifies and loads a bundle, as `jetvm run` does.
pub fn load(bytes: &[u8]) -> Result<Arc<Loaded>, String> {
    load_as(bytes, false)
}

/// The same, perhaps to run under the monitor.
fn load_as(bytes: &[u8], observed: bool) -> Result<Arc<Loaded>, String> {
    let bundle = format::decode(bytes).map_err(|e| format!("does not decode: {e:?}"))?;
    let again = format::encode(&bundle).map_err(|e| format!("does not encode again: {e:?}"))?;
    if again != bytes {
        return Err("encoding is not canonical".into());
    }
    let program = verify::verify(bundle).map_err(|e| format!("does not verify: {e}"))?;
    let mut loaded = Loaded::new(program).map_err(|e| format!("does not load: {e:?}"))?;
    if observed {
        loaded.observe();
    }
    Ok(Arc::new(loaded))
}

/// Runs in every mode and compares.
pub fn run_modes(bytes: &[u8], stress: &[u32]) -> Result<(Run, Ending), String> {
    let loaded = load(bytes)?;
    let (first, ending) = run(&loaded, GcMode::Normal)?;
    let limited = |r: &Run| r.end.starts_with("trap memory") || r.end.starts_with("trap time");
    // The monitor ends a run at the first breach of the capability rules, and changes nothing else.
    let (observed, _) = run(&load_as(bytes, true)?, GcMode::Normal)?;
    if observed != first && !limited(&first) && !limited(&observed) {
        return Err(format!(
            "the monitor changes it\n--- without\n{first:?}\n--- with\n{observed:?}"
        ));
    }
    // A collection at each allocation of a long run takes too long.
    let scale = 1 + (first.fuel / 20_000) as u32;
    let mut modes = Vec::new();
    for n in stress {
        modes.push(GcMode::Stress(n * scale));
        modes.push(GcMode::StressMinor(n * scale));
    }
    for mode in modes {
        let (other, _) = run(&loaded, mode)?;
        if other != first && !limited(&first) && !limited(&other) {
            return Err(format!(
                "{mode:?} differs\n--- normal\n{first:?}\n--- {mode:?}\n{other:?}"
            ));
        }
    }
    let counting = Arc::new(
        loaded
            .again(true)
            .map_err(|e| format!("does not load: {e:?}"))?,
    );
    let seed = first.fuel ^ bytes.len() as u64;
    for (gc, options) in [
        (GcMode::Normal, native(seed)),
        (GcMode::Stress(7 * scale), native(seed + 1)),
        (
            GcMode::Normal,
            jet_jit::Options {
                mode: jet_jit::Mode::On,
                ..native(seed)
            },
        ),
    ] {
        let name = format!(
            "machine code {:?} {} with {gc:?}",
            options.mode, options.seed
        );
        let (other, _) = run_with(&counting, gc, Some(options))?;
        if other != first && !limited(&first) && !limited(&other) {
            return Err(format!(
                "{name} differs\n--- normal\n{first:?}\n--- {name}\n{other:?}"
            ));
        }
    }
    Ok((first, ending))
}

/// Everything that has to hold for a generated program.
pub fn check(program: &Program) -> Result<Vec<u8>, String> {
    let bytes = match compile(&program.modules)? {
        Compiled::Bytes(bytes) => bytes,
        Compiled::Refused(why) => return Err(format!("does not check:\n{why}")),
    };
    match compile(&program.modules)? {
        Compiled::Bytes(again) if again == bytes => {}
        _ => return Err("building twice gives different bytes".into()),
    }
    let (run, ending) = run_modes(&bytes, &[1])?;
    if let Some((out, end)) = &program.expected {
        if *out != run.out {
            return Err(format!(
                "output differs\n--- expected\n{out}\n--- got\n{}\n--- {}",
                run.out, run.end
            ));
        }
        // Long errors are cut in messages.
        let cut = matches!(&ending, Ending::Failed(text) if text.contains('…'));
        if *end != ending && !cut {
            return Err(format!("expected {end:?}, got {}", run.end));
        }
    }
    Ok(bytes)
}

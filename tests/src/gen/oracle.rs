//! Compiles and runs programs in this process, in several modes, and compares.
//!
//! [`MODES`] is the whole list of modes: a new one (a compiler of traces, another collector) is one more row.

use super::program::{Ending, Program};
use super::world;
use jet_bytecode::format;
use jet_bytecode::module::Bundle;
use jet_bytecode::opcodes::TrapKind;
use jet_bytecode::verify;
use jet_frontend::diag::Severity;
use jet_frontend::driver::{self, CompileOutput, PackageInput, ProgramInput, SourceInput};
use jet_vm::host::console::Console;
use jet_vm::host::env::Env;
use jet_vm::host::file_read::FileRead;
use jet_vm::host::file_write::FileWrite;
use jet_vm::host::grants::{EnvGrant, PathGrant};
use jet_vm::host::scope::Scope;
use jet_vm::host::{HostCapability, Limits};
use jet_vm::{Binding, Config, GcMode, Instance, Loaded, Outcome};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// What the compiler gave, as `jetvm run FILE` does.
    Source,
    /// The same, written as a bundle and read again.
    Bundle,
    /// As the bundle, under the monitor: it ends a run at the first breach of the capability rules, and changes
    /// nothing else.
    Monitored,
    /// As the bundle, counting what is hot: machine code is made of that.
    Counting,
}

/// A way to run a program.
pub struct Mode {
    /// Name, for messages.
    pub name: &'static str,
    /// What is run.
    pub from: From,
    /// Whether machine code is made: at once, left by force now and then, or of what is hot.
    pub jit: jet_jit::Mode,
    /// Sets up the rest. Gets the period of forced collections.
    pub set: fn(&mut Config, u32),
    /// Collections that a run may have at most; 0 where none is forced.
    pub collections: u64,
}

/// A compiler of machine code, with a seed for what it does by chance.
fn native(mode: jet_jit::Mode, seed: u64) -> Box<dyn jet_vm::plug::Jit> {
    Box::new(jet_jit::Compiler::new(jet_jit::Options {
        mode,
        seed,
        verify: true,
        ..jet_jit::Options::default()
    }))
}

/// The modes. All give what the first gives: output, errors, ending with message and place, fuel.
pub const MODES: &[Mode] = &[
    Mode {
        name: "source",
        from: From::Source,
        jit: jet_jit::Mode::Off,
        set: |c, _| c.gc = GcMode::Normal,
        collections: 0,
    },
    Mode {
        name: "bundle",
        from: From::Bundle,
        jit: jet_jit::Mode::Off,
        set: |c, _| c.gc = GcMode::Normal,
        collections: 0,
    },
    Mode {
        name: "monitored",
        from: From::Monitored,
        jit: jet_jit::Mode::Off,
        set: |c, _| c.gc = GcMode::Normal,
        collections: 0,
    },
    Mode {
        name: "one generation",
        from: From::Bundle,
        jit: jet_jit::Mode::Off,
        set: |c, _| c.generational = false,
        collections: 0,
    },
    Mode {
        name: "collections everywhere",
        from: From::Bundle,
        jit: jet_jit::Mode::Off,
        set: |c, period| c.gc = GcMode::Stress(period),
        collections: 40,
    },
    Mode {
        name: "young collections everywhere",
        from: From::Source,
        jit: jet_jit::Mode::Off,
        set: |c, period| c.gc = GcMode::StressMinor(period),
        collections: 60,
    },
    Mode {
        name: "collections everywhere, mark-region old space",
        from: From::Bundle,
        jit: jet_jit::Mode::Off,
        set: |c, period| {
            c.gc = GcMode::Stress(period);
            c.blocks_from = 0;
        },
        collections: 20,
    },
    Mode {
        name: "machine code under stress",
        from: From::Counting,
        jit: jet_jit::Mode::Stress,
        set: |c, _| c.gc = GcMode::Normal,
        collections: 0,
    },
    Mode {
        name: "machine code under stress, with collections",
        from: From::Counting,
        jit: jet_jit::Mode::Stress,
        set: |c, period| c.gc = GcMode::Stress(period),
        collections: 20,
    },
    Mode {
        name: "machine code",
        from: From::Counting,
        // Generated programs are short.
        jit: jet_jit::Mode::Eager,
        set: |c, _| c.gc = GcMode::Normal,
        collections: 0,
    },
];

/// Which of the modes are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All.
    #[default]
    All,
    /// Those without machine code: several times as many programs in the same time.
    Interpreted,
    /// The first, and those with machine code; of the two under stress one, by chance.
    Native,
}

impl Which {
    fn has(self, index: usize, mode: &Mode, seed: u64) -> bool {
        match (self, mode.jit) {
            (Which::All, _) => true,
            (Which::Interpreted, jit) => jit == jet_jit::Mode::Off,
            (Which::Native, jet_jit::Mode::Off) => index == 0,
            (Which::Native, jet_jit::Mode::Stress) => {
                (mode.collections > 0) == seed.is_multiple_of(2)
            }
            (Which::Native, _) => true,
        }
    }
}

/// What compiling came to.
#[derive(Debug)]
pub enum Compiled {
    /// A bundle, and its bytes.
    Program(Box<Bundle>, Vec<u8>),
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

/// Compiles to a bundle and its bytes.
pub fn compile(modules: &[(String, String)]) -> Result<Compiled, String> {
    answer(driver::compile(&input(modules)))
}

/// Compiles a program's tests; gives the number of tests too.
pub fn compile_tests(modules: &[(String, String)]) -> Result<(Compiled, usize), String> {
    let out = driver::compile_tests(&input(modules));
    Ok((answer(out.output)?, out.tests.len()))
}

fn answer(out: CompileOutput) -> Result<Compiled, String> {
    match out.bundle {
        Some(bundle) => match format::encode(&bundle) {
            Ok(bytes) => Ok(Compiled::Program(Box::new(bundle), bytes)),
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

impl Sink {
    fn text(&self) -> Result<String, String> {
        let bytes = self.0.lock().map(|b| b.clone()).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| "output is not UTF-8".to_string())
    }
}

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
    /// Standard error.
    pub err: String,
    /// Files that may be written, at the end.
    pub files: Vec<(String, String)>,
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
        time: Some(Duration::from_secs(60)),
        output: 1 << 20,
        handles: 8,
    }
}

/// The capabilities that a program asks for, as far as tests grant them. What they answer is the same in each run.
fn grants(loaded: &Loaded, out: &Sink, err: &Sink) -> Result<(Vec<Binding>, bool), String> {
    let program = loaded.program();
    let mut all: Vec<Box<dyn HostCapability>> = Vec::new();
    let mut writes = false;
    let requests = program.entry.as_ref().map_or(&[][..], |e| &e.requests);
    let asked = |name: &str| {
        requests.iter().any(|r| {
            program
                .cap(*r)
                .is_some_and(|c| c.name == name && program.package_name(c.package) == "std")
        })
    };
    let scope = |allow: &str| {
        let root = world::root();
        let grant = PathGrant {
            allow: Some(vec![root.join(allow)]),
            deny: Vec::new(),
        };
        Scope::open(&grant, root)
            .map(Arc::new)
            .map_err(|e| e.to_string())
    };
    all.push(Box::new(Console::new(
        Box::new(std::io::Cursor::new(world::INPUT)),
        Box::new(out.clone()),
        Box::new(err.clone()),
    )));
    let variables = world::VARIABLES
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()));
    all.push(Box::new(Env::new(&EnvGrant::default(), variables)));
    let read = asked("FileRead").then(|| scope("")).transpose()?;
    if asked("FileWrite") {
        writes = true;
        all.push(Box::new(FileWrite::new(scope("w")?, read.clone())));
    }
    if let Some(read) = read {
        all.push(Box::new(FileRead::new(read)));
    }
    Ok((all.into_iter().map(Binding::from).collect(), writes))
}

/// How a run ended, what was seen of it, and what it allocated.
pub type Seen = (Run, Ending, u64);

/// Regions of machine code that runs in each of [`MODES`] made, since the process began.
static REGIONS: [AtomicU64; MODES.len()] = [const { AtomicU64::new(0) }; MODES.len()];

/// The modes that make machine code, and how many regions each made in all runs so far.
pub fn regions() -> Vec<(&'static str, u64)> {
    let all = MODES.iter().zip(&REGIONS);
    all.filter(|(mode, _)| mode.jit != jet_jit::Mode::Off)
        .map(|(mode, n)| (mode.name, n.load(Ordering::Relaxed)))
        .collect()
}

/// Runs a loaded program; also gives the number of regions that were compiled.
pub fn run(
    loaded: &Arc<Loaded>,
    set: impl FnOnce(&mut Config),
    args: &[String],
) -> Result<(Seen, u64), String> {
    let (out, err) = (Sink::default(), Sink::default());
    let mut config = Config {
        limits: limits(),
        seed: 1,
        gc_log: None,
        ..Config::default()
    };
    set(&mut config);
    let (bindings, writes) = grants(loaded, &out, &err)?;
    let mut instance = Instance::new(Arc::clone(loaded), config, bindings)
        .map_err(|e| format!("no instance: {e}"))?;
    let outcome = instance.run(args);
    let stats = instance.stats();
    let regions = instance.jit_stats().map_or(0, |s| s.regions);
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
            let kind = t.kind.name().to_owned();
            (
                format!("trap {kind} {} {at:?}", t.message),
                Ending::Trap(kind),
            )
        }
        Outcome::Waiting(_) => return Err("the run waits".into()),
    };
    drop(instance);
    let files = if writes { world::files() } else { Vec::new() };
    if writes {
        world::reset();
    }
    let run = Run {
        out: out.text()?,
        err: err.text()?,
        files,
        end,
        fuel: stats.fuel,
    };
    Ok(((run, ending, stats.gc.bytes_allocated), regions))
}

fn loaded(bundle: Bundle, observed: bool) -> Result<Arc<Loaded>, String> {
    let program = verify::verify(bundle).map_err(|e| format!("does not verify: {e}"))?;
    let mut loaded = Loaded::new(program).map_err(|e| format!("does not load: {e:?}"))?;
    if observed {
        loaded.observe();
    }
    Ok(Arc::new(loaded))
}

/// A program as it is loaded for each of [`From`], in their order.
pub type Loads = [Arc<Loaded>; 4];

/// Verifies and loads what was compiled, from the compiler's hands and from its bytes.
pub fn load(bundle: Bundle, bytes: &[u8]) -> Result<Loads, String> {
    let read = format::decode(bytes).map_err(|e| format!("does not decode: {e:?}"))?;
    let again = format::encode(&read).map_err(|e| format!("does not encode again: {e:?}"))?;
    if again != bytes {
        return Err("encoding is not canonical".into());
    }
    let plain = loaded(read.clone(), false)?;
    let counting = plain
        .again(true)
        .map_err(|e| format!("does not load: {e:?}"))?;
    Ok([
        loaded(bundle, false)?,
        plain,
        loaded(read, true)?,
        Arc::new(counting),
    ])
}

/// Runs in these modes and compares.
pub fn run_modes(loads: &Loads, args: &[String], which: Which) -> Result<(Run, Ending), String> {
    let mut first: Option<Seen> = None;
    for (index, (mode, made)) in MODES.iter().zip(&REGIONS).enumerate() {
        let seed = first.as_ref().map_or(0, |f| f.0.fuel);
        if !which.has(index, mode, seed) {
            continue;
        }
        let program = &loads[mode.from as usize];
        let period = match (&first, mode.collections) {
            // Objects have some 40 bytes. Where there are few, each is a collection; a long run gets them at
            // allocations of its own choice.
            (Some((_, _, bytes)), n) if n > 0 => 1 + (bytes / 40 / n) as u32,
            _ => 1,
        };
        let set = |c: &mut Config| {
            (mode.set)(c, period);
            if mode.jit != jet_jit::Mode::Off {
                c.jit = Some(native(mode.jit, seed + mode.collections));
            }
        };
        let (other, regions) = run(program, set, args)?;
        made.fetch_add(regions, Ordering::Relaxed);
        if other.0.end.starts_with("trap time") {
            return Err(format!(
                "{}: the time limit ended it: {:?}",
                mode.name, other.0
            ));
        }
        let Some(first) = &first else {
            first = Some(other);
            continue;
        };
        // A full heap may be full elsewhere, or not, where collections are forced or values stay out of it; where the
        // first run had room, only forced collections (which need room for copies) may lack it. Wall time ends no run
        // that fuel bounds.
        let full = |r: &Run| r.end.starts_with("trap memory");
        let excused = full(&first.0) || (full(&other.0) && mode.collections > 0);
        if other.0 != first.0 && !excused {
            return Err(format!(
                "{} ({period}) differs\n--- {}\n{:?}\n--- {}\n{:?}",
                mode.name, MODES[0].name, first.0, mode.name, other.0
            ));
        }
    }
    first
        .map(|(run, ending, _)| (run, ending))
        .ok_or_else(|| "no mode".into())
}

/// Whether a message shows this text: long ones are cut where `…` stands.
fn cut(whole: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let mut rest = whole.strip_prefix(parts.next().unwrap_or_default());
    for part in parts {
        rest = rest.and_then(|r| Some(&r[r.find(part)? + part.len()..]));
    }
    rest.is_some_and(|r| r.is_empty() || shown.contains('…'))
}

fn compare(
    run: &Run,
    ending: &Ending,
    expected: &super::program::Expected,
    what: &str,
) -> Result<(), String> {
    if expected.out != run.out || expected.err != run.err {
        return Err(format!(
            "{what}: output differs\n--- expected\n{}\n{}\n--- got\n{}\n{}\n--- {}",
            expected.out, expected.err, run.out, run.err, run.end
        ));
    }
    if let Some(files) = &expected.files
        && *files != run.files
    {
        return Err(format!(
            "{what}: files differ: expected {files:?}, got {:?}",
            run.files
        ));
    }
    let same = match (&expected.end, ending) {
        (Ending::Failed(whole), Ending::Failed(shown)) => cut(whole, shown),
        (expected, ending) => expected == ending,
    };
    if !same {
        return Err(format!(
            "{what}: expected {:?}, got {}",
            expected.end, run.end
        ));
    }
    Ok(())
}

/// Everything that has to hold for a generated program. What takes long and says little (compiling twice, the
/// tests, the formatter) is done for one program of `rare`.
pub fn check(program: &Program, rare: bool, which: Which) -> Result<Bundle, String> {
    let (bundle, bytes) = match compile(&program.modules)? {
        Compiled::Program(bundle, bytes) => (bundle, bytes),
        Compiled::Refused(why) => return Err(format!("does not check:\n{why}")),
    };
    let both = load((*bundle).clone(), &bytes)?;
    let (run, ending) = run_modes(&both, &[], which)?;
    if let Some(expected) = &program.expected {
        compare(&run, &ending, expected, "main")?;
    }
    if rare {
        match compile(&program.modules)? {
            Compiled::Program(_, again) if again == bytes => {}
            _ => return Err("building twice gives different bytes".into()),
        }
        tests(program, which)?;
        formatted(program, &run, &ending)?;
    }
    Ok(*bundle)
}

/// The `test` blocks.
fn tests(program: &Program, which: Which) -> Result<(), String> {
    if program.tests.is_empty() {
        return Ok(());
    }
    let (compiled, n) = compile_tests(&program.modules)?;
    let both = match compiled {
        Compiled::Program(bundle, bytes) => load(*bundle, &bytes)?,
        Compiled::Refused(why) => return Err(format!("tests do not check:\n{why}")),
    };
    if n != program.tests.len() {
        return Err(format!("{n} tests instead of {}", program.tests.len()));
    }
    for (i, expected) in program.tests.iter().enumerate() {
        let (run, ending) = run_modes(&both, &[i.to_string()], which)?;
        if let Some(expected) = expected {
            compare(&run, &ending, expected, &format!("test {i}"))?;
        }
    }
    Ok(())
}

/// The formatter's text means the same, and is as the formatter would have it.
fn formatted(program: &Program, run: &Run, ending: &Ending) -> Result<(), String> {
    let mut modules = Vec::new();
    for (name, text) in &program.modules {
        let once = match jet_frontend::fmt::format(text) {
            Ok(once) => once,
            Err(e) => return Err(format!("fmt refuses: {e:?}")),
        };
        let twice = jet_frontend::fmt::format(&once).map_err(|e| format!("fmt again: {e:?}"))?;
        if once != twice {
            return Err(format!("fmt changes its own text of {name}:\n{once}"));
        }
        modules.push((name.clone(), once));
    }
    let both = match compile(&modules)? {
        Compiled::Program(bundle, bytes) => load(*bundle, &bytes)?,
        Compiled::Refused(why) => return Err(format!("what fmt made does not check:\n{why}")),
    };
    let ((after, end, _), _) = self::run(&both[1], |_| {}, &[])?;
    if (&after.out, &after.err, &after.files, &end) != (&run.out, &run.err, &run.files, ending) {
        return Err(format!(
            "what fmt made runs otherwise: {run:?} and then {after:?}"
        ));
    }
    Ok(())
}

//! The monitor: programs that two switched-off rules let through are ended at the first call that hands over what was
//! not declared; honest ones run as they do without it.
//!
//! Every suite runs under the monitor too: `programs.rs`, `awfy.rs` and `adversarial.rs` have a mode for it, the
//! generated programs (`jet-fuzz`) and the forged modules (`forged/fuzz.rs`) compare runs with and without.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use jet_bytecode::verify::{self, Rule as Kept};
use jet_frontend::check::rules::{Rule, watch};
use jet_frontend::driver::{PackageInput, ProgramInput, SourceInput, compile};
use jet_vm::host::HostCapability;
use jet_vm::host::console::Console;
use jet_vm::{Binding, Config, Instance, Loaded, Observed, Outcome};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A run's output, whether it finished, and what the monitor saw.
struct Run {
    out: String,
    finished: bool,
    seen: Option<Observed>,
}

/// Compiles without a clause of the checker, verifies without a rule of the verifier, and runs.
fn run(text: &str, off: Option<(Rule, Kept)>, observe: bool) -> Run {
    let input = ProgramInput {
        packages: vec![PackageInput {
            name: "forged".into(),
            version: "0.0.0".into(),
            deps: Vec::new(),
            files: vec![SourceInput {
                path: "forged/main.jet".into(),
                module: String::new(),
                text: text.into(),
            }],
        }],
        implementations: Vec::new(),
    };
    let (output, _) = watch(off.map(|o| o.0), || compile(&input));
    let bundle = output
        .bundle
        .unwrap_or_else(|| panic!("{:?}", output.diagnostics));
    if let Some((_, kept)) = off {
        let refused = verify::verify(bundle.clone()).expect_err("the rule is broken");
        assert_eq!(refused.rule, kept, "{refused}");
    }
    let verified = verify::watch(off.map(|o| o.1), || verify::verify(bundle));
    let mut loaded = Loaded::new(verified.expect("nothing else is broken")).expect("small");
    if observe {
        loaded.observe();
    }
    let sink = Sink::default();
    let console: Box<dyn HostCapability> = Box::new(Console::new(
        Box::new(std::io::empty()),
        Box::new(sink.clone()),
        Box::new(std::io::sink()),
    ));
    let grants = vec![Binding::from(console)];
    let mut instance = Instance::new(Arc::new(loaded), Config::default(), grants).expect("granted");
    let finished = matches!(instance.run(&[]), Outcome::Finished);
    let seen = instance.observed().cloned();
    drop(instance);
    let out = sink.0.lock().expect("no panics").clone();
    Run {
        out: String::from_utf8(out).expect("text"),
        finished,
        seen,
    }
}

/// It runs unobserved, and is ended under the monitor before it prints.
#[track_caller]
fn caught(text: &str, rule: Rule, kept: Kept, out: &str, breach: &str) {
    let plain = run(text, Some((rule, kept)), false);
    assert!(plain.finished && plain.out == out, "printed {}", plain.out);
    let observed = run(text, Some((rule, kept)), true);
    let found = observed.seen.and_then(|s| s.breach).unwrap_or_default();
    assert!(!observed.finished && found.contains(breach), "{found}");
    assert_eq!(observed.out, "");
}

#[test]
fn a_stored_literal_that_kept_its_makers_capability() {
    caught(
        r#"
struct Keep:
    f: fn(string)

fn make() -> Keep uses Console:
    return Keep(fn(s) => Console.print(s))

fn innocent(k: Keep):
    k.f("smuggled")

fn main() uses Console:
    innocent(make())
"#,
        Rule::StorableUses,
        Kept::Capture,
        "smuggled\n",
        "a binding is behind an argument of data",
    );
}

#[test]
fn a_capability_under_another_name() {
    caught(
        r#"
capability Quiet:
    fn print(s: string)

fn innocent() uses Quiet:
    Quiet.print("smuggled")

fn main() uses Console:
    with Quiet = Console:
        innocent()
"#,
        Rule::WithRelated,
        Kept::Conversion,
        "smuggled\n",
        "a binding of something else is given for Quiet",
    );
}

#[test]
fn honest_programs_are_seen_and_not_changed() {
    let text = r#"
capability Log:
    fn note(s: string)

struct Prefix:
    text: string
    out: Console
impl Log for Prefix:
    fn note(self, s: string):
        self.out.print(self.text + s)

struct Twice:
    inner: Log
impl Log for Twice:
    fn note(self, s: string):
        self.inner.note(s)
        self.inner.note(s)

trait Greets:
    fn greet(self) uses Log
struct Person:
    name: string
impl Greets for Person:
    fn greet(self) uses Log:
        Log.note(self.name)

fn each(xs: [Greets], f: fn(Greets)):
    for x in xs:
        f(x)

fn stored() -> (fn(string) uses Log):
    return fn(s) uses Log => Log.note(s)

fn main() uses Console:
    with Log = Prefix("> ", Console):
        with Log = Twice(Log):
            each([Person("Ada"), Person("Alan")], fn(p) => p.greet())
            let f = stored()
            f("bye")
            ["x"].each(f)
"#;
    let plain = run(text, None, false);
    let observed = run(text, None, true);
    assert!(plain.finished && observed.finished, "{:?}", observed.seen);
    assert_eq!(plain.out, observed.out);
    assert_eq!(plain.seen, None);
    let seen = observed.seen.expect("observed");
    assert_eq!((seen.host_calls, seen.breach), (8, None));
    assert!(seen.calls > 20, "{}", seen.calls);
}

#[test]
fn the_command_tells_what_it_saw() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = Command::new(env!("CARGO_BIN_EXE_jetvm-under-test"))
        .current_dir(root)
        .args([
            "run",
            "tests/honest/visitor.jet",
            "--monitor",
            "--stats=json",
        ])
        .output()
        .expect("jetvm starts");
    let text = String::from_utf8_lossy(&out.stderr);
    let mut objects = text.lines().filter_map(|l| serde_json::from_str(l).ok());
    let stats: serde_json::Value = objects.next().unwrap_or_else(|| panic!("{text}"));
    assert_eq!(out.status.code(), Some(0));
    assert!(stats["monitor"]["calls"].as_u64() > Some(3), "{stats}");
    assert!(stats["monitor"]["host_calls"].as_u64() > Some(0), "{stats}");
}

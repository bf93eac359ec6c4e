//! Runs every program under `programs/` and every example in every mode and compares: standard output,
//! exit code, trap line and fuel must be as expected, and equal in all modes.
//!
//! A program is `NAME.jet` with its expected standard output in `NAME.out`, or a folder (`main.jet` with other
//! modules, or a package with `jet.toml`) with a file `main.out`. Lines at the top of the main module may say more:
//! `#! exit N`, `#! flags …`, `#! args …`, `#! stdin TEXT` (with `\n`), `#! trap LINE` (of the program's own file),
//! `#! limit NAME`, `#! says TEXT` (on standard error; any number of them), `#! stress N` (for programs that allocate
//! much: collections at every Nth allocation, instead of at each and at every 7th), `#! scratch` (an empty folder that
//! the run may read and write; its path is the first argument), `#! warns CODE …` (otherwise it compiles without warnings).
//! Run one folder or program with `JET_ONLY=part-of-path`. Where `JET_UNDER_TEST` names another command, its bundles must be those of
//! the command that was built here, byte by byte, and all modes run the bundle, but the first only the source: for another command is
//! emulated, and would spend its time in the compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use jet_tests::suite::{each, fed, jetvm, other, root, selected, sorted};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// How a program is run: the flag of its execution mode, and how often it collects (0: when it pays; below: with a
/// mark-region old space).
type Mode = (&'static str, i32);

/// The first is the reference for fuel.
const MODES: &[Mode] = &[
    ("--jit=off", 0),
    ("--jit=eager", 0),
    ("--jit=stress", 0),
    ("--jit=off", 1),
    ("--jit=stress", 7),
    ("--jit=off", -3),
    ("--monitor", 0),
];

/// A program and what is expected of it.
struct Case {
    /// File or folder, relative to the repository.
    target: String,
    flags: Vec<String>,
    args: Vec<String>,
    stdin: String,
    stdout: String,
    exit: i32,
    trap: Option<u32>,
    limit: Option<String>,
    says: Vec<String>,
    /// Period of collections in stress modes, if not the modes' own.
    stress: Option<u32>,
    /// Whether each run gets an empty folder.
    scratch: bool,
    /// Codes of the warnings that it compiles with.
    warns: Vec<String>,
}

impl Case {
    fn new(target: String, stdout: String) -> Case {
        Case {
            target,
            flags: Vec::new(),
            args: Vec::new(),
            stdin: String::new(),
            stdout,
            exit: 0,
            trap: None,
            limit: None,
            says: Vec::new(),
            stress: None,
            scratch: false,
            warns: Vec::new(),
        }
    }

    /// The name that lines of its stack have: of the file, or of any file of a folder.
    fn file(&self) -> &str {
        match self.target.rsplit('/').next() {
            Some(name) if name.ends_with(".jet") => name,
            _ => ".jet",
        }
    }

    fn flags_of(&self, (jit, stress): Mode) -> Vec<String> {
        let mut flags = vec![jit.to_string()];
        if stress != 0 {
            let period = self.stress.unwrap_or(stress.unsigned_abs());
            let blocks = if stress < 0 { "-blocks" } else { "" };
            flags.push(format!("--gc=stress{blocks}:{period}"));
        }
        flags
    }
}

struct Outcome {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
    fuel: Option<u64>,
    /// Regions of machine code, and of those what was emitted for aarch64 too.
    regions: u64,
    foreign: u64,
}

/// An empty folder with the same path in each run of a program, since the program may print it.
fn scratch_of(case: &Case) -> PathBuf {
    let name = case.target.replace(['/', '.'], "_");
    let dir = std::env::temp_dir().join(format!("jet-scratch-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a scratch folder");
    dir
}

fn run(target: &str, case: &Case, mode: &[String]) -> Outcome {
    let mut command = jetvm(JETVM);
    command
        .current_dir(root())
        .arg("run")
        .arg(target)
        .args(mode)
        .args(["--stats=json", "--seed=1"])
        .args(&case.flags);
    let scratch = case.scratch.then(|| scratch_of(case));
    if let Some(dir) = &scratch {
        let dir = dir.display();
        command.args([
            format!("--allow-read={dir}"),
            format!("--allow-write={dir}"),
            "--".to_string(),
            dir.to_string(),
        ]);
    } else {
        command.arg("--");
    }
    let out = fed(command.args(&case.args), &case.stdin);
    if let Some(dir) = scratch {
        std::fs::remove_dir_all(dir).expect("the scratch folder is there");
    }
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    let stats = stderr
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .find(|v| v.get("fuel").is_some());
    let number = |path: &str| stats.as_ref()?.pointer(path)?.as_u64();
    let fuel = number("/fuel");
    let [regions, foreign] =
        ["regions", "foreign"].map(|n| number(&format!("/jit/{n}")).unwrap_or(0));
    Outcome {
        exit: out.status.code(),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr,
        fuel,
        regions,
        foreign,
    }
}

/// Where a time or memory limit ended the run, output and fuel depend on the mode.
fn inexact(case: &Case) -> bool {
    matches!(case.limit.as_deref(), Some("time" | "memory"))
}

/// Has a command write a program's bundle.
fn build(mut command: Command, case: &Case, bundle: &Path) -> Result<Output, String> {
    let built = command
        .current_dir(root())
        .args(["build", "--message-format=short", &case.target, "-o"])
        .arg(bundle)
        .output()
        .expect("jetvm starts");
    if built.status.success() {
        return Ok(built);
    }
    let why = String::from_utf8_lossy(&built.stderr);
    Err(format!("{}: build failed\n{why}", case.target))
}

/// Runs a program in every mode; counts it where one of those that compile at once made machine code of it.
fn check(case: &Case, compiled: &AtomicUsize) -> Result<(), String> {
    let bundle = std::env::temp_dir().join(format!(
        "jet-program-{}-{}.jbc",
        std::process::id(),
        case.target.replace(['/', '.'], "_")
    ));
    let built = build(jetvm(JETVM), case, &bundle)?;
    if other().is_some() {
        let bytes = std::fs::read(&bundle);
        build(Command::new(JETVM), case, &bundle)?;
        if bytes.ok() != std::fs::read(&bundle).ok() {
            return Err(format!("{}: builds to other bytes", case.target));
        }
    }
    let messages = String::from_utf8_lossy(&built.stderr);
    let warnings: Vec<&str> = messages
        .split("warning[")
        .skip(1)
        .filter_map(|rest| rest.split(']').next())
        .collect();
    if warnings != case.warns {
        return Err(format!(
            "{}: warnings {warnings:?}, expected {:?}\n{messages}",
            case.target, case.warns
        ));
    }
    let bundle_text = bundle.to_string_lossy().into_owned();
    let mut reference: Option<u64> = None;
    let mut regions = 0;
    let of_source = if other().is_some() { 1 } else { MODES.len() };
    let targets = [
        (case.target.as_str(), of_source),
        (bundle_text.as_str(), MODES.len()),
    ];
    for (target, modes) in targets {
        for mode in MODES.iter().take(modes) {
            let at_once = ["--jit=eager", "--jit=stress"].contains(&mode.0);
            let twice = mode.0 == "--jit=eager" && other().is_none();
            let mode = case.flags_of(*mode);
            let got = run(target, case, &mode);
            regions += if at_once { got.regions } else { 0 };
            let mut wrong = Vec::new();
            if twice && got.foreign != got.regions {
                wrong.push(format!(
                    "{} of {} regions for aarch64",
                    got.foreign, got.regions
                ));
            }
            if got.exit != Some(case.exit) {
                wrong.push(format!("exit {:?}, expected {}", got.exit, case.exit));
            }
            if !inexact(case) && got.stdout != case.stdout {
                wrong.push(format!(
                    "output\n--- expected\n{}\n--- got\n{}",
                    case.stdout, got.stdout
                ));
            }
            if let Some(line) = case.trap {
                let at = format!("{}:{line}:", case.file());
                if !got.stderr.contains(&at) {
                    wrong.push(format!("no trap at {at}"));
                }
            }
            if let Some(limit) = &case.limit
                && !got.stderr.contains(limit.as_str())
            {
                wrong.push(format!("the limit `{limit}` is not named"));
            }
            for text in &case.says {
                if !got.stderr.contains(text.as_str()) {
                    wrong.push(format!("`{text}` is not said"));
                }
            }
            match (got.fuel, reference) {
                // What is refused does not start.
                (None, _) if case.exit == 3 => {}
                (None, _) => wrong.push("no fuel in the statistics".to_string()),
                (Some(f), None) => reference = Some(f),
                (Some(f), Some(r)) if f != r && !inexact(case) => {
                    wrong.push(format!("fuel {f}, {r} in the first mode"));
                }
                _ => {}
            }
            if !wrong.is_empty() {
                let _ = std::fs::remove_file(&bundle);
                return Err(format!(
                    "{target} {}: {}\n--- stderr\n{}",
                    mode.join(" "),
                    wrong.join("; "),
                    got.stderr
                ));
            }
        }
    }
    let _ = std::fs::remove_file(&bundle);
    compiled.fetch_add(usize::from(regions > 0), Ordering::Relaxed);
    Ok(())
}

/// Programs in a folder: files, and folders with a `main.out`.
fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in sorted(dir) {
        if path.join("main.out").is_file() {
            out.push(path);
        } else if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "jet") {
            out.push(path);
        }
    }
}

fn program(path: &Path) -> Case {
    let (main, out) = if path.is_dir() {
        let mut main = path.join("main.jet");
        if !main.is_file() {
            main = path.join("src/main.jet");
        }
        (main, path.join("main.out"))
    } else {
        (path.to_path_buf(), path.with_extension("out"))
    };
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let stdout = read(&out);
    let text = read(&main);
    let relative = path.strip_prefix(root()).expect("under the repository");
    let mut case = Case::new(relative.to_string_lossy().into_owned(), stdout);
    let words = |s: &str| s.split_whitespace().map(str::to_string).collect();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("#! ") else {
            break;
        };
        match rest.split_once(' ') {
            None if rest == "scratch" => case.scratch = true,
            Some(("exit", n)) => case.exit = n.parse().expect("exit code"),
            Some(("flags", f)) => case.flags = words(f),
            Some(("args", a)) => case.args = words(a),
            Some(("stdin", s)) => case.stdin = s.replace("\\n", "\n"),
            Some(("trap", n)) => case.trap = Some(n.parse().expect("line")),
            Some(("limit", n)) => case.limit = Some(n.to_string()),
            Some(("says", text)) => case.says.push(text.to_string()),
            Some(("warns", codes)) => case.warns = words(codes),
            Some(("stress", n)) => case.stress = Some(n.parse().expect("period")),
            _ => panic!("{}: unknown directive {line}", path.display()),
        }
    }
    case
}

/// An example folder: `run.args` is what follows `jetvm run`, `expected.txt` its output.
fn example(dir: &Path) -> Option<Case> {
    let run_args = std::fs::read_to_string(dir.join("run.args")).ok()?;
    let stdout = std::fs::read_to_string(dir.join("expected.txt")).expect("expected.txt");
    let (before, after) = match run_args.split_once(" -- ") {
        Some((b, a)) => (b.to_string(), a.to_string()),
        None => (run_args.clone(), String::new()),
    };
    let mut words = before.split_whitespace().map(str::to_string);
    let target = words.next().expect("run.args names the program");
    let mut case = Case::new(target, stdout);
    case.flags = words.collect();
    case.args = after.split_whitespace().map(str::to_string).collect();
    Some(case)
}

/// Runs programs; of at least half of them, machine code must be made in the modes that compile at once.
fn run_all(cases: Vec<Case>) {
    let all = cases.len();
    let cases = selected(cases, |c| &c.target);
    let compiled = AtomicUsize::new(0);
    // What a run waits for, its processes' start above all, leaves room for more threads than processors.
    each(3, &cases, |case| check(case, &compiled));
    let compiled = compiled.into_inner();
    assert!(
        cases.len() < all || !jet_jit::supported() || compiled * 2 >= all,
        "machine code was made of {compiled} of {all} programs only"
    );
}

#[test]
fn programs_agree_in_every_mode() {
    let mut paths = Vec::new();
    files(&root().join("tests/programs"), &mut paths);
    run_all(paths.iter().map(|p| program(p)).collect());
}

/// Programs that use the capability rules as people would: see `honest/README.md`.
#[test]
fn honest_programs_agree_in_every_mode() {
    let mut paths = Vec::new();
    files(&root().join("tests/honest"), &mut paths);
    assert!(paths.len() >= 12, "{} programs", paths.len());
    run_all(paths.iter().map(|p| program(p)).collect());
}

#[test]
fn examples_agree_in_every_mode() {
    let dirs = sorted(&root().join("examples"));
    run_all(dirs.iter().filter_map(|d| example(d)).collect());
}

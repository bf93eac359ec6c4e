//! Runs every program under `programs/` and every example in every mode and compares: standard output,
//! exit code, trap line and fuel must be as expected, and equal in all modes.
//!
//! A program is `NAME.jet` with its expected standard output in `NAME.out`. Lines at its top may say more:
//! `#! exit N`, `#! flags …`, `#! args …`, `#! stdin TEXT` (with `\n`), `#! trap LINE`, `#! limit NAME`.
//! Run one folder or program with `JET_ONLY=part-of-path`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// Flags of each mode. The first is the reference for fuel.
const MODES: &[&[&str]] = &[
    &["--jit=off"],
    &["--jit=on"],
    &["--jit=stress"],
    &["--jit=off", "--gc=stress:1"],
    &["--jit=stress", "--gc=stress:7"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

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
}

struct Outcome {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
    fuel: Option<u64>,
}

fn run(target: &str, case: &Case, mode: &[&str]) -> Outcome {
    let mut child = Command::new(JETVM)
        .current_dir(root())
        .arg("run")
        .arg(target)
        .args(mode)
        .args(["--stats=json", "--seed=1"])
        .args(&case.flags)
        .arg("--")
        .args(&case.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("jetvm starts");
    {
        use std::io::Write;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A program that does not read its input may be gone by now.
        let _ = stdin.write_all(case.stdin.as_bytes());
    }
    let out = child.wait_with_output().expect("jetvm ends");
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    let fuel = stderr
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .find_map(|v| v.get("fuel")?.as_u64());
    Outcome {
        exit: out.status.code(),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr,
        fuel,
    }
}

/// Where a time or memory limit ended the run, output and fuel depend on the mode.
fn inexact(case: &Case) -> bool {
    matches!(case.limit.as_deref(), Some("time" | "memory"))
}

fn check(case: &Case, failures: &Mutex<Vec<String>>) {
    let bundle = std::env::temp_dir().join(format!(
        "jet-program-{}-{}.jbc",
        std::process::id(),
        case.target.replace(['/', '.'], "_")
    ));
    let built = Command::new(JETVM)
        .current_dir(root())
        .args(["build", &case.target, "-o"])
        .arg(&bundle)
        .output()
        .expect("jetvm starts");
    if !built.status.success() {
        failures.lock().expect("no panics").push(format!(
            "{}: build failed\n{}",
            case.target,
            String::from_utf8_lossy(&built.stderr)
        ));
        return;
    }
    let bundle_text = bundle.to_string_lossy().into_owned();
    let mut reference: Option<u64> = None;
    for target in [case.target.as_str(), bundle_text.as_str()] {
        for mode in MODES {
            let got = run(target, case, mode);
            let mut wrong = Vec::new();
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
                let at = format!(".jet:{line}");
                if !got.stderr.contains(&at) {
                    wrong.push(format!("no trap at {at}"));
                }
            }
            if let Some(limit) = &case.limit
                && !got.stderr.contains(limit.as_str())
            {
                wrong.push(format!("the limit `{limit}` is not named"));
            }
            match (got.fuel, reference) {
                (None, _) => wrong.push("no fuel in the statistics".to_string()),
                (Some(f), None) => reference = Some(f),
                (Some(f), Some(r)) if f != r && !inexact(case) => {
                    wrong.push(format!("fuel {f}, {r} in the first mode"));
                }
                _ => {}
            }
            if !wrong.is_empty() {
                failures.lock().expect("no panics").push(format!(
                    "{target} {}: {}\n--- stderr\n{}",
                    mode.join(" "),
                    wrong.join("; "),
                    got.stderr
                ));
                break;
            }
        }
    }
    let _ = std::fs::remove_file(&bundle);
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("folder is there")
        .map(|e| e.expect("entry is readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "jet") {
            out.push(path);
        }
    }
}

fn program(path: &Path) -> Option<Case> {
    let stdout = std::fs::read_to_string(path.with_extension("out")).ok()?;
    let text = std::fs::read_to_string(path).expect("program is readable");
    let relative = path.strip_prefix(root()).expect("under the repository");
    let mut case = Case {
        target: relative.to_string_lossy().into_owned(),
        flags: Vec::new(),
        args: Vec::new(),
        stdin: String::new(),
        stdout,
        exit: 0,
        trap: None,
        limit: None,
    };
    let words = |s: &str| s.split_whitespace().map(str::to_string).collect();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("#! ") else {
            break;
        };
        match rest.split_once(' ') {
            Some(("exit", n)) => case.exit = n.parse().expect("exit code"),
            Some(("flags", f)) => case.flags = words(f),
            Some(("args", a)) => case.args = words(a),
            Some(("stdin", s)) => case.stdin = s.replace("\\n", "\n"),
            Some(("trap", n)) => case.trap = Some(n.parse().expect("line")),
            Some(("limit", n)) => case.limit = Some(n.to_string()),
            _ => panic!("{}: unknown directive {line}", path.display()),
        }
    }
    Some(case)
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
    Some(Case {
        target: words.next().expect("run.args names the program"),
        flags: words.collect(),
        args: after.split_whitespace().map(str::to_string).collect(),
        stdin: String::new(),
        stdout,
        exit: 0,
        trap: None,
        limit: None,
    })
}

fn run_all(cases: Vec<Case>) {
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    let cases: Vec<Case> = cases
        .into_iter()
        .filter(|c| c.target.contains(&only))
        .collect();
    assert!(!cases.is_empty(), "no program found");
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(case, &failures);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panics");
    assert!(
        failures.is_empty(),
        "{} of {} programs failed:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

#[test]
fn programs_agree_in_every_mode() {
    let mut paths = Vec::new();
    files(&root().join("tests/programs"), &mut paths);
    run_all(paths.iter().filter_map(|p| program(p)).collect());
}

#[test]
fn examples_agree_in_every_mode() {
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(root().join("examples"))
        .expect("examples")
        .map(|e| e.expect("entry").path())
        .collect();
    dirs.sort();
    run_all(dirs.iter().filter_map(|d| example(d)).collect());
}

//! The fourteen programs of the *are-we-fast-yet* suite, at small inner iterations, in every mode: each checks
//! its own result, and says so by its exit code.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// Program, inner iterations, and how often its heap is collected under stress.
const PROGRAMS: &[(&str, u32, u32)] = &[
    ("DeltaBlue", 10, 10),
    ("Richards", 1, 1),
    ("Json", 1, 200),
    ("CD", 2, 1000),
    ("Havlak", 1, 0),
    ("Bounce", 1, 1),
    ("List", 1, 1),
    ("Mandelbrot", 1, 1),
    ("NBody", 1, 1),
    ("Permute", 1, 1),
    ("Queens", 1, 1),
    ("Sieve", 1, 1),
    ("Storage", 1, 100),
    ("Towers", 1, 1),
];

fn run(name: &str, inner: u32, flags: &[&str]) -> Result<(), String> {
    let out = Command::new(JETVM)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["run", "bench/awfy", "--allow-timer"])
        .args(flags)
        .args(["--", name, "1", &inner.to_string()])
        .output()
        .expect("jetvm starts");
    let text = String::from_utf8_lossy(&out.stdout);
    let line = format!("{name}: iterations=1 runtime: ");
    if out.status.success() && text.contains(&line) {
        return Ok(());
    }
    Err(format!(
        "{name} {inner} {}: {:?}\n{text}{}",
        flags.join(" "),
        out.status.code(),
        String::from_utf8_lossy(&out.stderr)
    ))
}

#[test]
fn results_hold_in_every_mode() {
    let next = AtomicUsize::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut failed = Vec::new();
                    while let Some(&(name, inner, stress)) =
                        PROGRAMS.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let gc = format!("--gc=stress:{stress}");
                        let mut modes =
                            vec![vec!["--jit=off"], vec!["--jit=on"], vec!["--jit=stress"]];
                        if stress > 0 {
                            modes.push(vec!["--jit=off", &gc]);
                        }
                        failed.extend(modes.iter().filter_map(|m| run(name, inner, m).err()));
                    }
                    failed
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().expect("no panics"))
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_wrong_name_is_a_clear_error() {
    let message = run("Nothing", 1, &[]).expect_err("there is no such program");
    assert!(
        message.contains("Nothing") && message.contains("Some(1)"),
        "{message}"
    );
}

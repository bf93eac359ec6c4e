//! The fourteen programs of the *are-we-fast-yet* suite, at small inner iterations, in every mode: each checks
//! its own result, and says so by its exit code. The kernels, likewise: they print their results. Modes with machine
//! code must have made some.

use jet_tests::suite::{each, jetvm, root};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// Iterations of programs that are hot at no fewer which have a known result.
const HOT: &[(&str, u32)] = &[("Mandelbrot", 500), ("NBody", 250_000)];

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

/// Whether machine code was made as the flags ask, by the statistics. Machine code that is never made has no faults.
fn compiled_as_asked(stderr: &[u8], jit: &str) -> bool {
    let text = String::from_utf8_lossy(stderr);
    let mut objects = text
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let regions = objects.find_map(|v| v.pointer("/jit/regions")?.as_u64());
    let asked = jit != "--jit=off" && jet_jit::supported();
    regions.is_some_and(|n| (n > 0) == asked)
}

fn run(name: &str, inner: u32, flags: &[&str]) -> Result<(), String> {
    let out = jetvm(JETVM)
        .current_dir(root())
        .args(["run", "bench/awfy", "--allow-timer", "--stats=json"])
        .args(flags)
        .args(["--", name, "1", &inner.to_string()])
        .output()
        .expect("jetvm starts");
    let text = String::from_utf8_lossy(&out.stdout);
    let line = format!("{name}: iterations=1 runtime: ");
    let fine = out.status.success() && text.contains(&line);
    if fine && compiled_as_asked(&out.stderr, flags[0]) {
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
    each(2, PROGRAMS, |&(name, inner, stress)| {
        let gc = format!("--gc=stress:{stress}");
        if let Some((_, n)) = HOT.iter().find(|(hot, _)| *hot == name) {
            run(name, *n, &["--jit=on"])?;
        }
        let mut modes = vec![vec!["--jit=off"], vec!["--jit=eager"], vec!["--jit=stress"]];
        modes.push(vec!["--jit=off", "--monitor"]);
        if stress > 0 {
            modes.push(vec!["--jit=off", &gc]);
        }
        modes.iter().try_for_each(|flags| run(name, inner, flags))
    });
}

#[test]
fn a_wrong_name_is_a_clear_error() {
    let message = run("Nothing", 1, &[]).expect_err("there is no such program");
    assert!(
        message.contains("Nothing") && message.contains("Some(1)"),
        "{message}"
    );
}

/// Kernel, size, result (the same as of the C, JavaScript and Lua versions).
const KERNELS: &[(&str, u32, i64)] = &[
    ("Fib", 20, 6765),
    ("Collatz", 1000, 59542),
    ("Sum", 2, 100_065_238),
    ("Dot", 2, 269_928),
    ("SpectralNorm", 20, 1_273_839_840),
    ("Mandelbrot", 50, 992),
    ("Sieve", 10_000, 1229),
    ("MatMul", 20, 9000),
    ("NQueens", 8, 92),
    ("Fannkuch", 6, 49_010),
    ("NBody", 3000, -341_932_492),
    ("BinaryTrees", 6, 4143),
    ("Storage", 2, 55_762),
    ("Graph", 1000, 7961),
    ("IntMap", 1000, 502_384),
    ("StringMap", 1000, 12_100),
    ("StringBuild", 100, 8990),
    ("Closures", 10, 7_515_000),
    ("Iterators", 10, 4_812_000),
    ("Dispatch", 10, 109_650),
    ("Parse", 2000, 4_592_000),
];

#[test]
fn kernels_have_their_results_in_every_mode() {
    for &(name, size, result) in KERNELS {
        for flags in [
            ["--jit=off", "--gc=normal"],
            ["--jit=eager", "--gc=normal"],
            ["--jit=stress", "--gc=stress:50"],
        ] {
            let out = jetvm(JETVM)
                .current_dir(root())
                .args(["run", "bench/kernels/jet", "--allow-timer", "--stats=json"])
                .args(flags)
                .args(["--", name, "1", &size.to_string()])
                .output()
                .expect("jetvm starts");
            let text = String::from_utf8_lossy(&out.stdout);
            assert!(
                text.ends_with(&format!("{name}: result: {result}\n")),
                "{name} {}: {text}{}",
                flags.join(" "),
                String::from_utf8_lossy(&out.stderr)
            );
            let stats = String::from_utf8_lossy(&out.stderr);
            assert!(compiled_as_asked(&out.stderr, flags[0]), "{name}: {stats}");
        }
    }
}

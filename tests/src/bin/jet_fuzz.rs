//! `jet-fuzz --mode=programs|mutants --count=N --seed=S`: random programs and mutants, in any number.
//!
//! Works through the seeds S.. in a process of its own for each batch, so that a crash costs one batch and is
//! reported with its seed. Failures are kept in `--dir` (default `target/jet-fuzz`), one folder each; the log there
//! has a line for each run, written after each batch: command, generator, first seed, count, failures. `--resume`
//! goes on behind the last line of the mode, also after a run that was ended. `--show` prints the program of a seed
//! and what it has to print. `--jit=off` leaves out the modes that make machine code, `--jit=only` all others but the
//! one that they are compared with.

use jet_tests::generate::census::Census;
use jet_tests::generate::oracle::Which;
use jet_tests::generate::rng::Rng;
use jet_tests::generate::{mutate, oracle, program, sources_hash, world};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

// Compilers make and drop many small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds in one child process.
const BATCH: u64 = 500;
/// One program in so many (with `--census` each) is compiled twice, formatted, tested, and counted in the census.
const RARE: u64 = 16;
/// Seconds of processor time that one seed may take: on a busy machine, hours pass without any.
const PATIENCE: u64 = 60;
/// Seconds that may pass without an end of a seed, whatever was done in them.
const PATIENCE_IDLE: u64 = 1800;

/// Seconds of processor time that a process has used.
fn used(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: state, then numbers; user and system time are the 12th and 13th.
    let rest = stat.rsplit_once(") ").map_or("", |p| p.1);
    let ticks: u64 = rest
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    ticks / 100
}

struct Options {
    mode: String,
    count: u64,
    seed: u64,
    dir: PathBuf,
    resume: bool,
    show: bool,
    child: bool,
    census: bool,
    which: Which,
}

/// How modes are asked for, where not all are.
fn flag(which: Which) -> Option<&'static str> {
    match which {
        Which::All => None,
        Which::Interpreted => Some("--jit=off"),
        Which::Native => Some("--jit=only"),
    }
}

fn options() -> Result<Options, String> {
    let mut o = Options {
        mode: "programs".into(),
        count: 1000,
        seed: 1,
        dir: PathBuf::from("target/jet-fuzz"),
        resume: false,
        show: false,
        child: false,
        census: false,
        which: Which::All,
    };
    for arg in std::env::args().skip(1) {
        let (name, value) = arg.split_once('=').unwrap_or((&arg, ""));
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{arg}: a number is needed"))
        };
        match name {
            "--mode" => o.mode = value.into(),
            "--count" => o.count = number()?,
            "--seed" => o.seed = number()?,
            "--dir" => o.dir = value.into(),
            "--resume" => o.resume = true,
            "--show" => o.show = true,
            "--census" => o.census = true,
            "--child" => o.child = true,
            "--jit" => {
                o.which = match value {
                    "off" => Which::Interpreted,
                    "on" => Which::All,
                    "only" => Which::Native,
                    _ => return Err(format!("{arg}: `on`, `off` or `only`")),
                }
            }
            _ => return Err(format!("{arg}: unknown option")),
        }
    }
    if o.mode != "programs" && o.mode != "mutants" {
        return Err(format!("--mode={}: `programs` or `mutants`", o.mode));
    }
    Ok(o)
}

/// Programs of the suites, as material for mutants.
fn corpus() -> Vec<String> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "jet") {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for dir in ["tests/programs", "tests/diagnostics", "examples"] {
        walk(&root.join(dir), &mut paths);
    }
    paths.sort();
    paths
        .iter()
        .filter_map(|p| std::fs::read_to_string(p).ok())
        .collect()
}

fn mutant(seed: u64, corpus: &[String]) -> Vec<(String, String)> {
    let mut rng = Rng::new(seed ^ 0x6d75_7461_6e74);
    let generated = |rng: &mut Rng| {
        let p = program::program(rng.word());
        p.modules
            .into_iter()
            .map(|m| m.1)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let text = if corpus.is_empty() || rng.chance(40) {
        generated(&mut rng)
    } else {
        rng.pick(corpus)
    };
    let other = if corpus.is_empty() {
        String::new()
    } else {
        rng.pick(corpus)
    };
    vec![("main".into(), mutate::mutate(&mut rng, &text, &other))]
}

fn text_of(modules: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, text) in modules {
        let _ = write!(out, "#### {name}.jet\n{text}");
    }
    out
}

/// Runs the seeds of one batch; prints a line for each failure and a summary.
fn child(o: &Options) {
    let corpus = if o.mode == "mutants" {
        corpus()
    } else {
        Vec::new()
    };
    let progress = o.dir.join("progress");
    let mut census = Census::default();
    let (mut known, mut compiled) = (0, 0);
    for seed in o.seed..o.seed + o.count {
        let _ = std::fs::write(&progress, seed.to_string());
        let (modules, result) = if o.mode == "programs" {
            let p = program::program(seed);
            let rare = o.census || seed % RARE == 0;
            let result = oracle::check(&p, rare, o.which).map(|bundle| {
                if rare {
                    census.add_program(&p, &bundle);
                }
                known += u64::from(p.expected.is_some());
                compiled += 1;
            });
            (p.modules, result)
        } else {
            let modules = mutant(seed, &corpus);
            let result = mutate::check(&modules, o.which).map(|c| compiled += u64::from(c));
            (modules, result)
        };
        if let Err(why) = result {
            let dir = o.dir.join(format!("{}-{seed}", o.mode));
            let _ = std::fs::create_dir_all(&dir);
            for (name, text) in &modules {
                let _ = std::fs::write(dir.join(format!("{name}.jet")), text);
            }
            let _ = std::fs::write(dir.join("why.txt"), &why);
            println!(
                "FAIL {seed} {}",
                why.lines().take(2).collect::<Vec<_>>().join(" | ")
            );
        }
    }
    println!("SUM {compiled} {known}");
    for (k, n) in &census.counts {
        println!("COUNT {n} {k}");
    }
    world::clean();
}

/// Runs a batch in a process of its own. Gives its output and whether it ended well in time.
fn batch(o: &Options, seed: u64, count: u64) -> (String, Option<String>) {
    let exe = std::env::current_exe().expect("this program has a path");
    let log = o.dir.join("batch.out");
    let out = std::fs::File::create(&log).expect("the folder is writable");
    let err_path = o.dir.join("batch.err");
    let err = std::fs::File::create(&err_path).expect("the folder is writable");
    let mut process = Command::new(exe)
        .args([
            "--child".to_string(),
            format!("--mode={}", o.mode),
            format!("--seed={seed}"),
            format!("--count={count}"),
            format!("--dir={}", o.dir.display()),
        ])
        .args(o.census.then_some("--census"))
        .args(flag(o.which))
        .stdout(out)
        .stderr(err)
        .spawn()
        .expect("this program starts");
    let progress = o.dir.join("progress");
    let mut last = (String::new(), Instant::now(), 0);
    let ended = loop {
        if let Some(status) = process.try_wait().expect("a child") {
            if status.success() {
                break None;
            }
            let err = std::fs::read_to_string(&err_path).unwrap_or_default();
            break Some(format!(
                "{status}: {}",
                err.lines().take(6).collect::<Vec<_>>().join(" | ")
            ));
        }
        let now = std::fs::read_to_string(&progress).unwrap_or_default();
        if now != last.0 {
            last = (now, Instant::now(), used(process.id()));
        } else if last.1.elapsed() > Duration::from_secs(PATIENCE)
            && (used(process.id()) > last.2 + PATIENCE
                || last.1.elapsed() > Duration::from_secs(PATIENCE_IDLE))
        {
            let _ = process.kill();
            let _ = process.wait();
            break Some("hangs".to_string());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    (std::fs::read_to_string(&log).unwrap_or_default(), ended)
}

fn main() {
    let mut o = match options() {
        Ok(o) => o,
        Err(why) => {
            eprintln!("{why}");
            std::process::exit(2);
        }
    };
    std::fs::create_dir_all(&o.dir).expect("the folder can be made");
    if o.show {
        if o.mode == "programs" {
            let p = program::program(o.seed);
            println!("{}", text_of(&p.modules));
            match p.expected {
                Some(e) => println!("#### expected\n{}#### {:?}", e.out, e.end),
                None => println!("#### nothing is known of its run"),
            }
        } else {
            println!("{}", text_of(&mutant(o.seed, &corpus())));
        }
        return;
    }
    if o.child {
        // Like the command: deep trees are walked on a large stack.
        let run = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || child(&o));
        let ok = run.expect("a thread starts").join().is_ok();
        std::process::exit(i32::from(!ok));
    }
    let log = o.dir.join("log.txt");
    if o.resume {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        for line in text.lines() {
            let field = |k: &str| {
                line.split_whitespace()
                    .find_map(|w| w.strip_prefix(k))
                    .and_then(|n| n.parse::<u64>().ok())
            };
            if line.contains(&format!("--mode={}", o.mode))
                && let (Some(s), Some(n)) = (field("seed="), field("count="))
            {
                o.seed = o.seed.max(s + n);
            }
        }
    }
    let start = Instant::now();
    let before = std::fs::read_to_string(&log).unwrap_or_default();
    let (mut failures, mut compiled, mut known) = (Vec::new(), 0u64, 0u64);
    let mut census = Census::default();
    let end = o.seed + o.count;
    let mut at = o.seed;
    let mut line = String::new();
    while at < end {
        let n = BATCH.min(end - at);
        let (text, crashed) = batch(&o, at, n);
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |i: usize| {
                words
                    .get(i)
                    .and_then(|w| w.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            match words.first() {
                Some(&"FAIL") => {
                    println!("{line}");
                    failures.push(number(1));
                }
                Some(&"SUM") => {
                    compiled += number(1);
                    known += number(2);
                }
                Some(&"COUNT") => {
                    let name = words.get(2..).unwrap_or(&[]).join(" ");
                    *census.counts.entry(name).or_default() += number(1);
                }
                _ => {}
            }
        }
        at += n;
        if let Some(why) = crashed {
            let seed = std::fs::read_to_string(o.dir.join("progress"))
                .ok()
                .and_then(|s| s.parse::<u64>().ok());
            let seed = seed.unwrap_or(at);
            println!("FAIL {seed} crash: {why}");
            failures.push(seed);
            at = seed + 1;
        }
        line = format!(
            "jet-fuzz --mode={}{} generator={:08x} seed={} count={} failures={} compiled={compiled} predicted={known} seconds={}",
            o.mode,
            flag(o.which).map_or(String::new(), |f| format!(" {f}")),
            sources_hash(),
            o.seed,
            at - o.seed,
            failures.len(),
            start.elapsed().as_secs()
        );
        // A run that is ended has its line all the same.
        std::fs::write(&log, format!("{before}{line}\n")).expect("the log is writable");
    }
    println!("{line}");
    if o.mode == "programs" {
        if o.census {
            print!("{}", census.table());
        }
        let missing = census.missing();
        if !missing.is_empty() && (o.census || compiled >= 20_000) {
            println!("never produced: {}", missing.join(", "));
        }
    }
    std::process::exit(i32::from(!failures.is_empty()));
}

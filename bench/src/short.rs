//! `short`: whether programs that end soon are the slower for machine code. Every program of a folder that needs no flags
//! and runs under ten milliseconds, with `--jit=on` beside `--jit=off`.
//!
//! Must stay true: the two take turns, one process each, and a ratio comes from the medians of processor time, which
//! other processes disturb least.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::compare;
use crate::process::{Took, took};
use crate::stats::{self, middle};

/// Options of `short`.
#[derive(Args)]
pub struct Options {
    /// Pairs of processes for each program.
    #[arg(long, default_value_t = 11)]
    runs: usize,
    /// Milliseconds that a program may take, by the interpreter.
    #[arg(long, default_value_t = 10.0)]
    below: f64,
    /// Where the programs are; those of the tests where not given.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// The binary to measure; without it the release build is made first.
    #[arg(long)]
    jetvm: Option<PathBuf>,
}

/// Programs of one file that say nothing of how they are run.
fn plain(dir: &Path, out: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            plain(&path, out)?;
        } else if path.with_extension("out").is_file()
            && path.extension().is_some_and(|e| e == "jet")
            && std::fs::read_to_string(&path).is_ok_and(|t| !t.starts_with("#!"))
        {
            out.push(path);
        }
    }
    Ok(())
}

/// One process.
fn once(jetvm: &Path, mode: &str, bundle: &Path) -> Result<Took, String> {
    let mut command = Command::new(jetvm);
    command.args(["run", mode]).arg(bundle);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let (output, took) = took(&mut command)?;
    match output.status.success() {
        true => Ok(took),
        false => Err(output.status.to_string()),
    }
}

/// Runs it; prints the ratios.
pub fn run(options: &Options) -> Result<(), String> {
    let jetvm = compare::jetvm(options.jetvm.as_deref())?;
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs");
    let mut programs = Vec::new();
    plain(options.programs.as_deref().unwrap_or(&suite), &mut programs)?;
    let dir = std::env::temp_dir().join(format!("jet-short-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let bundle = dir.join("program.jbc");
    let (mut ratios, mut longer) = (Vec::new(), 0);
    for program in &programs {
        let mut build = Command::new(&jetvm);
        build.arg("build").arg(program).arg("-o").arg(&bundle);
        let (built, _) = took(build.stderr(Stdio::null()))?;
        // What asks for a capability that is not there by default is left out.
        if !built.status.success() || once(&jetvm, "--jit=off", &bundle).is_err() {
            continue;
        }
        let (mut off, mut on) = (Vec::new(), Vec::new());
        for _ in 0..options.runs.max(1) {
            off.push(once(&jetvm, "--jit=off", &bundle)?);
            on.push(once(&jetvm, "--jit=on", &bundle)?);
        }
        let elapsed = middle(&off.iter().map(|t| t.elapsed).collect::<Vec<_>>());
        if elapsed >= options.below {
            longer += 1;
            continue;
        }
        let used = |all: &[Took]| middle(&all.iter().map(|t| t.processor).collect::<Vec<_>>());
        let (off, on) = (used(&off), used(&on));
        let name = program.strip_prefix(&suite).unwrap_or(program);
        ratios.push((on / off, off, name.display().to_string()));
    }
    let _ = std::fs::remove_dir_all(&dir);
    ratios.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("ratio of processor time, --jit=on / off   ms with --jit=off");
    for (ratio, off, name) in ratios.iter().take(12) {
        println!("{name:<48} {ratio:>6.2} {off:>10.2}");
    }
    let all: Vec<f64> = ratios.iter().map(|r| r.0).collect();
    let mean = stats::geometric_mean(&all).unwrap_or_default();
    println!(
        "{} programs ({} took {} ms or more): geometric mean {mean:.3}, median {:.3}",
        all.len(),
        longer,
        options.below,
        middle(&all)
    );
    let sum = |of: fn(&(f64, f64, String)) -> f64| ratios.iter().map(of).sum::<f64>();
    println!("all together: {:.3}", sum(|r| r.0 * r.1) / sum(|r| r.1));
    Ok(())
}

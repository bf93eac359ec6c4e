//! The `pauses` command: a program with much alive, and how long collections stop it.
//!
//! Must stay true: what is printed was measured by the collector itself, in one run for each line; on a busy machine
//! a pause contains what other processes did meanwhile, so the processor's load is printed too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::compare;
use crate::process;

/// What `pauses` is asked for.
#[derive(Args)]
pub struct Options {
    /// Megabytes that stay alive.
    #[arg(long, value_name = "MB", default_value_t = 100)]
    live: u64,
    /// Thousands of rounds, of which each allocates nine objects and keeps one.
    #[arg(long, value_name = "N", default_value_t = 12_000)]
    rounds: u64,
    /// The `jetvm` to measure; built with cargo where not given.
    #[arg(long, value_name = "PATH")]
    jetvm: Option<PathBuf>,
    /// Seconds after which a process is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

/// Runs the program with both kinds of old space, without and with machine code.
pub fn run(options: &Options) -> Result<(), String> {
    let jetvm = compare::jetvm(options.jetvm.as_deref())?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("pauses");
    // 32 bytes an object and 4 for its place in the list.
    let objects = options.live * 1_000_000 / 36;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    println!(
        "{} MB alive; load average {load}; milliseconds",
        options.live
    );
    println!(
        "{:<16} {:>8} {:>8} {:>8} {:>8} {:>6} {:>8} {:>8} {:>10} {:>8}",
        "", "nursery", "p50", "p99", "max", "full", "p50", "max", "max/MB", "peak MB"
    );
    for (name, flags) in [
        ("copying", ["--jit=off", "--gc=normal"]),
        ("blocks", ["--jit=off", "--gc=blocks"]),
        ("copying, jit", ["--jit=on", "--gc=normal"]),
        ("blocks, jit", ["--jit=on", "--gc=blocks"]),
    ] {
        let mut command = Command::new(&jetvm);
        command.arg("run").arg(&program).args(flags);
        command.args(["--stats=json", "--max-memory=4G", "--"]);
        command.args([objects.to_string(), (options.rounds * 1000).to_string()]);
        let timeout = Duration::from_secs(options.timeout);
        let (_, errors) = process::run_both(&mut command, timeout)?;
        let stats: Value = errors
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
            .ok_or("it told no stats")?;
        println!("{}", line(name, &stats));
    }
    Ok(())
}

fn line(name: &str, stats: &Value) -> String {
    let number = |part: &str, field: &str| stats[part][field].as_f64().unwrap_or(f64::NAN);
    let live = number("heap", "live") / 1e6;
    format!(
        "{name:<16} {:>8} {:>8.3} {:>8.3} {:>8.3} {:>6} {:>8.2} {:>8.2} {:>10.3} {:>8.0}",
        number("nursery", "collections"),
        number("nursery", "p50_ms"),
        number("nursery", "p99_ms"),
        number("nursery", "max_ms"),
        number("full", "collections"),
        number("full", "p50_ms"),
        number("full", "max_ms"),
        number("full", "max_ms") / live,
        number("heap", "peak") / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_the_stats_say() {
        let stats = serde_json::json!({
            "heap": { "live": 100_000_000, "peak": 250_000_000 },
            "nursery": { "collections": 5, "p50_ms": 0.25, "p99_ms": 0.5, "max_ms": 1.0 },
            "full": { "collections": 2, "p50_ms": 40.0, "max_ms": 50.0 },
        });
        let text = line("copying", &stats);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "copying", "5", "0.250", "0.500", "1.000", "2", "40.00", "50.00", "0.500", "250"
            ]
        );
    }
}

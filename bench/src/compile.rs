//! `compile`: how many lines a second the compiler takes from source to a written, verified bundle,
//! beside `rustc --emit=metadata` on a Rust program of the same shape.
//!
//! Must stay true: the generated project has every declaration form of a program (`deferred fn` is of interface packages), at least 30 bytes a line on average and
//! at most one line in twenty blank or comment, and `main` reaches every function, so that all of it is lowered.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

/// Options of `compile`.
#[derive(Args)]
pub struct Options {
    /// Lines of the generated project, about.
    #[arg(long, default_value_t = 100_000)]
    lines: usize,
    /// The binary to measure.
    #[arg(long, default_value = "target/release/jetvm")]
    jetvm: PathBuf,
    /// How often; the shortest time counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Keep the projects in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// A generated project: files and what they hold.
struct Project {
    files: Vec<(String, String)>,
}

impl Project {
    fn lines(&self) -> usize {
        self.files.iter().map(|(_, t)| t.lines().count()).sum()
    }

    fn bytes(&self) -> usize {
        self.files.iter().map(|(_, t)| t.len()).sum()
    }

    /// Share of lines that are blank or comment.
    fn idle(&self) -> f64 {
        let idle = self
            .files
            .iter()
            .flat_map(|(_, t)| t.lines())
            .filter(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
            .count();
        idle as f64 / self.lines() as f64
    }

    fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for (name, text) in &self.files {
            std::fs::write(dir.join(name), text)?;
        }
        Ok(())
    }
}

/// One group of declarations of Jet, with `@` for its number.
const JET_GROUP: &str = "\
const LIMIT_@: int = @ % 1_000 + 17
derive Ord
struct Record@:
    first: int
    second: int
    mut count: int = 0
    name: string = \"record number @\"
    fn total(self) -> int:
        let sum = self.first * 3 + self.second - self.count
        self.count += 1
        return sum % LIMIT_@ + self.name.len()
enum Kind@:
    Plain(value: int)
    Named(text: string, value: int)
    Nothing
error Failure@:
    Missing(name: string)
    TooLarge(value: int, limit: int)
trait Measure@:
    fn measure(self, unit: int) -> int
    fn twice(self, unit: int) -> int:
        return self.measure(unit) * 2
impl Measure@ for Record@:
    fn measure(self, unit: int) -> int:
        return self.total() / max(unit, 1)
capability Journal@:
    fn note(text: string) -> int
struct Numbered@:
    mut lines: int
    out: Console
impl Journal@ for Numbered@:
    fn note(self, text: string) -> int:
        self.lines += 1
        self.out.print(f\"{self.lines:>4} {text} {LIMIT_@}\")
        return self.lines
capset Both@ = Journal@ + Console
struct Pair@[T]:
    left: T
    right: T
    fn swapped(self) -> Pair@[T]:
        return Pair@(self.right, self.left)
fn tell_@(text: string) -> int uses Both@:
    let pair = Pair@(text, f\"group number {LIMIT_@}\")
    Console.print(pair.swapped().left)
    return Journal@.note(pair.right)
test \"the value of a plain kind, @\":
    assert (value_@(Kind@.Plain(1)) else 0) == LIMIT_@ + 1
fn value_@(kind: Kind@) -> int ! Failure@:
    match kind:
        Kind@.Plain(value) if value > LIMIT_@ => raise Failure@.TooLarge(value, LIMIT_@)
        Kind@.Plain(value) => return value + LIMIT_@
        Kind@.Named(text, value) => return text.len() * value
        Kind@.Nothing => raise Failure@.Missing(\"nothing is here\")
fn pick_@[T: Ord](items: [T], other: T) -> T:
    let mut best = other
    for item in items:
        if best < item:
            best = item
    return best
fn work_@(items: [int], start: int) -> int uses Journal@:
    let mut total = start
    let counts = Map[int, int]()
    for index, item in items.enumerate():
        if item > LIMIT_@ and index % 2 == 0:
            total += item - (value_@(Kind@.Plain(index)) else 0)
        else:
            let record = Record@(item, second = index)
            total -= record.twice(index) + (value_@(Kind@.Nothing) else -1)
        counts.update(item % 7, 0, fn(n) => n + total)
    try:
        total += value_@(Kind@.Named(\"some text\", items.len()))?
    catch e: Failure@:
        Journal@.note(f\"failed with {e}\")
    let shifted = items.map(fn(x) => x + total).filter(fn(x) => x > 3)
    return Journal@.note(f\"{shifted.len()} items\") + pick_@(shifted, counts.len())
";

/// What stands once in a module, with `@` for its number: forms of which a program has few.
const JET_MODULE: &str = "\
import std.json
from std.math import sqrt
derive Json
struct Saved@:
    label: string
    sizes: [int]
    root: float?
struct Steps@[uses U]:
    steps: [fn(int) -> int uses U]
    fn run(self, start: int) -> int uses U:
        return self.steps.fold(start, fn(value, step) => step(value))
fn told_@(value: int) -> int uses Console:
    Console.print(f\"step {value}\")
    return value + 1
fn saved_@(items: [int]) -> int uses Console:
    let steps = Steps@([told_@, fn(value) => value * 2])
    let saved = Saved@(\"items of module @\", items, Some(sqrt(2.0)))
    return json.write(saved).len() + steps.run(items.len())
";

/// The like of a group in Rust.
const RUST_GROUP: &str = "\
const LIMIT_@: i64 = @ % 1_000 + 17;
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Record@ {
    first: i64,
    second: i64,
    count: i64,
    name: String,
}
impl Record@ {
    fn total(&mut self) -> i64 {
        let sum = self.first * 3 + self.second - self.count;
        self.count += 1;
        return sum % LIMIT_@ + self.name.len() as i64;
    }
}
pub enum Kind@ {
    Plain(i64),
    Named(String, i64),
    Nothing,
}
#[derive(Debug)]
pub enum Failure@ {
    Missing(String),
    TooLarge(i64, i64),
}
trait Measure@ {
    fn measure(&mut self, unit: i64) -> i64;
    fn twice(&mut self, unit: i64) -> i64 { self.measure(unit) * 2 }
}
impl Measure@ for Record@ {
    fn measure(&mut self, unit: i64) -> i64 { self.total() / unit.max(1) }
}
pub trait Journal@ {
    fn note(&mut self, text: &str) -> i64;
}
pub struct Numbered@ {
    lines: i64,
}
impl Journal@ for Numbered@ {
    fn note(&mut self, text: &str) -> i64 {
        self.lines += 1;
        println!(\"{:>4} {} {}\", self.lines, text, LIMIT_@);
        self.lines
    }
}
fn value_@(kind: Kind@) -> Result<i64, Failure@> {
    match kind {
        Kind@::Plain(value) if value > LIMIT_@ => Err(Failure@::TooLarge(value, LIMIT_@)),
        Kind@::Plain(value) => Ok(value + LIMIT_@),
        Kind@::Named(text, value) => Ok(text.len() as i64 * value),
        Kind@::Nothing => Err(Failure@::Missing(\"nothing is here\".to_string())),
    }
}
fn pick_@<T: Ord + Copy>(items: &[T], other: T) -> T {
    let mut best = other;
    for item in items { if best < *item { best = *item; } }
    best
}
pub struct Pair@<T> { left: T, right: T }
impl<T> Pair@<T> {
    fn swapped(self) -> Pair@<T> {
        Pair@ { left: self.right, right: self.left }
    }
}
pub fn tell_@(text: &str, journal: &mut dyn Journal@) -> i64 {
    let pair = Pair@ { left: text.to_string(), right: format!(\"group number {}\", LIMIT_@) };
    println!(\"{}\", pair.left);
    let pair = pair.swapped();
    return journal.note(&pair.left);
}
pub fn work_@(items: &[i64], start: i64, journal: &mut dyn Journal@) -> i64 {
    let mut total = start;
    let mut counts: std::collections::HashMap<i64, i64> = Default::default();
    for (index, &item) in items.iter().enumerate() {
        if item > LIMIT_@ && index % 2 == 0 {
            total += item - value_@(Kind@::Plain(index as i64)).unwrap_or(0);
        } else {
            let mut record = Record@ { first: item, second: index as i64, count: 0, name: \"record number @\".to_string() };
            total -= record.twice(index as i64) + value_@(Kind@::Nothing).unwrap_or(-1);
        }
        *counts.entry(item % 7).or_insert(0) += total;
    }
    match value_@(Kind@::Named(\"some text\".to_string(), items.len() as i64)) {
        Ok(v) => total += v,
        Err(e) => { journal.note(&format!(\"failed with {e:?}\")); }
    }
    let shifted: Vec<i64> = items.iter().map(|x| x + total).filter(|x| *x > 3).collect();
    journal.note(&format!(\"{} items\", shifted.len())) + pick_@(&shifted, counts.len() as i64)
}
";

/// Groups in one module: keeps files at a size that people write.
const GROUPS_PER_MODULE: usize = 12;

fn jet_project(lines: usize) -> Project {
    let groups = (lines / (JET_GROUP.lines().count() + 3)).max(1);
    let mut files = Vec::new();
    let mut main = String::new();
    let mut body = String::new();
    for module in 0..groups.div_ceil(GROUPS_PER_MODULE) {
        let range = module * GROUPS_PER_MODULE..groups.min((module + 1) * GROUPS_PER_MODULE);
        let mut text = String::new();
        let _ = writeln!(text, "## Generated module number {module}.");
        text.push_str(&JET_MODULE.replace('@', &module.to_string()));
        let mut calls = String::new();
        for g in range {
            text.push_str(&JET_GROUP.replace('@', &g.to_string()));
            let _ = write!(
                calls,
                "    with Journal{g} = Numbered{g}(0, Console):\n        total += work_{g}(items, {g}) + tell_{g}(\"done\")\n"
            );
        }
        let _ = write!(
            text,
            "fn run_{module}(items: [int]) -> int uses Console:\n    let mut total = saved_{module}(items)\n{calls}    return total\n"
        );
        let _ = writeln!(main, "from module{module} import run_{module}");
        let _ = writeln!(body, "    total += run_{module}(items)");
        files.push((format!("module{module}.jet"), text));
    }
    let _ = write!(
        main,
        "fn main() uses Console:\n    let items = [3, 1, 2]\n    let mut total = 0\n{body}    Console.print(string(total))\n"
    );
    files.push(("main.jet".to_string(), main));
    Project { files }
}

fn rust_project(lines: usize) -> Project {
    let groups = (lines / RUST_GROUP.lines().count()).max(1);
    let mut text = String::from("#![allow(warnings)]\n");
    for g in 0..groups {
        text.push_str(&RUST_GROUP.replace('@', &g.to_string()));
    }
    text.push_str("fn main() {}\n");
    Project {
        files: vec![("main.rs".to_string(), text)],
    }
}

/// Time and largest resident memory (bytes) of a command that has to succeed.
fn measure(command: &mut Command) -> Result<(Duration, u64), String> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{command:?}: {e}"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            let kib = text
                .lines()
                .find_map(|l| l.strip_prefix("VmHWM:"))
                .and_then(|v| v.trim().strip_suffix(" kB"))
                .and_then(|v| v.trim().parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0) * 1024);
        }
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            let time = start.elapsed();
            if status.success() {
                return Ok((time, peak));
            }
            let out = child.wait_with_output().map_err(|e| e.to_string())?;
            return Err(format!(
                "{command:?} failed: {}",
                String::from_utf8_lossy(&out.stderr)
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs both compilers in turn and prints lines a second, their ratio and the peak memory.
pub fn run(options: &Options) -> Result<(), String> {
    let base = options.keep.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("jet-bench-compile-{}", std::process::id()))
    });
    let jet = jet_project(options.lines);
    let rust = rust_project(options.lines);
    let io = |e: std::io::Error| e.to_string();
    jet.write(&base.join("jet")).map_err(io)?;
    rust.write(&base.join("rust")).map_err(io)?;
    println!(
        "{} lines of Jet in {} files, {:.1} bytes a line, {:.1} % blank or comment",
        jet.lines(),
        jet.files.len(),
        jet.bytes() as f64 / jet.lines() as f64,
        jet.idle() * 100.0
    );
    let mut best: [Option<(Duration, u64)>; 2] = [None, None];
    for _ in 0..options.runs.max(1) {
        let results = [
            measure(
                Command::new(&options.jetvm)
                    .arg("build")
                    .arg(base.join("jet"))
                    .arg("-o")
                    .arg(base.join("out.jbc")),
            )?,
            measure(
                Command::new("rustc")
                    .args([
                        "--edition",
                        "2021",
                        "--crate-type",
                        "bin",
                        "--emit=metadata",
                    ])
                    .arg("-o")
                    .arg(base.join("out.rmeta"))
                    .arg(base.join("rust/main.rs")),
            )?,
        ];
        for (slot, result) in best.iter_mut().zip(results) {
            *slot = Some(slot.map_or(result, |(t, m)| (t.min(result.0), m.max(result.1))));
        }
    }
    let mut speeds = Vec::new();
    for ((name, project), result) in [("jetvm build", &jet), ("rustc --emit=metadata", &rust)]
        .into_iter()
        .zip(best)
    {
        let (time, peak) = result.ok_or("nothing was measured")?;
        let speed = project.lines() as f64 / time.as_secs_f64();
        println!(
            "{name:<22} {:>8} lines {:>8.3} s {speed:>10.0} lines/s {:>6.0} MB at most",
            project.lines(),
            time.as_secs_f64(),
            peak as f64 / 1e6
        );
        speeds.push(speed);
    }
    if let [ours, theirs] = speeds.as_slice() {
        println!(
            "ratio of lines a second, ours / rustc: {:.1}",
            ours / theirs
        );
    }
    if options.keep.is_none() {
        let _ = std::fs::remove_dir_all(&base);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_what_the_rules_ask_for() {
        let p = jet_project(5_000);
        assert!(p.lines() > 4_500 && p.lines() < 5_500, "{}", p.lines());
        assert!(p.bytes() as f64 / p.lines() as f64 >= 30.0);
        assert!(p.idle() <= 0.05);
        for form in [
            "const ",
            "struct ",
            "enum ",
            "error ",
            "trait ",
            "impl ",
            "capability ",
            "capset ",
            "test ",
            "from ",
            "fn ",
            "derive ",
        ] {
            assert!(p.files.iter().any(|(_, t)| t.contains(form)), "{form}");
        }
    }
}

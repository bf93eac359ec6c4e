//! The `compare` command: makes the contenders ready, lets them take turns, reports.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::contender::{self, Contender, Mode, Peer};
use crate::output;
use crate::plot;
use crate::process;
use crate::report::{Cell, Measured, Participant, Report, Row};
use crate::shapes;
use crate::suite::{Counts, Scale, Suite};

/// What `compare` is asked for.
#[derive(Args)]
pub struct Options {
    /// What to compare; "Are We Fast Yet?" where its checkout is given, else the kernels.
    #[arg(long, value_enum)]
    suite: Option<Suite>,
    /// A checkout of the suite "Are We Fast Yet?" with the peers' programs.
    #[arg(long, value_name = "DIR", required_if_eq("suite", "awfy"))]
    awfy: Option<PathBuf>,
    /// Peers to run, or `none`; all where not given.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", value_parser = peer_name)]
    peers: Vec<PeerName>,
    /// Programs to run; all where not given.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Our modes to run.
    #[arg(long, value_delimiter = ',', value_enum, default_values = ["off", "on"])]
    modes: Vec<Mode>,
    /// Processes for each program and contender.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measurements in each process, instead of the scale's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    iterations: Option<u32>,
    /// How much work to do.
    #[arg(long, value_enum, default_value = "full")]
    scale: Scale,
    /// Writes the report to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the ratios of each of our modes and the curves of warming up into this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// The `jetvm` to measure; built with cargo where not given.
    #[arg(long, value_name = "PATH")]
    jetvm: Option<PathBuf>,
    /// Our programs; those of this repository where not given.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Seconds after which a process is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

/// A peer, or nobody at all.
#[derive(Clone, Copy, Debug)]
enum PeerName {
    Peer(Peer),
    Nobody,
}

fn peer_name(name: &str) -> Result<PeerName, String> {
    if name == "none" {
        return Ok(PeerName::Nobody);
    }
    Peer::from_str(name, true).map(PeerName::Peer).map_err(|_| {
        let known: Vec<&str> = Peer::value_variants().iter().map(|p| p.name()).collect();
        format!("there are {}, and none", known.join(", "))
    })
}

/// Runs a comparison, prints it and writes its JSON. An error is one of usage or of the
/// surroundings; runs that fail are in the report.
pub fn run(options: &Options) -> Result<Report, String> {
    let suite = match (options.suite, &options.awfy) {
        (Some(suite), _) => suite,
        (None, Some(_)) => Suite::Awfy,
        (None, None) => Suite::Kernels,
    };
    let programs = suite.select(&options.only)?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Scratch::new()?;
    let (sources, own) = match (suite, &options.awfy) {
        (Suite::Awfy, Some(checkout)) => (absolute(checkout)?, here.join("awfy")),
        (Suite::Awfy, None) => return Err("`--awfy=DIR` is needed".to_owned()),
        (Suite::Kernels | Suite::Heap, _) => (here.join("kernels"), here.join("kernels/jet")),
        (Suite::Shapes, _) => {
            let file = scratch.path.join("main.jet");
            fs::write(&file, shapes::source()).map_err(|e| format!("{}: {e}", file.display()))?;
            (here.join("kernels"), file)
        }
    };
    if suite == Suite::Awfy && !sources.join("benchmarks").is_dir() {
        return Err(format!(
            "{} is no checkout of the suite: it has no folder `benchmarks`",
            sources.display()
        ));
    }
    let jetvm = jetvm(options.jetvm.as_deref())?;
    let our_programs = absolute(options.programs.as_deref().unwrap_or(&own))?;

    let mut contenders = Vec::new();
    let mut participants = Vec::new();
    for mode in &options.modes {
        let ours = contender::ours(*mode, &jetvm, &our_programs, suite);
        participants.push(takes_part(&ours));
        contenders.push(ours);
    }
    for peer in wanted_peers(&options.peers, suite) {
        let made = match suite {
            Suite::Awfy => contender::awfy_peer(peer, &sources, &scratch.path),
            Suite::Kernels | Suite::Heap | Suite::Shapes => {
                contender::kernel_peer(peer, suite, &sources, &scratch.path)
            }
        };
        match made {
            Ok(peer) => {
                participants.push(takes_part(&peer));
                contenders.push(peer);
            }
            Err(reason) => {
                eprintln!("skipped {}: {reason}", peer.name());
                participants.push(Participant {
                    name: peer.name().to_owned(),
                    ours: false,
                    version: String::new(),
                    skipped: Some(reason),
                });
            }
        }
    }

    let timeout = Duration::from_secs(options.timeout);
    let mut rows = Vec::new();
    for program in programs {
        let counts = program.counts(options.scale, options.iterations);
        let measured = in_turn(&contenders, program.name, counts, options.runs, timeout);
        let collector: Vec<Option<u64>> = measured.iter().map(|m| m.2).collect();
        let measured = measured.into_iter().map(|(m, result, _)| (m, result));
        let measured = output::agreeing(measured.collect());
        rows.push(Row {
            program: program.name.to_owned(),
            iterations: counts.iterations,
            inner: counts.inner,
            cells: contenders
                .iter()
                .zip(measured)
                .zip(collector)
                .map(|((contender, measured), collector)| Cell {
                    collector_us: collector,
                    ..Cell::new(&contender.name, measured)
                })
                .collect(),
        });
    }

    let mut report = Report {
        suite: suite.name().to_owned(),
        scale: options.scale.name().to_owned(),
        runs: options.runs,
        machine: machine(),
        participants,
        rows,
        means: Vec::new(),
    };
    report.fill_means();
    print!("{}", report.text());
    if suite == Suite::Shapes {
        print!("{}", report.beside_interpreter());
    }
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
        write(path, json + "\n")?;
    }
    if let Some(folder) = &options.svg {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for ours in report.active(true) {
            if let Some(picture) = plot::ratios(&report, &ours) {
                write(&folder.join(format!("ratios-{ours}.svg")), picture)?;
            }
        }
        write(&folder.join("warm-up.svg"), plot::curves(&report))?;
    }
    Ok(report)
}

/// Lets every contender run the program once, then again, `runs` times. Who failed once
/// is not asked again. With what each says that its result is.
fn in_turn(
    contenders: &[Contender],
    name: &str,
    counts: Counts,
    runs: u32,
    timeout: Duration,
) -> Vec<(Measured, Option<String>, Option<u64>)> {
    let mut measured = vec![(Measured::Runtimes(Vec::new()), None, None); contenders.len()];
    for _ in 0..runs {
        for (contender, measured) in contenders.iter().zip(&mut measured) {
            let (Measured::Runtimes(runtimes), result, collector) = measured else {
                continue;
            };
            eprintln!("{name}: {}", contender.name);
            let ran = process::run_both(&mut contender.command(name, counts), timeout).and_then(
                |(text, more)| {
                    *collector = output::collector(&more, counts.iterations).or(*collector);
                    let said = output::result(&text, name)?;
                    if !runtimes.is_empty() && said != *result {
                        return Err(format!("its runs differ: {result:?} and {said:?}"));
                    }
                    *result = said;
                    output::runtimes(&text, name, counts.iterations)
                },
            );
            match ran {
                Ok(found) => runtimes.extend(found),
                Err(reason) => {
                    eprintln!("{name}: {} failed: {reason}", contender.name);
                    measured.0 = Measured::Failed(reason);
                }
            }
        }
    }
    measured
}

fn takes_part(contender: &Contender) -> Participant {
    Participant {
        name: contender.name.clone(),
        ours: contender.ours,
        version: contender.version.clone(),
        skipped: None,
    }
}

/// The peers that were asked for, each once.
fn wanted_peers(names: &[PeerName], suite: Suite) -> Vec<Peer> {
    if names.is_empty() {
        let all = Peer::value_variants().iter().copied();
        return all.filter(|p| p.knows(suite)).collect();
    }
    let mut peers = Vec::new();
    for name in names {
        if let PeerName::Peer(peer) = name
            && !peers.contains(peer)
        {
            peers.push(*peer);
        }
    }
    peers
}

/// The binary to measure: the one that is named, or the release build, made first.
pub fn jetvm(named: Option<&Path>) -> Result<PathBuf, String> {
    named.map_or_else(build_jetvm, absolute)
}

/// Builds the release `jetvm` in the target directory that this program came from.
fn build_jetvm() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|e| format!("cannot find the target directory: {e}"))?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .ok_or("cannot find the target directory; use --jetvm=PATH")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "-p", "jetvm", "--target-dir"])
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .map_err(|e| format!("cannot start cargo: {e}; use --jetvm=PATH"))?;
    if !status.success() {
        return Err("jetvm does not build; use --jetvm=PATH".to_owned());
    }
    Ok(target
        .join("release")
        .join(format!("jetvm{}", env::consts::EXE_SUFFIX)))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The processor's name where the system tells it.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, name)| name.trim().to_owned())
        .unwrap_or_else(|| env::consts::ARCH.to_owned())
}

/// A directory for what is compiled, removed at the end.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let path = env::temp_dir().join(format!("jet-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        Ok(Scratch { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left-over files in the temporary directory are no reason to fail.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_parsed() {
        assert!(matches!(
            peer_name("luajit-joff"),
            Ok(PeerName::Peer(Peer::LuaJitOff))
        ));
        assert!(matches!(peer_name("none"), Ok(PeerName::Nobody)));
        assert!(peer_name("perl").unwrap_err().contains("lua5.4"));
    }

    #[test]
    fn no_peers_means_all_and_none_means_none() {
        assert_eq!(wanted_peers(&[], Suite::Awfy).len(), 7);
        assert_eq!(wanted_peers(&[], Suite::Kernels).len(), 5);
        assert_eq!(wanted_peers(&[PeerName::Nobody], Suite::Awfy), []);
        let twice = [PeerName::Peer(Peer::Node), PeerName::Peer(Peer::Node)];
        assert_eq!(wanted_peers(&twice, Suite::Awfy), [Peer::Node]);
    }
}

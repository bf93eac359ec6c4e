//! What the command line says: subcommands, grants, limits and modes.
//!
//! `jetvm FILE …` is `jetvm run FILE …`; flags stand on either side of FILE and take their value
//! after `=`, so that a word without dashes is always a subcommand, FILE or an argument. What the
//! architecture names and this version lacks is refused by name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use jet_vm::Quota;
use jet_vm::host::{Grants, Limits};

use super::bundle::{AsmArgs, BuildArgs, DisasmArgs, InspectArgs, KeyArgs, VerifyArgs};
use super::grants::{EVERYTHING, GrantArgs};
use super::observed::Observations;
use super::quantity::{count, duration, memory, size};
use crate::audit_log::Arguments;
use crate::engine::GcChoice;
use crate::near::nearest;
use crate::policy::{Policy, PolicyLimits};

/// The Jet virtual machine: checks, builds, audits and runs programs that hold no authority but
/// what you grant them.
#[derive(Debug, Parser)]
#[command(
    name = "jetvm",
    version,
    after_help = "`jetvm FILE …` is `jetvm run FILE …`. Console is granted unless `--deny-console`; \
    nothing else is, and a denial wins over a grant.\nExit codes: 0 fine, 1 the program failed or does not check, 2 usage, 3 refused, 4 a limit, 101 a bug of jetvm, 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How our own messages are written.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        require_equals = true,
        default_value = "human"
    )]
    pub message_format: MessageFormat,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a program.
    Run(Box<RunArgs>),
    /// Compiles a program into a bundle.
    Build(BuildArgs),
    /// Checks a program without running it.
    Check(CheckArgs),
    /// Explains a code of a message, or lists all.
    Explain(ExplainArgs),
    /// Runs what is typed, entry by entry.
    Repl(Box<ReplArgs>),
    /// Verifies a bundle, and its signatures.
    Verify(VerifyArgs),
    /// Shows what authority a program asks for and what it makes of it.
    Audit(AuditArgs),
    /// Shows a program's bytecode.
    Disasm(DisasmArgs),
    /// Assembles the text of a bundle.
    Asm(AsmArgs),
    /// Shows what a bundle is made of.
    Inspect(InspectArgs),
    /// Makes keys to sign bundles with.
    Key(KeyArgs),
    /// Runs a program's `test` blocks and the examples in its documentation, without any grants.
    Test(Box<TestArgs>),
    /// Brings source files into the one style.
    Fmt(FmtArgs),
    /// Shows the documentation of a package or of the standard library.
    Doc(DocArgs),
    /// Makes a package to start from.
    New(NewArgs),
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// FILE.jet, a folder with `main.jet` or `jet.toml`, or FILE.jbc.
    #[arg(value_name = "FILE|DIR")]
    pub input: PathBuf,
    /// Repairs the sources where the repair is certain.
    #[arg(long)]
    pub fix: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code such as E0601, or the name of a trap or limit [default: list all].
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// `repl`.
#[derive(Debug, Args)]
pub struct ReplArgs {
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    modes: ModeArgs,
}

impl ReplArgs {
    /// The flags, put together. The limits are those of one entry.
    pub fn options(&self) -> Result<RunOptions, String> {
        let mut options = RunOptions::of(&self.grants, &self.limits, &self.modes)?;
        if !options.quotas.is_empty() || !options.arguments.is_empty() {
            return Err("quotas and audits of a policy hold for `jetvm run` only".to_owned());
        }
        self.modes.no_stats()?;
        options.limits.time = options.limits.time.or(Some(REPL_TIME));
        Ok(options)
    }
}

/// How long an entry of the REPL may run unless a flag says otherwise.
const REPL_TIME: Duration = Duration::from_secs(60);

/// `fmt`.
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Source files, and folders whose `.jet` files are meant, also in folders inside.
    #[arg(value_name = "FILE|DIR", required_unless_present = "stdin")]
    pub inputs: Vec<PathBuf>,
    /// Changes nothing, lists the files that would be changed and exits with 1 if there are any.
    #[arg(long)]
    pub check: bool,
    /// Formats standard input to standard output.
    #[arg(long, conflicts_with = "inputs")]
    pub stdin: bool,
}

/// `doc`.
#[derive(Debug, Args)]
pub struct DocArgs {
    /// FILE.jet, or a folder with `main.jet` or `jet.toml`.
    #[arg(
        value_name = "FILE|DIR",
        required_unless_present = "std",
        conflicts_with = "std"
    )]
    pub input: Option<PathBuf>,
    /// The standard library instead of a package.
    #[arg(long)]
    pub std: bool,
    /// One module only.
    #[arg(long, value_name = "NAME", require_equals = true)]
    pub module: Option<String>,
    /// Shows what is not `pub`, too.
    #[arg(long)]
    pub private: bool,
    /// How it is written.
    #[arg(
        long,
        value_name = "FORMAT",
        require_equals = true,
        default_value = "markdown"
    )]
    pub format: DocFormat,
    /// A folder to write a page for each module to, instead of showing them.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `doc --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DocFormat {
    /// A page for each module.
    Markdown,
    /// One JSON object.
    Json,
}

/// `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The folder to make; its name is the package's.
    #[arg(value_name = "NAME")]
    pub path: PathBuf,
    /// A package for others to use, with `src/lib.jet` instead of `src/main.jet`.
    #[arg(long)]
    pub lib: bool,
}

/// `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// FILE.jet, a folder with `main.jet` or `jet.toml`, or FILE.jbc.
    #[arg(value_name = "FILE|DIR")]
    pub input: PathBuf,
    /// With `--diff`: the newer version.
    #[arg(value_name = "NEW", requires = "diff")]
    pub newer: Option<PathBuf>,
    /// Compares two versions: authority gained and lost.
    #[arg(long, requires = "newer")]
    pub diff: bool,
    /// With `--diff`: exit code 3 if the newer version gains authority.
    #[arg(long, requires = "diff")]
    pub deny_new: bool,
    /// Exit code 3 if the program (with `--diff`, the newer version) has warnings: the compiler's, and authority that is
    /// asked for and never used.
    #[arg(long)]
    pub deny_warnings: bool,
    /// Writes JSON.
    #[arg(long)]
    pub json: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// FILE.jet, a folder with `main.jet` or `jet.toml`, or FILE.jbc.
    #[arg(value_name = "FILE|DIR")]
    pub input: PathBuf,
    /// Says which grants the program needs, and why; does not run it.
    #[arg(long)]
    pub explain_grants: bool,
    /// Runs only a bundle that a trusted key signed.
    #[arg(long)]
    pub require_signature: bool,
    /// The keys that `--require-signature` trusts, one a line [default: the file that
    /// `JETVM_TRUSTED_KEYS` names].
    #[arg(
        long,
        value_name = "FILE",
        require_equals = true,
        requires = "require_signature"
    )]
    pub trusted_keys: Option<PathBuf>,
    /// Writes what the heap held when it was at its largest: by type, and by what holds it.
    #[arg(long, value_name = "FILE", require_equals = true)]
    pub heap_snapshot: Option<PathBuf>,
    /// Tells at the end which lines allocated how much: a table, or JSON in a file.
    #[arg(long, value_name = "FILE", require_equals = true, num_args = 0..=1, default_missing_value = EVERYTHING)]
    pub alloc_profile: Option<PathBuf>,
    /// Writes a line of JSON for each call of the host behind what the file holds.
    #[arg(long, value_name = "FILE", require_equals = true)]
    pub audit_log: Option<PathBuf>,
    /// Arguments of the program, after `--`.
    #[arg(last = true, value_name = "ARGS")]
    pub program_args: Vec<OsString>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    modes: ModeArgs,
}

/// `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// FILE.jet, or a folder with `main.jet` or `jet.toml`.
    #[arg(
        value_name = "FILE|DIR",
        required_unless_present = "std",
        conflicts_with = "std"
    )]
    pub input: Option<PathBuf>,
    /// The examples of the standard library instead of a program.
    #[arg(long)]
    pub std: bool,
    /// Only tests with this text in their name or path.
    #[arg(long, value_name = "TEXT", require_equals = true)]
    pub filter: Option<String>,
    /// How the outcome is written.
    #[arg(
        long,
        value_name = "FORMAT",
        require_equals = true,
        default_value = "human"
    )]
    pub format: TestFormat,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    modes: ModeArgs,
}

/// `test --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// A line for each test, and what went wrong.
    Human,
    /// One JSON object a line: each test, then the totals.
    Json,
    /// A JUnit document.
    Junit,
}

impl TestArgs {
    /// The flags, put together; there are no grants.
    pub fn options(&self) -> Result<RunOptions, String> {
        self.modes.no_stats()?;
        Ok(RunOptions {
            grants: Grants::default(),
            quotas: BTreeMap::new(),
            arguments: BTreeMap::new(),
            limits: self.limits.limits(&PolicyLimits::default()),
            jit: self.modes.jit.into(),
            jit_log: self.modes.jit_log,
            jit_dump: self.modes.jit_dump.clone(),
            gc: self.modes.gc,
            stats: self.modes.stats,
            gc_log: self.modes.gc_log,
            monitor: self.modes.monitor,
            seed: self.modes.seed,
            untrusted: self.limits.untrusted,
        })
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Units of work.
    #[arg(long, value_name = "N", require_equals = true, value_parser = count)]
    fuel: Option<u64>,
    /// Bytes of heap, as in 64M.
    #[arg(long, value_name = "SIZE", require_equals = true, value_parser = memory)]
    max_memory: Option<u64>,
    /// Wall time, as in 500ms.
    #[arg(long, value_name = "DUR", require_equals = true, value_parser = duration)]
    max_time: Option<Duration>,
    /// Nested calls.
    #[arg(long, value_name = "N", require_equals = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_depth: Option<u32>,
    /// Bytes written to the console and to files.
    #[arg(long, value_name = "SIZE", require_equals = true, value_parser = size)]
    max_output: Option<u64>,
    /// Tight limits for everything that no other flag sets.
    #[arg(long)]
    untrusted: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Modes")]
struct ModeArgs {
    /// Whether hot code becomes machine code.
    #[arg(long, value_name = "MODE", require_equals = true, default_value = "on")]
    jit: JitMode,
    /// Tells on standard error what is recorded and compiled, and why not.
    #[arg(long)]
    jit_log: bool,
    /// Shows what regions become, on standard error.
    #[arg(
        long,
        value_name = "ir,clif,asm",
        require_equals = true,
        value_delimiter = ','
    )]
    jit_dump: Vec<JitDump>,
    /// `normal`, `stress` (collect at every allocation) or `stress:N` (at every Nth); `blocks` and `stress-blocks[:N]`
    /// with a mark-region old space from the start.
    #[arg(long, value_name = "MODE", require_equals = true, value_parser = gc_mode, default_value = "normal")]
    gc: GcChoice,
    /// Says at the end what the run cost.
    #[arg(long, value_name = "json", require_equals = true, num_args = 0..=1, default_missing_value = "human")]
    stats: Option<StatsFormat>,
    /// Tells each collection on standard error.
    #[arg(long)]
    gc_log: bool,
    /// Asserts at every call that only declared authority is handed over (slower; a breach is a bug of ours).
    #[arg(long)]
    monitor: bool,
    /// Seed of the stress modes and of hash tables.
    #[arg(long, value_name = "N", require_equals = true, value_parser = count)]
    seed: Option<u64>,
}

/// How our own messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// With the source and marks in it.
    Human,
    /// One line each.
    Short,
    /// One JSON object a line.
    Json,
}

/// `--jit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JitMode {
    /// Interpreter only.
    Off,
    /// Machine code for hot code.
    On,
    /// Machine code of what comes a second time.
    Eager,
    /// Machine code at once, with forced exits.
    Stress,
}

impl From<JitMode> for jet_jit::Mode {
    fn from(mode: JitMode) -> Self {
        match mode {
            JitMode::Off => jet_jit::Mode::Off,
            JitMode::On => jet_jit::Mode::On,
            JitMode::Eager => jet_jit::Mode::Eager,
            JitMode::Stress => jet_jit::Mode::Stress,
        }
    }
}

/// A stage that `--jit-dump` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JitDump {
    /// Trace IR.
    Ir,
    /// Cranelift's IR.
    Clif,
    /// Machine code.
    Asm,
}

/// `--stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// Lines for people.
    Human,
    /// One JSON object.
    Json,
}

fn gc_mode(text: &str) -> Result<GcChoice, String> {
    let (mode, period) = match text.split_once(':') {
        None => (text, 1),
        Some((mode, n)) => match n.parse() {
            Ok(0) | Err(_) => return Err(format!("expected {mode}:N with N of at least 1")),
            Ok(n) => (mode, n),
        },
    };
    match mode {
        "normal" if mode == text => Ok(GcChoice::Normal),
        "blocks" if mode == text => Ok(GcChoice::Blocks),
        "stress" => Ok(GcChoice::Stress(period)),
        "stress-blocks" => Ok(GcChoice::StressBlocks(period)),
        _ => Err("expected normal, blocks, stress[:N] or stress-blocks[:N]".to_owned()),
    }
}

/// What a run needs to know besides the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// What the program is granted.
    pub grants: Grants,
    /// How much of each grant may be used, by capability.
    pub quotas: BTreeMap<String, Quota>,
    /// What the audit keeps of arguments, by capability; `None` of all others.
    pub arguments: BTreeMap<Option<String>, Arguments>,
    /// What it may cost.
    pub limits: Limits,
    /// `--jit`.
    pub jit: jet_jit::Mode,
    /// `--jit-log`.
    pub jit_log: bool,
    /// `--jit-dump`.
    pub jit_dump: Vec<JitDump>,
    /// `--gc`.
    pub gc: GcChoice,
    /// `--stats`.
    pub stats: Option<StatsFormat>,
    /// `--gc-log`.
    pub gc_log: bool,
    /// `--monitor`.
    pub monitor: bool,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--untrusted`.
    pub untrusted: bool,
}

impl RunOptions {
    /// How the compiler of machine code works.
    #[must_use]
    pub fn compiler(&self, seed: u64) -> jet_jit::Options {
        let dump = self.jit_dump.iter().map(|d| match d {
            JitDump::Ir => jet_jit::Dump::Ir,
            JitDump::Clif => jet_jit::Dump::Clif,
            JitDump::Asm => jet_jit::Dump::Asm,
        });
        jet_jit::Options {
            mode: self.jit,
            log: self.jit_log,
            dump: dump.collect(),
            seed,
            masked: self.untrusted,
            ..jet_jit::Options::default()
        }
    }

    fn of(grants: &GrantArgs, limits: &LimitArgs, modes: &ModeArgs) -> Result<RunOptions, String> {
        let policy = match &grants.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::default(),
        };
        let mut granted = policy.scopes.merge(grants.scopes())?;
        granted.protect(grants.policy.clone());
        Ok(RunOptions {
            grants: granted,
            quotas: policy.quotas,
            arguments: policy.arguments,
            limits: limits.limits(&policy.limits),
            untrusted: limits.untrusted || policy.limits.untrusted,
            jit: modes.jit.into(),
            jit_log: modes.jit_log,
            jit_dump: modes.jit_dump.clone(),
            gc: modes.gc,
            stats: modes.stats,
            gc_log: modes.gc_log,
            monitor: modes.monitor,
            seed: modes.seed,
        })
    }
}

impl RunArgs {
    /// The flags and the policy that they name, put together.
    pub fn options(&self) -> Result<RunOptions, String> {
        let mut options = RunOptions::of(&self.grants, &self.limits, &self.modes)?;
        let ours = [&self.audit_log, &self.trusted_keys];
        options.grants.protect(ours.into_iter().flatten().cloned());
        Ok(options)
    }

    /// What is to be observed, and where it goes.
    #[must_use]
    pub fn observations(&self) -> Observations {
        let file = |path: &PathBuf| (path.as_os_str() != EVERYTHING).then(|| path.clone());
        Observations {
            snapshot: self.heap_snapshot.clone(),
            allocations: self.alloc_profile.as_ref().map(file),
        }
    }
}

impl ModeArgs {
    /// `--stats` tells of one run, and what runs many programs has no end to tell it at.
    fn no_stats(&self) -> Result<(), String> {
        match self.stats {
            Some(_) => {
                Err("`--stats` tells what one program cost: use it with `jetvm run`".to_owned())
            }
            None => Ok(()),
        }
    }
}

impl LimitArgs {
    /// The flags' limits within the policy's: each says what it sets, and of what it calls untrusted the rest; the smaller one holds.
    fn limits(&self, policy: &PolicyLimits) -> Limits {
        let flags = PolicyLimits {
            untrusted: self.untrusted,
            fuel: self.fuel,
            memory: self.max_memory,
            time: self.max_time,
            depth: self.max_depth,
            output: self.max_output,
        };
        let (a, b, base) = (flags.whole(), policy.whole(), Limits::default());
        let untrusted = a.untrusted || b.untrusted;
        Limits {
            fuel: smaller(a.fuel, b.fuel).or(base.fuel),
            memory: smaller(a.memory, b.memory).unwrap_or(base.memory),
            depth: smaller(a.depth, b.depth).unwrap_or(base.depth),
            time: smaller(a.time, b.time).or(base.time),
            output: smaller(a.output, b.output).unwrap_or(base.output),
            handles: if untrusted {
                Limits::untrusted().handles
            } else {
                base.handles
            },
        }
    }
}

/// The smaller of two limits, where they are given.
fn smaller<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether this version answers a subcommand.
fn is_command(word: &str) -> bool {
    word == "help" || Cli::command().find_subcommand(word).is_some()
}

/// Subcommands to come.
const LATER_COMMANDS: &[&str] = &[
    "add", "update", "publish", "install", "lsp", "worker", "mcp",
];

/// Flags to come.
const LATER_FLAGS: &[&str] = &[
    "--allow-tasks",
    "--allow-plugins",
    "--allow-ffi",
    "--deny-tasks",
    "--deny-plugins",
    "--deny-ffi",
    "--trust",
    "--max-tasks",
    "--link",
    "--profile",
];

/// Flags whose value may stand behind a space; every other flag has its value inside.
const TAKES_A_WORD: &[&str] = &["-o", "--output", "--sign", "--key"];

/// Why a command line was not taken.
#[derive(Debug)]
pub enum Refused {
    /// By us.
    Message(String),
    /// By the parser, or help was asked for.
    Clap(clap::Error),
    /// By the parser, with what to write instead.
    Help(clap::Error, String),
}

/// Reads a command line, without the program's own name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, Refused> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let ours = args
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(args.len());
    let later = |what: &str| Refused::Message(format!("`{what}` is not supported yet"));
    for arg in args.iter().take(ours) {
        let text = arg.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        if LATER_FLAGS.contains(&name) {
            return Err(later(name));
        }
    }
    let is_word = |at: usize| {
        let after_output = at
            .checked_sub(1)
            .and_then(|i| args.get(i))
            .is_some_and(|arg| TAKES_A_WORD.iter().any(|flag| arg == flag));
        !after_output
            && args
                .get(at)
                .is_some_and(|arg| !arg.to_string_lossy().starts_with('-'))
    };
    match (0..ours).find(|at| is_word(*at)) {
        Some(at) => {
            let word = args
                .get(at)
                .map(|arg| arg.to_string_lossy().into_owned())
                .unwrap_or_default();
            if is_command(&word) {
                let word = args.remove(at);
                args.insert(0, word);
            } else if LATER_COMMANDS.contains(&word.as_str()) {
                return Err(later(&format!("jetvm {word}")));
            } else if let Some(command) = misspelt(&word) {
                return Err(Refused::Message(format!(
                    "there is no command and no file `{word}`: did you mean `{command}`?"
                )));
            } else {
                args.insert(0, "run".into());
            }
        }
        None => {
            let asks = |arg: &OsString| {
                ["-h", "--help", "-V", "--version"]
                    .iter()
                    .any(|flag| arg == flag)
            };
            if ours > 0 && !args.iter().take(ours).any(asks) {
                args.insert(0, "run".into());
            }
        }
    }
    if args.first().is_some_and(|word| word == "test") {
        let grant = args.iter().map(|arg| arg.to_string_lossy()).find(|arg| {
            ["--allow-", "--deny-"]
                .iter()
                .any(|prefix| arg.starts_with(prefix))
        });
        if let Some(grant) = grant {
            let name = grant.split('=').next().unwrap_or_default();
            return Err(Refused::Message(format!(
                "`{name}` with `jetvm test`: tests hold no grants, only what they bind with `with` (`with Console = Buffer():`)"
            )));
        }
    }
    let line = std::iter::once(OsString::from("jetvm")).chain(args.iter().cloned());
    Cli::try_parse_from(line).map_err(|error| match stray(&error, &args) {
        Some(help) => Refused::Help(error, help),
        None => Refused::Clap(error),
    })
}

/// The command that a word without dots and slashes was meant to be, if no file has that name.
fn misspelt(word: &str) -> Option<String> {
    if word.contains(['.', '/', std::path::MAIN_SEPARATOR]) || std::path::Path::new(word).exists() {
        return None;
    }
    let cli = Cli::command();
    let commands = cli.get_subcommands().map(clap::Command::get_name);
    nearest(word, commands).map(str::to_owned)
}

/// What to write instead of a word that stands where none is expected.
fn stray(error: &clap::Error, args: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if word.starts_with('-') {
        return None;
    }
    let cli = Cli::command();
    let command = cli.find_subcommand(args.first()?.to_str()?)?;
    let flag = args.windows(2).find_map(|pair| match pair {
        [flag, value] if value.to_str() == Some(word) => flag.to_str(),
        _ => None,
    });
    let takes_value = |flag: &str| {
        let mut all = command.get_arguments().chain(cli.get_arguments());
        all.any(|a| a.get_long() == flag.strip_prefix("--") && a.get_action().takes_values())
    };
    match flag {
        Some(flag) if flag.starts_with("--") && takes_value(flag) => Some(format!(
            "the value of a flag stands behind `=`: `{flag}={word}`"
        )),
        _ if command.get_name() == "run" => Some(format!(
            "arguments of the program stand behind `--`: `-- {word}`"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

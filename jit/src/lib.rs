//! Machine code for hot code: recorder, regions, trace IR, optimiser, back end.
//!
//! The interpreter counts at loop heads and function entries. Where a counter runs out, a recording follows
//! the interpreter for a while (`recorder`) and notes which way jumps and calls went; the places that were
//! seen form a region (`region`, `paths`), which becomes trace IR (`lower`, `ir`), is optimised (`opt`) and
//! compiled as one function (`backend`). What was not seen is an exit: it leaves registers where the
//! interpreter expects them and goes on there. An exit that is taken often is recorded too, and its region
//! compiled again with what was seen.
//!
//! What must stay true: at every exit, call and step the VM frames are complete; fuel is what the interpreter
//! would have; nothing is decided by what a bundle claims. See `docs/jit.md`.

mod backend;
mod budget;
mod emit;
mod emit_ops;
mod emit_own;
mod inline;
pub mod ir;
mod ir_check;
mod lower;
mod lower_calls;
mod lower_enums;
mod lower_ops;
mod lower_text;
mod opt;
mod paths;
mod recorder;
pub mod region;
mod rotate;
mod show;
mod tuning;

use std::fmt;

pub use opt::Passes;
pub use recorder::Compiler;

/// What `--jit` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Interpreter only.
    #[default]
    Off,
    /// Machine code for hot code.
    On,
    /// Machine code of what comes a second time, whatever compiling takes: for tests, whose programs are short.
    Eager,
    /// Machine code at once, with forced exits and small regions.
    Stress,
}

impl Mode {
    /// As the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::On => "on",
            Mode::Eager => "eager",
            Mode::Stress => "stress",
        }
    }

    /// What runs the program in this mode, for statistics.
    #[must_use]
    pub fn engine(self) -> &'static str {
        if self == Mode::Off || !supported() {
            "interpreter"
        } else if WITHOUT_LIMITS {
            "tracing, without fuel and limits"
        } else {
            "tracing"
        }
    }
}

/// Machine code that pays no fuel and looks at no limit of depth: only to measure what these cost (`bench/README.md`). No feature of
/// cargo, since a feature that one crate asks for all get; a build has it that sets `RUSTFLAGS="--cfg jet_without_limits"`, and says so.
pub(crate) const WITHOUT_LIMITS: bool = cfg!(jet_without_limits);

/// Whether there is a back end for this machine.
#[must_use]
pub fn supported() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

/// What a dump shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// Trace IR.
    Ir,
    /// Cranelift's IR.
    Clif,
    /// Machine code.
    Asm,
}

/// How a compiler works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mode; `Off` makes a compiler that never compiles.
    pub mode: Mode,
    /// Whether to tell what happens, on standard error.
    pub log: bool,
    /// What to show of each region, on standard error.
    pub dump: Vec<Dump>,
    /// Seed of forced exits.
    pub seed: u64,
    /// Passes of the optimiser.
    pub passes: Passes,
    /// Whether indices of arrays are masked too, so that speculation cannot read behind their ends.
    pub masked: bool,
    /// Whether Cranelift and we check what we make.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            mode: Mode::default(),
            log: false,
            dump: Vec::new(),
            seed: 0,
            passes: Passes::default(),
            masked: false,
            verify: cfg!(debug_assertions),
        }
    }
}

/// Why a region was not compiled: the one table of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abort {
    /// More places than a region may have.
    TooLarge,
    /// A loop that is entered in two places.
    Irreducible,
    /// An instruction in a form that is not compiled.
    Unsupported(&'static str),
    /// A belief of ours did not hold: a bug, but a harmless one.
    Internal(&'static str),
    /// Cranelift refused.
    Backend,
    /// The quota of machine code is used up.
    Quota,
    /// There is no time for it yet.
    Later,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Abort::TooLarge => f.write_str("too large"),
            Abort::Irreducible => f.write_str("irreducible loop"),
            Abort::Unsupported(what) => write!(f, "not compiled: {what}"),
            Abort::Internal(what) => write!(f, "internal: {what}"),
            Abort::Backend => f.write_str("refused by the back end"),
            Abort::Quota => f.write_str("code quota"),
            Abort::Later => f.write_str("no time yet"),
        }
    }
}

//! What hosts embed: a verified module, an instance of it with grants and limits, and its run.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jet_bytecode::format::{self, FormatError};
use jet_bytecode::linked::Program;
use jet_bytecode::opcodes::TrapKind;
use jet_bytecode::verify::{self, VerifiedProgram, VerifyError};
use jet_jit::Compiler;
use jet_vm::host::{HostCapability, HostUsage, LimitKind, Limits, interrupt};
use jet_vm::{AuditSink, Binding, GcMode, Instance, LoadError, Loaded, Outcome, TraceFrame, Trap};

use jet_vm::plug::{Jit, JitStats};

pub use jet_vm::InstanceError;

use crate::trap_text::{Ending, Frame};

/// A program that the verifier of this process passed. Immutable; instances share it.
#[derive(Debug)]
pub struct Module {
    loaded: Arc<Loaded>,
    /// The same program, with counters where `loaded` has none and the other way round.
    other: OnceLock<Option<Arc<Loaded>>>,
    hash: [u8; 32],
}

/// Why bytes did not become a [`Module`].
#[derive(Debug)]
pub enum Refusal {
    /// They are no bundle.
    Format(FormatError),
    /// They are no valid program.
    Verify(VerifyError),
    /// The program exceeds what the virtual machine can hold.
    Load(LoadError),
}

impl Refusal {
    /// For messages.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Refusal::Format(error) => error.to_string(),
            Refusal::Verify(error) => error.to_string(),
            Refusal::Load(error) => error.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Refusal {}

/// A program that the verifier passed, to be looked at or made ready to run.
#[derive(Debug)]
pub struct Verified {
    program: VerifiedProgram,
    hash: [u8; 32],
}

impl Verified {
    /// Reads and verifies a bundle. The bytes are the caller's own: nobody can change them meanwhile.
    pub fn from_bytes(bytes: &[u8]) -> Result<Verified, Refusal> {
        let decoded = format::read(bytes).map_err(Refusal::Format)?;
        let program = verify::verify_decoded(decoded).map_err(Refusal::Verify)?;
        let hash = format::root_hash(bytes).ok_or(Refusal::Format(FormatError::Truncated))?;
        Ok(Verified { program, hash })
    }

    /// The linked program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.program.program()
    }

    /// The bundle's root hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Makes it ready to run.
    pub fn load(self) -> Result<Module, Refusal> {
        self.load_for(false)
    }

    /// The same for runs with a compiler of machine code (or without: any module can do both, but then the
    /// first such run loads once more).
    pub fn load_for(self, compiler: bool) -> Result<Module, Refusal> {
        let loaded = if compiler {
            Loaded::counting(self.program)
        } else {
            Loaded::new(self.program)
        };
        Ok(Module {
            loaded: Arc::new(loaded.map_err(Refusal::Load)?),
            other: OnceLock::new(),
            hash: self.hash,
        })
    }
}

impl Module {
    /// Reads and verifies a bundle, and makes it ready to run.
    pub fn from_bytes(bytes: &[u8]) -> Result<Module, Refusal> {
        Verified::from_bytes(bytes)?.load()
    }

    /// Asserts from now on, at every call of every run, that only declared authority is handed over; a breach ends the
    /// run as a bug of ours. `false` if the program is running.
    #[must_use]
    pub fn observe(&mut self) -> bool {
        Arc::get_mut(&mut self.loaded).is_some_and(|loaded| {
            loaded.observe();
            true
        })
    }

    /// The program with counters or without.
    fn ready(&self, counts: bool) -> Arc<Loaded> {
        if self.loaded.counts() == counts || self.loaded.is_observed() {
            return Arc::clone(&self.loaded);
        }
        let made = self
            .other
            .get_or_init(|| self.loaded.again(counts).ok().map(Arc::new));
        Arc::clone(made.as_ref().unwrap_or(&self.loaded))
    }

    /// The linked program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.loaded.program()
    }

    /// The bundle's root hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

/// Modules that this process has verified, by root hash: the same content is verified once, whatever file it came
/// from. The hash is computed over the bytes at hand, never taken from them. Shared by threads; the oldest goes first
/// when there are too many.
#[derive(Debug)]
pub struct Modules {
    known: Mutex<Known>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<[u8; 32], Arc<Module>>,
    in_order: VecDeque<[u8; 32]>,
}

impl Default for Modules {
    fn default() -> Self {
        Modules::new(64)
    }
}

impl Modules {
    /// An empty cache for so many modules.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Modules {
            known: Mutex::default(),
            most: most.max(1),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked left the two tables as they were between two calls.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many modules it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known().by_hash.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The module of these bytes, verified now or before.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Module>, Refusal> {
        let hash = format::checked_root(bytes).map_err(Refusal::Format)?;
        if let Some(module) = self.known().by_hash.get(&hash) {
            return Ok(Arc::clone(module));
        }
        let module = Arc::new(Module::from_bytes(bytes)?);
        let mut known = self.known();
        while known.by_hash.len() >= self.most {
            match known.in_order.pop_front() {
                Some(oldest) => drop(known.by_hash.remove(&oldest)),
                None => break,
            }
        }
        if known.by_hash.insert(hash, Arc::clone(&module)).is_none() {
            known.in_order.push_back(hash);
        }
        Ok(module)
    }
}

/// How an instance runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it may cost.
    pub limits: Limits,
    /// How its heap collects.
    pub gc: GcChoice,
    /// Key of its hash tables.
    pub seed: u64,
    /// Told of each collection.
    pub gc_log: Option<jet_vm::CollectionLog>,
    /// Gets the lines of `dbg`.
    pub debug: Option<jet_vm::DebugLog>,
    /// What is remembered of its heap.
    pub observe: jet_vm::Observe,
    /// Whether and how machine code is made.
    pub jit: jet_jit::Options,
}

/// Whether machine code is made for a run: where it can be, and nobody looks at each call (the monitor) or each allocation, which
/// are the interpreter's.
pub fn compiles(mode: jet_jit::Mode, observe: jet_vm::Observe, monitored: bool) -> bool {
    mode != jet_jit::Mode::Off && jet_jit::supported() && !monitored && !observe.allocations
}

/// When a heap collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcChoice {
    /// When it pays.
    Normal,
    /// At every Nth allocation.
    Stress(u32),
    /// When it pays, with a mark-region old space from the first full collection on.
    Blocks,
    /// At every Nth allocation, with a mark-region old space.
    StressBlocks(u32),
}

impl fmt::Display for GcChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GcChoice::Normal => f.write_str("normal"),
            GcChoice::Stress(1) => f.write_str("stress"),
            GcChoice::Stress(n) => write!(f, "stress:{n}"),
            GcChoice::Blocks => f.write_str("blocks"),
            GcChoice::StressBlocks(1) => f.write_str("stress-blocks"),
            GcChoice::StressBlocks(n) => write!(f, "stress-blocks:{n}"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `main` returned.
    Done,
    /// `main` returned this error.
    Failed(String),
    /// A trap or a limit.
    Ended(Ending),
    /// Cancelled from outside.
    Interrupted,
    /// A bug of ours.
    Bug(String),
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// Fuel used.
    pub fuel: u64,
    /// What its heap went through.
    pub heap: jet_vm::HeapStats,
    /// Calls of and output through host capabilities.
    pub usage: HostUsage,
    /// What the monitor saw, if the module is observed.
    pub observed: Option<jet_vm::Observed>,
    /// What the compiler of machine code did.
    pub jit: JitStats,
    /// Allocations by line, if they were counted.
    pub allocations: Option<Vec<jet_vm::Allocations>>,
    /// What the heap held at its largest, if that was looked at.
    pub snapshot: Option<jet_vm::Snapshot>,
}

impl Module {
    /// Runs `main` with the program's arguments under these grants. `Err` says why nothing ran.
    pub fn run(
        &self,
        grants: Vec<Box<dyn HostCapability>>,
        args: &[String],
        config: &Config,
    ) -> Result<Report, InstanceError> {
        let grants = grants.into_iter().map(Binding::from).collect();
        self.run_bound(grants, args, config, None)
    }

    /// The same under grants that may have quotas and may be taken back, with somebody who is told of each call.
    pub fn run_bound(
        &self,
        grants: Vec<Binding>,
        args: &[String],
        config: &Config,
        audit: Option<AuditSink>,
    ) -> Result<Report, InstanceError> {
        let compiles = compiles(config.jit.mode, config.observe, self.loaded.is_observed());
        let vm_config = jet_vm::Config {
            limits: config.limits.clone(),
            gc: match config.gc {
                GcChoice::Normal | GcChoice::Blocks => GcMode::Normal,
                GcChoice::Stress(n) | GcChoice::StressBlocks(n) => GcMode::Stress(n),
            },
            blocks_from: match config.gc {
                GcChoice::Normal | GcChoice::Stress(_) => jet_vm::BLOCKS_FROM,
                GcChoice::Blocks | GcChoice::StressBlocks(_) => 0,
            },
            seed: config.seed,
            gc_log: config.gc_log,
            debug: config.debug.clone(),
            observe: config.observe,
            jit: compiles.then(|| Box::new(Compiler::new(config.jit.clone())) as Box<dyn Jit>),
            audit,
            ..jet_vm::Config::default()
        };
        let mut instance = match Instance::new(self.ready(compiles), vm_config, grants) {
            Ok(instance) => instance,
            Err(InstanceError::Constants(why)) => {
                return Ok(Report::at_start(LimitKind::Memory, why));
            }
            Err(why) => return Err(why),
        };
        interrupt::also_set(instance.cancel_flag());
        let outcome = instance.run(args);
        let observed = instance.observed().cloned();
        let breach = observed.as_ref().and_then(|o| o.breach.clone());
        let end = match outcome {
            _ if breach.is_some() => End::Bug(format!(
                "the monitor found a breach of the capability rules: {}",
                breach.unwrap_or_default()
            )),
            Outcome::Finished => End::Done,
            Outcome::Failed(failure) => End::Failed(failure.text),
            Outcome::Limit(limit, trap) => End::Ended(ending(Some(limit), trap)),
            Outcome::Trapped(trap)
                if trap.kind == TrapKind::Cancelled && interrupt::interrupted() =>
            {
                End::Interrupted
            }
            Outcome::Trapped(trap) => End::Ended(ending(None, trap)),
            Outcome::Waiting(_) => End::Bug("the run stopped while it waited".to_owned()),
        };
        let stats = instance.stats();
        Ok(Report {
            end,
            fuel: stats.fuel,
            heap: stats.gc,
            usage: stats.host,
            observed,
            jit: instance.jit_stats().unwrap_or_default(),
            allocations: instance.allocations(),
            snapshot: instance.snapshot().cloned(),
        })
    }
}

impl Report {
    /// Of a run that a limit ended before the first instruction.
    fn at_start(limit: LimitKind, message: String) -> Report {
        let ending = Ending {
            limit: Some(limit),
            kind: limit.name().to_owned(),
            message,
            stack: Vec::new(),
            elided: None,
        };
        Report {
            end: End::Ended(ending),
            fuel: 0,
            heap: jet_vm::HeapStats::default(),
            usage: HostUsage::default(),
            observed: None,
            jit: JitStats::default(),
            allocations: None,
            snapshot: None,
        }
    }
}

fn ending(limit: Option<LimitKind>, trap: Trap) -> Ending {
    let frame = |frame: TraceFrame| Frame {
        function: frame.function,
        file: frame.file,
        line: frame.line,
        column: frame.col,
    };
    Ending {
        limit,
        kind: trap.kind.name().to_owned(),
        message: trap.message,
        stack: trap.stack.into_iter().map(frame).collect(),
        elided: trap.elided,
    }
}

//! What hosts embed: a verified module, an instance of it with grants and limits, and its run.

use std::fmt;
use std::sync::Arc;

use jet_bytecode::format::{self, FormatError};
use jet_bytecode::linked::Program;
use jet_bytecode::verify::{self, VerifiedProgram, VerifyError};
use jet_vm::host::{HostCapability, HostUsage, Limits};

use crate::trap_text::Ending;

/// A program that the verifier of this process passed. Immutable; instances share it.
#[derive(Debug)]
pub struct Module {
    program: Arc<VerifiedProgram>,
    hash: [u8; 32],
}

/// Why bytes did not become a [`Module`].
#[derive(Debug)]
pub enum Refusal {
    /// They are no bundle.
    Format(FormatError),
    /// They are no valid program.
    Verify(VerifyError),
}

impl Refusal {
    /// For messages.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Refusal::Format(error) => error.to_string(),
            Refusal::Verify(error) => error.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Refusal {}

impl Module {
    /// Reads and verifies a bundle. The bytes are the caller's own: nobody can change them meanwhile.
    pub fn from_bytes(bytes: &[u8]) -> Result<Module, Refusal> {
        let bundle = format::decode(bytes).map_err(Refusal::Format)?;
        let program = verify::verify(bundle).map_err(Refusal::Verify)?;
        let hash = format::root_hash(bytes).ok_or(Refusal::Format(FormatError::Truncated))?;
        Ok(Module {
            program: Arc::new(program),
            hash,
        })
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
}

/// When a heap collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcChoice {
    /// When it pays.
    Normal,
    /// At every Nth allocation.
    Stress(u32),
}

impl fmt::Display for GcChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GcChoice::Normal => f.write_str("normal"),
            GcChoice::Stress(1) => f.write_str("stress"),
            GcChoice::Stress(n) => write!(f, "stress:{n}"),
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
    /// Bytes of heap at the end.
    pub heap_bytes: u64,
    /// Most bytes of heap.
    pub heap_peak: u64,
    /// Collections.
    pub collections: u64,
    /// Calls of and output through host capabilities.
    pub usage: HostUsage,
}

impl Module {
    /// Runs `main`.
    pub fn run(
        &self,
        _: Vec<Box<dyn HostCapability>>,
        _: Vec<String>,
        _: &Config,
    ) -> Result<Report, String> {
        Err("TEMPORARY".to_owned())
    }
}

//! Limits of one instance, and which of them ended a run.
//!
//! Every limit is enforced where the work is done, before it is done; none can be caught by the
//! program. `None` means without limit; a preset never leaves open what an untrusted program
//! could use to exhaust the machine.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Limits of memory that a heap can keep.
pub const MEMORY_RANGE: RangeInclusive<u64> = jet_gc::MIN_LIMIT..=jet_gc::MAX_LIMIT;

/// What a run may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units of work, exactly the same in every execution mode.
    pub fuel: Option<u64>,
    /// Bytes of heap, within [`MEMORY_RANGE`].
    pub memory: u64,
    /// Nested calls.
    pub depth: u32,
    /// Wall time.
    pub time: Option<Duration>,
    /// Bytes written, to the console and to files together.
    pub output: u64,
    /// Host handles (open files) at one time.
    pub handles: u32,
}

impl Default for Limits {
    /// What a program of one's own runs under: no bound on work or time, bounds on everything that
    /// could take the machine with it.
    fn default() -> Self {
        Limits {
            fuel: None,
            memory: 1 << 30,
            depth: 200_000,
            time: None,
            output: 1 << 30,
            handles: 256,
        }
    }
}

impl Limits {
    /// What a program that nobody vouches for runs under.
    #[must_use]
    pub fn untrusted() -> Self {
        Limits {
            fuel: Some(2_000_000_000),
            memory: 64 << 20,
            depth: 10_000,
            time: Some(Duration::from_secs(10)),
            output: 1 << 20,
            handles: 16,
        }
    }
}

/// Names a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// [`Limits::fuel`].
    Fuel,
    /// [`Limits::memory`].
    Memory,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::time`].
    Time,
    /// [`Limits::output`].
    Output,
    /// [`Limits::handles`].
    Handles,
}

impl LimitKind {
    /// Name for messages and statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LimitKind::Fuel => "fuel",
            LimitKind::Memory => "memory",
            LimitKind::Depth => "depth",
            LimitKind::Time => "time",
            LimitKind::Output => "output",
            LimitKind::Handles => "handles",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

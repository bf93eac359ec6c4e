//! Numbers: when a place is hot, how much is recorded and inlined, how large a region may be.
//!
//! What must stay true: they decide what is compiled and when, never what the program does.

use crate::Mode;

/// Numbers that a mode sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub loop_count: u32,
    pub entry_count: u32,
    /// Exits of one kind until it is recorded.
    pub exit_count: u32,
    /// Instructions of a recording.
    pub steps: u32,
    /// Times that a recording of a loop passes its head, and instructions: where fewer are all, what comes behind the
    /// loop belongs to its region.
    pub rounds: u32,
    pub round_steps: u32,
    /// How often more a loop has to be hot that is part of another root's region.
    pub covered: u32,
    /// Words of a function that is inlined: any, with loops.
    pub inline: [usize; 2],
    /// Inlined frames on top of each other.
    pub depth: usize,
    /// Contexts of a region.
    pub contexts: usize,
    /// Versions of a region.
    pub versions: u32,
    /// Bytes of machine code.
    pub quota: usize,
}

impl Tuning {
    pub fn of(mode: Mode) -> Tuning {
        let eager = mode == Mode::Eager;
        match mode {
            Mode::Stress => Tuning {
                loop_count: 1,
                entry_count: 2,
                exit_count: 1,
                steps: 3_000,
                rounds: 2,
                round_steps: 0,
                covered: 0,
                inline: [60, 30],
                depth: 3,
                contexts: 12,
                versions: 6,
                quota: 24 << 20,
            },
            _ => Tuning {
                loop_count: if eager { 2 } else { 1_000 },
                entry_count: if eager { 3 } else { 2_000 },
                exit_count: if eager { 2 } else { 100 },
                steps: 30_000,
                rounds: 6,
                round_steps: 500,
                covered: if eager { 0 } else { 60_000 },
                inline: [160, 100],
                depth: 8,
                contexts: 100,
                versions: 8,
                quota: 64 << 20,
            },
        }
    }
}

/// Times that an exit was taken for which a region that is compiled again gets its other way.
pub(crate) const WIDEN: u64 = 4;

/// Most places of a loop whose first iteration is peeled.
pub(crate) const PEEL: usize = 60;

/// Most places of a region in which places behind calls are copied.
pub(crate) const SPLIT: usize = 300;

/// Words of functions that are inlined into themselves, twice and once.
pub(crate) const TINY: usize = 24;
pub(crate) const SHORT: usize = 60;

/// Words of all inlined functions of a region: beyond that none is inlined, beyond half of it only short ones are.
pub(crate) const ROOM: usize = 1600;

/// Functions that are inlined at one call, and at one whose object has a type of a few.
pub(crate) const WAYS: usize = 16;
pub(crate) const MANY: usize = 40;

/// Functions at one call up to which their types are tested one after the other, and most type ids of a table for more.
pub(crate) const CHAIN: usize = 16;
pub(crate) const TABLE: usize = 128;

/// Most ways of a switch that all become ways of a region when one was left by.
pub(crate) const SWITCH: usize = 80;

/// Most instructions in a row of a call that stays one: what comes behind it is recorded when it is left to.
pub(crate) const SKIPPED: u32 = 3_000;

/// How often a loop waits for the region that has it, while that waits to be compiled.
pub(crate) const PATIENT: u32 = 40;

/// Calls of a function until it is compiled once machine code was left for want of its own.
pub(crate) const WANTED: u32 = 8;

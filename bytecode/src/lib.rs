//! Bytecode of Jet: what a compiled program is, how it is written down, and what is checked
//! before any of it runs.
//!
//! Invariants: nothing here does I/O or trusts its input; every table has one definition
//! (`opcodes`, `builtins`, `module`); no later stage may assume what the verifier did not check.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod analysis;
pub mod asm;
pub mod builder;
pub mod builtins;
pub mod disasm;
pub mod format;
pub mod joins;
pub mod layout;
pub mod limits;
pub mod linked;
pub mod module;
pub mod opcodes;
pub mod shown;
pub mod verify;

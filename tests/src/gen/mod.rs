//! Random programs and mutants, and what must hold for them.
//!
//! [`program`] writes a well-typed program for a seed, together with what it has to print: each piece of text is
//! made beside the function that computes it (see `core`), so an evaluator that shares no code with the compiler
//! or the virtual machine says what is right. [`oracle`] compiles, verifies and runs in several modes.
//! [`mutate`] changes texts. [`census`] counts the forms of the tree and the opcodes that were produced.
//! What must stay true: the same seed gives the same program; programs end by construction.

mod branch;
mod build;
pub mod census;
mod change;
pub mod core;
mod expr;
mod extra;
mod lists;
mod loops;
pub mod mutate;
mod ops;
pub mod oracle;
mod pattern;
pub mod program;
pub mod rng;
mod stmt;
pub mod value;

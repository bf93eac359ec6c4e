//! Random programs and mutants, and what must hold for them.
//!
//! [`program`] writes a well-typed program for a seed, together with what it has to print: each piece of text is
//! made beside the function that computes it (see `core`), so an evaluator that shares no code with the compiler
//! or the virtual machine says what is right. [`oracle`] compiles, verifies and runs in several modes.
//! [`mutate`] changes texts. [`census`] counts the forms of the tree and the opcodes that were produced.
//! What must stay true: the same seed gives the same program; programs end by construction.

mod branch;
mod build;
pub mod caps;
pub mod census;
mod change;
pub mod core;
mod declare;
mod expr;
mod extra;
mod files;
mod hof;
mod iters;
mod json;
mod library;
mod lists;
mod loops;
mod models;
pub mod mutate;
mod ops;
pub mod oracle;
mod pattern;
mod poly;
pub mod program;
pub mod rng;
mod stmt;
mod table;
mod tree;
pub mod value;
pub mod world;

/// Which generator this is: a hash of its sources, for logs.
pub fn sources_hash() -> u32 {
    const SOURCES: &[&str] = &[
        include_str!("branch.rs"),
        include_str!("build.rs"),
        include_str!("caps.rs"),
        include_str!("change.rs"),
        include_str!("core.rs"),
        include_str!("declare.rs"),
        include_str!("expr.rs"),
        include_str!("extra.rs"),
        include_str!("files.rs"),
        include_str!("hof.rs"),
        include_str!("iters.rs"),
        include_str!("json.rs"),
        include_str!("table.rs"),
        include_str!("library.rs"),
        include_str!("lists.rs"),
        include_str!("loops.rs"),
        include_str!("models.rs"),
        include_str!("mutate.rs"),
        include_str!("ops.rs"),
        include_str!("pattern.rs"),
        include_str!("poly.rs"),
        include_str!("program.rs"),
        include_str!("rng.rs"),
        include_str!("stmt.rs"),
        include_str!("value.rs"),
        include_str!("world.rs"),
    ];
    // FNV-1a.
    SOURCES
        .iter()
        .flat_map(|s| s.bytes())
        .fold(0x811c_9dc5, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        })
}

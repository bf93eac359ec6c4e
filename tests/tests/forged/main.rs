//! Bytecode that no compiler of ours writes: forged, mutated and random modules are refused by the rule that
//! they break, or run within their limits with the heap sound.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod bombs;
mod families;
mod fuzz;
mod generate;
mod mutate;
mod observed;
mod programs;
#[path = "../../src/shadow/mod.rs"]
#[allow(dead_code)]
mod shadow;

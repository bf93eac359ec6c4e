//! Analyses of function code that the verifier, the interpreter and the compiler of machine code
//! share: one decoder, one control-flow graph, liveness, fuel costs.
//!
//! What must stay true: each is total on arbitrary words (an error or an empty answer, no panic)
//! and linear in the code, but for [`liveness::joins_of`], which only the builder runs.

pub mod cfg;
pub mod decode;
pub mod fuel;
pub mod liveness;

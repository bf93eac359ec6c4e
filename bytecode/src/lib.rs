//! Bytecode of Jet.

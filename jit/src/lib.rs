//! JIT of Jet.

//! Heap of Jet.

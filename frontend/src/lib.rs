//! Frontend of Jet.

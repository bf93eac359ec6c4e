//! Test suites of Jet: what they share.

#[path = "gen/mod.rs"]
pub mod generate;

pub mod serving;
pub mod suite;

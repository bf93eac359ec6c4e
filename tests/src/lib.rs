//! Test suites of Jet.

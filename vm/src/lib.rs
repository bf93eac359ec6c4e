//! VM of Jet.
pub mod host;

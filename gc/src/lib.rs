//! Heap of Jet.

pub mod layout;
pub use layout::{Format, Header, Ref};

//! VM of Jet.

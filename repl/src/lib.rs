//! jetvm library.

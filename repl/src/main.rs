//! The `jetvm` command.
fn main() {}

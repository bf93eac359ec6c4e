//! The library behind `jetvm`: from files and flags to a program that runs under grants and limits.
//!
//! [`engine`] is what hosts embed: compile, verify, instantiate, run. [`sources`] and [`manifest`]
//! read programs, [`render`] and [`trap_text`] write messages, [`session`] and [`tape`] run a program entry by entry, [`audit`] says what a program may
//! touch, [`inspect`] what a bundle is made of, [`keys`] who signed it, [`host`] makes the capabilities of grants, [`policy`] reads them from a file, [`audit_log`] records calls, [`cli`] is the command. Invariants: nothing runs that the verifier of this process did not
//! pass; nothing is granted that was not asked for and named; everything of ours goes to standard
//! error, and to standard output only what a subcommand was asked to show.

pub mod audit;
pub mod audit_chain;
pub mod audit_diff;
pub mod audit_log;
pub mod audit_paths;
pub mod cli;
pub mod engine;
pub mod host;
pub mod inspect;
pub mod keys;
pub mod manifest;
mod near;
pub mod policy;
pub mod render;
#[cfg(test)]
mod render_tests;
pub mod replace;
pub mod session;
pub mod sources;
pub mod tape;
pub mod trap_text;

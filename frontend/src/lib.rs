//! Frontend of Jet: from source text to bytecode or diagnostics, without I/O.
//!
//! The way of a file: `lexer` (tokens with their indentation), `parser` (layout and syntax, into the
//! arena of `ast`), then the later stages. Whatever the text, a stage answers with a result or with
//! diagnostics (`diag`): no panic, no unbounded recursion.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod ast;
mod ceiling;
pub mod check;
mod derived_json;
pub mod diag;
pub mod docs;
pub mod driver;
pub mod fmt;
pub mod lexer;
pub mod lower;
pub mod parser;
pub mod session;
pub mod source;
pub mod std;
pub mod testing;
pub mod thir;
pub mod token;
mod unique;

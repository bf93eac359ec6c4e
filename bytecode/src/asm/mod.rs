//! Assembly text of a bundle: [`text`] writes it, [`assemble`] reads it back to the same bytes.
//!
//! The text says everything that a bundle holds, and can say what no valid bundle holds: any index, type or
//! operand that the encoding has room for, raw words, joins and source lines anywhere. So forged modules can
//! be written and read by people. Only what is derived is left out: hashes of dependencies in the same text
//! are computed unless they are given. `docs/bytecode.md` has the grammar.
//!
//! What must stay true: `assemble(text(b)) == b` for every decoded bundle `b`, valid or not; both are total;
//! an error has its line and column.

mod code;
mod lex;
mod tables;
mod write;

use crate::module::Bundle;
pub use write::text;

/// Why text does not assemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmError {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub col: u32,
    /// What is wrong.
    pub message: String,
}

impl AsmError {
    fn new(line: u32, col: u32, message: impl Into<String>) -> Self {
        AsmError {
            line,
            col,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for AsmError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.col, self.message)
    }
}

impl std::error::Error for AsmError {}

/// Where a statement of the text went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line from 1.
    pub line: u32,
    /// Index of the package in the bundle.
    pub package: usize,
    /// Index among the package's functions, if the statement belongs to one.
    pub function: Option<usize>,
    /// Word of the function's code, if the statement is an instruction.
    pub pc: Option<u32>,
}

/// What text assembled to.
#[derive(Clone, Debug, PartialEq)]
pub struct Assembly {
    /// The bundle, which need not be valid.
    pub bundle: Bundle,
    /// Where each statement went, in the order of the text.
    pub places: Vec<Place>,
}

/// Assembles a text.
pub fn assemble(text: &str) -> Result<Assembly, AsmError> {
    let tokens = lex::tokens(text)?;
    tables::Parser::new(tokens)?.bundle()
}

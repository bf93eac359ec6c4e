//! Builders for the compiler: a package's tables with interning ([`PackageBuilder`]) and a function's code
//! with labels ([`FunctionBuilder`]).
//!
//! A finished function has no unreachable code, short jumps where they fit, exact `joins`, and obeys
//! the limits of the format; a finished package is canonical, but only the verifier says that it is valid.
//! Errors are remembered and come out of `finish`, so emitting needs no checks.

mod function;
mod package;

use crate::opcodes::Op;
pub use function::{FinishedFunction, FnRef, FunctionBuilder, Label};
pub use package::PackageBuilder;

/// Most words of a function's code.
pub const MAX_CODE_WORDS: usize = 1 << 16;
/// Most registers of a function.
pub const MAX_REGS: usize = 1024;

/// A register of the function being built.
pub type Reg = u16;

/// Why something cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// More than [`MAX_REGS`] registers.
    TooManyRegisters,
    /// More than [`MAX_CODE_WORDS`] words.
    CodeTooLong,
    /// More arguments than an instruction holds.
    TooManyArguments,
    /// A table of the package has more entries than an index can name.
    TableFull(&'static str),
    /// A label that is used was never bound.
    UnboundLabel,
    /// Control can run off the end.
    FallsOff,
    /// The instruction was given operands of another form than the table says.
    BadOperands(Op),
    /// A declared nominal type, capability or trait was never defined.
    Undefined(String),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::TooManyRegisters => {
                write!(f, "function needs more than {MAX_REGS} registers")
            }
            BuildError::CodeTooLong => {
                write!(f, "function needs more than {MAX_CODE_WORDS} words of code")
            }
            BuildError::TooManyArguments => write!(f, "too many arguments in one call"),
            BuildError::TableFull(t) => write!(f, "package has too many {t}"),
            BuildError::UnboundLabel => write!(f, "jump to a label that was never bound"),
            BuildError::FallsOff => write!(f, "control runs off the end of the function"),
            BuildError::BadOperands(op) => {
                write!(f, "operands do not fit `{}`", op.info().mnemonic)
            }
            BuildError::Undefined(name) => write!(f, "`{name}` was declared but not defined"),
        }
    }
}

impl std::error::Error for BuildError {}

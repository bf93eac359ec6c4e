//! How large the parts of a program may be: what the verifier accepts, and so what a compiler may write.
//!
//! What must stay true: these are the only definitions; a compiler that keeps to them writes nothing that the
//! verifier refuses for its size.

pub use crate::builder::{MAX_CODE_WORDS, MAX_REGS};
pub use crate::format::{MAX_CONSTS, MAX_ENTRIES, MAX_MODULE_BYTES, MAX_PACKAGES};
pub use crate::layout::{MAX_RECORD_FIELDS, MAX_VARIANTS};

/// Longest name, in bytes: of a type, field, variant, capability, method, function or file.
pub const MAX_NAME: usize = 4096;
/// Longest name of a package, in bytes.
pub const MAX_PACKAGE_NAME: usize = 128;
/// Most values of one variant.
pub const MAX_PAYLOAD: usize = 256;
/// Most methods of a capability or trait, and most request paths.
pub const MAX_LIST: usize = 1000;
/// Most parameters, used capabilities, and errors of one signature or set. Signatures are compared at every call.
pub const MAX_SIG: usize = 255;
/// Deepest nesting of structural types.
pub const MAX_TYPE_DEPTH: u8 = 64;

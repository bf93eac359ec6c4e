//! What hosts embed: a verified module, an instance of it with grants and limits, and its run.

use std::fmt;
use std::sync::Arc;

use jet_bytecode::format::{self, FormatError};
use jet_bytecode::linked::Program;
use jet_bytecode::module::Bundle;
use jet_bytecode::verify::{self, VerifiedProgram, VerifyError};

/// A program that the verifier of this process passed. Immutable; instances share it.
#[derive(Debug)]
pub struct Module {
    bundle: Bundle,
    program: Arc<VerifiedProgram>,
    hash: [u8; 32],
}

/// Why bytes did not become a [`Module`].
#[derive(Debug)]
pub enum Refusal {
    /// They are no bundle.
    Format(FormatError),
    /// They are no valid program.
    Verify(VerifyError),
}

impl Refusal {
    /// For messages.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Refusal::Format(error) => error.to_string(),
            Refusal::Verify(error) => error.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Refusal {}

impl Module {
    /// Reads and verifies a bundle. The bytes are the caller's own: nobody can change them meanwhile.
    pub fn from_bytes(bytes: &[u8]) -> Result<Module, Refusal> {
        let bundle = format::decode(bytes).map_err(Refusal::Format)?;
        let program = verify::verify(bundle.clone()).map_err(Refusal::Verify)?;
        let hash = format::root_hash(bytes).ok_or(Refusal::Format(FormatError::Truncated))?;
        Ok(Module {
            bundle,
            program: Arc::new(program),
            hash,
        })
    }

    /// The linked program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.program.program()
    }

    /// The bundle's root hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The bytecode as text.
    #[must_use]
    pub fn disassemble(&self) -> String {
        jet_bytecode::disasm::disassemble(&self.bundle)
    }
}

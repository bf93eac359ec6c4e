//! Where hot loops become machine code.
//!
//! This room holds the choice of an engine and nothing to choose from yet: every mode runs in the
//! interpreter, and statistics say so. What will move in plugs into the virtual machine from here;
//! the virtual machine never depends on this crate.

/// What `--jit` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Interpreter only.
    Off,
    /// Machine code for hot code.
    #[default]
    On,
    /// Machine code at once, with forced exits.
    Stress,
}

impl Mode {
    /// As the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::On => "on",
            Mode::Stress => "stress",
        }
    }

    /// What runs the program in this mode, for statistics.
    #[must_use]
    pub fn engine(self) -> &'static str {
        "interpreter"
    }
}

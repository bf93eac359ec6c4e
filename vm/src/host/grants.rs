//! What a host grants to a program, and the standard capabilities that come of it.
//!
//! Nothing is granted but what is named here; the paths of file grants are opened when the
//! capabilities are made, not when they are used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::HostCapability;
use super::clock::{Clock, Timer};
use super::console::Console;
use super::entropy::Entropy;
use super::env::Env;
use super::file_read::FileRead;
use super::file_write::FileWrite;
use super::scope::{GrantError, PathGrant, Scope};

/// Which environment variables are granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvGrant {
    /// Names; `None` is every variable.
    pub allow: Option<Vec<String>>,
    /// Names that stay closed whatever is allowed.
    pub deny: Vec<String>,
}

/// Grants of the standard capabilities. The default grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// `Console`, on the streams of this process.
    pub console: bool,
    /// `FileRead`.
    pub read: Option<PathGrant>,
    /// `FileWrite`.
    pub write: Option<PathGrant>,
    /// `Env`.
    pub env: Option<EnvGrant>,
    /// `Clock`.
    pub clock: bool,
    /// `Timer`.
    pub timer: bool,
    /// `Entropy`.
    pub entropy: bool,
}

impl Grants {
    /// Whether the standard capability of that name is granted.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match name {
            "Console" => self.console,
            "FileRead" => self.read.is_some(),
            "FileWrite" => self.write.is_some(),
            "Env" => self.env.is_some(),
            "Clock" => self.clock,
            "Timer" => self.timer,
            "Entropy" => self.entropy,
            _ => false,
        }
    }

    /// Makes the capabilities. Relative paths start at `cwd`.
    pub fn capabilities(&self, cwd: &Path) -> Result<Vec<Box<dyn HostCapability>>, GrantError> {
        let scope = |grant: &Option<PathGrant>| -> Result<Option<Arc<Scope>>, GrantError> {
            grant
                .as_ref()
                .map(|grant| Scope::open(grant, cwd).map(Arc::new))
                .transpose()
        };
        let read = scope(&self.read)?;
        let write = scope(&self.write)?;
        let mut out: Vec<Box<dyn HostCapability>> = Vec::new();
        if self.console {
            out.push(Box::new(Console::process()));
        }
        if let Some(read) = &read {
            out.push(Box::new(FileRead::new(Arc::clone(read))));
        }
        if let Some(write) = write {
            out.push(Box::new(FileWrite::new(write, read)));
        }
        if let Some(grant) = &self.env {
            out.push(Box::new(Env::process(grant)));
        }
        if self.clock {
            out.push(Box::new(Clock::process()));
        }
        if self.timer {
            out.push(Box::new(Timer::process()));
        }
        if self.entropy {
            let source = |error: io::Error| GrantError {
                path: PathBuf::from("/dev/urandom"),
                error,
            };
            out.push(Box::new(Entropy::process().map_err(source)?));
        }
        Ok(out)
    }
}

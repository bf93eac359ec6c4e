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

/// Which database is granted, and what of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbGrant {
    /// The file; `:memory:` is an empty database that ends with the program.
    pub file: PathBuf,
    /// Tables and views; `None` is all of them, and making others.
    pub tables: Option<Vec<String>>,
    /// Tables and views that stay closed whatever is allowed.
    pub deny: Vec<String>,
    /// Whether nothing may be changed.
    pub read_only: bool,
}

/// Which hosts are granted: `HOST`, `HOST:PORT`, `ADDRESS/BITS`, `[ADDRESS]:PORT`. Without a port the ports of the web are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetGrant {
    /// Hosts; `None` is the public internet.
    pub allow: Option<Vec<String>>,
    /// Hosts and addresses that stay closed whatever is allowed.
    pub deny: Vec<String>,
}

/// Which programs are granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunGrant {
    /// Programs, each with the arguments that it has to begin with; `None` is every program.
    pub allow: Option<Vec<Vec<String>>>,
    /// Programs that stay closed whatever is allowed.
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
    /// `Database`, which the crate `jetvm` makes.
    pub database: Option<DbGrant>,
    /// `Net`, which the crate `jetvm` makes.
    pub net: Option<NetGrant>,
    /// `Process`, which the crate `jetvm` makes of [`super::process`].
    pub run: Option<RunGrant>,
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
            "Database" => self.database.is_some(),
            "Net" => self.net.is_some(),
            "Process" => self.run.is_some(),
            _ => false,
        }
    }

    /// Makes the capabilities of this crate. Relative paths start at `cwd`.
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

//! What a host grants to a program, and the standard capabilities that come of it.
//!
//! Nothing is granted but what is named here; the paths of file grants are opened when the
//! capabilities are made, not when they are used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::HostCapability;
use super::clock::{Clock, Timer};
use super::console::Console;
use super::entropy::Entropy;
use super::env::Env;
use super::file_read::FileRead;
use super::file_write::FileWrite;
use super::process::Process;
use super::scope::Scope;

/// What is granted of something that has names: everything or a list, without what is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<A, D = A> {
    /// What is granted; `None` is everything.
    pub allow: Option<Vec<A>>,
    /// What stays closed whatever is allowed.
    pub deny: Vec<D>,
}

impl<A, D> Listed<A, D> {
    /// These, or everything.
    #[must_use]
    pub fn of(allow: Option<Vec<A>>) -> Self {
        let deny = Vec::new();
        Listed { allow, deny }
    }

    /// What two grants give together; denials of both hold.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.allow = self.allow.zip(other.allow).map(|(mut all, more)| {
            all.extend(more);
            all
        });
        self.deny.extend(other.deny);
        self
    }
}

impl<A, D> Default for Listed<A, D> {
    fn default() -> Self {
        Listed::of(None)
    }
}

/// Which directories and files are granted.
pub type PathGrant = Listed<PathBuf>;

/// Which environment variables are granted, by their names.
pub type EnvGrant = Listed<String>;

/// Which hosts are granted: `HOST`, `HOST:PORT`, `ADDRESS/BITS`, `[ADDRESS]:PORT`; everything is the public internet. Without a
/// port the ports of the web are meant.
pub type NetGrant = Listed<String>;

/// Where a program may listen: `ADDRESS`, `ADDRESS:PORT`, `ADDRESS/BITS`, `[ADDRESS]:PORT`; everything is what only this machine
/// reaches. Port 0 is any free one.
pub type ListenGrant = Listed<String>;

/// Which programs are granted, each with the arguments that it has to begin with; denials are by program.
pub type RunGrant = Listed<Vec<String>, String>;

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
    /// What its times are a multiple of, if not of a millisecond.
    pub clock_resolution: Option<Duration>,
    /// `Timer`.
    pub timer: bool,
    /// `Entropy`.
    pub entropy: bool,
    /// What its numbers are made of instead of the system's.
    pub entropy_seed: Option<u64>,
    /// `Database`, which the crate `jetvm` makes.
    pub database: Option<DbGrant>,
    /// `Net`, which the crate `jetvm` makes.
    pub net: Option<NetGrant>,
    /// `Listen`, which the crate `jetvm` makes.
    pub listen: Option<ListenGrant>,
    /// `Process`.
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
            "Listen" => self.listen.is_some(),
            "Process" => self.run.is_some(),
            _ => false,
        }
    }

    /// Keeps files from being written, whatever is granted: those that say what the program may do, or what it did.
    pub fn protect(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        if let Some(write) = &mut self.write {
            write.deny.extend(files);
        }
    }

    /// Makes the capabilities of this crate. Relative paths start at `cwd`.
    pub fn capabilities(&self, cwd: &Path) -> Result<Vec<Box<dyn HostCapability>>, String> {
        let scope = |grant: &Option<PathGrant>| -> Result<Option<Arc<Scope>>, String> {
            let scope = grant.as_ref().map(|grant| Scope::open(grant, cwd));
            Ok(scope.transpose().map_err(|e| e.to_string())?.map(Arc::new))
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
            out.push(Box::new(Clock::process(self.clock_resolution)));
        }
        if self.timer {
            out.push(Box::new(Timer::process()));
        }
        if self.entropy {
            let entropy = match self.entropy_seed {
                Some(seed) => Entropy::of_seed(seed),
                None => Entropy::process()
                    .map_err(|error| format!("cannot open `/dev/urandom`: {error}"))?,
            };
            out.push(Box::new(entropy));
        }
        if let Some(grant) = &self.run {
            out.push(Box::new(Process::new(grant, cwd)?));
        }
        Ok(out)
    }
}

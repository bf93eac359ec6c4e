//! The flags that grant and deny.
//!
//! A flag without `=` stands for everything; an empty list is an error, so that `--allow-read=$UNSET` grants nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};
use jet_vm::host::{DbGrant, Grants, Listed};

use super::quantity::{count, duration};
use crate::policy::{Names, Scopes};

/// What clap sees where a flag stands without value. No argument of a process can contain it, so that
/// `--allow-read=$UNSET` is an error and not a grant of everything.
pub(super) const EVERYTHING: &str = "\0";

/// An entry of a grant's list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry<T> {
    /// The flag has no list.
    Everything,
    /// This.
    Named(T),
}

fn path_entry() -> impl TypedValueParser<Value = Entry<PathBuf>> {
    OsStringValueParser::new().try_map(|text| match text {
        text if text == EVERYTHING => Ok(Entry::Everything),
        text if text.is_empty() => {
            Err("the path is empty; without `=` the flag stands for everything")
        }
        text => Ok(Entry::Named(PathBuf::from(text))),
    })
}

fn name_entry() -> impl TypedValueParser<Value = Entry<String>> {
    StringValueParser::new().try_map(|text| match text {
        text if text == EVERYTHING => Ok(Entry::Everything),
        text if text.is_empty() => {
            Err("the name is empty; without `=` the flag stands for everything")
        }
        text => Ok(Entry::Named(text)),
    })
}

/// What a command line grants and denies.
#[derive(Debug, Args)]
#[command(next_help_heading = "Grants")]
pub struct GrantArgs {
    /// Grants, denials, limits and quotas in a file; what a flag grants is added, and of two limits the smaller one holds.
    #[arg(long, value_name = "FILE.toml", require_equals = true)]
    pub policy: Option<PathBuf>,
    /// Reading files: everything, or what is below the paths.
    #[arg(long, value_name = "PATH,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = path_entry())]
    allow_read: Option<Vec<Entry<PathBuf>>>,
    /// Changing files.
    #[arg(long, value_name = "PATH,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = path_entry())]
    allow_write: Option<Vec<Entry<PathBuf>>>,
    /// Environment variables: all, or those named.
    #[arg(long, value_name = "NAME,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    allow_env: Option<Vec<Entry<String>>>,
    /// The clock, in milliseconds.
    #[arg(long)]
    allow_clock: bool,
    /// What the times of the clock are a multiple of, if not of a millisecond.
    #[arg(long, value_name = "DUR", require_equals = true, value_parser = duration)]
    clock_resolution: Option<Duration>,
    /// The fine timer.
    #[arg(long)]
    allow_timer: bool,
    /// Random numbers of the system.
    #[arg(long)]
    allow_entropy: bool,
    /// What random numbers are made of instead: the same in every run.
    #[arg(long, value_name = "N", require_equals = true, value_parser = count)]
    entropy_seed: Option<u64>,
    /// A database file: all of it, or the tables and views that are named.
    #[arg(long, value_name = "FILE[:TABLE,…]", require_equals = true, value_parser = database)]
    allow_db: Option<DbGrant>,
    /// Hosts on the network: the public internet, or those named. Without a port, 80 and 443 are meant.
    #[arg(long, value_name = "HOST[:PORT],…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    allow_net: Option<Vec<Entry<String>>>,
    /// Listening: at what only this machine reaches, or at the addresses and ports named; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS[:PORT],…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    allow_listen: Option<Vec<Entry<String>>>,
    /// Programs: every one, or those named, each with the arguments that it has to begin with.
    #[arg(long, value_name = "PROGRAM[ ARG…],…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    allow_run: Option<Vec<Entry<String>>>,
    /// No reading, or not below the paths.
    #[arg(long, value_name = "PATH,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = path_entry())]
    deny_read: Option<Vec<Entry<PathBuf>>>,
    /// No changing of files, or not below the paths.
    #[arg(long, value_name = "PATH,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = path_entry())]
    deny_write: Option<Vec<Entry<PathBuf>>>,
    /// No environment variables, or not those named.
    #[arg(long, value_name = "NAME,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    deny_env: Option<Vec<Entry<String>>>,
    /// No clock.
    #[arg(long)]
    deny_clock: bool,
    /// No timer.
    #[arg(long)]
    deny_timer: bool,
    /// No random numbers.
    #[arg(long)]
    deny_entropy: bool,
    /// No database, or not the tables and views that are named.
    #[arg(long, value_name = "TABLE,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    deny_db: Option<Vec<Entry<String>>>,
    /// No changing of the database.
    #[arg(long)]
    deny_db_write: bool,
    /// No network, or not those hosts, addresses and ranges.
    #[arg(long, value_name = "HOST[:PORT],…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    deny_net: Option<Vec<Entry<String>>>,
    /// No listening, or not at those addresses and ports.
    #[arg(long, value_name = "ADDRESS[:PORT],…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    deny_listen: Option<Vec<Entry<String>>>,
    /// No programs, or not those.
    #[arg(long, value_name = "PROGRAM,…", require_equals = true, num_args = 0..=1, value_delimiter = ',', default_missing_value = EVERYTHING, value_parser = name_entry())]
    deny_run: Option<Vec<Entry<String>>>,
    /// No console.
    #[arg(long)]
    deny_console: bool,
}

/// The names of a list; `None` if it stands for everything.
fn names<T: Clone>(entries: &[Entry<T>]) -> Option<Vec<T>> {
    let name = |entry: &Entry<T>| match entry {
        Entry::Everything => None,
        Entry::Named(name) => Some(name.clone()),
    };
    entries.iter().map(name).collect()
}

/// `FILE` or `FILE:TABLE,…`: a file whose name has a colon is granted by a policy.
fn database(text: &str) -> Result<DbGrant, String> {
    let (file, tables) = match text.split_once(':') {
        _ if text == ":memory:" => (text, None),
        Some((file, tables)) => (file, Some(tables)),
        None => (text, None),
    };
    let tables: Option<Vec<String>> =
        tables.map(|names| names.split(',').map(str::to_owned).collect());
    if file.is_empty() {
        return Err("the path of the database is empty".to_owned());
    }
    if tables.iter().flatten().any(String::is_empty) {
        return Err("the name of a table is empty; without `:` the file is meant".to_owned());
    }
    Ok(DbGrant {
        file: file.into(),
        tables,
        ..DbGrant::default()
    })
}

/// The program and arguments of a command.
fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

/// What a grant says.
fn granted<T: Clone>(entries: Option<&Vec<Entry<T>>>) -> Option<Listed<T>> {
    entries.map(|entries| Listed::of(names(entries)))
}

/// What a denial says.
fn denied<T: Clone>(entries: Option<&Vec<Entry<T>>>) -> Names<T> {
    match entries.map(|entries| names(entries)) {
        None => Names::All(false),
        Some(None) => Names::All(true),
        Some(Some(names)) => Names::Some(names),
    }
}

impl GrantArgs {
    /// The flags, put together.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        let off = [
            ("Console", self.deny_console),
            ("Clock", self.deny_clock),
            ("Timer", self.deny_timer),
            ("Entropy", self.deny_entropy),
        ];
        Scopes {
            grants: Grants {
                console: true,
                read: granted(self.allow_read.as_ref()),
                write: granted(self.allow_write.as_ref()),
                env: granted(self.allow_env.as_ref()),
                clock: self.allow_clock,
                clock_resolution: self.clock_resolution,
                timer: self.allow_timer,
                entropy: self.allow_entropy,
                entropy_seed: self.entropy_seed,
                database: self.allow_db.clone(),
                net: granted(self.allow_net.as_ref()),
                listen: granted(self.allow_listen.as_ref()),
                run: self.allow_run.as_ref().map(|entries| {
                    let commands = names(entries);
                    Listed::of(commands.map(|all| all.iter().map(|c| words(c)).collect()))
                }),
            },
            deny_read: denied(self.deny_read.as_ref()),
            deny_write: denied(self.deny_write.as_ref()),
            deny_env: denied(self.deny_env.as_ref()),
            deny_db: denied(self.deny_db.as_ref()),
            deny_db_write: self.deny_db_write,
            deny_net: denied(self.deny_net.as_ref()),
            deny_listen: denied(self.deny_listen.as_ref()),
            deny_run: denied(self.deny_run.as_ref()),
            deny: off.iter().filter(|(_, on)| *on).map(|(n, _)| *n).collect(),
        }
    }
}

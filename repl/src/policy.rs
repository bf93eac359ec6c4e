//! `--policy FILE.toml`: grants, denials, limits, quotas and what the audit keeps, as a file.
//!
//! What must stay true: a key that is not known is an error, never ignored; what a file or a flag denies stays denied whatever the
//! other grants; of two limits the smaller one holds. Paths in the file start at its own folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jet_vm::Quota;
use jet_vm::host::{DbGrant, Grants, Limits, Listed};
use serde::Deserialize;

use crate::audit::STANDARD;
use crate::audit_log::Arguments;
use crate::cli::quantity::{duration, memory, size};

/// A policy file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What it grants and denies.
    pub scopes: Scopes,
    /// Limits that it sets.
    pub limits: PolicyLimits,
    /// Quotas by capability.
    pub quotas: BTreeMap<String, Quota>,
    /// What the audit keeps of arguments, by capability; `None` of all others.
    pub arguments: BTreeMap<Option<String>, Arguments>,
}

/// Everything or a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false or a list: of texts, of commands each a list of texts"
)]
pub enum Names<T = String> {
    /// `true`: everything; `false`: nothing.
    All(bool),
    /// These.
    Some(Vec<T>),
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names::All(false)
    }
}

impl<T> Names<T> {
    /// Each of them changed.
    fn each<U>(self, change: impl FnMut(T) -> Result<U, String>) -> Result<Names<U>, String> {
        Ok(match self {
            Names::All(all) => Names::All(all),
            Names::Some(names) => {
                Names::Some(names.into_iter().map(change).collect::<Result<_, _>>()?)
            }
        })
    }

    /// What a grant of these is.
    fn granted<D>(self) -> Option<Listed<T, D>> {
        match self {
            Names::All(false) => None,
            Names::All(true) => Some(Listed::default()),
            Names::Some(names) => Some(Listed::of(Some(names))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileText {
    grants: GrantTable,
    deny: DenyTable,
    limits: LimitTable,
    quotas: BTreeMap<String, QuotaTable>,
    audit: AuditTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct GrantTable {
    read: Names<PathBuf>,
    write: Names<PathBuf>,
    env: Names,
    clock: bool,
    clock_resolution: Option<String>,
    timer: bool,
    entropy: bool,
    entropy_seed: Option<u64>,
    db: Option<DbTable>,
    net: Names,
    listen: Names,
    run: Names<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DbTable {
    file: PathBuf,
    tables: Option<Vec<String>>,
    #[serde(default)]
    read_only: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct DenyTable {
    console: bool,
    read: Names<PathBuf>,
    write: Names<PathBuf>,
    env: Names,
    clock: bool,
    timer: bool,
    entropy: bool,
    db: Names,
    db_write: bool,
    net: Names,
    listen: Names,
    run: Names,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitTable {
    untrusted: bool,
    fuel: Option<u64>,
    memory: Option<String>,
    time: Option<String>,
    depth: Option<u32>,
    output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QuotaTable {
    calls: Option<u64>,
    bytes: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    arguments: Option<Arguments>,
    capabilities: BTreeMap<String, Arguments>,
}

/// Grants and denials of one source: a file, or the flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Grants.
    pub grants: Grants,
    /// Paths that may not be read.
    pub deny_read: Names<PathBuf>,
    /// Paths that may not be written.
    pub deny_write: Names<PathBuf>,
    /// Variables that may not be seen.
    pub deny_env: Names,
    /// Tables that may not be touched.
    pub deny_db: Names,
    /// Whether the database may not be changed.
    pub deny_db_write: bool,
    /// Hosts that may not be reached.
    pub deny_net: Names,
    /// Addresses and ports at which the program may not listen.
    pub deny_listen: Names,
    /// Programs that may not be run.
    pub deny_run: Names,
    /// Names of capabilities that are not granted at all.
    pub deny: Vec<&'static str>,
}

/// Limits of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyLimits {
    /// As `--untrusted`.
    pub untrusted: bool,
    /// Units of work.
    pub fuel: Option<u64>,
    /// Bytes of heap.
    pub memory: Option<u64>,
    /// Wall time.
    pub time: Option<Duration>,
    /// Nested calls.
    pub depth: Option<u32>,
    /// Bytes written.
    pub output: Option<u64>,
}

impl PolicyLimits {
    /// With those of `untrusted` where nothing else is said.
    #[must_use]
    pub fn whole(&self) -> PolicyLimits {
        if !self.untrusted {
            return self.clone();
        }
        let preset = Limits::untrusted();
        PolicyLimits {
            untrusted: true,
            fuel: self.fuel.or(preset.fuel),
            memory: self.memory.or(Some(preset.memory)),
            time: self.time.or(preset.time),
            depth: self.depth.or(Some(preset.depth)),
            output: self.output.or(Some(preset.output)),
        }
    }
}

impl Policy {
    /// Reads a policy file.
    pub fn read(path: &Path) -> Result<Policy, String> {
        let fail = |why: &dyn std::fmt::Display| format!("the policy `{}`: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fail(&e))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Policy::parse(&text, folder).map_err(|e| fail(&e))
    }

    /// The same from its text; its paths start at `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Policy, String> {
        let file: FileText =
            toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        let database = file.grants.db.map(|db| DbGrant {
            file: match db.file.as_os_str() == ":memory:" {
                true => db.file,
                false => folder.join(db.file),
            },
            tables: db.tables,
            deny: Vec::new(),
            read_only: db.read_only,
        });
        let inside = |names: Names<PathBuf>| match names {
            Names::Some(paths) => Names::Some(paths.iter().map(|p| folder.join(p)).collect()),
            all => all,
        };
        let program = |name: String| match name.contains('/') {
            false => Ok(name),
            true => {
                let path = folder.join(&name).into_os_string().into_string();
                path.map_err(|_| format!("the path of the program `{name}` is not UTF-8 text"))
            }
        };
        let command = |words: Vec<String>| {
            let mut words = words.into_iter();
            let first = words.next().map(program).transpose()?;
            Ok::<_, String>(first.into_iter().chain(words).collect())
        };
        let resolution = file.grants.clock_resolution.as_deref();
        let resolution = resolution.map(duration).transpose()?;
        let run = file.grants.run.each(command)?;
        let denied_programs = file.deny.run.each(program)?;
        let denied = [
            ("Console", file.deny.console),
            ("Clock", file.deny.clock),
            ("Timer", file.deny.timer),
            ("Entropy", file.deny.entropy),
        ];
        let limits = PolicyLimits {
            untrusted: file.limits.untrusted,
            fuel: file.limits.fuel,
            memory: file.limits.memory.as_deref().map(memory).transpose()?,
            time: file.limits.time.as_deref().map(duration).transpose()?,
            depth: match file.limits.depth {
                Some(0) => return Err("a depth of 0".to_owned()),
                depth => depth,
            },
            output: file.limits.output.as_deref().map(size).transpose()?,
        };
        let mut quotas = BTreeMap::new();
        for (name, quota) in file.quotas {
            known(&name)?;
            let bytes = quota.bytes.as_deref().map(size).transpose()?;
            let calls = quota.calls;
            quotas.insert(name, Quota { calls, bytes });
        }
        let mut arguments = BTreeMap::new();
        for (name, keep) in file.audit.capabilities {
            known(&name)?;
            arguments.insert(Some(name), keep);
        }
        arguments.extend(file.audit.arguments.map(|keep| (None, keep)));
        Ok(Policy {
            scopes: Scopes {
                grants: Grants {
                    console: true,
                    read: inside(file.grants.read).granted(),
                    write: inside(file.grants.write).granted(),
                    env: file.grants.env.granted(),
                    clock: file.grants.clock,
                    clock_resolution: resolution,
                    timer: file.grants.timer,
                    entropy: file.grants.entropy,
                    entropy_seed: file.grants.entropy_seed,
                    database,
                    net: file.grants.net.granted(),
                    listen: file.grants.listen.granted(),
                    run: run.granted(),
                },
                deny_read: inside(file.deny.read),
                deny_write: inside(file.deny.write),
                deny_env: file.deny.env,
                deny_db: file.deny.db,
                deny_db_write: file.deny.db_write,
                deny_net: file.deny.net,
                deny_listen: file.deny.listen,
                deny_run: denied_programs,
                deny: denied
                    .iter()
                    .filter(|(_, on)| *on)
                    .map(|(n, _)| *n)
                    .collect(),
            },
            limits,
            quotas,
            arguments,
        })
    }
}

/// Refuses names that are no standard capability: a quota for `Filesystem` would hold for nothing.
fn known(name: &str) -> Result<(), String> {
    if STANDARD.contains(&name) {
        Ok(())
    } else {
        Err(format!("there is no capability `{name}`"))
    }
}

/// What two sources grant together, without what either denies; `None` if that is nothing.
fn together<A, D: Clone>(
    a: Option<Listed<A, D>>,
    b: Option<Listed<A, D>>,
    denied: [&Names<D>; 2],
) -> Option<Listed<A, D>> {
    let mut all = match (a, b) {
        (Some(a), Some(b)) => a.and(b),
        (a, b) => a.or(b)?,
    };
    for names in denied {
        match names {
            Names::All(true) => return None,
            Names::All(false) => {}
            Names::Some(names) => all.deny.extend(names.iter().cloned()),
        }
    }
    Some(all)
}

impl Scopes {
    /// What both sources grant together, without what either denies. Two databases are an error: there is one.
    pub fn merge(self, other: Scopes) -> Result<Grants, String> {
        let (a, b) = (self.grants, other.grants);
        let denied = |name: &str| self.deny.contains(&name) || other.deny.contains(&name);
        if a.database.is_some() && b.database.is_some() {
            return Err("the policy and the flags grant a database each".to_owned());
        }
        if let (Some(one), Some(other)) = (a.entropy_seed, b.entropy_seed)
            && one != other
        {
            return Err("the policy and the flags give `Entropy` a seed each".to_owned());
        }
        let database = a.database.or(b.database).and_then(|db| {
            let tables = Listed {
                allow: db.tables,
                deny: db.deny,
            };
            let tables = together(Some(tables), None, [&self.deny_db, &other.deny_db])?;
            Some(DbGrant {
                file: db.file,
                tables: tables.allow,
                deny: tables.deny,
                read_only: db.read_only || self.deny_db_write || other.deny_db_write,
            })
        });
        Ok(Grants {
            console: !denied("Console"),
            read: together(a.read, b.read, [&self.deny_read, &other.deny_read]),
            write: together(a.write, b.write, [&self.deny_write, &other.deny_write]),
            env: together(a.env, b.env, [&self.deny_env, &other.deny_env]),
            clock: (a.clock || b.clock) && !denied("Clock"),
            clock_resolution: a.clock_resolution.max(b.clock_resolution),
            timer: (a.timer || b.timer) && !denied("Timer"),
            entropy: (a.entropy || b.entropy) && !denied("Entropy"),
            entropy_seed: a.entropy_seed.or(b.entropy_seed),
            net: together(a.net, b.net, [&self.deny_net, &other.deny_net]),
            listen: together(a.listen, b.listen, [&self.deny_listen, &other.deny_listen]),
            run: together(a.run, b.run, [&self.deny_run, &other.deny_run]),
            database,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jet_vm::host::PathGrant;

    fn parse(text: &str) -> Result<Policy, String> {
        Policy::parse(text, Path::new("/etc/jet"))
    }

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        for text in [
            "grant = 1",
            "[grants]\nreads = true",
            "[grants]\nread = 1",
            "[grants.db]\nfile = 'x'\ntable = ['y']",
            "[grants.db]\ntables = ['y']",
            "[deny]\nnetwork = true",
            "[limits]\nfuel = -1",
            "[limits]\nmemory = '1K'",
            "[limits]\nmax-time = '1s'",
            "[limits]\ndepth = 0",
            "[quotas.Filesystem]\ncalls = 1",
            "[quotas.FileRead]\ncall = 1",
            "[audit]\narguments = 'all'",
            "[audit.capabilities]\nFiles = 'text'",
            "[grants]\nclock = true\nclock = false",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("").is_ok());
    }

    #[test]
    fn denials_of_either_side_win() {
        let file = "[grants]\nread = ['in']\nclock = true\nenv = true\n[deny]\nread = ['in/key']\ntimer = true\nwrite = true\nenv = ['TOKEN']";
        let policy = parse(file).unwrap();
        let flags = Scopes {
            grants: Grants {
                read: Some(PathGrant {
                    allow: Some(vec!["more".into()]),
                    deny: vec![],
                }),
                write: Some(PathGrant::default()),
                timer: true,
                ..Grants::default()
            },
            deny: vec!["Clock"],
            ..Scopes::default()
        };
        let grants = policy.scopes.merge(flags).unwrap();
        let read = grants.read.unwrap();
        assert_eq!(
            read.allow.unwrap(),
            [PathBuf::from("/etc/jet/in"), "more".into()]
        );
        assert_eq!(read.deny, [PathBuf::from("/etc/jet/in/key")]);
        assert_eq!(
            (grants.write, grants.clock, grants.timer),
            (None, false, false)
        );
        assert_eq!(grants.env.unwrap().deny, ["TOKEN"]);
        assert!(grants.console);
    }

    #[test]
    fn programs_by_path_start_at_the_folder_of_the_file() {
        let text = "[grants]\nrun = [['./tool', './data'], ['git', 'a/b'], ['/bin/ls']]\n[deny]\nrun = ['bin/sh', 'env']";
        let scopes = parse(text).unwrap().scopes;
        let run = scopes.grants.run.unwrap().allow.unwrap();
        let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            run,
            [
                words(&["/etc/jet/./tool", "./data"]),
                words(&["git", "a/b"]),
                words(&["/bin/ls"])
            ]
        );
        assert_eq!(
            scopes.deny_run,
            Names::Some(words(&["/etc/jet/bin/sh", "env"]))
        );
    }

    #[test]
    fn the_coarser_clock_and_the_one_seed_hold() {
        let policy = || {
            parse("[grants]\nclock = true\nclock-resolution = '1s'\nentropy-seed = 7")
                .unwrap()
                .scopes
        };
        let flags = |millis, seed| Scopes {
            grants: Grants {
                clock_resolution: Some(Duration::from_millis(millis)),
                entropy_seed: seed,
                ..Grants::default()
            },
            ..Scopes::default()
        };
        let merged = policy().merge(flags(10, None)).unwrap();
        assert_eq!(merged.clock_resolution, Some(Duration::from_secs(1)));
        assert_eq!(merged.entropy_seed, Some(7));
        let merged = policy().merge(flags(5000, Some(7))).unwrap();
        assert_eq!(merged.clock_resolution, Some(Duration::from_secs(5)));
        assert!(policy().merge(flags(1, Some(8))).is_err());
    }
}

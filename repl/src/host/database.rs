//! `Database`: SQL on one SQLite file, no further than its grant.
//!
//! A statement is prepared under an authorizer (`db_guard.rs`) that knows the granted tables, and runs under a handler
//! that looks at fuel, time and cancellation. Values reach it as bound parameters, and are the shorter the more steps a statement
//! has: between two looks at the limits only so many bytes are worked on. Under a grant of tables it is first prepared against what is
//! granted alone (`db_shadow.rs`), so that no message depends on what else the file holds. What must stay true: only our own
//! statements (`Guard::as_ours`) run without the authorizer's rules; one text is one statement; an answer is bounded by the memory
//! that the program has left.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jet_vm::host::{
    DbGrant, HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult,
    HostStruct, HostType, HostValue, HostVariant, LimitKind,
};
use rusqlite::ffi::ErrorCode;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, OpenFlags, StatementStatus, ToSql};

use super::db_functions::install;
use super::db_guard::{Guard, MAX_SQL, STEPS, Statements, harden, statements};
use super::db_shadow::{Refused, Shadow};

static DB_VALUE: HostEnum = HostEnum {
    name: "DbValue",
    variants: &[
        HostVariant {
            name: "Null",
            fields: &[],
        },
        HostVariant {
            name: "Int",
            fields: &[("value", HostType::Int)],
        },
        HostVariant {
            name: "Real",
            fields: &[("value", HostType::Float)],
        },
        HostVariant {
            name: "Text",
            fields: &[("value", HostType::Str)],
        },
        HostVariant {
            name: "Blob",
            fields: &[("value", HostType::List(&HostType::Byte))],
        },
    ],
};
static DB_ERROR: HostEnum = HostEnum {
    name: "DbError",
    variants: &[
        HostVariant {
            name: "Failed",
            fields: &[("why", HostType::Str)],
        },
        HostVariant {
            name: "Denied",
            fields: &[("what", HostType::Str)],
        },
        HostVariant {
            name: "Locked",
            fields: &[],
        },
        HostVariant {
            name: "Corrupt",
            fields: &[],
        },
    ],
};
static DB_ROW: HostStruct = HostStruct {
    name: "DbRow",
    fields: &[
        ("columns", HostType::List(&HostType::Str)),
        ("values", HostType::List(&HostType::Enum(&DB_VALUE))),
    ],
};
static ERRORS: [&HostEnum; 1] = [&DB_ERROR];
const SQL: &[HostType] = &[HostType::Str, HostType::List(&HostType::Enum(&DB_VALUE))];

const fn method(name: &'static str, params: &'static [HostType], ret: HostType) -> HostMethod {
    HostMethod {
        name,
        params,
        ret,
        errors: &ERRORS,
    }
}

static METHODS: [HostMethod; 5] = [
    method("query", SQL, HostType::List(&HostType::Struct(&DB_ROW))),
    method("execute", SQL, HostType::Int),
    method("begin", &[], HostType::Unit),
    method("commit", &[], HostType::Unit),
    method("rollback", &[], HostType::Unit),
];

/// What every statement costs besides its text and its steps.
const BASE_COST: u64 = 200;
/// How long a lock of somebody else is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that a value and a row cost besides their content.
const VALUE_COST: u64 = 48;
/// Memory that SQLite may use in any case.
const LEAST_MEMORY: u64 = 16 << 20;
/// Statements that are known to name nothing but what is granted.
const MAX_KNOWN: usize = 256;
/// Bytes of values that may be looked at between two looks at the limits: no step of SQLite's machine takes longer than its values are.
const BETWEEN_LOOKS: u64 = 8 << 30;
/// Bytes of a step of a statement that is prepared.
const STEP_SIZE: u64 = 24;

fn denied(what: &str) -> HostFailure {
    HostFailure::error(&DB_ERROR, "Denied", [HostValue::str(what)])
}

fn failed(why: &str) -> HostFailure {
    HostFailure::error(&DB_ERROR, "Failed", [HostValue::str(why)])
}

/// The capability over one file.
pub struct Database {
    connection: Connection,
    guard: Arc<Guard>,
    /// What is granted, and nothing else.
    shadow: Option<Shadow>,
    known: HashSet<String>,
    /// Whether SQLite was told how much memory it may use.
    capped: bool,
    text: String,
}

impl Database {
    /// Opens the granted file. A file that is not there is made, if the grant is for all of it and for writing.
    pub fn open(grant: &DbGrant, cwd: &Path) -> Result<Database, String> {
        let fail = |error: &dyn std::fmt::Display| {
            format!(
                "cannot open the granted database `{}`: {error}",
                grant.file.display()
            )
        };
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        flags |= if grant.read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let in_memory = grant.file.as_os_str() == ":memory:";
        let connection = if in_memory {
            Connection::open_in_memory()
        } else {
            let path = cwd.join(&grant.file);
            let real = match path.canonicalize() {
                Ok(real) => real,
                Err(_) if grant.tables.is_none() && !grant.read_only => {
                    flags |= OpenFlags::SQLITE_OPEN_CREATE;
                    new_file(&path).map_err(|e| fail(&e))?
                }
                Err(error) => return Err(fail(&error)),
            };
            Connection::open_with_flags(real, flags)
        };
        let connection = connection.map_err(|e| fail(&e))?;
        let guard = Arc::new(Guard::new(grant));
        let mut database = Database {
            connection,
            guard,
            shadow: None,
            known: HashSet::new(),
            capped: false,
            text: describe(grant),
        };
        database.harden().map_err(|e| fail(&e))?;
        Ok(database)
    }

    /// Puts the rules in place.
    fn harden(&mut self) -> Result<(), Error> {
        let c = &mut self.connection;
        harden(c)?;
        install(c, &self.guard)?;
        let guard = Arc::clone(&self.guard);
        c.authorizer(Some(move |cx: rusqlite::hooks::AuthContext<'_>| {
            guard.authorize(&cx)
        }))?;
        let guard = Arc::clone(&self.guard);
        let steps = u64::try_from(STEPS).unwrap_or_default();
        c.progress_handler(STEPS, Some(move || guard.budget.spent(steps)))?;
        let guard = Arc::clone(&self.guard);
        c.busy_handler(Some(move |tries: i32| {
            let nap = Duration::from_millis(2);
            let patient = nap * u32::try_from(tries).unwrap_or(u32::MAX) < PATIENCE;
            if patient && !guard.budget.spent(0) {
                std::thread::sleep(nap);
                return true;
            }
            false
        }))?;
        Ok(())
    }

    /// What SQLite's failure is to the program. Where there is something that it may not know of, SQLite's words are told of
    /// constraints only, which are those of granted tables.
    fn failure(&self, error: Error) -> HostFailure {
        if let Some(stop) = self.guard.budget.stopped() {
            return stop;
        }
        if let Some(what) = self.guard.denied() {
            return denied(&what);
        }
        let said = |text: &str| match self.guard.confined() {
            true => failed("the statement failed"),
            false => failed(text),
        };
        match error {
            Error::SqliteFailure(code, text) => match code.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    HostFailure::error(&DB_ERROR, "Locked", [])
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    HostFailure::error(&DB_ERROR, "Corrupt", [])
                }
                ErrorCode::ReadOnly => denied("writing"),
                ErrorCode::PermissionDenied => denied("the file"),
                ErrorCode::AuthorizationForStatementDenied => denied("what the statement names"),
                ErrorCode::DiskFull => failed("the disk is full"),
                ErrorCode::SystemIoFailure => failed("reading or writing failed"),
                ErrorCode::CannotOpen => failed("the file cannot be opened"),
                ErrorCode::OutOfMemory => {
                    HostFailure::limit(LimitKind::Memory, "a value of the statement does not fit")
                }
                ErrorCode::TooBig => {
                    failed("a value is too long, for any statement or for one of this size")
                }
                ErrorCode::ConstraintViolation => failed(&text.unwrap_or_else(|| code.to_string())),
                _ => said(&text.unwrap_or_else(|| code.to_string())),
            },
            Error::SqlInputError { msg, .. } => said(&msg),
            other => said(&other.to_string()),
        }
    }

    /// Refuses a statement that names something that is not granted, with an answer that is the same whether or not it
    /// is there.
    fn look_at_names(&mut self, sql: &str) -> Result<(), HostFailure> {
        if !self.guard.confined() || self.known.contains(sql) {
            return Ok(());
        }
        let version = |c: &Connection| c.query_row("PRAGMA schema_version", [], |r| r.get(0));
        let now: Result<i64, Error> = self.guard.as_ours(|| version(&self.connection));
        let now = now.map_err(|e| self.failure(e))?;
        let shadow = match self.shadow.take().filter(|s| s.version == now) {
            Some(shadow) => shadow,
            None => Shadow::of(&self.connection, &self.guard, now).map_err(|e| self.failure(e))?,
        };
        let checked = shadow.check(sql);
        self.shadow = Some(shadow);
        if let Some(stop) = self.guard.budget.stopped() {
            return Err(stop);
        }
        match checked {
            Ok(()) => {
                if self.known.len() >= MAX_KNOWN {
                    self.known.clear();
                }
                self.known.insert(sql.to_owned());
                Ok(())
            }
            Err(Refused::Denied(what)) => Err(denied(&what)),
            Err(Refused::Failed(why)) => Err(failed(&why)),
        }
    }

    /// Gives SQLite itself, for all of its connections in this process, as much memory as the program has.
    fn cap_memory(&mut self, cx: &HostCx<'_>) -> Result<(), HostFailure> {
        if !self.capped {
            let most = cx.limits().memory.max(LEAST_MEMORY);
            let sql = format!("PRAGMA hard_heap_limit = {most}");
            let done = self
                .guard
                .as_ours(|| self.connection.query_row(&sql, [], |_| Ok(())));
            done.map_err(|e| self.failure(e))?;
            self.capped = true;
        }
        Ok(())
    }

    /// Says how long values may be.
    fn bound_values(&self, longest: u64) {
        self.guard.budget.bound(longest);
        let longest = i32::try_from(longest).unwrap_or(i32::MAX);
        // What is out of range is brought into it.
        let _ = self
            .connection
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, longest);
    }

    /// Prepares and runs a statement. `reads` says whether it is to give rows or to change something.
    fn run(
        &mut self,
        sql: &str,
        values: &[HostValue],
        reads: bool,
        cx: &mut HostCx<'_>,
    ) -> Result<HostValue, HostFailure> {
        if sql.len() > MAX_SQL {
            return Err(failed("the statement is too long"));
        }
        match statements(sql) {
            Statements::One => {}
            Statements::None => return Err(failed("there is no statement")),
            Statements::More => return Err(failed("one statement at a time")),
        }
        self.guard.budget.start(cx);
        cx.charge_work(BASE_COST + sql.len() as u64);
        let memory = cx.memory_left().min(1 << 30).max(MAX_SQL as u64);
        self.bound_values(memory);
        self.cap_memory(cx)?;
        self.look_at_names(sql)?;
        self.guard.budget.start(cx);
        let guard = Arc::clone(&self.guard);
        let mut run = || self.run_known(sql, values, reads, cx, memory);
        if reads {
            guard.while_reading(run)
        } else {
            run()
        }
    }

    /// The same with a statement that names nothing but what is granted.
    fn run_known(
        &self,
        sql: &str,
        values: &[HostValue],
        reads: bool,
        cx: &mut HostCx<'_>,
        memory: u64,
    ) -> Result<HostValue, HostFailure> {
        let prepared = self.connection.prepare_cached(sql);
        let mut statement = prepared.map_err(|e| self.failure(e))?;
        if reads != statement.readonly() {
            // It was judged as one of the other kind.
            statement.discard();
            return Err(denied(if reads {
                "writing by `query`; `execute` writes"
            } else {
                "reading by `execute`; `query` reads"
            }));
        }
        // A plan names what a granted view is made of.
        if self.guard.confined() && statement.is_explain() != 0 {
            return Err(denied("plans"));
        }
        let places = statement.parameter_count();
        if places != values.len() {
            return Err(failed(&format!(
                "the statement has {places} places for values, and {} are given",
                values.len()
            )));
        }
        // SQLite looks at limits where its machine jumps: after all steps of the statement at the latest, or so many in a loop.
        let size = u64::try_from(statement.get_status(StatementStatus::MemUsed)).unwrap_or(0);
        let straight = size / STEP_SIZE + u64::try_from(STEPS).unwrap_or(0);
        let longest = (BETWEEN_LOOKS / straight).max(MAX_SQL as u64);
        self.bound_values(longest.min(memory));
        statement.reset_status(StatementStatus::VmStep);
        let before = self.connection.total_changes();
        let answer = step(&mut statement, values, reads, cx);
        let steps = statement.get_status(StatementStatus::VmStep);
        drop(statement);
        cx.charge_work(u64::try_from(steps).unwrap_or(0) + self.guard.budget.extra_done());
        match answer {
            Ok(Some(rows)) => Ok(rows),
            // What makes or drops a table leaves the number of the statement before it.
            Ok(None) if self.connection.total_changes() == before => Ok(HostValue::Int(0)),
            Ok(None) => {
                let changes = self.connection.changes();
                Ok(HostValue::Int(i64::try_from(changes).unwrap_or(i64::MAX)))
            }
            Err(Ended::By(Error::SqliteFailure(code, _)))
                if code.code == ErrorCode::TooBig && memory <= longest =>
            {
                let why = "a value of the statement does not fit";
                Err(HostFailure::limit(LimitKind::Memory, why))
            }
            Err(Ended::By(error)) => Err(self.failure(error)),
            Err(Ended::Text) => Err(failed("a text of the database is not UTF-8")),
            Err(Ended::Trap(failure)) => Err(failure),
        }
    }

    fn transaction(&mut self, sql: &str, cx: &mut HostCx<'_>) -> HostResult {
        self.guard.budget.start(cx);
        cx.charge_work(BASE_COST);
        let done = self.guard.as_ours(|| self.connection.execute_batch(sql));
        done.map(|()| HostValue::Unit).map_err(|e| self.failure(e))
    }
}

/// Why the rows of a statement ended early.
enum Ended {
    By(Error),
    Text,
    Trap(HostFailure),
}

/// A value of the program as SQLite takes it.
struct Bound<'a>(&'a HostValue);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, Error> {
        let HostValue::Variant(_, payload) = self.0 else {
            return Err(Error::InvalidQuery);
        };
        Ok(match payload.first() {
            None => ToSqlOutput::Owned(Value::Null),
            Some(HostValue::Int(n)) => ToSqlOutput::Owned(Value::Integer(*n)),
            Some(HostValue::Float(x)) => ToSqlOutput::Owned(Value::Real(*x)),
            Some(HostValue::Str(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Some(HostValue::Bytes(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Some(_) => return Err(Error::InvalidQuery),
        })
    }
}

/// Binds the values and takes all rows; `None` from a statement that writes.
fn step(
    statement: &mut rusqlite::CachedStatement<'_>,
    values: &[HostValue],
    reads: bool,
    cx: &HostCx<'_>,
) -> Result<Option<HostValue>, Ended> {
    for (i, value) in values.iter().enumerate() {
        statement
            .raw_bind_parameter(i + 1, Bound(value))
            .map_err(Ended::By)?;
    }
    let columns: Vec<HostValue> = statement.column_names().map(HostValue::str).collect();
    let names: usize = statement.column_names().map(str::len).sum();
    let row_cost = names as u64 + VALUE_COST * (2 * columns.len() as u64 + 2);
    let mut rows = Vec::new();
    let mut cost = 0;
    let mut found = statement.raw_query();
    while let Some(row) = found.next().map_err(Ended::By)? {
        if !reads {
            // What `returning` gives is not asked for.
            continue;
        }
        cost += row_cost;
        let mut values = Vec::with_capacity(columns.len());
        for i in 0..columns.len() {
            let value = row.get_ref(i).map_err(Ended::By)?;
            cost += match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
                _ => 0,
            };
            cx.check_memory(cost).map_err(Ended::Trap)?;
            values.push(match value {
                ValueRef::Null => HostValue::Variant(0, Vec::new()),
                ValueRef::Integer(n) => HostValue::Variant(1, vec![HostValue::Int(n)]),
                ValueRef::Real(x) => HostValue::Variant(2, vec![HostValue::Float(x)]),
                ValueRef::Text(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| Ended::Text)?;
                    HostValue::Variant(3, vec![HostValue::str(text)])
                }
                ValueRef::Blob(bytes) => {
                    HostValue::Variant(4, vec![HostValue::Bytes(bytes.to_vec())])
                }
            });
        }
        rows.push(HostValue::Record(vec![
            HostValue::List(columns.clone()),
            HostValue::List(values),
        ]));
    }
    Ok(reads.then_some(HostValue::List(rows)))
}

/// The files of a granted database: its own, and those that SQLite puts beside it.
pub(super) fn files(grant: &DbGrant) -> Vec<PathBuf> {
    if grant.file.as_os_str() == ":memory:" {
        return Vec::new();
    }
    let beside = |end: &str| {
        let mut name = grant.file.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    ["", "-journal", "-wal", "-shm"].map(beside).into()
}

/// The path of a file to make, whose folder is there, without links.
fn new_file(path: &Path) -> std::io::Result<PathBuf> {
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    Ok(parent.canonicalize()?.join(name))
}

fn describe(grant: &DbGrant) -> String {
    let mut text = grant.file.display().to_string();
    if let Some(tables) = &grant.tables {
        text.push_str(&format!(": {}", tables.join(", ")));
    }
    if !grant.deny.is_empty() {
        text.push_str(&format!(", but not {}", grant.deny.join(", ")));
    }
    if grant.read_only {
        text.push_str(" (reading)");
    }
    text
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.text)
    }
}

impl HostCapability for Database {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Database")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let result = match (method, args) {
            (0 | 1, [HostValue::Str(sql), HostValue::List(values)]) => {
                self.run(sql, values, method == 0, cx)
            }
            (2, []) => self.transaction("BEGIN", cx),
            (3, []) => self.transaction("COMMIT", cx),
            (4, []) => self.transaction("ROLLBACK", cx),
            _ => Err(jet_vm::host::wrong_arguments(&METHODS, method)),
        };
        result.into()
    }

    fn scope_text(&self) -> String {
        self.text.clone()
    }
}

//! `Database`: SQL on one SQLite file, no further than its grant.
//!
//! A statement is prepared under an authorizer (`db_guard.rs`) that knows the granted tables, and runs under a handler
//! that looks at fuel, time and cancellation. Values reach it as bound parameters. Under a grant of tables it is first
//! prepared against a copy of their schema alone, so that no message depends on what else the file holds. What must stay
//! true: only our own statements (`Guard::as_ours`) run without the authorizer's rules; one text is one statement; an
//! answer is bounded by the memory that the program has left.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jet_vm::host::{
    DbGrant, HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult,
    HostStruct, HostType, HostValue, HostVariant, LimitKind,
};
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, OpenFlags, StatementStatus, ToSql};

use super::db_guard::{Guard, Statements, Stop, shadow, statements};

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

/// Longest text of a statement.
const MAX_SQL: usize = 100_000;
/// Steps of SQLite's machine between two looks at limits.
const STEPS: i32 = 1000;
/// What every statement costs besides its steps.
const BASE_COST: u64 = 200;
/// How long a lock of somebody else is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that a value and a row cost besides their content.
const VALUE_COST: u64 = 48;
/// Memory that SQLite may use in any case.
const LEAST_MEMORY: u64 = 16 << 20;
/// Statements that are known to name nothing but what is granted.
const MAX_KNOWN: usize = 256;

/// Why a statement gave nothing.
enum DbFail {
    Failed(String),
    Denied(String),
    Locked,
    Corrupt,
    Trap(HostFailure),
}

impl From<HostFailure> for DbFail {
    fn from(failure: HostFailure) -> Self {
        DbFail::Trap(failure)
    }
}

impl From<DbFail> for HostFailure {
    fn from(fail: DbFail) -> HostFailure {
        let (variant, payload) = match fail {
            DbFail::Failed(why) => (0, vec![HostValue::str(&why)]),
            DbFail::Denied(what) => (1, vec![HostValue::str(&what)]),
            DbFail::Locked => (2, Vec::new()),
            DbFail::Corrupt => (3, Vec::new()),
            DbFail::Trap(failure) => return failure,
        };
        HostFailure::Error {
            error: DB_ERROR.name,
            variant,
            payload,
        }
    }
}

/// The capability over one file.
pub struct Database {
    connection: Connection,
    guard: Arc<Guard>,
    /// The schema of the granted tables alone, with the version of the schema that it was made from.
    shadow: Option<(i64, Connection)>,
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

    /// Turns off what leads past the grant, or believes what the file says about itself.
    fn harden(&mut self) -> Result<(), Error> {
        let c = &mut self.connection;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        c.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        c.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL as i32)?;
        c.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)?;
        c.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32)?;
        c.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
        c.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
        // No file of SQLite's own choice.
        c.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;")?;
        let guard = Arc::clone(&self.guard);
        c.authorizer(Some(move |cx: rusqlite::hooks::AuthContext<'_>| {
            guard.authorize(&cx)
        }))?;
        let guard = Arc::clone(&self.guard);
        c.progress_handler(STEPS, Some(move || guard.budget.spent(STEPS as u64)))?;
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

    fn failure(&self, error: Error) -> DbFail {
        if let Some(stop) = self.guard.budget.stopped() {
            let (kind, why) = match stop {
                Stop::Fuel => (LimitKind::Fuel, "the statement did too much work"),
                Stop::Time => (LimitKind::Time, "the time limit is reached"),
            };
            return DbFail::Trap(HostFailure::limit(kind, why));
        }
        if let Some(what) = self.guard.denied() {
            return DbFail::Denied(what);
        }
        let message = |text: Option<String>, code: &rusqlite::ffi::Error| match text {
            Some(text) => text,
            None => code.to_string(),
        };
        match error {
            Error::SqliteFailure(code, text) => match code.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DbFail::Locked,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => DbFail::Corrupt,
                ErrorCode::ReadOnly => DbFail::Denied("writing".into()),
                ErrorCode::PermissionDenied => DbFail::Denied("the file".into()),
                ErrorCode::AuthorizationForStatementDenied => {
                    DbFail::Denied("what the statement names".into())
                }
                ErrorCode::DiskFull => DbFail::Failed("the disk is full".into()),
                ErrorCode::SystemIoFailure => DbFail::Failed("reading or writing failed".into()),
                ErrorCode::CannotOpen => DbFail::Failed("the file cannot be opened".into()),
                ErrorCode::OutOfMemory | ErrorCode::TooBig => DbFail::Trap(HostFailure::limit(
                    LimitKind::Memory,
                    "a value of the statement does not fit",
                )),
                _ => DbFail::Failed(message(text, &code)),
            },
            Error::SqlInputError { msg, .. } => DbFail::Failed(msg),
            Error::MultipleStatement => DbFail::Failed("one statement at a time".into()),
            other => DbFail::Failed(other.to_string()),
        }
    }

    /// Refuses a statement that names something that is not granted, with an answer that is the same whether or not it
    /// is there.
    fn look_at_names(&mut self, sql: &str) -> Result<(), DbFail> {
        if !self.guard.confined() || self.known.contains(sql) {
            return Ok(());
        }
        for fresh in [false, true] {
            let made = self.guard.as_ours(|| {
                let version = |c: &Connection| {
                    c.query_row("PRAGMA schema_version", [], |r| r.get::<_, i64>(0))
                };
                let now = version(&self.connection)?;
                if self.shadow.as_ref().is_none_or(|(then, _)| *then != now) {
                    self.shadow = Some((now, shadow(&self.connection, &self.guard)?));
                }
                Ok(())
            });
            made.map_err(|e| self.failure(e))?;
            let Some((_, shadow)) = &self.shadow else {
                break;
            };
            match shadow.prepare(sql) {
                Ok(_) => {
                    if self.known.len() >= MAX_KNOWN {
                        self.known.clear();
                    }
                    self.known.insert(sql.to_owned());
                    return Ok(());
                }
                Err(error) if fresh => {
                    let text = match error {
                        Error::SqlInputError { msg, .. } => msg,
                        Error::SqliteFailure(_, Some(text)) => text,
                        other => other.to_string(),
                    };
                    return Err(match text.strip_prefix("no such table: ") {
                        Some(table) => DbFail::Denied(format!("table `{table}`")),
                        None => DbFail::Failed(text),
                    });
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Gives SQLite itself, for all of its connections in this process, as much memory as the program has.
    fn cap_memory(&mut self, cx: &HostCx<'_>) -> Result<(), DbFail> {
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

    /// Prepares and runs a statement. `reads` says whether it is to give rows or to change something.
    fn run(
        &mut self,
        sql: &str,
        values: &[HostValue],
        reads: bool,
        cx: &mut HostCx<'_>,
    ) -> Result<HostValue, DbFail> {
        if sql.len() > MAX_SQL {
            return Err(DbFail::Failed("the statement is too long".into()));
        }
        match statements(sql) {
            Statements::One => {}
            Statements::None => return Err(DbFail::Failed("there is no statement".into())),
            Statements::More => return Err(DbFail::Failed("one statement at a time".into())),
        }
        self.guard.budget.start(cx);
        cx.charge_work(BASE_COST);
        let most = i32::try_from(cx.memory_left().min(1 << 30)).unwrap_or(1 << 30);
        let _ = self
            .connection
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, most.max(MAX_SQL as i32));
        self.cap_memory(cx)?;
        self.look_at_names(sql)?;
        self.guard.budget.start(cx);
        let mut statement = match self.connection.prepare_cached(sql) {
            Ok(statement) => statement,
            Err(error) => return Err(self.failure(error)),
        };
        if reads != statement.readonly() {
            return Err(DbFail::Denied(if reads {
                "writing by `query`; `execute` writes".into()
            } else {
                "reading by `execute`; `query` reads".into()
            }));
        }
        let places = statement.parameter_count();
        if places != values.len() {
            return Err(DbFail::Failed(format!(
                "the statement has {places} places for values, and {} are given",
                values.len()
            )));
        }
        statement.reset_status(StatementStatus::VmStep);
        let answer = step(&mut statement, values, reads, cx);
        let steps = statement.get_status(StatementStatus::VmStep);
        drop(statement);
        cx.charge_work(u64::try_from(steps).unwrap_or(0));
        match answer {
            Ok(Some(rows)) => Ok(rows),
            Ok(None) => {
                let changes = self.connection.changes();
                Ok(HostValue::Int(i64::try_from(changes).unwrap_or(i64::MAX)))
            }
            Err(Ended::By(error)) => Err(self.failure(error)),
            Err(Ended::Text) => Err(DbFail::Failed("a text of the database is not UTF-8".into())),
            Err(Ended::Trap(failure)) => Err(DbFail::Trap(failure)),
        }
    }

    fn transaction(&mut self, sql: &str, cx: &mut HostCx<'_>) -> Result<HostValue, DbFail> {
        self.guard.budget.start(cx);
        cx.charge_work(BASE_COST);
        let done = self.guard.as_ours(|| self.connection.execute_batch(sql));
        match done {
            Ok(()) => Ok(HostValue::Unit),
            Err(error) => Err(self.failure(error)),
        }
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
            _ => Err(DbFail::Trap(jet_vm::host::wrong_arguments(
                &METHODS, method,
            ))),
        };
        let result: HostResult = result.map_err(HostFailure::from);
        result.into()
    }

    fn scope_text(&self) -> String {
        self.text.clone()
    }
}

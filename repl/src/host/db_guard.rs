//! What a statement may name and how much it may do: the authorizer and the budget of `Database`.
//!
//! The authorizer lists what is allowed; what it does not know is refused. Functions that tell the time, make random
//! numbers, load code or describe the library are not listed: each of these is authority of another capability. Under a grant of some
//! tables a statement is judged twice. What its text names is looked at where there is nothing but what is granted (`db_shadow.rs`);
//! so what it reads besides, in the real database, it reads through a granted view. SQLite's own word for who reads is not asked: it
//! is whatever name a statement gives to a part of itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jet_vm::host::{DbGrant, HostCx, HostFailure, Interrupt, LimitKind};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ffi};

/// Longest text of a statement.
pub(super) const MAX_SQL: usize = 100_000;
/// Steps of SQLite's machine between two looks at limits.
pub(super) const STEPS: i32 = 100;
/// Longest pattern of `like` and `glob`.
const MAX_PATTERN: usize = 1000;

/// Functions that compute something from their arguments.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "avg",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_quote",
    "json_type",
    "json_valid",
    "lag",
    "last_insert_rowid",
    "last_value",
    "lead",
    "length",
    "like",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pow",
    "power",
    "printf",
    "quote",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "upper",
    "zeroblob",
];

/// What a grant of tables does not cover.
const DEFINING: &str = "tables, views and indexes other than those granted";
/// What is refused for something that the program does not know of, whatever it is.
const HIDDEN: &str = "what the statement leads to";

/// How much the statement that runs may do.
#[derive(Debug, Default)]
pub(super) struct Budget {
    left: AtomicU64,
    extra: AtomicU64,
    longest: AtomicU64,
    stopped: Mutex<Option<HostFailure>>,
    interrupt: Mutex<Interrupt>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    /// Begins a statement.
    pub fn start(&self, cx: &HostCx<'_>) {
        self.left.store(cx.work_left(), Ordering::Relaxed);
        self.extra.store(0, Ordering::Relaxed);
        *lock(&self.stopped) = None;
        *lock(&self.interrupt) = cx.interrupt();
    }

    /// Says how long a value may be.
    pub fn bound(&self, longest: u64) {
        self.longest.store(longest, Ordering::Relaxed);
    }

    /// How long a value may be.
    pub fn longest(&self) -> u64 {
        self.longest.load(Ordering::Relaxed)
    }

    /// How long a pattern may be.
    pub fn longest_pattern(&self) -> usize {
        MAX_PATTERN
    }

    /// Notes work; whether the statement has to end.
    pub fn spent(&self, work: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left
            .store(left.saturating_sub(work), Ordering::Relaxed);
        let why = if left < work {
            HostFailure::limit(LimitKind::Fuel, "the statement did too much work")
        } else {
            match lock(&self.interrupt).check() {
                Ok(()) => return false,
                Err(why) => why,
            }
        };
        *lock(&self.stopped) = Some(why);
        true
    }

    /// Notes work of a function of ours, which SQLite does not count.
    pub fn extra(&self, units: u64) -> Result<(), Error> {
        self.extra.fetch_add(units, Ordering::Relaxed);
        match self.spent(units) {
            true => Err(Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_INTERRUPT),
                None,
            )),
            false => Ok(()),
        }
    }

    /// What [`Budget::extra`] added up.
    pub fn extra_done(&self) -> u64 {
        self.extra.load(Ordering::Relaxed)
    }

    /// Why it ended, if it did not by itself.
    pub fn stopped(&self) -> Option<HostFailure> {
        lock(&self.stopped).clone()
    }
}

/// What is granted, and what a statement asked for beyond it.
#[derive(Debug)]
pub(super) struct Guard {
    tables: Option<Vec<String>>,
    deny: Vec<String>,
    read_only: bool,
    ours: AtomicBool,
    reading: AtomicBool,
    denied: Mutex<Option<String>>,
    /// See [`Budget`].
    pub budget: Budget,
}

/// Sets a flag until it is dropped.
struct During<'a>(&'a AtomicBool);

impl<'a> During<'a> {
    fn set(flag: &'a AtomicBool) -> During<'a> {
        flag.store(true, Ordering::Relaxed);
        During(flag)
    }
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn named(list: &[String], name: &str) -> bool {
    list.iter().any(|t| t.eq_ignore_ascii_case(name))
}

impl Guard {
    pub fn new(grant: &DbGrant) -> Guard {
        Guard {
            tables: grant.tables.clone(),
            deny: grant.deny.clone(),
            read_only: grant.read_only,
            ours: AtomicBool::new(false),
            reading: AtomicBool::new(false),
            denied: Mutex::default(),
            budget: Budget::default(),
        }
    }

    /// Whether there are tables that are not granted.
    pub fn confined(&self) -> bool {
        self.tables.is_some() || !self.deny.is_empty()
    }

    /// Whether a name stays closed, however it is reached: it is denied, or SQLite's own.
    pub fn closed(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        lower.starts_with("pragma_")
            || lower == "dbstat"
            || named(&self.deny, name)
            || self.confined() && lower.starts_with("sqlite_")
    }

    /// Whether a table or view is granted by its name. SQLite's own tables are, for reading, if everything is.
    pub fn covers(&self, table: &str) -> bool {
        !self.closed(table) && self.tables.as_ref().is_none_or(|t| named(t, table))
    }

    /// Whether everything is granted but what is denied.
    pub fn open(&self) -> bool {
        self.tables.is_none()
    }

    /// Runs statements of ours, without the rules.
    pub fn as_ours<T>(&self, run: impl FnOnce() -> T) -> T {
        let _ours = During::set(&self.ours);
        run()
    }

    /// Runs or prepares what changes nothing and names nothing but what is granted.
    pub fn while_reading<T>(&self, run: impl FnOnce() -> T) -> T {
        let _reading = During::set(&self.reading);
        run()
    }

    /// What the last statement was refused for.
    pub fn denied(&self) -> Option<String> {
        lock(&self.denied).take()
    }

    /// Judges a statement for the real database.
    pub fn authorize(&self, cx: &AuthContext<'_>) -> Authorization {
        if self.ours.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        // Triggers and keys to other tables act in statements that change something.
        let through = self.confined() && self.reading.load(Ordering::Relaxed);
        let reads = |table: &str, _: &str| self.covers(table) || through && !self.closed(table);
        match self.refuse(cx, reads) {
            None => Authorization::Allow,
            Some(what) => {
                let what = if self.confined() { HIDDEN.into() } else { what };
                lock(&self.denied).get_or_insert(what);
                Authorization::Deny
            }
        }
    }

    /// What is refused, if anything. `reads` says of a table and its column whether it may be read; an empty column stands for none.
    pub fn refuse(
        &self,
        cx: &AuthContext<'_>,
        reads: impl Fn(&str, &str) -> bool,
    ) -> Option<String> {
        if cx.database_name.is_some_and(|name| name != "main") {
            // The schema of temporary tables is looked at with every statement that makes something.
            let looks = matches!(
                cx.action,
                AuthAction::Read {
                    table_name: "sqlite_temp_master" | "sqlite_temp_schema",
                    ..
                }
            );
            return (!looks || self.confined()).then(|| "another database".to_owned());
        }
        let change = |name: &str| {
            if self.read_only {
                return Some("writing".to_owned());
            }
            if self.confined() && ["sqlite_master", "sqlite_schema"].contains(&name) {
                return Some(DEFINING.to_owned());
            }
            (!self.covers(name)).then(|| format!("table `{name}`"))
        };
        let define = || {
            if self.read_only {
                return Some("writing".to_owned());
            }
            self.confined().then(|| DEFINING.to_owned())
        };
        match cx.action {
            AuthAction::Select | AuthAction::Recursive => None,
            AuthAction::Read {
                table_name,
                column_name,
            } => (!reads(table_name, column_name)).then(|| format!("table `{table_name}`")),
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. } => change(table_name),
            AuthAction::Function { function_name } => {
                let known = FUNCTIONS
                    .iter()
                    .any(|f| f.eq_ignore_ascii_case(function_name));
                (!known).then(|| format!("function `{function_name}`"))
            }
            AuthAction::CreateTable { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::DropTable { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropView { .. }
            | AuthAction::AlterTable { .. }
            | AuthAction::Reindex { .. }
            | AuthAction::Analyze { .. } => define(),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                Some("transactions as SQL; `begin`, `commit` and `rollback` are methods".to_owned())
            }
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
                Some("another database".to_owned())
            }
            AuthAction::Pragma { .. } => Some("pragmas".to_owned()),
            AuthAction::CreateVtable { .. } | AuthAction::DropVtable { .. } => {
                Some("virtual tables".to_owned())
            }
            AuthAction::CreateTrigger { .. } | AuthAction::DropTrigger { .. } => {
                Some("triggers".to_owned())
            }
            _ => Some("temporary tables, views and triggers".to_owned()),
        }
    }
}

/// Turns off what leads past a database, or believes what its file says about itself.
pub(super) fn harden(c: &Connection) -> Result<(), Error> {
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // How a statement is run does not depend on the values that it is given: it is prepared once, not for each of them.
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        c.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
    }
    // No file of SQLite's own choice.
    c.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;")
}

/// What a text holds, as SQLite divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statements {
    /// Space and comments.
    None,
    /// One statement, and nothing behind its semicolon.
    One,
    /// More, or something that is no text of SQL.
    More,
}

/// How many statements a text holds. Asked before the text is prepared, which would prepare each of them.
pub(super) fn statements(sql: &str) -> Statements {
    let bytes = sql.as_bytes();
    // SQLite reads up to a zero, also inside of quotes.
    if bytes.contains(&0) {
        return Statements::More;
    }
    let mut at = 0;
    let (mut begun, mut ended) = (false, false);
    let find = |from: usize, what: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.windows(what.len())
            .position(|w| w == what)
            .map_or(bytes.len(), |i| from + i + what.len())
    };
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at = match rest {
            [b'-', b'-', ..] => find(at + 2, b"\n"),
            [b'/', b'*', ..] => find(at + 2, b"*/"),
            [b' ' | b'\t' | b'\n' | b'\r' | 0x0c, ..] => at + 1,
            // A mark of the order of bytes, which SQLite skips.
            [0xef, 0xbb, 0xbf, ..] => at + 3,
            [b';', ..] => {
                ended = begun;
                at + 1
            }
            _ if ended => return Statements::More,
            // A named place may hold anything in parentheses, quotes and semicolons too; values have `?`.
            [b'$', ..] => return Statements::More,
            [first, ..] => {
                begun = true;
                match first {
                    b'\'' | b'"' | b'`' => find(at + 1, &[*first]),
                    b'[' => find(at + 1, b"]"),
                    _ => at + 1,
                }
            }
            [] => at,
        };
    }
    if begun {
        Statements::One
    } else {
        Statements::None
    }
}

#[cfg(test)]
mod tests {
    use super::{Statements, statements};

    #[test]
    fn texts_of_one_statement() {
        for sql in [
            "select 1",
            "select 1;",
            "select ';' ; -- and no more; really",
            "select \";\", `;`, [;] /* ; */ ;;",
            "select 'it''s; fine'",
            "\u{feff}select 1",
            ";;select 1;",
        ] {
            assert_eq!(statements(sql), Statements::One, "{sql}");
        }
        for sql in [
            "select 1; select 2",
            "select 1;/**/x",
            "select 1;--\nattach 'x' as y",
            "select '\0'",
            "select $a('); select 1; --')",
        ] {
            assert_eq!(statements(sql), Statements::More, "{sql}");
        }
        for sql in ["", " ", ";", ";;", "-- x", "/* x */ ;", "\u{feff}", "--"] {
            assert_eq!(statements(sql), Statements::None, "{sql}");
        }
    }
}

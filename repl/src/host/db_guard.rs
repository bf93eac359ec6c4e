//! What a statement may name and how much it may do: the authorizer and the budget of `Database`.
//!
//! The authorizer lists what is allowed; what it does not know is refused. Functions that tell the time, make random
//! numbers, load code or describe the library are not listed: each of these is authority of another capability.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jet_vm::host::{DbGrant, HostCx};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error};

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

/// What ended a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The program's fuel.
    Fuel,
    /// The program's time, or somebody cancelled it.
    Time,
}

/// How much the statement that runs may do.
#[derive(Default)]
pub(super) struct Budget {
    left: AtomicU64,
    stopped: AtomicU8,
    until: Mutex<(Option<Instant>, Option<Arc<AtomicBool>>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    /// Begins a statement.
    pub fn start(&self, cx: &HostCx<'_>) {
        self.left.store(cx.work_left(), Ordering::Relaxed);
        self.stopped.store(0, Ordering::Relaxed);
        *lock(&self.until) = (cx.deadline(), cx.cancel());
    }

    /// Notes work; whether the statement has to end.
    pub fn spent(&self, work: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left
            .store(left.saturating_sub(work), Ordering::Relaxed);
        let (deadline, cancel) = &*lock(&self.until);
        let stop = if left < work {
            1
        } else if deadline.is_some_and(|d| Instant::now() >= d)
            || cancel.as_ref().is_some_and(|c| c.load(Ordering::Relaxed))
        {
            2
        } else {
            return false;
        };
        self.stopped.store(stop, Ordering::Relaxed);
        true
    }

    /// Why it ended, if it did not by itself.
    pub fn stopped(&self) -> Option<Stop> {
        match self.stopped.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Fuel),
            _ => Some(Stop::Time),
        }
    }
}

/// What is granted, and what a statement asked for beyond it.
pub(super) struct Guard {
    tables: Option<Vec<String>>,
    deny: Vec<String>,
    read_only: bool,
    ours: AtomicBool,
    denied: Mutex<Option<String>>,
    /// See [`Budget`].
    pub budget: Budget,
}

impl Guard {
    pub fn new(grant: &DbGrant) -> Guard {
        Guard {
            tables: grant.tables.clone(),
            deny: grant.deny.clone(),
            read_only: grant.read_only,
            ours: AtomicBool::new(false),
            denied: Mutex::default(),
            budget: Budget::default(),
        }
    }

    /// Whether there are tables that are not granted.
    pub fn confined(&self) -> bool {
        self.tables.is_some() || !self.deny.is_empty()
    }

    /// Whether a table is granted. SQLite's own tables are, for reading, if everything is.
    pub fn covers(&self, table: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|t| t.eq_ignore_ascii_case(table));
        let lower = table.to_ascii_lowercase();
        if lower.starts_with("pragma_") || lower == "dbstat" {
            return false;
        }
        match &self.tables {
            Some(tables) => named(tables) && !named(&self.deny) && !lower.starts_with("sqlite_"),
            None if self.confined() && lower.starts_with("sqlite_") => false,
            None => !named(&self.deny),
        }
    }

    /// Runs statements of ours, without the rules.
    pub fn as_ours<T>(&self, run: impl FnOnce() -> T) -> T {
        self.ours.store(true, Ordering::Relaxed);
        let out = run();
        self.ours.store(false, Ordering::Relaxed);
        out
    }

    /// What the last statement was refused for.
    pub fn denied(&self) -> Option<String> {
        lock(&self.denied).take()
    }

    pub fn authorize(&self, cx: &AuthContext<'_>) -> Authorization {
        if self.ours.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match self.refuse(cx) {
            None => Authorization::Allow,
            Some(what) => {
                lock(&self.denied).get_or_insert(what);
                Authorization::Deny
            }
        }
    }

    /// What is refused, if anything.
    fn refuse(&self, cx: &AuthContext<'_>) -> Option<String> {
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
        let table = |name: &str| {
            // A view that is granted reads what it is made of.
            let through = cx
                .accessor
                .is_some_and(|view| self.covers(view) && self.confined());
            (!self.covers(name) && !through).then(|| format!("table `{name}`"))
        };
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
            AuthAction::Read { table_name, .. } => table(table_name),
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

/// A database without rows that has the granted tables and nothing else.
pub(super) fn shadow(real: &Connection, guard: &Guard) -> Result<Connection, Error> {
    let copy = Connection::open_in_memory()?;
    copy.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    let mut find = real.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'index') \
         ORDER BY type = 'index'",
    )?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, table): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql: Option<String> = row.get(3)?;
        if !guard.covers(&table) || !guard.covers(&name) && kind != "index" {
            continue;
        }
        let made = match (&*kind, &sql) {
            ("view", _) | (_, None) => false,
            (_, Some(sql)) => copy.execute_batch(sql).is_ok(),
        };
        if !made && kind != "index" {
            copy.execute_batch(&columns_only(real, &name)?)?;
        }
    }
    Ok(copy)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table with the names of another's columns.
fn columns_only(real: &Connection, name: &str) -> Result<String, Error> {
    let mut info = real.prepare(&format!("PRAGMA table_xinfo({})", quoted(name)))?;
    let names: Result<Vec<String>, Error> = info.query_map([], |row| row.get(1))?.collect();
    let names: Vec<String> = names?.iter().map(|n| quoted(n)).collect();
    Ok(format!(
        "CREATE TABLE {} ({})",
        quoted(name),
        names.join(", ")
    ))
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

/// How many statements a text holds.
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
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let at_before = at;
        at = match byte {
            b'-' if next == Some(b'-') => find(at + 2, b"\n"),
            b'/' if next == Some(b'*') => find(at + 2, b"*/"),
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => at + 1,
            // A mark of the order of bytes, which SQLite skips.
            0xef if bytes.get(at..at + 3) == Some(&[0xef, 0xbb, 0xbf]) => at + 3,
            b';' => {
                ended = begun;
                at + 1
            }
            _ if ended => return Statements::More,
            // A named place may hold anything in parentheses, quotes and semicolons too; values have `?`.
            b'$' => return Statements::More,
            b'\'' | b'"' | b'`' => find(at + 1, &[byte]),
            b'[' => find(at + 1, b"]"),
            _ => at + 1,
        };
        begun |= !matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b';' | b'-' | b'/' | 0xef
        );
        begun |= byte == 0xef && at_before + 1 == at;
        begun |= matches!(byte, b'-') && next != Some(b'-');
        begun |= matches!(byte, b'/') && next != Some(b'*');
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

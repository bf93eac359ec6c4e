//! A database without rows that holds what is granted and nothing else: what a statement's text names is looked at here first.
//!
//! So no answer and no message depends on what else the real file holds, and nothing that is not granted can be named: neither by
//! itself, nor inside of a part of the statement that has the name of something granted. What must stay true: every table here is
//! granted; what is read is one of them, by its own name; a view is here as a table with its columns, and only if the real database
//! lets it be read under the grant. Keys to other tables and triggers are not here; the real database judges what they do.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error};

use super::db_guard::{Guard, STEPS, harden, lock};

/// Functions of SQLite that are read like tables and show nothing but their arguments.
const READERS: &[&str] = &["json_each", "json_tree"];

/// See the module.
pub(super) struct Shadow {
    connection: Connection,
    names: Arc<Names>,
    /// The version of the schema that it was made from.
    pub version: i64,
}

/// What may be read here.
struct Names {
    guard: Arc<Guard>,
    making: AtomicBool,
    /// Tables, in lower case.
    made: Mutex<HashSet<String>>,
    /// Names that mean something without being made.
    modules: HashSet<String>,
    denied: Mutex<Option<String>>,
}

impl Names {
    fn authorize(&self, cx: &AuthContext<'_>) -> Authorization {
        if self.making.load(Ordering::Relaxed) {
            return match cx.action {
                AuthAction::CreateTable { .. }
                | AuthAction::CreateIndex { .. }
                | AuthAction::Insert { .. }
                | AuthAction::Update { .. }
                | AuthAction::Delete { .. }
                | AuthAction::Read { .. }
                | AuthAction::Reindex { .. }
                | AuthAction::Function { .. }
                | AuthAction::Select => Authorization::Allow,
                _ => Authorization::Deny,
            };
        }
        match self
            .guard
            .refuse(cx, |table, column| self.reads(table, column))
        {
            None => Authorization::Allow,
            Some(what) => {
                lock(&self.denied).get_or_insert(what);
                Authorization::Deny
            }
        }
    }

    fn reads(&self, table: &str, column: &str) -> bool {
        let lower = table.to_ascii_lowercase();
        if self.guard.closed(table) {
            return false;
        }
        lock(&self.made).contains(&lower)
            || self.guard.open() && READERS.contains(&&*lower)
            // A part of the statement of which no column is read. It has no table's name, or there would be one of that name.
            || column.is_empty() && !self.modules.contains(&lower)
    }
}

/// Why a statement is not for the real database.
pub(super) enum Refused {
    /// It names something that is not granted.
    Denied(String),
    /// It is none.
    Failed(String),
}

impl Shadow {
    /// Makes it for the granted part of a database.
    pub fn of(real: &Connection, guard: &Arc<Guard>, version: i64) -> Result<Shadow, Error> {
        let mut connection = Connection::open_in_memory()?;
        harden(&connection)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        let modules = {
            let mut list = connection.prepare("PRAGMA module_list")?;
            let names = list.query_map([], |row| row.get::<_, String>(0))?;
            names
                .map(|n| n.map(|n| n.to_ascii_lowercase()))
                .collect::<Result<_, _>>()?
        };
        let names = Arc::new(Names {
            guard: Arc::clone(guard),
            making: AtomicBool::new(true),
            made: Mutex::default(),
            modules,
            denied: Mutex::default(),
        });
        let rules = Arc::clone(&names);
        connection.authorizer(Some(move |cx: AuthContext<'_>| rules.authorize(&cx)))?;
        let budget = Arc::clone(guard);
        let steps = u64::try_from(STEPS).unwrap_or_default();
        connection.progress_handler(STEPS, Some(move || budget.budget.spent(steps)))?;
        let shadow = Shadow {
            connection,
            names,
            version,
        };
        for (kind, name, table, sql) in guard.as_ours(|| granted(real, guard))? {
            shadow.add(real, &kind, &name, &table, sql.as_deref());
        }
        shadow.names.making.store(false, Ordering::Relaxed);
        Ok(shadow)
    }

    /// Adds a table, view or index; what cannot be made is left out.
    fn add(&self, real: &Connection, kind: &str, name: &str, table: &str, sql: Option<&str>) {
        let guard = &self.names.guard;
        let made = match (kind, sql) {
            ("view", _) => guard
                .while_reading(|| read_columns(real, name))
                .and_then(|columns| self.make_table(name, &columns)),
            ("index", Some(sql))
                if lock(&self.names.made).contains(&table.to_ascii_lowercase()) =>
            {
                return drop(self.make(sql));
            }
            ("table", Some(sql)) => self.make(sql).or_else(|_| {
                let columns = guard.as_ours(|| all_columns(real, name))?;
                self.make_table(name, &columns)
            }),
            _ => return,
        };
        // What was refused meanwhile concerns no statement of the program.
        guard.denied();
        if made.is_ok() {
            lock(&self.names.made).insert(name.to_ascii_lowercase());
        }
    }

    /// Runs one statement that makes something.
    fn make(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare(sql)?.raw_execute().map(drop)
    }

    fn make_table(&self, name: &str, columns: &[String]) -> Result<(), Error> {
        let columns: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
        self.make(&format!(
            "CREATE TABLE {} ({})",
            quoted(name),
            columns.join(", ")
        ))
    }

    /// Whether a statement names nothing but what is granted, and makes sense there.
    pub fn check(&self, sql: &str) -> Result<(), Refused> {
        lock(&self.names.denied).take();
        let Err(error) = self.connection.prepare(sql) else {
            return Ok(());
        };
        if let Some(what) = lock(&self.names.denied).take() {
            return Err(Refused::Denied(what));
        }
        let text = match error {
            Error::SqlInputError { msg, .. } => msg,
            Error::SqliteFailure(_, Some(text)) => text,
            other => other.to_string(),
        };
        Err(match text.strip_prefix("no such table: ") {
            Some(table) => Refused::Denied(format!("table `{table}`")),
            None => Refused::Failed(text),
        })
    }
}

type Entry = (String, String, String, Option<String>);

/// What is granted of a schema, tables first.
fn granted(real: &Connection, guard: &Guard) -> Result<Vec<Entry>, Error> {
    let mut find = real.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'index') \
         ORDER BY type = 'index'",
    )?;
    let rows = find.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
    let mut out: Vec<Entry> = Vec::new();
    for row in rows {
        let row: Entry = row?;
        if guard.covers(&row.2) && (row.0 == "index" || guard.covers(&row.1)) {
            out.push(row);
        }
    }
    Ok(out)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of the columns that reading gives.
fn read_columns(real: &Connection, name: &str) -> Result<Vec<String>, Error> {
    let all = real.prepare(&format!("SELECT * FROM {}", quoted(name)))?;
    Ok(all.column_names().map(str::to_owned).collect())
}

/// The names of all columns, those included that reading does not give.
fn all_columns(real: &Connection, name: &str) -> Result<Vec<String>, Error> {
    let mut info = real.prepare(&format!("PRAGMA table_xinfo({})", quoted(name)))?;
    info.query_map([], |row| row.get(1))?.collect()
}

//! What `--heap-snapshot` and `--alloc-profile` show: JSON objects, and a table for people.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use jet_vm::{Allocations, Observe, Snapshot};
use serde_json::{Value, json};

use super::args::MessageFormat;
use super::say;
use crate::engine::Report;
use crate::render::Style;

/// Lines of the table.
const TOP: usize = 20;
/// Paths of a snapshot that are written.
const PATHS: usize = 1_000;

/// Where the observations go.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Observations {
    /// `--heap-snapshot`.
    pub snapshot: Option<PathBuf>,
    /// `--alloc-profile`: to a file, or as a table on standard error.
    pub allocations: Option<Option<PathBuf>>,
}

impl Observations {
    /// What the virtual machine has to observe for them.
    #[must_use]
    pub fn observe(&self) -> Observe {
        Observe {
            allocations: self.allocations.is_some(),
            snapshot: self.snapshot.is_some(),
        }
    }

    /// Shows what the run gave. The error says which file could not be written.
    pub(super) fn show(&self, report: &Report, style: Style) -> Result<(), String> {
        if let Some(file) = &self.snapshot {
            write(file, &snapshot(report.snapshot.as_ref()))?;
        }
        let lines = report.allocations.as_deref().unwrap_or_default();
        match &self.allocations {
            Some(Some(file)) => write(file, &allocations(lines))?,
            Some(None) if style.format == MessageFormat::Json => {
                say(&format!("{}\n", allocations(lines)));
            }
            Some(None) => say(&table(lines)),
            None => {}
        }
        Ok(())
    }
}

fn write(file: &Path, value: &Value) -> Result<(), String> {
    let done = std::fs::File::create(file).and_then(|mut f| writeln!(f, "{value:#}"));
    done.map_err(|e| format!("cannot write `{}`: {e}", file.display()))
}

fn snapshot(taken: Option<&Snapshot>) -> Value {
    let Some(s) = taken else {
        return json!({ "when": null, "objects": 0, "bytes": 0, "types": [], "paths": [] });
    };
    let types: Vec<Value> = s
        .types
        .iter()
        .map(|t| json!({ "type": t.name, "objects": t.objects, "bytes": t.bytes, "path": t.path }))
        .collect();
    let paths: Vec<Value> = s
        .paths
        .iter()
        .take(PATHS)
        .map(|p| {
            json!({ "path": p.path, "objects": p.objects, "bytes": p.bytes, "retained": p.retained })
        })
        .collect();
    json!({ "when": s.when, "objects": s.objects, "bytes": s.bytes, "types": types, "paths": paths })
}

fn allocations(lines: &[Allocations]) -> Value {
    let all: Vec<Value> = lines
        .iter()
        .map(|a| {
            let via = a.via.as_ref();
            let via =
                via.map(|v| json!({ "file": v.file, "line": v.line, "function": v.function }));
            json!({
                "file": a.at.file, "line": a.at.line, "function": a.at.function, "via": via,
                "objects": a.objects, "bytes": a.bytes,
            })
        })
        .collect();
    json!({
        "objects": lines.iter().map(|a| a.objects).sum::<u64>(),
        "bytes": lines.iter().map(|a| a.bytes).sum::<u64>(),
        "lines": all,
    })
}

fn table(lines: &[Allocations]) -> String {
    let total: u64 = lines.iter().map(|a| a.bytes).sum();
    let mut out = format!(
        "{:>12} {:>6} {:>12}  allocated at\n",
        "bytes", "%", "objects"
    );
    for a in lines.iter().take(TOP) {
        let share = a.bytes as f64 * 100.0 / total.max(1) as f64;
        let via = a.via.as_ref().map(|v| format!(" via {}", v.function));
        out.push_str(&format!(
            "{:>12} {share:>6.1} {:>12}  {}:{} in {}{}\n",
            a.bytes,
            a.objects,
            a.at.file,
            a.at.line,
            a.at.function,
            via.unwrap_or_default(),
        ));
    }
    if lines.len() > TOP {
        out.push_str(&format!("and {} places more\n", lines.len() - TOP));
    }
    out
}

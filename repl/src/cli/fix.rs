//! `jetvm check --fix`: applies the edits of diagnostics until none is left.
//!
//! A round checks the program, takes each fix whose edits touch no other's, and changes the texts in
//! memory; so a capability that a function lacks travels call by call up to where it is bound, or to
//! `main`. Files are written once, at the end, each by a rename: a reader sees the old text or the new
//! one. Only the program's own package is changed, never a dependency.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use jet_frontend::diag::{Diagnostic, Edit, Severity};
use jet_frontend::driver::{self, CompileOutput};
use jet_frontend::source::SourceMap;

use super::{FAILED, USAGE, check, not_loaded, say};
use crate::render::Style;
use crate::replace::replace;
use crate::sources::{self, Input, Texts};

/// Rounds at most; a path of calls takes one each.
const MAX_ROUNDS: usize = 1000;

/// Repairs what can be repaired, says what is left, and gives the exit code.
pub(super) fn fix(input: &Path, style: Style) -> u8 {
    let fail = |code: u8, message: &str| {
        say(&style.plain("", message, None, &[]));
        code
    };
    let mut texts = match sources::load(input) {
        Ok(Input::Texts(texts)) => texts,
        Ok(Input::Bundle(_)) => return fail(USAGE, "a bundle has no sources to repair"),
        Err(error) => return not_loaded(&error, style),
    };
    let Repair {
        repaired,
        mut changed,
        unfinished,
    } = repair(&mut texts);
    // A text that is not one of Jet yet may be meant as something else.
    if !changed.is_empty() {
        let output = driver::check_only(&texts.program);
        for d in output.diagnostics.iter().filter(|d| of_syntax(d)) {
            changed.remove(output.sources.path(d.span.file));
        }
    }
    let written: BTreeMap<&str, &str> = texts
        .program
        .packages
        .last()
        .into_iter()
        .flat_map(|package| &package.files)
        .filter(|file| changed.contains(&file.path))
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    for (path, text) in &written {
        let place = texts.display(path);
        if let Err(error) = replace(Path::new(place), text) {
            return fail(FAILED, &format!("cannot write `{place}`: {error}"));
        }
    }
    if repaired > 0 && !written.is_empty() {
        let faults = if repaired == 1 { "fault" } else { "faults" };
        let files: Vec<&str> = written.keys().map(|path| texts.display(path)).collect();
        say(&format!(
            "repaired {repaired} {faults} in {}\n",
            files.join(", ")
        ));
    }
    if unfinished {
        say(&format!(
            "stopped after {MAX_ROUNDS} rounds: repeat the command to go on\n"
        ));
    }
    check(input, style)
}

/// Whether an error keeps a file from being read.
fn of_syntax(d: &Diagnostic) -> bool {
    d.severity == Severity::Error && ["E00", "E01", "E02"].iter().any(|p| d.code.starts_with(p))
}

/// What repairing gave.
struct Repair {
    /// How many diagnostics were answered.
    repaired: usize,
    /// The files that changed.
    changed: BTreeSet<String>,
    /// Whether there was more to do than the rounds took.
    unfinished: bool,
}

/// Repairs texts in memory.
fn repair(texts: &mut Texts) -> Repair {
    let mut repaired = 0;
    let mut changed = BTreeSet::new();
    let mut unfinished = true;
    let mut seen = HashSet::new();
    for _ in 0..MAX_ROUNDS {
        let mut hasher = DefaultHasher::new();
        for package in &texts.program.packages {
            package
                .files
                .iter()
                .for_each(|file| file.text.hash(&mut hasher));
        }
        // Fixes that undo each other end here.
        if !seen.insert(hasher.finish()) {
            unfinished = false;
            break;
        }
        let output = driver::check_only(&texts.program);
        let edits = accept(&output, texts);
        if edits.0 == 0 {
            unfinished = false;
            break;
        }
        repaired += edits.0;
        for (path, edits) in edits.1 {
            if apply(texts, &path, edits) {
                changed.insert(path);
            }
        }
    }
    Repair {
        repaired,
        changed,
        unfinished,
    }
}

/// The fixes of one round: how many, and their edits by file. Warnings come when no error is left.
fn accept(output: &CompileOutput, texts: &Texts) -> (usize, BTreeMap<String, Vec<Edit>>) {
    let severity = if output.has_errors() {
        Severity::Error
    } else {
        Severity::Warning
    };
    let mut count = 0;
    let mut taken: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    for diagnostic in &output.diagnostics {
        if diagnostic.severity != severity || !fits(diagnostic, &output.sources, texts, &taken) {
            continue;
        }
        count += 1;
        for edit in &diagnostic.fix {
            let path = output.sources.path(edit.span.file).to_owned();
            taken.entry(path).or_default().push(edit.clone());
        }
    }
    (count, taken)
}

/// Whether all edits of a fix lie in files of the program's own package, beside those taken already.
fn fits(
    diagnostic: &Diagnostic,
    sources: &SourceMap,
    texts: &Texts,
    taken: &BTreeMap<String, Vec<Edit>>,
) -> bool {
    let own = |path: &str| {
        let package = texts.program.packages.last();
        package.is_some_and(|package| package.files.iter().any(|file| file.path == path))
    };
    // Two insertions at one place touch: the second waits for the next round.
    let apart = |a: &Edit, b: &Edit| a.span.end < b.span.start || b.span.end < a.span.start;
    // Of one fix, too: edits that overlap would eat what stands behind them.
    let within = |i: usize, edit: &Edit| {
        let others = diagnostic.fix.iter().take(i);
        others.into_iter().all(|other| {
            edit.span.file != other.span.file
                || edit.span.end <= other.span.start
                || other.span.end <= edit.span.start
        })
    };
    !diagnostic.fix.is_empty()
        && diagnostic.fix.iter().enumerate().all(|(i, e)| within(i, e))
        && diagnostic.fix.iter().all(|edit| {
            let path = sources.path(edit.span.file);
            let others = taken.get(path).into_iter().flatten();
            own(path) && others.into_iter().all(|other| apart(edit, other))
        })
}

fn apply(texts: &mut Texts, path: &str, mut edits: Vec<Edit>) -> bool {
    let package = texts.program.packages.last_mut();
    let file = package.and_then(|package| package.files.iter_mut().find(|file| file.path == path));
    let Some(file) = file else {
        return false;
    };
    // From the end on, so that the places of the others stay right; of one place the later edit first.
    edits.reverse();
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.start, edit.span.end)));
    for edit in edits {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        if file.text.get(start..end).is_some() {
            file.text.replace_range(start..end, &edit.replacement);
        }
    }
    true
}

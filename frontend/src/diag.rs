//! Diagnostics: what went wrong, where, and what to write instead.
//!
//! Data only; rendering is the business of the command line. Each code stands once in the table of
//! `codes`. A `Sink` keeps the first error at a place and drops later ones at the same span, so that
//! one mistake is told once.

pub mod codes;
pub mod explain;

use crate::source::Span;
use rustc_hash::FxHashSet;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program does not compile.
    Error,
    /// The program compiles, but probably not to what was meant.
    Warning,
}

/// One change of a text. The edits of a diagnostic repair the program together: all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced (may be empty: an insertion).
    pub span: Span,
    /// What it is replaced by.
    pub replacement: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Code of the table in [`codes`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The place that is shown.
    pub span: Span,
    /// What happened, as a plain sentence.
    pub message: String,
    /// Short text beside the place.
    pub label: Option<String>,
    /// Further facts, with their places if they have one.
    pub notes: Vec<(Option<Span>, String)>,
    /// What to type instead.
    pub help: Option<String>,
    /// The edits that do it, where they are certain; they may lie in several files and never overlap.
    pub fix: Vec<Edit>,
    /// For capability errors: the calls that lead to the offender, outermost first.
    pub call_path: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: None,
            notes: Vec::new(),
            help: None,
            fix: Vec::new(),
            call_path: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, span, message)
        }
    }

    /// Sets the text beside the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.label = Some(text.into());
        self
    }

    /// Adds a fact without a place.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push((None, text.into()));
        self
    }

    /// Adds a fact with its place.
    #[must_use]
    pub fn note_at(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.notes.push((Some(span), text.into()));
        self
    }

    /// Sets what to type instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Adds an edit to the change that repairs it.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Diagnostic {
        self.fix.push(Edit {
            span,
            replacement: replacement.into(),
        });
        self
    }

    /// Adds a call to the path that leads to the offender.
    #[must_use]
    pub fn call(mut self, span: Span, what: impl Into<String>) -> Diagnostic {
        self.call_path.push((span, what.into()));
        self
    }
}

/// Collects the diagnostics of a compilation.
#[derive(Clone, Debug)]
pub struct Sink {
    diagnostics: Vec<Diagnostic>,
    seen: FxHashSet<(Span, Severity)>,
    errors: usize,
    omitted: usize,
    max: usize,
}

impl Default for Sink {
    fn default() -> Sink {
        Sink::new()
    }
}

impl Sink {
    /// Most errors that a sink keeps unless told otherwise; as many warnings are kept beside them.
    pub const DEFAULT_MAX: usize = 100;

    /// A sink that keeps [`Sink::DEFAULT_MAX`] errors.
    pub fn new() -> Sink {
        Sink::with_max(Sink::DEFAULT_MAX)
    }

    /// A sink that keeps `max` errors.
    pub fn with_max(max: usize) -> Sink {
        Sink {
            diagnostics: Vec::new(),
            seen: FxHashSet::default(),
            errors: 0,
            omitted: 0,
            max,
        }
    }

    /// Takes a diagnostic, unless one of its severity is already at its span or the sink is full.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let is_error = diagnostic.severity == Severity::Error;
        let kept = if is_error {
            self.errors
        } else {
            self.diagnostics.len() - self.errors
        };
        if kept >= self.max {
            self.omitted += 1;
            return;
        }
        if !self.seen.insert((diagnostic.span, diagnostic.severity)) {
            return;
        }
        if is_error {
            self.errors += 1;
        }
        self.diagnostics.push(diagnostic);
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Number of errors kept.
    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// Whether no further error will be kept: a stage may stop.
    pub fn is_full(&self) -> bool {
        self.errors >= self.max
    }

    /// Number of diagnostics dropped because the sink was full.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Diagnostics so far, in the order in which they came.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Diagnostics in the order of the text.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|d| (d.span, d.severity));
        self.diagnostics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn span(start: u32) -> Span {
        Span::new(FileId(0), start, start + 1)
    }

    #[test]
    fn sink_sorts_caps_and_drops_duplicates() {
        let mut sink = Sink::with_max(2);
        sink.push(Diagnostic::error(codes::UNEXPECTED, span(9), "b"));
        sink.push(Diagnostic::error(codes::UNEXPECTED, span(9), "again"));
        sink.push(Diagnostic::warning(codes::UNEXPECTED, span(1), "w"));
        assert!(!sink.is_full());
        sink.push(Diagnostic::error(codes::UNEXPECTED, span(3), "a"));
        assert!(sink.is_full());
        sink.push(Diagnostic::error(codes::UNEXPECTED, span(4), "lost"));
        assert_eq!(sink.omitted(), 1);
        assert_eq!(sink.error_count(), 2);
        let messages: Vec<_> = sink.finish().into_iter().map(|d| d.message).collect();
        assert_eq!(messages, ["w", "a", "b"]);
    }
}

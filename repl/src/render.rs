//! How our messages look: diagnostics with their source, in one line, or as JSON.
//!
//! One module stands between us and the renderer. Texts and names come from programs that nobody
//! trusts, so control and direction-changing characters never reach the terminal as they are.

use std::fmt::Write;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use jet_bytecode::shown::hides;
use jet_frontend::diag::{Diagnostic, Edit, Severity};
use jet_frontend::source::{SourceFile, SourceMap, Span};
use serde_json::{Value, json};

use crate::cli::args::MessageFormat;
use crate::sources::{LoadError, Texts};

/// Longest line of source that is shown whole; of longer ones the place alone is told.
const MAX_LINE: usize = 2000;

/// Writes messages in one format.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The format.
    pub format: MessageFormat,
    /// Whether to colour.
    pub color: bool,
}

/// Text without characters that a terminal would act on.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' || !hides(c) {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
    out
}

/// JSON in one line, all characters of [`hides`] escaped: it may be read on a terminal, too.
#[must_use]
pub fn json_line(value: &Value) -> String {
    escaped_line(value, hides)
}

/// JSON in one line of printable ASCII.
#[must_use]
pub fn ascii_line(value: &Value) -> String {
    escaped_line(value, |c| !matches!(c, ' '..='~'))
}

fn escaped_line(value: &Value, escapes: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if escapes(c) {
            // Only inside of strings: what stands between them has none.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    out
}

/// One line of [`clean`] text.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', "\\n").replace('\t', " ")
}

impl Style {
    fn renderer(self) -> Renderer {
        let renderer = if self.color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.decor_style(DecorStyle::Ascii)
    }

    /// Diagnostics of the compiler; ends with a line break if there are any.
    #[must_use]
    pub fn diagnostics(
        self,
        diagnostics: &[Diagnostic],
        sources: &SourceMap,
        texts: &Texts,
    ) -> String {
        let mut out = String::new();
        for diagnostic in diagnostics {
            let place = Place { sources, texts };
            match self.format {
                MessageFormat::Human => out.push_str(&self.human(diagnostic, &place)),
                MessageFormat::Short => out.push_str(&short(diagnostic, &place)),
                MessageFormat::Json => out.push_str(&json_line(&as_json(diagnostic, &place))),
            }
            match self.format {
                MessageFormat::Human => out.push_str("\n\n"),
                MessageFormat::Short => out.push('\n'),
                MessageFormat::Json => {}
            }
        }
        out
    }

    fn human(self, diagnostic: &Diagnostic, place: &Place<'_>) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(clean(&diagnostic.message))
            .id(diagnostic.code);
        let mut main = Group::with_title(title);
        let label = diagnostic.label.as_deref().map(clean);
        main = match place.snippet(diagnostic.span, AnnotationKind::Primary, label) {
            Ok(snippet) => main.element(snippet),
            Err(text) => main.element(Level::NOTE.message(text)),
        };
        for (span, note) in &diagnostic.notes {
            match span {
                None => main = main.element(Level::NOTE.message(clean(note))),
                Some(span) => {
                    main = main.element(Level::NOTE.message(clean(note)));
                    if let Ok(snippet) = place.snippet(*span, AnnotationKind::Context, None) {
                        main = main.element(snippet);
                    }
                }
            }
        }
        for (i, (span, call)) in diagnostic.call_path.iter().enumerate() {
            let arrow = if i == 0 {
                "call path: "
            } else {
                "  which calls: "
            };
            main = main.element(Level::NOTE.message(format!(
                "{arrow}{} ({})",
                clean(call),
                place.text(*span)
            )));
        }
        let mut report = vec![];
        let shown =
            !diagnostic.fix.is_empty() && diagnostic.fix.iter().all(|edit| place.fits(edit.span));
        if shown {
            let text = diagnostic.help.as_deref().unwrap_or("write this instead");
            let mut group = Group::with_title(Level::HELP.secondary_title(clean(text)));
            let mut files: Vec<_> = diagnostic.fix.iter().map(|edit| edit.span.file).collect();
            files.dedup();
            for id in files {
                let Some(file) = place.sources.file(id) else {
                    continue;
                };
                let mut snippet = Snippet::source(file.text.as_str());
                for edit in diagnostic.fix.iter().filter(|edit| edit.span.file == id) {
                    snippet = snippet.path(place.path(edit.span)).patch(Patch::new(
                        edit.span.start as usize..edit.span.end as usize,
                        edit.replacement.as_str(),
                    ));
                }
                group = group.element(snippet);
            }
            report.push(main);
            report.push(group);
        } else {
            let help = diagnostic.help.as_deref().map(clean);
            report.push(main.elements(help.map(|help| Level::HELP.message(help))));
        }
        // The renderer cleans messages of controls and directions, not the source lines of what has no width.
        self.renderer()
            .render(&report)
            .replace(|c: char| hides(c) && !c.is_control(), "\u{fffd}")
    }

    /// A message that is about no place in a source.
    #[must_use]
    pub fn plain(self, code: &str, message: &str, help: Option<&str>, notes: &[String]) -> String {
        match self.format {
            MessageFormat::Human => {
                let mut group = Group::with_title(if code.is_empty() {
                    Level::ERROR.primary_title(clean(message))
                } else {
                    Level::ERROR
                        .primary_title(clean(message))
                        .id(code.to_owned())
                });
                group = group.elements(notes.iter().map(|note| Level::NOTE.message(clean(note))));
                group = group.elements(help.map(|help| Level::HELP.message(clean(help))));
                let mut out = self.renderer().render(&[group]);
                out.push('\n');
                out
            }
            MessageFormat::Short => {
                format!("error[{code}]: {}\n", clean_line(message)).replace("[]", "")
            }
            MessageFormat::Json => {
                let mut object = empty_json(code, message);
                object["help"] = json!(help);
                object["notes"] = notes
                    .iter()
                    .map(|note| json!({ "message": note }))
                    .collect();
                json_line(&object)
            }
        }
    }

    /// Something that is not wrong, and what to type next.
    #[must_use]
    pub fn note(self, message: &str, help: &str) -> String {
        match self.format {
            MessageFormat::Human => {
                let group = Group::with_title(Level::NOTE.primary_title(clean(message)))
                    .element(Level::HELP.message(clean(help)));
                let mut out = self.renderer().render(&[group]);
                out.push('\n');
                out
            }
            MessageFormat::Short => format!("note: {}\n", clean_line(message)),
            MessageFormat::Json => {
                let mut object = empty_json("", message);
                object["severity"] = json!("note");
                object["help"] = json!(help);
                json_line(&object)
            }
        }
    }

    /// Why a program's texts could not be had.
    #[must_use]
    pub fn load_error(self, error: &LoadError) -> String {
        let path = error.path.display().to_string();
        if self.format == MessageFormat::Json {
            let mut object = empty_json(error.code, &error.message);
            object["file"] = json!(path);
            object["help"] = json!(error.help);
            return json_line(&object);
        }
        let message = format!("`{}`: {}", clean_line(&path), error.message);
        self.plain(error.code, &message, error.help.as_deref(), &[])
    }
}

fn empty_json(code: &str, message: &str) -> Value {
    json!({
        "code": (!code.is_empty()).then_some(code), "severity": "error", "message": message, "file": null, "line": null, "column": null,
        "end_line": null, "end_column": null, "help": null, "fix": null, "notes": [], "call_path": [],
    })
}

struct Place<'a> {
    sources: &'a SourceMap,
    texts: &'a Texts,
}

impl<'a> Place<'a> {
    fn path(&self, span: Span) -> String {
        clean_line(self.texts.display(self.sources.path(span.file)))
    }

    /// `file:line:column`.
    fn text(&self, span: Span) -> String {
        let (line, column) = self.sources.line_col(span);
        format!("{}:{line}:{column}", self.path(span))
    }

    /// Whether the span lies on character boundaries of its file, on lines that can be shown.
    fn fits(&self, span: Span) -> bool {
        let Some(file) = self.sources.file(span.file) else {
            return false;
        };
        let (start, end) = (span.start as usize, span.end as usize);
        let shown = |at: usize| line_around(file, at).len() <= MAX_LINE;
        file.text.get(start..end).is_some() && shown(start) && shown(end)
    }

    fn snippet(
        &self,
        span: Span,
        kind: AnnotationKind,
        label: Option<String>,
    ) -> Result<Snippet<'a, annotate_snippets::Annotation<'a>>, String> {
        let file = self
            .sources
            .file(span.file)
            .filter(|_| self.fits(span))
            .ok_or_else(|| format!("at {}", self.text(span)))?;
        let annotation = kind
            .span(span.start as usize..span.end as usize)
            .label(label);
        Ok(Snippet::source(file.text.as_str())
            .path(self.path(span))
            .annotation(annotation))
    }
}

fn line_around(file: &SourceFile, at: usize) -> &str {
    let before = file.text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let rest = file.text.get(start..).unwrap_or_default();
    rest.split('\n').next().unwrap_or_default()
}

fn short(diagnostic: &Diagnostic, place: &Place<'_>) -> String {
    let severity = severity(diagnostic.severity);
    format!(
        "{}: {severity}[{}]: {}",
        place.text(diagnostic.span),
        diagnostic.code,
        clean_line(&diagnostic.message)
    )
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn as_json(diagnostic: &Diagnostic, place: &Place<'_>) -> Value {
    let span = |span: Span| {
        let file = place.sources.file(span.file);
        let (line, column) = place.sources.line_col(span);
        let (end_line, end_column) = file.map_or((line, column), |file| file.line_col(span.end));
        json!({
            "file": place.texts.display(place.sources.path(span.file)),
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        })
    };
    let with = |mut object: Value, key: &str, value: Value| {
        object[key] = value;
        object
    };
    let mut object = span(diagnostic.span);
    object["code"] = json!(diagnostic.code);
    object["severity"] = json!(severity(diagnostic.severity));
    object["message"] = json!(diagnostic.message);
    object["help"] = json!(diagnostic.help);
    object["fix"] = if diagnostic.fix.is_empty() {
        Value::Null
    } else {
        let edit = |edit: &Edit| {
            let mut object = span(edit.span);
            object["start"] = json!(edit.span.start);
            object["end"] = json!(edit.span.end);
            object["replacement"] = json!(edit.replacement);
            object
        };
        diagnostic.fix.iter().map(edit).collect()
    };
    object["notes"] = diagnostic
        .notes
        .iter()
        .map(|(at, note)| with(at.map_or_else(|| json!({}), span), "message", json!(note)))
        .collect();
    object["call_path"] = diagnostic
        .call_path
        .iter()
        .map(|(at, call)| with(span(*at), "call", json!(call)))
        .collect();
    object
}

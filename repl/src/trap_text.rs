//! How the end of a run looks: a trap or a limit with the source lines of its stack, a failed
//! `main`, a grant that is missing.
//!
//! Source lines come from texts that this process read as sources. File names in a bundle's debug
//! tables are shown and never opened.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt::Write;

use jet_vm::host::{LimitKind, Limits};
use serde_json::json;

use crate::audit::Request;
use crate::cli::args::MessageFormat;
use crate::render::{Style, clean_line, json_line};
use crate::sources::Texts;

/// A line of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Function, with its package.
    pub function: String,
    /// Source file as the bundle names it.
    pub file: String,
    /// Line from 1; 0 when unknown.
    pub line: u32,
    /// Column from 1; 0 when unknown.
    pub column: u32,
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The limit, if it was one.
    pub limit: Option<LimitKind>,
    /// Name of the kind of trap.
    pub kind: String,
    /// What happened, to what.
    pub message: String,
    /// Frames, innermost first.
    pub stack: Vec<Frame>,
    /// Frames left out: behind how many of `stack`, and how many.
    pub elided: Option<(usize, u64)>,
}

/// Finds lines of source for messages.
#[derive(Debug)]
pub struct Lines<'a> {
    texts: Option<&'a Texts>,
    by_path: HashMap<&'a str, Text<'a>>,
}

/// A text with its lines, once somebody asked for one.
#[derive(Debug)]
struct Text<'a> {
    text: &'a str,
    lines: OnceCell<Vec<&'a str>>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Text {
            text,
            lines: OnceCell::new(),
        }
    }

    /// A line, counted from 1.
    fn line(&self, number: u32) -> Option<&'a str> {
        let lines = self.lines.get_or_init(|| self.text.lines().collect());
        lines.get((number as usize).checked_sub(1)?).copied()
    }
}

impl<'a> Lines<'a> {
    /// Lines of a program that was run from its sources; none for a bundle.
    #[must_use]
    pub fn new(texts: Option<&'a Texts>) -> Self {
        let mut by_path: HashMap<&str, Text<'_>> = texts
            .iter()
            .flat_map(|texts| &texts.program.packages)
            .flat_map(|package| &package.files)
            .map(|file| (file.path.as_str(), Text::new(&file.text)))
            .collect();
        if texts.is_some() {
            for (name, text) in jet_frontend::std::MODULES {
                by_path.entry(name).or_insert_with(|| Text::new(text));
            }
        }
        Lines { texts, by_path }
    }

    /// The line of source at a frame, shortened.
    pub(crate) fn line(&self, frame: &Frame) -> Option<String> {
        self.text(&frame.file, frame.line)
    }

    /// A line of a file, shortened.
    pub(crate) fn text(&self, file: &str, line: u32) -> Option<String> {
        let text = match file
            .strip_prefix("std/")
            .and_then(|name| name.strip_suffix(".jet"))
        {
            Some(module) if self.texts.is_some() => self.by_path.get(module),
            _ => self.by_path.get(file),
        }?;
        let line = text.line(line)?;
        let shown: String = line.trim().chars().take(160).collect();
        Some(clean_line(&shown)).filter(|line| !line.is_empty())
    }

    fn path(&self, frame: &Frame) -> String {
        clean_line(
            self.texts
                .map_or(frame.file.as_str(), |texts| texts.display(&frame.file)),
        )
    }

    /// File, line and column of a frame.
    pub(crate) fn place(&self, frame: &Frame) -> String {
        let path = self.path(frame);
        match (frame.line, frame.column) {
            (0, _) => path,
            (line, 0) => format!("{path}:{line}"),
            (line, column) => format!("{path}:{line}:{column}"),
        }
    }
}

impl Ending {
    fn word(&self) -> &'static str {
        if self.limit.is_some() {
            "limit"
        } else {
            "trap"
        }
    }

    /// What a limit was, and the flag that sets it.
    fn help(&self, limits: &Limits) -> Option<String> {
        Some(match self.limit? {
            LimitKind::Fuel => "`--fuel=N` sets how much work a run may do".to_owned(),
            LimitKind::Memory => format!(
                "the limit is {} bytes; `--max-memory=SIZE` sets it",
                limits.memory
            ),
            LimitKind::Depth => format!(
                "the limit is {} calls; `--max-depth=N` sets it",
                limits.depth
            ),
            LimitKind::Time => "`--max-time=DUR` sets how long a run may take".to_owned(),
            LimitKind::Output => format!(
                "the limit is {} bytes; `--max-output=SIZE` sets it",
                limits.output
            ),
            LimitKind::Handles => format!("the limit is {} open handles", limits.handles),
        })
    }

    /// The whole message.
    #[must_use]
    pub fn text(&self, style: Style, lines: &Lines<'_>, limits: &Limits) -> String {
        let message = clean_line(&self.message);
        match style.format {
            MessageFormat::Short => {
                let place = self
                    .stack
                    .first()
                    .map(|frame| format!("{}: ", lines.place(frame)))
                    .unwrap_or_default();
                format!("{place}{}[{}]: {message}\n", self.word(), self.kind)
            }
            MessageFormat::Json => {
                let stack: Vec<_> = self
                    .stack
                    .iter()
                    .map(|f| json!({ "function": f.function, "file": lines.path(f), "line": f.line, "column": f.column, "text": lines.line(f) }))
                    .collect();
                let first = self.stack.first();
                let object = json!({
                    "code": self.kind, "severity": "error", "trap": self.kind, "limit": self.limit.map(LimitKind::name),
                    "message": self.message, "file": first.map(|f| lines.path(f)), "line": first.map(|f| f.line),
                    "column": first.map(|f| f.column), "help": self.help(limits), "stack": stack,
                    "elided": self.elided.map(|(_, count)| count),
                });
                json_line(&object)
            }
            MessageFormat::Human => {
                let (red, off) = if style.color {
                    ("\u{1b}[1;31m", "\u{1b}[0m")
                } else {
                    ("", "")
                };
                let mut out = format!("{red}{}[{}]{off}: {message}\n", self.word(), self.kind);
                for (i, frame) in self.stack.iter().enumerate() {
                    if let Some((after, count)) = self.elided
                        && after == i
                    {
                        let _ = writeln!(out, "  … {count} more calls");
                    }
                    let _ = writeln!(
                        out,
                        "  at {} ({})",
                        clean_line(&frame.function),
                        lines.place(frame)
                    );
                    if let Some(line) = lines.line(frame) {
                        let _ = writeln!(out, "{:>7} | {line}", frame.line);
                    }
                }
                if let Some(help) = self.help(limits) {
                    let _ = writeln!(out, "  help: {help}");
                }
                out
            }
        }
    }
}

/// The message for capabilities that the program asks for and nobody grants.
#[must_use]
pub fn refused(style: Style, missing: &[Request]) -> String {
    let mut out = String::new();
    for request in missing {
        let name = request.shown();
        let help = match request.flag() {
            Some(flag @ ("--allow-read" | "--allow-write")) => {
                format!("grant it with `{flag}` or, better, `{flag}=PATH`")
            }
            Some("--allow-env") => {
                "grant it with `--allow-env` or, better, `--allow-env=NAME`".to_owned()
            }
            Some(flag) => format!("grant it with `{flag}`"),
            None if request.package == "std" && request.name == "Console" => {
                "leave out `--deny-console`".to_owned()
            }
            None if request.package == "std" => "this version of jetvm cannot grant it".to_owned(),
            None => format!(
                "the command line grants standard capabilities only: bind `{name}` inside `main` with an attenuator"
            ),
        };
        let path: Vec<String> = request.path.iter().map(|step| clean_line(step)).collect();
        let message = format!("the program asks for `{name}`, which is not granted");
        match style.format {
            MessageFormat::Json => {
                let object = json!({
                    "code": "refused", "severity": "error", "message": message, "file": null, "line": null, "column": null,
                    "end_line": null, "end_column": null, "help": help, "fix": null, "notes": [],
                    "capability": request.name, "package": request.package, "flag": request.flag(),
                    "call_path": request.path.iter().map(|step| json!({ "call": step })).collect::<Vec<_>>(),
                });
                out.push_str(&json_line(&object));
            }
            MessageFormat::Short | MessageFormat::Human => {
                let notes = if path.is_empty() {
                    Vec::new()
                } else {
                    vec![format!("call path: {}", path.join(" → "))]
                };
                out.push_str(&style.plain("refused", &message, Some(&help), &notes));
            }
        }
    }
    out
}

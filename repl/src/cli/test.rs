//! `jetvm test`: the `test` blocks and documentation examples of a package or of the standard library, each in an
//! instance of its own that holds no grants.
//!
//! What must stay true: a test that cannot be started counts as failed, and so does one that a limit ends.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jet_frontend::driver;
use jet_frontend::testing::TestInfo;
use serde_json::json;

use super::args::{TestArgs, TestFormat};
use super::program;
use super::{FAILED, INTERRUPTED, OK, USAGE, gc_log, not_loaded, say, show};
use crate::engine::{Config, End, Module};
use crate::render::{Style, clean, clean_line, json_line};
use crate::sources::{self, Texts};
use crate::trap_text::{Ending, Lines};

/// Longest that a test may take unless `--max-time` says otherwise: one that hangs should not hang the rest.
const TIME: Duration = Duration::from_secs(60);

/// A test that ran.
struct Ran<'a> {
    info: &'a TestInfo,
    seconds: f64,
    failure: Option<Failure>,
    /// Lines of `dbg`.
    debugged: Vec<String>,
}

/// Why a test failed.
struct Failure {
    /// The name of the trap or limit; `error` for one that left the test, `start` if it did not begin, `bug` for ours.
    kind: String,
    message: String,
    /// Places, innermost first: function, place and line of source.
    stack: Vec<(String, String, Option<String>)>,
}

/// Runs tests and gives the exit code.
pub(super) fn test(args: &TestArgs, style: Style) -> u8 {
    let mut options = match args.options() {
        Ok(options) => options,
        Err(message) => {
            say(&style.plain("", &message, None, &[]));
            return USAGE;
        }
    };
    let texts = match &args.input {
        Some(path) => match sources::load_for_tests(path) {
            Ok(texts) => texts,
            Err(error) => return not_loaded(&error, style),
        },
        None => {
            let mut texts = Texts::default();
            texts.program = driver::std_examples();
            texts
        }
    };
    let compiled = driver::compile_tests(&texts.program);
    let tests = compiled.tests;
    let module = match program::verified(&compiled.output, &texts, style) {
        Ok((module, _)) => module,
        Err(code) => return code,
    };
    let module = match program::loaded(module, options.monitor) {
        Ok(module) => module,
        Err(code) => return code,
    };
    let filter = args.filter.as_deref().unwrap_or_default();
    let wanted = |t: &TestInfo| t.name.contains(filter) || t.path.contains(filter);
    options.limits.time = options.limits.time.or(Some(TIME));
    let mut config = Config {
        limits: options.limits.clone(),
        gc: options.gc,
        // Tests are the same every time unless told otherwise.
        seed: options.seed.unwrap_or(1),
        gc_log: gc_log(&options, style),
        debug: None,
        observe: jet_vm::Observe::default(),
        jit: options.compiler(options.seed.unwrap_or(1)),
    };
    let lines = Lines::new(Some(&texts));
    let mut ran = Vec::new();
    for (i, info) in tests.iter().enumerate().filter(|(_, t)| wanted(t)) {
        let log = jet_vm::DebugLog::default();
        config.debug = Some(log.clone());
        let started = Instant::now();
        let Ok(failure) = run(&module, i, &config, &lines) else {
            return INTERRUPTED;
        };
        ran.push(Ran {
            info,
            seconds: started.elapsed().as_secs_f64(),
            failure,
            debugged: debugged(&log.read(), &texts),
        });
    }
    let report = match args.format {
        TestFormat::Human => human(&ran, &texts, tests.len()),
        TestFormat::Json => as_json(&ran, &texts, tests.len()),
        TestFormat::Junit => junit(&ran, &texts),
    };
    match show(&report) {
        // A name that is mistyped must not look like tests that pass.
        OK if ran.is_empty() && args.filter.is_some() => {
            let message = format!(
                "no test has `{}` in its name or path; there are {}",
                clean_line(filter),
                tests.len()
            );
            say(&style.plain("", &message, None, &[]));
            USAGE
        }
        OK if ran.iter().any(|r| r.failure.is_some()) => FAILED,
        code => code,
    }
}

/// Lines of `dbg`, their files as messages show them.
fn debugged(log: &jet_vm::Debugged, texts: &Texts) -> Vec<String> {
    let shown = |line: String| match line.split_once(':') {
        Some((path, rest)) => format!("{}:{rest}", clean_line(texts.display(path))),
        None => line,
    };
    let lines = super::repl::debugged(log);
    lines.into_iter().map(shown).collect()
}

/// Runs one test. `Err` if the user interrupted it.
fn run(
    module: &Module,
    index: usize,
    config: &Config,
    lines: &Lines<'_>,
) -> Result<Option<Failure>, ()> {
    let plain = |kind: &str, message: String| {
        Some(Failure {
            kind: kind.to_owned(),
            message,
            stack: Vec::new(),
        })
    };
    let report = match module.run(Vec::new(), &[index.to_string()], config) {
        Ok(report) => report,
        Err(why) => return Ok(plain("start", why.to_string())),
    };
    match report.end {
        End::Done => Ok(None),
        End::Failed(error) => Ok(plain("error", error)),
        End::Ended(ending) => Ok(Some(failure(ending, lines))),
        End::Interrupted => Err(()),
        End::Bug(what) => Ok(plain("bug", what)),
    }
}

fn failure(ending: Ending, lines: &Lines<'_>) -> Failure {
    let mut frames = ending.stack;
    // The outermost frame is ours: it chose the test.
    frames.pop();
    Failure {
        kind: ending.kind,
        message: ending.message,
        stack: frames
            .iter()
            .map(|f| (clean_line(&f.function), lines.place(f), lines.line(f)))
            .collect(),
    }
}

/// Where a test stands, and what kind it is.
fn place(info: &TestInfo, texts: &Texts) -> String {
    let path = clean_line(texts.display(&info.path));
    format!("{path}:{}", info.line)
}

fn title(info: &TestInfo) -> String {
    let kind = if info.example { "example of " } else { "" };
    format!("{kind}{}", clean_line(&info.name))
}

fn details(failure: &Failure) -> String {
    let mut out = String::new();
    for line in clean(&failure.message).lines() {
        let _ = writeln!(out, "      {line}");
    }
    for (function, place, line) in &failure.stack {
        let _ = writeln!(out, "      at {function} ({place})");
        if let Some(line) = line {
            let _ = writeln!(out, "         | {line}");
        }
    }
    out
}

fn summary(ran: &[Ran<'_>], all: usize) -> (usize, usize, usize) {
    let failed = ran.iter().filter(|r| r.failure.is_some()).count();
    (ran.len() - failed, failed, all - ran.len())
}

fn human(ran: &[Ran<'_>], texts: &Texts, all: usize) -> String {
    let mut out = String::new();
    for r in ran {
        let word = if r.failure.is_some() { "FAIL" } else { "ok  " };
        let _ = writeln!(out, "{word}  {}  ({})", title(r.info), place(r.info, texts));
        for line in r.debugged.iter().flat_map(|text| text.lines()) {
            let _ = writeln!(out, "      {line}");
        }
        if let Some(f) = &r.failure {
            out.push_str(&details(f));
        }
    }
    let (passed, failed, skipped) = summary(ran, all);
    let _ = write!(out, "{passed} passed, {failed} failed");
    if skipped > 0 {
        let _ = write!(out, ", {skipped} filtered out");
    }
    out.push('\n');
    out
}

fn as_json(ran: &[Ran<'_>], texts: &Texts, all: usize) -> String {
    let mut out = String::new();
    for r in ran {
        let stack: Option<Vec<_>> = r.failure.as_ref().map(|f| {
            f.stack
                .iter()
                .map(|(function, place, text)| json!({ "function": function, "place": place, "text": text }))
                .collect()
        });
        let object = json!({
            "test": r.info.name,
            "kind": if r.info.example { "example" } else { "test" },
            "file": texts.display(&r.info.path),
            "line": r.info.line,
            "outcome": if r.failure.is_some() { "failed" } else { "passed" },
            "reason": r.failure.as_ref().map(|f| &f.kind),
            "message": r.failure.as_ref().map(|f| &f.message),
            "stack": stack,
            "dbg": r.debugged,
            "seconds": r.seconds,
        });
        out.push_str(&json_line(&object));
    }
    let (passed, failed, skipped) = summary(ran, all);
    let total = json!({ "passed": passed, "failed": failed, "filtered_out": skipped });
    out.push_str(&json_line(&total));
    out
}

/// Text inside of an XML document, which has no way to write most control characters.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn junit(ran: &[Ran<'_>], texts: &Texts) -> String {
    let (_, failed, _) = summary(ran, ran.len());
    let seconds: f64 = ran.iter().map(|r| r.seconds).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let head = format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{seconds:.3}\"",
        ran.len()
    );
    let name = xml(texts.name());
    let _ = writeln!(out, "<testsuites {head}>");
    let _ = writeln!(out, "  <testsuite name=\"{name}\" {head}>");
    for r in ran {
        let file = xml(texts.display(&r.info.path));
        let _ = write!(
            out,
            "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\" time=\"{:.3}\"",
            xml(&title(r.info)),
            r.info.line,
            r.seconds
        );
        if r.failure.is_none() && r.debugged.is_empty() {
            out.push_str("/>\n");
            continue;
        }
        out.push_str(">\n");
        if let Some(f) = &r.failure {
            let first = f.message.lines().next().unwrap_or_default();
            let _ = writeln!(
                out,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                xml(&f.kind),
                xml(first),
                xml(&details(f))
            );
        }
        if !r.debugged.is_empty() {
            let text = xml(&r.debugged.join("\n"));
            let _ = writeln!(out, "      <system-out>{text}</system-out>");
        }
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::xml;

    #[test]
    fn text_in_xml() {
        assert_eq!(
            xml("a<b> & \"c\"\u{1b}\n"),
            "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}\n"
        );
    }
}

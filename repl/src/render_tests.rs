//! What messages look like, in each format.

use jet_frontend::diag::Diagnostic;
use jet_frontend::driver::{PackageInput, ProgramInput, SourceInput};
use jet_frontend::source::{SourceMap, Span};
use jet_vm::host::{LimitKind, Limits};

use crate::audit::Request;
use crate::cli::args::MessageFormat;
use crate::render::{Style, clean};
use crate::sources::{Texts, UNREADABLE};
use crate::trap_text::{Ending, Frame, Lines, refused};

const TEXT: &str = "fn main() uses Console:\n    report()\n\nfn report() uses FileRead:\n    FileRead.read_text(\"ä\") else \"\"\n";

fn style(format: MessageFormat) -> Style {
    Style {
        format,
        color: false,
    }
}

fn texts() -> Texts {
    let file = SourceInput {
        path: "app/main.jet".into(),
        module: "main".into(),
        text: TEXT.into(),
    };
    let package = PackageInput {
        name: "app".into(),
        version: "1.0.0".into(),
        deps: vec![],
        files: vec![file],
    };
    let mut texts = Texts::default();
    texts.program = ProgramInput {
        implementations: Vec::new(),
        packages: vec![package],
    };
    texts.show_as("app/main.jet", "dir/main.jet");
    texts
}

fn diagnostic(sources: &mut SourceMap) -> Diagnostic {
    let file = sources.add("app/main.jet", TEXT);
    let at = |part: &str| {
        let start = u32::try_from(TEXT.find(part).unwrap()).unwrap();
        Span::new(file, start, start + u32::try_from(part.len()).unwrap())
    };
    Diagnostic::error(
        "E0501",
        at("report()"),
        "`report` uses `FileRead`, which `main` does not have",
    )
    .label("needs `FileRead`")
    .note_at(at("uses FileRead"), "asked for here")
    .note("authority is never inferred")
    .help("add it to the signature of `main`")
    .fix(at("uses Console"), "uses Console + FileRead")
    .call(at("report()"), "main calls report")
    .call(at("FileRead.read_text"), "report calls FileRead.read_text")
}

fn rendered(format: MessageFormat) -> String {
    let mut sources = SourceMap::new();
    let diagnostic = diagnostic(&mut sources);
    style(format).diagnostics(&[diagnostic], &sources, &texts())
}

#[test]
fn people_see_the_source() {
    let expected = "\
error[E0501]: `report` uses `FileRead`, which `main` does not have
 --> dir/main.jet:2:5
";
    let text = rendered(MessageFormat::Human);
    println!("{text}");
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn short_is_one_line() {
    let expected =
        "dir/main.jet:2:5: error[E0501]: `report` uses `FileRead`, which `main` does not have\n";
    assert_eq!(rendered(MessageFormat::Short), expected);
}

#[test]
fn json_has_every_field() {
    let text = rendered(MessageFormat::Json);
    assert_eq!(text.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&value["code"], &value["severity"]),
        (&"E0501".into(), &"error".into())
    );
    assert_eq!(
        (&value["file"], &value["line"], &value["column"]),
        (&"dir/main.jet".into(), &2.into(), &5.into())
    );
    assert_eq!(
        (&value["end_line"], &value["end_column"]),
        (&2.into(), &13.into())
    );
    assert_eq!(value["help"], "add it to the signature of `main`");
    assert_eq!(
        (&value["fix"][0]["replacement"], &value["fix"][0]["line"]),
        (&"uses Console + FileRead".into(), &1.into())
    );
    assert_eq!(
        (&value["notes"][0]["line"], &value["notes"][1]["message"]),
        (&4.into(), &"authority is never inferred".into())
    );
    assert_eq!(
        (
            &value["call_path"][1]["call"],
            &value["call_path"][1]["line"]
        ),
        (&"report calls FileRead.read_text".into(), &5.into())
    );
}

#[test]
fn odd_places_do_not_break_the_renderer() {
    let mut sources = SourceMap::new();
    let long = "x".repeat(1 << 20);
    let texts = ["", "ä", "\n", "a\r\nb", "\u{202e}abc\u{1b}[31m", &long];
    for text in texts {
        let file = sources.add("f", text);
        let end = u32::try_from(text.len()).unwrap();
        for (start, end) in [
            (0, 0),
            (0, end),
            (end, end),
            (1, 1),
            (0, end + 9),
            (end + 3, end + 5),
        ] {
            let span = Span::new(file, start, end);
            let diagnostic = Diagnostic::error("E0001", span, "m\u{1b}m")
                .note_at(span, "n")
                .fix(span, "y")
                .help("h\u{202e}");
            for format in [
                MessageFormat::Human,
                MessageFormat::Short,
                MessageFormat::Json,
            ] {
                let out = style(format).diagnostics(
                    std::slice::from_ref(&diagnostic),
                    &sources,
                    &Texts::default(),
                );
                assert!(!out.contains('\u{1b}') && out.len() < 20_000, "{out}");
                if format != MessageFormat::Json {
                    assert!(!out.contains('\u{202e}'), "{out}");
                }
            }
        }
    }
    assert_eq!(clean("a\u{1b}\tb\u{200b}ä"), "a\\u{1b}\tb\\u{200b}ä");
}

#[test]
fn traps_show_the_lines_of_their_stack() {
    let texts = texts();
    let lines = Lines::new(Some(&texts));
    let frame = |function: &str, file: &str, line, column| Frame {
        function: function.into(),
        file: file.into(),
        line,
        column,
    };
    let mut ending = Ending {
        limit: None,
        kind: "bounds".into(),
        message: "index 5 out of bounds\n".into(),
        stack: vec![
            frame("app.report", "app/main.jet", 5, 5),
            frame("app.main", "app/main.jet", 2, 0),
            frame("x.y", "?", 0, 0),
        ],
        elided: Some((1, 7)),
    };
    let limits = Limits::default();
    let expected = "\
trap[bounds]: index 5 out of bounds\\n
  at app.report (dir/main.jet:5:5)
      5 | FileRead.read_text(\"ä\") else \"\"
  … 7 more calls
  at app.main (dir/main.jet:2)
      2 | report()
  at x.y (?)
";
    assert_eq!(
        ending.text(style(MessageFormat::Human), &lines, &limits),
        expected
    );
    let bundle = Lines::new(None);
    assert!(
        !ending
            .text(style(MessageFormat::Human), &bundle, &limits)
            .contains("read_text")
    );
    ending.limit = Some(LimitKind::Depth);
    ending.kind = "depth".into();
    let short = ending.text(style(MessageFormat::Short), &lines, &limits);
    assert_eq!(
        short,
        "dir/main.jet:5:5: limit[depth]: index 5 out of bounds\\n\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&ending.text(style(MessageFormat::Json), &lines, &limits)).unwrap();
    assert_eq!(
        (&json["limit"], &json["line"], &json["stack"][1]["text"]),
        (&"depth".into(), &5.into(), &"report()".into())
    );
}

#[test]
fn a_missing_grant_names_the_flag_and_the_path() {
    let request = |package: &str, name: &str| Request {
        package: package.into(),
        name: name.into(),
        path: vec!["app.main".into(), "app.report".into()],
    };
    let expected = "\
error[refused]: the program asks for `FileRead`, which is not granted
 |
 = note: call path: app.main → app.report
 = help: grant it with `--allow-read` or, better, `--allow-read=PATH`
";
    assert_eq!(
        refused(style(MessageFormat::Human), &[request("std", "FileRead")]),
        expected
    );
    let own = refused(style(MessageFormat::Short), &[request("app", "Orders")]);
    assert_eq!(
        own,
        "error[refused]: the program asks for `app.Orders`, which is not granted\n"
    );
    let json: serde_json::Value = serde_json::from_str(&refused(
        style(MessageFormat::Json),
        &[request("std", "Timer")],
    ))
    .unwrap();
    assert_eq!(
        (&json["flag"], &json["call_path"][1]["call"]),
        (&"--allow-timer".into(), &"app.report".into())
    );
}

#[test]
fn what_cannot_be_loaded_is_said_in_a_sentence() {
    let error = crate::sources::load("no/such".as_ref()).unwrap_err();
    assert_eq!(error.code, UNREADABLE);
    assert_eq!(
        style(MessageFormat::Short).load_error(&error),
        "error[L0001]: `no/such`: there is no such file or folder\n"
    );
    let text = style(MessageFormat::Human).load_error(&error);
    assert_eq!(
        text,
        "error[L0001]: `no/such`: there is no such file or folder\n"
    );
}

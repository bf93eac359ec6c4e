//! Tests of the parser: whole programs, layout, and what any text at all does to it.

mod diagnostics;
mod layout;
mod random;
mod trees;

use super::{Options, parse};
use crate::ast::Module;
use crate::diag::{Diagnostic, Sink};
use crate::source::{FileId, Interner};
use bumpalo::Bump;

/// What a text gives.
struct Parsed<'a> {
    module: Module<'a>,
    names: Interner,
    errors: Vec<Diagnostic>,
}

fn parse_as<'a>(arena: &'a Bump, text: &str, is_std: bool) -> Parsed<'a> {
    let mut names = Interner::new();
    let mut sink = Sink::new();
    let options = Options { is_std };
    let module = parse(arena, FileId(0), text, &options, &mut names, &mut sink);
    Parsed {
        module,
        names,
        errors: sink.finish(),
    }
}

/// Code, line, column and message of each diagnostic.
fn told(text: &str, errors: &[Diagnostic]) -> Vec<String> {
    let file = crate::source::SourceFile::new("t.jet", text);
    errors
        .iter()
        .map(|d| {
            let (line, column) = file.line_col(d.span.start);
            format!("{} {line}:{column} {}", d.code, d.message)
        })
        .collect()
}

fn assert_clean(text: &str) {
    let arena = Bump::new();
    let parsed = parse_as(&arena, text, false);
    let errors = told(text, &parsed.errors);
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    let tree = format!("{:?}", parsed.module.items);
    assert!(
        !tree.contains("Error,") && !tree.contains("kind: Error"),
        "{tree}"
    );
}

/// Asserts that a text gives exactly these diagnostics, as `code line:column`.
fn assert_told(text: &str, expected: &[&str]) {
    let arena = Bump::new();
    let parsed = parse_as(&arena, text, false);
    let errors = told(text, &parsed.errors);
    let short: Vec<String> = errors
        .iter()
        .map(|e| e.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(short, expected, "{text}\n{errors:#?}");
}

#[test]
fn programs_of_the_language_page() {
    assert_clean(include_str!("fixtures/tour.jet"));
    assert_clean(include_str!("fixtures/capabilities.jet"));
    assert_clean(include_str!("fixtures/concurrency.jet"));
}

//! The formatter: a text in, the same program in the one style out. Pure, like the rest.
//!
//! The tree has neither comments nor parentheses, so the layout is made from tokens: the parser marks
//! where blocks and their lines begin and end ([`crate::parser::MarkKind`]), `tree` makes nested lines,
//! brackets and blocks of both, with the width that each has on one line, and `print` writes them,
//! breaking what is too long or must break. `docs/style.md` has the rules. What must stay true:
//! - a result parses to the same tree, with the same tokens but for commas before closing brackets
//!   and with every comment; [`format`] checks that itself and answers `Broken` otherwise;
//! - the layout depends on tokens, comments, blank lines and one-line bodies only, so that formatting
//!   twice is formatting once;
//! - time is linear in the text (each nesting of brackets looks at its own tokens a bounded number of
//!   times), and recursion is as deep as blocks and brackets nest, which the parser limits.

mod breaks;
mod print;
mod same;
mod spacing;
mod tree;
mod trivia;

use crate::diag::{Diagnostic, Severity, Sink};
use crate::lexer::Lexed;
use crate::parser::{Layout, Options, parse_layout};
use crate::source::{FileId, Interner, MAX_SOURCE_BYTES};
use crate::token::T;
use bumpalo::Bump;

/// Columns that a line should not exceed.
pub const WIDTH: usize = 100;
/// Spaces of an indentation.
pub const INDENT: usize = 4;

/// Why a text was not formatted.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It has errors of syntax.
    Syntax(Vec<Diagnostic>),
    /// The result would be larger than a source file may be: so many bytes.
    TooLarge(usize),
    /// The result would not have been the same program: a bug of ours.
    Broken(&'static str),
}

/// The text in the one style.
///
/// # Errors
/// If it has errors of syntax, or if we have a bug.
pub fn format(text: &str) -> Result<String, Failure> {
    let mut names = Interner::new();
    let arena = Bump::new();
    let before = read(&arena, text, &mut names).map_err(Failure::Syntax)?;
    let trivia = trivia::Trivia::of(text, &before.lexed);
    let tree = tree::build(text, &before.lexed.tokens, &before.marks, &trivia);
    let result = print::print(text, &before.lexed.tokens, &trivia, &tree);
    if result == text {
        return Ok(result);
    }
    if result.len() > MAX_SOURCE_BYTES {
        return Err(Failure::TooLarge(result.len()));
    }
    let arena = Bump::new();
    let after =
        read(&arena, &result, &mut names).map_err(|_| Failure::Broken("the result has errors"))?;
    if !same_tokens(text, &before.lexed, &result, &after.lexed) {
        return Err(Failure::Broken("the result has other tokens"));
    }
    if same::fingerprint(&before.module) != same::fingerprint(&after.module) {
        return Err(Failure::Broken("the result has another tree"));
    }
    if !trivia.same_comments(text, &trivia::Trivia::of(&result, &after.lexed), &result) {
        return Err(Failure::Broken("the result has other comments"));
    }
    Ok(result)
}

/// Reads a text as a module of the standard library, whose grammar contains the other.
fn read<'a>(
    arena: &'a Bump,
    text: &str,
    names: &mut Interner,
) -> Result<Layout<'a>, Vec<Diagnostic>> {
    let mut sink = Sink::new();
    let options = Options { is_std: true };
    let layout = parse_layout(arena, FileId(0), text, &options, names, &mut sink);
    let mut told = sink.finish();
    told.retain(|d| d.severity == Severity::Error);
    if told.is_empty() && !layout.lexed.stopped {
        Ok(layout)
    } else {
        Err(told)
    }
}

/// Whether two texts have the same tokens, commas before closing brackets apart.
fn same_tokens(a: &str, lexed_a: &Lexed, b: &str, lexed_b: &Lexed) -> bool {
    fn all<'t>(text: &'t str, lexed: &'t Lexed) -> impl Iterator<Item = (T, &'t str)> {
        let tokens = &lexed.tokens;
        tokens.iter().enumerate().filter_map(move |(n, token)| {
            let closes = tokens.get(n + 1).is_some_and(|next| next.kind.is_closer());
            let dropped = token.kind == T::Comma && closes;
            let words = text.get(token.start as usize..token.end as usize)?;
            (!dropped).then_some((token.kind, words))
        })
    }
    all(a, lexed_a).eq(all(b, lexed_b))
}

#[cfg(test)]
mod tests;

//! Tests of the lexer: token kinds, indentation, documentation.

use super::lex;
use crate::diag::Sink;
use crate::source::FileId;
use crate::token::T;

fn kinds(text: &str) -> Vec<T> {
    let mut sink = Sink::new();
    let lexed = lex(FileId(0), text, &mut sink);
    assert!(!sink.has_errors(), "{text}: {:?}", sink.diagnostics());
    lexed.tokens.iter().map(|t| t.kind).collect()
}

#[test]
fn operators_are_read_greedily() {
    use T::*;
    assert_eq!(
        kinds("a>>>=b>>>c>>d>=e"),
        [
            Ident, UShrEq, Ident, UShr, Ident, Shr, Ident, Ge, Ident, Eof
        ]
    );
    assert_eq!(
        kinds("**= ** *% *%= ..= .. ."),
        [
            StarStarEq, StarStar, StarWrap, StarWrapEq, DotDotEq, DotDot, Dot, Eof
        ]
    );
    assert_eq!(
        kinds("1..2 1.5 1.f t.0.1"),
        [
            Int, DotDot, Int, Float, Int, Dot, Ident, Ident, Dot, Int, Dot, Int, Eof
        ]
    );
    assert_eq!(kinds("fn f not nota"), [Fn, Ident, Not, Ident, Eof]);
}

#[test]
fn fstrings_are_split() {
    use T::*;
    assert_eq!(
        kinds("f\"a{b:>3}{{c}}\""),
        [
            FStrStart, FStrText, FStrOpen, Ident, FStrSpec, FStrClose, FStrText, FStrEnd, Eof
        ]
    );
    assert_eq!(
        kinds("f\"{f\"{a}\"}\""),
        [
            FStrStart, FStrOpen, FStrStart, FStrOpen, Ident, FStrClose, FStrEnd, FStrClose,
            FStrEnd, Eof
        ]
    );
    assert_eq!(
        kinds("f\"{ {a: 1} }\""),
        [
            FStrStart, FStrOpen, LBrace, Ident, Colon, Int, RBrace, FStrClose, FStrEnd, Eof
        ]
    );
}

#[test]
fn lines_have_their_indentation() {
    let mut sink = Sink::new();
    let text = "\u{FEFF}a\r\n    b c\n\n  # d\n  e\n";
    let lexed = lex(FileId(0), text, &mut sink);
    assert!(!sink.has_errors());
    let lines: Vec<_> = lexed
        .tokens
        .iter()
        .map(|t| (t.line_start, t.indent))
        .collect();
    assert_eq!(
        lines,
        [(true, 0), (true, 4), (false, 4), (true, 2), (true, 0)]
    );
    assert_eq!(lexed.tokens[0].start, 3);
}

#[test]
fn documentation_is_collected() {
    let mut sink = Sink::new();
    let text = "## a\n\n## b\n# no\n### no\nx ## no\n##c\ny";
    let lexed = lex(FileId(0), text, &mut sink);
    let docs: Vec<_> = lexed
        .docs
        .iter()
        .map(|d| (&text[d.start as usize..d.end as usize], d.token, d.detached))
        .collect();
    assert_eq!(docs, [("a", 0, true), ("b", 0, false), ("c", 1, false)]);
}

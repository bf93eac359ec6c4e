//! Any text whatever: no panic, linear time, bounded memory.

use super::parse_as;
use crate::diag::Sink;
use crate::lexer::lex;
use crate::source::{FileId, MAX_SOURCE_BYTES};
use crate::token::{KEYWORDS, T};
use bumpalo::Bump;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::time::{Duration, Instant};

/// Tokens and line breaks at random.
#[derive(Clone, Debug)]
struct Soup(String);

const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ";",
    ".",
    "..",
    "..=",
    "?",
    "!",
    "@",
    "->",
    "=>",
    "=",
    "+=",
    "+",
    "-",
    "*",
    "**",
    "/",
    "//",
    "%",
    "+%",
    "<<",
    ">>>",
    "&",
    "&&",
    "|",
    "||",
    "^",
    "~",
    "==",
    "===",
    "<",
    ">=",
    "++",
    "::",
    ":=",
    "x",
    "y",
    "Foo",
    "self",
    "0",
    "1.5",
    "0x",
    "1e999",
    "99999999999999999999",
    "'a'",
    "'",
    "''",
    "\"s\"",
    "\"",
    "\"\"\"",
    "f\"",
    "f\"{",
    "}\"",
    "f\"{x}\"",
    "f\"\"\"",
    "{x:>8}",
    "r\"",
    "\\",
    "#",
    "## d",
    "\u{202E}",
    "\u{FEFF}",
    "“",
    "é",
    "😀",
    "\t",
    "\r",
    "error",
    "test \"t\":",
    "derive Ord",
    "capability",
    "capset",
    "deferred",
    "extern \"m\":",
    "intrinsic",
    "from",
    "as",
    "def",
    "class",
    "var",
    "switch",
    "case",
    "except",
    "lambda",
    "async",
    "await",
    "null",
    "select:",
    "timeout",
    "none",
    "own",
    "where",
    "fn f():",
    "fn(x) =>",
    "fn(x):",
    "if x:",
    "else:",
    "match x:",
    "_ =>",
    "let x = ",
    "struct S:",
    "enum E:",
    "impl A for B:",
    "trait T:",
    "uses C",
    "! E",
];

impl Arbitrary for Soup {
    fn arbitrary(g: &mut Gen) -> Soup {
        let mut text = String::new();
        for _ in 0..usize::arbitrary(g) % 120 {
            match u8::arbitrary(g) % 10 {
                0 | 1 => {
                    text.push('\n');
                    text.push_str(&" ".repeat(usize::from(u8::arbitrary(g) % 4) * 4));
                }
                2 => text.push_str(g.choose(KEYWORDS).unwrap()),
                _ => text.push_str(g.choose(PIECES).unwrap()),
            }
            if bool::arbitrary(g) {
                text.push(' ');
            }
        }
        Soup(text)
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Soup>> {
        Box::new(self.0.shrink().map(Soup))
    }
}

/// Parses and checks what must hold for any text.
fn check(text: &str) {
    let arena = Bump::new();
    let parsed = parse_as(&arena, text, text.len().is_multiple_of(2));
    for d in &parsed.errors {
        let (a, b) = (d.span.start as usize, d.span.end as usize);
        assert!(text.get(a..b).is_some(), "{d:?}");
        assert!(!d.message.is_empty());
        for fix in &d.fix {
            let (a, b) = (fix.span.start as usize, fix.span.end as usize);
            assert!(text.get(a..b).is_some(), "{d:?}");
        }
    }
    // A tree without diagnostics holds no `Error` node.
    if parsed.errors.is_empty() {
        let tree = format!("{:?}", parsed.module.items);
        assert!(!tree.contains("kind: Error"), "{tree}");
    }
    let mut sink = Sink::new();
    let lexed = lex(FileId(0), text, &mut sink);
    let count = |kind| lexed.tokens.iter().filter(|t| t.kind == kind).count();
    assert_eq!(count(T::FStrStart), count(T::FStrEnd));
    let mut last = 0;
    for token in &lexed.tokens {
        assert!(token.start >= last && token.end >= token.start, "{token:?}");
        assert!(text.get(token.start as usize..token.end as usize).is_some());
        last = token.end;
    }
}

quickcheck! {
    fn any_text_is_answered(text: String) -> bool {
        check(&text);
        true
    }

    fn any_soup_is_answered(soups: Vec<Soup>) -> bool {
        for soup in soups {
            check(&soup.0);
            check(&format!("fn f():\n    {}", soup.0.replace('\n', "\n    ")));
        }
        true
    }

    fn any_cut_of_a_program_is_answered(at: usize, len: usize) -> bool {
        let text = include_str!("../fixtures/tour.jet");
        let chars: Vec<char> = text.chars().collect();
        let at = at % chars.len();
        let end = (at + len % 40).min(chars.len());
        let cut: String = chars[..at].iter().chain(&chars[end..]).collect();
        check(&cut);
        check(&chars[..at].iter().collect::<String>());
        true
    }
}

#[test]
fn long_and_deep_texts_are_answered_soon() {
    let big = MAX_SOURCE_BYTES;
    let repeat = |piece: &str| piece.repeat(big / piece.len() - 64);
    let mut texts = vec![
        "(".repeat(10 << 20),
        repeat("("),
        format!("const A: int = {}", repeat("(")),
        format!("const A: int = {}", repeat("-")),
        format!("const A: int = {}", repeat("not ")),
        format!("const A: int = {}", repeat("1+")),
        format!("const A: int = {}", repeat("a.")),
        format!("const A: int = a{}", repeat("?")),
        format!("const A: int = a{}", repeat("[b")),
        format!("const A: int = a{}", repeat("[0]")),
        format!("const A: int = a{}", repeat("(0)")),
        format!("const A: int = {}", repeat("a else ")),
        format!("const A: int = {}", repeat("fn(x)=>")),
        format!("const A: int = {}", repeat("if a:b else:")),
        format!("const A: int = {}", repeat("f\"{")),
        format!("const A: int = {}", repeat("spawn ")),
        format!("const A: int = {}", repeat("new x ")),
        format!("const A: int = {}", repeat("|x|")),
        format!("const A: {}", repeat("[")),
        format!("const A: {}", repeat("fn(")),
        format!("const A: {}", repeat("a[b,")),
        format!("const A: a{}", repeat("?")),
        format!("const A: a{}", repeat(".a")),
        format!("const A: int = [{}]", repeat("1,")),
        format!("fn f():\n    match a:\n        {}", repeat("x@")),
        format!("fn f():\n    match a:\n        {}", repeat("(")),
        format!("fn f():\n    {}", repeat("if a: ")),
        format!("fn f():\n    x = {}", repeat("match a:")),
        format!("fn f():\n{}", repeat("    a()\n")),
        format!("fn f():\n{}", repeat("    (\n")),
        format!("fn f():\n{}", repeat("    a b\n")),
        format!("fn f():\n{}", repeat("    a;\n")),
        repeat("\n"),
        repeat("#\n"),
        repeat("## d\n"),
        repeat("}"),
        repeat("\u{202E}"),
        repeat("\""),
        repeat("'"),
        repeat("\\"),
        repeat("f\"{\n"),
        repeat("f\"{}"),
        repeat("é"),
        repeat("@"),
        repeat("fn f():\n"),
        repeat("struct S:\n x: int\n"),
        repeat("derive A\n"),
        repeat("async "),
        repeat("\t\n"),
        "0".repeat(big - 1),
        "x".repeat(big - 1),
        String::from("\0"),
        "a\0".repeat(9),
    ];
    // Blocks, each deeper than the last.
    let mut deep = String::from("fn f():\n");
    for n in 1..1500 {
        deep.push_str(&" ".repeat(n));
        deep.push_str("if a:\n");
    }
    texts.push(deep);
    let mut stairs = String::from("fn f():\n");
    for n in (1..1500).rev() {
        stairs.push_str(&" ".repeat(n));
        stairs.push_str("a()\n");
    }
    texts.push(stairs);
    for text in &texts {
        let start = Instant::now();
        let arena = Bump::new();
        parse_as(&arena, text, false);
        let took = start.elapsed();
        let shown: String = text.chars().take(40).collect();
        assert!(took < Duration::from_secs(20), "{shown:?} took {took:?}");
    }
}

//! Programs in random layouts: other indentation, blanks, line breaks in brackets, comments anywhere.

use super::{format, formatted, sources};
use crate::diag::Sink;
use crate::parser::{MarkKind, Options, parse_layout};
use crate::source::{FileId, Interner};
use crate::token::T;
use bumpalo::Bump;
use std::fmt::Write as _;

/// Layouts of each program.
const SEEDS: u64 = 4;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn spaces(&mut self, n: usize) -> String {
        " ".repeat(self.below(n + 1))
    }
}

/// What line breaks mean where a token stands.
enum Ctx {
    Block(usize),
    Bracket,
}

/// The tokens of a text in a random layout, without its own comments and blank lines; with new
/// comments if asked for, whose number is the second result.
pub(super) fn relayout(text: &str, seed: u64, commented: bool) -> Option<(String, usize)> {
    let arena = Bump::new();
    let mut sink = Sink::new();
    let layout = parse_layout(
        &arena,
        FileId(0),
        text,
        &Options { is_std: true },
        &mut Interner::new(),
        &mut sink,
    );
    if !sink.finish().is_empty() {
        return None;
    }
    let tokens = &layout.lexed.tokens;
    let mut random = Random(seed);
    let mut out = String::new();
    let mut comments = 0;
    let mut stack: Vec<Ctx> = Vec::new();
    let mut marks = layout.marks.iter().peekable();
    let mut strings = 0;
    let mut comment = |out: &mut String, hash: &str| {
        let _ = write!(out, "{hash} c{comments};");
        comments += 1;
    };
    for (at, token) in tokens.iter().enumerate() {
        let mut line = None;
        let mut clause = false;
        while let Some(mark) = marks.next_if(|m| m.token as usize <= at) {
            match mark.kind {
                MarkKind::Open(_) => {
                    let around = stack.iter().rev().find_map(|c| match c {
                        Ctx::Block(n) => Some(*n),
                        Ctx::Bracket => None,
                    });
                    let indent = around.map_or(0, |n| n + 1 + random.below(6));
                    stack.push(Ctx::Block(indent));
                }
                MarkKind::Close => {
                    stack.pop();
                }
                MarkKind::Line | MarkKind::Joined => line = Some(()),
                MarkKind::Clause => clause = true,
            }
        }
        let base = stack.iter().rev().find_map(|c| match c {
            Ctx::Block(n) => Some(*n),
            Ctx::Bracket => None,
        });
        let base = base.unwrap_or(0);
        let in_bracket = matches!(stack.last(), Some(Ctx::Bracket));
        let begins = line.is_some()
            || token.kind == T::Eof
            || (clause && token.line_start && !in_bracket)
            || (token.line_start && token.kind == T::Dot && !in_bracket && {
                // A dot at the indentation of its block follows a block that ended.
                at > 0 && token.indent <= tokens[..at].iter().rev().find(|t| t.line_start)?.indent
            });
        let dot = token.kind == T::Dot && !begins && !in_bracket;
        // A line break behind a colon would begin a block.
        let colon = at > 0 && tokens[at - 1].kind == T::Colon;
        let gap = at > 0 && tokens[at - 1].end < token.start;
        if strings > 0 {
            // An f-string stays as it is.
            let from = tokens[at - 1].end as usize;
            out.push_str(&text[from..token.start as usize]);
        } else if begins || (in_bracket && !colon && random.one_in(6)) || (dot && random.one_in(6))
        {
            if at > 0 {
                if commented && random.one_in(6) {
                    out.push_str(&random.spaces(2));
                    comment(&mut out, "#");
                }
                out.push('\n');
            }
            if commented && random.one_in(6) {
                for _ in 0..=random.below(2) {
                    if random.one_in(3) {
                        out.push('\n');
                    }
                    out.push_str(&random.spaces(12));
                    let hash = if random.one_in(3) { "##" } else { "#" };
                    comment(&mut out, hash);
                    out.push('\n');
                }
                if random.one_in(3) {
                    out.push('\n');
                }
            }
            let more = if begins { 0 } else { 1 + random.below(9) };
            out.push_str(&" ".repeat(base + more));
        } else if at > 0 {
            // Lexing `t.0 .1` needs its space; elsewhere one may come in.
            let least = usize::from(gap && !(in_bracket && token.kind.is_closer()));
            let most = if tokens[at - 1].kind == T::Dot { 0 } else { 2 };
            out.push_str(&" ".repeat(least));
            if random.one_in(4) {
                out.push_str(&random.spaces(most));
            }
        }
        out.push_str(&text[token.start as usize..token.end as usize]);
        match token.kind {
            T::FStrStart => strings += 1,
            T::FStrEnd => strings -= 1,
            _ => {}
        }
        if token.kind.is_opener() {
            stack.push(Ctx::Bracket);
        } else if token.kind.is_closer() {
            stack.pop();
        }
    }
    Some((out, comments))
}

/// Asserts that texts are equal; shows the first lines that are not.
fn same(a: &str, b: &str, what: &str) {
    if let Some(n) = a.lines().zip(b.lines()).position(|(a, b)| a != b) {
        let part = |text: &str| {
            let lines: Vec<&str> = text.lines().skip(n.saturating_sub(6)).take(12).collect();
            lines.join("\n")
        };
        panic!("{what}\n{}\n----- and -----\n{}", part(a), part(b));
    }
    assert_eq!(a.len(), b.len(), "{what}");
}

/// Sources that are not too long.
fn programs() -> impl Iterator<Item = (String, String)> {
    let short = |text: &str| text.len() < 40_000 && format(text).is_ok();
    sources()
        .into_iter()
        .filter(move |(path, text)| super::takes_layout(path) && short(text))
}

#[test]
fn comments_anywhere_are_kept() {
    for (path, text) in programs() {
        for seed in 0..SEEDS {
            let (laid, count) = relayout(&text, seed * 7919 + text.len() as u64, true).unwrap();
            let result = match format(&laid) {
                Ok(result) => result,
                Err(why) => panic!("{path}, {seed}: {why:?}"),
            };
            for n in 0..count {
                assert!(
                    result.contains(&std::format!("# c{n};")),
                    "{path}: c{n}\n{result}"
                );
            }
            let again = format(&result).unwrap();
            same(&again, &result, &std::format!("not stable: {path}, {seed}"));
        }
    }
}

#[test]
fn one_program_has_one_layout() {
    for (path, text) in programs() {
        let plain = formatted(&relayout(&text, 0, false).unwrap().0);
        for seed in 1..6 {
            let (laid, _) = relayout(&text, seed * 104_729, false).unwrap();
            let other = formatted(&laid);
            same(&other, &plain, &std::format!("{path}, {seed}"));
        }
    }
}

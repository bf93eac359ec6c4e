//! Signs that begin text, labels and functions in other languages: told once, with what follows them.

use super::Lexer;
use crate::diag::{Diagnostic, codes};
use crate::token::T;

impl Lexer<'_> {
    /// `` `text ${x}` ``. `true`: told and taken.
    pub(super) fn backtick(&mut self) -> bool {
        let start = self.pos;
        let rest = self.rest();
        if !rest.starts_with('`') {
            return false;
        }
        let Some(len) = rest.get(1..).and_then(|r| r.find('`')) else {
            return false;
        };
        let text = rest.get(1..1 + len).unwrap_or("").to_string();
        let end = start + len + 2;
        let span = self.span(start, end);
        let d = Diagnostic::error(
            codes::STRAY_CHARACTER,
            span,
            "text does not stand in backticks",
        );
        let d = if text.contains("${") {
            d.help("write an f-string: `f\"… {x} …\"`")
        } else {
            d.help("write `\"…\"`; over several lines `\"\"\"…\"\"\"`")
        };
        let plain = !text.contains(['"', '\\', '\n']);
        let better = if text.contains("${") {
            format!("f\"{}\"", text.replace("${", "{"))
        } else {
            format!("\"{text}\"")
        };
        self.error(if plain { d.fix(span, better) } else { d });
        self.pos = end;
        self.push(T::Error, start, end);
        true
    }

    /// `\x -> e`: the head of a literal. `true`: told and taken.
    pub(super) fn backslash_literal(&mut self) -> bool {
        let start = self.pos;
        let line = self.rest().lines().next().unwrap_or("");
        let Some(head) = line.strip_prefix('\\') else {
            return false;
        };
        let Some(arrow) = head.find("->") else {
            return false;
        };
        let params: Vec<&str> = head
            .get(..arrow)
            .unwrap_or("")
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|p| !p.is_empty())
            .collect();
        let names = |p: &&str| p.chars().all(|c| c.is_alphanumeric() || c == '_');
        if params.is_empty() || !params.iter().all(names) {
            return false;
        }
        let end = start + 1 + arrow + 2;
        let span = self.span(start, end);
        let better = format!("fn({}) =>", params.join(", "));
        let d = Diagnostic::error(
            codes::HABIT_CLOSURE,
            span,
            "a function literal is written with `fn`",
        )
        .help("write `fn(x) => …`")
        .fix(span, better);
        self.error(d);
        self.pos = end;
        self.push(T::Error, start, end);
        true
    }

    /// `$"… {x}"`. `true`: told and taken; the string follows.
    pub(super) fn dollar(&mut self) -> bool {
        let start = self.pos;
        if !self.rest().starts_with("$\"") {
            return false;
        }
        let span = self.span(start, start + 1);
        self.error(
            Diagnostic::error(codes::STRAY_CHARACTER, span, "an f-string begins with `f`")
                .help("write `f\"… {x} …\"`")
                .fix(span, "f"),
        );
        self.pos += 1;
        true
    }

    /// `'outer:` and `break 'outer`, `<'a>` and `&'a`. `true`: told and taken.
    pub(super) fn quoted_name(&mut self) -> bool {
        let start = self.pos;
        let end = self.word_end(start + 1);
        if end == start + 1 || self.byte(end) == b'\'' {
            return false;
        }
        let before = self.out.tokens.last().map_or(T::Eof, |t| t.kind);
        let label = self.line_start && self.byte(end) == b':'
            || matches!(before, T::Break | T::Continue) && !self.line_start;
        if label {
            let span = self.span(start, start + 1);
            self.error(
                Diagnostic::error(codes::BAD_CHAR_LITERAL, span, "a label has no quote")
                    .help("write `outer: for …`, `break outer`")
                    .fix(span, ""),
            );
            self.pos = start + 1;
            return true;
        }
        match (before, self.byte(end)) {
            // The `&` is told by the parser.
            (T::Amp, _) => self.pos = end,
            (T::Lt, b'>') => {
                self.out.tokens.pop();
                let span = self.span(start - 1, end + 1);
                self.error(
                    Diagnostic::error(codes::BAD_CHAR_LITERAL, span, "there are no lifetimes")
                        .help("leave it out: a value lives as long as something refers to it")
                        .fix(span, ""),
                );
                self.pos = end + 1;
            }
            // The `<` is told by the parser.
            (T::Lt, b',') => self.pos = end + 1,
            _ => return false,
        }
        true
    }
}

//! Numbers: where they end and whether their form is right. Values are read by `parser::literals`.

use super::Lexer;
use crate::diag::{Diagnostic, codes};
use crate::token::T;

impl Lexer<'_> {
    fn digits(&self, mut at: usize) -> usize {
        while let b'0'..=b'9' | b'_' = self.byte(at) {
            at += 1;
        }
        at
    }

    pub(super) fn number(&mut self) {
        let start = self.pos;
        // Behind a dot it is the index of a tuple: `t.0.1` holds no float.
        let after_dot = self
            .out
            .tokens
            .last()
            .is_some_and(|t| t.kind == T::Dot && t.end as usize == start);
        if after_dot {
            let end = self.word_end(start);
            self.pos = end;
            return self.push(T::Int, start, end);
        }
        let (first, second) = (self.byte(start), self.byte(start + 1));
        if first == b'0' && second.is_ascii_alphabetic() && "xXbBoO".contains(second as char) {
            return self.based(start, second);
        }
        let mut end = self.digits(start);
        let whole_end = end;
        let mut kind = T::Int;
        if self.byte(end) == b'.' && self.byte(end + 1).is_ascii_digit() {
            kind = T::Float;
            end = self.digits(end + 1);
        }
        if matches!(self.byte(end), b'e' | b'E') {
            let sign = usize::from(matches!(self.byte(end + 1), b'+' | b'-'));
            if self.byte(end + 1 + sign).is_ascii_digit() {
                kind = T::Float;
                end = self.digits(end + 1 + sign);
            }
        }
        let tail = self.word_end(end);
        if tail > end {
            let suffix = self.slice(end, tail).to_string();
            let body = self.slice(start, end).to_string();
            let mut diagnostic = Diagnostic::error(
                codes::BAD_NUMBER,
                self.span(start, tail),
                format!("`{suffix}` cannot stand right behind the number `{body}`"),
            );
            diagnostic = match suffix.as_str() {
                "f" | "d" | "F" | "D" | "f32" | "f64" if kind == T::Int => {
                    diagnostic.help(format!("a float has a point: `{body}.0`"))
                }
                "u8" | "byte" => diagnostic.help(format!("a conversion is a call: `byte({body})`")),
                _ => diagnostic.help(format!("numbers have no suffix: `{body}`")),
            };
            self.error(diagnostic);
            self.pos = tail;
            return self.push(T::Error, start, tail);
        }
        if kind == T::Int && first == b'0' && whole_end > start + 1 {
            let body = self.slice(start, end).to_string();
            let plain = body.trim_start_matches(['0', '_']);
            let plain = if plain.is_empty() { "0" } else { plain };
            let span = self.span(start, end);
            let diagnostic = Diagnostic::error(
                codes::BAD_NUMBER,
                span,
                "a decimal number does not begin with zero",
            )
            .help(format!(
                "write `{plain}`, or `0o{plain}` for an octal number"
            ))
            .fix(span, plain);
            self.error(diagnostic);
            self.pos = end;
            return self.push(T::Error, start, end);
        }
        self.pos = end;
        self.push(kind, start, end);
    }

    fn based(&mut self, start: usize, letter: u8) {
        let end = self.word_end(start);
        self.pos = end;
        let base = match letter {
            b'x' | b'X' => 16,
            b'b' | b'B' => 2,
            _ => 8,
        };
        let text = self.slice(start, end);
        let digits = text.get(2..).unwrap_or("");
        let problem = if letter.is_ascii_uppercase() {
            Some("the prefix of a number's base is a small letter".to_string())
        } else if !digits.bytes().any(|b| b.is_ascii_alphanumeric()) {
            Some(format!("`{text}` has no digits"))
        } else {
            digits
                .chars()
                .find(|c| *c != '_' && !c.is_digit(base))
                .map(|c| format!("`{c}` is no digit of a number in base {base}"))
        };
        let Some(problem) = problem else {
            return self.push(T::Int, start, end);
        };
        let help = if letter.is_ascii_uppercase() {
            format!("write `{}`", text.to_ascii_lowercase())
        } else {
            "write for example `0xff`, `0b101` or `0o17`".to_string()
        };
        let diagnostic =
            Diagnostic::error(codes::BAD_NUMBER, self.span(start, end), problem).help(help);
        self.error(diagnostic);
        self.push(T::Error, start, end);
    }
}

//! F-strings: text and holes. The lexer has split them and closes each.

use super::Parser;
use crate::ast::{Expr, ExprKind, FPart};
use crate::diag::{Diagnostic, codes};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// An f-string; the next token is its start.
    pub(super) fn fstring(&mut self) -> Expr<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let start = self.open(false).start;
        let mut parts = Vec::new();
        loop {
            let token = self.raw();
            match token.kind {
                T::FStrText => {
                    self.bump();
                    let text = self.fstring_text_value(token);
                    parts.push(FPart::Text(text));
                }
                T::FStrOpen => {
                    let hole = self.hole();
                    parts.extend(hole);
                }
                T::FStrEnd => {
                    self.bump();
                    break;
                }
                T::Eof => break,
                // Left over from a hole that was told; the end is still ahead.
                _ => {
                    if !self.panicking {
                        self.unexpected("the end of the f-string");
                    }
                    self.skip_in_fstring();
                }
            }
        }
        self.layout.pop();
        self.inline_if = inline_if;
        self.panicking = false;
        let parts = self.slice(&parts);
        let span = self.span_from(start);
        self.expr(span, ExprKind::FStr(parts))
    }

    /// Skips to the next text, hole or end of this f-string.
    fn skip_in_fstring(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.raw().kind {
                T::Eof => return,
                T::FStrStart => depth += 1,
                T::FStrEnd if depth == 0 => return,
                T::FStrEnd => depth -= 1,
                T::FStrText | T::FStrOpen if depth == 0 => return,
                _ => {}
            }
            self.bump();
        }
    }

    /// A hole; the next token is its `{`.
    fn hole(&mut self) -> Option<FPart<'a>> {
        let opener = self.open(false);
        if self.at(T::FStrClose) {
            let span = self.span_of(opener).to(self.here());
            self.report(
                Diagnostic::error(
                    codes::FSTRING_BRACE,
                    span,
                    "these braces hold no expression",
                )
                .help("write `{{}}` for braces in the text"),
            );
            self.close(opener, T::FStrClose);
            return None;
        }
        let expr = self.expression();
        if self.at(T::Assign) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::BAD_FORMAT_SPEC,
                    span,
                    "a hole does not repeat its expression",
                )
                .help("write the name as text: `f\"x={x}\"`"),
            );
            self.bump();
        } else if self.at(T::Bang) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::BAD_FORMAT_SPEC, span, "a hole has no conversion")
                    .help("call a method on the value, as in `{x.show()}`"),
            );
            self.bump();
            if self.at(T::Ident) {
                self.bump();
            }
        }
        let mut spec = None;
        if self.at(T::FStrSpec) {
            let token = self.bump();
            spec = Some(self.format_spec(token));
        }
        self.close(opener, T::FStrClose);
        Some(FPart::Value { expr, spec })
    }
}

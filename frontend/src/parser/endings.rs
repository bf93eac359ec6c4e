//! What other languages put behind a block or an operand: `end`, a brace that is left over, a block as last
//! argument, `do |x|`. Each is told once; what belongs to something that was told is passed over in silence.

use super::Parser;
use crate::diag::{Diagnostic, Severity, codes};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// An `end` alone on its line. `true`: told; the line is still to be skipped.
    pub(super) fn loose_end(&mut self) -> bool {
        let alone = {
            let next = self.token(self.pos + 1);
            next.line_start || next.kind == T::Eof
        };
        if !self.at(T::Ident) || self.token_text(self.raw()) != "end" || !alone {
            return false;
        }
        let span = self.here();
        self.report(
            Diagnostic::error(
                codes::HABIT_KEYWORD,
                span,
                "`end` is a word of other languages",
            )
            .help("leave it out: a block ends with its indentation")
            .fix(span, ""),
        );
        true
    }

    /// A `}` alone on its line behind something that was told: it ends what began there. `true`: passed over.
    pub(super) fn left_over_brace(&mut self) -> bool {
        if self.raw().kind != T::RBrace || !self.raw().line_start {
            return false;
        }
        let file = self.file;
        let mut told = self.sink.diagnostics().iter();
        if !told.any(|d| d.severity == Severity::Error && d.span.file == file) {
            return false;
        }
        self.panicking = true;
        true
    }

    /// `xs.each do |x|` and `xs.map { … }` behind a statement. `true`: told.
    pub(super) fn block_argument(&mut self) -> bool {
        let word = self.at(T::Ident) && self.token_text(self.raw()) == "do";
        // `xs.map {`: no brace can follow a member otherwise.
        let back = |n: usize| self.pos.checked_sub(n).map(|at| self.token(at).kind);
        let member = back(1) == Some(T::Ident) && back(2) == Some(T::Dot);
        let brace = member && self.at(T::LBrace);
        if !word && !brace {
            return false;
        }
        let span = self.here();
        if !self.told_on_line(span) {
            self.report(
                Diagnostic::error(
                    codes::HABIT_CLOSURE,
                    span,
                    "a block is no argument: a function literal stands in the parentheses",
                )
                .help("write `.map(fn(x) => …)`, or `.each(fn(x):` and an indented block"),
            );
        }
        if word {
            self.panicking = true;
        } else {
            self.skip_braces();
        }
        true
    }

    /// `-> R` without its arrow: `f(x int) int {` and `f(x): Int {`. Told and gone on behind the type.
    pub(super) fn bare_result(&mut self) {
        if self.panicking {
            return;
        }
        let colon = self.at(T::Colon)
            && self.peek_at(1) == T::Ident
            && self.brace_ends_line()
            && self.peek_at(2) == T::LBrace;
        let bare = self.at(T::Ident)
            && matches!(self.peek_at(1), T::LBrace | T::Colon)
            && !self.raw().line_start;
        if !colon && !bare {
            return;
        }
        let span = self.here();
        let d = Diagnostic::error(
            codes::HABIT_ARROW,
            span,
            "the result of a function stands behind `->`",
        )
        .help("write `->` and the type");
        self.report(if colon {
            d.fix(span, " ->")
        } else {
            d.fix(span.before(), "-> ")
        });
        if colon {
            self.bump();
        }
        self.bump();
    }

    /// `(crate)` behind `pub`.
    pub(super) fn scoped_pub(&mut self) {
        let open = self.raw();
        if open.kind != T::LParen || self.peek_at(2) != T::RParen {
            return;
        }
        let span = self
            .span_of(open)
            .to(self.span_of(self.token(self.pos + 2)));
        self.report(
            Diagnostic::error(
                codes::HABIT_KEYWORD,
                span,
                "`pub` knows two places: the package, which sees everything, and others",
            )
            .help("write `pub`, or nothing")
            .fix(span, ""),
        );
        for _ in 0..3 {
            self.bump();
        }
    }

    /// `defer f()`: told, as if the colon were there.
    pub(super) fn defer_colon(&mut self) {
        let behind = self.prev_span().after();
        if self.at(T::Colon) || matches!(self.peek(), T::Newline | T::Eof | T::LBrace) {
            return self.header_colon("`defer`");
        }
        self.report(
            Diagnostic::error(
                codes::MISSING_COLON,
                behind,
                "`:` is missing behind `defer`",
            )
            .help("write `defer: f()`, or `defer:` and an indented block")
            .fix(behind, ":"),
        );
    }

    /// `.B`: a variant without its enum. `true`: told.
    pub(super) fn dotted_variant(&mut self) -> bool {
        let name = self.token(self.pos + 1);
        let capital = self.token_text(name).starts_with(char::is_uppercase);
        if self.raw().kind != T::Dot || name.kind != T::Ident || !capital {
            return false;
        }
        let text = self.token_text(name).to_string();
        let span = self.here().to(self.span_of(name));
        self.fail(
            Diagnostic::error(
                codes::HABIT_LITERAL,
                span,
                "a variant is written with its enum",
            )
            .help(format!("write `Name.{text}` with the enum's name")),
        );
        true
    }

    /// `case b` where a variant is declared. Told and taken.
    pub(super) fn case_variant(&mut self) {
        if self.at(T::Ident)
            && self.token_text(self.raw()) == "case"
            && self.peek_at(1) == T::Ident
            && !self.token(self.pos + 1).line_start
        {
            self.keyword_habit(
                "",
                "a variant stands on a line by its name: `Name(field: T)`",
            );
            self.bump();
        }
    }
}

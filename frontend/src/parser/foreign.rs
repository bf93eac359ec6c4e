//! Expressions of other languages that stand behind an operand: `a if c else b`, `c ? a : b`, `x |> f`,
//! `(float) x`, words for operators. As with `habits`, each is told once, with the whole change where it is certain.

use super::Parser;
use super::layout::Ctx;
use super::ops::Level;
use crate::ast::{BinaryOp, Expr, ExprKind};
use crate::diag::{Diagnostic, codes};
use crate::source::{Span, sym};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// The source text of a span.
    pub(super) fn text_of(&self, span: Span) -> String {
        let text = self.text.get(span.start as usize..span.end as usize);
        text.unwrap_or("").to_string()
    }

    /// The source text before a span.
    fn text_before(&self, span: Span) -> &str {
        self.text.get(..span.start as usize).unwrap_or("")
    }

    /// The byte before and the byte behind the token here.
    fn around(&self) -> (u8, u8) {
        let token = self.raw();
        let at = |i: Option<usize>| {
            i.and_then(|i| self.text.as_bytes().get(i).copied())
                .unwrap_or(b'\n')
        };
        (
            at((token.start as usize).checked_sub(1)),
            at(Some(token.end as usize)),
        )
    }

    /// Whether the `?` here has spaces around it, or a colon behind it, as in `c ? a : b` and `x ?: y`.
    pub(super) fn spaced_question(&self) -> bool {
        let (before, behind) = self.around();
        let next = self.token(self.pos + 1);
        if before != b' ' || next.line_start {
            return false;
        }
        if behind == b':' {
            return self.kind_begins_expression(self.token(self.pos + 2).kind)
                && !self.token(self.pos + 2).line_start;
        }
        let line = self.line_ahead(1);
        let colon = line.iter().position(|t| t.kind == T::Colon);
        let inner = colon.is_some_and(|at| at + 1 < line.len());
        behind == b' ' && inner && self.kind_begins_expression(next.kind)
    }

    /// Forms that take the whole expression so far as their left side; told and taken. `true`: one stood here.
    pub(super) fn foreign_tail(&mut self, left: &mut Expr<'a>, start: u32) -> bool {
        match self.peek() {
            T::If if !self.guarding => self.python_if(left, start),
            T::Question => self.ternary(left, start),
            _ => return false,
        }
        true
    }

    /// `a if c else b`; the next token is `if`.
    fn python_if(&mut self, left: &mut Expr<'a>, start: u32) {
        let word = self.here();
        let silent = self.silent();
        self.bump();
        let cond = self.climb(Level::Or);
        let mut d = Diagnostic::error(
            codes::HABIT_TERNARY,
            word,
            "the condition stands before the value",
        )
        .help("write `if c: a else: b`");
        if self.at(T::Else) && !self.panicking {
            self.bump();
            let other = self.climb(Level::Or);
            if !self.panicking {
                let (c, a, b) = (
                    self.text_of(cond.span),
                    self.text_of(left.span),
                    self.text_of(other.span),
                );
                d = d.fix(left.span.to(other.span), self.if_text(&c, &a, &b));
            }
        }
        self.tell(d, silent);
        *left = self.error_at(start);
    }

    fn if_text(&self, c: &str, a: &str, b: &str) -> String {
        if matches!(self.layout.last(), Some(Ctx::Bracket { .. })) {
            format!("(if {c}: {a} else: {b})")
        } else {
            format!("if {c}: {a} else: {b}")
        }
    }

    /// `c ? a : b` and `x ?: y`; the next token is the question mark.
    fn ternary(&mut self, left: &mut Expr<'a>, start: u32) {
        let silent = self.silent();
        let mut question = self.here();
        self.bump();
        if self.at(T::Colon) {
            question = question.to(self.here());
            self.bump();
            let d = Diagnostic::error(codes::HABIT_OPERATOR, question, "`?:` is not an operator")
                .help("a value instead of none is `x else y`")
                .fix(question, "else");
            self.climb(Level::Or);
            self.tell(d, silent);
            *left = self.error_at(start);
            return;
        }
        let a = self.climb(Level::Or);
        let mut d = Diagnostic::error(codes::HABIT_TERNARY, question, "there is no `?:`")
            .help("write `if c: a else: b`");
        if self.eat(T::Colon) {
            let b = self.climb(Level::Else);
            if !self.panicking {
                let text = self.if_text(
                    &self.text_of(left.span),
                    &self.text_of(a.span),
                    &self.text_of(b.span),
                );
                d = d.fix(left.span.to(b.span), text);
            }
        }
        self.tell(d, silent);
        *left = self.error_at(start);
    }

    /// Reports what was recognised before its parts were read.
    fn tell(&mut self, d: Diagnostic, silent: bool) {
        if !silent {
            self.sink.push(d);
        }
    }

    fn error_at(&mut self, start: u32) -> Expr<'a> {
        let span = self.span_from(start);
        self.expr(span, ExprKind::Error)
    }

    /// Words and signs of other languages between two operands. `true`: one stood here and was taken.
    pub(super) fn foreign_word(&mut self, left: &mut Expr<'a>, start: u32) -> bool {
        if self.at(T::Ident) && self.foreign_operand() {
            let word = self.token_text(self.raw()).to_string();
            let (write, help) = match word.as_str() {
                "mod" | "rem" => ("%", "the rest of a division is `a % b`"),
                "div" => ("/", "`/` on ints drops the rest"),
                "xor" => ("!=", "two bools differ: `a != b`; bits of ints: `a ^ b`"),
                "shl" => ("<<", "write `a << b`"),
                "shr" => (">>", "write `a >> b`"),
                "to" | "until" => ("..", "a range is `a..b`, with its end `a..=b`"),
                _ => return false,
            };
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_OPERATOR,
                    span,
                    format!("`{word}` is not an operator of Jet"),
                )
                .help(help)
                .fix(span, write),
            );
            self.bump();
            self.climb(Level::Range);
            *left = self.error_at(start);
            return true;
        }
        // `(float) x`.
        let cast = matches!(left.kind, ExprKind::Name(name)
            if [sym::int, sym::float, sym::string, sym::char_, sym::byte].contains(&name));
        let operand = matches!(
            self.peek(),
            T::Ident | T::Int | T::Float | T::Str | T::Char | T::SelfKw
        );
        if cast && operand && self.text_of(left.span).starts_with('(') {
            let span = left.span;
            let silent = self.silent();
            let name = self.text_of(Span::new(span.file, span.start + 1, span.end - 1));
            let value = self.climb(Level::Unary);
            let mut d = Diagnostic::error(codes::HABIT_CAST, span, "a conversion is a call")
                .help(format!("write `{}(…)`", name.trim()));
            if !self.panicking {
                let text = format!("{}({})", name.trim(), self.text_of(value.span));
                d = d.fix(span.to(value.span), text);
            }
            self.tell(d, silent);
            *left = self.error_at(start);
            return true;
        }
        false
    }

    /// `|>`, `<>`, `...`, `..<`: two tokens that are one sign elsewhere. `true`: told and taken, with the operand.
    pub(super) fn foreign_sign(&mut self, op: BinaryOp) -> bool {
        let (first, second) = (self.raw(), self.token(self.pos + 1));
        if first.end != second.start || second.kind != T::Gt {
            return false;
        }
        let span = self.span_of(first).to(self.span_of(second));
        let d = match op {
            BinaryOp::BitOr => Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                "`|>` is not an operator of Jet",
            )
            .help("call the function or method: `f(x)`, `x.f()`"),
            BinaryOp::Lt => Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                "`<>` is not an operator of Jet",
            )
            .help("write `!=`")
            .fix(span, "!="),
            _ => return false,
        };
        self.report(d);
        self.bump();
        self.bump();
        self.climb(Level::Range);
        true
    }

    /// `...` and `..<` behind the first two dots of a range, which have been taken.
    pub(super) fn foreign_dots(&mut self) {
        let (dots, next) = (self.prev_span(), self.raw());
        if dots.end != next.start {
            return;
        }
        let (shown, write) = match next.kind {
            T::Dot => ("...", "..="),
            T::Lt => ("..<", ".."),
            _ => return,
        };
        let span = dots.to(self.span_of(next));
        self.report(
            Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                format!("`{shown}` is not an operator of Jet"),
            )
            .help("a range is `a..b`, with its end `a..=b`")
            .fix(span, write),
        );
        self.bump();
    }

    /// `xs->push(2)`: told and taken as a dot. `true`: it stood here.
    pub(super) fn arrow_member(&mut self) -> bool {
        let (before, behind) = self.around();
        let tight = before != b' ' && (behind == b'_' || behind.is_ascii_alphabetic());
        if !tight || self.peek_at(1) != T::Ident {
            return false;
        }
        let span = self.here();
        self.report(
            Diagnostic::error(codes::HABIT_ARROW, span, "members stand behind `.`")
                .help("write `.`")
                .fix(span, "."),
        );
        true
    }

    /// `List<int>()`: type arguments in angle brackets before a call. `true`: told and taken.
    pub(super) fn angle_call(&mut self, left: &Expr<'a>) -> bool {
        let ExprKind::Name(name) = left.kind else {
            return false;
        };
        let name = self.names.name(name).to_string();
        if !name.starts_with(char::is_uppercase) {
            return false;
        }
        let mut depth = 0i32;
        for n in 0..40 {
            match self.token(self.pos + n).kind {
                T::Lt => depth += 1,
                T::Gt => depth -= 1,
                T::Shr => depth -= 2,
                T::Ident | T::Comma | T::Question | T::LBracket | T::RBracket => {}
                _ => return false,
            }
            if depth <= 0 {
                // `A < B >> (c)` closes more than it opened: a comparison with something shifted.
                if depth < 0 || self.token(self.pos + n + 1).kind != T::LParen {
                    return false;
                }
                let span = self.here();
                if self.told_on_line(left.span) && self.text_before(left.span).ends_with("new ") {
                    self.skip_angles();
                    return true;
                }
                self.report(
                    Diagnostic::error(
                        codes::HABIT_ANGLE,
                        span,
                        "type arguments stand in square brackets",
                    )
                    .help(Self::generic_advice(&name)),
                );
                self.skip_angles();
                return true;
            }
        }
        false
    }

    /// `(x: int) => e` and `(x: int) -> e`; the next token is the parenthesis. `None`: something else.
    pub(super) fn typed_closure(&mut self) -> Option<Expr<'a>> {
        let start = self.raw().start;
        if self.peek_at(1) != T::Ident || self.peek_at(2) != T::Colon {
            return None;
        }
        let mut depth = 0usize;
        let close = (0..120).find(|n| {
            match self.token(self.pos + n).kind {
                T::LParen => depth += 1,
                T::RParen => depth = depth.saturating_sub(1),
                T::Eof => depth = 0,
                _ => {}
            }
            depth == 0
        })?;
        let arrow = self.token(self.pos + close + 1);
        if !matches!(arrow.kind, T::Arrow | T::FatArrow) || arrow.line_start {
            return None;
        }
        let open = self.here();
        let d = Diagnostic::error(
            codes::HABIT_CLOSURE,
            open.to(self.span_of(arrow)),
            "a function literal is written with `fn`",
        )
        .help("write `fn(x: int) => …`")
        .fix(open.before(), "fn")
        .fix(self.span_of(arrow), "=>");
        self.report(d);
        self.pos += close + 2;
        if self.at(T::LBrace) {
            self.panicking = true;
        } else {
            self.expression();
        }
        Some(self.error_at(start))
    }

    /// `return` and its kin in braces behind `else`. `true`: told.
    pub(super) fn braced_way_out(&mut self) -> bool {
        if !self.at(T::LBrace) {
            return false;
        }
        let span = self.here();
        self.fail(
            Diagnostic::error(
                codes::HABIT_BRACES,
                span,
                "what stands behind `else` has no braces",
            )
            .help("write `else return …`, or `else:` and an indented block"),
        );
        self.skip_braces();
        true
    }
}

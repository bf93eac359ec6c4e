//! `if` and `match`, as expressions and statements.

use super::layout::Ctx;
use super::{MarkKind, Parser};
use crate::ast::{Expr, ExprKind, IfBranch, MatchArm};
use crate::diag::{Diagnostic, codes};
use crate::source::sym;
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// `if … elif … else`; the next token is `if`.
    pub(super) fn if_expr(&mut self) -> Expr<'a> {
        let start = self.bump().start;
        let mut branches = Vec::new();
        let mut otherwise = None;
        let cond = self.condition("`if`");
        let body = self.if_block();
        branches.push(IfBranch { cond, body });
        loop {
            if self.panicking {
                // What is wrong in a branch is not wrong in the next one.
                self.sync_to_clause();
            }
            if self.at_clause(T::Elif) {
                // Each lies inside of the one before.
                if !self.grow() {
                    break;
                }
                self.mark(MarkKind::Clause);
                self.bump();
                let cond = self.condition("`elif`");
                let body = self.if_block();
                branches.push(IfBranch { cond, body });
                continue;
            }
            if !self.at_clause(T::Else) {
                break;
            }
            self.mark(MarkKind::Clause);
            let next = self.token(self.pos + 1);
            if next.kind == T::If && !next.line_start {
                let span = self.span_of(self.raw()).to(self.span_of(next));
                self.report(
                    Diagnostic::error(codes::HABIT_ELSE_IF, span, "`else if` is one word in Jet")
                        .help("write `elif`")
                        .fix(span, "elif"),
                );
                if !self.grow() {
                    break;
                }
                self.bump();
                self.bump();
                let cond = self.condition("`elif`");
                let body = self.if_block();
                branches.push(IfBranch { cond, body });
                continue;
            }
            self.bump();
            self.header_colon("`else`");
            let block = self.if_block();
            otherwise = Some(self.alloc(block));
            break;
        }
        let branches = self.slice(&branches);
        let span = self.span_from(start);
        self.expr(
            span,
            ExprKind::If {
                branches,
                otherwise,
            },
        )
    }

    /// After an error in a block that stood on lines of its own: nothing more to skip if a clause of
    /// the same statement begins the next line.
    fn sync_to_clause(&mut self) {
        if matches!(self.layout.last(), Some(Ctx::Block { .. })) {
            let token = self.raw();
            if token.line_start
                && matches!(token.kind, T::Elif | T::Else)
                && token.indent == self.block_indent()
            {
                self.panicking = false;
                return;
            }
            let indent = self.block_indent();
            let mut at = self.pos;
            loop {
                let token = self.token(at);
                if token.kind == T::Eof {
                    return;
                }
                if token.line_start && at != self.line_token && token.indent <= indent {
                    if matches!(token.kind, T::Elif | T::Else) && token.indent == indent {
                        self.pos = at;
                        self.panicking = false;
                    }
                    return;
                }
                at += 1;
            }
        }
    }

    fn if_block(&mut self) -> crate::ast::Block<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, true);
        let block = self.block();
        self.inline_if = inline_if;
        block
    }

    /// The condition of `if`, `elif` or `while`, and the colon behind it.
    pub(super) fn condition(&mut self, what: &str) -> Expr<'a> {
        let cond = if self.at(T::Let) {
            let start = self.here();
            self.bump();
            self.pattern();
            self.report(
                Diagnostic::error(
                    codes::HABIT_IF_LET,
                    start,
                    "a condition cannot match a pattern",
                )
                .help("use `match value:`, or `let Some(x) = value else …` before it"),
            );
            if self.eat(T::Assign) {
                self.expression();
            }
            self.error_expr()
        } else {
            let inline_if = std::mem::replace(&mut self.inline_if, false);
            let cond = self.header_value();
            self.inline_if = inline_if;
            cond
        };
        if self.at(T::Assign) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_OPERATOR,
                    span,
                    "`=` assigns and is not a condition",
                )
                .help("compare with `==`")
                .fix(span, "=="),
            );
            self.bump();
            self.expression();
        }
        self.header_colon(what);
        cond
    }

    /// A `match`; the word itself has been taken.
    pub(super) fn match_expr(&mut self, start: u32) -> Expr<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let scrutinee = self.header_value();
        self.header_colon("`match`");
        let mut arms = Vec::new();
        if !self.panicking {
            let first = self.raw();
            if first.kind == T::Eof
                || !first.line_start
                || first.indent <= self.block_indent()
                || first.kind.is_closer()
            {
                let span = self.prev_span().after();
                self.report(
                    Diagnostic::error(
                        codes::EXPECTED_BLOCK,
                        span,
                        "the arms of this `match` are expected on lines of their own",
                    )
                    .help("indent them: `pattern => value`"),
                );
                if !first.line_start {
                    self.panicking = true;
                }
            } else if let Some(saved) = self.enter() {
                self.lines(first.indent, |p| {
                    let arm = p.match_arm();
                    arms.push(arm);
                });
                self.leave(saved);
            }
        }
        self.inline_if = inline_if;
        let scrutinee = self.alloc(scrutinee);
        let arms = self.slice(&arms);
        let span = self.span_from(start);
        self.expr(span, ExprKind::Match { scrutinee, arms })
    }

    fn match_arm(&mut self) -> MatchArm<'a> {
        let start = self.raw().start;
        let mut told = false;
        if self.at_word(sym::case)
            && !matches!(self.peek_at(1), T::FatArrow | T::If | T::At | T::Pipe)
        {
            self.keyword_habit("", "an arm is `pattern => value`, without a word before it");
            self.bump();
            told = true;
        }
        let pat = if self.at(T::Else) {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_KEYWORD,
                    span,
                    "the arm for all the rest is `_`",
                )
                .help("write `_ => …`")
                .fix(span, "_"),
            );
            self.bump();
            self.pat(span, crate::ast::PatKind::Wild)
        } else {
            self.pattern()
        };
        let guard = if self.eat(T::If) {
            let outer = std::mem::replace(&mut self.guarding, true);
            let guard = self.expression();
            self.guarding = outer;
            Some(guard)
        } else {
            None
        };
        self.fat_arrow(told);
        let body = self.block();
        MatchArm {
            pat,
            guard,
            body,
            span: self.span_from(start),
        }
    }

    /// The `=>` of an arm, or what other languages write there.
    pub(super) fn fat_arrow(&mut self, told: bool) {
        if self.panicking || self.eat(T::FatArrow) {
            return;
        }
        if matches!(self.peek(), T::Arrow | T::Colon | T::Assign) {
            let span = self.here();
            if !told {
                self.report(
                    Diagnostic::error(
                        codes::HABIT_ARROW,
                        span,
                        format!("an arm has `=>`, not {}", self.found()),
                    )
                    .help("write `=>`")
                    .fix(span, "=>"),
                );
            }
            self.bump();
            return;
        }
        self.unexpected("`=>`");
    }
}

//! Operators: the one table of their precedence, and the climb over it.

use super::Parser;
use super::layout::Ctx;
use crate::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::diag::{Diagnostic, codes};
use crate::source::sym;
use crate::token::T;

/// How tight an operator binds; greater is tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Else,
    Or,
    And,
    Not,
    Compare,
    Range,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Add,
    Mul,
    Pow,
    Unary,
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Infix {
    Binary(BinaryOp),
    Range { inclusive: bool },
    Else,
}

/// The table, loosest first; within a level operators are equal and group to the left, except that
/// `**` and `else` group to the right and comparisons and ranges not at all. Unary `-` and `~` bind
/// tighter than all of these, postfix operators tighter still.
fn infix(token: T) -> Option<(Level, Infix)> {
    use BinaryOp::*;
    let (level, op) = match token {
        T::Else => return Some((Level::Else, Infix::Else)),
        T::Or | T::OrOr => (Level::Or, Or),
        T::And | T::AndAnd => (Level::And, And),
        T::EqEq => (Level::Compare, Eq),
        T::NotEq => (Level::Compare, Ne),
        T::Lt => (Level::Compare, Lt),
        T::Le => (Level::Compare, Le),
        T::Gt => (Level::Compare, Gt),
        T::Ge => (Level::Compare, Ge),
        T::DotDot => return Some((Level::Range, Infix::Range { inclusive: false })),
        T::DotDotEq => return Some((Level::Range, Infix::Range { inclusive: true })),
        T::Pipe => (Level::BitOr, BitOr),
        T::Caret => (Level::BitXor, BitXor),
        T::Amp => (Level::BitAnd, BitAnd),
        T::Shl => (Level::Shift, Shl),
        T::Shr => (Level::Shift, Shr),
        T::UShr => (Level::Shift, UShr),
        T::Plus => (Level::Add, Add),
        T::Minus => (Level::Add, Sub),
        T::PlusWrap => (Level::Add, AddWrap),
        T::MinusWrap => (Level::Add, SubWrap),
        T::Star => (Level::Mul, Mul),
        T::Slash => (Level::Mul, Div),
        T::Percent => (Level::Mul, Rem),
        T::StarWrap => (Level::Mul, MulWrap),
        T::StarStar => (Level::Pow, Pow),
        _ => return None,
    };
    Some((level, Infix::Binary(op)))
}

fn tighter(level: Level) -> Level {
    match level {
        Level::Else => Level::Or,
        Level::Or => Level::And,
        Level::And => Level::Not,
        Level::Not => Level::Compare,
        Level::Compare => Level::Range,
        Level::Range => Level::BitOr,
        Level::BitOr => Level::BitXor,
        Level::BitXor => Level::BitAnd,
        Level::BitAnd => Level::Shift,
        Level::Shift => Level::Add,
        Level::Add => Level::Mul,
        Level::Mul => Level::Pow,
        Level::Pow | Level::Unary => Level::Unary,
    }
}

impl<'a> Parser<'a, '_> {
    /// An expression.
    pub(super) fn expression(&mut self) -> Expr<'a> {
        self.climb(Level::Else)
    }

    /// An expression that ends its statement, so that `else:` and a block may stand behind it.
    pub(super) fn last_value(&mut self) -> Expr<'a> {
        let here = matches!(self.layout.last(), Some(Ctx::Block { .. }));
        let outer = std::mem::replace(&mut self.stmt_end, here);
        let value = self.expression();
        self.stmt_end = outer;
        value
    }

    /// An expression whose line goes on with a colon.
    pub(super) fn header_value(&mut self) -> Expr<'a> {
        let outer = std::mem::replace(&mut self.stmt_end, false);
        let value = self.expression();
        self.stmt_end = outer;
        value
    }

    /// Whether the `else:` here begins a block of the `else` operator; tells it where it cannot.
    fn else_block(&mut self) -> bool {
        if self.stmt_end && matches!(self.layout.last(), Some(Ctx::Block { .. })) {
            return true;
        }
        if self.right_in_bracket() && !self.panicking {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::UNEXPECTED,
                    span,
                    "inside of brackets `else` takes a value or a way out, not a block",
                )
                .help("write `x else value`, or `let y = x else:` and the block on a line before"),
            );
        }
        false
    }

    /// An expression whose operators bind at least as tight as `min`.
    pub(super) fn climb(&mut self, min: Level) -> Expr<'a> {
        let Some(saved) = self.enter() else {
            return self.error_expr();
        };
        let expr = self.climb_inner(min);
        self.leave(saved);
        expr
    }

    fn climb_inner(&mut self, min: Level) -> Expr<'a> {
        let start = self.raw().start;
        let mut left = self.unary(min);
        loop {
            if self.panicking || !self.foreign_infix(&mut left, start) {
                break;
            }
            if min == Level::Else && self.foreign_tail(&mut left, start) {
                continue;
            }
            let Some((level, op)) = infix(self.peek()) else {
                break;
            };
            if level < min {
                break;
            }
            match op {
                Infix::Else => {
                    let next = self.peek_at(1);
                    if self.inline_if && matches!(next, T::Colon | T::If) {
                        break;
                    }
                    if next == T::Colon && !self.else_block() {
                        break;
                    }
                    self.bump();
                    let fallback = self.fallback();
                    left = self.join(left, fallback, start, |l, r| ExprKind::Else {
                        value: l,
                        fallback: r,
                    });
                }
                Infix::Range { inclusive } => left = self.range(left, inclusive, start),
                Infix::Binary(op) => {
                    if self.decrement(op) {
                        break;
                    }
                    if self.foreign_sign(op) {
                        let span = self.span_from(start);
                        left = self.expr(span, ExprKind::Error);
                        continue;
                    }
                    left = self.binary(left, op, level, start);
                }
            }
            if !self.grow() {
                break;
            }
        }
        left
    }

    fn join(
        &mut self,
        left: Expr<'a>,
        right: Expr<'a>,
        start: u32,
        make: impl FnOnce(&'a Expr<'a>, &'a Expr<'a>) -> ExprKind<'a>,
    ) -> Expr<'a> {
        let kind = make(self.alloc(left), self.alloc(right));
        let span = self.span_from(start);
        self.expr(span, kind)
    }

    fn binary(&mut self, left: Expr<'a>, op: BinaryOp, level: Level, start: u32) -> Expr<'a> {
        match self.peek() {
            T::AndAnd => self.operator_habit("and", "both conditions: `and`"),
            T::OrOr => self.operator_habit("or", "one of two conditions: `or`"),
            _ => {}
        }
        let token = self.bump();
        let op_span = self.span_of(token);
        if op == BinaryOp::Pow
            && let ExprKind::Unary {
                op: UnaryOp::Neg | UnaryOp::BitNot,
                ..
            }
            | ExprKind::Int(i64::MIN..=-1) = left.kind
            && self
                .text
                .get(left.span.start as usize..)
                .is_some_and(|t| t.starts_with(['-', '~']))
        {
            self.report(
                Diagnostic::error(
                    codes::AMBIGUOUS_POWER,
                    left.span.to(op_span),
                    "it is not clear whether the sign or `**` comes first",
                )
                .help("write `(-a) ** b` or `-(a ** b)`"),
            );
        }
        let min = if op == BinaryOp::Pow {
            Level::Pow
        } else {
            tighter(level)
        };
        let right = self.climb(min);
        let expr = self.join(left, right, start, |left, right| ExprKind::Binary {
            op,
            op_span,
            left,
            right,
        });
        if level == Level::Compare
            && !self.panicking
            && let Some((Level::Compare, _)) = infix(self.peek())
        {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::CHAINED_COMPARISON, span, "comparisons do not chain")
                    .help("write `a < b and b < c`"),
            );
        }
        expr
    }

    fn range(&mut self, left: Expr<'a>, inclusive: bool, start: u32) -> Expr<'a> {
        let dots = self.bump();
        self.foreign_dots();
        let lo = Some(self.alloc(left));
        if self.in_index() && self.at(T::RBracket) && !inclusive {
            let span = self.span_from(start);
            return self.expr(
                span,
                ExprKind::Range {
                    lo,
                    hi: None,
                    inclusive,
                },
            );
        }
        if !self.begins_expression() {
            let span = self.span_of(dots);
            self.fail(
                Diagnostic::error(codes::OPEN_RANGE, span, "this range has no end")
                    .help("write `a..b`; without an end it stands only in an index: `xs[a..]`"),
            );
            return self.error_expr();
        }
        let right = self.climb(tighter(Level::Range));
        let hi = Some(self.alloc(right));
        let span = self.span_from(start);
        let expr = self.expr(span, ExprKind::Range { lo, hi, inclusive });
        if matches!(self.peek(), T::DotDot | T::DotDotEq) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::CHAINED_RANGE, span, "ranges do not chain")
                    .help("steps are taken by a call: `(a..b).step(n)`"),
            );
        }
        expr
    }

    /// What stands right of `else`: a value, or a way out.
    fn fallback(&mut self) -> Expr<'a> {
        if self.eat(T::Colon) {
            let block = self.block();
            let block = self.alloc(block);
            return self.expr(block.span, ExprKind::Block(block));
        }
        if self.at(T::LBrace)
            && matches!(
                self.peek_at(1),
                T::Return | T::Raise | T::Break | T::Continue
            )
            && self.braced_way_out()
        {
            return self.error_expr();
        }
        if let Some(jump) = self.jump() {
            return jump;
        }
        self.climb(Level::Else)
    }

    /// `return e`, `raise e`, `break`, `continue`, if one stands here.
    pub(super) fn jump(&mut self) -> Option<Expr<'a>> {
        let kind = self.peek();
        let start = self.raw().start;
        let throw = self.at_word(sym::throw) && self.foreign_operand();
        if throw {
            self.keyword_habit("raise", "an error is raised with `raise`");
        }
        let kind = match kind {
            T::Return => {
                self.bump();
                let value = if self.begins_expression() {
                    let value = self.last_value();
                    Some(self.alloc(value))
                } else {
                    None
                };
                ExprKind::Return(value)
            }
            _ if kind == T::Raise || throw => {
                self.bump();
                if !self.begins_expression() {
                    self.unexpected("an error behind `raise`");
                }
                let value = self.last_value();
                ExprKind::Raise(self.alloc(value))
            }
            T::Break | T::Continue => {
                self.bump();
                let label = if self.at(T::Ident) {
                    self.ident("a label")
                } else {
                    None
                };
                if kind == T::Break {
                    ExprKind::Break(label)
                } else {
                    ExprKind::Continue(label)
                }
            }
            _ => return None,
        };
        let span = self.span_from(start);
        Some(self.expr(span, kind))
    }

    fn unary(&mut self, min: Level) -> Expr<'a> {
        let token = self.raw();
        let (op, operand_level) = match self.peek() {
            T::Not => {
                if min > Level::Not {
                    let span = self.here();
                    self.report(
                        Diagnostic::error(
                            codes::NOT_NEEDS_PARENS,
                            span,
                            "`not` binds looser than the operator before it",
                        )
                        .help("write `(not x)`"),
                    );
                }
                (UnaryOp::Not, Level::Not)
            }
            T::Bang => {
                self.operator_habit("not ", "the opposite of a condition: `not x`");
                (UnaryOp::Not, Level::Unary)
            }
            T::Minus if self.peek_at(1) == T::Int && !self.postfix_behind_number() => {
                self.bump();
                let number = self.bump();
                let value = self.int_value(number, true);
                let span = self.span_from(token.start);
                return self.expr(span, ExprKind::Int(value));
            }
            T::Minus => (UnaryOp::Neg, Level::Unary),
            T::Tilde => (UnaryOp::BitNot, Level::Unary),
            T::Plus => {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::HABIT_OPERATOR, span, "there is no unary `+`")
                        .help("leave it out")
                        .fix(span, ""),
                );
                self.bump();
                return self.climb(Level::Unary);
            }
            T::Amp | T::Star | T::StarStar | T::AndAnd => {
                self.reference_habit();
                return self.climb(Level::Unary);
            }
            T::PlusPlus => {
                self.increment_habit(false);
                return self.climb(Level::Unary);
            }
            _ => return self.postfix(),
        };
        self.bump();
        let operand = self.climb(operand_level);
        let operand = self.alloc(operand);
        let span = self.span_from(token.start);
        self.expr(span, ExprKind::Unary { op, operand })
    }

    /// Whether behind `-1` something follows that binds tighter than the sign.
    fn postfix_behind_number(&self) -> bool {
        matches!(
            self.peek_at(2),
            T::Dot | T::LBracket | T::LParen | T::Question
        )
    }
}

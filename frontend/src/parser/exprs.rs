//! Primary and postfix expressions: literals, names, calls, indexes, `if`, `match`.

use super::Parser;
use crate::ast::{Arg, Expr, ExprKind, MapEntry, TypeExpr};
use crate::diag::{Diagnostic, codes};
use crate::source::sym;
use crate::token::{T, Token};

/// How far ahead brackets are looked through for types.
const TYPE_LOOKAHEAD: usize = 64;

impl<'a> Parser<'a, '_> {
    /// Whether an expression can begin here (foreign spellings included).
    pub(super) fn begins_expression(&self) -> bool {
        self.kind_begins_expression(self.peek())
    }

    pub(super) fn kind_begins_expression(&self, kind: T) -> bool {
        matches!(
            kind,
            T::Ident
                | T::Int
                | T::Float
                | T::Char
                | T::Str
                | T::RawStr
                | T::TripleStr
                | T::RawTripleStr
                | T::FStrStart
                | T::LParen
                | T::LBracket
                | T::LBrace
                | T::True
                | T::False
                | T::SelfKw
                | T::SelfType
                | T::Fn
                | T::If
                | T::Match
                | T::Spawn
                | T::Not
                | T::Minus
                | T::Tilde
                | T::Bang
                | T::Pipe
                | T::OrOr
                | T::Amp
                | T::Error
        )
    }

    /// A primary expression with its calls, indexes, fields and `?`.
    pub(super) fn postfix(&mut self) -> Expr<'a> {
        let start = self.raw().start;
        let mut expr = self.primary();
        while !self.panicking {
            expr = match self.peek() {
                T::LParen => {
                    let args = self.call_args();
                    self.called(expr, &[], args, start)
                }
                T::LBracket => self.bracketed(expr, start),
                T::Question if self.spaced_question() => break,
                T::Lt if self.angle_call(&expr) => expr,
                T::Arrow if self.arrow_member() => self.dotted(expr, start),
                T::Question => {
                    self.bump();
                    let inner = self.alloc(expr);
                    let span = self.span_from(start);
                    self.expr(span, ExprKind::Try(inner))
                }
                T::Dot => self.dotted(expr, start),
                T::ColonColon => {
                    self.double_colon();
                    self.dotted(expr, start)
                }
                _ => break,
            };
            if !self.grow() {
                break;
            }
        }
        expr
    }

    /// `.name`, `.0`; the next token is the dot.
    fn dotted(&mut self, base: Expr<'a>, start: u32) -> Expr<'a> {
        self.bump();
        let base_ref = self.alloc(base);
        if self.at(T::Int) || self.at(T::Float) {
            let token = self.bump();
            let index = self.tuple_index(token);
            let index_span = self.span_of(token);
            let span = self.span_from(start);
            return self.expr(
                span,
                ExprKind::TupleField {
                    base: base_ref,
                    index,
                    index_span,
                },
            );
        }
        if self.at_word(sym::await_) && self.peek_at(1) != T::LParen {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::HABIT_KEYWORD, span, "there is no `await`")
                    .help("a call waits by itself; a task is awaited with `task.join()?`"),
            );
            self.bump();
            return base;
        }
        let Some(name) = self.member() else {
            if matches!(base.kind, ExprKind::Int(_)) && self.prev_span().start == base.span.end {
                let span = base.span.to(self.prev_span());
                let shown = self.text_at(base.span).to_string();
                self.fail(
                    Diagnostic::error(
                        codes::BAD_NUMBER,
                        span,
                        "a digit stands behind the point of a float",
                    )
                    .help(format!("write `{shown}.0`"))
                    .fix(span, format!("{shown}.0")),
                );
            } else {
                self.unexpected("a name behind `.`");
            }
            return base;
        };
        let span = self.span_from(start);
        self.expr(
            span,
            ExprKind::Field {
                base: base_ref,
                name,
            },
        )
    }

    fn text_at(&self, span: crate::source::Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// A call of `callee`; one of a field is a method call.
    fn called(
        &mut self,
        callee: Expr<'a>,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        start: u32,
    ) -> Expr<'a> {
        let span = self.span_from(start);
        let parenthesised = self.text_at(callee.span).starts_with('(')
            && callee.span.start == start
            && self.text_at(callee.span).ends_with(')');
        let kind = match callee.kind {
            ExprKind::Field { base, name } if !parenthesised => ExprKind::MethodCall {
                recv: base,
                name,
                type_args,
                args,
            },
            _ => ExprKind::Call {
                callee: self.alloc(callee),
                type_args,
                args,
            },
        };
        self.expr(span, kind)
    }

    /// `[…]` behind an expression: type arguments or an index.
    fn bracketed(&mut self, base: Expr<'a>, start: u32) -> Expr<'a> {
        let name = match base.kind {
            ExprKind::Name(name) => Some(name),
            ExprKind::Field { name, .. } => Some(name.name),
            _ => None,
        };
        let is_type = name.is_some_and(|n| {
            let text = self.names.name(n);
            let camel = text.starts_with(|c: char| c.is_uppercase())
                && text.contains(|c: char| c.is_lowercase());
            let literal = matches!(self.peek_at(1), T::Str | T::FStrStart | T::Int);
            camel && !literal || self.types_then_call()
        });
        if is_type {
            let args = self.type_args();
            if self.at(T::LParen) && !self.panicking {
                let call_args = self.call_args();
                return self.called(base, args, call_args, start);
            }
            let base = self.alloc(base);
            let span = self.span_from(start);
            return self.expr(span, ExprKind::TypeApply { base, args });
        }
        let opener = self.open(true);
        if matches!(self.peek(), T::Colon | T::ColonColon) {
            self.python_slice();
        }
        let index = if matches!(self.peek(), T::DotDot | T::DotDotEq) {
            let dots = self.bump();
            let inclusive = dots.kind == T::DotDotEq;
            let hi = if self.begins_expression() {
                let hi = self.climb(super::ops::Level::BitOr);
                Some(self.alloc(hi))
            } else {
                if inclusive {
                    self.unexpected("the end of the range");
                }
                None
            };
            let span = self.span_from(dots.start);
            self.expr(
                span,
                ExprKind::Range {
                    lo: None,
                    hi,
                    inclusive,
                },
            )
        } else {
            self.expression()
        };
        if self.at(T::Comma) && !self.panicking {
            let span = self.here();
            self.fail(
                Diagnostic::error(codes::UNEXPECTED, span, "an index is one expression")
                    .help("index twice, `rows[y][x]`, or by a tuple, `grid[(x, y)]`"),
            );
        } else if self.at(T::Colon) && !self.panicking {
            self.python_slice();
        }
        self.close(opener, T::RBracket);
        let base = self.alloc(base);
        let index = self.alloc(index);
        let span = self.span_from(start);
        self.expr(span, ExprKind::Index { base, index })
    }

    /// Whether the brackets that open here hold types and a call follows them.
    fn types_then_call(&self) -> bool {
        let mut depth = 0usize;
        let mut names = false;
        for n in 0..TYPE_LOOKAHEAD {
            let token = self.token(self.pos + n);
            match token.kind {
                T::LBracket | T::LParen => depth += 1,
                T::RBracket | T::RParen => {
                    depth -= 1;
                    if depth == 0 {
                        return names
                            && token.kind == T::RBracket
                            && self.token(self.pos + n + 1).kind == T::LParen;
                    }
                }
                T::Ident => {
                    let text = self.token_text(token);
                    let path = self.token(self.pos + n + 1).kind == T::Dot;
                    let primitive = matches!(
                        text,
                        "int" | "float" | "bool" | "char" | "byte" | "string" | "own" | "none"
                    );
                    let upper = text.starts_with(|c: char| c.is_uppercase());
                    let constant = text.len() > 1 && !text.contains(|c: char| c.is_lowercase());
                    if !path && !primitive && (!upper || constant) {
                        return false;
                    }
                    names = true;
                }
                T::SelfType => names = true,
                T::Comma
                | T::Dot
                | T::Question
                | T::Fn
                | T::Arrow
                | T::Pipe
                | T::Uses
                | T::Bang
                | T::Plus => {}
                _ => return false,
            }
        }
        false
    }

    /// `(a, name = b)`; the next token is `(`.
    fn call_args(&mut self) -> &'a [Arg<'a>] {
        let opener = self.open(false);
        let mut named = false;
        let args = self.list(T::RParen, |p| {
            if matches!(p.peek(), T::Star | T::StarStar | T::DotDot) {
                let token = p.bump();
                let span = p.span_of(token);
                p.report(
                    Diagnostic::error(
                        codes::HABIT_UNPACK,
                        span,
                        "arguments are not unpacked from a list or map",
                    )
                    .help("pass the list itself, or each argument"),
                );
            }
            let name = if p.at(T::Ident) && matches!(p.peek_at(1), T::Assign | T::Colon) {
                let name = p.ident("a name");
                if p.at(T::Colon) {
                    p.named_with_colon();
                }
                p.bump();
                name
            } else {
                None
            };
            let value = p.expression();
            if name.is_some() {
                named = true;
            } else if named && !p.panicking {
                p.report(
                    Diagnostic::error(
                        codes::NAMED_ARG_ORDER,
                        value.span,
                        "a positional argument stands behind a named one",
                    )
                    .help("put it first, or name it too"),
                );
            }
            Some(Arg { name, value })
        });
        self.close(opener, T::RParen);
        self.slice(&args)
    }

    fn literal(&mut self, token: Token) -> Option<ExprKind<'a>> {
        Some(match token.kind {
            T::Int => ExprKind::Int(self.int_value(token, false)),
            T::Float => ExprKind::Float(self.float_value(token)),
            T::True => ExprKind::Bool(true),
            T::False => ExprKind::Bool(false),
            T::Char => ExprKind::Char(self.char_value(token)),
            T::Str | T::RawStr | T::TripleStr | T::RawTripleStr => {
                ExprKind::Str(self.string_value(token))
            }
            _ => return None,
        })
    }

    fn primary(&mut self) -> Expr<'a> {
        let token = self.raw();
        let span = self.span_of(token);
        match self.peek() {
            T::Int
            | T::Float
            | T::True
            | T::False
            | T::Char
            | T::Str
            | T::RawStr
            | T::TripleStr
            | T::RawTripleStr => {
                let kind = self.literal(token).unwrap_or(ExprKind::Error);
                self.bump();
                self.expr(span, kind)
            }
            T::FStrStart => self.fstring(),
            T::Ident => {
                if let Some(expr) = self.foreign_primary() {
                    return expr;
                }
                self.bump();
                let name = self.symbol(token);
                self.expr(span, ExprKind::Name(name))
            }
            T::SelfKw | T::SelfType => {
                self.bump();
                let name = self.symbol(token);
                self.expr(span, ExprKind::Name(name))
            }
            T::LParen => match self.typed_closure() {
                Some(told) => told,
                None => self.parens(),
            },
            T::LBracket => self.list_literal(),
            T::LBrace => self.map_literal(),
            T::If => self.if_expr(),
            T::Match => {
                self.bump();
                self.match_expr(token.start)
            }
            T::Fn => self.fn_literal(),
            T::Spawn => {
                self.bump();
                let call = self.climb(super::ops::Level::Unary);
                let is_call = matches!(
                    call.kind,
                    ExprKind::Call { .. } | ExprKind::MethodCall { .. } | ExprKind::Error
                );
                if !is_call && !self.panicking {
                    self.report(
                        Diagnostic::error(
                            codes::SPAWN_NEEDS_CALL,
                            call.span,
                            "`spawn` takes a call of a function",
                        )
                        .help("write `spawn f(x)`; errors are taken where the task is joined"),
                    );
                }
                let call = self.alloc(call);
                let span = self.span_from(token.start);
                self.expr(span, ExprKind::Spawn(call))
            }
            T::Pipe | T::OrOr => self.foreign_closure(),
            T::Return | T::Raise | T::Break | T::Continue => {
                let jump = self.jump();
                let span = jump.map_or(span, |j| j.span);
                let word = token.kind.describe();
                self.report(
                    Diagnostic::error(
                        codes::JUMP_NOT_VALUE,
                        span,
                        format!("{word} is not a value that an expression could use"),
                    )
                    .help("it stands as a statement, behind `else`, or as the body of an arm"),
                );
                self.expr(span, ExprKind::Error)
            }
            kind if kind.is_closer() => {
                self.fail(Diagnostic::error(
                    codes::UNCLOSED_BRACKET,
                    span,
                    format!("{} closes nothing here", kind.describe()),
                ));
                self.error_expr()
            }
            T::DotDot if self.peek_at(1) == T::Dot => {
                self.bump();
                self.bump();
                let span = span.to(self.prev_span());
                self.report(
                    Diagnostic::error(codes::HABIT_VALUE, span, "`...` is no value")
                        .help("a block that does nothing is `pass`; what is still to be written is `panic(\"…\")`")
                        .fix(span, "panic(\"to be written\")"),
                );
                self.expr(span, ExprKind::Error)
            }
            T::Try => {
                self.bump();
                let silent = self.silent();
                let value = self.climb(super::ops::Level::Unary);
                if !silent {
                    self.sink.push(
                        Diagnostic::error(codes::HABIT_KEYWORD, span, "`try` begins a block")
                            .help("an error is passed on by `?` behind the call")
                            .fix(span.to(value.span.before()), "")
                            .fix(value.span.after(), "?"),
                    );
                }
                self.expr(span, ExprKind::Error)
            }
            T::Loop | T::While | T::For => {
                let word = token.kind.describe();
                self.fail(
                    Diagnostic::error(codes::UNEXPECTED, span, format!("{word} has no value"))
                        .help("declare `let mut x = …` before the loop and assign it inside"),
                );
                self.error_expr()
            }
            T::Dot if matches!(self.peek_at(1), T::Int) => {
                let number = self.token(self.pos + 1);
                let text = format!("0.{}", self.token_text(number));
                let span = span.to(self.span_of(number));
                self.bump();
                self.bump();
                self.report(
                    Diagnostic::error(codes::BAD_NUMBER, span, "a float begins with a digit")
                        .help(format!("write `{text}`"))
                        .fix(span, text),
                );
                self.expr(span, ExprKind::Float(0.0))
            }
            T::Assert | T::Pass | T::With | T::Allow | T::Defer => {
                let message = format!("expected an expression, found {}", self.found());
                self.fail(
                    Diagnostic::error(codes::UNEXPECTED, self.here(), message)
                        .help("this is a statement and has no value: in a function literal, write a block, `fn(x):` and the statement indented below"),
                );
                self.error_expr()
            }
            _ => {
                self.unexpected("an expression");
                self.error_expr()
            }
        }
    }

    /// `(…)`: a value in parentheses, a tuple, or `()`.
    fn parens(&mut self) -> Expr<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let opener = self.open(false);
        let mut comma = None;
        let elements = self.list(T::RParen, |p| {
            let value = p.expression();
            if p.at(T::Comma) {
                comma = Some(p.here());
            }
            Some(value)
        });
        self.close(opener, T::RParen);
        self.inline_if = inline_if;
        let span = self.span_from(opener.start);
        match elements.as_slice() {
            [one] => {
                if let Some(comma) = comma {
                    self.tuple_of_one(comma);
                }
                Expr { span, ..*one }
            }
            elements => {
                let elements = self.slice(elements);
                self.expr(span, ExprKind::Tuple(elements))
            }
        }
    }

    /// `[a, b]`, `[v; n]`.
    fn list_literal(&mut self) -> Expr<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let opener = self.open(false);
        let mut count = None;
        let elements = self.list(T::RBracket, |p| {
            p.spread();
            let value = p.expression();
            if p.at(T::Semi) && count.is_none() && !p.panicking {
                p.bump();
                count = Some(p.expression());
            } else if p.at(T::For) && !p.panicking {
                let span = p.here();
                p.fail(
                    Diagnostic::error(
                        codes::HABIT_LITERAL,
                        span,
                        "a list is not written as a comprehension",
                    )
                    .help("write `xs.filter(fn(x) => …).map(fn(x) => …)`"),
                );
            }
            Some(value)
        });
        self.close(opener, T::RBracket);
        self.inline_if = inline_if;
        let span = self.span_from(opener.start);
        let kind = match (elements.as_slice(), count) {
            ([value], Some(count)) => ExprKind::ListRepeat {
                value: self.alloc(*value),
                count: self.alloc(count),
            },
            (_, Some(_)) => {
                self.report(
                    Diagnostic::error(
                        codes::UNEXPECTED,
                        span,
                        "one value and a count stand in `[v; n]`",
                    )
                    .help("write `[v; n]` or `[a, b, c]`"),
                );
                ExprKind::Error
            }
            (elements, None) => ExprKind::List(self.slice(elements)),
        };
        self.expr(span, kind)
    }

    /// `{"a": 1}`.
    fn map_literal(&mut self) -> Expr<'a> {
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let opener = self.open(false);
        let mut told = false;
        let entries = self.list(T::RBrace, |p| {
            let key = p.expression();
            if told && !p.at(T::Colon) {
                return None;
            }
            if !p.at(T::Colon) && !p.panicking {
                told = true;
                let span = if matches!(p.peek(), T::Comma | T::RBrace) {
                    key.span
                } else {
                    p.here()
                };
                p.fail(
                    Diagnostic::error(
                        codes::HABIT_LITERAL,
                        span,
                        "a literal in braces is a map: each key is followed by `:`",
                    )
                    .help("write `{key: value}`; a set is built by `Set[T]()` and `add`"),
                );
                return None;
            }
            p.eat(T::Colon);
            let value = p.expression();
            if p.at(T::For) && !p.panicking {
                let span = p.here();
                p.fail(
                    Diagnostic::error(
                        codes::HABIT_LITERAL,
                        span,
                        "a map is not written as a comprehension",
                    )
                    .help("fill it in a loop: `let m = Map[K, V]()`, then `m[k] = v`"),
                );
            }
            Some(MapEntry { key, value })
        });
        self.close(opener, T::RBrace);
        self.inline_if = inline_if;
        let span = self.span_from(opener.start);
        let entries = self.slice(&entries);
        self.expr(span, ExprKind::Map(entries))
    }
}

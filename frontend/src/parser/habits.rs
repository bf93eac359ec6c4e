//! Habits of other languages: recognised, named, answered with what Jet writes.
//!
//! Each is told once where it stands, and reading goes on as if it had been written right, where
//! that is possible. Words of other languages are ordinary names in Jet: they are recognised only
//! where two names in a row would make no sense.

use super::Parser;
use super::layout::Ctx;
use super::ops::Level;
use crate::ast::{BinaryOp, Expr, ExprKind, FnBody, FnLit, Param};
use crate::diag::{Diagnostic, codes};
use crate::source::{Span, sym};
use crate::token::T;

/// What a foreign word at the start of a line turned out to be. The word itself is still to be
/// taken, except after `Skip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineHabit {
    /// No foreign word.
    None,
    /// `var`, `val`.
    Let,
    /// `def`, `func`, `function`; or `fn` behind a foreign word.
    Fn,
    /// `foreach`.
    For,
    /// `switch`.
    Match,
    /// `class`, `interface`.
    Item,
    /// Told, and the line is skipped.
    Skip,
}

impl<'a> Parser<'a, '_> {
    /// Whether behind the name here something stands that cannot follow a name.
    pub(super) fn foreign_operand(&self) -> bool {
        matches!(
            self.peek_at(1),
            T::Ident
                | T::Int
                | T::Float
                | T::Str
                | T::RawStr
                | T::TripleStr
                | T::FStrStart
                | T::Char
                | T::SelfKw
                | T::SelfType
                | T::Fn
                | T::Struct
                | T::Enum
                | T::True
                | T::False
        )
    }

    /// Whether a foreign word for `fn` and a name stand at an index.
    pub(super) fn foreign_fn_at(&self, at: usize) -> bool {
        let word = self.token_text(self.token(at));
        matches!(word, "def" | "func" | "function" | "fun" | "proc")
            && self.token(at).kind == T::Ident
            && self.token(at + 1).kind == T::Ident
            && !self.token(at + 1).line_start
    }

    /// Tells that the word here is written otherwise in Jet.
    pub(super) fn keyword_habit(&mut self, replacement: &str, help: &str) {
        let span = self.here();
        let word = self.token_text(self.raw()).to_string();
        let mut diagnostic = Diagnostic::error(
            codes::HABIT_KEYWORD,
            span,
            format!("`{word}` is a word of other languages"),
        )
        .help(help);
        if !replacement.is_empty() {
            diagnostic = diagnostic.fix(span, replacement);
        }
        self.report(diagnostic);
    }

    /// Tells that the operator here is written otherwise in Jet.
    pub(super) fn operator_habit(&mut self, replacement: &str, message: &str) {
        let span = self.here();
        let found = self.found();
        self.report(
            Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                format!("{found} is not an operator of Jet"),
            )
            .help(format!("write `{}` ({message})", replacement.trim()))
            .fix(span, replacement),
        );
    }

    /// A semicolon where none belongs.
    pub(super) fn semicolon(&mut self) {
        let span = self.here();
        let d = Diagnostic::error(
            codes::HABIT_SEMICOLON,
            span,
            "a statement ends with its line, without a semicolon",
        )
        .help("leave it out; two statements stand on two lines");
        let fix = self.after_semicolon(span);
        self.report(match fix {
            Some((span, text)) => d.fix(span, text),
            None => d,
        });
        while self.at(T::Semi) {
            self.bump();
        }
        if !matches!(self.peek(), T::Newline | T::Eof) {
            self.panicking = true;
        }
    }

    /// What a semicolon becomes: nothing at the end of a line, a line break between two statements. Not in a block
    /// that stands on the line of its colon, whose end only the writer knows.
    fn after_semicolon(&self, span: Span) -> Option<(Span, String)> {
        let mut next = self.pos;
        while self.token(next).kind == T::Semi && !self.token(next).line_start {
            next += 1;
        }
        let behind = self.token(next);
        if behind.line_start || behind.kind == T::Eof {
            return Some((span, String::new()));
        }
        let mut first = self.pos;
        while first > 0 && !self.token(first).line_start {
            first -= 1;
        }
        let head = self.token(first);
        let plain = matches!(
            head.kind,
            T::Let
                | T::Ident
                | T::SelfKw
                | T::Return
                | T::Raise
                | T::Pass
                | T::Break
                | T::Continue
                | T::Assert
        );
        let bracket = matches!(self.layout.last(), Some(Ctx::Bracket { .. }));
        if !plain || bracket || head.indent != self.block_indent() {
            return None;
        }
        let all = Span::new(span.file, span.start, behind.start);
        Some((all, format!("\n{}", " ".repeat(usize::from(head.indent)))))
    }

    /// What stands behind a statement on its line.
    pub(super) fn trailing(&mut self) {
        match self.peek() {
            T::Semi => self.semicolon(),
            T::Comma => {
                let span = self.here();
                self.tuple_habit(span);
                self.panicking = true;
            }
            _ if self.left_over_brace() || self.block_argument() || self.dotted_variant() => {}
            kind if kind.is_closer() => {
                let span = self.here();
                self.fail(Diagnostic::error(
                    codes::UNCLOSED_BRACKET,
                    span,
                    format!("{} closes nothing here", kind.describe()),
                ));
            }
            T::If => {
                let span = self.here();
                self.fail(
                    Diagnostic::error(
                        codes::HABIT_TERNARY,
                        span,
                        "the condition stands before the value",
                    )
                    .help("write `if c: a else: b`"),
                );
            }
            _ => self.unexpected("the end of the line"),
        }
    }

    /// A tuple without parentheses.
    pub(super) fn tuple_habit(&mut self, span: Span) {
        let told = self.sink.diagnostics().last().is_some_and(|d| {
            let between = self.text.get(d.span.end as usize..span.start as usize);
            d.code == codes::HABIT_TUPLE && between.is_some_and(|text| !text.contains('\n'))
        });
        if told {
            return;
        }
        self.report(
            Diagnostic::error(
                codes::HABIT_TUPLE,
                span,
                "several values together stand in parentheses",
            )
            .help("write `(a, b)`; new names from a tuple are `let (a, b) = …`"),
        );
    }

    /// The `:` of `f(x: 1)`.
    pub(super) fn named_with_colon(&mut self) {
        let span = self.here();
        self.report(
            Diagnostic::error(
                codes::HABIT_NAMED_ARG,
                span,
                "a named argument is written with `=`",
            )
            .help("write `name = value`")
            .fix(span, " ="),
        );
    }

    /// `a::b`; the `::` is still to be taken.
    pub(super) fn double_colon(&mut self) {
        let span = self.here();
        self.report(
            Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                "parts of a name are joined by `.`",
            )
            .help("write `.`")
            .fix(span, "."),
        );
    }

    /// `&x`, `&mut x`, `*x`.
    pub(super) fn reference_habit(&mut self) {
        let start = self.bump();
        let mut span = self.span_of(start);
        if self.at(T::Mut) {
            let token = self.bump();
            span = span.to(self.span_of(token));
        }
        self.report(
            Diagnostic::error(
                codes::HABIT_REFERENCE,
                span,
                format!(
                    "{} in front of a value means nothing",
                    start.kind.describe()
                ),
            )
            .note("lists, maps and structs are references already")
            .help("leave it out")
            .fix(span, ""),
        );
    }

    /// `x++` and `++x`.
    pub(super) fn increment_habit(&mut self, behind: bool) {
        let token = self.bump();
        let span = self.span_of(token);
        let d = Diagnostic::error(codes::HABIT_INCREMENT, span, "there is no `++`")
            .help("write `x += 1`");
        let ends = matches!(self.peek(), T::Newline | T::Eof);
        self.report(if behind && ends {
            d.fix(span, " += 1")
        } else {
            d
        });
    }

    /// `x--` at the end of a line.
    pub(super) fn decrement(&mut self, op: BinaryOp) -> bool {
        if op != BinaryOp::Sub || self.peek_at(1) != T::Minus {
            return false;
        }
        let (first, second) = (self.raw(), self.token(self.pos + 1));
        let ends = matches!(self.peek_at(2), T::Newline | T::Eof | T::Semi | T::RParen);
        if first.end != second.start || !ends {
            return false;
        }
        self.bump();
        self.bump();
        let span = self.span_of(first).to(self.span_of(second));
        self.report(
            Diagnostic::error(codes::HABIT_INCREMENT, span, "there is no `--`")
                .help("write `x -= 1`")
                .fix(span, " -= 1"),
        );
        true
    }

    /// `null`, `nil`, `True`, `False`: told and taken. `Some(None)` is nothing, else the truth.
    pub(super) fn foreign_constant(&mut self) -> Option<Option<bool>> {
        let (value, text) = if self.at_word(sym::null) || self.at_word(sym::nil) {
            (None, "None")
        } else if self.at_word(sym::true_) {
            (Some(true), "true")
        } else if self.at_word(sym::false_) {
            (Some(false), "false")
        } else {
            return None;
        };
        let span = self.here();
        let word = self.token_text(self.raw()).to_string();
        let mut diagnostic = Diagnostic::error(
            codes::HABIT_VALUE,
            span,
            format!("`{word}` is called `{text}` in Jet"),
        )
        .fix(span, text);
        diagnostic = if value.is_none() {
            diagnostic.help("write `None`; the type of a value that may be missing is `T?`")
        } else {
            diagnostic.help(format!("write `{text}`"))
        };
        self.report(diagnostic);
        self.bump();
        Some(value)
    }

    /// Foreign words at the start of an expression.
    pub(super) fn foreign_primary(&mut self) -> Option<Expr<'a>> {
        let span = self.here();
        if let Some(value) = self.foreign_constant() {
            let kind = match value {
                Some(value) => ExprKind::Bool(value),
                None => ExprKind::Name(sym::None_),
            };
            return Some(self.expr(span, kind));
        }
        if !self.foreign_operand() {
            return None;
        }
        let words = [
            (sym::new, "a value is built by a call: `Point(x = 1.0)`"),
            (
                sym::await_,
                "a call waits by itself; a task is awaited with `task.join()?`",
            ),
            (
                sym::async_,
                "a task is started with `spawn f(x)` inside of `concurrent:`",
            ),
        ];
        for (word, help) in words {
            if self.at_word(word) {
                let angles = self.peek_at(2) == T::Lt;
                let built = self.token_text(self.token(self.pos + 1)).to_string();
                match word {
                    sym::new if angles => self.keyword_habit("", &Self::generic_advice(&built)),
                    _ => self.keyword_habit("", help),
                }
                self.bump();
                return Some(self.climb(Level::Unary));
            }
        }
        if self.at_word(sym::lambda) {
            self.closure_habit(span);
            self.bump();
            let mut params = Vec::new();
            while self.at(T::Ident) {
                params.extend(self.closure_param());
                if !self.eat(T::Comma) {
                    break;
                }
            }
            if !self.need(T::Colon) {
                return Some(self.error_expr());
            }
            return Some(self.closure(span, &params));
        }
        None
    }

    fn closure_habit(&mut self, span: Span) {
        let d = Diagnostic::error(
            codes::HABIT_CLOSURE,
            span,
            "a function literal is written with `fn`",
        )
        .help("write `fn(x) => …`");
        let head = self.text.get(span.start as usize..span.end as usize);
        let params = head.and_then(|head| {
            let bars = head.strip_prefix('|').and_then(|h| h.strip_suffix('|'));
            bars.or_else(|| {
                let params = head.strip_suffix("=>")?.trim();
                let inside = params.strip_prefix('(').and_then(|p| p.strip_suffix(')'));
                Some(inside.unwrap_or(params))
            })
        });
        let fix = params.map(|params| format!("fn({params}) =>"));
        self.report(match fix {
            Some(fix) if !self.at(T::LBrace) => d.fix(span, fix),
            _ => d,
        });
    }

    fn closure_param(&mut self) -> Option<Param<'a>> {
        let name = self.ident("the name of a parameter")?;
        let ty = if self.at(T::Colon) && self.peek_at(2) == T::Pipe {
            self.bump();
            Some(self.ty())
        } else {
            None
        };
        let id = self.pat_id();
        Some(Param {
            id,
            name,
            ty,
            default: None,
            span: self.span_from(name.span.start),
        })
    }

    fn closure(&mut self, head: Span, params: &[Param<'a>]) -> Expr<'a> {
        let params = self.slice(params);
        let body = self.expression();
        let body = FnBody::Expr(self.alloc(body));
        let literal = self.alloc(FnLit {
            params,
            ret: None,
            uses: None,
            errors: &[],
            body,
            head,
        });
        let span = self.span_from(head.start);
        self.expr(span, ExprKind::Fn(literal))
    }

    /// `|x| e`, `|| e`; the next token is the bar.
    pub(super) fn foreign_closure(&mut self) -> Expr<'a> {
        let start = self.bump();
        let mut span = self.span_of(start);
        let mut params = Vec::new();
        if start.kind == T::Pipe {
            // Without a second bar on the line it is no function literal.
            let closes = (0..64)
                .map(|n| self.token(self.pos + n))
                .take_while(|t| !t.line_start)
                .any(|t| t.kind == T::Pipe);
            if !closes {
                self.fail(Diagnostic::error(
                    codes::UNEXPECTED,
                    span,
                    "expected an expression, found `|`",
                ));
                return self.error_expr();
            }
            while self.at(T::Ident) {
                params.extend(self.closure_param());
                if !self.eat(T::Comma) {
                    break;
                }
            }
            while !matches!(self.peek(), T::Pipe | T::Newline | T::Eof) {
                self.bump();
            }
            self.eat(T::Pipe);
            span = self.span_from(start.start);
        }
        self.closure_habit(span);
        if self.at(T::LBrace) {
            self.panicking = true;
            return self.error_expr();
        }
        self.closure(span, &params)
    }

    /// Foreign operators behind an operand. `false`: the expression ends here.
    pub(super) fn foreign_infix(&mut self, left: &mut Expr<'a>, start: u32) -> bool {
        let span = self.here();
        match self.peek() {
            T::Ident if self.at_word(sym::as_) && self.peek_at(1) == T::Ident => {
                let ty = self.token(self.pos + 1);
                let name = self.token_text(ty).to_string();
                let to = match name.as_str() {
                    "float" | "f64" | "f32" | "double" => "float",
                    "byte" | "u8" => "byte",
                    "char" => "char",
                    "string" | "str" | "String" => "string",
                    "int" | "i64" | "i32" | "u64" | "u32" | "usize" | "isize" => "int",
                    _ => "",
                };
                let end = self.span_of(ty).end;
                let behind = Span::new(span.file, left.span.end, end);
                let mut d = Diagnostic::error(codes::HABIT_CAST, span, "a conversion is a call");
                d = if to.is_empty() {
                    d.help(format!("write `{name}(x)`"))
                } else {
                    d.help(format!("write `{to}(…)`"))
                        .fix(left.span.before(), format!("{to}("))
                        .fix(behind, ")")
                };
                self.report(d);
                self.bump();
                self.ty();
                *left = self.told(start);
            }
            T::Ident
                if self.at_word(sym::is)
                    && (self.foreign_operand() || self.peek_at(1) == T::Not) =>
            {
                self.bump();
                let negated = self.eat(T::Not);
                let word = span.to(self.prev_span());
                let d = Diagnostic::error(
                    codes::HABIT_OPERATOR,
                    word,
                    format!("`{}` is not an operator", self.text_of(word)),
                )
                .help("compare with `==`, ask `x.is_none()`, or `same(a, b)` for identity");
                let none = self.at(T::Ident) && self.token_text(self.raw()) == "None";
                self.report(if none {
                    d.fix(word, if negated { "!=" } else { "==" })
                } else {
                    d
                });
                self.climb(Level::Range);
                *left = self.told(start);
            }
            T::In | T::Not => {
                if self.at(T::Not) && self.peek_at(1) != T::In {
                    return true;
                }
                self.report(
                    Diagnostic::error(codes::HABIT_OPERATOR, span, "`in` stands only in `for`")
                        .help("write `xs.contains(x)`"),
                );
                self.eat(T::Not);
                self.bump();
                self.climb(Level::Range);
                *left = self.told(start);
            }
            _ if self.foreign_word(left, start) => {}
            T::PlusPlus => self.increment_habit(true),
            T::Bang if self.bang_habit(left) => *left = self.told(start),
            T::LBrace if self.struct_braces(left) => *left = self.told(start),
            T::FatArrow
                if (matches!(self.layout.last(), Some(Ctx::Bracket { .. }))
                    || (self.stmt_end && !self.guarding))
                    && matches!(left.kind, ExprKind::Name(_) | ExprKind::Tuple(_)) =>
            {
                let head = left.span.to(span);
                self.closure_habit(head);
                self.bump();
                if self.at(T::LBrace) {
                    self.panicking = true;
                } else {
                    self.expression();
                }
                *left = self.told(start);
            }
            _ if matches!(left.kind, ExprKind::Try(_)) && self.begins_operand() => {
                let double = matches!(left.kind, ExprKind::Try(inner) if matches!(inner.kind, ExprKind::Try(_)));
                let question = self.prev_span();
                if double {
                    self.report(
                        Diagnostic::error(
                            codes::HABIT_OPERATOR,
                            question,
                            "`??` is not an operator",
                        )
                        .help("a value instead of none is `x else y`"),
                    );
                    self.expression();
                } else {
                    self.report(
                        Diagnostic::error(codes::HABIT_TERNARY, question, "there is no `?:`")
                            .help("write `if c: a else: b`"),
                    );
                    self.expression();
                    if self.eat(T::Colon) {
                        self.expression();
                    }
                }
                *left = self.told(start);
            }
            _ => {}
        }
        !self.panicking
    }

    /// Whether a value stands here that cannot follow `?`.
    fn begins_operand(&self) -> bool {
        matches!(
            self.peek(),
            T::Ident
                | T::Int
                | T::Float
                | T::Str
                | T::RawStr
                | T::FStrStart
                | T::Char
                | T::True
                | T::False
                | T::SelfKw
                | T::LBrace
        )
    }

    fn told(&mut self, start: u32) -> Expr<'a> {
        let span = self.span_from(start);
        self.expr(span, ExprKind::Error)
    }

    /// `except …:` and `finally:` behind `try`.
    pub(super) fn foreign_catch(&mut self) -> bool {
        let at = self.pos;
        let word = self.word_at(at, sym::except) || self.word_at(at, sym::finally);
        if !word || !self.at_clause(T::Ident) || !self.raw().line_start {
            return false;
        }
        self.line_token = at;
        if self.at_word(sym::except) {
            self.keyword_habit("catch", "write `catch e: SomeError:`");
        } else {
            self.keyword_habit("", "write `defer:` before what may fail");
        }
        loop {
            self.bump();
            let token = self.raw();
            if token.line_start {
                return true;
            }
            if token.kind == T::Colon && self.token(self.pos + 1).line_start {
                break;
            }
        }
        self.bump();
        self.block();
        true
    }

    /// `C` of `with value(…) as C:`, where the next token is the bracket.
    pub(super) fn bound_as(&self) -> Option<String> {
        let mut depth = 0usize;
        let mut at = self.pos;
        loop {
            let token = self.token(at);
            match token.kind {
                T::LParen | T::LBracket | T::LBrace => depth += 1,
                T::RParen | T::RBracket | T::RBrace => depth = depth.checked_sub(1)?,
                T::Eof => return None,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        let name = self.token(at + 1);
        let is_as = self.token_text(self.token(at)) == "as" && name.kind == T::Ident;
        let name = self.token_text(name);
        (is_as && name.starts_with(char::is_uppercase)).then(|| name.to_string())
    }
}

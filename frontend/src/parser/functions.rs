//! Functions: signatures, bodies, and function literals.

use super::Parser;
use super::casing::Names;
use crate::ast::{
    Block, Expr, ExprKind, FnBody, FnItem, FnKind, FnLit, Param, Receiver, Stmt, StmtKind,
};
use crate::diag::{Diagnostic, codes};
use crate::source::{Ident, Span, sym};
use crate::token::T;

/// Where a function is declared, which says what it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Module,
    /// In a struct, enum or `impl`.
    Methods,
    Trait,
    Capability,
    Extern,
    Local,
}

/// What stands before `fn`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FnPrefix<'a> {
    pub docs: Option<&'a str>,
    pub is_pub: Option<Span>,
    pub kind: FnKind,
    /// First byte of the declaration.
    pub start: u32,
}

impl<'a> Parser<'a, '_> {
    /// A function; the next token is `fn` (or a foreign word for it, which has been told).
    pub(super) fn function(&mut self, prefix: FnPrefix<'a>, place: Place) -> FnItem<'a> {
        let head_start = self.bump().start;
        // Behind a dot keywords are names (`x.or(y)`), so methods may be called like them.
        let method = matches!(
            place,
            Place::Methods | Place::Trait | Place::Capability | Place::Extern
        ) && self.peek().is_keyword()
            && matches!(self.peek_at(1), T::LParen | T::LBracket);
        let found = if method {
            self.member()
        } else {
            self.ident("the name of the function")
        };
        if let Some(name) = found {
            self.cased(name, Names::Value("a function"));
        }
        let name = found.unwrap_or(Ident {
            name: sym::empty,
            span: self.prev_span(),
        });
        let generics = self.generics();
        let mut receiver = None;
        let mut params = Vec::new();
        if self.at(T::LParen) {
            let opener = self.open(false);
            let mut first = true;
            params = self.list(T::RParen, |p| {
                let was_first = std::mem::replace(&mut first, false);
                if p.at_self() {
                    let found = p.self_param(place, was_first);
                    receiver = receiver.or(found);
                    return None;
                }
                p.param(true)
            });
            self.close(opener, T::RParen);
        } else if !self.panicking {
            self.unexpected("`(` behind the name of the function");
        }
        let ret = self.ret_type();
        if let Some(ty) = &ret {
            self.union_habit(ty);
        }
        if ret.is_none() && self.at(T::Colon) && !self.peek_line_start(1) && place != Place::Local {
            self.colon_result();
        }
        let uses = self.uses_clause().unwrap_or(&[]);
        let errors = self.errors_clause();
        self.clause_order();
        let wheres = self.wheres();
        let head = self.span_from(head_start);
        let body = self.fn_body(name, head, prefix.kind, place);
        FnItem {
            docs: prefix.docs,
            is_pub: prefix.is_pub,
            kind: prefix.kind,
            name,
            generics,
            receiver,
            params: self.slice(&params),
            ret,
            uses,
            errors,
            wheres,
            body,
            head,
            span: self.span_from(prefix.start),
        }
    }

    fn peek_line_start(&self, n: usize) -> bool {
        self.token(self.pos + n).line_start
    }

    /// `fn f(): int:`: a result behind a colon, as in other languages.
    fn colon_result(&mut self) {
        let next = self.token(self.pos + 1);
        let is_type = matches!(next.kind, T::Ident | T::LBracket | T::LParen)
            && self.token(self.pos + 2).kind == T::Colon
            && self.token(self.pos + 3).line_start;
        if is_type {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ARROW,
                    span,
                    "the result of a function stands behind `->`",
                )
                .help("write `-> T:`")
                .fix(span, " ->"),
            );
            self.bump();
            self.ty();
        }
    }

    /// Tells `! E uses C`: the clauses are in the wrong order.
    fn clause_order(&mut self) {
        if self.at(T::Uses) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::UNEXPECTED, span, "`uses` stands before the errors")
                    .help("write `-> T uses C ! E`"),
            );
            self.uses_clause();
        }
        if self.at(T::Arrow) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ARROW,
                    span,
                    "the result stands before `uses` and the errors",
                )
                .help("write `-> T uses C ! E`"),
            );
            self.bump();
            self.ty();
        }
        if self.at_word(sym::throws) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::HABIT_KEYWORD, span, "errors stand behind `!`")
                    .help("write `! E`")
                    .fix(span, "!"),
            );
            self.bump();
            self.error_list();
        }
    }

    fn fn_body(
        &mut self,
        name: Ident,
        head: Span,
        kind: FnKind,
        place: Place,
    ) -> Option<Block<'a>> {
        let why_none = match (kind, place) {
            (FnKind::Deferred, _) => Some("a `deferred fn`"),
            (FnKind::Intrinsic, _) => Some("an `intrinsic fn`"),
            (FnKind::Extern, _) | (_, Place::Extern) => Some("a foreign function"),
            (_, Place::Capability) => Some("a function of a capability"),
            _ => None,
        };
        self.bare_result();
        let ended = matches!(self.peek(), T::Newline | T::Eof);
        let body_follows = self.at(T::Newline) && self.raw().indent > self.block_indent();
        if let Some(what) = why_none {
            if self.at(T::Colon) || (self.at(T::Assign)) {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::BODY_FORBIDDEN, span, format!("{what} has no body"))
                        .help("end the line behind the signature"),
                );
                self.bump();
                self.block();
            } else if !ended && !self.panicking {
                self.unexpected("the end of the signature");
            }
            return None;
        }
        if ended && !body_follows && !self.panicking {
            if place != Place::Trait {
                let shown = self.names.name(name.name).to_string();
                self.report(
                    Diagnostic::error(
                        codes::BODY_MISSING,
                        head,
                        format!("the function `{shown}` has no body"),
                    )
                    .help("write `:` and an indented block behind the signature"),
                );
            }
            return None;
        }
        if self.at(T::FatArrow) && self.colon_ends_line() {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ARROW,
                    span,
                    "the result of a function stands behind `->`",
                )
                .help("write `->`")
                .fix(span, "->"),
            );
            self.bump();
            self.ty();
            self.header_colon("the signature");
        } else if self.at(T::FatArrow) || self.at(T::Assign) {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ARROW,
                    span,
                    "the body of a named function is a block",
                )
                .help("write `: return …`")
                .fix(span, ":"),
            );
            self.bump();
        } else {
            self.header_colon("the signature");
        }
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let body = self.block();
        self.inline_if = inline_if;
        Some(body)
    }

    /// Whether `self`, perhaps with a foreign decoration, stands here.
    fn at_self(&self) -> bool {
        match self.peek() {
            T::SelfKw => true,
            T::Amp => {
                self.peek_at(1) == T::SelfKw
                    || (self.peek_at(1) == T::Mut && self.peek_at(2) == T::SelfKw)
            }
            T::Mut => self.peek_at(1) == T::SelfKw,
            _ => false,
        }
    }

    fn self_param(&mut self, place: Place, first: bool) -> Option<Receiver> {
        let start = self.raw().start;
        if !self.at(T::SelfKw) {
            while !self.at(T::SelfKw) {
                self.bump();
            }
            let span = Span::new(self.file, start, self.span_of(self.raw()).end);
            self.report(
                Diagnostic::error(codes::HABIT_REFERENCE, span, "`self` stands alone")
                    .note("`mut` stands on the fields that a method assigns")
                    .help("write `self`")
                    .fix(span, "self"),
            );
        }
        let token = self.bump();
        let span = self.span_of(token);
        if self.at(T::Colon) {
            self.bump();
            self.ty();
            let span = self.span_from(start);
            self.report(
                Diagnostic::error(codes::SELF_MISPLACED, span, "`self` has no written type")
                    .help("write `self`")
                    .fix(span, "self"),
            );
        }
        let problem = match place {
            Place::Methods | Place::Trait if first => None,
            Place::Methods | Place::Trait => Some("`self` is the first parameter"),
            Place::Capability => Some("a capability is no value: its functions have no `self`"),
            Place::Module | Place::Extern | Place::Local => {
                Some("only methods of structs, enums and traits have `self`")
            }
        };
        match problem {
            None => Some(Receiver {
                id: self.pat_id(),
                span,
            }),
            Some(problem) => {
                self.report(Diagnostic::error(codes::SELF_MISPLACED, span, problem));
                None
            }
        }
    }

    /// A parameter. `None` after an error that was told.
    fn param(&mut self, typed: bool) -> Option<Param<'a>> {
        let start = self.raw().start;
        if self.at(T::Mut) {
            let token = self.bump();
            let span = self.span_of(token);
            self.report(
                Diagnostic::error(
                    codes::MODIFIER_MISPLACED,
                    span,
                    "parameters are not assigned to",
                )
                .help("copy it first: `let mut n = n`"),
            );
        }
        if matches!(self.peek(), T::Star | T::StarStar | T::DotDot) {
            let token = self.bump();
            let span = self.span_of(token);
            self.report(
                Diagnostic::error(
                    codes::HABIT_UNPACK,
                    span,
                    "the number of parameters is fixed",
                )
                .help("take a list: `xs: [T]`"),
            );
        }
        let name = self.ident("the name of a parameter")?;
        if !self.at(T::Comma) && !self.at(T::RParen) || !typed {
            self.cased(name, Names::Value("a parameter"));
        }
        // `int x`: the type first, as in other languages.
        if typed && self.at(T::Ident) {
            let span = name.span.to(self.here());
            let (ty, name) = (
                self.names.name(name.name).to_string(),
                self.token_text(self.raw()).to_string(),
            );
            self.fail(
                Diagnostic::error(
                    codes::PARAM_TYPE_MISSING,
                    span,
                    "the name of a parameter stands before its type",
                )
                .help(format!("write `{name}: {ty}`")),
            );
            return None;
        }
        let ty = if self.eat(T::Colon) {
            let ty = self.ty();
            if typed {
                self.union_habit(&ty);
                self.arrow_type(&ty);
            }
            Some(ty)
        } else {
            if typed && !self.panicking {
                let shown = self.names.name(name.name).to_string();
                self.report(
                    Diagnostic::error(
                        codes::PARAM_TYPE_MISSING,
                        name.span,
                        format!("the parameter `{shown}` has no type"),
                    )
                    .help(format!("write `{shown}: T`")),
                );
            }
            None
        };
        let default = if self.eat(T::Assign) {
            Some(self.expression())
        } else {
            None
        };
        let span = self.span_from(start);
        if let Some(value) = default
            && !typed
        {
            self.report(Diagnostic::error(
                codes::MODIFIER_MISPLACED,
                value.span,
                "parameters of a function literal have no defaults",
            ));
        }
        let id = self.pat_id();
        Some(Param {
            id,
            name,
            ty,
            default: default.filter(|_| typed),
            span,
        })
    }

    /// `fn(x) => e`, `fn(x): …`; the next token is `fn`.
    pub(super) fn fn_literal(&mut self) -> Expr<'a> {
        let start = self.bump().start;
        if self.at(T::Ident) {
            let span = self.here();
            let d = Diagnostic::error(codes::HABIT_CLOSURE, span, "a function literal has no name");
            self.fail(if self.peek_at(1) == T::FatArrow {
                let name = self.token_text(self.raw()).to_string();
                d.help("its parameters stand in parentheses: `fn(x) => …`")
                    .fix(span, format!("({name})"))
            } else {
                d.help("write `fn(x) => …`, or declare `fn name(…):` on a line before")
            });
            return self.error_expr();
        }
        let mut params = Vec::new();
        if self.at(T::LParen) {
            let opener = self.open(false);
            params = self.list(T::RParen, |p| {
                if p.at(T::LParen) {
                    let span = p.here();
                    p.fail(
                        Diagnostic::error(
                            codes::PATTERN_MIX,
                            span,
                            "a parameter is a name, not a pattern",
                        )
                        .help("name it and take it apart inside: `let (a, b) = pair`"),
                    );
                    return None;
                }
                p.param(false)
            });
            self.close(opener, T::RParen);
        } else {
            self.unexpected("`(` behind `fn`");
        }
        let ret = self.ret_type();
        let uses = self.uses_clause();
        let errors = self.errors_clause();
        let head = self.span_from(start);
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        // An `else:` behind the literal belongs to what is around it.
        let stmt_end = std::mem::replace(&mut self.stmt_end, false);
        let body = self.literal_body();
        self.stmt_end = stmt_end;
        self.inline_if = inline_if;
        let params = self.slice(&params);
        let literal = self.alloc(FnLit {
            params,
            ret,
            uses,
            errors,
            body,
            head,
        });
        let span = self.span_from(start);
        self.expr(span, ExprKind::Fn(literal))
    }

    fn literal_body(&mut self) -> FnBody<'a> {
        if self.panicking {
            let error = self.error_expr();
            return FnBody::Expr(self.alloc(error));
        }
        if self.at(T::LBrace) {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::HABIT_BRACES,
                    span,
                    "a function literal has no braces",
                )
                .help("write `fn(x) => value`, or `fn(x):` and a block"),
            );
        } else if self.at(T::Arrow) {
            self.unexpected("`=>` or `:` behind the parameters");
        }
        if self.at(T::Colon) {
            self.bump();
            let block = self.block();
            return FnBody::Block(self.alloc(block));
        }
        if !self.at(T::FatArrow)
            && !self.panicking
            && let Some(arrow) = self.literal_arrow()
        {
            self.fail(
                Diagnostic::error(
                    codes::HABIT_ARROW,
                    arrow,
                    "the value of a function literal stands behind `=>`",
                )
                .help("write `fn(x) => …`")
                .fix(arrow, "=>"),
            );
        }
        if self.panicking || !self.need(T::FatArrow) {
            let error = self.error_expr();
            return FnBody::Expr(self.alloc(error));
        }
        if self.raw().line_start && !self.in_bracket() {
            self.unexpected("an expression behind `=>`");
        }
        self.literal_value()
    }

    /// What stands right of the `=>` of a function literal: a value, a way out or an assignment.
    pub(super) fn literal_value(&mut self) -> FnBody<'a> {
        let start = self.raw().start;
        let value = match self.jump() {
            Some(jump) => jump,
            None => self.expression(),
        };
        if let Some(stmt) = self.assignment(value, start) {
            let stmts: &'a [Stmt<'a>] = self.slice(&[stmt]);
            return FnBody::Block(self.alloc(Block {
                stmts,
                inline: true,
                span: stmt.span,
            }));
        }
        FnBody::Expr(self.alloc(value))
    }

    /// A local function.
    pub(super) fn local_function(&mut self) -> StmtKind<'a> {
        let docs = self.docs();
        let prefix = FnPrefix {
            docs,
            is_pub: None,
            kind: FnKind::Normal,
            start: self.raw().start,
        };
        let function = self.function(prefix, Place::Local);
        StmtKind::Fn(self.alloc(function))
    }
}

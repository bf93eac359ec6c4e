//! Types, generics, lists of capabilities and errors.

use super::Parser;
use crate::ast::{FnType, GenericParam, Path, TypeExpr, TypeKind, WherePred};
use crate::diag::{Diagnostic, codes};
use crate::source::{Ident, Span, sym};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// A dotted name; its first name is `first`.
    pub(super) fn path_from(&mut self, first: Ident) -> Path<'a> {
        let mut segments = vec![first];
        loop {
            if self.at(T::ColonColon) {
                self.double_colon();
            } else if !(self.at(T::Dot) && matches!(self.peek_at(1), T::Ident)) {
                break;
            }
            self.bump();
            match self.ident("a name") {
                Some(name) => segments.push(name),
                None => break,
            }
            if segments.len() > 32 {
                self.too_deep();
                break;
            }
        }
        Path {
            segments: self.slice(&segments),
            span: self.span_from(first.span.start),
        }
    }

    /// A dotted name.
    pub(super) fn path(&mut self, what: &str) -> Option<Path<'a>> {
        let first = self.ident(what)?;
        Some(self.path_from(first))
    }

    /// Whether a type can begin here.
    pub(super) fn at_type(&self) -> bool {
        matches!(
            self.peek(),
            T::Ident | T::SelfType | T::LBracket | T::LParen | T::Fn
        )
    }

    /// A type.
    pub(super) fn ty(&mut self) -> TypeExpr<'a> {
        let Some(saved) = self.enter() else {
            let span = self.here();
            return self.type_expr(span, TypeKind::Error);
        };
        let ty = self.ty_inner();
        self.leave(saved);
        ty
    }

    fn ty_inner(&mut self) -> TypeExpr<'a> {
        let start = self.raw();
        let mut ty = self.ty_base();
        loop {
            if self.at(T::Question) {
                if !self.grow() {
                    break;
                }
                self.bump();
                let inner = self.alloc(ty);
                let span = self.span_from(start.start);
                ty = self.type_expr(span, TypeKind::Option(inner));
            } else if self.at(T::LBracket) && self.peek_at(1) == T::RBracket {
                self.bump();
                self.bump();
                let span = self.span_from(start.start);
                let mut diagnostic =
                    Diagnostic::error(codes::HABIT_TYPE, span, "a list type is written `[T]`");
                if let TypeKind::Path { path, args: [] } = ty.kind {
                    let name = self.names.name(path.last().name).to_string();
                    diagnostic = diagnostic.help(format!("write `[{name}]`"));
                }
                self.report(diagnostic);
                if !self.grow() {
                    break;
                }
                let inner = self.alloc(ty);
                ty = self.type_expr(span, TypeKind::List(inner));
            } else {
                return ty;
            }
        }
        ty
    }

    fn ty_base(&mut self) -> TypeExpr<'a> {
        let start = self.raw();
        match self.peek() {
            T::Ident if self.word_at(self.pos, sym::own) && self.peek_at(1) == T::Fn => {
                let own = self.bump();
                let own = self.span_of(own);
                self.fn_type(start.start, Some(own))
            }
            T::Fn => self.fn_type(start.start, None),
            T::Ident if self.token_text(start) == "dyn" && self.peek_at(1) == T::Ident => {
                let token = self.bump();
                let span = self.span_of(token);
                self.report(
                    Diagnostic::error(
                        codes::HABIT_TYPE,
                        span,
                        "a trait is a type by its name alone",
                    )
                    .help("leave `dyn` out")
                    .fix(span.to(self.here().before()), ""),
                );
                self.ty()
            }
            T::Ident | T::SelfType => {
                let token = self.bump();
                let first = self.ident_of(token);
                let path = self.path_from(first);
                let args = self.type_args_after(path);
                let span = self.span_from(start.start);
                self.type_expr(span, TypeKind::Path { path, args })
            }
            // `[]int`.
            T::LBracket if self.peek_at(1) == T::RBracket && self.peek_at(2) == T::Ident => {
                let name = self.token_text(self.token(self.pos + 2)).to_string();
                let span = self.here();
                let all = span.to(self.span_of(self.token(self.pos + 2)));
                self.report(
                    Diagnostic::error(codes::HABIT_TYPE, all, "a list type is written `[T]`")
                        .help(format!("write `[{name}]`"))
                        .fix(all, format!("[{name}]")),
                );
                self.bump();
                self.bump();
                let inner = self.ty();
                let inner = self.alloc(inner);
                self.type_expr(span, TypeKind::List(inner))
            }
            T::LBracket => {
                let opener = self.open(false);
                let inner = self.ty();
                if self.at(T::Semi) {
                    let span = self.here();
                    self.fail(
                        Diagnostic::error(
                            codes::HABIT_TYPE,
                            span,
                            "the length of a list is not part of its type",
                        )
                        .help("write `[T]`"),
                    );
                }
                self.close(opener, T::RBracket);
                let span = self.span_from(start.start);
                let inner = self.alloc(inner);
                self.type_expr(span, TypeKind::List(inner))
            }
            T::LParen => {
                let opener = self.open(false);
                let mut comma = None;
                let elements = self.list(T::RParen, |p| {
                    let ty = p.ty();
                    if p.at(T::Comma) {
                        comma = Some(p.here());
                    }
                    Some(ty)
                });
                self.close(opener, T::RParen);
                let span = self.span_from(start.start);
                match elements.as_slice() {
                    [one] => {
                        if let Some(comma) = comma {
                            self.tuple_of_one(comma);
                        }
                        TypeExpr { span, ..*one }
                    }
                    elements => {
                        let elements = self.slice(elements);
                        self.type_expr(span, TypeKind::Tuple(elements))
                    }
                }
            }
            T::Mut | T::Impl => {
                let token = self.bump();
                let span = self.span_of(token);
                let d = Diagnostic::error(
                    codes::HABIT_TYPE,
                    span,
                    format!("{} is no part of a type", token.kind.describe()),
                );
                self.report(if token.kind == T::Mut {
                    d.help("write the type alone; `mut` stands before the name of a field or local")
                        .fix(span, "")
                } else {
                    d.help("a trait is a type by its name alone; or write `fn f[T: Trait](x: T)`")
                        .fix(span, "")
                });
                self.ty()
            }
            T::DotDot if self.peek_at(1) == T::Dot => {
                self.bump();
                self.bump();
                let span = self.span_from(start.start);
                self.report(
                    Diagnostic::error(
                        codes::HABIT_UNPACK,
                        span,
                        "the number of parameters is fixed",
                    )
                    .help("take a list: `xs: [T]`"),
                );
                self.ty()
            }
            T::LBrace => {
                let span = self.here();
                self.fail(
                    Diagnostic::error(codes::HABIT_TYPE, span, "a map type is written `Map[K, V]`")
                        .help("a type with named parts is a `struct`"),
                );
                self.type_expr(span, TypeKind::Error)
            }
            T::Amp | T::Star | T::Question => {
                let token = self.bump();
                let mut end = token;
                if self.at(T::Mut) {
                    end = self.bump();
                }
                let span = Span::new(self.file, token.start, end.end);
                let mut diagnostic = Diagnostic::error(
                    codes::HABIT_TYPE,
                    span,
                    format!("{} begins no type", token.kind.describe()),
                );
                diagnostic = if token.kind == T::Question {
                    diagnostic.help("an optional value is `T?`")
                } else {
                    diagnostic
                        .help(
                            "lists, maps and structs are references already: write the type alone",
                        )
                        .fix(span, "")
                };
                self.report(diagnostic);
                self.ty()
            }
            _ => {
                let span = self.here();
                self.unexpected("a type");
                self.type_expr(span, TypeKind::Error)
            }
        }
    }

    /// `[A, B]` behind the name of a type.
    fn type_args_after(&mut self, path: Path<'a>) -> &'a [TypeExpr<'a>] {
        if self.at(T::LBracket) && self.peek_at(1) != T::RBracket {
            return self.type_args();
        }
        if self.at(T::Lt) {
            let span = self.here();
            let name = self.names.name(path.last().name).to_string();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ANGLE,
                    span,
                    "type arguments stand in square brackets",
                )
                .help(Self::generic_advice(&name)),
            );
            self.skip_angles();
        }
        &[]
    }

    /// Skips `<…>` on this line.
    pub(super) fn skip_angles(&mut self) {
        let mut depth = 0i32;
        loop {
            match self.peek() {
                T::Lt => depth += 1,
                T::Gt => depth -= 1,
                T::Shr => depth -= 2,
                T::UShr => depth -= 3,
                T::Ident
                | T::Comma
                | T::Dot
                | T::Question
                | T::LBracket
                | T::RBracket
                | T::LParen
                | T::RParen
                | T::Colon
                | T::Plus
                | T::SelfType
                | T::Arrow
                | T::Fn => {}
                _ => {
                    self.panicking = true;
                    return;
                }
            }
            self.bump();
            if depth <= 0 {
                return;
            }
        }
    }

    /// Type arguments; the next token is `[`. A union may stand as argument.
    pub(super) fn type_args(&mut self) -> &'a [TypeExpr<'a>] {
        let opener = self.open(false);
        let args = self.list(T::RBracket, |p| Some(p.union()));
        if args.is_empty() && !self.panicking {
            let span = self.span_of(opener);
            self.report(Diagnostic::error(
                codes::EMPTY_LIST,
                span,
                "these brackets need at least one type",
            ));
        }
        self.close(opener, T::RBracket);
        self.slice(&args)
    }

    /// `A`, `A | B`, or `C + D`, which are capabilities.
    fn union(&mut self) -> TypeExpr<'a> {
        let first = self.ty();
        if self.at(T::Plus)
            && let TypeKind::Path { path, args: [] } = first.kind
        {
            let mut caps = vec![path];
            self.bump();
            caps.extend(self.cap_list());
            let span = self.span_from(first.span.start);
            let caps = self.slice(&caps);
            return self.type_expr(span, TypeKind::Caps(caps));
        }
        if !self.at(T::Pipe) {
            return first;
        }
        let mut members = vec![first];
        while self.eat(T::Pipe) {
            members.push(self.ty());
        }
        let span = self.span_from(first.span.start);
        let members = self.slice(&members);
        self.type_expr(span, TypeKind::Union(members))
    }

    /// A function type; the next token is `fn`.
    fn fn_type(&mut self, start: u32, own: Option<Span>) -> TypeExpr<'a> {
        self.bump();
        let mut params = Vec::new();
        if self.at(T::LParen) {
            let opener = self.open(false);
            params = self.list(T::RParen, |p| {
                // Names of parameters say nothing in a type: they are told and skipped.
                if p.at(T::Ident) && p.peek_at(1) == T::Colon {
                    let span = p.here();
                    p.report(
                        Diagnostic::error(
                            codes::HABIT_TYPE,
                            span,
                            "parameters of a function type have no names",
                        )
                        .help("write the types alone: `fn(int, string) -> bool`"),
                    );
                    p.bump();
                    p.bump();
                }
                Some(p.ty())
            });
            self.close(opener, T::RParen);
        } else {
            self.unexpected("`(` behind `fn`");
        }
        let ret = self.ret_type();
        let ret = ret.map(|ty| self.alloc(ty));
        let uses = self.uses_clause().unwrap_or(&[]);
        let errors = self.errors_clause();
        let params = self.slice(&params);
        let ty = self.alloc(FnType {
            own,
            params,
            ret,
            uses,
            errors,
        });
        let span = self.span_from(start);
        self.type_expr(span, TypeKind::Fn(ty))
    }

    /// `-> T`, if it stands here. A function type has to be in parentheses.
    pub(super) fn ret_type(&mut self) -> Option<TypeExpr<'a>> {
        if !self.eat(T::Arrow) {
            return None;
        }
        let bare_fn = self.at(T::Fn);
        let ty = self.ty();
        if bare_fn && !self.panicking {
            self.report(
                Diagnostic::error(
                    codes::FN_TYPE_NEEDS_PARENS,
                    ty.span,
                    "a function type as result stands in parentheses",
                )
                .note("without them it is not clear whose `uses` and errors follow")
                .help("write `-> (fn(…) -> …)`"),
            );
        }
        Some(ty)
    }

    /// `uses A + B`, if it stands here.
    pub(super) fn uses_clause(&mut self) -> Option<&'a [Path<'a>]> {
        if !self.at(T::Uses) {
            return None;
        }
        let start = self.prev_span().after();
        self.bump();
        if self.at_word(sym::none) {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::EMPTY_LIST, span, "`uses` names capabilities")
                    .help("leave `uses none` out: without `uses` a function has no authority")
                    .fix(start.to(span), ""),
            );
            self.bump();
            return None;
        }
        Some(self.cap_list())
    }

    /// `A + B`.
    pub(super) fn cap_list(&mut self) -> &'a [Path<'a>] {
        let mut caps = Vec::new();
        while let Some(path) = self.path("a capability") {
            caps.push(path);
            if self.at(T::Comma) && self.peek_at(1) == T::Ident && !self.in_bracket() {
                let span = self.here();
                self.report(
                    Diagnostic::error(
                        codes::HABIT_OPERATOR,
                        span,
                        "capabilities are joined by `+`",
                    )
                    .help("write `A + B`")
                    .fix(span, " +"),
                );
                self.bump();
            } else if !self.eat(T::Plus) {
                break;
            }
        }
        self.slice(&caps)
    }

    /// `! A | B`, if it stands here.
    pub(super) fn errors_clause(&mut self) -> &'a [TypeExpr<'a>] {
        if !self.eat(T::Bang) {
            return &[];
        }
        self.error_list()
    }

    /// `A | B`.
    pub(super) fn error_list(&mut self) -> &'a [TypeExpr<'a>] {
        let mut errors = Vec::new();
        loop {
            errors.push(self.ty());
            if self.panicking {
                break;
            }
            let comma = self.at(T::Comma) && self.peek_at(1) == T::Ident && !self.in_bracket();
            if self.at(T::Plus) || comma {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::HABIT_OPERATOR, span, "errors are joined by `|`")
                        .help("write `! A | B`")
                        .fix(span, "|"),
                );
                self.bump();
            } else if !self.eat(T::Pipe) {
                break;
            }
        }
        self.slice(&errors)
    }

    /// Bounds behind a colon: `Ord + Show`.
    pub(super) fn bounds(&mut self) -> &'a [TypeExpr<'a>] {
        let mut bounds = Vec::new();
        loop {
            if self.at(T::Ident) {
                bounds.push(self.ty());
            } else {
                self.unexpected("a trait");
            }
            if self.panicking || !self.eat(T::Plus) {
                break;
            }
        }
        self.slice(&bounds)
    }

    /// Tells type parameters of a capability. `None`: reading was given up.
    pub(super) fn no_cap_generics(&mut self) -> Option<()> {
        if self.at(T::LBracket) {
            let span = self.here();
            self.generics();
            if self.panicking {
                return None;
            }
            let span = span.to(self.prev_span());
            let what = "a capability has no type parameters";
            let help = "declare one for each type that is needed, or pass data that holds them all";
            self.report(Diagnostic::error(codes::BAD_CAPABILITY, span, what).help(help));
        }
        Some(())
    }

    /// `[T: Ord, uses U]` behind a declared name, if it stands here.
    pub(super) fn generics(&mut self) -> &'a [GenericParam<'a>] {
        if self.at(T::Lt) {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_ANGLE,
                    span,
                    "type parameters stand in square brackets",
                )
                .help("write `[T]`"),
            );
            self.skip_angles();
            return &[];
        }
        if !self.at(T::LBracket) {
            return &[];
        }
        let opener = self.open(false);
        let params = self.list(T::RBracket, |p| {
            let start = p.raw().start;
            let is_uses = p.eat(T::Uses);
            let name = p.ident("the name of a type parameter")?;
            p.cased(name, super::casing::Names::Type("a type parameter"));
            let bounds = if !is_uses && p.eat(T::Colon) {
                p.bounds()
            } else {
                &[]
            };
            Some(GenericParam {
                name,
                is_uses,
                bounds,
                span: p.span_from(start),
            })
        });
        if params.is_empty() && !self.panicking {
            let span = self.span_of(opener);
            self.report(Diagnostic::error(
                codes::EMPTY_LIST,
                span,
                "these brackets need at least one type parameter",
            ));
        }
        self.close(opener, T::RBracket);
        self.slice(&params)
    }

    /// `where T: Ord, U: Show`, if it stands here.
    pub(super) fn wheres(&mut self) -> &'a [WherePred<'a>] {
        if !self.eat_word(sym::where_) {
            return &[];
        }
        let mut preds = Vec::new();
        loop {
            let ty = self.ty();
            if self.panicking {
                break;
            }
            if !self.need(T::Colon) {
                break;
            }
            let bounds = self.bounds();
            preds.push(WherePred {
                ty,
                bounds,
                span: self.span_from(ty.span.start),
            });
            if self.panicking || !self.eat(T::Comma) {
                break;
            }
        }
        self.slice(&preds)
    }
}

//! Statements.

use super::casing::Names;
use super::habits::LineHabit;
use super::{MarkKind, Parser};
use crate::ast::{
    BinaryOp, Catch, Expr, ExprKind, Pat, PatKind, SelectArm, SelectKind, Stmt, StmtKind,
    WithBinding,
};
use crate::diag::{Diagnostic, codes};
use crate::source::{Ident, sym};
use crate::token::T;

/// The operator of an assignment token: `Some(None)` is plain `=`.
fn assign_op(token: T) -> Option<Option<BinaryOp>> {
    Some(Some(match token {
        T::Assign => return Some(None),
        T::PlusEq => BinaryOp::Add,
        T::MinusEq => BinaryOp::Sub,
        T::StarEq => BinaryOp::Mul,
        T::SlashEq => BinaryOp::Div,
        T::PercentEq => BinaryOp::Rem,
        T::StarStarEq => BinaryOp::Pow,
        T::PlusWrapEq => BinaryOp::AddWrap,
        T::MinusWrapEq => BinaryOp::SubWrap,
        T::StarWrapEq => BinaryOp::MulWrap,
        T::AmpEq => BinaryOp::BitAnd,
        T::PipeEq => BinaryOp::BitOr,
        T::CaretEq => BinaryOp::BitXor,
        T::ShlEq => BinaryOp::Shl,
        T::ShrEq => BinaryOp::Shr,
        T::UShrEq => BinaryOp::UShr,
        _ => return None,
    }))
}

impl<'a> Parser<'a, '_> {
    /// A statement on a line of its own.
    pub(super) fn stmt(&mut self) -> Stmt<'a> {
        let start = self.raw().start;
        let kind = self.stmt_kind();
        let span = self.span_from(start);
        Stmt { span, kind }
    }

    /// The statement behind a colon or `=>` on the same line: one that has no block.
    pub(super) fn inline_stmt(&mut self) -> Stmt<'a> {
        let Some(saved) = self.enter() else {
            return Stmt {
                span: self.here(),
                kind: StmtKind::Error,
            };
        };
        let nested_if = self.at(T::If) && self.inline_if;
        let compound = matches!(
            self.peek(),
            T::While | T::Loop | T::For | T::Try | T::With | T::Allow | T::Concurrent | T::Defer
        ) || (self.at(T::Fn) && self.peek_at(1) == T::Ident);
        if compound || nested_if {
            let span = self.here();
            let what = self.found();
            self.report(
                Diagnostic::error(
                    codes::COMPOUND_INLINE,
                    span,
                    format!("{what} begins a block and stands on a line of its own"),
                )
                .help("begin a new, deeper line behind the colon"),
            );
        }
        let stmt = self.stmt();
        self.leave(saved);
        stmt
    }

    fn stmt_kind(&mut self) -> StmtKind<'a> {
        match self.peek() {
            T::Let => self.let_stmt(),
            T::While => self.while_stmt(None),
            T::Loop => self.loop_stmt(None),
            T::For => self.for_stmt(None),
            T::Try => self.try_stmt(),
            T::With => self.with_stmt(),
            T::Allow => self.allow_stmt(),
            T::Concurrent => {
                self.bump();
                self.header_colon("`concurrent`");
                let body = self.block();
                let body = self.alloc(body);
                StmtKind::Concurrent { body }
            }
            T::Defer => {
                self.bump();
                self.defer_colon();
                let body = self.block();
                let body = self.alloc(body);
                StmtKind::Defer { body }
            }
            T::Pass => {
                self.bump();
                StmtKind::Pass
            }
            T::Assert => self.assert_stmt(),
            T::Fn if self.peek_at(1) == T::Ident => self.local_function(),
            T::Return | T::Raise | T::Break | T::Continue => self
                .jump()
                .map_or(StmtKind::Error, |jump| StmtKind::Expr(self.alloc(jump))),
            T::Const => {
                let span = self.here();
                self.report(
                    Diagnostic::error(
                        codes::ITEM_IN_FUNCTION,
                        span,
                        "constants stand at the top of a module",
                    )
                    .help("inside of a function write `let`, which is fixed too")
                    .fix(span, "let"),
                );
                self.let_stmt()
            }
            T::Import | T::Struct | T::Enum | T::Trait | T::Impl | T::Pub => {
                self.item_in_function()
            }
            T::Elif | T::Else | T::Catch => {
                let span = self.here();
                let (what, before) = match self.peek() {
                    T::Catch => ("`catch`", "`try`"),
                    T::Elif => ("`elif`", "`if`"),
                    _ => ("`else`", "`if`"),
                };
                self.fail(
                    Diagnostic::error(
                        codes::UNEXPECTED,
                        span,
                        format!("{what} belongs to no {before} here"),
                    )
                    .help(format!(
                        "indent it like its {before}, with nothing in between"
                    )),
                );
                StmtKind::Error
            }
            T::Mut => {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::HABIT_LET, span, "a new name begins with `let`")
                        .help("write `let mut`")
                        .fix(span, "let mut"),
                );
                self.let_stmt()
            }
            T::At => {
                let span = self.here();
                self.fail(
                    Diagnostic::error(codes::HABIT_DECORATOR, span, "there are no decorators")
                        .help("`derive Ord` on the line before a type derives traits"),
                );
                StmtKind::Error
            }
            T::Ident => self.stmt_with_name(),
            _ => self.expr_stmt(),
        }
    }

    /// A statement that begins with a name: a label, a soft keyword, a foreign word, or an
    /// expression.
    fn stmt_with_name(&mut self) -> StmtKind<'a> {
        let next = self.peek_at(1);
        if next == T::Colon {
            if self.at_word(sym::select) && self.token(self.pos + 2).line_start {
                return self.select_stmt();
            }
            if matches!(self.peek_at(2), T::For | T::While | T::Loop) {
                let label = self.ident("a label");
                if let Some(label) = label {
                    self.cased(label, Names::Value("a label"));
                }
                self.bump();
                return match self.peek() {
                    T::For => self.for_stmt(label),
                    T::While => self.while_stmt(label),
                    _ => self.loop_stmt(label),
                };
            }
        }
        if self.at_word(sym::throw)
            && self.foreign_operand()
            && let Some(jump) = self.jump()
        {
            return StmtKind::Expr(self.alloc(jump));
        }
        match self.line_habit() {
            LineHabit::None => {}
            LineHabit::Let => return self.let_stmt(),
            LineHabit::For => return self.for_stmt(None),
            LineHabit::Fn => return self.local_function(),
            LineHabit::Match => {
                let start = self.bump().start;
                let expr = self.match_expr(start);
                return StmtKind::Expr(self.alloc(expr));
            }
            LineHabit::Item => return self.item_in_function(),
            LineHabit::Skip => return StmtKind::Error,
        }
        let item_word = [
            sym::error,
            sym::capability,
            sym::capset,
            sym::derive,
            sym::test,
            sym::extern_,
            sym::deferred,
            sym::from,
        ];
        let is_item = matches!(next, T::Ident | T::Str)
            && item_word.iter().any(|w| self.word_at(self.pos, *w))
            || (self.at_word(sym::deferred) && next == T::Fn);
        if is_item {
            return self.item_in_function();
        }
        self.expr_stmt()
    }

    fn item_in_function(&mut self) -> StmtKind<'a> {
        let span = self.here();
        self.report(
            Diagnostic::error(
                codes::ITEM_IN_FUNCTION,
                span,
                format!("{} does not stand inside a function", self.found()),
            )
            .help("move it to the top of the module; only `fn` may be local"),
        );
        self.item();
        StmtKind::Error
    }

    fn expr_stmt(&mut self) -> StmtKind<'a> {
        let start = self.raw().start;
        if self.at(T::LBrace) && self.token(self.pos + 1).line_start && !self.at_map() {
            let span = self.here();
            self.fail(
                Diagnostic::error(codes::HABIT_BRACES, span, "a block does not stand alone")
                    .help("write its statements here, or move them to a function"),
            );
            self.skip_braces();
            return StmtKind::Error;
        }
        let expr = self.last_value();
        if let Some(stmt) = self.assignment(expr, start) {
            return stmt.kind;
        }
        if !self.panicking && matches!(expr.kind, ExprKind::Name(_)) {
            if self.at(T::ColonEq) {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::HABIT_LET, span, "a new name begins with `let`")
                        .help("write `let x = …`")
                        .fix(expr.span.before(), "let ")
                        .fix(span, "="),
                );
                self.bump();
                let value = self.expression();
                return self.let_of(expr, None, value);
            }
            if self.at(T::Colon) && !self.token(self.pos + 1).line_start {
                return self.typed_without_let(expr);
            }
        }
        StmtKind::Expr(self.alloc(expr))
    }

    /// `x: int = 3` without `let`.
    fn typed_without_let(&mut self, name: Expr<'a>) -> StmtKind<'a> {
        self.report(
            Diagnostic::error(codes::HABIT_LET, name.span, "a new name begins with `let`")
                .help("write `let x: T = …`")
                .fix(name.span.before(), "let "),
        );
        self.bump();
        let ty = self.ty();
        if !self.at(T::Assign) {
            self.panicking = true;
            return StmtKind::Error;
        }
        self.bump();
        let value = self.expression();
        self.let_of(name, Some(ty), value)
    }

    fn let_of(
        &mut self,
        name: Expr<'a>,
        ty: Option<crate::ast::TypeExpr<'a>>,
        value: Expr<'a>,
    ) -> StmtKind<'a> {
        let ExprKind::Name(symbol) = name.kind else {
            return StmtKind::Error;
        };
        let pat = self.pat(
            name.span,
            PatKind::Bind {
                name: Ident {
                    name: symbol,
                    span: name.span,
                },
                mutable: true,
            },
        );
        StmtKind::Let {
            pat: self.alloc(pat),
            ty: ty.map(|ty| self.alloc(ty)),
            init: self.alloc(value),
            otherwise: None,
        }
    }

    /// `= e`, `+= e` behind an expression, if it stands here.
    pub(super) fn assignment(&mut self, target: Expr<'a>, start: u32) -> Option<Stmt<'a>> {
        if self.panicking {
            return None;
        }
        let op = assign_op(self.peek())?;
        let token = self.bump();
        let place = matches!(
            target.kind,
            ExprKind::Name(_)
                | ExprKind::Field { .. }
                | ExprKind::TupleField { .. }
                | ExprKind::Index { .. }
                | ExprKind::Error
        );
        if !place {
            let mut diagnostic = Diagnostic::error(
                codes::BAD_ASSIGN_TARGET,
                target.span,
                format!(
                    "{} needs a name, a field or an index on its left",
                    token.kind.describe()
                ),
            );
            diagnostic = match target.kind {
                ExprKind::Tuple(_) => {
                    diagnostic.help("write `let (a, b) = …` for new names, or assign one by one")
                }
                _ if token.kind == T::Assign => diagnostic.help("compare with `==`"),
                _ => diagnostic,
            };
            self.report(diagnostic);
        }
        let value = self.last_value();
        if assign_op(self.peek()).is_some() && !self.panicking {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::BAD_ASSIGN_TARGET,
                    span,
                    "an assignment is not a value that could be assigned again",
                )
                .help("write two statements"),
            );
        }
        let target = self.alloc(target);
        let value = self.alloc(value);
        Some(Stmt {
            span: self.span_from(start),
            kind: StmtKind::Assign { target, op, value },
        })
    }

    /// `let p: T = e`; the next token is `let` (or a foreign word for it, or `mut`).
    fn let_stmt(&mut self) -> StmtKind<'a> {
        if !self.at(T::Mut) {
            self.bump();
        }
        if self.at(T::Mut) && matches!(self.peek_at(1), T::LParen | T::LBracket) {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::MODIFIER_MISPLACED,
                    span,
                    "`mut` stands on each name of a pattern",
                )
                .help("write `let (mut a, mut b) = …`"),
            );
            self.bump();
        }
        let mut pat = self.pattern();
        if self.at(T::Comma) && !self.panicking {
            let span = pat.span;
            self.tuple_habit(span);
            let mut pats = vec![pat];
            while self.eat(T::Comma) {
                pats.push(self.pattern());
            }
            let span = self.span_from(pat.span.start);
            let pats = self.slice(&pats);
            pat = self.pat(span, PatKind::Tuple(pats));
        }
        let ty = if !self.panicking && self.eat(T::Colon) {
            let ty = self.ty();
            self.union_habit(&ty);
            Some(self.alloc(ty))
        } else {
            None
        };
        if let Some(ty) = ty {
            self.arrow_type(ty);
        }
        if self.at(T::ColonEq) {
            self.operator_habit("=", "`let` already says that the name is new");
            self.bump();
        } else if !self.panicking && !self.eat(T::Assign) {
            if matches!(self.peek(), T::Newline | T::Eof) {
                let span = self.here();
                self.fail(
                    Diagnostic::error(codes::UNEXPECTED, span, "a new name needs a value")
                        .help("write `= …` behind it"),
                );
            } else {
                self.unexpected("`=`");
            }
        }
        let pat: &'a Pat<'a> = self.alloc(pat);
        if self.panicking {
            return StmtKind::Error;
        }
        let plain = pat.is_plain();
        self.new_name_case(pat);
        let start = self.raw().start;
        let mut init = if plain {
            self.last_value()
        } else {
            self.climb(super::ops::Level::Or)
        };
        if self.at(T::Comma) && !self.panicking && !self.in_bracket() {
            self.tuple_habit(init.span);
            while self.eat(T::Comma) {
                self.expression();
            }
        }
        let mut otherwise = None;
        if self.at(T::Else) && !self.panicking {
            self.bump();
            if self.braced_way_out() {
                return StmtKind::Error;
            }
            if self.at(T::Colon) {
                self.bump();
                let block = self.block();
                let block = self.alloc(block);
                if plain {
                    let span = block.span;
                    let fallback = self.expr(span, ExprKind::Block(block));
                    let (value, fallback) = (self.alloc(init), self.alloc(fallback));
                    let span = self.span_from(start);
                    init = self.expr(span, ExprKind::Else { value, fallback });
                } else {
                    otherwise = Some(block);
                }
            } else {
                let stmt = self.inline_stmt();
                let stmts = self.slice(&[stmt]);
                let block = crate::ast::Block {
                    stmts,
                    inline: true,
                    span: stmt.span,
                };
                otherwise = Some(self.alloc(block));
            }
        }
        StmtKind::Let {
            pat,
            ty,
            init: self.alloc(init),
            otherwise,
        }
    }

    fn while_stmt(&mut self, label: Option<Ident>) -> StmtKind<'a> {
        self.bump();
        let cond = self.condition("`while`");
        let body = self.block();
        let (cond, body) = (self.alloc(cond), self.alloc(body));
        StmtKind::While { label, cond, body }
    }

    fn loop_stmt(&mut self, label: Option<Ident>) -> StmtKind<'a> {
        self.bump();
        self.header_colon("`loop`");
        let body = self.block();
        let body = self.alloc(body);
        StmtKind::Loop { label, body }
    }

    fn for_stmt(&mut self, label: Option<Ident>) -> StmtKind<'a> {
        self.bump();
        if self.at(T::LParen) {
            self.for_parens();
        }
        let first = if self.panicking {
            let span = self.here();
            self.pat(span, PatKind::Wild)
        } else {
            self.pattern()
        };
        let mut pat = first;
        if self.at(T::Comma) {
            let mut pats = vec![first];
            while self.eat(T::Comma) {
                pats.push(self.pattern());
            }
            let span = self.span_from(first.span.start);
            let pats = self.slice(&pats);
            pat = self.pat(span, PatKind::Tuple(pats));
        }
        if !self.panicking {
            self.new_name_case(&pat);
        }
        if !self.panicking && !self.eat(T::In) {
            if matches!(self.peek(), T::Assign | T::Colon | T::ColonEq) || self.at_of() {
                let span = self.here();
                self.fail(
                    Diagnostic::error(codes::UNEXPECTED, span, "a `for` loop walks over a value")
                        .help("write `for x in xs:` or `for i in 0..n:`"),
                );
                self.skip_to_braces();
            } else {
                self.unexpected("`in`");
            }
        }
        let iter = if self.panicking {
            self.error_expr()
        } else {
            self.expression()
        };
        self.header_colon("`for`");
        let body = self.block();
        StmtKind::For {
            label,
            pat: self.alloc(pat),
            iter: self.alloc(iter),
            body: self.alloc(body),
        }
    }

    fn try_stmt(&mut self) -> StmtKind<'a> {
        let start = self.bump();
        self.header_colon("`try`");
        let body = self.block();
        let mut catches = Vec::new();
        let mut told = false;
        loop {
            if self.at_clause(T::Catch) {
                self.mark(MarkKind::Clause);
                let catch = self.catch();
                catches.push(catch);
            } else if self.foreign_catch() {
                told = true;
            } else {
                break;
            }
        }
        if catches.is_empty() && !told && !self.panicking {
            let span = self.span_of(start);
            self.report(
                Diagnostic::error(codes::CATCH_MISSING, span, "this `try` has no `catch`")
                    .help("write `catch e: SomeError:` and a block behind it"),
            );
        }
        StmtKind::Try {
            body: self.alloc(body),
            catches: self.slice(&catches),
        }
    }

    fn catch(&mut self) -> Catch<'a> {
        let start = self.bump().start;
        self.foreign_catch_head();
        let name = self.ident("a name for the error").unwrap_or(Ident {
            name: sym::underscore,
            span: self.prev_span(),
        });
        self.cased(name, Names::Value("the name of an error"));
        let id = self.pat_id();
        let mut errors: &'a [_] = &[];
        if !self.panicking && self.at(T::Colon) {
            let type_follows = !self.token(self.pos + 1).line_start
                && matches!(self.peek_at(1), T::Ident)
                && self.catch_type_ends();
            if type_follows {
                self.bump();
                errors = self.error_list();
            }
        }
        self.header_colon("`catch`");
        let body = self.block();
        Catch {
            name,
            id,
            errors,
            body,
            span: self.span_from(start),
        }
    }

    /// Whether what stands behind the colon of `catch e:` is types up to a second colon.
    fn catch_type_ends(&self) -> bool {
        let mut at = self.pos + 1;
        loop {
            let token = self.token(at);
            match token.kind {
                _ if token.line_start => return true,
                T::Colon | T::LBrace => return true,
                T::Ident | T::Dot | T::Pipe | T::Comma | T::LBracket | T::RBracket | T::Plus => {}
                _ => return false,
            }
            at += 1;
        }
    }

    fn with_stmt(&mut self) -> StmtKind<'a> {
        self.bump();
        let mut bindings = Vec::new();
        loop {
            let start = self.raw().start;
            let Some(cap) = self.path("a capability") else {
                break;
            };
            if !self.eat(T::Assign) {
                if self.at(T::LParen) && !self.panicking {
                    let span = cap.span;
                    let help = match self.bound_as() {
                        Some(name) => format!("write `with {name} = …:`, as in `with Console = Buffer():`"),
                        None => "a file is read whole by `FileRead.read_text(path)?`; what has to be closed is closed in `defer:`".to_string(),
                    };
                    self.fail(
                        Diagnostic::error(codes::HABIT_KEYWORD, span, "`with` binds a capability")
                            .help(help),
                    );
                } else if !self.panicking {
                    let span = self.here();
                    self.fail(
                        Diagnostic::error(
                            codes::UNEXPECTED,
                            span,
                            format!("expected `=`, found {}", self.found()),
                        )
                        .help("`with` binds a capability: `with Console = Buffer():`"),
                    );
                }
                break;
            }
            let value = self.expression();
            bindings.push(WithBinding {
                cap,
                value,
                span: self.span_from(start),
            });
            if self.panicking || !self.eat(T::Comma) {
                break;
            }
        }
        self.header_colon("`with`");
        let body = self.block();
        StmtKind::With {
            bindings: self.slice(&bindings),
            body: self.alloc(body),
        }
    }

    fn allow_stmt(&mut self) -> StmtKind<'a> {
        self.bump();
        let caps: &'a [_] = if self.at_word(sym::none) {
            self.bump();
            &[]
        } else {
            self.cap_list()
        };
        self.header_colon("`allow`");
        let body = self.block();
        let body = self.alloc(body);
        StmtKind::Allow { caps, body }
    }

    fn assert_stmt(&mut self) -> StmtKind<'a> {
        self.bump();
        let word = self.prev_span();
        let cond = self.expression();
        if let ExprKind::Tuple([condition, message]) = cond.kind
            && !self.panicking
        {
            let span = cond.span;
            self.report(
                Diagnostic::error(
                    codes::HABIT_TUPLE,
                    span,
                    "the condition and the text of `assert` stand without parentheses",
                )
                .help("write `assert c, text`")
                .fix(word.after().to(condition.span.before()), " ")
                .fix(message.span.after().to(span.after()), ""),
            );
        }
        // Right inside a bracket the comma is the bracket's; a block on lines of its own is ordinary.
        let message = if !self.panicking && self.at(T::Comma) && !self.right_in_bracket() {
            self.bump();
            let message = self.expression();
            Some(self.alloc(message))
        } else {
            None
        };
        let cond = self.alloc(cond);
        StmtKind::Assert { cond, message }
    }

    fn select_stmt(&mut self) -> StmtKind<'a> {
        self.bump();
        self.bump();
        let mut arms = Vec::new();
        let first = self.raw();
        if first.indent <= self.block_indent() || first.kind == T::Eof {
            let span = self.prev_span().after();
            self.report(
                Diagnostic::error(
                    codes::EXPECTED_BLOCK,
                    span,
                    "the arms of this `select` are expected on lines of their own",
                )
                .help("indent them: `v = rx.recv() => …`"),
            );
        } else if let Some(saved) = self.enter() {
            self.lines(first.indent, |p| {
                let arm = p.select_arm();
                arms.push(arm);
            });
            self.leave(saved);
        }
        StmtKind::Select {
            arms: self.slice(&arms),
        }
    }

    fn select_arm(&mut self) -> SelectArm<'a> {
        let start = self.raw().start;
        let kind = if self.at(T::Else) {
            self.bump();
            SelectKind::Else
        } else if self.at_word(sym::timeout)
            && self.kind_begins_expression(self.peek_at(1))
            && self.peek_at(1) != T::LParen
            && self.peek_at(1) != T::LBracket
        {
            self.bump();
            SelectKind::Timeout(self.expression())
        } else if self.arm_binds() {
            let pat = self.pattern();
            self.need(T::Assign);
            let op = self.expression();
            SelectKind::Recv { pat, op }
        } else {
            SelectKind::Op(self.expression())
        };
        self.fat_arrow(false);
        let body = self.block();
        SelectArm {
            kind,
            body,
            span: self.span_from(start),
        }
    }

    /// Whether a `=` stands before the `=>` of this line.
    fn arm_binds(&self) -> bool {
        let mut depth = 0usize;
        let mut at = self.pos;
        loop {
            let token = self.token(at);
            if token.kind == T::Eof || (token.line_start && at != self.line_token) {
                return false;
            }
            match token.kind {
                T::Assign if depth == 0 => return true,
                T::FatArrow => return false,
                kind if kind.is_opener() => depth += 1,
                kind if kind.is_closer() => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
    }
}

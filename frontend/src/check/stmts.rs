//! Blocks and statements.

use super::body::{bad, ex};
use super::cx::{LoopCx, Want};
use super::types::TyPos;
use super::{Checker, codes};
use crate::ast::{self, Block, StmtKind};
use crate::diag::Diagnostic;
use crate::source::{Ident, Span};
use crate::thir::{Expr, ExprKind, ForIter, LoopId, Pat, PatKind, Stmt, Ty, TyKind, TyTable, UnOp};

impl<'a> Checker<'a, '_> {
    /// A block in its own scope. With a wanted type its value is coerced to that.
    pub(super) fn block(&mut self, b: &'a Block<'a>, want: Want) -> Expr {
        self.cx.push_scope();
        let e = self.block_inner(b, want);
        self.cx.pop_scope();
        e
    }

    fn block_inner(&mut self, b: &'a Block<'a>, want: Want) -> Expr {
        let mut stmts = Vec::new();
        let mut diverges = false;
        let mut warned = false;
        let last = b.stmts.len().saturating_sub(1);
        for (i, s) in b.stmts.iter().enumerate() {
            if self.sink.is_full() {
                break;
            }
            if diverges && !warned {
                warned = true;
                self.push(
                    Diagnostic::warning(codes::UNREACHABLE_CODE, s.span, "this is never reached")
                        .help("remove it, or what leaves before it"),
                );
            }
            if i == last
                && want != Want::Stmt
                && let StmtKind::Expr(e) = s.kind
            {
                let v = match want {
                    Want::Ty(t) => self.check_expr(e, t),
                    _ => self.expr(e, want),
                };
                let ty = if diverges { TyTable::NEVER } else { v.ty };
                return ex(ExprKind::Block(stmts, Some(Box::new(v))), ty, b.span);
            }
            diverges |= self.stmt(s, &mut stmts);
        }
        if diverges {
            return ex(ExprKind::Block(stmts, None), TyTable::NEVER, b.span);
        }
        if let Want::Ty(t) = want
            && self.shallow(t) != TyTable::UNIT
            && !self.is_error(t)
        {
            let t = self.show(t);
            self.err_help(
                codes::NO_VALUE,
                b.span,
                format!("this block has no value, but `{t}` is needed"),
                "end it with an expression",
            );
            return bad(b.span);
        }
        ex(ExprKind::Block(stmts, None), TyTable::UNIT, b.span)
    }

    /// Checks a statement; true if it does not end.
    fn stmt(&mut self, s: &'a ast::Stmt<'a>, out: &mut Vec<Stmt>) -> bool {
        self.cx.at = s.span;
        match s.kind {
            StmtKind::Expr(e) => {
                let v = self.expr(e, Want::Stmt);
                let never = self.is_never(v.ty);
                self.no_dropped_result(&v);
                self.no_idle_value(e, &v);
                out.push(Stmt::Expr(v));
                never
            }
            StmtKind::Let {
                pat,
                ty,
                init,
                otherwise,
            } => self.let_stmt(s.span, pat, ty, init, otherwise, out),
            StmtKind::Assign { target, op, value } => {
                self.assign(s.span, target, op, value, out);
                false
            }
            StmtKind::While { label, cond, body } => {
                let cond = self.check_expr(cond, TyTable::BOOL);
                let (id, _, body) = self.loop_body(label, body);
                out.push(Stmt::While {
                    id,
                    cond: Box::new(cond),
                    body: Box::new(body),
                });
                false
            }
            StmtKind::Loop { label, body } => {
                let (id, has_break, body) = self.loop_body(label, body);
                out.push(Stmt::Loop { id, body });
                !has_break
            }
            StmtKind::For {
                label,
                pat,
                iter,
                body,
            } => self.for_stmt(label, pat, iter, body, out),
            StmtKind::Try { body, catches } => {
                let e = self.try_stmt(s.span, body, catches);
                let never = self.is_never(e.ty);
                out.push(Stmt::Expr(e));
                never
            }
            StmtKind::With { bindings, body } => {
                let e = self.with_stmt(s.span, bindings, body);
                let never = self.is_never(e.ty);
                out.push(Stmt::Expr(e));
                never
            }
            StmtKind::Allow { caps, body } => {
                let e = self.allow_stmt(s.span, caps, body);
                let never = self.is_never(e.ty);
                out.push(Stmt::Expr(e));
                never
            }
            StmtKind::Concurrent { .. } => {
                self.not_supported(s.span, "`concurrent:` is");
                false
            }
            StmtKind::Select { .. } => {
                self.not_supported(s.span, "`select:` is");
                false
            }
            StmtKind::Defer { body } => {
                let outer = self.cx.frames.last_mut().map(|f| {
                    let deferred = Some((f.loops.len(), f.tries.len()));
                    std::mem::replace(&mut f.deferred, deferred)
                });
                let old_guard = std::mem::replace(&mut self.cx.in_guard, false);
                let e = self.block(body, Want::Stmt);
                self.cx.in_guard = old_guard;
                if let (Some(f), Some(outer)) = (self.cx.frames.last_mut(), outer) {
                    f.deferred = outer;
                }
                out.push(Stmt::Defer(e));
                false
            }
            StmtKind::Assert { cond, message } => {
                let text: String = self.sources.text(cond.span).chars().take(200).collect();
                let c = self.check_expr(cond, TyTable::BOOL);
                if self.purpose.tests
                    && message.is_none()
                    && let Some(told) = self.telling_assert(&c, &text, s.span)
                {
                    out.push(Stmt::Expr(told));
                    return false;
                }
                let m = match message {
                    Some(m) => self.check_expr(m, TyTable::STR),
                    None => ex(
                        ExprKind::Str(format!("assertion failed: {text}")),
                        TyTable::STR,
                        s.span,
                    ),
                };
                let not = ex(
                    ExprKind::Unary(UnOp::Not, Box::new(c)),
                    TyTable::BOOL,
                    s.span,
                );
                let panic = ex(ExprKind::Panic(Box::new(m)), TyTable::NEVER, s.span);
                out.push(Stmt::Expr(ex(
                    ExprKind::If(Box::new(not), Box::new(panic), None),
                    TyTable::UNIT,
                    s.span,
                )));
                false
            }
            StmtKind::Fn(f) => {
                self.local_fn(f);
                false
            }
            StmtKind::Pass => false,
            StmtKind::Error => {
                self.poisoned = true;
                false
            }
        }
    }

    pub(super) fn no_dropped_result(&mut self, v: &Expr) {
        if let TyKind::Adt(id, args) = self.kind(v.ty)
            && Some(id) == self.prog.lang.result
        {
            let e = args.get(1).map_or(String::new(), |e| self.show(*e));
            self.push(
                Diagnostic::error(
                    codes::IGNORED_RESULT,
                    v.span,
                    format!("this can fail with `{e}`, and nothing looks at it"),
                )
                .help(
                    "write `?` behind it to pass the error on, or `else` with a value or a way out",
                )
                .fix(v.span.after(), "?"),
            );
        }
    }

    /// Warns of an expression statement that has a value and nothing else. The warning waits for the end of the
    /// function: where `return` is missing, that is the fault.
    pub(super) fn no_idle_value(&mut self, e: &ast::Expr<'a>, v: &Expr) {
        use ast::ExprKind as A;
        let idle = match e.kind {
            A::Int(_) | A::Float(_) | A::Bool(_) | A::Char(_) | A::Str(_) | A::FStr(_) => true,
            A::Name(_) | A::Field { .. } | A::TupleField { .. } | A::Index { .. } => true,
            A::List(_) | A::ListRepeat { .. } | A::Map(_) | A::Range { .. } => true,
            A::Unary { .. } | A::Fn(_) => true,
            A::Tuple(parts) => !parts.is_empty(),
            A::Binary { op, .. } => !matches!(op, ast::BinaryOp::And | ast::BinaryOp::Or),
            _ => false,
        };
        if !idle || self.is_error(v.ty) || self.is_never(v.ty) {
            return;
        }
        let help = match e.kind {
            A::Binary {
                op: ast::BinaryOp::Eq,
                ..
            } => "assignment is written `=`",
            _ if matches!(e.kind, A::Str(_)) => {
                "documentation stands before what it documents, on lines that begin with `##`"
            }
            _ => "use it or remove it; the result of a function is what `return` says",
        };
        self.cx.idle.push(
            Diagnostic::warning(codes::UNUSED_VALUE, e.span, "this value goes nowhere").help(help),
        );
    }

    fn let_stmt(
        &mut self,
        span: Span,
        pat: &'a ast::Pat<'a>,
        ty: Option<&'a ast::TypeExpr<'a>>,
        init: &'a ast::Expr<'a>,
        otherwise: Option<&'a Block<'a>>,
        out: &mut Vec<Stmt>,
    ) -> bool {
        let mut declared = None;
        let init = match ty {
            Some(t) => {
                let scope = self.cx.scope.clone();
                let want = self.resolve_ty(t, &scope, TyPos::Other);
                declared = Some(want);
                let mut e = self.check_expr(init, want);
                if self.is_error(e.ty) {
                    e.ty = want;
                }
                e
            }
            None => self.expr(init, Want::Any),
        };
        let ty = match declared {
            Some(t) if self.is_never(init.ty) => t,
            _ if self.is_never(init.ty) => init.ty,
            _ => self.zonk(init.ty),
        };
        let captured = self.captures_of(&init);
        let never = self.is_never(init.ty);
        // The way out must not see what the pattern binds.
        let otherwise = otherwise.map(|b| {
            let e = self.block(b, Want::Stmt);
            if !self.is_never(e.ty) {
                self.err_help(
                    codes::DIVERGE,
                    b.span,
                    "this block has to leave, since the pattern did not match",
                    "end it with `return`, `raise`, `break`, `continue` or `panic(…)`",
                );
            }
            e
        });
        let p = self.bind_pat(pat, ty);
        if let (PatKind::Bind(local, None), TyKind::Borrowed(_)) = (&p.kind, self.kind(ty))
            && let Some(info) = self.cx.infos.get_mut(local.0 as usize)
        {
            info.captured = captured;
            if info.mutable {
                self.breach(
                    super::rules::Rule::BorrowedMutable,
                    span,
                    "a borrowed function cannot be held by a `mut` name",
                    "remove `mut`",
                );
            }
        }
        if otherwise.is_none() {
            self.need_irrefutable(&p, "`let` without `else`");
        }
        out.push(Stmt::Let {
            pat: p,
            init: Box::new(init),
            otherwise: otherwise.map(Box::new),
        });
        never
    }

    pub(super) fn need_irrefutable(&mut self, p: &Pat, place: &str) {
        if !self.irrefutable(p) {
            self.err_help(
                codes::REFUTABLE,
                p.span,
                format!("this pattern does not match every value, as {place} needs"),
                "use `match`, or `let … else:` with a way out",
            );
        }
    }

    fn irrefutable(&self, p: &Pat) -> bool {
        match &p.kind {
            PatKind::Wild | PatKind::Unit => true,
            PatKind::Bind(_, inner) => inner.as_ref().is_none_or(|i| self.irrefutable(i)),
            PatKind::Tuple(ps) => ps.iter().all(|p| self.irrefutable(p)),
            PatKind::Struct(fs) => fs.iter().all(|(_, p)| self.irrefutable(p)),
            PatKind::Variant(_, fs) => {
                let one = match self.prog.tys.kind(self.shallow(p.ty)) {
                    TyKind::Adt(id, _) => self
                        .prog
                        .adts
                        .get(id.0 as usize)
                        .is_some_and(|a| a.variants.len() == 1),
                    TyKind::Error => true,
                    _ => false,
                };
                one && fs.iter().all(|(_, p)| self.irrefutable(p))
            }
            PatKind::List { front, rest, back } => {
                front.is_empty() && back.is_empty() && rest.is_some()
            }
            PatKind::Or(ps) => ps.iter().any(|p| self.irrefutable(p)),
            _ => false,
        }
    }

    fn loop_body(&mut self, label: Option<Ident>, body: &'a Block<'a>) -> (LoopId, bool, Expr) {
        let id = self.cx.new_loop();
        self.push_loop(id, label);
        let body = self.block(body, Want::Stmt);
        let has_break = self.pop_loop();
        (id, has_break, body)
    }

    fn push_loop(&mut self, id: LoopId, label: Option<Ident>) {
        if let Some(label) = label
            && let Some(f) = self.cx.frames.last()
            && let Some(outer) = f.loops.iter().find(|l| l.label == Some(label.name))
        {
            let (text, at) = (self.text(label.name), outer.span);
            self.push(
                Diagnostic::error(
                    codes::DUPLICATE,
                    label.span,
                    format!("a loop around this one has the label `{text}` too"),
                )
                .note_at(at, "that one is here")
                .help("choose another label"),
            );
        }
        if let Some(f) = self.cx.frames.last_mut() {
            f.loops.push(LoopCx {
                id,
                label: label.map(|l| l.name),
                span: label.map_or(Span::default(), |l| l.span),
                has_break: false,
            });
        }
    }

    fn pop_loop(&mut self) -> bool {
        self.cx
            .frames
            .last_mut()
            .and_then(|f| f.loops.pop())
            .is_some_and(|l| l.has_break)
    }

    /// A deferred block runs on the way out of another: nothing leaves it but its end.
    pub(super) fn leaves_defer(&mut self, span: Span, what: &str) {
        self.err_help(
            codes::DEFER_LEAVES,
            span,
            format!("{what} would leave a `defer` block, which runs while something else leaves"),
            "let it reach its end; handle errors in it with `else` or `try`",
        );
    }

    pub(super) fn jump(&mut self, span: Span, label: Option<Ident>, is_break: bool) -> Expr {
        let word = if is_break { "break" } else { "continue" };
        if self.cx.in_guard {
            self.err(
                codes::GUARD_LEAVES,
                span,
                format!("a guard cannot `{word}`"),
            );
            return bad(span);
        }
        // A deferred block sees only its own loops.
        let mut hidden = false;
        let found = self.cx.frames.last_mut().and_then(|f| {
            let own = f.deferred.map_or(0, |(loops, _)| loops);
            let (at, found) = f
                .loops
                .iter_mut()
                .enumerate()
                .rev()
                .find(|(_, l)| label.is_none_or(|n| l.label == Some(n.name)))?;
            hidden = at < own;
            (!hidden).then_some(found)
        });
        if hidden {
            self.leaves_defer(span, &format!("`{word}`"));
            return ex(ExprKind::Unit, TyTable::ERROR, span);
        }
        match found {
            Some(l) => {
                l.has_break |= is_break;
                let id = l.id;
                let kind = if is_break {
                    ExprKind::Break(id)
                } else {
                    ExprKind::Continue(id)
                };
                ex(kind, TyTable::NEVER, span)
            }
            None => {
                let msg = match label {
                    Some(l) => format!("there is no loop `{}` around this", self.text(l.name)),
                    None => format!("`{word}` stands outside of a loop"),
                };
                self.err(codes::BAD_LOOP, span, msg);
                ex(ExprKind::Unit, TyTable::ERROR, span)
            }
        }
    }

    fn for_stmt(
        &mut self,
        label: Option<Ident>,
        pat: &'a ast::Pat<'a>,
        iter: &'a ast::Expr<'a>,
        body: &'a Block<'a>,
        out: &mut Vec<Stmt>,
    ) -> bool {
        let (iter, elem) = self.for_iter(iter);
        let id = self.cx.new_loop();
        self.cx.push_scope();
        let p = self.bind_pat(pat, elem);
        self.need_irrefutable(&p, "`for`");
        self.push_loop(id, label);
        let body = self.block(body, Want::Stmt);
        self.pop_loop();
        self.cx.pop_scope();
        match iter {
            // What would be walked is never there.
            ForIter::List(e) if self.is_never(e.ty) => {
                out.push(Stmt::Expr(e));
                true
            }
            iter => {
                out.push(Stmt::For {
                    id,
                    pat: p,
                    iter: Box::new(iter),
                    body: Box::new(body),
                });
                false
            }
        }
    }

    fn for_iter(&mut self, iter: &'a ast::Expr<'a>) -> (ForIter, Ty) {
        if let ast::ExprKind::Range {
            lo: Some(lo),
            hi: Some(hi),
            inclusive,
        } = iter.kind
        {
            let lo = self.check_expr(lo, TyTable::INT);
            let hi = self.check_expr(hi, TyTable::INT);
            return (ForIter::Range { lo, hi, inclusive }, TyTable::INT);
        }
        let e = self.expr(iter, Want::Any);
        let span = e.span;
        match self.kind(e.ty) {
            TyKind::Error => (ForIter::List(e), TyTable::ERROR),
            TyKind::Never => (ForIter::List(e), TyTable::NEVER),
            TyKind::List(t) => (ForIter::List(e), t),
            TyKind::Adt(id, _) if Some(id) == self.prog.lang.range => {
                (ForIter::RangeValue(e), TyTable::INT)
            }
            TyKind::Adt(id, _)
                if Some(id) == self.prog.lang.map || Some(id) == self.prog.lang.set =>
            {
                let name = if Some(id) == self.prog.lang.map {
                    "entries"
                } else {
                    "items"
                };
                let list = self.std_method(e, name, Vec::new(), span);
                match self.kind(list.ty) {
                    TyKind::List(t) => (ForIter::List(list), t),
                    _ => (ForIter::List(bad(span)), TyTable::ERROR),
                }
            }
            TyKind::Str => {
                self.err_help(
                    codes::NOT_ITERABLE,
                    span,
                    "a string is not walked as such",
                    "say what to walk: `.chars()`, `.bytes()` or `.lines()`",
                );
                (ForIter::List(bad(span)), TyTable::ERROR)
            }
            TyKind::Int => {
                let t: String = self.sources.text(span).to_string();
                self.push(
                    Diagnostic::error(codes::NOT_ITERABLE, span, "a number cannot be walked")
                        .help(format!("write a range: `0..{t}`"))
                        .fix(span.before(), "0.."),
                );
                (ForIter::List(bad(span)), TyTable::ERROR)
            }
            _ => self.for_next(e, span),
        }
    }

    /// Anything with `next() -> T?`.
    fn for_next(&mut self, e: Expr, span: Span) -> (ForIter, Ty) {
        let ty = e.ty;
        let next = crate::source::sym::next;
        if !self.has_method(ty, next) {
            let t = self.show(ty);
            let help = match self.kind(ty) {
                TyKind::Adt(id, _)
                    if Some(id) == self.prog.lang.result || Some(id) == self.prog.lang.option =>
                {
                    "handle the missing value first: `?` or `else`"
                }
                _ => "walk a list, a range, a map, a set, or something with `fn next(self) -> T?`",
            };
            self.err_help(
                codes::NOT_ITERABLE,
                span,
                format!("`{t}` cannot be walked"),
                help,
            );
            return (ForIter::List(bad(span)), TyTable::ERROR);
        }
        let state = self.cx.new_local("iterator", ty, false, span);
        let recv = ex(ExprKind::Local(state), ty, span);
        let call = self.method_on(recv, Ident { name: next, span }, &[], &[], Want::Any, span);
        if let TyKind::Adt(id, args) = self.kind(call.ty)
            && Some(id) == self.prog.lang.option
            && let Some(t) = args.first()
        {
            return (
                ForIter::Iterator {
                    state,
                    iter: e,
                    next: call,
                },
                *t,
            );
        }
        if !self.is_error(call.ty) {
            let t = self.show(call.ty);
            self.err_help(
                codes::NOT_ITERABLE,
                span,
                format!("`next` gives `{t}`, but a loop needs an option"),
                "declare `fn next(self) -> T?`, without errors",
            );
        }
        (ForIter::List(bad(span)), TyTable::ERROR)
    }
}

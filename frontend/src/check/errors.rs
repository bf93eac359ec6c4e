//! The error edge: `?`, `else`, `raise`, `try`, `return`.

use super::body::{bad, ex};
use super::cx::{Frame, FrameErrs, ScopeItem, TryCx, Want};
use super::rules::{Rule, broken};
use super::{Checker, codes};
use crate::ast::{self, Block};
use crate::diag::Diagnostic;
use crate::source::{Span, sym};
use crate::thir::{Catch, Expr, ExprKind, Ty, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    /// Value and error type of a `Result`.
    pub(super) fn as_result(&self, ty: Ty) -> Option<(Ty, Ty)> {
        match self.prog.tys.kind(self.shallow(ty)) {
            TyKind::Adt(id, args) if Some(*id) == self.prog.lang.result => {
                Some((*args.first()?, *args.get(1)?))
            }
            _ => None,
        }
    }

    pub(super) fn as_option(&self, ty: Ty) -> Option<Ty> {
        match self.prog.tys.kind(self.shallow(ty)) {
            TyKind::Adt(id, args) if Some(*id) == self.prog.lang.option => args.first().copied(),
            _ => None,
        }
    }

    pub(super) fn try_expr(&mut self, inner: &'a ast::Expr<'a>, want: Want, span: Span) -> Expr {
        let hint = match want {
            Want::Ty(t) => Want::Ret(t),
            _ => Want::Any,
        };
        let mut e = self.expr(inner, hint);
        if self.is_error(e.ty) {
            return bad(span);
        }
        let Some((value, errs)) = self.as_result(e.ty) else {
            let d = if self.as_option(e.ty).is_some() {
                Diagnostic::error(
                    codes::CANNOT_FAIL,
                    span,
                    "`?` passes errors on, and this is an option",
                )
                .help("write `else` with a value or a way out: `… else return None`")
            } else {
                Diagnostic::error(
                    codes::CANNOT_FAIL,
                    span,
                    "this cannot fail, so `?` does nothing",
                )
                .help("remove `?`")
                .fix(e.span.after().to(span), "")
            };
            self.push(d);
            return bad(span);
        };
        let errs = self.settle_errs(errs);
        if self.cx.in_guard {
            self.err_help(
                codes::GUARD_LEAVES,
                span,
                "a guard cannot fail: it is pure",
                "compute the value before the `match`",
            );
            return bad(span);
        }
        self.throw(errs, span);
        set_value_type(&mut e, value);
        wrap_value(e, |e| ex(ExprKind::Try(Box::new(e)), value, span))
    }

    /// Sends errors to the innermost `try`, else out of the function or literal.
    pub(super) fn throw(&mut self, errs: Ty, span: Span) {
        let errs = self.settle_errs(errs);
        for m in self.prog.tys.err_members(errs) {
            if m == TyTable::ERROR {
                continue;
            }
            let frame = self.cx.frames.last_mut();
            if frame
                .as_ref()
                .is_some_and(|f| f.deferred.is_some_and(|(_, tries)| f.tries.len() <= tries))
            {
                let e = self.show(m);
                self.leaves_defer(span, &format!("the error `{e}`"));
                return;
            }
            if let Some(t) = frame.and_then(|f| f.tries.last_mut()) {
                t.thrown.push((m, span));
            } else {
                self.throw_out(m, span);
            }
        }
    }

    fn throw_out(&mut self, m: Ty, span: Span) {
        let Some(frame) = self.cx.frames.last_mut() else {
            return;
        };
        let allowed = match &mut frame.errs {
            FrameErrs::Collect(list) => {
                if !list.contains(&m) {
                    list.push(m);
                }
                return;
            }
            FrameErrs::Declared(t) => *t,
        };
        let allowed = self.zonk(allowed);
        if allowed == TyTable::ERROR || self.prog.tys.err_members(allowed).contains(&m) {
            return;
        }
        let rule = Rule::ErrorsDeclared;
        if !broken(rule) {
            return;
        }
        let e = self.show(m);
        let in_literal = self.cx.frames.len() > 1;
        if in_literal {
            self.err_help(
                rule.code(),
                span,
                format!("`{e}` cannot leave this function literal"),
                "handle it here with `else`, `match` or `try`",
            );
            return;
        }
        let Some(id) = self.cx.fn_id else {
            return;
        };
        if !self.cx.told_errs.insert(m) {
            self.poisoned = true;
            return;
        }
        let sig = self.sig(id);
        let Some(item) = self.fn_item(id) else {
            self.err(
                rule.code(),
                span,
                format!("`{e}` cannot leave {}", sig.display),
            );
            return;
        };
        let d = Diagnostic::error(
            rule.code(),
            span,
            format!(
                "`{}` can fail with `{e}`, but its signature does not say so",
                sig.display
            ),
        );
        let d = if let Some(last) = item.errors.last() {
            d.help(format!(
                "add `| {e}` to its errors, or handle it here with `else`, `match` or `try`"
            ))
            .fix(last.span.after(), format!(" | {e}"))
        } else if item.wheres.is_empty() {
            d.help(format!(
                "add `! {e}` to its signature, or handle it here with `else`, `match` or `try`"
            ))
            .fix(sig.head.after(), format!(" ! {e}"))
        } else {
            d.help(format!(
                "add `! {e}` to its signature, or handle it here with `else`, `match` or `try`"
            ))
        };
        self.push(d.note_at(sig.head, "the signature is here"));
    }

    pub(super) fn else_expr(
        &mut self,
        value: &'a ast::Expr<'a>,
        fallback: &'a ast::Expr<'a>,
        want: Want,
        span: Span,
    ) -> Expr {
        let e = self.expr(value, Want::Any);
        if self.is_error(e.ty) {
            self.expr(fallback, Want::Any);
            return bad(span);
        }
        let inner = match self.as_result(e.ty) {
            Some((v, errs)) => {
                self.settle_errs(errs);
                v
            }
            None => match self.as_option(e.ty) {
                Some(v) => v,
                None => {
                    let t = self.show(e.ty);
                    self.err_help(
                        codes::CANNOT_FAIL,
                        e.span,
                        format!("`else` needs an option or something that can fail, this is `{t}`"),
                        "remove the `else`",
                    );
                    self.expr(fallback, Want::Any);
                    return bad(span);
                }
            },
        };
        if let Want::Ty(t) = want {
            // A hint for what the value leaves open (`None else []`).
            self.try_unify(inner, t);
        }
        let f = self.check_expr(fallback, inner);
        ex(ExprKind::Else(Box::new(e), Box::new(f)), inner, span)
    }

    pub(super) fn raise_expr(&mut self, value: &'a ast::Expr<'a>, span: Span) -> Expr {
        if self.cx.in_guard {
            self.err(codes::GUARD_LEAVES, span, "a guard cannot `raise`");
            return bad(span);
        }
        let e = self.expr(value, Want::Any);
        if self.is_error(e.ty) {
            return ex(ExprKind::Raise(Box::new(e)), TyTable::NEVER, span);
        }
        self.hint_raised(e.ty);
        let errs = self.zonk(e.ty);
        // What is wrong with the errors of the signature was told there.
        let told = self.cx.frames.last().is_some_and(|f| {
            matches!(f.errs, FrameErrs::Declared(t) if t == TyTable::ERROR) && f.tries.is_empty()
        });
        if told && self.cx.frames.len() == 1 {
            self.poisoned = true;
            return ex(ExprKind::Raise(Box::new(e)), TyTable::NEVER, span);
        }
        let good = self.check_err_members(errs, e.span);
        self.throw(good, span);
        ex(ExprKind::Raise(Box::new(e)), TyTable::NEVER, span)
    }

    /// Type arguments that a raised value leaves open (`Failed.Empty`) are those of the signature's error of that type.
    fn hint_raised(&mut self, ty: Ty) {
        let allowed = match self.cx.frames.last() {
            Some(Frame {
                errs: FrameErrs::Declared(t),
                tries,
                ..
            }) if tries.is_empty() => *t,
            _ => return,
        };
        let TyKind::Adt(id, _) = self.kind(ty) else {
            return;
        };
        let allowed = self.zonk(allowed);
        let mut same = Vec::new();
        for m in self.prog.tys.err_members(allowed) {
            if matches!(self.prog.tys.kind(m), TyKind::Adt(i, _) if *i == id) {
                same.push(m);
            }
        }
        if let [one] = same.as_slice() {
            self.try_unify(ty, *one);
        }
    }

    pub(super) fn return_expr(&mut self, value: Option<&'a ast::Expr<'a>>, span: Span) -> Expr {
        if self.cx.in_guard || self.cx.in_const {
            self.err(codes::GUARD_LEAVES, span, "`return` cannot stand here");
            return bad(span);
        }
        if self.cx.frames.last().is_some_and(|f| f.deferred.is_some()) {
            self.leaves_defer(span, "`return`");
            return bad(span);
        }
        let ret = match self.cx.frames.last_mut() {
            Some(f) => {
                f.saw_return = true;
                f.ret
            }
            None => TyTable::ERROR,
        };
        let v = match value {
            Some(v) => {
                let unit = self.shallow(ret) == TyTable::UNIT;
                let e = self.expr(v, Want::Ty(ret));
                if unit
                    && self.shallow(e.ty) != TyTable::UNIT
                    && !self.is_error(e.ty)
                    && !self.is_never(e.ty)
                {
                    let t = self.show(e.ty);
                    self.err_help(
                        codes::MISMATCH,
                        e.span,
                        format!("this function has no result, but here is `{t}`"),
                        format!("add `-> {t}` to its signature, or write `return` alone"),
                    );
                    bad(e.span)
                } else {
                    self.coerce(e, ret)
                }
                .into()
            }
            None => {
                if !self.unify(ret, TyTable::UNIT) {
                    let t = self.show(ret);
                    self.err_help(
                        codes::MISMATCH,
                        span,
                        format!("this function has to return a value of type `{t}`"),
                        "write the value behind `return`",
                    );
                }
                None::<Expr>
            }
        };
        ex(ExprKind::Return(v.map(Box::new)), TyTable::NEVER, span)
    }

    pub(super) fn try_stmt(
        &mut self,
        span: Span,
        body: &'a Block<'a>,
        catches: &'a [ast::Catch<'a>],
    ) -> Expr {
        if let Some(f) = self.cx.frames.last_mut() {
            f.tries.push(TryCx::default());
        }
        let b = self.block(body, Want::Stmt);
        let thrown = self
            .cx
            .frames
            .last_mut()
            .and_then(|f| f.tries.pop())
            .unwrap_or_default()
            .thrown;
        let mut left: Vec<(Ty, Span)> = thrown;
        let mut out = Vec::new();
        let mut all_never = self.is_never(b.ty);
        for c in catches {
            let scope = self.cx.scope.clone();
            let mut tys: Vec<Ty> = Vec::new();
            if c.errors.is_empty() {
                for (t, _) in &left {
                    if !tys.contains(t) {
                        tys.push(*t);
                    }
                }
                if tys.is_empty() && !self.poisoned {
                    self.err_help(
                        codes::BAD_CATCH,
                        c.name.span,
                        "nothing that this could take is raised in the `try` block",
                        "remove the clause",
                    );
                }
            } else {
                let set = self.resolve_errs(c.errors, &scope);
                for t in self.prog.tys.err_members(set) {
                    if t == TyTable::ERROR {
                        continue;
                    }
                    if !left.iter().any(|(l, _)| *l == t) {
                        let n = self.show(t);
                        self.push(
                            Diagnostic::warning(
                                codes::UNUSED_CATCH,
                                c.name.span,
                                format!("nothing in the `try` block raises `{n}`"),
                            )
                            .help("remove it from the clause"),
                        );
                    }
                    tys.push(t);
                }
            }
            left.retain(|(t, _)| !tys.contains(t));
            let ty = if tys.is_empty() {
                TyTable::ERROR
            } else {
                self.prog.tys.err_set(tys.iter().copied())
            };
            self.cx.push_scope();
            let local = if c.name.name == sym::underscore {
                None
            } else {
                let name = self.text(c.name.name);
                let l = self.cx.new_local(&name, ty, false, c.name.span);
                self.cx.bind(c.name.name, ScopeItem::Local(l));
                Some(l)
            };
            let body = self.block(&c.body, Want::Stmt);
            self.cx.pop_scope();
            all_never &= self.is_never(body.ty);
            out.push(Catch { tys, local, body });
        }
        for (t, s) in left {
            self.throw(t, s);
        }
        let ty = if all_never {
            TyTable::NEVER
        } else {
            TyTable::UNIT
        };
        ex(
            ExprKind::TryCatch {
                body: Box::new(b),
                catches: out,
            },
            ty,
            span,
        )
    }
}

/// Gives a call under `?` the type of its value edge. (Calls wrapped into a block of temporaries
/// keep the call as the block's value.)
fn set_value_type(e: &mut Expr, value: Ty) {
    match &mut e.kind {
        ExprKind::Call { errs, .. } if *errs != TyTable::NEVER => e.ty = value,
        ExprKind::Block(_, Some(v)) => {
            if matches!(v.kind, ExprKind::Call { .. } | ExprKind::Block(..)) {
                set_value_type(v, value);
            }
        }
        _ => {}
    }
}

/// Applies `f` to an expression, or to the value of the block that wraps it.
fn wrap_value(e: Expr, f: impl FnOnce(Expr) -> Expr) -> Expr {
    match e.kind {
        ExprKind::Block(stmts, Some(v)) => {
            let inner = wrap_value(*v, f);
            let ty = inner.ty;
            ex(ExprKind::Block(stmts, Some(Box::new(inner))), ty, e.span)
        }
        _ => f(e),
    }
}

//! Final types: after a body is checked, every type in it is replaced by its solution; what has none
//! is told.

use super::{Checker, codes};
use crate::source::Span;
use crate::thir::walk::Pass;
use crate::thir::{Callee, Expr, ExprKind, Pat, PatKind, Ty, TyTable};
use std::convert::Infallible;

impl<'a> Checker<'a, '_> {
    /// Settles what is open and makes all types of the body and its locals final.
    pub(super) fn finish_types(&mut self, body: Option<&mut Expr>) {
        self.settle_obligations(false);
        self.settle_obligations(true);
        if let Some(b) = body {
            let Ok(()) = Finish(self).expr(b);
        }
        for i in 0..self.cx.locals.len() {
            let Some(ty) = self.cx.locals.get(i).map(|l| l.ty) else {
                continue;
            };
            let span = self.cx.infos.get(i).map_or(Span::default(), |l| l.span);
            let t = self.fin(ty, span);
            if let Some(l) = self.cx.locals.get_mut(i) {
                l.ty = t;
            }
        }
    }

    fn fin(&mut self, ty: Ty, span: Span) -> Ty {
        if !self.prog.tys.has_infer(ty) {
            if ty == TyTable::ERROR {
                self.poisoned = true;
            }
            return ty;
        }
        let t = self.zonk(ty);
        if self.prog.tys.has_infer(t) {
            let open_err = self.settle_open_errs(t);
            if !self.prog.tys.has_infer(open_err) {
                return open_err;
            }
            if !self.poisoned {
                let shown = self.show(t);
                let msg = if shown == "_" {
                    "the type of this cannot be inferred".to_string()
                } else {
                    format!("the type of this cannot be inferred: `{shown}` is all that is known")
                };
                self.err_help(
                    codes::CANNOT_INFER,
                    span,
                    msg,
                    "write the type: in the `let`, or as type argument in brackets",
                );
            }
            self.poisoned = true;
            return TyTable::ERROR;
        }
        t
    }

    /// Variables that only stand for errors and that nothing bound are `Never`.
    fn settle_open_errs(&mut self, t: Ty) -> Ty {
        if std::mem::replace(&mut self.cx.settled, true) {
            return t;
        }
        for i in 0..self.cx.vars.len() {
            if let Some(v) = self.cx.vars.get_mut(i)
                && v.is_err
                && v.binding.is_none()
            {
                v.binding = Some(TyTable::NEVER);
            }
        }
        self.zonk(t)
    }

    fn fin_all(&mut self, tys: &mut [Ty], span: Span) {
        for t in tys {
            *t = self.fin(*t, span);
        }
    }
}

/// Makes the types of a body final.
struct Finish<'c, 'a, 't>(&'c mut Checker<'a, 't>);

impl Pass for Finish<'_, '_, '_> {
    type Stop = Infallible;

    fn expr(&mut self, e: &mut Expr) -> Result<(), Infallible> {
        let span = e.span;
        e.ty = self.0.fin(e.ty, span);
        match &mut e.kind {
            ExprKind::FnRef(_, tys) => self.0.fin_all(tys, span),
            ExprKind::Call {
                callee,
                args,
                ret,
                errs,
                ..
            } => {
                *ret = self.0.fin(*ret, span);
                *errs = self.0.fin(*errs, span);
                match &mut **callee {
                    Callee::Fn(f, tys) => {
                        self.0.fin_all(tys, span);
                        self.0.own_captures(*f, args, span);
                    }
                    Callee::Trait {
                        trait_args,
                        self_ty,
                        method_args,
                        ..
                    } => {
                        self.0.fin_all(trait_args, span);
                        *self_ty = self.0.fin(*self_ty, span);
                        self.0.fin_all(method_args, span);
                    }
                    Callee::Dyn { trait_args, .. } => self.0.fin_all(trait_args, span),
                    Callee::Value(_) | Callee::Cap { .. } => {}
                }
            }
            ExprKind::Lambda(l) => {
                l.ret = self.0.fin(l.ret, span);
                l.errs = self.0.fin(l.errs, span);
            }
            ExprKind::TryCatch { catches, .. } => {
                for c in catches {
                    self.0.fin_all(&mut c.tys, c.body.span);
                }
            }
            _ => {}
        }
        e.children(self)
    }

    fn pat(&mut self, p: &mut Pat) -> Result<(), Infallible> {
        let span = p.span;
        p.ty = self.0.fin(p.ty, span);
        if let PatKind::Member(t, _) = &mut p.kind {
            *t = self.0.fin(*t, span);
        }
        p.children(self)
    }
}

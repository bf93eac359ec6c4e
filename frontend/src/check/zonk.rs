//! Final types: after a body is checked, every type in it is replaced by its solution; what has none
//! is told.

use super::{Checker, codes};
use crate::source::Span;
use crate::thir::{Callee, Expr, ExprKind, ForIter, Pat, PatKind, Piece, Place, Stmt, Ty, TyTable};

impl<'a> Checker<'a, '_> {
    /// Settles what is open and makes all types of the body and its locals final.
    pub(super) fn finish_types(&mut self, body: Option<&mut Expr>) {
        self.settle_obligations(false);
        self.settle_obligations(true);
        if let Some(b) = body {
            self.fin_expr(b);
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

    fn fin_box(&mut self, e: &mut Expr) {
        self.fin_expr(e);
    }

    fn fin_exprs(&mut self, es: &mut [Expr]) {
        for e in es {
            self.fin_expr(e);
        }
    }

    fn fin_expr(&mut self, e: &mut Expr) {
        let span = e.span;
        e.ty = self.fin(e.ty, span);
        match &mut e.kind {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Byte(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Local(_)
            | ExprKind::Const(_)
            | ExprKind::Break(_)
            | ExprKind::Continue(_) => {}
            ExprKind::FnRef(_, tys) => self.fin_all(tys, span),
            ExprKind::Binary(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::ListFill(a, b)
            | ExprKind::Index(a, b)
            | ExprKind::Else(a, b) => {
                self.fin_box(a);
                self.fin_box(b);
            }
            ExprKind::Unary(_, a)
            | ExprKind::Convert(_, a)
            | ExprKind::Field(a, _)
            | ExprKind::Try(a)
            | ExprKind::MakeDyn(a)
            | ExprKind::WidenErr(a)
            | ExprKind::AsCap(a)
            | ExprKind::Recap(a)
            | ExprKind::Raise(a)
            | ExprKind::Panic(a) => self.fin_box(a),
            ExprKind::Return(a) => {
                if let Some(a) = a {
                    self.fin_box(a);
                }
            }
            ExprKind::Interp(parts) => {
                for p in parts {
                    if let Piece::Value(e, _) = p {
                        self.fin_expr(e);
                    }
                }
            }
            ExprKind::List(es) | ExprKind::Tuple(es) => self.fin_exprs(es),
            ExprKind::Construct { fields, .. } => self.fin_exprs(fields),
            ExprKind::Call {
                callee,
                caps,
                args,
                ret,
                errs,
            } => {
                *ret = self.fin(*ret, span);
                *errs = self.fin(*errs, span);
                match &mut **callee {
                    Callee::Fn(_, tys) => self.fin_all(tys, span),
                    Callee::Trait {
                        trait_args,
                        self_ty,
                        method_args,
                        ..
                    } => {
                        self.fin_all(trait_args, span);
                        *self_ty = self.fin(*self_ty, span);
                        self.fin_all(method_args, span);
                    }
                    Callee::Dyn { trait_args, .. } => self.fin_all(trait_args, span),
                    Callee::Value(f) => self.fin_box(f),
                    Callee::Cap { cap, .. } => self.fin_box(cap),
                }
                if let Callee::Fn(f, _) = &mut **callee {
                    self.own_captures(*f, args, span);
                }
                self.fin_exprs(caps);
                self.fin_exprs(args);
            }
            ExprKind::Lambda(l) => {
                l.ret = self.fin(l.ret, span);
                l.errs = self.fin(l.errs, span);
                self.fin_expr(&mut l.body);
            }
            ExprKind::BindFn { func, caps } => {
                self.fin_box(func);
                self.fin_exprs(caps);
            }
            ExprKind::Block(stmts, value) => {
                for s in stmts {
                    self.fin_stmt(s);
                }
                if let Some(v) = value {
                    self.fin_box(v);
                }
            }
            ExprKind::If(c, a, b) => {
                self.fin_box(c);
                self.fin_box(a);
                if let Some(b) = b {
                    self.fin_box(b);
                }
            }
            ExprKind::Match(s, arms) => {
                self.fin_box(s);
                for a in arms {
                    self.fin_pat(&mut a.pat);
                    if let Some(g) = &mut a.guard {
                        self.fin_expr(g);
                    }
                    self.fin_expr(&mut a.body);
                }
            }
            ExprKind::With(binds, body) => {
                for (_, e) in binds {
                    self.fin_expr(e);
                }
                self.fin_box(body);
            }
            ExprKind::TryCatch { body, catches } => {
                self.fin_box(body);
                for c in catches {
                    let s = c.body.span;
                    self.fin_all(&mut c.tys, s);
                    self.fin_expr(&mut c.body);
                }
            }
        }
    }

    fn fin_stmt(&mut self, s: &mut Stmt) {
        match s {
            Stmt::Expr(e) => self.fin_expr(e),
            Stmt::Let {
                pat,
                init,
                otherwise,
            } => {
                self.fin_expr(init);
                self.fin_pat(pat);
                if let Some(o) = otherwise {
                    self.fin_expr(o);
                }
            }
            Stmt::Assign { place, value, .. } => {
                match place {
                    Place::Local(_) => {}
                    Place::Field(e, _) => self.fin_expr(e),
                    Place::Index(a, b) => {
                        self.fin_expr(a);
                        self.fin_expr(b);
                    }
                }
                self.fin_expr(value);
            }
            Stmt::While { cond, body, .. } => {
                self.fin_expr(cond);
                self.fin_expr(body);
            }
            Stmt::Loop { body, .. } | Stmt::Defer(body) => self.fin_expr(body),
            Stmt::For {
                pat, iter, body, ..
            } => {
                match &mut **iter {
                    ForIter::Range { lo, hi, .. } => {
                        self.fin_expr(lo);
                        self.fin_expr(hi);
                    }
                    ForIter::RangeValue(e) | ForIter::List(e) => self.fin_expr(e),
                    ForIter::Iterator { iter, next, .. } => {
                        self.fin_expr(iter);
                        self.fin_expr(next);
                    }
                }
                self.fin_pat(pat);
                self.fin_expr(body);
            }
        }
    }

    fn fin_pat(&mut self, p: &mut Pat) {
        let span = p.span;
        p.ty = self.fin(p.ty, span);
        match &mut p.kind {
            PatKind::Bind(_, Some(inner)) => self.fin_pat(inner),
            PatKind::Variant(_, fs) | PatKind::Struct(fs) => {
                for (_, f) in fs {
                    self.fin_pat(f);
                }
            }
            PatKind::Member(t, inner) => {
                *t = self.fin(*t, span);
                self.fin_pat(inner);
            }
            PatKind::Tuple(ps) | PatKind::Or(ps) => {
                for p in ps {
                    self.fin_pat(p);
                }
            }
            PatKind::List { front, back, .. } => {
                for p in front.iter_mut().chain(back) {
                    self.fin_pat(p);
                }
            }
            _ => {}
        }
    }
}

//! Coercions: making a checked expression fit a type, or saying why it does not.

use super::body::{bad, ex};
use super::{Checker, codes};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{
    AdtKind, Callee, Expr, ExprKind, FnTy, Lambda, LocalId, Pat, PatKind, Stmt, Ty, TyKind, TyTable,
};

impl<'a> Checker<'a, '_> {
    /// Makes an expression fit a type.
    pub(super) fn coerce(&mut self, e: Expr, want: Ty) -> Expr {
        let from = self.shallow(e.ty);
        let to = self.shallow(want);
        if from == to || from == TyTable::NEVER {
            return e;
        }
        let kf = self.prog.tys.kind(from).clone();
        let kt = self.prog.tys.kind(to).clone();
        match (&kf, &kt) {
            (TyKind::Error, _) | (_, TyKind::Error) => return e,
            (TyKind::Adt(id, _), TyKind::Dyn(t, args)) => {
                if matches!(self.adt_kind(*id), AdtKind::Attenuator | AdtKind::Handle) {
                    return self.mismatch(e, to);
                }
                return self.make_dyn(e, *t, args.clone(), to);
            }
            (
                TyKind::Int
                | TyKind::Float
                | TyKind::Bool
                | TyKind::Byte
                | TyKind::Char
                | TyKind::Str
                | TyKind::List(_)
                | TyKind::Tuple(_)
                | TyKind::Param(_)
                | TyKind::Unit,
                TyKind::Dyn(t, args),
            ) => return self.make_dyn(e, *t, args.clone(), to),
            (TyKind::Dyn(s, _), TyKind::Dyn(t, args)) if s != t => {
                return self.make_dyn(e, *t, args.clone(), to);
            }
            (TyKind::Fn(f), TyKind::Borrowed(g)) => {
                return self.bind_fn(e, f.clone(), g.clone(), to);
            }
            (TyKind::Borrowed(f), TyKind::Borrowed(g)) => {
                return self.fit_fn(e, f.clone(), g.clone(), to, false);
            }
            (TyKind::Fn(f), TyKind::Fn(g)) => {
                return self.fit_fn(e, f.clone(), g.clone(), to, true);
            }
            (TyKind::Borrowed(_), TyKind::Fn(_)) => {
                let span = e.span;
                let refused = self.breach(
                    super::rules::Rule::BorrowedStored,
                    span,
                    "a borrowed function cannot be stored",
                    "declare the parameter that it came by as `own fn(…)`, or write a literal that captures data only: no `mut` name, no capability, no other borrowed function",
                );
                return if refused {
                    bad(span)
                } else {
                    Expr { ty: to, ..e }
                };
            }
            (_, TyKind::ErrSet(_)) => {
                let f = self.zonk(from);
                let t = self.zonk(to);
                if self.cover_errs(t, f) {
                    let t = self.zonk(t);
                    let f = self.zonk(f);
                    if t == f {
                        return e;
                    }
                    let span = e.span;
                    return ex(ExprKind::WidenErr(Box::new(e)), t, span);
                }
                return self.mismatch(e, to);
            }
            _ => {}
        }
        if let (Some((v1, e1)), Some((v2, e2))) = (self.as_result(from), self.as_result(to)) {
            let mark = self.mark();
            if self.unify(from, to) {
                return e;
            }
            self.rollback(mark);
            let direct = match &e.kind {
                ExprKind::Call { errs, .. } => *errs != TyTable::NEVER,
                ExprKind::Block(_, Some(v)) => {
                    matches!(&v.kind, ExprKind::Call { errs, .. } if *errs != TyTable::NEVER)
                }
                _ => false,
            };
            let e1 = self.settle_errs(e1);
            if direct && self.unify(v1, v2) && self.cover_errs(e2, e1) {
                let e2 = self.zonk(e2);
                return self.widen_result(e, to, v1, e1, e2);
            }
            return self.mismatch(e, to);
        }
        let mark = self.mark();
        if self.unify(from, to) {
            return e;
        }
        self.rollback(mark);
        self.mismatch(e, to)
    }

    fn make_dyn(&mut self, e: Expr, t: crate::thir::TraitId, args: Vec<Ty>, to: Ty) -> Expr {
        let span = e.span;
        let why = format!("an object of `{}`", self.show(to));
        self.cx.oblige(e.ty, t, args, span, why);
        ex(ExprKind::MakeDyn(Box::new(e)), to, span)
    }

    fn unify_params(&mut self, f: &FnTy, g: &FnTy) -> bool {
        f.params.len() == g.params.len()
            && f.params
                .iter()
                .zip(&g.params)
                .all(|(a, b)| self.unify(*a, *b))
            && self.unify(f.ret, g.ret)
    }

    /// A stored or named function for a borrowed parameter: its `uses` are bound here.
    fn bind_fn(&mut self, e: Expr, f: FnTy, g: FnTy, to: Ty) -> Expr {
        let span = e.span;
        if !self.unify_params(&f, &g) {
            return self.mismatch(e, to);
        }
        let ferrs = self.settle_errs(f.errs);
        if !self.cover_errs(g.errs, ferrs) {
            return self.mismatch(e, to);
        }
        let what = match &e.kind {
            ExprKind::FnRef(id, _) => super::caps::Callee::Fn(*id),
            _ => super::caps::Callee::Value,
        };
        let caps = self.hidden_args(&f.uses, span, what);
        let gerrs = self.zonk(g.errs);
        if gerrs == ferrs {
            return ex(
                ExprKind::BindFn {
                    func: Box::new(e),
                    caps,
                },
                to,
                span,
            );
        }
        // An adapter for more errors: the bound function in a name, called by a borrowed literal.
        let narrow = FnTy {
            params: g.params.clone(),
            uses: Vec::new(),
            ret: g.ret,
            errs: ferrs,
        };
        let nty = self.mk(TyKind::Borrowed(narrow));
        let bound = ex(
            ExprKind::BindFn {
                func: Box::new(e),
                caps,
            },
            nty,
            span,
        );
        self.adapter(bound, &g, gerrs, ferrs, to, false, span)
    }

    /// The same kind of function with perhaps fewer errors or `uses`.
    fn fit_fn(&mut self, e: Expr, f: FnTy, g: FnTy, to: Ty, storable: bool) -> Expr {
        let span = e.span;
        if !self.unify_params(&f, &g) {
            return self.mismatch(e, to);
        }
        let ferrs = self.settle_errs(f.errs);
        if !self.cover_errs(g.errs, ferrs) {
            return self.mismatch(e, to);
        }
        let gerrs = self.zonk(g.errs);
        if !self.cover_uses(&g.uses, &f.uses)
            && super::rules::broken(super::rules::Rule::StorableWiden)
        {
            return self.mismatch(e, to);
        }
        let uses = self.zonk_uses(&g.uses);
        if gerrs == ferrs && self.zonk_uses(&f.uses) == uses {
            return e;
        }
        if uses.iter().any(|c| c.as_infer().is_some()) {
            return self.mismatch(e, to);
        }
        let g = FnTy { uses, ..g };
        self.adapter(e, &g, gerrs, ferrs, to, storable, span)
    }

    /// A literal of type `to` that calls `f`, which has fewer errors or `uses`.
    #[allow(clippy::too_many_arguments)]
    fn adapter(
        &mut self,
        f: Expr,
        g: &FnTy,
        gerrs: Ty,
        ferrs: Ty,
        to: Ty,
        storable: bool,
        span: Span,
    ) -> Expr {
        let fty = f.ty;
        let inner_uses = match self.kind(fty) {
            TyKind::Fn(t) => self.zonk_uses(&t.uses),
            _ => Vec::new(),
        };
        let mut stmts = Vec::new();
        let held = match &f.kind {
            ExprKind::Local(id) if !self.cx.infos.get(id.0 as usize).is_some_and(|i| i.mutable) => {
                *id
            }
            _ => {
                let local = self.cx.new_local("function", fty, false, span);
                stmts.push(Stmt::Let {
                    pat: Pat {
                        kind: PatKind::Bind(local, None),
                        ty: fty,
                        span,
                    },
                    init: Box::new(f),
                    otherwise: None,
                });
                local
            }
        };
        let mut uses = Vec::new();
        if storable {
            for c in &g.uses {
                let l = self.cap_local(*c, span);
                uses.push((*c, l));
            }
        }
        let mut params: Vec<LocalId> = Vec::new();
        let mut args = Vec::new();
        for t in &g.params {
            let l = self.cx.new_local("x", *t, false, span);
            params.push(l);
            args.push(ex(ExprKind::Local(l), *t, span));
        }
        let mut caps = Vec::new();
        for c in &inner_uses {
            if let Some((_, l)) = uses.iter().find(|(d, _)| d == c) {
                let ty = self.prog.tys.intern(TyKind::Cap(*c));
                caps.push(ex(ExprKind::Local(*l), ty, span));
            }
        }
        let can_fail = ferrs != TyTable::NEVER;
        let call = ex(
            ExprKind::Call {
                callee: Box::new(Callee::Value(Box::new(ex(
                    ExprKind::Local(held),
                    fty,
                    span,
                )))),
                caps,
                args,
                ret: g.ret,
                errs: ferrs,
            },
            g.ret,
            span,
        );
        let body = if can_fail {
            ex(ExprKind::Try(Box::new(call)), g.ret, span)
        } else {
            call
        };
        let lambda = ex(
            ExprKind::Lambda(Box::new(Lambda {
                storable,
                uses,
                params,
                ret: g.ret,
                errs: gerrs,
                body,
            })),
            to,
            span,
        );
        if stmts.is_empty() {
            return lambda;
        }
        ex(ExprKind::Block(stmts, Some(Box::new(lambda))), to, span)
    }

    /// Says that an expression has the wrong type, and what to write.
    pub(super) fn mismatch(&mut self, e: Expr, want: Ty) -> Expr {
        let span = e.span;
        let from = self.zonk(e.ty);
        let to = self.zonk(want);
        if self.is_error(from) || self.is_error(to) {
            return bad(span);
        }
        let (f, t) = (self.show(from), self.show(to));
        let mut d = Diagnostic::error(
            codes::MISMATCH,
            span,
            format!("this is `{f}`, but `{t}` is needed"),
        )
        .label(format!("`{f}`"));
        let kf = self.prog.tys.kind(from).clone();
        let kt = self.prog.tys.kind(to).clone();
        let result = self.as_result(from);
        let option = self.as_option(from);
        let want_option = self.as_option(to);
        if let (TyKind::Int, TyKind::Float) = (&kf, &kt) {
            d = match &e.kind {
                ExprKind::Int(n) => {
                    let text = self.sources.text(span);
                    let plain = text
                        .bytes()
                        .all(|b| b.is_ascii_digit() || b == b'_' || b == b'-');
                    let new = if plain {
                        format!("{text}.0")
                    } else {
                        format!("{n}.0")
                    };
                    d.help(format!("write it as a float: `{new}`"))
                        .fix(span, new)
                }
                _ => d.help("convert it: `float(…)`"),
            };
        } else if let (TyKind::Float, TyKind::Int) = (&kf, &kt) {
            d = d.help("convert it: `int(…)` cuts off the digits after the point");
        } else if let (TyKind::Byte | TyKind::Char | TyKind::Bool, TyKind::Int) = (&kf, &kt) {
            d = d.help("convert it: `int(…)`");
        } else if let TyKind::Bool = &kt
            && result.is_none()
            && option.is_none()
        {
            d = d.help("write a comparison: nothing but a `bool` is true or false");
        } else if let (TyKind::Int, TyKind::Byte) = (&kf, &kt) {
            d = d.help("convert it: `byte(…)`");
        } else if let (TyKind::Char, TyKind::Str) = (&kf, &kt) {
            d = d.help(
                "a `char` stands in single quotes, a `string` in double ones; `string(…)` converts",
            );
        } else if let (TyKind::Str, TyKind::Char) = (&kf, &kt) {
            d = d.help("write the character in single quotes: `'x'`");
        } else if let TyKind::Str = &kt
            && result.is_none()
            && option.is_none()
        {
            d = d.help("convert it: `string(…)`, or put it into an f-string");
        } else if let Some((v, _)) = result
            && self.unifies(v, to)
            && let ExprKind::Construct { variant, fields } = &e.kind
        {
            let inner = fields.first().map_or("…", |f| self.sources.text(f.span));
            d = if *variant == 0 {
                d.help("a function that can fail returns the plain value: leave out `Ok`")
                    .fix(span, inner.to_string())
            } else {
                d.help(format!("an error is raised, not returned: `raise {inner}`"))
            };
        } else if let Some((v, _)) = result
            && self.unifies(v, to)
        {
            d = d
                .help("it can fail: write `?` behind it to pass the error on, or `else` with a value or a way out")
                .fix(span.after(), "?");
        } else if let Some(v) = option
            && self.unifies(v, to)
        {
            d = d.help(
                "it may be missing: write `else` with a value or a way out, or `match` on it",
            );
        } else if let Some(v) = want_option
            && self.unifies(from, v)
        {
            d = d
                .help("wrap it: `Some(…)`")
                .fix(span, format!("Some({})", self.sources.text(span)));
        } else if let (TyKind::Fn(_) | TyKind::Borrowed(_), TyKind::Fn(_) | TyKind::Borrowed(_)) =
            (&kf, &kt)
        {
            d = d.help(
                "parameters and result have to be equal; it may use and raise less, not more",
            );
        }
        self.push(d);
        bad(span)
    }
}

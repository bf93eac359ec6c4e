//! Calls: of names, values, constructors; arguments; conversions.

use super::body::{bad, ex, gone};
use super::cx::Want;
use super::expr::St;
use super::local_fn::Found;
use super::{Checker, Def, ParamSig, Sig, codes};
use crate::ast::{self, Arg, ExprKind as A, Ident, TypeExpr};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol, sym};
use std::fmt::Display;

use crate::thir::{
    AdtId, AdtKind, Callee, Expr, ExprKind, FnId, Pat, PatKind, Stmt, Ty, TyKind, TyTable,
};

/// What a message names, in backticks; made into text only for a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticked<'t>(pub &'t str);

impl Display for Ticked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Where the value of a parameter comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Arg(usize),
    Default(FnId),
    /// Missing, told.
    Missing,
}

/// A parameter to be filled.
#[derive(Clone, Debug)]
pub(super) struct Formal {
    pub name: Symbol,
    pub ty: Ty,
    pub default: Option<FnId>,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn call(
        &mut self,
        callee: &'a ast::Expr<'a>,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        if let A::Name(s) = callee.kind {
            let name = Ident {
                name: s,
                span: callee.span,
            };
            match self.find_local(s, name.span) {
                Found::Fn(f) => {
                    return self.call_fn(f, None, type_args, args, want, span);
                }
                Found::Local(_) => {}
                Found::Bad => {
                    self.drop_args(args);
                    return bad(span);
                }
                Found::None => {
                    if let Some((adt, i)) = self.short_variant(s) {
                        return self.construct(adt, i, None, args, want, span);
                    }
                    let own = self
                        .module(self.cx.scope.module)
                        .is_some_and(|m| m.names.contains_key(&s));
                    if s == sym::panic && !own {
                        return self.panic_call(args, span);
                    }
                    if s == sym::dbg && self.lookup_name(self.cx.scope.module, s).is_none() {
                        return self.dbg_call(args, span);
                    }
                    if s == sym::channel && self.lookup_name(self.cx.scope.module, s).is_none() {
                        self.not_supported(span, "tasks and channels are");
                        return bad(span);
                    }
                    if let Some(st) = self.static_of(callee) {
                        return self.call_static(st, name, type_args, args, want, span);
                    }
                    self.unknown_value(name);
                    self.drop_args(args);
                    return bad(span);
                }
            }
        }
        let f = self.expr(callee, Want::Any);
        if let Some(t) = type_args.first() {
            self.err(
                codes::TYPE_ARGS,
                t.span,
                "a function value takes no type arguments",
            );
        }
        self.call_value(f, args, want, span)
    }

    /// A call of something that a path names.
    pub(super) fn call_static(
        &mut self,
        st: St,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let text = self.text(name.name);
        match st {
            St::Bad => bad(span),
            St::Def(Def::Fn(f)) => self.call_fn(f, None, type_args, args, want, span),
            St::Def(Def::Adt(id)) => {
                if !matches!(self.adt_kind(id), AdtKind::Struct | AdtKind::Attenuator) {
                    let help = if self.adt_kind(id) == AdtKind::Handle {
                        "a capability's method gives it out"
                    } else {
                        "name the variant: `.Variant(…)` behind it"
                    };
                    self.err_help(
                        codes::NOT_CALLABLE,
                        span,
                        format!("`{text}` cannot be built like this"),
                        help,
                    );
                    return bad(span);
                }
                let tys = self.written_args(id, type_args, span);
                self.construct(id, 0, tys, args, want, span)
            }
            St::Adt(id, tys) => {
                if !matches!(self.adt_kind(id), AdtKind::Struct | AdtKind::Attenuator) {
                    self.err(
                        codes::NOT_CALLABLE,
                        span,
                        format!("`{text}` cannot be built like this"),
                    );
                    return bad(span);
                }
                self.construct(id, 0, Some(tys), args, want, span)
            }
            St::Variant(id, i, tys) => {
                if let Some(t) = type_args.first() {
                    self.err_help(
                        codes::TYPE_ARGS,
                        t.span,
                        "a variant takes no type arguments",
                        "write them behind the enum's name",
                    );
                }
                self.construct(id, i, tys, args, want, span)
            }
            St::Ty(t) => self.convert(t, name, args, span),
            St::Def(Def::Const(c)) => {
                let ty = self.const_ty(c);
                let f = ex(ExprKind::Const(c), ty, name.span);
                self.call_value(f, args, want, span)
            }
            St::Def(d) => {
                let k = self.def_kind(d);
                self.err(
                    codes::NOT_CALLABLE,
                    name.span,
                    format!("`{text}` is {k}, not a function"),
                );
                bad(span)
            }
        }
    }

    pub(super) fn written_args(
        &mut self,
        id: AdtId,
        type_args: &'a [TypeExpr<'a>],
        span: Span,
    ) -> Option<Vec<Ty>> {
        if type_args.is_empty() {
            return None;
        }
        let scope = self.cx.scope.clone();
        let tys = self.resolve_adt_args(id, type_args, &scope);
        let want = self.adt_arity(id);
        if tys.len() != want {
            let n = self.adt_name(id);
            self.err(
                codes::TYPE_ARGS,
                span,
                format!("`{n}` takes {want} type arguments, here are {}", tys.len()),
            );
            return Some(vec![TyTable::ERROR; want]);
        }
        Some(tys)
    }

    pub(super) fn panic_call(&mut self, args: &'a [Arg<'a>], span: Span) -> Expr {
        let [a] = args else {
            self.err_help(
                codes::ARGUMENTS,
                span,
                "`panic` takes one string",
                "write `panic(\"what went wrong\")`",
            );
            return ex(ExprKind::Unit, TyTable::NEVER, span);
        };
        let m = self.check_expr(&a.value, TyTable::STR);
        ex(ExprKind::Panic(Box::new(m)), TyTable::NEVER, span)
    }

    /// Fills parameters from positional and named arguments and defaults.
    pub(super) fn slots(
        &mut self,
        formals: &[Formal],
        args: &'a [Arg<'a>],
        span: Span,
        what: &dyn Display,
    ) -> Option<Vec<Slot>> {
        let mut slots: Vec<Option<Slot>> = vec![None; formals.len()];
        let mut ok = true;
        let names: Vec<Symbol> = formals.iter().map(|f| f.name).collect();
        for (i, a) in args.iter().enumerate() {
            let pos = match a.name {
                None => {
                    if i >= formals.len() {
                        let n = formals.len();
                        self.err_help(
                            codes::ARGUMENTS,
                            a.value.span,
                            format!(
                                "{what} takes {n} argument{}, here are {}",
                                if n == 1 { "" } else { "s" },
                                args.len()
                            ),
                            self.formals_help(formals),
                        );
                        return None;
                    }
                    i
                }
                Some(n) => match names.iter().position(|x| *x == n.name) {
                    Some(p) => p,
                    None => {
                        let t = self.text(n.name);
                        let help = match self.closest(&t, &names) {
                            Some(c) => format!("did you mean `{c}`?"),
                            None => self.formals_help(formals),
                        };
                        self.err_help(
                            codes::ARGUMENTS,
                            n.span,
                            format!("{what} has no parameter `{t}`"),
                            help,
                        );
                        ok = false;
                        continue;
                    }
                },
            };
            if let Some(s) = slots.get_mut(pos) {
                if s.is_some() {
                    let t = names.get(pos).map_or(String::new(), |n| self.text(*n));
                    self.err(
                        codes::ARGUMENTS,
                        a.value.span,
                        format!("`{t}` is given twice"),
                    );
                    ok = false;
                } else {
                    *s = Some(Slot::Arg(i));
                }
            }
        }
        let mut missing = Vec::new();
        let mut out = Vec::new();
        for (s, f) in slots.into_iter().zip(formals) {
            out.push(match (s, f.default) {
                (Some(s), _) => s,
                (None, Some(d)) => Slot::Default(d),
                (None, None) => {
                    missing.push(self.text(f.name));
                    Slot::Missing
                }
            });
        }
        if !ok {
            return None;
        }
        if !missing.is_empty() {
            self.err_help(
                codes::ARGUMENTS,
                span,
                format!("{what} also needs `{}`", missing.join("`, `")),
                self.formals_help(formals),
            );
            return None;
        }
        Some(out)
    }

    pub(super) fn formals_help(&self, formals: &[Formal]) -> String {
        if formals.is_empty() {
            return "write `()`".to_string();
        }
        let parts: Vec<String> = formals
            .iter()
            .map(|f| format!("{}: {}", self.text(f.name), self.show(f.ty)))
            .collect();
        format!("it takes ({})", parts.join(", "))
    }

    /// Checks arguments against formals; statements for temporaries go to `prefix`. `targs` are
    /// the type arguments for defaults. With `caps`, capability arguments may stand (constructors of
    /// attenuators).
    pub(super) fn arguments(
        &mut self,
        formals: &[Formal],
        args: &'a [Arg<'a>],
        targs: &[Ty],
        span: Span,
        what: &dyn Display,
        prefix: &mut Vec<Stmt>,
    ) -> Vec<Expr> {
        // As most calls are: one argument for each parameter, in order, function literals last.
        let is_literal = |a: &Arg<'a>| matches!(a.value.kind, A::Fn(_));
        let plain = args.len() == formals.len()
            && args.iter().all(|a| a.name.is_none())
            && args.is_sorted_by_key(is_literal);
        if plain {
            let mut out = Vec::with_capacity(args.len());
            for (a, f) in args.iter().zip(formals) {
                out.push(self.argument(&a.value, f.ty));
            }
            return out;
        }
        let Some(slots) = self.slots(formals, args, span, what) else {
            self.drop_args(args);
            return formals.iter().map(|_| bad(span)).collect();
        };
        // Which formal each written argument fills.
        let mut fills: Vec<Option<Ty>> = vec![None; args.len()];
        for (s, f) in slots.iter().zip(formals) {
            if let Slot::Arg(i) = s
                && let Some(x) = fills.get_mut(*i)
            {
                *x = Some(f.ty);
            }
        }
        let mut values: Vec<Option<Expr>> = vec![None; args.len()];
        for literals in [false, true] {
            for (i, a) in args.iter().enumerate() {
                if matches!(a.value.kind, A::Fn(_)) != literals {
                    continue;
                }
                let ty = fills.get(i).copied().flatten().unwrap_or(TyTable::ERROR);
                let v = self.argument(&a.value, ty);
                if let Some(x) = values.get_mut(i) {
                    *x = Some(v);
                }
            }
        }
        let order: Vec<usize> = slots
            .iter()
            .filter_map(|s| match s {
                Slot::Arg(i) => Some(*i),
                _ => None,
            })
            .collect();
        if !order.windows(2).all(|w| w.first() < w.get(1)) {
            // Evaluated as written, handed over as declared.
            for v in values.iter_mut().flatten() {
                self.put_in_temp(v, prefix);
            }
        }
        let mut out = Vec::new();
        for (s, f) in slots.iter().zip(formals) {
            out.push(match s {
                Slot::Arg(i) => values
                    .get_mut(*i)
                    .and_then(Option::take)
                    .unwrap_or_else(|| bad(span)),
                Slot::Default(d) => ex(
                    ExprKind::Call {
                        callee: Box::new(Callee::Fn(*d, targs.to_vec())),
                        caps: Vec::new(),
                        args: Vec::new(),
                        ret: f.ty,
                        errs: TyTable::NEVER,
                    },
                    f.ty,
                    span,
                ),
                Slot::Missing => bad(span),
            });
        }
        out
    }

    /// Puts a value that takes work into a temporary.
    pub(super) fn put_in_temp(&mut self, v: &mut Expr, prefix: &mut Vec<Stmt>) {
        let simple = match &v.kind {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Byte(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Const(_)
            | ExprKind::Lambda(_)
            | ExprKind::BindFn { .. }
            | ExprKind::FnRef(..) => true,
            ExprKind::Local(id) => !self.cx.infos.get(id.0 as usize).is_some_and(|i| i.mutable),
            _ => false,
        };
        let second = match self.kind_ref(v.ty) {
            TyKind::Cap(_) | TyKind::Borrowed(_) => true,
            TyKind::Adt(id, _) => self.adt_kind(*id) == AdtKind::Attenuator,
            _ => false,
        };
        if simple || second {
            return;
        }
        let span = v.span;
        let ty = v.ty;
        let local = self.cx.new_local("argument", ty, false, span);
        let init = std::mem::replace(v, ex(ExprKind::Local(local), ty, span));
        prefix.push(Stmt::Let {
            pat: Pat {
                kind: PatKind::Bind(local, None),
                ty,
                span,
            },
            init: Box::new(init),
            otherwise: None,
        });
    }

    /// One argument. A capability or attenuator may stand for a field of that kind.
    pub(super) fn argument(&mut self, e: &'a ast::Expr<'a>, ty: Ty) -> Expr {
        match self.kind_ref(ty) {
            TyKind::Cap(c) => self.cap_argument(e, *c),
            TyKind::Adt(id, _) if self.adt_kind(*id) == AdtKind::Attenuator => {
                let v = self.expr(e, Want::Ty(ty));
                self.mention_attenuator(&v);
                self.coerce(v, ty)
            }
            _ => self.check_expr(e, ty),
        }
    }

    /// Looks for errors in arguments whose parameters are not known.
    pub(super) fn drop_args(&mut self, args: &'a [Arg<'a>]) {
        for a in args {
            let skip = match a.value.kind {
                A::Fn(_) => true,
                A::Name(_) | A::Field { .. } => matches!(
                    self.static_of(&a.value),
                    Some(
                        St::Def(Def::Cap(_) | Def::Adt(_) | Def::Trait(_))
                            | St::Ty(_)
                            | St::Adt(..)
                            | St::Bad
                    )
                ),
                _ => false,
            };
            if !skip {
                self.expr(&a.value, Want::Any);
            }
        }
    }

    pub(super) fn formals(
        &mut self,
        params: &[ParamSig],
        skip: usize,
        targs: &[Ty],
    ) -> Vec<Formal> {
        params
            .iter()
            .skip(skip)
            .map(|p| Formal {
                name: p.name,
                ty: self.subst(p.ty, targs),
                default: p.default,
            })
            .collect()
    }

    /// Uses the wanted type for what a result leaves open.
    pub(super) fn hint_ret(&mut self, ret: Ty, errs: Ty, want: Want) {
        let hint = match want {
            Want::Ret(t) => t,
            Want::Ty(t) => match self.as_result(t) {
                Some((v, _)) if errs != TyTable::NEVER && self.as_result(ret).is_none() => v,
                _ => t,
            },
            _ => return,
        };
        let hint = self.zonk(hint);
        // An object or function may still be made from something else.
        if matches!(
            self.prog.tys.kind(hint),
            TyKind::Dyn(..)
                | TyKind::Infer(_)
                | TyKind::Fn(_)
                | TyKind::Borrowed(_)
                | TyKind::ErrSet(_)
        ) {
            return;
        }
        if self.prog.tys.has_infer(ret) {
            self.try_unify(ret, hint);
        }
    }

    pub(super) fn call_fn(
        &mut self,
        f: FnId,
        enclosing: Option<Vec<Ty>>,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let written = if type_args.is_empty() {
            None
        } else {
            let scope = self.cx.scope.clone();
            let sig = self.sig(f);
            Some(self.resolve_args(type_args, sig.generics.iter().skip(sig.own), &scope))
        };
        let targs = self.instantiate(f, written, span);
        if let Some(enc) = enclosing {
            for (v, t) in targs.iter().zip(&enc) {
                self.unify(*v, *t);
            }
        }
        let sig = self.sig(f);
        self.finish_fn_call(f, &sig, targs, None, args, want, span)
    }

    /// A call of a function with its type arguments chosen; `recv` is checked already.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn finish_fn_call(
        &mut self,
        f: FnId,
        sig: &Sig,
        targs: Vec<Ty>,
        recv: Option<Expr>,
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let ret = self.subst(sig.ret, &targs);
        self.hint_ret(ret, sig.errs, want);
        let skip = usize::from(recv.is_some());
        let formals = self.formals(&sig.params, skip, &targs);
        let mut prefix = Vec::new();
        let what = Ticked(&sig.display);
        let rest = self.arguments(&formals, args, &targs, span, &what, &mut prefix);
        self.oblige_all(&sig.preds, &targs, span, &what);
        let uses = self.prog.tys.subst_caps(&sig.uses, &targs);
        let caps = self.hidden_args(&uses, span, super::caps::Callee::Fn(f));
        let mut all: Vec<Expr> = self.captured_args(f, span);
        if let Some(mut r) = recv {
            if !prefix.is_empty() {
                let mut first = Vec::new();
                self.put_in_temp(&mut r, &mut first);
                first.append(&mut prefix);
                prefix = first;
            }
            all.push(r);
        }
        all.extend(rest);
        let errs = self.subst(sig.errs, &targs);
        self.finish_call(Callee::Fn(f, targs), caps, all, ret, errs, prefix, span)
    }

    /// The call expression: a `Result` if the callee can fail.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn finish_call(
        &mut self,
        callee: Callee,
        caps: Vec<Expr>,
        args: Vec<Expr>,
        ret: Ty,
        errs: Ty,
        prefix: Vec<Stmt>,
        span: Span,
    ) -> Expr {
        let errs = self.settle_errs(errs);
        let ty = if errs == TyTable::NEVER || errs == TyTable::ERROR {
            ret
        } else {
            self.mk_result(ret, errs)
        };
        let call = ex(
            ExprKind::Call {
                callee: Box::new(callee),
                caps,
                args,
                ret,
                errs,
            },
            ty,
            span,
        );
        if prefix.is_empty() {
            return call;
        }
        ex(ExprKind::Block(prefix, Some(Box::new(call))), ty, span)
    }

    /// A call of a function value.
    pub(super) fn call_value(
        &mut self,
        f: Expr,
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let fty = match self.kind(f.ty) {
            TyKind::Fn(t) | TyKind::Borrowed(t) => t,
            TyKind::Error | TyKind::Never => {
                self.drop_args(args);
                return gone(vec![f], span);
            }
            TyKind::Infer(_) => {
                self.err_help(
                    codes::CANNOT_INFER,
                    f.span,
                    "the type of this function is not known yet",
                    "write its type",
                );
                return bad(span);
            }
            _ => {
                let t = self.show(f.ty);
                let d = Diagnostic::error(
                    codes::NOT_CALLABLE,
                    f.span,
                    format!("this is `{t}`, not a function"),
                );
                let d = if self.as_result(f.ty).is_some() {
                    d.help("it can fail: write `?` or `else` first")
                } else {
                    d
                };
                self.push(d);
                return bad(span);
            }
        };
        if let Some(n) = args.iter().find_map(|a| a.name) {
            self.err_help(
                codes::ARGUMENTS,
                n.span,
                "parameters of a function value have no names",
                "give the arguments in order",
            );
            return bad(span);
        }
        self.hint_ret(fty.ret, fty.errs, want);
        let formals: Vec<Formal> = fty
            .params
            .iter()
            .map(|t| Formal {
                name: sym::underscore,
                ty: *t,
                default: None,
            })
            .collect();
        if args.len() != formals.len() {
            let t = self.show(f.ty);
            self.err(
                codes::ARGUMENTS,
                span,
                format!(
                    "this function takes {} arguments, here are {}: its type is `{t}`",
                    formals.len(),
                    args.len()
                ),
            );
            return bad(span);
        }
        let mut prefix = Vec::new();
        let all = self.arguments(&formals, args, &[], span, &"this function", &mut prefix);
        let caps = self.hidden_args(&fty.uses, span, super::caps::Callee::Value);
        self.finish_call(
            Callee::Value(Box::new(f)),
            caps,
            all,
            fty.ret,
            fty.errs,
            prefix,
            span,
        )
    }
}

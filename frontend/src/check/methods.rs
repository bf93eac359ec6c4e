//! Method calls: what stands left of the dot, and which method a name means.

use super::body::{bad, gone};
use super::call::Ticked;
use super::cx::Want;
use super::expr::St;
use super::heads::head;
use super::prove::Proof;
use super::{Checker, Def, Sig, codes};
use crate::ast::{self, Arg, Ident, TypeExpr};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{AdtId, AdtKind, Callee, Expr, FnId, Stmt, TraitId, Ty, TyKind, TyTable};
use std::rc::Rc;

/// A method that was found.
#[derive(Clone, Debug)]
pub(super) enum Hit {
    /// A function with the arguments for its enclosing type parameters.
    Fn(FnId, Vec<Ty>),
    Trait(TraitId, Vec<Ty>, u32),
    Dyn(TraitId, Vec<Ty>, u32),
    /// A field that holds a function.
    Field,
    None,
    /// Told.
    Bad,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn method_call(
        &mut self,
        recv: &'a ast::Expr<'a>,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        if let Some(st) = self.static_of(recv) {
            match st {
                St::Bad => return bad(span),
                St::Def(Def::Module(m)) => {
                    let from = self.cx.scope.module;
                    return match self.module_member(from, m, name) {
                        Some(d) => self.call_static(St::Def(d), name, type_args, args, want, span),
                        None => bad(span),
                    };
                }
                St::Def(Def::Adt(id)) => {
                    return self.type_call(id, None, name, type_args, args, want, span);
                }
                St::Adt(id, tys) => {
                    return self.type_call(id, Some(tys), name, type_args, args, want, span);
                }
                St::Def(Def::Cap(c)) => return self.cap_call(c, name, type_args, args, span),
                St::Ty(t) => return self.prim_static(t, name, type_args, args, want, span),
                St::Def(d @ (Def::Trait(_) | Def::CapSet(_))) => {
                    let k = self.def_kind(d);
                    let t = self.text(name.name);
                    self.err_help(
                        codes::WRONG_KIND,
                        recv.span,
                        format!("`.{t}(…)` needs a value on its left, not {k}"),
                        "call the method on a value",
                    );
                    return bad(span);
                }
                St::Def(Def::Fn(_) | Def::Const(_)) | St::Variant(..) => {}
            }
        }
        let r = self.expr(recv, Want::Any);
        self.method_on_ast(r, name, type_args, args, want, span)
    }

    /// `Type.name(…)`: a variant or a function without `self`.
    #[allow(clippy::too_many_arguments)]
    fn type_call(
        &mut self,
        id: AdtId,
        tys: Option<Vec<Ty>>,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        if let Some(i) = self.variant_of(id, name.name) {
            if let Some(t) = type_args.first() {
                self.err_help(
                    codes::TYPE_ARGS,
                    t.span,
                    "a variant takes no type arguments",
                    "write them behind the enum's name",
                );
            }
            return self.construct(id, i, tys, args, want, span);
        }
        let f = self
            .adts
            .get(id.0 as usize)
            .and_then(|a| a.methods.get(&name.name))
            .copied();
        let f = match f {
            Some(f) => Some((f, tys)),
            None => {
                let n = self.adt_arity(id);
                let vars = tys.unwrap_or_else(|| (0..n).map(|_| self.fresh(false)).collect());
                let ty = self.mk(TyKind::Adt(id, vars));
                let inherent = self.find_inherent(ty, name.name);
                if inherent.is_none()
                    && let Some(call) = self.trait_static(ty, name, type_args, args, want, span)
                {
                    return call;
                }
                inherent.map(|(f, a)| (f, Some(a)))
            }
        };
        let Some((f, enclosing)) = f else {
            self.unknown_type_member(id, name);
            return bad(span);
        };
        if !self.visible(f) {
            self.private(name);
            return bad(span);
        }
        self.call_fn(f, enclosing, type_args, args, want, span)
    }

    /// `T.name(…)` on a primitive or type parameter.
    fn prim_static(
        &mut self,
        t: Ty,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        if let Some((f, enc)) = self.find_inherent(t, name.name) {
            if !self.visible(f) {
                self.private(name);
                return bad(span);
            }
            return self.call_fn(f, Some(enc), type_args, args, want, span);
        }
        if let Some(call) = self.trait_static(t, name, type_args, args, want, span) {
            return call;
        }
        let (s, n) = (self.show(t), self.text(name.name));
        self.err_help(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("type `{s}` has no function `{n}`"),
            "methods are called on a value",
        );
        bad(span)
    }

    pub(super) fn trait_sig(&self, t: TraitId, m: u32) -> Option<Rc<Sig>> {
        self.traits
            .get(t.0 as usize)?
            .methods
            .get(m as usize)
            .cloned()
    }

    /// A method of the standard library by name, on a checked receiver with checked arguments.
    pub(super) fn std_method(
        &mut self,
        recv: Expr,
        name: &str,
        args: Vec<Expr>,
        span: Span,
    ) -> Expr {
        let s = self.names.intern(name);
        let Hit::Fn(f, enc) = self.find_method(recv.ty, s) else {
            let t = self.show(recv.ty);
            self.err(
                codes::UNKNOWN_MEMBER,
                span,
                format!("the standard library has no `{name}` for `{t}`"),
            );
            return bad(span);
        };
        let sig = self.sig(f);
        let mut targs = enc;
        while targs.len() < sig.generics.len() {
            let v = self.fresh(false);
            targs.push(v);
        }
        self.oblige_all(&sig.preds, &targs, span, &Ticked(&sig.display));
        let params: Vec<Ty> = sig.params.iter().skip(1).map(|p| p.ty).collect();
        let params = self.subst_all(&params, &targs);
        let mut all = vec![recv];
        for (a, p) in args.into_iter().zip(params) {
            let c = self.coerce(a, p);
            all.push(c);
        }
        let ret = self.subst(sig.ret, &targs);
        let errs = self.subst(sig.errs, &targs);
        self.finish_call(
            Callee::Fn(f, targs),
            Vec::new(),
            all,
            ret,
            errs,
            Vec::new(),
            span,
        )
    }

    pub(super) fn has_method(&mut self, ty: Ty, name: Symbol) -> bool {
        let mark = self.mark();
        let hit = self.find_method(ty, name);
        self.rollback(mark);
        matches!(hit, Hit::Fn(..) | Hit::Trait(..) | Hit::Dyn(..))
    }

    /// A method of an `impl` without trait (standard library) and its enclosing type arguments.
    fn find_inherent(&mut self, ty: Ty, name: Symbol) -> Option<(FnId, Vec<Ty>)> {
        let zty = self.zonk(ty);
        let of = head(&self.prog.tys, zty);
        let count = self.inherent_fns.get(&name)?.len();
        let mut hits: Vec<(usize, FnId, bool)> = Vec::new();
        for k in 0..count {
            let Some((i, f)) = self.inherent_fns.get(&name).and_then(|l| l.get(k)).copied() else {
                break;
            };
            let Some((n, self_ty)) = self.inherents.get(i).map(|h| (h.generics, h.self_ty)) else {
                continue;
            };
            let all = matches!(self.prog.tys.kind(self_ty), TyKind::Param(_));
            if !all && of.is_some() && of != head(&self.prog.tys, self_ty) {
                continue;
            }
            let mark = self.mark();
            let vars: Vec<Ty> = (0..n).map(|_| self.fresh(false)).collect();
            let st = self.subst(self_ty, &vars);
            if self.unify(st, zty) {
                // Whether the receiver stayed as open as it was.
                let exact = self.zonk(zty) == zty || !self.prog.tys.has_infer(zty);
                hits.push((i, f, exact));
            }
            self.rollback(mark);
        }
        let pick = match hits.as_slice() {
            [] => return None,
            [one] => *one,
            many => {
                let exact: Vec<_> = many.iter().filter(|h| h.2).collect();
                match exact.as_slice() {
                    [one] => **one,
                    _ => *many.first()?,
                }
            }
        };
        let (n, self_ty) = {
            let h = self.inherents.get(pick.0)?;
            (h.generics, h.self_ty)
        };
        let sig = self.sig(pick.1);
        let vars: Vec<Ty> = (0..n)
            .map(|i| {
                let err = sig.generics.get(i).is_some_and(|g| g.is_err);
                self.fresh(err)
            })
            .collect();
        let st = self.subst(self_ty, &vars);
        self.unify(st, zty);
        Some((pick.1, vars))
    }

    pub(super) fn find_method(&mut self, ty: Ty, name: Symbol) -> Hit {
        let ty = self.zonk(ty);
        if let TyKind::Adt(id, args) = self.prog.tys.kind(ty).clone() {
            let own = self
                .adts
                .get(id.0 as usize)
                .and_then(|a| a.methods.get(&name))
                .copied();
            if let Some(f) = own {
                return Hit::Fn(f, args);
            }
        }
        if let Some((f, args)) = self.find_inherent(ty, name) {
            return Hit::Fn(f, args);
        }
        if let Some((_, f, args, _)) = self.find_field(ty, name) {
            let t = self.subst(f.ty, &args);
            if matches!(self.kind(t), TyKind::Fn(_)) {
                return Hit::Field;
            }
        }
        if let TyKind::Dyn(t, args) = self.prog.tys.kind(ty).clone()
            && let Some(info) = self.traits.get(t.0 as usize)
            && let Some(i) = info.methods.iter().position(|m| m.name == name)
        {
            return Hit::Dyn(t, args, super::collect::id32(i));
        }
        if let Some(hit) = self.dyn_super_method(ty, name) {
            return hit;
        }
        let list = self.trait_methods_for(ty, name);
        let mut hits: Vec<(TraitId, u32)> = Vec::new();
        for (t, m) in list {
            if !self.trait_sig(t, m).is_some_and(|s| s.has_self) {
                continue;
            }
            let mark = self.mark();
            let targs = self.fresh_trait_args(t);
            let open = matches!(self.prog.tys.kind(ty), TyKind::Infer(_));
            let yes = match self.prove(ty, t, &targs) {
                Proof::Yes => true,
                Proof::Maybe => !open,
                Proof::No(..) | Proof::TooMuch => {
                    // The trait is there, though a part lacks it: the obligation will say so.
                    self.declares(ty, t)
                }
            };
            if yes {
                hits.push((t, m));
            }
            self.rollback(mark);
        }
        if hits.len() > 1 {
            let lang = &self.prog.lang;
            let builtin = [lang.show, lang.eq, lang.hash, lang.ord];
            let own: Vec<_> = hits
                .iter()
                .filter(|(t, _)| !builtin.contains(&Some(*t)))
                .copied()
                .collect();
            if !own.is_empty() {
                hits = own;
            }
        }
        match hits.as_slice() {
            [] => Hit::None,
            [(t, m)] => {
                let targs = self.fresh_trait_args(*t);
                // Binds the trait's arguments where one implementation fits.
                let _ = self.prove(ty, *t, &targs);
                Hit::Trait(*t, targs, *m)
            }
            _ => {
                let of: Vec<TraitId> = hits.iter().map(|(t, _)| *t).collect();
                self.ambiguous_method(name, self.cx.here(), &of);
                Hit::Bad
            }
        }
    }

    pub(super) fn ambiguous_method(&mut self, name: Symbol, span: Span, of: &[TraitId]) {
        let names: Vec<String> = of.iter().map(|t| self.trait_name(*t)).collect();
        let n = self.text(name);
        self.err_help(
            codes::AMBIGUOUS_METHOD,
            span,
            format!("`{n}` is a method of several traits: {}", names.join(", ")),
            "give the methods different names",
        );
    }

    /// A method that an object has from a trait that its own one asks for.
    fn dyn_super_method(&mut self, ty: Ty, name: Symbol) -> Option<Hit> {
        let TyKind::Dyn(t, args) = self.prog.tys.kind(ty).clone() else {
            return None;
        };
        let supers = self.prog.traits.get(t.0 as usize)?.supers.clone();
        let mut hits = Vec::new();
        for (s, sargs) in supers {
            let info = self.traits.get(s.0 as usize)?;
            if let Some(i) = info.methods.iter().position(|m| m.name == name) {
                hits.push((s, sargs, super::collect::id32(i)));
            }
        }
        let mut full = vec![ty];
        full.extend(args);
        match hits.as_slice() {
            [] => None,
            [(s, sargs, m)] => {
                let sargs = self.subst_all(sargs, &full);
                Some(Hit::Dyn(*s, sargs, *m))
            }
            _ => {
                let of: Vec<TraitId> = hits.iter().map(|(s, ..)| *s).collect();
                self.ambiguous_method(name, self.cx.here(), &of);
                Some(Hit::Bad)
            }
        }
    }

    pub(super) fn fresh_trait_args(&mut self, t: TraitId) -> Vec<Ty> {
        let n = self
            .traits
            .get(t.0 as usize)
            .map_or(0, |t| t.generics.len().saturating_sub(1));
        (0..n).map(|_| self.fresh(false)).collect()
    }

    /// Whether a type has a trait but for its parts (a list's `show`, an enum's `eq`).
    fn declares(&mut self, ty: Ty, t: TraitId) -> bool {
        let lang = &self.prog.lang;
        let all = [lang.show, lang.eq, lang.hash];
        match self.prog.tys.kind(ty) {
            TyKind::List(_) | TyKind::Tuple(_) => all.contains(&Some(t)) || lang.ord == Some(t),
            TyKind::Adt(id, _) => {
                matches!(
                    self.adt_kind(*id),
                    AdtKind::Struct | AdtKind::Enum | AdtKind::Error
                ) && (all.contains(&Some(t)) || lang.ord == Some(t))
            }
            _ => false,
        }
    }

    /// A method call on a checked receiver without written arguments of the program's text.
    pub(super) fn method_on(
        &mut self,
        recv: Expr,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        self.method_on_ast(recv, name, type_args, args, want, span)
    }

    fn method_on_ast(
        &mut self,
        recv: Expr,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        self.cx.at = span;
        let ty = self.zonk(recv.ty);
        match self.prog.tys.kind(ty).clone() {
            TyKind::Error | TyKind::Never => {
                self.drop_args(args);
                return gone(vec![recv], span);
            }
            TyKind::Infer(_) => {
                let t = self.text(name.name);
                self.err_help(
                    codes::CANNOT_INFER,
                    recv.span,
                    format!("the type of this is not known yet, so `.{t}` cannot be found"),
                    "write the type where the value is declared: `let x: T = …` or `fn(x: T) => …`",
                );
                return bad(span);
            }
            TyKind::Cap(c) => return self.cap_call_on(recv, c, name, type_args, args, span),
            TyKind::Adt(id, _) if self.adt_kind(id) == AdtKind::Attenuator => {
                return self.att_call(recv, ty, name, type_args, args, span);
            }
            _ => {}
        }
        match self.find_method(ty, name.name) {
            Hit::Fn(f, enc) => {
                if !self.visible(f) {
                    self.private(name);
                    return bad(span);
                }
                let sig = self.sig(f);
                if !sig.has_self {
                    let (t, n) = (self.show(ty), self.text(name.name));
                    self.err_help(
                        codes::ARGUMENTS,
                        span,
                        format!("`{n}` is a function of the type, not of a value"),
                        format!("write `{t}.{n}(…)`"),
                    );
                    return bad(span);
                }
                let mut targs = enc;
                let written = self.written_tys(type_args, &sig, targs.len());
                let own = sig.generics.len().saturating_sub(targs.len());
                if let Some(w) = &written
                    && w.len() != own
                {
                    self.err(
                        codes::TYPE_ARGS,
                        span,
                        format!(
                            "`{}` takes {own} type arguments, here are {}",
                            sig.display,
                            w.len()
                        ),
                    );
                }
                let start = targs.len();
                for (i, g) in sig.generics.iter().enumerate().skip(start) {
                    let v = self.fresh(g.is_err);
                    if let Some(t) = written.as_ref().and_then(|w| w.get(i - start)) {
                        self.unify(v, *t);
                    }
                    targs.push(v);
                }
                self.finish_fn_call(f, &sig, targs, Some(recv), args, want, span)
            }
            Hit::Field => {
                let f = self.field_of(recv, name, name.span);
                self.call_value(f, args, want, span)
            }
            Hit::Trait(t, targs, m) => {
                let Some(sig) = self.trait_sig(t, m) else {
                    return bad(span);
                };
                self.trait_call(
                    t,
                    targs,
                    m,
                    &sig,
                    ty,
                    Some(recv),
                    type_args,
                    args,
                    want,
                    span,
                )
            }
            Hit::Dyn(t, targs, m) => self.dyn_call(recv, t, targs, m, args, want, span),
            Hit::Bad => bad(span),
            Hit::None => {
                self.unknown_method(ty, name);
                self.drop_args(args);
                bad(span)
            }
        }
    }

    /// Written arguments of a method's own type parameters, which begin at `start`.
    fn written_tys(
        &mut self,
        type_args: &'a [TypeExpr<'a>],
        sig: &Sig,
        start: usize,
    ) -> Option<Vec<Ty>> {
        if type_args.is_empty() {
            return None;
        }
        let scope = self.cx.scope.clone();
        Some(self.resolve_args(type_args, sig.generics.iter().skip(start), &scope))
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn trait_call(
        &mut self,
        t: TraitId,
        targs: Vec<Ty>,
        m: u32,
        sig: &Sig,
        self_ty: Ty,
        recv: Option<Expr>,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let mut full = vec![self_ty];
        full.extend(targs.iter().copied());
        let start = full.len();
        let written = self.written_tys(type_args, sig, start);
        let own = sig.generics.len().saturating_sub(start);
        if let Some(w) = &written
            && w.len() != own
        {
            self.err(
                codes::TYPE_ARGS,
                span,
                format!(
                    "`{}` takes {own} type arguments, here are {}",
                    sig.display,
                    w.len()
                ),
            );
        }
        let mut method_args = Vec::new();
        for (i, g) in sig.generics.iter().enumerate().skip(start) {
            let v = self.fresh(g.is_err);
            if let Some(x) = written.as_ref().and_then(|w| w.get(i - start)) {
                self.unify(v, *x);
            }
            full.push(v);
            method_args.push(v);
        }
        let ret = self.subst(sig.ret, &full);
        self.hint_ret(ret, sig.errs, want);
        let formals = self.formals(&sig.params, usize::from(sig.has_self), &full);
        let mut prefix: Vec<Stmt> = Vec::new();
        let what = Ticked(&sig.display);
        let rest = self.arguments(&formals, args, &full, span, &what, &mut prefix);
        self.oblige_all(&sig.preds, &full, span, &what);
        let caps = self.hidden_args(
            &sig.uses,
            span,
            super::caps::Callee::Named(sig.display.clone()),
        );
        let mut all: Vec<Expr> = recv.into_iter().collect();
        if !prefix.is_empty()
            && let Some(r) = all.first_mut()
        {
            let mut first = Vec::new();
            self.put_in_temp(r, &mut first);
            first.append(&mut prefix);
            prefix = first;
        }
        all.extend(rest);
        let errs = self.subst(sig.errs, &full);
        self.finish_call(
            Callee::Trait {
                trait_id: t,
                trait_args: targs,
                self_ty,
                method: m,
                method_args,
            },
            caps,
            all,
            ret,
            errs,
            prefix,
            span,
        )
    }

    #[allow(clippy::too_many_arguments)]
    fn dyn_call(
        &mut self,
        recv: Expr,
        t: TraitId,
        targs: Vec<Ty>,
        m: u32,
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let Some(sig) = self.trait_sig(t, m) else {
            return bad(span);
        };
        let dynamic = self
            .prog
            .traits
            .get(t.0 as usize)
            .and_then(|t| t.methods.get(m as usize))
            .is_some_and(|m| m.dynamic);
        if !dynamic {
            self.err_help(
                codes::NOT_DYNAMIC,
                span,
                format!("an object does not offer `{}`", sig.display),
                "objects offer methods without type parameters that mention `Self` as receiver only: use a type parameter `T: Trait`",
            );
            return bad(span);
        }
        let mut full = vec![recv.ty];
        full.extend(targs.iter().copied());
        let ret = self.subst(sig.ret, &full);
        self.hint_ret(ret, sig.errs, want);
        let formals = self.formals(&sig.params, 1, &full);
        let mut prefix = Vec::new();
        let what = Ticked(&sig.display);
        let rest = self.arguments(&formals, args, &full, span, &what, &mut prefix);
        let caps = self.hidden_args(
            &sig.uses,
            span,
            super::caps::Callee::Named(sig.display.clone()),
        );
        let mut all = vec![recv];
        if !prefix.is_empty()
            && let Some(r) = all.first_mut()
        {
            let mut first = Vec::new();
            self.put_in_temp(r, &mut first);
            first.append(&mut prefix);
            prefix = first;
        }
        all.extend(rest);
        let errs = self.subst(sig.errs, &full);
        self.finish_call(
            Callee::Dyn {
                trait_id: t,
                trait_args: targs,
                method: m,
            },
            caps,
            all,
            ret,
            errs,
            prefix,
            span,
        )
    }

    /// Names of all fields and methods of a type, sorted.
    pub(super) fn member_names(&mut self, ty: Ty) -> Vec<Symbol> {
        let mut all: Vec<Symbol> = Vec::new();
        if let TyKind::Adt(id, _) = self.prog.tys.kind(ty)
            && let Some(a) = self.adts.get(id.0 as usize)
        {
            all.extend(a.methods.keys().copied());
            if let Some(v) = a.variants.first()
                && self.adt_kind(*id) == AdtKind::Struct
            {
                all.extend(v.fields.iter().map(|f| f.name));
            }
        }
        if let TyKind::Dyn(tr, _) = self.prog.tys.kind(ty)
            && let Some(i) = self.traits.get(tr.0 as usize)
        {
            all.extend(i.methods.iter().map(|m| m.name));
        }
        let inherent: Vec<(usize, Ty, Vec<Symbol>)> = self
            .inherents
            .iter()
            .map(|h| (h.generics, h.self_ty, h.methods.keys().copied().collect()))
            .collect();
        for (n, st, names) in inherent {
            let vars = vec![TyTable::ERROR; n];
            let s = self.subst(st, &vars);
            if self.unifies(s, ty) {
                all.extend(names);
            }
        }
        all.sort_by(|a, b| self.names.name(*a).cmp(self.names.name(*b)));
        all
    }

    fn unknown_method(&mut self, ty: Ty, name: Ident) {
        if self.unknown_trait && matches!(self.kind(ty), TyKind::Param(_)) {
            // The trait that may have it was told.
            self.poisoned = true;
            return;
        }
        let t = self.text(name.name);
        let shown = self.show(ty);
        let mut d = Diagnostic::error(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("`{shown}` has no method `{t}`"),
        );
        if t == "join" && matches!(self.kind(ty), TyKind::List(_)) {
            d = d.help("`join` is of lists of strings: `.map(fn(x) => string(x)).join(…)`");
            return self.push(d);
        }
        let all = self.member_names(ty);
        let bounds = self
            .trait_methods
            .get(&name.name)
            .cloned()
            .unwrap_or_default();
        if let Some((help, replacement)) = self.foreign_member(name, &all, true) {
            d = d.help(help);
            self.push(match replacement {
                Some(text) => d.fix(name.span, text),
                None => d,
            });
            return;
        }
        if self.as_result(ty).is_some() {
            d = d.help("it can fail: write `?` or `else` first");
        } else if self.as_option(ty).is_some() {
            d = d.help(
                "it may be missing: write `else` with a value or a way out, or `match` on it",
            );
        } else if let Some(c) = self.closest(&t, &all) {
            d = d.help(format!("did you mean `{c}`?")).fix(name.span, c);
        } else if let Some((tr, _)) = bounds.first() {
            let n = self.trait_name(*tr);
            d = match self.prog.tys.kind(ty) {
                TyKind::Param(_) => d.help(format!("add the bound `{shown}: {n}`")),
                TyKind::Adt(..) => d.help(format!("write `impl {n} for {shown}:`")),
                _ => d,
            };
        }
        self.push(d);
    }
}

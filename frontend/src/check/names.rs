//! Names in expressions: locals, items, types, variants, functions as values.

use super::body::{bad, ex};
use super::cx::{ScopeItem, Want};
use super::expr::St;
use super::local_fn::Found;
use super::rules::Rule;
use super::{Checker, Def, codes};
use crate::ast::{self, ExprKind as A, Ident};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol, sym};
use crate::thir::{AdtId, AdtKind, Expr, ExprKind, FnId, FnTy, LocalId, Ty, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    /// Marks the mention of a local: captures, `allow`, purity.
    pub(super) fn mention(&mut self, id: LocalId, span: Span) -> Expr {
        let ty = self.cx.local_ty(id);
        if let Some(info) = self.cx.infos.get_mut(id.0 as usize) {
            info.used = true;
        }
        let Some(info) = self.cx.infos.get(id.0 as usize).cloned() else {
            return bad(span);
        };
        let kind = self.kind(ty);
        let name = self
            .cx
            .locals
            .get(id.0 as usize)
            .map_or(String::new(), |l| l.name.clone());
        let borrowed = matches!(kind, TyKind::Borrowed(_));
        let attenuator =
            matches!(kind, TyKind::Adt(a, _) if self.adt_kind(a) == AdtKind::Attenuator);
        let second = borrowed || attenuator || matches!(kind, TyKind::Cap(_));
        if borrowed && let Some(why) = self.cx.pure {
            self.breach(
                Rule::PureBorrowed,
                span,
                format!("{why} is pure: it cannot mention the borrowed function `{name}`"),
                "compute the value before",
            );
        }
        let held = if attenuator {
            self.held_caps(ty)
        } else {
            Vec::new()
        };
        let mut complaint: Option<(Rule, &'static str, String)> = None;
        for f in self.cx.frames.iter_mut().skip(info.frame + 1) {
            if second || info.mutable {
                f.second = true;
            }
            if borrowed {
                match &info.captured {
                    Some(caps) => f.caps.extend(caps.iter().copied()),
                    None => f.unknown = true,
                }
            }
            f.caps.extend(held.iter().copied());
            if f.kind == super::cx::LitKind::Storable && complaint.is_none() {
                if second {
                    complaint = Some((
                        Rule::StorableCapture,
                        "a stored function captures data only",
                        "pass it as a borrowed function (a parameter `f: fn(…)` without `own`), or hand the capability over with `fn(x) uses C => …`".to_string(),
                    ));
                } else if info.mutable {
                    complaint = Some((
                        Rule::StorableMutable,
                        "a stored function captures no `mut` local",
                        format!("capture a copy: `let fixed = {name}` before the literal"),
                    ));
                }
            }
        }
        if let Some((rule, what, help)) = complaint {
            self.breach(
                rule,
                span,
                format!("`{name}` cannot be captured: {what}"),
                help,
            );
        }
        if borrowed {
            self.borrowed_in_allow(&info, &name, span);
        }
        ex(ExprKind::Local(id), ty, span)
    }

    /// What an expression stands for if it names an item, type or module; `None` for values.
    pub(super) fn static_of(&mut self, e: &'a ast::Expr<'a>) -> Option<St> {
        match e.kind {
            A::Name(s) => self.static_name(Ident {
                name: s,
                span: e.span,
            }),
            A::Field { base, name } => {
                let b = self.static_of(base)?;
                self.static_member(b, name)
            }
            A::TypeApply { base, args } => {
                let b = self.static_of(base)?;
                match b {
                    St::Def(Def::Adt(id)) => {
                        let scope = self.cx.scope.clone();
                        let tys = self.resolve_adt_args(id, args, &scope);
                        if tys.len() != self.adt_arity(id) {
                            let n = self.adt_name(id);
                            let want = self.adt_arity(id);
                            self.err(
                                codes::TYPE_ARGS,
                                e.span,
                                format!(
                                    "`{n}` takes {want} type arguments, here are {}",
                                    tys.len()
                                ),
                            );
                            return Some(St::Bad);
                        }
                        Some(St::Adt(id, tys))
                    }
                    St::Def(Def::Fn(_)) => None,
                    St::Bad => Some(St::Bad),
                    _ => {
                        self.err(codes::TYPE_ARGS, e.span, "this takes no type arguments");
                        Some(St::Bad)
                    }
                }
            }
            _ => None,
        }
    }

    pub(super) fn static_name(&mut self, name: Ident) -> Option<St> {
        if self.cx.lookup(name.name).is_some() || self.cx.outer_local(name.name) {
            return None;
        }
        if self.cx.scope.sets.contains(&name.name) {
            let t = self.text(name.name);
            self.breach(
                Rule::ParameterValue,
                name.span,
                format!("`{t}` stands for capabilities, it is no value and has no methods"),
                format!("call a function that says `uses {t}`"),
            );
            return Some(St::Bad);
        }
        let generic = self.cx.scope.generics.iter().find(|(s, _)| *s == name.name);
        if let Some((_, t)) = generic {
            return Some(St::Ty(*t));
        }
        if name.name == sym::Self_
            && let Some(t) = self.cx.scope.self_ty
        {
            return Some(match self.prog.tys.kind(t) {
                TyKind::Adt(id, args) => St::Adt(*id, args.clone()),
                _ => St::Ty(t),
            });
        }
        if let Some(d) = self.lookup_name(self.cx.scope.module, name.name) {
            return Some(St::Def(d));
        }
        Self::primitive(name.name).map(St::Ty)
    }

    pub(super) fn static_member(&mut self, base: St, name: Ident) -> Option<St> {
        match base {
            St::Def(Def::Module(m)) => {
                let from = self.cx.scope.module;
                Some(match self.module_member(from, m, name) {
                    Some(d) => St::Def(d),
                    None => St::Bad,
                })
            }
            St::Def(Def::Adt(id)) => self
                .variant_of(id, name.name)
                .map(|i| St::Variant(id, i, None)),
            St::Adt(id, args) => self
                .variant_of(id, name.name)
                .map(|i| St::Variant(id, i, Some(args))),
            St::Bad => Some(St::Bad),
            _ => None,
        }
    }

    pub(super) fn variant_of(&self, id: AdtId, name: Symbol) -> Option<usize> {
        if !matches!(self.adt_kind(id), AdtKind::Enum | AdtKind::Error) {
            return None;
        }
        self.adts
            .get(id.0 as usize)?
            .variants
            .iter()
            .position(|v| v.name == name)
    }

    /// The short names of options and results.
    pub(super) fn short_variant(&self, name: Symbol) -> Option<(AdtId, usize)> {
        let lang = &self.prog.lang;
        match name {
            sym::Some_ => lang.option.map(|o| (o, 0)),
            sym::None_ => lang.option.map(|o| (o, 1)),
            sym::Ok_ => lang.result.map(|r| (r, 0)),
            sym::Err_ => lang.result.map(|r| (r, 1)),
            _ => None,
        }
    }

    pub(super) fn name(&mut self, name: Ident, want: Want) -> Expr {
        let span = name.span;
        match self.find_local(name.name, span) {
            Found::Local(id) => return self.mention(id, span),
            Found::Fn(f) => return self.fn_value(f, None, span),
            Found::Bad => return bad(span),
            Found::None => {}
        }
        if let Some((adt, i)) = self.short_variant(name.name) {
            if i == 1 && Some(adt) == self.prog.lang.option {
                return self.construct(adt, i, None, &[], want, span);
            }
            if self.wants_fn(want) {
                return self.constructor(adt, i, None, span);
            }
            let t = self.text(name.name);
            self.err_help(
                codes::WRONG_KIND,
                span,
                format!("`{t}` needs its value"),
                format!("write `{t}(…)`, or `fn(x) => {t}(x)` for the function"),
            );
            return bad(span);
        }
        match self.static_name(name) {
            Some(st) => self.static_value(st, name, want),
            None => {
                self.unknown_value(name);
                bad(span)
            }
        }
    }

    /// A struct or variant as the function that builds it.
    fn constructor(
        &mut self,
        id: AdtId,
        variant: usize,
        written: Option<Vec<Ty>>,
        span: Span,
    ) -> Expr {
        let Some(info) = self.adts.get(id.0 as usize) else {
            return bad(span);
        };
        let (variants, preds, arity) = (
            info.variants.clone(),
            info.preds.clone(),
            info.generics.len(),
        );
        let Some(v) = variants.get(variant) else {
            return bad(span);
        };
        let foreign = self.pkg_of(info.module) != self.pkg_of(self.cx.scope.module);
        if self.adt_kind(id) == AdtKind::Struct && foreign && v.fields.iter().any(|f| !f.is_pub) {
            let n = self.adt_name(id);
            self.err(
                codes::PRIVATE,
                span,
                format!("`{n}` is not built from this outside of its package"),
            );
            return bad(span);
        }
        let targs = written.unwrap_or_else(|| (0..arity).map(|_| self.fresh(false)).collect());
        let ret = self.mk(TyKind::Adt(id, targs.clone()));
        let mut params = Vec::new();
        let mut locals = Vec::new();
        let mut fields = Vec::new();
        for f in &v.fields {
            let ty = self.subst(f.ty, &targs);
            let name = self.text(f.name);
            let local = self.cx.new_local(&name, ty, false, span);
            params.push(ty);
            locals.push(local);
            fields.push(ex(ExprKind::Local(local), ty, span));
        }
        let n = self.adt_name(id);
        self.oblige_all(&preds, &targs, span, &format!("`{n}`"));
        let body = ex(
            ExprKind::Construct {
                variant: super::collect::id32(variant),
                fields,
            },
            ret,
            span,
        );
        let ty = self.mk(TyKind::Fn(FnTy {
            params,
            uses: Vec::new(),
            ret,
            errs: TyTable::NEVER,
        }));
        let literal = crate::thir::Lambda {
            storable: true,
            uses: Vec::new(),
            params: locals,
            ret,
            errs: TyTable::NEVER,
            body,
        };
        ex(ExprKind::Lambda(Box::new(literal)), ty, span)
    }

    /// Whether a function is wanted here.
    fn wants_fn(&self, want: Want) -> bool {
        want.ty()
            .is_some_and(|t| matches!(self.kind(t), TyKind::Fn(_) | TyKind::Borrowed(_)))
    }

    pub(super) fn unknown_value(&mut self, name: Ident) {
        if name.name == sym::self_ {
            self.err_help(
                codes::UNKNOWN_NAME,
                name.span,
                "there is no `self` here",
                "write `self` as the first parameter of the method",
            );
            return;
        }
        let m = self.cx.scope.module;
        if self.told_names.contains(&(m, name.name)) {
            self.poisoned = true;
            return;
        }
        if let Some(d) = self.qualified_name(name) {
            self.push(d);
            return;
        }
        let locals = match self.suggestions.get() {
            0 => Vec::new(),
            _ => self.cx.visible_names(),
        };
        self.unknown_name(name, &locals, m, "name");
    }

    /// An item as a value.
    pub(super) fn static_value(&mut self, st: St, name: Ident, want: Want) -> Expr {
        let span = name.span;
        let text = self.text(name.name);
        match st {
            St::Bad => bad(span),
            St::Def(Def::Fn(f)) => self.fn_value(f, None, span),
            St::Def(Def::Const(c)) => {
                let ty = self.const_ty(c);
                ex(ExprKind::Const(c), ty, span)
            }
            St::Variant(adt, i, args) => {
                let fields = self
                    .adts
                    .get(adt.0 as usize)
                    .and_then(|a| a.variants.get(i))
                    .is_some_and(|v| !v.fields.is_empty());
                if fields && self.wants_fn(want) {
                    return self.constructor(adt, i, args, span);
                }
                self.construct(adt, i, args, &[], want, span)
            }
            St::Def(Def::Adt(id))
                if self.adt_kind(id) == AdtKind::Struct && self.wants_fn(want) =>
            {
                self.constructor(id, 0, None, span)
            }
            St::Adt(id, args) if self.adt_kind(id) == AdtKind::Struct && self.wants_fn(want) => {
                self.constructor(id, 0, Some(args), span)
            }
            St::Def(Def::Cap(c)) => {
                let n = self.cap_name(c);
                let refused = self.breach(
                    Rule::CapabilityMention,
                    span,
                    format!("capability `{n}` is not a value"),
                    format!("call its methods (`{n}.…(…)`), or let the callee say `uses {n}`"),
                );
                if !refused {
                    return self.find_cap(c, span, &super::caps::Callee::Named(n));
                }
                bad(span)
            }
            St::Def(Def::Adt(id)) | St::Adt(id, _) => {
                let help = match self.adt_kind(id) {
                    AdtKind::Struct | AdtKind::Attenuator => {
                        format!("build one with `{text}(…)`")
                    }
                    _ => format!("name a variant: `{text}.…`"),
                };
                self.err_help(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is a type, not a value"),
                    help,
                );
                bad(span)
            }
            St::Def(d) => {
                let k = self.def_kind(d);
                self.err(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is {k}, not a value"),
                );
                bad(span)
            }
            St::Ty(_) => {
                let d = Diagnostic::error(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is a type, not a value"),
                );
                let converts = ["int", "float", "byte", "char", "string"].contains(&text.as_str());
                self.push(if converts {
                    d.help(format!("a conversion is a call: `fn(x) => {text}(x)`"))
                } else {
                    d
                });
                bad(span)
            }
        }
    }

    /// Type arguments for a mention of a function: written ones, else fresh variables.
    pub(super) fn instantiate(&mut self, f: FnId, written: Option<Vec<Ty>>, span: Span) -> Vec<Ty> {
        self.deferred_mention(f, span);
        let sig = self.sig(f);
        let local = self.fns.get(f.0 as usize).is_some_and(|i| i.local);
        let mut args = Vec::new();
        for (i, g) in sig.generics.iter().enumerate() {
            let t = if local && i < sig.own {
                self.prog.tys.intern(TyKind::Param(super::collect::id32(i)))
            } else {
                self.fresh(g.is_err)
            };
            args.push(t);
        }
        if let Some(w) = written {
            let own: Vec<Ty> = args.iter().skip(sig.own).copied().collect();
            if w.len() != own.len() {
                self.err(
                    codes::TYPE_ARGS,
                    span,
                    format!(
                        "`{}` takes {} type arguments, here are {}",
                        sig.display,
                        own.len(),
                        w.len()
                    ),
                );
            } else {
                for (v, t) in own.iter().zip(&w) {
                    self.unify(*v, *t);
                }
            }
        }
        args
    }

    /// A named function as a storable value.
    pub(super) fn fn_value(&mut self, f: FnId, written: Option<Vec<Ty>>, span: Span) -> Expr {
        let sig = self.sig(f);
        let args = self.instantiate(f, written, span);
        let params: Vec<Ty> = sig.params.iter().map(|p| p.ty).collect();
        let params = self.subst_all(&params, &args);
        let ret = self.subst(sig.ret, &args);
        let errs = self.subst(sig.errs, &args);
        let why = format!("`{}`", sig.display);
        self.oblige_all(&sig.preds, &args, span, &why);
        let fty = FnTy {
            params,
            uses: self.prog.tys.subst_caps(&sig.uses, &args),
            ret,
            errs,
        };
        let ty = self.mk(TyKind::Fn(fty.clone()));
        if let Some(literal) = self.captured_fn_value(f, &sig, args.clone(), &fty, span) {
            return literal;
        }
        ex(ExprKind::FnRef(f, args), ty, span)
    }

    pub(super) fn type_apply(
        &mut self,
        whole: &'a ast::Expr<'a>,
        base: &'a ast::Expr<'a>,
        args: &'a [ast::TypeExpr<'a>],
    ) -> Expr {
        let f = match base.kind {
            A::Name(s) => match self.cx.lookup(s) {
                Some(ScopeItem::Fn(f)) => Some(f),
                Some(ScopeItem::Local(_)) => None,
                None => match self.static_of(base) {
                    Some(St::Def(Def::Fn(f))) => Some(f),
                    Some(St::Bad) => return bad(whole.span),
                    _ => None,
                },
            },
            _ => match self.static_of(base) {
                Some(St::Def(Def::Fn(f))) => Some(f),
                Some(St::Bad) => return bad(whole.span),
                _ => None,
            },
        };
        let Some(f) = f else {
            self.err(
                codes::TYPE_ARGS,
                whole.span,
                "only generic functions and types take type arguments",
            );
            return bad(whole.span);
        };
        let scope = self.cx.scope.clone();
        let sig = self.sig(f);
        let tys = self.resolve_args(args, sig.generics.iter().skip(sig.own), &scope);
        self.fn_value(f, Some(tys), whole.span)
    }

    /// `Point.norm` as a value.
    pub(super) fn type_member_value(&mut self, id: AdtId, name: Ident, span: Span) -> Expr {
        let f = self
            .adts
            .get(id.0 as usize)
            .and_then(|a| a.methods.get(&name.name))
            .copied();
        if let Some(f) = f {
            if !self.visible(f) {
                self.private(name);
            }
            return self.fn_value(f, None, span);
        }
        self.unknown_type_member(id, name);
        bad(span)
    }

    pub(super) fn unknown_type_member(&mut self, id: AdtId, name: Ident) {
        let t = self.text(name.name);
        let n = self.adt_name(id);
        let mut all: Vec<Symbol> = Vec::new();
        let enumlike = matches!(self.adt_kind(id), AdtKind::Enum | AdtKind::Error);
        if let Some(a) = self.adts.get(id.0 as usize) {
            if enumlike {
                all.extend(a.variants.iter().map(|v| v.name));
            }
            all.extend(a.methods.keys().copied());
        }
        all.sort_by(|a, b| self.names.name(*a).cmp(self.names.name(*b)));
        let what = if enumlike { "variant" } else { "function" };
        let d = Diagnostic::error(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("`{n}` has no {what} `{t}`"),
        );
        if !enumlike && matches!(t.as_str(), "new" | "create" | "make" | "init") {
            let build = if Some(id) == self.prog.lang.map {
                "an empty map is `Map[K, V]()`".to_string()
            } else {
                format!("build one with `{n}(…)`")
            };
            self.push(d.help(build));
            return;
        }
        let d = match self.closest(&t, &all) {
            Some(c) => d.help(format!("did you mean `{c}`?")).fix(name.span, c),
            None if enumlike => {
                let vs: Vec<String> = self.adts.get(id.0 as usize).map_or(Vec::new(), |a| {
                    a.variants.iter().map(|v| self.text(v.name)).collect()
                });
                d.help(format!("its variants are: {}", vs.join(", ")))
            }
            None => d,
        };
        self.push(d);
    }
}

//! Third stage: implementations against their interfaces, attenuators, first-class types in
//! signatures.

use super::collect::id32;
use super::rules::{Rule, broken};
use super::sigs::Enclosing;
use super::types::TyPos;
use super::{
    Checker, Def, FnSrc, ImplInfo, Inherent, ModId, PendingCap, Pred, Sig, TyScope, codes,
};
use crate::ast::{ImplItem, TypeKind};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{AdtKind, CapId, FnId, ImplDef, ImplOf, TraitId, Ty, TyKind, TyTable};
use rustc_hash::FxHashMap;
use std::rc::Rc;

impl<'a> Checker<'a, '_> {
    pub(super) fn implementations(&mut self) {
        self.classify_attenuators();
        for (m, item) in self.impl_items.clone() {
            self.implementation(m, item);
        }
        self.overlaps();
        self.super_traits();
        self.derives();
        self.attenuator_rules();
        self.first_class_signatures();
    }

    pub(super) fn implementation(&mut self, m: ModId, item: &'a ImplItem<'a>) {
        let base = self.module_scope(m);
        let (scope, generics) = self.extend_generics(&base, item.generics, 0);
        self.cx.scope = scope.clone();
        let self_ty = self.resolve_ty(&item.target, &scope, TyPos::Field);
        let scope = TyScope {
            self_ty: Some(self_ty),
            ..scope
        };
        self.cx.scope = scope.clone();
        let mut preds = Vec::new();
        self.resolve_preds(item.generics, item.wheres, &scope, &mut preds);
        let target = self.show(self_ty);
        let full_target = match self.prog.tys.kind(self_ty) {
            TyKind::Adt(id, _) => self.adt_name(*id),
            _ => target.clone(),
        };
        let mut enc = Enclosing {
            scope,
            generics,
            preds: preds.clone(),
            receiver: Some(self_ty),
            display: full_target.clone(),
            full: self.qualified(m, &full_target),
        };
        if self_ty == TyTable::ERROR {
            return;
        }
        for (i, g) in enc.generics.iter().enumerate() {
            let p = self.prog.tys.intern(TyKind::Param(id32(i)));
            if !self.mentions(self_ty, p) {
                let t = self.names.name(g.name).to_string();
                self.push(
                    Diagnostic::error(
                        codes::BAD_IMPL,
                        item.head,
                        format!("type parameter `{t}` does not occur in `{target}`"),
                    )
                    .help("remove it, or use it in the type behind `for`"),
                );
                return;
            }
        }
        let Some(of) = &item.of else {
            self.inherent(m, item, enc, self_ty);
            return;
        };
        let TypeKind::Path { path, args } = of.kind else {
            self.err(
                codes::WRONG_KIND,
                of.span,
                "only traits and capabilities are implemented",
            );
            return;
        };
        match self.resolve_path(m, &path, "trait") {
            Some(Def::Trait(_)) => {
                if let Some((trait_id, targs)) = self.resolve_bound(of, &enc.scope.clone()) {
                    let tname = self.show_trait(trait_id, &targs);
                    enc.full = format!("{}.{tname}", enc.full);
                    self.trait_impl(m, item, enc, self_ty, trait_id, targs);
                }
            }
            Some(Def::Cap(cap)) => {
                if !args.is_empty() {
                    self.err(
                        codes::TYPE_ARGS,
                        of.span,
                        "capabilities take no type arguments",
                    );
                }
                let cname = self.cap_name(cap);
                enc.full = format!("{}.{cname}", enc.full);
                self.cap_impl(m, item, enc, self_ty, cap);
            }
            Some(other) => {
                let k = self.def_kind(other);
                self.err(
                    codes::WRONG_KIND,
                    of.span,
                    format!("only traits and capabilities are implemented, this is {k}"),
                );
            }
            None => {}
        }
    }

    pub(super) fn inherent(
        &mut self,
        m: ModId,
        item: &'a ImplItem<'a>,
        enc: Enclosing,
        self_ty: Ty,
    ) {
        if !self.in_std(m) {
            self.err_help(
                codes::BAD_IMPL,
                item.head,
                "methods of a type stand inside of its declaration",
                "move them into the `struct` or `enum`, or write `impl Trait for Type:`",
            );
            return;
        }
        let mut methods: FxHashMap<Symbol, FnId> = FxHashMap::default();
        let generics = enc.generics.len();
        for f in item.fns {
            if methods.contains_key(&f.name.name) {
                self.err(
                    codes::DUPLICATE,
                    f.name.span,
                    "this method is declared twice",
                );
                continue;
            }
            let id = self.method_fn(f, &enc);
            methods.insert(f.name.name, id);
            let at = self.inherents.len();
            let fns = self.inherent_fns.entry(f.name.name).or_default();
            fns.push((at, id));
        }
        self.inherents.push(Inherent {
            generics,
            self_ty,
            methods,
        });
    }

    /// Whether a type belongs to the package of a module.
    pub(super) fn is_local(&self, ty: Ty, m: ModId) -> bool {
        let pkg = self.pkg_of(m);
        match self.prog.tys.kind(ty) {
            TyKind::Adt(id, _) => self
                .prog
                .adts
                .get(id.0 as usize)
                .is_some_and(|a| a.package == pkg),
            TyKind::Dyn(id, _) => self
                .prog
                .traits
                .get(id.0 as usize)
                .is_some_and(|t| t.package == pkg),
            _ => false,
        }
    }

    pub(super) fn trait_impl(
        &mut self,
        m: ModId,
        item: &'a ImplItem<'a>,
        enc: Enclosing,
        self_ty: Ty,
        trait_id: TraitId,
        targs: Vec<Ty>,
    ) {
        let target = self.show(self_ty);
        let tname = self.show_trait(trait_id, &targs);
        match self.prog.tys.kind(self_ty) {
            TyKind::Adt(id, _) if self.adt_kind(*id) == AdtKind::Attenuator => {
                let refused = self.breach(
                    Rule::AttenuatorTraits,
                    item.head,
                    format!("`{target}` holds a capability, so it implements capabilities only"),
                    "keep the data that needs the trait in a struct of its own",
                );
                if refused {
                    return;
                }
            }
            TyKind::Adt(id, _) if self.adt_kind(*id) == AdtKind::Handle => {
                let what = "handles implement no traits";
                if self.breach(Rule::HandleTraits, item.head, what, "") {
                    return;
                }
            }
            TyKind::Dyn(of, _) => {
                let offers = *of == trait_id
                    || self
                        .prog
                        .traits
                        .get(of.0 as usize)
                        .is_some_and(|t| t.supers.iter().any(|(s, _)| *s == trait_id));
                if offers {
                    self.err_help(
                        codes::OVERLAP,
                        item.head,
                        format!("objects of `{target}` have `{tname}` already"),
                        "remove this: an object calls the methods of what it was made of",
                    );
                    return;
                }
            }
            TyKind::Fn(_) | TyKind::Borrowed(_) | TyKind::Cap(_) | TyKind::Never => {
                self.err(
                    codes::BAD_IMPL,
                    item.head,
                    format!("`{target}` cannot implement a trait"),
                );
                return;
            }
            _ => {}
        }
        let trait_pkg = self.prog.traits.get(trait_id.0 as usize).map(|t| t.package);
        if trait_pkg != Some(self.pkg_of(m)) && matches!(self.kind(self_ty), TyKind::Param(_)) {
            self.err_help(
                codes::BAD_IMPL,
                item.head,
                format!("only the package of `{tname}` implements it for every type"),
                "implement it for types of your own, one by one",
            );
            return;
        }
        if trait_pkg != Some(self.pkg_of(m)) && !self.is_local(self_ty, m) {
            self.err_help(
                codes::BAD_IMPL,
                item.head,
                format!("neither `{tname}` nor `{target}` belongs to this package"),
                "wrap the type in a struct of your own and implement the trait for that",
            );
            return;
        }
        let Some(info) = self.traits.get(trait_id.0 as usize) else {
            return;
        };
        let wanted = info.methods.clone();
        let mut args = vec![self_ty];
        args.extend(targs.iter().copied());
        let methods = self.impl_methods(item, &enc, &wanted, &args, &tname, false);
        let missing: Vec<String> = wanted
            .iter()
            .zip(&methods)
            .enumerate()
            .filter(|(i, (_, f))| f.is_none() && !self.trait_has_default(trait_id, *i))
            .map(|(_, (s, _))| self.text(s.name))
            .collect();
        self.report_missing(item, &tname, &target, &missing);
        let interface = ImplOf::Trait(trait_id, targs);
        let index = self.record_impl(m, item, enc, interface, self_ty, methods);
        self.index_impl(index, trait_id, self_ty);
    }

    /// Notes an implementation; gives its index.
    fn record_impl(
        &mut self,
        m: ModId,
        item: &ImplItem<'a>,
        enc: Enclosing,
        interface: ImplOf,
        self_ty: Ty,
        methods: Vec<Option<FnId>>,
    ) -> usize {
        let index = self.prog.impls.len();
        self.prog.impls.push(ImplDef {
            package: self.pkg_of(m),
            generics: id32(enc.generics.len()),
            interface,
            self_ty,
            methods,
            span: item.head,
        });
        self.impls.push(ImplInfo {
            generics: enc.generics.len(),
            preds: enc.preds,
        });
        index
    }

    pub(super) fn trait_has_default(&self, t: TraitId, i: usize) -> bool {
        self.prog
            .traits
            .get(t.0 as usize)
            .and_then(|t| t.methods.get(i))
            .is_some_and(|m| m.default.is_some())
    }

    pub(super) fn report_missing(
        &mut self,
        item: &ImplItem<'a>,
        iface: &str,
        target: &str,
        missing: &[String],
    ) {
        if !missing.is_empty() {
            self.err_help(
                codes::BAD_IMPL,
                item.head,
                format!(
                    "`{target}` lacks methods of `{iface}`: {}",
                    missing.join(", ")
                ),
                format!(
                    "add `fn {}(…)` to this implementation",
                    missing.join("`, `fn ")
                ),
            );
        }
    }

    pub(super) fn cap_impl(
        &mut self,
        m: ModId,
        item: &'a ImplItem<'a>,
        enc: Enclosing,
        self_ty: Ty,
        cap: CapId,
    ) {
        let target = self.show(self_ty);
        let cname = self.cap_name(cap);
        if matches!(cname.as_str(), "Tasks" | "Plugins" | "Ffi")
            && self.in_std(self.caps.get(cap.0 as usize).map_or(m, |c| c.module))
        {
            self.err(
                codes::BAD_IMPL,
                item.head,
                format!("`{cname}` stands for a form of the language and cannot be implemented"),
            );
            return;
        }
        let TyKind::Adt(id, _) = *self.prog.tys.kind(self_ty) else {
            self.err(
                codes::BAD_IMPL,
                item.head,
                format!("a capability is implemented by a struct or enum, not by `{target}`"),
            );
            self.refused_impls.insert(cap);
            return;
        };
        match self.adt_kind(id) {
            AdtKind::Struct | AdtKind::Enum => {
                if !self.is_local(self_ty, m)
                    && self.breach(
                        Rule::FakeLocal,
                        item.head,
                        format!("`{target}` does not belong to this package"),
                        "declare a struct of your own",
                    )
                {
                    return;
                }
            }
            AdtKind::Attenuator => {
                if self.adts.get(id.0 as usize).map(|a| a.module) != Some(m)
                    && self.breach(
                        Rule::AttenuatorModule,
                        item.head,
                        format!(
                            "`{target}` implements capabilities only in the module that declares it"
                        ),
                        "move this implementation there",
                    )
                {
                    return;
                }
            }
            _ => {
                self.err(
                    codes::BAD_IMPL,
                    item.head,
                    format!("a capability is implemented by a struct or enum, not by `{target}`"),
                );
                self.refused_impls.insert(cap);
                return;
            }
        }
        let Some(info) = self.caps.get(cap.0 as usize) else {
            return;
        };
        let wanted = info.methods.clone();
        let methods = self.impl_methods(item, &enc, &wanted, &[], &cname, true);
        let missing: Vec<String> = wanted
            .iter()
            .zip(&methods)
            .filter(|(_, f)| f.is_none())
            .map(|(s, _)| self.text(s.name))
            .collect();
        self.report_missing(item, &cname, &target, &missing);
        for f in methods.iter().flatten() {
            if let Some(info) = self.fns.get_mut(f.0 as usize) {
                info.of_cap = true;
            }
        }
        let interface = ImplOf::Cap(cap);
        let index = self.record_impl(m, item, enc, interface, self_ty, methods);
        self.cap_impls.entry(cap).or_default().push(index);
    }

    /// The functions of an implementation in the order of the interface. `args` replaces the
    /// interface's parameters.
    pub(super) fn impl_methods(
        &mut self,
        item: &'a ImplItem<'a>,
        enc: &Enclosing,
        wanted: &[Rc<Sig>],
        args: &[Ty],
        iface: &str,
        of_cap: bool,
    ) -> Vec<Option<FnId>> {
        let mut out: Vec<Option<FnId>> = vec![None; wanted.len()];
        for f in item.fns {
            let pos = wanted.iter().position(|s| s.name == f.name.name);
            let Some(pos) = pos else {
                let t = self.text(f.name.name);
                let names: Vec<Symbol> = wanted.iter().map(|s| s.name).collect();
                let help = match self.closest(&t, &names) {
                    Some(c) => format!("did you mean `{c}`?"),
                    None => "other methods stand in the type's declaration".to_string(),
                };
                self.err_help(
                    codes::BAD_IMPL,
                    f.name.span,
                    format!("`{iface}` has no method `{t}`"),
                    help,
                );
                continue;
            };
            let (Some(slot), Some(want)) = (out.get(pos), wanted.get(pos)) else {
                continue;
            };
            if slot.is_some() {
                self.err(
                    codes::DUPLICATE,
                    f.name.span,
                    "this method is implemented twice",
                );
                continue;
            }
            let id = self.method_fn(f, enc);
            self.compare(id, want.clone(), enc, args, iface, of_cap);
            if let Some(slot) = out.get_mut(pos) {
                *slot = Some(id);
            }
        }
        out
    }

    pub(super) fn compare(
        &mut self,
        id: FnId,
        want: Rc<Sig>,
        enc: &Enclosing,
        args: &[Ty],
        iface: &str,
        of_cap: bool,
    ) {
        let got = self.sig(id);
        let name = self.text(got.name);
        let own_want = want.generics.len().saturating_sub(want.own);
        let own_got = got.generics.len().saturating_sub(got.own);
        let mut full = args.to_vec();
        for k in 0..own_want {
            full.push(
                self.prog
                    .tys
                    .intern(TyKind::Param(id32(enc.generics.len() + k))),
            );
        }
        let complain = |this: &mut Self, span: Span, what: String| {
            this.push(
                Diagnostic::error(
                    codes::BAD_IMPL,
                    span,
                    format!("`{name}` does not fit `{iface}`: {what}"),
                )
                .note_at(want.head, "it is declared here"),
            );
        };
        self.cx.scope = self
            .fns
            .get(id.0 as usize)
            .map_or(enc.scope.clone(), |f| f.scope.clone());
        if own_want != own_got {
            let s = format!("it needs {own_want} type parameters of its own, here are {own_got}");
            complain(self, got.head, s);
            return;
        }
        let want_self = want.has_self || of_cap;
        if got.has_self != want_self {
            let s = if want_self {
                "its first parameter is `self`"
            } else {
                "it has no `self`"
            };
            complain(self, got.head, s.to_string());
            return;
        }
        let wp: Vec<&super::ParamSig> = want
            .params
            .iter()
            .skip(usize::from(want.has_self))
            .collect();
        let gp: Vec<&super::ParamSig> = got.params.iter().skip(usize::from(got.has_self)).collect();
        if wp.len() != gp.len() {
            let s = format!("it takes {} parameters, here are {}", wp.len(), gp.len());
            complain(self, got.head, s);
            return;
        }
        for (w, g) in wp.iter().zip(&gp) {
            let t = self.subst(w.ty, &full);
            if t != g.ty && t != TyTable::ERROR && g.ty != TyTable::ERROR {
                let (n, a, b) = (self.text(g.name), self.show(t), self.show(g.ty));
                complain(self, g.span, format!("parameter `{n}` is `{a}`, not `{b}`"));
                return;
            }
            if g.default.is_some() {
                complain(
                    self,
                    g.span,
                    "defaults stand in the interface only".to_string(),
                );
            }
        }
        let t = self.subst(want.ret, &full);
        if t != got.ret && t != TyTable::ERROR && got.ret != TyTable::ERROR {
            let (a, b) = (self.show(t), self.show(got.ret));
            complain(self, got.head, format!("the result is `{a}`, not `{b}`"));
            return;
        }
        let errs = self.subst(want.errs, &full);
        let allowed = self.prog.tys.err_members(errs);
        for e in self.prog.tys.err_members(got.errs) {
            if !allowed.contains(&e) && e != TyTable::ERROR {
                let a = self.show(e);
                complain(self, got.head, format!("it does not raise `{a}`"));
            }
        }
        for (w, g) in (want.generics.iter().skip(want.own))
            .zip(got.generics.iter().skip(got.own))
            .filter(|(w, g)| w.is_uses != g.is_uses)
        {
            let (a, b) = (self.text(w.name), self.text(g.name));
            let s = format!("`{b}` and `{a}` are parameters of different kinds");
            complain(self, got.head, s);
        }
        let extra: Vec<CapId> = got
            .uses
            .iter()
            .filter(|c| !want.uses.contains(c))
            .copied()
            .collect();
        if !extra.is_empty() && broken(Rule::UsesInterface) {
            let a = self.caps_text(&extra);
            let help = if of_cap {
                "put what it needs into a capability field of the struct".to_string()
            } else {
                format!("add `uses {a}` to the trait's method")
            };
            let diag = Diagnostic::error(
                Rule::UsesInterface.code(),
                got.head,
                format!("`{name}` uses `{a}`, which `{iface}` does not"),
            );
            // The bodies tell how it comes to that; they have not been looked at yet.
            self.pending.extend(extra.first().map(|cap| PendingCap {
                diag: diag.note_at(want.head, "it is declared here").help(help),
                cap: *cap,
                callee: Some(id),
                here: (want.head, format!("{iface}.{name}")),
                what: got.display.clone(),
            }));
        }
        let mut allowed_preds: Vec<Pred> = Vec::new();
        for p in &want.preds {
            let ty = self.subst(p.ty, &full);
            let pargs = self.subst_all(&p.args, &full);
            allowed_preds.push(Pred {
                ty,
                trait_id: p.trait_id,
                args: pargs,
            });
        }
        for p in got.preds.iter().skip(enc.preds.len()) {
            if !allowed_preds.contains(p) {
                let b = self.show_trait(p.trait_id, &p.args);
                let t = self.show(p.ty);
                complain(self, got.head, format!("it does not ask for `{t}: {b}`"));
            }
        }
        if let Some(def) = self.prog.fns.get_mut(id.0 as usize) {
            def.errs = errs;
        }
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            // What is too much was told: its uses inside are no faults of their own.
            let abi = if extra.is_empty() {
                &want.uses
            } else {
                &got.uses
            };
            info.abi_uses = Some(abi.clone());
        }
    }

    /// The item of a function, if it has one.
    pub(super) fn fn_item(&self, f: FnId) -> Option<&'a crate::ast::FnItem<'a>> {
        match self.fns.get(f.0 as usize)?.src {
            FnSrc::Item(i) => Some(i),
            _ => None,
        }
    }
}

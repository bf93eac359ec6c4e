//! Third stage: implementations against their interfaces, attenuators, first-class types in
//! signatures.

use super::collect::id32;
use super::prove::Proof;
use super::sigs::Enclosing;
use super::types::TyPos;
use super::{AdtItem, Checker, Def, FnSrc, ImplInfo, Inherent, ModId, Pred, Sig, TyScope, codes};
use crate::ast::{ImplItem, TypeKind};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{AdtId, AdtKind, CapId, FnId, ImplDef, ImplOf, TraitId, Ty, TyKind, TyTable};
use rustc_hash::{FxHashMap, FxHashSet};
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

    fn classify_attenuators(&mut self) {
        loop {
            let mut changed = false;
            for i in 0..self.adts.len() {
                let id = AdtId(id32(i));
                if self.adt_kind(id) != AdtKind::Struct {
                    continue;
                }
                let Some(info) = self.adts.get(i) else {
                    continue;
                };
                let variants = info.variants.clone();
                let second = variants.iter().flat_map(|v| v.fields.iter()).any(|f| {
                    match self.prog.tys.kind(f.ty) {
                        TyKind::Cap(_) => true,
                        TyKind::Adt(a, _) => self.adt_kind(*a) == AdtKind::Attenuator,
                        _ => false,
                    }
                });
                if second {
                    if let Some(def) = self.prog.adts.get_mut(i) {
                        def.kind = AdtKind::Attenuator;
                    }
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }

    /// The first part of a type that is second class, in words. `borrowed` allows a borrowed
    /// function as the whole type.
    pub(super) fn second_class(&self, ty: Ty, borrowed: bool) -> Option<String> {
        match self.prog.tys.kind(ty) {
            TyKind::Cap(c) => Some(format!("capability `{}`", self.cap_name(*c))),
            TyKind::Borrowed(f) => {
                if !borrowed {
                    return Some("a borrowed function".to_string());
                }
                self.second_class_fn(f)
            }
            TyKind::Fn(f) => self.second_class_fn(f),
            TyKind::Adt(id, args) => {
                if self.adt_kind(*id) == AdtKind::Attenuator {
                    return Some(format!("attenuator `{}`", self.adt_name(*id)));
                }
                args.iter().find_map(|t| self.second_class(*t, false))
            }
            TyKind::List(t) => self.second_class(*t, false),
            TyKind::Tuple(ts) | TyKind::Dyn(_, ts) | TyKind::ErrSet(ts) => {
                ts.iter().find_map(|t| self.second_class(*t, false))
            }
            _ => None,
        }
    }

    fn second_class_fn(&self, f: &crate::thir::FnTy) -> Option<String> {
        f.params
            .iter()
            .find_map(|t| self.second_class(*t, true))
            .or_else(|| self.second_class(f.ret, false))
            .or_else(|| self.second_class(f.errs, false))
    }

    fn refuse_second(&mut self, ty: Ty, span: Span, borrowed: bool, place: &str) {
        if let Some(what) = self.second_class(ty, borrowed) {
            self.err_help(
                codes::SECOND_CLASS,
                span,
                format!("{what} cannot be {place}"),
                "authority is passed with `uses` and `with` only, never as a value",
            );
        }
    }

    fn first_class_signatures(&mut self) {
        for i in 0..self.fns.len() {
            let sig = self.sig(FnId(id32(i)));
            self.first_class_sig(&sig);
        }
        let traits: Vec<Rc<Sig>> = self
            .traits
            .iter()
            .flat_map(|t| t.methods.iter().cloned())
            .collect();
        for s in traits {
            self.first_class_sig(&s);
        }
        for c in 0..self.caps.len() {
            let Some(info) = self.caps.get(c) else {
                continue;
            };
            for s in info.methods.clone() {
                self.first_class_sig(&s);
                self.data_only(&s);
            }
        }
        for i in 0..self.consts.len() {
            let Some((ty, span)) = self.consts.get(i).map(|c| (c.ty, c.item.ty.span)) else {
                continue;
            };
            let mut seen = FxHashSet::default();
            if !self.is_constant_type(ty, &mut seen) {
                let t = self.show(ty);
                self.err_help(
                    codes::BAD_CONST,
                    span,
                    format!("a constant cannot have type `{t}`, which refers to changeable data"),
                    "use numbers, strings, tuples or enums, or build the value in a function",
                );
            }
        }
        for i in 0..self.adts.len() {
            let id = AdtId(id32(i));
            let kind = self.adt_kind(id);
            let Some(info) = self.adts.get(i) else {
                continue;
            };
            let variants = info.variants.clone();
            for f in variants.iter().flat_map(|v| v.fields.iter()) {
                let top = match self.prog.tys.kind(f.ty) {
                    TyKind::Cap(_) => true,
                    TyKind::Adt(a, _) => self.adt_kind(*a) == AdtKind::Attenuator,
                    _ => false,
                };
                if !(top && kind == AdtKind::Attenuator) {
                    self.refuse_second(f.ty, f.span, false, "part of a field's type");
                }
            }
        }
    }

    fn is_constant_type(&self, ty: Ty, seen: &mut FxHashSet<AdtId>) -> bool {
        match self.prog.tys.kind(ty) {
            TyKind::Unit
            | TyKind::Bool
            | TyKind::Byte
            | TyKind::Char
            | TyKind::Int
            | TyKind::Float
            | TyKind::Str
            | TyKind::Error => true,
            TyKind::Tuple(ts) => ts.iter().all(|t| self.is_constant_type(*t, seen)),
            TyKind::Adt(id, args) => {
                if !matches!(self.adt_kind(*id), AdtKind::Enum | AdtKind::Error) {
                    return false;
                }
                if !args.iter().all(|t| self.is_constant_type(*t, seen)) {
                    return false;
                }
                if !seen.insert(*id) {
                    return true;
                }
                let Some(def) = self.prog.adts.get(id.0 as usize) else {
                    return false;
                };
                def.variants.iter().flat_map(|v| v.fields.iter()).all(|f| {
                    matches!(self.prog.tys.kind(f.ty), TyKind::Param(_))
                        || self.is_constant_type(f.ty, seen)
                })
            }
            _ => false,
        }
    }

    pub(super) fn first_class_sig(&mut self, sig: &Sig) {
        for (i, p) in sig.params.iter().enumerate() {
            if i == 0 && sig.has_self {
                continue;
            }
            self.refuse_second(p.ty, p.span, true, "a parameter");
        }
        self.refuse_second(sig.ret, sig.head, false, "a result");
        self.refuse_second(sig.errs, sig.head, false, "part of an error");
    }

    /// Capability methods carry data and handles only.
    fn data_only(&mut self, sig: &Sig) {
        let mut tys: Vec<(Ty, Span)> = sig.params.iter().map(|p| (p.ty, p.span)).collect();
        tys.push((sig.ret, sig.head));
        for m in self.prog.tys.err_members(sig.errs) {
            tys.push((m, sig.head));
        }
        for (ty, span) in tys {
            let whole = match self.prog.tys.kind(ty) {
                TyKind::Adt(id, args) if Some(*id) == self.prog.lang.option => {
                    args.first().copied().unwrap_or(ty)
                }
                _ => ty,
            };
            if let TyKind::Adt(id, _) = self.prog.tys.kind(whole)
                && self.adt_kind(*id) == AdtKind::Handle
            {
                continue;
            }
            let mut seen = FxHashSet::default();
            if let Some(what) = self.not_plain(ty, &mut seen) {
                self.err_help(
                    codes::BAD_CAPABILITY,
                    span,
                    format!("a capability's method takes and returns data: here is {what}"),
                    "pass plain data; a handle stands alone or as `T?`",
                );
            }
        }
    }

    fn not_plain(&self, ty: Ty, seen: &mut FxHashSet<Ty>) -> Option<String> {
        if !seen.insert(ty) || seen.len() > 2000 {
            return None;
        }
        match self.prog.tys.kind(ty) {
            TyKind::Fn(_) | TyKind::Borrowed(_) => Some("a function".to_string()),
            TyKind::Dyn(t, _) => Some(format!("an object of trait `{}`", self.trait_name(*t))),
            TyKind::List(t) => self.not_plain(*t, seen),
            TyKind::Tuple(ts) | TyKind::ErrSet(ts) => {
                ts.iter().find_map(|t| self.not_plain(*t, seen))
            }
            TyKind::Adt(id, args) => {
                if self.adt_kind(*id) == AdtKind::Handle {
                    return Some(format!(
                        "handle `{}` inside of other data",
                        self.adt_name(*id)
                    ));
                }
                if let Some(w) = args.iter().find_map(|t| self.not_plain(*t, seen)) {
                    return Some(w);
                }
                let def = self.prog.adts.get(id.0 as usize)?;
                def.variants
                    .iter()
                    .flat_map(|v| v.fields.iter())
                    .find_map(|f| self.not_plain(f.ty, seen))
            }
            _ => None,
        }
    }

    fn implementation(&mut self, m: ModId, item: &'a ImplItem<'a>) {
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

    fn inherent(&mut self, m: ModId, item: &'a ImplItem<'a>, enc: Enclosing, self_ty: Ty) {
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
        }
        self.inherents.push(Inherent {
            generics,
            self_ty,
            methods,
        });
    }

    /// Whether a type belongs to the package of a module.
    fn is_local(&self, ty: Ty, m: ModId) -> bool {
        let pkg = self.pkg_of(m);
        match self.prog.tys.kind(ty) {
            TyKind::Adt(id, _) => self
                .prog
                .adts
                .get(id.0 as usize)
                .is_some_and(|a| a.package == pkg),
            _ => false,
        }
    }

    fn trait_impl(
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
                self.err_help(
                    codes::BAD_ATTENUATOR,
                    item.head,
                    format!("`{target}` holds a capability, so it implements capabilities only"),
                    "keep the data that needs the trait in a struct of its own",
                );
                return;
            }
            TyKind::Adt(id, _) if self.adt_kind(*id) == AdtKind::Handle => {
                self.err(codes::BAD_IMPL, item.head, "handles implement no traits");
                return;
            }
            TyKind::Param(_) => {
                self.not_supported(item.head, "implementations for every type are");
                return;
            }
            TyKind::Dyn(..) => {
                self.not_supported(item.head, "implementations for objects of a trait are");
                return;
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
        let index = self.prog.impls.len();
        self.prog.impls.push(ImplDef {
            package: self.pkg_of(m),
            generics: id32(enc.generics.len()),
            interface: ImplOf::Trait(trait_id, targs),
            self_ty,
            methods,
            span: item.head,
        });
        self.impls.push(ImplInfo {
            generics: enc.generics.len(),
            preds: enc.preds,
        });
        self.trait_impls.entry(trait_id).or_default().push(index);
    }

    fn trait_has_default(&self, t: TraitId, i: usize) -> bool {
        self.prog
            .traits
            .get(t.0 as usize)
            .and_then(|t| t.methods.get(i))
            .is_some_and(|m| m.default.is_some())
    }

    fn report_missing(
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

    fn cap_impl(
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
                format!("a capability is implemented by a struct, not by `{target}`"),
            );
            return;
        };
        match self.adt_kind(id) {
            AdtKind::Struct => {
                if !self.is_local(self_ty, m) {
                    self.err_help(
                        codes::BAD_IMPL,
                        item.head,
                        format!("`{target}` does not belong to this package"),
                        "declare a struct of your own",
                    );
                    return;
                }
            }
            AdtKind::Attenuator => {
                if self.adts.get(id.0 as usize).map(|a| a.module) != Some(m) {
                    self.err_help(
                        codes::BAD_ATTENUATOR,
                        item.head,
                        format!(
                            "`{target}` implements capabilities only in the module that declares it"
                        ),
                        "move this implementation there",
                    );
                    return;
                }
            }
            _ => {
                self.err(
                    codes::BAD_IMPL,
                    item.head,
                    format!("a capability is implemented by a struct, not by `{target}`"),
                );
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
        let index = self.prog.impls.len();
        self.prog.impls.push(ImplDef {
            package: self.pkg_of(m),
            generics: id32(enc.generics.len()),
            interface: ImplOf::Cap(cap),
            self_ty,
            methods,
            span: item.head,
        });
        self.impls.push(ImplInfo {
            generics: enc.generics.len(),
            preds: enc.preds,
        });
        self.cap_impls.entry(cap).or_default().push(index);
    }

    /// The functions of an implementation in the order of the interface. `args` replaces the
    /// interface's parameters.
    fn impl_methods(
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

    fn compare(
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
        let extra: Vec<CapId> = got
            .uses
            .iter()
            .filter(|c| !want.uses.contains(c))
            .copied()
            .collect();
        if !extra.is_empty() {
            let a = self.caps_text(&extra);
            let help = if of_cap {
                "put what it needs into a capability field of the struct".to_string()
            } else {
                format!("add `uses {a}` to the trait's method")
            };
            self.push(
                Diagnostic::error(
                    codes::USES_MORE,
                    got.head,
                    format!("`{name}` uses `{a}`, which `{iface}` does not"),
                )
                .note_at(want.head, "it is declared here")
                .help(help),
            );
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
            info.abi_uses = Some(want.uses.clone());
        }
    }

    fn overlaps(&mut self) {
        let mut pairs = Vec::new();
        let mut lists: Vec<Vec<usize>> = self.trait_impls.values().cloned().collect();
        lists.extend(self.cap_impls.values().cloned());
        lists.sort();
        for list in lists {
            // Only implementations with the same head can overlap.
            let mut by_head: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
            for i in list {
                let head = match self
                    .prog
                    .impls
                    .get(i)
                    .map(|d| self.prog.tys.kind(d.self_ty))
                {
                    Some(TyKind::Adt(id, _)) => id.0 + 16,
                    Some(TyKind::List(_)) => 1,
                    Some(TyKind::Tuple(_)) => 2,
                    _ => self.prog.impls.get(i).map_or(0, |d| d.self_ty.0) << 1,
                };
                by_head.entry(head).or_default().push(i);
            }
            let mut groups: Vec<Vec<usize>> = by_head.into_values().collect();
            groups.sort();
            for g in groups {
                if pairs.len() > 200_000 {
                    break;
                }
                for (k, i) in g.iter().enumerate().take(1000) {
                    for j in g.iter().take(k) {
                        pairs.push((*j, *i));
                    }
                }
            }
        }
        if pairs.len() > 200_000 {
            let span = self.prog.impls.last().map_or(Span::default(), |d| d.span);
            self.err(
                codes::OVERLAP,
                span,
                "there are too many implementations for one type",
            );
            return;
        }
        for (j, i) in pairs {
            self.cx = super::cx::FnCx::new(self.module_scope(ModId(0)));
            let (Some(a), Some(b)) = (self.prog.impls.get(j), self.prog.impls.get(i)) else {
                continue;
            };
            let (sa, sb) = (a.self_ty, b.self_ty);
            let (ia, ib) = (a.interface.clone(), b.interface.clone());
            let (first, second) = (a.span, b.span);
            let va: Vec<Ty> = (0..a.generics).map(|_| TyTable::ERROR).collect();
            let vb: Vec<Ty> = (0..b.generics).map(|_| TyTable::ERROR).collect();
            let (ga, gb) = (va.len(), vb.len());
            let va: Vec<Ty> = (0..ga).map(|_| self.fresh(false)).collect();
            let vb: Vec<Ty> = (0..gb).map(|_| self.fresh(false)).collect();
            let x = self.subst(sa, &va);
            let y = self.subst(sb, &vb);
            let mut same = self.unify(x, y);
            if let (ImplOf::Trait(_, ta), ImplOf::Trait(_, tb)) = (ia, ib) {
                for (p, q) in ta.iter().zip(&tb) {
                    let p = self.subst(*p, &va);
                    let q = self.subst(*q, &vb);
                    same = same && self.unify(p, q);
                }
            }
            if same {
                let t = self.show(sb);
                self.push(
                    Diagnostic::error(
                        codes::OVERLAP,
                        second,
                        format!("`{t}` is implemented twice"),
                    )
                    .note_at(first, "the other implementation is here")
                    .help("remove one of them"),
                );
            }
        }
    }

    /// Implementations have what their trait asks for.
    fn super_traits(&mut self) {
        for i in 0..self.prog.impls.len() {
            let Some(def) = self.prog.impls.get(i) else {
                continue;
            };
            let ImplOf::Trait(t, targs) = def.interface.clone() else {
                continue;
            };
            let (self_ty, span) = (def.self_ty, def.span);
            let preds = self.impls.get(i).map_or(Vec::new(), |x| x.preds.clone());
            self.cx = super::cx::FnCx::new(self.module_scope(ModId(0)));
            self.cx.preds = self.elaborate(&preds);
            let asked = self
                .traits
                .get(t.0 as usize)
                .map_or(Vec::new(), |t| t.preds.clone());
            let mut args = vec![self_ty];
            args.extend(targs);
            for p in asked.iter().skip(1) {
                let ty = self.subst(p.ty, &args);
                let pargs = self.subst_all(&p.args, &args);
                if let Proof::No(..) = self.prove(ty, p.trait_id, &pargs) {
                    let (a, b) = (self.show(ty), self.show_trait(p.trait_id, &pargs));
                    let n = self.trait_name(t);
                    self.err_help(
                        codes::BOUND,
                        span,
                        format!("`{a}` has no `{b}`, which `{n}` asks for"),
                        format!("write `impl {b} for {a}:`"),
                    );
                }
            }
        }
    }

    fn derives(&mut self) {
        let Some(ord) = self.prog.lang.ord else {
            return;
        };
        for i in 0..self.adts.len() {
            let id = AdtId(id32(i));
            if !self.prog.adts.get(i).is_some_and(|a| a.derive_ord) {
                continue;
            }
            let Some(enc) = self.adt_enclosing(id) else {
                continue;
            };
            let by_hand = self.trait_impls.get(&ord).cloned().unwrap_or_default();
            for k in by_hand {
                if let Some(d) = self.prog.impls.get(k)
                    && let TyKind::Adt(a, _) = self.prog.tys.kind(d.self_ty)
                    && *a == id
                {
                    let span = d.span;
                    self.err_help(
                        codes::OVERLAP,
                        span,
                        "`Ord` is derived and implemented",
                        "remove `derive Ord`, or this implementation",
                    );
                }
            }
            let mut preds = enc.preds.clone();
            for (_, t) in enc.scope.generics.iter() {
                preds.push(Pred {
                    ty: *t,
                    trait_id: ord,
                    args: Vec::new(),
                });
            }
            self.cx = super::cx::FnCx::new(enc.scope.clone());
            self.cx.preds = self.elaborate(&preds);
            let Some(variants) = self.adts.get(i).map(|a| a.variants.clone()) else {
                continue;
            };
            for f in variants.iter().flat_map(|v| v.fields.iter()) {
                if let Proof::No(..) = self.prove(f.ty, ord, &[]) {
                    let t = self.show(f.ty);
                    self.err_help(
                        codes::BAD_DERIVE,
                        f.span,
                        format!("`Ord` cannot be derived: `{t}` has no order"),
                        "derive or implement `Ord` for that type, or implement it here by hand",
                    );
                }
            }
        }
    }

    fn attenuator_rules(&mut self) {
        for i in 0..self.adts.len() {
            let id = AdtId(id32(i));
            if self.adt_kind(id) != AdtKind::Attenuator {
                continue;
            }
            let Some(info) = self.adts.get(i) else {
                continue;
            };
            let AdtItem::Struct(item) = info.item else {
                continue;
            };
            let variants = info.variants.clone();
            let name = self.text(item.name.name);
            if !item.generics.is_empty() {
                self.not_supported(item.name.span, "attenuators with type parameters are");
            }
            for d in item.derives {
                self.err_help(
                    codes::BAD_ATTENUATOR,
                    d.span,
                    format!("`{name}` holds a capability, so it derives nothing"),
                    "remove `derive`",
                );
            }
            for m in item.methods {
                self.err_help(
                    codes::BAD_ATTENUATOR,
                    m.head,
                    format!("`{name}` holds a capability, so its only methods are those of the capabilities that it implements"),
                    "declare a `capability` with this method and implement it",
                );
            }
            for f in variants.iter().flat_map(|v| v.fields.iter()) {
                let cap = match self.prog.tys.kind(f.ty) {
                    TyKind::Cap(_) => true,
                    TyKind::Adt(a, _) => self.adt_kind(*a) == AdtKind::Attenuator,
                    _ => false,
                };
                if cap && f.mutable {
                    self.err_help(
                        codes::BAD_ATTENUATOR,
                        f.span,
                        "a capability field cannot be `mut`",
                        "remove `mut`",
                    );
                }
                if cap && f.default.is_some() {
                    self.err_help(
                        codes::BAD_ATTENUATOR,
                        f.span,
                        "a capability field has no default: whoever builds the attenuator gives it",
                        "remove the default",
                    );
                }
                if !cap {
                    let mut seen = FxHashSet::default();
                    if let Some(what) = self.holds_function(f.ty, &mut seen) {
                        self.not_supported(f.span, &format!("{what} in an attenuator is"));
                    }
                }
            }
        }
    }

    /// Mutable data is copied at an attenuator's edge; what holds functions cannot be.
    fn holds_function(&self, ty: Ty, seen: &mut FxHashSet<Ty>) -> Option<&'static str> {
        if !seen.insert(ty) || seen.len() > 2000 {
            return None;
        }
        match self.prog.tys.kind(ty) {
            TyKind::Fn(_) => Some("a function"),
            TyKind::Dyn(..) => Some("an object"),
            TyKind::List(t) => self.holds_function(*t, seen),
            TyKind::Tuple(ts) => ts.iter().find_map(|t| self.holds_function(*t, seen)),
            TyKind::Adt(id, args) => {
                if let Some(w) = args.iter().find_map(|t| self.holds_function(*t, seen)) {
                    return Some(w);
                }
                let def = self.prog.adts.get(id.0 as usize)?;
                def.variants
                    .iter()
                    .flat_map(|v| v.fields.iter())
                    .find_map(|f| self.holds_function(f.ty, seen))
            }
            _ => None,
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

//! Second stage: fields, signatures, interfaces, types of constants.

use super::rules::Rule;
use super::types::TyPos;
use super::{
    AdtItem, Checker, FieldInfo, FnSrc, Generic, ModId, ParamSig, Pred, Sig, TyScope, VariantInfo,
    codes,
};
use crate::ast::{self, FnItem};
use crate::diag::Diagnostic;
use crate::source::sym;
use crate::thir::{
    AdtId, CapId, ConstId, FieldDef, FnId, MethodDef, TraitId, Ty, TyKind, TyTable, VariantDef,
};
use jet_bytecode::limits::{self, MAX_PAYLOAD, MAX_VARIANTS};
use std::rc::Rc;

/// Most fields of a struct.
const MAX_FIELDS: usize = 500;
/// Most parameters of a function.
pub(super) const MAX_PARAMS: usize = 200;
/// The receiver is one more, and the format has to hold them all.
const _: () = assert!(MAX_FIELDS <= limits::MAX_RECORD_FIELDS && MAX_PARAMS < limits::MAX_SIG);

/// What encloses a function.
#[derive(Clone, Debug)]
pub(super) struct Enclosing {
    pub scope: TyScope,
    pub generics: Vec<Generic>,
    pub preds: Vec<Pred>,
    /// Type of `self`, if functions may have one.
    pub receiver: Option<Ty>,
    /// `Point` of `Point.norm`; empty at the top.
    pub display: String,
    /// `module.Point`, without the function's name.
    pub full: String,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn signatures(&mut self) {
        let top = self.fns.len();
        for i in 0..self.adts.len() {
            self.adt_generics(AdtId(super::collect::id32(i)));
        }
        for i in 0..self.traits.len() {
            self.trait_generics(TraitId(super::collect::id32(i)));
        }
        for i in 0..self.adts.len() {
            self.adt_fields(AdtId(super::collect::id32(i)));
        }
        for i in 0..self.capsets.len() {
            let Some(span) = self.capsets.get(i).map(|c| c.item.name.span) else {
                continue;
            };
            self.expand_capset(super::collect::id32(i), span);
        }
        for i in 0..self.caps.len() {
            self.cap_methods(CapId(super::collect::id32(i)));
        }
        for i in 0..self.traits.len() {
            self.trait_methods_of(TraitId(super::collect::id32(i)));
        }
        for i in 0..self.traits.len() {
            let preds = self.traits.get(i).map_or(Vec::new(), |t| t.preds.clone());
            let Some(first) = preds.first().cloned() else {
                continue;
            };
            let all = self.elaborate(std::slice::from_ref(&first));
            let supers = all.iter().filter(|p| **p != first && p.ty == first.ty);
            let supers = supers.map(|p| (p.trait_id, p.args.clone())).collect();
            if let Some(def) = self.prog.traits.get_mut(i) {
                def.supers = supers;
            }
        }
        for i in 0..top {
            let id = FnId(super::collect::id32(i));
            let Some(info) = self.fns.get(i) else {
                continue;
            };
            let FnSrc::Item(item) = info.src else {
                continue;
            };
            let scope = info.scope.clone();
            let name = self.text(item.name.name);
            let full = self.qualified(scope.module, &name);
            let enc = Enclosing {
                scope,
                generics: Vec::new(),
                preds: Vec::new(),
                receiver: None,
                display: String::new(),
                full: full
                    .strip_suffix(name.as_str())
                    .unwrap_or("")
                    .trim_end_matches('.')
                    .to_string(),
            };
            self.fill_sig(id, item, &enc);
        }
        for i in 0..self.adts.len() {
            self.adt_methods(AdtId(super::collect::id32(i)));
        }
        for i in 0..self.consts.len() {
            let Some((module, item)) = self.consts.get(i).map(|c| (c.module, c.item)) else {
                continue;
            };
            let scope = self.module_scope(module);
            let ty = self.resolve_ty(&item.ty, &scope, TyPos::Other);
            if let Some(c) = self.consts.get_mut(i) {
                c.ty = ty;
            }
            if let Some(c) = self.prog.consts.get_mut(i) {
                c.ty = ty;
            }
        }
    }

    /// What encloses the methods of a type.
    pub(super) fn adt_enclosing(&mut self, id: AdtId) -> Option<Enclosing> {
        let info = self.adts.get(id.0 as usize)?;
        let (module, name) = (info.module, info.name);
        let generics = info.generics.clone();
        let preds = info.preds.clone();
        let mut names = Vec::new();
        let mut args = Vec::new();
        for (i, g) in generics.iter().enumerate() {
            let t = self.prog.tys.intern(TyKind::Param(super::collect::id32(i)));
            names.push((g.name, t));
            args.push(t);
        }
        let sets = generics.iter().filter(|g| g.is_uses).map(|g| g.name);
        let self_ty = self.prog.tys.intern(TyKind::Adt(id, args));
        let text = self.text(name);
        Some(Enclosing {
            scope: TyScope {
                module,
                generics: Rc::new(names),
                sets: Rc::new(sets.collect()),
                self_ty: Some(self_ty),
            },
            generics,
            preds,
            receiver: Some(self_ty),
            full: self.qualified(module, &text),
            display: text,
        })
    }

    fn adt_generics(&mut self, id: AdtId) {
        let Some((module, item)) = self.adts.get(id.0 as usize).map(|a| (a.module, a.item)) else {
            return;
        };
        let base = self.module_scope(module);
        let (_, generics) = self.extend_generics(&base, item.generics(), 0);
        if let Some(def) = self.prog.adts.get_mut(id.0 as usize) {
            def.generics = super::collect::id32(generics.len());
        }
        if let Some(info) = self.adts.get_mut(id.0 as usize) {
            info.generics = generics;
        }
    }

    fn trait_generics(&mut self, id: TraitId) {
        let Some((module, item)) = self.traits.get(id.0 as usize).map(|t| (t.module, t.item))
        else {
            return;
        };
        let self_ty = self.prog.tys.intern(TyKind::Param(0));
        let base = TyScope {
            self_ty: Some(self_ty),
            ..self.module_scope(module)
        };
        self.no_sets(item.generics, "a trait");
        let (_, own) = self.extend_generics(&base, item.generics, 1);
        let mut generics = vec![Generic {
            name: sym::Self_,
            is_err: false,
            is_uses: false,
        }];
        generics.extend(own);
        if let Some(def) = self.prog.traits.get_mut(id.0 as usize) {
            def.generics = super::collect::id32(generics.len());
        }
        if let Some(info) = self.traits.get_mut(id.0 as usize) {
            info.generics = generics;
        }
    }

    fn adt_fields(&mut self, id: AdtId) {
        let Some(enc) = self.adt_enclosing(id) else {
            return;
        };
        let Some(item) = self.adts.get(id.0 as usize).map(|a| a.item) else {
            return;
        };
        let mut preds = Vec::new();
        self.resolve_preds(item.generics(), item.wheres(), &enc.scope, &mut preds);
        let enc = Enclosing { preds, ..enc };
        if let Some(info) = self.adts.get_mut(id.0 as usize) {
            info.preds = enc.preds.clone();
        }
        let mut variants = Vec::new();
        match item {
            AdtItem::Struct(s) if s.fields.len() > MAX_FIELDS => {
                self.too_many(s.name, "fields", MAX_FIELDS);
            }
            AdtItem::Enum(e) if e.variants.len() > MAX_VARIANTS => {
                self.too_many(e.name, "variants", MAX_VARIANTS);
            }
            AdtItem::Struct(s) => {
                let mut fields: Vec<FieldInfo> = Vec::new();
                for f in s.fields {
                    let ty = self.resolve_ty(&f.ty, &enc.scope, TyPos::Field);
                    if fields.iter().any(|g| g.name == f.name.name) {
                        self.duplicate(f.name, "field");
                        continue;
                    }
                    let default = f.default.as_ref().and_then(|e| {
                        if let TyKind::Cap(_) = self.prog.tys.kind(ty)
                            && self.breach(
                                Rule::AttenuatorDefault,
                                f.name.span,
                                "a capability field has no default: whoever builds the attenuator gives it",
                                "remove the default",
                            )
                        {
                            return None;
                        }
                        let name = self.text(f.name.name);
                        Some(self.default_fn(&enc, e, ty, &format!("default.{name}")))
                    });
                    fields.push(FieldInfo {
                        name: f.name.name,
                        ty,
                        mutable: f.mutable.is_some(),
                        is_pub: f.is_pub.is_some(),
                        default,
                        span: f.name.span,
                    });
                }
                variants.push(VariantInfo {
                    name: s.name.name,
                    fields,
                });
            }
            AdtItem::Enum(e) => {
                for v in e.variants {
                    if variants.iter().any(|w: &VariantInfo| w.name == v.name.name) {
                        self.duplicate(v.name, "variant");
                        continue;
                    }
                    let mut fields: Vec<FieldInfo> = Vec::new();
                    if v.fields.len() > MAX_PAYLOAD {
                        self.too_many(v.name, "values", MAX_PAYLOAD);
                        continue;
                    }
                    for f in v.fields {
                        let ty = self.resolve_ty(&f.ty, &enc.scope, TyPos::Other);
                        if fields.iter().any(|g| g.name == f.name.name) {
                            self.duplicate(f.name, "payload");
                            continue;
                        }
                        fields.push(FieldInfo {
                            name: f.name.name,
                            ty,
                            mutable: false,
                            is_pub: true,
                            default: None,
                            span: f.name.span,
                        });
                    }
                    variants.push(VariantInfo {
                        name: v.name.name,
                        fields,
                    });
                }
            }
        }
        let defs = variants
            .iter()
            .map(|v| VariantDef {
                name: self.text(v.name),
                fields: v
                    .fields
                    .iter()
                    .map(|f| FieldDef {
                        name: self.text(f.name),
                        ty: f.ty,
                        mutable: f.mutable,
                        default: f.default,
                    })
                    .collect(),
            })
            .collect();
        if let Some(def) = self.prog.adts.get_mut(id.0 as usize) {
            def.variants = defs;
        }
        if let Some(info) = self.adts.get_mut(id.0 as usize) {
            info.variants = Rc::new(variants);
        }
    }

    pub(super) fn too_many(&mut self, name: ast::Ident, what: &str, most: usize) {
        let t = self.text(name.name);
        self.err(
            codes::TYPE_TOO_LARGE,
            name.span,
            format!("`{t}` has too many {what}: at most {most} are possible"),
        );
    }

    pub(super) fn duplicate(&mut self, name: ast::Ident, what: &str) {
        let t = self.text(name.name);
        self.err_help(
            codes::DUPLICATE,
            name.span,
            format!("{what} `{t}` is declared twice"),
            "give one of them another name",
        );
    }

    /// A function without parameters that computes a default value.
    fn default_fn(
        &mut self,
        enc: &Enclosing,
        value: &'a ast::Expr<'a>,
        ty: Ty,
        name: &str,
    ) -> FnId {
        let full = if enc.full.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", enc.full)
        };
        let id = self.new_fn(
            enc.scope.clone(),
            FnSrc::Default(value),
            full,
            sym::empty,
            value.span,
        );
        let sig = Sig {
            name: sym::empty,
            display: "a default value".to_string(),
            generics: enc.generics.clone(),
            own: enc.generics.len(),
            preds: enc.preds.clone(),
            params: Vec::new(),
            has_self: false,
            ret: ty,
            errs: TyTable::NEVER,
            uses: Vec::new(),
            head: value.span,
            is_pub: true,
            module: enc.scope.module,
        };
        self.store_sig(id, sig);
        id
    }

    fn store_sig(&mut self, id: FnId, sig: Sig) {
        if let Some(def) = self.prog.fns.get_mut(id.0 as usize) {
            def.generics = super::collect::id32(sig.generics.len());
            def.open = sig.generics.iter().any(|g| g.is_uses);
            def.ret = sig.ret;
            def.errs = sig.errs;
        }
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            info.sig = Rc::new(sig);
        }
    }

    fn adt_methods(&mut self, id: AdtId) {
        let Some(enc) = self.adt_enclosing(id) else {
            return;
        };
        let Some(info) = self.adts.get(id.0 as usize) else {
            return;
        };
        let (item, variants) = (info.item, info.variants.clone());
        for m in item.methods() {
            let name = m.name.name;
            if self
                .adts
                .get(id.0 as usize)
                .is_some_and(|a| a.methods.contains_key(&name))
            {
                self.duplicate(m.name, "method");
                continue;
            }
            let clash = variants.iter().find_map(|v| match item {
                AdtItem::Struct(_) => v.fields.iter().find(|f| f.name == name).map(|f| f.span),
                AdtItem::Enum(_) => None,
            });
            if let Some(span) = clash {
                let t = self.text(name);
                self.push(
                    Diagnostic::error(
                        codes::FIELD_METHOD,
                        m.name.span,
                        format!("`{t}` is a field and a method of `{}`", enc.display),
                    )
                    .note_at(span, "the field is here")
                    .help("give one of them another name"),
                );
                continue;
            }
            let f = self.method_fn(m, &enc);
            if let Some(a) = self.adts.get_mut(id.0 as usize) {
                a.methods.insert(name, f);
            }
        }
    }

    /// A method with its signature.
    pub(super) fn method_fn(&mut self, m: &'a FnItem<'a>, enc: &Enclosing) -> FnId {
        let name = self.text(m.name.name);
        let full = if enc.full.is_empty() {
            name
        } else {
            format!("{}.{name}", enc.full)
        };
        let f = self.new_fn(enc.scope.clone(), FnSrc::Item(m), full, m.name.name, m.head);
        self.fill_sig(f, m, enc);
        f
    }

    fn fill_sig(&mut self, id: FnId, item: &'a FnItem<'a>, enc: &Enclosing) {
        let (sig, scope) = self.make_sig(item, enc);
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            info.scope = scope;
        }
        self.store_sig(id, sig);
    }

    /// The signature of a function, with the scope for its body.
    pub(super) fn make_sig(&mut self, item: &'a FnItem<'a>, enc: &Enclosing) -> (Sig, TyScope) {
        let start = enc.generics.len();
        let (scope, own) = self.extend_generics(&enc.scope, item.generics, start);
        let mut generics = enc.generics.clone();
        generics.extend(own);
        let mut preds = enc.preds.clone();
        self.resolve_preds(item.generics, item.wheres, &scope, &mut preds);
        let name = self.text(item.name.name);
        let display = if enc.display.is_empty() {
            name.clone()
        } else {
            format!("{}.{name}", enc.display)
        };
        let inner = Enclosing {
            scope: scope.clone(),
            generics: generics.clone(),
            preds: preds.clone(),
            receiver: enc.receiver,
            display: display.clone(),
            full: if enc.full.is_empty() {
                name
            } else {
                format!("{}.{name}", enc.full)
            },
        };
        let mut params: Vec<ParamSig> = Vec::new();
        if let Some(r) = item.receiver {
            params.push(ParamSig {
                name: sym::self_,
                ty: enc.receiver.unwrap_or(TyTable::ERROR),
                default: None,
                span: r.span,
            });
        }
        if item.params.len() > MAX_PARAMS {
            self.too_many(item.name, "parameters", MAX_PARAMS);
        }
        for p in item.params.iter().take(MAX_PARAMS) {
            let ty = match &p.ty {
                Some(t) => self.resolve_ty(t, &scope, TyPos::Param),
                None => TyTable::ERROR,
            };
            if params.iter().any(|q| q.name == p.name.name) && p.name.name != sym::underscore {
                self.duplicate(p.name, "parameter");
            }
            self.check_value_name(scope.module, p.name);
            let default = p.default.as_ref().and_then(|e| {
                if matches!(self.prog.tys.kind(ty), TyKind::Borrowed(_))
                    && self.breach(
                        Rule::BorrowedDefault,
                        e.span,
                        "a parameter that takes a borrowed function cannot have a default",
                        "write `own fn` in its type",
                    )
                {
                    return None;
                }
                let name = self.text(p.name.name);
                Some(self.default_fn(&inner, e, ty, &format!("default.{name}")))
            });
            params.push(ParamSig {
                name: p.name.name,
                ty,
                default,
                span: p.span,
            });
        }
        let ret = match &item.ret {
            Some(t) => self.resolve_ty(t, &scope, TyPos::Other),
            None => TyTable::UNIT,
        };
        let errs = self.resolve_errs(item.errors, &scope);
        let uses = self.resolve_uses(&scope, item.uses);
        let mut err_params = Vec::new();
        self.err_params(errs, &mut err_params);
        for p in &params {
            self.err_params_in(p.ty, &mut err_params);
        }
        for (i, g) in generics.iter_mut().enumerate() {
            g.is_err |= err_params.contains(&super::collect::id32(i));
        }
        (
            Sig {
                name: item.name.name,
                display,
                generics,
                own: start,
                preds,
                params,
                has_self: item.receiver.is_some(),
                ret,
                errs,
                uses,
                head: item.head,
                is_pub: item.is_pub.is_some(),
                module: scope.module,
            },
            scope,
        )
    }

    fn err_params(&self, errs: Ty, out: &mut Vec<u32>) {
        for m in self.prog.tys.err_members(errs) {
            if let TyKind::Param(i) = self.prog.tys.kind(m) {
                out.push(*i);
            }
        }
    }

    fn err_params_in(&self, ty: Ty, out: &mut Vec<u32>) {
        match self.prog.tys.kind(ty) {
            TyKind::Fn(f) | TyKind::Borrowed(f) => {
                self.err_params(f.errs, out);
                for p in &f.params {
                    self.err_params_in(*p, out);
                }
                self.err_params_in(f.ret, out);
            }
            TyKind::List(t) => self.err_params_in(*t, out),
            TyKind::Tuple(ts) | TyKind::Adt(_, ts) => {
                for t in ts {
                    self.err_params_in(*t, out);
                }
            }
            _ => {}
        }
    }

    pub(super) fn method_def(&self, sig: &Sig, default: Option<FnId>, dynamic: bool) -> MethodDef {
        let skip = usize::from(sig.has_self);
        MethodDef {
            name: self.text(sig.name),
            generics: super::collect::id32(sig.generics.len() - sig.own.min(sig.generics.len())),
            params: sig.params.iter().skip(skip).map(|p| p.ty).collect(),
            uses: sig.uses.clone(),
            ret: sig.ret,
            errs: sig.errs,
            default,
            dynamic,
        }
    }

    /// Whether `part` is in `ty`.
    pub(super) fn mentions(&self, ty: Ty, part: Ty) -> bool {
        if ty == part {
            return true;
        }
        match self.prog.tys.kind(ty) {
            TyKind::List(t) => self.mentions(*t, part),
            TyKind::Tuple(ts) | TyKind::Adt(_, ts) | TyKind::Dyn(_, ts) | TyKind::ErrSet(ts) => {
                ts.iter().any(|t| self.mentions(*t, part))
            }
            TyKind::Fn(f) | TyKind::Borrowed(f) => {
                f.params.iter().any(|t| self.mentions(*t, part))
                    || self.mentions(f.ret, part)
                    || self.mentions(f.errs, part)
            }
            _ => false,
        }
    }

    pub(super) fn sig(&self, f: FnId) -> Rc<Sig> {
        match self.fns.get(f.0 as usize) {
            Some(info) => info.sig.clone(),
            None => Rc::new(Sig {
                name: sym::empty,
                display: String::new(),
                generics: Vec::new(),
                own: 0,
                preds: Vec::new(),
                params: Vec::new(),
                has_self: false,
                ret: TyTable::ERROR,
                errs: TyTable::NEVER,
                uses: Vec::new(),
                head: crate::source::Span::default(),
                is_pub: false,
                module: ModId(0),
            }),
        }
    }

    pub(super) fn const_ty(&self, id: ConstId) -> Ty {
        self.consts
            .get(id.0 as usize)
            .map_or(TyTable::ERROR, |c| c.ty)
    }
}

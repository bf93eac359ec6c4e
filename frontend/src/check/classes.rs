//! First and second class: which structs are attenuators and what they may hold, types of signatures,
//! fields, constants and capability methods.

use super::collect::id32;
use super::rules::Rule;
use super::{AdtItem, Checker, Sig};
use crate::source::Span;
use crate::thir::{AdtId, AdtKind, FnId, Ty, TyKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::rc::Rc;

/// Most types that are looked through behind one; what has more is refused.
const MOST_TYPES: usize = 2_000;
const TOO_MANY: &str = "data of more than 2,000 types";

impl<'a> Checker<'a, '_> {
    pub(super) fn classify_attenuators(&mut self) {
        let mut holders: FxHashMap<AdtId, Vec<AdtId>> = FxHashMap::default();
        let mut found = Vec::new();
        for i in 0..self.adts.len() {
            let id = AdtId(id32(i));
            let Some(info) = self.adts.get(i) else {
                continue;
            };
            if self.adt_kind(id) != AdtKind::Struct {
                continue;
            }
            for f in info.variants.iter().flat_map(|v| v.fields.iter()) {
                match self.prog.tys.kind(f.ty) {
                    TyKind::Cap(_) => found.push(id),
                    TyKind::Adt(a, _) if self.adt_kind(*a) == AdtKind::Attenuator => found.push(id),
                    TyKind::Adt(a, _) => holders.entry(*a).or_default().push(id),
                    _ => {}
                }
            }
        }
        while let Some(id) = found.pop() {
            if self.adt_kind(id) != AdtKind::Struct {
                continue;
            }
            if let Some(def) = self.prog.adts.get_mut(id.0 as usize) {
                def.kind = AdtKind::Attenuator;
            }
            found.extend(holders.remove(&id).unwrap_or_default());
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

    pub(super) fn second_class_fn(&self, f: &crate::thir::FnTy) -> Option<String> {
        f.params
            .iter()
            .find_map(|t| self.second_class(*t, true))
            .or_else(|| self.second_class(f.ret, false))
            .or_else(|| self.second_class(f.errs, false))
    }

    fn refuse_second(&mut self, ty: Ty, span: Span, borrowed: bool, rule: Rule, place: &str) {
        if let Some(what) = self.second_class(ty, borrowed) {
            self.breach(
                rule,
                span,
                format!("{what} cannot be {place}"),
                "authority is passed with `uses` and `with` only, never as a value",
            );
        }
    }

    pub(super) fn first_class_signatures(&mut self) {
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
        let mut plain = FxHashSet::default();
        for c in 0..self.caps.len() {
            let Some(info) = self.caps.get(c) else {
                continue;
            };
            for s in info.methods.clone() {
                self.first_class_sig(&s);
                self.data_only(&s, &mut plain);
            }
        }
        for i in 0..self.consts.len() {
            let Some((ty, span)) = self.consts.get(i).map(|c| (c.ty, c.item.ty.span)) else {
                continue;
            };
            let mut seen = FxHashSet::default();
            if !self.is_constant_type(ty, &mut seen) {
                let t = self.show(ty);
                let (why, help) = match self.prog.tys.kind(ty) {
                    TyKind::Fn(_) | TyKind::Borrowed(_) => (
                        "whose values are functions",
                        "name the function where it is needed",
                    ),
                    _ => (
                        "which refers to changeable data",
                        "use numbers, strings, tuples or enums, or build the value in a function",
                    ),
                };
                let what = format!("a constant cannot have type `{t}`, {why}");
                self.breach(Rule::ConstantData, span, what, help);
                if let Some(c) = self.consts.get_mut(i) {
                    c.failed = true;
                }
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
                    let place = "part of a field's type";
                    self.refuse_second(f.ty, f.span, false, Rule::FieldType, place);
                }
            }
        }
    }

    pub(super) fn is_constant_type(&self, ty: Ty, seen: &mut FxHashSet<AdtId>) -> bool {
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
            self.refuse_second(p.ty, p.span, true, Rule::Parameter, "a parameter");
        }
        self.refuse_second(sig.ret, sig.head, false, Rule::ResultType, "a result");
        let place = "part of an error";
        self.refuse_second(sig.errs, sig.head, false, Rule::ErrorType, place);
    }

    /// Capability methods carry data and handles only. `plain`: types that are known to be data.
    fn data_only(&mut self, sig: &Sig, plain: &mut FxHashSet<Ty>) {
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
            let bad = self.not_plain(ty, &mut seen, plain);
            if bad.is_none() {
                plain.extend(seen);
            }
            if let Some((rule, what)) = bad {
                self.breach(
                    rule,
                    span,
                    format!("a capability's method takes and returns data: here is {what}"),
                    "pass plain data; a handle stands alone or as `T?`",
                );
            }
        }
    }

    /// What a capability's methods do not pass, with the rule that says so.
    fn not_plain(
        &self,
        ty: Ty,
        seen: &mut FxHashSet<Ty>,
        plain: &FxHashSet<Ty>,
    ) -> Option<(Rule, String)> {
        if plain.contains(&ty) || !seen.insert(ty) {
            return None;
        }
        if seen.len() > MOST_TYPES {
            return Some((Rule::InterfaceData, TOO_MANY.to_string()));
        }
        match self.prog.tys.kind(ty) {
            TyKind::Fn(_) | TyKind::Borrowed(_) => {
                Some((Rule::InterfaceData, "a function".to_string()))
            }
            TyKind::Dyn(t, _) => {
                let what = format!("an object of trait `{}`", self.trait_name(*t));
                Some((Rule::InterfaceData, what))
            }
            TyKind::List(t) => self.not_plain(*t, seen, plain),
            TyKind::Tuple(ts) | TyKind::ErrSet(ts) => {
                ts.iter().find_map(|t| self.not_plain(*t, seen, plain))
            }
            TyKind::Adt(id, args) => {
                if self.adt_kind(*id) == AdtKind::Handle {
                    let what = format!("handle `{}` inside of other data", self.adt_name(*id));
                    return Some((Rule::HandleInside, what));
                }
                if let Some(w) = args.iter().find_map(|t| self.not_plain(*t, seen, plain)) {
                    return Some(w);
                }
                let def = self.prog.adts.get(id.0 as usize)?;
                def.variants
                    .iter()
                    .flat_map(|v| v.fields.iter())
                    .find_map(|f| self.not_plain(f.ty, seen, plain))
            }
            _ => None,
        }
    }

    pub(super) fn attenuator_rules(&mut self) {
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
                self.breach(
                    Rule::AttenuatorGeneric,
                    item.name.span,
                    format!("`{name}` holds a capability, so it has no type parameters"),
                    "an attenuator's code belongs to its own package, an instance to whoever asks for it: write the types out",
                );
            }
            for d in item.derives {
                self.breach(
                    Rule::AttenuatorDerive,
                    d.span,
                    format!("`{name}` holds a capability, so it derives nothing"),
                    "remove `derive`",
                );
            }
            for m in item.methods {
                self.breach(
                    Rule::AttenuatorMethods,
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
                    self.breach(
                        Rule::AttenuatorMutable,
                        f.span,
                        "a capability field cannot be `mut`",
                        "remove `mut`",
                    );
                }
                if cap && f.default.is_some() {
                    self.breach(
                        Rule::AttenuatorDefault,
                        f.span,
                        "a capability field has no default: whoever builds the attenuator gives it",
                        "remove the default",
                    );
                }
                if !cap {
                    let mut seen = FxHashSet::default();
                    if let Some(what) = self.holds_function(f.ty, &mut seen) {
                        self.breach(
                            Rule::AttenuatorData,
                            f.span,
                            format!("{what} cannot be part of an attenuator"),
                            "what crosses its edge is copied, and what a function or object holds cannot be: keep plain data, or a capability with such a method",
                        );
                    }
                }
            }
        }
    }

    /// Mutable data is copied at an attenuator's edge; what holds functions cannot be.
    pub(super) fn holds_function(&self, ty: Ty, seen: &mut FxHashSet<Ty>) -> Option<&'static str> {
        if !seen.insert(ty) {
            return None;
        }
        if seen.len() > MOST_TYPES {
            return Some(TOO_MANY);
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
}

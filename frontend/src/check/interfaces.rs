//! Second stage: the methods of capabilities and traits.

use super::rules::Rule;
use super::sigs::Enclosing;
use super::{Checker, Pred, Progress, Sig, TyScope, codes};
use crate::source::Symbol;
use crate::thir::{CapId, TraitId, Ty, TyKind};
use jet_bytecode::limits::MAX_LIST;
use rustc_hash::FxHashSet;
use std::rc::Rc;

impl<'a> Checker<'a, '_> {
    pub(super) fn cap_methods(&mut self, id: CapId) {
        let Some(info) = self.caps.get_mut(id.0 as usize) else {
            return;
        };
        match info.state {
            Progress::Done => return,
            Progress::Doing => {
                let span = info.item.name.span;
                self.err(
                    codes::IMPORT_CYCLE,
                    span,
                    "this capability is its own parent",
                );
                return;
            }
            Progress::Todo => info.state = Progress::Doing,
        }
        let (module, item) = (info.module, info.item);
        let mut methods: Vec<Rc<Sig>> = Vec::new();
        let mut parent = None;
        if let Some(p) = &item.parent {
            match self.resolve_path(module, p, "capability") {
                Some(super::Def::Cap(c)) if c != id => {
                    self.cap_methods(c);
                    parent = Some(c);
                    if let Some(pi) = self.caps.get(c.0 as usize) {
                        methods.extend(pi.methods.iter().cloned());
                    }
                }
                Some(_) => {
                    let what = "the parent of a capability is another capability";
                    self.breach(Rule::UsesNames, p.span, what, "");
                }
                None => {}
            }
        }
        let name = self.text(item.name.name);
        let enc = Enclosing {
            scope: self.module_scope(module),
            generics: Vec::new(),
            preds: Vec::new(),
            receiver: None,
            full: self.qualified(module, &name),
            display: name,
        };
        let room = MAX_LIST.saturating_sub(methods.len());
        if item.fns.len() > room {
            self.too_many(item.name, "methods, its parent's included", MAX_LIST);
        }
        let mut names: FxHashSet<Symbol> = methods.iter().map(|m| m.name).collect();
        for m in item.fns.iter().take(room) {
            if !names.insert(m.name.name) {
                self.duplicate(m.name, "method");
                continue;
            }
            let bad = if !m.generics.is_empty() {
                Some((
                    Rule::InterfaceGeneric,
                    "methods of capabilities are not generic",
                ))
            } else if !m.uses.is_empty() {
                Some((
                    Rule::InterfaceUses,
                    "methods of capabilities have no `uses`",
                ))
            } else if m.receiver.is_some() {
                Some((
                    Rule::InterfaceSelf,
                    "methods of capabilities have no `self`",
                ))
            } else if m.params.iter().any(|p| p.default.is_some()) {
                Some((
                    Rule::InterfaceDefault,
                    "parameters of a capability's method have no defaults",
                ))
            } else {
                None
            };
            if let Some((rule, why)) = bad
                && self.breach(rule, m.head, why, "")
            {
                continue;
            }
            let (sig, _) = self.make_sig(m, &enc);
            methods.push(Rc::new(sig));
        }
        let defs = methods
            .iter()
            .map(|s| self.method_def(s, None, false))
            .collect();
        if let Some(def) = self.prog.caps.get_mut(id.0 as usize) {
            def.methods = defs;
            def.parent = parent;
        }
        if let Some(info) = self.caps.get_mut(id.0 as usize) {
            info.methods = methods;
            info.state = Progress::Done;
        }
    }

    pub(super) fn trait_methods_of(&mut self, id: TraitId) {
        let Some(info) = self.traits.get(id.0 as usize) else {
            return;
        };
        let (module, item, generics) = (info.module, info.item, info.generics.clone());
        let mut names: Vec<(Symbol, Ty)> = Vec::new();
        let mut args = Vec::new();
        for (i, g) in generics.iter().enumerate() {
            let t = self.prog.tys.intern(TyKind::Param(super::collect::id32(i)));
            names.push((g.name, t));
            if i > 0 {
                args.push(t);
            }
        }
        let sets = generics.iter().filter(|g| g.is_uses).map(|g| g.name);
        let self_ty = self.prog.tys.intern(TyKind::Param(0));
        let scope = TyScope {
            module,
            generics: Rc::new(names),
            sets: Rc::new(sets.collect()),
            self_ty: Some(self_ty),
        };
        let mut preds = vec![Pred {
            ty: self_ty,
            trait_id: id,
            args,
        }];
        self.resolve_preds(item.generics, item.wheres, &scope, &mut preds);
        for s in item.supers {
            if let Some((trait_id, args)) = self.resolve_bound(s, &scope) {
                preds.push(Pred {
                    ty: self_ty,
                    trait_id,
                    args,
                });
            }
        }
        if let Some(info) = self.traits.get_mut(id.0 as usize) {
            info.preds = preds.clone();
        }
        let name = self.text(item.name.name);
        let enc = Enclosing {
            scope,
            generics,
            preds,
            receiver: Some(self_ty),
            full: self.qualified(module, &name),
            display: name,
        };
        let mut methods: Vec<Rc<Sig>> = Vec::new();
        let mut defs = Vec::new();
        if item.fns.len() > MAX_LIST {
            self.too_many(item.name, "methods", MAX_LIST);
        }
        for m in item.fns.iter().take(MAX_LIST) {
            if methods.iter().any(|s| s.name == m.name.name) {
                self.duplicate(m.name, "method");
                continue;
            }
            self.no_sets(m.generics, "a trait's method");
            let (sig, default) = if m.body.is_some() {
                let f = self.method_fn(m, &enc);
                (self.sig(f), Some(f))
            } else {
                (Rc::new(self.make_sig(m, &enc).0), None)
            };
            let own = sig.generics.len() > sig.own;
            let mentions_self = sig
                .params
                .iter()
                .skip(1)
                .any(|p| self.mentions(p.ty, self_ty))
                || self.mentions(sig.ret, self_ty)
                || self.mentions(sig.errs, self_ty);
            let dynamic = sig.has_self && !own && !mentions_self;
            defs.push(self.method_def(&sig, default, dynamic));
            let index = super::collect::id32(methods.len());
            self.trait_methods
                .entry(sig.name)
                .or_default()
                .push((id, index));
            methods.push(sig);
        }
        if let Some(def) = self.prog.traits.get_mut(id.0 as usize) {
            def.methods = defs;
        }
        if let Some(info) = self.traits.get_mut(id.0 as usize) {
            info.methods = methods;
        }
    }
}

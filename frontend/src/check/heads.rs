//! Index of implementations by the outermost part of their type, so that a look-up sees the few that may fit
//! instead of all of a trait, and a method name the few traits that the receiver may have.
//!
//! What must stay true: every implementation of a trait is in it once; those whose type is a type parameter
//! (for every type) are in every answer; answers keep the order of the program.

use super::Checker;
use crate::source::Symbol;
use crate::thir::{AdtId, TraitId, Ty, TyKind, TyTable};
use rustc_hash::FxHashMap;

/// The outermost part of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Head {
    Adt(AdtId),
    List,
    Tuple(usize),
    Dyn(TraitId),
    /// Any other type is its own.
    Other(Ty),
}

/// The head of a type; none for one that is open or was told, which fits everything.
pub(crate) fn head(tys: &TyTable, ty: Ty) -> Option<Head> {
    Some(match tys.kind(ty) {
        TyKind::Adt(id, _) => Head::Adt(*id),
        TyKind::List(_) => Head::List,
        TyKind::Tuple(ts) => Head::Tuple(ts.len()),
        TyKind::Dyn(t, _) => Head::Dyn(*t),
        TyKind::Infer(_) | TyKind::Error => return None,
        _ => Head::Other(ty),
    })
}

/// A method of a trait.
type Method = (TraitId, u32);

#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// Implementations of a trait for types with this head.
    impls: FxHashMap<(TraitId, Head), Vec<usize>>,
    /// Implementations of a trait for every type.
    blankets: FxHashMap<TraitId, Vec<usize>>,
    /// Methods of this name of traits that are implemented for a type with this head.
    methods: FxHashMap<(Head, Symbol), Vec<Method>>,
    /// The same of traits that are implemented for every type.
    blanket_methods: FxHashMap<Symbol, Vec<Method>>,
}

impl Checker<'_, '_> {
    /// Adds an implementation of a trait.
    pub(super) fn index_impl(&mut self, index: usize, trait_id: TraitId, self_ty: Ty) {
        self.trait_impls.entry(trait_id).or_default().push(index);
        let methods = self
            .traits
            .get(trait_id.0 as usize)
            .map_or(&[][..], |t| t.methods.as_slice());
        let blanket = matches!(self.prog.tys.kind(self_ty), TyKind::Param(_));
        let head = head(&self.prog.tys, self_ty).filter(|_| !blanket);
        let heads = &mut self.heads;
        match head {
            Some(h) => heads.impls.entry((trait_id, h)).or_default(),
            None => heads.blankets.entry(trait_id).or_default(),
        }
        .push(index);
        for (i, m) in (0u32..).zip(methods) {
            let list = match head {
                Some(h) => heads.methods.entry((h, m.name)).or_default(),
                None => heads.blanket_methods.entry(m.name).or_default(),
            };
            if list.last() != Some(&(trait_id, i)) {
                list.push((trait_id, i));
            }
        }
    }

    /// Implementations of a trait that may be for this type, in order.
    pub(super) fn impls_for(&self, trait_id: TraitId, ty: Ty) -> Vec<usize> {
        let Some(head) = head(&self.prog.tys, ty) else {
            return self.trait_impls.get(&trait_id).cloned().unwrap_or_default();
        };
        let own = self.heads.impls.get(&(trait_id, head));
        let blanket = self.heads.blankets.get(&trait_id);
        match (own, blanket) {
            (None, None) => Vec::new(),
            (Some(list), None) | (None, Some(list)) => list.clone(),
            (Some(own), Some(blanket)) => {
                let mut all = [own.as_slice(), blanket].concat();
                all.sort_unstable();
                all
            }
        }
    }

    /// Methods of this name of the traits that a type may have: by an implementation, a bound in scope, as an
    /// object, or as all data has them. In the order of the traits.
    pub(super) fn trait_methods_for(&self, ty: Ty, name: Symbol) -> Vec<Method> {
        let Some(all) = self.trait_methods.get(&name) else {
            return Vec::new();
        };
        // What does not return has every trait.
        let some = all.len() > 1 && ty != TyTable::NEVER;
        let Some(head) = head(&self.prog.tys, ty).filter(|_| some) else {
            return all.clone();
        };
        let mut out: Vec<Method> = Vec::new();
        for list in [
            self.heads.methods.get(&(head, name)),
            self.heads.blanket_methods.get(&name),
        ] {
            out.extend(list.into_iter().flatten());
        }
        let lang = &self.prog.lang;
        let builtin = [lang.show, lang.eq, lang.hash, lang.ord];
        let bounds = self.cx.preds.iter().map(|p| p.trait_id);
        let object = match self.prog.tys.kind(ty) {
            TyKind::Dyn(t, _) => Some(*t),
            _ => None,
        };
        let supers = object
            .and_then(|t| self.prog.traits.get(t.0 as usize))
            .into_iter()
            .flat_map(|t| t.supers.iter().map(|(s, _)| *s));
        for t in builtin
            .into_iter()
            .flatten()
            .chain(bounds)
            .chain(object)
            .chain(supers)
        {
            let methods = self.traits.get(t.0 as usize).map(|t| t.methods.as_slice());
            let at = methods.and_then(|m| m.iter().position(|m| m.name == name));
            out.extend(at.map(|i| (t, super::collect::id32(i))));
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

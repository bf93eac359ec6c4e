//! Finds the implementation behind a trait method once types are concrete: an `impl` by one-way
//! unification, else the derived function.
//!
//! What must stay true: an `impl` wins over derivation; the checker's coherence makes the first match
//! the only one; answers are cached by concrete types.

use super::{Cx, Derive, Res, bug};
use crate::source::Span;
use crate::thir::*;

/// What a trait method on a concrete type is.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A function with all its arguments but the method's own, which follow.
    Fn(FnId, Vec<Ty>),
    /// Derived.
    Derived(Derive, Ty),
    /// Method of a dynamic object.
    Dyn(TraitId, Vec<Ty>, u32),
}

impl<'p> Cx<'p> {
    /// The function behind `method` of the trait on `self_ty`.
    pub(super) fn find_method(
        &mut self,
        trait_id: TraitId,
        trait_args: &[Ty],
        self_ty: Ty,
        method: u32,
        span: Span,
    ) -> Res<Found> {
        let key = (trait_id, method, self_ty, trait_args.to_vec());
        if let Some(f) = self.resolved.get(&key) {
            return Ok(f.clone());
        }
        let found = self.find_uncached(trait_id, trait_args, self_ty, method, span)?;
        self.resolved.insert(key, found.clone());
        Ok(found)
    }

    fn find_uncached(
        &mut self,
        trait_id: TraitId,
        trait_args: &[Ty],
        self_ty: Ty,
        method: u32,
        span: Span,
    ) -> Res<Found> {
        let prog = self.prog;
        if let TyKind::Dyn(t, args) = self.tys.kind(self_ty).clone() {
            let slots = self.dyn_slots(t, &args);
            let slot = (trait_id, trait_args.to_vec(), method);
            if slots.contains(&slot) {
                return Ok(Found::Dyn(trait_id, slot.1, method));
            }
        }
        if let Some((def, args)) = self.find_impl(trait_id, trait_args, self_ty) {
            let own = def.methods.get(method as usize).copied().flatten();
            if let Some(f) = own {
                return Ok(Found::Fn(f, args));
            }
            let default = prog
                .traits
                .get(trait_id.0 as usize)
                .and_then(|t| t.methods.get(method as usize))
                .and_then(|m| m.default);
            return match default {
                Some(f) => {
                    let mut args = vec![self_ty];
                    args.extend_from_slice(trait_args);
                    Ok(Found::Fn(f, args))
                }
                None => bug(span, "an implementation lacks a method"),
            };
        }
        let l = &prog.lang;
        let some = Some(trait_id);
        let derive = if some == l.eq {
            Derive::Eq
        } else if some == l.hash {
            Derive::Hash
        } else if some == l.show {
            Derive::Show
        } else if some == l.ord {
            Derive::Cmp
        } else {
            let ty = self.mangle(self_ty)?;
            let name = prog
                .traits
                .get(trait_id.0 as usize)
                .map_or("?", |t| &t.name);
            return bug(span, format!("no implementation of {name} for {ty}"));
        };
        // Of the four, only the required method has no default.
        let own = prog
            .traits
            .get(trait_id.0 as usize)
            .and_then(|t| t.methods.get(method as usize));
        if let Some(MethodDef {
            default: Some(f), ..
        }) = own
        {
            return Ok(Found::Fn(*f, vec![self_ty]));
        }
        Ok(Found::Derived(derive, self_ty))
    }

    /// The impl of a trait for a type, with its arguments.
    pub(super) fn find_impl(
        &mut self,
        trait_id: TraitId,
        trait_args: &[Ty],
        self_ty: Ty,
    ) -> Option<(&'p ImplDef, Vec<Ty>)> {
        let prog = self.prog;
        let candidates = self.trait_impls.get(&trait_id)?;
        for i in candidates {
            let def = prog.impls.get(*i)?;
            let ImplOf::Trait(_, args) = &def.interface else {
                continue;
            };
            let mut bound = vec![None; def.generics as usize];
            let fits = args.len() == trait_args.len()
                && self.unify(def.self_ty, self_ty, &mut bound)
                && args
                    .iter()
                    .zip(trait_args)
                    .all(|(a, b)| self.unify(*a, *b, &mut bound));
            if fits && let Some(args) = bound.into_iter().collect::<Option<Vec<Ty>>>() {
                return Some((def, args));
            }
        }
        None
    }

    /// Whether an `impl` of this trait (a lang item) exists for the type.
    pub(super) fn has_impl(&mut self, trait_id: Option<TraitId>, ty: Ty) -> bool {
        trait_id.is_some_and(|t| self.find_impl(t, &[], ty).is_some())
    }

    /// The impl of a capability for a type, with its arguments.
    pub(super) fn find_cap_impl(
        &mut self,
        cap: CapId,
        self_ty: Ty,
    ) -> Option<(&'p ImplDef, Vec<Ty>)> {
        let prog = self.prog;
        let candidates = self.cap_impls.get(&cap)?;
        for i in candidates {
            let def = prog.impls.get(*i)?;
            let mut bound = vec![None; def.generics as usize];
            if self.unify(def.self_ty, self_ty, &mut bound)
                && let Some(args) = bound.into_iter().collect::<Option<Vec<Ty>>>()
            {
                return Some((def, args));
            }
        }
        None
    }

    /// Binds the parameters of `pattern` so that it equals the concrete type.
    fn unify(&self, pattern: Ty, ty: Ty, bound: &mut [Option<Ty>]) -> bool {
        match (self.tys.kind(pattern), self.tys.kind(ty)) {
            (TyKind::Param(i), _) => match bound.get_mut(*i as usize) {
                Some(slot @ None) => {
                    *slot = Some(ty);
                    true
                }
                Some(Some(t)) => *t == ty,
                None => false,
            },
            (TyKind::List(a), TyKind::List(b)) => self.unify(*a, *b, bound),
            (TyKind::Tuple(a), TyKind::Tuple(b)) => self.unify_all(a, b, bound),
            (TyKind::Adt(i, a), TyKind::Adt(j, b)) => i == j && self.unify_all(a, b, bound),
            (TyKind::Dyn(i, a), TyKind::Dyn(j, b)) => i == j && self.unify_all(a, b, bound),
            (TyKind::Fn(a), TyKind::Fn(b)) | (TyKind::Borrowed(a), TyKind::Borrowed(b)) => {
                a.uses == b.uses
                    && self.unify_all(&a.params, &b.params, bound)
                    && self.unify(a.ret, b.ret, bound)
                    && self.unify(a.errs, b.errs, bound)
            }
            _ => pattern == ty,
        }
    }

    fn unify_all(&self, a: &[Ty], b: &[Ty], bound: &mut [Option<Ty>]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.unify(*a, *b, bound))
    }
}

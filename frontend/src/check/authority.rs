//! Authority parameters (`uses U`): where they are named, what may stand for them, how they are inferred.
//!
//! Inside of what declares it, a parameter is a capability of its own that nothing is known of: it has no methods
//! and no relation to another one. So all rules for capabilities hold before anything is put in its place, and
//! what is put there (a set of capabilities, each of which the caller has) can only be what was asked for.

use super::{Checker, Generic, TyScope, codes};
use crate::ast::{self, Path, TypeExpr, TypeKind};
use crate::thir::{AdtId, CapId, Ty, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    /// The authority parameter that a path names.
    pub(super) fn set_param(&self, sc: &TyScope, p: &Path<'a>) -> Option<CapId> {
        let one = p.single().filter(|one| sc.sets.contains(&one.name))?;
        let mut all = sc.generics.iter().filter(|(s, _)| *s == one.name);
        match self.prog.tys.kind(all.next()?.1) {
            TyKind::Param(i) => Some(CapId::param(*i)),
            _ => None,
        }
    }

    /// Told where no authority parameter may be declared.
    pub(super) fn no_sets(&mut self, params: &'a [ast::GenericParam<'a>], what: &str) {
        for p in params.iter().filter(|p| p.is_uses) {
            self.err_help(
                codes::WRONG_KIND,
                p.span,
                format!("{what} has no `uses` parameters"),
                "data types, functions and their implementations have them; an interface names what it uses",
            );
        }
    }

    /// Written type arguments of a declaration with these parameters.
    pub(super) fn resolve_args<'g>(
        &mut self,
        args: &'a [TypeExpr<'a>],
        generics: impl Iterator<Item = &'g Generic>,
        sc: &TyScope,
    ) -> Vec<Ty> {
        let mut kinds = generics.map(|g| g.is_uses);
        args.iter()
            .map(|a| match kinds.next() {
                Some(true) => self.resolve_set(a, sc),
                _ => self.resolve_ty(a, sc, super::types::TyPos::Other),
            })
            .collect()
    }

    /// Written type arguments of a data type.
    pub(super) fn resolve_adt_args(
        &mut self,
        id: AdtId,
        args: &'a [TypeExpr<'a>],
        sc: &TyScope,
    ) -> Vec<Ty> {
        let params = self
            .adts
            .get(id.0 as usize)
            .map_or(&[][..], |a| a.item.generics());
        args.iter()
            .enumerate()
            .map(|(i, a)| match params.get(i) {
                Some(p) if p.is_uses => self.resolve_set(a, sc),
                _ => self.resolve_ty(a, sc, super::types::TyPos::Other),
            })
            .collect()
    }

    /// The argument of an authority parameter: capabilities, sets, other such parameters, or `none`.
    fn resolve_set(&mut self, t: &TypeExpr<'a>, sc: &TyScope) -> Ty {
        self.cx.at = t.span;
        let told = self.told;
        let caps = match t.kind {
            TypeKind::Caps(paths) => self.resolve_uses(sc, paths),
            TypeKind::Path { path, args: [] } => {
                let none = path.single().is_some_and(|one| {
                    self.names.name(one.name) == "none"
                        && self.lookup_name(sc.module, one.name).is_none()
                });
                if none {
                    Vec::new()
                } else {
                    self.resolve_uses(sc, &[path])
                }
            }
            TypeKind::Error => {
                self.poisoned = true;
                return TyTable::ERROR;
            }
            _ => {
                self.breach(
                    super::rules::Rule::UsesNames,
                    t.span,
                    "this parameter stands for capabilities, not for a type",
                    "write capabilities, joined by `+`, or `none`",
                );
                return TyTable::ERROR;
            }
        };
        if self.told != told {
            return TyTable::ERROR;
        }
        self.prog.tys.caps(caps)
    }

    /// Replaces solved variables in a list of capabilities.
    pub(super) fn zonk_uses(&self, uses: &[CapId]) -> Vec<CapId> {
        if uses.iter().all(|c| c.as_infer().is_none()) {
            return uses.to_vec();
        }
        let mut out = Vec::new();
        let mut todo: Vec<CapId> = uses.to_vec();
        // Each variable is looked into once: those that were met already bring nothing new.
        let mut met: Vec<u32> = Vec::new();
        while let Some(c) = todo.pop() {
            let Some(n) = c.as_infer() else {
                out.push(c);
                continue;
            };
            if met.contains(&n) {
                continue;
            }
            met.push(n);
            match self.cx.vars.get(n as usize).and_then(|v| v.binding) {
                Some(t) => todo.extend(self.prog.tys.caps_of(t).unwrap_or_default()),
                None => out.push(c),
            }
        }
        self.prog.tys.sort_caps(&mut out);
        out
    }

    /// Makes two lists of capabilities equal; the one open member of a list is solved for what the other one has more.
    pub(super) fn unify_uses(&mut self, a: &[CapId], b: &[CapId]) -> bool {
        for (a, b) in [(a, b), (b, a)] {
            let (have, want) = (self.zonk_uses(a), self.zonk_uses(b));
            if have == want {
                return true;
            }
            if !self.solve_uses(&have, &want) {
                return false;
            }
        }
        self.zonk_uses(a) == self.zonk_uses(b)
    }

    /// Makes `want` have all of `given`, if it can: an open member of it takes what it lacks. Then one of `given`
    /// takes what is left.
    pub(super) fn cover_uses(&mut self, want: &[CapId], given: &[CapId]) -> bool {
        let (w, g) = (self.zonk_uses(want), self.zonk_uses(given));
        if w.iter().any(|c| c.as_infer().is_some()) && !self.solve_uses(&w, &g) {
            return false;
        }
        let (w, g) = (self.zonk_uses(want), self.zonk_uses(given));
        if g.iter().any(|c| c.as_infer().is_some()) && !self.solve_uses(&g, &w) {
            return false;
        }
        let (w, g) = (self.zonk_uses(want), self.zonk_uses(given));
        g.iter().all(|c| w.contains(c))
    }

    /// Binds the one open member of `open` to what `given` has more. Without one nothing is done.
    fn solve_uses(&mut self, open: &[CapId], given: &[CapId]) -> bool {
        let mut vars = open.iter().filter_map(|c| c.as_infer());
        match (vars.next(), vars.next()) {
            (None, _) => true,
            (Some(n), None) => {
                let rest = given.iter().filter(|c| !open.contains(c)).copied();
                let set = self.prog.tys.caps(rest.collect());
                self.bind_var(n, set)
            }
            _ => false,
        }
    }
}

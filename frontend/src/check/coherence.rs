//! Implementations together: none overlap, each has what its trait asks for, derived orders exist.

use super::collect::id32;
use super::prove::Proof;
use super::{Checker, ModId, Pred, codes};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{AdtId, ImplOf, Ty, TyKind, TyTable};
use rustc_hash::FxHashMap;

impl<'a> Checker<'a, '_> {
    pub(super) fn overlaps(&mut self) {
        let mut pairs = Vec::new();
        let mut lists: Vec<Vec<usize>> = self.trait_impls.values().cloned().collect();
        lists.extend(self.cap_impls.values().cloned());
        lists.sort();
        for list in lists {
            // Only implementations with the same head can overlap.
            let mut by_head: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
            // But one for every type meets all others.
            for (k, i) in list.iter().enumerate() {
                if self.is_blanket(*i) && pairs.len() <= 200_000 {
                    pairs.extend(
                        list.iter()
                            .enumerate()
                            .filter(|(n, j)| n < &k || (*n > k && !self.is_blanket(**j)))
                            .map(|(_, j)| (*j, *i)),
                    );
                }
            }
            for i in list {
                if self.is_blanket(i) {
                    continue;
                }
                let head = match self
                    .prog
                    .impls
                    .get(i)
                    .map(|d| self.prog.tys.kind(d.self_ty))
                {
                    Some(TyKind::Adt(id, _)) => id.0 + 16,
                    Some(TyKind::List(_)) => 1,
                    Some(TyKind::Tuple(_)) => 3,
                    Some(TyKind::Dyn(..)) => 5,
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
            // Bounds keep one for every type away from types that lack them.
            for (k, vars) in [(j, &va), (i, &vb)] {
                if !same || !self.is_blanket(k) {
                    continue;
                }
                let preds = self.impls.get(k).map_or(Vec::new(), |x| x.preds.clone());
                for p in preds {
                    let ty = self.subst(p.ty, vars);
                    let args = self.subst_all(&p.args, vars);
                    same = same && !matches!(self.prove(ty, p.trait_id, &args), Proof::No(..));
                }
            }
            if same && (self.is_blanket(j) || self.is_blanket(i)) {
                self.overlaps = true;
                // The narrower one is told.
                let (told, at, other) = match (self.is_blanket(j), self.is_blanket(i)) {
                    (true, true) => (None, second, first),
                    (false, _) => (Some(sa), first, second),
                    (true, false) => (Some(sb), second, first),
                };
                let message = match told {
                    Some(ty) => {
                        let t = self.show(ty);
                        format!(
                            "`{t}` is implemented twice: here, and by the implementation for every type"
                        )
                    }
                    None => "a type may have the bounds of both implementations for every type"
                        .to_string(),
                };
                self.push(
                    Diagnostic::error(codes::OVERLAP, at, message)
                    .note_at(other, "the other implementation is here")
                    .help("remove one of them, or give the type parameter a bound that the type lacks"),
                );
            } else if same {
                let t = self.show(y);
                self.overlaps = true;
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

    /// Whether an implementation is for every type (with its bounds).
    pub(super) fn is_blanket(&self, i: usize) -> bool {
        self.prog
            .impls
            .get(i)
            .is_some_and(|d| matches!(self.prog.tys.kind(d.self_ty), TyKind::Param(_)))
    }

    /// Implementations have what their trait asks for.
    pub(super) fn super_traits(&mut self) {
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

    pub(super) fn derives(&mut self) {
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
            // An attenuator derives nothing, which was told.
            if self.adt_kind(crate::thir::AdtId(id32(i))) == crate::thir::AdtKind::Attenuator {
                continue;
            }
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
}

//! Which types have which traits: bounds in scope, implementations, and the traits that all data
//! has.

use super::cx::Obligation;
use super::rules::{Rule, broken};
use super::{Checker, Pred, codes};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{AdtKind, ImplOf, TraitId, Ty, TyKind, TyTable};
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt::Display;
use std::rc::Rc;

/// Outcome of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Yes,
    /// The innermost type that lacks its trait.
    No(Ty, TraitId),
    /// Depends on a type that is not known yet.
    Maybe,
    /// The steps of the body are used up, which has been told.
    TooMuch,
}

/// Failed bounds of one body that are told: more than anybody reads.
const MAX_TOLD: usize = 100;

/// What is left to prove.
struct Goal {
    ty: Ty,
    trait_id: TraitId,
    args: Vec<Ty>,
    /// Whether an implementation for every type asks for it.
    blanket: bool,
    above: Option<Rc<Above>>,
}

/// The goals that a goal belongs to by way of implementations for every type.
struct Above {
    goal: (Ty, TraitId),
    above: Option<Rc<Above>>,
}

impl Above {
    fn holds(mut above: Option<&Above>, goal: (Ty, TraitId)) -> bool {
        while let Some(a) = above {
            if a.goal == goal {
                return true;
            }
            above = a.above.as_deref();
        }
        false
    }
}

impl<'a> Checker<'a, '_> {
    /// Bounds with what they imply.
    pub(super) fn elaborate(&mut self, preds: &[Pred]) -> Rc<Vec<Pred>> {
        let mut out: Vec<Pred> = preds.to_vec();
        let mut i = 0;
        while i < out.len() && out.len() < 256 {
            let Some(p) = out.get(i).cloned() else {
                break;
            };
            i += 1;
            let supers = self
                .traits
                .get(p.trait_id.0 as usize)
                .map_or(Vec::new(), |t| t.preds.clone());
            let mut args = vec![p.ty];
            args.extend(p.args.iter().copied());
            for s in supers {
                let ty = self.subst(s.ty, &args);
                let sargs = self.subst_all(&s.args, &args);
                let q = Pred {
                    ty,
                    trait_id: s.trait_id,
                    args: sargs,
                };
                if !out.contains(&q) {
                    out.push(q);
                }
            }
        }
        Rc::new(out)
    }

    /// Whether a type has a trait, as far as known.
    pub(super) fn prove(&mut self, ty: Ty, trait_id: TraitId, args: &[Ty]) -> Proof {
        let mut seen = FxHashSet::default();
        let mut open = vec![Goal {
            ty,
            trait_id,
            args: args.to_vec(),
            blanket: false,
            above: None,
        }];
        let mut all = Proof::Yes;
        while let Some(goal) = open.pop() {
            let at = open.len();
            match self.prove_one(goal, &mut seen, &mut open) {
                Proof::Yes => {}
                Proof::Maybe => all = Proof::Maybe,
                end => return end,
            }
            // What the goal needs comes next, in its order.
            if let Some(new) = open.get_mut(at..) {
                new.reverse();
            }
        }
        all
    }

    fn second_class_proof(&self, no: Proof) -> Proof {
        if broken(Rule::NoTraits) {
            no
        } else {
            Proof::Yes
        }
    }

    /// One step: `Yes` if nothing is missing but what it puts behind `open`.
    fn prove_one(
        &mut self,
        goal: Goal,
        seen: &mut FxHashSet<(Ty, TraitId)>,
        open: &mut Vec<Goal>,
    ) -> Proof {
        let ty = self.zonk(goal.ty);
        let (trait_id, args) = (goal.trait_id, goal.args.as_slice());
        let no = Proof::No(ty, trait_id);
        // What needs itself by way of implementations for every type has nothing to stand on.
        let again = Above::holds(goal.above.as_deref(), (ty, trait_id));
        if goal.blanket && again {
            return no;
        }
        if !self.step() {
            return Proof::TooMuch;
        }
        let kind = self.prog.tys.kind(ty).clone();
        match kind {
            TyKind::Error | TyKind::Never => return Proof::Yes,
            TyKind::Infer(_) => return Proof::Maybe,
            TyKind::Borrowed(_) | TyKind::Cap(_) => return self.second_class_proof(no),
            _ => {}
        }
        if args.is_empty() && !seen.insert((ty, trait_id)) {
            return Proof::Yes;
        }
        let preds = self.cx.preds.clone();
        for p in preds.iter() {
            if p.trait_id == trait_id && p.args.len() == args.len() {
                let mark = self.mark();
                let mut ok = self.unify(p.ty, ty);
                for (x, y) in p.args.iter().zip(args) {
                    ok = ok && self.unify(*x, *y);
                }
                if ok {
                    return Proof::Yes;
                }
                self.rollback(mark);
            }
        }
        if let TyKind::Dyn(t, targs) = &kind
            && self.object_has(ty, *t, targs, trait_id, args)
        {
            return Proof::Yes;
        }
        // An attenuator implements capabilities only, also where a trait is there for every type.
        if let TyKind::Adt(id, _) = &kind
            && self.adt_kind(*id) == AdtKind::Attenuator
        {
            return self.second_class_proof(no);
        }
        match self.find_impl(ty, trait_id, args) {
            Found::One(i, iargs) => {
                let blanket = self.is_blanket(i);
                if blanket && again {
                    return no;
                }
                let above = if blanket {
                    Some(Rc::new(Above {
                        goal: (ty, trait_id),
                        above: goal.above.clone(),
                    }))
                } else {
                    goal.above.clone()
                };
                let preds = self.impls.get(i).map_or(Vec::new(), |x| x.preds.clone());
                for p in preds {
                    let ty = self.subst(p.ty, &iargs);
                    open.push(Goal {
                        ty,
                        trait_id: p.trait_id,
                        args: self.subst_all(&p.args, &iargs),
                        blanket,
                        above: above.clone(),
                    });
                }
                Proof::Yes
            }
            Found::Many => Proof::Maybe,
            Found::None => match self.builtin_parts(ty, kind, trait_id) {
                Some(parts) => {
                    open.extend(parts.into_iter().map(|ty| Goal {
                        ty,
                        trait_id,
                        args: Vec::new(),
                        blanket: false,
                        above: goal.above.clone(),
                    }));
                    Proof::Yes
                }
                None => no,
            },
        }
    }

    /// Whether objects of the trait have the other one: theirs or one that it asks for, if all its methods can be
    /// called on objects.
    fn object_has(
        &mut self,
        ty: Ty,
        t: TraitId,
        targs: &[Ty],
        wanted: TraitId,
        wanted_args: &[Ty],
    ) -> bool {
        let Some(def) = self.prog.traits.get(t.0 as usize) else {
            return false;
        };
        let mut found: Vec<Vec<Ty>> = Vec::new();
        let supers = def.supers.clone();
        if t == wanted {
            found.push(targs.to_vec());
        }
        let mut full = vec![ty];
        full.extend_from_slice(targs);
        for (s, sargs) in supers {
            if s == wanted {
                found.push(self.subst_all(&sargs, &full));
            }
        }
        let Some(def) = self.prog.traits.get(wanted.0 as usize) else {
            return false;
        };
        let all = def.methods.iter().all(|m| m.dynamic)
            && def.supers.iter().all(|(s, _)| {
                self.prog
                    .traits
                    .get(s.0 as usize)
                    .is_some_and(|s| s.methods.iter().all(|m| m.dynamic))
            });
        if !all {
            return false;
        }
        for have in found {
            let mark = self.mark();
            if have.len() == wanted_args.len()
                && have
                    .iter()
                    .zip(wanted_args)
                    .all(|(a, b)| self.unify(*a, *b))
            {
                return true;
            }
            self.rollback(mark);
        }
        false
    }

    /// What has to have the trait so that the type has it as all data does; `None` if it has not.
    fn builtin_parts(&mut self, ty: Ty, kind: TyKind, trait_id: TraitId) -> Option<Vec<Ty>> {
        let lang = &self.prog.lang;
        let t = Some(trait_id);
        let is_ord = t == lang.ord;
        if !is_ord && t != lang.show && t != lang.eq && t != lang.hash {
            return None;
        }
        let option = lang.option;
        Some(match kind {
            TyKind::Unit
            | TyKind::Bool
            | TyKind::Byte
            | TyKind::Char
            | TyKind::Int
            | TyKind::Float
            | TyKind::Str => Vec::new(),
            TyKind::List(t) => vec![t],
            TyKind::Tuple(ts) => ts,
            TyKind::ErrSet(ts) if !is_ord => ts,
            TyKind::Adt(id, args) if is_ord && Some(id) == option => args,
            TyKind::Adt(id, args) => {
                let def = self.prog.adts.get(id.0 as usize)?;
                if matches!(def.kind, AdtKind::Attenuator | AdtKind::Handle) {
                    return None;
                }
                if is_ord && !def.derive_ord {
                    return None;
                }
                // Equal values have equal hashes: with an equality of its own, a type has a hash of its own too.
                let eq = lang.eq.filter(|_| t == lang.hash);
                let fields = def.variants.iter().flat_map(|v| &v.fields);
                let tys: Vec<Ty> = fields.map(|f| f.ty).collect();
                if let Some(eq) = eq
                    && !matches!(self.find_impl(ty, eq, &[]), Found::None)
                {
                    return None;
                }
                self.subst_all(&tys, &args)
            }
            _ => return None,
        })
    }

    /// The implementation of a trait for a type, its variables bound, and the impl's arguments.
    pub(super) fn find_impl(&mut self, ty: Ty, trait_id: TraitId, args: &[Ty]) -> Found {
        let mut hits = Vec::new();
        let ty = self.shallow(ty);
        for i in self.impls_for(trait_id, ty) {
            let mark = self.mark();
            if self.match_impl(i, ty, args).is_some() {
                hits.push(i);
            }
            self.rollback(mark);
        }
        // An implementation for the type itself comes before one for every type, whose bounds it lacks.
        let zty = self.zonk(ty);
        if hits.len() > 1 && !self.prog.tys.has_infer(zty) {
            let blanket: Vec<bool> = hits.iter().map(|i| self.is_blanket(*i)).collect();
            if !blanket.iter().all(|b| *b) {
                let mut it = blanket.into_iter();
                hits.retain(|_| !it.next().unwrap_or(false));
            }
        }
        match hits.as_slice() {
            [] => Found::None,
            [i] => match self.match_impl(*i, ty, args) {
                Some(a) => Found::One(*i, a),
                None => Found::None,
            },
            _ => Found::Many,
        }
    }

    fn match_impl(&mut self, i: usize, ty: Ty, args: &[Ty]) -> Option<Vec<Ty>> {
        let def = self.prog.impls.get(i)?;
        let (self_ty, iface) = (def.self_ty, def.interface.clone());
        let n = self.impls.get(i)?.generics;
        let vars: Vec<Ty> = (0..n).map(|_| self.fresh(false)).collect();
        let st = self.subst(self_ty, &vars);
        if !self.unify(st, ty) {
            return None;
        }
        if let ImplOf::Trait(_, targs) = iface {
            let targs = self.subst_all(&targs, &vars);
            if targs.len() != args.len() {
                return None;
            }
            for (x, y) in targs.iter().zip(args) {
                if !self.unify(*x, *y) {
                    return None;
                }
            }
        }
        Some(vars)
    }

    /// The implementation of a capability for a type.
    pub(super) fn find_cap_impl(&mut self, ty: Ty, cap: crate::thir::CapId) -> Option<usize> {
        let list = self.cap_impls.get(&cap).cloned().unwrap_or_default();
        for i in list {
            let mark = self.mark();
            let hit = self.match_impl(i, ty, &[]).is_some();
            self.rollback(mark);
            if hit {
                return Some(i);
            }
        }
        None
    }

    /// Checks what was put off until the types of a body are known. With `last`, what is still
    /// open is an error.
    pub(super) fn settle_obligations(&mut self, last: bool) {
        // One expression may ask for the same thing twice, as a map literal does for its keys.
        let mut told: FxHashMap<(Ty, TraitId), Vec<Span>> = FxHashMap::default();
        let mut reports = 0;
        let mut proved: FxHashSet<(Ty, TraitId)> = FxHashSet::default();
        // What one proof binds may settle another: a few rounds.
        for _ in 0..3 {
            let list = std::mem::take(&mut self.cx.obligations);
            let before = list.len();
            for o in list {
                let whole = self.zonk(o.pred.ty);
                let plain = o.pred.args.is_empty() && !self.prog.tys.has_infer(whole);
                if plain && proved.contains(&(whole, o.pred.trait_id)) {
                    continue;
                }
                match self.prove(whole, o.pred.trait_id, &o.pred.args.clone()) {
                    Proof::Yes => {
                        if plain {
                            proved.insert((whole, o.pred.trait_id));
                        }
                    }
                    Proof::Maybe => self.cx.obligations.push(o),
                    Proof::TooMuch => return,
                    Proof::No(..) if reports >= MAX_TOLD => {}
                    Proof::No(ty, t) => {
                        let spans = told.entry((ty, t)).or_default();
                        let within = |s: &Span| s.start <= o.span.start && o.span.end <= s.end;
                        if !spans.iter().any(within) {
                            spans.push(o.span);
                            reports += 1;
                            self.report_bound(&o, ty, t);
                        }
                    }
                }
            }
            if self.cx.obligations.len() == before {
                break;
            }
        }
        if last {
            let list = std::mem::take(&mut self.cx.obligations);
            for o in list {
                let ty = self.zonk(o.pred.ty);
                if self.is_error(ty) || self.overlaps || self.poisoned {
                    continue;
                }
                let tr = self.show_trait(o.pred.trait_id, &o.pred.args);
                self.err_help(
                    codes::CANNOT_INFER,
                    o.span,
                    format!("cannot tell which type needs `{tr}` here"),
                    "write the type: in the `let`, or as type argument in brackets",
                );
            }
        }
    }

    fn report_bound(&mut self, o: &Obligation, inner: Ty, inner_trait: TraitId) {
        if self.second_class(inner, false).is_some() {
            self.second_told.push(o.span);
        }
        let ty = self.zonk(o.pred.ty);
        let text = self.show(ty);
        let tr = self.show_trait(o.pred.trait_id, &o.pred.args);
        let mut d = Diagnostic::error(
            codes::BOUND,
            o.span,
            format!("`{text}` has no `{tr}`, which {} needs", o.why),
        );
        if inner != ty {
            let it = self.show(inner);
            let n = self.trait_name(inner_trait);
            d = d.note(format!("because `{it}` has no `{n}`"));
        }
        let lang = &self.prog.lang;
        let help = match self.prog.tys.kind(inner).clone() {
            TyKind::Param(_) => {
                let p = self.show(inner);
                let n = self.show_trait(inner_trait, &[]);
                Some(format!("add the bound where `{p}` is declared: `{p}: {n}`"))
            }
            TyKind::Adt(id, _) if Some(inner_trait) == lang.ord => match self.adt_kind(id) {
                AdtKind::Struct | AdtKind::Enum | AdtKind::Error => {
                    let n = self.adt_name(id);
                    Some(format!(
                        "write `derive Ord` above `{n}`, or `impl Ord for {n}`"
                    ))
                }
                _ => None,
            },
            TyKind::Fn(_) | TyKind::Borrowed(_) => {
                Some("functions cannot be compared, hashed or shown".to_string())
            }
            TyKind::Adt(id, _) if matches!(self.adt_kind(id), AdtKind::Handle) => {
                Some("handles cannot be compared, hashed or shown".to_string())
            }
            TyKind::Adt(id, _) => {
                let n = self.adt_name(id);
                let t = self.show_trait(inner_trait, &[]);
                Some(format!("write `impl {t} for {n}:`"))
            }
            _ => None,
        };
        if let Some(h) = help {
            d = d.help(h);
        }
        self.push(d);
    }

    /// Records the bounds of something generic that was instantiated.
    pub(super) fn oblige_all(
        &mut self,
        preds: &[Pred],
        args: &[Ty],
        span: Span,
        why: &dyn Display,
    ) {
        for p in preds {
            let ty = self.subst(p.ty, args);
            let pargs = self.subst_all(&p.args, args);
            if ty == TyTable::ERROR {
                continue;
            }
            self.cx.oblige(ty, p.trait_id, pargs, span, why.to_string());
        }
    }
}

/// Outcome of a search for an implementation.
#[derive(Clone, Debug)]
pub(super) enum Found {
    None,
    One(usize, Vec<Ty>),
    Many,
}

//! Inference: variables, unification, final types.
//!
//! Types are bounded in depth and size (`mk`), and each body has a budget of steps, so that no
//! program makes the checker slow beyond its length.

use super::cx::InferVar;
use super::{Checker, codes};
use crate::source::Span;
use crate::thir::{AdtId, CapId, FnTy, Ty, TyKind, TyTable};

/// Deepest nesting of a type.
const MAX_TYPE_DEPTH: u32 = 48;
/// Most nodes of a type, written out.
const MAX_TYPE_WEIGHT: u32 = 4096;

impl<'a> Checker<'a, '_> {
    /// Interns a type; one that is too large becomes `Error`.
    pub(super) fn mk(&mut self, kind: TyKind) -> Ty {
        let ty = self.prog.tys.intern(kind);
        if self.prog.tys.depth(ty) > MAX_TYPE_DEPTH || self.prog.tys.weight(ty) > MAX_TYPE_WEIGHT {
            let span = self.cx.here();
            self.err_help(
                codes::TYPE_TOO_LARGE,
                span,
                "this type is too large",
                "give its parts a name with `struct`",
            );
            return TyTable::ERROR;
        }
        ty
    }

    pub(super) fn mk_list(&mut self, t: Ty) -> Ty {
        self.mk(TyKind::List(t))
    }

    pub(super) fn mk_adt(&mut self, id: Option<AdtId>, args: Vec<Ty>) -> Ty {
        match id {
            Some(id) => self.mk(TyKind::Adt(id, args)),
            None => TyTable::ERROR,
        }
    }

    pub(super) fn mk_option(&mut self, t: Ty) -> Ty {
        self.mk_adt(self.prog.lang.option, vec![t])
    }

    pub(super) fn mk_result(&mut self, t: Ty, e: Ty) -> Ty {
        self.mk_adt(self.prog.lang.result, vec![t, e])
    }

    pub(super) fn fresh(&mut self, is_err: bool) -> Ty {
        let n = u32::try_from(self.cx.vars.len()).unwrap_or(u32::MAX);
        self.cx.vars.push(InferVar {
            binding: None,
            is_err,
        });
        self.prog.tys.intern(TyKind::Infer(n))
    }

    /// Counts a step; false if the body's budget is used up (said once).
    pub(super) fn step(&mut self) -> bool {
        if self.cx.fuel > 0 && self.total_fuel > 0 {
            self.cx.fuel -= 1;
            self.total_fuel -= 1;
            return true;
        }
        if !self.cx.out_of_fuel {
            self.cx.out_of_fuel = true;
            let span = self.cx.here();
            self.err_help(
                codes::TYPE_TOO_LARGE,
                span,
                "the types of this function are too complicated",
                "split it into smaller functions",
            );
        }
        false
    }

    /// Follows variables at the top of a type.
    pub(super) fn shallow(&self, ty: Ty) -> Ty {
        let mut ty = ty;
        for _ in 0..10_000 {
            match self.prog.tys.kind(ty) {
                TyKind::Infer(n) => match self.cx.vars.get(*n as usize).and_then(|v| v.binding) {
                    Some(next) => ty = next,
                    None => return ty,
                },
                _ => return ty,
            }
        }
        TyTable::ERROR
    }

    pub(super) fn kind(&self, ty: Ty) -> TyKind {
        self.kind_ref(ty).clone()
    }

    pub(super) fn kind_ref(&self, ty: Ty) -> &TyKind {
        self.prog.tys.kind(self.shallow(ty))
    }

    pub(super) fn is_error(&self, ty: Ty) -> bool {
        self.shallow(ty) == TyTable::ERROR
    }

    pub(super) fn is_never(&self, ty: Ty) -> bool {
        self.shallow(ty) == TyTable::NEVER
    }

    /// Replaces solved variables throughout.
    pub(super) fn zonk(&mut self, ty: Ty) -> Ty {
        if !self.prog.tys.has_infer(ty) {
            return ty;
        }
        if !self.step() {
            return TyTable::ERROR;
        }
        let ty = self.shallow(ty);
        if !self.prog.tys.has_infer(ty) {
            return ty;
        }
        let kind = self.prog.tys.kind(ty).clone();
        let new = match kind {
            TyKind::List(t) => TyKind::List(self.zonk(t)),
            TyKind::Tuple(ts) => TyKind::Tuple(self.zonk_all(&ts)),
            TyKind::Adt(id, ts) => TyKind::Adt(id, self.zonk_all(&ts)),
            TyKind::Dyn(id, ts) => TyKind::Dyn(id, self.zonk_all(&ts)),
            TyKind::Fn(f) => TyKind::Fn(self.zonk_fn(&f)),
            TyKind::Borrowed(f) => TyKind::Borrowed(self.zonk_fn(&f)),
            TyKind::Caps(caps) => {
                let caps = self.zonk_uses(&caps);
                return self.prog.tys.caps(caps);
            }
            TyKind::ErrSet(ts) => {
                let ts = self.zonk_all(&ts);
                return self.prog.tys.err_set(ts);
            }
            _ => return ty,
        };
        self.mk(new)
    }

    pub(super) fn zonk_all(&mut self, tys: &[Ty]) -> Vec<Ty> {
        tys.iter().map(|t| self.zonk(*t)).collect()
    }

    fn zonk_fn(&mut self, f: &FnTy) -> FnTy {
        FnTy {
            params: self.zonk_all(&f.params),
            uses: self.zonk_uses(&f.uses),
            ret: self.zonk(f.ret),
            errs: self.zonk(f.errs),
        }
    }

    /// An error type with all variables in it solved: those that nothing binds become `Never`.
    pub(super) fn settle_errs(&mut self, errs: Ty) -> Ty {
        let mut errs = self.zonk(errs);
        if self.prog.tys.has_infer(errs) {
            for m in self.prog.tys.err_members(errs) {
                if let TyKind::Infer(n) = *self.prog.tys.kind(m) {
                    self.set_var(n, TyTable::NEVER);
                }
            }
            errs = self.zonk(errs);
        }
        errs
    }

    fn set_var(&mut self, n: u32, ty: Ty) {
        if let Some(v) = self.cx.vars.get_mut(n as usize) {
            v.binding = Some(ty);
            self.cx.trail.push(n);
        }
    }

    pub(super) fn mark(&self) -> usize {
        self.cx.trail.len()
    }

    /// Undoes bindings since a mark.
    pub(super) fn rollback(&mut self, mark: usize) {
        while self.cx.trail.len() > mark {
            if let Some(n) = self.cx.trail.pop()
                && let Some(v) = self.cx.vars.get_mut(n as usize)
            {
                v.binding = None;
            }
        }
    }

    fn occurs(&mut self, n: u32, ty: Ty) -> bool {
        if !self.prog.tys.has_infer(ty) {
            return false;
        }
        if !self.step() {
            return true;
        }
        match self.kind(ty) {
            TyKind::Infer(m) => m == n,
            TyKind::List(t) => self.occurs(n, t),
            TyKind::Tuple(ts) | TyKind::Adt(_, ts) | TyKind::Dyn(_, ts) | TyKind::ErrSet(ts) => {
                ts.iter().any(|t| self.occurs(n, *t))
            }
            TyKind::Fn(f) | TyKind::Borrowed(f) => {
                self.zonk_uses(&f.uses).contains(&CapId::infer(n))
                    || f.params.iter().any(|t| self.occurs(n, *t))
                    || self.occurs(n, f.ret)
                    || self.occurs(n, f.errs)
            }
            TyKind::Caps(caps) => self.zonk_uses(&caps).contains(&CapId::infer(n)),
            _ => false,
        }
    }

    pub(super) fn bind_var(&mut self, n: u32, ty: Ty) -> bool {
        if self.occurs(n, ty) {
            return false;
        }
        self.set_var(n, ty);
        true
    }

    /// Makes two types equal; false if they cannot be (some variables may be bound then).
    pub(super) fn unify(&mut self, a: Ty, b: Ty) -> bool {
        let a = self.shallow(a);
        let b = self.shallow(b);
        if a == b {
            return true;
        }
        if !self.step() {
            return true;
        }
        let ka = self.prog.tys.kind(a).clone();
        let kb = self.prog.tys.kind(b).clone();
        match (ka, kb) {
            (TyKind::Error, _) | (_, TyKind::Error) => true,
            (TyKind::Infer(n), _) => self.bind_var(n, b),
            (_, TyKind::Infer(n)) => self.bind_var(n, a),
            (TyKind::List(x), TyKind::List(y)) => self.unify(x, y),
            (TyKind::Tuple(x), TyKind::Tuple(y)) => self.unify_all(&x, &y),
            (TyKind::Adt(i, x), TyKind::Adt(j, y)) => i == j && self.unify_all(&x, &y),
            (TyKind::Dyn(i, x), TyKind::Dyn(j, y)) => i == j && self.unify_all(&x, &y),
            (TyKind::Fn(f), TyKind::Fn(g)) | (TyKind::Borrowed(f), TyKind::Borrowed(g)) => {
                self.unify_uses(&f.uses, &g.uses)
                    && self.unify_all(&f.params, &g.params)
                    && self.unify(f.ret, g.ret)
                    && self.unify_errs(f.errs, g.errs)
            }
            (TyKind::ErrSet(_), _) | (_, TyKind::ErrSet(_)) => self.unify_errs(a, b),
            (TyKind::Caps(x), TyKind::Caps(y)) => self.unify_uses(&x, &y),
            (TyKind::Caps(x), TyKind::Param(i)) | (TyKind::Param(i), TyKind::Caps(x)) => {
                self.unify_uses(&x, &[CapId::param(i)])
            }
            _ => false,
        }
    }

    fn unify_all(&mut self, a: &[Ty], b: &[Ty]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| self.unify(*x, *y))
    }

    /// Makes two error types equal; sets with one open member are solved for it.
    pub(super) fn unify_errs(&mut self, a: Ty, b: Ty) -> bool {
        let a = self.zonk(a);
        let b = self.zonk(b);
        if a == b {
            return true;
        }
        if let TyKind::Infer(n) = *self.prog.tys.kind(a) {
            return self.bind_var(n, b);
        }
        if let TyKind::Infer(n) = *self.prog.tys.kind(b) {
            return self.bind_var(n, a);
        }
        if self.is_error(a) || self.is_error(b) {
            return true;
        }
        let ma = self.prog.tys.err_members(a);
        let mb = self.prog.tys.err_members(b);
        self.solve_open(&ma, &mb) && self.solve_open(&mb, &ma) && {
            let x = self.zonk(a);
            let y = self.zonk(b);
            x == y
        }
    }

    /// Binds the one open member of `open` to the members of `given` that it lacks.
    fn solve_open(&mut self, open: &[Ty], given: &[Ty]) -> bool {
        let vars: Vec<u32> = open
            .iter()
            .filter_map(|t| match self.prog.tys.kind(*t) {
                TyKind::Infer(n) => Some(*n),
                _ => None,
            })
            .collect();
        let rest: Vec<Ty> = given
            .iter()
            .filter(|t| !open.contains(t))
            .copied()
            .collect();
        match vars.as_slice() {
            [] => true,
            [n] => {
                let set = self.prog.tys.err_set(rest);
                self.bind_var(*n, set)
            }
            _ => false,
        }
    }

    /// Solves `want` so that it takes all of `given`: open members of `want` get what it lacks.
    /// False if something does not fit.
    pub(super) fn cover_errs(&mut self, want: Ty, given: Ty) -> bool {
        let want = self.zonk(want);
        let given = self.zonk(given);
        if self.is_error(want) || self.is_error(given) {
            return true;
        }
        let mw = self.prog.tys.err_members(want);
        let mg = self.prog.tys.err_members(given);
        if mg.iter().all(|m| mw.contains(m)) && !self.prog.tys.has_infer(want) {
            return true;
        }
        // A generic error whose arguments are open is the one member of its type.
        for m in &mg {
            if mw.contains(m) || !self.open_error(*m) {
                continue;
            }
            let mut same = mw.iter().copied().filter(|w| self.same_adt(*w, *m));
            if let (Some(w), None) = (same.next(), same.next())
                && !self.unify(w, *m)
            {
                return false;
            }
        }
        let (want, given) = (self.zonk(want), self.zonk(given));
        let mw = self.prog.tys.err_members(want);
        let mg = self.prog.tys.err_members(given);
        let is_open = |cx: &Self, members: &[Ty]| {
            let mut members = members.iter();
            members.any(|m| matches!(cx.prog.tys.kind(*m), TyKind::Infer(_)))
        };
        if is_open(self, &mw) {
            return self.solve_open(&mw, &mg);
        }
        let fits =
            |cx: &Self, m: &Ty| mw.contains(m) || matches!(cx.prog.tys.kind(*m), TyKind::Infer(_));
        if !mg.iter().all(|m| fits(self, m)) {
            return false;
        }
        !is_open(self, &mg) || self.solve_open(&mg, &mw)
    }

    /// Whether this is an error type with arguments that are not known yet.
    fn open_error(&self, ty: Ty) -> bool {
        matches!(self.prog.tys.kind(ty), TyKind::Adt(..)) && self.prog.tys.has_infer(ty)
    }

    fn same_adt(&self, a: Ty, b: Ty) -> bool {
        match (self.prog.tys.kind(a), self.prog.tys.kind(b)) {
            (TyKind::Adt(a, _), TyKind::Adt(b, _)) => a == b,
            _ => false,
        }
    }

    /// Whether two types can be made equal, without doing so.
    pub(super) fn unifies(&mut self, a: Ty, b: Ty) -> bool {
        let mark = self.mark();
        let ok = self.unify(a, b);
        self.rollback(mark);
        ok
    }

    /// Tries to make two types equal; undone if it fails.
    pub(super) fn try_unify(&mut self, a: Ty, b: Ty) -> bool {
        let mark = self.mark();
        if self.unify(a, b) {
            return true;
        }
        self.rollback(mark);
        false
    }

    pub(super) fn subst(&mut self, ty: Ty, args: &[Ty]) -> Ty {
        if !self.prog.tys.has_param(ty) {
            return ty;
        }
        let new = self.prog.tys.subst(ty, args);
        if self.prog.tys.depth(new) > MAX_TYPE_DEPTH || self.prog.tys.weight(new) > MAX_TYPE_WEIGHT
        {
            let kind = self.prog.tys.kind(new).clone();
            return self.mk(kind);
        }
        new
    }

    pub(super) fn subst_all(&mut self, tys: &[Ty], args: &[Ty]) -> Vec<Ty> {
        tys.iter().map(|t| self.subst(*t, args)).collect()
    }

    /// Members of an error type that are not error types, with their place.
    pub(super) fn check_err_members(&mut self, errs: Ty, span: Span) -> Ty {
        let mut good = Vec::new();
        for m in self.prog.tys.err_members(errs) {
            match self.kind(m) {
                TyKind::Adt(id, _) => {
                    let is_error = self
                        .prog
                        .adts
                        .get(id.0 as usize)
                        .is_some_and(|a| a.kind == crate::thir::AdtKind::Error);
                    if is_error {
                        good.push(m);
                        continue;
                    }
                    let name = self.show(m);
                    self.err_help(
                        codes::NOT_AN_ERROR,
                        span,
                        format!("`{name}` is not an error type"),
                        format!("declare it with `error {name}:` instead of `enum` or `struct`"),
                    );
                }
                TyKind::Param(_) | TyKind::Error | TyKind::Infer(_) => good.push(m),
                _ => {
                    let name = self.show(m);
                    self.err_help(
                        codes::NOT_AN_ERROR,
                        span,
                        format!("`{name}` is not an error type"),
                        "declare an `error` with a variant for what can go wrong",
                    );
                }
            }
        }
        self.prog.tys.err_set(good)
    }
}

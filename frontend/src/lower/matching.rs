//! `match`: a switch where each arm names variants or small numbers, else tests in the order of the arms.
//! A fallible call is matched on its edges, without a `Result`.
//!
//! What must stay true: arms are tried in order wherever that can be told; the last arm of an exhaustive
//! match is not tested.

use super::Res;
use super::emit::{Lbl, Reg};
use super::func::FnCx;
use super::pattern::always;
use crate::thir::*;
use jet_bytecode::opcodes::{Op, TrapKind};

/// An arm, perhaps seen through `Ok` or `Err`.
#[derive(Clone, Copy)]
struct View<'p> {
    /// `None` matches everything.
    pat: Option<&'p Pat>,
    arm: &'p Arm,
}

impl<'p> FnCx<'_, 'p> {
    pub(super) fn match_expr(
        &mut self,
        e: &'p Expr,
        s: &'p Expr,
        arms: &'p [Arm],
        dst: Option<Reg>,
    ) -> Res<()> {
        if Self::fallible(s)
            && let (Some(ok), Some(err)) = (through(arms, 0), through(arms, 1))
        {
            return self.match_edges(e, s, ok, err, dst);
        }
        if let (Some(some), Some(none)) = (through(arms, 0), through(arms, 1))
            && self.match_option(e, s, &some, &none, dst)?
        {
            return Ok(());
        }
        let all: Vec<View<'p>> = arms
            .iter()
            .map(|arm| View {
                pat: Some(&arm.pat),
                arm,
            })
            .collect();
        if self.match_tuple(s, arms, dst)? {
            return Ok(());
        }
        let o = self.operand(s)?;
        let stable = o.temp || self.is_fixed_local(s)?;
        self.at(e.span)?;
        let end = self.code.label();
        let ty = self.ty(s.ty);
        self.arms(o.reg, ty, stable, &all, dst, end)?;
        self.code.bind(end);
        self.drop(o);
        Ok(())
    }

    /// Matches a fallible call: the arms of `Ok` on the value edge, those of `Err` on the error edge.
    fn match_edges(
        &mut self,
        e: &'p Expr,
        s: &'p Expr,
        ok: Vec<View<'p>>,
        err: Vec<View<'p>>,
        dst: Option<Reg>,
    ) -> Res<()> {
        let rty = self.ty(s.ty);
        let tty = self.cx.field_ty(rty, 0, 0)?;
        let ety = self.cx.field_ty(rty, 1, 0)?;
        let value = self.temp(tty)?;
        let edges = self.emit_call(s, Some(value))?;
        let end = self.code.label();
        let failed = self.code.label();
        let mut raised = None;
        if edges.errs != TyTable::NEVER {
            let r = self.temp(ety)?;
            self.code.on_error(r, failed);
            raised = Some(r);
        }
        if edges.ret == TyTable::NEVER {
            self.trap(TrapKind::Unreachable);
        }
        self.at(e.span)?;
        self.arms(value, tty, true, &ok, dst, end)?;
        self.code.free(value);
        if let Some(r) = raised {
            self.code.bind(failed);
            self.arms(r, ety, true, &err, dst, end)?;
            self.code.free(r);
        }
        self.code.bind(end);
        Ok(())
    }

    /// Matches a call that gives an option and is inlined: no option is made.
    fn match_option(
        &mut self,
        e: &'p Expr,
        s: &'p Expr,
        some: &[View<'p>],
        none: &[View<'p>],
        dst: Option<Reg>,
    ) -> Res<bool> {
        if !self.is_option_call(s)? {
            return Ok(false);
        }
        let oty = self.ty(s.ty);
        let tty = self.cx.field_ty(oty, 0, 0)?;
        let value = self.temp(tty)?;
        let (missing, end) = (self.code.label(), self.code.label());
        if !self.option_call(s, Some(value), missing)? {
            return self.bug("an option that is not inlined after all");
        }
        self.at(e.span)?;
        self.arms(value, tty, true, some, dst, end)?;
        self.code.free(value);
        self.code.bind(missing);
        if !self.code.dead() {
            self.arms(value, tty, true, none, dst, end)?;
        }
        self.code.bind(end);
        Ok(true)
    }

    /// `match (a, b)` with tuple patterns makes no tuple.
    fn match_tuple(&mut self, s: &'p Expr, arms: &'p [Arm], dst: Option<Reg>) -> Res<bool> {
        let ExprKind::Tuple(xs) = &s.kind else {
            return Ok(false);
        };
        let simple = |p: &Pat| match &p.kind {
            PatKind::Tuple(ps) => ps.len() == xs.len(),
            PatKind::Wild => true,
            _ => false,
        };
        if !arms.iter().all(|a| simple(&a.pat)) {
            return Ok(false);
        }
        let all: Vec<&'p Expr> = xs.iter().collect();
        let os = self.operands(&all)?;
        let mut stable = Vec::new();
        for (o, x) in os.iter().zip(xs) {
            stable.push(o.temp || self.is_fixed_local(x)?);
        }
        let end = self.code.label();
        for (i, arm) in arms.iter().enumerate() {
            if self.code.dead() {
                break;
            }
            let last = i + 1 == arms.len() && arm.guard.is_none();
            let fail = (!last).then(|| self.code.label());
            self.push_scope();
            if let PatKind::Tuple(ps) = &arm.pat.kind {
                for ((p, o), st) in ps.iter().zip(&os).zip(&stable) {
                    self.test_pat(p, o.reg, *st, fail)?;
                }
            }
            self.arm_body(arm, dst, fail, end)?;
            self.pop_scope();
            if let Some(f) = fail {
                self.code.bind(f);
            }
        }
        if !self.code.dead() {
            self.trap(TrapKind::Unreachable);
        }
        self.code.bind(end);
        self.drop_all(os);
        Ok(true)
    }

    fn arm_body(&mut self, arm: &'p Arm, dst: Option<Reg>, fail: Option<Lbl>, end: Lbl) -> Res<()> {
        if let Some(g) = &arm.guard {
            match fail {
                Some(f) => self.jump_if(g, f, false)?,
                None => return self.bug("a guard without another arm"),
            }
        }
        self.expr(&arm.body, dst)?;
        self.code.jmp(end);
        Ok(())
    }

    /// Tries the arms on the value in `r`; each body goes to `end`.
    fn arms(
        &mut self,
        r: Reg,
        ty: Ty,
        stable: bool,
        arms: &[View<'p>],
        dst: Option<Reg>,
        end: Lbl,
    ) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        if self.switch(r, ty, stable, arms, dst, end)? {
            return Ok(());
        }
        for (i, v) in arms.iter().enumerate() {
            if self.code.dead() {
                break;
            }
            let last = i + 1 == arms.len() && v.arm.guard.is_none();
            let fail = (!last).then(|| self.code.label());
            self.push_scope();
            if let Some(p) = v.pat {
                let sure = last || (always(p) && v.arm.guard.is_none());
                self.test_pat(p, r, stable, if sure { None } else { fail })?;
            }
            self.arm_body(v.arm, dst, fail, end)?;
            self.pop_scope();
            if let Some(f) = fail {
                self.code.bind(f);
            }
        }
        if !self.code.dead() {
            self.trap(TrapKind::Unreachable);
        }
        Ok(())
    }

    /// Compiles the arms as a switch if that pays: each names variants or small numbers, but perhaps the
    /// last, which takes the rest.
    fn switch(
        &mut self,
        r: Reg,
        ty: Ty,
        stable: bool,
        arms: &[View<'p>],
        dst: Option<Reg>,
        end: Lbl,
    ) -> Res<bool> {
        let is_enum = self
            .cx
            .adt(ty)
            .is_some_and(|(_, d, _)| matches!(d.kind, AdtKind::Enum | AdtKind::Error));
        let (named, rest) = match arms.split_last() {
            Some((last, before)) if last.arm.guard.is_none() && last.pat.is_none_or(always) => {
                (before, Some(*last))
            }
            _ => (arms, None),
        };
        let mut keys: Vec<Vec<i64>> = Vec::new();
        for v in named {
            let Some(p) = v.pat else { return Ok(false) };
            let Some(k) = keys_of(p) else {
                return Ok(false);
            };
            if k.len() > 1 && v.arm.guard.is_some() {
                return Ok(false);
            }
            keys.push(k);
        }
        let mut distinct: Vec<i64> = keys.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let (Some(min), Some(max)) = (distinct.first().copied(), distinct.last().copied()) else {
            return Ok(false);
        };
        if distinct.len() < 4 || arms.len() < 4 || (is_enum && min < 0) {
            return Ok(false);
        }
        let base = if is_enum || (0..64).contains(&min) {
            0
        } else {
            min
        };
        let span = max.checked_sub(base).unwrap_or(i64::MAX);
        if span > 3 * distinct.len() as i64 + 64 || span > 512 {
            return Ok(false);
        }
        // The value as an int from zero.
        let mut index = r;
        let mut owned = None;
        if !is_enum && (ty != TyTable::INT || base != 0) {
            let t = self.temp(TyTable::INT)?;
            let mut from = r;
            if ty != TyTable::INT {
                self.code.op(Op::WordToInt, t, r, 0);
                from = t;
            }
            if base != 0 {
                let b = self.int_opnd(base)?;
                self.code.op(Op::SubWrap, t, from, b.reg);
                self.drop(b);
            }
            index = t;
            owned = Some(t);
        }
        let other = self.code.label();
        let mut labels = Vec::new();
        let mut chains: Vec<(Lbl, Vec<usize>)> = Vec::new();
        for k in 0..=span {
            let value = base + k;
            let chain: Vec<usize> = keys
                .iter()
                .enumerate()
                .filter(|(_, ks)| ks.contains(&value))
                .map(|(i, _)| i)
                .collect();
            if chain.is_empty() {
                labels.push(other);
                continue;
            }
            match chains.iter().find(|(_, c)| *c == chain) {
                Some((l, _)) => labels.push(*l),
                None => {
                    let l = self.code.label();
                    labels.push(l);
                    chains.push((l, chain));
                }
            }
        }
        self.code.switch(index, &labels);
        if let Some(t) = owned {
            self.code.free(t);
        }
        // What the switch does not name falls through to the rest.
        self.code.jmp(other);
        let mut bodies: Vec<Option<Lbl>> = vec![None; named.len()];
        for (label, chain) in chains {
            self.code.bind(label);
            for i in chain {
                if self.code.dead() {
                    break;
                }
                let (Some(v), Some(body)) = (named.get(i).copied(), bodies.get_mut(i)) else {
                    continue;
                };
                let Some(p) = v.pat else { continue };
                let shared = keys.get(i).is_some_and(|k| k.len() > 1);
                if shared && let Some(l) = *body {
                    self.code.jmp(l);
                    break;
                }
                let fail = self.code.label();
                if shared {
                    let l = self.code.label();
                    *body = Some(l);
                    self.code.bind_back(l);
                }
                self.push_scope();
                self.test_known(p, r, stable, fail)?;
                self.arm_body(v.arm, dst, Some(fail), end)?;
                self.pop_scope();
                self.code.bind(fail);
            }
            self.code.jmp(other);
        }
        self.code.bind(other);
        if !self.code.dead() {
            match rest {
                Some(v) => {
                    self.push_scope();
                    if let Some(p) = v.pat {
                        self.test_pat(p, r, stable, None)?;
                    }
                    self.arm_body(v.arm, dst, None, end)?;
                    self.pop_scope();
                }
                None => self.trap(TrapKind::Unreachable),
            }
        }
        Ok(true)
    }

    /// Tests a pattern whose variant or number is already known.
    fn test_known(&mut self, p: &'p Pat, r: Reg, stable: bool, fail: Lbl) -> Res<()> {
        match &p.kind {
            PatKind::Variant(v, subs) => {
                let ty = self.ty(p.ty);
                for (i, s) in subs {
                    let fty = self.cx.field_ty(ty, *v, *i)?;
                    if matches!(s.kind, PatKind::Wild) {
                        continue;
                    }
                    let index = (*v as u16).wrapping_mul(256).wrapping_add(*i as u16);
                    let t = match &s.kind {
                        PatKind::Bind(id, None) if !self.is_boxed(*id) => {
                            let t = self.declare(*id)?;
                            self.code.op(Op::GetPayload, t, r, index);
                            continue;
                        }
                        _ => self.scoped(fty)?,
                    };
                    self.code.op(Op::GetPayload, t, r, index);
                    self.test_pat(s, t, true, Some(fail))?;
                }
                Ok(())
            }
            PatKind::Bind(id, Some(sub)) => {
                self.test_known(sub, r, stable, fail)?;
                self.bind_local(*id, r, stable)
            }
            _ => Ok(()),
        }
    }
}

/// The arms that can match `Ok` (0) or `Err` (1), with the pattern below it; `None` if an arm looks
/// at the `Result` in another way.
fn through<'p>(arms: &'p [Arm], variant: u32) -> Option<Vec<View<'p>>> {
    let mut out = Vec::new();
    for arm in arms {
        match &arm.pat.kind {
            PatKind::Variant(v, subs) => {
                if *v == variant {
                    let pat = match subs.as_slice() {
                        [] => None,
                        [(0, p)] => Some(p),
                        _ => return None,
                    };
                    out.push(View { pat, arm });
                }
            }
            _ => return None,
        }
    }
    Some(out)
}

/// The variants or numbers that a pattern names, if it is told by them. With several, it binds nothing.
fn keys_of(p: &Pat) -> Option<Vec<i64>> {
    match &p.kind {
        PatKind::Variant(v, _) => Some(vec![i64::from(*v)]),
        PatKind::Int(v) => Some(vec![*v]),
        PatKind::Byte(v) => Some(vec![i64::from(*v)]),
        PatKind::Char(v) => Some(vec![i64::from(u32::from(*v))]),
        PatKind::Range(lo, hi) => {
            let size = hi.checked_sub(*lo)?;
            (0..=64).contains(&size).then(|| (*lo..=*hi).collect())
        }
        PatKind::Or(ps) => {
            let mut all = Vec::new();
            for p in ps {
                match &p.kind {
                    PatKind::Variant(_, subs)
                        if !subs.iter().all(|(_, s)| matches!(s.kind, PatKind::Wild)) =>
                    {
                        return None;
                    }
                    PatKind::Bind(..) => return None,
                    _ => all.extend(keys_of(p)?),
                }
            }
            Some(all)
        }
        _ => None,
    }
}

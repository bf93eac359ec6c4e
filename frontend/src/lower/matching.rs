//! `match`: a search where each arm names variants, numbers or texts, else tests in the order of the arms.
//! A fallible call is matched on its edges, without a `Result`.
//!
//! What must stay true: arms are tried in order wherever that can be told; the last arm of an exhaustive
//! match is not tested.

use super::Res;
use super::emit::{Lbl, Reg};
use super::func::FnCx;
use super::pattern::always;
use crate::thir::*;
use jet_bytecode::opcodes::TrapKind;

/// An arm, perhaps seen through `Ok` or `Err`.
#[derive(Clone, Copy)]
pub(super) struct View<'p> {
    /// `None` matches everything.
    pub pat: Option<&'p Pat>,
    pub arm: &'p Arm,
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

    pub(super) fn arm_body(
        &mut self,
        arm: &'p Arm,
        dst: Option<Reg>,
        fail: Option<Lbl>,
        end: Lbl,
    ) -> Res<()> {
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

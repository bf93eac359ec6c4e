//! Calls: which function, in which order its registers are filled, and what happens on its error edge
//! (`?`, `else`, or a `Result` as value).
//!
//! What must stay true: `on_error` follows each call that can fail at once; hidden capabilities come
//! first, in the callee's order; evaluation is from left to right.

use super::emit::Reg;
use super::func::{FnCx, Opnd};
use super::resolve::Found;
use super::{FnKey, Res};
use crate::thir::*;
use jet_bytecode::opcodes::{Op, TrapKind};

/// Edges of a call that was emitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    pub ret: Ty,
    pub errs: Ty,
}

impl<'p> FnCx<'_, 'p> {
    /// Whether the expression is a call that could fail before instantiation, so that it is a `Result`.
    pub(super) fn fallible(e: &Expr) -> bool {
        matches!(&e.kind, ExprKind::Call { errs, .. } if *errs != TyTable::NEVER)
    }

    /// A call as value: its result, or a `Result` if it can fail.
    pub(super) fn call_value(&mut self, e: &'p Expr, dst: Option<Reg>) -> Res<()> {
        if !Self::fallible(e) {
            let edges = self.emit_call(e, dst)?;
            if edges.errs != TyTable::NEVER && !self.code.dead() {
                return self.bug("a call that cannot fail has an error edge");
            }
            self.after(edges);
            return Ok(());
        }
        let rty = self.ty(e.ty);
        let (tty, ety) = match self.cx.tys.kind(rty) {
            TyKind::Adt(_, args) => match args.as_slice() {
                [t, e] => (*t, *e),
                _ => return self.bug("a fallible call is no Result"),
            },
            _ => return self.bug("a fallible call is no Result"),
        };
        let value = self.temp(tty)?;
        let edges = self.emit_call(e, Some(value))?;
        let end = self.code.label();
        if edges.errs != TyTable::NEVER {
            let err = self.temp(ety)?;
            let l = self.code.label();
            self.code.on_error(err, l);
            self.code.begin_cold(l);
            if let Some(d) = dst {
                self.code.args(Op::New, d, 1, &[err]);
            }
            self.code.jmp(end);
            self.code.end_cold();
            self.code.free(err);
        }
        self.after(edges);
        if let Some(d) = dst {
            self.code.args(Op::New, d, 0, &[value]);
        }
        self.code.bind(end);
        self.code.free(value);
        Ok(())
    }

    /// What follows a call whose error edge is dealt with.
    fn after(&mut self, edges: Edges) {
        if edges.ret == TyTable::NEVER && !self.code.dead() {
            self.trap(TrapKind::Unreachable);
        }
    }

    /// `e?`.
    pub(super) fn try_(&mut self, e: &'p Expr, v: &'p Expr, dst: Option<Reg>) -> Res<()> {
        if matches!(v.kind, ExprKind::Call { .. }) && !self.is_result_value(v) {
            let edges = self.emit_call(v, dst)?;
            if edges.errs != TyTable::NEVER {
                self.error_edge(edges.errs)?;
            }
            self.after(edges);
            return Ok(());
        }
        let rty = self.ty(v.ty);
        let ety = match self.cx.tys.kind(rty) {
            TyKind::Adt(_, args) => args.get(1).copied(),
            _ => None,
        };
        let Some(ety) = ety else {
            return self.bug("`?` on what is no Result");
        };
        let o = self.operand(v)?;
        self.at(e.span)?;
        let l = self.code.label();
        self.code.jump(Op::JNotTag, o.reg, 0, l);
        if let Some(d) = dst {
            self.code.op(Op::GetPayload, d, o.reg, 0);
        }
        self.code.begin_cold(l);
        if ety == TyTable::NEVER {
            self.trap(TrapKind::Unreachable);
        } else {
            let err = self.temp(ety)?;
            self.code.op(Op::GetPayload, err, o.reg, 256);
            self.raise_to(err, ety)?;
            self.code.free(err);
        }
        self.code.end_cold();
        self.drop(o);
        Ok(())
    }

    /// Whether a call's value is a `Result` that it returns, not one made of its edges.
    fn is_result_value(&self, v: &Expr) -> bool {
        match &v.kind {
            ExprKind::Call { errs, ret, .. } => {
                let is_result = match self.cx.tys.kind(*ret) {
                    TyKind::Adt(id, _) => Some(*id) == self.cx.prog.lang.result,
                    _ => false,
                };
                *errs == TyTable::NEVER && is_result
            }
            _ => true,
        }
    }

    /// `a else b`.
    pub(super) fn else_(
        &mut self,
        e: &'p Expr,
        a: &'p Expr,
        b: &'p Expr,
        dst: Option<Reg>,
    ) -> Res<()> {
        let (fallback, end) = (self.code.label(), self.code.label());
        if Self::fallible(a) {
            let edges = self.emit_call(a, dst)?;
            if edges.errs != TyTable::NEVER {
                let err = self.temp(edges.errs)?;
                self.code.on_error(err, fallback);
                self.code.free(err);
            }
            self.after(edges);
        } else if !self.option_call(a, dst, fallback)? {
            let o = self.operand(a)?;
            self.at(e.span)?;
            self.code.jump(Op::JNotTag, o.reg, 0, fallback);
            if let Some(d) = dst {
                self.code.op(Op::GetPayload, d, o.reg, 0);
            }
            self.drop(o);
        }
        self.code.begin_cold(fallback);
        self.expr(b, dst)?;
        self.code.jmp(end);
        self.code.end_cold();
        self.code.bind(end);
        Ok(())
    }

    /// Emits a call without what follows; the caller deals with its edges at once.
    pub(super) fn emit_call(&mut self, e: &'p Expr, dst: Option<Reg>) -> Res<Edges> {
        let ExprKind::Call {
            callee,
            caps,
            args,
            ret,
            errs,
        } = &e.kind
        else {
            return self.bug("not a call");
        };
        let ret = self.ty(*ret);
        let errs = self.ty(*errs);
        if self.call_known(e, dst)? {
            return Ok(Edges { ret, errs });
        }
        match &**callee {
            Callee::Fn(id, targs) => {
                let targs = self.tys(targs);
                let caps: Vec<&'p Expr> = caps.iter().collect();
                self.call_fn(e, *id, targs, &caps, args, dst)
            }
            Callee::Trait {
                trait_id,
                trait_args,
                self_ty,
                method,
                method_args,
            } => {
                let trait_args = self.tys(trait_args);
                let self_ty = self.ty(*self_ty);
                let method_args = self.tys(method_args);
                let found =
                    self.cx
                        .find_method(*trait_id, &trait_args, self_ty, *method, e.span)?;
                match found {
                    Found::Fn(id, mut targs) => {
                        targs.extend(method_args);
                        let caps = self.caps_of(*trait_id, *method, id, caps)?;
                        self.call_fn(e, id, targs, &caps, args, dst)
                    }
                    Found::Derived(d, ty) => {
                        let all: Vec<&'p Expr> = args.iter().collect();
                        let os = self.operands(&all)?;
                        self.at(e.span)?;
                        let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                        let (d_reg, t) = self.dst_or_temp(dst, ret)?;
                        self.derived(d, ty, &regs, d_reg)?;
                        self.drop_all(os);
                        self.drop_opt(t);
                        Ok(Edges {
                            ret,
                            errs: TyTable::NEVER,
                        })
                    }
                    Found::Dyn(t, targs, m) => {
                        self.call_dyn(e, t, &targs, m, caps, args, dst, Edges { ret, errs })
                    }
                }
            }
            Callee::Dyn {
                trait_id,
                trait_args,
                method,
            } => {
                let targs = self.tys(trait_args);
                let edges = Edges { ret, errs };
                self.call_dyn(e, *trait_id, &targs, *method, caps, args, dst, edges)
            }
            Callee::Value(f) => {
                let mut all: Vec<&'p Expr> = vec![f];
                all.extend(caps);
                all.extend(args);
                let os = self.operands(&all)?;
                self.at(e.span)?;
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                let (d, t) = self.dst_or_temp(dst, ret)?;
                if let [f, rest @ ..] = regs.as_slice() {
                    self.code.args(Op::CallFn, d, *f, rest);
                }
                self.drop_all(os);
                self.drop_opt(t);
                Ok(Edges { ret, errs })
            }
            Callee::Cap { cap, method } => {
                let mut all: Vec<&'p Expr> = vec![cap];
                all.extend(args);
                let os = self.operands(&all)?;
                self.at(e.span)?;
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                let (d, t) = self.dst_or_temp(dst, ret)?;
                self.code.args(Op::CapCall, d, *method as u16, &regs);
                self.drop_all(os);
                self.drop_opt(t);
                Ok(Edges { ret, errs })
            }
        }
    }

    /// The hidden arguments that an implementation takes of those that its trait's method takes.
    fn caps_of(
        &mut self,
        trait_id: TraitId,
        method: u32,
        id: FnId,
        caps: &'p [Expr],
    ) -> Res<Vec<&'p Expr>> {
        let prog = self.cx.prog;
        let uses = prog
            .traits
            .get(trait_id.0 as usize)
            .and_then(|t| t.methods.get(method as usize))
            .map_or(&[][..], |m| m.uses.as_slice());
        let mut out = Vec::new();
        for (c, _) in prog.fns.get(id.0 as usize).map_or(&[][..], |f| &f.uses) {
            match uses.iter().position(|u| u == c).and_then(|i| caps.get(i)) {
                Some(e) => out.push(e),
                None => return self.bug("an implementation uses more than its trait"),
            }
        }
        Ok(out)
    }

    pub(super) fn dst_or_temp(&mut self, dst: Option<Reg>, ty: Ty) -> Res<(Reg, Option<Opnd>)> {
        match dst {
            Some(d) => Ok((d, None)),
            None => {
                let t = self.temp_opnd(ty)?;
                Ok((t.reg, Some(t)))
            }
        }
    }

    pub(super) fn drop_opt(&mut self, o: Option<Opnd>) {
        if let Some(o) = o {
            self.drop(o);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn call_dyn(
        &mut self,
        e: &'p Expr,
        t: TraitId,
        targs: &[Ty],
        m: u32,
        caps: &'p [Expr],
        args: &'p [Expr],
        dst: Option<Reg>,
        edges: Edges,
    ) -> Res<Edges> {
        let object = match args.first() {
            Some(o) => self.ty(o.ty),
            None => return self.bug("a dynamic call without receiver"),
        };
        let m = self.dyn_method(object, t, targs, m)?;
        let all: Vec<&'p Expr> = caps.iter().chain(args).collect();
        let os = self.operands(&all)?;
        self.at(e.span)?;
        let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
        let (d, tmp) = self.dst_or_temp(dst, edges.ret)?;
        self.code.args(Op::CallDyn, d, m, &regs);
        self.drop_all(os);
        self.drop_opt(tmp);
        Ok(edges)
    }

    pub(super) fn call_fn(
        &mut self,
        e: &'p Expr,
        id: FnId,
        targs: Vec<Ty>,
        caps: &[&'p Expr],
        args: &'p [Expr],
        dst: Option<Reg>,
    ) -> Res<Edges> {
        let prog = self.cx.prog;
        let Some(def) = prog.fns.get(id.0 as usize) else {
            return self.bug("no such function");
        };
        let ret = self.cx.tys.subst(def.ret, &targs);
        let errs = self.cx.tys.subst(def.errs, &targs);
        let mut all: Vec<&'p Expr> = caps.to_vec();
        all.extend(args);
        if let Some(name) = &def.intrinsic {
            let os = self.operands(&all)?;
            self.at(e.span)?;
            let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
            let fty = self.cx.fn_ty(id, &targs)?;
            self.intrinsic_opt(name, &regs, &fty, dst)?;
            self.drop_all(os);
            return Ok(Edges {
                ret,
                errs: TyTable::NEVER,
            });
        }
        if errs == TyTable::NEVER
            && (self.inline_call(e, id, &targs, &all, dst)?
                || caps.is_empty() && self.fuse_call(e, id, &targs, args, dst)?)
        {
            return Ok(Edges { ret, errs });
        }
        let os = self.operands(&all)?;
        let f = self.cx.function(FnKey::Inst(id, targs), e.span)?;
        self.at(e.span)?;
        let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
        let (d, t) = self.dst_or_temp(dst, ret)?;
        self.code.func(Op::Call, d, f, &regs);
        self.drop_all(os);
        self.drop_opt(t);
        Ok(Edges { ret, errs })
    }
}

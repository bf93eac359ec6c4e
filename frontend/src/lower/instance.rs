//! The functions of the work list: instances, wrappers that make a function a value, and the functions
//! behind implementation records.
//!
//! What must stay true: a function behind a record has exactly the interface's signature behind the
//! receiver; a wrapper forwards both edges.

use super::emit::Reg;
use super::func::FnCx;
use super::resolve::Found;
use super::{Cx, FnKey, Res, Slot, bug, build_error, visit};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::builder::FnRef;
use jet_bytecode::module::{FnKind, NominalIx};
use jet_bytecode::opcodes::{Op, TrapKind};
use rustc_hash::FxHashSet;
use std::rc::Rc;

impl<'p> Cx<'p> {
    /// Compiles the function behind a key.
    pub(super) fn compile(&mut self, key: FnKey, at: FnRef, name: String) -> Res<()> {
        match key {
            FnKey::Inst(id, args) => self.compile_instance(id, args, at, name),
            FnKey::Derived(d, ty) => self.compile_derived(d, ty, at, name),
            FnKey::Wrap(id, args) => self.compile_wrapper(id, args, at, name, false),
            FnKey::Bound(id, args) => self.compile_wrapper(id, args, at, name, true),
            FnKey::Adapter(slot, ty, boxed) => self.compile_adapter(slot, ty, boxed, at, name),
        }
    }

    /// The locals of a function that live in cells.
    pub(super) fn boxed_of(&mut self, id: FnId) -> Rc<FxHashSet<LocalId>> {
        if let Some(b) = self.boxed.get(&id) {
            return Rc::clone(b);
        }
        let prog = self.prog;
        let set = prog
            .fns
            .get(id.0 as usize)
            .and_then(|f| f.body.as_ref().map(|b| visit::boxed(b, &f.locals)))
            .unwrap_or_default();
        let set = Rc::new(set);
        self.boxed.insert(id, Rc::clone(&set));
        set
    }

    fn compile_instance(&mut self, id: FnId, args: Vec<Ty>, at: FnRef, name: String) -> Res<()> {
        let prog = self.prog;
        let Some(def) = prog.fns.get(id.0 as usize) else {
            return bug(Span::default(), "no such function");
        };
        let def = self.instance_of(def, &args)?;
        let f = self.fn_ty(id, &args)?;
        let boxed = self.boxed_of(id);
        let mut fx = FnCx::new(self, name, &f, def.span);
        fx.inlining.push(id);
        fx.frame.locals = &def.locals;
        fx.frame.targs = Rc::from(args);
        fx.frame.boxed = boxed;
        fx.at(def.span)?;
        let regs = fx.leading(FnKind::Named, &f)?;
        let locals = def.uses.iter().map(|(_, l)| *l).chain(def.params.clone());
        for (id, r) in locals.zip(regs.clone()) {
            fx.bind_param(id, r)?;
        }
        match (&def.body, &def.intrinsic) {
            (Some(body), _) => fx.body(body)?,
            (None, Some(intrinsic)) => {
                // An intrinsic as a function of its own.
                let ret = fx.temp(f.ret)?;
                fx.intrinsic(intrinsic, &regs, &f, ret)?;
                fx.code.op(Op::Ret, ret, 0, 0);
            }
            (None, None) => return bug(def.span, "a function without a body"),
        }
        fx.finish(at, FnKind::Named, &f, Vec::new(), def.span)
    }

    /// A literal that calls a function, with its capabilities as parameters or captured.
    fn compile_wrapper(
        &mut self,
        id: FnId,
        args: Vec<Ty>,
        at: FnRef,
        name: String,
        bound: bool,
    ) -> Res<()> {
        let span = self
            .prog
            .fns
            .get(id.0 as usize)
            .map_or(Span::default(), |d| d.span);
        let target = self.fn_ty(id, &args)?;
        let mut f = target.clone();
        let mut captures = Vec::new();
        if bound {
            f.uses = Vec::new();
        }
        let mut fx = FnCx::new(self, name, &f, span);
        fx.at(span)?;
        let mut regs = fx.leading(FnKind::Literal, &f)?;
        regs.remove(0);
        if bound {
            let mut caps = Vec::new();
            for (i, c) in target.uses.iter().enumerate() {
                let ty = fx.cx.tys.intern(TyKind::Cap(*c));
                captures.push(fx.cx.ty_ix(ty)?);
                let r = fx.temp(ty)?;
                fx.code.op(Op::GetCapture, r, i as u16, 0);
                caps.push(r);
            }
            caps.append(&mut regs);
            regs = caps;
        }
        let intrinsic = fx
            .cx
            .prog
            .fns
            .get(id.0 as usize)
            .and_then(|d| d.intrinsic.as_ref());
        if let Some(intrinsic) = intrinsic {
            let ret = fx.temp(f.ret)?;
            fx.intrinsic(intrinsic, &regs, &f, ret)?;
            fx.code.op(Op::Ret, ret, 0, 0);
        } else {
            let callee = fx.cx.function(FnKey::Inst(id, args), span)?;
            fx.forward(callee, &regs, &target)?;
        }
        fx.finish(at, FnKind::Literal, &f, captures, span)
    }

    /// The function behind one method of an implementation record.
    pub(super) fn vtable_fn(
        &mut self,
        slot: Slot,
        self_ty: Ty,
        boxed: bool,
        span: Span,
    ) -> Res<FnRef> {
        let wanted = self.slot_ty(&slot, self_ty)?;
        // A method with exactly the interface's signature needs no adapter.
        if !boxed && let Some((id, args)) = self.slot_target(&slot, self_ty, span)? {
            let have = self.fn_ty(id, &args)?;
            let same = have.uses == wanted.uses
                && have.ret == wanted.ret
                && have.errs == wanted.errs
                && have.params.get(1..) == Some(wanted.params.as_slice());
            let intrinsic = self
                .prog
                .fns
                .get(id.0 as usize)
                .is_some_and(|d| d.intrinsic.is_some());
            if same && !intrinsic {
                return self.function(FnKey::Inst(id, args), span);
            }
        }
        self.function(FnKey::Adapter(slot, self_ty, boxed), span)
    }

    /// Type of an interface's method without receiver.
    fn slot_ty(&mut self, slot: &Slot, self_ty: Ty) -> Res<FnTy> {
        let prog = self.prog;
        match slot {
            Slot::Trait(t, args, m) => {
                let def = prog
                    .traits
                    .get(t.0 as usize)
                    .and_then(|t| t.methods.get(*m as usize));
                let Some(def) = def else {
                    return bug(Span::default(), "no such method");
                };
                let mut full = vec![self_ty];
                full.extend_from_slice(args);
                Ok(self.method_ty(def, &full))
            }
            Slot::Cap(c, m) => {
                let def = prog
                    .caps
                    .get(c.0 as usize)
                    .and_then(|t| t.methods.get(*m as usize));
                match def {
                    Some(def) => Ok(self.method_ty(def, &[])),
                    None => bug(Span::default(), "no such method"),
                }
            }
        }
    }

    /// The function that implements a slot, if it is not derived.
    fn slot_target(
        &mut self,
        slot: &Slot,
        self_ty: Ty,
        span: Span,
    ) -> Res<Option<(FnId, Vec<Ty>)>> {
        match slot {
            Slot::Trait(t, args, m) => match self.find_method(*t, args, self_ty, *m, span)? {
                Found::Fn(id, args) => Ok(Some((id, args))),
                _ => Ok(None),
            },
            Slot::Cap(c, m) => match self.find_cap_impl(*c, self_ty) {
                Some((def, args)) => match def.methods.get(*m as usize).copied().flatten() {
                    Some(id) => Ok(Some((id, args))),
                    None => bug(span, "an implementation of a capability lacks a method"),
                },
                None => bug(span, "no implementation of the capability"),
            },
        }
    }

    fn compile_adapter(
        &mut self,
        slot: Slot,
        self_ty: Ty,
        boxed: bool,
        at: FnRef,
        name: String,
    ) -> Res<()> {
        let span = Span::default();
        let mut f = self.slot_ty(&slot, self_ty)?;
        let target = self.slot_target(&slot, self_ty, span)?;
        let inner = f.clone();
        f.params.insert(0, self_ty);
        let mut fx = FnCx::new(self, name, &f, span);
        fx.at(span)?;
        let mut regs = Vec::new();
        let mut box_ix: Option<NominalIx> = None;
        for c in &f.uses {
            let t = fx.cx.tys.intern(TyKind::Cap(*c));
            let ix = fx.cx.ty_ix(t)?;
            regs.push(fx.code.fresh(ix, true));
        }
        let (_, receiver) = if boxed {
            let (n, t) = fx.cx.dyn_box(self_ty)?;
            box_ix = Some(n);
            (n, t)
        } else {
            (0, fx.cx.ty_ix(self_ty)?)
        };
        let me = fx.code.fresh(receiver, true);
        let mut params = vec![me];
        for p in &inner.params {
            let ix = fx.cx.ty_ix(*p)?;
            params.push(fx.code.fresh(ix, true));
        }
        if box_ix.is_some() {
            let value = fx.temp(self_ty)?;
            fx.code.op(Op::GetField, value, me, 0);
            if let Some(first) = params.first_mut() {
                *first = value;
            }
        }
        match target {
            Some((id, args)) => {
                let have = fx.cx.fn_ty(id, &args)?;
                let mut call = Vec::new();
                for c in &have.uses {
                    match f.uses.iter().position(|u| u == c).and_then(|i| regs.get(i)) {
                        Some(r) => call.push(*r),
                        None => return bug(span, "an implementation uses more than its trait"),
                    }
                }
                call.extend(params);
                let callee = fx.cx.function(FnKey::Inst(id, args), span)?;
                fx.forward(callee, &call, &have)?;
            }
            None => {
                let Slot::Trait(t, targs, m) = &slot else {
                    return bug(span, "a derived capability method");
                };
                let found = fx.cx.find_method(*t, targs, self_ty, *m, span)?;
                let ret = fx.temp(inner.ret)?;
                match found {
                    Found::Derived(d, ty) => fx.derived(d, ty, &params, ret)?,
                    Found::Dyn(t, targs, m) => {
                        let m = fx.dyn_method(self_ty, t, &targs, m)?;
                        regs.extend(params);
                        fx.code.args(Op::CallDyn, ret, m, &regs);
                        if inner.errs != TyTable::NEVER {
                            fx.error_edge(inner.errs)?;
                        }
                        if inner.ret == TyTable::NEVER {
                            fx.trap(TrapKind::Unreachable);
                        }
                    }
                    Found::Fn(..) => return bug(span, "a function without adapter"),
                }
                fx.code.op(Op::Ret, ret, 0, 0);
            }
        }
        // The receiver's register may be the box, which no type of the frontend describes.
        let sig = {
            let mut sig = fx.cx.sig(&f)?;
            if let Some(first) = sig.params.first_mut() {
                *first = receiver;
            }
            sig
        };
        let leading = f.uses.len() + f.params.len();
        let done = fx
            .code
            .finish(fx.name, FnKind::Named, sig, Vec::new(), leading)
            .map_err(|e| build_error(e, span))?;
        fx.cx.unit()?.b.define(at, done);
        Ok(())
    }
}

impl<'p> FnCx<'_, 'p> {
    /// Calls a function with these registers and returns on the same edge.
    fn forward(&mut self, callee: FnRef, regs: &[Reg], have: &FnTy) -> Res<()> {
        let ret = self.temp(have.ret)?;
        self.code.func(Op::Call, ret, callee, regs);
        if have.errs != TyTable::NEVER {
            self.error_edge(have.errs)?;
        }
        if have.ret == TyTable::NEVER {
            self.trap(TrapKind::Unreachable);
        }
        self.code.op(Op::Ret, ret, 0, 0);
        self.code.free(ret);
        Ok(())
    }
}

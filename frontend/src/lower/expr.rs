//! Expressions by destination: control flow, construction, access, capabilities.
//!
//! What must stay true: `expr` with a destination writes it on each path that falls through, as that
//! path's last act; with none it runs the expression for its effects.

use super::defer::{Deferred, has_defer};
use super::emit::Reg;
use super::func::{FnCx, Frame, Handler, Place_, RetTo};
use super::{FnKey, Res, Slot};
use crate::thir::*;
use jet_bytecode::builder::FnRef;
use jet_bytecode::module::Interface;
use jet_bytecode::opcodes::{Op, TrapKind};
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// Lists up to this length are made by one instruction.
const MAX_LIST_OF: usize = 64;

impl<'p> FnCx<'_, 'p> {
    /// Compiles an expression into `dst`, or for its effects.
    pub(super) fn expr(&mut self, e: &'p Expr, dst: Option<Reg>) -> Res<()> {
        self.nested(|me| me.expr_inner(e, dst))
    }

    fn expr_inner(&mut self, e: &'p Expr, dst: Option<Reg>) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        match &e.kind {
            ExprKind::Block(stmts, tail) if has_defer(stmts) => {
                self.block_with_defers(Vec::new(), stmts, tail.as_deref(), dst)
            }
            ExprKind::Block(stmts, tail) => {
                self.push_scope();
                self.stmts(stmts)?;
                match (tail, dst) {
                    (Some(t), _) => self.expr(t, dst)?,
                    (None, Some(d)) => self.code.imm(d, 0),
                    (None, None) => {}
                }
                self.pop_scope();
                Ok(())
            }
            ExprKind::If(c, a, b) => {
                let no = self.code.label();
                self.jump_if(c, no, false)?;
                match b {
                    Some(b) => {
                        let end = self.code.label();
                        self.expr(a, dst)?;
                        self.code.jmp(end);
                        self.code.bind(no);
                        self.expr(b, dst)?;
                        self.code.bind(end);
                    }
                    None => {
                        self.expr(a, None)?;
                        self.code.bind(no);
                        if let Some(d) = dst {
                            self.code.imm(d, 0);
                        }
                    }
                }
                Ok(())
            }
            ExprKind::Match(s, arms) => self.match_expr(e, s, arms, dst),
            ExprKind::With(bindings, body) => {
                self.push_scope();
                let mut ends = Vec::new();
                for (id, v) in bindings {
                    let r = match &v.kind {
                        ExprKind::Local(l) => match self.place(*l)? {
                            Place_::Reg(r) => r,
                            _ => return self.bug("a capability in a cell"),
                        },
                        _ => {
                            let ty = self.ty(v.ty);
                            let r = self.scoped(ty)?;
                            self.expr(v, Some(r))?;
                            r
                        }
                    };
                    self.set_place(*id, Place_::Reg(r));
                    if self.gives_handles(v) {
                        ends.push(Deferred::End(r));
                    }
                }
                if ends.is_empty() {
                    self.expr(body, dst)?;
                } else {
                    self.block_with_defers(ends, &[], Some(body), dst)?;
                }
                self.pop_scope();
                Ok(())
            }
            ExprKind::TryCatch { body, catches } => self.try_catch(body, catches, dst),
            ExprKind::Return(v) => self.return_(v.as_deref()),
            ExprKind::Raise(v) => {
                let ty = self.ty(v.ty);
                let o = self.operand(v)?;
                self.at(e.span)?;
                self.raise_to(o.reg, ty)?;
                self.drop(o);
                Ok(())
            }
            ExprKind::Break(id) => {
                match self.loops.iter().rev().find(|l| l.id == *id) {
                    Some(l) => self.leave(l.depth, l.end),
                    None => return self.bug("break out of no loop"),
                }
                Ok(())
            }
            ExprKind::Continue(id) => {
                match self.loops.iter().rev().find(|l| l.id == *id) {
                    Some(l) => self.leave(l.depth, l.next),
                    None => return self.bug("continue of no loop"),
                }
                Ok(())
            }
            ExprKind::Panic(m) => {
                let o = self.operand(m)?;
                self.at(e.span)?;
                self.code.op(Op::Panic, o.reg, 0, 0);
                self.drop(o);
                Ok(())
            }
            ExprKind::Call { .. } => self.call_value(e, dst),
            ExprKind::Try(v) => self.try_(e, v, dst),
            ExprKind::Else(a, b) => self.else_(e, a, b, dst),
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Byte(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Local(_)
            | ExprKind::FnRef(..)
                if dst.is_none() =>
            {
                Ok(())
            }
            _ => match dst {
                Some(d) => self.value(e, d),
                None => {
                    let ty = self.ty(e.ty);
                    let t = self.temp_opnd(ty)?;
                    self.value(e, t.reg)?;
                    self.drop(t);
                    Ok(())
                }
            },
        }
    }

    fn value(&mut self, e: &'p Expr, dst: Reg) -> Res<()> {
        if let Some(c) = self.const_of(e)? {
            self.code.constant(dst, c);
            return Ok(());
        }
        match &e.kind {
            ExprKind::Unit => self.code.imm(dst, 0),
            ExprKind::Local(id) => match self.place(*id)? {
                Place_::Reg(r) => self.code.mov(dst, r),
                Place_::Cell(c) => self.code.op(Op::GetField, dst, c, 0),
                Place_::None => {}
                Place_::Known(_) => return self.bug("a known value is needed as such"),
            },
            ExprKind::Const(id) => self.constant(*id, dst)?,
            ExprKind::FnRef(id, args) => {
                let args = self.tys(args);
                let f = self.cx.function(FnKey::Wrap(*id, args), e.span)?;
                self.at(e.span)?;
                self.code.func(Op::MakeFn, dst, f, &[]);
            }
            ExprKind::Binary(op, a, b) => self.binary(e, *op, a, b, dst)?,
            ExprKind::Unary(op, a) => self.unary(e, *op, a, dst)?,
            ExprKind::And(..) | ExprKind::Or(..) => self.bool_by_jumps(e, dst)?,
            ExprKind::Convert(c, a) => self.convert(e, *c, a, dst)?,
            ExprKind::Interp(pieces) => self.interp(e, pieces, dst)?,
            ExprKind::List(xs) => self.list(e, xs, dst)?,
            ExprKind::ListFill(v, n) => {
                let os = self.operands(&[v, n])?;
                self.at(e.span)?;
                if let [v, n] = os.as_slice() {
                    self.code.op(Op::ListFill, dst, n.reg, v.reg);
                }
                self.drop_all(os);
            }
            ExprKind::Tuple(xs) => self.new_object(e, 0, xs, dst)?,
            ExprKind::Construct { variant, fields } => {
                self.construct(e, *variant, fields, dst)?;
            }
            ExprKind::Field(a, i) if self.known_field(a, *i).is_some() => {
                match self.known_field(a, *i) {
                    Some(Place_::Reg(r)) => self.code.mov(dst, r),
                    _ => return self.bug("a known field is needed as such"),
                }
            }
            ExprKind::Field(a, i) => {
                let aty = self.ty(a.ty);
                let fty = self.cx.field_ty(aty, 0, *i)?;
                let op = if self.cx.authority(fty) {
                    Op::GetCap
                } else {
                    Op::GetField
                };
                let o = self.operand(a)?;
                self.at(e.span)?;
                self.code.op(op, dst, o.reg, *i as u16);
                self.drop(o);
            }
            ExprKind::Index(a, i) => {
                let os = self.operands(&[a, i])?;
                self.at(e.span)?;
                if let [a, i] = os.as_slice() {
                    self.code.op(Op::ListGet, dst, a.reg, i.reg);
                }
                self.drop_all(os);
            }
            ExprKind::Lambda(l) => self.lambda(e, l, dst)?,
            ExprKind::BindFn { func, caps } => self.bind_fn(e, func, caps, dst)?,
            ExprKind::MakeDyn(a) => self.make_dyn(e, a, dst)?,
            ExprKind::WidenErr(a) => {
                let o = self.operand(a)?;
                self.code.mov(dst, o.reg);
                self.drop(o);
            }
            ExprKind::AsCap(a) => self.as_cap(e, a, dst)?,
            ExprKind::Recap(a) => {
                let o = self.operand(a)?;
                self.at(e.span)?;
                self.code.op(Op::Recap, dst, o.reg, 0);
                self.drop(o);
            }
            k => {
                let text = format!("{k:?}");
                let text: String = text.chars().take(60).collect();
                return self.bug(format!("an expression without a rule: {text}"));
            }
        }
        Ok(())
    }

    /// Runs `f` with another body's locals.
    pub(super) fn in_frame<T>(
        &mut self,
        frame: Frame<'p>,
        f: impl FnOnce(&mut Self) -> Res<T>,
    ) -> Res<T> {
        let outer = std::mem::replace(&mut self.frame, frame);
        let result = f(self);
        self.frame = outer;
        result
    }

    fn constant(&mut self, id: ConstId, dst: Reg) -> Res<()> {
        let prog = self.cx.prog;
        let Some(c) = prog.consts.get(id.0 as usize) else {
            return self.bug("no such constant");
        };
        let frame = Frame {
            locals: &c.locals,
            targs: Rc::from([]),
            places: Vec::new(),
            boxed: Rc::default(),
            span: Some(self.span),
            ret: None,
            fixed: FxHashSet::default(),
            scalars: Rc::default(),
        };
        self.push_scope();
        self.in_frame(frame, |me| me.expr(&c.value, Some(dst)))?;
        self.pop_scope();
        Ok(())
    }

    fn list(&mut self, e: &'p Expr, xs: &'p [Expr], dst: Reg) -> Res<()> {
        if xs.len() <= MAX_LIST_OF {
            let all: Vec<&'p Expr> = xs.iter().collect();
            let os = self.operands(&all)?;
            self.at(e.span)?;
            let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
            self.code.args(Op::ListOf, dst, 0, &regs);
            self.drop_all(os);
            return Ok(());
        }
        let ty = self.ty(e.ty);
        let list = self.temp(ty)?;
        let n = self.int_opnd(xs.len() as i64)?;
        self.at(e.span)?;
        self.code.op(Op::ListNew, list, n.reg, 0);
        self.drop(n);
        self.fill(e.span, ty, list, xs)?;
        self.code.mov(dst, list);
        self.code.free(list);
        Ok(())
    }

    fn new_object(&mut self, e: &'p Expr, variant: u16, xs: &'p [Expr], dst: Reg) -> Res<()> {
        let all: Vec<&'p Expr> = xs.iter().collect();
        let os = self.operands(&all)?;
        self.at(e.span)?;
        let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
        self.code.args(Op::New, dst, variant, &regs);
        self.drop_all(os);
        Ok(())
    }

    fn construct(&mut self, e: &'p Expr, variant: u32, xs: &'p [Expr], dst: Reg) -> Res<()> {
        let ty = self.ty(e.ty);
        let Some((_, def, _)) = self.cx.adt(ty) else {
            return self.bug("construction of what is no struct or enum");
        };
        match def.kind {
            AdtKind::Attenuator => {
                let all: Vec<&'p Expr> = xs.iter().collect();
                let os = self.operands(&all)?;
                self.at(e.span)?;
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                self.code.args(Op::NewAtt, dst, 0, &regs);
                self.drop_all(os);
                Ok(())
            }
            AdtKind::Enum if self.cx.plain_enum(ty) => {
                self.code.imm(dst, variant as i32);
                Ok(())
            }
            AdtKind::Handle => self.bug("construction of a handle"),
            _ => self.new_object(e, variant as u16, xs, dst),
        }
    }

    fn return_(&mut self, v: Option<&'p Expr>) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        match (self.frame.ret, v) {
            (Some(RetTo::Value(dst, end)), v) => {
                match (v, dst) {
                    (Some(v), _) => self.expr(v, dst)?,
                    (None, Some(d)) => self.code.imm(d, 0),
                    (None, None) => {}
                }
                self.code.jmp(end);
                return Ok(());
            }
            (Some(RetTo::Option(dst, some, none)), Some(v)) => {
                return self.return_option(v, dst, some, none);
            }
            (Some(RetTo::Option(..)), None) => return self.bug("an option without value"),
            (None, _) => {}
        }
        let Some(v) = v else {
            return self.return_reg(None);
        };
        let ty = self.ty(v.ty);
        if matches!(self.cx.tys.kind(ty), TyKind::Unit | TyKind::Never) {
            self.expr(v, None)?;
            return self.return_reg(None);
        }
        // A conditional value returns from each branch by itself.
        if let ExprKind::If(c, a, Some(b)) = &v.kind {
            let no = self.code.label();
            self.jump_if(c, no, false)?;
            self.return_(Some(a))?;
            self.code.bind(no);
            if !self.code.dead() {
                self.return_(Some(b))?;
            }
            return Ok(());
        }
        let o = self.operand(v)?;
        self.return_reg(Some(o.reg))?;
        self.drop(o);
        Ok(())
    }

    // Errors.

    fn try_catch(&mut self, body: &'p Expr, catches: &'p [Catch], dst: Option<Reg>) -> Res<()> {
        let end = self.code.label();
        let mut entries = Vec::new();
        for c in catches {
            let members = self.tys(&c.tys);
            let ty = self.cx.tys.err_set(members);
            let reg = match c.local {
                Some(_) if ty != TyTable::NEVER => Some(self.temp(ty)?),
                _ => None,
            };
            entries.push((ty, reg, self.code.label()));
        }
        self.handlers.push(Handler {
            depth: self.defers.depth(),
            catches: entries.clone(),
        });
        self.expr(body, dst)?;
        self.handlers.pop();
        self.code.jmp(end);
        for (c, (_, reg, label)) in catches.iter().zip(entries.clone()) {
            self.code.bind(label);
            if self.code.dead() {
                continue;
            }
            self.push_scope();
            if let (Some(id), Some(r)) = (c.local, reg) {
                self.bind_local(id, r, true)?;
            }
            self.expr(&c.body, dst)?;
            self.pop_scope();
            self.code.jmp(end);
        }
        for (_, reg, _) in entries {
            if let Some(r) = reg {
                self.code.free(r);
            }
        }
        self.code.bind(end);
        Ok(())
    }

    /// The error edge of the call that was just emitted, towards handlers or out of the function.
    pub(super) fn error_edge(&mut self, errs: Ty) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        let members = self.cx.tys.err_members(errs);
        // The first clause that takes one of these errors, if it takes all of them.
        let mut wanted = false;
        for h in (0..self.handlers.len()).rev() {
            let (depth, catches) = match self.handlers.get(h) {
                Some(h) => (h.depth, h.catches.clone()),
                None => continue,
            };
            for (ty, reg, label) in catches {
                let takes = self.cx.tys.err_members(ty);
                if wanted || !members.iter().any(|m| takes.contains(m)) {
                    continue;
                }
                wanted = true;
                if members.iter().all(|m| takes.contains(m)) {
                    // The error register may hold more than the call raises.
                    let label = self.landing(depth, label);
                    match reg {
                        Some(r) => self.code.on_error(r, label),
                        None => {
                            let r = self.temp(errs)?;
                            self.code.on_error(r, label);
                            self.code.free(r);
                        }
                    }
                    return Ok(());
                }
            }
        }
        let e = self.temp(errs)?;
        let shared = !wanted && self.defers.depth() == 0;
        if shared && let Some(l) = self.raise_out.get(&e) {
            let l = *l;
            self.code.on_error(e, l);
            self.code.free(e);
            return Ok(());
        }
        let l = self.code.label();
        if shared {
            self.raise_out.insert(e, l);
        }
        self.code.on_error(e, l);
        self.code.begin_cold(l);
        self.raise_to(e, errs)?;
        self.code.end_cold();
        self.code.free(e);
        Ok(())
    }

    /// Takes an error in a register to the handlers that want it, else out of the function.
    pub(super) fn raise_to(&mut self, e: Reg, ety: Ty) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        let mut left = self.cx.tys.err_members(ety);
        if left.is_empty() {
            self.trap(TrapKind::Unreachable);
            return Ok(());
        }
        for h in (0..self.handlers.len()).rev() {
            let (depth, catches) = match self.handlers.get(h) {
                Some(h) => (h.depth, h.catches.clone()),
                None => continue,
            };
            for (cty, reg, label) in catches {
                let takes = self.cx.tys.err_members(cty);
                let hit: Vec<Ty> = left.iter().copied().filter(|m| takes.contains(m)).collect();
                if hit.is_empty() {
                    continue;
                }
                left.retain(|m| !takes.contains(m));
                let all = left.is_empty();
                self.take_error(e, ety, &hit, all, reg.map(|r| (r, cty)), (depth, label))?;
                if all {
                    return Ok(());
                }
            }
        }
        // Out of the function.
        let fty = self.errs;
        let fits = self.cx.tys.err_members(fty);
        if let Some(m) = left.iter().find(|m| !fits.contains(m)) {
            let name = self.cx.mangle(*m)?;
            return self.bug(format!(
                "error {name} leaves a function that does not raise it"
            ));
        }
        // A register of a smaller set may be raised as it is.
        let have = self.cx.tys.err_members(ety);
        if have.iter().all(|m| fits.contains(m)) {
            return self.raise_reg(e);
        }
        let w = self.temp(fty)?;
        let out = self.code.label();
        let here = (self.defers.depth(), out);
        self.take_error(e, ety, &left, true, Some((w, fty)), here)?;
        self.code.bind(out);
        self.raise_reg(w)?;
        self.code.free(w);
        Ok(())
    }

    /// If the error in `e` is one of `hit`, moves it to `to` and leaves for the label. `all`: it is one.
    fn take_error(
        &mut self,
        e: Reg,
        ety: Ty,
        hit: &[Ty],
        all: bool,
        to: Option<(Reg, Ty)>,
        (depth, label): (usize, super::emit::Lbl),
    ) -> Res<()> {
        let have = self.cx.tys.err_members(ety);
        let room = to.map(|(_, ty)| self.cx.tys.err_members(ty));
        let fits = room.is_none_or(|room| have.iter().all(|m| room.contains(m)));
        if have.len() == 1 || (all && fits) {
            if let Some((r, _)) = to {
                self.code.mov(r, e);
            }
            self.leave(depth, label);
            return Ok(());
        }
        for (i, m) in hit.iter().enumerate() {
            let last = all && i + 1 == hit.len();
            let next = self.code.label();
            if !last {
                let yes = self.code.label();
                let ix = self.cx.ty_ix(*m)?;
                self.code.jump(Op::JErrIs, e, ix, yes);
                self.code.jmp(next);
                self.code.bind(yes);
            }
            if let Some((r, rty)) = to {
                if rty == *m {
                    self.code.op(Op::ErrCast, r, e, 0);
                } else {
                    let t = self.temp(*m)?;
                    self.code.op(Op::ErrCast, t, e, 0);
                    self.code.mov(r, t);
                    self.code.free(t);
                }
            }
            self.leave(depth, label);
            self.code.bind(next);
        }
        Ok(())
    }

    // Objects and authority.

    fn make_dyn(&mut self, e: &'p Expr, a: &'p Expr, dst: Reg) -> Res<()> {
        let ty = self.ty(a.ty);
        let dyn_ty = self.ty(e.ty);
        let o = self.operand(a)?;
        if ty == dyn_ty {
            self.code.mov(dst, o.reg);
            self.drop(o);
            return Ok(());
        }
        let TyKind::Dyn(t, args) = self.cx.tys.kind(dyn_ty).clone() else {
            return self.bug("make_dyn of no object type");
        };
        let is_struct = self
            .cx
            .adt(ty)
            .is_some_and(|(_, d, _)| d.kind == AdtKind::Struct);
        self.cx.trait_record(t, &args, ty, !is_struct, e.span)?;
        self.at(e.span)?;
        if is_struct {
            self.code.op(Op::MakeDyn, dst, o.reg, 0);
        } else {
            let (_, bty) = self.cx.dyn_box(ty)?;
            let b = self.code.alloc(bty, false);
            self.code.args(Op::New, b, 0, &[o.reg]);
            self.code.op(Op::MakeDyn, dst, b, 0);
            self.code.free(b);
        }
        self.drop(o);
        Ok(())
    }

    fn as_cap(&mut self, e: &'p Expr, a: &'p Expr, dst: Reg) -> Res<()> {
        let ty = self.ty(a.ty);
        let cty = self.ty(e.ty);
        let TyKind::Cap(cap) = self.cx.tys.kind(cty).clone() else {
            return self.bug("as_cap of no capability");
        };
        self.cx.cap_record(cap, ty, e.span)?;
        let o = self.operand(a)?;
        self.at(e.span)?;
        self.code.op(Op::AsCap, dst, o.reg, 0);
        self.drop(o);
        Ok(())
    }

    /// Index of a trait's method among those that objects of this type offer.
    pub(super) fn dyn_method(&mut self, object: Ty, t: TraitId, targs: &[Ty], m: u32) -> Res<u16> {
        let TyKind::Dyn(of, args) = self.cx.tys.kind(object).clone() else {
            return self.bug("a dynamic call on what is no object");
        };
        self.cx.trait_ix(of, &args)?;
        let slots = self.cx.dyn_slots(of, &args);
        match slots
            .iter()
            .position(|(s, sargs, i)| *s == t && sargs == targs && *i == m)
        {
            Some(i) => Ok(i as u16),
            None => self.bug("an object does not offer this method"),
        }
    }
}

impl<'p> super::Cx<'p> {
    /// The implementation record behind `make_dyn`, in the package that asks.
    fn trait_record(
        &mut self,
        t: TraitId,
        args: &[Ty],
        ty: Ty,
        boxed: bool,
        span: crate::source::Span,
    ) -> Res<()> {
        // One package has the record of a type and trait: the last one of those that they mention. A box
        // is the asking package's own.
        let mut home = self.cur;
        if !boxed {
            let of = self.tys.intern(TyKind::Dyn(t, args.to_vec()));
            home = self.last_package(ty).max(self.last_package(of));
        }
        let here = std::mem::replace(&mut self.cur, home);
        let made = self.trait_record_here(t, args, ty, boxed, span);
        self.cur = here;
        made
    }

    fn trait_record_here(
        &mut self,
        t: TraitId,
        args: &[Ty],
        ty: Ty,
        boxed: bool,
        span: crate::source::Span,
    ) -> Res<()> {
        let key = (Slot::Trait(t, args.to_vec(), 0), ty);
        if !self.unit()?.impls.insert(key) {
            return Ok(());
        }
        let trait_ix = self.trait_ix(t, args)?;
        let nominal = if boxed {
            self.dyn_box(ty)?.0
        } else {
            self.nominal(ty)?
        };
        let mut methods: Vec<FnRef> = Vec::new();
        for (of, targs, i) in self.dyn_slots(t, args) {
            let slot = Slot::Trait(of, targs, i);
            methods.push(self.vtable_fn(slot, ty, boxed, span)?);
        }
        let u = self.unit()?;
        u.b.implement(nominal, Interface::Trait(trait_ix), methods);
        Ok(())
    }

    /// The implementation record behind `as_cap`, in the package that declares the type.
    pub(super) fn cap_record(&mut self, cap: CapId, ty: Ty, span: crate::source::Span) -> Res<()> {
        let adt = match self.adt(ty) {
            Some((_, adt, _)) if !matches!(adt.kind, AdtKind::Error | AdtKind::Handle) => adt,
            _ => return super::bug(span, "a capability behind a type that has none"),
        };
        let home = adt.package.0 as usize;
        let same = self
            .find_cap_impl(cap, ty)
            .is_none_or(|(def, _)| def.package == adt.package);
        if self.last_package(ty) != home || !same {
            return super::limit(
                span,
                "an instance of a generic type stands for a capability only in the package that declares the type, with types that this package knows",
            );
        }
        let here = std::mem::replace(&mut self.cur, home);
        let made = self.cap_record_here(cap, ty, span);
        self.cur = here;
        made
    }

    fn cap_record_here(&mut self, cap: CapId, ty: Ty, span: crate::source::Span) -> Res<()> {
        let prog = self.prog;
        if !self.unit()?.impls.insert((Slot::Cap(cap, 0), ty)) {
            return Ok(());
        }
        let cap_ix = self.cap(cap)?;
        let nominal = self.nominal(ty)?;
        let count = prog.caps.get(cap.0 as usize).map_or(0, |c| c.methods.len());
        let mut methods: Vec<FnRef> = Vec::new();
        for i in 0..count {
            methods.push(self.vtable_fn(Slot::Cap(cap, i as u32), ty, false, span)?);
        }
        let u = self.unit()?;
        u.b.implement(nominal, Interface::Cap(cap_ix), methods);
        Ok(())
    }
}

//! Literals into the standard functions that take them, and lazy sequences into the loops that ask for them:
//! `xs.map(fn(x) => …)` is a loop in the function that says so, and `iter.of(xs).filter(…).sum()` one loop without
//! closures, options or counters on the heap.
//!
//! A local of a body that is compiled in place may be *known*: a literal with the frame that it was written in, or a
//! struct that is taken apart into registers. What must stay true: what is known is only ever called, or read and
//! written field by field ([`Shape::of`] looks at all mentions before); what runs, and in which order, is the same;
//! a register that a known value mentions lives as long as the statement or call that the whole chain is part of.

use super::Res;
use super::emit::{Lbl, Reg};
use super::func::{FnCx, Frame, Place_, RetTo};
use super::shape::{MAX_SIZE, Shape, inner, local};
use super::visit::{Event, walk};
use crate::thir::*;
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// Largest literal.
const MAX_LITERAL: u32 = 300;
/// Most expressions that a chain comes to.
const MAX_WEIGHT: u32 = 2_000;
/// Deepest nesting.
const MAX_DEPTH: u32 = 6;
/// Longest function, in instructions, that more is put into.
const MAX_CODE: usize = 20_000;

/// What the compiler knows of a local instead of its value.
pub(super) enum Known<'p> {
    /// A literal.
    Literal(&'p Lambda, Rc<Env<'p>>),
    /// A function.
    Named(FnId, Vec<Ty>),
    /// A struct: where its fields are.
    Record(Vec<Place_>),
}

/// What a literal sees around it.
pub(super) struct Env<'p> {
    locals: &'p [LocalDef],
    targs: Rc<[Ty]>,
    places: Vec<Place_>,
    boxed: Rc<FxHashSet<LocalId>>,
    span: Option<crate::source::Span>,
}

/// The function and the arguments of a call without capabilities.
fn plain_call(e: &Expr) -> Option<(FnId, &[Ty], &[Expr])> {
    match &inner(e).kind {
        ExprKind::Call {
            callee,
            caps,
            args,
            errs,
            ..
        } if caps.is_empty() && *errs == TyTable::NEVER => match &**callee {
            Callee::Fn(id, targs) => Some((*id, targs, args)),
            _ => None,
        },
        _ => None,
    }
}

/// The body of a literal, if it is its value and nothing in it returns.
fn whole(body: &Expr) -> Option<&Expr> {
    let mut returns = body.ty != TyTable::BOOL;
    walk(body, &mut |ev| {
        match ev {
            Event::Expr(e) => match e.kind {
                ExprKind::Return(_) => returns = true,
                ExprKind::Lambda(_) => return false,
                _ => {}
            },
            Event::Stmt(_) | Event::Def(_) | Event::Assign(_) | Event::Control => {}
        }
        !returns
    });
    (!returns).then_some(body)
}

/// Whether a literal can be compiled where it is called; its size.
fn literal_size(l: &Lambda) -> Option<u32> {
    if !l.uses.is_empty() {
        return None;
    }
    let (mut size, mut ok) = (0, true);
    walk(&l.body, &mut |ev| {
        match ev {
            Event::Expr(e) => {
                size += 1;
                ok &= size <= MAX_LITERAL && !matches!(e.kind, ExprKind::With(..));
            }
            Event::Stmt(Stmt::Defer(_)) => ok = false,
            _ => {}
        }
        ok
    });
    ok.then_some(size)
}

impl<'p> FnCx<'_, 'p> {
    /// What is known of a local.
    fn known(&self, id: LocalId) -> Option<&Known<'p>> {
        match self.frame.places.get(id.0 as usize) {
            Some(Place_::Known(k)) => self.knowns.get(*k as usize),
            _ => None,
        }
    }

    fn know(&mut self, known: Known<'p>) -> Place_ {
        self.knowns.push(known);
        Place_::Known(self.knowns.len() as u32 - 1)
    }

    fn env(&self) -> Rc<Env<'p>> {
        Rc::new(Env {
            locals: self.frame.locals,
            targs: Rc::clone(&self.frame.targs),
            places: self.frame.places.clone(),
            boxed: Rc::clone(&self.frame.boxed),
            span: self.frame.span,
        })
    }

    /// A field of a struct that is taken apart.
    pub(super) fn known_field(&self, of: &Expr, field: u32) -> Option<Place_> {
        if self.knowns.is_empty() {
            return None;
        }
        match self.known(local(of)?)? {
            Known::Record(fields) => fields.get(field as usize).copied(),
            _ => None,
        }
    }

    /// What a call calls, if that is known: a literal, or the sequence that `next` asks.
    fn known_callee(&self, e: &Expr) -> Option<Place_> {
        if self.knowns.is_empty() {
            return None;
        }
        let ExprKind::Call { callee, args, .. } = &e.kind else {
            return None;
        };
        match &**callee {
            Callee::Value(f) => {
                let id = local(f)?;
                self.known(id)?;
                self.frame.places.get(id.0 as usize).copied()
            }
            Callee::Fn(id, _) if self.cx.is_next(*id) => self.known_field(args.first()?, 0),
            _ => None,
        }
    }

    fn literal_of(&self, place: Place_) -> Option<(&'p Lambda, Rc<Env<'p>>)> {
        let Place_::Known(k) = place else {
            return None;
        };
        match self.knowns.get(k as usize)? {
            Known::Literal(l, env) => Some((*l, Rc::clone(env))),
            _ => None,
        }
    }

    /// Binds the initial value of a `let` to what is known of it; false if nothing is.
    pub(super) fn let_known(&mut self, id: LocalId, init: &'p Expr) -> Res<bool> {
        if self.frame.scalars.contains(&id)
            && let ExprKind::Construct { fields, .. } = &init.kind
        {
            let mut places = Vec::new();
            for f in fields {
                let ty = self.ty(f.ty);
                let r = self.scoped(ty)?;
                self.expr(f, Some(r))?;
                places.push(Place_::Reg(r));
            }
            let place = self.know(Known::Record(places));
            self.set_place(id, place);
            return Ok(true);
        }
        if let ExprKind::Field(of, i) = &init.kind
            && let Some(place @ Place_::Known(_)) = self.known_field(of, *i)
        {
            self.set_place(id, place);
            return Ok(true);
        }
        Ok(false)
    }

    /// Runs `f` in the body of a literal whose parameters are these arguments.
    fn in_literal<T>(
        &mut self,
        e: &'p Expr,
        (l, env): (&'p Lambda, &Env<'p>),
        args: &'p [Expr],
        ret: RetTo,
        f: impl FnOnce(&mut Self, &'p Expr) -> Res<T>,
    ) -> Res<T> {
        let all: Vec<&'p Expr> = args.iter().collect();
        let os = self.operands(&all)?;
        self.at(e.span)?;
        let frame = Frame {
            locals: env.locals,
            targs: Rc::clone(&env.targs),
            places: env.places.clone(),
            boxed: Rc::clone(&env.boxed),
            span: env.span,
            ret: Some(ret),
            fixed: FxHashSet::default(),
            scalars: Rc::default(),
        };
        self.push_scope();
        let result = self.in_frame(frame, |me| {
            for (p, o) in l.params.iter().zip(&os) {
                me.bind_local(*p, o.reg, true)?;
            }
            f(me, &l.body)
        });
        self.pop_scope();
        self.drop_all(os);
        result
    }

    /// Compiles a call of something known; false if it is not.
    pub(super) fn call_known(&mut self, e: &'p Expr, dst: Option<Reg>) -> Res<bool> {
        let Some(place) = self.known_callee(e) else {
            return Ok(false);
        };
        let ExprKind::Call { callee, args, .. } = &e.kind else {
            return Ok(false);
        };
        // `next` has the sequence as its argument, the literal behind it none.
        let args: &'p [Expr] = match **callee {
            Callee::Value(_) => args,
            _ => &[],
        };
        if let Place_::Known(k) = place
            && let Some(Known::Named(id, targs)) = self.knowns.get(k as usize)
        {
            let (id, targs) = (*id, targs.clone());
            self.call_fn(e, id, targs, &[], args, dst)?;
            return Ok(true);
        }
        let Some((l, env)) = self.literal_of(place) else {
            return match place {
                Place_::Known(_) => self.bug("a call of a struct"),
                _ => Ok(false),
            };
        };
        let end = self.code.label();
        self.in_literal(e, (l, &env), args, RetTo::Value(dst, end), |me, body| {
            let ret = me.ty(l.ret);
            me.body_to(body, ret, dst)
        })?;
        self.code.bind(end);
        Ok(true)
    }

    /// The body of a function in place: its value, if it has one, into `dst`.
    pub(super) fn body_to(&mut self, body: &'p Expr, ret: Ty, dst: Option<Reg>) -> Res<()> {
        let ty = self.ty(body.ty);
        let unit = matches!(self.cx.tys.kind(ret), TyKind::Unit | TyKind::Never);
        if unit || ty != ret {
            self.expr(body, None)?;
            if unit && let Some(d) = dst {
                self.code.imm(d, 0);
            }
            return Ok(());
        }
        self.expr(body, dst)
    }

    /// The literal that a call of something known runs, if what it gives is an option.
    pub(super) fn known_option(&mut self, e: &'p Expr) -> Option<(&'p Lambda, Rc<Env<'p>>)> {
        let (l, env) = self.literal_of(self.known_callee(e)?)?;
        let option = match self.cx.tys.kind(e.ty) {
            TyKind::Adt(id, _) => Some(*id) == self.cx.prog.lang.option,
            _ => false,
        };
        option.then_some((l, env))
    }

    /// Compiles such a call without making the option; see `option_call`.
    pub(super) fn option_known(
        &mut self,
        e: &'p Expr,
        (l, env): (&'p Lambda, Rc<Env<'p>>),
        dst: Option<Reg>,
        none: Lbl,
    ) -> Res<()> {
        let ExprKind::Call { callee, args, .. } = &e.kind else {
            return self.bug("not a call");
        };
        let args: &'p [Expr] = match **callee {
            Callee::Value(_) => args,
            _ => &[],
        };
        let some = self.code.label();
        let ret = RetTo::Option(dst, some, none);
        self.in_literal(e, (l, &env), args, ret, |me, body| {
            let ty = me.ty(body.ty);
            if ty == TyTable::NEVER || ty == TyTable::UNIT {
                me.expr(body, None)
            } else {
                me.return_option(body, dst, some, none)
            }
        })?;
        self.code.bind(some);
        Ok(())
    }

    /// Compiles a call of a literal that is one expression as a condition; false if it is none.
    pub(super) fn cond_known(&mut self, e: &'p Expr, to: Lbl, sense: bool) -> Res<bool> {
        let e = match &e.kind {
            ExprKind::Try(call) => &**call,
            _ => e,
        };
        let Some((l, env)) = self.known_callee(e).and_then(|p| self.literal_of(p)) else {
            return Ok(false);
        };
        let value = match super::inline::single(&l.body) {
            Some(value) => Some(value),
            None => whole(&l.body),
        };
        let (ExprKind::Call { callee, args, .. }, Some(value)) = (&e.kind, value) else {
            return Ok(false);
        };
        if !matches!(**callee, Callee::Value(_)) {
            return Ok(false);
        }
        let nowhere = self.code.label();
        let ret = RetTo::Value(None, nowhere);
        self.in_literal(e, (l, &env), args, ret, |me, _| {
            me.jump_if(value, to, sense)
        })?;
        Ok(true)
    }

    /// What an argument for a parameter that is only called comes to, in expressions, if it is known.
    fn weight(&mut self, arg: &'p Expr, depth: u32) -> Option<u32> {
        let arg = inner(arg);
        match &arg.kind {
            ExprKind::Lambda(l) => {
                let errs = self.ty(l.errs);
                literal_size(l).filter(|_| errs == TyTable::NEVER)
            }
            ExprKind::FnRef(id, _) => self.named(*id),
            ExprKind::BindFn { func, caps } if caps.is_empty() => match &func.kind {
                ExprKind::FnRef(id, _) => self.named(*id),
                _ => None,
            },
            ExprKind::Local(id) => {
                matches!(self.frame.places.get(id.0 as usize), Some(Place_::Known(_)))
                    .then_some(MAX_SIZE)
            }
            ExprKind::Call { .. } if depth < 60 => {
                let (id, _, args) = plain_call(arg)?;
                let shape = self.cx.shape(id)?;
                shape.makes?;
                self.weigh(id, &shape, args, depth + 1).map(|(w, _)| w)
            }
            _ => None,
        }
    }

    fn named(&self, id: FnId) -> Option<u32> {
        let def = self.cx.prog.fns.get(id.0 as usize)?;
        (def.uses.is_empty() && !def.open && def.errs == TyTable::NEVER).then_some(1)
    }

    /// What a call comes to, and whether it has arguments that are known.
    fn weigh(
        &mut self,
        id: FnId,
        shape: &Shape<'p>,
        args: &'p [Expr],
        depth: u32,
    ) -> Option<(u32, bool)> {
        let params = &self.cx.prog.fns.get(id.0 as usize)?.params;
        let mut sum = shape.size;
        let mut any = false;
        for (p, arg) in params.iter().zip(args) {
            let Some(calls) = shape.calls.get(p) else {
                continue;
            };
            if let Some(w) = self.weight(arg, depth) {
                any = true;
                sum = sum.saturating_add(w.saturating_mul(*calls));
            }
        }
        (sum <= MAX_WEIGHT).then_some((sum, any))
    }

    /// Evaluates the arguments of a call: what is known of them, or registers that keep their values.
    fn known_args(
        &mut self,
        id: FnId,
        shape: &Shape<'p>,
        args: &'p [Expr],
    ) -> Res<Vec<(LocalId, Place_)>> {
        let prog = self.cx.prog;
        let params = prog.fns.get(id.0 as usize).map_or(&[][..], |d| &d.params);
        let mut out = Vec::new();
        for (p, arg) in params.iter().zip(args) {
            let known = shape.calls.contains_key(p) && self.weight(arg, 0).is_some();
            let place = if known {
                self.known_arg(arg)?
            } else {
                let o = self.operand(arg)?;
                let fixed = match local(arg) {
                    Some(id) => !self.local_def(id)?.mutable,
                    None => true,
                };
                if o.temp {
                    self.keep(o.reg);
                    Place_::Reg(o.reg)
                } else if fixed {
                    Place_::Reg(o.reg)
                } else {
                    // What runs in place may assign the local.
                    let ty = self.ty(arg.ty);
                    let r = self.scoped(ty)?;
                    self.code.mov(r, o.reg);
                    Place_::Reg(r)
                }
            };
            out.push((*p, place));
        }
        Ok(out)
    }

    fn known_arg(&mut self, arg: &'p Expr) -> Res<Place_> {
        let arg = inner(arg);
        Ok(match &arg.kind {
            ExprKind::Lambda(l) => {
                let env = self.env();
                self.know(Known::Literal(l, env))
            }
            ExprKind::FnRef(id, targs) => {
                let targs = self.tys(targs);
                self.know(Known::Named(*id, targs))
            }
            ExprKind::BindFn { func, .. } => return self.known_arg(func),
            ExprKind::Local(id) => self.place(*id)?,
            _ => return self.sequence(arg),
        })
    }

    /// A sequence that a chain of calls makes, as a struct that is taken apart.
    fn sequence(&mut self, e: &'p Expr) -> Res<Place_> {
        let Some((id, targs, args)) = plain_call(e) else {
            return self.bug("a sequence that nothing makes");
        };
        let Some(shape) = self.cx.shape(id) else {
            return self.bug("a sequence of another shape");
        };
        let Some(l) = shape.makes else {
            return self.bug("a sequence that is not made");
        };
        let targs = self.tys(targs);
        let places = self.known_args(id, &shape, args)?;
        self.at(e.span)?;
        let nowhere = self.code.label();
        let ret = RetTo::Value(None, nowhere);
        let Some((frame, body)) = self.frame_of(e, id, &targs, places, ret, &shape) else {
            return self.bug("a function without a body");
        };
        let pull = self.in_frame(frame, |me| {
            if let ExprKind::Block(stmts, _) = &body.kind {
                let n = stmts.len().saturating_sub(1);
                for s in stmts.iter().take(n) {
                    me.stmt(s)?;
                }
            }
            let env = me.env();
            Ok(me.know(Known::Literal(l, env)))
        })?;
        Ok(self.know(Known::Record(vec![pull])))
    }

    /// The frame of a function that is compiled in place.
    fn frame_of(
        &self,
        e: &Expr,
        id: FnId,
        targs: &[Ty],
        args: Vec<(LocalId, Place_)>,
        ret: RetTo,
        shape: &Shape<'p>,
    ) -> Option<(Frame<'p>, &'p Expr)> {
        let def = self.cx.prog.fns.get(id.0 as usize)?;
        let mut places = vec![Place_::None; def.locals.len()];
        for (p, place) in args {
            if let Some(slot) = places.get_mut(p.0 as usize) {
                *slot = place;
            }
        }
        let frame = Frame {
            locals: &def.locals,
            targs: Rc::from(targs),
            places,
            boxed: Rc::default(),
            span: Some(self.frame.span.unwrap_or(e.span)),
            ret: Some(ret),
            fixed: FxHashSet::default(),
            scalars: Rc::clone(&shape.scalars),
        };
        Some((frame, def.body.as_ref()?))
    }

    /// Binds the state of a loop to the sequence that it walks, if that is known; false if not.
    pub(super) fn for_known(&mut self, state: LocalId, iter: &'p Expr) -> Res<bool> {
        let known = matches!(inner(iter).kind, ExprKind::Local(_) | ExprKind::Call { .. })
            && self.may_fuse()
            && self.weight(iter, 0).is_some();
        if known {
            let place = self.known_arg(iter)?;
            self.set_place(state, place);
        }
        Ok(known)
    }

    fn may_fuse(&self) -> bool {
        self.fused < MAX_DEPTH && self.code.len() < MAX_CODE
    }

    /// Compiles a call of a standard function in place, because an argument is a literal or a sequence that is made
    /// for it; false if it is not to be.
    pub(super) fn fuse_call(
        &mut self,
        e: &'p Expr,
        id: FnId,
        targs: &[Ty],
        args: &'p [Expr],
        dst: Option<Reg>,
    ) -> Res<bool> {
        if !self.may_fuse() {
            return Ok(false);
        }
        let Some(shape) = self.cx.shape(id) else {
            return Ok(false);
        };
        if shape.makes.is_some() || !matches!(self.weigh(id, &shape, args, 0), Some((_, true))) {
            return Ok(false);
        }
        self.fused += 1;
        self.push_scope();
        let places = self.known_args(id, &shape, args)?;
        if !self.code.dead() {
            self.at(e.span)?;
            let ret = self.cx.fn_ty(id, targs)?.ret;
            let end = self.code.label();
            let to = RetTo::Value(dst, end);
            let Some((frame, body)) = self.frame_of(e, id, targs, places, to, &shape) else {
                return self.bug("a function without a body");
            };
            self.in_frame(frame, |me| me.body_to(body, ret, dst))?;
            self.code.bind(end);
        }
        self.pop_scope();
        self.fused -= 1;
        Ok(true)
    }
}
